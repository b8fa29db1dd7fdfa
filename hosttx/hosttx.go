// Package hosttx changes accounts in a database transaction of your own, so that your row and the account are committed
// together or not at all:
//
//	tx, err := db.BeginTx(ctx, nil)
//	…                                                   // your own statements: the new password's hash
//	accounts := hosttx.Within(svc.Operator("system"), store.Within(tx))
//	err = accounts.PasswordChanged(ctx, id, gatehouse.RevokeTokens)
//	err = tx.Commit()
//	accounts.Committed(ctx)                             // tells the Observer
//
// Any error means: roll the transaction back. [ErrRetryTransaction] says that all of it can be begun again, with a new
// value.
//
// Only the four changes that go with one of the host's own can be made so. Nothing that looks at a code is among them:
// a wrong code that is rolled back would be a guess that was not counted. Use [gatehouse.Operator] for all else, and
// for these too where nothing of yours has to be committed with them.
//
// Do not roll back to a savepoint from before a call, as a nested transaction of an ORM does: the change is gone then,
// and Committed would tell it. Where your own statement meets a deadlock or a failed serialization, roll back and begin
// again as well. In MySQL it has ended the transaction, and a later call is an error, as it would be committed by itself.
//
// Within the transaction call nothing else of Gatehouse. It would read through another connection of the pool: it sees
// nothing of the transaction, it waits for what the transaction has locked, and in a pool of one connection it waits
// for the transaction's end.
package hosttx

import (
	"context"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
)

// ErrRetryTransaction says that somebody else has changed the account meanwhile, or that the database wants the
// transaction tried again: a deadlock, a failed serialization, a lock that did not come free. Roll the transaction back,
// begin it again with a new value, and repeat your own statements too. Every later call of the value returns it as well.
var ErrRetryTransaction = engine.ErrRetryTransaction

// Tx makes changes of accounts in a transaction; make it with Within. It is for one transaction, and like that for one
// goroutine at a time.
//
// Its methods are those of gatehouse.Operator, with these differences. A call locks the account until the transaction
// ends; for Reset, and for an Import with recovery codes, Argon2id runs meanwhile. A conflict is not tried again but
// ErrRetryTransaction. An error of the database ends the value, and every later call returns it. A call stops when its
// context ends. Nobody is told anything before Committed.
type Tx struct {
	operator gatehouse.Operator
	within   *engine.Within
}

// Within returns what an operator changes in tx, a transaction of the database that the operator's service has its store
// in: what sqlstore.Store.Within makes of a *sql.Tx that you have begun. Begin it in SQLite with BEGIN IMMEDIATE, which
// has no locks of rows; otherwise each change that somebody else makes meanwhile is ErrRetryTransaction.
func Within(by gatehouse.Operator, tx storage.Transaction) *Tx {
	operator, within := engine.WithinOf(by, tx)
	return &Tx{operator.(gatehouse.Operator), within}
}

// PasswordChanged is gatehouse.Operator.PasswordChanged in the transaction.
func (t *Tx) PasswordChanged(ctx context.Context, account string, tokens gatehouse.TokenChoice) error {
	if err := t.within.Err(); err != nil {
		return err
	}
	return t.operator.PasswordChanged(ctx, account, tokens)
}

// DeleteAccount is gatehouse.Operator.DeleteAccount in the transaction. What it returns, the owner has yet to be told: do
// it after the commit, as a transaction that is rolled back has kept it.
func (t *Tx) DeleteAccount(ctx context.Context, account string) ([]event.Notice, error) {
	if err := t.within.Err(); err != nil {
		return nil, err
	}
	return t.operator.DeleteAccount(ctx, account)
}

// Import is gatehouse.Operator.Import in the transaction. Secrets are sealed within it: a Config.Sealer that asks a key
// management service makes the transaction last as long.
func (t *Tx) Import(ctx context.Context, account string, in gatehouse.Import) (gatehouse.ImportResult, error) {
	if err := t.within.Err(); err != nil {
		return gatehouse.ImportResult{}, err
	}
	return t.operator.Import(ctx, account, in)
}

// Reset is gatehouse.Operator.Reset in the transaction. Hand the code out after the commit: before, it opens nothing.
func (t *Tx) Reset(ctx context.Context, account string) (recovery.Code, error) {
	if err := t.within.Err(); err != nil {
		return recovery.Code{}, err
	}
	return t.operator.Reset(ctx, account)
}

// Committed tells the Observer what was changed, in its order, and notes the posture. Call it once, when the commit
// has returned without an error. If it is not called, or the process ends before, the changes are stored all the same,
// and are in the accounts' Activity, but the Observer never hears of them; a posture is then noted at the next review.
// After a call that has failed with an error of the database it tells nothing, as there is nothing to commit. Every
// later call of another method is an error.
func (t *Tx) Committed(ctx context.Context) { t.within.Committed(ctx) }
