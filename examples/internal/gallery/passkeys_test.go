package gallery_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// The states of passkeys, on a service that has them. Their authenticator is not the browser's: each response is made of
// what the page would have its script ask for.

// authenticator returns the visit's authenticator.
func (v *visit) authenticator() *passkeytest.Authenticator {
	if v.keys == nil {
		v.keys = passkeytest.New(v.h.site.URL)
		v.keys.Eligible, v.keys.BackedUp = true, true
	}
	return v.keys
}

// options are those that the page has for its script.
func (v *visit) options() []byte {
	v.t.Helper()
	var page struct{ PublicKey json.RawMessage }
	v.ok(json.Unmarshal([]byte(browsertest.Eval[string](v.Tab, `document.querySelector("[data-passkey]").dataset.passkey`)), &page))
	return fmt.Appendf(nil, `{"publicKey":%s}`, page.PublicKey)
}

// create answers to a page that asks for a new passkey.
func (v *visit) create() {
	v.t.Helper()
	response, err := v.authenticator().Create(v.options())
	v.ok(err)
	v.send("/pair/confirm", "passkey", string(response))
}

// usePasskey answers to a page that asks for a passkey, in a field of a form.
func (v *visit) usePasskey(to, field string) {
	v.t.Helper()
	response, err := v.authenticator().Get(v.options())
	v.ok(err)
	v.send(to, "?"+field, "", field, string(response))
}

// begun is a passkey whose recovery codes are saved.
func (v *visit) begun() {
	v.t.Helper()
	v.member("/passkey")
	v.send("/passkey")
	v.send("/pair/codes", "saved", "yes")
}

// keyed is an owner who has signed in with their only factor, a passkey, and comes to a path.
func (v *visit) keyed(path string) {
	v.t.Helper()
	v.begun()
	v.create()
	v.signIn(path)
	v.usePasskey("/sign-in", "passkey")
}

// both is an owner with an app and a passkey, who has signed in with the app.
func (v *visit) both(path string) {
	v.t.Helper()
	v.enroll()
	v.in("/passkey")
	v.addPasskey("Laptop")
	v.open(path)
}

// addPasskey fills in the page that begins with one, of an authenticator of its own.
func (v *visit) addPasskey(name string) {
	v.t.Helper()
	v.keys = nil
	v.send("/passkey", "name", name)
	v.create()
}

// passkeyOf is the ID of the account's only passkey, or its last.
func (v *visit) passkeyOf() string {
	v.t.Helper()
	a, err := v.h.svc.Account(ctx, v.account)
	v.ok(err)
	return a.Authenticators[len(a.Authenticators)-1].ID
}

// spoil has the authenticator sign what is wrong.
func (v *visit) spoil() { v.authenticator().Tamper = passkeytest.WrongSignature }

// byCode signs in with the first recovery code that the account's owner has seen.
func (v *visit) byCode(code string) {
	v.t.Helper()
	v.signIn("/")
	v.open("/sign-in?with=recovery")
	v.send("/sign-in", "code", code)
}

// refusedBy waits until the page says what the browser has refused with.
func (v *visit) refusedBy(name string) {
	v.t.Helper()
	browsertest.Eval[bool](v.Tab, fmt.Sprintf(`(navigator.credentials.get = navigator.credentials.create = () => Promise.reject(new DOMException("x", %q)),
		document.querySelector("[data-passkey] .btn.primary").click(), true)`, name))
	v.Await(func() bool {
		return browsertest.Eval[bool](v.Tab, `!!document.querySelector("[data-said]").textContent`)
	})
}

var keyed = withPasskeys(
	state{name: "passkey overview none", shows: ".rows a[href$='/passkey']", reach: func(v *visit) { v.member("/") }},
	state{name: "passkey overview", shows: ".rows a[href$='/authenticators']", lacks: ".gauge.bad", reach: func(v *visit) { v.keyed("/") }},
	state{name: "passkey overview pending", shows: ".next a[href$='/pair/confirm']", says: "next.resume.passkey", reach: func(v *visit) { v.begun(); v.open("/") }},
	state{name: "passkey review", shows: "#g-good", reach: func(v *visit) { v.keyed("/review") }},
	state{name: "passkey add", shows: "#name", lacks: "[name=replace]", says: "passkey", reach: func(v *visit) { v.member("/passkey") }},
	state{name: "passkey add error", shows: "#name[aria-invalid]", status: 422, reach: func(v *visit) { v.member("/passkey"); v.send("/passkey", "name", "a\u202eb") }},
	state{name: "passkey add another", shows: "[name=replace][value='']", reach: func(v *visit) { v.keyed("/passkey") }},
	state{name: "passkey add pending", shows: ".note a[href$='/pair/confirm']", reach: func(v *visit) { v.begun(); v.open("/passkey") }},
	state{name: "passkey add in another browser", shows: ".alert.bad", says: "passkey.elsewhere", reach: func(v *visit) { v.begun(); v.signIn("/pair/confirm") }},
	state{name: "passkey add or an app", shows: "a[href$='/passkey']", reach: func(v *visit) { v.member("/pair") }},
	state{name: "passkey codes", shows: ".codes", lacks: "#saved[aria-invalid]", reach: func(v *visit) { v.member("/passkey"); v.send("/passkey") }},
	state{name: "passkey codes error", shows: "#saved[aria-invalid]", reach: func(v *visit) { v.member("/passkey"); v.send("/passkey"); v.send("/pair/codes") }},
	state{name: "passkey create", shows: "form[data-passkey]", lacks: ".error:not(:empty)", reach: func(v *visit) { v.begun() }},
	state{name: "passkey create another", shows: "[name=elsewhere]", lacks: ".steps", reach: func(v *visit) { v.keyed("/passkey"); v.send("/passkey", "name", long) }},
	state{name: "passkey create wrong", shows: ".error:not(:empty)", says: "wrong.passkey.new", reach: func(v *visit) { v.begun(); v.spoil(); v.keys.Attestation = passkeytest.Self; v.create() }},
	state{name: "passkey create twin", shows: ".error:not(:empty)", says: "passkey.InvalidStateError", reach: func(v *visit) { v.begun(); v.refusedBy("InvalidStateError") }},
	state{name: "passkey create without a script", shows: ".error:not(:empty)", says: "passkey.script", reach: func(v *visit) { v.begun(); v.send("/pair/confirm") }},
	state{name: "passkey paired first", shows: ".win a[href$='/passkey']", says: "paired.first.about.passkey", reach: func(v *visit) { v.begun(); v.create() }},
	state{name: "passkey paired another", shows: ".win", says: "paired.another.about.passkey", reach: func(v *visit) { v.keyed("/passkey"); v.addPasskey(long) }},
	state{name: "passkey methods none", shows: "a.primary[href$='/passkey']", lacks: ".fold", reach: func(v *visit) { v.member("/authenticators") }},
	state{name: "passkey methods", shows: ".fold", says: "passkey.synced", reach: func(v *visit) { v.keyed("/authenticators") }},
	state{name: "passkey methods both", shows: "li .fold", lacks: ".alert", reach: func(v *visit) { v.both("/authenticators") }},
	state{name: "passkey methods ten", shows: "li:nth-child(10) .fold", says: "pair.full.passkey", reach: func(v *visit) {
		v.keyed("/passkey")
		for range 9 {
			v.open("/passkey")
			v.addPasskey(long[:60])
		}
		v.open("/authenticators")
	}},
	state{name: "passkey add with ten", shows: "[name=replace]:checked", lacks: "[name=replace][value='']", reach: func(v *visit) {
		v.keyed("/passkey")
		for range 9 {
			v.open("/passkey")
			v.addPasskey("Key")
		}
		v.open("/passkey")
	}},
	state{name: "passkey remove", shows: ".preview", says: "remove.about.passkey", reach: func(v *visit) {
		v.both("/step-up")
		v.usePasskey("/step-up", "step_up_passkey")
		v.open("/authenticators/remove?id=" + v.passkeyOf())
	}},
	state{name: "passkey removed", shows: ".alert.good", says: "notice.passkeyremoved", reach: func(v *visit) {
		v.both("/step-up")
		v.usePasskey("/step-up", "step_up_passkey")
		v.open("/authenticators/remove?id=" + v.passkeyOf())
		v.send("/authenticators/remove")
	}},
	state{name: "passkey remove the last", shows: ".bar a[href*='/passkey?replace=']", reach: func(v *visit) { v.keyed("/"); v.open("/authenticators/remove?id=" + v.passkeyOf()) }},
	state{name: "passkey disable", shows: ".preview", says: "disable.about.passkey", reach: func(v *visit) { v.keyed("/disable") }},
	state{name: "passkey second step", shows: "form[data-passkey]", lacks: "#code, .error:not(:empty)", says: "secondstep.passkey", reach: func(v *visit) { v.begun(); v.create(); v.signIn("/") }},
	state{name: "passkey second step wrong", shows: ".error:not(:empty)", status: 422, says: "wrong.passkey", reach: func(v *visit) {
		v.begun()
		v.create()
		v.signIn("/")
		v.spoil()
		v.usePasskey("/sign-in", "passkey")
	}},
	state{name: "passkey second step canceled", shows: ".error:not(:empty)", says: "passkey.NotAllowedError", reach: func(v *visit) { v.begun(); v.create(); v.signIn("/"); v.refusedBy("NotAllowedError") }},
	state{name: "passkey second step without a script", shows: ".error:not(:empty)", status: 422, says: "passkey.script", reach: func(v *visit) { v.begun(); v.create(); v.signIn("/"); v.send("/sign-in") }},
	state{name: "passkey second step or the app", shows: "#code[inputmode=numeric]", lacks: "[data-passkey]", says: "secondstep.usepasskey", reach: func(v *visit) {
		v.both("/")
		v.signIn("/")
		v.open("/sign-in?with=app")
	}},
	state{name: "passkey step-up", shows: "form[data-passkey]", lacks: "#step_up", status: 403, says: "stepup.passkey", reach: func(v *visit) {
		v.keyed("/")
		v.h.svc.Wait(16 * time.Minute)
		v.open("/disable")
	}},
	state{name: "passkey step-up or a code", shows: "form[data-passkey] ~ form #step_up", says: "code.app", reach: func(v *visit) {
		v.both("/step-up")
	}},
	state{name: "passkey step-up and no code", shows: "form[data-passkey]", lacks: "#step_up", status: 403, says: "stepup.keylost.first", reach: func(v *visit) {
		v.both("/disable")
	}},
	state{name: "passkey step-up or a recovery code", shows: "form[data-passkey] ~ form #step_up.long", status: 403, says: "stepup.keylost", reach: func(v *visit) {
		v.both("/recovery-codes")
		v.h.svc.Wait(16 * time.Minute)
		v.send("/recovery-codes")
	}},
	state{name: "passkey step-up wrong", shows: ".error:not(:empty)", status: 422, says: "wrong.passkey", reach: func(v *visit) {
		v.keyed("/")
		v.h.svc.Wait(16 * time.Minute)
		v.open("/disable")
		v.spoil()
		v.usePasskey("/step-up", "step_up_passkey")
	}},
	state{name: "passkey recovered", shows: ".gate a[href*='/passkey']", says: "recovered.lost.passkey", reach: func(v *visit) {
		v.member("/passkey")
		v.send("/passkey")
		code := browsertest.Eval[string](v.Tab, `document.querySelector(".codes code").textContent`)
		v.send("/pair/codes", "saved", "yes")
		v.create()
		v.byCode(code)
	}},
	state{name: "passkey support", shows: "#code.long", says: "secondstep.reset.passkey", reach: func(v *visit) { v.reset(); v.signIn("/") }},
	state{name: "passkey support redeemed", shows: "form[data-passkey]", lacks: ".back", reach: func(v *visit) {
		v.redeem()
		v.open("/passkey")
		v.send("/passkey")
		v.send("/pair/codes", "saved", "yes")
	}},
	state{name: "passkey plan", shows: ".todo a[href*='known=apps']", says: "plan.factors", reach: func(v *visit) { v.keyed("/activity"); v.plan() }},
	message("passkey", 403, func(v *visit) {
		v.member("/")
		v.post(v.h.site.URL+security+"/passkey/sign-in", "passkey", "nobody’s")
	}),
	message("passkeyscript", 422, func(v *visit) { v.member("/"); v.post(v.h.site.URL + security + "/passkey/sign-in") }),
)

func withPasskeys(states ...state) []state {
	for i := range states {
		states[i].passkeys = true
	}
	return states
}
