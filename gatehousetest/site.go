package gatehousetest

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-go/gatehouse"
)

// Site is a program that runs and has mounted the Security page, with the service, the clock and the store behind it.
type Site struct {
	*Service
	URL      string // where it is, without a path
	Security string // the path of the Security page, as in websession.Config.Path: NewSite sets "/settings/security"

	server *httptest.Server
}

// NewSite runs the program that newApp makes on a service of New, with HTTPS, until the test is over.
func NewSite(t testing.TB, newApp func(*gatehouse.Service) http.Handler, edit ...func(*gatehouse.Config)) *Site {
	t.Helper()
	s := &Site{Service: New(t, edit...), Security: "/settings/security"}
	s.server = httptest.NewTLSServer(newApp(s.Service.Service))
	t.Cleanup(s.server.Close)
	s.URL = s.server.URL
	return s
}

// Browser returns a browser that nobody has used. It fails t where it cannot do as it is told.
func (s *Site) Browser(t testing.TB) *Browser {
	t.Helper()
	kept, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &Browser{site: s, t: t, jar: &jar{Jar: kept}}
	b.Client = &http.Client{Transport: s.server.Client().Transport, Jar: b.jar, CheckRedirect: redirected}
	return b
}

// jar keeps cookies as browsers do, and knows all that it was told, for copies of it.
type jar struct {
	*cookiejar.Jar

	mu   sync.Mutex
	told []answered
}

type answered struct {
	from    *url.URL
	cookies []*http.Cookie
}

// SetCookies implements http.CookieJar.
func (j *jar) SetCookies(from *url.URL, cookies []*http.Cookie) {
	cookies = slices.DeleteFunc(slices.Clone(cookies), refused)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told = append(j.told, answered{from, cookies})
	j.Jar.SetCookies(from, cookies)
}

// refused reports whether browsers take no such cookie, by its name (RFC 6265bis §5.7).
func refused(c *http.Cookie) bool {
	name := strings.ToLower(c.Name)
	return strings.HasPrefix(name, "__secure-") && !c.Secure ||
		strings.HasPrefix(name, "__host-") && (!c.Secure || c.Domain != "" || c.Path != "/")
}

// copyTo has another jar keep the same but cookies of some names.
func (j *jar) copyTo(other *jar, without []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range j.told {
		other.SetCookies(a.from, slices.DeleteFunc(slices.Clone(a.cookies), func(c *http.Cookie) bool {
			return slices.Contains(without, c.Name)
		}))
	}
}
