package hosttx_test

import (
	"context"
	"database/sql"
	"errors"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// accounts has the program's users and their second factors, in one database.
type accounts struct {
	db    *sql.DB
	store *sqlstore.Store
	svc   *gatehouse.Service
}

// once begins a transaction, has change made in it, and commits it.
func (a *accounts) once(ctx context.Context, change func(*sql.Tx, *hosttx.Tx) error) error {
	tx, err := a.db.BeginTx(ctx, nil) // SQLite: with a DSN that has _txlock=immediate
	if err != nil {
		return err
	}
	defer tx.Rollback() // no more than a no-op after Commit
	within := hosttx.Within(a.svc.Operator("system"), a.store.Within(tx))
	if err := change(tx, within); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	within.Committed(ctx)
	return nil
}

// setPassword stores a new password and ends what the old one has led to: both, or neither.
func (a *accounts) setPassword(ctx context.Context, user, hash string) error {
	change := func(tx *sql.Tx, within *hosttx.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE users SET password = ? WHERE id = ?", hash, user); err != nil {
			return err
		}
		return within.PasswordChanged(ctx, user, gatehouse.RevokeTokens)
	}
	for range 5 {
		if err := a.once(ctx, change); !errors.Is(err, hosttx.ErrRetryTransaction) {
			return err
		}
	}
	return hosttx.ErrRetryTransaction
}

// A new password is committed together with the end of all that the old one has led to.
func Example() {
	var a *accounts
	_ = a.setPassword
}
