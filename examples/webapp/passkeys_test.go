package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// A browser's passkeys, as their owner meets them. The clock stands still between the pages, and every ceremony is the
// browser's own.

// typist is a tab whose owner takes nothing from the browser's autofill: otherwise its authenticator answers at once.
func (w *world) typist(t *testing.T) *tab {
	b := w.open(t)
	b.Do(b.Before(`PublicKeyCredential.isConditionalMediationAvailable = async () => false`))
	return b
}

// addPasskey goes from the page of methods to the end of a new passkey.
func (b *tab) addPasskey(name string) (codes []string) {
	b.t.Helper()
	b.Visit(securityPath + "/passkey")
	b.Fill("Name", name)
	require.Equal(b.t, 200, b.Press("Continue"))
	if strings.Contains(b.Text(), "Save your recovery codes") && len(b.RecoveryCodes()) > 0 {
		codes = b.codes()
		b.Tick("I have saved these codes")
		require.Equal(b.t, 200, b.Press("Continue"))
	}
	require.Equal(b.t, 200, b.Press("Create passkey"))
	return codes
}

// TestPasskeys goes through the life of an account whose owner has no app: registration, second step, step-up, sign-in by
// the passkey alone, and the end of one, of which the browser hears.
func TestPasskeys(t *testing.T) {
	w := newNamedWorld(t)
	b := w.typist(t)
	keys := b.Passkeys()
	b.signUp(ada)
	b.Press("Security")
	b.Press("Set up Passkeys")
	b.look("passkey")
	require.Equal(t, 200, b.Press("Continue"))
	b.Has("Step 1 of 2")
	codes := b.codes()
	b.Tick("I have saved these codes")
	require.Equal(t, 200, b.Press("Continue"))
	b.look("pairingpasskey")
	require.Equal(t, 200, b.Press("Create passkey"))
	b.Has("Two-factor sign-in is on")
	require.Len(t, keys.All(), 1)
	require.True(t, keys.All()[0].IsResidentCredential)
	require.Equal(t, ada, keys.All()[0].UserName)

	// There is one already: the browser says so, next to the button.
	b.Visit(securityPath + "/passkey")
	b.Press("Continue")
	b.Unfold("Create passkey")
	b.Until("You have a passkey there already.")
	b.Press("Cancel setup")
	b.look("authenticators with a passkey")
	b.Has("synced and backed up")

	b.signOut()
	b.signIn(ada)
	b.look("secondstep by a passkey")
	b.Has("Use a recovery code")
	require.Equal(t, 200, b.Press("Use your passkey"))
	require.Equal(t, "/", b.Path())

	// The proof gets too old.
	w.wait(16 * time.Minute)
	b.Visit(securityPath + "/disable")
	b.Has("Confirm it with your passkey.")
	b.look("stepup by a passkey")
	require.Equal(t, 200, b.Press("Use your passkey"))
	require.Equal(t, securityPath+"/disable", b.Path())

	// The passkey alone, from the form of the service.
	b.signOut()
	b.look("signin with passkeys")
	require.Equal(t, 200, b.Press("Sign in with a passkey"))
	require.Equal(t, "/", b.Path())
	b.Has(ada)

	// Another one, of the keyring in the pocket, which keeps nothing; then the first is removed.
	pocket := b.Passkeys(func(o *webauthn.VirtualAuthenticatorOptions) {
		o.Transport, o.HasResidentKey = webauthn.AuthenticatorTransportUsb, true
		o.DefaultBackupEligibility, o.DefaultBackupState = false, false
	})
	b.addPasskey("Pocket")
	b.Has("Your new passkey works")
	require.Len(t, pocket.All(), 1)
	b.Visit(securityPath + "/authenticators")
	b.Has("only on this device")
	b.Press("Remove Passkey")
	require.Equal(t, 200, b.Press("Remove passkey"))
	b.Has("The passkey is removed.")
	b.Await(func() bool { deleted, _ := keys.Heard(); return deleted == 1 })
	require.Empty(t, keys.All(), "the browser has heard that it is gone")
	require.Len(t, pocket.All(), 1)

	// With nothing but a code left.
	pocket.Remove()
	b.signOut()
	b.signIn(ada)
	b.Press("Use a recovery code")
	require.Equal(t, 200, b.Answer("Recovery code", codes[0]))
	b.Has("replace its passkey now")
	require.Equal(t, 200, b.Press("Replace the passkey"))
	require.Equal(t, 200, b.Press("Continue"))
	require.Equal(t, 200, b.Press("Create passkey"))
	b.Has("What it replaces no longer works.")
}

// TestPasskeyErrors has the browser refuse, in each way that it has, and the page say so next to the button.
func TestPasskeyErrors(t *testing.T) {
	w := newNamedWorld(t)
	b := w.typist(t)
	keys := b.Passkeys()
	b.signUp(ada)
	b.addPasskey("Laptop")
	b.signOut()
	b.signIn(ada)
	said := `document.querySelector("[data-said]").textContent`
	for name, text := range map[string]string{
		"NotAllowedError": "You canceled it, or it took too long.", "SecurityError": "Passkeys do not work at this address.",
		"NotSupportedError": "This device has no passkeys that we accept.", "AbortError": "It was interrupted.",
		"ConstraintError": "This device cannot check that it is you.", "UnknownError": "That did not work.", "TypeError": "That did not work.",
	} {
		browsertest.Eval[bool](b.Tab, `navigator.credentials.get = () => Promise.reject(new DOMException("x", "`+name+`")), true`)
		b.Unfold("Use your passkey")
		b.Until(text)
		require.Equal(t, "alert", browsertest.Eval[string](b.Tab, `document.querySelector("[data-said]").getAttribute("role")`))
	}

	// It is gone from the browser, and nobody has to wait: the other ways are there.
	b.Visit(securityPath + "/sign-in")
	require.Empty(t, browsertest.Eval[string](b.Tab, said))
	keys.Remove()
	b.Has("Use a recovery code")

	// A browser that has none says so before anything is pressed.
	b.Do(b.Before(`delete window.PublicKeyCredential`))
	b.Visit(securityPath + "/sign-in")
	b.Until("This browser cannot use passkeys here.")
	b.Visit(securityPath + "/sign-in/nowhere")
	b.Scripts(false)
	b.Visit(securityPath + "/sign-in")
	b.Has("Passkeys need JavaScript.")
	require.Equal(t, 422, b.Press("Use your passkey"))
	b.Has("Passkeys need JavaScript.", "Use a recovery code")
}

// TestPasskeyAutofill has the browser offer the passkey in the field for the address, and its owner take it: they are where
// they wanted to go, with nothing typed and nothing pressed.
func TestPasskeyAutofill(t *testing.T) {
	w := newNamedWorld(t)
	b := w.typist(t)
	keys := b.Passkeys()
	b.signUp(ada)
	b.addPasskey("Laptop")
	kept := keys.All()[0]

	b = w.open(t)
	b.Visit("/sign-in?next=/project")
	require.Equal(t, "username webauthn", browsertest.Eval[string](b.Tab, `document.querySelector("#email").autocomplete`))
	require.True(t, browsertest.Eval[bool](b.Tab, `document.querySelector("form[data-passkey] button").checkVisibility()`))
	again := b.Passkeys()
	again.Add(kept)
	b.Visit("/sign-in?next=/project")
	b.Until("Anvil")
	require.Equal(t, "/project", b.Path())

	// The passkey is gone meanwhile: the browser hears of it, and offers it no more.
	w.removePasskey(ada)
	b.Visit("/sign-in")
	b.Until("This passkey did not sign you in")
	require.Equal(t, securityPath+"/passkey/sign-in", b.Path())
	b.Await(func() bool { return len(again.All()) == 0 })
}

// TestPasskeyFlags changes what an authenticator says of itself: user verification, backups, and the counter.
func TestPasskeyFlags(t *testing.T) {
	w := newNamedWorld(t)
	b := w.typist(t)
	keys := b.Passkeys(func(o *webauthn.VirtualAuthenticatorOptions) { o.DefaultBackupState = false })
	b.signUp(ada)
	b.addPasskey("Laptop")
	key := keys.All()[0]
	signIn := func() int {
		b.signOut()
		b.signIn(ada)
		return b.Press("Use your passkey")
	}
	require.Equal(t, 200, signIn())
	b.Visit(securityPath + "/authenticators")
	b.Has("not backed up yet")
	keys.Set(key, true, true, 10)
	require.Equal(t, 200, signIn(), "it is backed up since")
	b.Visit(securityPath + "/authenticators")
	b.Has("synced and backed up")

	// A counter that comes back is that of a copy.
	keys.Set(key, true, true, 5)
	require.Equal(t, 422, signIn())
	b.Has("This passkey was not accepted")
	keys.Set(key, false, false, 20)
	require.Equal(t, 422, b.Press("Use your passkey"), "it was one that can be backed up")
	keys.Set(key, true, true, 30)
	require.Equal(t, 200, b.Press("Use your passkey"))
	b.Visit(securityPath + "/activity")
	b.Has("was refused: someone may have a copy of it")

	// One that cannot find out who its user is would be one factor: it does not sign in alone.
	keys.Verifies(false)
	b.signOut()
	b.Unfold("Sign in with a passkey")
	b.Until("You canceled it, or it took too long.")
	require.Equal(t, "/sign-in", b.Path())
	keys.Verifies(true)
	require.Equal(t, 200, b.Press("Sign in with a passkey"))
	require.Equal(t, "/", b.Path())
}

// TestPasskeyWithoutResidentKey has a key that keeps nothing and asks for no PIN: it is good for the second step, and a page
// that asks for a fresh proof.
func TestPasskeyWithoutResidentKey(t *testing.T) {
	w := newNamedWorld(t)
	b := w.typist(t)
	keys := b.Passkeys(func(o *webauthn.VirtualAuthenticatorOptions) {
		o.HasResidentKey, o.HasUserVerification, o.IsUserVerified, o.Transport = false, false, false, webauthn.AuthenticatorTransportUsb
		o.DefaultBackupEligibility, o.DefaultBackupState = false, false
	})
	b.signUp(ada)
	b.addPasskey("Key")
	require.False(t, keys.All()[0].IsResidentCredential)
	b.signOut()
	b.signIn(ada)
	require.Equal(t, 200, b.Press("Use your passkey"))
	require.Equal(t, "/", b.Path())
	w.wait(16 * time.Minute)
	b.Visit(securityPath + "/disable")
	require.Equal(t, 200, b.Press("Use your passkey"))
	require.Equal(t, securityPath+"/disable", b.Path())
}

// removePasskey removes the account's only passkey, with all that there is, by support.
func (w *world) removePasskey(email string) {
	w.t.Helper()
	_, err := w.app.svc.Operator("support").Because("lost").Reset(context.Background(), w.account(email))
	require.NoError(w.t, err)
}
