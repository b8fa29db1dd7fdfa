package main

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// ask sends a request, with headers as they are.
func (a *acme) ask(method, path, body string, headers ...string) (status int, challenge string) {
	a.t.Helper()
	r, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, "no-store", resp.Header.Get("Cache-Control"))
	for _, token := range a.mint {
		require.NotContains(a.t, string(text), token)
	}
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate")
}

const (
	bare    = `Bearer realm="acme"`
	invalid = bare + `, error="invalid_token"`
)

func TestAuthorizationHeader(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:write")
	basic := base64.StdEncoding.EncodeToString([]byte("ada:" + text))
	for header, want := range map[string]string{
		"Bearer " + text: "", "bearer " + text: "", "BEARER " + text: "", "Bearer   " + text: "",

		"": bare, text: bare, "Basic " + basic: bare, "Token " + text: bare, "Bearer\t" + text: bare, "Bearer:" + text: bare, "BearerX " + text: bare,

		"Bearer": invalid, "Bearer x": invalid, "Bearer " + basic: invalid, `Bearer "` + text + `"`: invalid, "Bearer " + text + " x": invalid,
		"Bearer " + text + ", Bearer " + text: invalid, "Bearer " + text + ",": invalid, "Bearer \t" + text: invalid, "Bearer Bearer " + text: invalid,
		"Bearer " + strings.ToLower(text): invalid, "Bearer " + text[:len(text)-1]: invalid, "Bearer " + text + "=": invalid,
		"Bearer " + strings.Repeat("a", 100_000): invalid, "Bearer \xff\xfe": invalid,
		"Bearer " + tokens.Generate("acme", tokens.Personal).Reveal(): invalid, "Bearer " + tokens.Generate("other", tokens.Personal).Reveal(): invalid,
	} {
		status, challenge := a.ask("GET", "/projects", "", "Authorization", header)
		require.Equal(t, want, challenge, "%.100q", header)
		require.Equal(t, want == "", status == 200, "%.100q", header)
		require.Equal(t, want != "", status == 401, "%.100q", header)
	}

	status, challenge := a.ask("GET", "/projects", "", "Authorization", "Bearer "+text, "Authorization", "Bearer "+text)
	require.Equal(t, 400, status)
	require.Equal(t, bare+`, error="invalid_request"`, challenge)
	status, challenge = a.ask("GET", "/projects", "")
	require.Equal(t, 401, status)
	require.Equal(t, bare, challenge, "no error, where nothing was tried")

	low, _ := a.token("projects:read")
	status, challenge = a.ask("POST", "/projects", "name=rocket", "Authorization", "Bearer "+low)
	require.Equal(t, 403, status)
	require.Equal(t, bare+`, error="insufficient_scope", scope="projects:write"`, challenge)
}

// A token is looked for in the Authorization header and nowhere else; and one that was put elsewhere by
// mistake is not logged.
func TestTokenElsewhere(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:write")
	form := url.Values{"access_token": {text}, "name": {"rocket"}}.Encode()
	for _, method := range []string{"GET", "POST"} {
		status, challenge := a.ask(method, "/projects?access_token="+text+"&token="+text, "")
		require.Equal(t, []any{401, bare}, []any{status, challenge}, "the query")
	}
	for _, headers := range [][]string{
		{"Cookie", "access_token=" + text}, {"X-Access-Token", text}, {"Proxy-Authorization", "Bearer " + text}, {"Private-Token", text},
	} {
		status, challenge := a.ask("POST", "/projects", form, headers...)
		require.Equal(t, []any{401, bare}, []any{status, challenge}, headers[0])
		status, _ = a.ask("POST", "/token/rotate", form, headers...)
		require.Equal(t, 401, status, headers[0])
	}
	status, _ := a.ask("GET", "/projects?access_token=x", "", "Authorization", "Bearer "+text)
	require.Equal(t, 200, status, "what is in the query does not matter")
	require.Contains(t, a.log.String(), `GET "/projects" from 127.0.0.1`)
}

// The address is the connection's, whatever the client says of itself.
func TestAddress(t *testing.T) {
	a := newAcme(t)
	restricted := func(cidr string) string {
		n, err := tokens.OnlyNetworks(cidr)
		require.NoError(t, err)
		text, _ := a.token("projects:read", func(r *tokens.Request) { r.Networks = n })
		return text
	}
	here, away := restricted("127.0.0.1"), restricted("203.0.113.0/24")
	for _, said := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"} {
		status, _ := a.ask("GET", "/projects", "", "Authorization", "Bearer "+away, said, "203.0.113.9")
		require.Equal(t, 401, status, said)
		status, _ = a.ask("GET", "/projects", "", "Authorization", "Bearer "+here, said, "203.0.113.9")
		require.Equal(t, 200, status, said)
	}
}
