package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// TestPairingStays reloads each step of a pairing and goes back from it, types wrong codes and closes the tab: nothing is
// lost of what was shown.
func TestPairingStays(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.open(t)
			b.Scripts(scripts)
			b.signUp(ada)
			b.Press("Set it up")
			phone := b.beginPairing("Phone")
			same := func(path string, shows ...string) {
				t.Helper()
				require.Equal(t, securityPath+path, b.Path())
				b.Has(shows...)
			}
			scan := func() { t.Helper(); require.Equal(t, phone.Code(w.clock()), b.scan().Code(w.clock())) }
			reload := func() { t.Helper(); require.Equal(t, 200, b.Load(chromedp.Reload())) }

			reload()
			scan()
			b.Press("I’ve added it, continue")
			codes := b.codes()
			reload()
			same("/pair/codes", codes...)
			b.Back()
			same("/pair/scan")
			require.True(t, browsertest.Eval[bool](b.Tab, `!!document.querySelector(".qr svg")`))
			reload() // a page that the browser has kept cannot be looked at by the test
			scan()
			b.Press("I’ve added it, continue")
			same("/pair/codes", codes...)
			b.Tick("I have saved these codes")
			b.Press("Continue")
			for range 3 {
				require.Equal(t, 200, b.TurnOn("000000"))
				same("/pair/confirm", "That code isn’t right.")
				b.isAt("code")
				reload()
				same("/pair/confirm")
			}
			b.Press("show the codes")
			same("/pair/codes", codes...)
			b.Back()
			same("/pair/confirm")
			for b.Path() != securityPath+"/pair/codes" { // by way of each wrong code
				b.Back()
			}
			b.Has(codes...)
			b.Back()

			// Another tab of the same browser goes on from the overview.
			two := b.another()
			two.Scripts(scripts)
			two.Visit(securityPath + "/")
			require.Equal(t, 200, two.Press("Continue setting up"))
			two.Press("show the picture and key")
			require.Equal(t, phone.Code(w.clock()), two.scan().Code(w.clock()))
			two.Press("I’ve added it, continue")
			two.Has(codes...)
			two.Press("Continue") // the box is ticked already
			require.Equal(t, 200, two.TurnOn(w.code(phone)))
			two.Has("Two-factor sign-in is on")

			// From here on it is shown nowhere: not by going back, and not by a reload.
			for two.Path() != securityPath+"/" {
				two.Back()
				require.Empty(t, w.leaks(two.Text()))
			}
			reload()
			require.Empty(t, w.leaks(b.Text()))
		})
	}
}

// isAt waits until the element with an ID has the focus, which a browser sets as it shows the page.
func (b *tab) isAt(id string) {
	b.t.Helper()
	b.Await(func() bool { return b.Focused() == id })
}

// TestPairingOnAPhone is on the device that has the app: a link opens it, and stands above the picture.
func TestPairingOnAPhone(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.Size(360)
	b.signUp(ada)
	b.Press("Set it up")
	phone := b.beginPairing("Phone")
	to := browsertest.Eval[string](b.Tab, `document.querySelector(".phone a").href`)
	app, err := gatehousetest.Scan(to)
	require.NoError(t, err)
	require.Equal(t, phone.Code(w.clock()), app.Code(w.clock()))
	above := `document.querySelector(".phone a").checkVisibility() &&
		document.querySelector(".phone a").getBoundingClientRect().bottom < document.querySelector(".qr").getBoundingClientRect().top`
	require.True(t, browsertest.Eval[bool](b.Tab, above))
	require.NotContains(t, browsertest.Eval[string](b.Tab, `document.getElementById("secret").textContent`), " ", "a copy has no spaces")
	b.Size(1280)
	require.False(t, browsertest.Eval[bool](b.Tab, above), "no app is on this device")
}
