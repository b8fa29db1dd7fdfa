package securitypage_test

import (
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	prefix   = "/settings/security"
	password = "correct horse battery"
)

// host is a service that mounts the page: sessions in memory, one password for everybody.
type host struct {
	t    testing.TB
	svc  *gatehousetest.Service
	tok  *tokens.Service
	pos  *posture.Service
	page *securitypage.Page
	web  *httptest.Server
	logs *strings.Builder

	mu       sync.Mutex
	sessions map[string]*session
	answers  []answer       // all of them
	asks     map[string]int // how often the page has asked for a session
}

type session struct{ account, secret, proof, challenge string }

func (s *session) in() gatehouse.Session {
	return gatehouse.Session{Account: s.account, Secret: s.secret, Proof: gatehouse.ParseProof(s.proof)}
}

func newHost(t testing.TB, edit ...func(*securitypage.Config)) *host {
	t.Helper()
	return newHostWith(t, nil, edit...)
}

// parts are what a host is made of.
type parts struct {
	tokens *tokens.Policy  // nil: none
	gates  *posture.Policy // nil: no posture
	now    func() time.Time
}

func newHostWith(t testing.TB, change func(*parts), edit ...func(*securitypage.Config)) *host {
	t.Helper()
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model,
		posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: posture.MintProductionToken, Controls: []string{posture.SecondFactor, posture.RecoveryCodesSaved}},
		posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}, MaxAge: 5 * time.Minute, SecondFactor: true},
	)
	require.NoError(t, err)
	scopes, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects."},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Change projects.", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "deploys:write", Description: "Deploy to production.", Risk: tokens.High, StepUp: true},
	)
	require.NoError(t, err)
	h := &host{t: t, sessions: map[string]*session{}, asks: map[string]int{}, logs: &strings.Builder{}}
	of := parts{tokens: &tokens.Policy{Brand: "acme", Scopes: scopes, Separator: "/"}, gates: gates}
	if change != nil {
		change(&of)
	}
	h.svc = gatehousetest.New(t, func(c *gatehouse.Config) { c.Now = of.now })
	if of.tokens != nil {
		h.tok, err = tokens.New(h.svc.Service, *of.tokens)
		require.NoError(t, err)
	}
	if of.gates != nil {
		h.pos, err = posture.New(h.svc.Service, posture.Config{Policy: of.gates, Tokens: h.tok})
		require.NoError(t, err)
	}
	var c securitypage.Config
	c = securitypage.Config{
		Service: h.svc.Service, Tokens: h.tok, Posture: h.pos, Name: "Acme", Now: h.svc.Now, Session: h.session,
		Faults: slog.New(slog.NewTextHandler(h.logs, nil)),
		Links:  securitypage.Links{Home: "/home", SignIn: "/login", Help: "/help", SignOut: "/logout", Password: "/password", Sessions: "/sessions"},
		FirstFactor: func(_ *http.Request, _, typed string) (gatehouse.FirstFactor, error) {
			if typed != password {
				return gatehouse.FirstFactor{}, gatehouse.ErrDenied
			}
			return gatehouse.FirstFactor{Method: "pwd", At: h.svc.Now()}, nil
		},
		SignedIn: func(w http.ResponseWriter, r *http.Request, v gatehouse.Verification) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			s := h.sessions[cookieOf(r)]
			s.challenge, s.proof = "", v.Session.Proof.Reveal()
			http.Redirect(w, r, c.Links.Home, http.StatusSeeOther)
			return nil
		},
	}
	for _, f := range edit {
		f(&c)
	}
	h.page, err = securitypage.New(c)
	require.NoError(t, err)
	guard, err := httpguard.New(httpguard.Config{
		Service: h.svc.Service, Posture: h.pos, Refuse: h.page.Refuse, Faults: c.Faults, Session: h.bare,
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.page)
	said := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	mux.Handle("GET /home", said("home"))
	mux.Handle("GET /login", said("login"))
	mux.Handle("/deploy", guard.RequireGate("deploy.public")(said("deployed")))
	h.web = httptest.NewServer(mux)
	t.Cleanup(h.web.Close)
	return h
}

func cookieOf(r *http.Request) string {
	c, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return c.Value
}

// errSessions is a fault, whatever it wraps.
var errSessions = fmt.Errorf("the session store is down: %w", gatehouse.ErrStepUpRequired)

func (h *host) session(r *http.Request) (securitypage.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := cookieOf(r)
	h.asks[id]++
	if id == "broken" {
		return securitypage.Session{}, errSessions
	}
	s := h.sessions[id]
	if s == nil {
		return securitypage.Session{}, nil
	}
	return securitypage.Session{
		Session: s.in(), Label: s.account + "@acme.test", Challenge: s.challenge,
		Keep: func(p gatehouse.Proof) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			s.proof = p.Reveal()
			return nil
		},
	}, nil
}

// bare is the session as guards have it.
func (h *host) bare(r *http.Request) (gatehouse.Session, error) {
	s, err := h.session(r)
	return s.Session, err
}

// browser is one that follows no redirects by itself and has a session.
type browser struct {
	h  *host
	c  *http.Client
	id string
	*session
}

// answer is what a browser got.
type answer struct {
	status int
	header http.Header
	body   string
	path   string
}

func (h *host) browser(s *session) *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(h.t, err)
	b := &browser{h: h, id: rand.Text(), session: s, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
	u, _ := url.Parse(h.web.URL)
	jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: b.id, Path: "/"}})
	h.mu.Lock()
	defer h.mu.Unlock()
	if s != nil {
		h.sessions[b.id] = s
	}
	return b
}

// signIn signs an account in with the password, as far as that leads.
func (h *host) signIn(account string) *browser {
	h.t.Helper()
	s := &session{account: account, secret: rand.Text()}
	try, err := h.svc.Before(h.t.Context(), account)
	require.NoError(h.t, err)
	ch, err := try.Challenge(h.t.Context())
	require.NoError(h.t, err)
	if ch.Step == gatehouse.StepNeeded {
		s.challenge = ch.Token.Reveal()
	} else {
		p, err := try.Vouch(h.t.Context(), s.in(), gatehouse.FirstFactor{Method: "pwd", At: h.svc.Now()})
		require.NoError(h.t, err)
		s.proof = p.Reveal()
	}
	return h.browser(s)
}

// enrolled is an owner with an authenticator, and a browser that has just signed in with a code of it.
func (h *host) enrolled(account string) (*browser, *gatehousetest.User) {
	h.t.Helper()
	o := h.svc.Enroll(h.t, account)
	require.NoError(h.t, h.svc.Owner(o.Session()).AcknowledgeRecoveryCodes(h.t.Context(), h.set(account)))
	b := h.signIn(account)
	a := b.submit("/sign-in", "/sign-in", "code", o.Code())
	require.Equal(h.t, http.StatusSeeOther, a.status, a.body)
	return b, o
}

func (h *host) set(account string) string {
	st, err := h.svc.Account(h.t.Context(), account)
	require.NoError(h.t, err)
	return st.RecoveryCodes.ID
}

// tokens returns an account's tokens.
func (h *host) tokens(account string) (list []tokens.Info) {
	h.t.Helper()
	for info, err := range h.tok.List(h.t.Context(), account) {
		require.NoError(h.t, err)
		list = append(list, info)
	}
	return list
}

func (b *browser) do(r *http.Request) answer {
	b.h.t.Helper()
	r.Header.Set("Accept", "text/html")
	res, err := b.c.Do(r)
	require.NoError(b.h.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.h.t, err)
	a := answer{res.StatusCode, res.Header, string(body), r.URL.RequestURI()}
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	b.h.answers = append(b.h.answers, a)
	return a
}

// absolute is a path of the page, or with "//" before it one of the host.
func (b *browser) absolute(path string) string {
	if host, ok := strings.CutPrefix(path, "//"); ok {
		return b.h.web.URL + "/" + host
	}
	if strings.HasPrefix(path, prefix) {
		return b.h.web.URL + path
	}
	return b.h.web.URL + prefix + path
}

func (b *browser) get(path string) answer {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodGet, b.absolute(path), nil)
	require.NoError(b.h.t, err)
	return b.do(r)
}

func (b *browser) post(path string, form url.Values) answer {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodPost, b.absolute(path), strings.NewReader(form.Encode()))
	require.NoError(b.h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// submit fills in the form of a page that goes to a path, and sends it.
func (b *browser) submit(page, to string, pairs ...string) answer {
	b.h.t.Helper()
	return b.send(b.get(page), to, pairs...)
}

// send fills in a form of an answer, and sends it.
func (b *browser) send(a answer, to string, pairs ...string) answer {
	b.h.t.Helper()
	form, ok := a.form(to)
	require.True(b.h.t, ok, "no form for %s on %s (%d):\n%s", to, a.path, a.status, a.body)
	for i := 0; i < len(pairs); i += 2 {
		form.Del(pairs[i])
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.post(to, form)
}

// follow goes where an answer has sent the browser.
func (b *browser) follow(a answer) answer {
	b.h.t.Helper()
	require.Equal(b.h.t, http.StatusSeeOther, a.status, a.body)
	to := a.header.Get("Location")
	if !strings.HasPrefix(to, prefix) {
		to = "/" + to
	}
	return b.get(to)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)"[^>]*>(.*?)</form>`)
	fieldTag = regexp.MustCompile(`<(?:input|textarea|select)[^>]*>`)
	choice   = regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)".*?</select>`)
	chosen   = regexp.MustCompile(`<option value="([^"]*)" selected`)
)

func attribute(tag, name string) string {
	m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// form returns the fields of a form as a browser would send them untouched.
func (a answer) form(to string) (url.Values, bool) {
	for _, m := range formTag.FindAllStringSubmatch(a.body, -1) {
		if html.UnescapeString(m[1]) != to && html.UnescapeString(m[1]) != prefix+to {
			continue
		}
		form := url.Values{}
		for _, tag := range fieldTag.FindAllString(m[2], -1) {
			kind := attribute(tag, "type")
			if (kind == "checkbox" || kind == "radio") && !strings.Contains(tag, " checked") {
				continue
			}
			if name := attribute(tag, "name"); name != "" && strings.HasPrefix(tag, "<input") {
				form.Add(name, attribute(tag, "value"))
			}
		}
		for _, s := range choice.FindAllStringSubmatch(m[2], -1) {
			if o := chosen.FindStringSubmatch(s[0]); o != nil {
				form.Set(s[1], html.UnescapeString(o[1]))
			}
		}
		return form, true
	}
	return nil, false
}

var textTag = regexp.MustCompile(`(?s)<[^>]*>`)

// text is what a person reads, and more.
func (a answer) text() string {
	return html.UnescapeString(strings.Join(strings.Fields(textTag.ReplaceAllString(a.body, " ")), " "))
}

// asked returns how often the page has asked for the session of a browser.
func (h *host) asked(b *browser) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asks[b.id]
}
