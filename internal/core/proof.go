package core

import (
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
)

// Kind says what a proof proves.
type Kind uint8

const (
	_             Kind = iota
	Vouched            // the host vouches for a first factor
	SecondFactor       // a code of an authenticator, or a passkey
	RecoveryCode       // a recovery code
	OperatorCode       // the code that an operator made at a reset
	OperatorsWord      // no proof, and never sealed: an operator's, for a token of a service account
)

// Proof is what a sealed proof says.
type Proof struct {
	Account string `json:"a"`
	Kind    Kind   `json:"k"`
	Method  string `json:"m"` // how, as an RFC 8176 value where there is one
	At      int64  `json:"t"` // when, not when the proof was sealed
	Session []byte `json:"s,omitempty"`
	Epoch   int64  `json:"e"`
	Stamp   int64  `json:"w,omitempty"` // the account's session epoch
	// External is how the host has checked a second factor by its own means, an RFC 8176 value that counts as one. Only
	// gates and guards look at it.
	External string `json:"x,omitempty"`
	// Resistant says that a false page learns nothing of use from how it was given, and User that the authenticator has
	// verified its user.
	Resistant bool `json:"r,omitempty"`
	User      bool `json:"u,omitempty"`
}

// MarshalJSON has the account as base64.
func (p Proof) MarshalJSON() ([]byte, error) {
	type plain Proof
	return withID((*plain)(&p), &p.Account)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (p *Proof) UnmarshalJSON(data []byte) error {
	type plain Proof
	return readWithID(data, (*plain)(p), &p.Account)
}

// Presented is an opened proof with the session it came in.
type Presented struct {
	Proof
	In []byte // the same digest of the session as in Session, nil for none

	Browser, NewBrowser []byte // as in Attempt
}

// action is what a proof is asked for.
type action uint8

const (
	enroll           action = iota
	replace                 // enroll to replace an authenticator
	finishEnrollment        // confirm or cancel
	finishReplacement
	acknowledge
	regenerate
	rename
	remove // an app, or all of two-factor
	removePasskey
	unlockTOTP
	unlockRecovery
	mintToken // or rotate or renew one
	revokeToken
	reviewActivity
)

// age returns how old the proof for an action may be.
func (act action) age() time.Duration {
	switch act {
	case finishEnrollment, finishReplacement, acknowledge, rename, mintToken, revokeToken, reviewActivity:
		return tokenAge
	}
	return factorAge
}

// changesFactors reports whether an action changes what gets somebody in.
func (act action) changesFactors() bool {
	switch act {
	case enroll, replace, finishEnrollment, finishReplacement, regenerate, remove, removePasskey:
		return true
	}
	return false
}

// allowed reports whether a kind of proof is enough for an action. Where there is a passkey, a code of an app changes no
// factors: whoever has phished one would add a passkey of theirs, and keep it. A recovery code is the way round for an
// owner who has lost the passkey: it replaces or removes that.
func (a Account) allowed(p Proof, act action) bool {
	switch p.Kind {
	case SecondFactor:
		guessed := act == unlockTOTP // one who has guessed a code must not go on guessing
		return p.Resistant || !guessed && !(act.changesFactors() && len(a.Passkeys) > 0)
	case Vouched:
		return !a.Protected()
	case RecoveryCode:
		switch act {
		case replace, finishReplacement, removePasskey, acknowledge, regenerate, unlockTOTP, revokeToken:
			return true
		}
	case OperatorCode:
		switch act {
		case enroll, finishEnrollment:
			return a.Reset != nil
		case acknowledge:
			return true
		}
	}
	return false
}

// authorize returns ErrStepUpRequired unless the proof is this account's, of this session, under the
// present epoch, young enough and of a kind that is enough. What it lacks is for the service's
// operators: the answer to the client is the same.
func (a Account) authorize(p Presented, act action, env Env) error {
	if err := a.check(p, act.age(), a.allowed(p.Proof, act), env); err != nil {
		return err
	}
	return a.signsIn()
}

// Permissions is what a proof is enough for.
type Permissions struct{ Enroll, Replace, Factors, Revoke, Tokens bool }

// Permissions returns what a proof is enough for now.
func (a Account) Permissions(p Presented, env Env) Permissions {
	may := func(act action) bool { return a.authorize(p, act, env) == nil }
	return Permissions{
		Enroll: may(enroll), Replace: may(replace) && may(regenerate), Factors: may(remove), Revoke: may(revokeToken), Tokens: may(mintToken),
	}
}

func (a Account) notSuspended() error {
	if a.Suspension != nil {
		return fmt.Errorf("%w: it is suspended", ErrPrecondition)
	}
	return nil
}

func (a Account) check(p Presented, age time.Duration, enough bool, env Env) error {
	switch {
	case a.Absent() || p.Account != a.ID || p.Epoch != a.Epoch || !a.goesOn(p):
		return fmt.Errorf("%w: the proof is of another account or was ended by a change", ErrStepUpRequired)
	case len(p.Session) != 0 && subtle.ConstantTimeCompare(p.Session, p.In) != 1:
		return fmt.Errorf("%w: the proof is of another session", ErrStepUpRequired)
	case !env.within(p.At, age):
		return fmt.Errorf("%w: the proof is not of the last %v", ErrStepUpRequired, age)
	case !enough:
		return fmt.Errorf("%w: this kind of proof is not enough", ErrStepUpRequired)
	}
	return nil
}

// successor returns the proof that stands for p after a change that ended its epoch: of the same
// time, so that changes in a row do not keep an old sign-in alive.
func (a Account) successor(p Presented) Proof {
	next := p.Proof
	next.Epoch, next.Stamp = a.Epoch, a.SessionEpoch
	return next
}

// FirstFactor is what the host says of a first factor that it has checked.
type FirstFactor struct {
	Method string
	At     int64  // when
	Before *int64 // the account's epoch before it was looked at; nil: not known, At alone decides
	// Earlier says that it was checked before the epoch was known, so At has to be looked at as well.
	Earlier  bool
	External string // as in Proof
	// SignIn says that it begins a session, where it may be older than a check inside one: an identity provider's is.
	SignIn bool
	// Replaces says that an External replaces the second step at a sign-in.
	Replaces bool
	// Browser has the digests of a browser that replaces it if it is known; nil: none does.
	Browser []byte
}

// method returns what an event says of a first factor.
func (f FirstFactor) method() event.Method {
	if f.Method == "fed" {
		return event.MethodProvider
	}
	return event.MethodPassword
}

// Vouch returns the proof that the host has checked a first factor, and makes the record where there is none. A denial
// makes none, and may be a change of the account, to be saved.
func (a Account) Vouch(f FirstFactor, session []byte, env Env) (Account, Proof, error) {
	if err := a.signsIn(); err != nil {
		return a, Proof{}, err
	}
	old := f.SignIn && f.At < env.unix()
	if !env.within(f.At, ChallengeLife) && !old {
		return a, Proof{}, fmt.Errorf("%w: the first factor is not of the last %v", ErrStepUpRequired, ChallengeLife)
	}
	a, over := a.over(f, env)
	if over {
		return a, Proof{}, fmt.Errorf("%w: the first factor was checked before the password was changed, or the account reset, suspended or restored", ErrStepUpRequired)
	}
	a = a.Create(env)
	p := Proof{Account: a.ID, Kind: Vouched, Method: f.Method, At: f.At, Session: session, Epoch: a.Epoch, Stamp: a.SessionEpoch, External: f.External}
	if !env.within(f.At, ProofLife) {
		p.Kind, p.External = 0, "" // it begins a session and proves nothing
	}
	if f.SignIn && a.SignedInBy(p, f.Replaces, f.Browser, env) {
		a = a.clone()
		a.note(env, Event{Kind: event.FirstFactorSignIn, Method: f.method()})
	}
	return a, p, nil
}

// SignedInBy reports whether the proof of a first factor is enough to be signed in by. replaces says that the host's own
// second factor is as good as the account's, and browser has the digests of one that replaces it where it is known, nil for
// none. To a proof that is too old to prove anything, as of a check by an identity provider long ago, no browser adds
// what it lacks. After an operator's reset only the operator's code leads on.
func (a Account) SignedInBy(p Proof, replaces bool, browser []byte, env Env) bool {
	return !a.Protected() || a.Reset == nil && (replaces && p.External != "" || p.Kind == Vouched && a.Knows(browser, env))
}

// over reports whether a first factor proves nothing any more. Where the epoch is known under which it was
// looked at, no clock is asked. Otherwise the order of two moments in one second is not known, so that denies.
//
// A moment that no right clock can have set leaves one denial, which puts it right: otherwise a clock that
// had jumped ahead would deny for as long as it had jumped.
func (a Account) over(f FirstFactor, env Env) (Account, bool) {
	if f.Before != nil && (!f.Earlier || !a.Unchanged(*f.Before)) {
		return a, !a.Unchanged(*f.Before)
	}
	if next, settled := a.settleSince(env); settled {
		return next, true
	}
	return a, a.Since != 0 && f.At <= a.Since
}

// settleSince puts right a Since that no right clock can have set, and reports whether it was one.
func (a Account) settleSince(env Env) (Account, bool) {
	if a.Since <= env.latest(0) {
		return a, false
	}
	a = a.clone()
	a.Since = env.unix()
	return a, true
}

// Unchanged reports whether an account whose epoch was before has the same one. One that had no record, and has
// one in which nothing was ended yet, counts as unchanged: a first sign-in at the same time has made it.
func (a Account) Unchanged(before int64) bool {
	return a.Epoch == before || before == 0 && a.Since == 0
}
