package securitypage_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A session's proof of another account changes nothing of that account.
func TestProofOfAnotherAccount(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	h.svc.Enroll(t, "mallory")
	b.session.account = "mallory" // the host has kept the session when somebody else signed in
	a := b.get("/disable")
	if form, ok := a.form("/disable"); ok {
		form.Set("sure", "yes")
		b.post("/disable", form)
	}
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.True(t, st.Protected, "a page of mallory's has turned ada's two-factor off")
}

// An operator's code is taken only for the account that the session is signing in to.
func TestOperatorCodeOfAnotherAccount(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	h.svc.Enroll(t, "mallory")
	code, err := h.svc.Operator("op").Because("x").Reset(t.Context(), "mallory")
	require.NoError(t, err)
	b := h.signIn("mallory")
	form, _ := b.get("/sign-in").form("/sign-in")
	form.Set("code", code.Reveal())
	kept := b.kept
	b.kept = h.signIn("ada").kept // the sign-in is another one now
	require.Equal(t, http.StatusConflict, b.post("/sign-in", form).status)
	require.Equal(t, http.StatusUnprocessableEntity, b.submit("/sign-in?with=support", "/sign-in", "code", code.Reveal()).status)
	require.NotEmpty(t, b.challenge(), "it goes on")
	b.kept = kept
	require.Equal(t, prefix+"/pair", b.submit("/sign-in", "/sign-in", "code", code.Reveal()).header.Get("Location"), "it was not used up")
}

// A recovery code that is not enough is not asked for, and whoever types one is told.
func TestRecoveryCodesBurnInALoop(t *testing.T) {
	h := newHost(t)
	b, o, _ := h.ready("ada")
	h.svc.Wait(6 * time.Minute)
	a := b.get("/disable")
	require.NotContains(t, a.text(), "or a recovery code", "the prompt asks for what does not do")
	a = b.send(a, "/step-up", "step_up", o.RecoveryCodes[0].Reveal())
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, a.text(), "not a recovery code")
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, 10, st.RecoveryCodes.Left, "it is not used up for nothing")

	// Where one will do, for one form, the session keeps the better proof that it has.
	h.svc.Wait(10 * time.Minute)
	before := b.proof()
	a = b.submit("/tokens/revoke-all", "/tokens/revoke-all")
	require.Contains(t, a.text(), "or a recovery code")
	a = b.send(a, "/tokens/revoke-all", "step_up", o.RecoveryCodes[0].Reveal())
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Equal(t, before, b.proof())
}

// The same, where a guard of the host's asks for the second factor of an account that has none.
func TestGuardLoop(t *testing.T) {
	h := newHost(t)
	guard, err := httpguard.New(httpguard.Config{
		Service: h.svc.Service, Refuse: h.page.Refuse, Session: h.sess.Current,
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.page)
	mux.Handle("/billing", guard.RequireProof(httpguard.ProofOptions{MaxAge: 5 * time.Minute, SecondFactor: true})(http.NotFoundHandler()))
	h.web.Config.Handler = mux
	b := h.signIn("ada")
	a := b.get("//billing")
	a = b.follow(a)
	require.Contains(t, a.body, `href="/settings/security/pair"`, "the password is asked for again and again, and never does")
}

// Refuse tells browsers where to go on, and who has sent a token why it is not good.
func TestRefuseByWhatIsMissing(t *testing.T) {
	h := newHost(t)
	guard, err := httpguard.New(httpguard.Config{Service: h.svc.Service, Tokens: h.tok, Refuse: h.page.Refuse, Session: h.sess.Current})
	require.NoError(t, err)
	ran := false
	mux := http.NewServeMux()
	mux.Handle("/projects", guard.SessionOrToken("projects:write", nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })))
	b, _, _ := h.ready("ada")
	h.web.Config.Handler = mux
	minted, err := h.tok.Mint(t.Context(), b.in(), tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	ask := func(b *browser, headers ...string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.web.URL+"/projects", nil)
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return b.do(r)
	}
	nobody := h.browser(nil)
	require.Equal(t, "/login", ask(nobody).header.Get("Location"))
	for _, b := range []*browser{b, nobody} {
		a := ask(b, "Sec-Fetch-Site", "same-site")
		require.Equal(t, http.StatusForbidden, a.status)
		require.Contains(t, a.text(), "another site", a.body)
		for token, status := range map[string]int{minted.Token.Reveal(): 403, "x": 401, "": 400} {
			a = ask(b, "Authorization", "Bearer "+token)
			require.Equal(t, status, a.status)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		}
	}
	require.False(t, ran)
	require.Equal(t, 200, ask(b, "Sec-Fetch-Site", "same-origin").status)
	require.True(t, ran)

	// The guard's word counts, also where the page's session says otherwise.
	guard, err = httpguard.New(httpguard.Config{Service: h.svc.Service, Refuse: h.page.Refuse})
	require.NoError(t, err)
	h.web.Config.Handler = guard.RequireSignedIn()(http.NotFoundHandler())
	require.Equal(t, "/login", ask(b).header.Get("Location"))
}

// Whoever has redeemed an operator's code finds the way to pairing again.
func TestOperatorCodeSentTwice(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	code, err := h.svc.Operator("op").Because("x").Reset(t.Context(), "ada")
	require.NoError(t, err)
	b := h.signIn("ada")
	shown := b.get("/sign-in")
	require.Equal(t, prefix+"/pair", b.send(shown, "/sign-in", "code", code.Reveal()).header.Get("Location"))
	// Sent twice; or the page is opened again by any of its addresses.
	for _, a := range []answer{b.follow(b.send(shown, "/sign-in", "code", code.Reveal())), b.get("/sign-in")} {
		require.NotContains(t, a.text(), "This sign-in has ended", "and signing in again finds the code used")
		require.Equal(t, prefix+"/pair", a.header.Get("Location"))
	}
}

// The operator's code is used up, and ten wrong codes end the pairing: there is a way to begin another.
func TestTriesEndWithoutAWayOn(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	code, err := h.svc.Operator("op").Because("x").Reset(t.Context(), "ada")
	require.NoError(t, err)
	b := h.signIn("ada")
	a := b.follow(b.submit("/sign-in", "/sign-in", "code", code.Reveal()))
	b.follow(b.send(a, "/pair", "name", "x"))
	_, a = b.savesCodes()
	for range 10 {
		a = b.follow(b.send(a, "/pair/confirm", "code", "000000"))
	}
	require.Contains(t, a.text(), "Too many codes were wrong, so this setup has ended.")
	require.Equal(t, prefix+"/pair/scan", b.send(a, "/pair", "name", "x").header.Get("Location"))
}

// Somebody who has the password alone learns nothing of the owner's devices.
func TestSigningInSeesNames(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	b.pair("/pair", "name", "Ada's private tablet")
	in := h.signIn("ada")
	for _, path := range []string{"/pair", "/pair/scan", "/pair/codes", "/pair/confirm", "/pair/done"} {
		a := in.get(path)
		require.NotContains(t, a.text(), "private tablet", path)
		require.NotContains(t, a.text(), "Replaces", path)
		require.NotContains(t, a.text(), "is paired", path)
		require.NotContains(t, a.text(), "Type the code", path)
	}
}

// The password is asked only of accounts without a second factor, and a weaker proof takes no stronger one's place.
func TestPasswordOfAProtectedAccount(t *testing.T) {
	var asked atomic.Int32
	h := newHost(t, func(c *securitypage.Config) {
		check := c.Password
		c.Password = func(r *http.Request, account, typed string) (bool, error) {
			asked.Add(1)
			return check(r, account, typed)
		}
	})
	b, _ := h.enrolled("ada")
	require.Equal(t, http.StatusOK, b.get("/disable").status)
	h.svc.Wait(time.Minute)
	form, _ := b.get("/step-up").form("/step-up")
	form.Set("step_up_password", password)
	a := b.post("/step-up", form)
	require.Zero(t, asked.Load(), "the password of an account with a second factor can be tried here")
	require.Equal(t, http.StatusForbidden, a.status)
	require.NotContains(t, a.text(), "This takes a code", "a code was refused that was not typed")
	require.Equal(t, http.StatusOK, b.get("/disable").status, "the session has lost its better proof")

	// Nor is it asked about a code, where there is no second factor.
	b = h.signIn("eve")
	h.svc.Wait(time.Minute)
	form, _ = b.get("/step-up").form("/step-up")
	form.Set("step_up", "123456")
	require.Equal(t, http.StatusForbidden, b.post("/step-up", form).status)
	require.Zero(t, asked.Load(), "an empty password was checked")
}

// A rotated token that is shown works, also when the form has reached two processes.
func TestRotateInTwoProcesses(t *testing.T) {
	var meanwhile func()
	h := newHostWith(t, func(of *parts) {
		of.gates = nil // no gate for minting: a password will do here
		of.now = func() time.Time {
			if f := meanwhile; f != nil {
				f()
			}
			return gatehousetest.Start
		}
	})
	b := h.signIn("ada")
	minted, err := h.tok.Mint(t.Context(), b.in(), tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	token := minted.Info.ID
	// Another process, on the same store.
	other, err := securitypage.New(securitypage.Config{
		Web: h.sess, Tokens: h.tok, Name: "Acme",
	})
	require.NoError(t, err)
	of := "/tokens/" + token
	form, _ := b.get(of).form(of + "/rotate")
	form.Set("grace", "0")
	shown := regexp.MustCompile(`acme_pat_[0-9A-Za-z]+`)
	post := func(p http.Handler) string {
		r := httptest.NewRequest(http.MethodPost, prefix+of+"/rotate", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return shown.FindString(w.Body.String())
	}
	first, n := "", 0
	meanwhile = func() {
		if n++; n == 1 { // the token is read, and the form about to be found right
			meanwhile = nil
			first = post(other)
		}
	}
	second := post(h.page)
	require.NotEmpty(t, first)
	_, err = h.tok.Check(t.Context(), first, netip.Addr{})
	require.Empty(t, second)
	require.NoError(t, err, "a token that a page has shown is dead, and using it revokes the other")
}

// The sessions of an account that is suspended end, and a form that is under way by then changes nothing.
func TestSuspended(t *testing.T) {
	suspend := func(h *host) { require.NoError(t, h.svc.Operator("op").Because("x").Suspend(t.Context(), "ada")) }
	h := newHost(t)
	b, _ := h.enrolled("ada")
	suspend(h)
	require.Equal(t, "?", b.get("/pair").header.Get("Location"))
	require.Equal(t, "/login?next=%2Fsettings%2Fsecurity%2Fpair", b.get("/pair").header.Get("Location"))

	h = newHost(t, func(c *securitypage.Config) {
		c.Owner = func(*http.Request, string) (securitypage.Owner, error) {
			suspend(h)
			return securitypage.Owner{}, nil
		}
	})
	b = h.signIn("ada")
	a := b.get("/pair")
	require.Contains(t, a.text(), "suspended")
	require.NotContains(t, a.text(), "Enter a code")
}

// The same for an account that support resets meanwhile.
func TestResetMeanwhile(t *testing.T) {
	var reset func()
	h := newHost(t, func(c *securitypage.Config) {
		c.Owner = func(*http.Request, string) (securitypage.Owner, error) {
			if reset != nil {
				reset()
			}
			return securitypage.Owner{}, nil
		}
	})
	b, _ := h.enrolled("ada")
	reset = func() {
		_, err := h.svc.Operator("op").Because("x").Reset(t.Context(), "ada")
		require.NoError(t, err)
		reset = nil
	}
	a := b.get("/pair")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.text(), "This sign-in has ended")
	require.NotContains(t, a.text(), "Enter a code")
}

// Every label that a host has can be paired.
func TestLabels(t *testing.T) {
	for _, label := range []string{"ada:", "secret=ada@acme.test", "ada\u200b@acme.test", strings.Repeat("x", 99) + " y", " ada", ":"} {
		h := newHost(t, func(c *securitypage.Config) {
			c.Owner = func(*http.Request, string) (securitypage.Owner, error) { return securitypage.Owner{Label: label}, nil }
		})
		b := h.signIn("ada")
		a := b.pair("/pair", "name", "Phone")
		if a.status != http.StatusOK {
			t.Errorf("%q: %d, and the page blames the name: %t", label, a.status, strings.Contains(a.text(), "This name is too long"))
		}
	}
}

// Each kind is offered once.
func TestKinds(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	require.Equal(t, 1, strings.Count(b.get("/tokens/new").body, `<option value="cli"`))
}

// A text is chosen by the page and not by a field.
func TestWith(t *testing.T) {
	h := newHost(t)
	h.svc.Enroll(t, "ada")
	b := h.signIn("ada")
	for _, with := range []string{"locked", "first", "", "nothing"} {
		a := b.submit("/sign-in", "/sign-in", "with", with, "code", "AAAA-AAAA-AAAA-AAAA")
		require.NotContains(t, a.text(), "%s", with)
		require.NotContains(t, a.text(), "%d", with)
		require.NotContains(t, a.text(), "wrong."+with, with)
	}
}

// A step-up form that is sent twice counts no wrong code against its owner.
func TestStepUpSentTwice(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")
	h.svc.Wait(6 * time.Minute)
	form, _ := b.get("/step-up").form("/step-up")
	form.Set("step_up", o.Code())
	require.Equal(t, http.StatusSeeOther, b.post("/step-up", form).status)
	a := b.post("/step-up", form)
	require.Equal(t, http.StatusSeeOther, a.status, a.text())
}

// What browsers are to send forms to, and follow redirects of forms to, is allowed by the policy.
func TestFormActionOfLinks(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Links.SignOut, c.Links.SignIn = "https://id.acme.test/logout", "https://id.acme.test/login"
	})
	b := h.signIn("ada")
	a := b.get("/")
	require.Contains(t, a.body, `action="https://id.acme.test/logout"`)
	require.Contains(t, a.header.Get("Content-Security-Policy"), "form-action 'self' https://id.acme.test")
}

// An error page of nobody's session shows no text of a link's.
func TestNoticeWithoutASession(t *testing.T) {
	h := newHost(t)
	broken := h.browser(nil)
	u, _ := url.Parse(h.web.URL)
	broken.c.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "broken", Path: "/"}})
	a := broken.get("/?notice=" + url.QueryEscape(emptyKeyMAC("removed")+"removed"))
	require.NotContains(t, a.text(), securitypage.Texts("en")["notice.removed"])
	b, _ := h.enrolled("ada")
	a = b.get("/?notice=" + url.QueryEscape(emptyKeyMAC("removed")+"removed"))
	require.NotContains(t, a.text(), securitypage.Texts("en")["notice.removed"])
}

// The step-up's code may come with any space that an app's copy brings along.
func TestSpaces(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")
	h.svc.Wait(totp.Period)
	form, _ := b.get("/step-up").form("/step-up")
	c := o.Code()
	form.Set("step_up", c[:3]+"\u00a0"+c[3:])
	require.Equal(t, http.StatusSeeOther, b.post("/step-up", form).status)
}

// Ways that ought to be sound; they pass.
func TestPasswordAloneReachesNothing(t *testing.T) {
	h := newHost(t)
	b, o := h.enrolled("ada")

	// Password alone: nothing of the pair routes does anything.
	in := h.signIn("ada")
	a := in.get("/pair")
	require.Equal(t, http.StatusForbidden, a.status)
	form, _ := in.get("/sign-in").form("/sign-in")
	form.Set("name", "evil")
	require.Equal(t, http.StatusConflict, in.post("/pair", form).status)
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Nil(t, st.Pending)
	// nor with a step-up's field in it
	form.Set("step_up", o.Code())
	require.Equal(t, http.StatusConflict, in.post("/pair", form).status)

	// Old proof, signed in: every factor form asks.
	h.svc.Wait(16 * time.Minute)
	for _, p := range []string{"/pair", "/disable", "/tokens/new"} {
		require.Equal(t, http.StatusForbidden, b.get(p).status, p)
	}
	a = b.submit("/recovery-codes", "/recovery-codes")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Empty(t, codesOf(a))
}

// Signed in, without a way to check passwords: the prompt leads somewhere.
func TestNoPassword(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) { c.Password = nil })
	b := h.signIn("ada")
	form, _ := b.get("/pair").form("/pair")
	form.Set("step_up_password", password)
	h.svc.Wait(6 * time.Minute)
	a := b.get("/pair")
	require.Equal(t, http.StatusForbidden, b.post("/pair", form).status)
	i := strings.Index(a.body, "<main")
	require.Contains(t, a.body[i:], `href="/login?next=%2Fsettings%2Fsecurity%2Fpair"`)
}

// A page of a suspended account that has no second factor.
func TestSuspendedUnprotected(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	form, ok := b.get("/pair").form("/pair")
	require.True(t, ok)
	require.NoError(t, h.svc.Operator("op").Because("x").Suspend(t.Context(), "ada"))
	a := b.post("/pair", form)
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Contains(t, a.text(), "was not carried out")
	require.Empty(t, b.account, "the host's session has ended too")
}

// A service without access tokens has no pages of them.
func TestTokensWithoutPolicy(t *testing.T) {
	h := newHostWith(t, func(of *parts) { of.tokens = nil })
	b, _ := h.enrolled("ada")
	require.Equal(t, http.StatusNotFound, b.get("/tokens/new").status)
	require.Equal(t, http.StatusNotFound, b.post("/tokens/new", nil).status)
}

// emptyKeyMAC is what anybody can compute: the code of a notice under an empty secret.
func emptyKeyMAC(key string) string {
	mac := hmac.New(sha256.New, nil)
	mac.Write([]byte(strings.Join([]string{"securitypage", "", "notice", key}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// What the prompt carries along are the fields of the form, and no code.
func TestPromptKeepsNoCodes(t *testing.T) {
	h := newHost(t)
	b, o, token := h.ready("ada")
	of := "/tokens/" + token
	form, _ := b.get(of).form(of + "/rotate")
	h.svc.Wait(16 * time.Minute)
	form.Set("grace", "24")
	form.Set("step_up", "000000")
	form.Set("code", "123456")
	form.Set("step_up_password", password)
	a := b.post(of+"/rotate", form)
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, a.body, `name="grace" value="24"`)
	for _, typed := range []string{"000000", "123456", password} {
		require.NotContains(t, a.body, typed)
	}
	a = b.send(a, of+"/rotate", "step_up", o.Code())
	require.Contains(t, a.text(), "The old token works until ")
}

// A form that a guard refuses leads back to the page that had it, and to no other site's; otherwise home.
func TestBackToTheForm(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	h.svc.Wait(6 * time.Minute)
	for referer, next := range map[string]string{
		h.web.URL + "/project?id=7": "/project?id=7", "https://evil.test/x": "/home", "": "/home", "http://%zz": "/home",
		h.web.URL: "/", h.web.URL + "//evil.test/x": "/home", "https://evil.test//evil.test/x": "/home",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.web.URL+"/deploy", nil)
		require.NoError(t, err)
		r.Header.Set("Referer", referer)
		require.Equal(t, next, cameFrom(t, b.do(r).header.Get("Location"), prefix), referer)
	}
}

// A form is one account's, also in a session that goes from one to another without a new secret.
func TestFormIsOfTheAccount(t *testing.T) {
	h := unlisted(t)
	b := h.signIn("ada")
	form, _ := b.get("/step-up").form("/step-up")
	form.Set("step_up_password", password)
	b.session.account = "eve"
	require.Equal(t, http.StatusConflict, b.post("/step-up", form).status)
	b.session.account = "ada"
	require.Equal(t, http.StatusSeeOther, b.post("/step-up", form).status)
}

// Codes come with marks that nobody sees, with long dashes, or in other digits. Wherever one is typed, it is taken.
func TestPastedEverywhere(t *testing.T) {
	h := newHost(t)
	arabic := strings.NewReplacer("0", "\u0660", "1", "\u0661", "2", "\u0662", "3", "\u0663", "4", "\u0664", "5", "\u0665", "6", "\u0666", "7", "\u0667", "8", "\u0668", "9", "\u0669")
	pastes := []func(string) string{
		func(code string) string { return "\u200b" + code[:3] + "\u00a0" + code[3:] + "\ufeff" },
		func(code string) string { return "\u2022 " + code + "." },
		func(code string) string { return arabic.Replace(code) },
		func(code string) string { return strings.ReplaceAll(code[:3]+"-"+code[3:], "-", " \u2013 ") },
	}
	for n, paste := range pastes {
		_, o := h.enrolled(fmt.Sprint("ada", n))
		in := h.signIn(o.AccountID)
		require.Equal(t, "/home", in.submit("/sign-in", "/sign-in", "code", paste(o.Code())).header.Get("Location"), "at sign-in")
		h.svc.Wait(time.Hour)
		a := in.submit("/recovery-codes", "/recovery-codes")
		require.Equal(t, http.StatusForbidden, a.status)
		a = in.send(a, "/recovery-codes", "step_up", paste(o.Code()))
		require.Len(t, codesOf(a), 10, "at a step-up")
		rc := h.signIn(o.AccountID)
		require.Equal(t, recovered, rc.submit("/sign-in?with=recovery", "/sign-in", "code", paste(codesOf(a)[0])).header.Get("Location"), "a recovery code")

		app := secretOf(t, in.pair("/pair", "name", "Tablet"))
		require.Contains(t, in.finishes(paste(app.Code(h.svc.Now()))).header.Get("Location"), "/pair/done", "in a pairing")
		h.svc.Wait(time.Hour)
		again, ahead := h.signIn(o.AccountID), h.svc.Now().Add(8*time.Minute)
		clock := again.get("/sign-in/clock")
		st, err := h.svc.Account(t.Context(), o.AccountID)
		require.NoError(t, err)
		clock = again.send(clock, "/sign-in/clock", "authenticator", st.Authenticators[1].ID,
			"first", paste(app.Code(ahead)), "second", paste(app.Code(ahead.Add(30*time.Second))))
		require.Equal(t, http.StatusSeeOther, clock.status, "for a clock")

		code, err := h.svc.Operator("op").Because("lost").Reset(t.Context(), o.AccountID)
		require.NoError(t, err)
		require.Equal(t, prefix+"/pair", h.signIn(o.AccountID).submit("/sign-in", "/sign-in", "code", paste(code.Reveal())).header.Get("Location"), "support's")
	}
}

// The file of recovery codes says whose they are, in a name that every system can have.
func TestCodesFileName(t *testing.T) {
	for name, file := range map[string]string{
		"Acme": "acme-recovery-codes.txt", "Ärger & Söhne": "ärger---söhne-recovery-codes.txt", "日本": "日本-recovery-codes.txt",
		`../"<b>`: "b-recovery-codes.txt", "***": "recovery-codes.txt",
	} {
		h := newHost(t, func(c *securitypage.Config) { c.Name = name })
		b, _ := h.enrolled("ada")
		a := b.submit("/recovery-codes", "/recovery-codes")
		require.Len(t, codesOf(a), 10)
		require.Contains(t, a.body, `data-name="`+file+`"`, name)
	}
}
