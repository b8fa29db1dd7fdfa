package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
)

// Acceptance is a risk that an operator has taken on for the account.
type Acceptance struct {
	Control string
	By      string
	Why     string
	At      int64
	Until   int64 // 0: without an end
}

// Snapshot is a level and score that the account had from a time on.
type Snapshot struct {
	At    int64
	Model string // version of the rules
	Level int
	Score int
	Cause event.Kind // 0: evidence or time, or other rules
}

const (
	maxAccepted = 16
	maxHistory  = 10
	maxModel    = 64
)

// ProofLife is how old a proof can be that shows who is there, where nothing asks for a fresher one:
// NIST SP 800-63B-4 §2.2.3 has owners sign in again each day.
const ProofLife = 24 * time.Hour

// CheckProof returns ErrStepUpRequired unless a proof of at most an age shows that the account's owner is
// there, by the second factor if there is one, or by one that the host has checked itself.
func (a Account) CheckProof(p Presented, age time.Duration, env Env) error {
	enough := p.Kind == SecondFactor || p.Kind == Vouched && (!a.Protected() || p.External != "")
	if err := a.check(p, age, enough, env); err != nil {
		return err
	}
	return a.signsIn()
}

// Accept takes a risk on, and replaces an earlier acceptance of the control.
func (a Account) Accept(by By, control string, until int64, env Env) (Account, error) {
	if by.Reason == "" {
		return a, fmt.Errorf("%w: a risk is accepted for a reason", ErrInvalid)
	}
	a = a.clone().Create(env)
	a.Accepted = slices.DeleteFunc(a.Accepted, func(x Acceptance) bool { return x.Control == control })
	if len(a.Accepted) >= maxAccepted {
		return a, fmt.Errorf("%w: %d risks are accepted, as many as there may be", ErrPrecondition, maxAccepted)
	}
	a.Accepted = append(a.Accepted, Acceptance{control, by.Operator, by.Reason, env.unix(), until})
	a.note(env, by.riskEvent(event.RiskAccepted, control))
	return a, nil
}

// Withdraw ends the acceptance of a risk.
func (a Account) Withdraw(by By, control string, env Env) Account {
	if !slices.ContainsFunc(a.Accepted, func(x Acceptance) bool { return x.Control == control }) {
		return a
	}
	a = a.clone()
	a.Accepted = slices.DeleteFunc(a.Accepted, func(x Acceptance) bool { return x.Control == control })
	a.note(env, by.riskEvent(event.RiskWithdrawn, control))
	return a
}

func (b By) riskEvent(k event.Kind, control string) Event {
	e := b.event(k)
	e.Name = control
	return e
}

// ReviewActivity notes that the owner has looked at the account's activity up to an entry. What came after
// that one, while they looked, stays to be looked at.
func (a Account) ReviewActivity(p Presented, upTo int64, env Env) (Account, error) {
	if err := a.authorize(p, reviewActivity, env); err != nil {
		return a, err
	}
	if upTo < 1 || upTo > a.Noted {
		return a, fmt.Errorf("%w: the activity has no such entry", ErrInvalid)
	}
	a = a.clone()
	a.LookedAt = max(a.LookedAt, upTo)
	a.note(env, Event{Kind: event.ActivityReviewed})
	return a, nil
}

// Record keeps a level and score if they, or the rules, are others than before. A change of rules is not
// told as one of the account's. It comes in the same save as the change that has moved them, and after its events.
func (a Account) Record(s Snapshot, env Env) Account {
	n := len(a.History)
	rules := n > 0 && a.History[n-1].Model != s.Model
	if n > 0 && !rules && a.History[n-1].Level == s.Level && a.History[n-1].Score == s.Score {
		return a
	}
	told := a.Events
	a = a.clone()
	s.At = env.unix()
	kind := event.PostureChanged
	if rules {
		kind, s.Cause = event.PostureRules, ""
	}
	a.History = append(a.History, s)
	a.History = a.History[max(0, len(a.History)-maxHistory):]
	a.Events = append(slices.Clip(told), Event{Kind: kind, At: s.At, Level: s.Level, Score: s.Score})
	return a
}

// Resists reports whether a proof of a kind, by a method, was by a phishing-resistant authenticator, for what has kept no
// more than those of it.
func Resists(k Kind, method string) bool {
	return k == SecondFactor && (method == Passkey{}.amr() || method == Passkey{Eligible: true}.amr())
}
