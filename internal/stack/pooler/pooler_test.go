// Package pooler_test runs the SQL store and the host's transaction on drivers of PostgreSQL, and behind PgBouncer.
package pooler_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq" // the driver postgres
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// place is a way to a database.
type place struct {
	driver, param string // a parameter of the DSN; "pool": pgx's own pool
	pooled        bool   // behind PgBouncer in transaction mode
}

// The rows of docs/your-stack.md.
var places = map[string]place{
	"lib/pq":                          {driver: "postgres"},
	"lib/pq behind PgBouncer":         {driver: "postgres", param: "binary_parameters=yes", pooled: true},
	"pgx behind PgBouncer":            {driver: "pgx", param: "default_query_exec_mode=exec", pooled: true},
	"pgx behind PgBouncer, described": {driver: "pgx", param: "default_query_exec_mode=cache_describe", pooled: true},
	"pgxpool behind PgBouncer":        {driver: "pgxpool", param: "default_query_exec_mode=exec", pooled: true},
}

func each(t *testing.T, test func(t *testing.T, open func() *sql.DB)) {
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := p.at(t)
			test(t, func() *sql.DB { return p.open(t, dsn) })
		})
	}
}

// at makes a database, and returns the DSN for it.
func (p place) at(t *testing.T) string {
	t.Helper()
	server := dbtest.Postgres(t)
	dsn := server.Database(t)
	if p.pooled {
		dsn = server.Bouncer(t, dsn)
	}
	if p.param == "" {
		return dsn
	}
	if strings.Contains(dsn, "?") {
		return dsn + "&" + p.param
	}
	return dsn + "?" + p.param
}

func (p place) open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	var db *sql.DB
	var err error
	if p.driver == "pgxpool" {
		pool, err := pgxpool.New(t.Context(), dsn)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		db = stdlib.OpenDBFromPool(pool)
	} else {
		db, err = sql.Open(p.driver, dsn)
		require.NoError(t, err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(8)
	return db
}

func storeIn(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{Timeout: 5 * time.Minute})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	return s
}

// TestConformance runs the suite through two handles, as two processes would have them. Row A8.
func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, open func() *sql.DB) {
		stores := []*sqlstore.Store{storeIn(t, open()), storeIn(t, open())}
		require.NoError(t, stores[0].Check(t.Context()))
		require.NoError(t, stores[0].Validate(t.Context()))
		var n atomic.Int64
		storagetest.RunShared(t, func(*testing.T) storage.Store { return stores[n.Add(1)%2] })
	})
}

// host is a program with users in a database.
type host struct {
	*testing.T
	db     *sql.DB
	store  *sqlstore.Store
	svc    *gatehouse.Service
	events gatehousetest.Recorder
}

func newHost(t *testing.T, db *sql.DB) *host {
	t.Helper()
	h := &host{T: t, db: db, store: storeIn(t, db)}
	var err error
	h.svc, err = gatehouse.New(h.store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(), Observer: &h.events,
	})
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE users (id TEXT PRIMARY KEY, password TEXT NOT NULL)")
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO users (id, password) VALUES ('ada', 'old')")
	require.NoError(t, err)
	return h
}

func (h *host) change(tx *sql.Tx) *hosttx.Tx {
	h.Helper()
	within := hosttx.Within(h.svc.Operator("system"), h.store.Within(tx))
	require.NoError(h, within.PasswordChanged(h.Context(), "ada", gatehouse.KeepTokens))
	return within
}

// together asserts that transactions of a handle commit the host's row and the account together, and take back both.
func (h *host) together(set func(password string, fail error) error) {
	h.Helper()
	undone := errors.New("undone")
	require.ErrorIs(h, set("undone", undone), undone)
	require.NoError(h, set("new", nil))
	var password string
	require.NoError(h, h.db.QueryRow("SELECT password FROM users WHERE id = 'ada'").Scan(&password))
	require.Equal(h, "new", password)
	a, err := h.svc.Account(h.Context(), "ada")
	require.NoError(h, err)
	require.Len(h, a.Activity, 1)
	require.Equal(h, event.PasswordChanged, a.Activity[0].Kind)
	require.Len(h, h.events.Take(), 1)
}

// TestDatabaseSQL is row A6 on each driver, pooled or not, and a conflict in it.
func TestDatabaseSQL(t *testing.T) {
	each(t, func(t *testing.T, open func() *sql.DB) {
		h := newHost(t, open())
		h.together(func(password string, fail error) error {
			tx, err := h.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback()
			_, err = tx.Exec("UPDATE users SET password = '" + password + "'")
			require.NoError(t, err)
			within := h.change(tx)
			if fail != nil {
				return fail
			}
			err = tx.Commit()
			within.Committed(t.Context())
			return err
		})
		tx, err := h.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
		require.NoError(t, err)
		defer tx.Rollback()
		var n int
		require.NoError(t, tx.QueryRow("SELECT count(*) FROM users").Scan(&n))
		require.NoError(t, h.svc.Operator("other").Suspend(t.Context(), "ada"))
		within := hosttx.Within(h.svc.Operator("system"), h.store.Within(tx))
		require.ErrorIs(t, within.PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens), hosttx.ErrRetryTransaction)
	})
}

// TestPgx: a program with statements of pgx's own runs them in the transaction of database/sql, on its connection.
func TestPgx(t *testing.T) {
	p := place{driver: "pgxpool"}
	h := newHost(t, p.open(t, p.at(t)))
	h.together(func(password string, fail error) error {
		conn, err := h.db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		tx, err := conn.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		require.NoError(t, conn.Raw(func(c any) error {
			_, err := c.(*stdlib.Conn).Conn().Exec(t.Context(), "UPDATE users SET password = $1", password)
			return err
		}))
		within := h.change(tx)
		if fail != nil {
			return fail
		}
		err = tx.Commit()
		within.Committed(t.Context())
		return err
	})
}

type user struct {
	ID       string
	Password string
}

func TestGorm(t *testing.T) {
	p := place{driver: "pgx"}
	handle, err := gorm.Open(postgres.Open(p.at(t)), &gorm.Config{})
	require.NoError(t, err)
	db, err := handle.DB()
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	h := newHost(t, db)
	h.together(func(password string, fail error) error {
		var within *hosttx.Tx
		err := handle.Transaction(func(tx *gorm.DB) error {
			require.NoError(t, tx.Model(&user{}).Where("id = ?", "ada").Update("password", password).Error)
			within = h.change(tx.Statement.ConnPool.(*sql.Tx))
			return fail
		})
		if err == nil {
			within.Committed(t.Context())
		}
		return err
	})
}

func TestBun(t *testing.T) {
	p := places["lib/pq"]
	handle := bun.NewDB(p.open(t, p.at(t)), pgdialect.New())
	h := newHost(t, handle.DB)
	h.together(func(password string, fail error) error {
		var within *hosttx.Tx
		err := handle.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewUpdate().Model((*user)(nil)).Set("password = ?", password).Where("id = ?", "ada").Exec(ctx)
			require.NoError(t, err)
			within = h.change(tx.Tx)
			return fail
		})
		if err == nil {
			within.Committed(t.Context())
		}
		return err
	})
}
