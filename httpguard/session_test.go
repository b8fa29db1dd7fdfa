package httpguard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
)

// RequireSignedIn asks the host's session for an account, and for nothing else.
func TestSignedIn(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	guard := s.guard.RequireSignedIn()
	for _, edit := range []func(*http.Request){nil, with("Bearer " + token)} {
		resp, body := ask(t, guard, edit)
		require.Equal(t, 401, resp.StatusCode, "a token is no session")
		require.Equal(t, []string{`Bearer realm="api"`}, resp.Header.Values("WWW-Authenticate"), "nothing was wrong with it")
		require.Equal(t, "not_signed_in", problem(t, resp, body)["code"])
	}
	s.session = gatehouse.Session{Secret: "a secret without an account"}
	resp, _ := ask(t, guard, nil)
	require.Equal(t, 401, resp.StatusCode)
	s.session = gatehouse.Session{Account: "user-42"}
	resp, body := ask(t, guard, nil)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "let in: user-42", body)
	require.Empty(t, s.faults.String())
}

// A session is sent along by browsers, so a request that may change something has to come from this site. A token is not.
func TestCrossOrigin(t *testing.T) {
	s := newShop(t, func(c *httpguard.Config) {
		c.BasicPassword = true
		c.CrossOrigin = http.NewCrossOriginProtection()
		require.NoError(t, c.CrossOrigin.AddTrustedOrigin("https://admin.acme.test"))
	})
	token := s.token("projects:read")
	s.session = s.fresh()
	bearer := with("Bearer " + token)
	basic := func(r *http.Request) { r.SetBasicAuth("x", token) }
	site := func(site, origin string) http.Header {
		h := http.Header{}
		for name, value := range map[string]string{"Sec-Fetch-Site": site, "Origin": origin} {
			if value != "" {
				h.Set(name, value)
			}
		}
		return h
	}
	either := s.guard.SessionOrToken("projects:read", nil)
	for what, c := range map[string]struct {
		guard       func(http.Handler) http.Handler
		credentials func(*http.Request)
		subject     bool
	}{
		"signed in":               {s.guard.RequireSignedIn(), nil, true},
		"proof":                   {s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Hour}), nil, true},
		"gate":                    {s.guard.RequireGate("deploy.public"), nil, true},
		"either, by session":      {either, nil, true},
		"either, by Bearer token": {either, bearer, false},
		"either, by Basic":        {either, basic, true},
		"Bearer token":            {s.guard.RequireScope("projects:read", nil), bearer, false},
		"Basic password":          {s.guard.RequireScope("projects:read", nil), basic, true},
	} {
		for _, from := range []struct {
			what    string
			headers http.Header
			foreign bool
		}{
			{"this site", site("same-origin", "https://acme.test"), false},
			{"the address bar", site("none", ""), false},
			{"a sibling domain", site("same-site", "https://blog.acme.test"), true},
			{"another site", site("cross-site", "https://evil.test"), true},
			{"an old browser, a sibling domain", site("", "https://blog.acme.test"), true},
			{"a sandboxed frame", site("", "null"), true},
			{"a trusted origin", site("same-site", "https://admin.acme.test"), false},
			{"no browser", site("", ""), false},
		} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PURGE"} {
				resp, body := ask(t, c.guard, func(r *http.Request) {
					r.Method, r.Host, r.Header = method, "acme.test", from.headers.Clone()
					if c.credentials != nil {
						c.credentials(r)
					}
				})
				unsafe := method != "GET" && method != "HEAD" && method != "OPTIONS"
				if c.subject && from.foreign && unsafe {
					require.Equal(t, 403, resp.StatusCode, "%s, %s from %s", what, method, from.what)
					require.Equal(t, "cross_origin", problem(t, resp, body)["code"])
					require.Empty(t, resp.Header.Get("WWW-Authenticate"))
					continue
				}
				require.Equal(t, 200, resp.StatusCode, "%s, %s from %s: %s", what, method, from.what, body)
			}
		}
	}
}

// By default no other origin is trusted.
func TestCrossOriginByDefault(t *testing.T) {
	s := newShop(t)
	s.session = s.fresh()
	resp, _ := ask(t, s.guard.RequireSignedIn(), func(r *http.Request) {
		r.Method = "POST"
		r.Header.Set("Sec-Fetch-Site", "same-site")
		r.Header.Set("Origin", "https://admin.acme.test")
	})
	require.Equal(t, 403, resp.StatusCode)
}

// Guards one behind the other ask the host once; those of another host ask it too.
func TestSessionIsAskedForOnce(t *testing.T) {
	asked := 0
	s := newShop(t, func(c *httpguard.Config) {
		of := c.Session
		c.Session = func(r *http.Request) (gatehouse.Session, error) { asked++; return of(r) }
	})
	s.session = s.fresh()
	resp, _ := ask(t, s.guard.SessionOrToken("projects:read", nil, s.guard.RequireProof(httpguard.ProofOptions{}), s.guard.RequireGate("deploy.public")), nil)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, 1, asked)
	other := newShop(t)
	resp, _ = ask(t, func(h http.Handler) http.Handler { return s.guard.RequireSignedIn()(other.guard.RequireSignedIn()(h)) }, nil)
	require.Equal(t, 401, resp.StatusCode, "nobody is signed in to the other one")
	require.Equal(t, "", httpguard.Account(t.Context()))
}

// SessionOrToken: where a request shows a token, that decides alone, and otherwise the session does.
func TestSessionOrToken(t *testing.T) {
	s := newShop(t, func(c *httpguard.Config) { c.BasicPassword = true })
	read, write := s.token("projects:read"), s.token("projects:write")
	guard := s.guard.SessionOrToken("projects:write", nil, s.guard.RequireProof(httpguard.ProofOptions{MaxAge: 2 * time.Minute}), s.guard.RequireGate("deploy.public"))
	gate := s.guard.SessionOrToken("projects:write", nil, s.guard.RequireGate("members.invite"))
	bare := s.guard.SessionOrToken("projects:write", nil)
	good := s.fresh()
	stale := gatehouse.Session{Account: good.Account, Secret: good.Secret} // signed in, without a proof
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	two := func(r *http.Request) {
		r.Header["Authorization"] = []string{"Bearer " + write, "Bearer " + write}
	}
	both := func(r *http.Request) {
		r.SetBasicAuth("x", write)
		r.Header.Add("Authorization", "Bearer "+write)
	}
	foreign := func(r *http.Request) { r.Header["Authorization"] = []string{"Negotiate x", "Digest y"} }
	browser := func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "navigate") }
	const (
		byToken   = "let in: the token of user-42"
		bySession = "let in: user-42"
	)
	offers := []string{`Bearer realm="api"`, `Basic realm="api"`}
	for what, c := range map[string]struct {
		guard       func(http.Handler) http.Handler
		session     gatehouse.Session
		credentials func(*http.Request)
		status      int
		body        string // of whom was let in; otherwise the code
		offers      []string
	}{
		"nothing":                            {guard, gatehouse.Session{}, nil, 401, "not_signed_in", offers},
		"nothing, from a browser":            {guard, gatehouse.Session{}, browser, 401, "not_signed_in", offers[:1]},
		"a token":                            {guard, gatehouse.Session{}, with("Bearer " + write), 200, byToken, nil},
		"a token, as a password":             {guard, gatehouse.Session{}, basic("git", write), 200, byToken, nil},
		"a token behind a gate that is shut": {gate, stale, with("Bearer " + write), 200, byToken, nil},
		"a session":                          {guard, good, nil, 200, bySession, nil},
		"a session, and it is enough":        {bare, stale, nil, 200, bySession, nil},
		"nobody, where signed in is enough":  {bare, gatehouse.Session{Secret: good.Secret, Proof: good.Proof}, nil, 401, "not_signed_in", offers},
		"a session without a proof":          {guard, stale, nil, 401, "insufficient_user_authentication", []string{`Bearer realm="api", error="insufficient_user_authentication", max_age="120"`}},
		"a session, the gate is shut":        {gate, good, nil, 403, "gate_closed", nil},
		"a good token and a bad session":     {guard, stale, with("Bearer " + write), 200, byToken, nil},
		"a session, the token lacks a scope": {guard, good, with("Bearer " + read), 403, "insufficient_scope", []string{`Bearer realm="api", error="insufficient_scope", scope="projects:write"`}},
		"a session and a false token":        {guard, good, with("Bearer " + write + "x"), 401, "invalid_token", []string{`Bearer realm="api", error="invalid_token"`, offers[1]}},
		"a session and a false password":     {guard, good, basic("x", write+"x"), 401, "invalid_token", []string{`Bearer realm="api", error="invalid_token"`, offers[1]}},
		"a session and an empty token":       {guard, good, with("Bearer "), 400, "invalid_request", []string{`Bearer realm="api", error="invalid_request"`}},
		"a session and a tab":                {guard, good, with("Bearer\t" + write), 400, "invalid_request", []string{`Bearer realm="api", error="invalid_request"`}},
		"a session and two tokens":           {guard, good, two, 400, "invalid_request", []string{`Bearer realm="api", error="invalid_request"`}},
		"a session and both schemes":         {guard, good, both, 400, "invalid_request", []string{`Bearer realm="api", error="invalid_request"`}},
		"a session and two of the host's":    {guard, good, foreign, 400, "invalid_request", []string{`Bearer realm="api", error="invalid_request"`}},
		"a session and the host's password":  {guard, good, basic("x", "open sesame"), 200, bySession, nil},
		"a session and the host's scheme":    {guard, good, with("Negotiate " + write), 200, bySession, nil},
		"a session and an empty header":      {guard, good, with(""), 200, bySession, nil},
	} {
		s.session = c.session
		resp, body := ask(t, c.guard, c.credentials)
		require.Equal(t, c.status, resp.StatusCode, "%s: %s", what, body)
		require.Equal(t, c.offers, resp.Header["Www-Authenticate"], what)
		if c.status == 200 {
			require.Equal(t, c.body, body, what)
			continue
		}
		require.Equal(t, c.body, problem(t, resp, body)["code"], what)
	}
	require.Empty(t, s.faults.String())

	s.session = good
	s.down = io.ErrUnexpectedEOF
	resp, body := ask(t, guard, with("Bearer "+write))
	require.Equal(t, 200, resp.StatusCode, "a token asks for no session: %s", body)
}

// A guard that the host gives as one of the session's, and that asks nothing, lets nobody in who is not signed in.
func TestSessionOrTokenAsksFirst(t *testing.T) {
	s := newShop(t)
	ran := false
	careless := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ran = true; next.ServeHTTP(w, r) })
	}
	guard := s.guard.SessionOrToken("projects:read", nil, careless)
	resp, _ := ask(t, guard, nil)
	require.Equal(t, 401, resp.StatusCode)
	require.False(t, ran)
	s.session = s.fresh()
	resp, _ = ask(t, guard, nil)
	require.Equal(t, 200, resp.StatusCode)
	require.True(t, ran)
}

// The session's guards are asked in the order in which they are given.
func TestSessionOrTokenInOrder(t *testing.T) {
	s := newShop(t)
	s.session = gatehouse.Session{Account: "user-42"}
	var order []string
	say := func(what string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { order = append(order, what); next.ServeHTTP(w, r) })
		}
	}
	h := s.guard.SessionOrToken("projects:read", nil, say("one"), say("two"))(http.NotFoundHandler())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Equal(t, []string{"one", "two"}, order)
}

// Where a passkey is asked for no code is enough, and the answer says so: by the class of authentication, and in the problem.
func TestPhishingResistant(t *testing.T) {
	s := newShop(t)
	guard := s.guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute, PhishingResistant: true})
	refused := func(through func(http.Handler) http.Handler, age string) {
		t.Helper()
		resp, body := ask(t, through, nil)
		require.Equal(t, 401, resp.StatusCode)
		require.Equal(t, `Bearer realm="api", error="insufficient_user_authentication"`+age+`, acr_values="phr"`, resp.Header.Get("WWW-Authenticate"))
		p := problem(t, resp, body)
		require.Equal(t, []any{true, "A fresh sign-in with a passkey is needed"}, []any{p["phishing_resistant"], p["title"]})
	}
	refused(guard, `, max_age="300"`)
	s.session = s.fresh()
	refused(guard, `, max_age="300"`)
	resp, body := ask(t, s.guard.RequireGate("keys.change"), nil)
	require.Equal(t, 403, resp.StatusCode, "no proof of an account without a passkey would do")
	require.Equal(t, "gate_closed", problem(t, resp, body)["code"])

	passkey := s.owner.AddPasskey(t)
	s.session = s.fresh()
	refused(guard, `, max_age="300"`)
	refused(s.guard.RequireGate("keys.change"), "")
	s.session = passkey.StepUp(t)
	for _, through := range []func(http.Handler) http.Handler{guard, s.guard.RequireGate("keys.change")} {
		resp, _ := ask(t, through, nil)
		require.Equal(t, 200, resp.StatusCode)
	}
	s.Wait(5*time.Minute + time.Second)
	refused(guard, `, max_age="300"`)
	require.Empty(t, s.faults.String())
}
