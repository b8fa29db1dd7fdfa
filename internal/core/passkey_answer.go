package core

import (
	"bytes"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
)

// PasskeyFinding is what was found out about an assertion, as far as no account is needed for it. PasskeyRefused looks at
// Challenge and Credential alone.
type PasskeyFinding struct {
	Challenge  PasskeyChallenge // opened from what the browser has signed
	Credential []byte
	PublicKey  []byte // the one that it was verified with
	Good       bool   // signature, origin, RP ID, type and user presence are right

	UserVerified bool
	Eligible     bool
	BackedUp     bool
	Count        uint32
}

// PasskeyAttempt is an assertion that was presented.
type PasskeyAttempt struct {
	Purpose   PasskeyPurpose
	Challenge *Challenge // of the sign-in, for PasskeyAnswer alone
	Session   []byte     // digest of the session that it came in

	Browser, NewBrowser []byte // as in Attempt
	Finding             PasskeyFinding
}

// signsIn reports whether it completes a sign-in.
func (t PasskeyAttempt) signsIn() bool { return t.Purpose != PasskeyStepUp }

// PasskeyRefused returns whether an assertion is denied whatever its signature is, and why. It is asked before the
// signature is verified, and again by AnswerPasskey. None of this is a guess: what is refused here is not counted.
func (a Account) PasskeyRefused(t PasskeyAttempt, env Env) (Outcome, bool) {
	switch {
	case !a.Protected():
		return Outcome{Reason: Unprotected}, true
	case a.Closed():
		return Outcome{Reason: Suspended}, true
	case t.Challenge != nil && !a.current(*t.Challenge, env) || !a.asks(t, env):
		return Outcome{Reason: Stale}, true
	case len(a.Passkeys) == 0:
		return Outcome{Reason: Malformed}, true
	}
	if a.findCredential(t.Finding.Credential) < 0 { // removed meanwhile, or somebody else's
		return Outcome{Reason: Malformed}, true
	}
	return Outcome{}, false
}

// asks reports whether the challenge of an attempt is one that this account has asked it by, for this purpose, in this
// session and in the account's present state. A sign-in without a password is tied to its browser alone, so that is never
// left out, and to no epoch: it must not have begun before the first factors ended last. The clock decides, as whose it is
// was not known. In the same second it counts, since a page asks for it as it opens, right after a new password.
func (a Account) asks(t PasskeyAttempt, env Env) bool {
	c := t.Finding.Challenge
	if !c.fresh(t.Purpose, t.Session, env) {
		return false
	}
	own := c.Account == a.ID && c.Epoch == a.Epoch
	switch t.Purpose {
	case PasskeyAnswer:
		return own && t.Challenge != nil && c.SignIns == t.Challenge.SignIns && c.Begun == t.Challenge.At
	case PasskeyStepUp:
		return own && t.Challenge == nil
	case PasskeySignIn:
		return t.Challenge == nil && len(t.Session) > 0 && c.At/second >= a.Since
	}
	return false
}

// AnswerPasskey takes an assertion. A denial for one that names a passkey of the account is a change of the account, to be
// saved before it is told. Nobody guesses a signature, so wrong ones shut nothing: they are counted in the month, and as
// long as there are many they are told and not kept. The right one is always taken, whoever sends wrong ones meanwhile.
func (a Account) AnswerPasskey(t PasskeyAttempt, env Env) (Account, Outcome) {
	if out, refused := a.PasskeyRefused(t, env); refused {
		if out.Reason == Stale && t.Purpose == PasskeySignIn {
			a, _ = a.settleSince(env)
		}
		return a.refuse(event.MethodPasskey, out, env), out
	}
	next := a.clone()
	k := &next.Passkeys[next.findCredential(t.Finding.Credential)]
	if why := k.denies(t, env); why != Accepted {
		if _, full := a.Misses.lock(env); full && why != Suspect && !(why == Replayed && k.ahead(env)) {
			return a.burst(event.MethodPasskey, why, env), Outcome{Reason: why}
		}
		return next.passkeyFailed(k, t.Finding.Challenge, why, env), Outcome{Reason: why}
	}
	k.accept(t.Finding, env)
	if t.signsIn() {
		next.SignIns++
	}
	next.note(env, Event{Kind: event.CodeAccepted, Method: event.MethodPasskey, Auth: k.ID, SignIn: t.signsIn()})
	met := next.seen(t.Browser, t.NewBrowser, t.signsIn(), env)
	return next, Outcome{
		Reason: Accepted, NewBrowser: met, AuthenticatorID: k.ID, CodesLeft: next.Recovery.Left(),
		Proof: Proof{
			Account: next.ID, Kind: SecondFactor, Method: k.amr(), At: env.unix(), Session: t.Session,
			Epoch: next.Epoch, Stamp: next.SessionEpoch, Resistant: true, User: t.Finding.UserVerified,
		},
	}
}

// denies returns why a passkey does not accept an assertion, or Accepted.
func (k Passkey) denies(t PasskeyAttempt, env Env) Reason {
	f := t.Finding
	switch {
	case !bytes.Equal(f.PublicKey, k.PublicKey): // another passkey has its credential ID since
		return Used
	case !f.Good:
		return Wrong
	case f.Challenge.At <= k.Accepted:
		return Replayed
	case k.isCopied(f) && f.Challenge.At <= k.Suspected:
		return Replayed
	case k.isCopied(f):
		return Suspect
	case t.Purpose == PasskeySignIn && !f.UserVerified: // it would be one factor
		return Unverified
	}
	return Accepted
}

// isCopied reports whether an assertion looks like one of a copy.
func (k Passkey) isCopied(f PasskeyFinding) bool {
	return !k.Flagless && f.Eligible != k.Eligible || f.BackedUp && !f.Eligible ||
		k.Count != 0 && f.Count <= k.Count // Web Authentication Level 3 §6.1.1
}

// settle puts right what a clock has set that had run ahead by more than an hour and came back. Otherwise the passkey
// would be of no use for as long as the clock had jumped, and no copy would be told. What was issued by now stays void.
func (k *Passkey) settle(env Env) {
	for _, at := range []*int64{&k.Accepted, &k.Suspected} {
		if isAhead(*at, env) {
			*at = env.latest(0) * second
		}
	}
}

// ahead reports whether the last challenge that was answered is of a clock that had run ahead.
func (k *Passkey) ahead(env Env) bool { return isAhead(max(k.Accepted, k.Suspected), env) }

func isAhead(at int64, env Env) bool { return at/second > env.latest(int64(ClockBack/time.Second)) }

// accept keeps what a good assertion has told.
func (k *Passkey) accept(f PasskeyFinding, env Env) {
	k.Accepted, k.LastUsed = f.Challenge.At, env.unix()
	k.Count = f.Count
	k.Eligible, k.BackedUp, k.Flagless = f.Eligible, f.BackedUp, false
	k.Verified = k.Verified || f.UserVerified
	if k.Suspected <= k.Accepted { // nothing that was issued by then is looked at again
		k.Suspected = 0
	}
}

// passkeyFailed notes an assertion that named a passkey and was denied.
func (a Account) passkeyFailed(k *Passkey, c PasskeyChallenge, why Reason, env Env) Account {
	a.note(env, Event{Kind: event.CodeDenied, Method: event.MethodPasskey, Why: why})
	switch why {
	case Replayed:
		k.settle(env)
	case Suspect: // it stays, as its owner may have it still, whose challenges stay good; each signature is told once
		k.Suspected = c.At
		a.note(env, Event{Kind: event.PasskeySuspect, Method: event.MethodPasskey, Auth: k.ID, Name: k.Name})
	}
	a.Misses.take(env)
	a.countMonth(env)
	return a
}
