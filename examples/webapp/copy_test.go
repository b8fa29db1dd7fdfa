package main

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// insecure returns an address of the service over plain HTTP, at a host that a browser does not take for this machine. A proxy
// says otherwise to the service, which would not serve it.
func (w *world) insecure(t testing.TB) string {
	t.Helper()
	target, err := url.Parse(w.server.URL)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		for _, name := range []string{"Origin", "Referer"} {
			r.Out.Header.Set(name, strings.Replace(r.In.Header.Get(name), "http://"+r.In.Host, w.server.URL, 1))
		}
	}})
	t.Cleanup(proxy.Close)
	return "http://" + browsertest.Elsewhere + proxy.URL[strings.LastIndex(proxy.URL, ":"):]
}

// TestCopy presses every button that copies, where there is a clipboard and where there is none. What it is for is copied, as
// apps and programs take it; and the page says so beside the button, where the reader looks, however it is scrolled.
func TestCopy(t *testing.T) {
	for name, at := range map[string]func(*world) string{
		"this machine": func(w *world) string { return w.server.URL },
		"plain HTTP":   func(w *world) string { return w.insecure(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := &tab{Tab: browsertest.Open(t, at(w)), t: t, w: w}
			b.signUp(ada)
			require.Equal(t, name == "this machine", browsertest.Eval[bool](b.Tab, `isSecureContext`))
			b.Visit(securityPath + "/pair")
			phone := b.beginPairing("Phone")
			key := b.copies("secret")
			require.NotContains(t, key, " ")
			require.Equal(t, key, browsertest.Eval[string](b.Tab, `document.getElementById("secret").textContent`))
			require.Equal(t, key, strings.Join(strings.Fields(b.copiesNot("secret")), ""))
			b.Press("I’ve added it, continue")
			b.codes()
			file := browsertest.Eval[string](b.Tab, `document.getElementById("codes").textContent`)
			require.Equal(t, strings.TrimSpace(file)+"\n", b.copies("codes"))
			b.Tick("I have saved these codes")
			b.Press("Continue")
			b.TurnOn(w.code(phone))
			b.Visit(securityPath + "/tokens/new")
			token := b.newToken("Script", "projects:read")
			require.Equal(t, token, b.copies("token"))
			b.Visit(securityPath + "/recovery-codes")
			b.Press("Create new codes")
			fresh := b.codes()
			require.Contains(t, b.copies("codes"), fresh[9])

			require.Contains(t, b.copiesNot("codes"), fresh[9])
		})
	}
}

// saying is where a page says that it has copied: how far from the button, in CSS pixels, and how much of it is off screen.
type saying struct{ Away, Off float64 }

// copies presses the button that copies an element, in windows of each width and from right to left, at the top and at the
// bottom of the window, and returns what the clipboard has in the end.
func (b *tab) copies(id string) string {
	b.t.Helper()
	button := `document.querySelector('[data-copy="` + id + `"]')`
	for _, width := range []int64{320, 1280} {
		for _, dir := range []string{"rtl", "ltr"} {
			for _, end := range []string{"start", "end"} {
				b.Size(width)
				browsertest.Eval[chromedp.Void](b.Tab, `document.documentElement.dir = "`+dir+`"; `+button+`.scrollIntoView({block: "`+end+`", behavior: "instant"});
					document.querySelectorAll("[data-copied]").forEach(e => { e.textContent = ""; }); 0`)
				b.Do(chromedp.Click(chromedp.JSPath(button)))
				is := browsertest.Eval[saying](b.Tab, `new Promise(done => {
					const look = () => {
						const word = [...document.querySelectorAll("[data-copied]")].find(e => e.textContent === e.dataset.copied);
						if (!word) return requestAnimationFrame(look);
						requestAnimationFrame(() => {
							const r = word.getBoundingClientRect(), by = `+button+`.getBoundingClientRect();
							done({
								Away: Math.max(by.left - r.right, r.left - by.right, by.top - r.bottom, r.top - by.bottom),
								Off: Math.max(-r.top, r.bottom - innerHeight, -r.left, r.right - document.documentElement.clientWidth),
							});
						});
					};
					look();
				})`)
				require.LessOrEqual(b.t, is.Off, 0.5, "%s, %d px, %s, %s: off screen", id, width, dir, end)
				require.LessOrEqual(b.t, is.Away, 24.0, "%s, %d px, %s, %s: not beside the button", id, width, dir, end)
			}
		}
	}
	b.Size(1280)
	return b.Clipboard()
}

// copiesNot is copies where nothing can be copied: the page says that, and has selected the text, which is returned. What it
// says leaves the button as it is.
func (b *tab) copiesNot(id string) string {
	b.t.Helper()
	const high = `document.querySelector("[data-copy]").getBoundingClientRect().height`
	b.Size(320)
	browsertest.Eval[chromedp.Void](b.Tab, `Object.defineProperty(navigator, "clipboard", {value: undefined}); document.execCommand = () => false;
		document.querySelectorAll("[data-copied]").forEach(e => { e.textContent = ""; }); 0`)
	was := browsertest.Eval[float64](b.Tab, high)
	b.Do(chromedp.Click(chromedp.JSPath(`document.querySelector('[data-copy="` + id + `"]')`)))
	b.Until("Not copied. It is selected")
	require.Equal(b.t, was, browsertest.Eval[float64](b.Tab, high))
	require.Greater(b.t, browsertest.Eval[float64](b.Tab, `document.querySelector(".copied.not").getBoundingClientRect().width`), 150.0)
	b.fits("not copied", 320)
	b.Size(1280)
	return browsertest.Eval[string](b.Tab, `getSelection().toString()`)
}
