package main

import (
	"regexp"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// What a person does, step by step, who goes by what the pages say.

func (b *tab) signUp(email string) {
	b.t.Helper()
	b.w.secret(password)
	b.Visit("/sign-up")
	b.Fill("E-mail address", email)
	b.Fill("Password", password)
	require.Equal(b.t, 200, b.Press("Sign up", "Sign up"))
	require.Equal(b.t, "/", b.Path())
}

// signIn does the first step.
func (b *tab) signIn(email string) {
	b.t.Helper()
	b.Visit("/sign-in")
	b.Fill("E-mail address", email)
	b.Fill("Password", password)
	require.Equal(b.t, 200, b.Press("Sign in", "Sign in"))
}

func (b *tab) signInWith(email string, phone *gatehousetest.Authenticator) {
	b.t.Helper()
	b.signIn(email)
	require.Equal(b.t, 200, b.Answer("Code from the app", b.w.code(phone)))
	require.Equal(b.t, "/", b.Path())
}

func (b *tab) signOut() {
	b.t.Helper()
	b.Press("Sign out")
	require.Equal(b.t, "/sign-in", b.Path())
}

// authenticator is an app.
type authenticator = gatehousetest.Authenticator

// scan takes a picture of the QR code that is shown, and adds what it says to an app. On a phone it is the link that does.
func (b *tab) scan() *authenticator {
	b.t.Helper()
	take := b.Scan
	if b.onlyPhone {
		take = b.OpenApp
	}
	phone, secret := take()
	b.w.secret(secret)
	return phone
}

// codes returns the recovery codes that are shown.
func (b *tab) codes() []string {
	b.t.Helper()
	codes := b.RecoveryCodes()
	require.Len(b.t, codes, 10)
	for _, code := range codes {
		b.w.secret(code)
	}
	return codes
}

// beginPairing fills in the form that is shown, and scans what comes.
func (b *tab) beginPairing(name string) *gatehousetest.Authenticator {
	b.t.Helper()
	b.Fill("Name", name)
	require.Equal(b.t, 200, b.Press("Show the QR code"))
	return b.scan()
}

// confirmPairing types the first code of another authenticator.
func (b *tab) confirmPairing(phone *gatehousetest.Authenticator) {
	b.t.Helper()
	require.Empty(b.t, b.Scanned())
	b.Fill("Code from the app", b.w.code(phone))
	require.Equal(b.t, 200, b.Press("Add this app"))
	b.Has("Your new app works")
}

// scanned goes on to the form for the first code.
func (b *tab) scanned() (codes []string) {
	b.t.Helper()
	codes = b.Scanned()
	for _, code := range codes {
		b.w.secret(code)
	}
	return codes
}

// pairFirst goes from the form for the first authenticator to the end.
func (b *tab) pairFirst(name string) (phone *gatehousetest.Authenticator, codes []string) {
	b.t.Helper()
	phone = b.beginPairing(name)
	codes = b.scanned()
	require.Equal(b.t, 200, b.TurnOn(b.w.code(phone)))
	b.Has("Two-factor sign-in is on")
	return phone, codes
}

var tokenText = regexp.MustCompile(`\bacme_[a-z0-9]{3}_[0-9A-Za-z]{63}\b`)

// token returns the token that is shown.
func (b *tab) token() string {
	b.t.Helper()
	text := tokenText.FindString(b.Text())
	require.NotEmpty(b.t, text)
	return b.w.secret(text)
}

// newToken fills in the form that is shown.
func (b *tab) newToken(name string, scopes ...string) string {
	b.t.Helper()
	b.Fill("Name", name)
	for _, scope := range scopes {
		b.Tick(scope)
	}
	require.Equal(b.t, 200, b.Press("Create token"))
	return b.token()
}

// wrongCode returns a code that an authenticator does not show now, nor just before or after.
func (w *world) wrongCode(phone *gatehousetest.Authenticator) string {
	right := map[string]bool{}
	for step := -3; step <= 3; step++ {
		right[phone.Code(w.clock().Add(time.Duration(step)*30*time.Second))] = true
	}
	for _, code := range []string{"000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777"} {
		if !right[code] {
			return code
		}
	}
	panic("seven codes of eight")
}
