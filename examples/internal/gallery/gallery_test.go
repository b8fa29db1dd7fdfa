//go:build !race

// The detector finds nothing in pages that are looked at one after another, and would take its time.

// Package gallery_test goes through every state of the Security page in one browser. It is a package of tests alone: the
// browser, axe-core and the pictures are those of browsertest, and the states are made on a store in memory.
package gallery_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/securitypage"
)

func TestMain(m *testing.M) { browsertest.Main(m) }

// gallery is a folder for pictures of every state, with an index.html to look through them:
//
//	go test ./internal/gallery -gallery /tmp/gallery
var gallery = flag.String("gallery", "", "a folder for pictures of every state")

// languages are those, besides English, that the page is measured in: one that is written from right to left, and one of long
// words. All eight take several minutes.
var languages = flag.String("languages", "ar,de", "languages to measure the page in, with commas in between")

var states = slices.Concat(overviews, pairings, methods, tokenStates, activities, signIns, stepUps, messages, keyed)

// walk comes to every state in one profile of the browser, in a language, and has look look at it.
func walk(t *testing.T, language string, look func(t *testing.T, v *visit, s state)) {
	other := httptest.NewServer(said("Elsewhere"))
	t.Cleanup(other.Close)
	hosts, tabs := map[bool]*host{}, map[bool]*browsertest.Tab{}
	for _, passkeys := range []bool{false, true} {
		hosts[passkeys] = newHost(t, language, passkeys)
		tabs[passkeys] = browsertest.Open(t, hosts[passkeys].site.URL, other.URL)
	}
	names := map[string]bool{}
	for _, s := range states {
		require.False(t, names[s.name], s.name)
		names[s.name] = true
		t.Run(s.name, func(t *testing.T) {
			v := &visit{Tab: tabs[s.passkeys].In(t), t: t, h: hosts[s.passkeys], account: strings.ReplaceAll(s.name, " ", "-"), elsewhere: other.URL}
			s.reach(v)
			s.isReached(v, language)
			look(t, v, s)
			require.Empty(t, v.Complaints())
		})
	}
}

// isReached fails where the fixture has come to another state.
func (s state) isReached(v *visit, language string) {
	v.t.Helper()
	status := 200
	if s.status != 0 {
		status = s.status
	}
	require.Equal(v.t, status, v.status, v.Text())
	require.True(v.t, browsertest.Eval[bool](v.Tab, fmt.Sprintf(`!!document.querySelector("main").querySelector(%q)`, s.shows)), "%s: %s", s.shows, v.Text())
	if s.lacks != "" {
		require.False(v.t, browsertest.Eval[bool](v.Tab, fmt.Sprintf(`!!document.querySelector("main").querySelector(%q)`, s.lacks)), "%s: %s", s.lacks, v.Text())
	}
	if s.says != "" {
		require.Regexp(v.t, pattern(v.t, language, s.says), v.Text())
	}
	if language == "en" {
		v.Has(s.english)
	}
}

// pattern matches a text of the page, whatever its names and numbers are.
func pattern(t testing.TB, language, key string) *regexp.Regexp {
	text, ok := securitypage.Texts(language)[key]
	require.True(t, ok, key)
	parts := regexp.MustCompile(`\{\w+\}`).Split(text, -1)
	for i := range parts {
		parts[i] = strings.Join(strings.Fields(regexp.QuoteMeta(parts[i])), `[\s\p{Zs}]+`)
	}
	return regexp.MustCompile(strings.Join(parts, `(?s:.*)`))
}

// window is how many pixels the browser has for the page.
type window struct{ width, height int64 }

var (
	phone = window{320, 800} // the smallest
	desk  = window{1280, 800}
	// windows are those of phones, a tablet, a desk, and a desk at 400 %.
	windows = []window{phone, {360, 800}, {768, 800}, desk, {320, 256}}
)

// fits fails where the page is wider than some windows, so that each line has to be scrolled.
func (v *visit) fits(windows ...window) {
	v.t.Helper()
	for _, w := range windows {
		v.Window(w.width, w.height)
		if wide := v.Width(); wide > w.width {
			v.t.Errorf("%d px: it is %d px wide", w.width, wide)
		}
	}
}

const (
	// primaries is how many buttons call for the reader at once.
	primaries = `[...document.querySelectorAll("main .btn.primary")].filter(e => e.checkVisibility()).length`

	// focused is whether the field that is wrong has the focus, or nothing is wrong. A browser moves it as it draws the page.
	focused = `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => {
		const wrong = [...document.querySelectorAll("main .error")].filter(e => e.checkVisibility());
		if (!wrong.length) return true;
		const at = document.activeElement;
		const by = [at, at.closest("fieldset")].flatMap(e => (e?.getAttribute("aria-describedby") ?? "").split(" "));
		return by.includes(wrong[0].id);
	})`

	// leftToRight is whether what is no words runs from left to right, and on its own.
	leftToRight = `[...document.querySelectorAll("main :is(code, .mono, .scope, textarea)")].map(e => getComputedStyle(e))
		.every(s => s.direction == "ltr" && s.unicodeBidi.includes("isolate"))`
)

// TestEveryState measures every state.
func TestEveryState(t *testing.T) {
	axe := browsertest.Axe(t)
	walk(t, "en", func(_ *testing.T, v *visit, s state) { v.measure(axe, s.name) })
}

// measure looks at a state with all that can be measured, and takes its pictures.
func (v *visit) measure(axe, name string) {
	v.t.Helper()
	if !browsertest.Eval[bool](v.Tab, focused) {
		v.t.Error("the focus is not on what is wrong")
	}
	if n := browsertest.Eval[int](v.Tab, primaries); n > 1 {
		v.t.Errorf("%d primary actions", n)
	}
	v.Direction("rtl")
	v.fits(phone, desk)
	v.Direction("ltr")
	v.fits(windows...)
	v.Size(1280)
	for _, theme := range []string{"light", "dark", "forced"} {
		v.Theme(theme)
		rules := browsertest.ColorRules
		if theme == "light" {
			rules = nil
		}
		for _, violation := range v.Violations(axe, rules...) {
			v.t.Errorf("%s: %s", theme, violation)
		}
	}
	v.pictures(name)
	v.Theme("light")
}

// pictures adds the state to the gallery, where there is one.
func (v *visit) pictures(name string) {
	v.t.Helper()
	if *gallery != "" {
		v.Pictures(*gallery, name)
		v.Size(1280)
	}
}

// Each message has a state.
func TestEveryMessage(t *testing.T) {
	for key := range securitypage.Texts("en") {
		name, isMessage := strings.CutPrefix(key, "message.")
		if name, isTitle := strings.CutSuffix(name, ".title"); isMessage && isTitle {
			require.True(t, slices.ContainsFunc(states, func(s state) bool { return s.name == "message "+name }), name)
		}
	}
}

// TestEveryStateElsewhere measures the states in other languages.
func TestEveryStateElsewhere(t *testing.T) {
	axe := browsertest.Axe(t)
	for language := range strings.SplitSeq(*languages, ",") {
		t.Run(language, func(t *testing.T) {
			walk(t, language, func(t *testing.T, v *visit, s state) {
				v.fits(desk, phone)
				if !browsertest.Eval[bool](v.Tab, leftToRight) {
					t.Error("an address, an ID or a key does not run from left to right")
				}
				if language != "de" { // which differs from English in the length of its words alone
					for _, violation := range v.Violations(axe) {
						t.Error(violation)
					}
				}
				v.Size(1280)
				v.pictures(s.name + " " + language)
			})
		})
	}
}
