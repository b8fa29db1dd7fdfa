package ceremony

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// Bounds of JSON. A response has 4 levels and at most 10 members in an object.
const (
	maxDepth   = 16
	maxMembers = 64
)

// object is a JSON object: its members by their exact names, each once. encoding/json would match names in any case
// and take the last of several, so that two readers of one signed text could read different things.
type object []member

type member struct {
	name  string
	value []byte // as it stands in the text, without space around it
}

var errTwice = errors.New("a member is there twice")

// parseObject reads a text that is one object and nothing more.
func parseObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	s := scanner{text: text}
	if s.space(); s.text[s.at] != '{' {
		return nil, errors.New("not an object")
	}
	return s.object(maxDepth)
}

// scanner moves through a text that is known to be valid JSON, and so it finds what must be there.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// object reads an object from its brace on.
func (s *scanner) object(depth int) (object, error) {
	o := make(object, 0, 8)
	for s.next('}') {
		start := s.at
		s.quoted()
		name, err := unquote(s.text[start:s.at])
		if err != nil {
			return nil, err
		}
		if o.get(name) != nil {
			return nil, errTwice
		}
		s.space()
		s.at++ // the colon
		s.space()
		start = s.at
		if err := s.value(depth - 1); err != nil {
			return nil, err
		}
		if o = append(o, member{name, s.text[start:s.at]}); len(o) > maxMembers {
			return nil, errors.New("too many members")
		}
	}
	return o, nil
}

// next moves past a brace, a bracket or a comma to what follows it, and reports whether that is a value or a member. If
// it is the end, next moves past that.
func (s *scanner) next(end byte) bool {
	if s.space(); s.text[s.at] == end {
		s.at++
		return false
	}
	s.at++
	if s.space(); s.text[s.at] == end {
		s.at++
		return false
	}
	return true
}

// value moves past a value, and looks at the names of the objects in it.
func (s *scanner) value(depth int) error {
	switch s.text[s.at] {
	case '"':
		s.quoted()
		return nil
	case '{', '[':
		if depth == 0 {
			return errors.New("nested too deep")
		}
	default:
		for s.at < len(s.text) && strings.IndexByte(",]} \t\r\n", s.text[s.at]) < 0 {
			s.at++
		}
		return nil
	}
	if s.text[s.at] == '{' {
		_, err := s.object(depth)
		return err
	}
	for s.next(']') {
		if err := s.value(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

// quoted moves past a string.
func (s *scanner) quoted() {
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}

func unquote(quoted []byte) (string, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
}

// get returns the value of a member, and nil where there is none.
func (o object) get(name string) []byte {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text returns a member that must be a string.
func (o object) text(name string) (string, error) {
	v := o.get(name)
	if len(v) == 0 || v[0] != '"' {
		return "", refuse(Malformed, "%s is no string", name)
	}
	s, err := unquote(v)
	if err != nil {
		return "", refuse(Malformed, "%s: %v", name, err)
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
