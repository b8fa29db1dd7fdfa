package posture

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Preview shows what a change would make of an account.
type Preview struct {
	Before, After Review
	Flips         []Flip   // controls whose answer changes
	Opens         []string // gates
	Closes        []string
	Suspends      []tokens.Info // tokens that would stop working
	Resumes       []tokens.Info // and start to
	WaysBack      []WayBack     // for an owner whose phone is lost, after it
	Warnings      []string      // for people, the worst first
}

// WayBack is a way in for an owner whose phone is lost.
type WayBack struct {
	Method event.Method
	Count  int // other apps or passkeys, or unused recovery codes; 0 for the operator's code, of which there is one
}

// Flip is a control whose answer changes.
type Flip struct {
	Control  string
	From, To State
}

// Compare says what lies between two states of an account, at one time.
func (p *Policy) Compare(before, after Facts, now time.Time) Preview {
	v := Preview{Before: p.Review(before, now), After: p.Review(after, now)}
	for _, f := range v.Before.Findings {
		if g, shown := v.After.Find(f.ID); shown && g.State != f.State {
			v.Flips = append(v.Flips, Flip{f.ID, f.State, g.State})
		}
	}
	for i, d := range v.Before.Gates {
		switch open := v.After.Gates[i].Open; {
		case open && !d.Open:
			v.Opens = append(v.Opens, d.Action)
		case !open && d.Open:
			v.Closes = append(v.Closes, d.Action)
		}
	}
	v.Suspends = newlyWorking(after.Tokens, before.Tokens)
	v.Resumes = newlyWorking(before.Tokens, after.Tokens)
	v.WaysBack = waysBack(after)
	v.warn(before, after)
	return v
}

// newlyWorking returns the tokens that work in is and not in was.
func newlyWorking(was, is []tokens.Info) (list []tokens.Info) {
	worked := map[string]bool{}
	for _, t := range was {
		worked[t.ID] = works(t)
	}
	for _, t := range is {
		if works(t) && !worked[t.ID] {
			list = append(list, cloneToken(t))
		}
	}
	return list
}

// waysBack returns the ways in for an owner whose phone is lost: with an app, or, where there is none, with a passkey.
func waysBack(f Facts) (ways []WayBack) {
	if !f.Account.Suspended.IsZero() {
		return nil
	}
	apps, passkeys := f.apps(), f.passkeys()
	if apps > 0 {
		apps--
	} else {
		passkeys--
	}
	if passkeys > 0 {
		ways = append(ways, WayBack{event.MethodPasskey, passkeys})
	}
	if apps > 0 && f.totp() != disabled {
		ways = append(ways, WayBack{event.MethodTOTP, apps})
	}
	if left := f.Account.RecoveryCodes.Left; left > 0 && f.recoveryCodes() != disabled {
		ways = append(ways, WayBack{event.MethodRecoveryCode, left})
	}
	if f.Account.OperatorCode.Available {
		ways = append(ways, WayBack{Method: event.MethodOperatorCode})
	}
	return ways
}

func (v *Preview) warn(before, after Facts) {
	say := func(format string, args ...any) { v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...)) }
	protected := len(after.Account.Authenticators) > 0 || after.Account.Reset != nil
	switch {
	case !after.Account.Suspended.IsZero():
		say("Nobody gets in until the account is resumed.")
	case protected && len(v.WaysBack) == 0:
		say("Whoever loses the phone is locked out: no way back is left but support.")
	}
	if before.Account.RecoveryCodes.Left > 0 && after.Account.RecoveryCodes.Left == 0 && protected {
		say("No recovery code would be left.")
	}
	if len(before.Account.Authenticators) > 0 && !protected {
		say("The password alone would sign in.")
	}
	if len(v.Closes) > 0 {
		say("Gates that would close: %s.", strings.Join(v.Closes, ", "))
	}
	if len(v.Suspends) > 0 {
		say("Access tokens that would stop working: %d.", len(v.Suspends))
	}
}
