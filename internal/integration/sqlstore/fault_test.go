package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

var errInjected = errors.New("a fault that the test made")

// faults makes the nth call of a driver fail: to connect, to prepare, run or query a statement, to give its next row or
// the number of rows it changed, to begin or to commit. A late fault comes after the call has done its work.
type faults struct {
	driver.Connector
	late bool

	mu   sync.Mutex
	left int    // calls until the one that fails
	hit  string // the text of the statement that it was about; "" as long as there was none
}

// arm has the nth call from now on fail.
func (f *faults) arm(n int, late bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.late, f.hit = n, late, ""
}

// call makes a call, or fails it.
func (f *faults) call(text string, do func() error) error {
	f.mu.Lock()
	f.left--
	fails := f.left == 0
	if fails {
		f.hit = text
	}
	late := f.late
	f.mu.Unlock()
	if fails && !late {
		return errInjected
	}
	err := do()
	if fails && (err == nil || err == io.EOF) {
		return errInjected
	}
	return err
}

func (f *faults) Connect(ctx context.Context) (driver.Conn, error) {
	var c driver.Conn
	err := f.call("connect", func() (err error) {
		c, err = f.Connector.Connect(ctx)
		return err
	})
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, err
	}
	return &faultyConn{c, f}, nil
}

// faultyConn prepares each statement that has parameters, which database/sql makes do with.
type faultyConn struct {
	driver.Conn
	f *faults
}

func (c *faultyConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) > 0 {
		return nil, driver.ErrSkip
	}
	return c.f.exec(text, func() (driver.Result, error) { return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, nil) })
}

func (f *faults) exec(text string, do func() (driver.Result, error)) (driver.Result, error) {
	var result driver.Result
	err := f.call(text, func() (err error) {
		result, err = do()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &faultyResult{result, text, f}, nil
}

func (c *faultyConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	var stmt driver.Stmt
	err := c.f.call(text, func() (err error) {
		stmt, err = c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
		return err
	})
	if err != nil {
		if stmt != nil {
			stmt.Close()
		}
		return nil, err
	}
	return &faultyStmt{stmt, text, c.f}, nil
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var tx driver.Tx
	err := c.f.call("begin", func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	})
	if err != nil {
		if tx != nil {
			tx.Rollback()
		}
		return nil, err
	}
	return &faultyTx{tx, c.f}, nil
}

type faultyTx struct {
	driver.Tx
	f *faults
}

// Commit ends the transaction in any case, as a database does.
func (t *faultyTx) Commit() error {
	done := false
	err := t.f.call("commit", func() error { done = true; return t.Tx.Commit() })
	if !done {
		t.Tx.Rollback()
	}
	return err
}

func (t *faultyTx) Rollback() error { return t.Tx.Rollback() }

type faultyStmt struct {
	driver.Stmt
	text string
	f    *faults
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.f.exec(s.text, func() (driver.Result, error) { return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args) })
}

func (s *faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	var rows driver.Rows
	err := s.f.call(s.text, func() (err error) {
		rows, err = s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		return err
	})
	if err != nil {
		if rows != nil {
			rows.Close()
		}
		return nil, err
	}
	return &faultyRows{rows, s}, nil
}

func (s *faultyStmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type faultyResult struct {
	driver.Result
	text string
	f    *faults
}

func (r *faultyResult) RowsAffected() (n int64, err error) {
	err = r.f.call(r.text, func() (err error) {
		n, err = r.Result.RowsAffected()
		return err
	})
	return n, err
}

type faultyRows struct {
	driver.Rows
	s *faultyStmt
}

func (r *faultyRows) Next(dest []driver.Value) error {
	return r.s.f.call(r.s.text, func() error { return r.Rows.Next(dest) })
}

// TestEachFault is row T3: whatever call of the driver fails, the method that made it returns an error, and neither an
// answer nor a part of one. A fault is no answer that the caller could act on: not ErrNotFound, ErrConflict or ErrSetup.
func TestEachFault(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // for what waits for a lock that a fault has left
		defer cancel()
		direct := newStore(t, d.open(t), d)
		f := &faults{Connector: &beginning{driver: d.open(t).Driver(), dsn: d.dsn}}
		account, token := storage.Record{ID: "a", Version: 2}, storage.TokenRecord{ID: "t", AccountID: "a", Version: 2}
		tables := func() {
			require.NoError(t, direct.Migrate(ctx))
			require.NoError(t, direct.DeleteAccount(ctx, "c"))
			filled(t, direct)
			save(t, direct, storage.Record{ID: "b", Version: 1}, 0)
			require.NoError(t, direct.SaveToken(ctx, storage.TokenRecord{ID: "u", AccountID: "a", Version: 1}, 0))
		}
		count := func(want, got int, err error) error {
			if err == nil && got != want {
				return fmt.Errorf("WRONG: a page of %d for %d, and no error", got, want)
			}
			return err
		}
		for name, c := range map[string]struct {
			before func() // nil: nothing is changed
			do     func(s *sqlstore.Store) error
		}{
			"LoadAccount": {nil, func(s *sqlstore.Store) error { return second(s.LoadAccount(ctx, "a")) }},
			"LoadToken":   {nil, func(s *sqlstore.Store) error { _, _, err := s.LoadToken(ctx, "t"); return err }},
			"Accounts": {nil, func(s *sqlstore.Store) error {
				page, err := s.Accounts(ctx, "", 10)
				return count(2, len(page.Records), err)
			}},
			"Tokens": {nil, func(s *sqlstore.Store) error {
				page, err := s.Tokens(ctx, "a", "", 10)
				return count(2, len(page.Records), err)
			}},
			"AllTokens": {nil, func(s *sqlstore.Store) error {
				page, err := s.AllTokens(ctx, "", 10)
				return count(2, len(page.Records), err)
			}},
			"SaveAccount": {tables, func(s *sqlstore.Store) error { return s.SaveAccount(ctx, account, 1) }},
			"SaveAccount of a new one": {tables, func(s *sqlstore.Store) error {
				return s.SaveAccount(ctx, storage.Record{ID: "c", Version: 2}, 0)
			}},
			"SaveToken":     {tables, func(s *sqlstore.Store) error { return s.SaveToken(ctx, token, 1) }},
			"DeleteToken":   {tables, func(s *sqlstore.Store) error { return s.DeleteToken(ctx, "t", 1) }},
			"DeleteAccount": {tables, func(s *sqlstore.Store) error { return s.DeleteAccount(ctx, "a") }},
			"TouchTokens": {tables, func(s *sqlstore.Store) error {
				return s.TouchTokens(ctx, []storage.TokenUse{usedAt("t", moment(5))})
			}},
			"Version": {nil, func(s *sqlstore.Store) error {
				v, err := s.Version(ctx)
				return count(newest, v, err)
			}},
			"Check":    {nil, func(s *sqlstore.Store) error { return s.Check(ctx) }},
			"Validate": {nil, func(s *sqlstore.Store) error { return s.Validate(ctx) }},
			"Migrate": {
				func() { require.NoError(t, direct.Migrate(ctx)); require.NoError(t, direct.Down(ctx, 0)) },
				func(s *sqlstore.Store) error { return s.Migrate(ctx) },
			},
			"Down": {
				func() { require.NoError(t, direct.Migrate(ctx)) },
				func(s *sqlstore.Store) error { return s.Down(ctx, 0) },
			},
		} {
			tables()
			for _, late := range []bool{false, true} {
				if late && (name == "Check" || name == "Validate" || name == "Migrate" || name == "Down") {
					continue // for the time it takes
				}
				db := sql.OpenDB(f)
				if name == "Check" && d.dialect == sqlstore.SQLite {
					db.SetMaxIdleConns(-1) // so that each use of the pool connects
				}
				for n := 1; ; n++ {
					if c.before != nil {
						c.before()
					}
					s := newStore(t, db, d)
					f.arm(n, late)
					err := c.do(s)
					f.mu.Lock()
					hit := f.hit
					f.mu.Unlock()
					if hit == "" {
						require.NoError(t, err, name)
						require.Greater(t, n, 3, "%s: the calls were seen", name)
						require.NoError(t, db.Close())
						break
					}
					if err == nil && strings.HasPrefix(hit, "DO RELEASE_LOCK") {
						continue // the end of the connection lets go of the lock
					}
					require.ErrorIs(t, err, errInjected, "%s: call %d, late %t: %s", name, n, late, hit)
					for _, target := range []error{storage.ErrNotFound, storage.ErrConflict, storage.ErrInvalid, sqlstore.ErrSetup} {
						require.NotErrorIs(t, err, target, "%s: %s", name, hit)
					}
				}
			}
		}
	})
}
