package vectors_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/gatehouse-go/gatehouse/tokens"
)

func tokenSections(t *testing.T) []section {
	var f struct {
		Checksums []json.RawMessage `json:"checksums"`
		Tokens    []json.RawMessage `json:"tokens"`
		Brands    []json.RawMessage `json:"brands"`
		Kinds     []json.RawMessage `json:"kinds"`
	}
	read(t, "tokens.json", &f)
	brand := func(n nameCase) error { return n.check(`^[a-z][a-z0-9]{1,15}\z`, tokens.CheckBrand(n.Text)) }
	kind := func(n nameCase) error { return n.check(`^[a-z][a-z0-9]{2}\z`, tokens.Kind(n.Text).Check()) }
	return []section{
		sectionOf("checksums", f.Checksums, checksumCase.check, "crc32", "checksum"),
		sectionOf("tokens", f.Tokens, tokenCase.check, "answer", "reason", "kind", "id", "crc32", "digest", "line"),
		sectionOf("brands", f.Brands, brand, "answer"),
		sectionOf("kinds", f.Kinds, kind, "answer"),
	}
}

type checksumCase struct {
	Text     string `json:"text"`
	CRC32    string `json:"crc32"`
	Checksum string `json:"checksum"`
	Why      string `json:"why"`
}

func (c checksumCase) check() error {
	crc, checksum := checksumOf(c.Text)
	return errors.Join(equal("CRC-32", c.CRC32, crc), equal("checksum", c.Checksum, checksum))
}

// checksumOf has the digits of package big, with small letters and capitals exchanged.
func checksumOf(text string) (crc, checksum string) {
	sum := crc32.ChecksumIEEE([]byte(text))
	digits := strings.Map(func(r rune) rune {
		if unicode.IsLower(r) {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, new(big.Int).SetUint64(uint64(sum)).Text(62))
	return fmt.Sprintf("%08x", sum), strings.Repeat("0", 6-len(digits)) + digits
}

type nameCase struct {
	Text string `json:"text"`
	refusal
	Why string `json:"why"`
}

func (c nameCase) check(pattern string, library error) error {
	good := regexp.MustCompile(pattern).MatchString(c.Text)
	if want := (map[bool]string{true: "accepted", false: "refused"})[good]; c.Answer != want || (library == nil) != good {
		return fmt.Errorf("%s, the pattern: %s, the library: %w", c.Answer, want, library)
	}
	return nil
}

type tokenCase struct {
	Name  string `json:"name"`
	Brand string `json:"brand"`
	input
	refusal
	parts
	Why string `json:"why"`
}

// parts are what an accepted token says.
type parts struct {
	Kind   string `json:"kind,omitempty"`
	ID     string `json:"id,omitempty"`
	CRC32  string `json:"crc32,omitempty"`
	Digest string `json:"digest,omitempty"`
	Line   string `json:"line,omitempty"`
}

func (c tokenCase) check() error {
	text, err := c.value()
	if err != nil {
		return err
	}
	p, library := tokens.Parse(c.Brand, text)
	second, reason := readToken(c.Brand, text)
	got := parts{}
	if library == nil {
		got = parts{string(p.Kind), p.ID, c.CRC32, hex.EncodeToString(p.Digest[:]), hex.EncodeToString(p.Line[:])}
	}
	found := regexp.MustCompile(`^` + tokens.Pattern(c.Brand) + `\z`).MatchString(text)
	if library == nil && !found {
		return errors.New("scanners do not find it")
	}
	return errors.Join(c.agree(reason, library), equal("the library's parts", c.parts, got), equal("the second computation's parts", c.parts, second))
}

var tokenForm = regexp.MustCompile(`(?s)^(?:([a-z][a-z0-9]{2})|...)_(?:([0-9A-Za-z]{14})([0-9A-Za-z]{43})([0-9A-Za-z]{6})|.{63})\z`)

// readToken goes by vectors/README.md.
func readToken(brand, text string) (p parts, reason string) {
	if len(text) != len(brand)+68 {
		return parts{}, "length"
	}
	rest, ours := strings.CutPrefix(text, brand)
	if !ours {
		return parts{}, "brand"
	}
	if rest[0] != '_' || rest[4] != '_' {
		return parts{}, "separator"
	}
	latin := make([]rune, 0, len(rest)) // a rune for each byte
	for _, b := range []byte(rest[1:]) {
		latin = append(latin, rune(b))
	}
	form := tokenForm.FindStringSubmatch(string(latin))
	switch {
	case form == nil || form[1] == "":
		return parts{}, "kind"
	case form[2] == "":
		return parts{}, "symbol"
	}
	crc, checksum := checksumOf(text[:len(text)-6])
	if checksum != form[4] {
		return parts{}, "checksum"
	}
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	return parts{form[1], form[2], crc, digest(form[3]), digest(form[3][22:])}, ""
}
