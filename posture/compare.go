package posture

import (
	"fmt"
	"strings"
	"time"
)

// Preview is what a change would make of an account.
type Preview struct {
	Before, After Review
	Flips         []Flip   // controls whose answer changes
	Opens         []string // gates
	Closes        []string
	Suspends      []Token  // tokens that would stop working
	Resumes       []Token  // and start to
	WaysBack      []string // for an owner whose phone is lost, after it
	Warnings      []string // for people, the worst first
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
	works := map[string]bool{}
	for _, t := range after.Tokens {
		if t.Works {
			works[t.ID] = true
		}
	}
	worked := map[string]bool{}
	for _, t := range before.Tokens {
		if worked[t.ID] = t.Works; t.Works && !works[t.ID] {
			v.Suspends = append(v.Suspends, t.clone())
		}
	}
	for _, t := range after.Tokens {
		if t.Works && !worked[t.ID] {
			v.Resumes = append(v.Resumes, t.clone())
		}
	}
	v.WaysBack = waysBack(after)
	v.warn(before, after)
	return v
}

func waysBack(f Facts) (ways []string) {
	if f.Suspended {
		return nil
	}
	if n := len(f.Authenticators) - 1; n > 0 && !f.TOTP.Disabled {
		ways = append(ways, fmt.Sprintf("another authenticator (%d)", n))
	}
	if f.Recovery.Left > 0 && !f.RecoveryCodes.Disabled {
		ways = append(ways, fmt.Sprintf("recovery codes (%d)", f.Recovery.Left))
	}
	if f.OperatorCode {
		ways = append(ways, "the operator's code")
	}
	return ways
}

func (v *Preview) warn(before, after Facts) {
	say := func(format string, args ...any) { v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...)) }
	protected := len(after.Authenticators) > 0 || after.ResetPending
	switch {
	case after.Suspended:
		say("Nobody gets in until the account is resumed.")
	case protected && len(v.WaysBack) == 0:
		say("Whoever loses the phone is locked out: no way back is left but support.")
	}
	if before.Recovery.Left > 0 && after.Recovery.Left == 0 && protected {
		say("No recovery code would be left.")
	}
	if len(before.Authenticators) > 0 && !protected {
		say("The password alone would sign in.")
	}
	if len(v.Closes) > 0 {
		say("Gates that would close: %s.", strings.Join(v.Closes, ", "))
	}
	if len(v.Suspends) > 0 {
		say("Access tokens that would stop working: %d.", len(v.Suspends))
	}
}
