package securitypage_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// Where a recovery code was right and not enough, no other one is used up for the same.
func TestOneRecoveryCodeIsEnough(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")
	form := b.get("/pair")
	h.svc.Wait(6 * time.Minute)
	a := b.send(form, "/pair", "name", "Tablet")
	require.Contains(t, a.text(), "Enter a code from your authenticator app, or a recovery code.")
	a = b.send(a, "/pair", "step_up", o.RecoveryCodes[0].Reveal())
	for range 2 {
		require.Contains(t, a.text(), "Enter a code from your authenticator app.", "another app is not for a recovery code")
		a = b.send(a, "/pair", "step_up", o.RecoveryCodes[1].Reveal())
		require.Equal(t, http.StatusUnprocessableEntity, a.status)
		require.Contains(t, a.text(), "This takes a code from your authenticator app, not a recovery code.")
	}
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, len(o.RecoveryCodes)-1, st.RecoveryCodes.Left)
	a = b.send(a, "/pair", "step_up", o.Code())
	require.Equal(t, prefix+"/pair/scan", a.header.Get("Location"), a.body)
}

// Who waits until a lock is over, and then asks to unlock, is told that nothing is locked, and not asked for a code of the
// app after a code of the app.
func TestUnlockWhatIsOpen(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")
	for range 6 {
		_, _ = h.svc.StepUp(t.Context(), o.Session(), "000000")
	}
	form := b.get("/authenticators")
	require.Contains(t, form.text(), "Try again in")
	h.svc.Wait(time.Hour)
	a := b.send(form, "/unlock")
	require.Contains(t, a.text(), "Confirm that it is you")
	h.svc.Wait(totp.Period)
	a = b.send(a, "/unlock", "step_up", o.Code())
	require.Equal(t, http.StatusSeeOther, a.status, a.text())
	require.Contains(t, b.follow(a).text(), "It is unlocked.")
}
