package tokens

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

// Kind says what a token is for. It is part of the string: three of a-z and 0-9, a letter first.
type Kind string

const (
	Personal    Kind = "pat" // a person's, for scripts
	CommandLine Kind = "cli"
	App         Kind = "app"
	Machine     Kind = "svc" // a service's or a pipeline's
)

// Check returns ErrInvalid unless the kind can stand in a token.
func (k Kind) Check() error {
	if len(k) != kindSize || !isName(string(k)) {
		return fmt.Errorf("%w: a kind is three of a-z and 0-9, a letter first", ErrInvalid)
	}
	return nil
}

const (
	kindSize   = 3
	maxBrand   = 16
	idSize     = 14 // symbols of base 62: 83 bits
	secretSize = 43 // 256 bits
	lineSize   = 21 // of them, what a token that rotates itself hands down: 125 bits, and 131 are new each time
	checkSize  = 6  // 32 bits
	bodySize   = idSize + secretSize + checkSize
	maxText    = maxBrand + 1 + kindSize + 1 + bodySize
)

// CheckBrand returns ErrInvalid unless brand can begin a token: 2 to 16 of a-z and 0-9, a letter first.
func CheckBrand(brand string) error {
	if len(brand) < 2 || len(brand) > maxBrand || !isName(brand) {
		return fmt.Errorf("%w: a brand is 2 to %d of a-z and 0-9, a letter first", ErrInvalid, maxBrand)
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

type hiddenText = redact.Value[string]

// Token is a whole token, as it is shown once. It prints as "[redacted]".
type Token struct{ hiddenText }

// Generate returns a new token of a brand and a kind, which CheckBrand and Kind.Check accept.
func Generate(brand string, k Kind) Token { return generate(brand, k, symbols(idSize)) }

// Successor returns a token with another secret under the ID of p, which begins another line.
func (p Parsed) Successor(brand string) Token { return generate(brand, p.Kind, p.ID) }

// Next returns the successor of a token whose text is at hand, in the same line. ErrFormat says that the text is
// no token of the brand.
func Next(brand, text string) (Token, error) {
	if _, err := Parse(brand, text); err != nil {
		return Token{}, err
	}
	body := len(text) - checkSize
	return ended(text[:body-secretSize] + symbols(secretSize-lineSize) + text[body-lineSize:body]), nil
}

func generate(brand string, k Kind, id string) Token {
	return ended(brand + "_" + string(k) + "_" + id + symbols(secretSize))
}

// ended ends a token in its checksum.
func ended(text string) Token {
	check := checksum([]byte(text))
	return Token{redact.New(text + string(check[:]))}
}

// Reveal returns the token as text.
func (t Token) Reveal() string { return redact.Open(t.hiddenText) }

// Digest is the SHA-256 of a token's secret. Of 256 random bits a plain hash is enough, and of 43 symbols
// it takes one block.
type Digest [sha256.Size]byte

// Equal compares with a stored digest, in constant time.
func (d Digest) Equal(stored []byte) bool { return subtle.ConstantTimeCompare(d[:], stored) == 1 }

// Parsed is what a presented token says of itself, without its secret.
type Parsed struct {
	Kind   Kind
	ID     string
	Digest Digest

	// Line is the SHA-256 of the last 21 symbols of the secret, which Next hands down. By it the copies of a token
	// that has rotated itself are known, however many there were: only who was given one of them knows its line.
	Line Digest
}

// Parse reads a token of a brand. All but exactly the form that Generate writes is ErrFormat, in time
// that does not grow with the text. What it returns is not yet known to be genuine: the Digest has
// to be compared with the stored one.
func Parse(brand, text string) (Parsed, error) {
	prefix := len(brand) + 1 + kindSize + 1
	if len(text) != prefix+bodySize || len(text) > maxText || text[:len(brand)] != brand ||
		text[len(brand)] != '_' || text[prefix-1] != '_' {
		return Parsed{}, ErrFormat
	}
	p := Parsed{Kind: Kind(text[len(brand)+1 : prefix-1]), ID: text[prefix : prefix+idSize]}
	if !isName(string(p.Kind)) {
		return Parsed{}, ErrFormat
	}
	buf := buffers.Get().(*[maxText]byte)
	all := buf[:copy(buf[:], text)]
	other := byte(0)
	for _, c := range all[prefix:] {
		other |= noSymbol[c]
	}
	body := len(all) - checkSize
	genuine := other == 0 && checksum(all[:body]) == [checkSize]byte(all[body:])
	secret := all[prefix+idSize : body]
	p.Digest, p.Line = sha256.Sum256(secret), sha256.Sum256(secret[secretSize-lineSize:])
	buffers.Put(buf)
	if !genuine {
		return Parsed{}, ErrFormat
	}
	return p, nil
}

// buffers are for Parse: what hash/crc32 is handed goes to the heap.
var buffers = sync.Pool{New: func() any { return new([maxText]byte) }}

// Pattern returns the regular expression that finds tokens of a brand, for secret scanners. It is in
// the syntax that RE2, PCRE and Go share. It asks for no boundary before or after, as a token may stand behind
// an escape, as in "\\ntoken". What it finds, Parse confirms by the checksum. Find finds more.
func Pattern(brand string) string {
	return fmt.Sprintf(`%s_[a-z][a-z0-9]{%d}_[0-9A-Za-z]{%d}`, brand, kindSize-1, bodySize)
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// noSymbol has 0 for what is in the alphabet.
var noSymbol = func() (no [256]byte) {
	for c := range no {
		if strings.IndexByte(alphabet, byte(c)) < 0 {
			no[c] = 1
		}
	}
	return no
}()

// checksum returns the CRC-32 (IEEE 802.3) of b as six symbols, the greatest first.
func checksum(b []byte) (text [checkSize]byte) {
	sum := crc32.ChecksumIEEE(b)
	for i := checkSize - 1; i >= 0; i-- {
		text[i] = alphabet[sum%62]
		sum /= 62
	}
	return text
}

// symbols returns n random symbols, each of which is as likely as any other.
func symbols(n int) string {
	var text strings.Builder
	var random [64]byte
	for text.Len() < n {
		_, _ = rand.Read(random[:]) // never fails: the process ends instead
		for _, b := range random {
			if b < 248 && text.Len() < n { // 4 times 62; the rest would favor the first symbols
				text.WriteByte(alphabet[b%62])
			}
		}
	}
	return text.String()
}
