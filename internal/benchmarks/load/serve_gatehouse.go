package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
	"github.com/gatehouse-go/gatehouse/websession"
)

// tokenOwners is how many accounts have an access token, besides those that sign in.
const tokenOwners = 500

var dialects = map[string]sqlstore.Dialect{"pgx": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL, "sqlite3": sqlstore.SQLite}

// newGatehouse is a service with a password form, an API and the Security page, all with their defaults.
func newGatehouse(ctx context.Context, db *sql.DB, s settings) (http.Handler, error) {
	h, err := newHost(ctx, db, s)
	if err != nil {
		return nil, err
	}
	users, err := h.sessions(ctx)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.New(db, dialects[s.driver], sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	return gatehouseOn(ctx, store, users, s)
}

func gatehouseOn(ctx context.Context, store storage.Store, users sessions, s settings) (http.Handler, error) {
	svc, err := gatehouse.New(store, gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	if err != nil {
		return nil, err
	}
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	if err != nil {
		return nil, err
	}
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	if err != nil {
		return nil, err
	}
	handler, err := mount(svc, tok, users)
	if err != nil {
		return nil, err
	}
	return handler, errors.Join(pair(ctx, svc, s.accounts), mint(ctx, svc, tok, s.tokens))
}

// pair imports an app for each account.
func pair(ctx context.Context, svc *gatehouse.Service, accounts int) error {
	before := totp.Step(time.Now()) - 10
	return atOnce(accounts, func(i int) error {
		secret, err := totp.ParseSecret(secretText(accountID(i)))
		if err != nil {
			return err
		}
		_, err = svc.Operator("load").Import(ctx, accountID(i), gatehouse.Import{
			Authenticators: []gatehouse.ImportAuthenticator{{Secret: secret, LastStep: before}},
		})
		return err
	})
}

// mint makes a token for each of some accounts and writes them to a file.
func mint(ctx context.Context, svc *gatehouse.Service, tok *tokens.Service, path string) error {
	texts := make([]string, tokenOwners)
	if err := atOnce(tokenOwners, func(i int) error {
		in := gatehouse.Session{Account: fmt.Sprintf("robot-%d", i), Secret: fmt.Sprint("session of robot ", i)}
		try, err := svc.Before(ctx, in.Account)
		if err != nil {
			return err
		}
		if in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: time.Now()}); err != nil {
			return err
		}
		m, err := tok.Mint(ctx, in, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
		texts[i] = m.Token.Reveal()
		return err
	}); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Join(texts, "\n")), 0o600)
}

func mount(svc *gatehouse.Service, tok *tokens.Service, users sessions) (http.Handler, error) {
	model, err := posture.NewModel(posture.ModelConfig{})
	if err != nil {
		return nil, err
	}
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
	if err != nil {
		return nil, err
	}
	pos, err := posture.New(svc, posture.Config{Policy: gates, Tokens: tok})
	if err != nil {
		return nil, err
	}
	web, err := websession.New(websession.Config{
		Service: svc, User: users.signedIn, SignIn: users.signIn, SignOut: users.signOut, Home: "/me", PlainHTTP: true,
	})
	if err != nil {
		return nil, err
	}
	page, err := securitypage.New(securitypage.Config{Web: web, Tokens: tok, Posture: pos, Name: "Acme"})
	if err != nil {
		return nil, err
	}
	guard, err := httpguard.New(httpguard.Config{Service: svc, Tokens: tok, Posture: pos, Session: web.Current})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/settings/security/", page)
	mux.Handle("GET /api/projects", guard.RequireScope("projects:read", nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, httpguard.Account(r.Context()))
	})))
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, users.signedIn(r)) })
	mux.HandleFunc("POST /sign-in", func(w http.ResponseWriter, r *http.Request) {
		answer(w, first(web, users, w, r))
	})
	// The second step in a request of the service's own, as that of the other servers is: the Security page's own form has to
	// be fetched before.
	mux.HandleFunc("POST /code", func(w http.ResponseWriter, r *http.Request) {
		_, err := web.Answer(w, r, r.FormValue("code"))
		answer(w, err)
	})
	return web.Middleware(mux), nil
}

func first(web *websession.Sessions, users sessions, w http.ResponseWriter, r *http.Request) error {
	account := r.FormValue("user")
	try, err := web.Before(r, account)
	if err != nil {
		return err
	}
	right, err := users.passwordIsRight(r.Context(), account, r.FormValue("password"))
	if err != nil {
		return err
	}
	if !right {
		return gatehouse.ErrDenied
	}
	return try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
}

// answer says what an error comes to; where there is none, the answer is a redirect already.
func answer(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		http.Error(w, "wrong", http.StatusUnauthorized)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
