package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// odd has what settings of character sets, of quotes and of empty strings could change.
const odd = `€'é"\ %_` + "`中\u00a0|| "

// live uses each method of a store and compares what comes back with what went in. silent is an answer that was
// wrong, loud an error: only the former does harm.
func live(ctx context.Context, s storage.Store) (silent, loud error) {
	defer func() {
		if e := recover(); e != nil {
			err, ok := e.(error)
			if !ok {
				panic(e)
			}
			if w := (wrong{}); errors.As(err, &w) {
				silent = err
			} else {
				loud = err
			}
		}
	}()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	same := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			panic(wrong{fmt.Sprintf("%s: got %+v, want %+v", what, got, want)})
		}
	}
	raw := make([]byte, 256)
	for i := range raw {
		raw[i] = byte(i)
	}
	accounts := []storage.Record{
		{ID: "a", Version: 1 << 62, Data: raw, Index: storage.AccountIndex{Handle: storage.Handle(raw[len(raw)-32:])}},
		{ID: odd, Version: -5, Data: []byte(odd), Index: storage.AccountIndex{
			Authenticators: 2, Passkeys: 3, CodesLeft: 9, LockedUntil: moment(3), Disabled: true, Suspended: true, KeyName: odd,
			TokenEpoch: -7, Handle: storage.Handle([]byte("\x00'\\\"%_ é\x00\x00 raw bytes, 32 in all.")), Unsent: moment(4),
		}},
	}
	for i, a := range accounts {
		must(s.SaveAccount(ctx, a, 0))
		if err := s.SaveAccount(ctx, a, 0); !errors.Is(err, storage.ErrConflict) {
			must(err)
			same("SaveAccount of one that is there", err, storage.ErrConflict)
		}
		prev := a.Version
		a.Version = int64(i + 10)
		must(s.SaveAccount(ctx, a, prev))
		accounts[i] = a
		got, err := s.LoadAccount(ctx, a.ID)
		if errors.Is(err, storage.ErrNotFound) {
			same("LoadAccount", err, nil)
		}
		must(err)
		if len(a.Data) == 0 {
			got.Data, a.Data = nil, nil
		}
		same("LoadAccount", got, a)
	}
	for _, a := range accounts {
		got, err := s.AccountByHandle(ctx, a.Index.Handle)
		if errors.Is(err, storage.ErrNotFound) {
			same("AccountByHandle", err, nil)
		}
		must(err)
		same("AccountByHandle", got.ID, a.ID)
		taken := storage.Record{ID: "taken", Version: 1, Index: storage.AccountIndex{Handle: a.Index.Handle}}
		if err := s.SaveAccount(ctx, taken, 0); !errors.Is(err, storage.ErrInvalid) {
			must(err)
			same("SaveAccount with a handle that is taken", err, storage.ErrInvalid)
		}
	}
	waiting, err := s.UnsentAccounts(ctx, "", 10)
	must(err)
	same("UnsentAccounts", waiting.Records, accounts[1:])
	page, err := s.Accounts(ctx, "", math.MaxInt)
	must(err)
	same("Accounts", page.Records, accounts)
	page, err = s.Accounts(ctx, "b", 5)
	must(err)
	same("Accounts after an ID", page.Records, accounts[1:])

	token := storage.TokenRecord{ID: "t" + odd, AccountID: odd, Version: 3, Data: raw,
		Index: storage.TokenIndex{Expires: time.Date(2299, 12, 31, 23, 59, 59, 999999000, time.UTC), Revoked: true, Scopes: odd, Epoch: -1}}
	live := storage.TokenIndex{Expires: moment(10), Epoch: -1}
	plain := storage.TokenRecord{ID: "t", AccountID: odd, Version: 4, Data: raw[:1], Index: live}
	upper := storage.TokenRecord{ID: "T", AccountID: odd, Version: 5, Data: raw[:1], Index: live}
	for _, t := range []storage.TokenRecord{token, plain, upper} {
		must(s.SaveToken(ctx, t, 0))
	}
	token.Usage = storage.TokenUsage{LastUsed: moment(9), Scopes: 1<<62 + 1, Addresses: odd}
	must(s.TouchTokens(ctx, []storage.TokenUse{{ID: token.ID, TokenUsage: token.Usage}}))
	got, owner, err := s.LoadToken(ctx, token.ID)
	if errors.Is(err, storage.ErrNotFound) {
		same("LoadToken", err, nil)
	}
	must(err)
	same("LoadToken", got, token)
	same("LoadToken, owner", owner, accounts[1].Index)
	all, err := s.AllTokens(ctx, "", 10)
	must(err)
	same("AllTokens", all.Records, []storage.TokenRecord{upper, plain, token})
	all, err = s.Tokens(ctx, odd, "", 10)
	must(err)
	same("Tokens", all.Records, []storage.TokenRecord{upper, plain, token})
	all, err = s.LiveTokens(ctx, odd, storage.Live{Epoch: -1, At: moment(9)}, "", 10)
	must(err)
	same("LiveTokens", all.Records, []storage.TokenRecord{upper, plain})
	must(s.DeleteToken(ctx, plain.ID, plain.Version))
	if err := s.DeleteToken(ctx, plain.ID, plain.Version); !errors.Is(err, storage.ErrConflict) {
		must(err)
		same("DeleteToken of none", err, storage.ErrConflict)
	}
	for _, a := range accounts {
		must(s.DeleteAccount(ctx, a.ID))
		if _, err := s.LoadAccount(ctx, a.ID); !errors.Is(err, storage.ErrNotFound) {
			must(err)
			same("LoadAccount of none", err, storage.ErrNotFound)
		}
	}
	all, err = s.AllTokens(ctx, "", 10)
	must(err)
	same("AllTokens of none", len(all.Records), 0)
	return nil, nil
}

// wrong says that a store answered, and what was wrong with the answer.
type wrong struct{ what string }

func (w wrong) Error() string { return w.what }

// want says what a store must do under a setting: carry on as if it were not there, refuse with an error that names it,
// or, where every statement may fail, fail with an error that has a text. A wrong answer is never allowed.
type want struct{ refuse, fail string }

var works = want{}

func refuses(setting string) want { return want{refuse: setting} }
func fails(text string) want      { return want{fail: text} }

// hostile has settings of a session, and what a store must do under each.
var hostile = map[sqlstore.Dialect][]struct {
	want want
	sets []string
}{
	sqlstore.PostgreSQL: {
		{works, []string{
			"SET datestyle = 'German'", "SET datestyle = 'SQL, DMY'", "SET intervalstyle = 'iso_8601'", "SET timezone = 'Asia/Kathmandu'",
			"SET backslash_quote = off", "SET transform_null_equals = on", "SET extra_float_digits = -15", "SET row_security = off",
			"SET default_transaction_isolation = 'serializable'", "SET default_transaction_isolation = 'read uncommitted'",
			"SET default_transaction_deferrable = on; SET default_transaction_isolation = 'serializable'",
			"SET lc_messages = 'C'; SET lc_numeric = 'C'; SET lc_time = 'C'; SET lc_monetary = 'C'", "SET session_replication_role = replica",
			"SET array_nulls = off; SET escape_string_warning = off; SET quote_all_identifiers = on; SET xmloption = document",
			"SET plan_cache_mode = force_generic_plan; SET enable_indexscan = off; SET enable_bitmapscan = off",
			"SET synchronous_commit = local", "SET lock_timeout = 5000; SET statement_timeout = 50000",
		}},
		{refuses("client_encoding"), []string{"SET client_encoding = 'LATIN1'", "SET client_encoding = 'SJIS'", "SET client_encoding = 'SQL_ASCII'"}},
		{refuses("synchronous_commit"), []string{"SET synchronous_commit = off"}},
		{fails("statement timeout"), []string{"SET statement_timeout = 1"}},
		{fails("read-only transaction"), []string{"SET default_transaction_read_only = on"}},
		{fails("does not exist"), []string{"SET search_path = ''"}},
	},
	sqlstore.MySQL: {
		{works, []string{
			"SET sql_mode = ''", "SET sql_mode = 'ORACLE'", "SET sql_mode = 'ANSI'", "SET sql_mode = 'DB2'", "SET sql_mode = 'MSSQL'",
			"SET sql_mode = 'MAXDB'", "SET sql_mode = 'TRADITIONAL'", "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
			"SET sql_mode = 'TIME_ROUND_FRACTIONAL,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,NO_ZERO_IN_DATE'",
			"SET sql_mode = 'HIGH_NOT_PRECEDENCE,IGNORE_SPACE,NO_UNSIGNED_SUBTRACTION,ONLY_FULL_GROUP_BY,REAL_AS_FLOAT'",
			"SET sql_mode = 'SIMULTANEOUS_ASSIGNMENT,NO_AUTO_VALUE_ON_ZERO,NO_DIR_IN_CREATE'",
			"SET NAMES latin1", "SET NAMES gbk", "SET NAMES sjis", "SET NAMES big5", "SET NAMES utf8mb3", "SET NAMES binary", "SET NAMES ascii",
			"SET character_set_results = latin1", "SET character_set_results = NULL", "SET collation_connection = utf8mb4_bin",
			"SET sql_select_limit = 100", "SET sql_safe_updates = 1", "SET group_concat_max_len = 4", "SET max_sort_length = 8",
			"SET tx_isolation = 'SERIALIZABLE'", "SET tx_isolation = 'READ-COMMITTED'", "SET unique_checks = 0, foreign_key_checks = 0",
			"SET time_zone = '+13:00', timestamp = 1", "SET sql_auto_is_null = 1, div_precision_increment = 0", "SET lc_time_names = 'de_DE'",
			"SET sql_buffer_result = 1, big_tables = 1, low_priority_updates = 1", "SET completion_type = 'CHAIN'", "SET sql_notes = 0, sql_warnings = 1",
			"SET default_storage_engine = MyISAM", "SET max_statement_time = 50, innodb_lock_wait_timeout = 5",
		}},
		{refuses("autocommit"), []string{"SET autocommit = 0"}},
		{refuses("tx_isolation"), []string{"SET tx_isolation = 'READ-UNCOMMITTED'"}},
		{refuses("sql_mode"), []string{"SET sql_mode = 'EMPTY_STRING_IS_NULL'", "SET sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL'"}},
		{refuses("character_set_client"), []string{
			"SET character_set_client = latin1", "SET character_set_connection = utf8mb3", "SET character_set_connection = ucs2",
			"SET collation_connection = latin1_swedish_ci", "SET NAMES swe7",
		}},
		{refuses("sql_select_limit"), []string{"SET sql_select_limit = 0"}},
		{fails("MAX_JOIN_SIZE"), []string{"SET sql_big_selects = 0, max_join_size = 1"}},
		{fails("max_statement_time"), []string{"SET max_statement_time = 0.000001"}},
		{fails("READ ONLY transaction"), []string{"SET tx_read_only = 1"}},
	},
	sqlstore.SQLite: {
		{works, []string{
			"PRAGMA count_changes = 1", "PRAGMA case_sensitive_like = 1", "PRAGMA reverse_unordered_selects = 1", "PRAGMA journal_mode = persist",
			"PRAGMA journal_mode = truncate", "PRAGMA short_column_names = 0; PRAGMA full_column_names = 1", "PRAGMA empty_result_callbacks = 1",
			"PRAGMA temp_store = memory", "PRAGMA ignore_check_constraints = 1; PRAGMA automatic_index = 0", "PRAGMA foreign_keys = 1",
			"PRAGMA recursive_triggers = 1; PRAGMA trusted_schema = 0; PRAGMA legacy_alter_table = 1", "PRAGMA mmap_size = 1000000",
			"PRAGMA secure_delete = 1; PRAGMA cell_size_check = 1", "PRAGMA synchronous = extra",
		}},
		{refuses("encoding"), []string{"PRAGMA encoding = 'UTF-16le'", "PRAGMA encoding = 'UTF-16be'"}},
		{refuses("synchronous"), []string{"PRAGMA synchronous = off"}},
		{refuses("journal_mode"), []string{"PRAGMA journal_mode = memory", "PRAGMA journal_mode = off"}},
		{refuses("read_uncommitted"), []string{"PRAGMA read_uncommitted = 1"}},
		{fails("readonly database"), []string{"PRAGMA query_only = 1"}},
	},
}

// TestSettings is rows F1 and K11.
func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		modes := map[sqlstore.Dialect][]string{
			sqlstore.PostgreSQL: {"", "default_query_exec_mode=exec", "default_query_exec_mode=simple_protocol"},
			sqlstore.MySQL:      {"", "interpolateParams=true"},
			sqlstore.SQLite:     {""},
		}[d.dialect]
		n := 0
		for _, mode := range modes {
			for _, h := range hostile[d.dialect] {
				for _, set := range h.sets {
					n++
					u := under{d, sqlstore.Options{Prefix: fmt.Sprintf("s%d_", n), Timeout: time.Minute}, mode, set}
					t.Run(strings.TrimSpace(mode+" "+set), func(t *testing.T) { u.test(t, h.want) }) // which closes what it opens
				}
			}
		}
	})
}

// under is a database under a setting.
type under struct {
	database
	options sqlstore.Options
	mode    string // a parameter of the DSN
	set     string
}

// store returns a new store under the setting, of which nothing but New was called.
func (u under) store(t *testing.T) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(u.open(t, strings.Split(u.set, "; ")...), u.dialect, u.options)
	require.NoError(t, err)
	return s
}

func (u under) test(t *testing.T, want want) {
	if u.dialect == sqlstore.SQLite { // a file of its own, whose journal the setting decides
		u.dsn = strings.Replace(dbtest.SQLite(t), "&_pragma=journal_mode(wal)", "", 1)
	} else if u.mode != "" {
		u.database = u.with(u.mode)
	}
	ctx := t.Context()
	if want.refuse != "" {
		u.refused(t, u.store(t).Migrate(ctx), want)
	}
	if want.fail == "" && want.refuse == "" {
		require.NoError(t, u.store(t).Migrate(ctx))
	} else {
		u.tables(t)
	}
	if want.refuse == "" {
		silent, loud := live(ctx, u.store(t))
		require.NoError(t, silent)
		if loud != nil {
			require.NotEmpty(t, want.fail, loud)
			require.ErrorContains(t, loud, want.fail)
		}
		if want.fail == "" {
			require.NoError(t, u.store(t).Validate(ctx))
		}
		return
	}
	for _, err := range []error{
		u.store(t).Check(ctx),
		u.store(t).Validate(ctx),
		u.store(t).Down(ctx, 0),
		u.store(t).SaveAccount(ctx, storage.Record{ID: "a", Version: 1}, 0),
		u.store(t).DeleteAccount(ctx, "a"),
		u.store(t).TouchTokens(ctx, []storage.TokenUse{usedAt("t", moment(1))}),
		second(u.store(t).Warnings(ctx)),
		second(u.store(t).LoadAccount(ctx, "a")),
		second(u.store(t).Accounts(ctx, "", 1)),
	} {
		u.refused(t, err, want)
	}
}

func second[T any](_ T, err error) error { return err }

// refused asserts that an error says what is wrong and what mends it: the setting is named, by the store or, where the
// driver refuses it already, by the driver.
func (u under) refused(t *testing.T, err error, want want) {
	t.Helper()
	require.ErrorContains(t, err, want.refuse)
	if !strings.Contains(err.Error(), "simple protocol queries must be run with") {
		require.ErrorIs(t, err, sqlstore.ErrSetup)
	}
}

// tables makes the tables without the setting, or under it where the file is made with it.
func (u under) tables(t *testing.T) {
	t.Helper()
	if strings.Contains(u.set, "encoding = 'UTF-16") {
		ddl, err := sqlstore.DDL(u.dialect, u.options, 0, newest)
		require.NoError(t, err)
		_, err = u.open(t, u.set).Exec(strings.Join(ddl, ";\n"))
		require.NoError(t, err)
		return
	}
	s, err := sqlstore.New(u.open(t), u.dialect, u.options)
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
}
