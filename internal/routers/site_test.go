package routers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
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

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

// site is what a service has beside its router.
type site struct {
	svc   *gatehousetest.Service
	tok   *tokens.Service
	web   *websession.Sessions
	page  *securitypage.Page
	guard *httpguard.Guard
	owner *gatehousetest.User

	project                    httpguard.ResourceFunc
	scope, gate, proof, either func(http.Handler) http.Handler // of the routes that each router has

	mu       sync.Mutex
	sessions map[string]*session
	ran      []string // what the service's own handlers were called for
	faults   bytes.Buffer
}

// session is one of the service's, which keeps what websession keeps as well.
type session struct {
	account string
	kept    map[string]string
}

func newSite(t *testing.T) *site {
	t.Helper()
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model, posture.Gate{
		Action: "deploy.public", Controls: []string{posture.SecondFactor}, MaxAge: 5 * time.Minute, SecondFactor: true,
	})
	require.NoError(t, err)
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"}, tokens.ScopeInfo{Scope: "projects:write"})
	require.NoError(t, err)
	s := &site{svc: gatehousetest.New(t), sessions: map[string]*session{}}
	s.tok, err = tokens.New(s.svc.Service, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(t, err)
	pos, err := posture.New(s.svc.Service, posture.Config{Policy: gates, Tokens: s.tok})
	require.NoError(t, err)
	s.owner = s.svc.Enroll(t, "ada")
	log := slog.New(slog.NewTextHandler(s, nil))
	s.web, err = websession.New(websession.Config{
		Service: s.svc.Service, User: s.user, Keeper: keeper{s}, Faults: log,
		SignIn:  func(http.ResponseWriter, *http.Request, string) error { return errors.New("nobody signs in here") },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	})
	require.NoError(t, err)
	s.page, err = securitypage.New(securitypage.Config{
		Web: s.web, Tokens: s.tok, Posture: pos, Name: "Acme", Faults: log,
		Links: securitypage.Links{Home: "/home", SignIn: "/login"},
	})
	require.NoError(t, err)
	s.guard, err = httpguard.New(httpguard.Config{
		Service: s.svc.Service, Tokens: s.tok, Posture: pos, Refuse: s.page.Refuse, Faults: log, Session: s.web.Current,
	})
	require.NoError(t, err)
	s.project = httpguard.PathResource("project/{id}")
	s.scope = s.guard.RequireScope("projects:read", s.project)
	s.gate = s.guard.RequireGate("deploy.public")
	s.proof = s.guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute, SecondFactor: true})
	s.either = s.guard.SessionOrToken("projects:write", s.project, s.gate)
	return s
}

// Write is for the log of faults.
func (s *site) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.Write(line)
}

func idOf(r *http.Request) string {
	cookie, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (s *site) user(r *http.Request) string {
	if idOf(r) == "broken" {
		return "ada"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in := s.sessions[idOf(r)]; in != nil {
		return in.account
	}
	return ""
}

// keeper is the websession.Keeper of a site.
type keeper struct{ s *site }

func (k keeper) Load(r *http.Request, name string) (string, error) {
	if idOf(r) == "broken" {
		return "", errors.New("the store of sessions is down")
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if in := k.s.sessions[idOf(r)]; in != nil {
		return in.kept[name], nil
	}
	return "", nil
}

func (k keeper) Save(_ http.ResponseWriter, r *http.Request, name, text string, _ time.Duration) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.sessions[idOf(r)].kept[name] = text
	return nil
}

// present returns a session of an account that has proven nothing.
func (s *site) present(t *testing.T, account string) *session {
	t.Helper()
	e, secret := engine.Of(s.svc.Service), rand.Text()
	a, err := e.Load(t.Context(), account)
	require.NoError(t, err)
	proof, err := e.Seal(t.Context(), engine.PurposeProof, a.Presence(engine.Digest(secret), e.Env()))
	require.NoError(t, err)
	text, err := e.Seal(t.Context(), "websession", map[string]string{"s": secret, "p": proof})
	require.NoError(t, err)
	return &session{account, map[string]string{"session": text}}
}

// did notes that a handler of the service runs, and returns its answer: which one, the parameter of its route as the
// router gives it, and whose request it was.
func (s *site) did(ctx context.Context, what, id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := fmt.Sprintf("%s %s by %s", what, id, httpguard.Account(ctx))
	if grant, ok := httpguard.Grant(ctx); ok {
		said += " with " + grant.Name
	}
	s.ran = append(s.ran, said)
	return said
}

// took returns what has run since it was asked last.
func (s *site) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ran := s.ran
	s.ran = nil
	return ran
}

func (s *site) token(t *testing.T, name string, scope tokens.Scope, resources ...string) string {
	t.Helper()
	s.svc.Wait(30 * time.Second)
	r := tokens.Request{Name: name, Scopes: tokens.Scopes{scope}}
	if len(resources) > 0 {
		var err error
		r.Resources, err = tokens.OnlyResources(resources...)
		require.NoError(t, err)
	}
	m, err := s.tok.Mint(t.Context(), s.owner.StepUp(t), r)
	require.NoError(t, err)
	return m.Token.Reveal()
}

// client is a browser, or a program, that follows no redirect by itself.
type client struct {
	t    *testing.T
	url  string
	http *http.Client
	as   http.Header // of each request
}

// browser returns one with a session that somebody is signed in to, "" for nobody, without a proof.
func (s *site) browser(t *testing.T, url, account string) *client {
	t.Helper()
	c := s.program(t, url)
	c.as = http.Header{"Accept": {"text/html"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}}
	if account != "" {
		id, in := rand.Text(), s.present(t, account)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sessions[id] = in
		c.as.Set("Cookie", "session="+id)
	}
	return c
}

func (s *site) program(t *testing.T, url string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &client{t: t, url: url, as: http.Header{}, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with some headers more; a form makes it one that posts that.
func (c *client) do(method, path string, form url.Values, headers ...string) answer {
	c.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, body)
	require.NoError(c.t, err)
	r.Header = c.as.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Authorization" {
			r.Header.Add(headers[i], headers[i+1])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := c.http.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (c *client) get(path string, headers ...string) answer {
	c.t.Helper()
	return c.do("GET", path, nil, headers...)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)"[^>]*>(.*?)</form>`)
	fieldTag = regexp.MustCompile(`<input[^>]* name="([^"]*)"(?:[^>]* value="([^"]*)")?[^>]*>`)
	choice   = regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)".*?<option value="([^"]*)" selected`)
)

// send fills in the form of a page that leads to a path, and posts it.
func (c *client) send(page answer, to string, pairs ...string) answer {
	c.t.Helper()
	for _, m := range formTag.FindAllStringSubmatch(page.body, -1) {
		if html.UnescapeString(m[1]) != to {
			continue
		}
		form := url.Values{}
		for _, field := range fieldTag.FindAllStringSubmatch(m[2], -1) {
			if !strings.Contains(field[0], "checkbox") && !strings.Contains(field[0], "radio") {
				form.Set(field[1], html.UnescapeString(field[2]))
			}
		}
		for _, field := range choice.FindAllStringSubmatch(m[2], -1) {
			form.Set(field[1], field[2])
		}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return c.do("POST", to, form)
	}
	require.Fail(c.t, "no form", "for %s:\n%s", to, page.body)
	return answer{}
}

// serve starts a server that the test stops.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
