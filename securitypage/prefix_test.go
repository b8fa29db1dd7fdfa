package securitypage_test

import (
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/websession"
)

// under has a host answer under a prefix alone. The test fails as soon as its browser is led elsewhere.
func under(t *testing.T, h *host, base string, service http.Handler) {
	t.Helper()
	h.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, base+"/") {
			t.Errorf("%s %s is outside of %s", r.Method, r.URL, base)
			http.NotFound(w, r)
			return
		}
		service.ServeHTTP(w, r)
	})
}

// proxied returns a proxy with a server behind it, which it asks for paths without a prefix and by its own name.
func proxied(t *testing.T, without string, service http.Handler) http.Handler {
	t.Helper()
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	to, err := url.Parse(server.URL)
	require.NoError(t, err)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to) // with its Host
		r.Out.URL.Path, r.Out.URL.RawPath = strings.TrimPrefix(r.Out.URL.Path, without), strings.TrimPrefix(r.Out.URL.RawPath, without)
	}}
}

var link = regexp.MustCompile(` (?:href|action|src)="([^"#][^"]*)"`)

// crawl follows every link of the service from a page on, and asserts that there is something. It returns how many pages
// of the Security page it has seen, and sends no form.
func (b *browser) crawl(from string) int {
	b.h.t.Helper()
	seen, pages := map[string]bool{from: true}, 0
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		a := b.get("/" + todo[0])
		for hops := 0; a.status == http.StatusSeeOther && hops < 5; hops++ {
			a = b.get("/" + a.header.Get("Location"))
		}
		require.NotEqual(b.h.t, http.StatusNotFound, a.status, "%s leads nowhere", todo[0])
		if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			pages++
		}
		for _, m := range link.FindAllStringSubmatch(a.body, -1) {
			to := html.UnescapeString(m[1])
			if !seen[to] && !strings.HasPrefix(to, "blob:") {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return pages
}

// at sends the form of an answer that leads to a path, which a browser resolves from the root of the site.
func (b *browser) at(a answer, to string, pairs ...string) answer {
	b.h.t.Helper()
	form, ok := a.form(to)
	require.True(b.h.t, ok, "no form for %s on %s (%d):\n%s", to, a.path, a.status, a.body)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.post("/"+to, form)
}

// placed is where a service is: what takes its prefix off, and what the page and the service's own pages are told of it.
type placed struct {
	base         string // of every address that a browser has
	prefix, path string // of the Config
	mounted      string // the page, as the service's router has it
	own          string // the service's own pages are below that, in its router
	outer        func(*testing.T, http.Handler) http.Handler
}

// Row A5: a service whose addresses begin with a prefix, whoever takes that off. Each link of every page, each redirect
// and each way back keeps it: nothing is asked for outside, and nothing is missing.
func TestPrefix(t *testing.T) {
	for name, where := range map[string]placed{
		"StripPrefix": {"/app", "", "/app/sec", "/sec", "", func(_ *testing.T, s http.Handler) http.Handler {
			return http.StripPrefix("/app", s)
		}},
		"StripPrefix around the page alone": {"/app", "", "/app/sec", "", "/app", func(_ *testing.T, s http.Handler) http.Handler {
			return s
		}},
		"a proxy that strips, and the default path": {"/app", "/app", "", "/settings/security", "", func(t *testing.T, s http.Handler) http.Handler {
			return proxied(t, "/app", s)
		}},
		"a proxy that strips, and StripPrefix": {"/app/v1", "/app", "/app/v1/sec", "/sec", "", func(t *testing.T, s http.Handler) http.Handler {
			return proxied(t, "/app", http.StripPrefix("/v1", s))
		}},
		"a proxy that passes": {"/app", "", "/app/sec", "/app/sec", "/app", func(t *testing.T, s http.Handler) http.Handler {
			return proxied(t, "", s)
		}},
	} {
		t.Run(name, func(t *testing.T) { tryPrefix(t, where) })
	}
}

func tryPrefix(t *testing.T, where placed) {
	base := where.base
	h := newHostWith(t, func(of *parts) {
		of.web = func(c *websession.Config) { c.Path, c.Prefix, c.Home = where.path, where.prefix, base+"/home" }
	}, func(c *securitypage.Config) {
		c.Links = securitypage.Links{
			Home: base + "/home", SignIn: base + "/login", Help: base + "/help", SignOut: base + "/logout", Password: base + "/password",
		}
	})
	at := where.path
	if at == "" {
		at = base + "/settings/security"
	}
	mux := http.NewServeMux()
	if where.mounted == "" {
		mux.Handle(at+"/", http.StripPrefix(at, h.page))
	} else {
		mux.Handle(where.mounted+"/", h.page)
		mux.Handle(where.mounted, h.page) // or ServeMux redirects, without the prefix
	}
	for _, own := range []string{"/home", "/login", "/help", "/logout", "/password"} {
		mux.HandleFunc(where.own+own, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, own) })
	}
	guard, err := httpguard.New(httpguard.Config{Service: h.svc.Service, Posture: h.pos, Refuse: h.page.Refuse, Session: h.sess.Current})
	require.NoError(t, err)
	ran := 0
	mux.Handle(where.own+"/deploy/{what}", guard.RequireGate("deploy.public")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ran++
		_, _ = io.WriteString(w, "deployed")
	})))
	under(t, h, base, where.outer(t, mux))

	// Nobody is signed in; then a new owner pairs a phone.
	require.Equal(t, base+"/login?next="+url.QueryEscape(at+"/?x=1"), h.browser(nil).get("/"+at+"/?x=1").header.Get("Location"))
	require.Equal(t, at+"/", h.browser(nil).get("/"+at).header.Get("Location"), "the slash is added")
	b := h.signIn("ada")
	require.Greater(t, b.crawl(at+"/"), 5)
	a := b.at(b.get("/"+at+"/pair"), at+"/pair", "name", "Phone")
	require.Equal(t, at+"/pair/scan", a.header.Get("Location"), a.body)
	phone := secretOf(t, b.get("/"+at+"/pair/scan"))
	a = b.at(b.get("/"+at+"/pair/codes"), at+"/pair/codes", "saved", "yes")
	require.Equal(t, at+"/pair/confirm", a.header.Get("Location"), a.body)
	a = b.at(b.get("/"+at+"/pair/confirm"), at+"/pair/confirm", "code", phone.Code(h.svc.Now()))
	require.Contains(t, a.header.Get("Location"), at+"/pair/done?", a.body)
	require.Greater(t, b.crawl(a.header.Get("Location")), 8)

	// The second step of sign-in.
	h.svc.Wait(30 * time.Second)
	b = h.signIn("ada")
	require.Equal(t, at+"/sign-in", b.get("/"+at+"/").header.Get("Location"))
	require.GreaterOrEqual(t, b.crawl(at+"/sign-in"), 3)
	a = b.at(b.get("/"+at+"/sign-in"), at+"/sign-in", "code", phone.Code(h.svc.Now()))
	require.Equal(t, base+"/home", a.header.Get("Location"), a.body)

	// A guard of the host's asks for a code, and leads back: a page, and the page that had a form.
	h.svc.Wait(6 * time.Minute)
	a = b.get("/" + base + "/deploy/a%2Fb?of=c%26d")
	require.Equal(t, at+"/step-up?next="+url.QueryEscape(base+"/deploy/a%2Fb?of=c%26d"), a.header.Get("Location"))
	asked := b.get("/" + a.header.Get("Location"))
	require.Zero(t, ran)
	a = b.at(asked, at+"/step-up", "step_up", phone.Code(h.svc.Now()))
	require.Equal(t, base+"/deploy/a%2Fb?of=c%26d", a.header.Get("Location"), a.body)
	require.Equal(t, "deployed", b.get("/"+a.header.Get("Location")).body)
	require.Equal(t, 1, ran)
	h.svc.Wait(6 * time.Minute)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.web.URL+base+"/deploy/x", nil)
	require.NoError(t, err)
	r.Header.Set("Referer", h.web.URL+base+"/project?id=7")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	require.Equal(t, base+"/project?id=7", cameFrom(t, b.do(r).header.Get("Location"), at))
	r.Header.Del("Referer")
	r.Header.Set("Sec-Fetch-Site", "none")
	require.Equal(t, base+"/home", cameFrom(t, b.do(r).header.Get("Location"), at))
	require.Equal(t, 1, ran)

	// The page's own prompt comes in between, for a page and for a form, and goes on with that.
	a = b.at(b.get("/"+at+"/disable"), at+"/step-up", "step_up", phone.Code(h.svc.Now()))
	require.Equal(t, at+"/disable", a.header.Get("Location"), a.body)
	shown := b.get("/" + at + "/tokens/new")
	h.svc.Wait(20 * time.Minute)
	a = b.at(shown, at+"/tokens/new", "name", "ci", "scope", "projects:read")
	a = b.at(a, at+"/tokens/new", "step_up", phone.Code(h.svc.Now()))
	require.Contains(t, a.text(), "Copy it now", a.body)
	id := h.tokens("ada")[0].ID
	a = b.at(b.get("/"+at+"/tokens/"+id+"/revoke"), at+"/tokens/"+id+"/revoke")
	require.True(t, strings.HasPrefix(a.header.Get("Location"), at+"/tokens?notice="), a.body)
	require.Contains(t, b.get("/"+a.header.Get("Location")).text(), "revoked")
	require.Greater(t, b.crawl(at+"/"), 10)
}

// What cannot be a prefix of the page's path is refused.
func TestPrefixIsOne(t *testing.T) {
	h := newHost(t)
	c := websession.Config{
		Service: h.svc.Service, User: h.user,
		SignIn:  func(http.ResponseWriter, *http.Request, string) error { return nil },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	}
	for _, prefix := range []string{"app", "/", "/app/", "//app", "/a//b", "/../app", "/{app}", "/a?b", "/a%2Fb", "/a b", `/a\b`, "https://acme.test"} {
		c.Path, c.Prefix = "", prefix
		_, err := websession.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, prefix)
	}
	for _, path := range []string{"/settings/security", "/application/security", "/ap"} {
		c.Path, c.Prefix = path, "/app"
		_, err := websession.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, path)
	}
}

// A service that changes paths by itself, for a language say, has the page at the path that it has made. What it does not
// say of its own pages is below the prefix.
func TestPrefixWithARewrittenPath(t *testing.T) {
	h := newHostWith(t, func(of *parts) {
		of.web = func(c *websession.Config) { c.Prefix = "/app" }
	}, func(c *securitypage.Config) { c.Links = securitypage.Links{} })
	h.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/de")
		h.page.ServeHTTP(w, r)
	})
	require.Equal(t, "/app/?next="+url.QueryEscape("/app/de/settings/security/"), h.browser(nil).get("//de/settings/security/").header.Get("Location"))
	a := h.signIn("ada").get("//de/settings/security/pair")
	require.Contains(t, a.body, `action="/app/settings/security/pair"`)
	require.Contains(t, a.body, `<a class="brand" href="/app/"`)
}
