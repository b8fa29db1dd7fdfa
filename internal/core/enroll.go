package core

import (
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Pending is an enrollment that is not confirmed. It changes nothing that is active.
type Pending struct {
	Authenticator Authenticator
	Replace       string       // the authenticator whose place it takes
	Recovery      *RecoverySet // becomes the account's when confirmed
	Expires       int64
	Tries         int   // wrong codes
	Kept          *Kept // nil: it cannot be shown again
}

// Kept is what a pending enrollment has shown once, for the session that began it to see again. It goes with the
// enrollment, is left out of every save after the enrollment has expired, and moves to no other key: see Reseal.
type Kept struct {
	Session string // digest of that session
	Sealed  []byte
}

// CanBegin returns nil if an enrollment may begin, to replace another authenticator if instead
// names one. It is asked before secrets and codes are made, and again by Begin.
func (a Account) CanBegin(p Presented, instead string, env Env) error {
	act := enroll
	if instead != "" {
		act = replace
	}
	if err := a.authorize(p, act, env); err != nil {
		return err
	}
	switch {
	case instead != "" && a.find(instead) < 0:
		return fmt.Errorf("%w: no such authenticator to replace", ErrNotFound)
	case instead == "" && len(a.Authenticators) >= MaxAuthenticators:
		return fmt.Errorf("%w: %d authenticators are the most", ErrPrecondition, MaxAuthenticators)
	}
	return nil
}

// NeedsCodes reports whether an enrollment brings recovery codes: only where there is no set yet, as
// a set is never replaced silently.
func (a Account) NeedsCodes() bool { return a.Recovery == nil }

// Begin stages an enrollment and ends the one that was pending.
func (a Account) Begin(p Presented, pending Pending, env Env) (Account, error) {
	if err := a.CanBegin(p, pending.Replace, env); err != nil {
		return a, err
	}
	if pending.Authenticator.Digits == eightDigits && a.Recovery.eightDigits() > 0 {
		return a, fmt.Errorf("%w: the recovery codes are of eight digits as well: make new ones first", ErrPrecondition)
	}
	if !a.NeedsCodes() {
		pending.Recovery = nil // a set became active meanwhile
	}
	pending.Authenticator.Created = env.unix()
	pending.Expires = env.unix() + pendingLife
	if pending.Recovery != nil {
		pending.Recovery = pending.Recovery.clone()
		pending.Recovery.Created = env.unix()
	}
	a = a.clone()
	a.abandon(env)
	a.Pending = &pending
	a.note(env, Event{Kind: event.EnrollmentBegun, Auth: pending.Authenticator.ID, Name: pending.Authenticator.Name})
	return a, nil
}

// pending returns the enrollment of an ID, if it has not expired.
func (a Account) pending(id string, env Env) (*Pending, error) {
	if p := a.PendingNow(env); p != nil && p.Authenticator.ID == id {
		return p, nil
	}
	return nil, fmt.Errorf("%w: no such enrollment is pending", ErrNotFound)
}

// CanConfirm returns the pending authenticator if a code for it may be tried.
func (a Account) CanConfirm(p Presented, id string, env Env) (Authenticator, error) {
	if err := a.authorize(p, a.finish(), env); err != nil {
		return Authenticator{}, err
	}
	pending, err := a.pending(id, env)
	if err != nil {
		return Authenticator{}, err
	}
	return pending.Authenticator, nil
}

// CanShow returns the pending enrollment if the session that the proof came in may see again what it has shown: the
// session that began it, with a proof that may finish it. ErrNotFound says that another one began it, or that it has
// ended.
func (a Account) CanShow(p Presented, id string, env Env) (Pending, error) {
	if _, err := a.CanConfirm(p, id, env); err != nil {
		return Pending{}, err
	}
	kept := a.Pending.Kept
	if kept == nil || subtle.ConstantTimeCompare([]byte(kept.Session), p.In) != 1 {
		return Pending{}, fmt.Errorf("%w: the enrollment is not shown to this session", ErrNotFound)
	}
	return *a.Pending, nil
}

// WithoutExpired returns the account without what an enrollment that has expired has kept.
func (a Account) WithoutExpired(env Env) Account {
	if p := a.Pending; p != nil && p.Kept != nil && a.PendingNow(env) == nil {
		gone := *p
		gone.Kept = nil
		a.Pending = &gone
	}
	return a
}

func (a Account) finish() action {
	if a.Pending != nil && a.Pending.Replace != "" {
		return finishReplacement
	}
	return finishEnrollment
}

// Confirm makes a pending authenticator active if code is one of key, which the caller opened from
// the pending authenticator's sealed secret. The code is used up for signing in as well. A wrong one
// is ErrDenied with a changed account; the tenth ends the enrollment.
func (a Account) Confirm(p Presented, id, code string, key totp.Key, env Env) (Account, Proof, error) {
	auth, err := a.CanConfirm(p, id, env)
	if err != nil {
		return a, Proof{}, err
	}
	if !totp.IsCode(code) {
		return a, Proof{}, ErrDenied
	}
	a = a.clone()
	counter, err := key.Match(code, env.Now, env.Window, auth.counter(auth.reach(env)))
	switch {
	case wrongCode(err):
		if a.Pending.Tries++; a.Pending.Tries >= pendingTries {
			a.abandon(env)
		}
		return a, Proof{}, ErrDenied
	case err != nil:
		return a, Proof{}, err
	}

	pending := a.Pending
	a.Pending = nil
	if pending.Replace != "" || len(a.Authenticators) == 0 { // another one is none that the rest have to sign in anew for
		a.endSessions(p.In, env)
	}
	a.note(env, Event{Kind: event.EnrollmentConfirmed, Auth: auth.ID, Name: auth.Name})
	auth.take(counter, 1)
	auth.LastUsed = env.unix()
	if i := a.find(pending.Replace); i >= 0 {
		a.note(env, Event{Kind: event.AuthenticatorRemoved, Auth: a.Authenticators[i].ID, Name: a.Authenticators[i].Name})
		a.Authenticators[i] = auth
	} else {
		a.Authenticators = append(a.Authenticators, auth)
	}
	a.note(env, Event{Kind: event.AuthenticatorAdded, Auth: auth.ID, Name: auth.Name})
	if pending.Recovery != nil {
		a.Recovery = pending.Recovery
	}
	a.Reset = nil
	a.endImport()
	a.endEpoch(env)
	proof := a.successor(p)
	if proof.Kind == Vouched {
		// The owner has just shown both factors. A recovery code's proof stays what it is.
		proof.Kind, proof.Method = SecondFactor, amrTOTP
	}
	return a, proof, nil
}

// Cancel ends a pending enrollment.
func (a Account) Cancel(p Presented, id string, env Env) (Account, error) {
	if _, err := a.CanConfirm(p, id, env); err != nil {
		return a, err
	}
	a = a.clone()
	a.abandon(env)
	return a, nil
}

// Acknowledge notes that the owner has saved the codes of a set, pending or active. The set is named,
// so that a page that still shows an older set cannot acknowledge a newer one.
func (a Account) Acknowledge(p Presented, set string, env Env) (Account, error) {
	if err := a.authorize(p, acknowledge, env); err != nil {
		return a, err
	}
	a = a.clone()
	for _, s := range a.sets(env) {
		if s.ID == set {
			if s.Acknowledged == 0 {
				s.Acknowledged = env.unix()
				a.note(env, Event{Kind: event.RecoveryCodesAcknowledged})
			}
			return a, nil
		}
	}
	return a, fmt.Errorf("%w: no such recovery codes", ErrNotFound)
}

func (a Account) sets(env Env) (sets []*RecoverySet) {
	if p := a.PendingNow(env); p != nil && p.Recovery != nil {
		sets = append(sets, p.Recovery)
	}
	if a.Recovery != nil {
		sets = append(sets, a.Recovery)
	}
	return sets
}

// find returns the index of an authenticator, or -1.
func (a Account) find(id string) int {
	return slices.IndexFunc(a.Authenticators, func(auth Authenticator) bool { return auth.ID == id })
}
