package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// ours is what only lines have that are there for Gatehouse, but for those that hand its service on.
var (
	ours    = regexp.MustCompile(`gatehouse|websession|securitypage|\b(web|try|svc|page)\b`)
	handsOn = regexp.MustCompile(`newApp\(svc\b`)
)

// The whole program is 120 lines, of which 25 are there for Gatehouse, imports included, and say so.
func TestSize(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(source), "\n"), "\n")
	require.LessOrEqual(t, len(lines), 120)

	glue, group, block := 0, false, "" // block is how far a marked line is indented that what is below belongs to
	for _, line := range lines {
		text := strings.TrimSpace(line)
		indent := strings.TrimSuffix(line, text)
		below := block != "" && (len(indent) > len(block) || line == block+"}")
		switch {
		case text == "// gatehouse":
			group = true
		case text == "" || line == "}" || line == ")":
			group = false
		case strings.HasPrefix(text, "//"):
		case group || below || strings.HasSuffix(line, " // gatehouse"):
			glue++
		default:
			require.False(t, ours.MatchString(line) && !handsOn.MatchString(line), "not marked: %s", line)
		}
		if strings.HasSuffix(line, "{ // gatehouse") || strings.HasSuffix(line, ": // gatehouse") {
			block = indent
		} else if len(indent) <= len(block) {
			block = ""
		}
	}
	require.Equal(t, 25, glue)
}

// The session's cookie is safe, is another one after each sign-in, and is worth nothing after the sign-out.
func TestSession(t *testing.T) {
	app := newApp(gatehousetest.New(t).Service)
	send := func(path string, cookies []*http.Cookie, form ...string) *http.Response {
		values := url.Values{}
		for i := 0; i < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		r := httptest.NewRequest(http.MethodPost, "http://localhost:8080"+path, strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if path == "/" {
			r.Method = http.MethodGet
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		return w.Result()
	}
	signIn := func(cookies []*http.Cookie, user, password string) *http.Response {
		return send("/sign-in", cookies, "user", user, "password", password)
	}
	signedIn := func(cookies []*http.Cookie) bool {
		w := httptest.NewRecorder()
		_, err := w.Body.ReadFrom(send("/", cookies).Body)
		require.NoError(t, err)
		return strings.Contains(w.Body.String(), "You are signed in as ada.")
	}
	for _, wrong := range [][2]string{{"ada", "correct"}, {"ada", ""}, {"", "correct horse"}, {"eve", "correct horse"}, {strings.Repeat("x", 300), "x"}} {
		res := signIn(nil, wrong[0], wrong[1])
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		require.Empty(t, res.Cookies())
	}

	planted := []*http.Cookie{{Name: cookie, Value: "planted"}}
	first := signIn(planted, "ada", "correct horse").Cookies()
	for _, c := range first {
		require.True(t, c.HttpOnly && c.SameSite == http.SameSiteLaxMode && c.Domain == "" && c.Path == "/", c)
	}
	require.True(t, signedIn(first))
	require.False(t, signedIn(planted))

	second := signIn(first, "ada", "correct horse").Cookies()
	require.True(t, signedIn(second))
	require.False(t, signedIn(first), "the session before")

	foreign := httptest.NewRequest(http.MethodPost, "http://localhost:8080/sign-out", nil)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	for _, c := range second {
		foreign.AddCookie(c)
	}
	app.ServeHTTP(httptest.NewRecorder(), foreign)
	require.True(t, signedIn(second), "another site signs nobody out")
	send("/sign-out", second)
	require.False(t, signedIn(second))
}

func TestMain(m *testing.M) { browsertest.Main(m) }

func TestBrowser(t *testing.T) {
	browsertest.Run(t, func(t testing.TB) *browsertest.Site {
		svc := gatehousetest.New(t)
		server := httptest.NewServer(newApp(svc.Service))
		t.Cleanup(server.Close)
		return &browsertest.Site{
			URL: server.URL, Service: svc.Service, Now: svc.Now, Wait: svc.Wait,
			Account: "ada", Home: "/", Greeting: "You are signed in as ada.",
			SignIn: func(b *browsertest.Tab) {
				b.Visit("/")
				b.Fill("User", "ada")
				b.Fill("Password", "correct horse")
				b.Press("Sign in")
			},
		}
	})
}
