package sqlstore_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// newest is the version of the tables.
const newest = sqlstore.SchemaVersion

func newStore(t testing.TB, db *sql.DB, d database) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, d.dialect, sqlstore.Options{})
	require.NoError(t, err)
	return s
}

// atVersion asserts that the tables have a version, and that Check and Validate say so.
func atVersion(t testing.TB, s *sqlstore.Store, want int) {
	t.Helper()
	v, err := s.Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, v)
	for _, err := range []error{s.Check(t.Context()), s.Validate(t.Context())} {
		if want == newest {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, sqlstore.ErrSetup)
		var setup *sqlstore.SetupError
		require.ErrorAs(t, err, &setup)
		require.Equal(t, want, setup.Version)
		require.Equal(t, want == 0, setup.Kind == sqlstore.TablesMissing)
		if want < newest {
			require.ErrorContains(t, err, "Store.Migrate")
		}
	}
}

func TestMigrate(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newStore(t, d.open(t), d)
		atVersion(t, s, 0)
		for range 2 {
			require.NoError(t, s.Migrate(t.Context()))
			atVersion(t, s, newest)
		}
		for from := newest - 1; from >= 0; from-- {
			require.NoError(t, s.Down(t.Context(), from))
			atVersion(t, s, from)
		}
		require.NoError(t, s.Down(t.Context(), 0), "nothing to do")
	})
}

// TestGoMigrations is row A9: a migration of the host's tool has the tables of one version, written when that was the
// newest, and a later one takes them from there. Each runs its statements one by one, and so needs no setting of a driver
// that sends several at once; in MySQL one that was cut off anywhere is run again.
func TestGoMigrations(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := newStore(t, db, d)
		migrate := func(from, to, statements int) {
			t.Helper()
			all, err := sqlstore.DDL(d.dialect, sqlstore.Options{}, from, to)
			require.NoError(t, err)
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback()
			for _, statement := range all[:min(statements, len(all))] {
				_, err := tx.ExecContext(t.Context(), statement)
				require.NoError(t, err, statement)
			}
			if statements < len(all) {
				require.NoError(t, tx.Rollback())
				return
			}
			require.NoError(t, tx.Commit())
		}
		for then := range newest + 1 {
			for _, m := range [][2]int{{0, then}, {then, newest}} {
				all, err := sqlstore.DDL(d.dialect, sqlstore.Options{}, m[0], m[1])
				require.NoError(t, err)
				for cut := range len(all) {
					migrate(m[0], m[1], cut)
				}
				migrate(m[0], m[1], len(all))
				v, err := s.Version(t.Context())
				require.NoError(t, err)
				require.Equal(t, m[1], v)
			}
			atVersion(t, s, newest)
			require.NoError(t, s.Migrate(t.Context()), "nothing is left to do")
			require.NoError(t, s.Down(t.Context(), 0))
		}
	})
}

// TestMigrateFrom migrates from each version by the printed SQL, twice too, and down again.
func TestMigrateFrom(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := newStore(t, db, d)
		run := func(times, from, to int) {
			t.Helper()
			statements, err := sqlstore.DDL(d.dialect, sqlstore.Options{}, from, to)
			require.NoError(t, err)
			for range times {
				for _, statement := range statements {
					_, err := db.Exec(statement)
					require.NoError(t, err, statement)
				}
			}
		}
		for from := range newest {
			for times := range 2 {
				run(times+1, from, newest)
				atVersion(t, s, newest)
				save(t, s, storage.Record{ID: "É ", Version: 1 << 62}, 0)
				run(1, newest, from)
				atVersion(t, s, from)
			}
			require.NoError(t, s.Migrate(t.Context()))
			require.NoError(t, s.Down(t.Context(), from))
		}
	})
}

// TestMigrateAtOnce has ten processes start at once, on no tables and on old ones.
func TestMigrateAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.PostgreSQL {
			d = d.with("default_transaction_isolation=serializable")
		}
		for from := range newest {
			s := newStore(t, d.open(t), d)
			require.NoError(t, s.Migrate(t.Context()))
			require.NoError(t, s.Down(t.Context(), from))
			var errs [10]error
			var wg sync.WaitGroup
			for i := range errs {
				own := newStore(t, d.open(t), d)
				wg.Go(func() { errs[i] = own.Migrate(t.Context()) })
			}
			wg.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			atVersion(t, s, newest)
		}
	})
}

// TestMigrateUndone has the server undo each statement of a migration once, as a Galera cluster does with one that meets
// that of another node.
func TestMigrateUndone(t *testing.T) {
	server := dbtest.MySQL(t)
	d := database{sqlstore.MySQL, server.Driver(), server.Database(t), server}
	undone := map[string]bool{}
	err := newStore(t, d.watch(t, func(statement string) error {
		if undone[statement] || strings.HasPrefix(statement, "DO ") {
			return nil
		}
		undone[statement] = true
		return &mysql.MySQLError{Number: 1213, Message: "Deadlock found when trying to get lock; try restarting transaction"}
	}, func(string) error { return nil }), d).Migrate(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(undone), 3)
	require.NoError(t, newStore(t, d.open(t), d).Validate(t.Context()))
}

// TestMigrateKilled cuts a migration off before and after its first, second, … statement, and has
// another process run it again.
func TestMigrateKilled(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newStore(t, d.open(t), d)
		for from := range newest {
			for _, late := range []bool{false, true} {
				for k := 1; ; k++ {
					require.NoError(t, s.Migrate(t.Context()))
					require.NoError(t, s.Down(t.Context(), from))
					sent := 0
					die := func(at bool) func(string) error {
						return func(statement string) error {
							if at == late && !strings.HasPrefix(statement, "DO ") {
								if sent++; sent >= k {
									return errCut
								}
							}
							return nil
						}
					}
					err := newStore(t, d.watch(t, die(false), die(true)), d).Migrate(t.Context())
					if sent < k {
						require.NoError(t, err)
						require.Greater(t, k, 3, "the statements were seen")
						break
					}
					// The last one may be COMMIT, after which all is well.
					if err == nil {
						atVersion(t, s, newest)
					}
					require.NoError(t, s.Migrate(t.Context()), "after one that was cut off at statement %d", k)
					atVersion(t, s, newest)
				}
			}
		}
	})
}

// TestNewerTables: what a newer program has made is left alone.
func TestNewerTables(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		_, err := db.Exec(fmt.Sprintf("UPDATE gatehouse_migrations SET version = %d WHERE version = %d", newest+1, newest))
		require.NoError(t, err)
		for _, err := range []error{
			s.Check(t.Context()), s.Validate(t.Context()), s.Migrate(t.Context()), s.Down(t.Context(), 0),
		} {
			require.ErrorIs(t, err, sqlstore.ErrSetup)
			require.ErrorContains(t, err, "newer program")
			var setup *sqlstore.SetupError
			require.ErrorAs(t, err, &setup)
			require.Equal(t, sqlstore.TablesNewer, setup.Kind)
			require.Equal(t, newest+1, setup.Version)
		}
	})
}

// TestValidate breaks one thing at a time.
func TestValidate(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for _, statement := range strings.Split(d.pick(`
DROP INDEX gatehouse_accounts_handle
DROP INDEX gatehouse_accounts_unsent_id
DROP INDEX gatehouse_tokens_account_id
DROP INDEX gatehouse_accounts_locked_until
DROP INDEX gatehouse_tokens_expires
DROP INDEX gatehouse_tokens_live
ALTER TABLE gatehouse_tokens ALTER epoch TYPE integer
ALTER TABLE gatehouse_tokens ALTER scopes TYPE text COLLATE "default"
ALTER TABLE gatehouse_tokens ALTER scopes DROP NOT NULL
ALTER TABLE gatehouse_token_uses ALTER scopes TYPE integer
ALTER TABLE gatehouse_token_uses DROP addresses
ALTER TABLE gatehouse_accounts ALTER id TYPE text COLLATE "en-x-icu"
ALTER TABLE gatehouse_tokens ALTER account_id TYPE text COLLATE "default"
ALTER TABLE gatehouse_accounts ALTER version TYPE integer
ALTER TABLE gatehouse_accounts ALTER unsent_id TYPE text COLLATE "default"
ALTER TABLE gatehouse_accounts DROP passkeys
ALTER TABLE gatehouse_accounts ALTER locked_until TYPE integer
ALTER TABLE gatehouse_accounts ALTER data DROP NOT NULL
ALTER TABLE gatehouse_accounts DROP CONSTRAINT gatehouse_accounts_pkey
ALTER TABLE gatehouse_token_uses DROP CONSTRAINT gatehouse_token_uses_pkey, ADD PRIMARY KEY (token_id, account_id)
ALTER TABLE gatehouse_token_uses RENAME last_used TO used
DROP TABLE gatehouse_token_uses`, `
DROP INDEX handle ON gatehouse_accounts
ALTER TABLE gatehouse_accounts DROP INDEX handle, ADD INDEX handle (handle)
DROP INDEX unsent_id ON gatehouse_accounts
DROP INDEX account_id ON gatehouse_tokens
DROP INDEX locked_until ON gatehouse_accounts
DROP INDEX expires ON gatehouse_tokens
DROP INDEX live ON gatehouse_tokens
ALTER TABLE gatehouse_tokens MODIFY epoch INT NOT NULL
ALTER TABLE gatehouse_tokens MODIFY scopes VARCHAR(4096) CHARACTER SET utf8mb4 NOT NULL
ALTER TABLE gatehouse_tokens MODIFY scopes VARBINARY(1024) NOT NULL
ALTER TABLE gatehouse_token_uses MODIFY scopes INT NOT NULL
ALTER TABLE gatehouse_token_uses MODIFY addresses VARBINARY(255) NOT NULL
ALTER TABLE gatehouse_accounts MODIFY id VARCHAR(255) NOT NULL
ALTER TABLE gatehouse_accounts MODIFY id VARBINARY(191) NOT NULL
ALTER TABLE gatehouse_accounts MODIFY locked_until DATETIME NULL
ALTER TABLE gatehouse_accounts MODIFY data BLOB NOT NULL
ALTER TABLE gatehouse_accounts DROP PRIMARY KEY
ALTER TABLE gatehouse_accounts DROP PRIMARY KEY, ADD PRIMARY KEY (id(200))
ALTER TABLE gatehouse_token_uses DROP PRIMARY KEY, ADD PRIMARY KEY (token_id, account_id)
ALTER TABLE gatehouse_tokens ENGINE = MyISAM
DROP TABLE gatehouse_token_uses`, `
DROP INDEX gatehouse_accounts_handle
DROP INDEX gatehouse_accounts_unsent_id
DROP INDEX gatehouse_tokens_account_id
DROP INDEX gatehouse_accounts_locked_until
DROP INDEX gatehouse_tokens_expires
DROP INDEX gatehouse_tokens_live
ALTER TABLE gatehouse_tokens RENAME scopes TO scope
ALTER TABLE gatehouse_token_uses DROP addresses
ALTER TABLE gatehouse_token_uses RENAME last_used TO used
DROP TABLE gatehouse_token_uses
ALTER TABLE gatehouse_tokens RENAME TO t; CREATE TABLE gatehouse_tokens (id TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, account_id TEXT NOT NULL, version INTEGER NOT NULL, data BLOB NOT NULL, expires INTEGER, revoked INTEGER NOT NULL, scopes TEXT NOT NULL, epoch INTEGER NOT NULL) STRICT; CREATE INDEX h ON gatehouse_tokens (account_id, revoked, epoch, id, expires); CREATE INDEX i ON gatehouse_tokens (account_id, id); CREATE INDEX j ON gatehouse_tokens (expires)
ALTER TABLE gatehouse_tokens RENAME TO t; CREATE TABLE gatehouse_tokens (id TEXT NOT NULL PRIMARY KEY, account_id TEXT NOT NULL, version INTEGER NOT NULL, data BLOB NOT NULL, expires INTEGER, revoked INTEGER NOT NULL, scopes TEXT NOT NULL, epoch INTEGER NOT NULL); CREATE INDEX h ON gatehouse_tokens (account_id, revoked, epoch, id, expires); CREATE INDEX i ON gatehouse_tokens (account_id, id); CREATE INDEX j ON gatehouse_tokens (expires)`)[1:], "\n") {
			db := d.open(t)
			s := d.store(t, db, sqlstore.Options{})
			atVersion(t, s, newest)
			_, err := db.Exec(statement)
			require.NoError(t, err, statement)
			err = s.Validate(t.Context())
			require.ErrorIs(t, err, sqlstore.ErrSetup, statement)
			for _, table := range []string{"t", "gatehouse_token_uses", "gatehouse_tokens", "gatehouse_accounts", "gatehouse_migrations"} {
				_, err = db.Exec("DROP TABLE IF EXISTS " + table)
				require.NoError(t, err)
			}
		}

		// More than the store needs is no error.
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		for _, statement := range []string{
			"ALTER TABLE gatehouse_accounts ADD note " + d.pick("text", "TEXT", "TEXT"),
			"CREATE INDEX own ON gatehouse_accounts (suspended)",
		} {
			_, err := db.Exec(statement)
			require.NoError(t, err)
		}
		atVersion(t, s, newest)
	})
}

// TestValidateSettings: a database that forgets what it has answered.
func TestValidateSettings(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		begin := d.pick("SET synchronous_commit = off", "SET GLOBAL innodb_flush_log_at_trx_commit = 2", "PRAGMA synchronous = normal")
		require.NoError(t, newStore(t, d.open(t), d).Migrate(t.Context())) // which refuses some of them too
		db := d.open(t, begin)
		s := newStore(t, db, d)
		err := s.Validate(t.Context())
		if d.dialect == sqlstore.MySQL {
			// No other test runs now.
			_, err := db.Exec("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
			require.NoError(t, err)
		}
		require.ErrorIs(t, err, sqlstore.ErrSetup)
		require.ErrorContains(t, err, d.pick("synchronous_commit", "innodb_flush_log_at_trx_commit", "synchronous"))

		if d.dialect == sqlstore.SQLite {
			d.dsn = strings.Replace(dbtest.SQLite(t), "&_pragma=journal_mode(wal)", "", 1)
			require.NoError(t, newStore(t, d.open(t), d).Migrate(t.Context()))
			s := newStore(t, d.open(t, "PRAGMA journal_mode = memory"), d)
			require.ErrorContains(t, s.Validate(t.Context()), "setting journal")
		}
	})
}

// TestApart: stores with other prefixes or schemas have other tables.
func TestApart(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		options := []sqlstore.Options{{}, {Prefix: "g"}}
		if d.dialect != sqlstore.SQLite {
			// A key word, which has to be quoted.
			other := "user"
			if d.dialect == sqlstore.MySQL {
				other = "g" + strings.ToLower(t.Name()[:4]) + "_schema"
			}
			_, err := db.Exec("CREATE SCHEMA " + d.pick(`"user"`, other))
			require.NoError(t, err)
			t.Cleanup(func() { db.Exec("DROP SCHEMA " + d.pick(`"user" CASCADE`, other)) })
			options = append(options, sqlstore.Options{Schema: other}, sqlstore.Options{Schema: other, Prefix: "g"})
		}
		var stores []*sqlstore.Store
		for i, o := range options {
			s, err := sqlstore.New(db, d.dialect, o)
			require.NoError(t, err)
			atVersion(t, s, 0)
			require.NoError(t, s.Migrate(t.Context()))
			atVersion(t, s, newest)
			save(t, s, storage.Record{ID: "a", Version: int64(i + 1)}, 0)
			stores = append(stores, s)
		}
		for i, s := range slices.Backward(stores) {
			r, err := s.LoadAccount(t.Context(), "a")
			require.NoError(t, err)
			require.EqualValues(t, i+1, r.Version)
			require.NoError(t, s.TouchTokens(t.Context(), []storage.TokenUse{usedAt("t", moment(1))}))
			require.NoError(t, s.DeleteAccount(t.Context(), "a"))
			require.NoError(t, s.Down(t.Context(), 0))
			for _, other := range stores[:i] {
				atVersion(t, other, newest)
			}
		}
	})
}
