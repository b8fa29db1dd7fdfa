package main

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// TestLocked guesses until the codes of the app are locked.
func TestLocked(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.signUp(ada)
	b.Press("Set it up")
	phone, codes := b.pairFirst("Phone")
	b.signOut()
	b.signIn(ada)
	for range 5 {
		b.Has("Use a recovery code")
		require.Equal(t, 422, b.Answer("Code from the app", w.wrongCode(phone)))
	}
	require.Equal(t, 429, b.Answer("Code from the app", w.wrongCode(phone)))
	b.Has("Too many codes were wrong. Try again in 0:")
	b.look("secondstep locked")
	w.wait(29 * time.Second)
	require.Equal(t, 429, b.Answer("Code from the app", phone.Code(w.clock())), "also a right one")
	b.Has("Try again ")
	w.wait(time.Second)
	require.Equal(t, 200, b.Answer("Code from the app", phone.Code(w.clock())))
	require.Equal(t, "/", b.Path())

	// Inside a session a recovery code unlocks before the time.
	w.wait(6 * time.Minute)
	b.Visit(securityPath + "/disable")
	for range 5 {
		require.Equal(t, 422, b.Answer("Code", w.wrongCode(phone)))
	}
	require.Equal(t, 429, b.Answer("Code", w.wrongCode(phone)))
	b.look("stepup locked")
	b.Visit(securityPath + "/authenticators")
	b.look("authenticators locked")
	require.Equal(t, 403, b.Press("Unlock now"))
	require.Equal(t, 200, b.Answer("Code", codes[0]))
	b.Has("It is unlocked.")
	b.signOut()
	b.signInWith(ada, phone)
}

// TestReset has an owner lose everything, and support help.
func TestReset(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.signUp(ada)
	b.Press("Set it up")
	lost, codes := b.pairFirst("Phone")
	b.Visit(securityPath + "/tokens/new")
	token := b.newToken("Script", "projects:read")

	// What support runs is no page of this program.
	code, err := w.app.svc.Operator("agent-7").Because("video call, ticket 4711").Reset(t.Context(), w.account(ada))
	require.NoError(t, err)
	w.secret(code.Reveal())
	require.Equal(t, 401, w.call(token))
	b.Visit("/")
	require.Equal(t, "/sign-in", b.Path(), "the sessions have ended")

	b.signIn(ada)
	b.Has("Support has reset your two-factor sign-in")
	b.look("secondstep support")
	require.Equal(t, 422, b.Answer("Code from support", codes[0]))
	require.Equal(t, 422, b.Answer("Code from support", lost.Code(w.clock())))
	require.Equal(t, 200, b.Answer("Code from support", code.Reveal()))
	b.look("pair reset")
	b.Visit("/")
	require.Equal(t, "/sign-in", b.Path(), "the code signs nobody in")
	b.Visit(securityPath + "/")
	require.Equal(t, securityPath+"/pair", b.Path())
	w.wait(2 * time.Minute)
	phone, _ := b.pairFirst("New phone")
	b.look("paired reset")
	b.Press("Sign in")
	b.signIn(ada)
	require.Equal(t, 422, b.Answer("Code from the app", w.code(lost)))
	require.Equal(t, 200, b.Answer("Code from the app", w.code(phone)))
	b.Press("Security")
	b.Has("New phone")
	b.Press("Activity")
	b.Has("Support reset your two-factor sign-in", "agent-7", "video call, ticket 4711")
	b.look("activity reset")
	b.signOut()
	b.signIn(ada)
	require.NotContains(t, b.Text(), "support")
}

// TestBackButton goes back to where secrets were shown.
func TestBackButton(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.open(t)
			b.Scripts(scripts)
			back := func() {
				t.Helper()
				for range 3 {
					b.Back()
					require.Empty(t, w.leaks(b.Text()))
				}
			}
			b.signUp(ada)
			b.Press("Set it up")
			phone, _ := b.pairFirst("Phone")
			b.Press("Go to Security")
			back()
			// A page that is left has no secret any more, in case the browser keeps it as it was.
			leave := func() {
				t.Helper()
				require.NotEmpty(t, w.leaks(b.Text()))
				if scripts {
					browsertest.Eval[bool](b.Tab, `dispatchEvent(new Event("pagehide"))`)
					require.Empty(t, w.leaks(browsertest.Eval[string](b.Tab, `document.documentElement.outerHTML`)))
				}
			}
			b.Visit(securityPath + "/tokens/new")
			b.newToken("Script", "projects:read")
			leave()
			b.Press("Done")
			back()
			b.Visit(securityPath + "/recovery-codes")
			b.Press("Create new codes")
			b.codes()
			leave()
			b.Press("I have saved these codes")
			back()
			b.Visit("/")
			b.signOut()
			back()
			require.NotContains(t, b.Text(), ada)

			status, err := w.app.svc.Account(t.Context(), w.account(ada))
			require.NoError(t, err)
			require.Len(t, status.Authenticators, 1)
			require.Nil(t, status.Pending)
			require.Len(t, w.tokens(w.account(ada)), 1, "going back has made none")
			b.signInWith(ada, phone)
		})
	}
}

// TestTwoTabs has one tab go on with what the other has overtaken.
func TestTwoTabs(t *testing.T) {
	w := newWorld(t)
	one := w.open(t)
	one.signUp(ada)
	one.Press("Set it up")
	two := one.another()
	two.Visit(securityPath + "/pair")
	first := one.beginPairing("One")
	one.scanned()

	// The form was made before a pairing was begun, and would end it.
	two.Fill("Name", "Two")
	require.Equal(t, 409, two.Press("Show the QR code"))
	two.Has("This page was out of date")
	two.look("message stale")
	two.Visit(securityPath + "/pair")
	second, codes := two.pairFirst("Two")

	require.Equal(t, 409, one.TurnOn(w.code(first)))
	one.signOut()
	one.signIn(ada)
	require.Equal(t, 422, one.Answer("Code from the app", w.code(first)))
	require.Equal(t, 200, one.Answer("Code from the app", w.code(second)))

	// Signed in anew by one tab, the other one is too.
	require.Equal(t, 200, two.Visit("/"))
	two.Has(ada)
	two.signOut()
	one.Visit("/project")
	require.Equal(t, "/sign-in", one.Path())

	// Both are at the second step; the one that comes later finds it done.
	one.signIn(ada)
	two.Visit(securityPath + "/sign-in")
	require.Equal(t, 200, one.Answer("Code from the app", w.code(second)))
	two.Answer("Code from the app", w.code(second))
	require.Equal(t, "/", two.Path())
	status, err := w.app.svc.Account(t.Context(), w.account(ada))
	require.NoError(t, err)
	require.Len(t, status.Authenticators, 1)
	require.Equal(t, len(codes), status.RecoveryCodes.Left)
}

// TestDoubleClick sends forms twice, where no script keeps a browser from it.
func TestDoubleClick(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.open(t)
			b.Scripts(scripts)
			twice := func(text string, ends ...string) {
				t.Helper()
				b.Do(chromedp.DoubleClick(b.Control(text)))
				b.Until(ends...)
			}
			b.signUp(ada)
			b.Press("Set it up")
			phone := b.beginPairing("Phone")
			b.scanned()
			b.Fill("Code from the app", w.code(phone))
			twice("Turn on two-factor sign-in", "Two-factor sign-in is on", "This page was out of date")
			account := w.account(ada)
			status, err := w.app.svc.Account(t.Context(), account)
			require.NoError(t, err)
			require.Len(t, status.Authenticators, 1)

			b.Visit(securityPath + "/tokens/new")
			b.Fill("Name", "Script")
			b.Tick("projects:read")
			twice("Create token", "Copy it now", "This page was out of date")
			require.Len(t, w.tokens(account), 1)

			b.Visit("/")
			b.signOut()
			b.signIn(ada)
			b.Fill("Code from the app", w.code(phone))
			twice("Continue", "Your account", "out of date", "used already")
			b.Visit("/")
			state, err := w.app.svc.Account(t.Context(), account)
			require.NoError(t, err)
			verified := 0
			for _, e := range state.Activity {
				if e.Kind == event.CodeAccepted {
					verified++
				}
			}
			require.Equal(t, 1, verified, "of one code")
		})
	}
}
