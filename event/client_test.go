package event_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
)

func TestParseAgent(t *testing.T) {
	for header, want := range map[string]event.Agent{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                    "firefox/linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                           "chrome/windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":             "edge/windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/125.0.0.0":             "opera/windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                     "safari/macos",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":   "safari/ios",
		"Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1":     "chrome/ipados",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 15_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15": "firefox/ios",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                           "chrome/android",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":       "samsung/android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                            "chrome/chromeos",
		"Lynx on Linux":                   "/linux",
		"Firefox/1":                       "firefox",
		"curl/8.5.0":                      "program",
		"git/2.47.1":                      "program",
		"":                                "",
		"\x00\u202eknits\u2066":           "",
		strings.Repeat("x", 600) + "Edg/": "",
	} {
		require.Equal(t, want, event.ParseAgent(header), header)
	}
}

// Whatever a browser says of itself, one of a few short codes is all that comes of it.
func FuzzParseAgent(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	f.Add(strings.Repeat("Chrome/", 1<<13))
	f.Add("\u202eFirefox/\u2066 Linux\x00\r\n<script>")
	f.Fuzz(func(t *testing.T, header string) {
		if a := event.ParseAgent(header); a != "" {
			require.True(t, slices.Contains(event.Agents(), a), a)
			require.LessOrEqual(t, len(a), 20)
		}
	})
}

func TestWithClient(t *testing.T) {
	_, ok := event.ClientOf(context.Background())
	require.False(t, ok)
	for from, want := range map[string]string{
		"203.0.113.24": "203.0.113.24", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1", "::ffff:192.0.2.1": "192.0.2.1",
	} {
		ctx := event.WithClient(context.Background(), event.Client{Address: netip.MustParseAddr(from), Agent: "firefox/linux"})
		c, ok := event.ClientOf(ctx)
		require.True(t, ok)
		require.Equal(t, event.Client{Address: netip.MustParseAddr(want), Agent: "firefox/linux"}, c)
	}
	c, ok := event.ClientOf(event.WithClient(context.Background(), event.Client{Agent: "<b>Netscape</b>"}))
	require.True(t, ok, "the zero Client is one as well: it says that nothing is to be kept")
	require.Zero(t, c)
}
