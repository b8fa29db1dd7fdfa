package securitypage_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A host without access tokens has no pages of them, and no links to them.
func TestWithoutTokens(t *testing.T) {
	h := newHostWith(t, func(of *parts) { of.tokens = nil })
	b, _ := h.enrolled("ada")
	for _, path := range []string{"/tokens", "/tokens/new", "/tokens/00000000000000"} {
		require.Equal(t, http.StatusNotFound, b.get(path).status, path)
		require.Equal(t, http.StatusNotFound, b.post(path, nil).status, path)
	}
	for _, path := range []string{"/", "/activity"} {
		a := b.get(path)
		require.Equal(t, http.StatusOK, a.status, path)
		require.NotContains(t, a.body, prefix+"/tokens", path)
	}
}

// A host without a posture has all but the judgment.
func TestWithoutPosture(t *testing.T) {
	h := newHostWith(t, func(of *parts) { of.gates = nil })
	b, o := h.enrolled("ada")
	a := b.get("/")
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.text(), "review")
	require.Equal(t, http.StatusNotFound, b.get("/review").status)
	require.Contains(t, a.text(), "10 of 10 codes left")
	require.Equal(t, http.StatusOK, b.get("/tokens/new").status)
	a = b.get("/disable")
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.text(), "What would change")

	in := h.signIn("ada")
	a = in.submit("/sign-in?with=recovery", "/sign-in", "code", o.RecoveryCodes[0].Reveal())
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Contains(t, in.get("/activity").text(), "Did you do everything here yourself?", "nobody else can say that it was not")
}

// A page that leaves the access tokens out judges the account with them.
func TestReviewWithTokensThatAreNotShown(t *testing.T) {
	h := newHost(t)
	b, _, _ := h.ready("ada")
	h.svc.Wait(28 * 24 * time.Hour) // the token is about to expire
	shown, err := h.pos.Review(t.Context(), "ada")
	require.NoError(t, err)
	f, ok := shown.Find(posture.TokensNotExpiring)
	require.True(t, ok)
	require.Contains(t, []posture.State{posture.Partial, posture.Fail}, f.State)
	before, err := h.pos.History(t.Context(), "ada")
	require.NoError(t, err)
	page, err := securitypage.New(securitypage.Config{
		Web: h.sess, Posture: h.pos, Name: "Acme",
	})
	require.NoError(t, err)
	h.web.Config.Handler = page
	require.Equal(t, http.StatusOK, b.get("/").status)
	a := b.get("/review")
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.text(), f.Reason)
	after, err := h.pos.History(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, before, after, "the score goes up and down with who looks")
}

// A page shows the accounts of one service.
func TestServicesOfAnother(t *testing.T) {
	h, other := newHost(t), newHost(t)
	for _, c := range []securitypage.Config{{Tokens: other.tok}, {Posture: other.pos}} {
		c.Web, c.Name = h.sess, "x"
		_, err := securitypage.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
}

// The clock of an authenticator is mended only for the account that the session is signing in to.
func TestClockOfAnotherAccount(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	mallory := h.svc.Enroll(t, "mallory")
	b := h.signIn("ada")
	form, ok := b.get("/sign-in/clock").form("/sign-in/clock")
	require.True(t, ok)
	form.Set("authenticator", mallory.AuthenticatorID)
	form.Set("first", mallory.Authenticator.Code(h.svc.Now().Add(5*totp.Period)))
	form.Set("second", mallory.Authenticator.Code(h.svc.Now().Add(6*totp.Period)))
	b.kept = h.signIn("mallory").kept // the host has kept it when somebody else signed in
	before := h.account("mallory")
	require.Equal(t, http.StatusConflict, b.post("/sign-in/clock", form).status, "the form is of the other sign-in")
	require.Equal(t, before, h.account("mallory"))
}

// A fault while the page looks why a challenge no longer stands is a fault, and no end of the sign-in.
func TestFaultAfterAChallengeHasEnded(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	b := h.signIn("ada")
	h.svc.Wait(6 * time.Minute)
	require.Contains(t, b.get("/sign-in").text(), "This sign-in has ended")
	h.svc.Store.Inject(gatehousetest.Nth(2, gatehousetest.Fail))
	a := b.get("/sign-in")
	h.svc.Store.Inject(nil)
	require.Equal(t, http.StatusInternalServerError, a.status, a.text())
}
