package core

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage"
)

// CanBeginPasskey is CanBegin for a passkey.
func (a Account) CanBeginPasskey(p Presented, instead string, env Env) error {
	return a.canBegin(p, instead, len(a.Passkeys), MaxPasskeys, a.findPasskey(instead) >= 0, env)
}

// BeginPasskey is Begin for a passkey, of which nothing but an ID and a name is known yet. handle becomes the account's if
// it has none.
func (a Account) BeginPasskey(p Presented, pending Pending, handle storage.Handle, env Env) (Account, error) {
	if err := a.CanBeginPasskey(p, pending.Replace, env); err != nil {
		return a, err
	}
	pending.Passkey = true
	a = a.begin(pending, env)
	a.takeHandle(handle)
	return a, nil
}

func (a *Account) takeHandle(handle storage.Handle) {
	if a.Handle == (storage.Handle{}) {
		a.Handle = handle
	}
}

// CanFinishPasskey returns the pending passkey if what answers a challenge may be tried for it. A challenge of another
// session, state or enrollment, or one that is too old, is ErrDenied.
func (a Account) CanFinishPasskey(p Presented, c PasskeyChallenge, env Env) (Pending, error) {
	pending, err := a.canFinish(p, c.Enrollment, true, env)
	if err != nil {
		return Pending{}, err
	}
	if !c.fresh(PasskeyRegister, p.In, env) || c.Account != a.ID || c.Epoch != a.Epoch {
		return Pending{}, ErrDenied
	}
	return *pending, nil
}

// FinishPasskey makes a pending passkey active. Of k it takes what the ceremony has found out, after everything in that
// was verified, and the name if the enrollment has none. ErrPrecondition says that the account has the credential.
func (a Account) FinishPasskey(p Presented, c PasskeyChallenge, k Passkey, env Env) (Account, Proof, error) {
	pending, err := a.CanFinishPasskey(p, c, env)
	if err != nil {
		return a, Proof{}, err
	}
	k.ID, k.Created, k.LastUsed, k.Accepted, k.Flagless = pending.Authenticator.ID, pending.Authenticator.Created, env.unix(), c.At, false
	if pending.Authenticator.Name != "" {
		k.Name = pending.Authenticator.Name
	}
	if CheckName(k.Name) != nil {
		k.Name = DefaultPasskeyName
	}
	if what := k.broken(); what != "" {
		return a, Proof{}, fmt.Errorf("%w: the passkey's %s", ErrInvalid, what)
	}
	if a.findCredential(k.Credential) >= 0 {
		return a, Proof{}, fmt.Errorf("%w: the account has this passkey already", ErrPrecondition)
	}
	next, proof := a.enroll(p, Event{Method: event.MethodPasskey, Auth: k.ID, Name: k.Name}, env, func(a *Account) {
		if i := a.findPasskey(pending.Replace); i >= 0 {
			was := a.Passkeys[i]
			a.note(env, Event{Kind: event.AuthenticatorRemoved, Method: event.MethodPasskey, Auth: was.ID, Name: was.Name})
			a.Passkeys[i] = k
			return
		}
		a.drop(pending.Replace, env)
		a.Passkeys = append(a.Passkeys, k)
	})
	if proof.Kind == SecondFactor && p.Kind == Vouched {
		proof.Method, proof.Resistant, proof.User = k.amr(), true, k.Verified
	}
	return next, proof, nil
}

// FailPasskey counts an answer to a challenge that was wrong, as Confirm does a code. It returns ErrDenied.
func (a Account) FailPasskey(p Presented, c PasskeyChallenge, env Env) (Account, error) {
	if _, err := a.CanFinishPasskey(p, c, env); err != nil {
		return a, err
	}
	a = a.clone()
	a.failPending(env)
	return a, ErrDenied
}

// failPending counts a wrong try for the pending enrollment. The tenth ends it.
func (a *Account) failPending(env Env) {
	if a.Pending.Tries++; a.Pending.Tries >= pendingTries {
		a.abandon(env)
	}
}
