package gallery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// long is a name of 64 letters without a space.
var long = strings.Repeat("Donaudampfschiff", 4)

// visit is an owner who comes to a state of the page.
type visit struct {
	*browsertest.Tab
	t       *testing.T
	h       *host
	account string
	user    *gatehousetest.User          // nil: without a second factor
	app     *gatehousetest.Authenticator // of a pairing
	weak    totp.Key                     // of an authenticator that was imported
	keys    *passkeytest.Authenticator   // nil: none yet
	status  int                          // of the last page

	elsewhere string // the address of a page of another origin
}

func (v *visit) ok(err error) { v.t.Helper(); require.NoError(v.t, err) }

// open goes to a path of the page.
func (v *visit) open(path string) { v.t.Helper(); v.status = v.Visit(security + path) }

// signIn signs in with the password, as far as that leads: to a path of the page, or to the second step.
func (v *visit) signIn(path ...string) {
	v.t.Helper()
	v.status = v.Visit("/login?as=" + v.account + "&next=" + url.QueryEscape(security+strings.Join(path, "")))
}

// enroll gives the account an authenticator, and says that its codes are saved.
func (v *visit) enroll() {
	v.t.Helper()
	v.user = v.h.svc.Enroll(v.t, v.account)
	v.ok(v.owner().AcknowledgeRecoveryCodes(context.Background(), v.codes().ID))
}

func (v *visit) owner() gatehouse.Owner { return v.h.svc.Owner(v.user.Session()) }

// stepUp gives the fixture, not the browser, a fresh proof.
func (v *visit) stepUp() {
	v.t.Helper()
	v.user.Proof = v.user.StepUp(v.t).Proof
}

func (v *visit) codes() gatehouse.RecoverySet {
	v.t.Helper()
	a, err := v.h.svc.Account(context.Background(), v.account)
	v.ok(err)
	return a.RecoveryCodes
}

// another gives the account another authenticator.
func (v *visit) another(name string) (id string) {
	v.t.Helper()
	v.stepUp()
	enr, err := v.owner().BeginEnrollment(context.Background(), gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: name})
	v.ok(err)
	app, err := gatehousetest.Scan(enr.URI())
	v.ok(err)
	v.user.Proof, err = v.owner().ConfirmEnrollment(context.Background(), enr.ID, app.Code(v.h.svc.Now()))
	v.ok(err)
	return enr.ID
}

// useCodes uses recovery codes up until some are left.
func (v *visit) useCodes(left int) {
	v.t.Helper()
	for _, code := range v.user.RecoveryCodes[left:] {
		v.h.svc.Wait(time.Minute)
		_, err := v.h.svc.StepUp(context.Background(), v.user.Session(), code.Reveal())
		v.ok(err)
	}
}

// guess types wrong codes, in another browser.
func (v *visit) guess(times int) {
	v.t.Helper()
	for range times {
		_, err := v.h.svc.StepUp(from("198.51.100.23", "chrome/windows"), v.user.Session(), v.wrong())
		require.ErrorIs(v.t, err, gatehouse.ErrDenied)
	}
}

// forget has the account know no browser, so that what strangers lock is locked in this one.
func (v *visit) forget() {
	v.t.Helper()
	v.ok(engine.Of(v.h.svc.Service).Change(ctx, v.account, engine.Transition{Step: func(a core.Account, _ core.Env) (core.Account, error) {
		return a.ForgetBrowser(""), nil
	}}))
}

// disableCodes guesses until codes of the app are refused for good.
func (v *visit) disableCodes() {
	v.t.Helper()
	for {
		_, err := v.h.svc.StepUp(context.Background(), v.user.Session(), v.wrong())
		var denied *gatehouse.DeniedError
		require.ErrorAs(v.t, err, &denied)
		if denied.Disabled {
			return
		}
		v.h.svc.Wait(25 * time.Hour)
	}
}

// wrong returns a code that the account's authenticator does not show now, nor just before or after.
func (v *visit) wrong() string { return wrongOf(v.user.Authenticator, v.h.svc.Now()) }

func wrongOf(app *gatehousetest.Authenticator, now time.Time) string {
	right := ""
	for step := -3; step <= 3; step++ {
		right += app.Code(now.Add(time.Duration(step)*totp.Period)) + " "
	}
	for _, code := range []string{"000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777"} {
		if !strings.Contains(right, code) {
			return code
		}
	}
	panic("seven codes of eight")
}

// member signs in without a second factor.
func (v *visit) member(path string) { v.t.Helper(); v.signIn(path) }

// in signs in with the authenticator, which the account must have.
func (v *visit) in(path string) {
	v.t.Helper()
	v.signIn(path)
	v.send("/sign-in", "code", v.user.Code())
}

// inByRecovery signs in with a recovery code, which leads by way of what to do next.
func (v *visit) inByRecovery() {
	v.t.Helper()
	v.signIn("/")
	v.open("/sign-in?with=recovery")
	set := v.codes()
	v.send("/sign-in", "code", v.user.RecoveryCodes[set.Left-1].Reveal())
}

// send fills in the form of the page that goes to a path, or to "/" and a path of the host, and sends it as it is, whatever the browser would say to it. A
// name with "?" before it tells forms to the same path apart.
func (v *visit) send(to string, pairs ...string) {
	v.t.Helper()
	path, found := strings.CutPrefix(to, "//")
	if found {
		path = "/" + path
	} else {
		path = security + to
	}
	filled, err := json.Marshal(append([]string{}, pairs...))
	v.ok(err)
	script := fmt.Sprintf(`(() => {
		const to = %q, pairs = %s;
		const named = (f, n) => [...f.elements].filter(e => e.name === n);
		let forms = [...document.forms].filter(f => new URL(f.getAttribute("action"), location).pathname === to);
		for (let i = 0; i < pairs.length; i += 2) {
			if (pairs[i][0] === "?") forms = forms.filter(f => named(f, pairs[i].slice(1)).some(e => e.value === pairs[i + 1]));
		}
		if (!forms.length) throw new Error("no form for " + to);
		for (let i = 0; i < pairs.length; i += 2) {
			if (pairs[i][0] === "?") continue;
			const found = named(forms[0], pairs[i]);
			const one = found.find(e => /checkbox|radio/.test(e.type) && e.value === pairs[i + 1]) || found[0];
			if (!one) throw new Error("no field " + pairs[i]);
			if (/checkbox|radio/.test(one.type)) one.checked = true; else one.value = pairs[i + 1];
		}
		HTMLFormElement.prototype.submit.call(forms[0]);
	})(); 0`, path, filled)
	v.status = v.Load(chromedp.Evaluate[chromedp.Void](script))
}

// pair begins a pairing in the browser, which shows the picture then.
func (v *visit) pair(pairs ...string) {
	v.t.Helper()
	v.open("/pair")
	v.begin(pairs...)
}

// begin sends the form that begins a pairing, and adds what is shown to an app.
func (v *visit) begin(pairs ...string) {
	v.t.Helper()
	v.send("/pair", pairs...)
	app, err := gatehousetest.Scan(browsertest.Eval[string](v.Tab, `document.querySelector(".phone a").href`))
	v.ok(err)
	v.app = app
}

// saveCodes goes from the picture to the form for the first code.
func (v *visit) saveCodes() {
	v.t.Helper()
	v.open("/pair/codes")
	v.send("/pair/codes", "saved", "yes")
}

// mint makes a token, of any number, for the account's owner.
func (v *visit) mint(r tokens.Request) tokens.Info {
	v.t.Helper()
	if len(r.Scopes) == 0 {
		r.Scopes = tokens.Scopes{"projects:read"}
	}
	minted, err := v.h.tok.Mint(context.Background(), v.user.Session(), r)
	v.ok(err)
	return minted.Info
}

// from is somebody elsewhere.
func from(address string, agent event.Agent) context.Context {
	return event.WithClient(context.Background(), event.Client{Address: netip.MustParseAddr(address), Agent: agent})
}

// operator is support.
func (v *visit) operator() gatehouse.Operator {
	return v.h.svc.Operator("agent-7").Because("video call, ticket 4711")
}
