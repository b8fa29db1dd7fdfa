// Package hosttx_test changes accounts in transactions of a host, on real databases.
package hosttx_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// childVariable names where a process that is a child of the tests dies.
const childVariable = "GATEHOUSE_HOSTTX_DIES"

func TestMain(m *testing.M) {
	if where := os.Getenv(childVariable); where != "" {
		if err := die(where); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(dbtest.Main(m))
}

// database is where a host has its users and the service its accounts.
type database struct {
	dialect     sqlstore.Dialect
	driver, dsn string
}

// each runs a test on a new database of each kind.
func each(t *testing.T, test func(t *testing.T, d database)) {
	t.Run("postgres", func(t *testing.T) { onPostgres(t, test) })
	t.Run("mysql", func(t *testing.T) { onMySQL(t, test) })
	t.Run("sqlite", func(t *testing.T) { onSQLite(t, test) })
}

func onPostgres(t *testing.T, test func(t *testing.T, d database)) {
	t.Parallel()
	s := dbtest.Postgres(t)
	test(t, database{sqlstore.PostgreSQL, s.Driver(), s.Database(t)})
}

func onMySQL(t *testing.T, test func(t *testing.T, d database)) {
	t.Parallel()
	s := dbtest.MySQL(t)
	test(t, database{sqlstore.MySQL, s.Driver(), s.Database(t)})
}

func onSQLite(t *testing.T, test func(t *testing.T, d database)) {
	t.Parallel()
	test(t, database{sqlstore.SQLite, "sqlite3", dbtest.SQLite(t) + "&_txlock=immediate"})
}

// host is a program with users, whose accounts are in the same database.
type host struct {
	*testing.T
	d      database
	db     *sql.DB
	store  *sqlstore.Store
	svc    *gatehouse.Service
	pos    *posture.Service
	events *gatehousetest.Recorder
	keys   *keyring.Ring
}

func newHost(t *testing.T, d database) *host {
	t.Helper()
	h := &host{T: t, d: d, events: &gatehousetest.Recorder{}, keys: keyring.Generate()}
	h.open()
	require.NoError(t, h.store.Migrate(t.Context()))
	h.exec("CREATE TABLE users (id VARCHAR(20) PRIMARY KEY, password VARCHAR(20) NOT NULL)")
	for _, id := range []string{"ada", "bob", "eve", "joe"} {
		h.exec("INSERT INTO users (id, password) VALUES ('" + id + "', 'old')")
	}
	return h
}

// open makes the services.
func (h *host) open() {
	h.Helper()
	var err error
	h.db, err = sql.Open(h.d.driver, h.d.dsn)
	require.NoError(h, err)
	h.Cleanup(func() { h.db.Close() })
	h.store, err = sqlstore.New(h.db, h.d.dialect, sqlstore.Options{Timeout: 5 * time.Minute})
	require.NoError(h, err)
	h.svc, err = gatehouse.New(h.store, gatehouse.Config{
		Issuer: "Acme", Keys: h.keys, Observer: h.events, Recovery: gatehousetest.CheapRecovery(),
	})
	require.NoError(h, err)
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read"})
	require.NoError(h, err)
	tok, err := tokens.New(h.svc, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(h, err)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(h, err)
	policy, err := posture.NewPolicy(model)
	require.NoError(h, err)
	// As a host's own facts are mostly in its database too.
	facts := func(ctx context.Context, account string) (posture.Host, error) {
		var password string
		err := h.db.QueryRowContext(ctx, "SELECT password FROM users WHERE id = '"+account+"'").Scan(&password)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return posture.Host{At: time.Now()}, err
	}
	h.pos, err = posture.New(h.svc, posture.Config{Policy: policy, Tokens: tok, Host: facts})
	require.NoError(h, err)
}

func (h *host) exec(statement string) {
	h.Helper()
	_, err := h.db.Exec(statement)
	require.NoError(h, err)
}

// enroll gives an account a second factor, by an import.
func (h *host) enroll(id string) {
	h.Helper()
	_, err := h.svc.Operator("system").Import(h.Context(), id, imports())
	require.NoError(h, err)
}

func imports() gatehouse.Import {
	return gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret()}}}
}

// change is a transaction of the host's, in which a user's row was changed.
type change struct {
	*hosttx.Tx
	h  *host
	tx *sql.Tx
}

// begin begins one, on a connection that was set up with statements, if there are any.
func (h *host) begin(o *sql.TxOptions, setup ...string) change {
	h.Helper()
	begin := h.db.BeginTx
	if len(setup) > 0 {
		c, err := h.db.Conn(h.Context())
		require.NoError(h, err)
		h.Cleanup(func() { c.Close() })
		for _, s := range setup {
			_, err := c.ExecContext(h.Context(), s)
			require.NoError(h, err)
		}
		begin = c.BeginTx
	}
	tx, err := begin(h.Context(), o)
	require.NoError(h, err)
	h.Cleanup(func() { tx.Rollback() })
	return change{hosttx.Within(h.svc.Operator("system").Because("asked for"), h.store.Within(tx)), h, tx}
}

// sets sets a user's password within the transaction, in the host's row and in the account.
func (c change) sets(id, password string) error {
	c.h.Helper()
	if err := c.writes(id, password); err != nil {
		return err
	}
	return c.PasswordChanged(c.h.Context(), id, gatehouse.KeepTokens)
}

func (c change) writes(id, password string) error {
	_, err := c.tx.Exec("UPDATE users SET password = '" + password + "' WHERE id = '" + id + "'")
	return err
}

// password returns that of a user, "" for none.
func (h *host) password(id string) (password string) {
	h.Helper()
	err := h.db.QueryRow("SELECT password FROM users WHERE id = '" + id + "'").Scan(&password)
	if !errors.Is(err, sql.ErrNoRows) {
		require.NoError(h, err)
	}
	return password
}

// record returns an account as it is stored, the zero value where it is not.
func (h *host) record(id string) storage.Record {
	h.Helper()
	r, err := h.store.LoadAccount(h.Context(), id)
	if !errors.Is(err, storage.ErrNotFound) {
		require.NoError(h, err)
	}
	return r
}

// activity returns the kinds of events in an account, the first first.
func (h *host) activity(id string) (kinds []event.Kind) {
	h.Helper()
	a, err := h.svc.Account(h.Context(), id)
	require.NoError(h, err)
	for _, e := range a.Activity {
		kinds = append(kinds, e.Kind)
	}
	slices.Reverse(kinds)
	return kinds
}

// told returns the kinds of events that the Observer has been told since the last call.
func (h *host) told() (kinds []event.Kind) {
	for _, e := range h.events.Take() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// waits returns when a statement waits for a lock. InnoDB shows its locks as they were when last looked at, if that is
// not over 0.1 s ago.
func (h *host) waits() {
	h.Helper()
	query := "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
	if h.d.dialect == sqlstore.MySQL {
		query = "SELECT COUNT(*) FROM information_schema.innodb_trx x JOIN information_schema.processlist p" +
			" ON p.id = x.trx_mysql_thread_id WHERE x.trx_state = 'LOCK WAIT' AND p.db = DATABASE()"
	}
	require.Eventually(h, func() bool {
		var n int
		return h.db.QueryRow(query).Scan(&n) == nil && n > 0
	}, 5*time.Minute, 150*time.Millisecond, "no statement waits for a lock")
}
