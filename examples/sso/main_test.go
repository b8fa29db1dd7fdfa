package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/examples/sso/provider"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

func TestMain(m *testing.M) { browsertest.Main(m) }

// open starts a service and a provider. They have different hosts, and the same clock.
func open(t testing.TB) *browsertest.Site { return openWith(t, nil) }

func openWith(t testing.TB, claims func(map[string]any)) *browsertest.Site {
	svc := gatehousetest.New(t)
	server, issuer := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	c := config{
		URL: "http://" + server.Listener.Addr().String(), ClientID: "sso", ClientSecret: "secret", Now: svc.Now,
		Issuer: strings.Replace("http://"+issuer.Listener.Addr().String(), "127.0.0.1", "localhost", 1),
	}
	p, err := provider.New(provider.Config{
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.URL + "/callback",
		Now: svc.Now, Claims: claims,
	})
	require.NoError(t, err)
	issuer.Config.Handler = p
	issuer.Start()
	t.Cleanup(issuer.Close)
	server.Config.Handler, err = newApp(t.Context(), svc.Service, c)
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return &browsertest.Site{
		URL: c.URL, Service: svc.Service, Now: svc.Now, Wait: svc.Wait, Elsewhere: []string{c.Issuer},
		Account: "user-ada", Home: "/", Greeting: "You are signed in as ada.", SignIn: signIn,
	}
}

func signIn(b *browsertest.Tab) {
	b.Visit("/sign-in")
	atProvider(b)
}

// atProvider answers the provider, if that asks.
func atProvider(b *browsertest.Tab) {
	if strings.Contains(b.Text(), "Your name") {
		b.Fill("Your name", "ada")
		b.Press("Go on")
	}
}

func TestBrowser(t *testing.T) { browsertest.Run(t, open) }

// An owner without a password pairs an authenticator long after the provider has asked: it asks once more, and leads back.
func TestPairsLater(t *testing.T) {
	s := open(t)
	b := browsertest.Open(t, s.URL, s.Elsewhere...)
	s.SignIn(b)
	require.Equal(t, "/", b.Path())
	b.Press("Sign out")
	s.Wait(time.Hour)
	require.Equal(t, 200, b.Visit("/sign-in?next=/settings/security/"), "the provider does not ask")
	require.Equal(t, "/settings/security/", b.Path())
	require.Equal(t, 403, b.Press("Turn on"))
	b.Has("Sign in again, then come back.")
	require.Equal(t, 200, b.Press("Sign in"))
	b.Has("Your name")
	atProvider(b)
	require.Equal(t, "/settings/security/pair", b.Path())
	require.Equal(t, 200, b.Press("Show the QR code"))
	phone, _ := b.Scan()
	b.Scanned()
	require.Equal(t, 200, b.TurnOn(phone.Code(s.Now())))
	b.Has("Two-factor sign-in is on")
}

// end ends every session of the account, and every sign-in that is under way.
func end(t testing.TB, s *browsertest.Site) {
	t.Helper()
	operator := s.Service.Operator("support").Because("a try")
	require.NoError(t, operator.Suspend(t.Context(), s.Account))
	require.NoError(t, operator.Resume(t.Context(), s.Account))
	s.Wait(time.Second)
}

// A sign-in at the provider from before an end is over, although that knows nothing of it.
func TestEndedAtProvider(t *testing.T) {
	s := open(t)
	b := browsertest.Open(t, s.URL, s.Elsewhere...)
	s.SignIn(b)
	end(t, s)
	b.Visit("/sign-in?next=/settings/security/activity")
	b.Has("Your name")
	atProvider(b)
	require.Equal(t, "/settings/security/activity", b.Path())
	b.Has("Recent activity")
}

// browser is one without a screen. It follows redirects up to those to the callback.
func browser(t testing.TB) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// begin goes to the provider and says who is there, and returns the address of the callback.
func begin(t testing.TB, b *http.Client, s *browsertest.Site) string {
	t.Helper()
	res, err := b.Get(s.URL + "/sign-in")
	require.NoError(t, err)
	if res.StatusCode == http.StatusOK {
		res, err = b.PostForm(res.Request.URL.String(), url.Values{"name": {"ada"}})
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	return res.Header.Get("Location")
}

func get(t testing.TB, b *http.Client, address string) *http.Response {
	t.Helper()
	res, err := b.Get(address)
	require.NoError(t, err)
	return res
}

func signedIn(t testing.TB, b *http.Client, s *browsertest.Site) bool {
	t.Helper()
	body, err := io.ReadAll(get(t, b, s.URL+"/").Body)
	require.NoError(t, err)
	return strings.Contains(string(body), s.Greeting)
}

// A callback is of use in the browser that has begun, and once.
func TestCallback(t *testing.T) {
	s := open(t)
	mine, other := browser(t), browser(t)
	callback := begin(t, mine, s)
	require.Equal(t, http.StatusUnauthorized, get(t, other, callback).StatusCode, "planted in another browser")
	begin(t, other, s)
	require.Equal(t, http.StatusUnauthorized, get(t, other, callback).StatusCode, "which has a flow too")
	require.False(t, signedIn(t, other, s))

	require.Equal(t, http.StatusOK, get(t, mine, callback).StatusCode)
	require.True(t, signedIn(t, mine, s))
	require.Equal(t, http.StatusUnauthorized, get(t, mine, callback).StatusCode, "again")

	mine = browser(t)
	callback = begin(t, mine, s)
	require.Equal(t, http.StatusUnauthorized, get(t, mine, callback+"x").StatusCode, "another state")
	require.Equal(t, http.StatusUnauthorized, get(t, mine, callback).StatusCode, "which has used the flow up")
	begin(t, mine, s)
	require.Equal(t, http.StatusUnauthorized, get(t, mine, s.URL+"/callback?error=access_denied").StatusCode)
	require.False(t, signedIn(t, mine, s))
}

// An ID token that does not say what it has to signs nobody in.
func TestClaims(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"no auth_time":   func(m map[string]any) { delete(m, "auth_time") },
		"another nonce":  func(m map[string]any) { m["nonce"] = "x" },
		"another client": func(m map[string]any) { m["aud"] = "x" },
		"expired":        func(m map[string]any) { m["exp"] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := openWith(t, change)
			b := browser(t)
			res := get(t, b, begin(t, b, s))
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
			require.False(t, signedIn(t, b, s))
		})
	}
}

// A provider that does not ask although it was told to leads nowhere in circles.
func TestProviderDoesNotAsk(t *testing.T) {
	s := openWith(t, func(m map[string]any) { m["auth_time"] = m["auth_time"].(int64) - 60 })
	end(t, s)
	b := browser(t)
	asked := get(t, b, begin(t, b, s)).Request.URL
	require.Equal(t, "login", asked.Query().Get("prompt"))
	require.Equal(t, "0", asked.Query().Get("max_age"))
	answered, err := b.PostForm(asked.String(), url.Values{"name": {"ada"}})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, get(t, b, answered.Header.Get("Location")).StatusCode)
	require.False(t, signedIn(t, b, s))
}
