package securitypage_test

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
)

// contrast is that of WCAG 2.2, computed by another formula than the one that is tested: the 8 bits of a channel as a table.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(c string) float64 {
		var l float64
		for i, weight := range []float64{.2126, .7152, .0722} {
			v, err := strconv.ParseUint(c[1+2*i:3+2*i], 16, 8)
			require.NoError(t, err)
			linear := math.Pow((float64(v)+14.025)/269.025, 2.4)
			if v <= 10 {
				linear = float64(v) / 3294.6
			}
			l += weight * linear
		}
		return l
	}
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + .05) / (math.Min(x, y) + .05)
}

var lightDark = regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)`)

// Text can be read, whatever color a host has chosen.
func TestThemeContrast(t *testing.T) {
	for step := range 16 * 16 * 16 {
		accent := fmt.Sprintf("#%02x%02x%02x", step>>8*17, step>>4&15*17, step&15*17)
		sheet, err := securitypage.ThemeSheet(securitypage.Theme{Accent: accent})
		require.NoError(t, err)
		got := map[string][2]string{}
		for _, m := range lightDark.FindAllStringSubmatch(sheet, -1) {
			got[m[1]] = [2]string{m[2], m[3]}
		}
		require.Len(t, got, 3, sheet)
		require.Equal(t, accent, got["accent"][0], "the button has the color of the brand")
		for theme, ground := range []string{"#ffffff", "#1b1a18"} {
			require.GreaterOrEqual(t, contrast(t, got["accent"][theme], got["on-accent"][theme]), 4.5, sheet)
			require.GreaterOrEqual(t, contrast(t, got["link"][theme], ground), 5.5, sheet)
		}
	}
}

// A theme can say nothing but what it is for.
func TestHostileTheme(t *testing.T) {
	h := newHost(t)
	for _, theme := range []securitypage.Theme{
		{Accent: "red"}, {Accent: "#fff"}, {Accent: "#12345g"}, {Accent: "#123456;}"}, {Accent: "url(//evil)"}, {Accent: "#123456\n"},
		{Radius: "33px"}, {Radius: "-1px"}, {Radius: "1em"}, {Radius: "07px"}, {Radius: "1px;}*{display:none"},
		{Font: "\"Inter\""}, {Font: "Inter;"}, {Font: "Inter, "}, {Font: "a}b"}, {Font: "url(x)"}, {Font: "a\\b"}, {Font: "3D"},
		{Logo: "javascript:alert(1)"}, {Logo: "data:image/svg+xml,x"}, {Logo: "http://acme.test/l.svg"}, {Logo: "//evil.test/l.svg"}, {Logo: "logo.svg"},
		{Logo: "https://a.test;script-src/x"}, {Logo: "https://*.test/x"}, {Logo: "https://u:p@a.test/x"}, {Logo: "/a\nb"}, {Logo: "/\\evil.test"},
		{Favicon: "https://a.test https://b.test/"}, {Favicon: "https:///x"}, {Favicon: "blob:x"},
	} {
		c := securitypage.Config{Web: h.sess, Name: "Acme", Theme: theme}
		_, err := securitypage.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, "%+v", theme)
	}
	for _, origin := range []string{
		"*", "https://*.test", "https://a.test/", "https://a.test/x", "a.test", "http://a.test", "https://a.test;", "https://a.test https://b.test",
		"https://u@a.test", "javascript:", "https:", "", "'unsafe-inline'", "http://10.0.0.1", "https://a.test?x", "HTTPS://a.test",
	} {
		c := securitypage.Config{Web: h.sess, Name: "Acme", FormTargets: []string{origin}}
		_, err := securitypage.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, origin)
	}
}

// A path may have quotes in it: they end nothing, neither in the page nor in a header.
func TestQuotesInALogo(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Theme = securitypage.Theme{Logo: `/l.svg" onerror="x`, Favicon: `https://a.test/i'"><script>;, https://b.test`}
	})
	a := h.signIn("ada").get("/")
	require.NotContains(t, a.body, `onerror="x"`)
	require.NotContains(t, a.body, `<script>;`)
	require.NotContains(t, a.body, ` onerror=`)
	require.Contains(t, a.header.Get("Content-Security-Policy"), "img-src 'self' https://a.test; form-action")
}

// Sheets come in an order: ours, the theme's, the host's own. Each is kept by its hash, and none is in the page.
func TestThemeIsServed(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Theme = securitypage.Theme{Accent: "#aa3311", Radius: "4px", Font: "Source Serif 4, Georgia, serif", Logo: "https://cdn.acme.test/logo.svg", Favicon: "/icon.svg"}
		c.Files = fstest.MapFS{"page.css": {Data: []byte(".card { border-width: 2px }")}}
		c.FormTargets = []string{"https://client.test:8443", "http://127.0.0.1:1234"}
	})
	b := h.signIn("ada")
	a := b.get("/")
	var order []string
	for _, m := range regexp.MustCompile(`<link rel="stylesheet" href="[^"]*/([a-z]+\.css)\?v=[0-9a-f]+">`).FindAllStringSubmatch(a.body, -1) {
		order = append(order, m[1])
	}
	require.Equal(t, []string{"page.css", "theme.css", "host.css"}, order)
	require.Contains(t, a.body, `<link rel="icon" href="/icon.svg">`)
	require.Contains(t, a.body, `<img src="https://cdn.acme.test/logo.svg" alt="">`)
	require.NotContains(t, a.body, "<style")
	require.NotContains(t, a.body, "style=")
	policy := a.header.Get("Content-Security-Policy")
	require.Contains(t, policy, "img-src 'self' https://cdn.acme.test;")
	require.Contains(t, policy, " https://client.test:8443 http://127.0.0.1:1234;")
	for name, has := range map[string]string{"page.css": ".card{", "theme.css": `--font: "Source Serif 4", "Georgia", serif; }`, "host.css": "border-width: 2px"} {
		link := regexp.MustCompile(`/` + regexp.QuoteMeta(name) + `\?v=[0-9a-f]+`).FindString(a.body)
		sheet := b.get(link)
		require.Equal(t, http.StatusOK, sheet.status, name)
		require.Contains(t, sheet.body, has)
		require.Contains(t, sheet.header.Get("Cache-Control"), "immutable")
		require.Equal(t, "text/css; charset=utf-8", sheet.header.Get("Content-Type"))
	}
	require.NotContains(t, newHost(t).signIn("ada").get("/").body, "theme.css")
}
