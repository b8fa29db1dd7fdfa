package browsertest

import (
	"context"
	"encoding/json"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Hands are how a person works a page.
type Hands uint8

// A mouse at a desk, the keyboard alone, and fingers on a phone that is 360 px wide.
const (
	Mouse Hands = iota
	Keyboard
	Fingers
)

// Use has everything from here on be done with these hands.
func (b *Tab) Use(h Hands) {
	b.t.Helper()
	b.hands = h
	if h == Fingers {
		b.Do(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulatePortrait, chromedp.EmulateTouch))
	}
}

// press is what activates an element.
func (b *Tab) press(at chromedp.JSPath) []chromedp.Action[chromedp.Void] {
	b.t.Helper()
	switch b.hands {
	case Keyboard:
		b.reach(at)
		return []chromedp.Action[chromedp.Void]{chromedp.KeyEvent("\r")}
	case Fingers:
		return []chromedp.Action[chromedp.Void]{chromedp.TapXY(b.under(at))}
	}
	return []chromedp.Action[chromedp.Void]{chromedp.Click(at)}
}

// tick is press for a check box or a radio button.
func (b *Tab) tick(at chromedp.JSPath) []chromedp.Action[chromedp.Void] {
	b.t.Helper()
	if b.hands != Keyboard {
		return b.press(at)
	}
	b.reach(at)
	return []chromedp.Action[chromedp.Void]{chromedp.KeyEvent(" ")}
}

// focus goes to a field.
func (b *Tab) focus(at chromedp.JSPath) {
	b.t.Helper()
	switch b.hands {
	case Keyboard:
		b.reach(at)
	case Fingers:
		b.Do(b.press(at)...)
	default:
		b.Do(chromedp.Focus(at))
	}
}

// under returns the middle of an element once a finger has scrolled it into view, and fails where something lies over it.
func (b *Tab) under(at chromedp.JSPath) (x, y float64) {
	b.t.Helper()
	p := Eval[[]float64](b, `(async () => {
		const e = `+string(at)+`;
		e.scrollIntoView({block: "center", behavior: "instant"});
		await new Promise(done => { requestAnimationFrame(done); setTimeout(done, 100); });
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		const hit = document.elementFromPoint(x, y);
		return e === hit || e.contains(hit) || e.labels && [...e.labels].some(l => l.contains(hit)) ? [x, y] : [];
	})()`)
	require.Len(b.t, p, 2, "no finger gets at %s", at)
	return p[0], p[1]
}

// stop is where the focus is.
type stop struct {
	Here  bool   // it is the element that is looked for
	What  string // the element that has it, for messages; empty for none
	Wrong string // what is wrong with that; empty: nothing
}

// The focus can be seen, and goes on in the order in which the page is read: never back in the document, and never up in a
// column, but from its end to its beginning.
const focusStop = `(at => {
	const e = document.activeElement, last = document.gatehouseLast;
	if (!e || e === document.body) { document.gatehouseLast = null; return {Here: false, What: "", Wrong: ""}; }
	const r = e.getBoundingClientRect(), style = getComputedStyle(e);
	let wrong = "";
	if (!e.matches(":focus-visible") || style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong = "its focus is not seen";
	else if (r.bottom < 1 || r.top > innerHeight - 1 || r.right < 1 || r.left > innerWidth - 1) wrong = "it is off screen";
	else if (e.tabIndex > 0) wrong = "it has an order of its own";
	else if (last && last !== e && last.isConnected && last.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING) {
		const was = last.getBoundingClientRect();
		if (r.bottom <= was.top && r.left < was.right && !last.classList.contains("skip")) wrong = "the focus goes up";
	}
	document.gatehouseLast = e;
	return {Here: e === at, What: e.outerHTML.slice(0, 160), Wrong: wrong};
})`

// stop returns where the focus is now.
func (b *Tab) stop(at chromedp.JSPath) (s stop) {
	b.t.Helper()
	where := Eval[json.RawMessage](b, focusStop+"("+string(at)+")")
	require.NoError(b.t, json.Unmarshal(where, &s))
	require.Empty(b.t, s.Wrong, s.What)
	return s
}

// reach presses the Tab key until an element has the focus.
func (b *Tab) reach(at chromedp.JSPath) {
	b.t.Helper()
	var passed []string
	for range 120 {
		s := b.stop(at)
		if s.Here {
			return
		}
		passed = append(passed, s.What)
		b.Do(chromedp.KeyEvent("\t"))
	}
	require.Fail(b.t, "no key leads there", "%s\n%q", at, passed)
}

// Focused returns the ID of the element that has the focus, and its text where it has no ID.
func (b *Tab) Focused() string {
	b.t.Helper()
	return Eval[string](b, `(e => e?.id || e?.innerText?.trim().replace(/\s+/g, " ") || "")(document.activeElement)`)
}

// Paste types a text at once, as the clipboard or a phone's keyboard does, in place of all that is selected.
func (b *Tab) Paste(text string) {
	b.t.Helper()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
	})
}

// Clipboard returns what the browser would paste.
func (b *Tab) Clipboard() string {
	b.t.Helper()
	Eval[chromedp.Void](b, `(e => { e.id = "gatehouse-paste"; document.body.append(e); e.focus({preventScroll: true}); })(document.createElement("textarea")); 0`)
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{
			Type: input.DispatchKeyEventTypeRawKeyDown, Key: "v", Code: "KeyV", Modifiers: 2, Commands: []string{"paste"},
		})
	})
	return Eval[string](b, `(e => { e.remove(); return e.value; })(document.getElementById("gatehouse-paste"))`)
}

// Inject has every page from here on run a script of somebody else's before its own, as extensions of a browser do.
func (b *Tab) Inject(script string) {
	b.t.Helper()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	})
}

// Downloads has the browser save files in a folder.
func (b *Tab) Downloads(dir string) {
	b.t.Helper()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		is, err := cdp.Call(ctx, t, target.GetTargetInfo, target.GetTargetInfoParams{})
		if err != nil {
			return chromedp.Void{}, err
		}
		return cdp.Call(ctx, t, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: is.TargetInfo.BrowserContextID,
		})
	})
}

// Print shows the pages as they are on paper, or as they are on screen again.
func (b *Tab) Print(on bool) {
	b.t.Helper()
	media := ""
	if on {
		media = "print"
	}
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media})
	})
}
