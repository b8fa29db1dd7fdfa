package recovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/recovery"
)

// Selectors differ within every set, no code comes twice, and at each of the 16 places, and each of
// the ten codes' first, every symbol is as likely as any other.
func TestGenerate(t *testing.T) {
	const sets = 2000
	seen := map[string]bool{}
	var places [16][256]int
	var firsts [recovery.Count][256]int
	for range sets {
		codes := recovery.Generate()
		require.Len(t, codes, 10)
		selectors := map[byte]bool{}
		for i, c := range codes {
			shown := c.Reveal()
			require.Regexp(t, shownCode, shown)
			require.Equal(t, shown, parse(t, shown).Reveal())
			require.Equal(t, shown[0], c.Selector())
			require.False(t, selectors[c.Selector()], "a selector comes twice in one set")
			selectors[c.Selector()] = true
			rest := shown[1:] // without the selector: that alone makes codes of one set differ
			require.False(t, seen[rest])
			seen[rest] = true
			firsts[i][c.Selector()]++
			for place, symbol := range []byte(strings.ReplaceAll(shown, "-", "")) {
				places[place][symbol]++
			}
		}
	}
	require.Len(t, seen, sets*recovery.Count)
	for place := range places {
		uniform(t, places[place], sets*recovery.Count)
	}
	for i := range firsts {
		uniform(t, firsts[i], sets)
	}
}

// uniform fails where the chi-squared statistic of the counts, with 31 degrees of freedom, is one that
// fair draws give less than once in 10^9 times.
func uniform(t *testing.T, counts [256]int, total int) {
	t.Helper()
	sum, expected, chi2 := 0, float64(total)/float64(len(crockford)), 0.0
	for _, symbol := range []byte(crockford) {
		n := counts[symbol]
		sum += n
		chi2 += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	require.Equal(t, total, sum, "symbols outside the alphabet")
	require.Less(t, chi2, 105.0)
}

func TestText(t *testing.T) {
	codes := recovery.Codes{parse(t, "k7xq2m9d4twb01z5"), parse(t, "0123456789ABCDEF")}
	made := time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("", 3600)) // still February in UTC
	const want = "Acmé 株式会社\nada@acme.test\n2026-02-28\n\nK7XQ-2M9D-4TWB-01Z5\n0123-4567-89AB-CDEF\n"
	require.Equal(t, want, codes.Text("Acmé 株式会社", "ada@acme.test", made))
	require.Equal(t, "\n\n0001-01-01\n\n", recovery.Codes(nil).Text("", "", time.Time{}))
}

// Whatever an issuer or an account is made of, it stays on its own line.
func TestTextHostileNames(t *testing.T) {
	codes := recovery.Generate()
	const fake = "0000-0000-0000-0000"
	hostile := []string{
		"\u202e", "\u2066", "\u200b", "\u00ad", "\ufeff", "\x1b[2J", "\x7f", "\u0085", "\x00", "\t", "\xff", "\xe2\x80", "\U000e0041",
		"\n", "\r", "\r\n", "\v", "\f", "\u2028", "\u2029",
	}
	for _, h := range hostile {
		for _, name := range []string{h, "a" + h + fake, strings.Repeat(h+fake, 20)} {
			text := codes.Text(name, name, time.Unix(0, 0))
			require.True(t, strings.HasSuffix(text, "\n1970-01-01\n\n"+codes.Text("", "", time.Time{})[len("\n\n0001-01-01\n\n"):]))
			lines := strings.Split(text, "\n")
			require.Len(t, lines, 4+recovery.Count+1, "%q", h)
			require.Equal(t, lines[0], lines[1])
			for _, s := range hostile {
				require.NotContains(t, lines[0], s, "%q in %q", s, h)
			}
			require.True(t, strings.Contains(lines[0], "\ufffd"), "%q is marked, not dropped", h)
		}
	}

	huge := codes.Text(strings.Repeat("é", 1<<19), strings.Repeat("a", 1<<20), time.Time{})
	require.Less(t, len(huge), 1000)
	require.Contains(t, huge, "\n"+strings.Repeat("a", 255)+"\n")
}
