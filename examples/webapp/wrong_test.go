package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// TestFocusIsOnWhatIsWrong sends every form with something wrong in it. The field has the focus and what was typed, and what
// is wrong with it is said right there, on screen.
func TestFocusIsOnWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.signUp(ada)
	long := strings.Repeat("名", 64) // which a field of 64 letters takes
	wrong := func(id string, status int, send func() int) {
		t.Helper()
		require.Equal(t, status, send())
		b.Await(func() bool {
			return b.Focused() == id || browsertest.Eval[string](b.Tab, `document.activeElement.name || ""`) == id
		})
		said := browsertest.Eval[string](b.Tab, `(() => {
			const e = document.activeElement, described = e.getAttribute("aria-describedby") || e.closest("fieldset").getAttribute("aria-describedby");
			const word = document.getElementById(described.split(" ")[0]), at = word.getBoundingClientRect();
			return at.top >= 0 && at.bottom <= innerHeight && word.matches(".error") ? word.innerText.trim() : "";
		})()`)
		require.NotEmpty(t, said)
	}
	unchecked := func() { // by the browser
		t.Helper()
		browsertest.Eval[chromedp.Void](b.Tab, `document.querySelectorAll("form").forEach(f => { f.noValidate = true })`)
	}
	b.Visit(securityPath + "/pair")
	b.Fill("Name", long)
	wrong("name", 422, func() int { return b.Press("Show the QR code") })
	b.Fill("Name", "Phone")
	b.Press("Show the QR code")
	phone := b.scan()
	b.Press("I’ve added it, continue")
	b.Unfold("Continue") // the browser itself keeps a box that must be ticked
	b.isAt("saved")
	b.Load(chromedp.Reload())
	unchecked()
	wrong("saved", 200, func() int { return b.Press("Continue") })
	b.Tick("I have saved these codes")
	b.Press("Continue")
	wrong("code", 200, func() int { return b.TurnOn("000000") })
	b.TurnOn(w.code(phone))

	b.Visit(securityPath + "/authenticators")
	b.Unfold("Rename Phone")
	b.Fill("New name", long)
	wrong("name", 422, func() int { return b.Press("Save the name") })
	b.Has("Save the name") // it is unfolded again

	for _, size := range []int64{320, 1280} {
		b.Size(size)
		b.Visit(securityPath + "/tokens/new")
		b.Unfold("Limit it further")
		b.Fill("Only from these networks", "10.0.0.0/33")
		wrong("name", 422, func() int { return b.Press("Create token") })
		b.Fill("Name", "Script")
		wrong("scope", 422, func() int { return b.Press("Create token") })
		b.Tick("projects:read")
		wrong("networks", 422, func() int { return b.Press("Create token") })
		b.Has("“10.0.0.0/33” is neither an address nor a network.")
		require.Equal(t, "Script", browsertest.Eval[string](b.Tab, `document.getElementById("name").value`))
	}
	b.Visit(securityPath + "/disable")
	wrong("sure", 422, func() int { return b.Press("Turn off") })
	b.Visit(securityPath + "/activity/plan?entry=1")
	unchecked()
	wrong("sure", 422, func() int { return b.Press("Revoke all tokens") })

	b.Visit("/")
	b.signOut()
	b.signIn(ada)
	wrong("code", 422, func() int { return b.Answer("Code from the app", "") })
	b.Press("My codes are never accepted")
	b.Fill("First code", "123456")
	wrong("first", 422, func() int { return b.Press("Continue") })
}
