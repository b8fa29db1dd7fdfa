package recovery

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const (
	// alphabet is Crockford's base 32: no I, L and O, which are taken for 1, 1 and 0, and no U.
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

	symbols = 16 // in a code; the first is public, the other 15 are 75 secret bits
	group   = 4  // symbols between two dashes
	maxText = 64 // bytes; leaves room for three separators after every symbol
)

type hidden = redact.Value[string]

// Code is one recovery code, in its one canonical form. It prints as "[redacted]" and refuses to be
// marshalled; Reveal shows it. The zero Code is no code, and nothing verifies it.
type Code struct{ hidden }

// Parse reads a code as people type it: upper or lower case, with or without dashes and spaces
// (U+0020) anywhere, I and L for 1, O for 0. Everything else is ErrCode: U, other white space, other
// scripts' letters and digits, and any number of symbols but 16. All spellings of a code are one
// Code, so that nothing after Parse can take them for different ones.
func Parse(s string) (Code, error) {
	// Nothing is looked at before the length is known to be harmless, and Argon2id, whose cost grows
	// with its input, is never given more than the 16 symbols.
	if len(s) > maxText {
		return Code{}, fmt.Errorf("%w: longer than %d bytes", ErrCode, maxText)
	}
	var text [symbols]byte
	n := 0
	for i := range len(s) { // bytes, so no letter outside ASCII is folded into one
		if s[i] == '-' || s[i] == ' ' {
			continue
		}
		c := canonical(s[i])
		if c == 0 {
			return Code{}, fmt.Errorf("%w: a character that no code has", ErrCode)
		}
		if n == symbols {
			return Code{}, fmt.Errorf("%w: more than %d symbols", ErrCode, symbols)
		}
		text[n] = c
		n++
	}
	if n < symbols {
		return Code{}, fmt.Errorf("%w: fewer than %d symbols", ErrCode, symbols)
	}
	return Code{redact.New(string(text[:]))}, nil
}

// canonical returns the symbol that c means, 0 if there is none.
func canonical(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	switch {
	case c == 'I' || c == 'L':
		return '1'
	case c == 'O':
		return '0'
	case c == 'U':
		return 0
	case '0' <= c && c <= '9' || 'A' <= c && c <= 'Z':
		return c
	default:
		return 0
	}
}

// text returns the 16 symbols without dashes, "" for the zero Code.
func (c Code) text() string { return redact.Open(c.hidden) }

// Reveal returns the code as it is shown, "XXXX-XXXX-XXXX-XXXX"; the zero Code is "".
func (c Code) Reveal() string {
	var shown []byte
	for i, symbol := range []byte(c.text()) {
		if i > 0 && i%group == 0 {
			shown = append(shown, '-')
		}
		shown = append(shown, symbol)
	}
	return string(shown)
}

// Selector returns the first symbol of the code, which is public: it says which of a set's hashes
// the code is to be compared with, and no more. The zero Code has 0.
func (c Code) Selector() byte {
	if text := c.text(); text != "" {
		return text[0]
	}
	return 0
}
