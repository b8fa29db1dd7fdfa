package httpguard_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// shop is a service with an owner, a token, and a guard whose session is what the test says.
type shop struct {
	*gatehousetest.Service
	t       testing.TB
	tokens  *tokens.Service
	posture *posture.Service
	owner   *gatehousetest.User
	guard   *httpguard.Guard
	session gatehouse.Session
	down    error // of the host's store of sessions
	faults  bytes.Buffer
}

func newShop(t testing.TB, edit ...func(*httpguard.Config)) *shop {
	t.Helper()
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"}, tokens.ScopeInfo{Scope: "projects:write"})
	require.NoError(t, err)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model,
		posture.Gate{Action: "members.invite", Controls: []string{posture.RecoveryCodesSaved}},
		posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}, MaxAge: 5 * time.Minute},
		posture.Gate{Action: "keys.change", PhishingResistant: true},
	)
	require.NoError(t, err)
	s := &shop{t: t, Service: gatehousetest.New(t)}
	s.tokens, err = tokens.New(s.Service.Service, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(t, err)
	s.posture, err = posture.New(s.Service.Service, posture.Config{Policy: gates, Tokens: s.tokens})
	require.NoError(t, err)
	s.owner = s.Enroll(t, "user-42")
	c := httpguard.Config{
		Service: s.Service.Service, Tokens: s.tokens, Posture: s.posture, Faults: slog.New(slog.NewTextHandler(&s.faults, nil)),
		Session: func(*http.Request) (gatehouse.Session, error) { return s.session, s.down },
		Client:  func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() },
	}
	for _, f := range edit {
		f(&c)
	}
	s.guard, err = httpguard.New(c)
	require.NoError(t, err)
	return s
}

func (s *shop) token(scope tokens.Scope, edit ...func(*tokens.Request)) string {
	s.t.Helper()
	r := tokens.Request{Name: "ci", Scopes: tokens.Scopes{scope}}
	for _, f := range edit {
		f(&r)
	}
	m, err := s.tokens.Mint(context.Background(), s.fresh(), r)
	require.NoError(s.t, err)
	return m.Token.Reveal()
}

// fresh returns a session with a proof of now.
func (s *shop) fresh() gatehouse.Session {
	s.t.Helper()
	s.Wait(30 * time.Second)
	return s.owner.StepUp(s.t)
}

// ask sends a request through middleware to a handler that says "let in".
func ask(t *testing.T, through func(http.Handler) http.Handler, edit func(*http.Request)) (*http.Response, string) {
	t.Helper()
	ran := false
	h := through(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran = true
		by := httpguard.Account(r.Context())
		if grant, ok := httpguard.Grant(r.Context()); ok {
			by = "the token of " + grant.AccountID
			require.Equal(t, grant.AccountID, httpguard.Account(r.Context()))
		}
		_, _ = io.WriteString(w, "let in: "+by)
	}))
	r := httptest.NewRequest("GET", "/projects/7?access_token=acme_pat_x", nil)
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, w.Code == http.StatusOK, ran, "whoever gets an answer of the handler has been let in: %d", w.Code)
	if ran {
		require.Contains(t, w.Body.String(), "let in: ")
		require.Empty(t, w.Header().Get("WWW-Authenticate"))
	}
	return w.Result(), w.Body.String()
}

func with(text string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", text) }
}

// credentials are a token, unless it is a session that a test is about.
func credentials(what, token string) func(*http.Request) {
	if strings.HasSuffix(what, "by session") {
		return nil
	}
	return with("Bearer " + token)
}

// problem reads a problem document, and asserts what all have.
func problem(t *testing.T, resp *http.Response, body string) map[string]any {
	t.Helper()
	want := http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	}
	if challenge := resp.Header.Values("WWW-Authenticate"); len(challenge) > 0 {
		want["Www-Authenticate"] = challenge // which the tests compare
	}
	require.Equal(t, want, resp.Header)
	var p map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &p))
	require.EqualValues(t, resp.StatusCode, p["status"])
	require.Equal(t, "about:blank", p["type"])
	require.NotEmpty(t, p["title"])
	require.NotContains(t, body, "let in")
	return p
}

func TestToken(t *testing.T) {
	s := newShop(t)
	read, write := s.token("projects:read"), s.token("projects:write")
	guard := s.guard.RequireScope("projects:write", nil)
	for what, c := range map[string]struct {
		header       string
		status       int
		authenticate string
	}{
		"a good one":         {"Bearer " + write, 200, ""},
		"in lower case":      {"bearer  " + write, 200, ""},
		"none":               {"", 401, `Bearer realm="api"`},
		"another scheme":     {"Basic dXNlcjpwYXNz", 401, `Bearer realm="api"`},
		"no token":           {"Bearer", 400, `Bearer realm="api", error="invalid_request"`},
		"empty":              {"Bearer ", 400, `Bearer realm="api", error="invalid_request"`},
		"two in one":         {"Bearer " + write + ", Bearer " + read, 400, `Bearer realm="api", error="invalid_request"`},
		"something after it": {"Bearer " + write + " x", 400, `Bearer realm="api", error="invalid_request"`},
		"malformed":          {"Bearer x", 401, `Bearer realm="api", error="invalid_token"`},
		"unknown":            {"Bearer " + tokens.Generate("acme", "pat").Reveal(), 401, `Bearer realm="api", error="invalid_token"`},
		"huge":               {"Bearer " + strings.Repeat("a", 1<<20), 401, `Bearer realm="api", error="invalid_token"`},
		"lacks the scope":    {"Bearer " + read, 403, `Bearer realm="api", error="insufficient_scope", scope="projects:write"`},
	} {
		resp, body := ask(t, guard, func(r *http.Request) {
			if c.header != "" {
				with(c.header)(r)
			}
		})
		require.Equal(t, c.status, resp.StatusCode, what)
		require.Equal(t, c.authenticate, resp.Header.Get("WWW-Authenticate"), what)
		if c.status == 200 {
			require.Equal(t, "let in: the token of user-42", body, what)
			continue
		}
		p := problem(t, resp, body)
		require.NotContains(t, body, read)
		if c.status == 403 {
			require.Equal(t, "projects:write", p["scope"])
			require.Equal(t, "It needs the scope projects:write.", p["detail"])
		}
	}
	resp, body := ask(t, guard, func(r *http.Request) {
		r.Header.Add("Authorization", "Bearer "+write)
		r.Header.Add("Authorization", "Bearer "+write)
	})
	require.Equal(t, 400, resp.StatusCode, "two headers")
	problem(t, resp, body)
	resp, _ = ask(t, guard, func(r *http.Request) { r.URL.RawQuery = "access_token=" + write })
	require.Equal(t, 401, resp.StatusCode, "not from the URL")
	resp, _ = ask(t, guard, func(r *http.Request) {
		r.Method, r.Body = "POST", io.NopCloser(strings.NewReader("access_token="+write))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	require.Equal(t, 401, resp.StatusCode, "not from the body")
}

func TestTokenRestrictions(t *testing.T) {
	s := newShop(t)
	seven, err := tokens.OnlyResources("project/7")
	require.NoError(t, err)
	home, err := tokens.OnlyNetworks("192.0.2.0/24") // that of httptest's requests
	require.NoError(t, err)
	token := s.token("projects:read", func(r *tokens.Request) { r.Resources, r.Networks = seven, home })
	path := func(r *http.Request) (string, error) {
		return "project/" + strings.TrimPrefix(r.URL.Path, "/projects/"), nil
	}
	status := func(guard func(http.Handler) http.Handler, edit func(*http.Request)) int {
		resp, _ := ask(t, guard, func(r *http.Request) {
			with("Bearer " + token)(r)
			if edit != nil {
				edit(r)
			}
		})
		return resp.StatusCode
	}
	require.Equal(t, 200, status(s.guard.RequireScope("projects:read", path), nil))
	require.Equal(t, 403, status(s.guard.RequireScope("projects:read", path), func(r *http.Request) { r.URL.Path = "/projects/8" }))
	require.Equal(t, 403, status(s.guard.RequireScope("projects:read", nil), nil), "what belongs to no resource")
	require.Equal(t, 401, status(s.guard.RequireScope("projects:read", path), func(r *http.Request) { r.RemoteAddr = "198.51.100.1:1" }))
	require.Equal(t, 401, status(s.guard.RequireScope("projects:read", path), func(r *http.Request) {
		r.RemoteAddr = "198.51.100.1:1"
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
	}), "no header is believed")
}

func TestStepUp(t *testing.T) {
	s := newShop(t)
	guard := s.guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute, SecondFactor: true})
	refused := func(what string) {
		t.Helper()
		resp, body := ask(t, guard, nil)
		require.Equal(t, 401, resp.StatusCode, what)
		require.Equal(t, `Bearer realm="api", error="insufficient_user_authentication", max_age="300"`, resp.Header.Get("WWW-Authenticate"))
		require.EqualValues(t, 300, problem(t, resp, body)["max_age"])
	}
	refused("no proof")
	s.session = s.fresh()
	resp, _ := ask(t, guard, nil)
	require.Equal(t, 200, resp.StatusCode)
	s.Wait(5*time.Minute + time.Second)
	refused("too old")
	one := gatehouse.Session{Account: "user-42", Secret: "one"}
	v, err := s.Service.StepUp(t.Context(), one, s.owner.Code())
	require.NoError(t, err)
	one.Proof = v.Session.Proof
	s.session = one
	s.session.Secret = "two"
	refused("another session's")
	s.session = one
	s.session.Account = "user-43"
	refused("another account's")
	s.session.Account = ""
	refused("a proof in nobody's session")
	s.session = one
	resp, _ = ask(t, guard, nil)
	require.Equal(t, 200, resp.StatusCode)
	s.session.Proof = gatehouse.ParseProof("forged")
	refused("forged")

	s.session = s.Vouch(t, "plain")
	refused("the second factor is asked for")
	resp, _ = ask(t, s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Minute}), nil)
	require.Equal(t, 200, resp.StatusCode)
}

func TestGate(t *testing.T) {
	s := newShop(t)
	s.session = s.fresh()
	resp, body := ask(t, s.guard.RequireGate("members.invite"), nil)
	require.Equal(t, 403, resp.StatusCode)
	require.Empty(t, resp.Header.Get("WWW-Authenticate"), "no other token would do")
	p := problem(t, resp, body)
	require.Equal(t, "gate_closed", p["code"])
	unmet := p["gate"].(map[string]any)["unmet"].([]any)[0].(map[string]any)
	require.Equal(t, posture.RecoveryCodesSaved, unmet["id"])
	require.NotEmpty(t, unmet["fix"].(map[string]any)["text"])
	st, err := s.Account(t.Context(), "user-42")
	require.NoError(t, err)
	require.NoError(t, s.Owner(s.session).AcknowledgeRecoveryCodes(t.Context(), st.RecoveryCodes.ID))
	resp, _ = ask(t, s.guard.RequireGate("members.invite"), nil)
	require.Equal(t, 200, resp.StatusCode)

	resp, _ = ask(t, s.guard.RequireGate("deploy.public"), nil)
	require.Equal(t, 200, resp.StatusCode)
	s.Wait(6 * time.Minute)
	resp, body = ask(t, s.guard.RequireGate("deploy.public"), nil)
	require.Equal(t, 401, resp.StatusCode, "another proof would do")
	require.EqualValues(t, 300, problem(t, resp, body)["max_age"])
	s.session = gatehouse.Session{}
	resp, _ = ask(t, s.guard.RequireGate("deploy.public"), nil)
	require.Equal(t, 401, resp.StatusCode)
	s.session = s.fresh()
	resp, body = ask(t, s.guard.RequireGate("no such action"), nil)
	require.Equal(t, 500, resp.StatusCode, "a gate that is not there is closed")
	problem(t, resp, body)
	require.Contains(t, s.faults.String(), "no gate for this action")
}

// TestFaults: a store that fails lets nobody in, and is told to the host alone.
func TestFaults(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	s.session = s.fresh()
	s.Store.Inject(func(string) gatehousetest.Fault { return gatehousetest.Fail })
	for what, guard := range map[string]func(http.Handler) http.Handler{
		"token": s.guard.RequireScope("projects:read", nil), "step-up": s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Minute}), "gate": s.guard.RequireGate("deploy.public"),
		"either": s.guard.SessionOrToken("projects:read", nil),
	} {
		resp, body := ask(t, guard, with("Bearer "+token))
		require.Equal(t, 500, resp.StatusCode, what)
		problem(t, resp, body)
		require.Empty(t, resp.Header.Get("WWW-Authenticate"))
	}
	require.NotContains(t, s.faults.String(), token)
	require.Equal(t, 4, strings.Count(s.faults.String(), "a check has failed"))
}

// A host whose own store of sessions is down has no answer for anybody, whatever session and error it returns.
func TestSessionsAreDown(t *testing.T) {
	s := newShop(t)
	s.session = s.fresh()
	for what, guard := range map[string]func(http.Handler) http.Handler{
		"step-up": s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Minute}), "gate": s.guard.RequireGate("deploy.public"),
		"signed in": s.guard.RequireSignedIn(), "either": s.guard.SessionOrToken("projects:read", nil, s.guard.RequireGate("deploy.public")),
	} {
		s.down = nil
		resp, _ := ask(t, guard, nil)
		require.Equal(t, 200, resp.StatusCode, what)
		for _, s.down = range []error{errors.New("redis: refused"), fmt.Errorf("redis: %w", gatehouse.ErrStepUpRequired)} {
			s.faults.Reset()
			resp, body := ask(t, guard, nil)
			require.Equal(t, 500, resp.StatusCode, what)
			problem(t, resp, body)
			require.Empty(t, resp.Header.Get("WWW-Authenticate"))
			require.NotContains(t, body, "redis")
			require.Contains(t, s.faults.String(), "redis")
		}
	}
}

// TestEveryCall has the store fail at each call of each guard: nobody is let in, and nobody is told that a token is false
// or a gate closed. (Row T3.)
func TestEveryCall(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	s.session = s.fresh()
	for what, guard := range map[string]func(http.Handler) http.Handler{
		"token": s.guard.RequireScope("projects:read", nil), "step-up": s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Minute, SecondFactor: true}), "gate": s.guard.RequireGate("deploy.public"),
		"either, by token": s.guard.SessionOrToken("projects:read", nil, s.guard.RequireGate("deploy.public")), "either, by session": s.guard.SessionOrToken("projects:read", nil, s.guard.RequireGate("deploy.public")),
	} {
		calls := 0
		s.Store.Inject(func(string) gatehousetest.Fault { calls++; return gatehousetest.None })
		resp, _ := ask(t, guard, credentials(what, token))
		require.Equal(t, 200, resp.StatusCode, what)
		require.Positive(t, calls, what)
		for n := 1; n <= calls; n++ {
			s.faults.Reset()
			s.Store.Inject(gatehousetest.Nth(n, gatehousetest.Fail))
			resp, body := ask(t, guard, credentials(what, token))
			require.Equal(t, 500, resp.StatusCode, "%s, call %d", what, n)
			require.Equal(t, map[string]any{"type": "about:blank", "status": 500.0, "title": "It cannot be checked now whether this is allowed"},
				problem(t, resp, body), "%s, call %d", what, n)
			require.Empty(t, resp.Header.Get("WWW-Authenticate"))
			require.Contains(t, s.faults.String(), "path=/projects/7 error=")
			require.Contains(t, s.faults.String(), gatehousetest.ErrFault.Error())
		}
		s.Store.Inject(nil)
	}
}

// TestDefaults has a guard that is told of nothing but its service: faults go to the program's log.
func TestDefaults(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	g, err := httpguard.New(httpguard.Config{Service: s.Service.Service, Tokens: s.tokens, Realm: "the shop!~"})
	require.NoError(t, err)
	resp, _ := ask(t, g.RequireScope("projects:read", nil), nil)
	require.Equal(t, `Bearer realm="the shop!~"`, resp.Header.Get("WWW-Authenticate"))
	g, err = httpguard.New(httpguard.Config{Service: s.Service.Service, Tokens: s.tokens})
	require.NoError(t, err)
	resp, body := ask(t, g.RequireScope("projects:read", nil), with("Bearer "+token))
	require.Equal(t, 200, resp.StatusCode, body)
	resp, _ = ask(t, g.RequireScope("projects:write", nil), with("Bearer "+token))
	require.Equal(t, `Bearer realm="api", error="insufficient_scope", scope="projects:write"`, resp.Header.Get("WWW-Authenticate"))

	var out bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(was)
	g, err = httpguard.New(httpguard.Config{Service: s.Service.Service, Tokens: s.tokens})
	require.NoError(t, err)
	s.Store.Inject(func(string) gatehousetest.Fault { return gatehousetest.Fail })
	resp, _ = ask(t, g.RequireScope("projects:read", nil), with("Bearer "+token))
	require.Equal(t, 500, resp.StatusCode)
	require.Contains(t, out.String(), gatehousetest.ErrFault.Error())
}

// TestRefuse has the host answer with pages.
func TestRefuse(t *testing.T) {
	s := newShop(t, func(c *httpguard.Config) {
		c.Realm = "shop"
		c.Refuse = func(w http.ResponseWriter, r *http.Request, p httpguard.Problem) {
			http.Redirect(w, r, "/step-up?code="+p.Code, http.StatusSeeOther)
		}
	})
	resp, _ := ask(t, s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Minute, SecondFactor: true}), nil)
	require.Equal(t, "/step-up?code=insufficient_user_authentication", resp.Header.Get("Location"))
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `realm="shop"`)
}

// TestLog has the ID of a token in the log, and no token.
func TestLog(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	var out bytes.Buffer
	log := httpguard.Log(slog.New(slog.NewTextHandler(&out, nil)))
	for _, scope := range []tokens.Scope{"projects:read", "projects:write"} {
		_, _ = ask(t, func(h http.Handler) http.Handler { return log(s.guard.RequireScope(scope, nil)(h)) }, func(r *http.Request) {
			with("Bearer " + token)(r)
			r.URL.RawQuery = "access_token=" + token
		})
	}
	require.NotContains(t, out.String(), token[23:])
	require.Equal(t, 2, strings.Count(out.String(), "token="+token[9:23]))
	require.Contains(t, out.String(), "status=200")
	require.Contains(t, out.String(), "status=403")
	require.Contains(t, out.String(), "path=/projects/7 ")

	out.Reset()
	require.Panics(t, func() {
		log(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
	require.Contains(t, out.String(), "path=/ ")
	server := httptest.NewServer(log(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		require.NoError(t, http.NewResponseController(w).Flush(), "what the writer can, it still can")
	})))
	out.Reset()
	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	resp.Body.Close()
	server.Close() // waits for the handler, which writes its line after the answer (row T2)
	require.Contains(t, out.String(), "status=418")

	out.Reset()
	log(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusTeapot) // too late
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Regexp(t, ` msg=request method=GET path=/ status=200 took=\S+\n$`, out.String(), "and no token")
}

func TestNew(t *testing.T) {
	s := newShop(t)
	_, err := httpguard.New(httpguard.Config{})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	for _, realm := range []string{`a"b`, "a\\b", "a\r\nb", "ä"} {
		_, err := httpguard.New(httpguard.Config{Service: s.Service.Service, Realm: realm})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, realm)
	}
	g, err := httpguard.New(httpguard.Config{Service: s.Service.Service, Posture: s.posture})
	require.NoError(t, err)
	resp, _ := ask(t, g.RequireGate("deploy.public"), nil)
	require.Equal(t, 401, resp.StatusCode, "without a session there is no proof")

	// What a guard was not given it cannot check, so nobody gets through.
	faults := &bytes.Buffer{}
	g, err = httpguard.New(httpguard.Config{Service: s.Service.Service, Faults: slog.New(slog.NewTextHandler(faults, nil))})
	require.NoError(t, err)
	token := s.token("projects:read")
	for lacks, guard := range map[string]func(http.Handler) http.Handler{
		"Config.Tokens": g.RequireScope("projects:read", nil), "Config.Posture": g.RequireGate("deploy.public"),
	} {
		resp, body := ask(t, guard, with("Bearer "+token))
		require.Equal(t, 500, resp.StatusCode, lacks)
		problem(t, resp, body)
		require.Contains(t, faults.String(), lacks+" is not set")
	}
	other := newShop(t)
	for _, c := range []httpguard.Config{{Tokens: other.tokens}, {Posture: other.posture}} {
		c.Service = s.Service.Service
		_, err = httpguard.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
}

func FuzzToken(f *testing.F) {
	s := newShop(f, func(c *httpguard.Config) { c.BasicPassword = true })
	good := s.token("projects:read")
	s.session = gatehouse.Session{Account: "eve"} // whoever is signed in too
	f.Add("Bearer " + good)
	f.Add("bearer\t" + good)
	f.Add("Basic x")
	f.Add("Basic " + base64.StdEncoding.EncodeToString([]byte("git:"+good)))
	f.Add("Basic " + base64.StdEncoding.EncodeToString([]byte("git:acme_"+good)))
	alone, either := s.guard.RequireScope("projects:read", nil), s.guard.SessionOrToken("projects:read", nil)
	f.Fuzz(func(t *testing.T, header string) {
		edit := func(r *http.Request) { r.Header["Authorization"] = []string{header} }
		scheme, rest, _ := strings.Cut(header, " ")
		bearer := strings.EqualFold(scheme, "bearer") && strings.TrimLeft(rest, " ") == good
		_, password, _ := (&http.Request{Header: http.Header{"Authorization": {header}}}).BasicAuth()
		resp, body := ask(t, alone, edit)
		if resp.StatusCode == 200 {
			require.True(t, bearer || password == good)
		} else {
			require.Contains(t, []int{400, 401}, resp.StatusCode)
			problem(t, resp, body)
		}
		// Beside a session the answer is the same, unless the header is the host's own.
		both, body := ask(t, either, edit)
		if both.StatusCode == 200 && strings.HasSuffix(body, "eve") {
			require.False(t, strings.EqualFold(scheme, "bearer") || strings.HasPrefix(password, "acme_"))
			return
		}
		require.Equal(t, resp.StatusCode, both.StatusCode)
	})
}
