// Minimal is a web service with a password form, to which Gatehouse adds two-factor sign-in, passkeys, recovery codes and a
// Security page. Lines that are there for Gatehouse say so, with what is indented below them; the rest is the service.
package main

import (
	"crypto/rand"
	"errors"
	"html/template"
	"log"
	"net/http"
	"sync"

	"golang.org/x/crypto/bcrypt"

	// gatehouse
	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/websession"
)

const (
	address = "localhost:8080"
	https   = false                                                          // must be true as soon as browsers are on other machines
	cookie  = "session"                                                      // "__Host-session" with HTTPS: then no sibling domain can set it
	ada     = "$2a$10$tBr3pDKdo1DKbGLRYsFcSe8klBlnsne6IMIaDw8QuyaivXaVpv8u2" // bcrypt of "correct horse"
)

var home = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8">
<title>Acme</title><h1>Acme</h1>{{if .}}<p>You are signed in as {{.}}. <a href="/settings/security/">Security</a></p>
<form method="post" action="/sign-out"><button>Sign out</button></form>{{else}}<form method="post" action="/sign-in">
<label>User <input name="user" autocomplete="username webauthn"></label> <label>Password <input name="password" type="password"
autocomplete="current-password"></label> <button>Sign in</button></form>
<form method="post" action="/settings/security/passkey/sign-in" data-passkey="/settings/security/passkey/options">
<input type="hidden" name="passkey" data-answer> <button hidden>Sign in with a passkey</button> <span role="alert" data-said></span></form>
<script defer src="/settings/security/passkey.js"></script>{{end}}`))

type app struct {
	sessions sync.Map             // who is signed in, by the ID of the session
	web      *websession.Sessions // gatehouse
}

func (a *app) signedIn(r *http.Request) string {
	if c, err := r.Cookie(cookie); err == nil {
		account, _ := a.sessions.Load(c.Value)
		name, _ := account.(string)
		return name
	}
	return ""
}

// begin begins a session under a new ID: one that somebody has planted in the browser stays nobody's.
func (a *app) begin(w http.ResponseWriter, r *http.Request, account string) error {
	c := http.Cookie{Name: cookie, Value: rand.Text(), Path: "/", Secure: https, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	a.sessions.Store(c.Value, account)
	http.SetCookie(w, &c)
	return a.end(w, r) // the one before
}

func (a *app) end(_ http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(cookie); err == nil {
		a.sessions.Delete(c.Value)
	}
	return nil
}

// checkPassword takes equally long for an account that does not exist. A real one also limits how often it is asked.
func checkPassword(_ *http.Request, account, password string) (bool, error) {
	return bcrypt.CompareHashAndPassword([]byte(ada), []byte(password)) == nil && account == "ada", nil
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	account := r.FormValue("user")          // where people type another name than this ID, look the ID up
	try, failed := a.web.Before(r, account) // gatehouse
	ok, err := checkPassword(r, account, r.FormValue("password"))
	if ok { // gatehouse
		err = failed
	}
	if ok && err == nil { // gatehouse
		err = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
	}
	switch {
	case err != nil && !errors.Is(err, gatehouse.ErrDenied): // gatehouse
		log.Print(err)
		http.Error(w, "Something has failed. Try again soon.", http.StatusInternalServerError)
	case err != nil || !ok:
		http.Error(w, "You are not signed in: go back, and type it once more.", http.StatusUnauthorized)
	}
}

func newApp(svc *gatehouse.Service) http.Handler {
	a, mux := &app{}, http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _ = home.Execute(w, a.signedIn(r)) })
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.HandleFunc("POST /sign-out", func(w http.ResponseWriter, r *http.Request) {
		if err := a.web.End(w, r); err != nil { // gatehouse
			log.Print(err)
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	// gatehouse
	keys := must(passkey.New(svc, passkey.Config{RPID: "localhost", Origins: []string{"http://" + address}})) // your domain, for good
	web := websession.Config{Service: svc, User: a.signedIn, SignIn: a.begin, SignOut: a.end, Passkeys: keys, PlainHTTP: !https}
	a.web = must(websession.New(web))
	page := securitypage.Config{Web: a.web, Name: "Acme", Password: checkPassword, Passkeys: keys}
	page.Links.SignOut = "/sign-out"
	mux.Handle("/settings/security/", must(securitypage.New(page)))
	return a.web.Middleware(mux)
}

func main() {
	svc := must(gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})) // gatehouse
	log.Printf(`Sign in at http://%s as "ada" with "correct horse", and open Security.`, address)
	log.Print("The lines of Gatehouse are marked in minimal/main.go. Everything is forgotten at the end.")
	log.Fatal(http.ListenAndServe(address, newApp(svc)))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
