package totp_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// goodLabels are issuers and accounts that a URI can hold.
var goodLabels = []string{
	"Acme", "a", "0", "ada@acme.test", "@", "AT&T", "a=b", "a+b", "+", "C#", "and/or", "/", "..", "../x", "//host/x",
	"100%", "5 % more", "%", "%zz", "%41", "%2525", "a?b", "a;b", "a b", "a  b", "a\u00a0b", `"quoted"`, `back\slash`,
	"<b>", "~tilde_-.", "[1]", "secret", "my secret", "issuer=Bank", "&issuer=Bank&digits=8", "?digits=1",
	"Ünïcødé", "U\u0308nicode", "アクメ", "شركة", "חברה", "акме", "公司", "🦊", "❤\ufe0f", "\ufffd", "\U0010fffd",
	strings.Repeat("x", 100), strings.Repeat("é", 50), strings.Repeat("🦊", 25), strings.Repeat("%", 100),
}

// badLabels are those that it must not, by what is wrong with them.
var badLabels = map[string]string{
	"empty":                       "",
	"a space":                     " ",
	"spaces":                      strings.Repeat(" ", 20),
	"other scripts' spaces":       "\u3000\u2003\u00a0",
	"leading space":               " Acme",
	"trailing space":              "Acme ",
	"trailing no-break space":     "Acme\u00a0",
	"trailing line feed":          "Acme\n",
	"colon":                       "Acme:ada",
	"colon alone":                 ":",
	"trailing colon":              "Acme:",
	"address with a colon":        "::1",
	"secret after &":              "Acme&secret=AAAAAAAAAAAAAAAA",
	"secret after ?":              "Acme?secret=AAAAAAAAAAAAAAAA",
	"secret in upper case":        "Acme&SECRET=A",
	"secret in mixed case":        "&sEcReT=",
	"secret at the start":         "secret=A",
	"secret after ;":              "Acme;secret=A",
	"secret, percent-encoded":     "Acme%26secret%3DAAAA",
	"secret, encoded lower case":  "Acme%26secret%3dAAAA",
	"secret, encoded twice":       "Acme%2526secret%253DAAAA",
	"secret, a letter encoded":    "Acme&%73ecret=AAAA",
	"secret, letters many times":  "&%25252573e%63ret%25253DAAAA",
	"secret beside a bad percent": "100% &secret%3DAAAA",
	"NUL":                         "Acme\x00",
	"NUL alone":                   "\x00",
	"tab":                         "Ac\tme",
	"line feed":                   "Ac\nme",
	"carriage return":             "Ac\rme",
	"escape":                      "Ac\x1b[2Jme",
	"delete":                      "Ac\x7fme",
	"C1 control":                  "Ac\u0085me",
	"right-to-left override":      "Ac\u202eme",
	"left-to-right embedding":     "Ac\u202ame",
	"right-to-left isolate":       "Ac\u2067me",
	"right-to-left mark":          "Ac\u200fme",
	"Arabic letter mark":          "Ac\u061cme",
	"zero-width space":            "Ac\u200bme",
	"zero-width joiner":           "👩\u200d💻",
	"byte-order mark":             "\ufeffAcme",
	"soft hyphen":                 "Ac\u00adme",
	"tag characters":              "Acme\U000e0041",
	"line separator":              "Ac\u2028me",
	"paragraph separator":         "Ac\u2029me",
	"Hangul filler":               "Acme\u3164",
	"Hangul filler alone":         "\u3164",
	"invalid UTF-8":               "Acme\xff",
	"cut UTF-8":                   "Acm\xc3",
	"overlong NUL":                "Acme\xc0\x80",
	"surrogate":                   "Acme\xed\xa0\x80",
	"101 bytes":                   strings.Repeat("x", 101),
	"101 bytes in 51 runes":       strings.Repeat("é", 50) + "x",
	"1 MiB":                       strings.Repeat("x", 1<<20),
	"1 MiB of spaces":             strings.Repeat(" ", 1<<20),
	"1 MiB of invalid UTF-8":      strings.Repeat("\xff", 1<<20),
	"1 MiB of percent signs":      strings.Repeat("%25", 1<<20/3),
}

// requireReads reads a URI with two readers that are not its writer, and asks that both find the
// key and the labels and nothing else.
func requireReads(t testing.TB, k totp.Key, uri, issuer, account string) {
	t.Helper()
	digits := "6"
	if k.Digits == 8 {
		digits = "8"
	}

	u, err := url.Parse(uri)
	require.NoError(t, err)
	require.Equal(t, "otpauth", u.Scheme)
	require.Equal(t, "totp", u.Host)
	require.Nil(t, u.User)
	require.Empty(t, u.Fragment)
	require.Equal(t, "/"+issuer+":"+account, u.Path)
	query, err := url.ParseQuery(u.RawQuery)
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"secret": {k.Secret.Reveal()}, "issuer": {issuer}, "algorithm": {k.Algorithm.String()}, "digits": {digits}, "period": {"30"},
	}, query)

	read, err := otp.NewKeyFromURL(uri)
	require.NoError(t, err)
	require.Equal(t, "totp", read.Type())
	require.Equal(t, k.Secret.Reveal(), read.Secret())
	require.Equal(t, issuer, read.Issuer())
	require.Equal(t, account, read.AccountName())
	require.Equal(t, k.Algorithm.String(), read.Algorithm().String())
	require.Equal(t, digits, read.Digits().String())
	require.EqualValues(t, 30, read.Period())

	// For readers that do not decode as these do, or not in that order.
	require.Equal(t, 1, strings.Count(strings.ToLower(uri), "secret="), "exactly one secret")
	label, _, _ := strings.Cut(strings.TrimPrefix(uri, "otpauth://totp/"), "?")
	first, _, found := strings.Cut(label, ":")
	require.True(t, found)
	require.Contains(t, uri, "&issuer="+first+"&", "both issuers are equal as they are written")
	require.NotContains(t, uri, "+")
	for decoded := uri; ; {
		require.Equal(t, 1, strings.Count(strings.ToLower(decoded), "secret="), "decoded whole: exactly one secret")
		again, err := url.PathUnescape(decoded)
		if err != nil || again == decoded {
			break
		}
		decoded = again
	}
	for _, r := range uri {
		require.True(t, r > ' ' && r < 0x7f, "a URI is printable ASCII")
	}
}

func TestURI(t *testing.T) {
	keys := []totp.Key{
		{Secret: secret(t, seed20)},
		{Secret: secret(t, seed32), Algorithm: totp.SHA256, Digits: 6},
		{Secret: secret(t, seed64), Algorithm: totp.SHA512, Digits: 8},
	}
	for i, label := range goodLabels {
		k := keys[i%len(keys)]
		for _, pair := range [][2]string{{label, "ada"}, {"Acme", label}, {label, label}, {label, goodLabels[len(goodLabels)-1-i]}} {
			uri, err := k.URI(pair[0], pair[1])
			require.NoError(t, err, "%q", pair)
			requireReads(t, k, uri, pair[0], pair[1])
		}
	}
}

func TestURIRefusals(t *testing.T) {
	k := rfcKey(t)
	for name, label := range badLabels {
		for _, pair := range [][2]string{{label, "ada"}, {"Acme", label}, {label, label}} {
			uri, err := k.URI(pair[0], pair[1])
			require.ErrorIs(t, err, totp.ErrLabel, name)
			require.Empty(t, uri, name)
			require.True(t, utf8.ValidString(err.Error()), name)
			require.Less(t, len(err.Error()), 120, name)
			if len(label) > 3 {
				require.NotContains(t, err.Error(), label, "%s: the error shows the input", name)
			}
			picture, err := k.QR(pair[0], pair[1])
			require.ErrorIs(t, err, totp.ErrLabel, name)
			require.Zero(t, picture, name)
		}
	}
	for name, c := range map[string]struct {
		key  totp.Key
		want error
	}{
		"no secret":         {totp.Key{}, totp.ErrSecret},
		"unknown algorithm": {totp.Key{Secret: k.Secret, Algorithm: 3}, totp.ErrParams},
		"10 digits":         {totp.Key{Secret: k.Secret, Digits: 10}, totp.ErrParams},
	} {
		uri, err := c.key.URI("Acme", "ada")
		require.ErrorIs(t, err, c.want, name)
		require.Empty(t, uri, name)
		_, err = c.key.QR("Acme", "ada")
		require.ErrorIs(t, err, c.want, name)
	}
}

func FuzzURI(f *testing.F) {
	for _, s := range goodLabels {
		f.Add(s, "ada@acme.test", uint8(0), false)
		f.Add("Acme", s, uint8(1), true)
	}
	for _, s := range badLabels {
		if len(s) < 1000 {
			f.Add(s, "ada@acme.test", uint8(2), false)
			f.Add("Acme", s, uint8(0), true)
		}
	}
	secrets := []totp.Secret{secret(f, seed20), secret(f, seed32), secret(f, seed64)}
	f.Fuzz(func(t *testing.T, issuer, account string, algorithm uint8, eight bool) {
		k := totp.Key{Secret: secrets[algorithm%3], Algorithm: totp.Algorithm(algorithm % 3)}
		if eight {
			k.Digits = 8
		}
		uri, err := k.URI(issuer, account)
		if err != nil {
			require.ErrorIs(t, err, totp.ErrLabel)
			require.Empty(t, uri)
			require.False(t, plain(issuer) && plain(account), "%q and %q are refused", issuer, account)
			return
		}
		requireReads(t, k, uri, issuer, account)
		for _, s := range []string{issuer, account} {
			require.True(t, utf8.ValidString(s))
			require.True(t, len(s) >= 1 && len(s) <= 100)
			require.NotContains(t, s, ":")
			require.Equal(t, strings.TrimSpace(s), s)
			require.False(t, strings.ContainsFunc(s, func(r rune) bool {
				return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r)
			}))
		}
	})
}

// plain reports whether s is surely a label: letters, digits and a few signs.
func plain(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || !unicode.In(r, unicode.Lu, unicode.Ll, unicode.Nd) && !strings.ContainsRune("&+#/@.-_", r)
	})
}
