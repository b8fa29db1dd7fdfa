package recovery

import (
	"crypto/rand"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

// Count is how many codes a set has.
const Count = 10

// maxName is how many bytes of an issuer or an account Text writes.
const maxName = 255

// Codes is a set of codes, to be shown to its owner once.
type Codes []Code

// Generate returns Count fresh random codes, each with 75 secret bits, whose selectors are all
// different.
func Generate() Codes {
	codes := make(Codes, 0, Count)
	var taken [256]bool
	for len(codes) < Count {
		var text [symbols]byte
		_, _ = rand.Read(text[:]) // never fails: the process ends instead
		for i, b := range text {
			text[i] = alphabet[b%byte(len(alphabet))] // 256 is a multiple of 32, so no symbol is favored
		}
		// A draw whose selector is taken is dropped whole: nothing of it is used again.
		if taken[text[0]] {
			continue
		}
		taken[text[0]] = true
		codes = append(codes, Code{redact.New(string(text[:]))})
	}
	return codes
}

// Text returns the set as plain text to download or print: the issuer, the account, the day the set
// was made (in UTC), an empty line, and the codes, one a line. It contains the codes in full, and no
// word in any language; the name the caller gives the file says what it is.
//
// Issuer and account may come from anybody. They are cut at 255 bytes, and control, format,
// bidirectional and line-breaking characters and what is not UTF-8 become U+FFFD, so neither can
// add a line that looks like a code.
func (cs Codes) Text(issuer, account string, made time.Time) string {
	var b strings.Builder
	for _, line := range []string{name(issuer), name(account), made.UTC().Format(time.DateOnly), ""} {
		b.WriteString(line + "\n")
	}
	for _, c := range cs {
		b.WriteString(c.Reveal() + "\n")
	}
	return b.String()
}

func name(s string) string {
	s = s[:min(len(s), maxName)]
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
