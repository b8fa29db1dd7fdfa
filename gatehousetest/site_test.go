package gatehousetest_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

// newApp is the program under test: a sign-in form, a home page, and the Security page.
func newApp(svc *gatehouse.Service) http.Handler {
	a := &app{}
	var err error
	a.web, err = websession.New(websession.Config{Service: svc, User: a.user, SignIn: a.begin, SignOut: a.end})
	check(err)
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"}, tokens.ScopeInfo{Scope: "deploys:write", StepUp: true})
	check(err)
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	check(err)
	page, err := securitypage.New(securitypage.Config{
		Web: a.web, Tokens: tok, Name: "Acme", Password: right, Links: securitypage.Links{SignIn: "/login"},
	})
	check(err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", show(`<form method=post><input name=user> <input type=hidden name=csrf> <input name=password type=password></form>`))
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if a.user(r) == "" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		show("You are signed in as "+a.user(r)+".")(w, r)
	})
	mux.Handle("/settings/security/", page)
	return a.web.Middleware(mux)
}

type app struct {
	sessions sync.Map // accounts, by the value of the cookie
	web      *websession.Sessions
}

func (a *app) user(r *http.Request) string {
	if c, err := r.Cookie("__Host-session"); err == nil {
		if account, ok := a.sessions.Load(c.Value); ok {
			return account.(string)
		}
	}
	return ""
}

func (a *app) begin(w http.ResponseWriter, _ *http.Request, account string) error {
	c := http.Cookie{Name: "__Host-session", Value: rand.Text(), Path: "/", Secure: true, HttpOnly: true}
	a.sessions.Store(c.Value, account)
	http.SetCookie(w, &c)
	return nil
}

func (a *app) end(_ http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie("__Host-session"); err == nil {
		a.sessions.Delete(c.Value)
	}
	return nil
}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	try, err := a.web.Before(r, r.FormValue("user"))
	if ok, _ := right(r, r.FormValue("user"), r.FormValue("password")); err == nil && !ok {
		err = gatehouse.ErrDenied
	}
	if err == nil {
		err = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
	}
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		http.Error(w, "wrong", http.StatusUnauthorized)
	case err != nil:
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	}
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	if a.web.End(w, r) == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func right(_ *http.Request, account, password string) (bool, error) {
	return account == "ada" && password == "correct horse", nil
}

func show(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, text)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func ExampleNewSite() {
	t := &testing.T{} // in a test, its own
	site := gatehousetest.NewSite(t, newApp)
	b := site.Browser(t)
	fmt.Println(b.SignIn("ada", "wrong").Status)
	b.SignIn("ada", "correct horse")
	phone, _ := b.Pair()

	other := site.Browser(t)
	fmt.Println(other.SignIn("ada", "correct horse").Path)
	fmt.Println(other.Answer("000000").Status)
	other.Answer(site.Code(phone))
	fmt.Println(other.Get("/").Text())
	// Output:
	// 401
	// /settings/security/sign-in
	// 422
	// You are signed in as ada.
}

// The test of a program's own sign-in handler. TestSignInIsShort counts its lines.
func TestSignIn(t *testing.T) {
	site := gatehousetest.NewSite(t, newApp)
	b := site.Browser(t)
	require.Equal(t, http.StatusUnauthorized, b.SignIn("ada", "wrong").Status)
	b.SignIn("ada", "correct horse")
	phone, recoveryCodes := b.Pair()

	for _, code := range []string{site.Code(phone), recoveryCodes[0]} {
		b = site.Browser(t)
		require.Contains(t, b.SignIn("ada", "correct horse").Text(), "Code from the app")
		require.Equal(t, "/login", b.Without().Get("/").Path, "the password alone")
		b.Answer(code)
		require.Contains(t, b.Get("/").Text(), "signed in as ada")
	}
}

func TestSignInIsShort(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "site_test.go", nil, 0)
	require.NoError(t, err)
	f := file.Scope.Lookup("TestSignIn").Decl.(*ast.FuncDecl)
	require.LessOrEqual(t, files.Position(f.End()).Line-files.Position(f.Pos()).Line+1, 15)
}

// A person does everything else with one call each.
func TestPerson(t *testing.T) {
	site := gatehousetest.NewSite(t, newApp)
	b := site.Browser(t)
	b.SignIn("ada", "correct horse")
	require.NotEmpty(t, b.MintToken("ci", "projects:read"))
	site.Wait(time.Hour)
	require.Equal(t, http.StatusUnprocessableEntity, b.StepUp("wrong").Status)
	require.Equal(t, "/settings/security/", b.StepUp("correct horse").Path)
	phone, codes := b.Pair()
	require.Len(t, codes, 10)
	require.Equal(t, "Acme", phone.Issuer)

	site.Wait(time.Hour)
	require.Equal(t, "/settings/security/", b.StepUp(site.Code(phone)).Path)
	require.Regexp(t, "^acme_", b.MintToken("deploy", "projects:read", "deploys:write"))
	second, none := b.Pair()
	require.Empty(t, none)
	require.NotEqual(t, phone.Code(site.Now()), second.Code(site.Now()))

	site.Wait(time.Hour)
	b.Get("/settings/security/disable")
	require.Equal(t, http.StatusForbidden, b.Get("/settings/security/disable").Status)
	require.Equal(t, http.StatusOK, b.Answer(site.Code(second)).Status)
	b.Submit("/settings/security/disable", "sure", "yes")
	require.Equal(t, "/settings/security/", site.Browser(t).SignIn("ada", "correct horse").Path)
}

// After a reset, support's code leads to a new app.
func TestReset(t *testing.T) {
	site := gatehousetest.NewSite(t, newApp)
	site.Enroll(t, "ada")
	code, err := site.Operator("op").Because("lost it").Reset(t.Context(), "ada")
	require.NoError(t, err)
	b := site.Browser(t)
	b.SignIn("ada", "correct horse")
	require.Equal(t, "/settings/security/pair", b.Answer(code.Reveal()).Path)
	phone, codes := b.Pair()
	require.Len(t, codes, 10)
	b.SignIn("ada", "correct horse")
	require.Equal(t, "/settings/security/", b.Answer(site.Code(phone)).Path)
}

// Two browsers of one site differ, a copy has the cookies of now, and one without a cookie has the others.
func TestBrowsers(t *testing.T) {
	site := gatehousetest.NewSite(t, newApp)
	b := site.Browser(t)
	b.SignIn("ada", "correct horse")
	signedIn := func(b *gatehousetest.Browser) bool { return b.Get("/").Path == "/" }
	require.False(t, signedIn(site.Browser(t)))
	copied := b.Without()
	require.False(t, signedIn(b.Without("__Host-session")))
	require.True(t, signedIn(b.Without("__Host-gatehouse")), "nothing was ended")
	b.Post("/logout")
	require.False(t, signedIn(b))
	require.False(t, signedIn(copied))
	b.Get("/login")
	other := b.Without()
	other.Submit("/login", "user", "ada", "password", "correct horse")
	require.True(t, signedIn(other))
	require.False(t, signedIn(b))
	stolen := other.Without() // a copy of all cookies
	err := site.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.RevokeTokens)
	require.NoError(t, err)
	for _, b := range []*gatehousetest.Browser{other, stolen, stolen.Without("__Host-gatehouse")} {
		require.Equal(t, "/login", b.Get("/").Path)
	}
}
