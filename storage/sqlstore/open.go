package sqlstore

import (
	"context"
	"errors"
	"fmt"
)

var errNotOpen = errors.New("sqlstore: the transaction is not open any more: a statement in it has ended it")

// open returns an error unless a transaction is open in the database. A statement of the program's own may have ended
// it, and the program goes on: then what follows would be committed by itself.
func open(ctx context.Context, d Dialect, tx session) error {
	switch d {
	case MySQL:
		return openMySQL(ctx, tx)
	case SQLite:
		return openSQLite(ctx, tx)
	}
	return nil // PostgreSQL keeps it open, and refuses statements until it is rolled back
}

// openMySQL: MySQL undoes a transaction after a deadlock, and commits it before a statement that changes tables. Outside
// of one a savepoint is gone as soon as it is made.
func openMySQL(ctx context.Context, tx session) error {
	_, err := tx.ExecContext(ctx, "SAVEPOINT gatehouse_within")
	if err == nil {
		_, err = tx.ExecContext(ctx, "RELEASE SAVEPOINT gatehouse_within")
	}
	if n, ok := number(err); ok && n == 1305 { // there is no such savepoint
		return fmt.Errorf("%w: %w", errNotOpen, err)
	}
	return err
}

// openSQLite: SQLite undoes a transaction where a write is interrupted, as by the end of its context, or the disk is
// full. Within one another cannot begin.
func openSQLite(ctx context.Context, tx session) error {
	_, err := tx.ExecContext(ctx, "BEGIN")
	if err == nil {
		return errNotOpen // the program's own Rollback ends what has begun now
	}
	if n, ok := number(err); ok && n&0xff == 1 { // SQLITE_ERROR
		return nil
	}
	return err
}
