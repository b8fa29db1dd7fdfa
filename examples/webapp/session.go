package main

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/websession"
)

// newSessions returns the sessions of this service itself. They know who is signed in, and nothing of Gatehouse.
//
// Only a sign-in and a sign-out change a session, and they answer with a redirect. A page that changes one needs more: where
// the session cannot be saved, scs sends that page after the one of ErrorFunc.
func newSessions(ctx context.Context, db *sql.DB, https bool, log *slog.Logger) (*scs.SessionManager, error) {
	if _, err := db.ExecContext(ctx, sessionTable+browserTable); err != nil {
		return nil, err
	}
	m := scs.New()
	m.Store = sessionStore{db}
	m.HashTokenInStore = true // so that a copy of the database is no key to the sessions in it
	m.Lifetime = sessionLife
	m.Cookie.Name = "session"
	m.Cookie.Persist = false // it ends with the browser
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	if https { // Strict-Transport-Security is for the proxy to send, which ends TLS for the whole host
		m.Cookie.Secure = true
		m.Cookie.Name = "__Host-session" // no other host of the domain can set one of this name
	}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.ErrorContext(r.Context(), "session", "path", r.URL.Path, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
	return m, nil
}

const sessionLife = 12 * time.Hour

// accountKey is that of the account's ID in a session, which has nothing else.
const accountKey = "account"

// newWeb tells Gatehouse how this service keeps sessions.
func (a *app) newWeb(https bool) (*websession.Sessions, error) {
	var err error
	if a.browsers, err = websession.NewDirectory(a.svc, sessionIndex{a.users.db, a.now}, browserLife); err != nil {
		return nil, err
	}
	c := websession.Config{
		Service: a.svc, Path: securityPath, PlainHTTP: !https, Faults: a.log,
		User: func(r *http.Request) string { return a.sessions.GetString(r.Context(), accountKey) },
		SignIn: func(_ http.ResponseWriter, r *http.Request, account string) error {
			// Without a new ID, whoever has planted theirs in the browser would be signed in too (session fixation).
			if err := a.sessions.RenewToken(r.Context()); err != nil {
				return err
			}
			a.sessions.Put(r.Context(), accountKey, account)
			return nil
		},
		SignOut: func(_ http.ResponseWriter, r *http.Request) error { return a.sessions.Destroy(r.Context()) },
		Noter:   a.browsers,
	}
	if a.passkeys != nil {
		c.Passkeys = a.passkeys
	}
	return websession.New(c)
}

// newPasskeys returns the passkeys of a service that browsers find at an origin, nil for none.
func newPasskeys(svc *gatehouse.Service, origin string) (*passkey.Service, error) {
	if origin == "" {
		return nil, nil
	}
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	return passkey.New(svc, passkey.Config{RPID: u.Hostname(), RPName: name, Origins: []string{origin}})
}

// user returns who is signed in; nobody has no ID. It asks Gatehouse and not the session, which may have ended: what is not
// behind the middleware of web would not be told otherwise.
func (a *app) user(r *http.Request) (user, error) {
	in, err := a.web.Current(r)
	if err != nil || in.Account == "" {
		return user{}, err
	}
	return a.users.byID(r.Context(), in.Account)
}
