package main

import (
	"context"
	"database/sql"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/notify/email"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

const (
	name         = "Acme"
	securityPath = "/settings/security"
)

// brandTheme is the other look, with the style sheet in brand.
var brandTheme = securitypage.Theme{Accent: "#c8a35a", Radius: "2px", Font: "Iowan Old Style, Palatino, Georgia, serif", Favicon: "/favicon.ico"}

type options struct {
	DB    *sql.DB
	Keys  *keyring.Ring
	Now   func() time.Time
	Log   *slog.Logger
	Mail  func(to, text string)
	Send  func(context.Context, email.Message) error // sends what owners must be told; an error has it tried again
	HTTPS bool                                       // browsers come by HTTPS, to here or to what is in front

	// Origin is where browsers find the service, "https://acme.example": passkeys are tied to its host for good, and the mails
	// of Send lead there. Empty: there are neither.
	Origin string

	Brand bool // the Security page has a look of its own instead of this service's frame
}

// app is the service.
type app struct {
	svc      *gatehouse.Service
	store    *sqlstore.Store // of svc, in the database of users
	tokens   *tokens.Service
	posture  *posture.Service
	users    *users
	sessions *scs.SessionManager
	browsers *websession.Indexed // in which owners are signed in
	passkeys *passkey.Service    // nil: none
	notices  *notify.Service     // nil: none
	mails    notify.Sink         // of notices
	web      *websession.Sessions
	pages    map[string]*template.Template
	now      func() time.Time
	log      *slog.Logger
	mail     func(to, text string)
	handler  http.Handler
}

func newApp(ctx context.Context, o options) (*app, error) {
	store, err := sqlstore.New(o.DB, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	a := &app{store: store, now: o.Now, log: o.Log, mail: o.Mail}
	if a.users, err = newUsers(ctx, o.DB, o.Now); err != nil {
		return nil, err
	}
	if a.pages, err = readPages(); err != nil {
		return nil, err
	}
	rules, err := tokenPolicy()
	if err != nil {
		return nil, err
	}
	gates, err := protection(o.Origin != "")
	if err != nil {
		return nil, err
	}
	a.svc, err = gatehouse.New(store, gatehouse.Config{
		Issuer: name, Keys: o.Keys, Now: o.Now, Observer: event.ObserverFunc(a.observe),
		Notices: o.Origin != "", // whatever else changes accounts needs the same: the command, by GATEHOUSE_NOTICES
	})
	if err != nil {
		return nil, err
	}
	if err := a.newNotices(o); err != nil {
		return nil, err
	}
	if a.tokens, err = tokens.New(a.svc, rules); err != nil {
		return nil, err
	}
	if a.posture, err = posture.New(a.svc, posture.Config{Policy: gates, Tokens: a.tokens, Host: a.facts}); err != nil {
		return nil, err
	}
	if a.passkeys, err = newPasskeys(a.svc, o.Origin); err != nil {
		return nil, err
	}
	if a.sessions, err = newSessions(ctx, o.DB, o.HTTPS, o.Log); err != nil {
		return nil, err
	}
	if a.web, err = a.newWeb(o.HTTPS); err != nil {
		return nil, err
	}
	c := securitypage.Config{
		Web: a.web, Tokens: a.tokens, Posture: a.posture, Name: name, Owner: a.pageOwner, Password: a.pagePassword,
		Resources: securitypage.Resources{List: a.pageResources}, Sessions: a.browsers,
		Links:  securitypage.Links{Home: "/", SignIn: "/sign-in", Help: "/help", SignOut: "/sign-out", Password: "/password"},
		Texts:  func(*http.Request, string) map[string]string { return texts },
		Layout: a.shell, Theme: securitypage.Theme{Accent: "#1257c9", Favicon: "/favicon.ico"},
		Faults: o.Log,
	}
	if a.passkeys != nil {
		c.Passkeys = a.passkeys
	}
	if o.Brand {
		c.Layout, c.Theme = nil, brandTheme
		if c.Files, err = fs.Sub(files, "brand"); err != nil {
			return nil, err
		}
	}
	page, err := securitypage.New(c)
	if err != nil {
		return nil, err
	}
	guard, err := httpguard.New(httpguard.Config{
		Service: a.svc, Posture: a.posture, Session: a.web.Current, Refuse: page.Refuse, Faults: o.Log,
	})
	if err != nil {
		return nil, err
	}
	api, err := httpguard.New(httpguard.Config{Service: a.svc, Tokens: a.tokens, Realm: "acme", Faults: o.Log})
	if err != nil {
		return nil, err
	}
	a.handler = a.routes(page, guard, api)
	return a, nil
}

// observe is gatehouse.Config.Observer. It is told at most once, so owners are told by notices, and what it notes is put
// right at each sign-in, and by support where two-factor was turned off and this was not told.
func (a *app) observe(ctx context.Context, e event.Event) {
	event.Log(a.log).Observe(ctx, e)
	var err error
	switch e.Kind {
	case event.AuthenticatorAdded, event.CodeAccepted:
		err = a.users.setFactor(ctx, e.AccountID, true)
	case event.TwoFactorOff:
		err = a.users.setFactor(ctx, e.AccountID, false)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "note a second factor", "account", e.AccountID, "error", err)
	}
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

func (a *app) routes(page http.Handler, guard, api *httpguard.Guard) http.Handler {
	own := http.NewServeMux()
	own.Handle("GET /sign-up", a.page(a.signUpPage))
	own.Handle("POST /sign-up", a.page(a.signUp))
	own.Handle("GET /sign-in", a.page(a.signInPage))
	own.Handle("POST /sign-in", a.page(a.signIn))
	own.Handle("POST /sign-out", a.page(a.signOut))
	own.Handle("GET /help", a.page(a.help))
	own.Handle("GET /{$}", a.member(a.home))
	own.Handle("GET /email", a.member(a.emailPage))
	own.Handle("POST /email/send", a.member(a.sendMail))
	own.Handle("POST /email/confirm", a.member(a.confirmMail))
	fresh := guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute}) // by the second factor where there is one
	own.Handle("GET /password", fresh(a.member(a.passwordPage)))
	own.Handle("POST /password", fresh(a.member(a.changePassword)))
	own.Handle("GET /project", a.member(a.project))
	// Each action asks its gate at every request, whatever a page has shown before.
	own.Handle("POST /project/token", guard.RequireGate(posture.MintProductionToken)(a.member(a.newToken)))
	own.Handle("POST /project/invite", guard.RequireGate("team.invite")(a.member(a.invite)))
	own.Handle("POST /project/deploy", guard.RequireGate("deploy.public")(a.member(a.deploy)))
	own.Handle("/", a.page(a.missing))

	browser := http.NewServeMux()
	browser.Handle(securityPath+"/", page)                            // checks by itself where its forms come from
	browser.Handle("/", http.NewCrossOriginProtection().Handler(own)) // other sites cannot send these forms

	all := http.NewServeMux()
	all.Handle("/api/", a.api(api)) // without sessions: a cookie is no way into it
	all.HandleFunc("GET /shell.css", asset("shell.css"))
	all.HandleFunc("GET /app.css", asset("app.css"))
	all.HandleFunc("GET /favicon.ico", asset("icon.svg"))
	// In this order: whose session it is, whether it still counts, and then all that goes by it.
	all.Handle("/", a.sessions.LoadAndSave(a.web.Middleware(browser)))
	return httpguard.Log(a.log)(harden(all))
}

const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// harden sets what every answer has. Nothing is taken from elsewhere, and no script runs at all; the Security page
// sets its own, and the sign-in has one script of that: see signInForm. "same-origin" keeps the addresses of pages from other sites, and leads back after a step-up.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		next.ServeHTTP(w, r)
	})
}

// facts is posture.Config.Host.
func (a *app) facts(ctx context.Context, account string) (posture.Host, error) {
	u, err := a.users.byID(ctx, account)
	if err != nil {
		return posture.Host{}, err
	}
	if u.id == "" {
		return posture.Host{}, errors.New("there is no such account")
	}
	verified := posture.No
	if u.verified {
		verified = posture.Yes
	}
	return posture.Host{At: a.now(), Since: u.created, Plan: u.plan, EmailVerified: verified}, nil
}
