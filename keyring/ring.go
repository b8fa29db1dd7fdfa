package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const keySize = 32 // bytes, of a ring key and of the keys derived from it

type hidden = redact.Value[set[local]]

// Ring is a primary key and any number of older ones, in memory. It never changes, and may be used
// from many goroutines at once. It prints as "[redacted]" and refuses to be marshalled; Reveal shows
// its keys. A nil or zero Ring has no keys: Seal, Open and MAC return ErrKeys.
type Ring struct{ hidden }

// Generate returns a Ring of one fresh random key under a fresh random name.
func Generate() *Ring {
	var k [keySize]byte
	_, _ = rand.Read(k[:]) // never fails: the process ends instead
	name := "k" + strings.ToLower(rand.Text()[:12])
	return &Ring{redact.New(set[local]{{name, newLocal(k)}})}
}

// Seal implements [Sealer]. Its errors are ErrKeys, ErrSeal and that of a context that has ended.
func (r *Ring) Seal(ctx context.Context, plaintext []byte, b Binding) ([]byte, error) {
	return r.keys().seal(ctx, plaintext, b)
}

// Open implements [Sealer]. Its errors are ErrKeys, ErrUnknownKey, ErrOpen and that of a context that
// has ended.
func (r *Ring) Open(ctx context.Context, sealed []byte, b Binding) ([]byte, error) {
	return r.keys().open(ctx, sealed, b)
}

// Primary implements [Sealer]; without keys it is "".
func (r *Ring) Primary() string { return r.keys().primary() }

// KeyName implements [Sealer].
func (r *Ring) KeyName(sealed []byte) (string, error) { return keyName(sealed) }

// Reveal returns the keys as text that Parse reads, one a line, the primary first, without a line end
// after the last. Without keys it is "".
func (r *Ring) Reveal() string {
	var lines []string
	for _, e := range r.keys() {
		lines = append(lines, e.name+":"+base64.StdEncoding.EncodeToString(e.key.key[:]))
	}
	return strings.Join(lines, "\n")
}

// MAC returns the HMAC-SHA-256 of a message for a Binding, under a key that is derived from the ring key of a name. It
// tells nothing of the message to anyone who lacks that key. Without such a key it is ErrUnknownKey, without any ErrKeys; a
// part of the Binding that is too long is ErrSeal.
func (r *Ring) MAC(name string, message []byte, b Binding) ([]byte, error) {
	if !b.bounded() {
		return nil, fmt.Errorf("%w: a part of the binding has more than %d bytes", ErrSeal, maxPart)
	}
	keys := r.keys()
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no keys", ErrKeys)
	}
	for _, e := range keys {
		if e.name != name {
			continue
		}
		derived, err := e.key.derive("HMAC-SHA-256", b)
		if err != nil {
			return nil, fmt.Errorf("%w: key %q: %w", ErrSeal, name, err)
		}
		mac := hmac.New(sha256.New, derived)
		mac.Write(b.associated(nil))
		mac.Write(message)
		return mac.Sum(nil), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownKey, name)
}

func (r *Ring) keys() set[local] {
	if r == nil {
		return nil
	}
	return redact.Open(r.hidden)
}

// local is a key in memory, with what HKDF extracts from it (RFC 5869 §2.2), which is the same for every derived key.
type local struct{ key, extracted [keySize]byte }

func newLocal(key [keySize]byte) local {
	extracted, err := hkdf.Extract(sha256.New, key[:], nil)
	if err != nil {
		panic("keyring: " + err.Error()) // cannot be: 32 bytes and SHA-256 are fit for every mode of package crypto
	}
	return local{key, [keySize]byte(extracted)}
}

// derive returns the key of an algorithm for a purpose and an account.
func (k local) derive(algorithm string, b Binding) ([]byte, error) {
	info := appendParts([]byte("gatehouse/keyring/1/"+algorithm), b.Purpose, b.Account)
	return hkdf.Expand(sha256.New, k.extracted[:], string(info), keySize)
}

func (k local) under(b Binding) (AEAD, error) {
	derived, err := k.derive("AES-256-GCM", b)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return gcm{aead}, nil
}

// gcm has the nonce before the ciphertext.
type gcm struct{ aead cipher.AEAD }

func (g gcm) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	return g.aead.Seal(nil, nil, plaintext, associatedData), nil
}

func (g gcm) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	return g.aead.Open(nil, nil, ciphertext, associatedData)
}
