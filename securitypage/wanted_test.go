package securitypage_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cameFrom returns where a step-up leads back to that was asked for a form: by the page that says that one can go on.
func cameFrom(t *testing.T, location, at string) string {
	t.Helper()
	query, ok := strings.CutPrefix(location, at+"/step-up?")
	require.True(t, ok, location)
	values, err := url.ParseQuery(query)
	require.NoError(t, err)
	query, ok = strings.CutPrefix(values.Get("next"), at+"/ready?")
	require.True(t, ok, location)
	values, err = url.ParseQuery(query)
	require.NoError(t, err)
	_, path, ok := strings.Cut(values.Get("next"), ":")
	require.True(t, ok, location)
	return path
}

// hostDo asks for a page of the host's, as somebody who reads pages.
func (b *browser) hostDo(t *testing.T, method, path string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.h.web.URL+path, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Referer", b.h.web.URL+"/project")
	return b.do(r)
}

// What was wanted when a gate was closed is still wanted when it opens, all the way through the pairing.
func TestWantedSurvivesPairing(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	closed := b.hostDo(t, http.MethodPost, "/deploy")
	require.Equal(t, http.StatusForbidden, closed.status)
	link := html.UnescapeString(regexp.MustCompile(`href="([^"]*/pair\?next=[^"]*)"`).FindStringSubmatch(closed.body)[1])
	query := strings.TrimPrefix(link, prefix+"/pair")
	ready := b.get("/ready" + query)
	require.Contains(t, ready.text(), "this needs something else as well")
	require.Contains(t, ready.body, `href="/project"`)

	form := regexp.MustCompile(`action="([^"]*/pair\?next=[^"]*)"`).FindStringSubmatch(b.get("/pair" + query).body)
	require.NotNil(t, form, "the form brings it along")
	require.Equal(t, link, html.UnescapeString(form[1]))
	for _, forged := range []string{query[:len(query)-1], strings.Replace(query, "deploy.public", "deploy.publik", 1), "?next=%2Fproject", "?next=" + strings.Repeat("x", 24) + "deploy.public%3A%2Fproject", ""} {
		require.NotEqual(t, query, forged)
		require.Equal(t, http.StatusNotFound, b.get("/ready"+forged).status, forged)
		require.NotContains(t, b.get("/pair"+forged).body, "/pair?next=", forged)
	}
	other := h.signIn("bob")
	require.Equal(t, http.StatusNotFound, other.get("/ready"+query).status, "it is of one session")

	b, _ = h.enrolled("eve")
	h.svc.Wait(6 * time.Minute)
	asked := b.hostDo(t, http.MethodPost, "/deploy")
	require.Equal(t, "/project", cameFrom(t, asked.header.Get("Location"), prefix))
	again, err := url.ParseQuery(strings.TrimPrefix(asked.header.Get("Location"), prefix+"/step-up?"))
	require.NoError(t, err)
	ready = b.get(strings.TrimPrefix(again.Get("next"), prefix))
	require.Equal(t, http.StatusOK, ready.status)
	require.Contains(t, ready.text(), "You can go on now")
	require.Contains(t, ready.body, `href="/project"`)
}
