package posture

import (
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// attempt makes of facts what they would be once the owner has fixed a control, with all that comes along, and reports
// whether the owner can do that now. It changes nothing that the facts it was given share.
type attempt func(f Facts, now time.Time) (Facts, bool)

const (
	mostAuthenticators = 5
	codesInSet         = 10
)

// never is for what an owner cannot do.
func never(f Facts, _ time.Time) (Facts, bool) { return f, false }

// pairFirst turns two-factor sign-in on, as the Security page does: the recovery codes are saved before it is on.
func pairFirst(f Facts, now time.Time) (Facts, bool) { return pair(f, now), true }

func pairAnother(f Facts, now time.Time) (Facts, bool) {
	n := len(f.Account.Authenticators)
	return pair(f, now), n > 0 && n < mostAuthenticators
}

func pair(f Facts, now time.Time) Facts {
	a := &f.Account
	if len(a.Authenticators) == 0 {
		a.TOTP = gatehouse.MethodState{Available: true}
	}
	a.Authenticators = append(slices.Clone(a.Authenticators), gatehouse.Authenticator{Created: now, LastUsed: now})
	a.Protected, a.Reset, a.OperatorCode, a.Pending = true, nil, gatehouse.MethodState{}, nil
	if a.RecoveryCodes.Total == 0 {
		f.giveCodes(now)
	}
	f.Tokens = slices.Clone(f.Tokens)
	for i := range f.Tokens {
		if f.Tokens[i].State == tokens.StateNeedsSecondFactor {
			f.Tokens[i].State = tokens.StateActive
		}
	}
	return f
}

func (f *Facts) giveCodes(now time.Time) {
	f.Account.RecoveryCodes = gatehouse.RecoverySet{Total: codesInSet, Left: codesInSet, Created: now, Acknowledged: now}
	if f.recoveryCodes() != usable && f.Account.RecoveryCode.RetryAt.IsZero() {
		f.Account.RecoveryCode = gatehouse.MethodState{Available: true}
	}
}

// newCodes needs an authenticator, as codes without one sign nobody in.
func newCodes(f Facts, now time.Time) (Facts, bool) {
	f.giveCodes(now)
	return f, len(f.Account.Authenticators) > 0
}

func saveCodes(f Facts, now time.Time) (Facts, bool) {
	f.Account.RecoveryCodes.Acknowledged = now
	return f, f.Account.RecoveryCodes.Total > 0
}

func verifyEmail(f Facts, _ time.Time) (Facts, bool) {
	f.Host.EmailVerified = Yes
	return f, true
}

// unlock needs a code that works.
func unlock(f Facts, _ time.Time) (Facts, bool) {
	a := &f.Account
	app, code := len(a.Authenticators) > 0, a.RecoveryCodes.Left > 0
	can := app && f.totp() == usable || code && f.recoveryCodes() == usable
	if app {
		a.TOTP = gatehouse.MethodState{Available: true}
	}
	if code {
		a.RecoveryCode = gatehouse.MethodState{Available: true}
	}
	return f, can
}

// look says of everything in the activity that the owner knows it.
func look(f Facts, _ time.Time) (Facts, bool) {
	f.Account.CodeUseUnseen, f.Account.ServiceUnseen = time.Time{}, time.Time{}
	return f, true
}

func replaceWeak(f Facts, _ time.Time) (Facts, bool) {
	f.Account.Authenticators = slices.Clone(f.Account.Authenticators)
	for i := range f.Account.Authenticators {
		f.Account.Authenticators[i].Weak = false
	}
	return f, true
}

// rotateWeak needs the second factor, which the new secrets are then made with.
func rotateWeak(f Facts, _ time.Time) (Facts, bool) {
	f.Tokens = slices.Clone(f.Tokens)
	for i := range f.Tokens {
		t := &f.Tokens[i]
		if t.SecondFactor = true; t.State == tokens.StateFirstFactorOnly {
			t.State = tokens.StateActive
		}
	}
	return f, len(f.Account.Authenticators) > 0
}

// without revokes the tokens that are bad. Those that replace them fail no control.
func without(bad func(tokens.Info, time.Time) bool) attempt {
	return func(f Facts, now time.Time) (Facts, bool) {
		f.Tokens = slices.DeleteFunc(slices.Clone(f.Tokens), func(t tokens.Info) bool { return bad(t, now) })
		return f, true
	}
}
