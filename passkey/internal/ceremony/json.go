package ceremony

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// maxDepth is of objects and arrays in one another. A response has 4, with extension results.
const maxDepth = 16

// object is a JSON object: its members by their exact names, each once. encoding/json would match names in any case
// and take the last of several, so that two readers of one signed text could read different things.
type object map[string]any

// parseObject reads a text that is one object and nothing more.
func parseObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // no number is read, and one that is too large for a float64 is none of our business
	v, err := value(d, maxDepth)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, errors.New("not an object")
	}
	return o, nil
}

// value reads the next value of a text that is known to be one valid value.
func value(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == 0 {
		return nil, errors.New("nested too deep")
	}
	if open == '[' {
		return array(d, depth)
	}
	o := object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := value(d, depth-1)
		if err != nil {
			return nil, err
		}
		if _, twice := o[name.(string)]; twice {
			return nil, errors.New("a member is there twice")
		}
		o[name.(string)] = v
	}
	_, err = d.Token()
	return o, err
}

func array(d *json.Decoder, depth int) (any, error) {
	a := []any{}
	for d.More() {
		v, err := value(d, depth-1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	_, err := d.Token()
	return a, err
}

// text returns a member that must be a string.
func (o object) text(name string) (string, error) {
	s, ok := o[name].(string)
	if !ok {
		return "", refuse(Malformed, "%s is no string", name)
	}
	return s, nil
}

// bytes returns a member that must be base64url, of 1 to max bytes.
func (o object) bytes(name string, max int) ([]byte, error) {
	s, err := o.text(name)
	if err != nil {
		return nil, err
	}
	b, err := unbase64(s)
	if err != nil || len(b) == 0 || len(b) > max {
		return nil, refuse(Malformed, "%s is not the unpadded base64url of 1 to %d bytes", name, max)
	}
	return b, nil
}

var strict = base64.RawURLEncoding.Strict()

// unbase64 takes the one spelling that each sequence of bytes has. The decoder alone skips line breaks.
func unbase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line breaks")
	}
	return strict.DecodeString(s)
}
