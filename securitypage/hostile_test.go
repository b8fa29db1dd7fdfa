package securitypage_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

// path is one of the page's, with what a form for it is filled in with.
type path struct {
	page, to string // page has the form; "" for none
	fields   []string
}

// paths are all of those that answer, for an owner with an authenticator and a token of each ID.
func paths(auth, token string) []path {
	of := "/tokens/" + token
	return []path{
		{"/", "", nil},
		{"/pair", "/pair", []string{"name", "Tablet"}},
		{"/pair/scan", "", nil},
		{"", "/pair/codes", nil},
		{"", "/pair/confirm", nil},
		{"", "/pair/cancel", nil},
		{"/pair/done", "", nil},
		{"/authenticators", "/authenticators/rename", []string{"name", "Phone"}},
		{"/authenticators/remove?id=" + auth, "", nil},
		{"", "/authenticators/remove", nil},
		{"/recovery-codes", "/recovery-codes", nil},
		{"", "/recovery-codes/saved", nil},
		{"", "/unlock", nil},
		{"/disable", "/disable", []string{"sure", "yes"}},
		{"/tokens/revoke-all", "/tokens/revoke-all", nil},
		{"/tokens", "", nil},
		{"/tokens/new", "/tokens/new", []string{"name", "x", "scope", "projects:read"}},
		{of, of + "/rotate", []string{"grace", "0"}},
		{"", of + "/renew", nil},
		{of + "/revoke", of + "/revoke", nil},
		{"/activity", "", nil},
		{"", "/activity/reviewed", nil},
		{"", "/activity/sign-out-elsewhere", nil},
		{"/step-up", "/step-up", nil},
		{"", "/sign-in", nil},
		{"", "/sign-in/clock", nil},
		{"", "/sign-in/cancel", nil},
		{"/nothing", "", nil},
	}
}

// ready is an owner with everything.
func (h *host) ready(account string) (b *browser, o *gatehousetest.User, token string) {
	h.t.Helper()
	b, o = h.enrolled(account)
	minted, err := h.tok.Mint(h.t.Context(), b.in(), tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(h.t, err)
	return b, o, minted.Info.ID
}

// account returns what there is to show of an account and of its tokens.
func (h *host) account(account string) string {
	h.t.Helper()
	a, err := h.svc.Account(h.t.Context(), account)
	require.NoError(h.t, err)
	shown := []any{a}
	if h.tok != nil {
		shown = append(shown, h.tokens(account))
	}
	text, err := json.Marshal(shown)
	require.NoError(h.t, err)
	return string(text)
}

// Forms that are not this page's, or not for what is there now, do nothing.
func TestFormsThatAreRefused(t *testing.T) {
	h := newHost(t)
	b, o, token := h.ready("ada")
	other, _, _ := h.ready("mallory")
	second := h.signIn("ada")
	require.Equal(t, "/home", second.submit("/sign-in", "/sign-in", "code", o.Code()).header.Get("Location"))
	before := h.account("ada")

	n := 0
	for _, p := range paths(o.AuthenticatorID, token) {
		if p.page == "" || p.to == "" || p.to == "/step-up" {
			continue
		}
		n++
		form, ok := b.get(p.page).form(p.to)
		require.True(t, ok, p.to)
		for i := 0; i < len(p.fields); i += 2 {
			form.Set(p.fields[i], p.fields[i+1])
		}
		send := func(header, value string) answer {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute(p.to), strings.NewReader(form.Encode()))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header, value)
			return b.do(r)
		}
		require.Equal(t, http.StatusForbidden, send("Sec-Fetch-Site", "cross-site").status, p.to)
		require.Equal(t, http.StatusForbidden, send("Sec-Fetch-Site", "same-site").status, p.to)
		require.Equal(t, http.StatusForbidden, send("Origin", "https://evil.test").status, p.to)
		require.Equal(t, http.StatusForbidden, send("Origin", "null").status, p.to)

		refused := func(form url.Values, by *browser, status int, why string) {
			t.Helper()
			a := by.post(p.to, form)
			require.Equal(t, status, a.status, "%s: %s\n%s", p.to, why, a.text())
		}
		with := func(token string) url.Values {
			out := url.Values{}
			for k, v := range form {
				out[k] = v
			}
			out.Set("form", token)
			return out
		}
		refused(with(""), b, http.StatusConflict, "no form token")
		refused(with(strings.Map(func(r rune) rune { return r ^ 1 }, form.Get("form"))), b, http.StatusConflict, "a changed one")
		refused(with(form.Get("form")+"x"), b, http.StatusConflict, "a longer one")
		foreign := http.StatusConflict
		if strings.HasPrefix(p.to, "/tokens/"+token) {
			foreign = http.StatusNotFound
		}
		refused(form, other, foreign, "another account's")
		refused(form, second, http.StatusConflict, "another session's of the same account")
		elsewhere, _ := b.get("/step-up").form("/step-up")
		refused(with(elsewhere.Get("form")), b, http.StatusConflict, "another path's")
	}
	require.Greater(t, n, 6)
	require.Equal(t, before, h.account("ada"))

	// What is larger than a form, and what is none.
	huge := url.Values{"form": {strings.Repeat("x", 1<<20)}}
	require.Equal(t, http.StatusRequestEntityTooLarge, b.post("/pair", huge).status)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute("/pair"), strings.NewReader("%zz=%"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusBadRequest, b.do(r).status)
	r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute("/pair"), strings.NewReader(`{"form":"x"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	require.Equal(t, http.StatusConflict, b.do(r).status)
	require.Equal(t, before, h.account("ada"))
}

// A form works once, and for what was there when it was shown: after a reload, with the back button, from a
// second tab, and sent many times at once.
func TestFormsWorkOnce(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")
	count := func() int { return len(h.tokens("ada")) }

	form, _ := b.get("/tokens/new").form("/tokens/new")
	form["name"], form["scope"] = []string{"ci"}, []string{"projects:read"}
	statuses := make(chan int, 8)
	var all sync.WaitGroup
	for range cap(statuses) {
		all.Go(func() { statuses <- b.post("/tokens/new", form).status })
	}
	all.Wait()
	close(statuses)
	got := map[int]int{}
	for s := range statuses {
		got[s]++
	}
	require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusConflict: 7}, got)
	require.Equal(t, 1, count())
	require.Equal(t, http.StatusConflict, b.post("/tokens/new", form).status)

	// Two tabs pair. The first one's picture is no longer good once the second has begun.
	one := secretOf(t, b.pair("/pair", "name", "One"))
	_, first := b.savesCodes()
	two := secretOf(t, b.pair("/pair", "name", "Two"))
	_, second := b.savesCodes()
	a := b.send(first, "/pair/confirm", "code", one.Code(h.svc.Now()))
	require.Equal(t, http.StatusConflict, a.status)
	stale := b.get("/authenticators")
	a = b.send(second, "/pair/confirm", "code", two.Code(h.svc.Now()))
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.body)
	require.Equal(t, http.StatusConflict, b.send(second, "/pair/confirm", "code", two.Code(h.svc.Now())).status)
	require.Equal(t, http.StatusConflict, b.send(stale, "/authenticators/rename", "name", "x").status)

	// An enrollment that has expired.
	h.svc.Wait(time.Minute)
	three := secretOf(t, b.pair("/pair", "name", "Three"))
	_, a = b.savesCodes()
	h.svc.Wait(11 * time.Minute)
	require.Equal(t, http.StatusConflict, b.send(a, "/pair/confirm", "code", three.Code(h.svc.Now())).status)
	require.Equal(t, prefix+"/pair", b.get("/pair/confirm").header.Get("Location"))

	// Codes that are made at once: the account has those of one answer.
	a = b.get("/step-up")
	require.Equal(t, http.StatusSeeOther, b.send(a, "/step-up", "step_up", o.Code()).status)
	form, _ = b.get("/recovery-codes").form("/recovery-codes")
	answers := make(chan answer, 6)
	for range cap(answers) {
		all.Go(func() { answers <- b.post("/recovery-codes", form) })
	}
	all.Wait()
	close(answers)
	shown := 0
	for a := range answers {
		if a.status == http.StatusOK {
			shown++
			in := h.signIn("ada")
			require.Equal(t, recovered, in.submit("/sign-in?with=recovery", "/sign-in", "code", codesOf(a)[0]).header.Get("Location"))
		}
	}
	require.Equal(t, 1, shown)
}

// Every path has its headers, whoever asks and however, and no page has anything inline.
func TestHeadersAndPaths(t *testing.T) {
	h := newHost(t)
	b, o, token := h.ready("ada")
	nobody, signingIn := h.browser(nil), h.signIn("ada")
	inline := regexp.MustCompile(`(?i)<script(>| [^>]*[^"]>[^<])| on[a-z]+=|<style| style=|javascript:`)
	check := func(a answer, what string) {
		t.Helper()
		require.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			a.header.Get("Content-Security-Policy"), what)
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"), what)
		require.Equal(t, "DENY", a.header.Get("X-Frame-Options"), what)
		require.Equal(t, "same-origin", a.header.Get("Referrer-Policy"), what)
		require.Equal(t, "same-origin", a.header.Get("Cross-Origin-Opener-Policy"), what)
		require.Equal(t, "same-origin", a.header.Get("Cross-Origin-Resource-Policy"), what)
		if strings.Contains(what, "page.") {
			return
		}
		require.Equal(t, "no-store", a.header.Get("Cache-Control"), what)
		require.NotRegexp(t, inline, a.body, what)
		require.Less(t, len(a.body), 50<<10, what)
	}
	method := func(b *browser, method, path string) answer {
		r, err := http.NewRequestWithContext(t.Context(), method, b.absolute(path), nil)
		require.NoError(t, err)
		return b.do(r)
	}
	for _, p := range paths(o.AuthenticatorID, token) {
		for _, at := range []string{p.page, p.to} {
			if at == "" {
				continue
			}
			for who, by := range map[string]*browser{"owner": b, "nobody": nobody, "signing in": signingIn} {
				for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
					a := method(by, m, at)
					what := m + " " + at + " by " + who
					check(a, what)
					require.Less(t, a.status, 500, what)
					if who == "nobody" {
						to := "/login"
						if m == "GET" && !strings.HasPrefix(at, "/sign-in") {
							to += "?next=" + url.QueryEscape(prefix+at)
						}
						require.Equal(t, to, a.header.Get("Location"), what)
					}
					if a.status == http.StatusMethodNotAllowed {
						require.NotEmpty(t, a.header.Get("Allow"), what)
						require.NotContains(t, a.header.Get("Allow"), m, what)
					}
				}
			}
		}
	}
	require.Equal(t, http.StatusMethodNotAllowed, method(b, "PUT", "/pair").status)
	require.Equal(t, "GET, HEAD, POST", method(b, "PUT", "/pair").header.Get("Allow"))

	// Assets can be kept under the address that pages give them.
	for _, name := range []string{"page.css", "page.js"} {
		at := regexp.MustCompile(regexp.QuoteMeta(prefix) + "/" + name + `\?v=[0-9a-f]+`).FindString(b.get("/").body)
		require.NotEmpty(t, at)
		a := nobody.get(at)
		check(a, at)
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.header.Get("Cache-Control"), "immutable")
		require.NotContains(t, nobody.get("/"+name).header.Get("Cache-Control"), "immutable")
	}

	for _, tricky := range []string{"//pair", "/./pair", "/pair/../pair", "/%2e%2e/home", "/pair/..%2f..%2fhome", "/pair%00", "/PAIR", "/pair/", "/tokens/..", "/tokens/%2e%2e/x", "/templates/layout.html", "/page.css/"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.web.URL+prefix+tricky, nil)
		require.NoError(t, err)
		a := b.do(r)
		require.Less(t, a.status, 500, tricky)
		if a.status == http.StatusOK {
			t.Errorf("%s is a page", tricky)
		}
		if to := a.header.Get("Location"); to != "" {
			require.Regexp(t, `^/[a-z]`, to, tricky)
		}
	}
}

// What the page's own callbacks say, and what they must be.
func TestHostFaults(t *testing.T) {
	h := newHostWith(t, func(of *parts) {
		of.web = func(c *websession.Config) {
			c.SignIn = func(http.ResponseWriter, *http.Request, string) error { return errors.New("no session today") }
		}
	})
	o := h.svc.Enroll(t, "ada")
	b := h.signIn("ada")
	a := b.submit("/sign-in", "/sign-in", "code", o.Code())
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, h.logs.String(), "no session today")
	require.NotContains(t, a.body, "no session today")
	require.Equal(t, prefix+"/sign-in", b.get("/").header.Get("Location"))

	u, _ := url.Parse(h.web.URL)
	lost := h.browser(nil) // nobody is signed in, and it cannot be known who is about to be
	lost.c.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "lost", Path: "/"}})
	for _, to := range []string{"/", "/pair", "/sign-in"} {
		require.Equal(t, http.StatusInternalServerError, lost.get(to).status, to)
		require.Equal(t, http.StatusInternalServerError, lost.post(to, nil).status, to)
	}

	broken := h.browser(nil)
	broken.c.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "broken", Path: "/"}})
	for _, to := range []string{"/", "/pair", "/sign-in", "/tokens/new"} {
		require.Equal(t, http.StatusServiceUnavailable, broken.get(to).status, to)
		require.Equal(t, http.StatusServiceUnavailable, broken.post(to, nil).status, to)
	}
	require.Equal(t, http.StatusServiceUnavailable, broken.get("//deploy").status, "a guard that cannot tell sends nobody to sign in")
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/deploy", nil)
	r.Header.Set("Accept", "text/html")
	h.page.Refuse(w, r, httpguard.Problem{Status: http.StatusInternalServerError})
	require.Equal(t, http.StatusInternalServerError, w.Code, "though nobody is signed in")

	for name, c := range map[string]securitypage.Config{
		"nothing":     {},
		"no name":     {Web: h.sess},
		"a link":      {Web: h.sess, Name: "x", Links: securitypage.Links{Help: "javascript:x"}},
		"two slashes": {Web: h.sess, Name: "x", Links: securitypage.Links{Home: "//evil.test"}},
	} {
		_, err := securitypage.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
}
