package securitypage_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

// The store fails at each call of each request once, before or after it has saved. Whoever was not in stays out,
// what was on stays on, and the next try works.
func TestStoreFailsMidFlow(t *testing.T) {
	writes := map[string]bool{"SaveAccount": true, "SaveToken": true, "DeleteToken": true, "TouchTokens": true}
	flows := map[string]func(h *host, b *browser, o *gatehousetest.User) (send func() answer, done func() bool){
		"pair": func(h *host, b *browser, _ *gatehousetest.User) (func() answer, func() bool) {
			return func() answer { return b.attempt("/pair", "/pair", "name", "Tablet") }, func() bool {
				st, err := h.svc.Account(t.Context(), "ada")
				return err == nil && st.Pending != nil
			}
		},
		"codes": func(h *host, b *browser, _ *gatehousetest.User) (func() answer, func() bool) {
			before := h.set("ada")
			return func() answer { return b.attempt("/recovery-codes", "/recovery-codes") }, func() bool { return h.set("ada") != before }
		},
		"mint": func(h *host, b *browser, _ *gatehousetest.User) (func() answer, func() bool) {
			return func() answer { return b.attempt("/tokens/new", "/tokens/new", "name", "x", "scope", "projects:read") }, func() bool {
				return len(h.tokens("ada")) > 0
			}
		},
		"disable": func(h *host, b *browser, _ *gatehousetest.User) (func() answer, func() bool) {
			return func() answer { return b.attempt("/disable", "/disable", "sure", "yes") }, func() bool {
				st, err := h.svc.Account(t.Context(), "ada")
				return err == nil && !st.Protected
			}
		},
		"sign in": func(h *host, _ *browser, o *gatehousetest.User) (func() answer, func() bool) {
			in := h.signIn("ada")
			return func() answer { return in.attempt("/sign-in", "/sign-in", "code", o.Authenticator.Code(h.svc.Now())) }, func() bool {
				return in.challenge() == ""
			}
		},
		"redeem": func(h *host, _ *browser, _ *gatehousetest.User) (func() answer, func() bool) {
			code, err := h.svc.Operator("op-1").Because("ticket 4711").Reset(t.Context(), "ada")
			require.NoError(t, err)
			in := h.signIn("ada")
			return func() answer { return in.attempt("/sign-in", "/sign-in", "code", code.Reveal()) }, func() bool {
				return h.did("ada", event.OperatorCodeUsed)
			}
		},
		"clock": func(h *host, _ *browser, o *gatehousetest.User) (func() answer, func() bool) {
			h.svc.Wait(time.Hour)
			in := h.signIn("ada")
			slow := h.svc.Now().Add(-5 * time.Minute)
			first, second := o.Authenticator.Code(slow), o.Authenticator.Code(slow.Add(totp.Period))
			return func() answer { return in.attempt("/sign-in/clock", "/sign-in/clock", "first", first, "second", second) }, func() bool {
				return h.did("ada", event.AuthenticatorResynced)
			}
		},
	}
	flows["password"] = func(h *host, _ *browser, _ *gatehousetest.User) (func() answer, func() bool) {
		bare := h.signIn("bob")
		h.svc.Wait(6 * time.Minute)
		return func() answer {
				a := bare.get("/pair")
				if a.status >= 500 {
					return a
				}
				return bare.send(a, "/step-up", "step_up_password", password)
			}, func() bool {
				return bare.get("/pair").status == http.StatusOK
			}
	}
	onward := map[string]string{"password": prefix + "/pair", "sign in": "/home", "redeem": prefix + "/pair", "clock": prefix + "/sign-in"}
	hits := map[string]int{}
	for name, flow := range flows {
		for _, fault := range []gatehousetest.Fault{gatehousetest.Fail, gatehousetest.LoseReply} {
			// The form is shown, and then sent: the nth call after the beginning fails.
			for n := 1; ; n++ {
				h := newHost(t)
				b, o := h.enrolled("ada")
				h.svc.Wait(totp.Period)
				send, done := flow(h, b, o)
				calls, hit := 0, ""
				h.svc.Store.Inject(func(method string) gatehousetest.Fault {
					if calls++; calls == n && (fault == gatehousetest.Fail || writes[method]) {
						hit = method
						return fault
					}
					return gatehousetest.None
				})
				a := send()
				h.svc.Store.Inject(nil)
				if calls < n {
					break
				}
				what := name + " with " + hit
				if hit == "" {
					continue
				}
				if a.status >= 500 {
					require.NotContains(t, a.body, gatehousetest.ErrFault.Error(), what)
					require.Regexp(t, "Something is wrong here|It cannot be checked now who is signed in", a.text(), what)
					require.NotContains(t, a.header.Get("Location"), "/home", what)
				}
				if fault == gatehousetest.Fail && !done() {
					require.GreaterOrEqual(t, a.status, 500, "%s: a fault is no refusal", what)
				}
				hits[name]++
				switch {
				case fault == gatehousetest.LoseReply && a.status >= 500: // nobody can know, and there are no secrets to show
				case name == "codes" && done():
					require.Len(t, codesOf(a), 10, "%s: the new codes are shown", what)
				case name == "mint" && done():
					require.Contains(t, a.body, "acme_pat_", "%s: the token is shown", what)
				}
				if to := onward[name]; to != "" && (name == "sign in" || fault == gatehousetest.Fail || a.status < 500) {
					at, _, _ := strings.Cut(a.header.Get("Location"), "?")
					require.Equal(t, done(), at == to, what)
				}
				if !done() && name != "sign in" {
					again := send()
					require.Less(t, again.status, 400, "%s: the next try: %s", what, again.text())
					require.True(t, done(), what)
				}
			}
		}
		require.Greater(t, hits[name], 3, name)
	}
}

// did reports whether something has happened to an account.
func (h *host) did(account string, kind event.Kind) bool {
	a, err := h.svc.Account(h.t.Context(), account)
	require.NoError(h.t, err)
	return slices.ContainsFunc(a.Activity, func(e event.Event) bool { return e.Kind == kind })
}

// attempt is submit where the page may not be shown.
func (b *browser) attempt(page, to string, pairs ...string) answer {
	b.h.t.Helper()
	a := b.get(page)
	if a.status >= 400 {
		return a
	}
	return b.send(a, to, pairs...)
}

// What goes wrong is logged for the host without a secret.
func TestFaultsAreLogged(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	form, _ := b.get("/recovery-codes").form("/recovery-codes")
	h.svc.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Conflict))
	a := b.post("/recovery-codes", form)
	h.svc.Store.Inject(nil)
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, h.logs.String(), "/recovery-codes")
	require.NotContains(t, h.logs.String(), b.proof())
	require.NotContains(t, h.logs.String(), form.Get("form"))
}
