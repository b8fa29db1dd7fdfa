package gallery_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

const (
	security = "/settings/security"
	password = "correct horse battery"
)

// host is a service that mounts the page, alone in the window. Anybody signs in to any account by /login?as=ACCOUNT, and
// an account is what its state says: see facts, owners and during.
type host struct {
	svc  *gatehousetest.Service
	tok  *tokens.Service
	pos  *posture.Service
	web  *websession.Sessions
	site *httptest.Server

	*websession.Indexed // where owners are signed in, on rows
	rows                websession.MemoryIndex

	mu        sync.Mutex
	sessions  map[string]string // the accounts of the host's sessions
	facts     map[string]posture.Host
	owners    map[string]securitypage.Owner
	during    map[string]func() error // what happens while a page of an account is made
	passwords map[string]error        // of an account whose password cannot be checked
	directory map[string]error        // of an account whose sessions cannot be ended
}

// EndOthers ends all other sessions of an account, unless its directory is down.
func (h *host) EndOthers(r *http.Request, s gatehouse.Session) error {
	if err := kept(h, h.directory, s.Account); err != nil {
		return err
	}
	return h.Indexed.EndOthers(r, s)
}

// kept is a map of the host's that requests read while a test writes.
func with[T any](h *host, m map[string]T, account string, v T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m[account] = v
}

func kept[T any](h *host, m map[string]T, account string) T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return m[account]
}

// gates are what the host asks for, with their names.
var gates = map[string]string{
	"gate.deploy.public":  "Deploy publicly",
	"gate.team.invite":    "Invite a member",
	"gate.billing.export": "Export invoices",
}

func policy(t testing.TB, passkeys bool) *posture.Policy {
	hidden := func(plan string) posture.Adjustment { return posture.Adjustment{Hide: plan == "small"} }
	model, err := posture.NewModel(posture.ModelConfig{
		Passkeys: passkeys,
		Links:    map[string]string{posture.EmailVerified: "/email"},
		Adjust:   map[string]func(string) posture.Adjustment{posture.EmailVerified: hidden},
	})
	require.NoError(t, err)
	saved := []string{posture.SecondFactor, posture.RecoveryCodesSaved}
	p, err := posture.NewPolicy(model,
		posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: posture.MintProductionToken, Controls: saved},
		posture.Gate{Action: "deploy.public", Controls: saved, MaxAge: 5 * time.Minute, SecondFactor: true},
		posture.Gate{Action: "team.invite", Controls: []string{posture.SecondFactor, posture.EmailVerified}},
		posture.Gate{Action: "billing.export", Controls: []string{posture.EmailVerified}, Level: 2},
	)
	require.NoError(t, err)
	return p
}

// newHost returns a host whose page is in a language, with passkeys or without.
func newHost(t testing.TB, language string, passkeys bool) *host {
	site := httptest.NewUnstartedServer(nil)
	origin := "http://localhost:" + strconv.Itoa(site.Listener.Addr().(*net.TCPAddr).Port) // an address has no passkeys
	h := &host{
		svc: gatehousetest.New(t), sessions: map[string]string{}, facts: map[string]posture.Host{}, owners: map[string]securitypage.Owner{},
		during: map[string]func() error{}, passwords: map[string]error{}, directory: map[string]error{},
	}
	quiet := slog.New(slog.DiscardHandler)
	scopes, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects."},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Change projects.", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "deploys:read", Description: "See what is deployed."},
		tokens.ScopeInfo{Scope: "deploys:write", Description: "Deploy to production.", Risk: tokens.High, StepUp: true},
		tokens.ScopeInfo{Scope: "members:read", Description: "See who is in the team.", Risk: tokens.Medium},
	)
	require.NoError(t, err)
	h.tok, err = tokens.New(h.svc.Service, tokens.Policy{Brand: "acme", Scopes: scopes, Separator: "/"})
	require.NoError(t, err)
	h.pos, err = posture.New(h.svc.Service, posture.Config{Policy: policy(t, passkeys), Tokens: h.tok, Host: h.factsOf})
	require.NoError(t, err)
	wc := websession.Config{
		Service: h.svc.Service, User: h.user, Home: "/home", PlainHTTP: true, Faults: quiet,
		SignIn: func(w http.ResponseWriter, _ *http.Request, account string) error {
			id := rand.Text()
			with(h, h.sessions, id, account)
			http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", HttpOnly: true})
			return nil
		},
		SignOut: func(_ http.ResponseWriter, r *http.Request) error {
			if c, err := r.Cookie("session"); err == nil {
				with(h, h.sessions, c.Value, "")
			}
			return nil
		},
	}
	pc := securitypage.Config{Tokens: h.tok, Posture: h.pos, Name: "Acme", Faults: quiet, API: "https://api.acme.test/v1/me",
		RotatesItself: true, Owner: h.owner, Password: h.password,
		Links: securitypage.Links{
			Home: "/home", SignIn: "/login", Help: "/help", SignOut: "/logout", Password: "/password",
		},
		Resources: securitypage.Resources{List: resources},
		Place:     place,
		Texts:     func(*http.Request, string) map[string]string { return gates },
		Language:  func(*http.Request) string { return language },
	}
	if passkeys {
		keys, err := passkey.New(h.svc.Service, passkey.Config{RPID: "localhost", RPName: "Acme", Origins: []string{origin}})
		require.NoError(t, err)
		wc.Passkeys, pc.Passkeys = keys, keys
	}
	h.Indexed, err = websession.NewDirectory(h.svc.Service, &h.rows, 10*365*24*time.Hour)
	require.NoError(t, err)
	wc.Noter, pc.Sessions = h.Indexed, h
	h.web, err = websession.New(wc)
	require.NoError(t, err)
	pc.Web = h.web
	page, err := securitypage.New(pc)
	require.NoError(t, err)
	guard, err := httpguard.New(httpguard.Config{
		Service: h.svc.Service, Posture: h.pos, Refuse: page.Refuse, Session: h.web.Current, Faults: quiet,
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(security+"/", page)
	mux.HandleFunc("GET /login", h.login)
	mux.Handle("GET /favicon.ico", http.NotFoundHandler())
	mux.Handle("/deploy", guard.RequireGate("deploy.public")(said("Deployed.")))
	mux.Handle("/invite", guard.RequireGate("team.invite")(said("Invited.")))
	mux.Handle("/export", guard.RequireGate("billing.export")(said("Exported.")))
	mux.Handle("/factor", guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute, SecondFactor: true})(said("Shown.")))
	mux.Handle("/", said("Acme", "/deploy", "/invite", "/export"))
	h.site = site
	site.Config.Handler = h.web.Middleware(mux)
	site.Start()
	if passkeys {
		site.URL = origin
	}
	t.Cleanup(h.site.Close)
	return h
}

// said is a page of the host's, with a form to each path.
func said(text string, forms ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><html lang=en><title>Acme</title><p>%s", text)
		for _, path := range forms {
			_, _ = fmt.Fprintf(w, "<form method=post action=%q><button>Send</button></form>", path)
		}
	})
}

func (h *host) user(r *http.Request) string {
	c, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return kept(h, h.sessions, c.Value)
}

// login signs in to any account, as somebody who has typed its password.
func (h *host) login(w http.ResponseWriter, r *http.Request) {
	account := r.FormValue("as")
	if account == "" {
		said("Sign in").ServeHTTP(w, r)
		return
	}
	try, err := h.web.Before(r, account)
	if err == nil {
		err = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (h *host) owner(_ *http.Request, account string) (securitypage.Owner, error) {
	if during := kept(h, h.during, account); during != nil {
		if err := during(); err != nil {
			return securitypage.Owner{}, err
		}
	}
	o := kept(h, h.owners, account)
	if o.Label == "" {
		o.Label = "ada@acme.test"
	}
	return o, nil
}

func (h *host) password(_ *http.Request, account, typed string) (bool, error) {
	return typed == password, kept(h, h.passwords, account)
}

func (h *host) factsOf(_ context.Context, account string) (posture.Host, error) {
	f := kept(h, h.facts, account)
	f.At = h.svc.Now()
	if f.EmailVerified == posture.Unknown {
		f.EmailVerified = posture.Yes
	}
	return f, nil
}

func resources(_ *http.Request, account string) ([]securitypage.Resource, error) {
	if !strings.HasPrefix(account, "resources") {
		return nil, nil
	}
	return []securitypage.Resource{
		{ID: "project/7", Name: "Website"}, {ID: "project/12", Name: "Billing"}, {ID: "project/31", Name: strings.Repeat("Long", 16)},
	}, nil
}

// place knows addresses of documentation (RFC 5737).
func place(a netip.Addr) string {
	switch {
	case netip.MustParsePrefix("203.0.113.0/24").Contains(a):
		return "Lisbon, Portugal"
	case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
		return "Office"
	}
	return ""
}
