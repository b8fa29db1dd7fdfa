package websession_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/websession"
)

// sso is a host whose identity provider signs in: f is what that has said.
func sso(t *testing.T, replaces bool) (h *host, pos *posture.Service, signIn func(account string, f gatehouse.FirstFactor) *browser) {
	h = &host{t: t, own: signed{[]byte("k")}, logs: nil}
	h.svc = gatehousetest.New(t, func(c *gatehouse.Config) { c.ExternalFactors = []string{"mfa", "hwk"} })
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model,
		posture.Gate{Action: "deploy", Controls: []string{posture.SecondFactor}, SecondFactor: true},
		posture.Gate{Action: "deploy.fresh", SecondFactor: true, MaxAge: 5 * time.Minute},
		posture.Gate{Action: "codes", Controls: []string{posture.SecondFactor, posture.RecoveryCodesSaved}, SecondFactor: true},
	)
	require.NoError(t, err)
	pos, err = posture.New(h.svc.Service, posture.Config{Policy: gates})
	require.NoError(t, err)
	h.open(func(c *websession.Config) { c.ExternalReplacesStep = replaces; c.Faults = nil })
	return h, pos, func(account string, f gatehouse.FirstFactor) *browser {
		t.Helper()
		b := h.browser()
		r := request(http.MethodGet, "/callback")
		try, err := h.web.Before(r, account)
		require.NoError(t, err)
		w := recorder()
		require.NoError(t, try.Begin(w, r, f))
		b.take(w.Result())
		return b
	}
}

// Row A4: a second factor that the host has checked opens gates, where the configuration names it, as of when it was.
func TestExternalFactor(t *testing.T) {
	_, pos, signIn := sso(t, false)
	now := gatehousetest.Start
	for name, c := range map[string]struct {
		f    gatehouse.FirstFactor
		open bool // the gate that asks for no age
		new  bool // the one that does
	}{
		"a hardware key":  {gatehouse.FirstFactor{Method: "fed", At: now, External: []string{"pwd", "hwk"}}, true, true},
		"an hour ago":     {gatehouse.FirstFactor{Method: "fed", At: now.Add(-time.Hour), External: []string{"mfa"}}, true, false},
		"over a day ago":  {gatehouse.FirstFactor{Method: "fed", At: now.Add(-25 * time.Hour), External: []string{"mfa"}}, false, false},
		"no moment":       {gatehouse.FirstFactor{Method: "pwd", External: []string{"mfa"}}, false, false},
		"one that is not": {gatehouse.FirstFactor{Method: "fed", At: now, External: []string{"pwd", "otp", "MFA", "mfa ", ""}}, false, false},
		"none":            {gatehouse.FirstFactor{Method: "mfa", At: now}, false, false},
	} {
		b := signIn("ada", c.f)
		require.True(t, b.gets("ada"), name)
		require.Equal(t, c.open, pos.Require(t.Context(), b.in(), "deploy") == nil, name)
		require.Equal(t, c.new, pos.Require(t.Context(), b.in(), "deploy.fresh") == nil, name)
		require.Error(t, pos.Require(t.Context(), b.in(), "codes"), "what it does not say is still asked for")
	}
}

// It is the second step only where the host says so, and never a local factor: with it alone nothing of one changes.
func TestExternalFactorIsNoLocalOne(t *testing.T) {
	f := gatehouse.FirstFactor{Method: "fed", At: gatehousetest.Start.Add(time.Minute), External: []string{"mfa"}}
	h, _, signIn := sso(t, false)
	h.svc.Enroll(t, "ada")
	require.False(t, signIn("ada", f).gets("ada"), "the local factor is asked for")

	h, pos, signIn := sso(t, true)
	o := h.svc.Enroll(t, "ada")
	f.At = h.svc.Now()
	without := f
	without.External = []string{"pwd"}
	require.False(t, signIn("ada", without).gets("ada"))
	without = f
	without.At = h.svc.Now().Add(-25 * time.Hour)
	require.False(t, signIn("ada", without).gets("ada"))
	b := signIn("ada", f)
	require.True(t, b.gets("ada"))
	require.NoError(t, pos.Require(t.Context(), b.in(), "deploy"))
	owner, ctx := h.svc.Owner(b.in()), t.Context()
	_, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Replace: o.AuthenticatorID})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = owner.DisableTwoFactor(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = owner.RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	require.ErrorIs(t, owner.RenameAuthenticator(ctx, o.AuthenticatorID, "x"), gatehouse.ErrStepUpRequired)
	require.ErrorIs(t, owner.Unlock(ctx, "totp"), gatehouse.ErrStepUpRequired)
	require.ErrorIs(t, owner.ReviewActivity(ctx, 1), gatehouse.ErrStepUpRequired)
}

// A sign-in elsewhere that is older than the last new password, reset, suspension or restore begins no session, nor does
// one in the same second; and none may lie in the future.
func TestSignInElsewhereIsOver(t *testing.T) {
	h, _, signIn := sso(t, false)
	h.svc.Wait(time.Hour)
	require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
	changed := h.svc.Now()
	h.svc.Wait(time.Minute)
	for _, at := range []time.Time{changed, changed.Add(-time.Second), changed.Add(-48 * time.Hour), h.svc.Now().Add(time.Minute)} {
		r := request(http.MethodGet, "/callback")
		try, err := h.web.Before(r, "ada")
		require.NoError(t, err)
		w := recorder()
		require.ErrorIs(t, try.Begin(w, r, gatehouse.FirstFactor{Method: "fed", At: at}), gatehouse.ErrDenied, at)
		require.Empty(t, w.Result().Cookies())
	}
	require.True(t, signIn("ada", gatehouse.FirstFactor{Method: "fed", At: changed.Add(time.Second)}).gets("ada"))

	// The same before a second step: nobody gets that far.
	o := h.svc.Enroll(t, "eve")
	h.svc.Wait(time.Hour)
	require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "eve", gatehouse.KeepTokens))
	r := request(http.MethodGet, "/callback")
	try, err := h.web.Before(r, "eve")
	require.NoError(t, err)
	w := recorder()
	require.ErrorIs(t, try.Begin(w, r, gatehouse.FirstFactor{Method: "fed", At: h.svc.Now().Add(-time.Minute)}), gatehouse.ErrDenied)
	require.Empty(t, w.Result().Cookies())
	h.svc.Wait(time.Minute)
	w = recorder()
	require.NoError(t, try.To("/there").Begin(w, r, gatehouse.FirstFactor{Method: "fed", At: h.svc.Now()}))
	b := h.browser()
	b.take(w.Result())
	require.Equal(t, "/there", b.post("/settings/security/sign-in", "code", o.Code()).Header.Get("Location"))
	try, err = h.web.Before(r, "ada")
	require.NoError(t, err)
	require.ErrorIs(t, try.Begin(w, r, gatehouse.FirstFactor{Method: "fed"}), gatehouse.ErrInvalid, "a provider that does not say when")
}
