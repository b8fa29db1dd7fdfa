package websession_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/websession"
)

const browserCookie = "__Host-gatehouse-browser"

// known reports whether an account knows a browser by its cookie.
func (b *browser) known(account string) bool {
	b.h.t.Helper()
	e := engine.Of(b.h.svc.Service)
	a, err := e.Load(context.Background(), account)
	require.NoError(b.h.t, err)
	return a.Knows(engine.BrowserDigests(account, b.cookies[browserCookie]), e.Env())
}

// signsIn signs in once more in a browser, with a second step, and reports whether the owner was told of a new browser.
func (b *browser) signsIn(o *gatehousetest.User) (told bool) {
	b.h.t.Helper()
	before := b.h.newBrowsers(o.AccountID)
	res := b.post("/login", "account", o.AccountID)
	require.Equal(b.h.t, "/settings/security/sign-in", res.Header.Get("Location"))
	require.NotContains(b.h.t, cookiesOf(res), browserCookie, "nothing is completed yet")
	res = b.post("/settings/security/sign-in", "code", o.Code())
	require.Equal(b.h.t, "/home", res.Header.Get("Location"))
	require.Contains(b.h.t, cookiesOf(res), browserCookie, "it is renewed")
	require.True(b.h.t, b.known(o.AccountID))
	return b.h.newBrowsers(o.AccountID) > before
}

// newBrowsers counts the entries of an account's activity that tell of a new browser.
func (h *host) newBrowsers(account string) (n int) {
	a, err := h.svc.Account(context.Background(), account)
	require.NoError(h.t, err)
	for _, e := range a.Activity {
		if e.Kind == event.NewBrowser {
			n++
		}
	}
	return n
}

func cookiesOf(res *http.Response) (names []string) {
	for _, c := range res.Cookies() {
		names = append(names, c.Name)
	}
	return names
}

// Rows of known browsers: one is known by a cookie of its own that only a completed second step sets, that signing out
// leaves, and that is good for the account that it was set for.
func TestBrowserCookie(t *testing.T) {
	for kind, own := range kindsOfHost {
		t.Run(kind, func(t *testing.T) {
			h := newHost(t, own())
			ada, bob := h.svc.Enroll(t, "ada"), h.svc.Enroll(t, "bob")
			b := h.browser()
			require.False(t, b.known("ada"))
			b.post("/login", "account", "ada")
			require.Empty(t, cookiesOf(b.post("/settings/security/sign-in", "code", "000000")), "a wrong code sets none")
			res := b.do(request(http.MethodPost, "/settings/security/sign-in", "code", ada.Code()))
			i := slices.IndexFunc(res.Cookies(), func(c *http.Cookie) bool { return c.Name == browserCookie })
			require.GreaterOrEqual(t, i, 0)
			c := res.Cookies()[i]
			require.True(t, c.Secure && c.HttpOnly)
			require.Equal(t, []any{"/", "", http.SameSiteLaxMode, 90 * 24 * 60 * 60}, []any{c.Path, c.Domain, c.SameSite, c.MaxAge})
			b.take(res)
			require.Len(t, b.cookies[browserCookie], 26)
			require.Equal(t, 1, h.newBrowsers("ada"))
			require.Equal(t, b.cookies[browserCookie], b.in().Browser)

			first := b.cookies[browserCookie]
			b.post("/logout")
			require.False(t, b.gets("ada"))
			require.Equal(t, first, b.cookies[browserCookie], "it outlives the session")
			require.False(t, b.signsIn(ada), "it is known")
			require.Equal(t, first, b.cookies[browserCookie])

			// Of another account it is not known, and after that it is known to both.
			require.False(t, b.known("bob"))
			require.True(t, b.signsIn(bob))
			require.True(t, b.known("ada") && b.known("bob"))
			require.False(t, b.signsIn(ada))
			require.False(t, b.signsIn(bob))

			// A copy is that browser, as nobody could tell them apart, until the account forgets it. The browser itself is known
			// under another secret after that.
			copied := h.browser()
			copied.cookies[browserCookie] = b.cookies[browserCookie]
			require.False(t, copied.stubborn().signsIn(ada))
			require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
			require.True(t, b.known("bob"))
			require.False(t, b.known("ada") || copied.known("ada"))
			require.True(t, b.signsIn(ada))
			require.False(t, copied.known("ada"), "a copy from before stays worthless")
			require.True(t, copied.known("bob"))

			h.svc.Wait(90 * 24 * time.Hour)
			require.False(t, b.known("ada"))
			require.True(t, b.signsIn(ada))
			require.Len(t, strings.Split(b.cookies[browserCookie], "."), 4)
		})
	}
}

// What a browser has sent that this package has not made counts for nothing, and is never sent back.
func TestHostileBrowserCookie(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	good := strings.Repeat("A2", 13)
	texts := []string{
		"", ".", good[1:], good + "A", strings.ToLower(good), good + ".", "." + good, good + "." + good[1:], strings.Repeat(good+".", 5) + good,
		strings.Repeat("A", 1<<16), "\"" + good + "\"", good + " ", "1" + good[1:], "é" + good[2:], "../../" + good[6:], "<script>" + good[8:],
	}
	rnd := rand.New(rand.NewPCG(1, 7))
	for range 300 {
		text := []byte(strings.Repeat(good+".", 1+rnd.IntN(6)))
		for range 1 + rnd.IntN(3) {
			text[rnd.IntN(len(text))] = byte(rnd.IntN(256))
		}
		if !engine.IsBrowser(string(text)) {
			texts = append(texts, string(text))
		}
	}
	for _, text := range texts {
		require.False(t, engine.IsBrowser(text), "%q", text)
		r := request(http.MethodGet, "/")
		r.Header.Set("Cookie", browserCookie+"="+text)
		step, err := h.web.Step(r)
		require.NoError(t, err)
		require.True(t, step.Session.Browser == "" || engine.IsBrowser(step.Session.Browser), "%q", text) // of quotes, say, there is nothing left
	}
	for _, text := range []string{strings.Repeat("A", 1<<12), good + "." + good[1:], strings.Repeat(good+".", 5) + good} {
		b := h.browser()
		b.cookies[browserCookie] = text
		require.True(t, b.signsIn(o), "%q", text)
		require.Len(t, b.cookies[browserCookie], 26, "nothing of it is kept")
	}
	r := request(http.MethodPost, "/")
	r.Header.Set("Cookie", browserCookie+"="+good+"; "+browserCookie+"="+good)
	step, err := h.web.Step(r)
	require.NoError(t, err)
	require.Empty(t, step.Session.Browser, "of two none is believed")

	// As many as a browser keeps: the newest account takes the place of the oldest.
	b := h.browser()
	for i := range 6 {
		require.True(t, b.signsIn(h.svc.Enroll(t, fmt.Sprint("user ", i))))
	}
	require.True(t, engine.IsBrowser(b.cookies[browserCookie]))
	require.False(t, b.known("user 0"))
	require.True(t, b.known("user 1") && b.known("user 5"))
}

// Whoever turns two-factor on has that browser known by the answer that keeps the proof, and is told of none at the next
// sign-in. A step-up makes none known.
func TestFirstPairingMakesBrowserKnown(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.signIn("ada")
	var enr gatehouse.Enrollment
	handle := func(method string, do func(w http.ResponseWriter, r *http.Request, in gatehouse.Session)) *http.Response {
		app := h.app
		defer func() { h.app = app }()
		h.app = h.web.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in, err := h.web.Current(r)
			require.NoError(t, err)
			do(w, r, in)
		}))
		return b.take(b.do(request(method, "/")))
	}
	handle(http.MethodPost, func(_ http.ResponseWriter, r *http.Request, in gatehouse.Session) {
		var err error
		enr, err = h.svc.Owner(in).BeginEnrollment(r.Context(), gatehouse.EnrollmentRequest{Label: "x"})
		require.NoError(t, err)
	})
	app, err := gatehousetest.Scan(enr.URI())
	require.NoError(t, err)
	handle(http.MethodPost, func(w http.ResponseWriter, r *http.Request, in gatehouse.Session) {
		proof, err := h.svc.Owner(in).ConfirmEnrollment(r.Context(), enr.ID, app.Code(h.svc.Now()))
		require.NoError(t, err)
		require.NoError(t, h.web.Keep(w, r, proof))
	})
	require.True(t, b.known("ada"))
	h.svc.Wait(time.Minute)
	b.post("/logout")
	b.post("/login", "account", "ada")
	b.post("/settings/security/sign-in", "code", app.Code(h.svc.Now()))
	require.True(t, b.gets("ada"))
	require.Zero(t, h.newBrowsers("ada"))

	stepUp := func() *http.Response {
		h.svc.Wait(time.Minute)
		return handle(http.MethodPost, func(w http.ResponseWriter, r *http.Request, in gatehouse.Session) {
			v, err := h.svc.StepUp(r.Context(), in, app.Code(h.svc.Now()))
			require.NoError(t, err)
			require.NoError(t, h.web.Keep(w, r, v.Session.Proof))
		})
	}
	h.svc.Wait(89 * 24 * time.Hour)
	require.Contains(t, cookiesOf(stepUp()), browserCookie, "another ninety days")
	h.svc.Wait(89 * 24 * time.Hour)
	require.True(t, b.known("ada"))
	delete(b.cookies, browserCookie)
	require.NotContains(t, cookiesOf(stepUp()), browserCookie)
	handle(http.MethodGet, func(_ http.ResponseWriter, _ *http.Request, in gatehouse.Session) {
		require.Empty(t, in.Browser+in.NewBrowser, "a link makes nothing known")
	})
}

// The owner sees which browsers are known, and has them forgotten.
func TestBrowsers(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	home := h.signInWith(o)
	since := h.svc.Now()
	h.svc.Wait(time.Hour)
	work := h.signInWith(o)
	phone := h.signInWith(o)
	require.False(t, home.signsIn(o))
	// by makes a request in a browser whose session is signed in, or not.
	by := func(b *browser) *http.Request {
		r := request(http.MethodPost, "/")
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		return r
	}
	list, err := h.web.Browsers(by(work))
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, []bool{false, false, true}, []bool{list[0].Current, list[1].Current, list[2].Current})
	require.WithinDuration(t, since, list[0].Since, time.Minute)
	require.False(t, list[0].LastUsed.Before(list[1].LastUsed))
	require.NotContains(t, home.cookies[browserCookie], list[0].ID)

	require.ErrorIs(t, h.web.ForgetBrowser(by(work), ""), gatehouse.ErrInvalid, "an empty field is not all of them")
	require.NoError(t, h.web.ForgetBrowser(by(work), "00"))
	require.NoError(t, h.web.ForgetBrowser(by(work), list[0].ID))
	require.Equal(t, []bool{false, true, true}, []bool{home.known("ada"), work.known("ada"), phone.known("ada")})
	require.True(t, home.gets("ada"), "its session goes on")
	require.NoError(t, h.web.ForgetBrowsers(by(work)))
	require.False(t, work.known("ada") || phone.known("ada"))

	require.True(t, work.signsIn(o))
	require.True(t, phone.signsIn(o))
	require.NoError(t, h.web.EndElsewhere(by(work)))
	require.Equal(t, []bool{true, false}, []bool{work.known("ada"), phone.known("ada")})
	for what, r := range map[string]*http.Request{"nobody": request(http.MethodPost, "/"), "one whose session was ended": by(phone)} {
		require.ErrorIs(t, h.web.ForgetBrowsers(r), gatehouse.ErrStepUpRequired, what)
		_, err := h.web.Browsers(r)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, what)
	}
	require.True(t, work.known("ada"))
}

// Somebody who has the password and guesses locks themselves out, and not the browser that the owner has signed in with.
// What the owner is shown there is what holds there.
func TestGuesserAndTheOwnersBrowser(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	home, thief := h.signInWith(o), h.browser()
	guesses := 0
	for range 100 {
		h.svc.Wait(2 * time.Hour)
		thief.post("/login", "account", "ada")
		step, err := h.web.Step(asked(thief))
		require.NoError(t, err)
		if ch, err := h.svc.CheckChallenge(t.Context(), step.Session, step.Challenge); err == nil && !ch.TOTP.Available {
			continue
		}
		thief.post("/settings/security/sign-in", "code", "000000")
		guesses++
	}
	require.Equal(t, 40, guesses)
	a, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, gatehouse.MethodState{}, a.TOTP, "of browsers that are not known")
	require.True(t, h.web.InBrowser(a, home.in()).TOTP.Available)
	require.False(t, h.web.InBrowser(a, gatehouse.Session{Account: "ada"}).TOTP.Available)

	home.post("/login", "account", "ada")
	step, err := h.web.Step(asked(home))
	require.NoError(t, err)
	ch, err := h.svc.CheckChallenge(t.Context(), step.Session, step.Challenge)
	require.NoError(t, err)
	require.True(t, ch.TOTP.Available)
	require.False(t, home.signsIn(o))
}

// asked is a request of a browser.
func asked(b *browser) *http.Request {
	r := request(http.MethodGet, "/settings/security/sign-in")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// A host may have a known browser replace the second step at a sign-in. Such a session has proven the password and no
// more, ends as every other does, and does not prolong the ninety days.
func TestKnownBrowserReplacesStep(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	bob := h.svc.Enroll(t, "bob")
	home := h.signInWith(o)
	stands := func(b *browser, account string) string {
		res := b.post("/login", "account", account)
		require.NotContains(t, cookiesOf(res), browserCookie)
		return res.Header.Get("Location")
	}
	home.post("/logout")
	require.Contains(t, home.cookies, browserCookie)
	require.Equal(t, "/settings/security/sign-in", stands(home.stubborn(), "ada"), "it is off by default")

	h.open(func(c *websession.Config) { c.KnownBrowserReplacesStep = true })
	require.Equal(t, "/settings/security/sign-in", stands(h.browser(), "ada"))
	require.Equal(t, "/settings/security/sign-in", stands(home.stubborn(), "bob"), "it is known to another account")
	require.Equal(t, "/home", stands(home, "ada"))
	require.True(t, home.gets("ada"))
	in := home.in()
	_, err := h.svc.CheckProof(t.Context(), in, 0)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	a, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	may, err := h.svc.Permissions(t.Context(), a, in)
	require.NoError(t, err)
	require.Equal(t, gatehouse.Permissions{}, may)
	require.Equal(t, event.FirstFactorSignIn, a.Activity[0].Kind)
	_, err = h.svc.Owner(in).DisableTwoFactor(t.Context())
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)

	h.svc.Wait(89 * 24 * time.Hour)
	require.Equal(t, "/home", stands(home, "ada"))
	h.svc.Wait(2 * 24 * time.Hour)
	require.Equal(t, "/settings/security/sign-in", stands(home.stubborn(), "ada"), "ninety days after the last second step")

	require.True(t, home.signsIn(o))
	copied := home.stubborn(sessionCookie, hostCookie)
	require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
	require.False(t, home.gets("ada"))
	home.get("/x") // where it is signed out
	require.True(t, home.signsIn(o))
	require.Equal(t, "/settings/security/sign-in", stands(copied, "ada"))
	_, err = h.svc.Operator("op").Because("x").Reset(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, "/settings/security/sign-in", stands(home.stubborn(sessionCookie, hostCookie), "ada"), "only support's code leads on")
	require.Equal(t, "/settings/security/sign-in", stands(h.signInWith(bob).stubborn(sessionCookie, hostCookie), "ada"))
}

// Where the sign-in is not saved no cookie is set, and the browser is as unknown as before.
func TestBrowserIsKnownOnceSaved(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	b := h.browser()
	b.post("/login", "account", "ada")
	h.svc.Store.Inject(func(method string) gatehousetest.Fault {
		if method == "SaveAccount" {
			return gatehousetest.Fail
		}
		return gatehousetest.None
	})
	require.Empty(t, cookiesOf(b.post("/settings/security/sign-in", "code", o.Code())))
	h.svc.Store.Inject(nil)
	require.NotContains(t, b.cookies, browserCookie)
	require.True(t, b.signsIn(o))
}

// A borrowed computer: where a known browser replaces the second step, whoever signs out is forgotten there, and nobody
// else.
func TestSigningOutForgetsTheBrowser(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	h.open(func(c *websession.Config) { c.KnownBrowserReplacesStep = true })
	o, bob := h.svc.Enroll(t, "ada"), h.svc.Enroll(t, "bob")
	knows := func(account string) int {
		a, err := engine.Of(h.svc.Service).Load(t.Context(), account)
		require.NoError(t, err)
		return len(a.KnownBrowsers(engine.Of(h.svc.Service).Env()))
	}
	leads := func(b *browser, account string) string {
		return b.post("/login", "account", account).Header.Get("Location")
	}
	hotel, home := h.signInWith(bob), h.signInWith(o)
	require.True(t, hotel.signsIn(o))
	require.Equal(t, []int{2, 1}, []int{knows("ada"), knows("bob")})
	both := hotel.cookies[browserCookie]
	copied := hotel.stubborn(sessionCookie, hostCookie)

	hotel.post("/logout")
	require.Equal(t, []int{1, 1}, []int{knows("ada"), knows("bob")})
	require.NotEmpty(t, hotel.cookies[browserCookie])
	require.Contains(t, both, hotel.cookies[browserCookie], "bob's secret stays")
	require.Len(t, hotel.cookies[browserCookie], 26)
	for _, b := range []*browser{hotel.stubborn(), copied} {
		require.Equal(t, "/settings/security/sign-in", leads(b, "ada"))
	}
	require.Equal(t, "/home", leads(home, "ada"))
	require.Equal(t, "/home", leads(hotel, "bob"))

	for _, c := range []struct {
		method string
		kept   int
	}{{"SaveAccount", 26}, {"LoadAccount", 0}} { // in this order: the second takes bob's secret too
		method, kept := c.method, c.kept
		require.True(t, hotel.signsIn(o))
		looked := false // by the Middleware, before the handler is called
		h.svc.Store.Inject(func(m string) gatehousetest.Fault {
			if m == method && (looked || m != "LoadAccount") {
				return gatehousetest.Fail
			}
			looked = true
			return gatehousetest.None
		})
		res := hotel.post("/logout")
		h.svc.Store.Inject(nil)
		require.Less(t, res.StatusCode, 400, "somebody who signs out is signed out")
		require.False(t, hotel.gets("ada"))
		require.Len(t, hotel.cookies[browserCookie], kept, method)
		require.Contains(t, h.logs.String(), "could not forget the browser")
		require.Equal(t, "/settings/security/sign-in", leads(hotel, "ada"))
	}
}

// Signing out after the host's session has expired: nobody knows whose browser it was.
func TestSigningOutLate(t *testing.T) {
	for replaces, kept := range map[bool]int{true: 0, false: 53} {
		h := newHost(t, signed{[]byte("k")})
		h.open(func(c *websession.Config) { c.KnownBrowserReplacesStep = replaces })
		hotel := h.signInWith(h.svc.Enroll(t, "bob"))
		require.True(t, hotel.signsIn(h.svc.Enroll(t, "ada")))
		require.Len(t, hotel.cookies[browserCookie], 53, "secrets of both")
		delete(hotel.cookies, hostCookie)
		require.Less(t, hotel.post("/logout").StatusCode, 400)
		require.Len(t, hotel.cookies[browserCookie], kept)
		for _, account := range []string{"ada", "bob"} {
			require.Equal(t, "/settings/security/sign-in", hotel.post("/login", "account", account).Header.Get("Location"))
		}
	}
}
