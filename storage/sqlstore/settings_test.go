package sqlstore_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// good has settings that nothing is to be said of.
var good = map[sqlstore.Dialect]map[string]string{
	sqlstore.PostgreSQL: {
		"server_encoding": "UTF8", "client_encoding": "UTF8", "synchronous_commit": "on", "synchronous_standby_names": "", "fsync": "on",
		"full_page_writes": "on", "transaction_read_only": "off", "bytea_output": "hex", "pg_is_in_recovery": "off",
		"row_security of gatehouse_accounts": "off", "persistence of gatehouse_accounts": "",
	},
	sqlstore.MySQL: {
		"autocommit": "ON", "tx_isolation": "REPEATABLE-READ", "transaction_isolation": "READ-COMMITTED", "sql_mode": "STRICT_TRANS_TABLES,ORACLE",
		"character_set_client": "latin1", "character_set_connection": "latin1", "innodb_flush_log_at_trx_commit": "1",
		"sync_binlog": "1", "log_bin": "ON", "sql_log_bin": "ON", "innodb_doublewrite": "ON", "read_only": "OFF", "tx_read_only": "OFF",
		"transaction_read_only": "OFF", "wsrep_on": "ON", "wsrep_cluster_address": "gcomm://a,b", "wsrep_sync_wait": "7",
		"wsrep_dirty_reads": "OFF", "wsrep_osu_method": "TOI",
		"engine of gatehouse_tokens": "InnoDB",
	},
	sqlstore.SQLite: {
		"encoding": "UTF-8", "synchronous": "2", "journal_mode": "wal", "locking_mode": "normal", "read_uncommitted": "0", "query_only": "0",
		"file": "/srv/app.db",
	},
}

// TestRules is row F1: each rule, on its own, among settings that are good. TestSettings of the integration module has
// those of a session on real servers.
func TestRules(t *testing.T) {
	for d, all := range good {
		refuse, cut, warn := sqlstore.Judge(d, all)
		require.Empty(t, append(append(refuse, cut...), warn...), d)
	}
	covered := map[sqlstore.Dialect]map[string]bool{}
	for _, c := range []struct {
		d                 sqlstore.Dialect
		settings          string
		refuse, cut, warn int
	}{
		{sqlstore.PostgreSQL, "server_encoding=SQL_ASCII", 1, 0, 0},
		{sqlstore.PostgreSQL, "client_encoding=LATIN1", 1, 0, 0},
		{sqlstore.PostgreSQL, "pg_is_in_recovery=on", 1, 0, 0},
		{sqlstore.PostgreSQL, "row_security of gatehouse_accounts=on", 1, 0, 0},
		{sqlstore.PostgreSQL, "persistence of gatehouse_accounts=unlogged", 1, 0, 0},
		{sqlstore.PostgreSQL, "persistence of gatehouse_accounts=temporary", 1, 0, 0},
		{sqlstore.PostgreSQL, "synchronous_commit=off", 1, 0, 0},
		{sqlstore.PostgreSQL, "synchronous_commit=local", 0, 0, 0}, // no standby
		{sqlstore.PostgreSQL, "synchronous_commit=local synchronous_standby_names=b", 0, 0, 1},
		{sqlstore.PostgreSQL, "synchronous_commit=remote_write synchronous_standby_names=b", 0, 0, 1},
		{sqlstore.PostgreSQL, "synchronous_commit=remote_apply synchronous_standby_names=b", 0, 0, 0},
		{sqlstore.PostgreSQL, "fsync=off", 0, 1, 0},
		{sqlstore.PostgreSQL, "full_page_writes=off", 0, 0, 1},
		{sqlstore.PostgreSQL, "transaction_read_only=on", 0, 0, 1},
		{sqlstore.MySQL, "autocommit=OFF", 1, 0, 0},
		{sqlstore.MySQL, "tx_isolation=READ-UNCOMMITTED", 1, 0, 0},
		{sqlstore.MySQL, "transaction_isolation=READ-UNCOMMITTED", 1, 0, 0},
		{sqlstore.MySQL, "tx_isolation=SERIALIZABLE transaction_isolation=SERIALIZABLE", 0, 0, 0},
		{sqlstore.MySQL, "sql_mode=ORACLE,EMPTY_STRING_IS_NULL", 1, 0, 0},
		{sqlstore.MySQL, "character_set_client=utf8mb4", 1, 0, 0}, // not that of the connection
		{sqlstore.MySQL, "character_set_client=swe7 character_set_connection=swe7", 1, 0, 0},
		{sqlstore.MySQL, "engine of gatehouse_tokens=MyISAM", 1, 0, 0},
		{sqlstore.MySQL, "engine of gatehouse_tokens=", 1, 0, 0}, // a view
		{sqlstore.MySQL, "innodb_flush_log_at_trx_commit=0", 1, 0, 0},
		{sqlstore.MySQL, "innodb_flush_log_at_trx_commit=2", 0, 1, 0},
		{sqlstore.MySQL, "innodb_flush_log_at_trx_commit=3", 0, 0, 0}, // MariaDB: flushed more often
		{sqlstore.MySQL, "sync_binlog=0", 0, 1, 0},
		{sqlstore.MySQL, "sync_binlog=0 log_bin=OFF", 0, 0, 0},
		{sqlstore.MySQL, "innodb_doublewrite=OFF", 0, 0, 1},
		{sqlstore.MySQL, "sql_log_bin=OFF", 0, 0, 1},
		{sqlstore.MySQL, "sql_log_bin=OFF log_bin=OFF", 0, 0, 0},
		{sqlstore.MySQL, "wsrep_sync_wait=0", 1, 0, 0},
		{sqlstore.MySQL, "wsrep_sync_wait=6", 1, 0, 0}, // not for loads
		{sqlstore.MySQL, "wsrep_sync_wait=5", 1, 0, 0}, // not for deletions
		{sqlstore.MySQL, "wsrep_sync_wait=3", 1, 0, 0}, // not for uses of tokens
		{sqlstore.MySQL, "wsrep_sync_wait=15", 0, 0, 0},
		{sqlstore.MySQL, "wsrep_sync_wait=0 wsrep_on=OFF wsrep_cluster_address=", 0, 0, 0}, // as where there is no Galera
		{sqlstore.MySQL, "wsrep_on=OFF wsrep_sync_wait=0", 1, 0, 0},
		{sqlstore.MySQL, "wsrep_dirty_reads=ON", 1, 0, 0},
		{sqlstore.MySQL, "wsrep_dirty_reads=ON wsrep_cluster_address=", 0, 0, 0},
		{sqlstore.MySQL, "wsrep_osu_method=RSU", 0, 0, 1},
		{sqlstore.MySQL, "read_only=ON", 0, 0, 1},
		{sqlstore.MySQL, "read_only=NO_LOCK_NO_ADMIN", 0, 0, 1}, // MariaDB 12
		{sqlstore.MySQL, "tx_read_only=ON", 0, 0, 1},
		{sqlstore.MySQL, "transaction_read_only=ON", 0, 0, 1},
		{sqlstore.SQLite, "encoding=UTF-16le", 1, 0, 0},
		{sqlstore.SQLite, "journal_mode=off", 1, 0, 0},
		{sqlstore.SQLite, "journal_mode=memory", 1, 0, 0},
		{sqlstore.SQLite, "journal_mode=memory file=", 0, 1, 0},
		{sqlstore.SQLite, "journal_mode=truncate", 0, 0, 0},
		{sqlstore.SQLite, "synchronous=0", 1, 0, 0},
		{sqlstore.SQLite, "synchronous=1", 0, 1, 0},
		{sqlstore.SQLite, "synchronous=3", 0, 0, 0},
		{sqlstore.SQLite, "read_uncommitted=1", 1, 0, 0},
		{sqlstore.SQLite, "temporary gatehouse_accounts=table", 1, 0, 0},
		{sqlstore.SQLite, "query_only=1", 0, 0, 1},
		{sqlstore.SQLite, "locking_mode=exclusive", 0, 0, 1},
	} {
		all := maps.Clone(good[c.d])
		var first string
		for i, pair := range strings.Split(strings.NewReplacer(" of ", "\x00of\x00", "temporary ", "temporary\x00").Replace(c.settings), " ") {
			name, value, _ := strings.Cut(strings.ReplaceAll(pair, "\x00", " "), "=")
			all[name] = value
			if i == 0 {
				first = name
			}
		}
		refuse, cut, warn := sqlstore.Judge(c.d, all)
		require.Len(t, refuse, c.refuse, c.settings)
		require.Len(t, cut, c.cut, c.settings)
		require.Len(t, warn, c.warn, c.settings)
		if covered[c.d] == nil {
			covered[c.d] = map[string]bool{"file": true}
		}
		covered[c.d][first] = true
		for _, text := range append(append(refuse, cut...), warn...) {
			require.Regexp(t, `^setting [a-z_ ]+ is ".*": .+; .+`, text)
		}

		// The first use of a store asks, and refuses what is refused alone.
		stub := &stub{settings: all}
		_, err := stub.open(t, c.d, sqlstore.Options{}).LoadAccount(t.Context(), "a")
		if c.refuse == 0 {
			require.ErrorIs(t, err, storage.ErrNotFound, c.settings)
			continue
		}
		require.ErrorIs(t, err, sqlstore.ErrSetup, c.settings)
		require.ErrorContains(t, err, refuse[0])
		require.Empty(t, stub.texts)
	}
	for d := range good {
		for _, name := range sqlstore.RuleNames(d) {
			known := false
			for c := range covered[d] {
				known = known || strings.HasPrefix(c, name)
			}
			require.True(t, known, "%s: no case for %s", d, name)
		}
	}
}

// TestNamesOfSettings: MySQL's servers differ in the case of some.
func TestNamesOfSettings(t *testing.T) {
	all := maps.Clone(good[sqlstore.MySQL])
	delete(all, "wsrep_on")
	all["wsrep_ON"] = "OFF"
	_, err := (&stub{settings: all}).open(t, sqlstore.MySQL, sqlstore.Options{}).LoadAccount(t.Context(), "a")
	require.ErrorIs(t, err, sqlstore.ErrSetup)
	require.ErrorContains(t, err, "wsrep_on")
}

// TestRulesAreDocumented: an operator finds each setting in docs/operations.md.
func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	for d := range good {
		for _, name := range sqlstore.RuleNames(d) {
			name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
			require.True(t, strings.Contains(string(text), "| `"+name), "%s: %s", d, name)
		}
	}
}

// TestFirstUse is row F1: the settings are asked for until they are fit, and then no more.
func TestFirstUse(t *testing.T) {
	for _, d := range dialects {
		bad := map[string]string{"fsync": "on", "synchronous_commit": "off", "autocommit": "OFF", "synchronous": "0"}
		stub := &stub{settings: bad, affected: 1}
		s := stub.open(t, d, sqlstore.Options{})
		for range 2 {
			for name, write := range writes {
				require.ErrorIs(t, write(t.Context(), s), sqlstore.ErrSetup, name)
			}
		}
		require.Empty(t, stub.texts)
		stub.settings = nil // somebody has put it right
		for name, write := range writes {
			require.NoError(t, write(t.Context(), s), name)
		}
		stub.settings = bad // what comes later is for the statements themselves to find
		for name, write := range writes {
			require.NoError(t, write(t.Context(), s), name)
		}

		// A database that does not tell is refused too.
		stub.settings = map[string]string{"else": "1"}
		_, err := stub.open(t, d, sqlstore.Options{}).LoadAccount(t.Context(), "a")
		require.ErrorIs(t, err, sqlstore.ErrSetup)
	}
}
