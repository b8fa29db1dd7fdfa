package securitypage_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
	"github.com/gatehouse-go/gatehouse/websession"
)

// visit is an owner who comes to a page.
type visit struct {
	h       *host
	b       *browser
	o       *gatehousetest.User
	other   *browser // of the same owner
	token   string   // the ID of one
	phone   string   // the ID of another authenticator
	last    answer
	pairing *gatehousetest.Authenticator // the app of a pairing that is pending
}

// asks is what a path without a proof asks for.
type asks string

const (
	nothing      asks = ""
	anApp        asks = "a code of the app"
	aCodeOrOther asks = "a code of the app or a recovery code"
)

// stop is a path of the page and what is done there.
type stop struct {
	path   string // as the routes have it
	post   bool
	status int
	ask    asks
	begin  func(v *visit)          // what is done before
	page   func(v *visit) string   // what a GET asks for, and where the form of a POST is; nil: path, or the last answer
	fields func(v *visit) []string // of the form
	stale  func(v *visit)          // changes what the form is made for; nil: it is made for nothing that changes

	passkeys bool // the host has some
}

func (v *visit) api() gatehouse.Owner {
	return v.h.svc.Owner(v.o.Session()) // not the session's
}

// fresh lets the API's proof be of now.
func (v *visit) fresh(t *testing.T) {
	t.Helper()
	v.o.Proof = v.o.StepUp(t).Proof
}

func stops(t *testing.T) []stop {
	ctx := context.Background()
	ok := func(err error) { t.Helper(); require.NoError(t, err) }
	at := func(path string) func(*visit) string { return func(*visit) string { return path } }
	of := func(end string) func(*visit) string {
		return func(v *visit) string { return "/tokens/" + v.token + end }
	}
	with := func(pairs ...string) func(*visit) []string { return func(*visit) []string { return pairs } }
	rename := func(v *visit) {
		v.fresh(t)
		ok(v.api().RenameAuthenticator(ctx, v.phone, "Elsewhere"))
	}
	mint := func(v *visit) {
		v.fresh(t)
		_, err := v.h.tok.Mint(ctx, v.o.Session(), tokens.Request{Name: "new", Scopes: tokens.Scopes{"projects:read"}})
		ok(err)
	}
	rotate := func(v *visit) {
		v.fresh(t)
		_, err := v.h.tok.Rotate(ctx, v.o.Session(), v.token, tokens.Rotation{})
		ok(err)
	}
	pairing := func(v *visit) {
		v.pairing = secretOf(t, v.b.pair("/pair", "name", "Tablet"))
		_, v.last = v.b.savesCodes()
	}
	brings := func(v *visit) { // recovery codes, as the account has none
		proof, err := v.h.svc.Owner(v.b.in()).DisableTwoFactor(ctx)
		ok(err)
		v.b.prove(proof)
		v.b.pair("/pair", "name", "Tablet")
	}
	again := func(v *visit) {
		_, err := v.h.svc.Owner(v.b.in()).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
		ok(err)
	}
	code := func(v *visit) string {
		v.h.svc.Wait(totp.Period)
		return v.o.Authenticator.Code(v.h.svc.Now())
	}
	signingIn := func(v *visit) { v.b = v.h.signIn("ada") }
	another := func(v *visit) {
		v.other = v.h.signIn("ada")
		require.Equal(t, http.StatusSeeOther, v.other.submit("/sign-in", "/sign-in", "code", code(v)).status)
	}
	passkeyPending := func(v *visit) {
		v.last = v.b.follow(v.b.submit("/passkey", "/passkey", "name", "Laptop"))
	}
	passkey := func(v *visit) { v.b.addsPasskey(signed{Credential: "laptop"}, "name", "Laptop") }
	signingInByPasskey := func(v *visit) {
		passkey(v)
		signingIn(v)
		v.last = v.b.get("/sign-in")
	}
	response := func(field string) func(*visit) []string {
		return func(v *visit) []string {
			return []string{field, signed{Credential: "laptop"}.of(t, v.last)}
		}
	}
	removal := func(v *visit) string { return "/authenticators/remove?id=" + v.phone }
	return []stop{
		{path: "/{$}", page: at("/"), status: 200},
		{path: "/review", status: 200},
		{path: "/pair", status: 200, ask: aCodeOrOther},
		{path: "/pair", post: true, status: 303, ask: aCodeOrOther, page: at("/pair"), fields: with("name", "Tablet"), stale: rename},
		{path: "/pair/scan", status: 200, ask: aCodeOrOther, begin: pairing},
		{path: "/pair/codes", status: 303, ask: aCodeOrOther, begin: pairing}, // it brings no codes
		{path: "/pair/codes", post: true, status: 303, ask: anApp /* the password, as there is none */, begin: brings, page: at("/pair/codes"), fields: with("saved", "yes"), stale: again},
		{path: "/pair/confirm", status: 200, ask: aCodeOrOther, begin: pairing},
		{path: "/pair/confirm", post: true, status: 303, ask: aCodeOrOther, begin: pairing, stale: rename, fields: func(v *visit) []string {
			return []string{"code", v.pairing.Code(v.h.svc.Now())}
		}},
		{path: "/pair/cancel", post: true, status: 303, ask: aCodeOrOther, begin: pairing, stale: rename},
		{path: "/pair/done", status: 200},
		{path: "/passkey", passkeys: true, status: 200, ask: aCodeOrOther},
		{path: "/passkey", passkeys: true, post: true, status: 303, ask: aCodeOrOther, page: at("/passkey"), fields: with("name", "Laptop"), stale: rename},
		{path: "/pair/confirm", passkeys: true, status: 200, ask: aCodeOrOther, begin: passkeyPending},
		{path: "/pair/confirm", passkeys: true, post: true, status: 303, ask: aCodeOrOther, begin: passkeyPending, stale: rename, fields: response("passkey")},
		{path: "/authenticators", status: 200},
		{path: "/authenticators/rename", post: true, status: 303, ask: anApp, page: at("/authenticators"), fields: with("name", "Phone"), stale: rename},
		{path: "/authenticators/remove", status: 200, ask: anApp, page: removal},
		{path: "/authenticators/remove", post: true, status: 303, ask: anApp, page: removal, stale: rename},
		{path: "/recovery-codes", status: 200},
		{path: "/recovery-codes", post: true, status: 200, ask: aCodeOrOther, page: at("/recovery-codes"), stale: rename},
		{path: "/recovery-codes/saved", post: true, status: 303, ask: aCodeOrOther, stale: rename, begin: func(v *visit) {
			v.last = v.b.submit("/recovery-codes", "/recovery-codes")
		}},
		{path: "/unlock", post: true, status: 303, ask: aCodeOrOther, page: at("/authenticators"), begin: func(v *visit) {
			for range 20 {
				_, _ = v.h.svc.StepUp(ctx, v.o.Session(), "000000")
			}
			got, err := v.h.svc.StepUp(ctx, v.b.in(), v.o.RecoveryCodes[0].Reveal())
			ok(err)
			v.b.prove(got.Session.Proof)
		}},
		{path: "/disable", status: 200, ask: anApp},
		{path: "/disable", post: true, status: 303, ask: anApp, page: at("/disable"), fields: with("sure", "yes"), stale: rename},
		{path: "/tokens", status: 200},
		{path: "/tokens/new", status: 200, ask: anApp},
		{path: "/tokens/new", post: true, status: 200, ask: anApp, page: at("/tokens/new"), fields: with("name", "x", "scope", "projects:read"), stale: mint},
		{path: "/tokens/revoke-all", status: 200},
		{path: "/tokens/revoke-all", post: true, status: 303, ask: aCodeOrOther, page: at("/tokens/revoke-all"), stale: mint},
		{path: "/tokens/service-accounts", status: 200, begin: func(v *visit) {
			ok(v.h.tok.Operator(v.h.svc.Operator("ops").Because("x")).CreateServiceAccount(ctx, "bot", "ada"))
		}},
		{path: "/tokens/{id}", status: 200, page: of("")},
		{path: "/tokens/{id}/rotate", post: true, status: 200, ask: anApp, page: of(""), fields: with("grace", "0"), stale: rotate},
		{path: "/tokens/{id}/renew", post: true, status: 303, page: of(""), stale: func(v *visit) { // the form brings a code
			v.fresh(t)
			_, err := v.h.tok.Renew(ctx, v.o.Session(), v.token, 0)
			ok(err)
		}, begin: func(v *visit) { v.h.svc.Wait(91 * 24 * time.Hour) }, fields: func(v *visit) []string { return []string{"step_up", code(v)} }},
		{path: "/tokens/{id}/revoke", status: 200, page: of("/revoke")},
		{path: "/tokens/{id}/revoke", post: true, status: 303, ask: aCodeOrOther, page: of("/revoke"), stale: func(v *visit) {
			v.fresh(t)
			ok(v.h.tok.Revoke(ctx, v.o.Session(), v.token))
		}},
		{path: "/activity", status: 200},
		{path: "/activity/sign-out-elsewhere", post: true, status: 303, page: at("/activity")},
		{path: "/activity/plan", status: 200},
		{path: "/activity/plan", post: true, status: 303, page: at("/activity/plan")},
		{path: "/activity/reviewed", post: true, status: 303, ask: anApp, page: at("/activity"), begin: func(v *visit) {
			_, err := v.h.svc.StepUp(ctx, v.o.Session(), v.o.RecoveryCodes[0].Reveal())
			ok(err)
		}},
		{path: "/browsers", status: 200},
		{path: "/browsers/forget", post: true, status: 303, page: at("/browsers"), stale: func(v *visit) {
			ok(v.h.sess.ForgetBrowsers(request(t, v.b)))
		}},
		{path: "/browsers/forget-all", post: true, status: 303, page: at("/browsers")},
		{path: "/sessions", status: 200},
		{path: "/sessions/end", post: true, status: 303, begin: another, page: at("/sessions"), stale: func(v *visit) {
			ok(v.h.rows.Remove(ctx, "ada", websession.SessionID(v.other.in())))
		}},
		{path: "/sessions/end-others", post: true, status: 303, begin: another, page: at("/sessions")},
		{path: "/ready", status: 404},
		{path: "/recovered", status: 200},
		{path: "/step-up", status: 200},
		{path: "/step-up", post: true, status: 303, page: at("/step-up"), fields: func(v *visit) []string { return []string{"step_up", code(v)} }},
		{path: "/step-up", passkeys: true, status: 200, begin: passkey},
		{path: "/step-up", passkeys: true, post: true, status: 303, fields: response("step_up_passkey"), begin: func(v *visit) {
			passkey(v)
			v.last = v.b.get("/step-up")
		}},
		{path: "/sign-in", passkeys: true, status: 200, begin: signingInByPasskey},
		{path: "/sign-in", passkeys: true, post: true, status: 303, begin: signingInByPasskey, fields: response("passkey")},
		{path: "/sign-in", status: 200, begin: signingIn},
		{path: "/sign-in", post: true, status: 303, page: at("/sign-in"), begin: signingIn, fields: func(v *visit) []string { return []string{"code", code(v)} }},
		{path: "/sign-in/clock", status: 200, begin: signingIn},
		{path: "/sign-in/clock", post: true, status: 303, page: at("/sign-in/clock"), begin: signingIn, fields: func(v *visit) []string {
			app := v.o.Authenticator
			return []string{"authenticator", v.o.AuthenticatorID, "first", app.Code(v.h.svc.Now().Add(5 * totp.Period)), "second", app.Code(v.h.svc.Now().Add(6 * totp.Period))}
		}},
		{path: "/sign-in/cancel", post: true, status: 303, page: at("/sign-in"), begin: signingIn},
	}
}

// come brings an owner to a stop, and returns what sends the request.
func (s stop) come(t *testing.T) (v *visit, send func() answer) {
	t.Helper()
	v = &visit{h: newHost(t)}
	if s.passkeys {
		v.h, _ = newPasskeyHost(t)
	}
	v.b, v.o, v.token = v.h.ready("ada")
	enr, err := v.api().BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "x", Name: "Second"})
	require.NoError(t, err)
	app, err := gatehousetest.Scan(enr.URI())
	require.NoError(t, err)
	v.phone = enr.ID
	v.o.Proof, err = v.api().ConfirmEnrollment(t.Context(), enr.ID, app.Code(v.h.svc.Now()))
	require.NoError(t, err)
	v.fresh(t)
	got, err := v.h.svc.StepUp(t.Context(), v.b.in(), app.Code(v.h.svc.Now()))
	require.NoError(t, err)
	v.b.prove(got.Session.Proof)
	if s.begin != nil {
		s.begin(v)
	}
	to := strings.ReplaceAll(s.path, "{id}", v.token)
	page := to
	if s.page != nil {
		page = s.page(v)
	}
	if !s.post {
		return v, func() answer { return v.b.get(page) }
	}
	a := v.last
	if s.page != nil {
		a = v.b.get(page)
	}
	form, ok := a.form(to)
	require.True(t, ok, "no form for %s (%d): %s", to, a.status, a.text())
	if s.fields != nil {
		pairs := s.fields(v)
		for i := 0; i < len(pairs); i += 2 {
			form[pairs[i]] = nil
		}
		for i := 0; i < len(pairs); i += 2 {
			form.Add(pairs[i], pairs[i+1])
		}
	}
	return v, func() answer { return v.b.post(to, form) }
}

func (s stop) name() string {
	name := "GET " + s.path
	if s.post {
		name = "POST " + s.path
	}
	if s.passkeys {
		name += " with passkeys"
	}
	return name
}

// hardened has the headers of every answer of the page.
func hardened(t *testing.T, a answer) {
	t.Helper()
	want := http.Header{
		"Content-Security-Policy": {"default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"same-origin"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Cache-Control":                {"no-store"},
	}
	if a.status != http.StatusSeeOther {
		want["Content-Type"] = []string{"text/html; charset=utf-8"}
	}
	got := maps.Clone(a.header)
	require.Equal(t, a.status == http.StatusSeeOther, got.Get("Location") != "")
	for _, cookie := range got["Set-Cookie"] { // all else is in the host's sessions
		require.True(t, strings.HasPrefix(cookie, "__Host-gatehouse-browser="), cookie)
	}
	for _, name := range []string{"Date", "Content-Length", "Location", "Set-Cookie"} {
		delete(got, name)
	}
	require.Equal(t, want, got)
}

// TestEveryRoute comes to every route that there is: with everything in order, without a proof, with a form that is out
// of date, and with a store that fails at each of its calls. (Row T3.)
func TestEveryRoute(t *testing.T) {
	source, err := os.ReadFile("call.go")
	require.NoError(t, err)
	routes := regexp.MustCompile(`handle\("([^"]+)", route\{(.*)\}\)`).FindAllStringSubmatch(string(source), -1)
	require.Greater(t, len(routes), 20)
	table := stops(t)
	for _, r := range routes {
		for _, method := range []string{"get", "post"} {
			if strings.Contains(r[2], method+":") {
				require.True(t, slices.ContainsFunc(table, func(s stop) bool { return s.path == r[1] && s.post == (method == "post") }), "%s %s", method, r[1])
			}
		}
	}
	for _, s := range table {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			v, send := s.come(t)
			var calls []string
			v.h.svc.Store.Inject(func(method string) gatehousetest.Fault {
				calls = append(calls, method)
				return gatehousetest.None
			})
			a := send()
			v.h.svc.Store.Inject(nil)
			require.Equal(t, s.status, a.status, a.text())
			hardened(t, a)

			v, send = s.come(t)
			if v.b.challenge() == "" {
				v.b.unprove()
				a = send()
				shown := nothing
				if a.status == http.StatusForbidden {
					require.Contains(t, a.text(), "Confirm that it is you")
					hardened(t, a)
					if shown = anApp; strings.Contains(a.text(), "or a recovery code") {
						shown = aCodeOrOther
					}
				}
				require.Equal(t, s.ask, shown, "without a proof: %d", a.status)
			}

			if s.stale != nil {
				v, send = s.come(t)
				s.stale(v)
				a = send()
				require.Equal(t, http.StatusConflict, a.status, a.text())
				hardened(t, a)
			}

			for n := 1; n <= len(calls); n++ {
				v, send := s.come(t)
				at, effort, saved := 0, false, false
				v.h.svc.Store.Inject(func(method string) gatehousetest.Fault {
					if at++; at == n {
						effort = untold()
						return gatehousetest.Fail
					}
					saved = saved || at < n && strings.HasPrefix(method, "Save")
					return gatehousetest.None
				})
				a := send()
				v.h.svc.Store.Inject(nil)
				what := calls[n-1]
				if effort || saved && a.status == s.status {
					require.Equal(t, s.status, a.status, "%s, call %d: %s", what, n, a.text())
					continue
				}
				require.NotContains(t, a.body, gatehousetest.ErrFault.Error())
				require.Contains(t, v.h.logs.String(), gatehousetest.ErrFault.Error())
				if n == 1 && v.b.challenge() == "" { // of the middleware, which does not know who is signed in
					require.Equal(t, http.StatusServiceUnavailable, a.status, "%s, call %d: %s", what, n, a.text())
					require.Equal(t, "no-store", a.header.Get("Cache-Control"))
					continue
				}
				require.Equal(t, http.StatusInternalServerError, a.status, "%s, call %d: %s", what, n, a.text())
				require.Contains(t, a.text(), "Something is wrong here")
				hardened(t, a)
			}
		})
	}
}

// untold reports whether the store is called where the Service tells nobody of a fault.
func untold() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		for _, name := range []string{"posture.(*Service).trail", "posture.(*Service).reviewed", "tokens.(*Service).changed"} {
			if strings.HasSuffix(frame.Function, name) {
				return true
			}
		}
		if !more {
			return false
		}
	}
}

// TestRetryAfter has the header say when another try makes sense: when a lock is over, and soon where too much is going on.
func TestRetryAfter(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Password = func(*http.Request, string, string) (bool, error) { return false, gatehouse.ErrBusy }
	})
	h.enrolled("ada")
	in := h.signIn("ada")
	var a answer
	for range 6 {
		require.Empty(t, a.header.Get("Retry-After"))
		a = in.submit("/sign-in", "/sign-in", "code", "000000")
	}
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "31", a.header.Get("Retry-After"), "the lock is over in 30 s, and not sooner")

	b := h.signIn("eve")
	h.svc.Wait(time.Hour)
	a = b.submit("/step-up", "/step-up", "step_up_password", password)
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.text())
	require.Equal(t, "5", a.header.Get("Retry-After"))
	a.header.Del("Retry-After")
	hardened(t, a)
}
