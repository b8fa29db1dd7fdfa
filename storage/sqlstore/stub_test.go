package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// stub is a database that answers each statement with the same thing. Real ones are for the tests
// of the integration module.
type stub struct {
	err      error // of a statement, or if nil:
	first    error // of the first query alone
	write    error // of each statement that is no query
	affected int64
	lost     error          // of the count of rows
	begin    error          // of a transaction
	row      []driver.Value // of each query; nil: none

	settings map[string]string // what it says of itself; nil: what all three call good

	texts   []string // of statements, in the order in which they came, but for those that ask for settings
	prepare int      // how many were prepared
}

func (s *stub) open(t testing.TB, d sqlstore.Dialect, o sqlstore.Options) *sqlstore.Store {
	t.Helper()
	db := sql.OpenDB(s)
	t.Cleanup(func() { db.Close() })
	store, err := sqlstore.New(db, d, o)
	require.NoError(t, err)
	return store
}

func (s *stub) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *stub) Driver() driver.Driver                        { return nil }
func (s *stub) Close() error                                 { return nil }
func (s *stub) Begin() (driver.Tx, error)                    { return nil, errors.New("not the default isolation") }
func (s *stub) Commit() error                                { return nil }
func (s *stub) Rollback() error                              { return nil }

func (s *stub) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	s.texts = append(s.texts, fmt.Sprint("BEGIN ", sql.IsolationLevel(o.Isolation), " ", o.ReadOnly))
	return s, s.begin
}

func (s *stub) Prepare(text string) (driver.Stmt, error) {
	s.prepare++
	return &stubStmt{s, text}, nil
}

func (s *stub) ExecContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	s.texts = append(s.texts, text)
	return s, cmp.Or(s.write, s.err)
}

func (s *stub) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	for part, rows := range map[string]driver.Rows{
		"SHOW SESSION VARIABLES": s.tell(), "current_setting(s.name": s.tell(), "pragma_synchronous": s.tell(),
		"CONCAT('engine of ": new(table),
	} {
		if strings.Contains(text, part) {
			return rows, nil
		}
	}
	s.texts = append(s.texts, text)
	if first := s.first; first != nil {
		s.first = nil
		return nil, first
	}
	if s.row != nil {
		return &table{s.row}, s.err
	}
	return new(table), s.err
}

func (s *stub) LastInsertId() (int64, error) { return 0, nil }
func (s *stub) RowsAffected() (int64, error) { return s.affected, s.lost }

type stubStmt struct {
	*stub
	text string
}

func (s *stubStmt) Close() error  { return nil }
func (s *stubStmt) NumInput() int { return -1 }
func (s *stubStmt) Exec([]driver.Value) (driver.Result, error) {
	return s.stub.ExecContext(context.Background(), s.text, nil)
}
func (s *stubStmt) Query([]driver.Value) (driver.Rows, error) {
	return s.stub.QueryContext(context.Background(), s.text, nil)
}

// tell answers the question for settings.
func (s *stub) tell() driver.Rows {
	all := s.settings
	if all == nil {
		all = map[string]string{"fsync": "on", "autocommit": "ON", "synchronous": "2"}
	}
	rows := new(table)
	for name, value := range all {
		*rows = append(*rows, []driver.Value{name, value})
	}
	return rows
}

// table has rows of two columns.
type table [][]driver.Value

func (*table) Columns() []string { return []string{"name", "value"} }
func (*table) Close() error      { return nil }
func (t *table) Next(dest []driver.Value) error {
	if len(*t) == 0 {
		return io.EOF
	}
	copy(dest, (*t)[0])
	*t = (*t)[1:]
	return nil
}
