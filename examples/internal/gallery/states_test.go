package gallery_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
	"github.com/gatehouse-go/gatehouse/websession"
)

// state is one of the page: a template, and what is special.
type state struct {
	name   string
	reach  func(*visit)
	shows  string // a selector of what this state has and its neighbors do not
	lacks  string // and of what they have; empty: nothing
	says   string // the key of a text, where no selector tells it
	status int    // 0: 200

	english string // what it says in English, where no key tells it

	passkeys bool // on a service that has them
}

var ctx = context.Background()

// overviews and reviews.
var overviews = []state{
	{name: "overview new", shows: ".gauge.bad ~ div", lacks: ".btn.primary ~ *", says: "stand.0", reach: func(v *visit) { v.member("/") }},
	{name: "overview pairing", shows: ".next a[href$='/pair/confirm']", reach: func(v *visit) { v.member("/"); v.pair(); v.open("/") }},
	{name: "overview one", shows: ".next .btn.primary[href$='/pair']", lacks: ".gauge.bad", reach: func(v *visit) { v.enroll(); v.in("/") }},
	{name: "overview healthy", shows: ".gauge.good", lacks: ".btn.primary", says: "overview.nothing", reach: func(v *visit) { v.healthy(); v.in("/") }},
	{name: "overview weak", shows: ".rows .badge.warn", says: "badge.weak", reach: func(v *visit) { v.imported(); v.inByApp("/") }},
	{name: "overview recovery code used", shows: ".next a[href*='/pair?replace=']", reach: func(v *visit) { v.enroll(); v.inByRecovery(); v.open("/") }},
	{name: "overview recovery code unseen", shows: ".next a[href$='/activity']", says: "next.codeuse", reach: func(v *visit) { v.enroll(); v.useCodes(9); v.in("/") }},
	{name: "overview service unseen", shows: ".next a[href$='/activity']", says: "next.services", reach: func(v *visit) { v.enroll(); v.robot("robot-a"); v.in("/") }},
	{name: "overview delegated", shows: ".gauge.good", says: "badge.delegated", reach: func(v *visit) { v.delegated("mfa"); v.member("/") }},
	{name: "overview unknown", shows: ".gauge.warn", says: "stand.unknown", reach: func(v *visit) { v.delegated("pwd"); v.member("/") }},
	{name: "overview few codes", shows: ".rows .badge.warn", english: "2 of 10 codes left", reach: func(v *visit) { v.enroll(); v.useCodes(2); v.in("/") }},
	{name: "overview locked", shows: ".rows .badge.bad", says: "badge.locked", reach: func(v *visit) { v.enroll(); v.in("/"); v.guess(6); v.open("/") }},
	{name: "overview long names", shows: ".rows h3 + .dots span:nth-child(5)", reach: func(v *visit) { v.five(); v.in("/") }},
	{name: "overview turned off", shows: ".alert.good", reach: func(v *visit) {
		v.enroll()
		v.in("/disable")
		v.send("/disable", "sure", "yes")
	}},
	{name: "review new", shows: "ol.rows", says: "review.steps", reach: func(v *visit) { v.member("/review") }},
	{name: "review healthy", shows: ".gauge.good", lacks: "ol.rows", english: "100 of 100 points", reach: func(v *visit) { v.healthy(); v.in("/review") }},
	{name: "review accepted risk", shows: "#g-accepted", reach: func(v *visit) {
		v.enroll()
		v.ok(v.h.pos.Operator(v.operator()).AcceptRisk(ctx, v.account, posture.SecondAuthenticator, v.h.svc.Now().Add(90*24*time.Hour)))
		v.in("/review")
	}},
	{name: "review delegated", shows: "#g-good", says: "finding.delegated", reach: func(v *visit) { v.delegated("mfa"); v.member("/review") }},
	{name: "review troubles", shows: "#g-todo", reach: func(v *visit) {
		v.enroll()
		v.many(12)
		v.useCodes(1)
		v.h.svc.Wait(80 * 24 * time.Hour)
		v.in("/review")
	}},
}

var pairings = []state{
	{name: "pair", shows: "#name", lacks: "[name=replace]", reach: func(v *visit) { v.member("/pair") }},
	{name: "pair error", shows: "#name[aria-invalid]", status: 422, reach: func(v *visit) { v.member("/pair"); v.send("/pair", "name", "a\u202eb") }},
	{name: "pair another", shows: "[name=replace][value='']", reach: func(v *visit) { v.enroll(); v.in("/pair") }},
	{name: "pair with five", shows: "[name=replace]:checked", lacks: "[name=replace][value='']", reach: func(v *visit) { v.five(); v.in("/pair") }},
	{name: "pair after a recovery code", shows: "[name=replace]:checked", lacks: "[name=replace][value='']", reach: func(v *visit) { v.enroll(); v.inByRecovery(); v.open("/pair") }},
	{name: "pair pending", shows: ".note a[href$='/pair/confirm']", reach: func(v *visit) { v.member("/"); v.pair("name", long); v.open("/pair") }},
	{name: "pair in another browser", shows: ".alert.bad", says: "pair.elsewhere", reach: func(v *visit) { v.member("/"); v.pair(); v.signIn("/pair/confirm") }},
	{name: "pair after too many tries", shows: ".alert.bad", says: "pair.tries", reach: func(v *visit) {
		v.member("/")
		v.pair()
		v.saveCodes()
		for range 10 {
			v.send("/pair/confirm", "code", wrongOf(v.app, v.h.svc.Now()))
		}
	}},
	{name: "pair reset", shows: "#name", lacks: ".back", reach: func(v *visit) { v.redeem() }},
	{name: "scan", shows: ".qr:not(.wide)", english: "Step 1 of 3", reach: func(v *visit) { v.member("/"); v.pair() }},
	{name: "scan another", shows: ".qr", english: "Step 1 of 2", reach: func(v *visit) { v.enroll(); v.in("/"); v.pair() }},
	{name: "scan replacing", shows: ".qr", english: "Replace “" + long, reach: func(v *visit) {
		v.enroll()
		v.stepUp()
		v.ok(v.owner().RenameAuthenticator(ctx, v.user.AuthenticatorID, long))
		v.in("/")
		v.pair("replace", v.user.AuthenticatorID)
	}},
	{name: "scan with a long label", shows: ".qr.wide", reach: func(v *visit) {
		with(v.h, v.h.owners, v.account, securitypage.Owner{Label: strings.Repeat("ü", 36) + "@mail.example.test"})
		v.member("/")
		v.pair()
	}},
	{name: "scan reset", shows: ".qr", lacks: ".back", reach: func(v *visit) { v.redeem(); v.begin() }},
	{name: "save codes", shows: ".codes", lacks: "#saved[aria-invalid]", reach: func(v *visit) { v.member("/"); v.pair(); v.open("/pair/codes") }},
	{name: "save codes error", shows: "#saved[aria-invalid]", reach: func(v *visit) {
		v.member("/")
		v.pair()
		v.open("/pair/codes")
		v.send("/pair/codes")
	}},
	{name: "confirm", shows: "#code", lacks: "#code[aria-invalid], [name=elsewhere]", reach: func(v *visit) { v.member("/"); v.pair(); v.saveCodes() }},
	{name: "confirm error", shows: "#code[aria-invalid]", reach: func(v *visit) {
		v.member("/")
		v.pair()
		v.saveCodes()
		v.send("/pair/confirm", "code", wrongOf(v.app, v.h.svc.Now()))
	}},
	{name: "confirm another", shows: "[name=elsewhere]", reach: func(v *visit) { v.enroll(); v.in("/"); v.pair(); v.open("/pair/confirm") }},
	{name: "confirm in another browser", shows: ".note a[href$='/pair']", reach: func(v *visit) {
		v.member("/")
		v.pair()
		v.saveCodes()
		v.signIn("/pair/confirm")
	}},
	{name: "confirm reset", shows: "#code", lacks: ".back", reach: func(v *visit) { v.redeem(); v.begin(); v.saveCodes() }},
	{name: "paired first", shows: ".win a[href$='/pair']", says: "paired.first", reach: func(v *visit) { v.member("/"); v.pair(); v.saveCodes(); v.confirm() }},
	{name: "paired another", shows: ".win", lacks: ".win a[href$='/pair']", says: "paired.another.about", reach: func(v *visit) {
		v.enroll()
		v.in("/")
		v.pair("name", long)
		v.open("/pair/confirm")
		v.confirm()
	}},
	{name: "paired, others not signed out", shows: ".alert.warn form[action$='/activity/sign-out-elsewhere']", says: "elsewhere.failed", reach: func(v *visit) {
		v.enroll()
		v.in("/")
		v.pair("name", "Tablet")
		v.open("/pair/confirm")
		with(v.h, v.h.directory, v.account, errors.New("the directory is down"))
		v.confirm()
	}},
	{name: "paired replaced", shows: ".win", says: "paired.replaced.about", reach: func(v *visit) {
		v.enroll()
		v.in("/")
		v.pair("replace", v.user.AuthenticatorID)
		v.open("/pair/confirm")
		v.confirm()
	}},
	{name: "paired reset", shows: ".win a[href^='/login']", reach: func(v *visit) { v.redeem(); v.begin(); v.saveCodes(); v.confirm() }},
	{name: "paired and on", shows: ".win a[href='/home']", reach: func(v *visit) {
		v.member("/")
		v.refused("/deploy")
		v.follow(".needs a[href*='/pair?next=']")
		v.begin()
		v.follow(".bar a.primary")
		v.send("/pair/codes", "saved", "yes")
		v.confirm()
	}},
}

var methods = []state{
	{name: "methods none", shows: "a.primary[href$='/pair']", lacks: ".fold", reach: func(v *visit) { v.member("/authenticators") }},
	{name: "methods one", shows: ".fold", lacks: "li + li .fold", reach: func(v *visit) { v.enroll(); v.in("/authenticators") }},
	{name: "methods five", shows: "li:nth-child(5) .fold", reach: func(v *visit) { v.five(); v.in("/authenticators") }},
	{name: "methods weak", shows: ".methods .warned", reach: func(v *visit) { v.imported(); v.inByApp("/authenticators") }},
	{name: "methods locked", shows: ".alert.warn [data-countdown]", reach: func(v *visit) {
		v.enroll()
		v.in("/")
		v.guess(6)
		v.open("/authenticators")
	}},
	{name: "methods disabled", shows: ".alert.warn form", lacks: "[data-countdown]", reach: func(v *visit) {
		v.enroll()
		v.in("/")
		v.disableCodes()
		v.open("/authenticators")
	}},
	{name: "methods rename error", shows: ".fold[open] [aria-invalid]", status: 422, reach: func(v *visit) {
		v.enroll()
		v.another(long)
		v.in("/authenticators")
		v.send("/authenticators/rename", "name", "")
	}},
	{name: "methods renamed", shows: ".alert.good", reach: func(v *visit) {
		v.enroll()
		v.in("/authenticators")
		v.send("/authenticators/rename", "name", "Work phone")
	}},
	{name: "remove", shows: ".preview", lacks: ".alert.bad", reach: func(v *visit) {
		v.enroll()
		id := v.another(long)
		v.in("/authenticators/remove?id=" + id)
	}},
	{name: "remove without a way back", shows: ".preview .alert.bad", reach: func(v *visit) {
		v.enroll()
		v.another("Tablet")
		v.useCodes(0)
		v.in("/authenticators/remove?id=" + v.user.AuthenticatorID)
	}},
	{name: "remove the last", shows: ".bar a[href*='/pair?replace=']", reach: func(v *visit) {
		v.enroll()
		v.in("/authenticators/remove?id=" + v.user.AuthenticatorID)
	}},
	{name: "codes", shows: ".tile.good", lacks: ".alert", reach: func(v *visit) { v.enroll(); v.in("/recovery-codes") }},
	{name: "codes unsaved", shows: "form[action$='/saved']", reach: func(v *visit) {
		v.user = v.h.svc.Enroll(v.t, v.account)
		v.in("/recovery-codes")
	}},
	{name: "codes few", shows: ".tile.warn", lacks: "form[action$='/saved']", reach: func(v *visit) { v.enroll(); v.useCodes(2); v.in("/recovery-codes") }},
	{name: "codes none left", shows: ".tile.warn", english: "0 of 10 codes left", reach: func(v *visit) { v.enroll(); v.useCodes(0); v.in("/recovery-codes") }},
	{name: "codes none yet", shows: ".card.empty .primary", reach: func(v *visit) { v.member("/recovery-codes") }},
	{name: "codes imported", shows: ".alert.warn", says: "codes.imported", reach: func(v *visit) { v.imported(); v.inByApp("/recovery-codes") }},
	{name: "codes locked", shows: ".alert.warn [data-countdown]", reach: func(v *visit) {
		v.imported() // wrong codes of our own cost nothing
		v.inByApp("/")
		for range 10 {
			_, err := v.h.svc.StepUp(ctx, gatehouse.Session{Account: v.account}, "wrong-code")
			require.ErrorIs(v.t, err, gatehouse.ErrDenied)
		}
		v.open("/recovery-codes")
	}},
	{name: "new codes", shows: "form[action$='/saved'] .codes", reach: func(v *visit) { v.enroll(); v.in("/recovery-codes"); v.send("/recovery-codes") }},
	{name: "new codes, others not signed out", shows: "form[action$='/saved'] [name=elsewhere]", says: "elsewhere.failed", reach: func(v *visit) {
		v.enroll()
		v.in("/recovery-codes")
		with(v.h, v.h.directory, v.account, errors.New("the directory is down"))
		v.send("/recovery-codes")
	}},
	{name: "disable", shows: ".preview", lacks: "[aria-invalid]", reach: func(v *visit) { v.healthy(); v.in("/disable") }},
	{name: "disable error", shows: "[name=sure][aria-invalid]", status: 422, reach: func(v *visit) { v.enroll(); v.in("/disable"); v.send("/disable") }},
}

var tokenStates = []state{
	{name: "tokens empty", shows: ".card.empty .primary", reach: func(v *visit) { v.enroll(); v.in("/tokens") }},
	{name: "tokens few", shows: ".table tr:nth-child(3)", lacks: ".table tr:nth-child(4)", reach: func(v *visit) { v.many(3); v.in("/tokens") }},
	{name: "tokens fifty", shows: ".table tr:nth-child(14)", english: " of 50", reach: func(v *visit) { v.many(50); v.in("/tokens") }},
	{name: "tokens menu", shows: ".menu[open]", reach: func(v *visit) { v.many(3); v.in("/tokens"); v.unfold("tr:nth-child(2) .menu") }},
	{name: "tokens filtered to nothing", shows: "[type=search][value=nothing]", lacks: ".table", reach: func(v *visit) { v.many(3); v.in("/tokens?q=nothing") }},
	{name: "tokens filtered and sorted", shows: "th[aria-sort]", reach: func(v *visit) { v.many(30); v.in("/tokens?show=active&kind=cli&sort=-name") }},
	{name: "tokens ended", shows: "tr.off", reach: func(v *visit) {
		v.many(4)
		v.stepUp()
		for info, err := range v.h.tok.List(ctx, v.account) {
			v.ok(err)
			v.ok(v.h.tok.Revoke(ctx, v.user.Session(), info.ID))
		}
		v.in("/tokens?show=ended")
	}},
	{name: "service accounts", shows: ".table", lacks: ".menu", reach: func(v *visit) { v.enroll(); v.robot("robot-1"); v.in("/tokens/service-accounts") }},
	{name: "service accounts several", shows: ".chips a[href*='account=']", reach: func(v *visit) {
		v.enroll()
		v.robot("robot-2")
		v.robot("deployments-of-the-production-website")
		v.in("/tokens/service-accounts")
	}},
	{name: "mint", shows: "form #name", lacks: "[aria-invalid]", reach: func(v *visit) { v.enroll(); v.in("/tokens/new") }},
	{name: "mint errors", shows: "#scope-wrong", status: 422, english: "192.0.2.77/24", reach: func(v *visit) {
		v.enroll()
		v.in("/tokens/new")
		v.send("/tokens/new", "name", "", "days", "x", "networks", "192.0.2.77/24", "resources", "project/*/x")
	}},
	{name: "mint without a scope", shows: "#scope-wrong", lacks: "#name[aria-invalid]", status: 422, reach: func(v *visit) {
		v.enroll()
		v.in("/tokens/new")
		v.send("/tokens/new", "name", long)
	}},
	{name: "resources mint", shows: ".offered", reach: func(v *visit) { v.enroll(); v.in("/tokens/new"); v.unfold(".more") }},
	{name: "resources mint error", shows: "#resources[aria-invalid]", status: 422, reach: func(v *visit) {
		v.enroll()
		v.in("/tokens/new")
		v.send("/tokens/new", "name", "Nightly export", "scope", "projects:read", "resource", "project/12", "resources", "project/99")
	}},
	{name: "gate mint", shows: ".needs", status: 403, reach: func(v *visit) { v.member("/tokens/new") }},
	{name: "gate mint production", shows: ".needs", status: 403, reach: func(v *visit) {
		v.user = v.h.svc.Enroll(v.t, v.account)
		v.in("/tokens/new")
		v.send("/tokens/new", "name", "Deployments", "scope", "deploys:write")
	}},
	{name: "minted", shows: "#token", reach: func(v *visit) {
		v.enroll()
		v.in("/tokens/new")
		v.send("/tokens/new", "name", "Deployments", "scope", "deploys:write", "networks", "192.0.2.0/24\n2001:db8::/32")
	}},
	{name: "minted again", shows: "#token", says: "minted.grace", reach: func(v *visit) {
		v.enroll()
		id := v.mint(tokens.Request{Name: long}).ID
		v.in("/tokens/" + id)
		v.send("/tokens/"+id+"/rotate", "grace", "24")
	}},
	{name: "token active", shows: "#rotate", lacks: ".alert", reach: func(v *visit) { v.enroll(); v.in("/tokens/" + v.used().ID) }},
	{name: "token long", shows: "#rotate", reach: func(v *visit) {
		v.enroll()
		only, err := tokens.OnlyResources("project/7", "project/"+long)
		v.ok(err)
		networks, err := tokens.OnlyNetworks("192.0.2.0/24", "2001:db8:1234:5678::/64")
		v.ok(err)
		v.in("/tokens/" + v.mint(tokens.Request{Name: long, Resources: only, Networks: networks, RotatesItself: true}).ID)
	}},
	{name: "token ends soon", shows: ".warned", reach: func(v *visit) {
		v.enroll()
		v.in("/tokens/" + v.mint(tokens.Request{Name: "Laptop", Lifetime: 3 * 24 * time.Hour}).ID)
	}},
	{name: "token expired", shows: "form[action$='/renew']", reach: func(v *visit) {
		v.enroll()
		id := v.used().ID
		v.h.svc.Wait(40 * 24 * time.Hour)
		v.in("/tokens/" + id)
	}},
	{name: "token revoked", shows: ".head .badge", lacks: "#rotate, .head .danger", reach: func(v *visit) {
		v.enroll()
		id := v.used().ID
		v.stepUp()
		v.ok(v.h.tok.Revoke(ctx, v.user.Session(), id))
		v.in("/tokens/" + id)
	}},
	{name: "token needs second factor", shows: ".badge.warn", says: "state.needs_second_factor", reach: func(v *visit) {
		v.enroll()
		id := v.mint(tokens.Request{Name: "Deployments", Scopes: tokens.Scopes{"deploys:write"}}).ID
		v.stepUp()
		_, err := v.owner().DisableTwoFactor(ctx)
		v.ok(err)
		v.member("/tokens/" + id)
	}},
	{name: "token weak", shows: ".alert.warn", says: "token.weak", reach: func(v *visit) {
		v.delegated("mfa")
		minted, err := v.h.tok.Mint(ctx, v.h.svc.Vouch(v.t, v.account), tokens.Request{Name: "Script", Scopes: tokens.Scopes{"projects:read"}})
		v.ok(err)
		v.member("/tokens/" + minted.Info.ID)
	}},
	{name: "revoke", shows: "form[action$='/revoke']", reach: func(v *visit) { v.enroll(); v.in("/tokens/" + v.used().ID + "/revoke") }},
	{name: "revoke long", shows: "form[action$='/revoke']", reach: func(v *visit) { v.enroll(); v.in("/tokens/" + v.mint(tokens.Request{Name: long}).ID + "/revoke") }},
	{name: "revoke all", shows: "form[action$='/revoke-all']", reach: func(v *visit) { v.many(12); v.in("/tokens/revoke-all") }},
	{name: "tokens revoked", shows: ".alert.good", reach: func(v *visit) {
		v.many(2)
		v.in("/tokens/revoke-all")
		v.send("/tokens/revoke-all")
	}},
}

var activities = []state{
	{name: "activity", shows: ".events", lacks: ".alert", reach: func(v *visit) { v.enroll(); v.in("/activity") }},
	{name: "activity new", shows: ".events", reach: func(v *visit) { v.member("/activity") }},
	{name: "activity busy", shows: ".events .look", english: "Lisbon", reach: func(v *visit) { v.busy(); v.in("/activity") }},
	{name: "activity asks", shows: ".alert.warn form", reach: func(v *visit) { v.enroll(); v.useCodes(9); v.robot("robot-b"); v.in("/activity") }},
	{name: "activity filtered", shows: ".chips a[href*='tokens'][aria-current]", lacks: ".empty", reach: func(v *visit) { v.busy(); v.in("/activity?show=tokens") }},
	{name: "activity filtered to nothing", shows: ".empty", reach: func(v *visit) { v.member("/activity?show=tokens") }},
	{name: "sessions", shows: "form[action$='/sessions/end']", lacks: ".alert", english: "Lisbon", reach: func(v *visit) { v.member("/"); v.signedIn(3); v.open("/sessions") }},
	{name: "sessions alone", shows: ".badge.good", lacks: "form", says: "sessions.none", reach: func(v *visit) { v.member("/sessions") }},
	{name: "sessions many", shows: ".under", reach: func(v *visit) { v.enroll(); v.in("/"); v.signedIn(40); v.open("/sessions") }},
	{name: "sessions ended", shows: ".alert.good", says: "notice.sessionended", reach: func(v *visit) {
		v.member("/")
		v.signedIn(2)
		v.open("/sessions")
		v.send("/sessions/end")
	}},
	{name: "sessions ended all", shows: ".alert.good", lacks: "form", says: "notice.elsewhere", reach: func(v *visit) {
		v.member("/")
		v.signedIn(2)
		v.open("/sessions")
		v.send("/sessions/end-others")
	}},
	{name: "browsers", shows: "li:nth-child(5) form[action$='/browsers/forget']", lacks: ".alert", says: "browsers.step", english: "Lisbon", reach: func(v *visit) { v.known(9); v.in("/browsers") }},
	{name: "browsers one", shows: ".badge.good", lacks: ".methods li + li", reach: func(v *visit) { v.enroll(); v.in("/browsers") }},
	{name: "browsers forgotten", shows: ".alert.good", says: "notice.forgotten", reach: func(v *visit) {
		v.known(2)
		v.in("/browsers")
		v.send("/browsers/forget")
	}},
	{name: "browsers forgotten all", shows: ".alert.good", lacks: "form", says: "browsers.none", reach: func(v *visit) {
		v.known(2)
		v.in("/browsers")
		v.send("/browsers/forget-all")
	}},
	{name: "plan", shows: ".todo form [value=sessions]", lacks: ".tile.good", reach: func(v *visit) { v.busy(); v.in("/activity"); v.plan() }},
	{name: "plan error", shows: "[name=sure][aria-invalid]", status: 422, reach: func(v *visit) {
		v.enroll()
		v.in("/activity")
		v.plan()
		v.send("/activity/plan", "?do", "tokens")
	}},
	{name: "plan all done", shows: ".alert.good form", lacks: "[name=do]", reach: func(v *visit) {
		with(v.h, v.h.owners, v.account, securitypage.Owner{SignInAgain: "/login"})
		v.enroll()
		v.in("/activity")
		plan := v.plan()
		v.send("/activity/plan", "?do", "sessions")
		v.open("/recovery-codes")
		v.send("/recovery-codes")
		v.status = v.Visit(plan + "&known=apps&known=tokens")
	}},
}

var signIns = []state{
	{name: "second step", shows: "#code[inputmode=numeric]", lacks: "[aria-invalid], .alert", reach: func(v *visit) { v.enroll(); v.signIn("/") }},
	{name: "second step wrong", shows: "#code[aria-invalid]", status: 422, reach: func(v *visit) { v.enroll(); v.signIn("/"); v.send("/sign-in", "code", v.wrong()) }},
	{name: "second step recovery", shows: "#code.long", lacks: ".alert", reach: func(v *visit) { v.enroll(); v.signIn("/"); v.open("/sign-in?with=recovery") }},
	{name: "second step recovery wrong", shows: "#code.long[aria-invalid]", status: 422, reach: func(v *visit) {
		v.enroll()
		v.signIn("/")
		v.open("/sign-in?with=recovery")
		v.send("/sign-in", "code", "wrong")
	}},
	{name: "second step none left", shows: "#code.long", says: "secondstep.norecovery", reach: func(v *visit) { v.enroll(); v.useCodes(0); v.signIn("/"); v.open("/sign-in?with=recovery") }},
	{name: "second step support", shows: "#code.long", lacks: ".alert", says: "secondstep.reset", reach: func(v *visit) { v.reset(); v.signIn("/") }},
	{name: "second step support used", shows: "#code.long", says: "secondstep.nosupport", reach: func(v *visit) { v.redeem(); v.signIn("/") }},
	{name: "second step locked", shows: ".alert.warn [data-countdown]", reach: func(v *visit) { v.enroll(); v.guess(6); v.signIn("/") }},
	{name: "second step locked again", shows: "#code[aria-invalid]", status: 429, reach: func(v *visit) { v.enroll(); v.guess(6); v.signIn("/"); v.send("/sign-in", "code", v.wrong()) }},
	{name: "second step disabled", shows: ".alert.warn", lacks: "[data-countdown]", reach: func(v *visit) { v.enroll(); v.disableCodes(); v.signIn("/") }},
	{name: "clock", shows: "#second", lacks: "select", reach: func(v *visit) { v.enroll(); v.signIn("/"); v.open("/sign-in/clock") }},
	{name: "clock wrong", shows: "#first[aria-invalid]", status: 422, reach: func(v *visit) {
		v.enroll()
		v.another(long)
		v.signIn("/")
		v.open("/sign-in/clock")
		v.send("/sign-in/clock", "first", "111111", "second", "222222")
	}},
	{name: "clock corrected", shows: ".alert.good", reach: func(v *visit) {
		v.enroll()
		v.signIn("/")
		v.open("/sign-in/clock")
		ahead := v.h.svc.Now().Add(8 * time.Minute)
		app := v.user.Authenticator
		v.send("/sign-in/clock", "first", app.Code(ahead), "second", app.Code(ahead.Add(totp.Period)))
	}},
	{name: "recovered", shows: ".gate a[href*='/pair']", lacks: "a[href*='/recovery-codes']", reach: func(v *visit) { v.enroll(); v.inByRecovery() }},
	{name: "recovered with few left", shows: ".gate a[href*='/recovery-codes']", reach: func(v *visit) { v.enroll(); v.useCodes(3); v.inByRecovery() }},
	{name: "gate", shows: ".needs", status: 403, reach: func(v *visit) { v.member("/"); v.refused("/deploy") }},
	{name: "gate hidden", shows: ".needs", status: 403, says: "gate.hidden", reach: func(v *visit) {
		with(v.h, v.h.facts, v.account, posture.Host{Plan: "small"})
		v.member("/")
		v.refused("/invite")
	}},
	{name: "gate level", shows: ".alert.warn", status: 403, says: "gate.level", reach: func(v *visit) {
		with(v.h, v.h.facts, v.account, posture.Host{EmailVerified: posture.No})
		v.enroll()
		v.in("/")
		v.refused("/export")
	}},
	{name: "ready open", shows: ".win .tile.good", reach: func(v *visit) {
		v.enroll()
		v.in("/")
		v.h.svc.Wait(6 * time.Minute)
		v.refused("/deploy")
		v.send("/step-up", "step_up", v.user.Code())
	}},
	{name: "ready closed", shows: ".win .tile.warn", reach: func(v *visit) {
		v.member("/")
		v.refused("/deploy")
		v.open("/ready" + v.query(".needs a[href*='/pair?next=']"))
	}},
}

var stepUps = []state{
	{name: "step-up code", shows: "#step_up[inputmode=numeric]", lacks: "[aria-invalid], .alert", status: 403, reach: func(v *visit) { v.later(); v.open("/disable") }},
	{name: "step-up either", shows: "#step_up.long", status: 403, reach: func(v *visit) { v.later(); v.open("/pair") }},
	{name: "step-up wrong", shows: "#step_up[aria-invalid]", status: 422, reach: func(v *visit) { v.later(); v.open("/disable"); v.send("/step-up", "step_up", v.wrong()) }},
	{name: "step-up recovery code", shows: "#step_up[aria-invalid]", status: 422, says: "wrong.appcode", reach: func(v *visit) {
		v.later()
		v.open("/disable")
		v.send("/step-up", "step_up", v.user.RecoveryCodes[0].Reveal())
	}},
	{name: "step-up too little", shows: ".alert.warn", status: 403, says: "stepup.toolittle", reach: func(v *visit) {
		v.later()
		v.open("/pair")
		v.send("/step-up", "step_up", v.user.Code())
		v.h.svc.Wait(6 * time.Minute)
		v.send("/pair", "name", "Tablet")
		v.send("/pair", "step_up", v.user.RecoveryCodes[0].Reveal())
	}},
	{name: "step-up locked", shows: ".alert.warn [data-countdown]", status: 403, reach: func(v *visit) { v.later(); v.forget(); v.guess(6); v.open("/disable") }},
	{name: "step-up disabled", shows: ".alert.warn", lacks: "[data-countdown]", status: 403, reach: func(v *visit) { v.later(); v.forget(); v.disableCodes(); v.open("/disable") }},
	{name: "step-up password", shows: "#step_up_password", lacks: "[aria-invalid]", status: 403, reach: func(v *visit) { v.member("/"); v.h.svc.Wait(6 * time.Minute); v.open("/pair") }},
	{name: "step-up password wrong", shows: "#step_up_password[aria-invalid]", status: 422, reach: func(v *visit) {
		v.member("/")
		v.h.svc.Wait(6 * time.Minute)
		v.open("/pair")
		v.send("/step-up", "step_up_password", "wrong")
	}},
	{name: "step-up sign in again", shows: ".gate a.primary[href*='/login']", lacks: "form.field", status: 403, reach: func(v *visit) {
		with(v.h, v.h.owners, v.account, securitypage.Owner{SignInAgain: "/login"})
		v.member("/")
		v.h.svc.Wait(6 * time.Minute)
		v.open("/pair")
	}},
	{name: "step-up without a second factor", shows: ".alert.warn a[href$='/pair']", reach: func(v *visit) { v.member("/"); v.status = v.Visit("/factor") }},
}

var messages = []state{
	message("missing", 404, func(v *visit) { v.member("/nothing") }),
	message("method", 405, func(v *visit) { v.member("/"); v.post(v.h.site.URL + security + "/review") }),
	message("foreign", 403, func(v *visit) {
		v.member("/")
		v.status = v.Load(chromedp.Navigate(v.elsewhere))
		v.post(v.h.site.URL + security + "/pair")
	}),
	message("toobig", 413, func(v *visit) { v.member("/pair"); v.send("/pair", "name", strings.Repeat("x", 70_000)) }),
	message("form", 400, func(v *visit) { v.enroll(); v.in("/activity"); v.plan(); v.send("/activity/plan", "do", "nothing") }),
	message("stale", 409, func(v *visit) {
		v.enroll()
		v.in("/authenticators")
		v.stepUp()
		v.ok(v.owner().RenameAuthenticator(ctx, v.user.AuthenticatorID, "Elsewhere"))
		v.send("/authenticators/rename", "name", "Here")
	}),
	message("invalid", 422, func(v *visit) { v.password(gatehouse.ErrInvalid) }),
	message("busy", 503, func(v *visit) { v.password(gatehouse.ErrBusy) }),
	message("fault", 500, func(v *visit) {
		v.member("/")
		with(v.h, v.h.during, v.account, func() error { return errors.New("the directory is down") })
		v.open("/")
	}),
	message("expired", 403, func(v *visit) { v.enroll(); v.signIn("/"); v.h.svc.Wait(6 * time.Minute); v.open("/sign-in") }),
	message("cookies", 403, func(v *visit) {
		v.enroll()
		v.Visit("/home")
		v.SetCookies(nil)
		v.status = v.Load(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.href = %q; 0", security+"/sign-in")))
	}),
	message("suspended", 403, func(v *visit) {
		v.member("/")
		with(v.h, v.h.during, v.account, func() error { return v.operator().Suspend(ctx, v.account) })
		v.open("/pair")
	}),
}

// message is a page with nothing but a text.
func message(name string, status int, reach func(*visit)) state {
	return state{name: "message " + name, status: status, shows: ".card.empty h1", says: "message." + name + ".title", reach: reach}
}

// healthy is an account with nothing to do.
func (v *visit) healthy() {
	v.t.Helper()
	v.enroll()
	v.another("Tablet")
}

// five has as many authenticators as there can be, with the longest names.
func (v *visit) five() {
	v.t.Helper()
	v.enroll()
	v.stepUp()
	v.ok(v.owner().RenameAuthenticator(ctx, v.user.AuthenticatorID, long))
	for n := range 4 {
		v.another(fmt.Sprint(long[:63], n))
	}
}

// delegated is an account that an identity provider signs in.
func (v *visit) delegated(amr ...string) {
	with(v.h, v.h.facts, v.account, posture.Host{Delegated: &posture.Delegation{Provider: "Example ID", AMR: amr}})
}

// imported comes from another system, with a short secret.
func (v *visit) imported() {
	v.t.Helper()
	const short = "JBSWY3DPEHPK3PXP"
	secret, _, err := totp.ParseImported(short)
	v.ok(err)
	_, err = v.operator().Import(ctx, v.account, gatehouse.Import{
		Authenticators: []gatehouse.ImportAuthenticator{{Secret: secret, Name: "Old phone"}},
		RecoveryCodes:  []recovery.Foreign{recovery.ForeignCode("k4mz-81xc-q0vb"), recovery.ForeignCode("h7pt-55dn-w2ra"), recovery.ForeignCode("z9ye-30sg-u6fl")},
	})
	v.ok(err)
	v.weak = totp.Key{Secret: secret, Weak: true}
}

// inByApp signs in with the authenticator that was imported.
func (v *visit) inByApp(path string) {
	v.t.Helper()
	v.h.svc.Wait(2 * time.Minute)
	v.signIn(path)
	code, err := v.weak.Code(totp.Step(v.h.svc.Now()))
	v.ok(err)
	v.send("/sign-in", "code", code)
}

// later is somebody who has signed in a while ago.
func (v *visit) later() {
	v.t.Helper()
	v.enroll()
	v.in("/")
	v.h.svc.Wait(6 * time.Minute)
}

// reset has support reset the account.
func (v *visit) reset() recovery.Code {
	v.t.Helper()
	v.enroll()
	code, err := v.operator().Reset(ctx, v.account)
	v.ok(err)
	return code
}

// redeem takes support's code, and leads to the pairing.
func (v *visit) redeem() {
	v.t.Helper()
	code := v.reset()
	v.signIn("/")
	v.send("/sign-in", "code", code.Reveal())
}

// confirm finishes a pairing.
func (v *visit) confirm() {
	v.t.Helper()
	v.send("/pair/confirm", "code", v.h.svc.Code(v.app))
}

// password has a password that cannot be checked.
func (v *visit) password(err error) {
	v.t.Helper()
	v.member("/")
	with(v.h, v.h.passwords, v.account, err)
	v.h.svc.Wait(6 * time.Minute)
	v.open("/pair")
	v.send("/step-up", "step_up_password", password)
}

// many is an owner with many tokens, some of them with the longest names, of every kind, with many rights and few.
func (v *visit) many(n int) {
	v.t.Helper()
	if v.user == nil {
		v.enroll()
	}
	v.stepUp()
	kinds := []tokens.Kind{tokens.CommandLine, tokens.Personal, tokens.App, tokens.Machine}
	for i := range n {
		r := tokens.Request{Name: fmt.Sprintf("Nightly export %d", i+1), Kind: kinds[i%len(kinds)], Lifetime: time.Duration(3+i*29%300) * 24 * time.Hour}
		if i%3 == 0 {
			r.Name = fmt.Sprint(long[:62], i+10)
			r.Scopes = tokens.Scopes{"projects:read", "projects:write", "deploys:read", "deploys:write", "members:read"}
		}
		if id := v.mint(r).ID; i%2 == 1 {
			v.use(id)
		}
	}
}

// used is a token that was used.
func (v *visit) used() tokens.Info {
	v.t.Helper()
	minted, err := v.h.tok.Mint(ctx, v.user.Session(), tokens.Request{
		Name: "Deployments", Kind: tokens.Machine, Scopes: tokens.Scopes{"projects:read", "deploys:write"}, Lifetime: 30 * 24 * time.Hour,
	})
	v.ok(err)
	v.h.svc.Wait(3 * time.Hour)
	v.use(minted.Info.ID)
	v.h.svc.Wait(2 * time.Hour)
	return minted.Info
}

// use has a token be used, without the wait until that is stored.
func (v *visit) use(id string) {
	v.t.Helper()
	v.ok(v.h.svc.Store.TouchTokens(ctx, []storage.TokenUse{{ID: id, TokenUsage: storage.TokenUsage{
		LastUsed: v.h.svc.Now(), Scopes: 1, Addresses: "203.0.113.24 198.51.100.23",
	}}}))
}

// robot gives the account a service account with a token.
func (v *visit) robot(id string) {
	v.t.Helper()
	op := v.h.tok.Operator(v.operator())
	v.ok(op.CreateServiceAccount(ctx, id, v.account))
	for _, name := range []string{"Pipeline", long} {
		_, err := op.Mint(ctx, id, tokens.Request{Name: name, Scopes: tokens.Scopes{"deploys:write"}})
		v.ok(err)
	}
}

// signedIn is an account that is signed in in many other browsers.
func (v *visit) signedIn(n int) {
	v.t.Helper()
	agents := event.Agents()
	for i := range n {
		row := websession.Row{
			Account: v.account, ID: fmt.Sprint("other-", i), Agent: agents[(i*7+3)%len(agents)], Address: netip.AddrFrom4([4]byte{203, 0, 113, byte(24 + i)}),
			Since: v.h.svc.Now().Add(-time.Duration(9*i+2) * 24 * time.Hour), Seen: v.h.svc.Now().Add(-time.Duration(5*i*i+1) * time.Hour),
		}
		if i%3 == 1 {
			row.Address = netip.MustParseAddr("2001:db8:85a3:1234:5678:8a2e:370:7334")
		}
		v.ok(v.h.rows.Add(ctx, row))
	}
}

// known is an account that knows many browsers.
func (v *visit) known(n int) {
	v.t.Helper()
	v.enroll()
	agents := event.Agents()
	for i := range n {
		in := v.user.Session()
		in.NewBrowser = rand.Text()
		step, err := v.h.svc.Before(ctx, in.Account)
		v.ok(err)
		challenge, err := step.Challenge(ctx)
		v.ok(err)
		address := fmt.Sprint("203.0.113.", 24+i)
		if i%3 == 1 {
			address = "2001:db8:85a3:1234:5678:8a2e:370:7334"
		}
		_, err = v.h.svc.Answer(from(address, agents[(i*7+3)%len(agents)]), in, challenge.Token.Reveal(), v.user.Code())
		v.ok(err)
		v.h.svc.Wait(50 * time.Hour)
	}
}

// busy is an account on which a lot has happened.
func (v *visit) busy() {
	v.t.Helper()
	v.enroll()
	v.another(long)
	v.many(4)
	v.h.svc.Wait(20 * time.Hour)
	_, err := v.h.svc.StepUp(from("203.0.113.24", "firefox/linux"), v.user.Session(), v.user.Code())
	v.ok(err)
	v.guess(4)
	v.h.svc.Wait(time.Hour)
	v.ok(v.operator().PasswordChanged(ctx, v.account, gatehouse.KeepTokens))
	v.h.svc.Wait(5 * time.Hour)
	in, err := v.h.svc.StepUp(from("2001:db8:85a3:1234:5678:8a2e:370:7334", "safari/ios"), v.user.Session(), v.user.Code())
	v.ok(err)
	v.user.Proof = in.Session.Proof
	v.mint(tokens.Request{Name: long})
}

// unfold opens a details element.
func (v *visit) unfold(selector string) {
	v.t.Helper()
	browsertest.Eval[bool](v.Tab, fmt.Sprintf(`document.querySelector(%q).open = true`, selector))
}

// query is that of a link's address.
func (v *visit) query(selector string) string {
	v.t.Helper()
	return browsertest.Eval[string](v.Tab, fmt.Sprintf(`new URL(document.querySelector(%q).href).search`, selector))
}

// plan follows the first link to a plan, and returns its address.
func (v *visit) plan() string {
	v.t.Helper()
	path := browsertest.Eval[string](v.Tab, `(u => u.pathname + u.search)(new URL(document.querySelector("a[href*='/activity/plan?entry=']").href))`)
	v.status = v.Visit(path)
	return path
}

// follow goes where a link leads.
func (v *visit) follow(selector string) {
	v.t.Helper()
	v.status = v.Load(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).click(); 0`, selector)))
}

// refused sends a form of the host's, behind a gate.
func (v *visit) refused(path string) {
	v.t.Helper()
	v.Visit("/home")
	v.send("/" + path)
}

// post sends a form that no page has, with pairs of a name and a value.
func (v *visit) post(to string, pairs ...string) {
	v.t.Helper()
	filled, err := json.Marshal(append([]string{}, pairs...))
	v.ok(err)
	v.status = v.Load(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.action = %q;
		const pairs = %s;
		for (let i = 0; i < pairs.length; i += 2) {
			form.append(Object.assign(document.createElement("input"), {type: "hidden", name: pairs[i], value: pairs[i + 1]}));
		}
		document.body.append(form);
		form.submit();
	})(); 0`, to, filled)))
}
