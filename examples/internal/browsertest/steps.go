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
	phone, err = gatehousetest.Scan(strings.TrimSpace(string(text)))
	require.NoError(b.t, err)
	found := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindSubmatch(text)
	require.NotNil(b.t, found)
	secret = string(found[1])
	require.Contains(b.t, strings.ReplaceAll(b.Text(), " ", ""), secret, "for who cannot scan")
	return phone, secret
}

var codeText = regexp.MustCompile(`\b(?:[0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}\b`)

// RecoveryCodes returns the recovery codes that are shown.
func (b *Tab) RecoveryCodes() []string {
	b.t.Helper()
	return codeText.FindAllString(b.Text(), -1)
}

// Answer types a code into the field of this label, and returns the status of the page that comes then.
func (b *Tab) Answer(label, code string) int {
	b.t.Helper()
	b.Fill(label, code)
	return b.Press("Continue")
}
