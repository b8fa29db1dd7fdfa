// Package redact holds values that must not be printed, logged or encoded by accident.
package redact

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// Mark is what stands where a secret would have been printed.
const Mark = "[redacted]"

// ErrEncode is returned by every encoder that is handed a Value. A blank in its place would be
// found only when the secret is needed.
var ErrEncode = errors.New("redact: a secret is not encoded by accident; call Reveal where it must be shown")

// Value hides one secret. Public types embed it under an unexported name, which gives them its
// methods and keeps the field away from their users.
//
// The secret stands behind a function. fmt calls no methods on a field it cannot export, and prints
// what a pointer there points to where the verb does not fit one; of a function it, and whatever else
// goes through values by reflection, can show the address alone.
type Value[T any] struct{ open func() T }

// New hides v.
func New[T any](v T) Value[T] { return Value[T]{func() T { return v }} }

// Later hides what f returns. It is called once, when that is opened first.
func Later[T any](f func() T) Value[T] { return Value[T]{sync.OnceValue(f)} }

// Open returns what v hides; the zero Value hides the zero T.
func Open[T any](v Value[T]) T {
	if v.open == nil {
		var zero T
		return zero
	}
	return v.open()
}

// IsZero reports whether v hides nothing.
func (v Value[T]) IsZero() bool { return v.open == nil }

// String returns Mark.
func (v Value[T]) String() string { return Mark }

// GoString returns Mark.
func (v Value[T]) GoString() string { return Mark }

// Format writes Mark for every verb.
func (v Value[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mark) }

// LogValue returns Mark.
func (v Value[T]) LogValue() slog.Value { return slog.StringValue(Mark) }

// MarshalText returns ErrEncode, so that encoding/json, encoding/xml and their kind fail.
func (v Value[T]) MarshalText() ([]byte, error) { return nil, ErrEncode }

// MarshalJSON returns ErrEncode.
func (v Value[T]) MarshalJSON() ([]byte, error) { return nil, ErrEncode }

// MarshalBinary returns ErrEncode; encoding/gob asks it too.
func (v Value[T]) MarshalBinary() ([]byte, error) { return nil, ErrEncode }
