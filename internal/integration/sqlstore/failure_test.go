package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// hold begins a transaction on a connection of its own and runs statements in it. What it has
// written is locked until the returned function ends it with another.
func (d database) hold(t testing.TB, statements ...string) (end func(statement string)) {
	t.Helper()
	c, err := d.open(t).Conn(t.Context())
	require.NoError(t, err)
	run := func(statement string) {
		_, err := c.ExecContext(context.WithoutCancel(t.Context()), statement)
		require.NoError(t, err, statement)
	}
	for _, statement := range append([]string{d.pick("BEGIN", "BEGIN", "BEGIN IMMEDIATE")}, statements...) {
		run(statement)
	}
	ended := false
	end = func(statement string) {
		if !ended {
			ended = true
			run(statement)
			c.Close()
		}
	}
	t.Cleanup(func() { end("ROLLBACK") })
	return end
}

// waits returns when a statement of the store waits for a lock. SQLite does not tell: there the
// statement is given time, and the test holds all the same if that was too short. InnoDB shows its
// locks as they were when last looked at, if that is not over 0.1 s ago.
func (d database) waits(t testing.TB, db *sql.DB) (id int64) {
	t.Helper()
	if d.dialect == sqlstore.SQLite {
		time.Sleep(50 * time.Millisecond)
		return 0
	}
	require.Eventually(t, func() bool {
		err := db.QueryRow(d.pick(
			"SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
			"SELECT trx_mysql_thread_id FROM information_schema.innodb_trx x JOIN information_schema.processlist p"+
				" ON p.id = x.trx_mysql_thread_id WHERE x.trx_state = 'LOCK WAIT' AND p.db = DATABASE()",
		)).Scan(&id)
		return err == nil
	}, 5*time.Minute, 150*time.Millisecond, "no statement waits for a lock")
	return id
}

// rests waits until the server is done with the statements that were given up: they get their locks late, and may write.
func (d database) rests(t testing.TB, db *sql.DB) {
	t.Helper()
	if d.dialect == sqlstore.SQLite {
		return
	}
	require.Eventually(t, func() bool {
		running := -1
		err := db.QueryRow(d.pick(
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()",
			"SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND command <> 'Sleep' AND id <> CONNECTION_ID()",
		)).Scan(&running)
		return err == nil && running == 0
	}, time.Minute, 20*time.Millisecond, "a statement goes on")
}

// call is a call of each method that writes, with a record that is locked by lock.
type call struct {
	name string
	lock string
	do   func(ctx context.Context, s *sqlstore.Store) error
}

func calls() []call {
	account := storage.Record{ID: "a", Version: 2, Data: []byte("after")}
	token := storage.TokenRecord{ID: "t", AccountID: "a", Version: 2, Data: []byte("after")}
	lockAccount := "UPDATE gatehouse_accounts SET codes_left = 7 WHERE id = 'a'"
	return []call{
		{"SaveAccount", lockAccount,
			func(ctx context.Context, s *sqlstore.Store) error { return s.SaveAccount(ctx, account, 1) }},
		{"SaveAccount of a new one", "INSERT INTO gatehouse_accounts (id, version, data, authenticators, codes_left," +
			" passkeys, disabled, suspended, key_name, token_epoch) VALUES ('b', 5, %[2]s, 0, 0, 0, %[1]s, %[1]s, '', 0)",
			func(ctx context.Context, s *sqlstore.Store) error {
				return s.SaveAccount(ctx, storage.Record{ID: "b", Version: 2}, 0)
			}},
		{"SaveToken", "UPDATE gatehouse_tokens SET revoked = %[1]s WHERE id = 't'",
			func(ctx context.Context, s *sqlstore.Store) error { return s.SaveToken(ctx, token, 1) }},
		{"DeleteToken", "UPDATE gatehouse_tokens SET revoked = %[1]s WHERE id = 't'",
			func(ctx context.Context, s *sqlstore.Store) error { return s.DeleteToken(ctx, "t", 1) }},
		{"DeleteAccount", lockAccount,
			func(ctx context.Context, s *sqlstore.Store) error { return s.DeleteAccount(ctx, "a") }},
		{"TouchTokens", "UPDATE gatehouse_token_uses SET last_used = last_used",
			func(ctx context.Context, s *sqlstore.Store) error {
				use := storage.TokenUsage{LastUsed: moment(2), Scopes: 2, Addresses: "after"}
				return s.TouchTokens(ctx, []storage.TokenUse{{ID: "t", TokenUsage: use}})
			}},
	}
}

// lockedBy fills in what the databases write differently.
func (c call) lockedBy(d database) string {
	if strings.Contains(c.lock, "%") {
		return fmt.Sprintf(c.lock, d.pick("false", "0", "0"), d.pick("''", "''", "x''"))
	}
	return c.lock
}

// filled makes the records that calls are about, and returns the state of them.
func filled(t testing.TB, s *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	for _, id := range []string{"a", "b"} {
		require.NoError(t, s.DeleteAccount(ctx, id))
	}
	save(t, s, storage.Record{ID: "a", Version: 1, Data: []byte("before")}, 0)
	require.NoError(t, s.SaveToken(ctx, storage.TokenRecord{ID: "t", AccountID: "a", Version: 1, Data: []byte("before")}, 0))
	require.NoError(t, s.TouchTokens(ctx, []storage.TokenUse{{ID: "t", TokenUsage: usedBefore}}))
}

var usedBefore = storage.TokenUsage{LastUsed: moment(1), Scopes: 1, Addresses: "before"}

// unchanged asserts that nothing of what calls write is there.
func unchanged(t testing.TB, s *sqlstore.Store) {
	t.Helper()
	r, err := s.LoadAccount(t.Context(), "a")
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Version)
	require.Equal(t, "before", string(r.Data))
	token, _, err := s.LoadToken(t.Context(), "t")
	require.NoError(t, err)
	require.EqualValues(t, 1, token.Version)
	require.Equal(t, "before", string(token.Data))
	require.Equal(t, usedBefore, token.Usage)
	_, err = s.LoadAccount(t.Context(), "b")
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// TestGivenUp: the caller goes, or the statement takes too long, while it waits for a lock.
func TestGivenUp(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		hasty, err := sqlstore.New(d.open(t), d.dialect, sqlstore.Options{Timeout: 200 * time.Millisecond})
		require.NoError(t, err)
		for _, c := range calls() {
			filled(t, s)
			end := d.hold(t, c.lockedBy(d))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.do(ctx, s) }()
			d.waits(t, db)
			cancel()
			givenUp := func(err, cause error) {
				t.Helper()
				// SQLite's driver says that the file was locked, and so that nothing was written.
				if d.dialect != sqlstore.SQLite || !errors.Is(err, storage.ErrConflict) {
					require.ErrorIs(t, err, cause, c.name)
					require.NotErrorIs(t, err, storage.ErrConflict, c.name)
				}
			}
			givenUp(<-done, context.Canceled)
			givenUp(c.do(t.Context(), hasty), context.DeadlineExceeded)
			end("ROLLBACK")
			d.rests(t, db)
		}
	})
}

// TestFullPool: no connection comes free in time.
func TestFullPool(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{Timeout: 300 * time.Millisecond})
		filled(t, s)
		db.SetMaxOpenConns(1)
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		for _, c := range calls() {
			require.ErrorIs(t, c.do(t.Context(), s), context.DeadlineExceeded, c.name)
		}
		_, err = s.LoadAccount(t.Context(), "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, c.Close())
		unchanged(t, s)
	})
}

// TestReadOnly: loads go on, saves are faults, and programs start that have nothing to migrate.
func TestReadOnly(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		filled(t, d.store(t, d.open(t), sqlstore.Options{}))
		s := newStore(t, d.open(t, d.pick(
			"SET default_transaction_read_only = on", "SET SESSION TRANSACTION READ ONLY", "PRAGMA query_only = on",
		)), d)
		require.NoError(t, s.Migrate(t.Context()))
		require.NoError(t, s.Check(t.Context()))
		for _, c := range calls() {
			err := c.do(t.Context(), s)
			require.Error(t, err, c.name)
			require.NotErrorIs(t, err, storage.ErrConflict, c.name)
		}
		unchanged(t, s)
	})
}

// TestDiskFull: SQLite, where a full disk is made by a setting.
func TestDiskFull(t *testing.T) {
	d := database{sqlstore.SQLite, "sqlite3", dbtest.SQLite(t), nil}
	filled(t, d.store(t, d.open(t), sqlstore.Options{}))
	s := newStore(t, d.open(t, "PRAGMA max_page_count = 1"), d) // no more than there are
	large := make([]byte, 1<<20)
	for _, err := range []error{
		s.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 2, Data: large}, 1),
		s.SaveAccount(t.Context(), storage.Record{ID: "b", Version: 2, Data: large}, 0),
		s.SaveToken(t.Context(), storage.TokenRecord{ID: "t", AccountID: "a", Version: 2, Data: large}, 1),
	} {
		require.ErrorContains(t, err, "full")
		require.NotErrorIs(t, err, storage.ErrConflict)
	}
	unchanged(t, s)
}

// TestKilledMidway ends the connection of a statement that is under way.
func TestKilledMidway(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // no connection
		}
		db := d.open(t)
		s := d.store(t, db, patient)
		for _, c := range calls() {
			filled(t, s)
			end := d.hold(t, c.lockedBy(d))
			done := make(chan error, 1)
			go func() { done <- c.do(t.Context(), s) }()
			_, err := db.Exec(fmt.Sprintf(d.pick("SELECT pg_terminate_backend(%d)", "KILL %d"), d.waits(t, db)))
			require.NoError(t, err)
			err = <-done
			require.Error(t, err, c.name)
			require.NotErrorIs(t, err, storage.ErrConflict, c.name)
			end("ROLLBACK")
			unchanged(t, s)
		}
	})
}

// TestLostReply cuts the connection when the statement has been carried out.
func TestLostReply(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // no connection
		}
		direct := d.store(t, d.open(t), sqlstore.Options{})
		behind, proxy := d.behindProxy(t)
		db := behind.open(t)
		db.SetMaxOpenConns(1)
		s := newStore(t, db, d)
		for _, c := range calls() {
			// Twice: the connection and the statement are prepared when the reply is lost.
			filled(t, direct)
			require.NoError(t, c.do(t.Context(), s), c.name)
			filled(t, direct)
			proxy.lose.Store(true)
			err := c.do(t.Context(), s)
			proxy.lose.Store(false)
			require.Error(t, err, c.name)
			require.NotErrorIs(t, err, storage.ErrConflict, c.name)
			switch c.name {
			case "SaveAccount":
				r, err := direct.LoadAccount(t.Context(), "a")
				require.NoError(t, err)
				require.EqualValues(t, 2, r.Version, "it was carried out")
			case "SaveAccount of a new one":
				_, err := direct.LoadAccount(t.Context(), "b")
				require.NoError(t, err, "it was carried out")
			}
		}
	})
}

// TestConflicts has each reason for which a database wants a statement tried again.
func TestConflicts(t *testing.T) {
	insert := calls()[1]
	update := calls()[0]
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		d.store(t, db, sqlstore.Options{})
		// conflicts asserts that a call conflicts, on a handle whose connections begin with begin, while
		// others hold what they have locked by statements, until the call waits, and then end.
		conflicts := func(c call, begin, end string, statements ...string) {
			t.Helper()
			s := newStore(t, d.open(t, begin), d)
			filled(t, newStore(t, db, d))
			finish := d.hold(t, statements...)
			done := make(chan error, 1)
			go func() { done <- c.do(t.Context(), s) }()
			if end != "" {
				d.waits(t, db)
				finish(end)
			}
			require.ErrorIs(t, <-done, storage.ErrConflict)
			finish("ROLLBACK")
		}
		switch d.dialect {
		case sqlstore.SQLite:
			conflicts(update, "PRAGMA busy_timeout = 50", "", update.lockedBy(d))
			conflicts(insert, "PRAGMA busy_timeout = 50", "", insert.lockedBy(d))
			return
		case sqlstore.PostgreSQL:
			conflicts(update, "SET lock_timeout = 50", "", update.lockedBy(d))
			conflicts(update, "SET default_transaction_isolation = 'serializable'", "COMMIT", update.lockedBy(d))
			conflicts(insert, "SET default_transaction_isolation = 'serializable'", "COMMIT", insert.lockedBy(d))
		case sqlstore.MySQL:
			conflicts(update, "SET innodb_lock_wait_timeout = 1", "", update.lockedBy(d))
		}
		none := "SELECT 1"
		conflicts(insert, none, "COMMIT", insert.lockedBy(d))
		conflicts(update, none, "COMMIT", strings.Replace(update.lockedBy(d), "codes_left", "version", 1))
		conflicts(update, none, "COMMIT", "DELETE FROM gatehouse_accounts WHERE id = 'a'")
	})
}

// TestDeleteTokenHalf: the token is gone when the database asks to try again. That is no conflict to
// the caller, who would take it for a delete of which nothing happened.
func TestDeleteTokenHalf(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // one lock, for both tables
		}
		direct := d.store(t, d.open(t), sqlstore.Options{})
		filled(t, direct)
		s := newStore(t, d.open(t, d.pick("SET lock_timeout = 50", "SET innodb_lock_wait_timeout = 1")), d)
		end := d.hold(t, "UPDATE gatehouse_token_uses SET scopes = 3")
		err := s.DeleteToken(t.Context(), "t", 1)
		require.ErrorContains(t, err, "delete token use")
		require.NotErrorIs(t, err, storage.ErrConflict)
		_, _, err = direct.LoadToken(t.Context(), "t")
		require.ErrorIs(t, err, storage.ErrNotFound)
		end("ROLLBACK")
		require.ErrorIs(t, s.DeleteToken(t.Context(), "t", 1), storage.ErrConflict)
	})
}

// TestDeleteTokenUseAgain: a use that was under way is in the way of the removal of the usage, once.
func TestDeleteTokenUseAgain(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect != sqlstore.PostgreSQL {
			return // the others wait for the use, and then delete what they find
		}
		db := d.open(t)
		direct := d.store(t, db, sqlstore.Options{})
		filled(t, direct)
		s := newStore(t, d.open(t, "SET default_transaction_isolation = 'serializable'"), d)
		end := d.hold(t, "UPDATE gatehouse_token_uses SET scopes = 3")
		done := make(chan error, 1)
		go func() { done <- s.DeleteToken(t.Context(), "t", 1) }()
		d.waits(t, db)
		end("COMMIT")
		require.NoError(t, <-done)
		var left int
		require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM gatehouse_token_uses WHERE token_id = 't'").Scan(&left))
		require.Zero(t, left)
	})
}

// TestDeletesLeaveNothing: no call reads a row of usage that a delete leaves behind, so the rows are counted.
func TestDeletesLeaveNothing(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		ctx, db := t.Context(), d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		rows := func() (n int) {
			t.Helper()
			require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM gatehouse_token_uses").Scan(&n))
			return n
		}
		for _, id := range []string{"alone", "with the account"} {
			require.NoError(t, s.SaveToken(ctx, storage.TokenRecord{ID: id, AccountID: "a", Version: 1}, 0))
			require.NoError(t, s.TouchTokens(ctx, []storage.TokenUse{usedAt(id, moment(1))}))
		}
		require.Equal(t, 2, rows())
		require.NoError(t, s.DeleteToken(ctx, "alone", 1))
		require.Equal(t, 1, rows())
		require.NoError(t, s.DeleteAccount(ctx, "a"))
		require.Zero(t, rows())
	})
}

// TestDeadlock: the store deletes the tokens of an account in their order, another in the reverse.
func TestDeadlock(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // one lock, no deadlocks
		}
		db := d.open(t)
		s := d.store(t, d.open(t, d.pick("SET deadlock_timeout = 500", "SELECT 1")), patient)
		for i := range 5 {
			id := fmt.Sprint(i)
			require.NoError(t, s.SaveToken(t.Context(), storage.TokenRecord{ID: id, AccountID: "a", Version: 1}, 0))
			save(t, s, storage.Record{ID: id, Version: 1}, 0)
		}
		// PostgreSQL undoes the one that looks first, InnoDB the one that has written less.
		var other *sql.Conn
		other, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer other.Close()
		run := func(statement string) error {
			_, err := other.ExecContext(t.Context(), statement)
			return err
		}
		require.NoError(t, run(d.pick("SET deadlock_timeout = 60000", "SELECT 1")))
		require.NoError(t, run("BEGIN"))
		require.NoError(t, run("DELETE FROM gatehouse_accounts"))
		require.NoError(t, run("UPDATE gatehouse_tokens SET version = 2 WHERE id = '4'"))
		done := make(chan error, 1)
		go func() { done <- s.DeleteAccount(t.Context(), "a") }()
		d.waits(t, db)
		require.NoError(t, run("UPDATE gatehouse_tokens SET version = 2 WHERE id = '0'"))
		require.ErrorIs(t, <-done, storage.ErrConflict)
		require.NoError(t, run("COMMIT"))
		require.NoError(t, s.DeleteAccount(t.Context(), "a"), "tried again")
		left, err := s.Tokens(t.Context(), "a", "", 10)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// looking is a context that is canceled at one of the looks at it.
type looking struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (l *looking) look() {
	if l.left.Add(-1) < 0 {
		l.cancel()
	}
}

func (l *looking) Done() <-chan struct{} { l.look(); return l.Context.Done() }
func (l *looking) Err() error            { l.look(); return l.Context.Err() }

// TestLoadCutShort: a load that is cut short never says that there is nothing. An account that is
// not there needs no second step.
func TestLoadCutShort(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.store(t, d.open(t), sqlstore.Options{})
		filled(t, s)
		for looks := range 30 {
			for name, load := range map[string]func(ctx context.Context) error{
				"LoadAccount": func(ctx context.Context) error { _, err := s.LoadAccount(ctx, "a"); return err },
				"LoadToken":   func(ctx context.Context) error { _, _, err := s.LoadToken(ctx, "t"); return err },
				"Accounts": func(ctx context.Context) error {
					page, err := s.Accounts(ctx, "", 10)
					if err == nil && len(page.Records) != 1 {
						return errors.New("a page without its records")
					}
					return err
				},
				"AllTokens": func(ctx context.Context) error {
					page, err := s.AllTokens(ctx, "", 10)
					if err == nil && len(page.Records) != 1 {
						return errors.New("a page without its records")
					}
					return err
				},
				"Tokens": func(ctx context.Context) error {
					page, err := s.Tokens(ctx, "a", "", 10)
					if err == nil && len(page.Records) != 1 {
						return errors.New("a page without its records")
					}
					return err
				},
			} {
				ctx, cancel := context.WithCancel(t.Context())
				l := &looking{Context: ctx, cancel: cancel}
				l.left.Store(int64(looks))
				if err := load(l); err != nil {
					require.ErrorIs(t, err, context.Canceled, "%s, %d looks", name, looks)
				}
				cancel()
			}
		}
	})
}
