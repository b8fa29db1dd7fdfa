// Package sqlstore_test runs the SQL store on real databases.
package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for loc in a DSN

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// database is one that was made for a test.
type database struct {
	dialect sqlstore.Dialect
	driver  string
	dsn     string
	server  *dbtest.Server // nil for SQLite
}

// each runs a test on a new database of each kind.
func each(t *testing.T, test func(t *testing.T, d database)) {
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := dbtest.Postgres(t)
		test(t, database{sqlstore.PostgreSQL, s.Driver(), s.Database(t), s})
	})
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		s := dbtest.MySQL(t)
		test(t, database{sqlstore.MySQL, s.Driver(), s.Database(t), s})
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, database{sqlstore.SQLite, "sqlite3", dbtest.SQLite(t), nil})
	})
}

// pick returns the text for the database's dialect, in the order PostgreSQL, MySQL, SQLite.
func (d database) pick(texts ...string) string {
	switch d.dialect {
	case sqlstore.PostgreSQL:
		return texts[0]
	case sqlstore.MySQL:
		return texts[1]
	}
	return texts[2]
}

// with returns the database with more parameters in its DSN, name=value.
func (d database) with(params ...string) database {
	for _, param := range params {
		if strings.Contains(d.dsn, "?") {
			d.dsn += "&" + param
		} else {
			d.dsn += "?" + param
		}
	}
	return d
}

// open opens a handle, each of whose connections begins with the statements.
func (d database) open(t testing.TB, begin ...string) *sql.DB {
	t.Helper()
	db, err := openWith(d.driver, d.dsn, begin)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func openWith(name, dsn string, begin []string) (*sql.DB, error) {
	db, err := sql.Open(name, dsn)
	if err != nil || len(begin) == 0 {
		return db, err
	}
	defer db.Close()
	return sql.OpenDB(&beginning{db.Driver(), dsn, begin}), nil
}

// beginning is a connector.
type beginning struct {
	driver driver.Driver
	dsn    string
	begin  []string
}

func (b *beginning) Driver() driver.Driver { return b.driver }

func (b *beginning) Connect(ctx context.Context) (driver.Conn, error) {
	open := func() (driver.Conn, error) { return b.driver.Open(b.dsn) }
	if d, ok := b.driver.(driver.DriverContext); ok {
		connector, err := d.OpenConnector(b.dsn)
		if err != nil {
			return nil, err
		}
		open = func() (driver.Conn, error) { return connector.Connect(ctx) }
	}
	c, err := open()
	if err != nil {
		return nil, err
	}
	for _, statement := range b.begin {
		if _, err := c.(driver.ExecerContext).ExecContext(ctx, statement, nil); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// store makes a store in db with tables that are up to date.
func (d database) store(t testing.TB, db *sql.DB, o sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, d.dialect, o)
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	return s
}

// patient is for tests with more callers at once than this machine serves soon.
var patient = sqlstore.Options{Timeout: 5 * time.Minute}

func save(t testing.TB, s storage.Store, r storage.Record, prev int64) {
	t.Helper()
	require.NoError(t, s.SaveAccount(t.Context(), r, prev))
}

// usedAt returns a use of a token.
func usedAt(id string, at time.Time) storage.TokenUse {
	return storage.TokenUse{ID: id, TokenUsage: storage.TokenUsage{LastUsed: at}}
}

// moment returns one of many times.
func moment(i int) time.Time { return time.Date(2026, 3, 29, 0, 59, i, 123456000, time.UTC) }
