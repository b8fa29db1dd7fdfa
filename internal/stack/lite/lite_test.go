// Package lite_test runs the SQL store and the host's transaction on other drivers of SQLite, and under handles that
// wrap database/sql.
package lite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver sqlite3
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// The DSNs of docs/your-stack.md.
var drivers = map[string]string{
	"sqlite3": "?_busy_timeout=10000&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate",                         // mattn
	"sqlite":  "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate", // modernc
}

func each(t *testing.T, test func(t *testing.T, driver, dsn string)) {
	for driver, params := range drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, driver, "file:"+filepath.Join(t.TempDir(), "app.db")+params)
		})
	}
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func storeIn(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{Timeout: 5 * time.Minute})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	return s
}

// TestConformance runs the suite through two handles, as two processes would have them.
func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, driver, dsn string) {
		stores := []*sqlstore.Store{storeIn(t, open(t, driver, dsn)), storeIn(t, open(t, driver, dsn))}
		require.NoError(t, stores[0].Check(t.Context()))
		require.NoError(t, stores[0].Validate(t.Context()))
		warnings, err := stores[0].Warnings(t.Context())
		require.NoError(t, err)
		require.Empty(t, warnings)
		var n atomic.Int64
		storagetest.RunShared(t, func(*testing.T) storage.Store { return stores[n.Add(1)%2] })
	})
}

// TestUndone: SQLite has undone the transaction at a statement of the host's own. What the host changes after that is not
// committed by itself.
func TestUndone(t *testing.T) {
	each(t, func(t *testing.T, driver, dsn string) {
		h := newHost(t, driver, dsn)
		tx, err := h.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.Exec("INSERT OR ROLLBACK INTO users (id, password) VALUES ('ada', 'x')")
		require.Error(t, err)
		within := hosttx.Within(h.svc.Operator("system"), h.store.Within(tx))
		require.ErrorContains(t, within.PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens), "not open any more")
		_ = tx.Rollback()
		_, err = h.store.LoadAccount(t.Context(), "ada")
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// TestSharedCache: under cache=shared a load of mattn's driver does not wait, nor read what was there before, while
// another connection writes. It can be tried again, and otherwise need not be.
func TestSharedCache(t *testing.T) {
	for params, conflict := range map[string]bool{"": false, "&cache=shared": true} {
		db := open(t, "sqlite3", "file:"+filepath.Join(t.TempDir(), "app.db")+drivers["sqlite3"]+params)
		s := storeIn(t, db)
		require.NoError(t, s.SaveAccount(t.Context(), storage.Record{ID: "ada", Version: 1}, 0))
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, s.Within(tx).SaveAccount(t.Context(), storage.Record{ID: "ada", Version: 2}, 1))
		r, err := s.LoadAccount(t.Context(), "ada")
		require.Equal(t, conflict, errors.Is(err, storage.ErrConflict), "%q: %v", params, err)
		if !conflict {
			require.EqualValues(t, 1, r.Version)
		}
		require.NoError(t, tx.Rollback())
	}
}

// busyStore lets go of what keeps it busy once a save has met that.
type busyStore struct {
	storage.Store
	conflicts int
	free      func()
}

func (s *busyStore) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	err := s.Store.SaveAccount(ctx, r, prev)
	if errors.Is(err, storage.ErrConflict) {
		s.conflicts++
		s.free()
	}
	return err
}

// TestBusy is row A7: somebody else writes for longer than the busy timeout, and the save is tried again.
func TestBusy(t *testing.T) {
	each(t, func(t *testing.T, driver, dsn string) {
		other := open(t, driver, dsn)
		db := open(t, driver, dsn)
		db.SetMaxOpenConns(1)
		store := &busyStore{Store: storeIn(t, db)}
		_, err := db.Exec("PRAGMA busy_timeout = 5")
		require.NoError(t, err)
		svc := serviceOn(t, store, nil)
		tx, err := other.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		store.free = func() { tx.Rollback() }
		require.NoError(t, svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
		require.Equal(t, 1, store.conflicts)

		// In a transaction that was begun without the lock, the host has to begin again.
		tx, err = other.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		deferred := open(t, driver, strings.Replace(dsn, "_txlock=immediate", "_txlock=deferred", 1))
		own, err := deferred.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer own.Rollback()
		_, err = own.Exec("PRAGMA busy_timeout = 5")
		require.NoError(t, err)
		within := hosttx.Within(svc.Operator("system"), storeIn(t, db).Within(own))
		require.ErrorIs(t, within.PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens), hosttx.ErrRetryTransaction)
	})
}

func serviceOn(t *testing.T, store storage.Store, o event.Observer) *gatehouse.Service {
	t.Helper()
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(), Observer: o,
	})
	require.NoError(t, err)
	return svc
}

// host is a program with users in an SQLite file, which it has one connection to.
type host struct {
	*testing.T
	db     *sql.DB
	store  *sqlstore.Store
	svc    *gatehouse.Service
	events gatehousetest.Recorder
}

func newHost(t *testing.T, driver, dsn string) *host {
	t.Helper()
	h := &host{T: t, db: open(t, driver, dsn)}
	h.db.SetMaxOpenConns(1)
	h.store = storeIn(t, h.db)
	h.svc = serviceOn(t, h.store, &h.events)
	_, err := h.db.Exec("CREATE TABLE users (id TEXT PRIMARY KEY, password TEXT NOT NULL)")
	require.NoError(t, err)
	_, err = h.db.Exec("INSERT INTO users (id, password) VALUES ('ada', 'old')")
	require.NoError(t, err)
	return h
}

// change is what a host does in its transaction, once it has the *sql.Tx out of its handle.
func (h *host) change(tx *sql.Tx) *hosttx.Tx {
	h.Helper()
	within := hosttx.Within(h.svc.Operator("system"), h.store.Within(tx))
	require.NoError(h, within.PasswordChanged(h.Context(), "ada", gatehouse.KeepTokens))
	return within
}

// together asserts that transactions of a handle commit the host's row and the account together, and take back both.
// set sets the password in the host's row and calls change, all in one transaction, whose end is decided by an error.
func (h *host) together(set func(password string, fail error) error) {
	h.Helper()
	undone := errors.New("undone")
	require.ErrorIs(h, set("undone", undone), undone)
	require.NoError(h, set("new", nil))
	require.Zero(h, h.db.Stats().WaitCount, "nothing has asked for another connection")
	var password string
	require.NoError(h, h.db.QueryRow("SELECT password FROM users WHERE id = 'ada'").Scan(&password))
	require.Equal(h, "new", password)
	a, err := h.svc.Account(h.Context(), "ada")
	require.NoError(h, err)
	require.Len(h, a.Activity, 1)
	require.Equal(h, event.PasswordChanged, a.Activity[0].Kind)
	require.Len(h, h.events.Take(), 1)
}

// TestDatabaseSQL is row A6, on each driver.
func TestDatabaseSQL(t *testing.T) {
	each(t, func(t *testing.T, driver, dsn string) {
		h := newHost(t, driver, dsn)
		h.together(func(password string, fail error) error {
			tx, err := h.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback()
			_, err = tx.Exec("UPDATE users SET password = ?", password)
			require.NoError(t, err)
			within := h.change(tx)
			if fail != nil {
				return fail
			}
			err = tx.Commit()
			within.Committed(t.Context())
			return err
		})
	})
}
