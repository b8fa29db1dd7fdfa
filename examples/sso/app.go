package main

import (
	"context"
	"errors"
	"html/template"
	"log"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/websession"
)

type config struct {
	URL                            string // of this service
	Issuer, ClientID, ClientSecret string
	Now                            func() time.Time
}

type app struct {
	sessions
	web      *websession.Sessions
	client   oauth2.Config
	verifier *oidc.IDTokenVerifier
}

func newApp(ctx context.Context, svc *gatehouse.Service, c config) (http.Handler, error) {
	p, err := oidc.NewProvider(ctx, c.Issuer)
	if err != nil {
		return nil, err
	}
	a := &app{verifier: p.Verifier(&oidc.Config{ClientID: c.ClientID, Now: c.Now}), client: oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: c.URL + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile"},
	}}
	a.web, err = websession.New(websession.Config{
		Service: svc, User: a.user, SignIn: a.begin, SignOut: a.end, PlainHTTP: !https,
	})
	if err != nil {
		return nil, err
	}
	page, err := securitypage.New(securitypage.Config{
		Web: a.web, Name: "Acme", Links: securitypage.Links{SignIn: "/sign-in", SignOut: "/sign-out"},
		Owner: func(r *http.Request, account string) (securitypage.Owner, error) {
			return securitypage.Owner{Label: a.name(account), SignInAgain: "/sign-in?again=yes"}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/settings/security/", page)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _ = home.Execute(w, a.name(a.user(r))) })
	mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
		a.toProvider(w, flow{Next: r.FormValue("next"), Again: r.FormValue("again") != ""})
	})
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /sign-out", func(w http.ResponseWriter, r *http.Request) {
		if err := a.web.End(w, r); err != nil {
			log.Print(err)
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return a.web.Middleware(mux), nil
}

var home = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Acme</title>
<h1>Acme</h1>{{if .}}<p>You are signed in as {{.}}. <a href="/settings/security/">Security</a></p>
<form method="post" action="/sign-out"><button>Sign out</button></form>{{else}}<a href="/sign-in">Sign in</a>{{end}}`))

// toProvider leads to the provider, which comes back to callback.
func (a *app) toProvider(w http.ResponseWriter, f flow) {
	f.State, f.Nonce, f.Verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	o := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(f.Verifier), oidc.Nonce(f.Nonce),
		// By a GET: SameSite=Lax keeps the cookies, this flow's among them, from the POST of another site (form_post).
		oauth2.SetAuthURLParam("response_mode", "query"),
		// With any max_age the provider has to say when it has asked (auth_time, OpenID Connect Core §2).
		oauth2.SetAuthURLParam("max_age", "86400"),
	}
	if f.Again {
		o = append(o, oauth2.SetAuthURLParam("max_age", "0"), oauth2.SetAuthURLParam("prompt", "login"))
	}
	f.keep(w)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", a.client.AuthCodeURL(f.State, o...))
	w.WriteHeader(http.StatusSeeOther)
}

// callback is where the provider comes back to.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	f, ok := takeFlow(w, r)
	if !ok || r.FormValue("error") != "" {
		http.Error(w, "You are not signed in: begin once more.", http.StatusUnauthorized)
		return
	}
	account, name, at, err := a.identity(r, f)
	if err == nil {
		a.names.Store(account, name)
		err = a.signIn(w, r, f, account, at)
	}
	denied := errors.Is(err, gatehouse.ErrDenied)
	switch {
	case denied && !f.Again: // perhaps as something of the account was ended since the provider last asked: it asks once more
		a.toProvider(w, flow{Next: f.Next, Again: true})
	case denied:
		http.Error(w, "You cannot sign in now.", http.StatusUnauthorized)
	case err != nil:
		log.Print(err)
		http.Error(w, "Something has failed. Try again soon.", http.StatusInternalServerError)
	}
}

// signIn signs in who the provider says it is, or leads to the second step.
//
// With a password form, Before is called before the password is looked at: a password that is changed between the two
// then proves nothing. Here the check is over before it is known whose it is, so Before can only come now, and it may be
// hours old, from when the provider last asked. So At decides, which must be auth_time: a check from before the last reset
// then signs nobody in, and one of some time ago signs in but pairs no authenticator. Without At it
// is refused.
func (a *app) signIn(w http.ResponseWriter, r *http.Request, f flow, account string, at time.Time) error {
	try, err := a.web.Before(r, account)
	if err != nil {
		return err
	}
	return try.To(f.Next).Begin(w, r, gatehouse.FirstFactor{Method: "fed", At: at})
}

// identity returns who the provider says it is, and when it has made sure.
func (a *app) identity(r *http.Request, f flow) (account, name string, at time.Time, err error) {
	token, err := a.client.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return "", "", time.Time{}, err
	}
	text, _ := token.Extra("id_token").(string)
	id, err := a.verifier.Verify(r.Context(), text)
	if err != nil {
		return "", "", time.Time{}, err
	}
	var claims struct {
		Name     string
		AuthTime int64 `json:"auth_time"`
	}
	if err := id.Claims(&claims); err != nil {
		return "", "", time.Time{}, err
	}
	if id.Nonce != f.Nonce || claims.AuthTime <= 0 {
		return "", "", time.Time{}, errors.New("the ID token has another nonce, or no auth_time")
	}
	return id.Subject, claims.Name, time.Unix(claims.AuthTime, 0), nil
}
