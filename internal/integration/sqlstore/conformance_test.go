package sqlstore_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// TestConformance runs the suite, and on some the simulation, through two handles, as two processes would have them, under the
// settings of servers and drivers that could make a difference.
func TestConformance(t *testing.T) {
	postgres := func(t *testing.T) database {
		s := dbtest.Postgres(t)
		return database{sqlstore.PostgreSQL, s.Driver(), s.Database(t), s}
	}
	mysql := func(t *testing.T) database {
		s := dbtest.MySQL(t)
		return database{sqlstore.MySQL, s.Driver(), s.Database(t), s}
	}
	sqlite := func(t *testing.T) database {
		return database{sqlstore.SQLite, "sqlite3", dbtest.SQLite(t), nil}
	}
	// Not WAL and then this: each new connection would change the file to WAL and back, for which SQLite does not wait.
	rollback := func(t *testing.T) database {
		d := sqlite(t)
		d.dsn = strings.Replace(d.dsn, "journal_mode(wal)", "journal_mode(delete)", 1)
		return d
	}
	for _, c := range []struct {
		name   string
		on     func(t *testing.T) database
		params []string // of the DSN
		begin  []string // of each connection
		prefix string
		alone  bool // without the simulation, which takes a while
	}{
		{name: "postgres", on: postgres},
		{name: "postgres serializable", on: postgres, params: []string{"default_transaction_isolation=serializable"}},
		{name: "postgres as behind PgBouncer", on: postgres, prefix: "x", alone: true, params: []string{
			"default_query_exec_mode=exec", "timezone=America/New_York", "default_transaction_isolation=repeatable%20read",
		}},
		{name: "mysql", on: mysql},
		{name: "mysql serializable", on: mysql, alone: true, begin: []string{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
			params: []string{"clientFoundRows=true", "parseTime=true", "loc=Europe%2FBerlin", "time_zone=%27-05:00%27"}},
		{name: "mysql lax", on: mysql, prefix: "x", alone: true, begin: []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"},
			params: []string{"interpolateParams=true", "sql_mode=%27%27", "charset=latin1"}},
		{name: "sqlite", on: sqlite},
		{name: "sqlite with a rollback journal", on: rollback, prefix: "x", alone: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.on(t).with(c.params...)
			o := patient
			o.Prefix = c.prefix
			var stores [2]*sqlstore.Store
			for i := range stores {
				db := d.open(t, c.begin...)
				db.SetMaxOpenConns(8)
				db.SetMaxIdleConns(8)
				stores[i] = d.store(t, db, o)
			}
			require.NoError(t, stores[0].Check(t.Context()))
			var n atomic.Int64
			open := func(*testing.T) storage.Store { return stores[n.Add(1)%2] }
			storagetest.RunShared(t, open)
			if !c.alone {
				storagetest.Simulate(t, open)
			}
		})
	}
}
