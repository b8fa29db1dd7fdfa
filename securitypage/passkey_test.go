package securitypage_test

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/totp"
	"github.com/gatehouse-go/gatehouse/websession"
)

var signalTag = regexp.MustCompile(`data-signal="([^"]*)"`)

// signal returns what an answer tells the browser's password manager, nil for nothing.
func (a answer) signal(t testing.TB) (signal map[string]any) {
	t.Helper()
	if m := signalTag.FindStringSubmatch(a.body); m != nil {
		require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(m[1])), &signal))
		require.Contains(t, a.body, "/passkey.js?v=", "nobody sends it")
	}
	return signal
}

// The whole way of an owner whose only factor is a passkey.
func TestPasskeyAlone(t *testing.T) {
	h, _ := newPasskeyHost(t)
	b := h.signIn("ada")
	require.Contains(t, b.get("/").body, `href="/settings/security/passkey"`)
	require.NotContains(t, b.get("/").body, "passkey.js", "no page loads it in vain")
	a := b.get("/passkey")
	require.Contains(t, a.text(), "It works on this site alone")
	require.Equal(t, http.StatusUnprocessableEntity, b.send(a, "/passkey", "name", "a\u202eb").status)
	require.Equal(t, prefix+"/pair/confirm", b.send(a, "/passkey").header.Get("Location"))

	// The codes come first, and are saved, before the browser is asked for anything.
	a = b.get("/pair/confirm")
	require.Equal(t, prefix+"/pair/codes", a.header.Get("Location"))
	require.Equal(t, prefix+"/pair/confirm", b.get("/pair/scan").header.Get("Location"), "there is no picture")
	other := h.signIn("ada")
	require.Contains(t, other.follow(other.get("/pair/confirm")).text(), "You began this setup in another browser.")
	a = b.follow(a)
	require.Contains(t, a.text(), "Step 1 of 2")
	codes := codesOf(a)
	require.Len(t, codes, 10)
	a = b.follow(b.send(a, "/pair/codes", "saved", "yes"))
	require.NotNil(t, a.asks(t).PublicKey.User)
	require.Equal(t, securitypage.Texts("en")["passkey.NotAllowedError"], a.asks(t).Words["NotAllowedError"])

	// Nothing came, or nothing that is good.
	again := b.follow(b.send(a, "/pair/confirm"))
	require.Contains(t, again.text(), "Passkeys need JavaScript.")
	for _, wrong := range []string{"{", signed{Credential: "laptop"}.text(), signed{Credential: "laptop", Bad: true}.of(t, a)} {
		again = b.follow(b.send(again, "/pair/confirm", "passkey", wrong))
		require.Contains(t, again.text(), "The passkey was not accepted, or it took too long.")
	}
	require.False(t, h.view("ada").Protected)
	a = b.send(again, "/pair/confirm", "passkey", signed{Credential: "laptop"}.of(t, again))
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.text())
	a = b.follow(a)
	require.Contains(t, a.text(), "From now on you also use “Provider” when you sign in. Your recovery codes are saved.")
	require.Contains(t, a.body, `href="/settings/security/passkey">Add another passkey`)

	a = b.get("/authenticators")
	require.Contains(t, a.text(), "synced and backed up")
	require.Equal(t, 1, strings.Count(a.body, "<bdi>Provider</bdi>"), "the provider is the name already")
	require.Contains(t, b.get("/recovery-codes").text(), "a recovery code will do")
	overview := b.get("/").text()
	require.Contains(t, overview, "Passkeys Provider")
	require.NotContains(t, overview, "authenticator app")

	// The second step has it first, and the other ways below it.
	b = h.signIn("ada")
	a = b.get("/sign-in")
	for _, text := range []string{"Use your passkey", "Use a recovery code", "I lost my devices and my codes"} {
		require.Contains(t, a.text(), text)
	}
	for _, text := range []string{"code from the app", "My codes are never accepted", "authenticator"} {
		require.NotContains(t, a.text(), text)
	}
	require.Equal(t, http.StatusNotFound, b.get("/sign-in/clock").status)
	require.Contains(t, b.get("/sign-in?with=app").text(), "Type one of your recovery codes")
	require.Contains(t, b.send(a, "/sign-in").text(), "Passkeys need JavaScript.")
	denied := b.send(a, "/sign-in", "passkey", signed{Credential: "laptop", Bad: true}.of(t, a))
	require.Equal(t, http.StatusUnprocessableEntity, denied.status)
	require.Contains(t, denied.text(), "This passkey was not accepted")
	require.Equal(t, http.StatusUnprocessableEntity, b.send(a, "/sign-in", "passkey", "no JSON").status)
	used := signed{Credential: "laptop"}.of(t, denied)
	require.Equal(t, "/home", b.send(denied, "/sign-in", "passkey", used).header.Get("Location"))
	b = h.signIn("ada")
	require.Equal(t, http.StatusUnprocessableEntity, b.submit("/sign-in", "/sign-in", "passkey", used).status, "it is one sign-in's")
	a = b.get("/sign-in")
	require.Equal(t, "/home", b.send(a, "/sign-in", "passkey", signed{Credential: "laptop"}.of(t, a)).header.Get("Location"))
	require.Contains(t, b.get("/activity").text(), "You signed in with “ Provider ”")

	// So does the step-up.
	h.svc.Wait(16 * time.Minute)
	a = b.get("/disable")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.text(), "Confirm it with your passkey.")
	require.NotContains(t, a.body, `name="step_up"`, "there is no code that would do")
	require.Contains(t, b.send(a, "/step-up").text(), "Passkeys need JavaScript.")
	a = b.send(a, "/step-up", "step_up_passkey", signed{Credential: "laptop", Bad: true}.of(t, a))
	require.Contains(t, a.text(), "This passkey was not accepted")
	answer := b.send(a, "/step-up", "step_up_passkey", signed{Credential: "laptop"}.of(t, a))
	require.Equal(t, prefix+"/disable", answer.header.Get("Location"), answer.text())

	// The last one is not removed.
	id := h.view("ada").Authenticators[0].ID
	require.Contains(t, b.get("/authenticators/remove?id="+id).body, `href="/settings/security/passkey?replace=`+id)
	a = b.get("/disable")
	require.Contains(t, a.text(), "Your passkeys, authenticator apps and recovery codes are removed")
	a = b.follow(b.send(a, "/disable", "sure", "yes"))
	require.Empty(t, a.signal(t)["allAcceptedCredentialIds"])
	require.Equal(t, "ada@acme.test", a.signal(t)["name"])
	require.False(t, h.view("ada").Protected)
}

// Beside an app, each way leads to the other, and a password manager hears of what changes.
func TestPasskeyBesideAnApp(t *testing.T) {
	h, p := newPasskeyHost(t)
	b, o := h.enrolled("ada")
	a := b.get("/passkey")
	require.Contains(t, a.text(), "Another way to sign in")
	_, a = b.addsPasskey(signed{Credential: "laptop"}, "name", "Laptop")
	require.Contains(t, b.follow(a).text(), "Your new passkey works You can now sign in with “Laptop” as well.")
	b.confirms(signed{Credential: "laptop"})
	b.addsPasskey(signed{Credential: "key", Device: true}, "name", "Laptop")
	a = b.get("/authenticators")
	require.Contains(t, a.text(), "Laptop 2 Provider only on this device")
	require.Nil(t, a.signal(t))

	in := h.signIn("ada")
	a = in.get("/sign-in")
	require.Contains(t, a.body, `href="/settings/security/sign-in?with=app"`)
	h.svc.Wait(totp.Period)
	a = in.get("/sign-in?with=app")
	require.NotContains(t, a.body, "passkey.js")
	a = in.send(a, "/sign-in", "code", "000000")
	require.Contains(t, a.text(), "This code is not right", "it stays with the app")
	require.Contains(t, a.text(), "Use a passkey")
	require.Equal(t, "/home", in.send(a, "/sign-in", "code", o.Code()).header.Get("Location"))

	// The prompt takes the passkey, and carries the form along.
	h.svc.Wait(16 * time.Minute)
	keys := h.view("ada").Authenticators[1:]
	a = b.get("/authenticators/remove?id=" + keys[0].ID)
	a = b.send(a, "/step-up", "step_up_passkey", signed{Credential: "laptop"}.of(t, a))
	removal, ok := b.follow(a).form("/authenticators/remove")
	require.True(t, ok)
	h.svc.Wait(16 * time.Minute)
	a = b.post("/authenticators/remove", removal)
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, 2, strings.Count(a.body, `name="id" value="`+keys[0].ID))
	require.NotContains(t, a.text(), "Code from the app")
	a = b.follow(b.send(a, "/authenticators/remove", "step_up_passkey", signed{Credential: "key", Device: true}.of(t, a)))
	require.Contains(t, a.text(), "The passkey is removed.")
	require.Equal(t, []any{"key"}, a.signal(t)["allAcceptedCredentialIds"])
	require.Nil(t, b.get("/authenticators").signal(t), "once")

	a = b.send(b.get("/authenticators"), "/authenticators/rename", "id", keys[1].ID, "name", "Blue key")
	require.Equal(t, []any{"key"}, b.follow(a).signal(t)["allAcceptedCredentialIds"])
	require.Contains(t, b.get("/activity").text(), "You removed the passkey “ Laptop ”")

	// One that is gone is not accepted, and the password manager hears it; of one that is only wrong it does not.
	in = h.signIn("ada")
	a = in.get("/sign-in")
	gone := in.send(a, "/sign-in", "passkey", signed{Account: "ada", Credential: "laptop"}.of(t, a))
	require.Equal(t, "laptop", gone.signal(t)["credentialId"])
	require.Nil(t, in.send(a, "/sign-in", "passkey", signed{Account: "ada", Credential: "key", Bad: true}.of(t, a)).signal(t))

	// A copy is told to its owner.
	require.Equal(t, "/home", in.send(a, "/sign-in", "passkey", signed{Account: "ada", Credential: "key", Device: true, Count: 7}.of(t, a)).header.Get("Location"))
	in = h.signIn("ada")
	a = in.get("/sign-in")
	require.Equal(t, http.StatusUnprocessableEntity, in.send(a, "/sign-in", "passkey", signed{Account: "ada", Credential: "key", Device: true, Count: 6}.of(t, a)).status)
	require.Contains(t, b.get("/activity").text(), "The passkey “ Blue key ” was refused: someone may have a copy of it")

	// A signal is a favor: where there is none, the page is shown.
	before := h.logs.Len()
	p.failed = errors.New("no signals")
	a = b.send(b.get("/authenticators"), "/authenticators/rename", "id", keys[1].ID, "name", "Key")
	a = b.follow(a)
	require.Equal(t, http.StatusOK, a.status)
	require.Nil(t, a.signal(t))
	require.Contains(t, h.logs.String()[before:], "no signals")
}

// Where there is a passkey, whoever has phished a code of the app changes no way in with it: the page asks for the passkey
// and says why. A recovery code removes or replaces the passkey that is lost, and then the app is enough again.
func TestCodeBesideAPasskey(t *testing.T) {
	h, _ := newPasskeyHost(t)
	b, o := h.enrolled("ada")
	b.addsPasskey(signed{Credential: "lost"}, "name", "Laptop")
	h.svc.Wait(16 * time.Minute)
	in := h.signIn("ada")
	require.Equal(t, "/home", in.send(in.get("/sign-in?with=app"), "/sign-in", "code", o.Code()).header.Get("Location"))
	app, key := h.view("ada").Authenticators[0].ID, h.view("ada").Authenticators[1].ID
	const replaces, first = "enter a recovery code. It lets you replace or remove the passkey.", "remove it first. A recovery code is enough for that."
	for path, says := range map[string]string{
		"/pair": replaces, "/pair?replace=" + app: replaces, "/passkey": replaces, "/authenticators/remove?id=" + key: replaces,
		"/authenticators/remove?id=" + app: first, "/disable": first,
	} {
		a := in.get(path)
		require.Equal(t, http.StatusForbidden, a.status, path)
		require.Contains(t, a.text(), "a code from your authenticator app is not enough, because a fake page could have asked you for it", path)
		require.Contains(t, a.text(), says, path)
		require.NotContains(t, a.text(), "Code from the app", path)
		require.Equal(t, says == replaces, strings.Contains(a.body, `name="step_up"`), path)
		if says == replaces { // and again, where what was typed is wrong
			h.svc.Wait(totp.Period)
			a = in.send(a, "/step-up", "step_up", "AAAA-AAAA-AAAA")
			require.Contains(t, a.text(), says, path)
			require.NotContains(t, a.text(), "Code from the app", path)
		}
	}
	a := in.submit("/recovery-codes", "/recovery-codes")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.text(), replaces)
	a = in.get("/authenticators/remove?id=" + key)
	a = in.follow(in.send(a, "/step-up", "step_up", o.RecoveryCodes[0].Reveal()))
	a = in.follow(in.send(a, "/authenticators/remove"))
	require.Contains(t, a.text(), "The passkey is removed.")
	h.svc.Wait(16 * time.Minute)
	a = in.get("/passkey")
	require.Contains(t, a.text(), "Enter a code from your authenticator app, or a recovery code.")
	require.Equal(t, http.StatusSeeOther, in.send(a, "/step-up", "step_up", o.Code()).status)
	in.addsPasskey(signed{Credential: "new"})
	require.Len(t, h.view("ada").Authenticators, 2)
}

// Where the page no longer takes passkeys, nothing asks for one: it says that a recovery code removes it, or support helps.
func TestPasskeySwitchedOff(t *testing.T) {
	h, _ := newPasskeyHost(t)
	b, o := h.enrolled("ada")
	b.addsPasskey(signed{Credential: "laptop"}, "name", "Laptop")
	without, err := securitypage.New(securitypage.Config{Web: h.sess, Name: "Acme", Links: securitypage.Links{Home: "/home", SignIn: "/login"}})
	require.NoError(t, err)
	h.web.Config.Handler = h.sess.Middleware(without)
	h.svc.Wait(16 * time.Minute)
	key := h.view("ada").Authenticators[1].ID
	for path, recovery := range map[string]bool{"/pair": true, "/authenticators/remove?id=" + key: true, "/disable": false} {
		a := b.get(path)
		require.Equal(t, http.StatusForbidden, a.status, path)
		require.Contains(t, a.text(), "which cannot be used here at the moment", path)
		require.Contains(t, a.text(), "If you have no recovery code, ask support.", path)
		require.NotContains(t, a.text(), "If you no longer have your passkey", path)
		require.Equal(t, recovery, strings.Contains(a.body, `name="step_up"`), path)
		require.Equal(t, !recovery, strings.Contains(a.body, `<p class="small"><a href="/settings/security/authenticators">`), path)
	}
	a := b.get("/authenticators/remove?id=" + key)
	a = b.follow(b.send(a, "/step-up", "step_up", o.RecoveryCodes[0].Reveal()))
	require.Contains(t, b.follow(b.send(a, "/authenticators/remove")).text(), "The passkey is removed.")
	h.svc.Wait(16 * time.Minute)
	require.Contains(t, b.get("/disable").text(), "Enter a code from your authenticator app.")
}

// However many wrong passkeys somebody sends who has the password, the owner's own is taken.
func TestPasskeyIsNotLocked(t *testing.T) {
	h, _ := newPasskeyHost(t)
	h.withPasskey("ada", "laptop")
	thief, b := h.signIn("ada"), h.signIn("ada")
	a := thief.get("/sign-in")
	for range 30 {
		require.Equal(t, http.StatusUnprocessableEntity, thief.send(a, "/sign-in", "passkey", signed{Credential: "laptop", Bad: true}.of(t, a)).status)
	}
	a = b.get("/sign-in")
	require.Equal(t, "/home", b.send(a, "/sign-in", "passkey", signed{Credential: "laptop"}.of(t, a)).header.Get("Location"))
}

// Who has lost the passkey replaces it after a recovery code, or after support's.
func TestPasskeyLost(t *testing.T) {
	h, _ := newPasskeyHost(t)
	_, codes := h.withPasskey("ada", "lost")
	b := h.signIn("ada")
	a := b.follow(b.submit("/sign-in?with=recovery", "/sign-in", "code", codes[0]))
	require.Contains(t, a.text(), "replace its passkey now")
	require.Regexp(t, `href="/settings/security/passkey\?next=[^"]*">Replace the passkey`, a.body)
	require.Contains(t, b.get("/").text(), "Replace your passkey")
	a = b.get("/passkey")
	require.NotContains(t, a.text(), "Another way to sign in")
	require.Contains(t, a.text(), "so the new passkey replaces one of your methods")
	_, done := b.addsPasskey(signed{Credential: "new"}, "name", "New laptop")
	a = b.follow(done)
	require.Contains(t, a.text(), "What it replaces no longer works.")
	require.Equal(t, []any{"new"}, a.signal(t)["allAcceptedCredentialIds"])
	require.Len(t, h.view("ada").Authenticators, 1)

	code, err := h.svc.Operator("op").Because("lost").Reset(t.Context(), "ada")
	require.NoError(t, err)
	b = h.signIn("ada")
	a = b.get("/sign-in")
	require.Contains(t, a.text(), "You then set up a passkey or an app again.")
	a = b.follow(b.send(a, "/sign-in", "code", code.Reveal()))
	require.Contains(t, a.body, `href="/settings/security/passkey">Use a passkey instead`)
	_, done = b.addsPasskey(signed{Credential: "third"})
	require.Contains(t, done.text(), "Your new passkey works. Now sign in with it.")
	b = h.signIn("ada")
	a = b.get("/sign-in")
	require.Equal(t, "/home", b.send(a, "/sign-in", "passkey", signed{Credential: "third"}.of(t, a)).header.Get("Location"))
}

// The host's own form gets its options here, and signs in by a passkey alone.
func TestPasskeySignsIn(t *testing.T) {
	h, _ := newPasskeyHost(t)
	h.withPasskey("ada", "laptop")
	b := h.browser(&session{})
	ask := func() answer {
		a := b.post("/passkey/options", nil)
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		a.body = `data-passkey="` + html.EscapeString(a.body) + `"`
		return a
	}
	send := func(s signed, next string) answer {
		s.Account = "ada"
		return b.post("/passkey/sign-in", url.Values{"passkey": {s.of(t, ask())}, "next": {next}})
	}
	require.Equal(t, securitypage.Texts("en")["passkey.none"], ask().asks(t).Words["none"])
	require.NotEqual(t, http.StatusOK, b.get("/passkey/options").status)
	for _, path := range []string{"/passkey/options", "/passkey/sign-in"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute(path), nil)
		require.NoError(t, err)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, b.do(r).status, path)
	}
	a := b.post("/passkey/sign-in", url.Values{"passkey": {""}})
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, a.text(), "Your browser sent no passkey")
	require.Contains(t, b.post("/passkey/sign-in", url.Values{"passkey": {"{"}}).text(), "This passkey did not sign you in")

	for name, s := range map[string]signed{
		"a wrong one": {Credential: "laptop", Bad: true}, "one factor alone": {Credential: "laptop", Unverified: true}, "one that is gone": {Credential: "gone"},
	} {
		a := send(s, "/home")
		require.Equal(t, http.StatusForbidden, a.status, name)
		require.Contains(t, a.text(), "This passkey did not sign you in", name)
		require.Contains(t, a.body, `href="/login"`, name)
		require.Equal(t, s.Credential == "gone", a.signal(t) != nil, name)
		require.Empty(t, b.account, name)
	}
	require.Equal(t, "/deploy?a=b", send(signed{Credential: "laptop"}, "/deploy?a=b").header.Get("Location"))
	require.Equal(t, "ada", b.account)
	require.Equal(t, http.StatusOK, b.get("/disable").status, "it is a second factor")
	require.Equal(t, "/home", send(signed{Credential: "laptop"}, "//evil.test").header.Get("Location"))
}

// Where the page has no passkeys, nothing speaks of them; whoever has one gets in another way, and can remove it.
func TestWithoutPasskeys(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	for _, path := range []string{"/", "/authenticators", "/pair", "/recovery-codes", "/disable", "/step-up", "/activity", "/activity/plan"} {
		a := b.get(path)
		require.Equal(t, http.StatusOK, a.status)
		require.NotContains(t, strings.ToLower(a.body), "passkey", path)
	}
	for _, path := range []string{"/passkey", "/passkey.js", "/passkey/options"} {
		require.Equal(t, http.StatusNotFound, b.get(path).status, path)
	}

	h, p := newPasskeyHost(t)
	_, codes := h.withPasskey("ada", "laptop")
	without, err := securitypage.New(securitypage.Config{Web: h.sess, Name: "Acme", Links: securitypage.Links{Home: "/home", SignIn: "/login"}})
	require.NoError(t, err)
	h.web.Config.Handler = h.sess.Middleware(without)
	b = h.signIn("ada")
	a := b.get("/sign-in")
	require.Contains(t, a.text(), "Type one of your recovery codes")
	require.Equal(t, recovered, b.send(a, "/sign-in", "code", codes[0]).header.Get("Location"))
	require.Contains(t, b.get("/").body, `href="/settings/security/pair?replace=`)
	a = b.get("/authenticators")
	require.Contains(t, a.text(), "Passkeys Provider")
	require.NotContains(t, a.body, "/passkey?replace=")

	_, err = securitypage.New(securitypage.Config{Web: h.sess, Name: "Acme", Passkeys: &passkeys{svc: gatehousetest.New(t).Service}})
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "another service's")
	web, err := websession.New(websession.Config{
		Service: h.svc.Service, User: h.user, SignIn: func(http.ResponseWriter, *http.Request, string) error { return nil },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	})
	require.NoError(t, err)
	_, err = securitypage.New(securitypage.Config{Web: web, Name: "Acme", Passkeys: p})
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "the second step could not take them")
	require.Equal(t, event.MethodPasskey, h.view("ada").Authenticators[0].Kind)
}

// A guard that takes passkeys alone leads to one: to a new one where the owner has none, and otherwise to a prompt without
// a field for a code. A code given a moment ago does not stand in for the passkey.
func TestGuardOfPasskeys(t *testing.T) {
	h, _ := newPasskeyHost(t)
	guard, err := httpguard.New(httpguard.Config{Service: h.svc.Service, Refuse: h.page.Refuse, Session: h.sess.Current})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.page)
	mux.Handle("/deploy", guard.RequireProof(httpguard.ProofOptions{PhishingResistant: true})(said("deployed")))
	h.web.Config.Handler = h.sess.Middleware(mux)
	b, o := h.enrolled("ada")
	require.Equal(t, prefix+"/passkey", b.get("//deploy").header.Get("Location"))
	b.addsPasskey(signed{Credential: "laptop"}, "name", "Laptop")

	h.svc.Wait(16 * time.Minute)
	in := h.signIn("ada")
	a := in.get("/sign-in?with=app")
	require.Equal(t, "/home", in.send(a, "/sign-in", "code", o.Code()).header.Get("Location"))
	a = in.follow(in.get("//deploy"))
	require.Contains(t, a.text(), "Use your passkey")
	require.NotContains(t, a.text(), "Code from the app")
	a = in.send(a, "/step-up", "step_up_passkey", signed{Credential: "laptop"}.of(t, a))
	require.Equal(t, "/deploy", a.header.Get("Location"))
	require.Equal(t, "deployed", in.follow(a).body)
}
