package gatehouse

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Operator is what support and operations do to an account without a proof of its owner. Guard it well: its caller can
// take over any account. The operator's ID and the reason are in every event and in the account's Activity.
type Operator struct {
	s  *Service
	by core.By
}

// Operator returns the operations of an operator: a person's ID in the host's own books, or a name
// such as "system" for the host itself; 1 to 64 bytes. Every method answers ErrInvalid
// for any other ID.
func (s *Service) Operator(id string) Operator { return Operator{s: s, by: core.By{Operator: id}} }

// Because returns the Operator with a reason, of at most 200 bytes, for the account's Activity and
// the events. Owners can read it.
func (o Operator) Because(reason string) Operator {
	o.by.Reason = reason
	return o
}

// change applies a step that an operator makes.
func (o Operator) change(ctx context.Context, account string, prepare func(context.Context, core.Account, core.Env) error,
	step func(core.Account, core.Env) (core.Account, error)) error {
	if err := o.by.Check(); err != nil {
		return err
	}
	return o.s.e.Change(ctx, account, engine.Transition{Prepare: prepare, Step: step})
}

// always is a step that cannot be refused.
func always(step func(core.Account, core.Env) core.Account) func(core.Account, core.Env) (core.Account, error) {
	return func(a core.Account, env core.Env) (core.Account, error) { return step(a, env), nil }
}

// Reset is for an owner who has lost every factor and has proven their identity by the host's own
// means. It removes all authenticators and recovery codes, ends challenges, proofs and browser sessions, revokes tokens,
// and returns one code that works once within 24 hours. Hand it to the owner on a channel that the
// account's password does not open. The second step stays needed: only RedeemOperatorCode with this
// code, after the first factor, leads to a new enrollment. ErrPrecondition says that the account has no
// second factor. Resetting again makes a new code and ends the one before.
func (o Operator) Reset(ctx context.Context, account string) (_ recovery.Code, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.Reset").End(&err)
	var code recovery.Code
	var slot core.Slot
	if err := o.by.Check(); err != nil {
		return recovery.Code{}, err
	}
	err = o.s.e.Change(ctx, account, engine.Transition{
		Slow: func(a core.Account, _ core.Env) engine.Work {
			if a.CanReset() != nil || slot.Hash != "" {
				return nil
			}
			return func(ctx context.Context) (err error) {
				code, slot, err = o.s.operatorCode(ctx, account)
				return err
			}
		},
		Step: func(a core.Account, env core.Env) (core.Account, error) { return a.Resets(o.by, slot, env) },
	})
	if err != nil {
		return recovery.Code{}, err
	}
	return code, nil
}

// Unlock opens a method that wrong codes have locked, before its time.
func (o Operator) Unlock(ctx context.Context, account string, m event.Method) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.Unlock").End(&err)
	if err := lockable(m); err != nil {
		return err
	}
	return o.change(ctx, account, nil, always(func(a core.Account, env core.Env) core.Account {
		return a.UnlockBy(o.by, m, env)
	}))
}

// Suspend lets nobody into an account, with or without a second factor, ends challenges, proofs and browser sessions,
// and denies its tokens, until Resume. Suspending twice keeps the first reason. The service accounts that it owns are
// suspended after it: an error may leave some of them as they are, and the same call again finishes it.
func (o Operator) Suspend(ctx context.Context, account string) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.Suspend").End(&err)
	if err := o.by.Check(); err != nil {
		return err
	}
	return o.s.e.Suspend(ctx, account, o.by)
}

// Resume ends a suspension. It does not resume the service accounts that an account owns: look at each of them.
// ErrPrecondition says that the account is one whose owner is suspended, or no longer has it.
func (o Operator) Resume(ctx context.Context, account string) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.Resume").End(&err)
	if err := o.by.Check(); err != nil {
		return err
	}
	return o.s.e.Resume(ctx, account, o.by)
}

// TokenChoice says what becomes of an account's access tokens. The zero value is no choice.
type TokenChoice uint8

const (
	_            TokenChoice = iota
	KeepTokens               // the owner has changed a password that was theirs alone
	RevokeTokens             // the password was forgotten, or somebody else may have had it
)

// PasswordChanged ends challenges, proofs, pending enrollments and browser sessions that the old password had led to; of
// browsers it ends those behind package websession, the one that made the change among them. Call it whenever the host
// has set another password (or first factor), whatever the way.
func (o Operator) PasswordChanged(ctx context.Context, account string, tokens TokenChoice) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.PasswordChanged").End(&err)
	if tokens != KeepTokens && tokens != RevokeTokens {
		return fmt.Errorf("%w: whether to keep or revoke tokens is to be chosen", ErrInvalid)
	}
	return o.change(ctx, account, nil, always(func(a core.Account, env core.Env) core.Account {
		return a.PasswordChanged(o.by, tokens == RevokeTokens, env)
	}))
}

// DeleteAccount removes all that is stored of an account but its ID, random numbers and the moment. Those end its
// browser sessions and what the host had checked of it, also for somebody who leaves a cookie out. Once your longest
// session is over, and if nobody has been given the ID again, storage.Store.DeleteAccount removes them too.
//
// It returns what the owner had yet to be told, with Config.Notices: nothing else has it any more. What another process
// changes in the very moment of the deletion may be missing.
//
// Deleting an account that is not there is no error. ErrPrecondition says that it owns service accounts: delete those
// first. After an error part of it may be deleted: call it again, and keep what this call has returned.
func (o Operator) DeleteAccount(ctx context.Context, account string) (untold []event.Notice, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.DeleteAccount").End(&err)
	if err := o.by.Check(); err != nil {
		return nil, err
	}
	return o.s.e.DeleteAccount(ctx, account, o.by)
}

// Progress is how far a walk over all accounts has come: Seen accounts, of them the ones that it was about (Done) and
// those that were passed over (Failed), and the Cursor, the last one: where another walk can go on.
type Progress = engine.Progress

// Reseal moves every secret to the primary key, so that older keys can be retired. It visits
// all accounts in the order of their IDs, from after the cursor, "" for the first, during live
// traffic, also while other Reseals run. progress, which may be nil, is called after each account.
//
// A secret that does not open is counted and passed over, and the error says so at the end. Any other
// fault, or the end of ctx, ends it there, and the Cursor is where to go on.
func (o Operator) Reseal(ctx context.Context, cursor string, progress func(Progress)) (_ Progress, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.Reseal").End(&err)
	return o.s.e.Walk(ctx, o.by, cursor, func(rec storage.Record) (bool, error) { return o.reseal(ctx, rec.ID, rec.Data) }, progress)
}

func (o Operator) reseal(ctx context.Context, account string, data []byte) (moved bool, err error) {
	a, err := core.Decode(account, data)
	if err != nil {
		return false, &engine.PassedOver{Err: err}
	}
	if a.Current(o.s.e.Sealer.Primary()) {
		return false, nil
	}
	anew := map[string]core.Resealed{}
	err = o.change(ctx, account,
		func(ctx context.Context, a core.Account, _ core.Env) error {
			for _, auth := range a.UnderOther(o.s.e.Sealer.Primary()) {
				if _, done := anew[string(auth.Sealed)]; done {
					continue
				}
				key, err := o.s.openKey(ctx, account, auth)
				if err != nil {
					if ctx.Err() != nil {
						return err
					}
					return &engine.PassedOver{Err: err}
				}
				fresh := auth
				if err := o.s.sealSecret(ctx, account, &fresh, key.Secret); err != nil {
					return err
				}
				anew[string(auth.Sealed)] = core.Resealed{Sealed: fresh.Sealed, Key: fresh.Key}
			}
			return nil
		},
		func(a core.Account, env core.Env) (core.Account, error) {
			next := a.Reseal(o.by, anew, o.s.e.Sealer.Primary(), env)
			moved = len(next.Events) > 0
			return next, nil
		})
	return moved, err
}
