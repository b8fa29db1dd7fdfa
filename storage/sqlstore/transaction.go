package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Tx is a transaction of the program's own that package hosttx changes accounts in; make it with Store.Within.
type Tx struct {
	store *Store
	tx    *sql.Tx

	mu   sync.Mutex // a transaction has one connection
	over error      // what ended it; nil: nothing has
}

var _ storage.Transaction = (*Tx)(nil)

// Within returns a storage.Transaction in tx, which the program begins and ends, for hosttx.Within. Few programs call its
// methods themselves: they change what is stored, and nobody is told of it.
//
// LockAccount locks the account's row. Begin tx with BEGIN IMMEDIATE in SQLite, which has no locks of rows. In MySQL a
// transaction goes on reading what it has read first: LockAccount alone reads what is stored now, and where the server
// does not allow that (MariaDB's innodb_snapshot_isolation) it is a conflict.
//
// A conflict is tried once, and ends the Tx, as does any error but ErrNotFound: MySQL has undone the whole transaction
// after a deadlock, so that a later statement would be committed by itself. Every later call returns that error. Roll tx
// back then, and begin the whole transaction again. Where a statement of the program's own has ended tx, each call is an
// error as well.
func (s *Store) Within(tx *sql.Tx) *Tx { return &Tx{store: s, tx: tx} }

// LockAccount implements storage.Transaction.
func (t *Tx) LockAccount(ctx context.Context, id string) (r storage.Record, err error) {
	err = t.do(ctx, func(ctx context.Context) error {
		if err := storage.CheckID(id); err != nil {
			return err
		}
		r, err = t.lock(ctx, id)
		return err
	})
	return r, err
}

func (t *Tx) lock(ctx context.Context, id string) (storage.Record, error) {
	q, found := &t.store.queries.lockAccount, []storage.Record(nil)
	err := t.use(ctx, q, func(run runner) (err error) {
		found, err = collect(func() (*sql.Rows, error) { return run.rows(ctx, []any{id}) }, accountDest)
		return err
	})
	switch {
	case err != nil:
		return storage.Record{}, err
	case len(found) == 0:
		return storage.Record{}, storage.ErrNotFound
	}
	return found[0], nil
}

// SaveAccount implements storage.Transaction.
func (t *Tx) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return t.do(ctx, func(ctx context.Context) error {
		q, args, err := t.store.saveOf(r, prev)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, q, args)
		if err == nil && n != 1 {
			return storage.ErrConflict
		}
		return err
	})
}

// DeleteAccount implements storage.Transaction.
func (t *Tx) DeleteAccount(ctx context.Context, id string) error {
	return t.do(ctx, func(ctx context.Context) error {
		err := storage.CheckID(id)
		for i := range t.store.queries.deleteAccount {
			if err == nil {
				_, err = t.exec(ctx, &t.store.queries.deleteAccount[i], []any{id})
			}
		}
		return err
	})
}

// do makes a call unless the transaction is over, and ends it after an error.
func (t *Tx) do(ctx context.Context, call func(context.Context) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over != nil {
		return fmt.Errorf("sqlstore: the transaction has to be rolled back, since an earlier call: %w", t.over)
	}
	err := ctx.Err()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, t.store.timeout)
		defer cancel()
		if err = open(ctx, t.store.dialect.name, t.tx); err == nil {
			err = call(ctx)
		}
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.over = err
	}
	return err
}

func (t *Tx) exec(ctx context.Context, q *query, args []any) (n int64, err error) {
	err = t.use(ctx, q, func(run runner) error {
		result, err := run.exec(ctx, args)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// use calls f with a query on the transaction's connection, whose settings are looked at before the first use of the
// store as the pool's are.
func (t *Tx) use(ctx context.Context, q *query, f func(runner) error) error {
	err := t.store.readyOn(ctx, t.tx)
	if err == nil {
		err = prepared(ctx, t.tx, t.store.dialect.prepare, q.text, f)
	}
	return t.store.fault(ctx, q, err)
}
