package vectors_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// section is one list of a file.
type section struct {
	name     string
	cases    []json.RawMessage
	check    func(json.RawMessage) error
	expected []string // the members of a case that say what must come out
}

// sectionOf has each case decoded, checked against the library, and against a second computation.
func sectionOf[T any](name string, cases []json.RawMessage, check func(T) error, expected ...string) section {
	return section{name, cases, func(raw json.RawMessage) error {
		var c T
		if err := decode(raw, &c); err != nil {
			return err
		}
		return check(c)
	}, expected}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../vectors", file))
	require.NoError(t, err)
	require.NoError(t, decode(raw, into), file)
}

// decode refuses a member that is not known, one that is missing, and whatever comes after the value.
func decode(raw []byte, into any) error {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something comes after the value")
	}
	again, err := json.Marshal(into)
	if err != nil {
		return err
	}
	before, after := tree(raw), tree(again)
	if !reflect.DeepEqual(before, after) {
		return fmt.Errorf("a member is missing, or written otherwise: %s, not %s", again, raw)
	}
	return nil
}

// tree is JSON as maps, slices and scalars.
func tree(raw []byte) (v any) {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	if in.Decode(&v) != nil {
		return nil
	}
	return v
}

// input is a text, or bytes that are no text.
type input struct {
	Text  *string `json:"text,omitempty"`
	Bytes *string `json:"bytes,omitempty"` // base64url
}

func (in input) value() (string, error) {
	switch {
	case in.Text != nil && in.Bytes == nil:
		return *in.Text, nil
	case in.Text == nil && in.Bytes != nil:
		b, err := base64.RawURLEncoding.DecodeString(*in.Bytes)
		return string(b), err
	}
	return "", errors.New("neither a text nor bytes, or both")
}

// refusal is how most cases end: accepted, or refused for a reason.
type refusal struct {
	Answer string `json:"answer"`
	Reason string `json:"reason,omitempty"`
}

func refused(reason string) refusal {
	if reason == "" {
		return refusal{Answer: "accepted"}
	}
	return refusal{"refused", reason}
}

// agree compares what the case says with a second computation and with the library, which gives no reason.
func (r refusal) agree(second string, library error) error {
	if r != refused(second) {
		return fmt.Errorf("%+v, and the second computation: %+v", r, refused(second))
	}
	if (library == nil) != (second == "") {
		return fmt.Errorf("%+v, and the library: %w", r, library)
	}
	return nil
}

func equal(what string, want, got any) error {
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: %v, not %v", what, got, want)
	}
	return nil
}
