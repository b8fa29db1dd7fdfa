package totp_test

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// Row F3: what other systems have in their columns and files.
func TestParseImported(t *testing.T) {
	const short, long = "JBSWY3DPEHPK3PXP", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for name, c := range map[string]struct {
		in, out string
		dropped int
		weak    bool
	}{
		"10 bytes":                    {short, short, 0, true},
		"10 bytes, lower case":        {strings.ToLower(short), short, 0, true},
		"15 bytes":                    {encode(15), encode(15), 0, true},
		"16 bytes":                    {encode(16), strings.TrimRight(encode(16), "="), 0, false},
		"16 bytes without padding":    {strings.TrimRight(encode(16), "="), strings.TrimRight(encode(16), "="), 0, false},
		"20 bytes":                    {long, long, 0, false},
		"128 bytes":                   {encode(128), strings.TrimRight(encode(128), "="), 0, false},
		"groups by hyphen":            {"JBSW-Y3DP-EHPK-3PXP", short, 0, true},
		"groups by space":             {"jbsw y3dp ehpk 3pxp", short, 0, true},
		"hyphens and spaces":          {" -JBSW - Y3DP--EHPK 3PXP- ", short, 0, true},
		"a line of a file":            {short + "\n", short, 0, true},
		"a line of another file":      {"\t" + short + "\r\n", short, 0, true},
		"padding that is too long":    {short + "========", short, 0, true},
		"padding that is too short":   {strings.TrimRight(encode(16), "=") + "=", strings.TrimRight(encode(16), "="), 0, false},
		"padding, then a line's end":  {short + "= = \n", short, 0, true},
		"crypto/rand.Text":            {"ABCDEFGHIJKLMNOPQRSTUVWXY3", "ABCDEFGHIJKLMNOPQRSTUVWXYY", 2, false},
		"crypto/rand.Text, one in 4":  {"ABCDEFGHIJKLMNOPQRSTUVWXYY", "ABCDEFGHIJKLMNOPQRSTUVWXYY", 0, false},
		"left-over bits of 0":         {short + "A", short, 0, true},
		"a symbol over":               {short + "B", short, 5, true},
		"three symbols, two of 0":     {short + "AAA", short + "AA", 0, true},
		"27 symbols":                  {"ABCDEFGHIJKLMNOPQRSTUVWXYZ2", "ABCDEFGHIJKLMNOPQRSTUVWXYY", 7, false},
		"with a digit of the library": {"7777777777777777", "7777777777777777", 0, true},
	} {
		s, dropped, err := totp.ParseImported(c.in)
		require.NoError(t, err, name)
		require.Equal(t, c.out, s.Reveal(), name)
		require.Equal(t, c.dropped, dropped, name)
		require.Equal(t, c.weak, s.Weak(), name)
	}
	for name, in := range map[string]string{
		"empty":               "",
		"separators":          " - \n",
		"padding":             "========",
		"72 bits":             "JBSWY3DPEHPK3PX",
		"129 bytes":           encode(129),
		"1 MiB":               strings.Repeat("A", 1<<20),
		"0, 1, 8, 9":          "JBSWY3DPEHPK3P0189",
		"two lines":           short + "\n" + short,
		"a tab inside":        "JBSWY3DP\tEHPK3PXP",
		"padding inside":      "JBSWY3DP=EHPK3PXP",
		"a no-break space":    "JBSWY3DP\u00a0EHPK3PXP",
		"an en dash":          "JBSWY3DP\u2013EHPK3PXP",
		"a dotless i":         "JBSWY3DPEHPK3PX\u0131",
		"NUL":                 short + "\x00",
		"a URI":               "otpauth://totp/a?secret=" + short,
		"hexadecimal":         "48656c6c6f21deadbeef",
		"quotes":              `"` + short + `"`,
		"a whole libpam file": short + "\n\" TOTP_AUTH\n12345678\n",
	} {
		s, dropped, err := totp.ParseImported(in)
		require.ErrorIs(t, err, totp.ErrSecret, name)
		require.True(t, s.IsZero(), name)
		require.Zero(t, dropped, name)
		require.Less(t, len(err.Error()), 80, name)
		require.NotContains(t, err.Error(), short, name)
	}
}

// Whatever ParseSecret reads ParseImported reads as the same; and a secret of crypto/rand.Text, three of four of
// which ParseSecret refuses, is the bytes that every app makes of it.
func TestParseImportedAgrees(t *testing.T) {
	refused := 0
	for range 400 {
		text := rand.Text()
		s, dropped, err := totp.ParseImported(text)
		require.NoError(t, err)
		want, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
		require.NoError(t, err)
		require.Equal(t, base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(want), s.Reveal())
		strict, err := totp.ParseSecret(text)
		require.Equal(t, err == nil, dropped == 0)
		if err != nil {
			refused++
			continue
		}
		require.Equal(t, strict.Reveal(), s.Reveal())
	}
	require.Greater(t, refused, 200)
}

// Row F3, invariant 11: a short secret matches only under a key that is marked, and a mark only with a short secret.
func TestWeakKey(t *testing.T) {
	short, _, err := totp.ParseImported("JBSWY3DPEHPK3PXP")
	require.NoError(t, err)
	fifteen, _, err := totp.ParseImported(encode(15))
	require.NoError(t, err)
	for _, s := range []totp.Secret{short, fifteen} {
		k := totp.Key{Secret: s, Weak: true}
		require.NoError(t, k.Check())
		c, err := k.Match(codeAt(t, k, start), at(start), totp.DefaultWindow(), totp.Counter{})
		require.NoError(t, err)
		require.EqualValues(t, start, c.Last)
		_, err = k.Resync(codeAt(t, k, start), codeAt(t, k, start+1), at(start), totp.Counter{})
		require.NoError(t, err)
		_, err = k.URI("Acme", "ada")
		require.ErrorIs(t, err, totp.ErrSecret, "no app is given it")
		_, err = k.QR("Acme", "ada")
		require.ErrorIs(t, err, totp.ErrSecret)

		k.Weak = false
		require.ErrorIs(t, k.Check(), totp.ErrSecret)
		_, err = k.Match("000000", at(start), totp.DefaultWindow(), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrSecret)
	}
	for _, s := range []totp.Secret{{}, secret(t, seed64[:16]), totp.GenerateSecret()} {
		require.False(t, s.Weak())
		require.ErrorIs(t, totp.Key{Secret: s, Weak: true}.Check(), totp.ErrSecret)
	}
	// The code of a known pair: HMAC-SHA-1 of step 1 under the ten bytes, worked out by oathtool.
	code, err := totp.Key{Secret: short, Weak: true}.Code(1)
	require.NoError(t, err)
	require.Equal(t, "996554", code)
}

func ExampleParseImported() {
	secret, dropped, err := totp.ParseImported("jbsw-y3dp-ehpk-3pxp\n")
	fmt.Println(secret.Weak(), dropped, err)
	secret, dropped, err = totp.ParseImported("ABCDEFGHIJKLMNOPQRSTUVWXY3")
	fmt.Println(secret.Weak(), dropped, err)
	// Output:
	// true 0 <nil>
	// false 2 <nil>
}
