package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// stub is a database that answers each statement with the same thing. Real ones are for the tests
// of the integration module.
type stub struct {
	err      error // of a statement, or if nil:
	affected int64
	lost     error // of the count of rows

	texts   []string // of statements, in the order in which they came
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
	return s, nil
}

func (s *stub) Prepare(text string) (driver.Stmt, error) {
	s.prepare++
	return &stubStmt{s, text}, nil
}

func (s *stub) ExecContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	s.texts = append(s.texts, text)
	return s, s.err
}

func (s *stub) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	s.texts = append(s.texts, text)
	return noRows{}, s.err
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

type noRows struct{}

func (noRows) Columns() []string         { return nil }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }
