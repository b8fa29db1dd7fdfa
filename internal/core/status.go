package core

import "time"

// MethodState says whether a method can be used now, and if not from when (zero: not by waiting).
type MethodState struct {
	Available bool
	RetryAt   time.Time
}

// TOTPState is that of codes of authenticators, for the browser of a digest. For nil it is that of strangers.
func (a Account) TOTPState(browser []byte, env Env) MethodState {
	if len(a.Authenticators) == 0 {
		return MethodState{}
	}
	until, locked := a.totpLock(browser, env)
	return MethodState{Available: !locked, RetryAt: until}
}

// RecoveryState is that of recovery codes, as TOTPState is.
func (a Account) RecoveryState(browser []byte, env Env) MethodState {
	if a.Recovery.Left() == 0 {
		return MethodState{}
	}
	until, locked := a.RecoveryThrottle.lock(env)
	if a.Recovery.Left() == a.Recovery.eightDigits() {
		until, locked = a.totpLock(browser, env) // they are counted there
	}
	return MethodState{Available: !locked, RetryAt: until}
}

// OperatorState is that of the code which an operator made at a reset.
func (a Account) OperatorState(env Env) MethodState {
	if a.Reset == nil || a.Reset.Code.Hash == "" || !a.Reset.open(env) {
		return MethodState{}
	}
	until, locked := a.RecoveryThrottle.lock(env)
	return MethodState{Available: !locked, RetryAt: until}
}

// PendingNow returns the pending enrollment, nil if there is none or it has expired.
func (a Account) PendingNow(env Env) *Pending {
	if a.Pending == nil || !env.before(a.Pending.Expires, pendingLife) {
		return nil
	}
	return a.Pending
}

// TriesLeft returns how many wrong codes an enrollment bears yet.
func (p *Pending) TriesLeft() int { return pendingTries - p.Tries }
