package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// What a person does, step by step, who goes by what the pages say.

func (b *tab) signUp(email string) {
	b.t.Helper()
	b.w.secret(password)
	b.visit("/sign-up")
	b.fill("E-mail address", email)
	b.fill("Password", password)
	require.Equal(b.t, 200, b.press("Sign up", "Sign up"))
	require.Equal(b.t, "/", b.path())
}

// signIn does the first step.
func (b *tab) signIn(email string) {
	b.t.Helper()
	b.visit("/sign-in")
	b.fill("E-mail address", email)
	b.fill("Password", password)
	require.Equal(b.t, 200, b.press("Sign in", "Sign in"))
}

// answer does the second step, with what the page calls the code, and returns the status of what comes then.
func (b *tab) answer(label, code string) int {
	b.t.Helper()
	b.fill(label, code)
	return b.press("Continue")
}

func (b *tab) signInWith(email string, phone *gatehousetest.Authenticator) {
	b.t.Helper()
	b.signIn(email)
	require.Equal(b.t, 200, b.answer("Code from the app", b.w.code(phone)))
	require.Equal(b.t, "/", b.path())
}

func (b *tab) signOut() {
	b.t.Helper()
	b.press("Sign out")
	require.Equal(b.t, "/sign-in", b.path())
}

// scan takes a picture of the QR code that is shown, as a phone would, and adds what it says to an app.
func (b *tab) scan() *gatehousetest.Authenticator {
	b.t.Helper()
	zbarimg := testneed.Program(b.t, "zbarimg", "zbar-tools")
	picture, err := try(b, chromedp.Screenshot(chromedp.CSS(`[role=img][aria-label^="QR code"]`)))
	require.NoError(b.t, err)
	cmd := exec.Command(zbarimg, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "-")
	cmd.Stdin = bytes.NewReader(picture)
	text, err := cmd.Output()
	require.NoError(b.t, err)
	phone, err := gatehousetest.Scan(strings.TrimSpace(string(text)))
	require.NoError(b.t, err)
	secret := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindSubmatch(text)
	require.NotNil(b.t, secret)
	b.w.secret(string(secret[1]))
	require.Contains(b.t, plain(b.text()), strings.ToLower(string(secret[1])), "for who cannot scan")
	return phone
}

var codeText = regexp.MustCompile(`\b(?:[0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}\b`)

// codes returns the recovery codes that are shown.
func (b *tab) codes() []string {
	b.t.Helper()
	codes := codeText.FindAllString(b.text(), -1)
	require.Len(b.t, codes, 10)
	for _, code := range codes {
		b.w.secret(code)
	}
	return codes
}

// beginPairing fills in the form that is shown, and scans what comes.
func (b *tab) beginPairing(name string) *gatehousetest.Authenticator {
	b.t.Helper()
	b.fill("Name", name)
	require.Equal(b.t, 200, b.press("Show the QR code"))
	return b.scan()
}

// confirmPairing types the first code.
func (b *tab) confirmPairing(phone *gatehousetest.Authenticator) {
	b.t.Helper()
	b.fill("Code from the app", b.w.code(phone))
	require.Equal(b.t, 200, b.press("Turn on"))
	b.has("Two-factor sign-in is on")
}

// pairFirst goes from the form for the first authenticator to the end.
func (b *tab) pairFirst(name string) (phone *gatehousetest.Authenticator, codes []string) {
	b.t.Helper()
	phone = b.beginPairing(name)
	codes = b.codes()
	b.tick("I have saved these codes")
	b.confirmPairing(phone)
	return phone, codes
}

var tokenText = regexp.MustCompile(`\bacme_[a-z0-9]{3}_[0-9A-Za-z]{63}\b`)

// token returns the token that is shown.
func (b *tab) token() string {
	b.t.Helper()
	text := tokenText.FindString(b.text())
	require.NotEmpty(b.t, text)
	return b.w.secret(text)
}

// newToken fills in the form that is shown.
func (b *tab) newToken(name string, scopes ...string) string {
	b.t.Helper()
	b.fill("Name", name)
	for _, scope := range scopes {
		b.tick(scope)
	}
	require.Equal(b.t, 200, b.press("Create token"))
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
