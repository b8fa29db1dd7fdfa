package websession_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/websession"
)

func (h *host) passwordChanged() {
	h.t.Helper()
	require.NoError(h.t, h.svc.Operator("system").PasswordChanged(h.t.Context(), "ada", gatehouse.KeepTokens))
}

func (b *browser) request(method, target string, form ...string) *http.Request {
	r := request(method, target, form...)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// A session that was ended makes itself the one that goes on, and ends the owner's new one.
func TestEndElsewhereRevivesAnEndedSession(t *testing.T) {
	t.Run("within Recheck", func(t *testing.T) {
		h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Recheck = time.Minute })
		thief := h.signIn("ada")
		h.passwordChanged()
		_ = h.web.EndElsewhere(thief.request(http.MethodPost, "/"))
		h.svc.Wait(time.Hour)
		require.False(t, thief.gets("ada"), "the thief's session, ended by the new password, goes on for ever")
	})
	t.Run("between look and change", func(t *testing.T) {
		h := newHost(t, signed{[]byte("k")})
		thief := h.signIn("ada")
		h.app = h.web.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			h.passwordChanged()
			_ = h.web.EndElsewhere(r)
		}))
		thief.do(request(http.MethodPost, "/"))
		h.open()
		require.False(t, thief.gets("ada"), "the thief's session goes on for ever")
	})
	t.Run("deleted between look and change", func(t *testing.T) {
		h := newHost(t, signed{[]byte("k")})
		thief := h.signIn("ada")
		h.app = h.web.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.NoError(h.t, deleted(h.svc.Operator("op").DeleteAccount(h.t.Context(), "ada")))
			_ = h.web.EndElsewhere(r)
		}))
		thief.do(request(http.MethodPost, "/"))
		h.open()
		require.False(t, thief.gets("ada"), "the session of a deleted account goes on, and the account is there again")
	})
}

// A code alone, in an ended session, gives it the new stamp.
func TestStepUpRevivesAnEndedSession(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Recheck = 5 * time.Minute })
	o := h.svc.Enroll(t, "ada")
	thief := h.signInWith(o)
	h.svc.Wait(31 * time.Second)
	thief.get("/x") // read now
	h.passwordChanged()
	v, err := h.svc.StepUp(t.Context(), thief.in(), o.Code())
	require.NoError(t, err)
	w := recorder()
	require.ErrorIs(t, h.web.Keep(w, thief.request(http.MethodPost, "/"), v.Session.Proof), gatehouse.ErrStepUpRequired)
	require.Empty(t, w.Result().Cookies())
	h.svc.Wait(time.Hour)
	require.False(t, thief.gets("ada"), "it was ended by the new password, which the thief never had")
}

// While the second step is outstanding, a path with escapes is let through and routed to another handler.
func TestEscapedPathPassesTheSecondStep(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	thief := h.signIn("ada")
	h.signIn("ada").pair("")              // the owner turns two-factor on elsewhere, which ends the thief's session
	thief = thief.stubborn(sessionCookie) // and the thief leaves the cookie out
	ran := ""
	mux := http.NewServeMux()
	mux.HandleFunc("/{lang}/account/delete", func(w http.ResponseWriter, r *http.Request) { ran = h.own.user(r) })
	mux.HandleFunc("/settings/security/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "?") })
	h.app = h.web.Middleware(mux)
	for _, target := range []string{"/en/account/delete", "/settings%2Fsecurity/account/delete"} {
		ran = ""
		thief.stubborn().do(request(http.MethodPost, target))
		require.Empty(t, ran, target)
	}
}

// Two Sessions, one behind the other: the inner one goes by what the outer one has found out.
func TestTwoSessions(t *testing.T) {
	customers, staff := newHost(t, signed{[]byte("c")}), newHost(t, signed{[]byte("s")}, func(c *websession.Config) { c.Keeper = none{} })
	b := customers.signIn("ada")
	got := gatehouse.Session{}
	admin := staff.web.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		got, err = staff.web.Current(r)
		require.NoError(t, err)
	}))
	customers.app = customers.web.Middleware(admin)
	b.get("/admin")
	require.Empty(t, got.Account, "a customer is taken for the member of staff of the same ID")
}

type slow func()

func (f slow) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

type none struct{}

func (none) Load(*http.Request, string) (string, error)                                   { return "", nil }
func (none) Save(http.ResponseWriter, *http.Request, string, string, time.Duration) error { return nil }

// A first factor that is over leads to the second step, where its codes can be guessed and locked.
func TestFirstFactorThatIsOverBeginsAStep(t *testing.T) {
	for _, replaces := range []bool{false, true} {
		h, _, _ := sso(t, replaces)
		h.svc.Enroll(t, "ada")
		h.svc.Wait(time.Hour)
		h.passwordChanged()
		changed := h.svc.Now()
		h.svc.Wait(time.Minute)
		for _, f := range []gatehouse.FirstFactor{
			{Method: "fed", At: changed.Add(-time.Second)}, {Method: "fed", At: changed.Add(-48 * time.Hour)}, {Method: "fed", At: h.svc.Now().Add(time.Hour)},
			{Method: "no method!", At: h.svc.Now()},
		} {
			r := request(http.MethodGet, "/callback")
			try, err := h.web.Before(r, "ada")
			require.NoError(t, err)
			w := recorder()
			err = try.Begin(w, r, f)
			if err == nil {
				t.Errorf("%v of %v (password changed %v) leads to %s", f.Method, f.At, changed, w.Header().Get("Location"))
			}
		}
	}
}

// Two-factor that is turned on between Challenge and the proof is passed by, where there was no record before.
func TestSecondFactorBetweenChallengeAndVouch(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.browser()
	r := request(http.MethodPost, "/login")
	r.Body = io.NopCloser(slow(func() { h.svc.Enroll(t, "ada") })) // credentials in a header, and a form that comes slowly
	try, err := h.web.Before(r, "ada")                             // no record yet
	require.NoError(t, err)
	w := recorder()
	_ = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
	b.take(w.Result())
	require.False(t, b.gets("ada"), "signed in without the second step")
}

// "An error lets nobody in, and nothing of the answer is written."
func TestBeginFailsAfterTheHostsSession(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Keeper = noRoom{} })
	b := h.browser()
	r := request(http.MethodPost, "/login")
	try, err := h.web.Before(r, "ada")
	require.NoError(t, err)
	w := recorder()
	require.Error(t, try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"}))
	require.Empty(t, w.Result().Header)
	b.take(w.Result())
	require.False(t, b.gets("ada"))
}

type noRoom struct{ none }

func (noRoom) Save(http.ResponseWriter, *http.Request, string, string, time.Duration) error {
	return errors.New("full")
}

// Any other page that is opened between support's code and the pairing takes the proof away, and the code is used up.
func TestRedeemedCodeSurvivesAnotherTab(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.browser()
	w := recorder()
	h.own.begin(w, "ada") // a session of before
	b.take(w.Result())
	got, err := h.svc.Operator("op").Import(t.Context(), "ada", gatehouse.Import{Authenticators: nil, Close: true})
	require.NoError(t, err)
	b.get("/x")
	step := b.request(http.MethodPost, "/settings/security/sign-in")
	w = recorder()
	require.NoError(t, h.web.Redeem(w, step, got.Code.Reveal()))
	b.take(w.Result())
	b.get("/home") // another tab, or a link of another site
	in, err := h.web.Step(b.request(http.MethodGet, "/"))
	require.NoError(t, err)
	require.Empty(t, in.Challenge)
	_, err = h.svc.Owner(in.Session).BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
}

// Keep refuses what would end the session, and says so; a proof of another session does.
func TestKeepOfAProofTiedToNothing(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	b := h.signInWith(o)
	h.svc.Wait(time.Minute)
	v, err := h.svc.StepUp(t.Context(), gatehouse.Session{Account: "ada"}, o.Code()) // tied to none
	require.NoError(t, err)
	w := recorder()
	err = h.web.Keep(w, b.request(http.MethodPost, "/"), v.Session.Proof)
	b.take(w.Result())
	require.True(t, err != nil || b.gets("ada"), "no error, and the session has ended")
}

// With a Prefix, the path that browsers see is let through also where a program is asked for it, and it is another's.
func TestPrefixPassesTheSecondStep(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Prefix = "/app" })
	h.signIn2("ada").pair("")
	thief := h.browser()
	w := recorder()
	h.own.begin(w, "ada")
	thief.take(w.Result())
	ran := ""
	mux := http.NewServeMux()
	mux.HandleFunc("/settings/security/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/{owner}/{repo}/{rest...}", func(w http.ResponseWriter, r *http.Request) { ran = h.own.user(r) })
	h.app = h.web.Middleware(mux)
	thief.do(request(http.MethodPost, "/app/settings/security/delete")) // /app/app/settings/security/delete in the browser
	require.Empty(t, ran)
}

func (h *host) signIn2(account string) *browser {
	b := h.browser()
	b.post("/login", "account", account)
	require.True(h.t, b.gets(account))
	return b
}

// After an operator's reset the operator's code alone answers the second step; a provider's factor passes it by.
func TestExternalFactorPassesAReset(t *testing.T) {
	h, _, signIn := sso(t, true)
	h.svc.Enroll(t, "ada")
	_, err := h.svc.Operator("op").Because("x").Reset(t.Context(), "ada")
	require.NoError(t, err)
	h.svc.Wait(time.Minute)
	b := signIn("ada", gatehouse.FirstFactor{Method: "fed", At: h.svc.Now(), External: []string{"mfa"}})
	require.False(t, b.gets("ada"))
}
