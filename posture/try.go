package posture

import (
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// attempt makes of facts what they would be once the owner has fixed a control, with all that comes along, and reports
// whether the owner can do that now. It changes nothing that the facts it was given share.
type attempt func(f Facts, now time.Time) (Facts, bool)

const (
	mostApps   = 5
	codesInSet = 10

	// enoughPasskeys are so many that one may be lost.
	enoughPasskeys = 2
)

// never is for what an owner cannot do.
func never(f Facts, _ time.Time) (Facts, bool) { return f, false }

// pairFirst turns two-factor sign-in on, as the Security page does: the recovery codes are saved before it is on.
func pairFirst(f Facts, now time.Time) (Facts, bool) { return pair(f, now), true }

// pairAnother adds another passkey where there is one: an app would undo what it is good for.
func pairAnother(f Facts, now time.Time) (Facts, bool) {
	if f.passkeys() > 0 {
		return addPasskey(f, now)
	}
	apps := f.apps()
	return pair(f, now), apps > 0 && apps < mostApps
}

func pair(f Facts, now time.Time) Facts {
	if f.apps() == 0 {
		f.Account.TOTP = gatehouse.MethodState{Available: true}
	}
	return f.enrolled(gatehouse.Authenticator{Kind: event.MethodTOTP, Created: now, LastUsed: now})
}

// addPasskey is also for an account with a passkey and an app: with a second passkey the app can go. What turns two-factor
// sign-in on is pairFirst.
func addPasskey(f Facts, now time.Time) (Facts, bool) {
	passkeys, can := f.passkeys(), len(f.Account.Authenticators) > 0
	if passkeys == 0 {
		f.Account.Passkey = gatehouse.MethodState{Available: true}
	}
	return f.enrolled(gatehouse.Authenticator{
		Kind: event.MethodPasskey, PhishingResistant: true, UserVerified: true, Created: now, LastUsed: now,
	}), can && passkeys < enoughPasskeys
}

// removeApps needs two passkeys: whoever loses one of them still has the other.
func removeApps(f Facts, _ time.Time) (Facts, bool) {
	passkeys := f.passkeys()
	f.Account.Authenticators = slices.DeleteFunc(slices.Clone(f.Account.Authenticators), func(a gatehouse.Authenticator) bool { return !isPasskey(a) })
	return f, passkeys >= enoughPasskeys
}

// enrolled returns the facts with another authenticator, and all that comes along.
func (f Facts) enrolled(with gatehouse.Authenticator) Facts {
	a := &f.Account
	a.Authenticators = append(slices.Clone(a.Authenticators), with)
	a.Protected, a.Reset, a.OperatorCode, a.Pending = true, nil, gatehouse.MethodState{}, nil
	if a.RecoveryCodes.Total == 0 {
		f.giveCodes(with.Created)
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

// unlock needs a code that works, or a passkey, which always does.
func unlock(f Facts, _ time.Time) (Facts, bool) {
	a := &f.Account
	app, code := f.apps() > 0, a.RecoveryCodes.Left > 0
	can := app && f.totp() == usable || code && f.recoveryCodes() == usable || f.passkeys() > 0
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
