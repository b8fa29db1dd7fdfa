//go:build linux

package benchmarks_test

import (
	"database/sql"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/cputime"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// reading is what a database, its server and this process have done so far.
type reading struct {
	statements, rowsRead, rowsWritten, log float64
	ours, its                              time.Duration
}

// meter reads a database that nobody else uses.
type meter struct {
	dialect sqlstore.Dialect
	db      *sql.DB // of the store
	apart   *sql.DB // of the meter itself
	pid     int     // of the server, 0 for none
	file    string  // SQLite's log
}

func newMeter(t *testing.T, d database, db *sql.DB) meter {
	t.Helper()
	m := meter{dialect: d.dialect, db: db}
	var server *dbtest.Server
	switch d.dialect {
	case sqlstore.PostgreSQL:
		server = dbtest.Postgres(t)
	case sqlstore.MySQL:
		server = dbtest.MySQL(t)
	default:
		var seq int
		var name string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA database_list").Scan(&seq, &name, &m.file))
		m.file += "-wal"
		_, err := db.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 0") // or the log would begin from its start again
		require.NoError(t, err)
		return m
	}
	m.pid = server.PID()
	var err error
	m.apart, err = sql.Open(server.Driver(), server.Database(t))
	require.NoError(t, err)
	m.apart.SetMaxOpenConns(1)
	t.Cleanup(func() { m.apart.Close() })
	return m
}

// begin has PostgreSQL log whole pages at their first change from now on, or none at all.
func (m meter) begin(t *testing.T, images bool) {
	t.Helper()
	if m.dialect != sqlstore.PostgreSQL {
		return
	}
	setting := "off"
	if images {
		setting = "on"
	}
	for _, statement := range []string{"ALTER SYSTEM SET full_page_writes = " + setting, "SELECT pg_reload_conf()", "CHECKPOINT"} {
		_, err := m.apart.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func (m meter) read(t *testing.T) reading {
	t.Helper()
	var r reading
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	r.ours = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	switch m.dialect {
	case sqlstore.PostgreSQL:
		m.readPostgres(t, &r)
	case sqlstore.MySQL:
		m.readMariaDB(t, &r)
	default:
		info, err := os.Stat(m.file)
		require.NoError(t, err)
		r.log = float64(info.Size())
		return r
	}
	var err error
	r.its, err = cputime.Of(m.pid)
	require.NoError(t, err)
	return r
}

// readPostgres has the session of the store end, as what a session has done is counted then.
func (m meter) readPostgres(t *testing.T, r *reading) {
	t.Helper()
	var name string
	require.NoError(t, m.db.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name))
	m.db.SetMaxIdleConns(0)
	defer m.db.SetMaxIdleConns(1)
	require.Eventually(t, func() bool {
		var n int
		err := m.apart.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'", name).Scan(&n)
		return err == nil && n == 0
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, m.apart.QueryRowContext(t.Context(), "SELECT xact_commit, tup_fetched, tup_inserted + tup_updated + tup_deleted,"+
		" pg_current_wal_insert_lsn() - '0/0' FROM pg_stat_database WHERE datname = $1", name).Scan(&r.statements, &r.rowsRead, &r.rowsWritten, &r.log))
}

func (m meter) readMariaDB(t *testing.T, r *reading) {
	t.Helper()
	rows, err := m.apart.QueryContext(t.Context(), "SHOW GLOBAL STATUS")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name, text string
		require.NoError(t, rows.Scan(&name, &text))
		to := map[string]*float64{
			"Com_stmt_execute": &r.statements, "Handler_read_key": &r.rowsRead, "Innodb_os_log_written": &r.log,
			"Handler_write": &r.rowsWritten, "Handler_update": &r.rowsWritten, "Handler_delete": &r.rowsWritten,
		}[name]
		if to != nil {
			*to += number(t, text)
		}
	}
	require.NoError(t, rows.Err())
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return n
}

// sizes logs what a table of accounts takes, each of its indexes, and how its rows were updated.
func (m meter) sizes(t *testing.T, db *sql.DB, accounts int) {
	t.Helper()
	query := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname LIKE 'gatehouse_accounts%' AND relkind IN ('r', 'i')" +
			" UNION ALL SELECT 'rows updated, in ' || n_tup_upd || ' updates, on their page:', n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'gatehouse_accounts'",
		sqlstore.MySQL: "SELECT index_name, stat_value * @@innodb_page_size FROM mysql.innodb_index_stats" +
			" WHERE database_name = database() AND table_name = 'gatehouse_accounts' AND stat_name = 'size'",
		sqlstore.SQLite: "SELECT 'all', page_count * page_size FROM pragma_page_count(), pragma_page_size()",
	}[m.dialect]
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		require.NoError(t, rows.Scan(&name, &n))
		t.Logf("%-50s %12d, for each account %.0f", strings.TrimPrefix(name, "gatehouse_"), n, float64(n)/float64(accounts))
	}
	require.NoError(t, rows.Err())
}
