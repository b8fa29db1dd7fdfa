package posture_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const day = 24 * time.Hour

var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// The states of a method that the account has.
var (
	available = gatehouse.MethodState{Available: true}
	locked    = gatehouse.MethodState{RetryAt: now.Add(time.Hour)}
	disabled  = gatehouse.MethodState{}
)

// good is an account that fails nothing: two apps, codes that are saved, a verified address and a token
// with no fault.
func good() posture.Facts {
	return posture.Facts{
		Account: gatehouse.Account{
			Authenticators: []gatehouse.Authenticator{
				{ID: "A1", Name: "Phone", Created: ago(100 * day), LastUsed: ago(day)},
				{ID: "A2", Name: "Tablet", Created: ago(100 * day)},
			},
			RecoveryCodes: gatehouse.RecoverySet{Total: 10, Left: 10, Acknowledged: ago(99 * day)},
			TOTP:          available,
			RecoveryCode:  available,
			KeysCurrent:   true,
		},
		TokensKnown: true,
		Tokens:      []tokens.Info{goodToken()},
		Host:        posture.Host{At: now, Since: ago(400 * day), EmailVerified: posture.Yes},
	}
}

func goodToken() tokens.Info {
	return tokens.Info{ID: "T1", Name: "ci", State: tokens.StateActive, Created: ago(100 * day), Expires: now.Add(30 * day), LastUsed: ago(day), SecondFactor: true}
}

// bare is an account with a password and nothing else.
func bare() posture.Facts {
	return posture.Facts{
		Account: gatehouse.Account{KeysCurrent: true}, TokensKnown: true,
		Host: posture.Host{At: now, Since: ago(400 * day), EmailVerified: posture.Yes},
	}
}

// delegated is an account whose owner signs in elsewhere, where the second factor is looked after.
func delegated(amr ...string) func(*posture.Facts) {
	return func(f *posture.Facts) {
		*f = bare()
		f.Host.Delegated = &posture.Delegation{Provider: "idp", AMR: amr}
	}
}

func password(edit func(*posture.Facts)) func(*posture.Facts) {
	return func(f *posture.Facts) {
		*f = bare()
		edit(f)
	}
}

func token(edit func(*tokens.Info)) func(*posture.Facts) {
	return func(f *posture.Facts) { edit(&f.Tokens[0]) }
}

func accept(until time.Time, controls ...string) func(*posture.Facts) {
	return func(f *posture.Facts) {
		for _, c := range controls {
			f.Account.AcceptedRisks = append(f.Account.AcceptedRisks, gatehouse.AcceptedRisk{Control: c, Operator: "op-1", Reason: "a test", Until: until})
		}
	}
}

func all(edits ...func(*posture.Facts)) func(*posture.Facts) {
	return func(f *posture.Facts) {
		for _, edit := range edits {
			edit(f)
		}
	}
}

func oneApp(f *posture.Facts)   { f.Account.Authenticators = f.Account.Authenticators[:1] }
func weak(f *posture.Facts)     { f.Account.Authenticators[0].Weak = true }
func notSaved(f *posture.Facts) { f.Account.RecoveryCodes.Acknowledged = time.Time{} }
func noCodes(f *posture.Facts) {
	f.Account.RecoveryCodes, f.Account.RecoveryCode = gatehouse.RecoverySet{}, gatehouse.MethodState{}
}
func noTokens(f *posture.Facts) { f.Tokens = nil }
func nothing(*posture.Facts)    {}

// The controls by their short names, with weight:
//
//	second-factor 4                                                       critical
//	recovery-codes 3, recovery-use-seen 3                                 high
//	recovery-codes-saved, recovery-codes-left, email-verified,
//	methods-open, tokens-expire, tokens-narrow, phishing-resistant,
//	authenticators-strong, tokens-second-factor, service-tokens-seen 2    medium
//	second-authenticator, tokens-used, tokens-not-expiring, keys-current 1  low
//
// phishing-resistant is locked where no model is named: those are services without passkeys. passkeys-alone (low),
// tokens-second-factor and service-tokens-seen are not applicable unless they fail or are unknown, so that an account with an authenticator has
// 4 + 3+3 + 2+2+2+2+2+2+2 + 1+1+1+1 = 28, and one without, whose keys-current and authenticators-strong are
// not applicable, 25.
// One without second-factor (4), codes (3+2+2) and second-authenticator (1) has lost 12 of 25, and keeps 13.
type account struct {
	name     string
	facts    func(*posture.Facts) // of a good account
	not      string               // the controls that do not pass, "control state, …"; phishing-resistant: locked
	level    int
	have, of float64 // weight, worked out by hand; of what is unknown there is none
	raw      int     // 100 have / of, rounded down
	score    int
	caps     string
	most     int // the upper end of the range; the lower one is the score
	coverage int // 100 known / of, rounded down
	open     string
	model    *posture.ModelConfig
}

const (
	mint   = "mint"   // second-factor
	invite = "invite" // second-factor and recovery-codes-saved
	deploy = "deploy" // second-factor and email-verified
	admin  = "admin"  // level 2
)

var tableGates = []posture.Gate{
	{Action: mint, Controls: []string{posture.SecondFactor}},
	{Action: invite, Controls: []string{posture.SecondFactor, posture.RecoveryCodesSaved}},
	{Action: deploy, Controls: []string{posture.SecondFactor, posture.EmailVerified}},
	{Action: admin, Level: 2},
}

const (
	noFactor = "second-factor fail, recovery-codes fail, recovery-codes-saved fail, recovery-codes-left fail, second-authenticator fail, keys-current not_applicable, authenticators-strong not_applicable"
	atIdP    = "second-factor delegated, recovery-codes delegated, recovery-codes-saved delegated, recovery-codes-left delegated, second-authenticator delegated, keys-current not_applicable, authenticators-strong not_applicable"
	silent   = "second-factor unknown, recovery-codes unknown, recovery-codes-saved unknown, recovery-codes-left unknown, second-authenticator unknown, keys-current not_applicable, authenticators-strong not_applicable"
	tokensUn = "tokens-expire unknown, tokens-used unknown, tokens-narrow unknown, tokens-not-expiring unknown, tokens-second-factor unknown"
)

var accounts = []account{
	// Second factor and ways back.
	{"all that is offered", nothing, "", 2, 26, 26, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"password only", password(nothing), noFactor,
		0, 13, 25, 52, 39, "second-factor", 39, 100, "", nil},
	{"password only, and the host knows nothing", password(func(f *posture.Facts) { f.Host = posture.Host{} }), silent + ", email-verified unknown",
		0, 13 - 2, 25, 44, 39, "second-factor", 100, 44, "", nil}, // known 11 of 25: not even whether the password signs in here
	{"password only, tokens not known", password(func(f *posture.Facts) { f.TokensKnown = false }), noFactor + ", " + tokensUn,
		0, 13 - 6, 25 + 2, 25, 25, "", 39, 70, "", nil}, // known 19 of 27; with the tokens 15/27 = 55, capped
	{"no facts at all", func(f *posture.Facts) { *f = posture.Facts{} }, silent + ", email-verified unknown, " + tokensUn,
		0, 13 - 2 - 6, 25 + 2, 18, 18, "", 100, 18, "", nil}, // known 5 of 27
	{"one app, codes not saved", all(oneApp, notSaved), "recovery-codes-saved fail, second-authenticator fail",
		1, 28 - 2 - 1, 28, 89, 89, "", 89, 100, "mint deploy", nil},
	{"one app, codes saved", oneApp, "second-authenticator fail",
		1, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy", nil},
	{"two apps, codes not saved", notSaved, "recovery-codes-saved fail",
		1, 28 - 2, 28, 92, 92, "", 92, 100, "mint deploy", nil},
	{"one app, no codes", all(oneApp, noCodes), "recovery-codes fail, recovery-codes-saved fail, recovery-codes-left fail, second-authenticator fail",
		1, 28 - 3 - 2 - 2 - 1, 28, 71, 71, "", 71, 100, "mint deploy", nil}, // under 79: nothing to cap
	{"two apps, no codes", noCodes, "recovery-codes fail, recovery-codes-saved fail, recovery-codes-left fail",
		1, 28 - 3 - 2 - 2, 28, 75, 75, "", 75, 100, "mint deploy", nil},
	{"two apps, all codes used up", func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 0 }, "recovery-codes fail, recovery-codes-left fail",
		1, 28 - 3 - 2, 28, 82, 79, "recovery-codes", 79, 100, "mint invite deploy", nil},
	{"two apps, two codes left", func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 2 }, "recovery-codes-left partial",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"two apps, three codes left", func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 3 }, "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"one code left, not saved", all(notSaved, func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 1 }), "recovery-codes-left partial, recovery-codes-saved fail",
		1, 28 - 1 - 2, 28, 89, 89, "", 89, 100, "mint deploy", nil},
	{"reset by support", password(func(f *posture.Facts) { f.Account.Reset, f.Account.OperatorCode = &gatehouse.Reset{At: now}, available }), noFactor,
		0, 13, 25, 52, 39, "second-factor", 39, 100, "", nil},
	{"suspended", func(f *posture.Facts) { f.Account.Suspended = now }, "", // not a question of protection
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"a secret under an old key", func(f *posture.Facts) { f.Account.KeysCurrent = false }, "keys-current fail",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	// Row F3: an authenticator that another system made with a secret of 80 bits.
	{"one of two authenticators weak", weak, "authenticators-strong fail",
		2, 28 - 2, 28, 92, 92, "", 92, 100, "mint invite deploy admin", nil},
	{"the only authenticator weak", all(oneApp, weak), "authenticators-strong fail, second-authenticator fail",
		1, 28 - 2 - 1, 28, 89, 89, "", 89, 100, "mint invite deploy", nil},

	// Methods and the use of recovery codes.
	{"codes locked for a while", func(f *posture.Facts) { f.Account.TOTP = locked }, "methods-open partial",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"codes disabled", func(f *posture.Facts) { f.Account.TOTP = disabled }, "methods-open fail",
		2, 28 - 2, 28, 92, 92, "", 92, 100, "mint invite deploy admin", nil},
	{"recovery codes locked for a while", func(f *posture.Facts) { f.Account.RecoveryCode = locked }, "methods-open partial",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"recovery codes disabled", func(f *posture.Facts) { f.Account.RecoveryCode = disabled }, "methods-open partial",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"recovery code used, not looked at", func(f *posture.Facts) { f.Account.CodeUseUnseen = ago(day) }, "recovery-use-seen fail",
		2, 28 - 3, 28, 89, 79, "recovery-use-seen", 79, 100, "mint invite deploy admin", nil},
	{"recovery code used long ago, not looked at", func(f *posture.Facts) { f.Account.CodeUseUnseen = ago(3650 * day) }, "recovery-use-seen fail",
		2, 28 - 3, 28, 89, 79, "recovery-use-seen", 79, 100, "mint invite deploy admin", nil},

	// Service accounts: one that owns some, and one that is one, of which only its tokens are looked at.
	{"a service account's token, not looked at", func(f *posture.Facts) { f.Account.ServiceUnseen = ago(3650 * day) }, "service-tokens-seen fail",
		2, 28, 28 + 2, 93, 93, "", 93, 100, "mint invite deploy admin", nil},
	{"a service account", password(func(f *posture.Facts) {
		f.Account.ServiceOf, f.Tokens = "acme", []tokens.Info{goodToken()}
		f.Tokens[0].SecondFactor, f.Tokens[0].Operator = false, "op-1"
	}), "second-factor not_applicable, recovery-codes not_applicable, recovery-codes-saved not_applicable, recovery-codes-left not_applicable, " +
		"second-authenticator not_applicable, phishing-resistant not_applicable, email-verified not_applicable, keys-current not_applicable, authenticators-strong not_applicable",
		0, 11, 11, 100, 100, "", 100, 100, "", nil}, // use of recovery codes 3, methods 2, tokens 2 + 2 + 1 + 1

	// What the host knows.
	{"address not verified", func(f *posture.Facts) { f.Host.EmailVerified = posture.No }, "email-verified fail",
		2, 28 - 2, 28, 92, 92, "", 92, 100, "mint invite admin", nil},
	{"address not known", func(f *posture.Facts) { f.Host.EmailVerified = posture.Unknown }, "email-verified unknown",
		2, 28 - 2, 28, 92, 92, "", 100, 92, "mint invite admin", nil}, // known 26 of 28
	{"host's facts a day old", func(f *posture.Facts) { f.Host.At = ago(day) }, "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"host's facts over a day old", func(f *posture.Facts) { f.Host.At = ago(day + time.Second) }, "email-verified unknown",
		2, 28 - 2, 28, 92, 92, "", 100, 92, "mint invite admin", nil},
	{"host's facts without a time", func(f *posture.Facts) { f.Host.At = time.Time{} }, "email-verified unknown",
		2, 28 - 2, 28, 92, 92, "", 100, 92, "mint invite admin", nil},
	{"host's clock a minute ahead", func(f *posture.Facts) { f.Host.At = now.Add(time.Minute) }, "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"host's clock further ahead", func(f *posture.Facts) { f.Host.At = now.Add(time.Minute + time.Second) }, "email-verified unknown",
		2, 28 - 2, 28, 92, 92, "", 100, 92, "mint invite admin", nil},

	// Access tokens.
	{"no tokens", noTokens, "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"tokens not known", func(f *posture.Facts) { f.TokensKnown = false }, tokensUn,
		2, 28 - 6, 28 + 2, 73, 73, "", 100, 73, "mint invite deploy admin", nil}, // known 22 of 30
	{"token without an end", token(func(t *tokens.Info) { t.Expires = time.Time{} }), "tokens-expire fail",
		2, 28 - 2, 28, 92, 92, "", 92, 100, "mint invite deploy admin", nil},
	{"token used 90 days ago", token(func(t *tokens.Info) { t.LastUsed = ago(90 * day) }), "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"token used over 90 days ago", token(func(t *tokens.Info) { t.LastUsed = ago(90*day + time.Second) }), "tokens-used fail",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"token made over 90 days ago, never used", token(func(t *tokens.Info) { t.LastUsed = time.Time{} }), "tokens-used fail",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"token made today, never used", token(func(t *tokens.Info) { t.Created, t.LastUsed = now, time.Time{} }), "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"broad token, 30 days old", token(func(t *tokens.Info) { t.Created, t.Unused = ago(30*day), tokens.Scopes{"x:write"} }), "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"broad token, older", token(func(t *tokens.Info) { t.Created, t.Unused = ago(30*day+time.Second), tokens.Scopes{"x:write"} }), "tokens-narrow fail",
		2, 28 - 2, 28, 92, 92, "", 92, 100, "mint invite deploy admin", nil},
	{"token made by the password alone", token(func(t *tokens.Info) { t.SecondFactor = false }), "tokens-second-factor fail",
		2, 28, 28 + 2, 93, 93, "", 93, 100, "mint invite deploy admin", nil},
	{"password only, and a token that it made", password(func(f *posture.Facts) {
		f.Tokens = []tokens.Info{goodToken()}
		f.Tokens[0].SecondFactor = false
	}), noFactor + ", tokens-second-factor fail",
		0, 13, 25 + 2, 48, 39, "second-factor", 39, 100, "", nil},
	{"delegated with mfa, and a token of that", all(delegated("mfa"), func(f *posture.Facts) {
		f.Tokens = []tokens.Info{goodToken()}
		f.Tokens[0].SecondFactor = false
	}), atIdP,
		2, 25, 25, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"token that ends in 7 days", token(func(t *tokens.Info) { t.Expires = now.Add(7 * day) }), "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"token that ends before", token(func(t *tokens.Info) { t.Expires = now.Add(7*day - time.Second) }), "tokens-not-expiring fail",
		2, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy admin", nil},
	{"one bad token among two", func(f *posture.Facts) {
		bad := goodToken()
		bad.ID, bad.LastUsed, bad.Expires, bad.Unused = "T2", time.Time{}, time.Time{}, tokens.Scopes{"x:write"}
		f.Tokens = append(f.Tokens, bad)
	}, "tokens-expire fail, tokens-used fail, tokens-narrow fail",
		2, 28 - 2 - 1 - 2, 28, 82, 82, "", 82, 100, "mint invite deploy admin", nil},

	// Somebody else signs the owner in.
	{"delegated with mfa", delegated("mfa"), atIdP,
		2, 25, 25, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"delegated, password and one-time code", delegated("pwd", "otp"), atIdP,
		2, 25, 25, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"delegated, key and fingerprint", delegated("fpt", "hwk"), atIdP,
		2, 25, 25, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"delegated, a one-time code alone", delegated("otp"), silent,
		0, 13, 25, 52, 39, "second-factor", 100, 52, "", nil}, // known 13 of 25
	{"delegated, two things to have", delegated("otp", "swk"), silent,
		0, 13, 25, 52, 39, "second-factor", 100, 52, "", nil},
	{"delegated, two things to know", delegated("pwd", "pin"), silent,
		0, 13, 25, 52, 39, "second-factor", 100, 52, "", nil},
	{"delegated, and the provider says nothing", delegated(), silent,
		0, 13, 25, 52, 39, "second-factor", 100, 52, "", nil},
	{"delegated, the provider says nothing, and a token of that", all(delegated(), func(f *posture.Facts) {
		f.Tokens = []tokens.Info{goodToken()}
		f.Tokens[0].SecondFactor = false
	}), silent + ", tokens-second-factor unknown",
		0, 13, 25 + 2, 48, 39, "second-factor", 100, 48, "", nil}, // known 13 of 27
	{"delegated with mfa, over a day ago", all(delegated("mfa"), func(f *posture.Facts) { f.Host.At = ago(day + time.Second) }), silent + ", email-verified unknown",
		0, 13 - 2, 25, 44, 39, "second-factor", 100, 44, "", nil}, // known 11 of 25
	{"delegated, with an app of one's own", all(oneApp, notSaved, func(f *posture.Facts) { f.Host.Delegated = &posture.Delegation{AMR: []string{"mfa"}} }),
		"recovery-codes-saved fail, second-authenticator fail",
		1, 28 - 2 - 1, 28, 89, 89, "", 89, 100, "mint deploy", nil},

	// Risks that somebody has taken on.
	{"accepted", all(oneApp, accept(time.Time{}, posture.SecondAuthenticator)), "second-authenticator accepted",
		1, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy", nil},
	{"accepted for another second", all(oneApp, accept(now.Add(time.Second), posture.SecondAuthenticator)), "second-authenticator accepted",
		1, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy", nil},
	{"accepted until now", all(oneApp, accept(now, posture.SecondAuthenticator)), "second-authenticator fail",
		1, 28 - 1, 28, 96, 96, "", 96, 100, "mint invite deploy", nil},
	{"accepted, critical", password(accept(time.Time{}, posture.SecondFactor)), strings.Replace(noFactor, "second-factor fail", "second-factor accepted", 1),
		0, 13, 25, 52, 39, "second-factor", 39, 100, "", nil},
	{"accepted, high", all(func(f *posture.Facts) { f.Account.CodeUseUnseen = ago(day) }, accept(time.Time{}, posture.RecoveryUseSeen)), "recovery-use-seen accepted",
		2, 28 - 3, 28, 89, 79, "recovery-use-seen", 79, 100, "mint invite deploy admin", nil},
	{"accepted, partial", all(func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 2 }, accept(time.Time{}, posture.RecoveryCodesLeft)), "recovery-codes-left accepted",
		2, 28 - 2, 28, 92, 92, "", 92, 100, "mint invite deploy admin", nil}, // nothing, not half
	{"accepted, but it passes", accept(time.Time{}, posture.SecondAuthenticator), "",
		2, 28, 28, 100, 100, "", 100, 100, "mint invite deploy admin", nil},
	{"accepted, but it is unknown", all(func(f *posture.Facts) { f.Host.EmailVerified = posture.Unknown }, accept(time.Time{}, posture.EmailVerified)), "email-verified unknown",
		2, 28 - 2, 28, 92, 92, "", 100, 92, "mint invite admin", nil},

	{"one app, and all else is bad", func(f *posture.Facts) {
		oneApp(f)
		noCodes(f)
		weak(f)
		f.Account.CodeUseUnseen, f.Account.TOTP, f.Account.KeysCurrent, f.Host.EmailVerified = ago(day), disabled, false, posture.No
		f.Tokens = []tokens.Info{
			{ID: "T1", Created: ago(100 * day), Unused: tokens.Scopes{"x:write"}, SecondFactor: true},
			{ID: "T2", Created: ago(day), Expires: now.Add(day), SecondFactor: true},
		}
	}, "recovery-codes fail, recovery-codes-saved fail, recovery-codes-left fail, second-authenticator fail, recovery-use-seen fail, methods-open fail, " +
		"keys-current fail, authenticators-strong fail, email-verified fail, tokens-expire fail, tokens-used fail, tokens-narrow fail, tokens-not-expiring fail",
		1, 4, 28, 14, 14, "", 14, 100, "mint", nil},

	// Other models.
	{"phishing-resistant asked for, apps", nothing, "phishing-resistant fail",
		2, 28, 28 + 2, 93, 93, "", 93, 100, "mint invite deploy admin", unlocked},
	{"phishing-resistant asked for, no app", password(nothing), noFactor + ", phishing-resistant fail",
		0, 13, 25 + 2, 48, 39, "second-factor", 39, 100, "", unlocked},
	{"a passkey and an app", passkeys(1, 1), "phishing-resistant partial, passkeys-alone fail",
		2, 28 + 1, 28 + 2 + 1, 93, 93, "", 93, 100, "mint invite deploy admin", unlocked},
	{"two passkeys and an app", passkeys(2, 1), "phishing-resistant partial, passkeys-alone fail",
		2, 28 + 1, 28 + 2 + 1, 93, 93, "", 93, 100, "mint invite deploy admin", unlocked},
	{"nothing but passkeys", passkeys(2, 0), "phishing-resistant pass",
		3, 28 + 2, 30, 100, 100, "", 100, 100, "mint invite deploy admin", unlocked},
	{"one passkey", passkeys(1, 0), "phishing-resistant pass, second-authenticator fail",
		1, 30 - 1, 30, 96, 96, "", 96, 100, "mint invite deploy", unlocked},
	{"passkeys, and codes that nobody has saved", all(passkeys(2, 0), notSaved), "phishing-resistant pass, recovery-codes-saved fail",
		1, 30 - 2, 30, 93, 93, "", 93, 100, "mint deploy", unlocked},
	{"passkeys, where none are offered", passkeys(1, 1), "phishing-resistant partial, passkeys-alone fail", // by another system
		2, 28 + 1, 28 + 2 + 1, 93, 93, "", 93, 100, "mint invite deploy admin", nil},
	{"a provider, where passkeys are offered", delegated("mfa"), atIdP + ", phishing-resistant unknown",
		2, 25, 27, 92, 92, "", 100, 92, "mint invite deploy admin", unlocked}, // known 25 of 27
	{"passkeys demanded, there are apps", nothing, "phishing-resistant fail",
		2, 28, 30, 93, 93, "", 93, 100, "", demanded(posture.Yes)},
	{"passkeys demanded, there is an app", passkeys(2, 1), "phishing-resistant partial, passkeys-alone fail",
		2, 28 + 1, 30 + 1, 93, 93, "", 93, 100, "", demanded(posture.Yes)}, // which a gate does not take
	{"passkeys demanded", passkeys(2, 0), "phishing-resistant pass",
		3, 30, 30, 100, 100, "", 100, 100, "mint invite deploy admin", demanded(posture.Yes)},
	{"passkeys perhaps demanded", passkeys(2, 1), "phishing-resistant partial, passkeys-alone fail",
		2, 28 + 1, 30 + 1, 93, 93, "", 93, 100, "", demanded(posture.Unknown)},
	{"passkeys not demanded", passkeys(2, 1), "phishing-resistant partial, passkeys-alone fail",
		2, 28 + 1, 30 + 1, 93, 93, "", 93, 100, "mint invite deploy admin", demanded(posture.No)},
	{"address hidden", func(f *posture.Facts) { f.Host.EmailVerified = posture.No }, "email-verified hidden",
		2, 28 - 2, 28 - 2, 100, 100, "", 100, 100, "mint invite admin", adjusted(posture.EmailVerified, posture.Adjustment{Hide: true})},
	{"second authenticator in another plan", oneApp, "second-authenticator locked",
		1, 28 - 1, 28 - 1, 100, 100, "", 100, 100, "mint invite deploy", adjusted(posture.SecondAuthenticator, posture.Adjustment{LockedBy: "Pro"})},
	{"second factor in another plan", password(nothing), strings.Replace(noFactor, "second-factor fail", "second-factor locked", 1),
		0, 13, 25 - 4, 61, 61, "", 61, 100, "", adjusted(posture.SecondFactor, posture.Adjustment{LockedBy: "Pro"})},
	{"recovery codes hidden", nothing, "recovery-codes hidden",
		1, 28 - 3, 28 - 3, 100, 100, "", 100, 100, "mint invite deploy", adjusted(posture.RecoveryCodesExist, posture.Adjustment{Hide: true})},
	{"own critical control, unknown", nothing, "own unknown",
		2, 28, 28 + 4, 87, 39, "own", 100, 87, "mint invite deploy admin", own(posture.Critical, posture.StateUnknown)}, // known 28 of 32
	{"own critical control, half", nothing, "own partial",
		2, 28 + 2, 32, 93, 93, "", 93, 100, "mint invite deploy admin", own(posture.Critical, posture.Partial)},
	{"own high control, fails", nothing, "own fail",
		2, 28, 28 + 3, 90, 79, "own", 79, 100, "mint invite deploy admin", own(posture.High, posture.Fail)},
	{"own high control, unknown", nothing, "own unknown",
		2, 28, 28 + 3, 90, 79, "own", 100, 90, "mint invite deploy admin", own(posture.High, posture.StateUnknown)},
	{"own critical and built-in high", func(f *posture.Facts) { f.Account.CodeUseUnseen = ago(day) }, "own fail, recovery-use-seen fail",
		2, 28 - 3, 28 + 4, 78, 39, "own", 39, 100, "mint invite deploy admin", own(posture.Critical, posture.Fail)}, // 78 is under 79
	{"at the cap, not over it", func(f *posture.Facts) { f.Account.CodeUseUnseen, f.Account.TOTP = ago(day), disabled }, "own fail, recovery-use-seen fail, methods-open fail",
		2, 28 - 3 - 2, 28 + 1, 79, 79, "", 79, 100, "mint invite deploy admin", own(posture.Low, posture.Fail)},
	{"critical and high, both under raw", func(f *posture.Facts) { f.Account.CodeUseUnseen = ago(day) }, "own fail, own-2 pass, own-3 pass, recovery-use-seen fail",
		2, 28 - 3 + 4 + 4, 28 + 4 + 4 + 4, 82, 39, "own recovery-use-seen", 39, 100, "mint invite deploy admin", // the lower one counts
		own(posture.Critical, posture.Fail, posture.Pass, posture.Pass)},
	{"own low control, half", nothing, "own partial",
		2, 28.5, 28 + 1, 98, 98, "", 98, 100, "mint invite deploy admin", own(posture.Low, posture.Partial)},
}

// The models of services with passkeys, and without.
var (
	unlocked   = &posture.ModelConfig{Passkeys: true}
	noPasskeys = posture.ModelConfig{}
)

// demanded has accounts that must sign in with passkeys alone.
func demanded(a posture.Answer) *posture.ModelConfig {
	return &posture.ModelConfig{Passkeys: true, RequirePhishingResistant: func(string, posture.Host) posture.Answer { return a }}
}

// passkeys has some passkeys and apps in the place of the two apps.
func passkeys(n, apps int) func(*posture.Facts) {
	return func(f *posture.Facts) {
		a := &f.Account
		a.Authenticators = append([]gatehouse.Authenticator(nil), a.Authenticators[:apps]...)
		for i := range n {
			a.Authenticators = append(a.Authenticators, gatehouse.Authenticator{
				ID: fmt.Sprint("P", i+1), Kind: event.MethodPasskey, PhishingResistant: true, Created: ago(100 * day),
			})
		}
		a.Passkey = available
		if apps == 0 {
			a.TOTP = gatehouse.MethodState{}
		}
	}
}

// adjusted adjusts one control, where there are no passkeys.
func adjusted(control string, a posture.Adjustment) *posture.ModelConfig {
	return &posture.ModelConfig{Adjust: map[string]func(string) posture.Adjustment{
		control: func(string) posture.Adjustment { return a },
	}}
}

// everything adjusts every control that is built in.
func everything(a posture.Adjustment) posture.ModelConfig {
	c := posture.ModelConfig{Passkeys: true, Adjust: map[string]func(string) posture.Adjustment{}}
	for _, id := range builtin {
		c.Adjust[id] = func(string) posture.Adjustment { return a }
	}
	return c
}

func answers(s posture.State) func(posture.Facts, time.Time) posture.Result {
	return func(posture.Facts, time.Time) posture.Result { return posture.Result{State: s, Reason: "So it is."} }
}

func ownControl(check func(posture.Facts, time.Time) posture.Result) posture.Control {
	return posture.Control{ID: "own", Title: "It is so", Failing: "It is not so", Question: "Is it so?", Fix: posture.Remediation{Title: "Make it so", Text: "Then it is so."}, Check: check}
}

// own has a control of the host's for each state: "own", "own-2", …
func own(severity posture.Severity, states ...posture.State) *posture.ModelConfig {
	m := &posture.ModelConfig{}
	for i, s := range states {
		c := ownControl(answers(s))
		c.Severity = severity
		if i > 0 {
			c.ID = fmt.Sprintf("own-%d", i+1)
		}
		m.Controls = append(m.Controls, c)
	}
	return m
}

func policyOf(t testing.TB, c posture.ModelConfig, gates ...posture.Gate) *posture.Policy {
	t.Helper()
	m, err := posture.NewModel(c)
	require.NoError(t, err)
	p, err := posture.NewPolicy(m, gates...)
	require.NoError(t, err)
	return p
}

// states returns what a report has to say of each control that it shows.
func (a account) states(all []string) map[string]string {
	want := map[string]string{}
	for _, id := range all {
		want[id] = "pass"
	}
	want[posture.PhishingResistant] = "locked"
	want[posture.TokensSecondFactor], want[posture.ServiceTokensSeen], want[posture.PasskeysAlone] = "not_applicable", "not_applicable", "not_applicable"
	for exception := range strings.SplitSeq(a.not, ", ") {
		if id, state, ok := strings.Cut(exception, " "); state == "hidden" {
			delete(want, id)
		} else if ok {
			want[id] = state
		}
	}
	return want
}

var builtin = []string{
	posture.SecondFactor, posture.RecoveryCodesExist, posture.RecoveryCodesSaved, posture.RecoveryCodesLeft,
	posture.SecondAuthenticator, posture.PhishingResistant, posture.PasskeysAlone, posture.EmailVerified, posture.MethodsOpen, posture.RecoveryUseSeen,
	posture.TokensExpire, posture.TokensUsed, posture.TokensNarrow, posture.TokensNotExpiring, posture.TokensSecondFactor, posture.KeysCurrent,
	posture.AuthenticatorsStrong, posture.ServiceTokensSeen,
}

func TestAccounts(t *testing.T) {
	for _, a := range accounts {
		t.Run(a.name, func(t *testing.T) {
			f := good()
			a.facts(&f)
			c := noPasskeys
			if a.model != nil {
				c = *a.model
			}
			r := policyOf(t, c, tableGates...).Review(f, now)

			got := map[string]string{}
			for _, finding := range r.Findings {
				got[finding.ID] = finding.State.String()
				require.NotEmpty(t, finding.Reason, finding.ID)
			}
			require.Equal(t, a.states(builtin), got)
			require.Equal(t, a.raw, int(100*a.have/a.of), "the table's own sum")

			var open []string
			for _, d := range r.Gates {
				if d.Open {
					open = append(open, d.Action)
				}
			}
			require.Equal(t,
				fmt.Sprintf("level %d, raw %d, score %d (%s), %d to %d, %d %% known, open: %s", a.level, a.raw, a.score, a.caps, a.score, a.most, a.coverage, a.open),
				fmt.Sprintf("level %d, raw %d, score %d (%s), %d to %d, %d %% known, open: %s", r.Level, r.Raw, r.Score,
					strings.Join(r.CappedBy, " "), r.Range[0], r.Range[1], r.Coverage, strings.Join(open, " ")))
		})
	}
}

// TestNothingAsked has every control hidden or locked: there is nothing to score, and no gate opens.
func TestNothingAsked(t *testing.T) {
	for name, a := range map[string]posture.Adjustment{"hidden": {Hide: true}, "locked": {LockedBy: "Pro"}} {
		p := policyOf(t, everything(a), tableGates...)
		r := p.Review(good(), now)
		require.Equal(t, []int{0, 0, 0, 0, 0, 0}, []int{r.Level, r.Score, r.Raw, r.Range[0], r.Range[1], r.Coverage}, name)
		for _, d := range r.Gates {
			require.False(t, d.Open, name)
		}
		require.NotNil(t, r.Findings)
		require.Empty(t, r.Next)
	}
}

// Each state of a control has one row: what a severity and its credit, cap and gate make of it.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		state    posture.State
		raw, max int // with 28 of 28 beside its 4: 100 × (28 + credit) / 32
		open     bool
	}{
		{posture.Pass, 100, 100, true},
		{posture.Delegated, 100, 100, true},
		{posture.NotApplicable, 100, 100, true}, // 28 of 28
		{posture.Partial, 93, 93, false},        // 30 of 32
		{posture.Fail, 87, 39, false},           // 28 of 32
		{posture.StateUnknown, 87, 39, false},
	} {
		p := policyOf(t, *own(posture.Critical, c.state), posture.Gate{Action: "act", Controls: []string{"own"}})
		r := p.Review(good(), now)
		require.Equal(t, []any{c.raw, c.max, c.open}, []any{r.Raw, r.Score, r.Gates[0].Open}, c.state.String())
	}
}

func TestReset(t *testing.T) {
	f := bare()
	f.Account.Reset = &gatehouse.Reset{At: now}
	finding, _ := policyOf(t, posture.ModelConfig{Passkeys: true}).Review(f, now).Find(posture.SecondFactor)
	require.Contains(t, finding.Reason, "Pair one again")
}
