package securitypage_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Each line says who, what and from where, and the pairing is one of them.
func TestActivityLines(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Place = func(a netip.Addr) string {
			switch a.String() {
			case "203.0.113.24":
				return "Lisbon, Portugal"
			case "203.0.113.25":
				panic("no such place")
			}
			return "<b>\u202e" + strings.Repeat("x", 1<<20)
		}
	})
	b, owner := h.enrolled("ada")
	from := func(address string, agent event.Agent) gatehouse.Session {
		h.svc.Wait(time.Minute)
		ctx := event.WithClient(t.Context(), event.Client{Address: netip.MustParseAddr(address), Agent: agent})
		v, err := h.svc.StepUp(ctx, owner.Session(), owner.Code())
		require.NoError(t, err)
		return v.Session
	}
	from("203.0.113.24", "firefox/linux")
	from("203.0.113.25", "/android")
	in := from("2001:db8::1", "program")
	require.NoError(t, h.svc.Owner(in).RenameAuthenticator(event.WithClient(t.Context(), event.Client{Agent: "safari"}), owner.AuthenticatorID, "Ada's <phone>"))
	require.NoError(t, h.svc.Operator("op-1").Because("ticket 4711").Unlock(t.Context(), "ada", event.MethodTOTP))

	page := b.get("/activity")
	names := strings.NewReplacer("“ ", "“", " ”", "”")
	text := names.Replace(page.text())
	for _, want := range []string{
		"Today", "You renamed an authenticator app to “Ada's <phone>” Safari",
		"You confirmed with “Ada's <phone>” that it is you A program 2001:db8::1",
		"A browser on Android 203.0.113.25", "Firefox on Linux Lisbon, Portugal 203.0.113.24",
		"You added the authenticator app “Authenticator”", "1 min ago",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, page.body, "xxxx")
	require.NotContains(t, page.body, "<phone>")
	require.NotContains(t, text, "You began to pair")
	require.Contains(t, b.get("/activity?show=changes").text(), "You added the authenticator app")
	require.NotContains(t, b.get("/activity?show=changes").text(), "You confirmed with")
	require.Contains(t, b.get("/activity?show=look").text(), "Nothing here yet.")
	require.Equal(t, text, names.Replace(b.get("/activity?show=%3Cscript%3E").text()), "what is no choice shows everything")
}

// Of a pairing that has ended there is its end alone, in the activity and on the overview, which has three entries where there
// are as many.
func TestPairingIsOneEntry(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	app := secretOf(t, b.pair("/pair", "name", "Second"))
	require.Contains(t, b.get("/activity").text(), "You began to pair an authenticator app")
	_, form := b.savesCodes()
	require.Equal(t, http.StatusSeeOther, b.send(form, "/pair/confirm", "code", app.Code(h.svc.Now())).status)
	text := b.get("/activity").text()
	require.Contains(t, text, "You added the authenticator app “ Second ”")
	require.NotContains(t, text, "You began to pair")
	require.NotContains(t, text, "You paired an authenticator app")
	_, list, _ := strings.Cut(b.get("/").body, `<ul class="mini">`)
	list, _, _ = strings.Cut(list, "</ul>")
	require.Equal(t, 3, strings.Count(list, "<li>"), list)
}

// A host that hangs costs the page the places, and nothing else; not even a pile of calls.
func TestPlaceThatHangs(t *testing.T) {
	hang := make(chan struct{})
	calls := make(chan struct{}, 100)
	h := newHost(t, func(c *securitypage.Config) {
		c.Place = func(netip.Addr) string {
			calls <- struct{}{}
			<-hang
			return "Lisbon"
		}
	})
	defer close(hang)
	h.svc.Vouch(t, "ada")
	h.signIn("ada")
	ctx := event.WithClient(t.Context(), event.Client{Address: netip.MustParseAddr("203.0.113.24")})
	require.NoError(t, h.svc.Operator("op-1").PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
	b := h.signIn("ada")
	for range 12 {
		a := b.get("/activity")
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.text(), "203.0.113.24")
		require.NotContains(t, a.text(), "Lisbon")
	}
	require.LessOrEqual(t, len(calls), 8)
}

// "This wasn't me" leads to a plan, each step of which is ticked once it is done from the same browser, and not by somebody
// else's doing.
func TestPlan(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) { c.Links.Password = "/password" })
	b, owner := h.enrolled("ada")
	_, err := h.tok.Mint(t.Context(), owner.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	other := event.WithClient(t.Context(), event.Client{Address: netip.MustParseAddr("198.51.100.203"), Agent: "chrome/windows"})
	h.svc.Wait(time.Minute)
	_, err = h.svc.StepUp(other, owner.Session(), owner.Code())
	require.NoError(t, err)

	list := b.get("/activity")
	link := attribute(list.body[strings.Index(list.body, `<a class="btn slim ghost" href="`):], "href")
	require.Contains(t, link, "/activity/plan?entry=")
	path := strings.TrimPrefix(link, prefix)
	plan := b.get(path)
	for _, want := range []string{"Chrome on Windows", "198.51.100.203", "0 of 5 steps done", "Choose a new password", `href="/password?next=` + url.QueryEscape(link) + `"`} {
		require.Contains(t, plan.text()+plan.body, want)
	}
	require.NoError(t, h.tok.RevokeAll(other, owner.Session()))
	require.Contains(t, b.get(path).text(), "0 of 5 steps done", "somebody else has done it")

	plan = b.follow(b.submit(path, "/activity/plan"))
	require.Contains(t, plan.text(), "1 of 5 steps done")
	require.Contains(t, plan.text(), "Chrome on Windows", "it is still the plan of that event")
	for _, part := range strings.Split(plan.body, `href="`)[1:] {
		if strings.Contains(part, "I know all apps") && strings.Contains(part[:strings.Index(part, `"`)], "known=") {
			plan = b.get(strings.TrimPrefix(strings.ReplaceAll(part[:strings.Index(part, `"`)], "&amp;", "&"), prefix))
			break
		}
	}
	require.Contains(t, plan.text(), "2 of 5 steps done")

	form, ok := plan.form(prefix + "/activity/plan")
	require.True(t, ok)
	require.Equal(t, "tokens", form.Get("do"))
	form.Del("sure")
	require.Equal(t, http.StatusUnprocessableEntity, b.post("/activity/plan", form).status, "not without a word")
	form.Set("sure", "yes")
	plan = b.follow(b.post("/activity/plan", form))
	require.Contains(t, plan.text(), "3 of 5 steps done")

	// Somebody goes on, until the entry and a step are no longer kept: the plan is still that of what came after it.
	for range 20 {
		h.svc.Wait(time.Minute)
		_, err = h.svc.StepUp(other, owner.Session(), owner.Code())
		require.NoError(t, err)
	}
	require.Contains(t, b.get(path).text(), "1 of 5 steps done")
	plan = b.follow(b.submit(path, "/activity/plan"))
	require.NotContains(t, plan.text(), "198.51.100.203")
	require.Contains(t, plan.text(), "2 of 5 steps done")

	for _, hostile := range []string{"?entry=-1", "?entry=99999999999999999999", "?entry=%00&known=%3Cscript%3E", "?known=apps&known=apps&known=tokens", ""} {
		a := b.get("/activity/plan" + hostile)
		require.Equal(t, http.StatusOK, a.status, hostile)
		require.NotContains(t, a.body, "<script>")
	}
}

// Who signs in with a recovery code is told what to do next, and then goes where they were going.
func TestSignedInWithRecoveryCode(t *testing.T) {
	h := newHost(t)
	_, owner := h.enrolled("ada")
	b := h.signIn("ada")
	a := b.submit("/sign-in?with=recovery", "/sign-in", "code", owner.RecoveryCodes[0].Reveal())
	require.Equal(t, recovered, a.header.Get("Location"))
	page := b.follow(a)
	require.Contains(t, page.text(), "you have 9 left")
	require.Contains(t, page.body, `href="/home"`)
	require.Contains(t, page.body, `href="`+prefix+`/pair`)
	for _, hostile := range []string{"https://evil.test/", "//evil.test", "javascript:alert(1)", "%5Cevil.test", "/%09/evil.test", ""} {
		page := b.get("/recovered?next=" + hostile)
		require.Equal(t, http.StatusOK, page.status)
		require.NotContains(t, page.body, "evil.test")
		require.NotContains(t, page.body, "javascript:")
		require.Contains(t, page.body, `href="/home"`)
	}
}
