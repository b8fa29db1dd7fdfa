package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// TestAutocommitOff is row F1 as it was seen: a program that calls New and goes on.
func TestAutocommitOff(t *testing.T) {
	s := dbtest.MySQL(t)
	d := database{sqlstore.MySQL, s.Driver(), s.Database(t), s}
	d.store(t, d.open(t), sqlstore.Options{})
	svc, err := gatehouse.New(newStore(t, d.with("autocommit=0").open(t), d), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	require.NoError(t, err)
	_, err = svc.Before(t.Context(), "ada")
	require.ErrorIs(t, err, sqlstore.ErrSetup)
	require.ErrorContains(t, err, "autocommit")
}

// TestChangedLater is row F1: a connection of the pool gets a setting after all was well. No statement is carried out
// on it under which a save would not be kept, or a load would not see one.
func TestChangedLater(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		setting := d.pick("synchronous_commit", "autocommit", "")
		if setting == "" {
			return // Check sees to SQLite's
		}
		direct := d.store(t, d.open(t), sqlstore.Options{})
		db := d.open(t)
		db.SetMaxOpenConns(1)
		s := newStore(t, db, d)
		require.NoError(t, s.Check(t.Context()))
		filled(t, s)
		_, err := db.Exec("SET " + setting + d.pick(" = off", " = 0"))
		require.NoError(t, err)
		for _, c := range calls() {
			err := c.do(t.Context(), s)
			require.ErrorIs(t, err, sqlstore.ErrSetup, c.name)
			require.ErrorContains(t, err, setting, c.name)
			require.NotErrorIs(t, err, storage.ErrConflict, c.name)
		}
		loads := map[string]error{
			"LoadAccount":         second(s.LoadAccount(t.Context(), "a")),
			"LoadAccount of none": second(s.LoadAccount(t.Context(), "none")),
			"Accounts":            second(s.Accounts(t.Context(), "", 5)),
			"Accounts after all":  second(s.Accounts(t.Context(), "z", 5)),
			"Tokens":              second(s.Tokens(t.Context(), "a", "", 5)),
			"AllTokens":           second(s.AllTokens(t.Context(), "", 5)),
			"DeleteToken of none": s.DeleteToken(t.Context(), "none", 1),
		}
		_, _, loads["LoadToken"] = s.LoadToken(t.Context(), "t")
		_, _, loads["LoadToken of none"] = s.LoadToken(t.Context(), "none")
		for name, err := range loads {
			switch {
			case d.dialect == sqlstore.MySQL:
				require.ErrorIs(t, err, sqlstore.ErrSetup, name)
			case name == "DeleteToken of none":
				require.ErrorIs(t, err, storage.ErrConflict, name)
			case strings.HasSuffix(name, "of none"):
				require.ErrorIs(t, err, storage.ErrNotFound, name)
			default:
				require.NoError(t, err, name)
			}
		}
		unchanged(t, direct)

		_, err = db.Exec("SET " + setting + d.pick(" = on", " = 1"))
		require.NoError(t, err)
		for _, c := range calls() {
			filled(t, s)
			require.NoError(t, c.do(t.Context(), s), c.name)
		}
	})
}

// TestSelfTest is row F1: pools of which one connection does not see what another one has saved.
func TestSelfTest(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		ctx := t.Context()
		d.store(t, d.open(t), sqlstore.Options{})
		other := d
		if d.server != nil {
			other.dsn = d.server.Database(t)
		} else {
			other.dsn = dbtest.SQLite(t)
		}
		other.store(t, other.open(t), sqlstore.Options{})
		bare := d
		bare.dsn = dbtest.SQLite(t)
		if d.server != nil {
			bare.dsn = d.server.Database(t)
		}
		temporary := "CREATE TEMPORARY TABLE gatehouse_token_uses (account_id VARCHAR(50), token_id VARCHAR(50)," +
			" last_used BIGINT, scopes BIGINT, addresses VARCHAR(50))"
		pools := map[string]*sql.DB{
			"a stale copy":      mixed(t, d, other, ""),
			"without tables":    mixed(t, d, bare, ""),
			"a temporary table": mixed(t, d, d, temporary),
			"begun":             d.open(t, "BEGIN"),
		}
		if d.dialect != sqlstore.PostgreSQL { // which sees what is committed in READ COMMITTED
			pools["a reader that sees what was there when it began"] = mixed(t, d, d, "BEGIN")
		}
		for name, db := range pools {
			s := newStore(t, db, d)
			for range 3 { // whichever connection comes first
				err := s.Check(ctx)
				require.ErrorIs(t, err, sqlstore.ErrSetup, name)
				require.NotErrorIs(t, err, storage.ErrConflict, name)
			}
			require.ErrorIs(t, s.Validate(ctx), sqlstore.ErrSetup, name)
			require.NoError(t, db.Close()) // with what is not committed
		}

		// It leaves nothing, and takes away what is left of others, but for those that may be under way.
		db := d.open(t)
		s := newStore(t, db, d)
		for i, at := range []time.Time{time.Now().Add(-2 * time.Hour), time.Now()} {
			_, err := db.Exec(fmt.Sprintf("INSERT INTO gatehouse_token_uses (account_id, token_id, last_used, scopes, addresses) VALUES ('', 'left %d', %d, 0, '')", i, at.UnixMicro()))
			require.NoError(t, err)
		}
		require.NoError(t, s.Check(ctx))
		var left string
		require.NoError(t, db.QueryRow("SELECT MIN(token_id) FROM gatehouse_token_uses").Scan(&left))
		require.Equal(t, "left 1", left)
	})
}

// mixed is a pool of which every second connection leads to another database, or begins with a statement of its own.
func mixed(t *testing.T, d, other database, begin string) *sql.DB {
	t.Helper()
	plain := d.open(t)
	n := new(atomic.Int64)
	a, b := &beginning{driver: plain.Driver(), dsn: d.dsn}, &beginning{driver: plain.Driver(), dsn: other.dsn}
	if begin != "" {
		b.begin = []string{begin}
	}
	db := sql.OpenDB(&alternating{a, b, n})
	db.SetMaxIdleConns(4)
	t.Cleanup(func() { db.Close() })
	return db
}

type alternating struct {
	driver.Connector
	other driver.Connector
	n     *atomic.Int64
}

func (a *alternating) Connect(ctx context.Context) (driver.Conn, error) {
	if a.n.Add(1)%2 == 0 {
		return a.other.Connect(ctx)
	}
	return a.Connector.Connect(ctx)
}

// TestSelfTestAtOnce: many at once do not wait for each other's connections for ever, and a pool that has no second one
// to give is told of.
func TestSelfTestAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		ctx := t.Context()
		d.store(t, d.open(t), sqlstore.Options{})
		for _, most := range []int{0, 1, 2} {
			db := d.open(t)
			db.SetMaxOpenConns(most)
			s, err := sqlstore.New(db, d.dialect, patient)
			require.NoError(t, err)
			var errs [6]error
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { errs[i] = s.Check(ctx) })
			}
			wg.Wait()
			require.NoError(t, errors.Join(errs[:]...), "%d connections", most)
			warnings, err := s.Warnings(ctx)
			require.NoError(t, err)
			require.Empty(t, warnings, "%d connections", most)
			if most == 2 {
				c, err := db.Conn(ctx)
				require.NoError(t, err)
				warnings, err := s.Warnings(ctx)
				require.NoError(t, err)
				require.Len(t, warnings, 1)
				require.Contains(t, warnings[0], "no second connection came free")
				require.NoError(t, c.Close())
			}
		}
	})
}

// TestVolatile is row F1: tables, and databases, that lose what they have answered.
func TestVolatile(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		ctx := t.Context()
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		for _, table := range []string{"gatehouse_accounts", "gatehouse_tokens", "gatehouse_token_uses"} {
			for _, engine := range strings.Split(d.pick("", "MyISAM,Aria,MEMORY,BLACKHOLE", ""), ",") {
				change, back := d.pick("ALTER TABLE %s SET UNLOGGED", "ALTER TABLE %s ENGINE = "+engine, "CREATE TEMPORARY TABLE %s (id TEXT)"),
					d.pick("ALTER TABLE %s SET LOGGED", "ALTER TABLE %s ENGINE = InnoDB", "DROP TABLE temp.%s")
				db.SetMaxOpenConns(1) // of which the temporary table is
				_, err := db.Exec(fmt.Sprintf(change, table))
				if engine == "MEMORY" || engine == "BLACKHOLE" {
					continue // for want of BLOBs, or of a plugin
				}
				require.NoError(t, err)
				fresh := newStore(t, db, d)
				for _, err := range []error{s.Check(ctx), s.Validate(ctx), s.Migrate(ctx), second(fresh.LoadAccount(ctx, "a"))} {
					require.ErrorIs(t, err, sqlstore.ErrSetup, "%s %s", table, engine)
					require.ErrorContains(t, err, table)
				}
				_, err = db.Exec(fmt.Sprintf(back, table))
				require.NoError(t, err)
				require.NoError(t, s.Check(ctx))
			}
		}
	})
}

// TestInMemory is row F1: each connection has a database of its own, or the one there is ends with the program.
func TestInMemory(t *testing.T) {
	d := database{sqlstore.SQLite, "sqlite3", ":memory:", nil}
	one := d.open(t)
	one.SetMaxOpenConns(1)
	s := d.store(t, one, sqlstore.Options{})
	silent, loud := live(t.Context(), s)
	require.NoError(t, silent)
	require.NoError(t, loud)
	warnings, err := s.Warnings(t.Context())
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "in memory")
	require.ErrorIs(t, s.Validate(t.Context()), sqlstore.ErrSetup)

	many := d.open(t)
	require.ErrorIs(t, d.store(t, many, sqlstore.Options{}).Check(t.Context()), sqlstore.ErrSetup)
}

// TestRowSecurity is row F1: a policy hides an account, which then looks as one that has no second factor.
func TestRowSecurity(t *testing.T) {
	server := dbtest.Postgres(t)
	d := database{sqlstore.PostgreSQL, server.Driver(), server.Database(t), server}
	db := d.open(t)
	s := d.store(t, db, sqlstore.Options{})
	filled(t, s)
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	role := "r" + strings.TrimPrefix(u.Path, "/")
	for _, statement := range []string{
		"CREATE ROLE " + role + " LOGIN",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON gatehouse_accounts, gatehouse_tokens, gatehouse_token_uses TO " + role,
		"GRANT SELECT ON gatehouse_migrations TO " + role,
	} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	t.Cleanup(func() { db.Exec("DROP OWNED BY " + role); db.Exec("DROP ROLE " + role) })
	u.User = url.User(role)
	limited := d
	limited.dsn = u.String()
	require.NoError(t, newStore(t, limited.open(t), d).Check(t.Context()), "the rights that the documentation names are enough")
	_, err = newStore(t, limited.open(t), d).LoadAccount(t.Context(), "a")
	require.NoError(t, err)

	for _, table := range []string{"gatehouse_accounts", "gatehouse_tokens", "gatehouse_token_uses"} {
		_, err = db.Exec("ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY")
		require.NoError(t, err)
		for _, err := range []error{
			newStore(t, limited.open(t), d).Check(t.Context()),
			second(newStore(t, limited.open(t), d).LoadAccount(t.Context(), "a")),
		} {
			require.ErrorIs(t, err, sqlstore.ErrSetup)
			require.ErrorContains(t, err, "row_security of "+table)
		}
		require.NoError(t, s.Check(t.Context()), "the owner sees all rows")
		_, err = db.Exec("ALTER TABLE " + table + " DISABLE ROW LEVEL SECURITY")
		require.NoError(t, err)
	}
}

// TestBytea is row K11: a driver that reads bytes as text, and knows one of the two forms.
func TestBytea(t *testing.T) {
	server := dbtest.Postgres(t)
	d := database{sqlstore.PostgreSQL, server.Driver(), server.Database(t), server}
	d.store(t, d.open(t), sqlstore.Options{})
	escape := "SET bytea_output = 'escape'"
	for mode, reads := range map[string]bool{"cache_statement": true, "cache_describe": true, "exec": false, "simple_protocol": false} {
		s := newStore(t, d.with("default_query_exec_mode="+mode).open(t, escape), d)
		err := s.Check(t.Context())
		if reads {
			require.NoError(t, err, mode)
			silent, loud := live(t.Context(), s)
			require.NoError(t, silent, mode)
			require.NoError(t, loud, mode)
			continue
		}
		require.ErrorIs(t, err, sqlstore.ErrSetup, mode)
		require.ErrorContains(t, err, "bytea_output", mode)
		require.ErrorIs(t, second(s.LoadAccount(t.Context(), "a")), sqlstore.ErrSetup, mode)
	}
}

// TestWarnings has what only weakens the promise: the store works, and says so.
func TestWarnings(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.store(t, d.open(t), sqlstore.Options{})
		warnings, err := s.Warnings(t.Context())
		require.NoError(t, err)
		require.Empty(t, warnings)
		for set, text := range map[string]string{
			d.pick("SET default_transaction_read_only = on", "SET SESSION TRANSACTION READ ONLY", "PRAGMA query_only = on"): "nothing can be saved",
			d.pick("SELECT 1", "DO 1", "PRAGMA synchronous = normal"):                                                       d.pick("", "", "synchronous"),
		} {
			db := d.open(t, set)
			db.SetMaxOpenConns(1)
			s := newStore(t, db, d)
			require.NoError(t, s.Check(t.Context()), set)
			warnings, err := s.Warnings(t.Context())
			require.NoError(t, err, set)
			require.Contains(t, strings.Join(warnings, "\n"), text)
			require.Equal(t, text != "", len(warnings) == 1, set)
		}
	})
}
