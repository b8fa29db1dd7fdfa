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
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

const (
	prefix   = "/settings/security"
	password = "correct horse battery"

	recovered = prefix + "/recovered?next=%2Fhome" // where a sign-in with a recovery code leads
)

// host is a service that mounts the page: sessions in memory, which also keep what package websession keeps, and one
// password for everybody.
type host struct {
	texts map[string]string // the host's own words
	t     testing.TB
	svc   *gatehousetest.Service
	sess  *websession.Sessions
	tok   *tokens.Service
	pos   *posture.Service
	page  *securitypage.Page
	web   *httptest.Server
	logs  *strings.Builder
	dir   *websession.Indexed // of the browsers, on rows
	rows  websession.MemoryIndex

	mu       sync.Mutex
	sessions map[string]*session
	answers  []answer // all of them
}

type session struct {
	h       *host
	account string            // who is signed in
	kept    map[string]string // of package websession
}

// kept is what package websession keeps of a session, or of a sign-in that is under way.
type kept struct {
	Secret    string `json:"s"`
	Proof     string `json:"p"`
	Challenge string `json:"c"`
}

// open opens what is kept of a session under a name.
func (s *session) open(name, purpose string) (v kept) {
	s.h.t.Helper()
	if text := s.kept[name]; text != "" {
		require.NoError(s.h.t, engine.Of(s.h.svc.Service).Open(s.h.t.Context(), purpose, text, &v))
	}
	return v
}

func (s *session) secret() string    { return s.open("session", "websession").Secret }
func (s *session) proof() string     { return s.open("session", "websession").Proof }
func (s *session) challenge() string { return s.step().Challenge }

// step is what is kept of a sign-in that is under way.
func (s *session) step() (v kept) { return s.open("signin", "websession-signin") }

func (s *session) in() gatehouse.Session {
	x := s.open("session", "websession")
	return gatehouse.Session{Account: s.account, Secret: x.Secret, Proof: gatehouse.ParseProof(x.Proof)}
}

// prove has a session keep a proof, of no matter what.
func (s *session) prove(p gatehouse.Proof) {
	s.h.t.Helper()
	text, err := engine.Of(s.h.svc.Service).Seal(s.h.t.Context(), "websession", map[string]string{"s": s.secret(), "p": p.Reveal()})
	require.NoError(s.h.t, err)
	s.kept["session"] = text
}

// unprove has a session keep the proof of one that has proven nothing, and counts.
func (s *session) unprove() {
	s.h.t.Helper()
	e := engine.Of(s.h.svc.Service)
	a, err := e.Load(s.h.t.Context(), s.account)
	require.NoError(s.h.t, err)
	proof, err := e.Seal(s.h.t.Context(), engine.PurposeProof, a.Presence(engine.Digest(s.secret()), e.Env()))
	require.NoError(s.h.t, err)
	s.prove(gatehouse.ParseProof(proof))
}

// keeper is the websession.Keeper of a host.
type keeper struct{ h *host }

// errSessions is a fault, whatever it wraps.
var errSessions = fmt.Errorf("the session store is down: %w", gatehouse.ErrStepUpRequired)

func (k keeper) Load(r *http.Request, name string) (string, error) {
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	id := cookieOf(r)
	if id == "broken" || id == "lost" {
		return "", errSessions
	}
	if s := k.h.sessions[id]; s != nil {
		return s.kept[name], nil
	}
	return "", nil
}

func (k keeper) Save(_ http.ResponseWriter, r *http.Request, name, text string, _ time.Duration) error {
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	k.h.sessions[cookieOf(r)].kept[name] = text
	return nil
}

// user is websession.Config.User.
func (h *host) user(r *http.Request) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := cookieOf(r)
	if s := h.sessions[id]; s != nil {
		return s.account
	}
	if id == "broken" {
		return "ada"
	}
	return ""
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
	web    func(*websession.Config)

	sessions bool // they are listed
}

// unlisted is newHost for a service that lists no sessions: one in which somebody else signs in, without our knowledge,
// counts there.
func unlisted(t testing.TB) *host {
	t.Helper()
	return newHostWith(t, func(of *parts) { of.sessions = false })
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
	h := &host{t: t, sessions: map[string]*session{}, logs: &strings.Builder{}}
	of := parts{tokens: &tokens.Policy{Brand: "acme", Scopes: scopes, Separator: "/"}, gates: gates, sessions: true}
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
	wc := websession.Config{
		Service: h.svc.Service, User: h.user, Home: "/home", Keeper: keeper{h}, Faults: slog.New(slog.NewTextHandler(h.logs, nil)),
		SignIn: func(_ http.ResponseWriter, r *http.Request, account string) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.sessions[cookieOf(r)].account = account
			return nil
		},
		SignOut: func(_ http.ResponseWriter, r *http.Request) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.sessions[cookieOf(r)].account = ""
			return nil
		},
	}
	if of.web != nil {
		of.web(&wc)
	}
	h.dir, err = websession.NewDirectory(h.svc.Service, &h.rows, 10*365*24*time.Hour)
	require.NoError(t, err)
	if of.sessions {
		wc.Noter = h.dir
	}
	h.sess, err = websession.New(wc)
	require.NoError(t, err)
	c := securitypage.Config{
		Web: h.sess, Tokens: h.tok, Posture: h.pos, Name: "Acme",
		Faults: wc.Faults,
		Owner: func(_ *http.Request, account string) (securitypage.Owner, error) {
			return securitypage.Owner{Label: account + "@acme.test"}, nil
		},
		Links:    securitypage.Links{Home: "/home", SignIn: "/login", Help: "/help", SignOut: "/logout", Password: "/password"},
		Password: func(_ *http.Request, _, typed string) (bool, error) { return typed == password, nil },
		Texts:    func(*http.Request, string) map[string]string { return h.texts },
	}
	if of.sessions {
		c.Sessions = h.dir
	}
	for _, f := range edit {
		f(&c)
	}
	h.page, err = securitypage.New(c)
	require.NoError(t, err)
	guard, err := httpguard.New(httpguard.Config{
		Service: h.svc.Service, Posture: h.pos, Refuse: h.page.Refuse, Faults: c.Faults, Session: h.sess.Current,
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.page)
	mux.Handle("GET /home", said("home"))
	mux.Handle("GET /login", said("login"))
	mux.Handle("/deploy", guard.RequireGate("deploy.public")(said("deployed")))
	h.web = httptest.NewServer(h.sess.Middleware(mux))
	t.Cleanup(h.web.Close)
	t.Cleanup(h.checkFocus)
	return h
}

var (
	errorTag   = regexp.MustCompile(`<p class="error" id="([^"]*)"`)
	invalidTag = regexp.MustCompile(`<[^>]* aria-invalid="true"[^>]*>`)
)

// checkFocus has every answer that says that a field is wrong give the focus to the first such field, which names what says
// so.
func (h *host) checkFocus() {
	for _, a := range h.answers {
		for _, m := range errorTag.FindAllStringSubmatch(a.body, -1) {
			require.Regexp(h.t, ` aria-describedby="([^"]* )?`+m[1]+`[" ]`, a.body, "%s: a field names its error", a.path)
			at := strings.Index(a.body, " autofocus")
			require.Positive(h.t, at, "%s: nothing has the focus", a.path)
			if first := invalidTag.FindStringIndex(a.body); first != nil {
				require.Less(h.t, at, first[1], "%s: it is not on the first field that is wrong", a.path)
			}
		}
	}
}

// said is a page of the host's.
func said(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func cookieOf(r *http.Request) string {
	c, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return c.Value
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
	by     string // the browser
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
		s.h, s.kept = h, map[string]string{}
		h.sessions[b.id] = s
	}
	return b
}

// signIn signs an account in with the password, as far as that leads.
func (h *host) signIn(account string) *browser {
	h.t.Helper()
	b := h.browser(&session{})
	b.begin(account, "/login", gatehouse.FirstFactor{Method: "pwd"})
	return b
}

// begin signs an account in by a first factor that the host has checked, as far as that leads.
func (b *browser) begin(account, at string, f gatehouse.FirstFactor) *httptest.ResponseRecorder {
	b.h.t.Helper()
	r := httptest.NewRequestWithContext(b.h.t.Context(), http.MethodPost, at, nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
	w := httptest.NewRecorder()
	try, err := b.h.sess.Before(r, account)
	require.NoError(b.h.t, err)
	require.NoError(b.h.t, try.Begin(w, r, f))
	return w
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
	a := answer{res.StatusCode, res.Header, string(body), r.URL.RequestURI(), b.id}
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
	return b.postFrom("", path, form)
}

// postFrom is post from a page that the browser names.
func (b *browser) postFrom(page, path string, form url.Values) answer {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodPost, b.absolute(path), strings.NewReader(form.Encode()))
	require.NoError(b.h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if page != "" {
		r.Header.Set("Referer", b.absolute(page))
	}
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
