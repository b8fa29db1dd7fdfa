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
	// Passkey says that it is one of a passkey. Of its Authenticator there are then ID, Created, the Name if the owner has
	// chosen one, and as Key the name of the one that Kept is sealed under.
	Passkey bool
}

// method returns what events of the enrollment have as their method.
func (p *Pending) method() event.Method {
	if p.Passkey {
		return event.MethodPasskey
	}
	return ""
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
	return a.canBegin(p, instead, len(a.Authenticators), MaxAuthenticators, a.find(instead) >= 0, env)
}

// canBegin is CanBegin where there are have of at most most of the kind, and alike says that another one of the kind
// makes room.
func (a Account) canBegin(p Presented, instead string, have, most int, alike bool, env Env) error {
	act := enroll
	if instead != "" {
		act = replace
	}
	if err := a.authorize(p, act, env); err != nil {
		return err
	}
	if name, _ := a.nameOf(instead); instead != "" && name == nil {
		return fmt.Errorf("%w: no such authenticator to replace", ErrNotFound)
	}
	if !alike && have >= most {
		return fmt.Errorf("%w: %d of the kind are the most", ErrPrecondition, most)
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
	return a.begin(pending, env), nil
}

// begin stages what has been checked.
func (a Account) begin(pending Pending, env Env) Account {
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
	a.note(env, Event{Kind: event.EnrollmentBegun, Method: pending.method(), Auth: pending.Authenticator.ID, Name: pending.Authenticator.Name})
	return a
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
	pending, err := a.canFinish(p, id, false, env)
	if err != nil {
		return Authenticator{}, err
	}
	return pending.Authenticator, nil
}

// canFinish returns the pending enrollment of an ID if it is of the kind and a proof may finish it.
func (a Account) canFinish(p Presented, id string, passkey bool, env Env) (*Pending, error) {
	pending, err := a.mayFinish(p, id, env)
	if err == nil && pending.Passkey != passkey {
		return nil, fmt.Errorf("%w: no such enrollment is pending of this kind", ErrNotFound)
	}
	return pending, err
}

// mayFinish is canFinish for either kind.
func (a Account) mayFinish(p Presented, id string, env Env) (*Pending, error) {
	if err := a.authorize(p, a.finish(), env); err != nil {
		return nil, err
	}
	return a.pending(id, env)
}

// CanShow returns the pending enrollment, of an app or of a passkey, if the session that the proof came in may see again what it has shown: the
// session that began it, with a proof that may finish it. ErrNotFound says that another one began it, or that it has
// ended.
func (a Account) CanShow(p Presented, id string, passkey bool, env Env) (Pending, error) {
	if _, err := a.canFinish(p, id, passkey, env); err != nil {
		return Pending{}, err
	}
	kept := a.Pending.Kept
	if kept == nil || subtle.ConstantTimeCompare([]byte(kept.Session), p.In) != 1 {
		return Pending{}, fmt.Errorf("%w: the enrollment is not shown to this session", ErrNotFound)
	}
	return *a.Pending, nil
}

// WithoutExpired returns the account without what an enrollment that has expired has kept, and without browsers whose
// ninety days are over: their addresses are nobody's business any more. By a clock that runs ahead either is gone for good.
func (a Account) WithoutExpired(env Env) Account {
	if p := a.Pending; p != nil && p.Kept != nil && a.PendingNow(env) == nil {
		gone := *p
		gone.forget()
		a.Pending = &gone
	}
	if slices.ContainsFunc(a.Browsers, func(b Browser) bool { return b.over(env) }) {
		a.Browsers = slices.Clone(a.Browsers)
		a.forgetBrowsers(func(b Browser) bool { return b.over(env) })
	}
	return a
}

// forget drops what the enrollment has kept.
func (p *Pending) forget() {
	p.Kept = nil
	if p.Passkey {
		p.Authenticator.Key = ""
	}
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
	counter, err := key.Match(code, env.Now, env.Window, auth.counter(auth.reach(env)))
	switch {
	case wrongCode(err):
		a = a.clone()
		a.failPending(env)
		return a, Proof{}, ErrDenied
	case err != nil:
		return a, Proof{}, err
	}
	auth.take(counter, 1)
	auth.LastUsed = env.unix()
	instead := a.Pending.Replace
	next, proof := a.enroll(p, Event{Auth: auth.ID, Name: auth.Name}, env, func(a *Account) {
		if i := a.find(instead); i >= 0 {
			a.note(env, Event{Kind: event.AuthenticatorRemoved, Auth: a.Authenticators[i].ID, Name: a.Authenticators[i].Name})
			a.Authenticators[i] = auth
			return
		}
		a.drop(instead, env)
		a.Authenticators = append(a.Authenticators, auth)
	})
	return next, proof, nil
}

// enroll ends the pending enrollment with what put makes active. e names that in events.
func (a Account) enroll(p Presented, e Event, env Env, put func(a *Account)) (Account, Proof) {
	a = a.clone()
	pending := a.Pending
	a.Pending = nil
	if pending.Replace != "" || a.Factors() == 0 { // another one is none that the rest have to sign in anew for
		a.endOthers(p.In, p.Browser, env)
	}
	if a.Factors() == 0 && p.Kind == Vouched {
		a.meet(p.NewBrowser, env) // the owner has just shown both factors, and need not be told of it
	}
	e.Kind = event.EnrollmentConfirmed
	a.note(env, e)
	put(&a)
	e.Kind = event.AuthenticatorAdded
	a.note(env, e)
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
	return a, proof
}

// Cancel ends a pending enrollment.
func (a Account) Cancel(p Presented, id string, env Env) (Account, error) {
	if _, err := a.mayFinish(p, id, env); err != nil {
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
