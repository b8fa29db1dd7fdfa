package totp

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

// minImported is 80 bits, the default of many older generators. Shorter secrets are not read at all.
const minImported = 10 // bytes

// ParseImported reads a secret that another system has made, of 10 to 128 bytes, as such systems write them:
// base32 in upper or lower case, in groups set apart by spaces or hyphens, with any padding at the end or none,
// and with white space around it, such as the line break of a file. Everything else is ErrSecret.
//
// Bits left over after the last whole byte are dropped, as authenticator apps drop them. dropped says how many they
// were if one of them was set, and is 0 otherwise: then the secret has other texts too, or the text was cut.
//
// It is for a migration alone. ParseSecret reads what an owner types and what is stored.
func ParseImported(s string) (secret Secret, dropped int, err error) {
	if len(s) > maxSecretText {
		return Secret{}, 0, fmt.Errorf("%w: longer than %d characters", ErrSecret, maxSecretText)
	}
	text := strings.TrimRight(strings.Trim(s, " \t\r\n"), "= ")
	symbols := make([]byte, 0, len(text))
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ', c == '-':
		case 'a' <= c && c <= 'z':
			symbols = append(symbols, c-'a'+'A')
		case 'A' <= c && c <= 'Z', '2' <= c && c <= '7':
			symbols = append(symbols, c)
		default:
			return Secret{}, 0, fmt.Errorf("%w: not base32", ErrSecret)
		}
	}
	size := len(symbols) * 5 / 8
	if size < minImported || size > maxSecret {
		return Secret{}, 0, fmt.Errorf("%w: %d bytes, not %d to %d", ErrSecret, size, minImported, maxSecret)
	}
	// The decoder takes as many symbols as the bytes need, and passes over the bits after the last of them.
	b, err := unpadded.DecodeString(string(symbols[:(size*8+4)/5]))
	if err != nil {
		return Secret{}, 0, fmt.Errorf("%w: not base32", ErrSecret)
	}
	zeros := unpadded.EncodeToString(b)
	zeros += strings.Repeat("A", len(symbols)-len(zeros))
	if zeros != string(symbols) {
		dropped = len(symbols)*5 - size*8
	}
	return Secret{redact.New(b)}, dropped, nil
}

// Weak reports whether the secret has 10 to 15 bytes, which only ParseImported reads. RFC 4226 §4 R6 demands 16.
func (s Secret) Weak() bool { return len(s.raw()) >= minImported && len(s.raw()) < minSecret }
