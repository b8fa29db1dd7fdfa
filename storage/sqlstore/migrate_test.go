package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// undoing is a MySQL server with tables of version 1, which undoes each statement of a migration once.
type undoing struct {
	stub
	undone map[string]bool
}

func (u *undoing) Connect(context.Context) (driver.Conn, error) { return u, nil }

func (u *undoing) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if !u.undone[text] {
		u.undone[text] = true
		return nil, &mysqlError{1213}
	}
	return u.stub.ExecContext(ctx, text, args)
}

func (u *undoing) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	settings := len(u.texts)
	rows, err := u.stub.QueryContext(ctx, text, args)
	if len(u.texts) == settings {
		return rows, err
	}
	return &one{table{{int64(1)}}}, err
}

// one has the number 1: of tables, of versions, of locks.
type one struct{ table }

func (*one) Columns() []string { return []string{"n"} }

func TestDownUndone(t *testing.T) {
	u := &undoing{undone: map[string]bool{"DO RELEASE_LOCK('gatehouse .gatehouse_')": true}}
	db := sql.OpenDB(u)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Down(t.Context(), 0))
	want, err := sqlstore.DDL(sqlstore.MySQL, sqlstore.Options{}, 1, 0)
	require.NoError(t, err)
	var done []string
	for _, text := range u.texts {
		if u.undone[text] {
			done = append(done, text)
		}
	}
	require.Equal(t, append(want, "DO RELEASE_LOCK('gatehouse .gatehouse_')"), done)
}
