package core

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
)

// CanRegenerate returns nil if new recovery codes may be made.
func (a Account) CanRegenerate(p Presented, env Env) error {
	if err := a.authorize(p, regenerate, env); err != nil {
		return err
	}
	if a.Factors() == 0 {
		return fmt.Errorf("%w: recovery codes come with an authenticator", ErrPrecondition)
	}
	return nil
}

// Regenerate replaces the recovery codes with a new set.
func (a Account) Regenerate(p Presented, set *RecoverySet, env Env) (Account, Proof, error) {
	if err := a.CanRegenerate(p, env); err != nil {
		return a, Proof{}, err
	}
	a = a.clone()
	a.endImport()
	a.Recovery = set.clone()
	a.Recovery.Created = env.unix()
	a.note(env, Event{Kind: event.RecoveryCodesRegenerated})
	a.endEpoch(env)
	return a, a.successor(p), nil
}

// Rename gives an app or a passkey another name.
func (a Account) Rename(p Presented, id, name string, env Env) (Account, error) {
	if err := a.own(p, rename, id, env); err != nil {
		return a, err
	}
	a = a.clone()
	if now, method := a.nameOf(id); *now != name {
		*now = name
		a.note(env, Event{Kind: event.AuthenticatorRenamed, Method: method, Auth: id, Name: name})
	}
	return a, nil
}

// own returns nil if a proof is enough to act on an app or a passkey of an ID.
func (a Account) own(p Presented, act action, id string, env Env) error {
	if err := a.authorize(p, act, env); err != nil {
		return err
	}
	if name, _ := a.nameOf(id); name == nil {
		return fmt.Errorf("%w: no such authenticator", ErrNotFound)
	}
	return nil
}

// Remove removes an app or a passkey that is not the last factor: without any, recovery codes would be all
// that is left of two-factor. Disable turns it off instead.
func (a Account) Remove(p Presented, id string, env Env) (Account, Proof, error) {
	act := remove
	if a.findPasskey(id) >= 0 {
		act = removePasskey
	}
	if err := a.own(p, act, id, env); err != nil {
		return a, Proof{}, err
	}
	if a.Factors() == 1 {
		return a, Proof{}, fmt.Errorf("%w: the last authenticator goes when two-factor is turned off", ErrPrecondition)
	}
	a = a.clone()
	a.drop(id, env)
	a.endImport()
	a.endEpoch(env)
	a.endOthers(p.In, p.Browser, env)
	return a, a.successor(p), nil
}

// Disable turns two-factor off.
func (a Account) Disable(p Presented, env Env) (Account, Proof, error) {
	if err := a.authorize(p, remove, env); err != nil {
		return a, Proof{}, err
	}
	if a.Factors() == 0 {
		return a, Proof{}, fmt.Errorf("%w: two-factor is off", ErrPrecondition)
	}
	a = a.clone()
	a.dropFactors()
	a.note(env, Event{Kind: event.TwoFactorOff})
	a.endEpoch(env)
	a.endSessions(p.In, env)
	return a, a.successor(p), nil
}

// dropFactors removes what a second step is answered with. The failures of the month stay: they are
// the account's, not an authenticator's.
func (a *Account) dropFactors() {
	a.Authenticators, a.Passkeys, a.Recovery, a.Browsers = nil, nil, nil, nil
	a.endImport()
	a.TOTPThrottle.clear()
	a.RecoveryThrottle = Bucket{}
}

// Unlock opens a method early, with a proof by another one.
func (a Account) Unlock(p Presented, m event.Method, env Env) (Account, error) {
	act := unlockTOTP
	if m == event.MethodRecoveryCode {
		act = unlockRecovery
	}
	if err := a.authorize(p, act, env); err != nil {
		return a, err
	}
	return a.unlock(m, Event{}, env), nil
}

func (a Account) unlock(m event.Method, e Event, env Env) Account {
	a = a.clone()
	if m == event.MethodTOTP {
		if !a.totpLocks(env) {
			return a
		}
		a.TOTPThrottle.clear()
	} else {
		if _, locked := a.RecoveryThrottle.lock(env); !locked {
			return a
		}
		a.RecoveryThrottle = Bucket{}
	}
	e.Kind, e.Method = event.MethodUnlocked, m
	a.note(env, e)
	return a
}
