package securitypage_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/totp"
	"github.com/gatehouse-go/gatehouse/websession"
)

// knowing returns a host whose browsers keep what accounts know them by, although the test's connections are not
// encrypted.
func knowing(t *testing.T, change func(*websession.Config), edit ...func(*securitypage.Config)) *host {
	t.Helper()
	return newHostWith(t, func(of *parts) {
		of.web = func(c *websession.Config) {
			c.PlainHTTP = true
			if change != nil {
				change(c)
			}
		}
	}, edit...)
}

// userAgent is a browser that says what it is.
type userAgent string

func (a userAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("User-Agent", string(a))
	return http.DefaultTransport.RoundTrip(r)
}

// signInWith signs an account in with a second step, in a new browser.
func (h *host) signInWith(o *gatehousetest.User, agent userAgent) *browser {
	h.t.Helper()
	b := h.signIn(o.AccountID)
	b.c.Transport = agent
	b.completes(o)
	return b
}

// completes takes the second step of a sign-in.
func (b *browser) completes(o *gatehousetest.User) {
	b.h.t.Helper()
	b.h.svc.Wait(totp.Period)
	require.Equal(b.h.t, http.StatusSeeOther, b.submit("/sign-in", "/sign-in", "code", o.Code()).status)
}

// knownBrowsers returns the IDs of the browsers that the account of a browser knows, the one with the latest second step
// first.
func (b *browser) knownBrowsers() (ids []string) {
	b.h.t.Helper()
	known, err := b.h.sess.Browsers(request(b.h.t, b))
	require.NoError(b.h.t, err)
	for _, k := range known {
		ids = append(ids, k.ID)
	}
	return ids
}

// newBrowsers counts the sign-ins from a new browser of which an account's activity tells.
func (h *host) newBrowsers(account string) (n int) {
	h.t.Helper()
	a, err := h.svc.Account(h.t.Context(), account)
	require.NoError(h.t, err)
	for _, e := range a.Activity {
		if e.Kind == event.NewBrowser {
			n++
		}
	}
	return n
}

const (
	chrome  = userAgent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	firefox = userAgent("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0")
)

// Owners see which browsers their account knows, and have it forget one or all, without a proof: a sign-in there is told
// then, and nothing ends. A form works once, for a browser that is known and of the account.
func TestBrowsers(t *testing.T) {
	h := knowing(t, nil, func(c *securitypage.Config) { c.Place = func(netip.Addr) string { return "Lisbon, <Portugal>" } })
	_, o := h.enrolled("ada")
	_, evil := h.enrolled("eve")
	eve := h.signInWith(evil, chrome)
	other, mine := h.signInWith(o, firefox), h.signInWith(o, chrome)
	h.svc.Wait(48 * time.Hour)
	mine.begin("ada", "/login", gatehouse.FirstFactor{Method: "pwd"})
	mine.completes(o)
	h.svc.Wait(time.Hour) // no proof is fresh
	require.Contains(t, mine.get("/activity").body, `href="`+prefix+`/browsers"`)
	require.Contains(t, mine.get("/sessions").body, `href="`+prefix+`/browsers"`)

	a := mine.get("/browsers")
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.text(), "Signing in from them still takes your second step.")
	require.Equal(t, 1, strings.Count(a.text(), "This browser"))
	require.Regexp(t, `Chrome on Windows This browser Lisbon, <Portugal> 127\.0\.0\.1 second step completed 1 h ago known since .* `+
		`Firefox on Android Lisbon, <Portugal> 127\.0\.0\.1 second step completed 2 days ago`, a.text())
	require.Equal(t, 1, strings.Count(a.body, "#phone"))
	ids := mine.knownBrowsers()
	require.Len(t, ids, 3, "and the one that has enrolled")
	for _, id := range ids {
		require.Contains(t, a.body, `value="`+id+`"`)
	}
	evils := eve.knownBrowsers()
	require.NotContains(t, a.body, evils[0])

	// One is forgotten once. It goes on, and its next sign-in is that of a new browser, as none of the other is.
	forget := func(b *browser, id string) answer {
		return b.send(a, "/browsers/forget", "id", id, "form", formOf(a.body, id))
	}
	require.Contains(t, mine.follow(forget(mine, ids[1])).text(), "That browser is forgotten.")
	require.Equal(t, []string{ids[0], ids[2]}, mine.knownBrowsers())
	require.Equal(t, http.StatusConflict, forget(mine, ids[1]).status, "sent twice")
	require.True(t, other.counts())
	told := h.newBrowsers("ada")
	for _, b := range []*browser{mine, other} {
		b.begin("ada", "/login", gatehouse.FirstFactor{Method: "pwd"})
		b.completes(o)
	}
	require.Equal(t, told+1, h.newBrowsers("ada"))
	require.Equal(t, 1, strings.Count(other.get("/browsers").text(), "This browser"))

	// Another account's is as unknown as one that is gone, also with the right field for its ID.
	for _, id := range []string{evils[0], ids[1], "", "x"} {
		form, _ := a.form("/browsers/forget")
		form.Set("id", id)
		require.Equal(t, http.StatusConflict, mine.post("/browsers/forget", form).status, id)
		form.Set("form", formOf(eve.get("/browsers").body, evils[0]))
		require.Equal(t, http.StatusConflict, mine.post("/browsers/forget", form).status, id)
	}
	require.Equal(t, evils, eve.knownBrowsers())
	require.Equal(t, http.StatusConflict, eve.send(a, "/browsers/forget-all").status, "a form of another session")

	// All are forgotten, the one that asks among them; twice is no error.
	a = mine.get("/browsers")
	for range 2 {
		all := mine.follow(mine.send(a, "/browsers/forget-all"))
		require.Contains(t, all.text(), "All browsers are forgotten.")
		require.Contains(t, all.text(), "We don’t know any of your browsers.")
		for _, path := range []string{"/browsers/forget", "/browsers/forget-all"} {
			_, ok := all.form(path)
			require.False(t, ok)
		}
		require.Empty(t, mine.knownBrowsers())
	}
	require.Equal(t, evils, eve.knownBrowsers())
	require.Equal(t, []bool{true, true, true}, []bool{mine.counts(), other.counts(), eve.counts()})
}

// A browser that was signed out has an account forget nothing, also by a form whose body it has held back.
func TestForgetAfterSignOut(t *testing.T) {
	h := newHost(t)
	_, o := h.enrolled("ada")
	mine := h.signInWith(o, chrome)
	want := mine.knownBrowsers()
	for _, path := range []string{"/browsers/forget", "/browsers/forget-all"} {
		thief := h.signInWith(o, firefox)
		form, ok := thief.get("/browsers").form(path)
		require.True(t, ok, path)
		want = append(thief.knownBrowsers()[:1], want...)
		w := thief.holdBack(path, form.Encode(), func() {
			require.NoError(t, h.rows.Remove(t.Context(), "ada", thief.sessionID()))
		})
		require.Equal(t, http.StatusForbidden, w.Code, path)
		require.Contains(t, w.Body.String(), "This sign-in has ended", path)
		require.Equal(t, http.StatusUnauthorized, thief.post(path, form).status, "signed out")
		require.Equal(t, want, mine.knownBrowsers(), path)
	}
}

// An account without a second factor knows no browser: nothing leads to the page, and the page leads to the activity.
func TestNoBrowsers(t *testing.T) {
	h := knowing(t, nil)
	require.Equal(t, prefix+"/activity", h.signIn("eve").get("/browsers").header.Get("Location"))
	_, o := h.enrolled("ada")
	b := h.signInWith(o, chrome)
	held := b.get("/browsers")
	require.Equal(t, http.StatusSeeOther, b.submit("/disable", "/disable", "sure", "yes").status)
	for _, path := range []string{"/", "/activity", "/sessions"} {
		require.NotContains(t, b.get(path).body, prefix+"/browsers", path)
	}
	require.Equal(t, prefix+"/activity", b.get("/browsers").header.Get("Location"))
	require.Equal(t, http.StatusConflict, b.send(held, "/browsers/forget").status)
	require.Equal(t, http.StatusOK, b.follow(b.follow(b.send(held, "/browsers/forget-all"))).status)
}

// The page says so where known browsers sign in without the second step, and takes as many as an account knows in every
// language.
func TestBrowsersInFull(t *testing.T) {
	language := ""
	h := knowing(t, func(c *websession.Config) { c.KnownBrowserReplacesStep = true }, func(c *securitypage.Config) {
		c.Language = func(*http.Request) string { return language }
		c.Place = func(netip.Addr) string { return strings.Repeat("<", 64) }
	})
	_, o := h.enrolled("ada")
	var b *browser
	for range 10 {
		b = h.signInWith(o, firefox)
	}
	require.Contains(t, b.get("/browsers").text(), "Signing in from them takes no second step.")
	for _, language = range securitypage.Languages() {
		a := b.get("/browsers")
		require.Equal(t, 10, strings.Count(a.body, `name="id"`))
		all, _ := b.weight(a)
		require.LessOrEqual(t, all, maxWeight, language)
	}
}
