package httpguard_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	t      testing.TB
	owner  *gatehousetest.Owner
	guard  *httpguard.Guard
	proof  gatehouse.Proof
	opts   []gatehouse.Option
	faults bytes.Buffer
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
	)
	require.NoError(t, err)
	s := &shop{t: t}
	s.Service = gatehousetest.New(t, func(c *gatehouse.Config) {
		c.Tokens, c.Posture = &tokens.Policy{Brand: "acme", Scopes: scopes}, gates
	})
	s.owner = s.Enroll(t, "user-42")
	c := httpguard.Config{
		Service: s.Service.Service, Faults: slog.New(slog.NewTextHandler(&s.faults, nil)),
		Session: func(*http.Request) (gatehouse.Proof, []gatehouse.Option) { return s.proof, s.opts },
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
	s.Wait(30 * time.Second)
	v, err := s.StepUp(context.Background(), "user-42", s.owner.Code())
	require.NoError(s.t, err)
	r := tokens.Request{Name: "ci", Scopes: tokens.Scopes{scope}}
	for _, f := range edit {
		f(&r)
	}
	m, err := s.Owner(v.Proof).MintToken(context.Background(), r)
	require.NoError(s.t, err)
	return m.Token.Reveal()
}

func (s *shop) fresh() gatehouse.Proof {
	s.t.Helper()
	s.Wait(30 * time.Second)
	v, err := s.StepUp(context.Background(), "user-42", s.owner.Code())
	require.NoError(s.t, err)
	return v.Proof
}

// ask sends a request through middleware to a handler that says "let in".
func ask(t *testing.T, through func(http.Handler) http.Handler, edit func(*http.Request)) (*http.Response, string) {
	t.Helper()
	ran := false
	h := through(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran = true
		grant, _ := httpguard.Grant(r.Context())
		_, _ = io.WriteString(w, "let in: "+grant.AccountID)
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

// problem reads a problem document, and asserts what all have.
func problem(t *testing.T, resp *http.Response, body string) map[string]any {
	t.Helper()
	want := http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	}
	if challenge := resp.Header.Values("WWW-Authenticate"); len(challenge) > 0 {
		want["Www-Authenticate"] = challenge[:1] // which the tests compare
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
	guard := s.guard.Token("projects:write", nil)
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
			require.Equal(t, "let in: user-42", body, what)
			continue
		}
		p := problem(t, resp, body)
		require.NotContains(t, body, read)
		if c.status == 403 {
			require.Equal(t, "projects:write", p["scope"])
			require.Equal(t, "It needs the scope projects:write for this resource.", p["detail"])
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
	path := func(r *http.Request) string { return "project/" + strings.TrimPrefix(r.URL.Path, "/projects/") }
	status := func(guard func(http.Handler) http.Handler, edit func(*http.Request)) int {
		resp, _ := ask(t, guard, func(r *http.Request) {
			with("Bearer " + token)(r)
			if edit != nil {
				edit(r)
			}
		})
		return resp.StatusCode
	}
	require.Equal(t, 200, status(s.guard.Token("projects:read", path), nil))
	require.Equal(t, 403, status(s.guard.Token("projects:read", path), func(r *http.Request) { r.URL.Path = "/projects/8" }))
	require.Equal(t, 403, status(s.guard.Token("projects:read", nil), nil), "what belongs to no resource")
	require.Equal(t, 401, status(s.guard.Token("projects:read", path), func(r *http.Request) { r.RemoteAddr = "198.51.100.1:1" }))
	require.Equal(t, 401, status(s.guard.Token("projects:read", path), func(r *http.Request) {
		r.RemoteAddr = "198.51.100.1:1"
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
	}), "no header is believed")
}

func TestStepUp(t *testing.T) {
	s := newShop(t)
	guard := s.guard.StepUp(5*time.Minute, true)
	refused := func(what string) {
		t.Helper()
		resp, body := ask(t, guard, nil)
		require.Equal(t, 401, resp.StatusCode, what)
		require.Equal(t, `Bearer realm="api", error="insufficient_user_authentication", max_age="300"`, resp.Header.Get("WWW-Authenticate"))
		require.EqualValues(t, 300, problem(t, resp, body)["max_age"])
	}
	refused("no proof")
	s.proof = s.fresh()
	resp, _ := ask(t, guard, nil)
	require.Equal(t, 200, resp.StatusCode)
	s.Wait(5*time.Minute + time.Second)
	refused("too old")
	v, err := s.Service.StepUp(t.Context(), "user-42", s.owner.Code(), gatehouse.InSession("one"))
	require.NoError(t, err)
	s.proof, s.opts = v.Proof, []gatehouse.Option{gatehouse.InSession("two")}
	refused("another session's")
	s.opts = []gatehouse.Option{gatehouse.InSession("one")}
	resp, _ = ask(t, guard, nil)
	require.Equal(t, 200, resp.StatusCode)
	s.proof = gatehouse.ProofFromString("forged")
	refused("forged")

	plain, err := s.Attest(t.Context(), "plain", gatehouse.FirstFactor{Method: "pwd", At: s.Now()})
	require.NoError(t, err)
	s.proof, s.opts = plain, nil
	refused("the second factor is asked for")
	resp, _ = ask(t, s.guard.StepUp(time.Minute, false), nil)
	require.Equal(t, 200, resp.StatusCode)
}

func TestGate(t *testing.T) {
	s := newShop(t)
	s.proof = s.fresh()
	resp, body := ask(t, s.guard.Gate("members.invite"), nil)
	require.Equal(t, 403, resp.StatusCode)
	require.Empty(t, resp.Header.Get("WWW-Authenticate"), "no other token would do")
	p := problem(t, resp, body)
	require.Equal(t, "gate_closed", p["code"])
	unmet := p["gate"].(map[string]any)["unmet"].([]any)[0].(map[string]any)
	require.Equal(t, posture.RecoveryCodesSaved, unmet["id"])
	require.NotEmpty(t, unmet["fix"].(map[string]any)["text"])
	st, err := s.Status(t.Context(), "user-42")
	require.NoError(t, err)
	require.NoError(t, s.Owner(s.proof).AcknowledgeRecoveryCodes(t.Context(), st.RecoveryCodes.ID))
	resp, _ = ask(t, s.guard.Gate("members.invite"), nil)
	require.Equal(t, 200, resp.StatusCode)

	resp, _ = ask(t, s.guard.Gate("deploy.public"), nil)
	require.Equal(t, 200, resp.StatusCode)
	s.Wait(6 * time.Minute)
	resp, body = ask(t, s.guard.Gate("deploy.public"), nil)
	require.Equal(t, 401, resp.StatusCode, "another proof would do")
	require.EqualValues(t, 300, problem(t, resp, body)["max_age"])
	s.proof = gatehouse.Proof{}
	resp, _ = ask(t, s.guard.Gate("deploy.public"), nil)
	require.Equal(t, 401, resp.StatusCode)
	s.proof = s.fresh()
	resp, body = ask(t, s.guard.Gate("no such action"), nil)
	require.Equal(t, 500, resp.StatusCode, "a gate that is not there is closed")
	problem(t, resp, body)
	require.Contains(t, s.faults.String(), "no gate for this action")
}

// TestFaults: a store that fails lets nobody in, and is told to the host alone.
func TestFaults(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	s.proof = s.fresh()
	s.Store.Inject(func(string) gatehousetest.Fault { return gatehousetest.Fail })
	for what, guard := range map[string]func(http.Handler) http.Handler{
		"token": s.guard.Token("projects:read", nil), "step-up": s.guard.StepUp(time.Minute, false), "gate": s.guard.Gate("deploy.public"),
	} {
		resp, body := ask(t, guard, with("Bearer "+token))
		require.Equal(t, 500, resp.StatusCode, what)
		problem(t, resp, body)
		require.Empty(t, resp.Header.Get("WWW-Authenticate"))
	}
	require.NotContains(t, s.faults.String(), token)
	require.Equal(t, 3, strings.Count(s.faults.String(), "a check has failed"))
}

// TestEveryCall has the store fail at each call of each guard: nobody is let in, and nobody is told that a token is false
// or a gate closed. (Row T3.)
func TestEveryCall(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	s.proof = s.fresh()
	for what, guard := range map[string]func(http.Handler) http.Handler{
		"token": s.guard.Token("projects:read", nil), "step-up": s.guard.StepUp(time.Minute, true), "gate": s.guard.Gate("deploy.public"),
	} {
		calls := 0
		s.Store.Inject(func(string) gatehousetest.Fault { calls++; return gatehousetest.None })
		resp, _ := ask(t, guard, with("Bearer "+token))
		require.Equal(t, 200, resp.StatusCode, what)
		require.Positive(t, calls, what)
		for n := 1; n <= calls; n++ {
			s.faults.Reset()
			s.Store.Inject(gatehousetest.Nth(n, gatehousetest.Fail))
			resp, body := ask(t, guard, with("Bearer "+token))
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
	g, err := httpguard.New(httpguard.Config{Service: s.Service.Service, Realm: "the shop!~"})
	require.NoError(t, err)
	resp, _ := ask(t, g.Token("projects:read", nil), nil)
	require.Equal(t, `Bearer realm="the shop!~"`, resp.Header.Get("WWW-Authenticate"))
	g, err = httpguard.New(httpguard.Config{Service: s.Service.Service})
	require.NoError(t, err)
	resp, body := ask(t, g.Token("projects:read", nil), with("Bearer "+token))
	require.Equal(t, 200, resp.StatusCode, body)
	resp, _ = ask(t, g.Token("projects:write", nil), with("Bearer "+token))
	require.Equal(t, `Bearer realm="api", error="insufficient_scope", scope="projects:write"`, resp.Header.Get("WWW-Authenticate"))

	var out bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(was)
	g, err = httpguard.New(httpguard.Config{Service: s.Service.Service})
	require.NoError(t, err)
	s.Store.Inject(func(string) gatehousetest.Fault { return gatehousetest.Fail })
	resp, _ = ask(t, g.Token("projects:read", nil), with("Bearer "+token))
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
	resp, _ := ask(t, s.guard.StepUp(time.Minute, true), nil)
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
		_, _ = ask(t, func(h http.Handler) http.Handler { return log(s.guard.Token(scope, nil)(h)) }, func(r *http.Request) {
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
	g, err := httpguard.New(httpguard.Config{Service: s.Service.Service})
	require.NoError(t, err)
	resp, _ := ask(t, g.Gate("deploy.public"), nil)
	require.Equal(t, 401, resp.StatusCode, "without a session there is no proof")
}

func FuzzToken(f *testing.F) {
	s := newShop(f)
	good := s.token("projects:read")
	f.Add("Bearer " + good)
	f.Add("bearer\t" + good)
	f.Add("Basic x")
	guard := s.guard.Token("projects:read", nil)
	f.Fuzz(func(t *testing.T, header string) {
		resp, body := ask(t, guard, func(r *http.Request) { r.Header["Authorization"] = []string{header} })
		if resp.StatusCode == 200 {
			scheme, rest, _ := strings.Cut(header, " ")
			require.True(t, strings.EqualFold(scheme, "bearer") && strings.TrimLeft(rest, " ") == good)
			return
		}
		require.Contains(t, []int{400, 401}, resp.StatusCode)
		problem(t, resp, body)
	})
}
