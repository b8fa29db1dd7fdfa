package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const password = "correct horse battery"

// client is a browser without a window: it keeps cookies, and follows no redirect by itself.
type client struct {
	t    testing.TB
	w    *world
	http *http.Client
}

// reply is an answer that was read.
type reply struct {
	*http.Response
	body string
}

func (w *world) client(t testing.TB) *client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &client{t, w, &http.Client{Jar: jar, CheckRedirect: noRedirect}}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *client) send(r *http.Request) reply {
	c.t.Helper()
	r.Header.Set("Accept", "text/html")
	resp, err := c.http.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return reply{resp, string(body)}
}

func (c *client) get(path string) reply {
	c.t.Helper()
	r, err := http.NewRequest("GET", c.w.server.URL+path, nil)
	require.NoError(c.t, err)
	return c.send(r)
}

func (c *client) post(path string, form url.Values) reply {
	c.t.Helper()
	r, err := http.NewRequest("POST", c.w.server.URL+path, strings.NewReader(form.Encode()))
	require.NoError(c.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.send(r)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// submit sends the form of a page that leads to a path below the Security page, filled in.
func (c *client) submit(page, action string, fields url.Values) reply {
	c.t.Helper()
	sent := fieldsOf(c.t, c.get(securityPath+page).body, action)
	for name, values := range fields {
		sent[name] = values
	}
	return c.post(securityPath+action, sent)
}

// fieldsOf returns what the form of a page that leads to a path below the Security page has by itself.
func fieldsOf(t testing.TB, page, action string) url.Values {
	t.Helper()
	_, form, found := strings.Cut(page, `action="`+securityPath+action+`"`)
	require.True(t, found, page)
	form, _, _ = strings.Cut(form, "</form>")
	fields := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(form, -1) {
		fields.Add(field[1], html.UnescapeString(field[2]))
	}
	return fields
}

func credentials(email string) url.Values {
	return url.Values{"email": {email}, "password": {password}}
}

func (c *client) signUp(email string) {
	c.t.Helper()
	got := c.post("/sign-up", credentials(email))
	require.Equal(c.t, http.StatusSeeOther, got.StatusCode, got.body)
	require.True(c.t, c.in())
}

// signIn does the first step, as a browser that has looked at the form, and returns where that leads.
func (c *client) signIn(email string) string {
	c.t.Helper()
	c.get("/sign-in") // which signs out a session that has ended
	got := c.post("/sign-in", credentials(email))
	require.Equal(c.t, http.StatusSeeOther, got.StatusCode, got.body)
	return got.Header.Get("Location")
}

// in reports whether somebody is signed in.
func (c *client) in() bool {
	c.t.Helper()
	return c.get("/").StatusCode == http.StatusOK
}

// session returns the ID of the session.
func (c *client) session() string { return c.cookie("session") }

func (c *client) cookie(name string) string {
	for _, cookie := range c.http.Jar.Cookies(c.url()) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

func (c *client) url() *url.URL {
	u, err := url.Parse(c.w.server.URL)
	require.NoError(c.t, err)
	return u
}

// account returns the ID of an account.
func (w *world) account(email string) string {
	w.t.Helper()
	var id string
	require.NoError(w.t, w.app.users.db.QueryRow(`SELECT id FROM users WHERE email = ?`, email).Scan(&id))
	return id
}

// project returns the ID of an account's project.
func (w *world) project(email string) string {
	w.t.Helper()
	u, err := w.app.users.byID(w.t.Context(), w.account(email))
	require.NoError(w.t, err)
	return u.project
}

// verify has the address of an account confirmed.
func (w *world) verify(email string) {
	w.t.Helper()
	code, err := w.app.users.mailCode(w.t.Context(), w.account(email))
	require.NoError(w.t, err)
	right, err := w.app.users.verify(w.t.Context(), w.account(email), code)
	require.NoError(w.t, err)
	require.True(w.t, right)
}

// change changes the password inside a session.
func (c *client) change(old, next string) reply {
	c.t.Helper()
	return c.post("/password", url.Values{"old": {old}, "new": {next}})
}

// vouch returns a session of somebody who has typed the right password just now.
func (w *world) vouch(email string) gatehouse.Session {
	w.t.Helper()
	in := gatehouse.Session{Account: w.account(email)}
	try, err := w.app.svc.Before(w.t.Context(), in.Account)
	require.NoError(w.t, err)
	in.Proof, err = try.Vouch(w.t.Context(), in, gatehouse.FirstFactor{Method: "pwd", At: w.clock()})
	require.NoError(w.t, err)
	return in
}

// pair gives an account an authenticator, and returns that with a session that has the proof of it.
func (w *world) pair(email string) (*gatehousetest.Authenticator, gatehouse.Session) {
	w.t.Helper()
	ctx, in := w.t.Context(), w.vouch(email)
	owner := w.app.svc.Owner(in)
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: email})
	require.NoError(w.t, err)
	phone, err := gatehousetest.Scan(enr.URI())
	require.NoError(w.t, err)
	require.NoError(w.t, owner.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	in.Proof, err = owner.ConfirmEnrollment(ctx, enr.ID, w.code(phone))
	require.NoError(w.t, err)
	return phone, in
}

// tokens returns the tokens of an account.
func (w *world) tokens(account string) (list []tokens.Info) {
	w.t.Helper()
	for info, err := range w.app.tokens.List(w.t.Context(), account) {
		require.NoError(w.t, err)
		list = append(list, info)
	}
	return list
}
