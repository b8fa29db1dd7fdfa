package keyring

import (
	"context"
	"encoding/binary"
)

// Sealer is what a service needs of its keys. A [Ring] is one, and so is what [FromAEAD] returns.
//
// All of it may be called from many goroutines at once. An implementation authenticates the whole
// Binding and the name of the key with the value, copies what it is given, and returns the error of
// a context that has ended. Its keys have names of the form that Parse takes.
type Sealer interface {
	// Seal seals at most 32 KiB, possibly nothing, under the primary key. The same plaintext never
	// gives the same bytes twice.
	Seal(ctx context.Context, plaintext []byte, b Binding) ([]byte, error)

	// Open returns what was sealed, if that was under an equal Binding; otherwise ErrOpen, or
	// ErrUnknownKey for a value of a key that is not there. An error never comes with a plaintext.
	Open(ctx context.Context, sealed []byte, b Binding) ([]byte, error)

	// Primary returns the name of the key that Seal uses.
	Primary() string

	// KeyName returns the name of the key a value was sealed under, or ErrOpen for what is not a
	// sealed value. It is read from the header, and only Open tells whether it is true: it serves to
	// find what is under an old key, not to decide anything.
	KeyName(sealed []byte) (string, error)
}

// Binding says what a sealed value is for; the value opens only under an equal Binding. A part may be
// empty, and has at most 1024 bytes. An empty Account means more values under one key: see the
// package comment.
type Binding struct {
	Purpose string // what for: "totp secret", "challenge"
	Account string // whose
	Item    string // which of the account's, such as an authenticator's ID
}

func (b Binding) bounded() bool {
	return len(b.Purpose) <= maxPart && len(b.Account) <= maxPart && len(b.Item) <= maxPart
}

// associated returns the associated data, in its own memory.
func (b Binding) associated(header []byte) []byte {
	ad := make([]byte, 0, len(header)+3*4+len(b.Purpose)+len(b.Account)+len(b.Item))
	ad = append(ad, header...)
	return appendParts(ad, b.Purpose, b.Account, b.Item)
}

// appendParts appends each part behind its length: without it, "ab" and "c" would be "a" and "bc".
func appendParts(to []byte, parts ...string) []byte {
	for _, p := range parts {
		to = binary.BigEndian.AppendUint32(to, uint32(len(p)))
		to = append(to, p...)
	}
	return to
}
