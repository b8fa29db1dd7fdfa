package keyring

import (
	"context"
	"fmt"
	"strings"
)

const (
	format     = 1 // the first byte of every sealed value
	headerSize = 2 // bytes before the name of the key
	maxName    = 32
)

// key is the key of a name. under returns what seals the values of a Binding.
type key interface {
	under(Binding) (AEAD, error)
}

type entry[K key] struct {
	name string
	key  K
}

// set is keys by name, the primary first. It is not changed once it is made. The empty set fails at
// everything.
type set[K key] []entry[K]

// add returns s with one more key. Its errors count from one, and show nothing of what was given:
// what stands at the place of a name can be a key.
func (s set[K]) add(name string, k K) (set[K], error) {
	if !isName(name) {
		return nil, fmt.Errorf("%w: key %d: its name is not 1 to %d of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
			ErrKeys, len(s)+1, maxName)
	}
	for i, e := range s {
		if e.name == name {
			return nil, fmt.Errorf("%w: key %d has the name of key %d", ErrKeys, len(s)+1, i+1)
		}
	}
	return append(s, entry[K]{name, k}), nil
}

func (s set[K]) seal(ctx context.Context, plaintext []byte, b Binding) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch {
	case len(s) == 0:
		return nil, fmt.Errorf("%w: no keys", ErrKeys)
	case len(plaintext) > maxPlaintext:
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrSeal, len(plaintext), maxPlaintext)
	case !b.bounded():
		return nil, fmt.Errorf("%w: a part of the binding has more than %d bytes", ErrSeal, maxPart)
	}
	primary := s[0]
	header := append([]byte{format, byte(len(primary.name))}, primary.name...)
	aead, err := primary.key.under(b)
	if err != nil {
		return nil, fmt.Errorf("%w: key %q: %w", ErrSeal, primary.name, err)
	}
	body, err := aead.Encrypt(plaintext, b.associated(header))
	if err != nil {
		return nil, fmt.Errorf("%w: key %q: %w", ErrSeal, primary.name, err)
	}
	// Better now than when the secret is needed. A ciphertext that is no longer than its plaintext
	// has no tag in it.
	if len(body) <= len(plaintext) || len(header)+len(body) > maxSealed {
		return nil, fmt.Errorf("%w: key %q made %d bytes of %d", ErrSeal, primary.name, len(body), len(plaintext))
	}
	return append(header, body...), nil
}

func (s set[K]) open(ctx context.Context, sealed []byte, b Binding) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(s) == 0 {
		return nil, fmt.Errorf("%w: no keys", ErrKeys)
	}
	name, err := keyName(sealed)
	if err != nil {
		return nil, err
	}
	for _, e := range s {
		if e.name == name {
			return e.open(sealed, b)
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownKey, name)
}

// open is handed a value whose header names this key.
func (e entry[K]) open(sealed []byte, b Binding) ([]byte, error) {
	if !b.bounded() {
		return nil, fmt.Errorf("%w: a part of the binding has more than %d bytes", ErrOpen, maxPart)
	}
	aead, err := e.key.under(b)
	if err != nil {
		return nil, fmt.Errorf("%w: key %q: %w", ErrOpen, e.name, err)
	}
	header, body := sealed[:headerSize+len(e.name)], sealed[headerSize+len(e.name):]
	plaintext, err := aead.Decrypt(body, b.associated(header))
	if err != nil {
		return nil, fmt.Errorf("%w: key %q: %w", ErrOpen, e.name, err)
	}
	if len(plaintext) > maxPlaintext {
		return nil, fmt.Errorf("%w: key %q made %d bytes of %d", ErrOpen, e.name, len(plaintext), len(body))
	}
	return plaintext, nil
}

func (s set[K]) primary() string {
	if len(s) == 0 {
		return ""
	}
	return s[0].name
}

func keyName(sealed []byte) (string, error) {
	if len(sealed) > maxSealed {
		return "", fmt.Errorf("%w: %d bytes, more than %d", ErrOpen, len(sealed), maxSealed)
	}
	if len(sealed) < headerSize || sealed[0] != format || len(sealed)-headerSize < int(sealed[1]) {
		return "", fmt.Errorf("%w: not a sealed value", ErrOpen)
	}
	name := string(sealed[headerSize : headerSize+int(sealed[1])])
	if !isName(name) { // it goes into errors, logs and indexes
		return "", fmt.Errorf("%w: not a sealed value", ErrOpen)
	}
	return name, nil
}

func isName(s string) bool {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= maxName &&
		strings.IndexByte(alphanumeric, s[0]) >= 0 && strings.Trim(s, alphanumeric+"._-") == ""
}
