package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// TestCodesOnPaperAndInAFile prints recovery codes and downloads them, from a pairing and later, in the host's frame and in the
// page's own. On paper there are the codes, the service and the account, and nothing else of either frame. The file is of
// this service.
func TestCodesOnPaperAndInAFile(t *testing.T) {
	for name, own := range map[string]bool{"the page's frame": true, "the host's frame": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, func(o *options) { o.Brand = own })
			b := w.open(t)
			dir := t.TempDir()
			b.Downloads(dir)
			check := func() {
				t.Helper()
				codes := b.codes()
				b.Print(true)
				require.Equal(t, "Acme recovery codes for ada@acme.test "+strings.Join(codes, " "), strings.Join(strings.Fields(b.Text()), " "))
				b.Print(false)
				b.Unfold("Download")
				file := filepath.Join(dir, "acme-recovery-codes.txt")
				b.Await(func() bool {
					saved, err := os.ReadFile(file)
					return err == nil && strings.HasSuffix(string(saved), codes[9]+"\n")
				})
				saved, err := os.ReadFile(file)
				require.NoError(t, err)
				for _, want := range append(codes, "Acme", ada) {
					require.Contains(t, string(saved), want)
				}
				require.NoError(t, os.Remove(file))
			}
			b.signUp(ada)
			b.Visit(securityPath + "/pair")
			phone := b.beginPairing("Phone")
			b.Press("I’ve added it, continue")
			check()
			b.Tick("I have saved these codes")
			b.Press("Continue")
			b.TurnOn(w.code(phone))
			b.Visit(securityPath + "/recovery-codes")
			b.Press("Create new codes")
			check()
		})
	}
}

// translator is an extension that translates: it puts every text in an element of its own and changes it, also texts that come
// later, but none that says that it is not to be translated.
const translator = `addEventListener("DOMContentLoaded", () => {
	const off = e => { const at = e.closest("[translate]"); return at && at.getAttribute("translate") === "no"; };
	const take = root => {
		const texts = [], walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
		for (let n = root.nodeType === 3 ? root : walker.nextNode(); n; n = walker.nextNode()) texts.push(n);
		for (const n of texts) {
			const e = n.parentElement;
			if (!n.data.trim() || !e || off(e) || e.closest("font, script, style, option, textarea, title")) continue;
			const outer = document.createElement("font"), inner = document.createElement("font");
			inner.textContent = "«" + n.data.trim() + "»";
			outer.append(inner);
			n.replaceWith(outer);
		}
	};
	take(document.body);
	new MutationObserver(all => { for (const m of all) for (const n of m.addedNodes) if (n.isConnected) take(n); })
		.observe(document.body, {childList: true, subtree: true});
});`

// TestTranslated has an extension translate every page. What is to be copied stays as it is, what counts goes on counting, and
// every button does what it did.
func TestTranslated(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.Inject(translator)
	tr := func(text string) string { return "«" + text + "»" }
	const untouched = `!document.querySelector(%s).textContent.includes("«")`
	copied := func(id string) string {
		t.Helper()
		require.True(t, browsertest.Eval[bool](b.Tab, strings.Replace(untouched, "%s", `"#`+id+`"`, 1)), id)
		b.Unfold(tr("Copy"))
		b.Until(tr("Copied"))
		return strings.TrimSpace(b.Clipboard())
	}
	b.Visit("/sign-up")
	b.Fill(tr("E-mail address"), ada)
	b.Fill(tr("Password"), w.secret(password))
	b.Press(tr("Sign up"), tr("Sign up"))
	b.Visit(securityPath + "/pair")
	b.Fill(tr("Name"), "Phone")
	b.Press(tr("Show the QR code"))
	phone, secret := b.Scan()
	require.Equal(t, w.secret(secret), copied("secret"))
	b.Press(tr("I’ve added it, continue"))
	codes := b.codes()
	require.True(t, browsertest.Eval[bool](b.Tab, strings.Replace(untouched, "%s", `".codes"`, 1)))
	require.Contains(t, copied("codes"), codes[9])
	b.Tick(tr("I have saved these codes"))
	b.Press(tr("Continue"))
	b.Fill(tr("Code from the app"), w.code(phone))
	require.Equal(t, 200, b.Press(tr("Turn on two-factor sign-in")))
	b.Has(tr("Two-factor sign-in is on"))

	b.Visit(securityPath + "/tokens/new")
	b.Fill(tr("Name"), "Script")
	b.Tick("projects:read") // a scope is a name
	require.Equal(t, 200, b.Press(tr("Create token")))
	require.Equal(t, b.token(), copied("token"))
	b.Visit(securityPath + "/activity")
	require.True(t, browsertest.Eval[bool](b.Tab, `[...document.querySelectorAll("time")].every(e => e.title.includes("UTC") ? !e.textContent.includes("UTC") : true)`))

	b.Visit("/")
	b.Press(tr("Sign out"))
	b.signInTranslated(tr)
	for range 6 {
		b.Fill(tr("Code from the app"), w.wrongCode(phone))
		b.Press(tr("Continue"))
	}
	const clock = `document.querySelector("[data-countdown] [aria-live=off]").textContent`
	is := browsertest.Eval[string](b.Tab, clock)
	require.Regexp(t, `^«0:\d\d»$`, is)
	b.Await(func() bool { return browsertest.Eval[string](b.Tab, clock) != is })
	require.Regexp(t, `^«0:\d\d»$`, browsertest.Eval[string](b.Tab, clock))
	b.Has(tr("Too many codes were wrong. Try again in"))
}

func (b *tab) signInTranslated(tr func(string) string) {
	b.t.Helper()
	b.Visit("/sign-in")
	b.Fill(tr("E-mail address"), ada)
	b.Fill(tr("Password"), password)
	b.Press(tr("Sign in"), tr("Sign in"))
}
