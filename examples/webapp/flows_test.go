package main

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// TestWholeFlows goes through the life of an account: in a browser that runs no scripts, with the keyboard alone, and on a
// phone that is the only device.
func TestWholeFlows(t *testing.T) {
	for name, how := range map[string]func(*tab){
		"without scripts": func(b *tab) { b.Scripts(false) },
		"keyboard":        func(b *tab) { b.Use(browsertest.Keyboard) },
		"phone":           func(b *tab) { b.Use(browsertest.Fingers); b.onlyPhone = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.open(t)
			how(b)
			b.signUp(ada)
			phone, codes := b.gateToAction()
			b.signsIn(phone)
			b.usesTokens(phone)
			b.losesPhone(phone, codes)
		})
	}
}

// gateToAction wants what a gate keeps closed, pairs an authenticator for it, and does it.
func (b *tab) gateToAction() (phone *authenticator, codes []string) {
	b.t.Helper()
	b.Press("Project")
	require.Equal(b.t, 403, b.Press("Deploy publicly"))
	b.Has("Protect your account first")
	require.Equal(b.t, 200, b.Press("Turn on", "Two-factor sign-in is off"))
	phone, codes = b.pairFirst("Phone")
	b.Has("Open to you: Deploy publicly.")
	require.Equal(b.t, 200, b.Press("Continue"))
	require.Equal(b.t, "/project", b.Path())
	require.Equal(b.t, 200, b.Press("Deploy publicly"))
	b.Has("Anvil is on the internet.")

	// The proof gets too old: the gate asks for a code, and leads back again.
	b.w.wait(6 * time.Minute)
	require.Equal(b.t, 200, b.Press("Deploy publicly"))
	b.Has("Confirm that it is you")
	require.Equal(b.t, 422, b.Answer("Code", b.w.wrongCode(phone)))
	b.isAt("step_up")
	require.Equal(b.t, 200, b.Answer("Code", b.w.code(phone)))
	b.Has("You can go on now", "Open to you: Deploy publicly.")
	require.Equal(b.t, 200, b.Press("Continue"))
	require.Equal(b.t, 200, b.Press("Deploy publicly"))
	b.Has("Anvil is on the internet.")
	return phone, codes
}

// signsIn passes the second step, after a wrong code.
func (b *tab) signsIn(phone *authenticator) {
	b.t.Helper()
	b.signOut()
	b.signIn(ada)
	b.isAt("code")
	require.Equal(b.t, 422, b.Answer("Code from the app", b.w.wrongCode(phone)))
	b.Has("This code is not right")
	b.isAt("code")
	code := b.w.code(phone)
	if b.onlyPhone { // its clipboard brings along what nobody sees
		code = "\u2022\u00a0" + code[:3] + "\u200b \u2013 " + code[3:] + "."
	}
	require.Equal(b.t, 200, b.Answer("Code from the app", code))
	require.Equal(b.t, "/", b.Path())
}

// usesTokens mints two, finds one of them, rotates it and revokes it.
func (b *tab) usesTokens(phone *authenticator) {
	b.t.Helper()
	b.Press("Security")
	b.Press("Tokens")
	b.Press("Create token")
	kept := b.newToken("Backup", "projects:read")
	b.Press("Done")
	b.Press("Create token")
	first := b.newToken("Pipeline", "projects:read", "projects:write")
	require.Equal(b.t, 200, b.w.call(first))
	b.Press("Done")
	b.Has("Backup", "Pipeline")
	b.Fill("Search tokens by name, right or ID", "PIPE")
	require.Equal(b.t, 200, b.Press("Search"))
	require.NotContains(b.t, b.Text(), "Backup")
	b.Press("Pipeline")
	require.Equal(b.t, 200, b.Press("Replace token"))
	second := b.token()
	require.NotEqual(b.t, first, second)
	require.Equal(b.t, 200, b.w.call(second))
	b.Press("Done")

	b.w.wait(16 * time.Minute)
	b.Press("Pipeline")
	if b.Scriptless {
		b.look("token without scripts")
	}
	require.Equal(b.t, 200, b.Press("Revoke…"))
	require.Equal(b.t, 403, b.Press("Revoke token"), "it asks for a code first")
	require.Equal(b.t, 200, b.w.call(second))
	require.Equal(b.t, 200, b.Answer("Code", b.w.code(phone)))
	b.Has("The token is revoked.")
	require.Equal(b.t, 401, b.w.call(second))
	require.Equal(b.t, 200, b.w.call(kept))
}

// losesPhone signs in with a recovery code, replaces the phone, and turns two-factor sign-in off in the end.
func (b *tab) losesPhone(lost *authenticator, codes []string) {
	b.t.Helper()
	b.signOut()
	b.signIn(ada)
	b.Press("Use a recovery code")
	require.Equal(b.t, 422, b.Answer("Recovery code", "0000-0000-0000-0000"))
	b.isAt("code")
	require.Equal(b.t, 200, b.Answer("Recovery code", codes[0]))
	require.Equal(b.t, 200, b.Press("Replace the authenticator app"))
	b.Has("so the new app replaces one that you have")
	phone := b.beginPairing("New phone")
	require.Empty(b.t, b.scanned(), "the codes that are there stay")
	b.Fill("Code from the app", b.w.code(phone))
	require.Equal(b.t, 200, b.Press("Replace the old app"))
	b.Has("Your new app works", "The old app’s codes no longer work.")
	b.Press("Continue")
	require.Equal(b.t, "/", b.Path(), "where the sign-in was going")
	b.signOut()
	b.signIn(ada)
	require.Equal(b.t, 422, b.Answer("Code from the app", b.w.code(lost)))
	require.Equal(b.t, 200, b.Answer("Code from the app", b.w.code(phone)))

	b.Press("Security")
	b.Press("Methods")
	b.Has("New phone")
	b.Press("Turn two-factor sign-in off")
	b.Tick("I understand that my account is less protected after that")
	require.Equal(b.t, 200, b.Press("Turn off"))
	b.Has("Two-factor sign-in is off.")
	b.signOut()
	b.signIn(ada)
	require.Equal(b.t, "/", b.Path())
}

// TestSkipLink goes past a header with the keyboard: that of the page itself, and that of a host.
func TestSkipLink(t *testing.T) {
	for name, own := range map[string]bool{"the page's header": true, "the host's header": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, func(o *options) { o.Brand = own })
			b := w.open(t)
			b.signUp(ada)
			b.Visit(securityPath + "/tokens")
			b.Do(chromedp.KeyEvent("\t"))
			require.Contains(t, b.Focused(), "Skip to")
			require.True(t, browsertest.Eval[bool](b.Tab, `(r => r.top >= 0 && r.left >= 0 && r.height > 20)(document.activeElement.getBoundingClientRect())`))
			b.Do(chromedp.KeyEvent("\r"))
			b.isAt("main")
			b.Do(chromedp.KeyEvent("\t"))
			require.Equal(t, "Overview", b.Focused(), "the first link of the content")
		})
	}
}
