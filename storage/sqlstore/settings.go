package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// settings are what a connection has: settings of server and session, by name, and what is known of the tables.
type settings map[string]string

// grave says what a setting does to what a Store promises.
type grave int

const (
	weak    grave = iota // a failover or a full stop may cost something, by the operator's own choice: a warning
	power                // a power cut takes back saves that were answered: a warning, and Validate refuses
	refused              // saves are not committed, not seen, lost with a process, or changed: nothing is done at all
)

// rule is about one setting.
type rule struct {
	name  string // as the database has it; what begins with it is meant too, where it ends with a space
	bad   func(value string, all settings) bool
	grave grave
	harm  string // what would happen
	mend  string
}

// galera reports whether the server is a node of a Galera cluster.
func (all settings) galera() bool { return all["wsrep_cluster_address"] != "" }

func is(values ...string) func(string, settings) bool {
	return func(value string, _ settings) bool { return slices.Contains(values, value) }
}

func isNot(values ...string) func(string, settings) bool {
	return func(value string, _ settings) bool { return !slices.Contains(values, value) }
}

const cannotSave = "nothing can be saved"

// rules has those of each dialect. A setting that is not here is harmless, or makes statements fail: a test has many.
var rules = map[Dialect][]rule{
	PostgreSQL: {
		{"server_encoding", isNot("UTF8"), refused, "text is kept as other bytes", "create the database with ENCODING 'UTF8'"},
		{"client_encoding", isNot("UTF8"), refused, "IDs are stored as other bytes", "leave client_encoding to the driver"},
		{"pg_is_in_recovery", is("on"), refused, "a standby does not have the last saves",
			"connect to the primary (target_session_attrs=read-write)"},
		{"row_security of ", is("on"), refused, "an account that a policy hides has no second factor",
			"exempt the program's user: own the tables, or have BYPASSRLS, or DISABLE ROW LEVEL SECURITY"},
		{"persistence of ", is("unlogged"), refused, "it is emptied after a crash", "ALTER TABLE … SET LOGGED"},
		{"persistence of ", is("temporary"), refused, "no other connection sees it", "drop the temporary table"},
		{"synchronous_commit", is("off"), refused, "a crash of the server takes back saves that were answered", "set it on"},
		{"synchronous_commit", func(v string, all settings) bool {
			return (v == "local" || v == "remote_write") && all["synchronous_standby_names"] != ""
		}, weak, "a failover can take back saves that were answered", "set it on"},
		{"fsync", is("off"), power, "a power cut takes back saves that were answered, or breaks the tables", "set it on"},
		{"full_page_writes", is("off"), weak, "a power cut breaks tables, unless the file system writes pages whole",
			"set it on"},
		{"transaction_read_only", is("on"), weak, cannotSave, "set default_transaction_read_only off"},
	},
	MySQL: {
		{"autocommit", is("OFF"), refused, "saves are never committed, and loads do not see those of others",
			"set autocommit=1, on the server, in init_connect or in the DSN, wherever it is changed"},
		{"tx_isolation", is("READ-UNCOMMITTED"), refused, "loads see what is not committed", "set READ-COMMITTED or stricter"},
		{"transaction_isolation", is("READ-UNCOMMITTED"), refused, "loads see what is not committed",
			"set READ-COMMITTED or stricter"},
		{"sql_mode", func(v string, _ settings) bool {
			return slices.Contains(strings.Split(v, ","), "EMPTY_STRING_IS_NULL")
		}, refused, "empty strings are lost, and listings are empty", "leave EMPTY_STRING_IS_NULL out"},
		{"character_set_client", func(v string, all settings) bool { return v != all["character_set_connection"] }, refused,
			"the server changes the bytes of IDs and records", "set it and character_set_connection to the same (SET NAMES utf8mb4)"},
		{"character_set_client", is("swe7"), refused, "it has no brackets, which JSON needs", "SET NAMES utf8mb4"},
		{"engine of ", isNot("InnoDB"), refused, "other engines lose rows in a crash or at a restart, or keep none",
			"ALTER TABLE … ENGINE = InnoDB"},
		{"innodb_flush_log_at_trx_commit", is("0"), refused, "a crash of the server takes back saves that were answered",
			"set it to 1"},
		{"innodb_flush_log_at_trx_commit", is("2"), power, "a power cut takes back saves that were answered", "set it to 1"},
		{"sync_binlog", func(v string, all settings) bool { return v != "1" && all["log_bin"] == "ON" }, power,
			"a power cut takes back saves that are not in the binary log", "set it to 1"},
		{"innodb_doublewrite", is("OFF", "DETECT_ONLY"), weak,
			"a power cut breaks tables, unless the file system writes pages whole", "set it ON"},
		{"sql_log_bin", func(v string, all settings) bool { return v == "OFF" && all["log_bin"] == "ON" }, weak,
			"replicas do not get the saves, and a failover loses them", "set it ON"},
		// Galera. Its bits 1, 2 and 4 have reads, UPDATE and DELETE, and INSERT wait for what other nodes have committed.
		// A conditional save needs none of them; a deletion that does not wait removes nothing, and says that it has.
		{"wsrep_sync_wait", func(v string, all settings) bool {
			bits, err := strconv.Atoi(v)
			return all.galera() && all["wsrep_on"] == "ON" && (err != nil || bits&7 != 7)
		}, refused, "a load or a deletion may not see a save made through another node", "set it to 7, in the DSN or on the server"},
		{"wsrep_on", func(v string, all settings) bool { return all.galera() && v != "ON" }, refused,
			"saves stay on this node", "set it ON, or take wsrep_cluster_address away where there is no cluster"},
		{"wsrep_dirty_reads", func(v string, all settings) bool { return all.galera() && v == "ON" }, refused,
			"a node that is cut off from the others answers loads without their saves", "set it OFF"},
		{"wsrep_osu_method", func(v string, all settings) bool { return all.galera() && v != "TOI" }, weak,
			"Migrate changes the tables of one node alone", "set it TOI"},
		{"read_only", isNot("OFF", "0"), weak, cannotSave + ", and a replica does not have the last saves",
			"connect to the primary"},
		{"tx_read_only", is("ON"), weak, cannotSave, "set it OFF"},
		{"transaction_read_only", is("ON"), weak, cannotSave, "set it OFF"},
	},
	SQLite: {
		{"encoding", isNot("UTF-8"), refused, "text is kept as other bytes, and uses of tokens are lost",
			"make the file anew, under UTF-8"},
		{"journal_mode", func(v string, all settings) bool {
			return (v == "off" || v == "memory") && all["file"] != ""
		}, refused, "a process that is killed leaves a broken file", "set journal_mode=wal"},
		{"synchronous", is("0"), refused, "a power cut breaks the file", "set synchronous=full on every connection"},
		{"synchronous", is("1"), power, "a power cut takes back saves that were answered",
			"set synchronous=full on every connection"},
		{"read_uncommitted", is("1"), refused, "with a shared cache, loads see what is not committed", "leave it off"},
		{"temporary ", isNot(""), refused, "no other connection sees it", "drop the temporary table"},
		{"file", is(""), power, "the database is in memory, and gone with the program", "give the DSN a file"},
		{"query_only", is("1"), weak, cannotSave, "leave it off"},
		{"locking_mode", is("exclusive"), weak, "no other connection gets in", "set it normal"},
	},
}

// asked has, for each dialect, the queries that list settings: name and value.
var asked = map[Dialect][]string{
	PostgreSQL: {`
SELECT s.name, COALESCE(current_setting(s.name, true), '')
FROM unnest(ARRAY['server_encoding', 'client_encoding', 'synchronous_commit', 'synchronous_standby_names', 'fsync',
	'full_page_writes', 'transaction_read_only', 'bytea_output']) AS s (name)
UNION ALL SELECT 'pg_is_in_recovery', CASE WHEN pg_is_in_recovery() THEN 'on' ELSE 'off' END
UNION ALL SELECT 'row_security of ' || c.relname, CASE WHEN row_security_active(c.oid) THEN 'on' ELSE 'off' END
FROM pg_class c WHERE c.oid IN (to_regclass('{table}accounts'), to_regclass('{table}tokens'), to_regclass('{table}token_uses'))
UNION ALL SELECT 'persistence of ' || c.relname, CASE c.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' ELSE '' END
FROM pg_class c WHERE c.oid IN (to_regclass('{table}accounts'), to_regclass('{table}tokens'), to_regclass('{table}token_uses'))`},
	// The names of MySQL, of MariaDB, and of Galera.
	MySQL: {`
SHOW SESSION VARIABLES WHERE Variable_name IN ('autocommit', 'tx_isolation', 'transaction_isolation', 'sql_mode',
	'character_set_client', 'character_set_connection', 'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'sql_log_bin',
	'innodb_doublewrite', 'read_only', 'tx_read_only', 'transaction_read_only',
	'wsrep_on', 'wsrep_cluster_address', 'wsrep_sync_wait', 'wsrep_dirty_reads', 'wsrep_osu_method')`, `
SELECT CONCAT('engine of ', table_name), COALESCE(engine, '')
FROM information_schema.tables
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
LIMIT 3`},
	SQLite: {`
SELECT 'encoding', encoding FROM pragma_encoding
UNION ALL SELECT 'synchronous', synchronous FROM pragma_synchronous
UNION ALL SELECT 'journal_mode', journal_mode FROM pragma_journal_mode
UNION ALL SELECT 'locking_mode', locking_mode FROM pragma_locking_mode
UNION ALL SELECT 'read_uncommitted', read_uncommitted FROM pragma_read_uncommitted
UNION ALL SELECT 'query_only', query_only FROM pragma_query_only
UNION ALL SELECT 'file', COALESCE(file, '') FROM pragma_database_list WHERE name = 'main'
UNION ALL SELECT 'temporary ' || name, type FROM sqlite_temp_master
	WHERE name IN ('{index}accounts', '{index}tokens', '{index}token_uses')`},
}

// told has a setting of each dialect that is always listed.
var told = map[Dialect]string{PostgreSQL: "fsync", MySQL: "autocommit", SQLite: "synchronous"}

// finding is a rule that a setting breaks.
type finding struct {
	grave grave
	text  string
}

// examine returns ErrSetup if a setting of the connection breaks what a Store promises, and what else is found.
func (s *Store) examine(ctx context.Context, c session) ([]finding, error) {
	all := settings{}
	for _, query := range asked[s.dialect.name] {
		type setting struct{ name, value string }
		list, err := collect(func() (*sql.Rows, error) {
			return c.QueryContext(ctx, s.dialect.text(s.names, strings.TrimSpace(query)))
		},
			func(s *setting) []any { return []any{&s.name, &s.value} })
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		for _, setting := range list {
			all[strings.ToLower(setting.name)] = setting.value // wsrep_OSU_method for some
		}
	}
	if _, ok := all[told[s.dialect.name]]; !ok {
		return nil, wrongSetting("the database does not list its settings; MySQL does not where sql_select_limit is set")
	}
	if v, ok := all["bytea_output"]; ok && v != "hex" {
		// Drivers that read text, as pgx does in the modes exec and simple_protocol, may not know the other form.
		want, got := []byte("\x00\xff\\'"), []byte(nil)
		err := c.QueryRowContext(ctx, "SELECT decode('00ff5c27', 'hex')").Scan(&got)
		if err != nil || !bytes.Equal(got, want) {
			return nil, wrongSetting(fmt.Sprintf("setting bytea_output is %s, which the driver does not read: set it to hex", v))
		}
	}
	found := judge(s.dialect.name, all)
	for _, f := range found {
		if f.grave == refused {
			return nil, wrongSetting(f.text)
		}
	}
	return found, nil
}

func wrongSetting(problem string) error { return &SetupError{Kind: WrongSetting, Problem: problem} }

// judge returns what rules the settings break, in the order of the rules.
func judge(d Dialect, all settings) []finding {
	var found []finding
	for _, r := range rules[d] {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			meant := name == r.name || strings.HasSuffix(r.name, " ") && strings.HasPrefix(name, r.name)
			if meant && r.bad(all[name], all) {
				found = append(found, finding{r.grave, fmt.Sprintf("setting %s is %q: %s; %s", name, all[name], r.harm, r.mend)})
			}
		}
	}
	return found
}
