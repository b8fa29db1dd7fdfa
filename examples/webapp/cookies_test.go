package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWithoutCookies has a browser that keeps no cookies at all go everywhere: no page leads in a circle, none is a fault, and
// whoever tries to sign in is told why that leads nowhere.
func TestWithoutCookies(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp(ada)
	w.pair(ada)
	w.client(t).signUp("eve@acme.test")
	browser := &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		require.Less(t, len(via), 5, "%s leads in a circle", r.URL)
		r.Header.Set("Sec-Fetch-Site", via[0].Header.Get("Sec-Fetch-Site"))
		return nil
	}}
	send := func(path string, form url.Values, from string) reply {
		t.Helper()
		r, err := http.NewRequest(path[:strings.Index(path, " ")], w.server.URL+path[strings.Index(path, " ")+1:], strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", from)
		c := &client{t, w, browser}
		return c.send(r)
	}
	for _, path := range append(everyPath, "GET "+securityPath+"/pair/scan", "GET "+securityPath+"/ready", "GET "+securityPath+"/recovered", "GET "+securityPath+"/sign-in/clock") {
		for _, from := range []string{"none", "same-origin"} {
			require.Less(t, send(path, nil, from).StatusCode, 500, path)
		}
	}
	for _, email := range []string{ada, "eve@acme.test"} {
		got := send("POST /sign-in", credentials(email), "same-origin")
		require.Equal(t, http.StatusForbidden, got.StatusCode)
		require.Contains(t, got.body, noCookies)
		require.Contains(t, got.body, email, "what was typed stays")
		require.Empty(t, got.Request.URL.RawQuery)
	}
	require.Contains(t, send("POST /sign-up", credentials("bob@acme.test"), "same-origin").body, noCookies)

	// Whoever has cleared them meanwhile, or allows them then, need not load the form again.
	for _, path := range []string{"/sign-in", "/sign-up"} {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		browser.Jar = jar
		form := credentials(strings.TrimPrefix(path, "/") + "@acme.test")
		require.Contains(t, send("POST "+path, form, "same-origin").body, noCookies, path)
		require.NotContains(t, send("POST "+path, form, "same-origin").body, noCookies, path)
	}
	browser.Jar = nil

	// Where the host says nothing, the page does: its second step was begun, and nothing of that comes back.
	got := send("GET "+securityPath+"/sign-in", nil, "same-origin")
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Contains(t, got.body, "Your browser keeps no cookies")
	require.Contains(t, got.body, `href="/sign-in"`)
	require.Equal(t, "/sign-in", send("GET "+securityPath+"/sign-in", nil, "none").Request.URL.Path, "a bookmark")
}
