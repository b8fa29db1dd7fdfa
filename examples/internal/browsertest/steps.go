package browsertest

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// Scan takes a picture of the QR code that is shown, as a phone would, and adds what it says to an app.
func (b *Tab) Scan() (phone *gatehousetest.Authenticator, secret string) {
	b.t.Helper()
	zbarimg := testneed.Program(b.t, "zbarimg", "zbar-tools")
	picture, err := Try(b, chromedp.Screenshot(chromedp.CSS(`[role=img][aria-label^="QR code"]`)))
	require.NoError(b.t, err)
	cmd := exec.Command(zbarimg, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "-")
	cmd.Stdin = bytes.NewReader(picture)
	text, err := cmd.Output()
	require.NoError(b.t, err)
	return b.added(strings.TrimSpace(string(text)))
}

// OpenApp does what the link of a pairing does on the phone that shows it: it adds an entry to an app.
func (b *Tab) OpenApp() (phone *gatehousetest.Authenticator, secret string) {
	b.t.Helper()
	link := b.Control("Open my authenticator app")
	b.under(link) // a finger gets at it
	return b.added(Eval[string](b, string(link)+".href"))
}

func (b *Tab) added(uri string) (phone *gatehousetest.Authenticator, secret string) {
	b.t.Helper()
	phone, err := gatehousetest.Scan(uri)
	require.NoError(b.t, err)
	found := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(uri)
	require.NotNil(b.t, found)
	require.Contains(b.t, strings.ReplaceAll(b.Text(), " ", ""), found[1], "for who cannot scan")
	return phone, found[1]
}

var codeText = regexp.MustCompile(`\b(?:[0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}\b`)

// RecoveryCodes returns the recovery codes that are shown.
func (b *Tab) RecoveryCodes() []string {
	b.t.Helper()
	return codeText.FindAllString(b.Text(), -1)
}

// Scanned goes from the picture of a pairing to the form for its first code, by way of the recovery codes that it brings,
// if any, and returns them.
func (b *Tab) Scanned() (codes []string) {
	b.t.Helper()
	require.Equal(b.t, 200, b.Press("I’ve added it, continue"))
	if strings.HasSuffix(b.Path(), "/pair/codes") {
		codes = b.RecoveryCodes()
		require.Len(b.t, codes, 10)
		b.Tick("I have saved these codes")
		require.Equal(b.t, 200, b.Press("Continue"))
	}
	require.True(b.t, strings.HasSuffix(b.Path(), "/pair/confirm"), b.Path())
	return codes
}

// TurnOn types the first code of the account's first authenticator, and returns the status of the page that comes then.
func (b *Tab) TurnOn(code string) int {
	b.t.Helper()
	b.Fill("Code from the app", code)
	return b.Press("Turn on two-factor sign-in")
}

// Answer types a code into the field of this label, and returns the status of the page that comes then.
func (b *Tab) Answer(label, code string) int {
	b.t.Helper()
	b.Fill(label, code)
	return b.Press("Continue")
}
