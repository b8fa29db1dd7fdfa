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

// The whole program is 125 lines, of which 28 are there for Gatehouse, imports included, and say so.
func TestSize(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(source), "\n"), "\n")
	require.LessOrEqual(t, len(lines), 125)

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
	require.Equal(t, 28, glue)
}

// The session's cookie is safe, is another one after each sign-in, and is worth nothing after the sign-out.
func TestSession(t *testing.T) {
	site := gatehousetest.NewSite(t, newApp)
	signIn := func(b *gatehousetest.Browser, user, password string) *gatehousetest.Page {
		return b.Post("/sign-in", "user", user, "password", password)
	}
	signedIn := func(b *gatehousetest.Browser) bool {
		return strings.Contains(b.Get("/").Text(), "You are signed in as ada.")
	}
	for _, wrong := range [][2]string{{"ada", "correct"}, {"ada", ""}, {"", "correct horse"}, {"eve", "correct horse"}, {strings.Repeat("x", 300), "x"}} {
		p := signIn(site.Browser(t), wrong[0], wrong[1])
		require.Equal(t, http.StatusUnauthorized, p.Status)
		require.Empty(t, p.Header["Set-Cookie"])
	}

	stays := site.Browser(t)
	stays.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	lines := signIn(stays, "ada", "correct horse").Header["Set-Cookie"]
	require.NotEmpty(t, lines)
	for _, line := range lines {
		c, err := http.ParseSetCookie(line)
		require.NoError(t, err)
		require.True(t, c.HttpOnly && c.SameSite == http.SameSiteLaxMode && c.Domain == "" && c.Path == "/", c)
	}

	b := site.Browser(t)
	u, err := url.Parse(site.URL)
	require.NoError(t, err)
	b.Client.Jar.SetCookies(u, []*http.Cookie{{Name: cookie, Value: "planted", Path: "/"}})
	planted := b.Without()
	b.SignIn("ada", "correct horse")
	require.True(t, signedIn(b))
	require.False(t, signedIn(planted))
	require.False(t, signedIn(b.Without(cookie)))

	first := b.Without()
	signIn(b, "ada", "correct horse")
	require.True(t, signedIn(b))
	require.False(t, signedIn(first), "the session before")

	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL+"/sign-out", nil)
	require.NoError(t, err)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := b.Client.Do(foreign)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.True(t, signedIn(b), "another site signs nobody out")
	second := b.Without()
	b.Submit("/sign-out")
	require.False(t, signedIn(b))
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
