// Package text has the rules for text that people give, in one copy: names, reasons and the like.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the most bytes of a name.
const MaxName = 64

// IsName reports whether text can be the name of an authenticator, a token or an operator: 1 to MaxName bytes that are
// Trimmed.
func IsName(s string) bool { return Trimmed(s, 1, MaxName) }

// Trimmed reports whether text is Within, without a space at either end.
func Trimmed(s string, least, most int) bool {
	return Within(s, least, most) && strings.TrimSpace(s) == s
}

// Within reports whether text has from least to most bytes of UTF-8 without unprintable characters.
func Within(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, Unprintable)
}

// Unprintable reports whether a character is a control, format or line-breaking one: with a right-to-left override, for
// one, a name looks like another.
func Unprintable(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
