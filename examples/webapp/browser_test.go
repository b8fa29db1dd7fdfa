package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// patience ends what hangs. Nothing waits for it to pass, and no machine is so busy that a page takes as long.
const patience = 5 * time.Minute

// chromium is the one browser of all tests.
var chromium struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if chromium.close != nil {
		chromium.close()
	}
	os.Exit(status)
}

func startChromium(path string) {
	chromium.once.Do(func() {
		dir, err := os.MkdirTemp("", "webapp-chromium-")
		if err != nil {
			chromium.err = err
			return
		}
		flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(dir),
			chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
			chromedp.Flag("no-sandbox", os.Geteuid() == 0),
			chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(patience))
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
		ctx, stop := chromedp.NewContext(allocator)
		chromium.ctx, chromium.err = ctx, chromedp.Do(ctx)
		chromium.close = func() {
			stop()
			stopAllocator()
			_ = os.RemoveAll(dir)
		}
	})
}

// tab is a tab of the browser, and watches what it does.
type tab struct {
	t          testing.TB
	w          *world
	ctx        context.Context
	seen       *seen
	scriptless bool
}

// seen is what tabs have asked for and complained about.
type seen struct {
	mu         sync.Mutex
	urls       []string
	complaints []string
}

// open returns a tab of a new profile.
func (w *world) open(t testing.TB) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	if found, err := exec.LookPath("chromium"); err == nil || path == "" {
		if err != nil {
			found = testneed.Program(t, "chromium", "chromium")
		}
		path = found
	}
	startChromium(path)
	require.NoError(t, chromium.err)
	b := &tab{t: t, w: w, seen: &seen{}}
	b.begin(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(b.seen.check(t, w.server.URL))
	t.Cleanup(b.checkLeaks)
	return b
}

// another returns another tab of the same profile.
func (b *tab) another() *tab {
	other := &tab{t: b.t, w: b.w, seen: b.seen}
	other.begin(b.ctx)
	return other
}

func (b *tab) begin(parent context.Context, opts ...chromedp.ContextOption) {
	ctx, cancel := chromedp.NewContext(parent, append(opts, chromedp.WithListener(b.seen.listen))...)
	b.t.Cleanup(cancel)
	b.ctx = ctx
	require.NoError(b.t, chromedp.Do(ctx)) // the tab is there as long as this context
	b.size(1280)
}

func (s *seen) listen(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		s.urls = append(s.urls, e.Request.URL)
	case *network.EventResponseReceived:
		if e.Type != "Document" && e.Response.Status >= 400 {
			s.complaints = append(s.complaints, fmt.Sprintf("%s is answered with %d", e.Response.URL, e.Response.Status))
		}
	case *runtime.EventExceptionThrown:
		s.complaints = append(s.complaints, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			s.complaints = append(s.complaints, fmt.Sprintf("console: %s %v", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		// Chromium notes every answer whose status is an error. Those of pages are meant.
		if e.Entry.Source == "network" && strings.Contains(e.Entry.Text, "responded with a status of 4") {
			return
		}
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			s.complaints = append(s.complaints, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// check fails if a page has broken its own policy, a script has failed, or anything came from elsewhere.
func (s *seen) check(t testing.TB, base string) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, complaint := range s.complaints {
			t.Error("the browser complains:", complaint)
		}
		for _, asked := range s.urls {
			if u, err := url.Parse(asked); err != nil || "http://"+u.Host != base && u.Scheme != "data" && u.Scheme != "blob" {
				t.Error("asked elsewhere:", asked)
			}
		}
	}
}

// do runs actions, and fails if they take too long.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if _, err := try(b, chromedp.Steps(steps...)); err != nil {
		b.fail(err)
	}
}

// load runs actions that lead to another page, and returns the status of that.
func (b *tab) load(steps ...chromedp.Action[chromedp.Void]) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.fail(err)
	}
	return int(response.Status)
}

func (b *tab) fail(err error) {
	b.t.Helper()
	if errors.Is(err, context.DeadlineExceeded) {
		require.NoError(b.t, err, b.text())
	}
	require.NoError(b.t, err)
}

// try runs an action that may fail.
func try[T any](b *tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// eval returns what an expression is in the page. The debugger runs it, also where scripts are off.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := try(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err)
	return v
}

// visit goes to a path, and returns the status of the page.
func (b *tab) visit(path string) int {
	b.t.Helper()
	return b.load(chromedp.Navigate(b.w.server.URL + path))
}

func (b *tab) text() string { b.t.Helper(); return eval[string](b, `document.body.innerText`) }

func (b *tab) path() string { b.t.Helper(); return eval[string](b, `location.pathname`) }

// has fails unless the page shows every text.
func (b *tab) has(texts ...string) {
	b.t.Helper()
	shown := b.text()
	for _, text := range texts {
		require.Contains(b.t, shown, text)
	}
}

// back presses the button. Where the browser asks whether to send a form again, the answer is yes.
func (b *tab) back() {
	b.t.Helper()
	was := b.entries()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		to := page.NavigateToHistoryEntryParams{EntryID: was.Entries[was.CurrentIndex-1].ID}
		return cdp.Call(ctx, t, page.NavigateToHistoryEntry, to)
	})
	// A page that the browser has kept as it was does not load, so there is no event to wait for.
	b.await(func() bool {
		is, err := try(b, chromedp.NavigationEntries())
		return err == nil && is.CurrentIndex == was.CurrentIndex-1 && b.complete()
	})
	if strings.Contains(b.text(), "Confirm Form Resubmission") {
		require.Equal(b.t, 409, b.load(chromedp.Reload()))
	}
}

func (b *tab) entries() page.GetNavigationHistoryResult {
	b.t.Helper()
	entries, err := try(b, chromedp.NavigationEntries())
	require.NoError(b.t, err)
	return entries
}

// complete reports whether there is a page that has loaded.
func (b *tab) complete() bool {
	done, err := try(b, chromedp.Evaluate[bool](`document.readyState === 'complete'`))
	return err == nil && done
}

// until waits for a page with one of the texts.
func (b *tab) until(texts ...string) {
	b.t.Helper()
	b.await(func() bool {
		shown, err := try(b, chromedp.Evaluate[string](`document.body.innerText`))
		return err == nil && b.complete() && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(shown, text) })
	})
}

// await asks again and again, for what no event tells.
func (b *tab) await(ok func() bool) {
	b.t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		require.Less(b.t, time.Since(begun), patience)
	}
}

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
		const labels = [...part(heading).querySelectorAll('label')].filter(shown);
		const exact = labels.filter(e => words(e.innerText) === label);
		return one(exact.length ? exact : labels.filter(e => words(e.innerText).includes(label)), 'field ' + label).control;
	};
	return %s;
})()`

// control finds a button or a link, and field what a label belongs to. The page is there, so neither waits.
func (b *tab) control(text string, heading []string) chromedp.JSPath {
	b.t.Helper()
	return b.find("control(" + quote(text) + ", " + quote(strings.Join(heading, "")) + ")")
}

func (b *tab) field(label string, heading []string) chromedp.JSPath {
	b.t.Helper()
	return b.find("field(" + quote(label) + ", " + quote(strings.Join(heading, "")) + ")")
}

func (b *tab) find(what string) chromedp.JSPath {
	b.t.Helper()
	path := fmt.Sprintf(finders, what)
	if !eval[bool](b, "(() => { try { return !!"+path+" } catch (e) { return false } })()") {
		require.Fail(b.t, "not one "+what+" on the page", b.text())
	}
	return chromedp.JSPath(path)
}

// press clicks on a button or a link that leads to another page, and returns the status of that.
func (b *tab) press(text string, heading ...string) int {
	b.t.Helper()
	return b.load(chromedp.Click(b.control(text, heading)))
}

// unfold clicks on what leads to no other page.
func (b *tab) unfold(text string, heading ...string) {
	b.t.Helper()
	b.do(chromedp.Click(b.control(text, heading)))
}

// fill types into a field, in the place of what is there.
func (b *tab) fill(label, value string, heading ...string) {
	b.t.Helper()
	at := b.field(label, heading)
	b.do(chromedp.Clear(at), chromedp.SendKeys(at, value))
}

// tick sets a check box or chooses a radio button.
func (b *tab) tick(label string, heading ...string) {
	b.t.Helper()
	b.do(chromedp.Click(b.field(label, heading)))
}

// choose chooses an entry of a list.
func (b *tab) choose(label, entry string, heading ...string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(b.field(label, heading), entry))
}

// size makes the window so many pixels wide.
func (b *tab) size(width int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 800))
}

// theme chooses what prefers-color-scheme says: "light" or "dark".
func (b *tab) theme(name string) {
	b.t.Helper()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
	})
}

// scripts turns JavaScript on or off, for the pages from here on.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	b.scriptless = !on
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	})
}

// cookies returns the cookies of the profile as one text.
func (b *tab) cookies() string {
	b.t.Helper()
	all, err := try(b, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
	})
	require.NoError(b.t, err)
	text, err := json.Marshal(all)
	require.NoError(b.t, err)
	return string(text)
}
