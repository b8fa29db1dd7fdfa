package securitypage_test

import (
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

// secretOf returns the secret that a page of pairing shows.
func secretOf(t *testing.T, a answer) *gatehousetest.Authenticator {
	t.Helper()
	return secretWith(t, a, totp.SHA1)
}

func secretWith(t *testing.T, a answer, algorithm totp.Algorithm) *gatehousetest.Authenticator {
	t.Helper()
	m := regexp.MustCompile(`<code id="secret" translate="no">(.+?)</code>`).FindStringSubmatch(a.body)
	require.NotNil(t, m, a.body)
	m[1] = textTag.ReplaceAllString(m[1], "")
	app, err := gatehousetest.Scan("otpauth://totp/Acme:ada?issuer=Acme&algorithm=" + algorithm.String() + "&digits=6&period=30&secret=" + strings.ReplaceAll(m[1], " ", ""))
	require.NoError(t, err)
	return app
}

// pair begins a pairing from the form of a page, and returns the page with the picture.
func (b *browser) pair(page string, pairs ...string) answer {
	b.h.t.Helper()
	return b.follow(b.submit(page, "/pair", pairs...))
}

// savesCodes has the owner say that the recovery codes of a pairing are saved, and returns them with the form for the
// first code.
func (b *browser) savesCodes() (codes []string, form answer) {
	b.h.t.Helper()
	a := b.get("/pair/codes")
	if a.status == http.StatusOK {
		codes = codesOf(a)
		a = b.send(a, "/pair/codes", "saved", "yes")
	}
	return codes, b.follow(a)
}

// finishes types the first code of the pairing that is pending.
func (b *browser) finishes(code string, pairs ...string) answer {
	b.h.t.Helper()
	_, form := b.savesCodes()
	return b.send(form, "/pair/confirm", append([]string{"code", code}, pairs...)...)
}

var codeItem = regexp.MustCompile(`<li><code>([^<]+)</code></li>`)

func codesOf(a answer) (codes []string) {
	for _, m := range codeItem.FindAllStringSubmatch(a.body, -1) {
		codes = append(codes, html.UnescapeString(m[1]))
	}
	return codes
}

// The whole way of an owner: from nothing to a protected account, and through the second step.
func TestPairAndSignIn(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	a := b.get("/")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.text(), "Only your password protects you")
	require.Contains(t, a.body, `href="/settings/security/pair"`)

	a = b.pair("/pair", "name", "Work phone")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	app := secretOf(t, a)
	require.Contains(t, a.body, "<svg ")
	a = b.get("/pair/codes")
	codes := codesOf(a)
	require.Len(t, codes, 10)

	// Not before the codes are said to be saved, and not with a wrong code.
	require.Equal(t, "/settings/security/pair/scan", b.get("/pair/confirm").header.Get("Location"))
	a = b.follow(b.send(a, "/pair/codes"))
	require.Contains(t, a.text(), "Save the codes first, then tick this box.")
	require.Equal(t, codes, codesOf(a))
	a = b.follow(b.send(a, "/pair/codes", "saved", "yes"))
	shown := a
	a = b.follow(b.send(shown, "/pair/confirm", "code", "000000"))
	require.Contains(t, a.text(), "You have 9 tries left.")
	require.Contains(t, a.body, `<title>Error: Type the code`)
	code := app.Code(h.svc.Now())
	a = b.send(a, "/pair/confirm", "code", code[:3]+" "+code[3:])
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.body)
	require.Contains(t, b.follow(a).text(), "Two-factor sign-in is on")
	require.Contains(t, b.get("/").text(), "Two-factor sign-in")

	// The form is used up.
	a = b.send(shown, "/pair/confirm", "code", code)
	require.Equal(t, http.StatusConflict, a.status)

	// The second step.
	h.svc.Wait(totp.Period)
	b = h.signIn("ada")
	for _, path := range []string{"/", "/pair/cancel", "/authenticators", "/recovery-codes", "/tokens", "/tokens/new", "/activity", "/disable", "/step-up"} {
		require.Equal(t, prefix+"/sign-in", b.get(path).header.Get("Location"), path)
	}
	a = b.submit("/sign-in", "/sign-in", "code", "123456")
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, a.text(), "This code is not right")
	code = app.Code(h.svc.Now())
	a = b.send(a, "/sign-in", "code", " "+code+" ")
	require.Equal(t, "/home", a.header.Get("Location"), a.body)
	require.Equal(t, "/home", b.get("/sign-in").header.Get("Location"))

	// The same code does not do twice, a recovery code does once.
	b = h.signIn("ada")
	require.Equal(t, http.StatusUnprocessableEntity, b.submit("/sign-in", "/sign-in", "code", code).status)
	a = b.submit("/sign-in?with=recovery", "/sign-in", "code", strings.ToLower(codes[2]))
	require.Equal(t, recovered, a.header.Get("Location"), a.body)
	require.Contains(t, b.get("/").text(), "You signed in with a recovery code")
	b = h.signIn("ada")
	require.Equal(t, http.StatusUnprocessableEntity, b.submit("/sign-in?with=recovery", "/sign-in", "code", codes[2]).status)
}

// An owner with a recovery code replaces the authenticator, and adds none.
func TestReplaceByRecoveryCode(t *testing.T) {
	h := newHost(t)
	_, o := h.enrolled("ada")
	b := h.signIn("ada")
	require.Equal(t, recovered, b.submit("/sign-in?with=recovery", "/sign-in", "code", o.RecoveryCodes[0].Reveal()).header.Get("Location"))

	a := b.get("/pair")
	require.Contains(t, a.text(), "Replaces “")
	require.NotContains(t, a.text(), "Another way to sign in")
	a = b.follow(b.send(a, "/pair", "name", "New phone"))
	app := secretOf(t, a)
	require.Equal(t, prefix+"/pair/confirm", b.get("/pair/codes").header.Get("Location"), "the account has recovery codes")
	a = b.finishes(app.Code(h.svc.Now()))
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.body)
	require.Contains(t, b.get("/authenticators").text(), "New phone")

	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, st.Authenticators, 1)

	// A recovery code's proof is not enough to turn it all off: a code of the app is asked for.
	a = b.get("/disable")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.text(), "Confirm that it is you")
	h.svc.Wait(totp.Period)
	a = b.send(a, "/step-up", "step_up", app.Code(h.svc.Now()))
	require.Equal(t, prefix+"/disable", a.header.Get("Location"), a.body)
	a = b.follow(a)
	require.Contains(t, a.text(), "What would change")
	require.Contains(t, a.text(), "No longer allowed")
	require.Equal(t, http.StatusUnprocessableEntity, b.send(a, "/disable").status)
	a = b.send(a, "/disable", "sure", "yes")
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Contains(t, b.follow(a).text(), "Two-factor sign-in is off.")
}

// An owner without a second factor, whose password was given too long ago, is asked for it and nothing less.
func TestStepUpByPassword(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	h.svc.Wait(6 * time.Minute)
	a := b.get("/pair")
	require.Equal(t, http.StatusForbidden, a.status)
	for _, typed := range []string{"", "not " + password} {
		wrong := b.send(a, "/step-up", "step_up_password", typed)
		require.GreaterOrEqual(t, wrong.status, 400, typed)
		require.Equal(t, http.StatusForbidden, b.get("/pair").status, typed)
	}
	a = b.send(a, "/step-up", "step_up_password", password)
	require.Equal(t, prefix+"/pair", a.header.Get("Location"), a.body)
	a = b.follow(b.send(b.follow(a), "/pair", "name", "Phone"))
	a = b.finishes(secretOf(t, a).Code(h.svc.Now()))
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.body)
}

// The way back that an operator opens.
func TestOperatorCode(t *testing.T) {
	h := newHost(t)
	signedIn, _ := h.enrolled("ada")
	code, err := h.svc.Operator("op-1").Because("ticket 4711").Reset(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, "?", signedIn.get("/").header.Get("Location"))
	require.Empty(t, signedIn.account, "the sessions of before have ended")

	b := h.signIn("ada")
	a := b.get("/sign-in")
	require.Contains(t, a.text(), "Code from support")
	require.Contains(t, a.text(), "If you did not ask for it, tell them at once.")
	require.Equal(t, http.StatusNotFound, b.get("/sign-in/clock").status, "there is no clock to mend")
	require.Equal(t, http.StatusUnprocessableEntity, b.send(a, "/sign-in", "code", "AAAA-AAAA-AAAA-AAAA").status)
	a = b.send(a, "/sign-in", "code", code.Reveal())
	require.Equal(t, prefix+"/pair", a.header.Get("Location"), a.body)
	require.Equal(t, prefix+"/sign-in", b.get("/").header.Get("Location"), "nobody is signed in yet")
	a = b.follow(b.send(b.follow(a), "/pair", "name", "New phone"))
	app := secretOf(t, a)
	require.Len(t, codesOf(b.get("/pair/codes")), 10)
	a = b.finishes(app.Code(h.svc.Now()))
	require.Contains(t, a.text(), "Now sign in with its next code.")
	require.Contains(t, a.body, `href="/login"`)
	require.Equal(t, "/login", b.get("/sign-in").header.Get("Location"), "nothing is left of the sign-in")
	require.Equal(t, "/login?next=%2Fsettings%2Fsecurity%2Fpair", b.get("/pair").header.Get("Location"))

	h.svc.Wait(totp.Period)
	b = h.signIn("ada")
	a = b.submit("/sign-in", "/sign-in", "code", app.Code(h.svc.Now()))
	require.Equal(t, "/home", a.header.Get("Location"), a.body)
	require.Contains(t, b.get("/activity").text(), "ticket 4711")
}

// Once the pairing is done that an operator's code was for, somebody else who is signed in has the pages back.
func TestOperatorCodeWhileAnotherIsSignedIn(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	code, err := h.svc.Operator("op-1").Because("ticket 4711").Reset(t.Context(), "ada")
	require.NoError(t, err)
	b := h.signIn("bob")
	b.begin("ada", "/login", gatehouse.FirstFactor{Method: "pwd"})
	a := b.follow(b.submit("/sign-in", "/sign-in", "code", code.Reveal()))
	require.Contains(t, a.text(), "ada@acme.test", "the pages for pairing are those of the code")
	a = b.follow(b.send(a, "/pair", "name", "Ada's phone"))
	a = b.finishes(secretOf(t, a).Code(h.svc.Now()))
	require.Contains(t, a.text(), "Now sign in with its next code.")
	require.Empty(t, b.step(), "a proof of no use would be kept")

	require.Equal(t, "bob", b.account, "he stays signed in")
	before := h.account("ada")
	a = b.pair("/pair", "name", "Bob's phone")
	require.Contains(t, a.text(), "bob@acme.test")
	require.Contains(t, b.finishes(secretOf(t, a).Code(h.svc.Now())).header.Get("Location"), prefix+"/pair/done?")
	require.Equal(t, before, h.account("ada"))
}

// The second step has a way out, also where the host's session is still there, which is led to the second step wherever
// it goes.
func TestSignInToAnotherAccount(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	b := h.browser(&session{account: "ada"}) // of before the host used Gatehouse
	for _, path := range []string{"//home", "//login", "/"} {
		require.Equal(t, prefix+"/sign-in", b.follow(b.get(path)).path, path)
	}
	a := b.get("/sign-in")
	require.Equal(t, http.StatusConflict, b.post("/sign-in/cancel", nil).status, "no form of this sign-in")
	form, _ := a.form("/sign-in/cancel")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute("/sign-in/cancel"), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, b.do(r).status)
	require.Equal(t, "ada", b.account)
	require.NotEmpty(t, b.challenge())

	require.Equal(t, "/login", b.send(a, "/sign-in/cancel").header.Get("Location"))
	require.Empty(t, b.account)
	require.Empty(t, b.step())
	require.Equal(t, "login", b.get("//login").body)
	require.Equal(t, "/login", b.send(a, "/sign-in", "code", "123456").header.Get("Location"), "another tab of it")
}

// Tokens, from the form to the end of their lives.
func TestTokens(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	a := b.get("/tokens/new")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.text(), "Protect your account first")
	require.Contains(t, a.body, `href="/settings/security/pair?`)

	b, o := h.enrolled("eve")
	a = b.get("/tokens/new")
	require.Contains(t, a.text(), "Deploy to production.")
	require.Contains(t, a.text(), "High risk")
	a = b.send(a, "/tokens/new", "name", "", "networks", "nowhere")
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, a.text(), "Fill this in.")
	require.Contains(t, a.text(), "Choose at least one.")
	require.Contains(t, a.text(), "neither an address nor a network")
	require.Contains(t, a.body, ">nowhere</textarea>", "what was typed stays")

	a = b.submit("/tokens/new", "/tokens/new", "name", "deploy <b>", "scope", "projects:read", "scope", "deploys:write", "days", "90", "resources", "project/7\nproject/8")
	require.Equal(t, http.StatusOK, a.status, a.body)
	token := regexp.MustCompile(`<code id="token">(acme_pat_[0-9A-Za-z]+)</code>`).FindStringSubmatch(a.body)
	require.NotNil(t, token, a.body)
	require.Contains(t, a.text(), "deploy <b>")
	require.NotContains(t, a.body, "<b>")
	works := func(text string) bool {
		_, err := h.tok.Check(t.Context(), text, netip.Addr{})
		return err == nil
	}
	g, err := h.tok.Check(t.Context(), token[1], netip.Addr{})
	require.NoError(t, err)
	require.True(t, g.Allows("deploys:write", "project/7"))
	require.False(t, g.Allows("deploys:write", "project/9"))

	list := b.get("/tokens")
	require.NotContains(t, list.body, token[1])
	require.Contains(t, list.text(), "deploy <b>")
	page := prefix + "/tokens/" + g.TokenID
	require.Contains(t, list.body, page)

	a = b.submit(page, page+"/rotate", "grace", "0")
	rotated := regexp.MustCompile(`<code id="token">(acme_pat_[0-9A-Za-z]+)</code>`).FindStringSubmatch(a.body)
	require.NotNil(t, rotated, a.body)
	require.True(t, works(rotated[1]))
	require.Contains(t, b.get(page).text(), "replaced by a new one 1 time")

	// Another account's token is as unknown as none.
	other, _ := h.enrolled("mallory")
	for _, path := range []string{page, prefix + "/tokens/00000000000000"} {
		require.Equal(t, http.StatusNotFound, other.get(path).status)
		require.Equal(t, http.StatusNotFound, other.post(path+"/revoke", nil).status)
	}
	require.True(t, works(rotated[1]))

	h.svc.Wait(91 * 24 * time.Hour)
	a = b.get(page)
	require.Contains(t, a.text(), "Expired")
	a = b.send(a, page+"/renew")
	require.Contains(t, a.text(), "Confirm that it is you")
	a = b.send(a, page+"/renew", "step_up", o.Code())
	require.Contains(t, b.follow(a).text(), "The token works again.")
	require.True(t, works(rotated[1]))
	_, ok := b.get(page).form(page + "/revoke")
	require.False(t, ok, "it is a question first")
	a = b.submit(page+"/revoke", page+"/revoke")
	require.Contains(t, b.follow(a).text(), "The token is revoked.")
	require.False(t, works(rotated[1]))

	a = b.submit("/tokens/new", "/tokens/new", "name", "second", "scope", "projects:read")
	second := regexp.MustCompile(`<code id="token">(acme_pat_[0-9A-Za-z]+)</code>`).FindStringSubmatch(a.body)
	require.NotNil(t, second, a.body)
	require.True(t, works(second[1]))
	_, ok = b.get("/tokens").form("/tokens/revoke-all")
	require.False(t, ok, "it is a question first")
	require.Contains(t, b.get("/tokens/revoke-all").text(), "second Never used")
	require.True(t, works(second[1]))
	require.Contains(t, b.follow(b.submit("/tokens/revoke-all", "/tokens/revoke-all")).text(), "All your tokens are revoked.")
	require.False(t, works(second[1]))
}

// Names, codes, removal, activity, locks: the rest of what an owner does.
func TestSettings(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")

	a := b.pair("/pair", "name", "Tablet")
	app := secretOf(t, a)
	require.Equal(t, http.StatusSeeOther, b.finishes(app.Code(h.svc.Now())).status)
	a = b.get("/authenticators")
	require.Contains(t, a.text(), "Tablet")
	a = b.send(a, "/authenticators/rename", "name", strings.Repeat("x", 65))
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	a = b.follow(b.send(a, "/authenticators/rename", "name", "<i>Old</i> phone"))
	require.Contains(t, a.text(), "The name is saved.")
	require.Contains(t, a.text(), "<i>Old</i> phone")
	require.NotContains(t, a.body, "<i>")

	a = b.get("/authenticators/remove?id=" + o.AuthenticatorID)
	require.Contains(t, a.text(), "What would change")
	require.Contains(t, a.text(), "recovery codes Cancel", "a way back, in words")
	require.NotContains(t, a.text(), string(event.MethodRecoveryCode))
	require.Contains(t, b.follow(b.send(a, "/authenticators/remove")).text(), "The authenticator is removed.")
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, st.Authenticators, 1)
	a = b.get("/authenticators/remove?id=" + st.Authenticators[0].ID)
	require.Contains(t, a.text(), "It is your only authenticator.")
	require.Equal(t, http.StatusNotFound, b.get("/authenticators/remove?id="+o.AuthenticatorID).status)

	before := h.set("ada")
	shown := b.get("/recovery-codes")
	a = b.send(shown, "/recovery-codes")
	codes := codesOf(a)
	require.Len(t, codes, 10)
	require.NotEqual(t, before, h.set("ada"))
	require.Contains(t, a.body, `data-name="acme-recovery-codes.txt"`)
	require.Contains(t, a.body, `<ol class="codes" translate="no">`)
	again := b.send(shown, "/recovery-codes")
	require.Equal(t, http.StatusConflict, again.status, "a reload makes no others")
	require.Contains(t, again.text(), "This page was out of date")
	a = b.follow(b.send(a, "/recovery-codes/saved"))
	require.Contains(t, a.text(), "Noted: your recovery codes are saved.")
	require.NotContains(t, a.body, codes[0])

	// A lock after wrong codes, seen at sign-in, and unlocked with a recovery code.
	in := h.signIn("ada")
	for range 6 {
		a = in.submit("/sign-in", "/sign-in", "code", "000000")
	}
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, 1, strings.Count(a.text(), "Too many codes were wrong. Try again in"), "it is said once")
	require.Contains(t, in.get("/sign-in").text(), "Too many codes were wrong. Try again in")
	require.Regexp(t, `<p id="code-wrong" data-countdown="[1-9][0-9]*" data-text="Too many codes were wrong. Try again in \{clock\}." data-over="You can try again now."`, a.body)
	require.Regexp(t, `<input id="code"[^>]* aria-describedby="code-wrong about" aria-invalid="true"`, a.body)
	require.Equal(t, recovered, in.submit("/sign-in?with=recovery", "/sign-in", "code", codes[0]).header.Get("Location"))
	require.Contains(t, in.follow(in.submit("/authenticators", "/unlock")).text(), "It is unlocked.")
	require.Contains(t, in.get("/activity").text(), "A recovery code was used. Did you do everything here yourself?")
	a = in.submit("/activity", "/activity/reviewed")
	require.Contains(t, a.text(), "Confirm that it is you", "a recovery code cannot vouch for itself")
	h.svc.Wait(totp.Period)
	a = in.send(a, "/activity/reviewed", "step_up", app.Code(h.svc.Now()))
	require.Contains(t, in.follow(a).text(), "Noted: it was you.")
	require.NotContains(t, in.get("/activity").text(), "Did you do everything here yourself?")
}

// A gate of the host's that only a fresher proof opens leads through the prompt and back.
func TestRefuse(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	a := b.get("//deploy?to=public")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.text(), "Protect your account first")

	b, o := h.enrolled("eve")
	require.Equal(t, "deployed", b.get("//deploy").body)
	h.svc.Wait(6 * time.Minute)
	a = b.get("//deploy?to=public")
	require.Equal(t, prefix+"/step-up?next=%2Fdeploy%3Fto%3Dpublic", a.header.Get("Location"))
	a = b.send(b.follow(a), "/step-up", "step_up", o.Code())
	require.Equal(t, "/deploy?to=public", a.header.Get("Location"), a.body)
	require.Equal(t, "deployed", b.follow(a).body)

	require.Equal(t, "/login?next=%2Fdeploy%3Fto%3Dpublic", h.browser(nil).get("//deploy?to=public").header.Get("Location"))
	require.Equal(t, "/login", h.browser(nil).post("//deploy", nil).header.Get("Location"))
	require.Equal(t, prefix+"/sign-in", h.signIn("eve").get("//deploy").header.Get("Location"))

	for _, next := range []string{"//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "/\tx", "evil"} {
		a = b.get("/step-up?next=" + strings.ReplaceAll(strings.ReplaceAll(next, "\t", "%09"), "\\", "%5C"))
		form, ok := a.form("/step-up")
		require.True(t, ok)
		require.Equal(t, prefix+"/", form.Get("next"), next)
		form.Set("next", next)
		form.Set("step_up", o.Code())
		require.Equal(t, http.StatusConflict, b.post("/step-up", form).status, next)
	}
}

// A secret is in one answer to a POST that is not stored, and nowhere else: in no address, no header, no page that
// can be loaded again and no log. What the session holds is in none at all.
func TestSecretsAreShownOnce(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	a := b.pair("/pair", "name", "Phone")
	app := secretOf(t, a)
	secret := regexp.MustCompile(`secret=([A-Z2-7]+)&`).FindStringSubmatch(html.UnescapeString(a.body))[1]
	codes, a := b.savesCodes()
	pairing := append(codes, secret)
	hidden := []string{b.secret(), b.proof()}
	b.send(a, "/pair/confirm", "code", "000000")
	other := h.signIn("ada")
	steps := []string{"/", "/pair", "/pair/scan", "/pair/codes", "/pair/confirm"}
	for _, path := range steps {
		b.get(path)
		other.get(path)
	}
	require.Equal(t, http.StatusSeeOther, b.finishes(app.Code(h.svc.Now())).status)
	confirmed, began := len(h.answers), b.id
	for _, path := range append(steps, "/pair/done") {
		b.get(path)
	}

	h.svc.Wait(totp.Period)
	b = h.signIn("ada")
	hidden = append(hidden, b.challenge(), b.step().Secret)
	b.get("/sign-in")
	require.Equal(t, "/home", b.submit("/sign-in", "/sign-in", "code", app.Code(h.svc.Now())).header.Get("Location"))
	a = b.submit("/recovery-codes", "/recovery-codes")
	once := codesOf(a)
	require.Equal(t, http.StatusConflict, b.submit("/recovery-codes", "/recovery-codes", "form", "x").status)
	b.send(a, "/recovery-codes/saved")
	a = b.submit("/tokens/new", "/tokens/new", "name", "x", "scope", "projects:read")
	token := regexp.MustCompile(`acme_pat_[0-9A-Za-z]+`)
	once = append(once, token.FindString(a.body))
	list := h.tokens("ada")
	of := "/tokens/" + list[0].ID
	a = b.submit(of, of+"/rotate", "grace", "24")
	once = append(once, token.FindString(a.body))
	hidden = append(hidden, b.proof())
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	for _, p := range paths(st.Authenticators[0].ID, list[0].ID) {
		if p.page != "" {
			b.get(p.page)
		}
	}

	// While it is pending, what is secret in a pairing is shown to the session that began it, and to no other.
	require.Len(t, pairing, 10+1)
	for _, secret := range pairing {
		shown := map[string]int{}
		for i, a := range h.answers {
			require.NotContains(t, a.path, secret)
			for _, values := range a.header {
				require.NotContains(t, strings.Join(values, " "), secret)
			}
			if strings.Contains(html.UnescapeString(a.body), secret) {
				shown[a.path]++
				require.Equal(t, began, a.by, a.path)
				require.Less(t, i, confirmed, a.path)
				require.Equal(t, "no-store", a.header.Get("Cache-Control"), a.path)
			}
		}
		want := map[string]int{prefix + "/pair/codes": 3}
		if secret == pairing[10] {
			want = map[string]int{prefix + "/pair/scan": 2}
		}
		require.Equal(t, want, shown, secret)
	}

	require.Len(t, once, 10+2)
	for _, secret := range once {
		require.NotEmpty(t, secret)
		n := 0
		for _, a := range h.answers {
			require.NotContains(t, a.path, secret)
			for _, values := range a.header {
				require.NotContains(t, strings.Join(values, " "), secret)
			}
			if strings.Contains(a.body, secret) {
				n++
				require.Equal(t, "no-store", a.header.Get("Cache-Control"), a.path)
			}
		}
		require.Equal(t, 1, n, secret)
	}
	for _, secret := range hidden {
		require.NotEmpty(t, secret)
		for _, a := range h.answers {
			require.NotContains(t, a.body+a.path, secret)
			for _, values := range a.header {
				require.NotContains(t, strings.Join(values, " "), secret)
			}
		}
	}
	for _, secret := range slices.Concat(once, hidden, pairing) {
		require.NotContains(t, h.logs.String(), secret)
	}
}

// Row F3: an authenticator that another system made with a short secret is shown as such, and the review leads to
// where it is replaced; an account of which nothing could be taken over asks for support's code.
func TestImportedAccount(t *testing.T) {
	h := newHost(t)
	secret, _, err := totp.ParseImported("JBSWY3DPEHPK3PXP")
	require.NoError(t, err)
	b := h.signIn("ada") // of before the move
	_, err = h.svc.Operator("migration").Import(t.Context(), "ada", gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{{Secret: secret}}})
	require.NoError(t, err)
	require.Equal(t, "?", b.get("/authenticators").header.Get("Location"), "two-factor is on, and the session is of before")
	b = h.signIn("ada")
	h.svc.Wait(2 * totp.Period) // every code so far is used up
	code, err := totp.Key{Secret: secret, Weak: true}.Code(totp.Step(h.svc.Now()))
	require.NoError(t, err)
	require.Equal(t, "/home", b.submit("/sign-in", "/sign-in", "code", code).header.Get("Location"))
	require.Contains(t, b.get("/authenticators").text(), "This app has a short key")
	require.Contains(t, b.get("/").text(), "Short key")
	review := b.get("/review")
	require.Contains(t, review.text(), "An authenticator has a short key")
	require.Regexp(t, `href="/settings/security/authenticators">Replace it`, review.body)

	other := h.signIn("bob")
	_, err = h.svc.Operator("migration").Import(t.Context(), "bob", gatehouse.Import{Close: true})
	require.NoError(t, err)
	require.Equal(t, "?", other.get("/").header.Get("Location"))
	require.Contains(t, h.signIn("bob").get("/sign-in").text(), "Code from support")
}
