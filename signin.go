package gatehouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// SignIn is a sign-in, or a check of the password inside a session, that has begun before the host looks at the
// first factor. A new password, a reset, a suspension or a restore in between ends it, without a look at any clock. It is
// for one check: do not keep it. Make it with [Service.Before]; the zero SignIn lets nobody in.
type SignIn struct {
	s       *Service
	account string
	began   time.Time
	epoch   int64 // of the account, when it began
	expects bool
}

// Before returns the beginning of a sign-in to an account. Call it before you look at the password, then check
// the password, and go on with [SignIn.Challenge], or with [SignIn.Vouch] inside a session. An account without a
// record is no error; ErrInvalid says that the ID is none, and every other error is a fault.
func (s *Service) Before(ctx context.Context, account string) (_ SignIn, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.Before").End(&err)
	a, err := s.e.Load(ctx, account)
	if err != nil {
		return SignIn{}, err
	}
	return SignIn{s: s, account: account, began: s.e.Now(), epoch: a.Epoch}, nil
}

// ExpectSecondFactor is for hosts that guard against a lost store; most do without it. It returns the
// SignIn of an account that has a second factor as the host knows by itself: from a flag in its own row of the user,
// which it sets once an enrollment is confirmed and after each Answer, and clears before two-factor is turned off. If the store knows of no second factor, for example after a restore from before the
// enrollment or on an empty database, Challenge and Vouch then return a *MissingError: the password is not enough.
func (t SignIn) ExpectSecondFactor() SignIn {
	t.expects = true
	return t
}

// MissingError says that the host expects a second factor of an account and the store knows of none. It is a fault
// that lets nobody in. Either the store has lost the account's record, or the host did not notice that its owner
// has turned two-factor off: support has to find out which.
type MissingError struct{ AccountID string }

func (e *MissingError) Error() string {
	return "gatehouse: a second factor is expected of the account, and none is stored"
}

// missing returns a *MissingError, and the events to tell, if a second factor is expected and there is none.
func (t SignIn) missing(a core.Account, env core.Env) ([]core.Event, error) {
	if !t.expects || a.Protected() {
		return nil, nil
	}
	return []core.Event{{Kind: event.SecondFactorMissing, At: env.Now.Unix()}}, &MissingError{AccountID: t.account}
}

// Challenge says whether the account needs a second step, once the first factor was right. An error is never "not
// needed"; what it says of locks is of browsers that are not known. ErrDenied says that the account is suspended or a service account, or that a new password, a reset or
// the like has come since Before: begin again, with the password.
func (t SignIn) Challenge(ctx context.Context) (_ Challenge, err error) {
	if t.s == nil {
		return Challenge{}, &DeniedError{}
	}
	defer t.s.e.Begin(&ctx, "gatehouse.SignIn.Challenge").End(&err)
	a, err := t.s.e.Load(ctx, t.account)
	if err != nil {
		return Challenge{}, err
	}
	env := t.s.e.Env()
	switch {
	case a.Closed():
		return Challenge{}, &DeniedError{Disabled: true}
	case !a.Unchanged(t.epoch):
		return Challenge{}, &DeniedError{}
	}
	if events, err := t.missing(a, env); err != nil {
		t.s.e.Tell(ctx, t.account, events...)
		return Challenge{}, err
	}
	if !a.Protected() {
		return Challenge{AccountID: a.ID, Step: StepNotNeeded}, nil
	}
	token, err := t.s.e.SealChallenge(ctx, a)
	if err != nil {
		return Challenge{}, err
	}
	return challenge(a, token, nil, env), nil
}

// Vouch returns a proof for the first factor that the host itself has just checked, after Before. It is enough only for
// an account without a second factor, and that is asked when the proof is used. in is the session that it is tied to;
// its Account is this one, otherwise ErrInvalid. Never vouch for a session that merely exists: a thief of the session
// could then pair their own authenticator.
//
// ErrStepUpRequired says that a new password, a reset or the like has come since Before, or that the check is over 5
// minutes old: check the password again. ErrPrecondition says that the account is suspended or a
// service account.
//
// A first factor that is older than Before, such as one at an identity provider (its auth_time), also goes by the
// server's clock: it is over if it is from before the last new password, reset, suspension or restore, or from the same
// second.
func (t SignIn) Vouch(ctx context.Context, in Session, f FirstFactor) (Proof, error) {
	p, _, err := t.vouch(ctx, in, f, core.FirstFactor{})
	return p, err
}

// vouch is Vouch. checked has what a sign-in says in addition. It returns the account as of the proof as well.
func (t SignIn) vouch(ctx context.Context, in Session, f FirstFactor, checked core.FirstFactor) (_ Proof, _ core.Account, err error) {
	if t.s == nil {
		return Proof{}, core.Account{}, ErrStepUpRequired
	}
	defer t.s.e.Begin(&ctx, "gatehouse.SignIn.Vouch").End(&err)
	if !validMethod(f.Method) {
		return Proof{}, core.Account{}, errInvalidMethod
	}
	if f.Method == "fed" && f.At.IsZero() {
		return Proof{}, core.Account{}, fmt.Errorf("%w: an identity provider's check has a moment, its auth_time: set At", ErrInvalid)
	}
	if in.Account != t.account {
		return Proof{}, core.Account{}, fmt.Errorf("%w: the session is not the account's", ErrInvalid)
	}
	external := t.s.external(f)
	if f.At.IsZero() {
		f.At = t.began
	}
	checked.Method, checked.At, checked.External = f.Method, f.At.Unix(), external
	checked.Before, checked.Earlier = &t.epoch, f.At.Before(t.began)
	var claim core.Proof
	var saved core.Account
	err = t.s.e.Change(ctx, t.account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		if events, err := t.missing(a, env); err != nil {
			a.Events = events
			return a, err
		}
		next, p, err := a.Vouch(checked, engine.Digest(in.Secret), env)
		claim, saved = p, next
		return next, err
	}})
	if err != nil {
		return Proof{}, core.Account{}, err
	}
	p, err := t.s.sealProof(ctx, claim)
	return p, saved, err
}

// external returns the first second factor of the host's own that counts as one, empty for none.
func (s *Service) external(f FirstFactor) string {
	for _, method := range f.External {
		if !f.At.IsZero() && slices.Contains(s.externals, method) {
			return method
		}
	}
	return ""
}
