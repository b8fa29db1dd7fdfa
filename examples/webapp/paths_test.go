package main

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
)

// TestWithoutScripts goes the main way in a browser that runs no scripts.
func TestWithoutScripts(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.scripts(false)
	b.signUp(ada)
	b.press("Set it up")
	phone, codes := b.pairFirst("Phone")
	b.press("Go to Security")
	b.has("10 of 10 codes left")
	b.signOut()
	b.signInWith(ada, phone)
	b.visit(securityPath + "/tokens/new")
	token := b.newToken("Script", "projects:read")
	require.Equal(t, 200, w.call(token))
	w.wait(16 * time.Minute)
	b.press("Done")
	b.press("Script")
	b.look("token without scripts")
	require.Equal(t, 403, b.press("Revoke token"))
	require.Equal(t, 200, w.call(token))
	require.Equal(t, 200, b.answer("Code", w.code(phone)))
	b.has("The token is revoked.")
	require.Equal(t, 401, w.call(token))
	b.signOut()
	b.signIn(ada)
	b.press("Use a recovery code")
	require.Equal(t, 200, b.answer("Recovery code", codes[0]))
	require.Equal(t, "/", b.path())
}

// TestLocked guesses until the codes of the app are locked.
func TestLocked(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.signUp(ada)
	b.press("Set it up")
	phone, codes := b.pairFirst("Phone")
	b.signOut()
	b.signIn(ada)
	for range 5 {
		b.has("Use a recovery code")
		require.Equal(t, 422, b.answer("Code from the app", w.wrongCode(phone)))
	}
	require.Equal(t, 429, b.answer("Code from the app", w.wrongCode(phone)))
	b.has("Try again in 30 seconds.")
	b.look("secondstep locked")
	w.wait(29 * time.Second)
	require.Equal(t, 429, b.answer("Code from the app", phone.Code(w.clock())), "also a right one")
	b.has("Try again in 1 second")
	w.wait(time.Second)
	require.Equal(t, 200, b.answer("Code from the app", phone.Code(w.clock())))
	require.Equal(t, "/", b.path())

	// Inside a session a recovery code unlocks before the time.
	w.wait(6 * time.Minute)
	b.visit(securityPath + "/disable")
	for range 5 {
		require.Equal(t, 422, b.answer("Code", w.wrongCode(phone)))
	}
	require.Equal(t, 429, b.answer("Code", w.wrongCode(phone)))
	b.look("stepup locked")
	b.visit(securityPath + "/authenticators")
	b.look("authenticators locked")
	require.Equal(t, 403, b.press("Unlock now"))
	require.Equal(t, 200, b.answer("Code", codes[0]))
	b.has("It is unlocked.")
	b.signOut()
	b.signInWith(ada, phone)
}

// TestReset has an owner lose everything, and support help.
func TestReset(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.signUp(ada)
	b.press("Set it up")
	lost, codes := b.pairFirst("Phone")
	b.visit(securityPath + "/tokens/new")
	token := b.newToken("Script", "projects:read")

	// What support runs is no page of this program.
	code, err := w.app.svc.Operator("agent-7").Because("video call, ticket 4711").Reset(t.Context(), w.account(ada))
	require.NoError(t, err)
	w.secret(code.Reveal())
	require.Equal(t, 401, w.call(token))
	b.visit("/")
	require.Equal(t, "/sign-in", b.path(), "the sessions have ended")

	b.signIn(ada)
	b.has("Support has reset your two-factor sign-in")
	b.look("secondstep support")
	require.Equal(t, 422, b.answer("Code from support", codes[0]))
	require.Equal(t, 422, b.answer("Code from support", lost.Code(w.clock())))
	require.Equal(t, 200, b.answer("Code from support", code.Reveal()))
	b.look("pair reset")
	b.visit("/")
	require.Equal(t, "/sign-in", b.path(), "the code signs nobody in")
	b.visit(securityPath + "/")
	require.Equal(t, securityPath+"/pair", b.path())
	w.wait(2 * time.Minute)
	phone, _ := b.pairFirst("New phone")
	b.look("paired reset")
	b.press("Sign in")
	b.signIn(ada)
	require.Equal(t, 422, b.answer("Code from the app", w.code(lost)))
	require.Equal(t, 200, b.answer("Code from the app", w.code(phone)))
	b.press("Security")
	b.has("New phone")
	b.press("All recent activity")
	b.has("Support reset two-factor sign-in", "agent-7", "video call, ticket 4711")
	b.look("activity reset")
	b.signOut()
	b.signIn(ada)
	require.NotContains(t, b.text(), "support")
}

// TestBackButton goes back to where secrets were shown.
func TestBackButton(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.open(t)
			b.scripts(scripts)
			back := func() {
				t.Helper()
				for range 3 {
					b.back()
					require.Empty(t, w.leaks(b.text()))
				}
			}
			b.signUp(ada)
			b.press("Set it up")
			phone, _ := b.pairFirst("Phone")
			b.press("Go to Security")
			back()
			// A page that is left has no secret any more, in case the browser keeps it as it was.
			leave := func() {
				t.Helper()
				require.NotEmpty(t, w.leaks(b.text()))
				if scripts {
					eval[bool](b, `dispatchEvent(new Event("pagehide"))`)
					require.Empty(t, w.leaks(eval[string](b, `document.documentElement.outerHTML`)))
				}
			}
			b.visit(securityPath + "/tokens/new")
			b.newToken("Script", "projects:read")
			leave()
			b.press("Done")
			back()
			b.visit(securityPath + "/recovery-codes")
			b.press("Create new codes")
			b.codes()
			leave()
			b.press("I have saved these codes")
			back()
			b.visit("/")
			b.signOut()
			back()
			require.NotContains(t, b.text(), ada)

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
	one.press("Set it up")
	two := one.another()
	two.visit(securityPath + "/pair")
	first := one.beginPairing("One")
	one.codes()
	one.tick("I have saved these codes")

	// The form was made before a pairing was begun, and would end it.
	two.fill("Name", "Two")
	require.Equal(t, 409, two.press("Show the QR code"))
	two.has("This page was out of date")
	two.look("message stale")
	two.visit(securityPath + "/pair")
	second, codes := two.pairFirst("Two")

	one.fill("Code from the app", w.code(first))
	require.Equal(t, 409, one.press("Turn on"))
	one.signOut()
	one.signIn(ada)
	require.Equal(t, 422, one.answer("Code from the app", w.code(first)))
	require.Equal(t, 200, one.answer("Code from the app", w.code(second)))

	// Signed in anew by one tab, the other one is too.
	require.Equal(t, 200, two.visit("/"))
	two.has(ada)
	two.signOut()
	one.visit("/project")
	require.Equal(t, "/sign-in", one.path())

	// Both are at the second step; the one that comes later finds it done.
	one.signIn(ada)
	two.visit(securityPath + "/sign-in")
	require.Equal(t, 200, one.answer("Code from the app", w.code(second)))
	two.answer("Code from the app", w.code(second))
	require.Equal(t, "/", two.path())
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
			b.scripts(scripts)
			twice := func(text string, ends ...string) {
				t.Helper()
				b.do(chromedp.DoubleClick(b.control(text, nil)))
				b.until(ends...)
			}
			b.signUp(ada)
			b.press("Set it up")
			phone := b.beginPairing("Phone")
			b.codes()
			b.tick("I have saved these codes")
			b.fill("Code from the app", w.code(phone))
			twice("Turn on", "Two-factor sign-in is on", "This page was out of date")
			account := w.account(ada)
			status, err := w.app.svc.Account(t.Context(), account)
			require.NoError(t, err)
			require.Len(t, status.Authenticators, 1)

			b.visit(securityPath + "/tokens/new")
			b.fill("Name", "Script")
			b.tick("projects:read")
			twice("Create token", "Copy it now", "This page was out of date")
			require.Len(t, w.tokens(account), 1)

			b.visit("/")
			b.signOut()
			b.signIn(ada)
			b.fill("Code from the app", w.code(phone))
			twice("Continue", "Your account", "out of date", "used already")
			b.visit("/")
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
