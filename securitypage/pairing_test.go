package securitypage_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/totp"
)

var pictureTag = regexp.MustCompile(`<svg width="(\d+)" height="(\d+)" viewBox="0 0 (\d+) (\d+)"`)

// modulesOf returns how many modules the picture of a page has on a side, and how many CSS pixels each.
func modulesOf(t *testing.T, a answer) (side, px int) {
	t.Helper()
	m := pictureTag.FindStringSubmatch(a.body)
	require.NotNil(t, m, a.text())
	require.Equal(t, m[1], m[2])
	require.Equal(t, m[3], m[4])
	size, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	side, err = strconv.Atoi(m[3])
	require.NoError(t, err)
	require.Zero(t, size%side)
	return side, size / side
}

// appLink returns the link to an app on the same device.
func appLink(t *testing.T, a answer) *url.URL {
	t.Helper()
	m := regexp.MustCompile(`href="(otpauth:[^"]+)"`).FindStringSubmatch(a.body)
	require.NotNil(t, m, a.text())
	u, err := url.Parse(html.UnescapeString(m[1]))
	require.NoError(t, err)
	return u
}

// The picture, the key and the link are of one secret, and a camera reads the picture at any label.
func TestScan(t *testing.T) {
	for label, few := range map[string]bool{"ada@acme.test": true, strings.Repeat("x", 100): true, strings.Repeat("é", 50): false} {
		h := newHost(t, func(c *securitypage.Config) {
			c.Owner = func(*http.Request, string) (securitypage.Owner, error) { return securitypage.Owner{Label: label}, nil }
		})
		b := h.signIn("ada")
		a := b.pair("/pair", "name", "Phone")
		side, px := modulesOf(t, a)
		require.GreaterOrEqual(t, px, 3, "%d modules", side)
		require.Equal(t, few, px > 3, "%d modules", side)
		require.Equal(t, !few, strings.Contains(a.body, `class="qr wide"`), "it is scrolled, and not made smaller")
		app, err := gatehousetest.Scan(appLink(t, a).String())
		require.NoError(t, err)
		require.Equal(t, secretOf(t, a).Code(h.svc.Now()), app.Code(h.svc.Now()))
		require.Equal(t, "/Acme:"+label, appLink(t, a).Path)
		key := regexp.MustCompile(`(?s)<code id="secret"[^>]*>(.*?)</code>`).FindStringSubmatch(a.body)[1]
		require.NotRegexp(t, `\s`, textTag.ReplaceAllString(key, ""), "a copy has no spaces")
	}
}

// Nothing is lost by a wrong code, by loading a page again, or by going back.
func TestPairingKeepsEverything(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	first := b.pair("/pair", "name", "Phone")
	codes := codesOf(b.get("/pair/codes"))
	same := func() {
		t.Helper()
		require.Equal(t, appLink(t, first), appLink(t, b.get("/pair/scan")))
		require.Equal(t, codes, codesOf(b.get("/pair/codes")))
	}
	same()
	b.send(b.get("/pair/codes"), "/pair/codes")
	same()
	_, form := b.savesCodes()
	for range 9 {
		a := b.follow(b.send(form, "/pair/confirm", "code", "000000"))
		field := regexp.MustCompile(`<input [^>]*name="code"[^>]*>`).FindString(a.body)
		require.Contains(t, field, " autofocus")
		require.Contains(t, field, `aria-invalid="true" aria-describedby="code-wrong"`)
		require.Contains(t, a.body, `id="code-wrong"`)
		same()
	}
	require.NotContains(t, b.get("/pair/confirm").text(), "That code isn’t right.", "it is said once")
	require.Contains(t, b.send(form, "/pair/confirm", "code", secretOf(t, first).Code(h.svc.Now())).header.Get("Location"), "/pair/done")
}

// Another session of the same account goes on with the code where all else is saved, or is told to start again.
func TestPairingOfAnotherSession(t *testing.T) {
	h := newHost(t)
	b, other := h.signIn("ada"), h.signIn("ada")
	shown := b.pair("/pair", "name", "Phone")
	app := secretOf(t, shown)
	codes := codesOf(b.get("/pair/codes"))
	for _, path := range []string{"/pair/scan", "/pair/codes", "/pair/confirm"} {
		a := other.get(path)
		for a.status == http.StatusSeeOther {
			a = other.follow(a)
		}
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.text(), "You began this setup in another browser", path)
		require.NotContains(t, a.body, "otpauth:")
		require.NotContains(t, a.body, codes[0])
		_, typesCode := a.form("/pair/confirm")
		require.False(t, typesCode, "nobody there has saved the codes")
	}

	// A cookie of the session that began it that has proven nothing.
	mine := b.proof()
	b.unprove()
	a := b.get("/pair/scan")
	require.Equal(t, http.StatusForbidden, a.status)
	require.NotContains(t, a.body, "otpauth:")
	b.prove(gatehouse.ParseProof(mine))

	_, form := b.savesCodes()
	a = other.get("/pair/confirm")
	require.Contains(t, a.text(), "The picture and the key are shown only there.")
	require.NotContains(t, a.body, `href="/settings/security/pair/scan"`)
	require.Contains(t, other.send(a, "/pair/confirm", "code", app.Code(h.svc.Now())).header.Get("Location"), "/pair/done")
	require.Equal(t, http.StatusUnauthorized, b.send(form, "/pair/confirm", "code", app.Code(h.svc.Now())).status, "its session has ended")
	require.Empty(t, b.account)
}

// A tab that was closed goes on where the overview leads, until the ten minutes are over.
func TestPairingGoesOn(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	first := b.pair("/pair", "name", "Phone")
	for _, path := range []string{"/", "/pair"} {
		a := b.get(path)
		require.Contains(t, a.text(), "Continue setting up")
		require.Contains(t, a.body, `href="/settings/security/pair/confirm"`)
	}
	h.svc.Wait(9 * time.Minute)
	a := b.follow(b.get("/pair/confirm"))
	require.Equal(t, appLink(t, first), appLink(t, a))
	require.Contains(t, a.text(), "You have 1 minute left")
	_, form := b.savesCodes()
	h.svc.Wait(time.Minute)
	for _, path := range []string{"/pair/scan", "/pair/codes", "/pair/confirm"} {
		require.Equal(t, prefix+"/pair", b.get(path).header.Get("Location"), path)
	}
	require.Equal(t, http.StatusConflict, b.send(form, "/pair/confirm", "code", "000000").status)
	require.NotContains(t, b.get("/").text(), "Continue setting up")
}

// Each authenticator after the first has a label of its own, as apps overwrite what they have under the same one, and what
// the last page says is true of it.
func TestAnotherAuthenticator(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	for i, want := range []struct{ name, replace, label, known, says string }{
		{"Phone", "", "ada@acme.test", "Phone", "Two-factor sign-in is on"},
		{"Phone", "", "ada@acme.test (Phone 2)", "Phone 2", "You can now sign in with a code from “Phone 2” as well."},
		{"", "", "ada@acme.test (Authenticator)", "Authenticator", "as well"},
		{"Phone", "Phone", "ada@acme.test (Phone 3)", "Phone", "The old app’s codes no longer work."},
		{"a:b secret=x", "", "ada@acme.test", "a:b secret=x", "as well"}, // which no label may have
	} {
		pairs := []string{"name", want.name}
		if want.replace != "" {
			st, err := h.svc.Account(t.Context(), "ada")
			require.NoError(t, err)
			pairs = append(pairs, "replace", st.Authenticators[0].ID)
		}
		a := b.pair("/pair", pairs...)
		require.Equal(t, "/Acme:"+want.label, appLink(t, a).Path, i)
		a = b.follow(b.finishes(secretOf(t, a).Code(h.svc.Now())))
		require.Contains(t, a.text(), want.says)
		require.Contains(t, a.text(), "“"+want.known+"”")
		require.Equal(t, i == 0, strings.Contains(a.text(), "Two-factor sign-in is on"))
		h.svc.Wait(totp.Period)
	}
}

// A pairing that was begun with support's code is shown again to that sign-in alone.
func TestPairingAfterReset(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	code, err := h.svc.Operator("op").Because("x").Reset(t.Context(), "ada")
	require.NoError(t, err)
	b := h.signIn("ada")
	b.submit("/sign-in", "/sign-in", "code", code.Reveal())
	first := b.pair("/pair", "name", "Phone")
	codes, form := b.savesCodes()
	require.Len(t, codes, 10)
	a := b.follow(b.send(form, "/pair/confirm", "code", "000000"))
	require.Contains(t, a.text(), "That code isn’t right.")
	require.Equal(t, appLink(t, first), appLink(t, b.get("/pair/scan")))
	require.NotContains(t, a.text(), "Cancel setup")

	other := h.signIn("ada") // who knows the password
	for _, path := range []string{"/pair/scan", "/pair/codes", "/pair/confirm"} {
		a := other.get(path)
		require.GreaterOrEqual(t, a.status, 400, path)
		require.NotContains(t, a.body, "otpauth:")
		require.NotContains(t, a.body, codes[0])
	}
	require.Contains(t, b.send(a, "/pair/confirm", "code", secretOf(t, first).Code(h.svc.Now())).text(), "Now sign in with its next code.")
}
