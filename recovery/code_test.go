package recovery_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/recovery"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func parse(t testing.TB, s string) recovery.Code {
	t.Helper()
	c, err := recovery.Parse(s)
	require.NoError(t, err)
	return c
}

func TestParse(t *testing.T) {
	const shown = "K7XQ-2M9D-4TWB-01Z5"
	plain := strings.ReplaceAll(shown, "-", "")
	spread := strings.Join(strings.Split(plain, ""), " - ")
	accepted := map[string]string{
		"as shown":               shown,
		"no dashes":              plain,
		"lower case":             strings.ToLower(shown),
		"mixed case":             strings.ToLower(shown[:7]) + shown[7:],
		"spaces":                 strings.ReplaceAll(shown, "-", " "),
		"spaces around":          "  " + shown + " ",
		"dashes around":          "--" + shown + "-",
		"groups of another size": "K7-XQ2M9D-4T-WB01-Z5",
		"spread out":             spread,
		"64 bytes":               spread + strings.Repeat(" ", 64-len(spread)),
		"O for 0":                "K7XQ-2M9D-4TWB-O1Z5",
		"o for 0":                "K7XQ-2M9D-4TWB-o1Z5",
		"I for 1":                "K7XQ-2M9D-4TWB-0IZ5",
		"i for 1":                "K7XQ-2M9D-4TWB-0iZ5",
		"L for 1":                "K7XQ-2M9D-4TWB-0LZ5",
		"l for 1":                "k7xq 2m9d 4twb olz5",
	}
	for name, in := range accepted {
		c, err := recovery.Parse(in)
		require.NoError(t, err, name)
		require.Equal(t, shown, c.Reveal(), name)
		require.Equal(t, byte('K'), c.Selector(), name)
	}

	refused := map[string]string{
		"empty":                       "",
		"spaces alone":                "                ",
		"dashes alone":                "----------------",
		"NUL":                         "\x00",
		"15 symbols":                  shown[1:],
		"17 symbols":                  shown + "0",
		"64 symbols":                  strings.Repeat(plain, 4),
		"65 bytes":                    spread + strings.Repeat(" ", 65-len(spread)),
		"1 MiB of symbols":            strings.Repeat("0", 1<<20),
		"1 MiB of spaces, then code":  strings.Repeat(" ", 1<<20) + shown,
		"code, then 1 MiB of dashes":  shown + strings.Repeat("-", 1<<20),
		"U":                           "U7XQ-2M9D-4TWB-01Z5",
		"u":                           "k7xq-2m9d-4twb-01zu",
		"Crockford's check symbol *":  shown + "*",
		"Crockford's check symbol U":  shown + "U",
		"Crockford's check symbol =":  shown + "=",
		"line feed":                   shown + "\n",
		"carriage return, line feed":  shown + "\r\n",
		"two lines":                   "K7XQ-2M9D-\n4TWB-01Z5",
		"tab":                         "\t" + shown,
		"NUL after":                   shown + "\x00",
		"NUL inside":                  "K7XQ-2M9D\x004TWB-01Z5",
		"DEL":                         shown + "\x7f",
		"plus":                        "+" + shown,
		"underscores":                 "K7XQ_2M9D_4TWB_01Z5",
		"dots":                        "K7XQ.2M9D.4TWB.01Z5",
		"quotation marks":             `"` + shown + `"`,
		"no-break space":              "K7XQ\u00a02M9D\u00a04TWB\u00a001Z5",
		"no-break hyphen":             "K7XQ\u20112M9D\u20114TWB\u201101Z5",
		"en dash":                     "K7XQ\u20132M9D\u20134TWB\u201301Z5",
		"soft hyphen":                 shown + "\u00ad",
		"byte order mark":             "\ufeff" + shown,
		"invalid UTF-8":               shown + "\xff",
		"K with its high bit set":     "\xcb" + plain[1:],
		"Kelvin sign, a K when lower": "\u212a" + plain[1:],
		"long s, an S when upper":     "\u017f" + plain[1:],
		"dotless i, an I when upper":  plain[:15] + "\u0131",
		"Cyrillic look-alike of K":    "\u041a" + plain[1:],
		"full width":                  "\uff2b" + plain[1:],
		"Arabic-Indic digits":         strings.Repeat("\u0661", 16),
		"8 two-byte digits":           strings.Repeat("\u0661", 8),
		"a TOTP code":                 "123456",
		"a list of two codes":         shown + " " + shown,
	}
	for name, in := range refused {
		c, err := recovery.Parse(in)
		require.ErrorIs(t, err, recovery.ErrCode, name)
		require.Zero(t, c, name)
		require.Less(t, len(err.Error()), 100, name)
		require.NotContains(t, err.Error(), "K7XQ", "%s: the error shows the input", name)
	}
}

// Every one-byte change of a code is refused, is another code, or is the same code spelled another
// way; which of them, the alphabet says.
func TestParseSubstitutions(t *testing.T) {
	const plain = "01ABCDEFGHJKMN9Z"
	for i := range plain {
		for b := range 256 {
			changed := []byte(plain)
			changed[i] = byte(b)
			c, err := recovery.Parse(string(changed))
			want := strings.ToUpper(string(rune(b)))
			switch want {
			case "I", "L":
				want = "1"
			case "O":
				want = "0"
			}
			if b >= 0x80 || !strings.Contains(crockford, want) {
				require.ErrorIs(t, err, recovery.ErrCode, "%q", changed)
				continue
			}
			require.NoError(t, err, "%q", changed)
			require.Equal(t, plain[:i]+want+plain[i+1:], strings.ReplaceAll(c.Reveal(), "-", ""))
		}
	}
}

func TestZeroCode(t *testing.T) {
	var c recovery.Code
	require.True(t, c.IsZero())
	require.Empty(t, c.Reveal())
	require.Zero(t, c.Selector())
	require.False(t, parse(t, "0000000000000000").IsZero())
}

var shownCode = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$`)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "-", "K7XQ-2M9D-4TWB-01Z5", "k7xq 2m9d 4twb olz5", "U7XQ2M9D4TWB01Z5", "0000000000000000", "00000000000000000",
		"\u212a7XQ-2M9D-4TWB-01Z5", "K7XQ-2M9D-4TWB-01Z5\xff", "K7XQ-2M9D-4TWB-01Z\x00", strings.Repeat(" ", 48) + "IiLlOo0123456789",
		strings.Repeat("-", 49) + "IiLlOo0123456789",
	} {
		f.Add(s)
	}
	spelling := strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0",
		"a", "A", "b", "B", "c", "C", "d", "D", "e", "E", "f", "F", "g", "G", "h", "H", "i", "1", "j", "J", "k", "K", "l", "1",
		"m", "M", "n", "N", "o", "0", "p", "P", "q", "Q", "r", "R", "s", "S", "t", "T", "v", "V", "w", "W", "x", "X", "y", "Y", "z", "Z")
	sixteen := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{16}$`)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := recovery.Parse(in)
		plain := spelling.Replace(in)
		require.Equal(t, len(in) <= 64 && sixteen.MatchString(plain), err == nil)
		if err != nil {
			require.ErrorIs(t, err, recovery.ErrCode)
			require.Zero(t, c)
			return
		}
		shown := c.Reveal()
		require.Regexp(t, shownCode, shown)
		require.Equal(t, plain, strings.ReplaceAll(shown, "-", ""))
		require.Equal(t, shown[0], c.Selector())
		require.Equal(t, shown, parse(t, shown).Reveal(), "reading what was shown changes nothing")
	})
}

func TestCodeIsNotPrinted(t *testing.T) {
	const plain = "K7XQ2M9D4TWB01Z5"
	c := parse(t, plain)
	nested := struct {
		Public recovery.Code
		hidden recovery.Code
		Ptr    *recovery.Code
		Codes  recovery.Codes
		Map    map[string]any
		any    any
	}{c, c, &c, recovery.Codes{c}, map[string]any{"k": c}, c}
	var out strings.Builder
	for _, v := range []any{c, &c, recovery.Codes{c}, []any{c}, nested, &nested} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		log := slog.New(slog.NewJSONHandler(&out, nil))
		log.Info("m", "v", v)
		log = slog.New(slog.NewTextHandler(&out, nil))
		log.Info("m", "v", v)
	}
	require.NotContains(t, out.String(), "K7XQ")
	require.NotContains(t, strings.ToLower(out.String()), fmt.Sprintf("%x", "K7XQ"))
	require.NotContains(t, out.String(), "75 55 88", "bytes in decimal")
	require.Contains(t, out.String(), "[redacted]")

	for _, v := range []any{c, &c, recovery.Codes{c}, map[string]any{"k": c}, struct{ C recovery.Code }{c}} {
		_, err := json.Marshal(v)
		require.Error(t, err, "%T", v)
	}
	_, err := xml.Marshal(c)
	require.Error(t, err)
	require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(recovery.Codes{c}))
}
