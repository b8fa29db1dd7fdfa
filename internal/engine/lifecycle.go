package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Suspend suspends an account, and after it the service accounts that it owns. Where that is left half done, the same call
// again finishes it.
func (e *Engine) Suspend(ctx context.Context, account string, by core.By) error {
	var services []string
	err := e.Change(ctx, account, Transition{Restate: true, Step: func(a core.Account, env core.Env) (core.Account, error) {
		services = a.Services
		return a.Suspend(by, env), nil
	}})
	if err != nil {
		return err
	}
	for _, id := range services { // each, also if one cannot be read
		err = errors.Join(err, e.suspendWith(ctx, id, account, by))
	}
	return err
}

// suspendWith suspends a service account because its owner is. It is done, though the caller may have gone.
func (e *Engine) suspendWith(ctx context.Context, service, owner string, by core.By) error {
	ctx, cancel := e.detach(ctx)
	defer cancel()
	err := e.Change(ctx, service, Transition{Restate: true, Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.SuspendWith(owner, by, env), nil
	}})
	if err != nil {
		return fmt.Errorf("suspend the service account %q: %w", service, err)
	}
	return nil
}

// detach is Detach, but for an engine whose changes keep their caller's context.
func (e *Engine) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.attached {
		return ctx, func() {}
	}
	return Detach(ctx)
}

// Resume ends the suspension of an account. That of a service account stays while its owner is suspended: the owner is
// read after the service account, whose suspension by Suspend is a change in any case, so nothing comes between the two.
func (e *Engine) Resume(ctx context.Context, account string, by core.By) error {
	return e.Change(ctx, account, Transition{
		Prepare: func(ctx context.Context, a core.Account, _ core.Env) error {
			if a.ServiceOf == "" || a.Suspension == nil {
				return nil
			}
			owner, err := e.Load(ctx, a.ServiceOf)
			if err != nil {
				return err
			}
			return owner.CanVouchFor(account)
		},
		Step: func(a core.Account, env core.Env) (core.Account, error) { return a.Resume(by, env), nil },
	})
}

// DeleteAccount removes all that is stored of an account but what ends its sessions, and tells it. It returns what the
// owner has not been told yet, also where a fault has left part of the account.
func (e *Engine) DeleteAccount(ctx context.Context, account string, by core.By) ([]event.Notice, error) {
	begun, err := e.release(ctx, account, by)
	if err != nil {
		return nil, err
	}
	if begun {
		var cancel context.CancelFunc
		ctx, cancel = e.detach(ctx)
		defer cancel()
	}
	done, _, err := e.turns.Take(ctx, account)
	if err != nil {
		return nil, busy(err)
	}
	tell := func() {}
	defer func() { tell() }()
	defer done()
	untold, err := e.untold(ctx, account)
	if err != nil {
		return nil, err
	}
	// A deletion whose reply was lost is made again, which is no error.
	_, err = Retry(ctx, func() (struct{}, error) { return struct{}{}, e.Store.DeleteAccount(ctx, account) })
	if err == nil {
		l := loop[core.Account]{kind: e.accounts(), id: account, ctx: ctx, attached: e.attached}
		l.detach() // somebody may go on in an old session otherwise
		err = l.apply(func(a core.Account) (core.Account, error) { return a.Forgotten(e.Env()), nil })
	}
	if err != nil {
		return untold, fmt.Errorf("gatehouse: delete account: %w", err)
	}
	tell = e.observers.add(ctx, account, []core.Event{core.Deleted(by, e.Env())})
	return untold, nil
}

// untold returns what the owner of an account has not been told yet. Where notices are off there is nothing to read.
func (e *Engine) untold(ctx context.Context, account string) ([]event.Notice, error) {
	if !e.Notices {
		return nil, nil
	}
	a, err := e.Load(ctx, account)
	if errors.Is(err, core.ErrFormat) {
		return nil, nil // what cannot be read can still be deleted
	}
	return Notices(a), err
}

// release returns ErrPrecondition for an account that owns service accounts, and takes one that is a service account off
// its owner's list before it is deleted. That one is suspended first, so that nothing of it works that no review shows.
// begun says that something was saved.
func (e *Engine) release(ctx context.Context, account string, by core.By) (begun bool, err error) {
	a, err := e.Load(ctx, account)
	if errors.Is(err, core.ErrFormat) {
		return false, nil // what cannot be read can still be deleted
	}
	if err != nil {
		return false, err
	}
	for _, id := range a.Services {
		service, err := e.Load(ctx, id)
		if err != nil {
			return false, err
		}
		if service.ServiceOf == account {
			return false, fmt.Errorf("%w: it owns the service account %q, which must be deleted first", core.ErrPrecondition, id)
		}
	}
	if a.ServiceOf == "" {
		return false, nil
	}
	err = e.Change(ctx, account, Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.Suspend(by, env), nil
	}})
	if err != nil {
		return false, err
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	return true, e.Change(ctx, a.ServiceOf, Transition{Step: func(owner core.Account, env core.Env) (core.Account, error) {
		return owner.Disown(by, account, env), nil
	}})
}
