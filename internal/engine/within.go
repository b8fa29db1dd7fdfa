package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// ErrRetryTransaction says that a change in a transaction of the host's has met a conflict.
var ErrRetryTransaction = errors.New("gatehouse: a conflict with another change: roll the transaction back and begin it again")

var errEnded = errors.New("gatehouse: the transaction was committed")

// Within keeps what is to be told of changes in a transaction of the host's until the host has committed it.
type Within struct {
	base *Engine
	tx   storage.Transaction

	mu    sync.Mutex
	ended error                   // why no call is made any more; nil: none has ended it
	later []func(context.Context) // in their order
}

// Within returns an engine that changes accounts in a transaction of the host's. Its changes differ from the others':
//
//   - A conflict is ErrRetryTransaction and is not tried again. The transaction may be over, and a load in it may show
//     the old record for ever.
//   - They take no turn of other changes: whoever holds one may wait for what the transaction has locked. They keep
//     their caller's context: nothing counts before the host's commit.
//   - No hook is asked and nothing is read but the account: on a database with one connection, a read outside of the
//     transaction would wait for its end. The posture is noted by Committed.
func (e *Engine) Within(tx storage.Transaction) (*Engine, *Within) {
	e.Hooks.fix()
	w := &Within{base: e, tx: tx}
	c := e.Config
	c.Store = within{w: w}
	if e.Hooks.watch != nil {
		c.Store = e.Hooks.watch.Store(c.Store)
	}
	in := New(c)
	in.Hooks.watch = e.Hooks.watch
	in.attached = true
	in.observers = &observers{kept: w.keep}
	in.Hooks.Changed = w.changed
	return in, w
}

// WithinOf returns a gatehouse.Operator whose changes are made in a transaction of the host's. Package gatehouse sets
// it, as it does Of.
var WithinOf func(operator any, tx storage.Transaction) (any, *Within)

// Err returns why no call can be made any more, or nil.
func (w *Within) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// Committed tells what was changed. After a failed call it tells nothing.
func (w *Within) Committed(ctx context.Context) {
	w.mu.Lock()
	later := w.later
	if w.later = nil; w.ended == nil {
		w.ended = errEnded
	}
	w.mu.Unlock()
	for _, tell := range later {
		tell(ctx)
	}
}

func (w *Within) add(tell func(context.Context)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.later = append(w.later, tell)
}

// keep keeps events for the observers.
func (w *Within) keep(account string, events []core.Event) {
	w.add(func(ctx context.Context) { w.base.Tell(ctx, account, events...) })
}

// changed keeps a change for the hooks.
func (w *Within) changed(_ context.Context, before, after core.Account) {
	w.add(func(ctx context.Context) {
		w.base.Follow(ctx, after.ID, after.Events)
		if f := w.base.Hooks.Changed; f != nil {
			f(ctx, before, after)
		}
	})
}

// check returns what a call of the transaction has come to. The first failure ends everything, since nobody knows
// what the transaction has after it, and drops what was to be told.
func (w *Within) check(err error) error {
	if err == nil || errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if isConflict(err) {
		err = ErrRetryTransaction // and no conflict, which the loop would try again
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.later = nil
	if w.ended == nil {
		w.ended = fmt.Errorf("gatehouse: roll the transaction back, since an earlier call has failed: %w", err)
	}
	return err
}

// within is the Store of such an engine. It has no other methods: what is not in the transaction is not read.
type within struct {
	storage.Store
	w *Within
}

func (s within) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	rec, err := s.w.tx.LockAccount(ctx, id)
	return rec, s.w.check(err)
}

func (s within) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return s.w.check(s.w.tx.SaveAccount(ctx, r, prev))
}

func (s within) DeleteAccount(ctx context.Context, id string) error {
	return s.w.check(s.w.tx.DeleteAccount(ctx, id))
}
