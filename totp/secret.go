package totp

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const (
	minSecret     = 16 // bytes; RFC 4226 §4 R6: at least 128 bits
	defaultSecret = 20 // bytes; RFC 4226 §4 R6 recommends 160 bits
	maxSecret     = 128
	maxSecretText = 512 // bytes; 128 bytes are 205 symbols, which may be spaced
)

var unpadded = base32.StdEncoding.WithPadding(base32.NoPadding)

type hidden = redact.Value[[]byte]

// Secret is what the server and the authenticator share. It prints as "[redacted]" and refuses to
// be marshalled; Reveal shows it. The zero Secret holds nothing, and no code matches it.
type Secret struct{ hidden }

// GenerateSecret returns 20 fresh random bytes.
func GenerateSecret() Secret {
	b := make([]byte, defaultSecret)
	_, _ = rand.Read(b) // never fails: the process ends instead
	return Secret{redact.New(b)}
}

// ParseSecret reads a secret of 16 to 128 bytes as base32 (RFC 4648 §6), upper or lower case, with
// all of its padding or none of it. Spaces (U+0020) may stand anywhere. Everything else is
// ErrSecret, bits left over after the last byte included unless they are zero: two texts would be
// one secret, and apps do not agree on whether such bits count.
func ParseSecret(s string) (Secret, error) {
	// Nothing is copied or decoded before the length is known to be harmless.
	if len(s) > maxSecretText {
		return Secret{}, fmt.Errorf("%w: longer than %d characters", ErrSecret, maxSecretText)
	}
	text := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
		case 'a' <= c && c <= 'z':
			// Not strings.ToUpper: it takes U+0131 and U+017F for I and S.
			text = append(text, c-'a'+'A')
		case 'A' <= c && c <= 'Z', '2' <= c && c <= '7', c == '=':
			text = append(text, c)
		default:
			return Secret{}, fmt.Errorf("%w: not base32", ErrSecret) // the decoder would pass over line breaks
		}
	}
	symbols := strings.TrimRight(string(text), "=")
	if padding := len(text) - len(symbols); padding > 0 && (padding >= 8 || len(text)%8 != 0) {
		return Secret{}, fmt.Errorf("%w: wrong padding", ErrSecret)
	}
	b, err := unpadded.DecodeString(symbols)
	if err != nil || unpadded.EncodeToString(b) != symbols {
		return Secret{}, fmt.Errorf("%w: not base32", ErrSecret)
	}
	if len(b) < minSecret || len(b) > maxSecret {
		return Secret{}, fmt.Errorf("%w: %d bytes, not %d to %d", ErrSecret, len(b), minSecret, maxSecret)
	}
	return Secret{redact.New(b)}, nil
}

// Reveal returns the secret as upper-case base32 without padding, as authenticator apps take it;
// the zero Secret is "".
func (s Secret) Reveal() string { return unpadded.EncodeToString(s.raw()) }

func (s Secret) raw() []byte { return redact.Open(s.hidden) }
