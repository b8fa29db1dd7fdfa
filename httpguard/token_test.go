package httpguard_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/tokens"
)

func TestBasicPassword(t *testing.T) {
	s := newShop(t, func(c *httpguard.Config) { c.BasicPassword = true })
	off := newShop(t)
	token, theirs := s.token("projects:write"), off.token("projects:write")
	other := s.token("projects:read")
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	none, denied := []string{`Bearer realm="api"`, `Basic realm="api"`}, []string{`Bearer realm="api", error="invalid_token"`, `Basic realm="api"`}
	for what, c := range map[string]struct {
		header string
		status int
		offers []string
	}{
		"a user name":              {basic("git:" + token), 200, nil},
		"another one":              {basic("__token__:" + token), 200, nil},
		"an empty one":             {basic(":" + token), 200, nil},
		"the scheme in lower case": {"basic " + basic("x:" + token)[6:], 200, nil},
		"as a Bearer token still":  {"Bearer " + token, 200, nil},
		"none":                     {"", 401, none},
		"in place of the user":     {basic(token + ":x-oauth-basic"), 401, none},
		"in place of both":         {basic(token), 401, none},
		"a colon after it":         {basic("x:" + token + ":"), 401, denied},
		"a space before it":        {basic("x: " + token), 401, none},
		"a line break after it":    {basic("x:" + token + "\r\n"), 401, denied},
		"no token of ours":         {basic("ada:open sesame"), 401, none},
		"begins like one":          {basic("ada:acme_"), 401, denied},
		"another service's":        {basic("x:" + theirs), 401, denied},
		"not base64":               {"Basic %%%", 401, none},
		"not of that alphabet":     {"Basic " + base64.URLEncoding.EncodeToString([]byte("?>?>:"+token)), 401, none},
		"twice encoded":            {basic(basic("x:" + token)[6:]), 401, none},
		"no credentials":           {"Basic", 401, none},
		"empty credentials":        {"Basic ", 401, none},
		"huge":                     {basic("x:acme_" + strings.Repeat("a", 1<<20)), 401, denied},
		"huge and of nobody":       {basic("x:" + strings.Repeat("a", 1<<20)), 401, none},
		"lacks the scope":          {basic("x:" + other), 403, []string{`Bearer realm="api", error="insufficient_scope", scope="projects:write"`}},
	} {
		resp, body := ask(t, s.guard.RequireScope("projects:write", nil), func(r *http.Request) {
			if c.header != "" {
				with(c.header)(r)
			}
		})
		require.Equal(t, c.status, resp.StatusCode, what)
		require.Equal(t, c.offers, resp.Header["Www-Authenticate"], what)
		if c.status != 200 {
			problem(t, resp, body)
			require.NotContains(t, body, token)
			continue
		}
		require.Equal(t, "let in: the token of user-42", body)
	}
	require.Empty(t, s.faults.String())

	// Nobody is asked for it, and nobody gets through by it, where the host does not say so.
	resp, _ := ask(t, off.guard.RequireScope("projects:read", nil), func(r *http.Request) { r.SetBasicAuth("git", theirs) })
	require.Equal(t, 401, resp.StatusCode)
	require.Equal(t, none[:1], resp.Header["Www-Authenticate"])
	// A browser would show a dialog.
	resp, _ = ask(t, s.guard.RequireScope("projects:read", nil), func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors") })
	require.Equal(t, none[:1], resp.Header["Www-Authenticate"])
	// Without tokens there are none among the passwords.
	g, err := httpguard.New(httpguard.Config{Service: s.Service.Service, BasicPassword: true})
	require.NoError(t, err)
	resp, _ = ask(t, g.RequireScope("projects:read", nil), func(r *http.Request) { r.SetBasicAuth("git", token) })
	require.Equal(t, 401, resp.StatusCode)
}

// Row A10: a resource that is empty is no resource at all, and nobody gets through, whatever the token is restricted to.
func TestResource(t *testing.T) {
	s := newShop(t)
	seven, err := tokens.OnlyResources("project/7")
	require.NoError(t, err)
	narrow := s.token("projects:read", func(r *tokens.Request) { r.Resources = seven })
	wide := s.token("projects:read")
	made := func(id string, err error) httpguard.ResourceFunc {
		return func(*http.Request) (string, error) { return id, err }
	}
	down := errors.New("the database is down")
	for what, c := range map[string]struct {
		resource httpguard.ResourceFunc
		route    string
		path     string
		narrow   int
		wide     int
		fault    string
	}{
		"none":                        {nil, "/", "/", 403, 200, ""},
		"its own":                     {made("project/7", nil), "/", "/", 200, 200, ""},
		"empty":                       {made("", nil), "/", "/", 500, 500, "has returned"},
		"a fault":                     {made("project/7", down), "/", "/", 500, 500, "the database is down"},
		"not named":                   {made("project/7", httpguard.ErrResource), "/", "/", 400, 400, ""},
		"of the path":                 {httpguard.PathResource("project/{id}"), "/p/{id}", "/p/7", 200, 200, ""},
		"another one":                 {httpguard.PathResource("project/{id}"), "/p/{id}", "/p/8", 403, 200, ""},
		"the rest of a path":          {httpguard.PathResource("{rest...}"), "/p/{rest...}", "/p/project/7", 200, 200, ""},
		"nothing left":                {httpguard.PathResource("{rest...}"), "/p/{rest...}", "/p/", 500, 500, `no path value \"rest\"`},
		"another name":                {httpguard.PathResource("project/{name}"), "/p/{id}", "/p/7", 500, 500, `no path value \"name\"`},
		"no path values at all":       {httpguard.PathResource("project/{id}"), "/", "/p/7", 500, 500, `no path value \"id\"`},
		"two, and one is not there":   {httpguard.PathResource("{kind}/{id}"), "/{kind}", "/project", 500, 500, `no path value \"id\"`},
		"two":                         {httpguard.PathResource("{kind}/{id}"), "/{kind}/{id}", "/project/7", 200, 200, ""},
		"not closed":                  {httpguard.PathResource("project/{id"), "/p/{id}", "/p/7", 500, 500, "no path value"},
		"without a value":             {httpguard.PathResource("project/7"), "/", "/", 200, 200, ""},
		"empty itself":                {httpguard.PathResource(""), "/", "/", 500, 500, "has returned"},
		"a slash in a value":          {httpguard.PathResource("{id}"), "/p/{id}", "/p/project%2F7", 400, 400, ""},
		"a slash in the rest":         {httpguard.PathResource("{id...}"), "/p/{id}", "/p/project%2F7", 200, 200, ""},
		"a wildcard, not the pattern": {httpguard.PathResource("project/{id}"), "/p/{id}", "/p/*", 403, 200, ""},
	} {
		for token, status := range map[string]int{narrow: c.narrow, wide: c.wide} {
			s.faults.Reset()
			ran := false
			mux := http.NewServeMux()
			mux.Handle(c.route, s.guard.RequireScope("projects:read", c.resource)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })))
			r, w := httptest.NewRequest("GET", c.path, nil), httptest.NewRecorder()
			with("Bearer " + token)(r)
			mux.ServeHTTP(w, r)
			require.Equal(t, status, w.Code, what)
			require.Equal(t, status == 200, ran, what)
			require.Contains(t, s.faults.String(), c.fault, what)
			require.Equal(t, c.fault == "", s.faults.Len() == 0, what)
			if !ran {
				problem(t, w.Result(), w.Body.String())
			}
		}
	}
	// Whose token is no good learns nothing of the route, and fills no log.
	s.faults.Reset()
	resp, _ := ask(t, s.guard.RequireScope("projects:read", made("", nil)), with("Bearer "+wide+"x"))
	require.Equal(t, 401, resp.StatusCode)
	require.Empty(t, s.faults.String())
	resp, body := ask(t, s.guard.RequireScope("projects:read", made("project/8", nil)), with("Bearer "+narrow))
	require.Equal(t, "It has the scope projects:read, and is restricted to other resources.", problem(t, resp, body)["detail"])
}

// Where the host says nothing, a request comes from the address of its connection.
func TestDefaultClient(t *testing.T) {
	s := newShop(t, func(c *httpguard.Config) { c.Client = nil })
	for network, addresses := range map[string]map[string]int{
		"192.0.2.0/24": {
			"192.0.2.7:1": 200, "[::ffff:192.0.2.7]:1": 200, "[::ffff:192.0.2.7%eth0]:1": 200, "198.51.100.1:1": 401,
			"": 401, "@": 401, "192.0.2.7": 401, "192.0.2.7:http": 401, "localhost:1": 401, "192.0.2.7:1, 192.0.2.7:1": 401,
		},
		"2001:db8::/32": {"[2001:db8::1]:1": 200, "[2001:db8::1%eth0]:1": 200, "[2001:db9::1]:1": 401, "[fe80::1%eth0]:1": 401},
	} {
		only, err := tokens.OnlyNetworks(network)
		require.NoError(t, err)
		token := s.token("projects:read", func(r *tokens.Request) { r.Networks = only })
		for address, status := range addresses {
			resp, _ := ask(t, s.guard.RequireScope("projects:read", nil), func(r *http.Request) {
				with("Bearer " + token)(r)
				r.RemoteAddr = address
				r.Header.Set("X-Forwarded-For", netip.MustParsePrefix(network).Addr().Next().String())
			})
			require.Equal(t, status, resp.StatusCode, "%q in %s", address, network)
		}
	}
}
