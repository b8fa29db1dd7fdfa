package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// undoing is a MySQL server with tables of version 1, which undoes statements of a migration.
type undoing struct {
	stub
	undone map[string]bool         // each that is not here yet is undone once
	answer func(text string) error // nil: none of them is answered otherwise
}

func (u *undoing) Connect(context.Context) (driver.Conn, error) { return u, nil }

func (u *undoing) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if u.answer != nil {
		return nil, u.answer(text)
	}
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

func (u *undoing) open(t *testing.T) *sqlstore.Store {
	t.Helper()
	db := sql.OpenDB(u)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Options{})
	require.NoError(t, err)
	return s
}

const release = "DO RELEASE_LOCK('gatehouse .gatehouse_')"

func TestDownUndone(t *testing.T) {
	u := &undoing{undone: map[string]bool{release: true}}
	s := u.open(t)
	require.NoError(t, s.Down(t.Context(), 0))
	want, err := sqlstore.DDL(sqlstore.MySQL, sqlstore.Options{}, 1, 0)
	require.NoError(t, err)
	var done []string
	for _, text := range u.texts {
		if u.undone[text] {
			done = append(done, text)
		}
	}
	require.Equal(t, append(want, release), done)
}

// What ctx has ended says what it was that did not end, and a lock that was waited for is not waited for again.
func TestDownFails(t *testing.T) {
	for number, want := range map[uint16]int{1213: 3, 1205: 1} {
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		u := &undoing{answer: func(text string) error {
			if text == release {
				return nil
			}
			if tries++; tries == 3 {
				cancel()
			}
			return &mysqlError{number}
		}}
		err := u.open(t).Down(ctx, 0)
		require.Equal(t, want, tries)
		require.Equal(t, number == 1213, errors.Is(err, context.Canceled))
		var cause *mysqlError
		require.ErrorAs(t, err, &cause)
		require.Equal(t, number, cause.Number)
		cancel()
	}
}
