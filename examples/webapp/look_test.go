package main

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// TestAxe says whether the other tests had it.
func TestAxe(t *testing.T) {
	if browsertest.Axe(t) != "" {
		return
	}
	if os.Getenv("GATEHOUSE_REQUIRE") != "" {
		t.Fatal("GATEHOUSE_REQUIRE is set and axe-core is missing")
	}
	t.Skip("needs axe-core (scripts/ci-setup)")
}

var themes = []string{"light", "dark"}

// widths are those of a small phone (or of a screen of 1280 px at 400 %), a phone, a tablet and a desk.
var widths = []int64{320, 360, 768, 1280}

// maxWeight is what a page may weigh, with all that it loads, in bytes.
const maxWeight = 60 << 10

// look has axe-core look at the page, narrow and wide, light and dark, measures it, and takes pictures where they are
// asked for. name is that of the page's template, and what is after a space says what is special about it.
func (b *tab) look(name string) {
	b.t.Helper()
	b.w.looked[name] = true
	if b.Scriptless { // the page is there, without having run any; axe needs timers
		b.Scripts(true)
		defer b.Scripts(false)
	}
	source := browsertest.Axe(b.t)
	for _, theme := range themes {
		b.Theme(theme)
		var rules []string // all
		if theme == "dark" {
			rules = browsertest.ColorRules
		}
		for _, width := range widths {
			b.Size(width)
			b.fits(name, width)
			if width != 360 && width != 1280 {
				continue
			}
			for _, violation := range b.Violations(source, rules...) {
				b.t.Errorf("%s, %d px, %s: %s", name, width, theme, violation)
			}
		}
	}
	b.Size(320)
	b.Direction("rtl")
	b.fits(name+" from right to left", 320)
	b.Direction("ltr")
	if weight := browsertest.Eval[int](b.Tab, weigh); strings.HasPrefix(b.Path(), securityPath) && weight > maxWeight {
		b.t.Errorf("%s weighs %d bytes", name, weight)
	}
	b.pictures(name)
	b.Theme("light")
	b.Size(1280)
}

// fits fails where a page is wider than the window, which then has to be scrolled for each line.
func (b *tab) fits(name string, width int64) {
	b.t.Helper()
	if wide := b.Width(); wide > width {
		b.t.Errorf("%s, %d px: it is %d px wide", name, width, wide)
	}
}

// weigh is the size of a page with all that it loads, before it is compressed.
const weigh = `performance.getEntries().reduce((sum, e) => sum + (e.decodedBodySize || 0), 0)`

// secret notes that nobody but the page may show this.
func (w *world) secret(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, text)
	return text
}

// leaks returns the secrets that are in a text, in whatever spelling.
func (w *world) leaks(text string) (leaked []string) {
	if unescaped, err := url.QueryUnescape(text); err == nil {
		text += unescaped
	}
	text = plain(text)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range w.secrets {
		if strings.Contains(text, plain(secret)) {
			leaked = append(leaked, secret)
		}
	}
	return leaked
}

func plain(text string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "", "+", "").Replace(text))
}

// checkLeaks fails if a secret got into an address, a cookie or the log.
func (b *tab) checkLeaks() {
	b.t.Helper()
	addresses := strings.Join(b.Asked(), "\n")
	cookies, err := json.Marshal(b.Cookies())
	require.NoError(b.t, err)
	for place, text := range map[string]string{"an address": addresses, "a cookie": string(cookies), "the log": b.w.logged()} {
		if leaked := b.w.leaks(text); len(leaked) > 0 {
			b.t.Errorf("in %s: %q", place, leaked)
		}
	}
}

func TestLeaks(t *testing.T) {
	w := &world{t: t}
	w.secret("ABCD EFGH")
	w.secret("0AAA-BBBB")
	require.Empty(t, w.leaks("path=/x?abcd=1"))
	for _, text := range []string{"x=abcdefgh&", "ABCD%20EFGH", "abcd+efgh", "msg=0aaabbbb", "0AAA-BBBB", "0aaa%2Dbbbb"} {
		require.Len(t, w.leaks(text), 1, text)
	}
}
