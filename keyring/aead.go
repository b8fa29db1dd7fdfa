package keyring

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

// AEAD is authenticated encryption with associated data that makes its own nonces. It has the methods
// of Tink's primitive, with which Tink's clients of key services come.
//
// It must be safe for concurrent use, and must fail to decrypt whatever it did not encrypt under that
// very associated data. It keeps neither its arguments nor its results.
type AEAD interface {
	Encrypt(plaintext, associatedData []byte) ([]byte, error)
	Decrypt(ciphertext, associatedData []byte) ([]byte, error)
}

// NamedAEAD is an AEAD under the name that goes into what it seals: of the form that Parse takes, and
// never given to another key later.
type NamedAEAD struct {
	Name string
	AEAD AEAD
}

type hiddenAEADs = redact.Value[set[given]]

// FromAEAD returns a Sealer that seals with primary and opens what primary and the older ones sealed.
// The header and the associated data are those of a Ring; the AEAD's ciphertext follows, and nothing
// is derived. It returns ErrKeys for a nil AEAD and for a bad or duplicate name.
//
// An AEAD does not tell a false value from a service that is down, so ErrOpen means both. Its
// errors are wrapped with their text and must not show a plaintext. It takes no context: an ended one
// is noticed before it is called, and its own time limit bounds the call. A client that does better
// is its own Sealer.
func FromAEAD(primary NamedAEAD, older ...NamedAEAD) (Sealer, error) {
	var s set[given]
	for _, n := range append([]NamedAEAD{primary}, older...) {
		if n.AEAD == nil {
			return nil, fmt.Errorf("%w: key %d is nil", ErrKeys, len(s)+1)
		}
		var err error
		if s, err = s.add(n.Name, given{n.AEAD}); err != nil {
			return nil, err
		}
	}
	return aeads{redact.New(s)}, nil
}

// aeads is redacted, as an AEAD can hold its key in plain fields.
type aeads struct{ hiddenAEADs }

func (a aeads) keys() set[given] { return redact.Open(a.hiddenAEADs) }

func (a aeads) Seal(ctx context.Context, plaintext []byte, b Binding) ([]byte, error) {
	return a.keys().seal(ctx, plaintext, b)
}

func (a aeads) Open(ctx context.Context, sealed []byte, b Binding) ([]byte, error) {
	return a.keys().open(ctx, sealed, b)
}

func (a aeads) Primary() string { return a.keys().primary() }

func (a aeads) KeyName(sealed []byte) (string, error) { return keyName(sealed) }

// given is an AEAD that binds by associated data alone.
type given struct{ aead AEAD }

func (g given) under(Binding) (AEAD, error) { return g.aead, nil }
