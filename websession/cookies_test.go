package websession_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/websession"
)

func recorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// The cookies have every attribute that keeps others from them, and room for any account.
func TestCookies(t *testing.T) {
	for _, account := range []string{"ada@acme.test", strings.Repeat("x", 255), strings.Repeat("\x01", 255), strings.Repeat("<", 255), strings.Repeat("é", 127)} {
		h := newHost(t, signed{[]byte("k")})
		o := h.svc.Enroll(t, account)
		b := h.browser()
		login := b.post("/login", "account", account, "next", "/"+strings.Repeat("<", 1023))
		done := b.post("/settings/security/sign-in", "code", o.Code())
		require.Equal(t, "/"+strings.Repeat("<", 1023), done.Header.Get("Location"))
		for name, res := range map[string]*http.Response{"__Host-gatehouse-signin": login, "__Host-gatehouse": done} {
			found := false
			for _, c := range res.Cookies() {
				if c.Name != name {
					continue
				}
				found = true
				require.Less(t, len(c.String()), 4096, name)
				require.True(t, c.Secure && c.HttpOnly)
				require.Equal(t, "/", c.Path)
				require.Empty(t, c.Domain)
				require.Equal(t, http.SameSiteLaxMode, c.SameSite)
				require.NotContains(t, c.Value, account)
			}
			require.True(t, found, name)
		}
		require.NotContains(t, b.cookies, "__Host-gatehouse-signin", "it is done")
		require.True(t, b.gets(account))
	}
}

// Without HTTPS the cookies have other names, and only this machine is answered.
func TestPlainHTTP(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.PlainHTTP = true })
	send := func(host string) *httptest.ResponseRecorder {
		r := request(http.MethodPost, "/login", "account", "ada")
		r.Host = host
		w := recorder()
		h.app.ServeHTTP(w, r)
		return w
	}
	for _, host := range []string{"localhost:8080", "127.0.0.1:8080", "[::1]:80", "app.localhost", "127.0.0.1"} {
		w := send(host)
		require.Equal(t, http.StatusSeeOther, w.Code, host)
		names := map[string]bool{}
		for _, c := range w.Result().Cookies() {
			names[c.Name] = true
			require.False(t, c.Name == "gatehouse" && c.Secure)
		}
		require.True(t, names["gatehouse"])
		require.False(t, names[sessionCookie])
	}
	for _, host := range []string{"acme.test", "192.0.2.1:80", "localhost.acme.test", "", "127.0.0.1.acme.test"} {
		require.Equal(t, http.StatusServiceUnavailable, send(host).Code, host)
	}
}

// Key rotation ends no session, and a session under an older key is sealed again when it is seen.
func TestKeysRotate(t *testing.T) {
	store := memory.New()
	old, err := keyring.Parse(keyring.Generate().Reveal())
	require.NoError(t, err)
	own := signed{[]byte("k")}
	with := func(keys *keyring.Ring) *host {
		h := &host{t: t, own: own, logs: &strings.Builder{}, svc: gatehousetest.New(t)}
		h.svc.Service, err = gatehouse.New(store, gatehouse.Config{Issuer: "Acme", Keys: keys})
		require.NoError(t, err)
		h.open()
		return h
	}
	b := with(old).signIn("ada")
	first := b.cookies[sessionCookie]
	fresh := keyring.Generate()
	both, err := keyring.Parse(fresh.Reveal() + "\n" + old.Reveal())
	require.NoError(t, err)

	b.h = with(both)
	require.True(t, b.gets("ada"))
	was := b.in()
	b.get("/x")
	require.NotEqual(t, first, b.cookies[sessionCookie])
	require.Equal(t, was.Secret, b.in().Secret, "the session is the same")
	second := b.cookies[sessionCookie]
	b.get("/x")
	require.Equal(t, second, b.cookies[sessionCookie], "once")
	_, err = b.h.svc.CheckProof(t.Context(), b.in(), time.Hour)
	require.NoError(t, err)

	b.h = with(fresh)
	require.True(t, b.gets("ada"), "the old key can go")
	require.False(t, with(fresh).browser().gets("ada"))
	require.NoError(t, b.h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
	b.cookies[sessionCookie] = first
	require.False(t, b.gets("ada"), "a cookie under a key that is gone is none")
}

// A session of before the host used Gatehouse counts, and from then on it can be ended; one of an account that has got a
// second factor elsewhere is asked for it once, and led to where it was going.
func TestSessionsOfBefore(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	before := func(account string) *browser {
		b := h.browser()
		w := recorder()
		h.own.begin(w, account)
		b.take(w.Result())
		return b
	}
	b := before("ada")
	res := b.get("/x")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.True(t, b.gets("ada"))
	require.Contains(t, b.cookies, sessionCookie)
	require.NotEmpty(t, b.in().Secret)
	_, err := h.svc.CheckProof(t.Context(), b.in(), 0)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "it has proven nothing")
	_, err = h.svc.Owner(b.in()).BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "x"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	picture := func() *http.Request {
		r := request(http.MethodGet, "/x.png")
		r.Header.Set("Sec-Fetch-Mode", "no-cors")
		return r
	}
	require.Empty(t, before("lola").do(picture()).Cookies(), "an answer that others may store")

	o := h.svc.Enroll(t, "ada")
	b = before("ada")
	require.False(t, b.gets("ada"))
	res = b.get("/x?of=1")
	require.Equal(t, "/settings/security/sign-in", res.Header.Get("Location"))
	require.False(t, b.gets("ada"))
	require.Equal(t, http.StatusUnauthorized, b.do(picture()).StatusCode, "a picture leads nowhere")
	res = b.post("/settings/security/sign-in", "code", o.Code())
	require.Equal(t, "/x?of=1", res.Header.Get("Location"))
	require.True(t, b.gets("ada"))
}

// Where a sign-in leads is a path of this service.
func TestNext(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	for next, to := range map[string]string{
		"/a?b=c": "/a?b=c", "//evil.test": "/home", "https://evil.test": "/home", `/\evil.test`: "/home", "/\tx": "/home", "x": "/home", "": "/home",
		"/" + strings.Repeat("x", 1024): "/home",
	} {
		require.Equal(t, to, h.browser().post("/login", "account", "ada", "next", next).Header.Get("Location"), next)
	}
}

// Other origins sign nobody in and nobody out, sibling domains included, for which SameSite=Lax does nothing.
func TestCrossOrigin(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	b := h.signInWith(o)
	half := h.browser()
	half.post("/login", "account", "ada")
	for _, from := range []map[string]string{
		{"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "", "Origin": "https://evil.acme.test"}, {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		for target, by := range map[string]*browser{"/login": h.browser(), "/logout": b, "/settings/security/sign-in": half} {
			r := request(http.MethodPost, target, "account", "eve", "code", o.Code())
			for name, value := range from {
				r.Header.Set(name, value)
			}
			res := by.do(r)
			require.Equal(t, http.StatusUnauthorized, res.StatusCode, "%s from %v", target, from)
			require.Empty(t, res.Cookies())
		}
	}
	require.Equal(t, http.StatusSeeOther, b.post("/logout").StatusCode)
	require.False(t, b.gets("ada"))
}

// A cookie that is not as it was made is none, and where there are two of a name none is believed: a session that is
// known to have ended, or to lack its second step, is not made to count by them.
func TestTamperedCookies(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	b, mallory := h.signInWith(o), h.signIn("mallory")
	half := h.browser()
	half.post("/login", "account", "ada")
	good := b.cookies[sessionCookie]
	flipped := []byte(good)
	flipped[len(good)/2] ^= 1
	for what, value := range map[string]string{
		"cut": good[:len(good)-1], "cut in the middle": good[:len(good)/2], "longer": good + "A", "a bit": string(flipped),
		"padded": good + "=", "a sign-in": half.cookies["__Host-gatehouse-signin"], "a proof": b.in().Proof.Reveal(), "empty": "",
		"another account's": mallory.cookies[sessionCookie], "huge": strings.Repeat("A", 1<<20),
	} {
		c := b.stubborn()
		c.cookies[sessionCookie] = value
		require.False(t, c.gets("ada"), what)
		require.False(t, c.gets("mallory"), what)
	}
	for _, second := range []string{good, mallory.cookies[sessionCookie], "x"} {
		r := request(http.MethodGet, "/x")
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: second})
		h.ran = nil
		b.do(r)
		require.Empty(t, h.ran)
	}
	require.True(t, b.gets("ada"))

	// The cookie of a sign-in is no session, and one of a session is no sign-in.
	c := b.stubborn(sessionCookie)
	c.cookies["__Host-gatehouse-signin"] = good
	require.False(t, c.gets("ada"))
	require.Equal(t, http.StatusUnauthorized, c.post("/settings/security/sign-in", "code", o.Code()).StatusCode)

	// A sign-in goes on in whatever browser its cookie is, for twenty minutes, and only to its own account.
	other := mallory.stubborn()
	other.cookies["__Host-gatehouse-signin"] = half.cookies["__Host-gatehouse-signin"]
	require.True(t, other.gets("mallory"))
	h.svc.Wait(-30 * time.Second)
	require.Equal(t, http.StatusSeeOther, other.post("/settings/security/sign-in", "code", o.Code()).StatusCode)
	require.True(t, other.gets("ada"))
	h.svc.Wait(21 * time.Minute)
	require.Equal(t, http.StatusUnauthorized, half.post("/settings/security/sign-in", "code", o.Code()).StatusCode)
}

// Signing in again carries nothing over, and the sessions' secrets are all different.
func TestNewSecrets(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.signIn("ada")
	seen := map[string]bool{b.in().Secret: true}
	was := b.in()
	for range 3 {
		b.post("/login", "account", "ada")
		in := b.in()
		require.False(t, seen[in.Secret])
		seen[in.Secret] = true
		was.Secret = in.Secret
		_, err := h.svc.CheckProof(t.Context(), was, 0)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "an older session's proof works in the new one")
	}
	b.post("/login", "account", "eve")
	require.True(t, b.gets("eve"))
	require.False(t, b.gets("ada"))
}

// A fault is 503: it signs nobody in and nobody out.
func TestFaults(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.signIn("ada")
	h.svc.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	for _, c := range []*browser{b, b.stubborn(sessionCookie)} {
		require.False(t, c.gets("ada"))
		res := c.get("/x")
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Empty(t, res.Cookies())
		require.NotEmpty(t, res.Header.Get("Retry-After"))
	}
	require.Contains(t, h.logs.String(), "injected fault")
	require.NotContains(t, h.logs.String(), b.cookies[sessionCookie])
	h.svc.Store.Inject(nil)
	require.True(t, b.gets("ada"))
}

// Within Recheck a session may count without a look; what it is told by then is never that it has ended.
func TestRecheck(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Recheck = time.Minute })
	reads := 0
	h.svc.Store.Inject(func(method string) gatehousetest.Fault {
		if method == "LoadAccount" {
			reads++
		}
		return gatehousetest.None
	})
	b, other := h.signIn("ada"), h.signIn("ada")
	reads = 0
	require.True(t, b.gets("ada") && other.gets("ada"))
	require.Zero(t, reads)
	h.svc.Wait(time.Minute)
	b.get("/x")
	b.get("/x")
	require.Equal(t, 1, reads)
	app, _ := b.pair("")
	require.True(t, b.gets("ada"), "its own change is not held against it")
	_ = app
	h.svc.Wait(time.Minute)
	require.False(t, other.gets("ada"))
	require.NoError(t, h.svc.Operator("op").Because("x").Suspend(t.Context(), "ada"))
	h.svc.Wait(time.Minute)
	require.False(t, b.gets("ada"))
	require.NoError(t, h.svc.Operator("op").Because("x").Resume(t.Context(), "ada"))
}

// Recheck goes by the clock, which may be put back.
func TestRecheckWithAClockThatIsPutBack(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Recheck = time.Minute })
	b := h.signIn("ada")
	require.True(t, b.gets("ada"))
	require.NoError(t, h.svc.Operator("op").Because("x").Suspend(t.Context(), "ada"))
	h.svc.Wait(-time.Hour)
	require.False(t, b.gets("ada"), "it would count until the clock is there again")
}

// Outside of Middleware a handler finds the same out by itself, and a session that does not count is nobody's.
func TestCurrentOutside(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b, eve := h.signIn("ada"), h.signIn("eve")
	require.Equal(t, "ada", b.in().Account)
	require.Equal(t, "ada", b.stubborn(sessionCookie).in().Account, "nothing was ever ended")
	h.svc.Enroll(t, "ada")
	require.Empty(t, b.in().Account)
	require.Empty(t, b.stubborn(sessionCookie).in().Account, "the second step is outstanding")
	require.NoError(t, h.svc.Operator("op").Because("x").Suspend(t.Context(), "eve"))
	require.Empty(t, eve.in().Account)
}

// A proof that is not the session's is not kept, as it would end the session; and a cookie of another account is none,
// and no fault.
func TestStrayProof(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b, other, eve := h.signIn("ada"), h.signIn("ada"), h.signIn("eve")
	for what, p := range map[string]gatehouse.Proof{
		"of another account": eve.in().Proof, "none": {}, "garbage": gatehouse.ParseProof("x"), "of another session": other.in().Proof,
	} {
		r := request(http.MethodPost, "/")
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := recorder()
		require.ErrorIs(t, h.web.Keep(w, r, p), gatehouse.ErrStepUpRequired, what)
		require.Empty(t, w.Result().Cookies())
	}
	require.True(t, b.gets("ada"))
	require.ErrorIs(t, h.web.Keep(recorder(), request(http.MethodPost, "/"), b.in().Proof), gatehouse.ErrStepUpRequired)
	require.ErrorIs(t, h.web.EndElsewhere(request(http.MethodPost, "/")), gatehouse.ErrStepUpRequired)

	b.cookies[sessionCookie] = eve.cookies[sessionCookie]
	require.Equal(t, http.StatusOK, b.get("/x").StatusCode, "left out, and nothing was ever ended")
}

// A request of somebody reads the account once, and one of nobody reads nothing.
func TestOneRead(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.signIn("ada")
	calls := 0
	h.svc.Store.Inject(func(string) gatehousetest.Fault {
		calls++
		return gatehousetest.None
	})
	b.get("/x")
	require.Equal(t, 1, calls)
	h.browser().get("/x")
	require.Equal(t, 1, calls)
}

// Each Config that cannot work is refused.
func TestConfig(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	good := websession.Config{
		Service: h.svc.Service, User: h.own.user,
		SignIn:  func(http.ResponseWriter, *http.Request, string) error { return nil },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	}
	_, err := websession.New(good)
	require.NoError(t, err)
	for name, spoil := range map[string]func(*websession.Config){
		"no service":  func(c *websession.Config) { c.Service = nil },
		"no user":     func(c *websession.Config) { c.User = nil },
		"no sign-in":  func(c *websession.Config) { c.SignIn = nil },
		"no sign-out": func(c *websession.Config) { c.SignOut = nil },
		"path":        func(c *websession.Config) { c.Path = "x/" },
		"prefix":      func(c *websession.Config) { c.Prefix = "/a/" },
		"home":        func(c *websession.Config) { c.Home = "https://evil.test" },
		"recheck":     func(c *websession.Config) { c.Recheck = -1 },
	} {
		c := good
		spoil(&c)
		_, err := websession.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
}
