package core

import (
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
)

// CanRegenerate returns nil if new recovery codes may be made.
func (a Account) CanRegenerate(p Presented, env Env) error {
	if err := a.authorize(p, regenerate, env); err != nil {
		return err
	}
	if len(a.Authenticators) == 0 {
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

// Rename gives an authenticator another name.
func (a Account) Rename(p Presented, id, name string, env Env) (Account, error) {
	i, err := a.own(p, rename, id, env)
	if err != nil {
		return a, err
	}
	a = a.clone()
	if a.Authenticators[i].Name != name {
		a.Authenticators[i].Name = name
		a.note(env, Event{Kind: event.AuthenticatorRenamed, Auth: id, Name: name})
	}
	return a, nil
}

// own returns the index of an authenticator that a proof is enough to act on.
func (a Account) own(p Presented, act action, id string, env Env) (int, error) {
	if err := a.authorize(p, act, env); err != nil {
		return -1, err
	}
	i := a.find(id)
	if i < 0 {
		return -1, fmt.Errorf("%w: no such authenticator", ErrNotFound)
	}
	return i, nil
}

// Remove removes an authenticator that is not the last: without any, recovery codes would be all
// that is left of two-factor. Disable turns it off instead.
func (a Account) Remove(p Presented, id string, env Env) (Account, Proof, error) {
	i, err := a.own(p, remove, id, env)
	if err != nil {
		return a, Proof{}, err
	}
	if len(a.Authenticators) == 1 {
		return a, Proof{}, fmt.Errorf("%w: the last authenticator goes when two-factor is turned off", ErrPrecondition)
	}
	a = a.clone()
	a.note(env, Event{Kind: event.AuthenticatorRemoved, Auth: id, Name: a.Authenticators[i].Name})
	a.Authenticators = slices.Delete(a.Authenticators, i, i+1)
	a.endImport()
	a.endEpoch(env)
	a.endSessions(p.In, env)
	return a, a.successor(p), nil
}

// Disable turns two-factor off.
func (a Account) Disable(p Presented, env Env) (Account, Proof, error) {
	if err := a.authorize(p, remove, env); err != nil {
		return a, Proof{}, err
	}
	if len(a.Authenticators) == 0 {
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
	a.Authenticators, a.Recovery = nil, nil
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
	if _, locked := a.lock(m, env); !locked {
		return a
	}
	if m == event.MethodTOTP {
		a.TOTPThrottle.clear()
	} else {
		a.RecoveryThrottle = Bucket{}
	}
	e.Kind, e.Method = event.MethodUnlocked, m
	a.note(env, e)
	return a
}
