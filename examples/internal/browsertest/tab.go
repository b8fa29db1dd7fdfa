package browsertest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
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
)

// Tab is a tab of the browser, and watches what it does.
type Tab struct {
	t          testing.TB
	base       string
	ctx        context.Context
	seen       *seen
	hands      Hands
	Scriptless bool // see Scripts
}

// seen is what tabs have asked for and complained about.
type seen struct {
	mu         sync.Mutex
	urls       []string
	complaints []string
}

// Open returns a tab of a new profile, for a service at an address. The test fails where a page breaks its own policy, a
// script fails, or anything comes from other hosts than that and those in elsewhere.
func Open(t testing.TB, base string, elsewhere ...string) *Tab {
	t.Helper()
	startChromium(program(t))
	require.NoError(t, chromium.err)
	b := &Tab{t: t, base: base, seen: &seen{}}
	b.begin(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(func() { b.seen.check(t, append(elsewhere, base)) })
	return b
}

// Another returns another tab of the same profile.
func (b *Tab) Another() *Tab {
	other := &Tab{t: b.t, base: b.base, seen: b.seen}
	other.begin(b.ctx)
	return other
}

func (b *Tab) begin(parent context.Context, opts ...chromedp.ContextOption) {
	ctx, cancel := chromedp.NewContext(parent, append(opts, chromedp.WithListener(b.seen.listen))...)
	b.t.Cleanup(cancel)
	b.ctx = ctx
	require.NoError(b.t, chromedp.Do(ctx)) // the tab is there as long as this context
	b.Size(1280)
}

func (s *seen) listen(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		s.urls = append(s.urls, e.Request.URL)
	case *network.EventResponseReceived:
		// No page names a favicon.ico: Chromium asks for it by itself.
		if e.Type != "Document" && e.Response.Status >= 400 && !strings.Contains(e.Response.URL, "/favicon.ico") {
			s.complaints = append(s.complaints, fmt.Sprintf("%s is answered with %d", e.Response.URL, e.Response.Status))
		}
	case *runtime.EventExceptionThrown:
		s.complaints = append(s.complaints, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			s.complaints = append(s.complaints, fmt.Sprintf("console: %s %v", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		// Chromium notes every answer whose status is an error. Those of pages are meant, and others are seen above.
		if e.Entry.Source == "network" && strings.Contains(e.Entry.Text, "responded with a status of") {
			return
		}
		// Over plain HTTP some headers count for nothing.
		if strings.Contains(e.Entry.Text, "header has been ignored, because the URL's origin was untrustworthy") {
			return
		}
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			s.complaints = append(s.complaints, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// Complaints returns what the browser has complained about since the last call, which then fails no test by itself.
func (b *Tab) Complaints() []string {
	b.seen.mu.Lock()
	defer b.seen.mu.Unlock()
	complaints := b.seen.complaints
	b.seen.complaints = nil
	return complaints
}

func (s *seen) check(t testing.TB, hosts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, complaint := range s.complaints {
		t.Error("the browser complains:", complaint)
	}
	for _, asked := range s.urls {
		u, err := url.Parse(asked)
		if err != nil || !slices.Contains(hosts, u.Scheme+"://"+u.Host) && u.Scheme != "data" && u.Scheme != "blob" {
			t.Error("asked elsewhere:", asked)
		}
	}
}

// Do runs actions, and fails if they take too long.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if _, err := Try(b, chromedp.Steps(steps...)); err != nil {
		b.fail(err)
	}
}

// Load runs actions that lead to another page, and returns the status of that.
func (b *Tab) Load(steps ...chromedp.Action[chromedp.Void]) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.fail(err)
	}
	return int(response.Status)
}

func (b *Tab) fail(err error) {
	b.t.Helper()
	if errors.Is(err, context.DeadlineExceeded) {
		require.NoError(b.t, err, b.Text())
	}
	require.NoError(b.t, err)
}

// Try runs an action that may fail.
func Try[T any](b *Tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// Eval returns what an expression is in the page. The debugger runs it, also where scripts are off.
func Eval[T any](b *Tab, expression string) T {
	b.t.Helper()
	v, err := Try(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err)
	return v
}

// Visit goes to a path, and returns the status of the page.
func (b *Tab) Visit(path string) int {
	b.t.Helper()
	return b.Load(chromedp.Navigate(b.base + path))
}

// Text returns what the page shows.
func (b *Tab) Text() string { b.t.Helper(); return Eval[string](b, `document.body.innerText`) }

// Path returns the path of the page.
func (b *Tab) Path() string { b.t.Helper(); return Eval[string](b, `location.pathname`) }

// Has fails unless the page shows every text.
func (b *Tab) Has(texts ...string) {
	b.t.Helper()
	shown := b.Text()
	for _, text := range texts {
		require.Contains(b.t, shown, text)
	}
}

// Back presses the button. Where the browser asks whether to send a form again, the answer is yes.
func (b *Tab) Back() {
	b.t.Helper()
	was := b.entries()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		to := page.NavigateToHistoryEntryParams{EntryID: was.Entries[was.CurrentIndex-1].ID}
		return cdp.Call(ctx, t, page.NavigateToHistoryEntry, to)
	})
	// A page that the browser has kept as it was does not load, so there is no event to wait for.
	b.Await(func() bool {
		is, err := Try(b, chromedp.NavigationEntries())
		return err == nil && is.CurrentIndex == was.CurrentIndex-1 && b.complete() && b.visible()
	})
	if strings.Contains(b.Text(), "Confirm Form Resubmission") {
		require.Equal(b.t, 409, b.Load(chromedp.Reload()))
	}
}

func (b *Tab) entries() page.GetNavigationHistoryResult {
	b.t.Helper()
	entries, err := Try(b, chromedp.NavigationEntries())
	require.NoError(b.t, err)
	return entries
}

// complete reports whether there is a page that has loaded.
func (b *Tab) complete() bool {
	done, err := Try(b, chromedp.Evaluate[bool](`document.readyState === 'complete'`))
	return err == nil && done
}

// visible reports whether the page shows itself: one that the browser has kept may be about to load again.
func (b *Tab) visible() bool {
	shown, err := Try(b, chromedp.Evaluate[bool](`!!document.body?.checkVisibility()`))
	return err == nil && shown
}

// Until waits for a page with one of the texts.
func (b *Tab) Until(texts ...string) {
	b.t.Helper()
	b.Await(func() bool {
		shown, err := Try(b, chromedp.Evaluate[string](`document.body.innerText`))
		return err == nil && b.complete() && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(shown, text) })
	})
}

// Await asks again and again, for what no event tells.
func (b *Tab) Await(ok func() bool) {
	b.t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		require.Less(b.t, time.Since(begun), Patience)
	}
}

// Asked returns the addresses that the profile has asked for.
func (b *Tab) Asked() []string {
	b.seen.mu.Lock()
	defer b.seen.mu.Unlock()
	return slices.Clone(b.seen.urls)
}

// Size makes the window so many pixels wide.
func (b *Tab) Size(width int64) {
	b.t.Helper()
	b.Window(width, 800)
}

// Window gives the window a size in pixels.
func (b *Tab) Window(width, height int64) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height))
}

// Theme chooses what prefers-color-scheme says: "light" or "dark". "forced" is light, with the colors of the system alone.
func (b *Tab) Theme(name string) {
	b.t.Helper()
	forced := "none"
	if name == "forced" {
		name, forced = "light", "active"
	}
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: name},
				{Name: "forced-colors", Value: forced},
				{Name: "prefers-reduced-motion", Value: "reduce"}, // or a color is looked at on its way to another
			},
		})
	})
}

// Agent has the profile's pages from here on be asked for as another browser, by its header User-Agent.
func (b *Tab) Agent(header string) {
	b.t.Helper()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: header})
	})
}

// Open shows a document that comes from no site at all, as a program for mail does.
func (b *Tab) Open(html string) {
	b.t.Helper()
	b.Load(chromedp.Navigate("data:text/html;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(html))))
}

// Zone chooses the time zone, such as "Asia/Tokyo".
func (b *Tab) Zone(name string) {
	b.t.Helper()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: name})
	})
}

// Scripts turns JavaScript on or off, for the pages from here on.
func (b *Tab) Scripts(on bool) {
	b.t.Helper()
	b.Scriptless = !on
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	})
}

// Cookies returns those that the service has set.
func (b *Tab) Cookies() []*network.Cookie {
	b.t.Helper()
	all, err := Try(b, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{b.base + "/"}})
	})
	require.NoError(b.t, err)
	return all.Cookies
}

// SetCookies has the profile send these cookies to the service and no others. An answer that was under way may set one
// meanwhile, such as one to a page's script.
func (b *Tab) SetCookies(cookies []*network.Cookie) {
	b.t.Helper()
	b.Await(func() bool {
		b.putCookies(cookies)
		return len(b.Cookies()) == len(cookies)
	})
}

func (b *Tab) putCookies(cookies []*network.Cookie) {
	b.t.Helper()
	for _, c := range b.Cookies() {
		b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			return cdp.Call(ctx, t, network.DeleteCookies, network.DeleteCookiesParams{Name: c.Name, Domain: c.Domain, Path: c.Path})
		})
	}
	set := network.SetCookiesParams{Cookies: []*network.CookieParam{}}
	for _, c := range cookies {
		set.Cookies = append(set.Cookies, &network.CookieParam{
			Name: c.Name, Value: c.Value, URL: b.base + "/", Path: c.Path, Secure: c.Secure, HTTPOnly: c.HTTPOnly, SameSite: c.SameSite,
		})
	}
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, network.SetCookies, set)
	})
}

// In returns the same tab for a part of the test.
func (b *Tab) In(t testing.TB) *Tab {
	part := *b
	part.t = t
	return &part
}
