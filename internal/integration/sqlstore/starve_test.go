package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// TestReadsBesideWriters is row T1. Under SERIALIZABLE PostgreSQL undoes a read that would close a cycle between
// writers, and does so again as long as the writers stay. Here one of them is prepared and so cannot be the one that
// is undone: every read in the session's own isolation fails until it ends.
func TestReadsBesideWriters(t *testing.T) {
	server := dbtest.Postgres(t)
	d := database{sqlstore.PostgreSQL, server.Driver(), server.Database(t), server}.
		with("default_transaction_isolation=serializable")
	db := d.open(t)
	var prepared int
	require.NoError(t, db.QueryRow("SELECT current_setting('max_prepared_transactions')::int").Scan(&prepared))
	if prepared == 0 {
		t.Skip("the server was given, and has max_prepared_transactions 0")
	}
	s := d.store(t, db, sqlstore.Options{})
	filled(t, s)
	_, err := db.Exec("CREATE TABLE host AS SELECT 1 AS n")
	require.NoError(t, err)

	// One reads what the other writes and has committed, then writes all that the store reads.
	pivot, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer pivot.Close()
	for _, statement := range []string{
		"BEGIN",
		"SELECT n FROM host",
	} {
		_, err := pivot.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	_, err = db.Exec("UPDATE host SET n = 2")
	require.NoError(t, err)
	for _, statement := range []string{
		"UPDATE gatehouse_accounts SET codes_left = 5 WHERE id = 'a'",
		"UPDATE gatehouse_tokens SET revoked = true",
		"PREPARE TRANSACTION 'pivot'",
	} {
		_, err := pivot.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	t.Cleanup(func() { db.Exec("ROLLBACK PREPARED 'pivot'") })

	var data string
	err = db.QueryRow("SELECT data FROM gatehouse_tokens WHERE id = 't'").Scan(&data)
	require.ErrorContains(t, err, "40001", "a plain read is undone, so this test tests something")

	ctx := t.Context()
	r, err := s.LoadAccount(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "before", string(r.Data))
	token, _, err := s.LoadToken(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, "before", string(token.Data))
	accounts, err := s.Accounts(ctx, "", 10)
	require.NoError(t, err)
	require.Len(t, accounts.Records, 1)
	for name, list := range map[string]func() (storage.Page[storage.TokenRecord], error){
		"Tokens":    func() (storage.Page[storage.TokenRecord], error) { return s.Tokens(ctx, "a", "", 10) },
		"AllTokens": func() (storage.Page[storage.TokenRecord], error) { return s.AllTokens(ctx, "", 10) },
	} {
		page, err := list()
		require.NoError(t, err, name)
		require.Equal(t, storage.Page[storage.TokenRecord]{Records: []storage.TokenRecord{token}}, page, name)
	}

	// What was saved meanwhile is seen all the same.
	save(t, s, storage.Record{ID: "d", Version: 1}, 0)
	accounts, err = s.Accounts(ctx, "", 10)
	require.NoError(t, err)
	require.Len(t, accounts.Records, 2)
}

// TestFirstStart is row T1. Several programs make one new file of SQLite at once. To set its journal to WAL asks for a
// lock that SQLite does not wait for, so the connection cannot be opened while another one writes.
func TestFirstStart(t *testing.T) {
	d := database{sqlstore.SQLite, "sqlite3", dbtest.SQLite(t), nil}
	plain := d
	plain.dsn = strings.Replace(d.dsn, "&_pragma=journal_mode(wal)", "", 1)
	other, err := plain.open(t).Conn(t.Context())
	require.NoError(t, err)
	defer other.Close()
	for _, statement := range []string{"BEGIN IMMEDIATE", "CREATE TABLE host (id INTEGER)"} {
		_, err := other.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	tries := make(chan struct{}, 1000)
	db := sql.OpenDB(&refused{&beginning{driver: plain.open(t).Driver(), dsn: d.dsn}, tries})
	defer db.Close()
	s := newStore(t, db, d)
	done := make(chan error, 1)
	go func() { done <- s.Migrate(t.Context()) }()
	select {
	case <-tries: // the connection could not be opened
	case err := <-done:
		require.NoError(t, err, "Migrate gave up")
		t.Fatal("Migrate was not in the way of the other writer")
	}
	_, err = other.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-done)
	atVersion(t, s, newest)
}

// refused is a connector that tells when a connection could not be opened.
type refused struct {
	driver.Connector
	tell chan<- struct{}
}

func (r *refused) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		select {
		case r.tell <- struct{}{}:
		default:
		}
	}
	return c, err
}
