package core

import (
	"errors"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// How a proof was given, as RFC 8176 §2 names it where it does.
const (
	amrTOTP         = "otp"
	amrRecoveryCode = "recovery"
	amrOperatorCode = "operator"
)

// Challenge is what a sealed challenge says: that the host had checked the account's first factor,
// when, and on which state of the account.
type Challenge struct {
	Account string `json:"a"`
	Epoch   int64  `json:"e"`
	SignIns int64  `json:"n"`
	At      int64  `json:"t"`
}

// MarshalJSON has the account as base64.
func (c Challenge) MarshalJSON() ([]byte, error) {
	type plain Challenge
	return withID((*plain)(&c), &c.Account)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (c *Challenge) UnmarshalJSON(data []byte) error {
	type plain Challenge
	return readWithID(data, (*plain)(c), &c.Account)
}

// Challenge returns the challenge for a sign-in that begins now.
func (a Account) Challenge(env Env) Challenge {
	return Challenge{Account: a.ID, Epoch: a.Epoch, SignIns: a.SignIns, At: env.unix()}
}

// Attempt is one presented code with what the caller found out about it.
type Attempt struct {
	Method    event.Method
	Challenge *Challenge // nil for a step-up inside a session
	Session   []byte     // for the proof
	// Browser has the digests of what the browser keeps that it comes from, one after the other; nil: it keeps nothing.
	// NewBrowser is that of a new secret, by which the account knows the browser from now on where it signs in and is not
	// known; nil: none becomes known.
	Browser, NewBrowser []byte

	Code string              // of TOTP
	Keys map[string]totp.Key // by ID, of every authenticator

	Selector byte          // of a recovery or operator code; 0: the text is neither
	Tried    map[Hash]bool // by stored hash, whether the code matched it; what is not in it was not tried
	Tag      string        // of a recovery or operator code, under the key of the account's tags; empty: not known
}

// Reason says why an attempt was denied. It never leaves the service's own side. Zero: no reason
// was found to accept it.
type Reason uint8

const (
	Unknown Reason = iota
	Accepted
	Unprotected // the account has no second factor
	Stale       // the challenge is foreign, old or ended
	LockedOut
	Suspended
	Malformed // nothing that the account has could be answered with it
	Wrong
	Replayed   // the right code of a step that is used up
	Used       // a recovery code that is used up, or changed while it was tried; a passkey that was exchanged
	Suspect    // a passkey whose counter went back, or whose flags are not those that it was registered with
	Unverified // a passkey that has not verified its user, where it is all there is
)

var reasonNames = [...]string{
	"", "", "unprotected", "stale_challenge", "locked", "suspended", "malformed", "wrong", "replayed", "used", "suspect", "unverified",
}

// String returns why, "" for none.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Outcome is what became of an attempt. Only Reason Accepted lets anybody in.
type Outcome struct {
	Reason          Reason
	RetryAt         time.Time // when the method can be tried again; zero: now, or with Disabled not by waiting
	Disabled        bool
	AuthenticatorID string
	CodesLeft       int
	Proof           Proof
	NewBrowser      bool // the browser has become known
}

// Refused returns whether an attempt is denied whatever its code is, and why. It is asked before
// anything is spent on a code, and again by Answer.
func (a Account) Refused(t Attempt, env Env) (Outcome, bool) {
	switch {
	case !a.Protected():
		return Outcome{Reason: Unprotected}, true
	case a.Suspension != nil:
		return Outcome{Reason: Suspended}, true
	case t.Challenge != nil && !a.current(*t.Challenge, env):
		return Outcome{Reason: Stale}, true
	}
	if until, locked := a.lock(t, env); locked {
		return Outcome{Reason: LockedOut, RetryAt: until, Disabled: until.IsZero()}, true
	}
	if !a.answerable(t) {
		return Outcome{Reason: Malformed}, true
	}
	if a.unkept(t, env) {
		return Outcome{Reason: Wrong}, true
	}
	return Outcome{}, false
}

// Stands reports whether a sign-in that a challenge represents can go on.
func (a Account) Stands(c Challenge, env Env) bool {
	return a.Suspension == nil && a.Protected() && a.current(c, env)
}

func (a Account) current(c Challenge, env Env) bool {
	return c.Account == a.ID && c.Epoch == a.Epoch && c.SignIns == a.SignIns && env.within(c.At, ChallengeLife)
}

func (a Account) lock(t Attempt, env Env) (time.Time, bool) {
	if t.Method == event.MethodTOTP {
		return a.totpLock(t.Browser, env)
	}
	return a.RecoveryThrottle.lock(env)
}

// answerable reports whether the account has anything that the code of an attempt could be. If not,
// it is no guess and is not counted: during a reset, for one, nobody can lock codes that the owner has
// yet to enroll.
func (a Account) answerable(t Attempt) bool {
	switch t.Method {
	case event.MethodTOTP:
		return len(a.Authenticators) > 0 || len(a.foreignSlots(t)) > 0
	case event.MethodOperatorCode:
		return a.Reset != nil && t.Selector != 0
	}
	return t.Selector != 0 || len(a.foreignSlots(t)) > 0
}

// foreignCodes reports whether the recovery codes that an attempt is compared with are another system's.
func (a Account) foreignCodes(t Attempt) bool {
	return t.Method != event.MethodOperatorCode && a.Recovery != nil && a.Recovery.Imported
}

// foreignSlots returns the places of another system's codes that an attempt is compared with, used ones as well. Codes
// of eight digits are compared with what may be a TOTP code, and the others with everything else.
func (a Account) foreignSlots(t Attempt) (slots []*Slot) {
	if !a.foreignCodes(t) || t.Method == event.MethodTOTP && len(t.Code) != eightDigits {
		return nil
	}
	for i, slot := range a.Recovery.Slots {
		if (slot.Digits == eightDigits) == (t.Method == event.MethodTOTP) {
			slots = append(slots, &a.Recovery.Slots[i])
		}
	}
	return slots
}

// slots returns where the code of an attempt may stand: at most one place, except for an imported set.
func (a Account) slots(t Attempt, env Env) []*Slot {
	switch {
	case t.Method == event.MethodOperatorCode:
		if r := a.Reset; r != nil && r.Code.Selector == string(t.Selector) && r.open(env) {
			return []*Slot{&r.Code}
		}
	case a.foreignCodes(t):
		return a.foreignSlots(t)
	case t.Method == event.MethodRecoveryCode && a.Recovery != nil:
		for i, slot := range a.Recovery.Slots {
			if slot.Selector == string(t.Selector) {
				return []*Slot{&a.Recovery.Slots[i]}
			}
		}
	}
	return nil
}

// Untried returns the hashes that the code of an attempt has not been compared with yet, and whether
// they are another system's. Of our own codes it is one at most, and none once one was tried,
// whatever has become of the set since.
func (a Account) Untried(t Attempt, env Env) (hashes []Hash, imported bool) {
	imported = a.foreignCodes(t)
	if !imported && len(t.Tried) > 0 {
		return nil, false
	}
	for _, matched := range t.Tried {
		if matched { // and Answer says whether its place is still the same
			return nil, imported
		}
	}
	for _, slot := range a.slots(t, env) {
		if _, tried := t.Tried[slot.Hash]; slot.Hash != "" && !tried && !slot.another(t) {
			hashes = append(hashes, slot.Hash)
		}
	}
	return hashes, imported
}

// Answer takes an attempt. A denial for a code that was looked at is a change of the account, to be
// saved before it is told. The error is nil whether the attempt is accepted or denied, and non-nil
// only where that could not be found out.
func (a Account) Answer(t Attempt, env Env) (Account, Outcome, error) {
	if out, refused := a.Refused(t, env); refused {
		return a.refuse(t.Method, out, env), out, nil
	}
	next, out, err := a.clone(), Outcome{}, error(nil)
	if t.Method == event.MethodTOTP {
		out, err = next.answerTOTP(t, env)
		if err == nil && out.Reason == Wrong {
			out = next.answerCode(t, env)
		}
	} else {
		out = next.answerCode(t, env)
	}
	if err != nil {
		return a, Outcome{}, err
	}
	if out.Reason != Accepted {
		next.denied(t, out.Reason, env)
		out.RetryAt, out.Disabled = next.retry(t, env)
		return next, out, nil
	}
	if t.Challenge != nil {
		next.SignIns++
	}
	out.NewBrowser = next.completed(t, out.Proof.Kind, env)
	out.CodesLeft = next.Recovery.Left()
	out.Proof.Account, out.Proof.At, out.Proof.Session = next.ID, env.unix(), t.Session
	out.Proof.Epoch, out.Proof.Stamp = next.Epoch, next.SessionEpoch
	return next, out, nil
}

// completed notes in which browser a second step was completed, and ends the failures in a row that a right TOTP code
// ends. By an operator's code no browser becomes known: it signs nobody in.
func (a *Account) completed(t Attempt, by Kind, env Env) (met bool) {
	s, _ := a.streak(t.Browser, env) // before the browser is known
	together := !a.knowsAny(env)
	if by != OperatorCode {
		met = a.seen(t.Browser, t.NewBrowser, t.Challenge != nil, env)
	}
	if by == SecondFactor {
		s.clear()
		if met || a.Knows(t.Browser, env) { // others may go on guessing: theirs stay
			a.TOTPThrottle.Known.clear()
		}
		if together { // strangers had both shares
			a.TOTPThrottle.clear()
		}
	}
	return met
}

// refuse tells of a denial that changes nothing: no code was looked at.
func (a Account) refuse(m event.Method, out Outcome, env Env) Account {
	e := Event{Kind: event.CodeDenied, At: env.unix(), Method: m, Why: out.Reason}
	switch out.Reason {
	case LockedOut:
		e.Kind, e.RetryAt = event.ThrottledBurst, unixOf(out.RetryAt)
	case Wrong:
		return a.burst(m, Wrong, env)
	}
	a.Events = []Event{e}
	return a
}

// burst tells of one of many misses, which are not kept.
func (a Account) burst(m event.Method, why Reason, env Env) Account {
	until, _ := a.Misses.lock(env)
	a.Events = []Event{{Kind: event.ThrottledBurst, At: env.unix(), Method: m, Why: why, RetryAt: unixOf(until)}}
	return a
}

// denied counts a code that was looked at.
func (a *Account) denied(t Attempt, why Reason, env Env) {
	a.note(env, Event{Kind: event.CodeDenied, Method: t.Method, Why: why})
	switch {
	case t.Method == event.MethodTOTP:
		a.totpFailed(t.Browser, env)
	case a.missed(t, env):
		a.Misses.take(env)
	default:
		a.recoveryFailed(env)
	}
	a.countMonth(env)
}

func (a Account) retry(t Attempt, env Env) (at time.Time, disabled bool) {
	at, locked := a.lock(t, env)
	return at, locked && at.IsZero()
}

// answerTOTP tries the code on every authenticator, also after one has matched, so that the time it
// takes does not say which.
func (a *Account) answerTOTP(t Attempt, env Env) (Outcome, error) {
	out, matched, counter := Outcome{Reason: Wrong}, -1, totp.Counter{}
	for i, auth := range a.Authenticators {
		// An authenticator without a key has the zero Key, which is an error and not a denial.
		c, err := t.Keys[auth.ID].Match(t.Code, env.Now, env.Window, auth.counter(auth.reach(env)))
		switch {
		case err == nil:
			if matched < 0 {
				matched, counter = i, c
			}
		case errors.Is(err, totp.ErrReplayed):
			out.Reason = Replayed
		case !wrongCode(err):
			return Outcome{}, err
		}
	}
	if matched < 0 {
		return out, nil
	}
	auth := &a.Authenticators[matched]
	auth.take(counter, 1)
	auth.LastUsed = env.unix()
	a.note(env, Event{Kind: event.CodeAccepted, Method: event.MethodTOTP, Auth: auth.ID, SignIn: t.Challenge != nil})
	return Outcome{
		Reason:          Accepted,
		AuthenticatorID: auth.ID,
		Proof:           Proof{Kind: SecondFactor, Method: amrTOTP},
	}, nil
}

func wrongCode(err error) bool {
	return errors.Is(err, totp.ErrNoMatch) || errors.Is(err, totp.ErrReplayed)
}

// answerCode burns a recovery or operator code if it matched the very hash that is still in its
// slot. If the slot has changed since, there is no second run but a denial that counts.
func (a *Account) answerCode(t Attempt, env Env) Outcome {
	reason := Wrong
	for _, slot := range a.slots(t, env) {
		matched, tried := t.Tried[slot.Hash]
		switch {
		case slot.another(t):
		case slot.Hash == "" || !tried:
			reason = Used
		case matched:
			return a.burn(slot, t, env)
		}
	}
	return Outcome{Reason: reason}
}

func (a *Account) burn(slot *Slot, t Attempt, env Env) Outcome {
	m, signIn := t.Method, t.Challenge != nil && t.Method != event.MethodOperatorCode
	slot.end(max(env.unix(), 1)) // 0 would be unused
	if m == event.MethodTOTP {
		// A code of eight digits, which is counted with TOTP codes. It resets no count: that of recovery codes is not
		// its own, and that of TOTP is reset by a TOTP code alone.
		m = event.MethodRecoveryCode
	} else {
		a.RecoveryThrottle = Bucket{}
	}
	a.note(env, Event{Kind: event.CodeAccepted, Method: m, SignIn: signIn})
	if m == event.MethodOperatorCode {
		a.note(env, Event{Kind: event.OperatorCodeUsed, Operator: a.Reset.Operator})
		return Outcome{Reason: Accepted, Proof: Proof{Kind: OperatorCode, Method: amrOperatorCode}}
	}
	left := a.Recovery.Left()
	a.note(env, Event{Kind: event.RecoveryCodeUsed, Left: left, SignIn: signIn})
	if left < fewCodes {
		a.note(env, Event{Kind: event.RecoveryCodesLow, Left: left})
	}
	return Outcome{Reason: Accepted, Proof: Proof{Kind: RecoveryCode, Method: amrRecoveryCode}}
}

// unixOf is the inverse of Time.
func unixOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Resync sets the base offset of one authenticator from two codes in a row, inside a challenge. A
// wrong try is a failed code; a right one proves nothing and resets no count.
func (a Account) Resync(t Attempt, auth, second string, env Env) (Account, Outcome, error) {
	i := a.find(auth)
	out, refused := a.Refused(t, env)
	if i < 0 && !refused {
		out, refused = Outcome{Reason: Stale}, true
	}
	if refused {
		return a.refuse(t.Method, out, env), out, nil
	}
	a = a.clone()
	found := &a.Authenticators[i]
	counter, err := t.Keys[found.ID].Resync(t.Code, second, env.Now, found.counter(totp.Step(env.Now)+resyncReach))
	switch {
	case wrongCode(err):
		a.denied(t, Wrong, env)
		out = Outcome{Reason: Wrong}
		out.RetryAt, out.Disabled = a.retry(t, env)
		return a, out, nil
	case err != nil:
		return a, Outcome{}, err
	}
	_, before := a.limits(env.Window)
	found.take(counter, 2)
	// Another base is another number of targets, and so another measure for the failures that there are.
	_, after := a.limits(env.Window)
	for _, s := range []*Streak{&a.TOTPThrottle.Streak, &a.TOTPThrottle.Known} {
		s.Failures = s.Failures * after / before
	}
	a.note(env, Event{Kind: event.AuthenticatorResynced, Auth: found.ID, Name: found.Name})
	return a, Outcome{Reason: Accepted}, nil
}
