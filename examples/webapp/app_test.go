package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// answerSecondStep types a code where the second step asks for it.
func (c *client) answerSecondStep(code string) reply {
	c.t.Helper()
	return c.submit("/sign-in", "/sign-in", url.Values{"code": {code}})
}

// TestSessionFixation plants a session of mallory's in the browser of ada.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	mallory := w.client(t)
	mallory.signUp("mallory@acme.test")
	planted := mallory.session()

	ada := w.client(t)
	ada.http.Jar.SetCookies(ada.url(), mallory.http.Jar.Cookies(mallory.url()))
	require.Equal(t, securityPath+"/sign-in", ada.signIn("ada@acme.test"))
	require.Equal(t, "/", ada.answerSecondStep(w.code(phone)).Header.Get("Location"))
	whole := ada.session()
	require.NotEqual(t, planted, whole)
	require.Contains(t, ada.get("/").body, "ada@acme.test")
	require.False(t, mallory.in())
	require.Equal(t, "/sign-in?next=%2Fsettings%2Fsecurity%2F", mallory.get(securityPath+"/").Header.Get("Location"))
	var n int
	require.NoError(t, w.app.users.db.QueryRow(`SELECT count(*) FROM sessions WHERE token = ?`, whole).Scan(&n))
	require.Zero(t, n, "the store has hashes")
}

// everyPath is what there is, by GET, or by POST where that is all.
var everyPath = []string{
	"GET /", "GET /sign-in", "GET /sign-up", "GET /help", "GET /email", "POST /email/send", "POST /email/confirm", "GET /password", "POST /password", "GET /project",
	"POST /project/token", "POST /project/invite", "POST /project/deploy", "GET /nowhere", "POST /sign-in", "POST /sign-up", "GET /app.css", "GET /shell.css",
	"GET /favicon.ico", "GET /api/projects/anvil", "POST /api/deploys", "GET /api/nowhere",
	"GET " + securityPath, "GET " + securityPath + "/", "GET " + securityPath + "/pair", "POST " + securityPath + "/pair",
	"GET " + securityPath + "/pair/confirm", "POST " + securityPath + "/pair/confirm", "GET " + securityPath + "/authenticators",
	"POST " + securityPath + "/authenticators/remove", "GET " + securityPath + "/recovery-codes", "POST " + securityPath + "/recovery-codes",
	"GET " + securityPath + "/disable", "POST " + securityPath + "/disable", "GET " + securityPath + "/tokens",
	"GET " + securityPath + "/tokens/revoke-all", "GET " + securityPath + "/tokens/service-accounts",
	"GET " + securityPath + "/tokens/new", "POST " + securityPath + "/tokens/new", "GET " + securityPath + "/activity",
	"GET " + securityPath + "/step-up", "POST " + securityPath + "/step-up", "POST " + securityPath + "/unlock",
	"GET " + securityPath + "/nowhere", "POST /sign-out",
}

func (c *client) request(path string) reply {
	c.t.Helper()
	method, path, _ := strings.Cut(path, " ")
	if method == "POST" {
		return c.post(path, nil)
	}
	return c.get(path)
}

// TestHalfSignedIn has a browser that has passed the password alone knock at every door.
func TestHalfSignedIn(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	c := w.client(t)
	require.Equal(t, securityPath+"/sign-in", c.signIn("ada@acme.test"))
	state := func() string {
		account, err := w.app.svc.Account(t.Context(), w.account("ada@acme.test"))
		require.NoError(t, err)
		text, err := json.Marshal(account)
		require.NoError(t, err)
		return string(text)
	}
	before := state()
	for _, path := range everyPath {
		got := c.request(path)
		require.NotContains(t, got.body, "ada@acme.test</span>\n\t\t<button", path)
		require.NotContains(t, got.body, "Anvil", path)
		if to, _, _ := strings.Cut(got.Header.Get("Location"), "?"); to != "" {
			require.Contains(t, []string{"/sign-in", securityPath + "/sign-in", securityPath + "/", securityPath + "/pair"}, to, path)
		}
		if path == "POST /sign-out" { // which is allowed
			require.Equal(t, "/sign-in", c.get(securityPath+"/sign-in").Header.Get("Location"))
			c.signIn("ada@acme.test")
		}
	}
	require.Equal(t, before, state())
	require.Empty(t, w.mail)

	require.Equal(t, 422, c.answerSecondStep("000000").StatusCode)
	require.False(t, c.in())
	c.answerSecondStep(w.code(phone))
	require.True(t, c.in())

	c.post("/sign-out", nil)
	c.signIn("ada@acme.test")
	w.wait(20*time.Minute + time.Second)
	require.Equal(t, "/sign-in", c.get(securityPath+"/sign-in").Header.Get("Location"), "it was begun too long ago")
}

// TestOtherCookies has the browser send what it likes instead of what Gatehouse keeps in it.
func TestOtherCookies(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	mallory := w.client(t)
	mallory.signUp("mallory@acme.test")
	for what, value := range map[string]string{"none": "", "garbage": "x", "another account's": mallory.cookie("gatehouse")} {
		c := w.client(t)
		c.signIn("ada@acme.test")
		c.answerSecondStep(w.code(phone))
		require.True(t, c.in())
		c.http.Jar.SetCookies(c.url(), []*http.Cookie{{Name: "gatehouse", Value: value, Path: "/"}})
		require.Equal(t, 401, c.post("/project/deploy", nil).StatusCode, what)
		require.Equal(t, securityPath+"/sign-in", c.get("/project?a=b").Header.Get("Location"), what)
		for _, path := range []string{"/", "/tokens/new"} {
			require.Equal(t, securityPath+"/sign-in", c.get(securityPath+path).Header.Get("Location"), what)
		}
		require.Equal(t, "/project?a=b", c.answerSecondStep(w.code(phone)).Header.Get("Location"), what)
		require.Contains(t, c.get("/").body, "ada@acme.test", what)
	}
}

// TestNext has a sign-in lead to where somebody wanted to go, and nowhere else.
func TestNext(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	require.Equal(t, "/sign-in?next=%2Femail%3Fa%3D%26", c.get("/email?a=&").Header.Get("Location"))
	require.Contains(t, c.get("/sign-in?next=%2Femail%3Fa%3D%26").body, `name="next" value="/email?a=&amp;"`)
	c.signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	w.client(t).signUp("bob@acme.test")
	for next, to := range map[string]string{"/email?a=&": "/email?a=&", "//evil.test/": "/", "https://evil.test/": "/", "": "/"} {
		form := credentials("ada@acme.test")
		form.Set("next", next)
		c = w.client(t)
		c.post("/sign-in", form)
		require.Equal(t, to, c.answerSecondStep(w.code(phone)).Header.Get("Location"))
		form.Set("email", "bob@acme.test")
		require.Equal(t, to, w.client(t).post("/sign-in", form).Header.Get("Location"))
		form.Set("password", "a wrong password")
		require.Equal(t, next != "", strings.Contains(w.client(t).post("/sign-in", form).body, `name="next"`))
	}
}

// TestGates has a session whose proof was good for the actions, and has got too old.
func TestGates(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	c.signIn("ada@acme.test")
	c.answerSecondStep(w.code(phone))
	require.Equal(t, securityPath+"/tokens/new", c.post("/project/token", nil).Header.Get("Location"))
	require.Equal(t, "/project", c.post("/project/deploy", nil).Header.Get("Location"))
	w.wait(6 * time.Minute)
	require.Equal(t, securityPath+"/tokens/new", c.post("/project/token", nil).Header.Get("Location"))
	require.Contains(t, c.post("/project/deploy", nil).Header.Get("Location"), securityPath+"/step-up?next=")
	w.wait(10 * time.Minute)
	require.Contains(t, c.post("/project/token", nil).Header.Get("Location"), securityPath+"/step-up?next=")
	w.verify("ada@acme.test")
	require.Equal(t, "/project", c.post("/project/invite", url.Values{"email": {"eve@acme.test"}}).Header.Get("Location"), "it asks for no fresh proof")
	require.Equal(t, 422, c.post("/project/invite", url.Values{"email": {"eve"}}).StatusCode)
	require.Len(t, w.mail, 1)
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	kept := c.http.Jar.Cookies(c.url())
	require.Equal(t, http.StatusNotFound, c.get("/sign-out").StatusCode)
	require.True(t, c.in())
	require.Equal(t, "/sign-in", c.post("/sign-out", nil).Header.Get("Location"))
	require.Empty(t, c.session())
	thief := w.client(t)
	thief.http.Jar.SetCookies(thief.url(), kept)
	require.False(t, thief.in())
}

// TestSessionStore has a request end a session while another one is under way.
func TestSessionStore(t *testing.T) {
	s := sessionStore{newWorld(t).app.users.db}
	found := func() bool {
		_, found, err := s.Find("one")
		require.NoError(t, err)
		return found
	}
	require.False(t, found())
	require.NoError(t, s.Commit("one", []byte("data"), time.Now().Add(time.Hour)))
	require.NoError(t, s.Commit("one", []byte("more"), time.Now().Add(time.Hour)))
	data, _, err := s.Find("one")
	require.NoError(t, err)
	require.Equal(t, "more", string(data))
	require.NoError(t, s.Delete("one"))
	require.False(t, found())
	require.NoError(t, s.Commit("one", []byte("data"), time.Now().Add(time.Hour)))
	require.False(t, found())
	require.NoError(t, s.Commit("two", []byte("data"), time.Now().Add(-time.Second)))
	_, old, err := s.Find("two")
	require.NoError(t, err)
	require.False(t, old)
	require.NoError(t, s.Commit("three", []byte("data"), time.Now().Add(time.Hour)))
	var n int
	require.NoError(t, s.db.QueryRow(`SELECT count(*) FROM sessions WHERE token = 'two'`).Scan(&n))
	require.Zero(t, n)
}

// TestSessionsEnd has another session change what the first one rests on.
func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	account, support := w.account("ada@acme.test"), w.app.svc.Operator("support")
	phone, _ := w.pair("ada@acme.test")
	require.False(t, c.in(), "it had the password alone")
	again := func() {
		c.signIn("ada@acme.test")
		c.answerSecondStep(w.code(phone))
		require.True(t, c.in())
	}
	again()
	require.NoError(t, support.PasswordChanged(t.Context(), account, gatehouse.RevokeTokens))
	require.False(t, c.in())
	again()
	require.NoError(t, support.Suspend(t.Context(), account))
	require.False(t, c.in())
	require.Contains(t, c.post("/sign-in", credentials("ada@acme.test")).body, "suspended")
	require.NoError(t, support.Resume(t.Context(), account))
	again()
	_, err := support.Reset(t.Context(), account)
	require.NoError(t, err)
	require.False(t, c.in())
	require.Equal(t, securityPath+"/sign-in", c.signIn("ada@acme.test"), "a reset takes no step away")

	bob := w.client(t)
	bob.signUp("bob@acme.test")
	require.NoError(t, support.Suspend(t.Context(), w.account("bob@acme.test")))
	require.False(t, bob.in(), "without a second factor")
	require.Contains(t, bob.post("/sign-in", credentials("bob@acme.test")).body, "suspended")
	require.False(t, bob.in())
}

// TestRecoverySession has somebody sign in with a recovery code, which opens no gate, now or later.
func TestRecoverySession(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	_, paired := w.pair("ada@acme.test")
	made, err := w.app.svc.Owner(paired).RegenerateRecoveryCodes(t.Context())
	require.NoError(t, err)
	c.signIn("ada@acme.test")
	c.answerSecondStep(made.Codes[0].Reveal())
	require.True(t, c.in())
	for range 2 {
		require.True(t, c.in())
		require.Contains(t, c.post("/project/deploy", nil).Header.Get("Location"), "/step-up?next=")
		w.wait(time.Hour)
	}
}

func TestPasswordChange(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	phone, paired := w.pair("ada@acme.test")
	minted, err := w.app.tokens.Mint(t.Context(), paired, tokens.Request{Name: "script", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	c.signIn("ada@acme.test")
	c.answerSecondStep(w.code(phone))
	require.Equal(t, 200, c.get("/password").StatusCode)
	w.wait(6 * time.Minute)
	for _, got := range []reply{c.get("/password"), c.change(password, "another long password")} {
		require.Equal(t, 303, got.StatusCode)
		require.Contains(t, got.Header.Get("Location"), securityPath+"/step-up?next=")
	}
	got := c.submit("/step-up?next=/password", "/step-up", url.Values{"step_up": {w.code(phone)}})
	require.Equal(t, "/password", got.Header.Get("Location"))

	require.Equal(t, 422, c.change("a wrong password", "another long password").StatusCode)
	require.Contains(t, c.change(password, "short").body, "15 to 200")
	other, half := w.client(t), w.client(t)
	other.signIn("ada@acme.test")
	other.answerSecondStep(w.code(phone))
	require.True(t, other.in())
	half.signIn("ada@acme.test")
	thief := w.client(t)
	thief.http.Jar.SetCookies(thief.url(), c.http.Jar.Cookies(c.url()))
	require.True(t, thief.in())
	require.Equal(t, "/sign-in", c.change(password, "another long password").Header.Get("Location"))
	require.Contains(t, c.get("/sign-in").body, "Your password is changed.")
	for _, old := range []*client{c, other, thief} {
		require.False(t, old.in())
	}
	require.Equal(t, 403, half.get(securityPath+"/sign-in").StatusCode, "what the old password has led to")
	half.post(securityPath+"/sign-in", url.Values{"code": {w.code(phone)}})
	require.False(t, half.in())
	require.Contains(t, c.guess("ada@acme.test", password), "do not go together")
	require.Equal(t, securityPath+"/sign-in", c.post("/sign-in", url.Values{"email": {"ada@acme.test"}, "password": {"another long password"}}).Header.Get("Location"))
	_, err = w.app.tokens.Check(t.Context(), minted.Token.Reveal(), netip.Addr{})
	require.NoError(t, err, "tokens are kept")

	require.Equal(t, "/", c.answerSecondStep(w.code(phone)).Header.Get("Location"))
	for range freeGuesses {
		require.Contains(t, c.change("a wrong password", password).body, "not your present password")
	}
	require.Contains(t, c.change("another long password", password).body, "Try again in")
}

// TestFaults takes the accounts of Gatehouse away: nobody gets in, and nobody is told more than that.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	in := w.client(t)
	in.signUp("ada@acme.test")
	_, err := w.app.users.db.Exec(`ALTER TABLE gatehouse_accounts RENAME TO gone`)
	require.NoError(t, err)
	c := w.client(t)
	got := c.post("/sign-in", credentials("ada@acme.test"))
	require.Equal(t, 500, got.StatusCode)
	require.Equal(t, "Something went wrong.\n", got.body)
	require.Empty(t, got.Cookies())
	for _, path := range []string{"/", "/project", securityPath + "/"} {
		got := in.get(path)
		require.Equal(t, 503, got.StatusCode, path)
		require.NotContains(t, got.body, "no such table")
	}
	require.Equal(t, 503, in.post("/project/deploy", nil).StatusCode)
	require.Contains(t, w.logged(), "no such table")
	_, err = w.app.users.db.Exec(`ALTER TABLE gone RENAME TO gatehouse_accounts`)
	require.NoError(t, err)
	require.True(t, in.in())
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	for _, path := range everyPath {
		h := c.request(path).Header
		csp := h.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			require.Contains(t, csp, directive, path)
		}
		require.NotContains(t, csp, "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
		require.Len(t, h.Values("Content-Security-Policy"), 1)
		if !strings.HasSuffix(path, ".css") && !strings.HasPrefix(path, "GET /favicon") {
			require.Contains(t, h.Values("Cache-Control"), "no-store", path)
		}
	}
}

func TestOtherSites(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	for _, path := range everyPath {
		path, isPost := strings.CutPrefix(path, "POST ")
		if !isPost || strings.HasPrefix(path, "/api/") {
			continue
		}
		r, err := http.NewRequest("POST", w.server.URL+path, strings.NewReader(credentials("ada@acme.test").Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, c.send(r).StatusCode, path)
	}
	require.True(t, c.in())
}

func TestCookies(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	for https, names := range map[bool][]string{
		false: {"session", "gatehouse", "gatehouse-signin", "gatehouse-browser"},
		true:  {"__Host-session", "__Host-gatehouse", "__Host-gatehouse-signin", "__Host-gatehouse-browser"},
	} {
		w.stop()
		w.https = https
		w.start()
		r := httptest.NewRequest("POST", "/sign-in", strings.NewReader(credentials("ada@acme.test").Encode()))
		r.Host = "localhost"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got := httptest.NewRecorder()
		w.app.ServeHTTP(got, r)
		first := got.Result().Cookies()
		require.Len(t, first, 1, "nobody is signed in")
		require.Equal(t, names[2], first[0].Name)

		r = httptest.NewRequest("GET", securityPath+"/sign-in", nil)
		r.Host = "localhost"
		r.AddCookie(first[0])
		got = httptest.NewRecorder()
		w.app.ServeHTTP(got, r)
		form := fieldsOf(t, got.Body.String(), "/sign-in")
		form.Set("code", w.code(phone))
		r = httptest.NewRequest("POST", securityPath+"/sign-in", strings.NewReader(form.Encode()))
		r.Host = "localhost"
		r.AddCookie(first[0])
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got = httptest.NewRecorder()
		w.app.ServeHTTP(got, r)
		set := map[string]*http.Cookie{}
		for _, cookie := range append(got.Result().Cookies(), first...) {
			set[cookie.Name] = cookie
		}
		require.Len(t, set, len(names))
		for _, name := range names {
			cookie := set[name]
			require.NotNil(t, cookie, name)
			require.True(t, cookie.HttpOnly)
			require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
			require.Equal(t, https, cookie.Secure)
			require.Equal(t, "/", cookie.Path)
			require.Empty(t, cookie.Domain)
		}
		require.Zero(t, set[names[0]].MaxAge, "it ends with the browser")
	}

	// Without HTTPS nobody else's machine gets in.
	w.stop()
	w.https = false
	w.start()
	r := httptest.NewRequest("POST", "/sign-in", strings.NewReader(credentials("ada@acme.test").Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got := httptest.NewRecorder()
	w.app.ServeHTTP(got, r)
	require.Equal(t, 503, got.Code)
	require.Empty(t, got.Result().Cookies())
}

func TestEmail(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	require.Equal(t, 422, c.post("/email/confirm", url.Values{"code": {""}}).StatusCode, "none was sent")
	c.post("/email/send", nil)
	code, found := strings.CutPrefix(w.lastMail(), "ada@acme.test: Your code is ")
	require.True(t, found)
	require.Equal(t, 422, c.post("/email/confirm", url.Values{"code": {rand.Text()}}).StatusCode)
	other := w.client(t)
	other.signUp("eve@acme.test")
	other.post("/email/send", nil)
	require.Equal(t, 422, other.post("/email/confirm", url.Values{"code": {code}}).StatusCode, "another account's")
	require.Equal(t, "/", c.post("/email/confirm", url.Values{"code": {strings.ToLower(code)}}).Header.Get("Location"))
	require.Contains(t, c.get("/").body, "Your e-mail address is confirmed.")
	require.NotContains(t, c.get("/").body, "Your e-mail address is confirmed.", "it is said once")
	require.Equal(t, 422, c.post("/email/confirm", url.Values{"code": {code}}).StatusCode, "it works once")
	for email, verified := range map[string]bool{"ada@acme.test": true, "eve@acme.test": false} {
		u, err := w.app.users.byID(t.Context(), w.account(email))
		require.NoError(t, err)
		require.Equal(t, verified, u.verified)
	}
}

func TestAPI(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	require.Equal(t, 401, c.get("/api/projects/anvil").StatusCode, "a session is no way in")
	_, adas := w.pair("ada@acme.test")
	w.client(t).signUp("eve@acme.test")
	project, other := w.project("ada@acme.test"), w.project("eve@acme.test")
	require.NotEqual(t, project, other)
	mintOf := func(in gatehouse.Session, wanted tokens.Request) string {
		wanted.Name = "pipeline"
		minted, err := w.app.tokens.Mint(t.Context(), in, wanted)
		require.NoError(t, err)
		return minted.Token.Reveal()
	}
	mint := func(project string, scopes ...tokens.Scope) string {
		only, err := tokens.OnlyResources("project/" + project)
		require.NoError(t, err)
		return mintOf(adas, tokens.Request{Scopes: scopes, Resources: only})
	}
	call := func(method, path, token string, form url.Values) reply {
		r, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+token)
		return w.client(t).send(r)
	}
	ours, theirs := mint(project, "projects:read", "deploys:write"), mint(other, "projects:read", "deploys:write")
	got := call("GET", "/api/projects/"+project, ours, nil)
	require.Equal(t, 200, got.StatusCode)
	require.JSONEq(t, `{"id":"`+project+`","name":"Anvil"}`, got.body)
	got = call("POST", "/api/deploys", ours, url.Values{"project": {project}})
	require.Equal(t, 201, got.StatusCode)
	require.JSONEq(t, `{"project":"`+project+`","by":"pipeline"}`, got.body)
	require.Equal(t, 403, call("GET", "/api/projects/"+project, theirs, nil).StatusCode)
	require.Equal(t, 403, call("POST", "/api/deploys", theirs, url.Values{"project": {project}}).StatusCode)
	require.Equal(t, 403, call("POST", "/api/deploys", mint(project, "projects:read"), url.Values{"project": {project}}).StatusCode)
	require.Equal(t, 404, call("GET", "/api/projects/"+other, theirs, nil).StatusCode, "the token may, its owner may not")
	require.Equal(t, 404, call("POST", "/api/deploys", theirs, url.Values{"project": {other}}).StatusCode)
	_, eve := w.pair("eve@acme.test")
	everything := mintOf(eve, tokens.Request{Scopes: tokens.Scopes{"projects:read", "deploys:write"}})
	require.Equal(t, 404, call("GET", "/api/projects/"+project, everything, nil).StatusCode)
	require.Equal(t, 404, call("POST", "/api/deploys", everything, url.Values{"project": {project}}).StatusCode)
	require.Equal(t, 200, call("GET", "/api/projects/"+other, everything, nil).StatusCode)
	require.Equal(t, 400, call("POST", "/api/deploys", ours, nil).StatusCode, "a form without a project")
	require.Equal(t, 400, call("POST", "/api/deploys?project="+project, everything, nil).StatusCode)
	// Row A13: a body of another type is no matter of scopes.
	r, err := http.NewRequest("POST", w.server.URL+"/api/deploys", strings.NewReader(`{"project":"`+project+`"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+ours)
	got = w.client(t).send(r)
	require.Equal(t, 415, got.StatusCode)
	require.Contains(t, got.body, "Send a form")
	require.NotContains(t, got.body, "scope")
	for network, status := range map[string]int{"127.0.0.1/32": 200, "192.0.2.0/24": 401} {
		only, err := tokens.OnlyNetworks(network)
		require.NoError(t, err)
		limited := mintOf(adas, tokens.Request{Scopes: tokens.Scopes{"projects:read"}, Networks: only})
		require.Equal(t, status, call("GET", "/api/projects/"+project, limited, nil).StatusCode, network)
	}
	require.Equal(t, 401, call("GET", "/api/projects/anvil", "x", nil).StatusCode)
	require.Equal(t, 404, call("GET", "/api/nowhere", ours, nil).StatusCode)
}

// TestSecondStart goes on where the first one has ended.
func TestSecondStart(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	phone, _ := w.pair("ada@acme.test")
	c.signIn("ada@acme.test")
	c.answerSecondStep(w.code(phone))
	keys := strings.TrimSuffix(w.file, ".db") + ".keys"
	for _, file := range []string{w.file, w.file + "-wal", keys} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
	w.stop()
	w.start()
	cookies := c.http.Jar.Cookies(c.url()) // of the same host, at another port
	require.NotEmpty(t, cookies)
	require.True(t, c.in())
	other := w.client(t)
	require.Equal(t, securityPath+"/sign-in", other.signIn("ada@acme.test"))
	other.answerSecondStep(w.code(phone))
	require.True(t, other.in())

	text, err := os.ReadFile(keys)
	require.NoError(t, err)
	require.NoError(t, os.Remove(keys))
	_, _, err = openFiles(w.file)
	require.ErrorContains(t, err, "its keys is not")
	require.NoFileExists(t, keys)
	require.NoError(t, os.WriteFile(keys, text, 0o644))
	_, _, err = openFiles(w.file)
	require.Error(t, err, "others may read them")
}

func TestRun(t *testing.T) {
	for _, args := range [][]string{{"-x"}, {"stray"}, {"-https=perhaps"}} {
		require.Equal(t, 2, run(t.Context(), args, io.Discard, io.Discard))
	}
	require.Zero(t, run(t.Context(), []string{"-h"}, io.Discard, io.Discard))
	file := filepath.Join(t.TempDir(), "a file+.db") // which a URL has to escape
	require.Equal(t, 1, run(t.Context(), []string{"-db", file, "-addr", "127.0.0.1:-1"}, io.Discard, io.Discard))

	for _, c := range []struct {
		args    []string
		cookies []string
	}{
		{nil, []string{"session", "gatehouse"}}, {[]string{"-https=false"}, []string{"session", "gatehouse"}},
		{[]string{"-https"}, []string{"__Host-session", "__Host-gatehouse"}},
	} {
		ctx, stop := context.WithCancel(t.Context())
		said, says := io.Pipe()
		status := make(chan int)
		go func() {
			status <- run(ctx, append([]string{"-db", file, "-addr", "127.0.0.1:0"}, c.args...), says, io.Discard)
		}()
		lines := bufio.NewScanner(said)
		require.True(t, lines.Scan())
		address, found := strings.CutPrefix(lines.Text(), "Acme is at ")
		require.True(t, found, lines.Text())
		require.True(t, lines.Scan())
		require.Equal(t, "Its database is "+file+", and its keys are in "+strings.TrimSuffix(file, ".db")+".keys", lines.Text())
		go func() { _, _ = io.Copy(io.Discard, said) }()
		resp, err := (&http.Client{CheckRedirect: noRedirect}).PostForm(address+"/sign-up", credentials(rand.Text()+"@acme.test"))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 303, resp.StatusCode)
		var names []string
		for _, cookie := range resp.Cookies() {
			names = append(names, cookie.Name)
		}
		require.ElementsMatch(t, c.cookies, names)
		stop()
		require.Zero(t, <-status)
	}
}
