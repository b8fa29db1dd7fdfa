package securitypage_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// provider is an identity provider where owners sign in again, and where the host comes back to at once.
type provider struct {
	h     *host
	login time.Time // "auth_time": when the owner has shown the provider who it is
}

// ServeHTTP is the host's handler of Owner.SignInAgain, once the provider has led back to it.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account := p.h.user(r)
	try, err := p.h.sess.Before(r, account)
	if err == nil {
		err = try.Begin(w, r, gatehouse.FirstFactor{Method: "fed", At: p.login})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
	}
}

// passwordless is a host whose owners sign in at a provider: page, guard and its handler.
func passwordless(t *testing.T) (*host, *provider) {
	t.Helper()
	h := newHost(t, func(c *securitypage.Config) {
		c.Password = func(*http.Request, string, string) (bool, error) {
			t.Error("the password was asked for")
			return false, nil
		}
		c.Owner = func(_ *http.Request, account string) (securitypage.Owner, error) {
			return securitypage.Owner{Label: account, SignInAgain: "/sso?with=idp"}, nil
		}
	})
	idp := &provider{h: h}
	guard, err := httpguard.New(httpguard.Config{Service: h.svc.Service, Refuse: h.page.Refuse, Session: h.sess.Current})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.page)
	mux.Handle("/sso", idp)
	mux.Handle("/email", guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute})(said("email")))
	mux.Handle("/billing", guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute, SecondFactor: true})(said("billing")))
	h.web.Config.Handler = h.sess.Middleware(mux)
	return h, idp
}

var button = regexp.MustCompile(`<a class="btn primary wide" href="([^"]*)"`)

// again follows the prompt of an answer to the provider, and back.
func (p *provider) again(b *browser, a answer) answer {
	p.h.t.Helper()
	require.Contains(p.h.t, a.text(), "Sign in again, then come back.")
	require.NotContains(p.h.t, a.body, `type="password"`)
	m := button.FindStringSubmatch(a.body)
	require.NotNil(p.h.t, m, a.body)
	p.login = p.h.svc.Now()
	return b.get("/" + html.UnescapeString(m[1]))
}

// Row A3: an owner without a password is led to where the owner signs in again, and comes back to what was asked for.
func TestSignInAgain(t *testing.T) {
	h, idp := passwordless(t)
	b := h.browser(&session{})
	b.begin("ada", "/sso", gatehouse.FirstFactor{Method: "fed", At: h.svc.Now()})
	secret := b.secret()
	h.svc.Wait(time.Hour)

	// A page, and a form that was shown before.
	a := b.get("/pair?replace=x")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, `href="/sso?with=idp&amp;next=`)
	a = idp.again(b, a)
	require.Equal(t, prefix+"/pair?replace=x", a.header.Get("Location"), a.body)
	require.NotEqual(t, secret, b.secret(), "a new session")
	shown := b.follow(a)
	h.svc.Wait(time.Hour)
	form, ok := shown.form("/pair")
	require.True(t, ok)
	a = idp.again(b, b.postFrom("/pair", "/pair", form))
	require.Equal(t, prefix+"/pair", a.header.Get("Location"))

	// A page of the host's, through its guard, and one that takes what signing in again is not.
	h.svc.Wait(time.Hour)
	a = b.follow(b.get("//email?of=a%26b"))
	a = idp.again(b, a)
	require.Equal(t, "/email?of=a%26b", a.header.Get("Location"))
	require.Equal(t, "email", b.follow(a).body)
	a = b.follow(b.get("//billing"))
	require.Contains(t, a.text(), "you need two-factor sign-in for this", "or the owner would sign in again for ever")
	require.Contains(t, a.body, `href="/settings/security/pair"`)

	// What the provider has checked long ago is no answer: it must have asked again.
	h.svc.Wait(time.Hour)
	idp.login = h.svc.Now().Add(-6 * time.Minute)
	require.Equal(t, prefix+"/pair", b.get("//sso?next=%2Fsettings%2Fsecurity%2Fpair").header.Get("Location"))
	require.Equal(t, http.StatusForbidden, b.get("/pair").status)

	// Then two-factor is on, and a code is asked for instead.
	a = b.follow(idp.again(b, b.get("/pair")))
	a = b.follow(b.send(a, "/pair", "name", "Phone"))
	app := secretOf(t, a)
	a = b.finishes(app.Code(h.svc.Now()))
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.body)
	h.svc.Wait(time.Hour)
	a = b.get("/disable")
	require.Contains(t, a.text(), "Enter a code from your authenticator app")
	require.Equal(t, prefix+"/disable", b.send(a, "/step-up", "step_up", app.Code(h.svc.Now())).header.Get("Location"))
}

// Somebody who is not signed in comes back to where they were, by the form of the host's.
func TestNext(t *testing.T) {
	h := newHost(t)
	o := h.svc.Enroll(t, "ada")
	b := h.browser(&session{})
	to := b.get("/tokens/new?x=%2F%26").header.Get("Location")
	require.Equal(t, "/login?next="+url.QueryEscape(prefix+"/tokens/new?x=%2F%26"), to)
	w := b.begin("ada", to, gatehouse.FirstFactor{Method: "pwd"}) // its form brings the parameter along
	require.Equal(t, prefix+"/sign-in", w.Header().Get("Location"))
	a := b.submit("/sign-in", "/sign-in", "code", o.Authenticator.Code(h.svc.Now().Add(totp.Period)))
	require.Equal(t, prefix+"/tokens/new?x=%2F%26", a.header.Get("Location"), a.body)
	require.Equal(t, http.StatusOK, b.follow(a).status)

	// The query of the link to the sign-in stays, and another service's takes no parameter of ours.
	for link, want := range map[string]string{
		"/login?lang=de": "/login?lang=de&next=%2Fsettings%2Fsecurity%2F", "https://id.acme.test/login": "https://id.acme.test/login",
	} {
		h = newHost(t, func(c *securitypage.Config) { c.Links.SignIn = link })
		require.Equal(t, want, h.browser(nil).get("/").header.Get("Location"))
		require.Equal(t, link, h.browser(nil).post("/pair", nil).header.Get("Location"))
		require.Equal(t, link, h.browser(nil).get("/sign-in").header.Get("Location"))
	}
}

// Whose browser keeps no cookies is told so, instead of being led in a circle. One that was shown the second step keeps some:
// they have expired.
func TestCookiesThatAreGone(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	b.c.Jar = nil
	for name, c := range map[string]struct{ method, referer, site, want string }{
		"led here by the sign-in":     {http.MethodGet, "/login", "same-origin", ""},
		"without a referrer":          {http.MethodGet, "", "same-origin", ""},
		"a bookmark":                  {http.MethodGet, "", "none", "/login"},
		"a link on the step":          {http.MethodGet, prefix + "/sign-in", "same-origin", "/login"},
		"the form of the step":        {http.MethodPost, prefix + "/sign-in", "same-origin", "/login"},
		"its form without a referrer": {http.MethodPost, "", "same-origin", "/login"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, b.absolute("/sign-in?with=recovery"), nil)
		require.NoError(t, err)
		r.Header.Set("Sec-Fetch-Site", c.site)
		if c.referer != "" {
			r.Header.Set("Referer", h.web.URL+c.referer)
		}
		a := b.do(r)
		require.Equal(t, c.want, a.header.Get("Location"), name)
		require.Equal(t, c.want == "", a.status == http.StatusForbidden, name)
	}
}

// The address of a form that was answered there, as by the prompt for a code, leads to the page that has the form: somebody
// may come back to it after a sign-in, or by "Continue".
func TestAddressOfAForm(t *testing.T) {
	h := newHost(t)
	b, _, token := h.ready("ada")
	for at, page := range map[string]string{
		"/unlock": "/", "/authenticators/rename": "/authenticators", "/recovery-codes/saved": "/recovery-codes", "/pair/cancel": "/pair",
		"/activity/reviewed": "/activity", "/activity/sign-out-elsewhere": "/activity",
		"/tokens/" + token + "/rotate": "/tokens/" + token, "/tokens/" + token + "/renew": "/tokens/" + token,
	} {
		a := b.get(at + "?next=%2F%2Fevil.test")
		require.Equal(t, prefix+page, a.header.Get("Location"), at)
		require.Equal(t, http.StatusOK, b.follow(a).status, at)
	}
	require.Equal(t, prefix+"/sign-in", h.signIn("ada").get("/sign-in/cancel").header.Get("Location"))
	a := b.get("/tokens/%0d%0aX:y%20%2f..%2f..%2f%2fevil.test/rotate")
	require.NotContains(t, a.header, "X")
	require.NotEqual(t, http.StatusOK, a.status)
	if to := a.header.Get("Location"); to != "" {
		require.True(t, strings.HasPrefix(to, prefix+"/"), to)
		require.NotContains(t, to, " ")
	}
}
