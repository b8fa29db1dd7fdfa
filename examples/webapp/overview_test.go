package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// high has the page be no higher than that in a window of each width.
func (b *tab) high(name string, most map[int64]int64) {
	b.t.Helper()
	b.look(name)
	for width, high := range most {
		b.Size(width)
		got := browsertest.Eval[int64](b.Tab, `Math.ceil(document.body.getBoundingClientRect().height)`)
		require.LessOrEqual(b.t, got, high, "%s, %d px wide", name, width)
		require.LessOrEqual(b.t, browsertest.Eval[int64](b.Tab, `document.documentElement.scrollWidth`), width, name)
		b.t.Logf("%s: %d px high at %d", name, got, width)
	}
	b.Size(1280)
}

// The overview is one screen, with one thing to do, for somebody who has just signed up and for somebody who has done
// everything.
func TestOverviewIsOneScreen(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	one := map[int64]int64{1280: 900, 360: 1500}
	const primary = `document.querySelectorAll('main .btn.primary').length`

	b.signUp(ada)
	b.Visit(securityPath + "/")
	b.Has("Only your password protects you", "Turn on two-factor sign-in", "Weak", "Not open to you yet")
	require.Equal(t, 1, browsertest.Eval[int](b.Tab, primary))
	b.high("overview new", one)
	b.Press("See the full review")
	b.Has("What you can do now", "Two-factor sign-in is off", "How it changed")
	b.look("review new")

	b.Visit(securityPath + "/pair")
	b.pairFirst("Phone")
	b.Visit("/email")
	b.Press("Send a mail")
	b.Fill("The code in the mail", strings.TrimPrefix(w.lastMail(), ada+": Your code is "))
	b.Press("Confirm")
	b.Visit(securityPath + "/")
	b.Has("Two-factor sign-in protects you", "Add a second authenticator", "Everything is open to you")
	b.high("overview one", one)

	b.Visit(securityPath + "/pair")
	tablet := b.beginPairing("Tablet")
	b.confirmPairing(tablet)
	b.Visit(securityPath + "/")
	b.Has("You’re well protected", "Nothing to do", "Strong", "Phone", "Tablet", "Verified")
	require.Zero(t, browsertest.Eval[int](b.Tab, primary))
	b.high("overview healthy", one)
	b.Press("See the full review")
	b.Has("100 of 100 points", "All good")
	b.look("review healthy")
}
