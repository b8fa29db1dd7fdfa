package tokens_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	counts := map[byte]int{}
	for range 2000 {
		text := tokens.Generate("acme", tokens.Personal).Reveal()
		require.Len(t, text, 4+1+3+1+14+43+6)
		require.False(t, seen[text])
		seen[text] = true
		for i := len("acme_pat_"); i < len(text)-6; i++ {
			counts[text[i]]++
		}
		p, err := tokens.Parse("acme", text)
		require.NoError(t, err)
		require.Equal(t, tokens.Personal, p.Kind)
		require.Equal(t, text[9:23], p.ID)
		require.Equal(t, tokens.Digest(sha256.Sum256([]byte(text[len(text)-49:len(text)-6]))), p.Digest)
	}
	require.Len(t, counts, 62)
	mean := 2000 * 57 / 62
	for c, n := range counts {
		require.InDelta(t, mean, n, float64(mean)/5, "%c is as likely as others", c)
	}
}

// The checksum, computed by hand: CRC-32 of all before it, prefix included, as a number in base 62.
func TestChecksum(t *testing.T) {
	text := tokens.Generate("acme", tokens.Machine).Reveal()
	body, check := text[:len(text)-6], text[len(text)-6:]
	sum := big.NewInt(int64(crc32.ChecksumIEEE([]byte(body))))
	var want [6]byte
	for i := range want {
		digit := new(big.Int)
		sum.DivMod(sum, big.NewInt(62), digit)
		want[5-i] = alphabet[digit.Int64()]
	}
	require.Equal(t, string(want[:]), check)
	require.Zero(t, sum.Sign(), "32 bits fit")

	// One that was written down, so that the form never changes by accident.
	const known = "acme_pat_00000000000000" + "0000000000000000000000000000000000000000000"
	sum32 := crc32.ChecksumIEEE([]byte(known))
	require.Equal(t, uint32(0xb3d6b2ff), sum32)
	p, err := tokens.Parse("acme", known+"3IBpWB")
	require.NoError(t, err)
	require.Equal(t, "00000000000000", p.ID)
}

func TestSuccessor(t *testing.T) {
	first, err := tokens.Parse("acme", tokens.Generate("acme", "bot").Reveal())
	require.NoError(t, err)
	next, err := tokens.Parse("acme", first.Successor("acme").Reveal())
	require.NoError(t, err)
	require.Equal(t, first.ID, next.ID)
	require.Equal(t, first.Kind, next.Kind)
	require.False(t, next.Digest.Equal(first.Digest[:]))
	require.True(t, next.Digest.Equal(next.Digest[:]))
	require.False(t, next.Digest.Equal(nil))
	require.False(t, next.Digest.Equal(next.Digest[:31]))
}

// A successor in the same line keeps its end, and nothing else; another line has none of it.
func TestNext(t *testing.T) {
	text := tokens.Generate("acme", "bot").Reveal()
	first, err := tokens.Parse("acme", text)
	require.NoError(t, err)
	require.Equal(t, tokens.Digest(sha256.Sum256([]byte(text[len(text)-27:len(text)-6]))), first.Line, "the last 21 symbols of the secret")
	fresh := map[byte]bool{}
	for range 100 {
		token, err := tokens.Next("acme", text)
		require.NoError(t, err)
		next, err := tokens.Parse("acme", token.Reveal())
		require.NoError(t, err)
		require.Equal(t, []any{first.Kind, first.ID, first.Line}, []any{next.Kind, next.ID, next.Line})
		require.NotEqual(t, first.Digest, next.Digest)
		for i := range 22 {
			if token.Reveal()[23+i] != text[23+i] {
				fresh[byte(i)] = true
			}
		}
		require.Equal(t, text[45:66], token.Reveal()[45:66])
	}
	require.Len(t, fresh, 22, "all the others are new")
	other, err := tokens.Parse("acme", first.Successor("acme").Reveal())
	require.NoError(t, err)
	require.NotEqual(t, first.Line, other.Line)
	for _, bad := range []string{"", text[1:], text + "x", text[:71]} {
		token, err := tokens.Next("acme", bad)
		require.ErrorIs(t, err, tokens.ErrFormat)
		require.Empty(t, token.Reveal())
	}
}

// Every change of one character, whichever the character becomes, is refused.
func TestEverySingleChangeIsRefused(t *testing.T) {
	text := tokens.Generate("acme", tokens.App).Reveal()
	for i := range len(text) {
		for c := range 256 {
			if byte(c) == text[i] {
				continue
			}
			changed := text[:i] + string([]byte{byte(c)}) + text[i+1:]
			_, err := tokens.Parse("acme", changed)
			require.ErrorIs(t, err, tokens.ErrFormat, "%q", changed)
		}
		_, err := tokens.Parse("acme", text[:i]+text[i+1:])
		require.ErrorIs(t, err, tokens.ErrFormat, "without %d", i)
		_, err = tokens.Parse("acme", text[:i]+"0"+text[i:])
		require.ErrorIs(t, err, tokens.ErrFormat, "more at %d", i)
		if i > 0 {
			_, err = tokens.Parse("acme", text[:i])
			require.ErrorIs(t, err, tokens.ErrFormat, "cut at %d", i)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	text := tokens.Generate("acme", tokens.App).Reveal()
	other := tokens.Generate("acm", tokens.App).Reveal()
	swapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 32
		case r >= 'A' && r <= 'Z':
			return r + 32
		}
		return r
	}, text[9:])
	for _, bad := range []string{
		"", "acme", "acme_", "acme_app_", " " + text, text + " ", text + "\n", "\t" + text, "Bearer " + text, text + "\x00",
		strings.Repeat("a", 1<<20), text + strings.Repeat("0", 1<<20), strings.ToUpper(text), strings.ToLower(text),
		"acme_app_" + swapped, other, "x" + text, strings.Replace(text, "app", "pat", 1), strings.Replace(text, "acme", "acne", 1),
		strings.Replace(text, "_", "-", 1), "acme_app_" + strings.Repeat("é", 31) + "a", "acme_app_" + strings.Repeat("０", 21),
	} {
		_, err := tokens.Parse("acme", bad)
		require.ErrorIs(t, err, tokens.ErrFormat, "%.100q", bad)
	}
	for _, brand := range []string{"", "acm", "acme_", "acme_app", "ACME", strings.Repeat("a", 1<<20), text} {
		_, err := tokens.Parse(brand, text)
		require.ErrorIs(t, err, tokens.ErrFormat, "%.100q", brand)
	}
}

func TestBrandAndKind(t *testing.T) {
	for _, good := range []string{"ac", "acme", "a1", "a123456789012345"} {
		require.NoError(t, tokens.CheckBrand(good))
		_, err := tokens.Parse(good, tokens.Generate(good, "x1y").Reveal())
		require.NoError(t, err)
	}
	for _, bad := range []string{"", "a", "1a", "Acme", "ac_me", "ac me", "acmé", "a1234567890123456", "ac\x00"} {
		require.ErrorIs(t, tokens.CheckBrand(bad), tokens.ErrInvalid, "%q", bad)
	}
	for _, good := range []tokens.Kind{"pat", "cli", "app", "svc", "b0t"} {
		require.NoError(t, good.Check())
	}
	for _, bad := range []tokens.Kind{"", "pa", "path", "Pat", "0at", "p_t", "pá", "p t"} {
		require.ErrorIs(t, bad.Check(), tokens.ErrInvalid, "%q", bad)
	}
}

func TestTokenIsNotPrinted(t *testing.T) {
	token := tokens.Generate("acme", tokens.Personal)
	secret := token.Reveal()[23:66]
	for _, v := range []any{token, &token, struct{ T tokens.Token }{token}, []tokens.Token{token}, map[string]any{"t": token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			require.NotContains(t, fmt.Sprintf(verb, v), secret)
			require.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", secret))
		}
		_, err := json.Marshal(v)
		require.Error(t, err)
	}
	p, err := tokens.Parse("acme", token.Reveal())
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%#v", p), secret)
}

func FuzzParse(f *testing.F) {
	f.Add("acme", tokens.Generate("acme", tokens.Personal).Reveal())
	f.Add("ac", tokens.Generate("ac", "bot").Reveal())
	f.Add("acme", "acme_pat_")
	f.Fuzz(func(t *testing.T, brand, text string) {
		p, err := tokens.Parse(brand, text)
		if err != nil {
			require.ErrorIs(t, err, tokens.ErrFormat)
			return
		}
		if tokens.CheckBrand(brand) != nil {
			return // no brand of anybody's
		}
		require.NoError(t, p.Kind.Check())
		require.Regexp(t, "^"+tokens.Pattern(brand)+"$", text)
		require.Contains(t, text, "_"+p.ID)
		require.Equal(t, tokens.Digest(sha256.Sum256([]byte(text[len(text)-49:len(text)-6]))), p.Digest)
	})
}
