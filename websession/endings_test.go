package websession_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

const sessionCookie = "__Host-gatehouse"

// ending is something that ends every session of ada's but the one that does it.
type ending struct {
	protected bool // ada has a second factor before
	do        func(h *host, b *browser, o *gatehousetest.User)
	operator  bool // the session that is given has ended too
	steps     bool // where the cookie is left out, the second step is asked for: no first factor is over
}

var endings = map[string]ending{
	"a new password": {operator: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		require.NoError(h.t, h.svc.Operator("system").PasswordChanged(h.t.Context(), "ada", gatehouse.KeepTokens))
	}},
	"a new password, with a second factor": {operator: true, protected: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		require.NoError(h.t, h.svc.Operator("system").PasswordChanged(h.t.Context(), "ada", gatehouse.KeepTokens))
	}},
	"a reset": {operator: true, protected: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		_, err := h.svc.Operator("op").Because("x").Reset(h.t.Context(), "ada")
		require.NoError(h.t, err)
	}},
	"a suspension": {operator: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		require.NoError(h.t, h.svc.Operator("op").Because("x").Suspend(h.t.Context(), "ada"))
	}},
	"a suspension that is over": {operator: true, protected: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		require.NoError(h.t, h.svc.Operator("op").Because("x").Suspend(h.t.Context(), "ada"))
		require.NoError(h.t, h.svc.Operator("op").Because("x").Resume(h.t.Context(), "ada"))
	}},
	"a restore": {operator: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		_, err := h.svc.Operator("op").Because("x").AfterRestore(h.t.Context(), gatehouse.Restoration{}, "", nil)
		require.NoError(h.t, err)
	}},
	"a deletion": {operator: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		require.NoError(h.t, deleted(h.svc.Operator("op").Because("x").DeleteAccount(h.t.Context(), "ada")))
	}},
	"a deletion, with a second factor": {operator: true, protected: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		require.NoError(h.t, deleted(h.svc.Operator("op").Because("x").DeleteAccount(h.t.Context(), "ada")))
	}},
	"an import that turns two-factor on": {operator: true, steps: true, do: func(h *host, _ *browser, _ *gatehousetest.User) {
		_, err := h.svc.Operator("op").Import(h.t.Context(), "ada", gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret()}}})
		require.NoError(h.t, err)
	}},
	"two-factor turned on": {steps: true, do: func(_ *host, b *browser, _ *gatehousetest.User) { b.pair("") }},
	"an authenticator replaced": {protected: true, steps: true, do: func(_ *host, b *browser, o *gatehousetest.User) {
		b.pair(o.AuthenticatorID)
	}},
	"an authenticator removed": {protected: true, steps: true, do: func(h *host, b *browser, o *gatehousetest.User) {
		b.pair("")
		proof, err := h.svc.Owner(b.in()).RemoveAuthenticator(h.t.Context(), o.AuthenticatorID)
		require.NoError(h.t, err)
		b.keep(proof)
	}},
	"two-factor turned off": {protected: true, do: func(h *host, b *browser, _ *gatehousetest.User) {
		proof, err := h.svc.Owner(b.in()).DisableTwoFactor(h.t.Context())
		require.NoError(h.t, err)
		b.keep(proof)
	}},
	"the owner's word": {do: func(h *host, b *browser, _ *gatehousetest.User) { h.endElsewhere(b) }},
	"the owner's word, with a second factor": {protected: true, steps: true, do: func(h *host, b *browser, _ *gatehousetest.User) {
		h.endElsewhere(b)
	}},
}

func (h *host) endElsewhere(b *browser) {
	h.t.Helper()
	r := request(http.MethodPost, "/")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	require.NoError(h.t, h.web.EndElsewhere(r))
}

// Whatever ends a session ends it at once, on every kind of host: with the cookie that it had last, with an older one,
// with none, and whatever the request is. The session that made the change goes on, with its older cookies too, and so
// does everybody else's.
func TestEndings(t *testing.T) {
	for kind, own := range kindsOfHost {
		for name, end := range endings {
			t.Run(kind+"/"+name, func(t *testing.T) {
				h := newHost(t, own())
				var o *gatehousetest.User
				signIn := func() *browser { return h.signIn("ada") }
				if end.protected {
					o = h.svc.Enroll(t, "ada")
					signIn = func() *browser { return h.signInWith(o) }
				}
				bystander := h.signIn("eve")
				old := signIn()
				older := old.stubborn()
				h.svc.Wait(time.Minute)
				if end.protected {
					v, err := h.svc.StepUp(t.Context(), old.in(), o.Code())
					require.NoError(t, err)
					old.keep(v.Session.Proof)
				}
				other := signIn()
				mine := signIn()
				before := mine.stubborn()

				end.do(h, mine, o)

				if end.protected {
					require.Equal(t, !end.operator && name != "two-factor turned off", mine.known("ada"), "the browser of the change")
					require.False(t, other.known("ada"), "another browser")
				}
				require.Equal(t, name != "a restore", bystander.gets("eve"))
				require.Equal(t, !end.operator, mine.gets("ada"), "the session that made the change")
				require.Equal(t, !end.operator, before.gets("ada"), "its answer may have been lost")
				swapped := old.stubborn()
				swapped.cookies[sessionCookie] = bystander.cookies[sessionCookie]
				planted := old.stubborn()
				planted.cookies[sessionCookie] = strings.Repeat("A", 200)
				for what, b := range map[string]*browser{
					"its last cookie": old, "an older one": older, "another browser": other, "left out": old.stubborn(sessionCookie),
					"somebody else's": swapped, "garbage": planted,
				} {
					require.False(t, b.gets("ada"), what)
					if kind == "sessions on the server" {
						continue // they all are one session there, which is gone by now
					}
					if what == "left out" && end.steps {
						require.Equal(t, http.StatusUnauthorized, b.post("/x").StatusCode)
						require.Equal(t, "/settings/security/sign-in", b.get("/x").Header.Get("Location"), what)
						continue
					}
					if what == "somebody else's" || what == "garbage" {
						continue // they count as left out
					}
					res := b.stubborn().get("/x?of=1")
					require.Equal(t, http.StatusSeeOther, res.StatusCode, what)
					require.Equal(t, "?of=1", res.Header.Get("Location"), what)
					require.Equal(t, http.StatusUnauthorized, b.stubborn().post("/x").StatusCode, what)
					gone := b.stubborn()
					gone.get("/x")
					require.Equal(t, http.StatusOK, gone.get("/x").StatusCode, "signed out")
					require.NotContains(t, gone.cookies, sessionCookie)
					require.NotContains(t, gone.cookies, hostCookie)
				}
			})
		}
	}
}

// Who sends a form from a session that has ended is told so by a page, which leads to where the form was. A program gets a
// line, and a link of somebody else's leads nowhere.
func TestFormOfAnEndedSession(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.signIn("ada")
	require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
	for name, c := range map[string]struct {
		header http.Header
		back   string // empty: no page
	}{
		"a form":           {http.Header{"Referer": {"https://acme.test/project?a=1&b=\"2\""}}, `/project?a=1&amp;b=&#34;2&#34;`},
		"behind a proxy":   {http.Header{"Referer": {"https://public.test/project"}}, "/project"},
		"another site's":   {http.Header{"Referer": {"https://evil.test/x"}, "Sec-Fetch-Site": {"cross-site"}}, "/home"},
		"without referrer": {http.Header{}, "/home"},
		"two slashes":      {http.Header{"Referer": {"https://acme.test//evil.test/"}}, "/home"},
		"an old browser":   {http.Header{"Sec-Fetch-Mode": {""}}, "/home"},
		"a script":         {http.Header{"Sec-Fetch-Mode": {"cors"}}, ""},
		"a program":        {http.Header{"Sec-Fetch-Mode": {""}, "Accept": {"application/json"}}, ""},
	} {
		r := request(http.MethodPost, "/x", "secret", "typed")
		for key, values := range c.header {
			r.Header[key] = values
		}
		res := b.do(r)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, name)
		require.Equal(t, "no-store", res.Header.Get("Cache-Control"), name)
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), name)
		require.NotContains(t, string(body), "typed", name)
		require.NotContains(t, string(body), "evil", name)
		if c.back == "" {
			require.Equal(t, "The session has ended: sign in again.\n", string(body), name)
			continue
		}
		require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'", name)
		require.Contains(t, string(body), "was not carried out", name)
		require.Contains(t, string(body), `<a href="`+c.back+`">`, name)
		require.Equal(t, 1, strings.Count(string(body), "href="), name)
	}
}

// A second authenticator ends nothing elsewhere, nor do new recovery codes: those sessions only lose their proofs.
func TestNoEnding(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	o := h.svc.Enroll(t, "ada")
	other, mine := h.signInWith(o), h.signInWith(o)
	mine.pair("")
	require.True(t, other.gets("ada"))
	_, err := h.svc.CheckProof(t.Context(), other.in(), 0)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	codes, err := h.svc.Owner(mine.in()).RegenerateRecoveryCodes(t.Context())
	require.NoError(t, err)
	mine.keep(codes.Proof)
	require.True(t, other.gets("ada"))
	require.True(t, mine.gets("ada"))
}

// A browser whose answers are all lost while it pairs, replaces and turns off is thrown out by none of it.
func TestLostAnswers(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	b := h.signIn("ada")
	lost := b.stubborn() // it never learns of a newer cookie
	_, id := b.pair("")
	require.True(t, lost.gets("ada"))
	b.pair(id)
	require.True(t, lost.gets("ada"))
	proof, err := h.svc.Owner(b.in()).DisableTwoFactor(t.Context())
	require.NoError(t, err)
	require.True(t, lost.gets("ada"))
	b.keep(proof)
	h.endElsewhere(h.signIn("ada"))
	require.False(t, lost.gets("ada"))
	require.False(t, b.gets("ada"))
}

// A password that is changed while a sign-in is under way lets that sign-in end nowhere: neither before the second step
// nor after it.
func TestPasswordChangesMeanwhile(t *testing.T) {
	for _, protected := range []bool{false, true} {
		h := newHost(t, signed{[]byte("k")})
		changed := func() {
			require.NoError(t, h.svc.Operator("system").PasswordChanged(context.Background(), "ada", gatehouse.KeepTokens))
		}
		var o *gatehousetest.User
		if protected {
			o = h.svc.Enroll(t, "ada")
		}
		b := h.browser()
		r := request(http.MethodPost, "/login")
		try, err := h.web.Before(r, "ada")
		require.NoError(t, err)
		changed() // the old password was found right just before
		w := recorder()
		require.Error(t, try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"}))
		require.Empty(t, w.Result().Header)
		b.take(w.Result())
		require.False(t, b.gets("ada"))
		if !protected {
			continue
		}
		require.Equal(t, "/settings/security/sign-in", b.post("/login", "account", "ada").Header.Get("Location"))
		changed()
		require.Equal(t, http.StatusUnauthorized, b.post("/settings/security/sign-in", "code", o.Code()).StatusCode)
		require.False(t, b.gets("ada"))
	}
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
