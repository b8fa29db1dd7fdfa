package browsertest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func quote(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// The one element that a person would find by these words, in the whole page or in the part of it that has a
// heading. An element that is hidden is none.
const finders = `
(() => {
	const words = s => s.trim().replace(/\s+/g, ' ');
	const shown = e => e.checkVisibility({visibilityProperty: true});
	const one = (found, what) => {
		if (found.length !== 1) throw new Error(found.length + ' of ' + what);
		return found[0];
	};
	const part = heading => !heading ? document : one([...document.querySelectorAll('h1, h2, h3, h4')]
		.filter(e => shown(e) && words(e.innerText).includes(heading)), 'heading ' + heading)
		.closest('section, article, fieldset, li, details, form, main');
	const control = (text, heading) => one([...part(heading).querySelectorAll('button, a[href], summary')]
		.filter(e => shown(e) && words(e.getAttribute('aria-label') || e.innerText) === text), 'control ' + text);
	const field = (label, heading) => {
		const named = [...part(heading).querySelectorAll('input[aria-label]')].filter(e => shown(e) && e.getAttribute('aria-label') === label);
		if (named.length) return one(named, 'field ' + label);
		const labels = [...part(heading).querySelectorAll('label')].filter(shown);
		const exact = labels.filter(e => words(e.innerText) === label);
		return one(exact.length ? exact : labels.filter(e => words(e.innerText).includes(label)), 'field ' + label).control;
	};
	return %s;
})()`

// Control finds a button or a link by its text, in the whole page or in the part of it that has a heading. The page is
// there, so it does not wait.
func (b *Tab) Control(text string, heading ...string) chromedp.JSPath {
	b.t.Helper()
	return b.find("control(" + quote(text) + ", " + quote(strings.Join(heading, "")) + ")")
}

// field finds what a label belongs to.
func (b *Tab) field(label string, heading []string) chromedp.JSPath {
	b.t.Helper()
	return b.find("field(" + quote(label) + ", " + quote(strings.Join(heading, "")) + ")")
}

func (b *Tab) find(what string) chromedp.JSPath {
	b.t.Helper()
	path := fmt.Sprintf(finders, what)
	if !Eval[bool](b, "(() => { try { return !!"+path+" } catch (e) { return false } })()") {
		require.Fail(b.t, "not one "+what+" on the page", b.Text())
	}
	return chromedp.JSPath(path)
}

// Press activates a button or a link that leads to another page, and returns the status of that.
func (b *Tab) Press(text string, heading ...string) int {
	b.t.Helper()
	return b.Load(b.press(b.Control(text, heading...))...)
}

// Unfold activates what leads to no other page.
func (b *Tab) Unfold(text string, heading ...string) {
	b.t.Helper()
	b.Do(b.press(b.Control(text, heading...))...)
}

// Fill types into a field, in the place of what is there.
func (b *Tab) Fill(label, value string, heading ...string) {
	b.t.Helper()
	b.Select(label, heading...)
	switch {
	case value == "":
		b.Do(chromedp.KeyEvent(kb.Backspace))
	case b.hands == Fingers:
		b.Paste(value)
	default:
		b.Do(chromedp.KeyEvent(value))
	}
}

// Select goes to a field and selects what is in it, if anything.
func (b *Tab) Select(label string, heading ...string) {
	b.t.Helper()
	at := b.field(label, heading)
	b.focus(at)
	Eval[chromedp.Void](b, string(at)+".select(); 0") // there are many keys for this, one for each system
}

// Tick sets a check box or chooses a radio button.
func (b *Tab) Tick(label string, heading ...string) {
	b.t.Helper()
	b.Do(b.tick(b.field(label, heading))...)
}

// Choose chooses an entry of a list.
func (b *Tab) Choose(label, entry string, heading ...string) {
	b.t.Helper()
	at := b.field(label, heading)
	if b.hands == Keyboard {
		b.reach(at)
	}
	b.Do(chromedp.SendKeys(at, entry))
}
