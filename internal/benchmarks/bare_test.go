package benchmarks_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// statements are those that load an account's record and save it if nobody else has, prepared and
// with nothing around them.
type statements struct {
	load, save *sql.Stmt
	turn       chan struct{} // held while SQLite writes, as its own way to wait starves some; nil elsewhere
}

func newStatements(tb testing.TB, db *sql.DB, d sqlstore.Dialect) *statements {
	tb.Helper()
	load := "SELECT id, version, data, authenticators, passkeys, codes_left, locked_until, disabled, suspended, key_name," +
		" token_epoch, handle, unsent FROM gatehouse_accounts WHERE id = ?"
	save := "UPDATE gatehouse_accounts SET version = ?, data = ?, authenticators = ?, passkeys = ?, codes_left = ?," +
		" locked_until = ?, disabled = ?, suspended = ?, key_name = ?, token_epoch = ?, handle = ?, unsent = ?, unsent_id = NULL WHERE id = ? AND version = ?"
	if d == sqlstore.PostgreSQL {
		load, save = numbered(load), numbered(save)
	}
	b := new(statements)
	if d == sqlstore.SQLite {
		b.turn = make(chan struct{}, 1)
	}
	var err error
	b.load, err = db.PrepareContext(tb.Context(), load)
	require.NoError(tb, err)
	tb.Cleanup(func() { b.load.Close() })
	b.save, err = db.PrepareContext(tb.Context(), save)
	require.NoError(tb, err)
	tb.Cleanup(func() { b.save.Close() })
	return b
}

// change loads an account and saves it with a few bytes of its data changed.
func (b *statements) change(ctx context.Context, account string) error {
	var (
		id                    string
		version, epoch        int64
		data, handle          []byte
		authenticators, codes int
		passkeys              int
		unsent                sql.NullInt64
		lockedUntil, keyName  sql.NullString
		disabled, suspended   bool
		next                  = rand.Int64()
	)
	if err := b.load.QueryRowContext(ctx, account).Scan(&id, &version, &data, &authenticators, &passkeys, &codes, &lockedUntil,
		&disabled, &suspended, &keyName, &epoch, &handle, &unsent); err != nil {
		return err
	}
	binary.BigEndian.PutUint64(data[len(data)/2:], uint64(next))
	if b.turn != nil {
		b.turn <- struct{}{}
		defer func() { <-b.turn }()
	}
	result, err := b.save.ExecContext(ctx, next, data, authenticators, passkeys, codes, lockedUntil,
		disabled, suspended, keyName, epoch, handle, unsent, account, version)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		err = fmt.Errorf("%d rows changed", n)
	}
	return err
}

// numbered writes a statement's parameters as PostgreSQL has them.
func numbered(statement string) string {
	parts := strings.Split(statement, "?")
	for i := range parts[1:] {
		parts[i] += fmt.Sprint("$", i+1)
	}
	return strings.Join(parts, "")
}
