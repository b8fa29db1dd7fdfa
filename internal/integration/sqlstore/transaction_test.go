package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// host is a program with a table of its own, and what it does within its transactions.
type host struct {
	*testing.T
	d     database
	db    *sql.DB
	store *sqlstore.Store
}

func newHost(t *testing.T, d database, begin ...string) *host {
	t.Helper()
	if d.dialect == sqlstore.SQLite {
		d = d.with("_txlock=immediate")
	}
	h := &host{t, d, d.open(t, begin...), nil}
	h.store = d.store(t, h.db, patient)
	_, err := h.db.Exec("CREATE TABLE users (name VARCHAR(20) PRIMARY KEY)")
	require.NoError(t, err)
	save(t, h.store, storage.Record{ID: "a", Version: 1, Data: []byte("before")}, 0)
	save(t, h.store, storage.Record{ID: "b", Version: 1, Data: []byte("before")}, 0)
	require.NoError(t, h.store.SaveToken(t.Context(), storage.TokenRecord{ID: "t", AccountID: "a", Version: 1}, 0))
	return h
}

// begin begins a transaction, in which the program has written a row of its own.
func (h *host) begin(user string) (*sql.Tx, *sqlstore.Tx) {
	h.Helper()
	tx, err := h.db.BeginTx(context.WithoutCancel(h.Context()), nil)
	require.NoError(h, err)
	h.Cleanup(func() { tx.Rollback() })
	_, err = tx.Exec("INSERT INTO users (name) VALUES ('" + user + "')")
	require.NoError(h, err)
	return tx, h.store.Within(tx)
}

func (h *host) users() (n int) {
	h.Helper()
	require.NoError(h, h.db.QueryRow("SELECT COUNT(*) FROM users").Scan(&n))
	return n
}

// version returns that of an account, 0 where there is none.
func (h *host) version(id string) int64 {
	h.Helper()
	r, err := h.store.LoadAccount(h.Context(), id)
	if errors.Is(err, storage.ErrNotFound) {
		return 0
	}
	require.NoError(h, err)
	return r.Version
}

// change locks an account, which must be of a version, and saves it as another.
func (h *host) change(tx storage.Transaction, id string, from, to int64) error {
	h.Helper()
	r, err := tx.LockAccount(h.Context(), id)
	if from == 0 && errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return err
	}
	require.Equal(h, from, r.Version)
	return tx.SaveAccount(h.Context(), storage.Record{ID: id, Version: to, Data: []byte("after"), Index: storage.AccountIndex{CodesLeft: 4}}, from)
}

// over asserts that a transaction carries out no call any more, and says why.
func (h *host) over(tx storage.Transaction, why error) {
	h.Helper()
	ctx := h.Context()
	for _, err := range []error{
		second(tx.LockAccount(ctx, "a")),
		tx.SaveAccount(ctx, storage.Record{ID: "new", Version: 9}, 0),
		tx.DeleteAccount(ctx, "b"),
	} {
		require.ErrorIs(h, err, why)
		require.ErrorContains(h, err, "has to be rolled back")
	}
}

// TestWithin commits and takes back the program's own row with changes of accounts.
func TestWithin(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		for _, commit := range []bool{false, true} {
			tx, within := h.begin("u")
			_, err := within.LockAccount(t.Context(), "nobody")
			require.ErrorIs(t, err, storage.ErrNotFound, "which ends nothing")
			require.NoError(t, h.change(within, "a", 1, 2))
			require.NoError(t, h.change(within, "a", 2, 3), "it sees what it has saved")
			require.NoError(t, h.change(within, "new", 0, 4))
			require.NoError(t, within.DeleteAccount(t.Context(), "b"))
			require.NoError(t, within.DeleteAccount(t.Context(), "nobody"))
			require.EqualValues(t, 1, h.version("a"), "nothing is seen before the end")
			require.EqualValues(t, 1, h.version("b"))
			if !commit {
				require.NoError(t, tx.Rollback())
				require.Zero(t, h.users())
				require.EqualValues(t, 1, h.version("a"))
				require.EqualValues(t, 1, h.version("b"))
				require.Zero(t, h.version("new"))
				continue
			}
			require.NoError(t, tx.Commit())
			require.Equal(t, 1, h.users())
			require.EqualValues(t, 3, h.version("a"))
			require.Zero(t, h.version("b"))
			r, err := h.store.LoadAccount(t.Context(), "new")
			require.NoError(t, err)
			require.Equal(t, storage.Record{ID: "new", Version: 4, Data: []byte("after"), Index: storage.AccountIndex{CodesLeft: 4}}, r)

			_, err = within.LockAccount(t.Context(), "a")
			require.ErrorIs(t, err, sql.ErrTxDone)
			h.over(within, sql.ErrTxDone)
		}

		tx, within := h.begin("v")
		require.NoError(t, within.DeleteAccount(t.Context(), "a"))
		require.NoError(t, tx.Commit())
		left, err := h.store.Tokens(t.Context(), "a", "", 10)
		require.NoError(t, err)
		require.Empty(t, left.Records, "tokens go with their account")
	})
}

// TestWithinLocks: what a transaction has locked, nobody else changes before its end, and they learn then that it has.
func TestWithinLocks(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			d = d.with("_pragma=busy_timeout(20)") // so a save gives up soon, which is a conflict
		}
		h := newHost(t, d)
		tx, within := h.begin("u")
		r, err := within.LockAccount(t.Context(), "a")
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Version)
		done := make(chan error, 1)
		go func() { done <- h.store.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 7}, 1) }()
		if d.dialect == sqlstore.SQLite {
			require.ErrorIs(t, <-done, storage.ErrConflict)
			close(done)
		} else {
			d.waits(t, h.db)
		}
		require.EqualValues(t, 1, h.version("a"), "loads do not wait")
		require.NoError(t, within.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 2}, 1))
		require.NoError(t, tx.Commit())
		if err, waited := <-done; waited {
			require.ErrorIs(t, err, storage.ErrConflict)
		}
		require.EqualValues(t, 2, h.version("a"))
	})
}

// TestWithinConflict: a save over another version than the stored one, which ends the transaction.
func TestWithinConflict(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		for name, prev := range map[string]int64{"another": 9, "none": 0} {
			tx, within := h.begin("u")
			require.ErrorIs(t, within.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 2}, prev), storage.ErrConflict, name)
			h.over(within, storage.ErrConflict)
			// A program that does not listen.
			_ = tx.Commit()
			_, err := h.db.Exec("DELETE FROM users")
			require.NoError(t, err)
			for id, version := range map[string]int64{"a": 1, "b": 1, "new": 0} {
				require.Equal(t, version, h.version(id), "%s: %s", name, id)
			}
		}

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, c := range []struct {
			do   func(storage.Transaction) error
			want error
		}{
			{func(tx storage.Transaction) error { return second(tx.LockAccount(ended, "a")) }, context.Canceled},
			{func(tx storage.Transaction) error { return second(tx.LockAccount(t.Context(), "")) }, storage.ErrInvalid},
			{func(tx storage.Transaction) error { return tx.SaveAccount(t.Context(), storage.Record{ID: "a"}, 1) }, storage.ErrInvalid},
			{func(tx storage.Transaction) error { return tx.DeleteAccount(t.Context(), "\xff") }, storage.ErrInvalid},
		} {
			tx, within := h.begin("u")
			require.ErrorIs(t, c.do(within), c.want)
			h.over(within, c.want)
			require.NoError(t, tx.Rollback())
		}
	})
}

// TestWithinSnapshot: a transaction that has read before somebody else's save gets what was saved, or a conflict, and
// never what it could have read first.
func TestWithinSnapshot(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // a transaction that begins with the lock reads nothing older; see TestWithinDeferred
		}
		for begin, conflict := range map[string]bool{
			d.pick("SET default_transaction_isolation = 'read committed'", "SET SESSION tx_isolation = 'READ-COMMITTED'"):    false,
			d.pick("SET default_transaction_isolation = 'repeatable read'", "SET SESSION innodb_snapshot_isolation = ON"):    true,
			d.pick("SET default_transaction_isolation = 'serializable'", "SET SESSION innodb_snapshot_isolation = OFF"):      d.dialect == sqlstore.PostgreSQL,
			d.pick("SET idle_in_transaction_session_timeout = 0", "SET SESSION tx_isolation = 'SERIALIZABLE', autocommit=1"): false,
		} {
			t.Run(begin, func(t *testing.T) {
				h := newHost(t, d, begin)
				defer func() {
					for _, id := range []string{"a", "b"} {
						require.NoError(t, h.store.DeleteAccount(t.Context(), id))
					}
					_, err := h.db.Exec("DROP TABLE users")
					require.NoError(t, err)
				}()
				tx, within := h.begin("u")
				var n int
				require.NoError(t, tx.QueryRow("SELECT COUNT(*) FROM users").Scan(&n), "which takes the snapshot, where there is one")
				save(t, h.store, storage.Record{ID: "a", Version: 2}, 1)
				r, err := within.LockAccount(t.Context(), "a")
				if conflict {
					require.ErrorIs(t, err, storage.ErrConflict)
					h.over(within, storage.ErrConflict)
				} else {
					require.NoError(t, err)
					require.EqualValues(t, 2, r.Version)
					require.NoError(t, within.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 3}, 2))
				}
				require.NoError(t, tx.Rollback())
				require.EqualValues(t, 2, h.version("a"))
			})
		}
	})
}

// TestWithinDeferred: a program that begins without SQLite's lock has a conflict where it was overtaken.
func TestWithinDeferred(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect != sqlstore.SQLite {
			return
		}
		h := newHost(t, d)
		tx, err := d.with("_txlock=deferred").open(t).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		within := h.store.Within(tx)
		_, err = within.LockAccount(t.Context(), "a")
		require.NoError(t, err)
		save(t, h.store, storage.Record{ID: "a", Version: 2}, 1)
		require.ErrorIs(t, within.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 3}, 1), storage.ErrConflict)
		h.over(within, storage.ErrConflict)
		require.NoError(t, tx.Rollback())
		require.EqualValues(t, 2, h.version("a"))
	})
}

// TestWithinDeadlock: two transactions lock two accounts, in either order. The one that the database undoes has a
// conflict, and writes nothing after it: in MySQL that would be committed by itself.
func TestWithinDeadlock(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // one lock, no deadlocks
		}
		h := newHost(t, d)
		var errs [2]error
		var txs [2]*sql.Tx
		var withins [2]*sqlstore.Tx
		for i, id := range []string{"a", "b"} {
			txs[i], withins[i] = h.begin(id)
			require.NoError(t, h.change(withins[i], id, 1, 2))
		}
		done := make(chan struct{})
		go func() {
			_, errs[0] = withins[0].LockAccount(t.Context(), "b")
			if errs[0] == nil {
				errs[0] = txs[0].Commit()
			}
			close(done)
		}()
		d.waits(t, h.db)
		_, errs[1] = withins[1].LockAccount(t.Context(), "a")
		if errs[1] == nil {
			errs[1] = txs[1].Commit()
		}
		if errs[1] != nil {
			h.over(withins[1], storage.ErrConflict)
			_ = txs[1].Rollback() // so that the other one goes on
		}
		<-done
		lost := 0
		if errs[0] == nil {
			lost = 1
		}
		require.NoError(t, errs[1-lost])
		require.ErrorIs(t, errs[lost], storage.ErrConflict)
		h.over(withins[lost], storage.ErrConflict)
		_ = txs[lost].Commit()
		for i, id := range []string{"a", "b"} {
			want := int64(2)
			if i == lost {
				want = 1
			}
			require.Equal(t, want, h.version(id))
		}
		require.Zero(t, h.version("new"))
		require.Equal(t, 1, h.users())
	})
}

// TestWithinInserts: two transactions make the same account. One does.
func TestWithinInserts(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // the second cannot begin
		}
		h := newHost(t, d)
		var errs [2]error
		txs, withins := [2]*sql.Tx{}, [2]*sqlstore.Tx{}
		for i := range txs {
			txs[i], withins[i] = h.begin(string(rune('u' + i)))
			_, err := withins[i].LockAccount(t.Context(), "new")
			require.ErrorIs(t, err, storage.ErrNotFound)
		}
		together(2, func(i int) {
			if errs[i] = withins[i].SaveAccount(t.Context(), storage.Record{ID: "new", Version: int64(i + 1)}, 0); errs[i] != nil {
				_ = txs[i].Rollback()
				return
			}
			errs[i] = txs[i].Commit()
		})
		won := 0
		if errs[0] != nil {
			won = 1
		}
		require.NoError(t, errs[won])
		require.ErrorIs(t, errs[1-won], storage.ErrConflict)
		require.EqualValues(t, won+1, h.version("new"))
		require.Equal(t, 1, h.users())
	})
}

// TestWithinSettings: a transaction whose connection forgets what it commits saves nothing.
func TestWithinSettings(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		unfit := d.open(t, d.pick("SET synchronous_commit = off", "SET autocommit = 0", "PRAGMA synchronous = off"))
		fresh := newStore(t, h.db, d) // which has looked at nothing yet
		for _, s := range []*sqlstore.Store{fresh, h.store} {
			if s == h.store && d.dialect == sqlstore.SQLite {
				continue // where no statement can ask
			}
			tx, err := unfit.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			within := s.Within(tx)
			err = within.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 2}, 1)
			require.ErrorIs(t, err, sqlstore.ErrSetup)
			h.over(within, sqlstore.ErrSetup)
			require.NoError(t, tx.Rollback())
		}
		require.EqualValues(t, 1, h.version("a"))
	})
}
