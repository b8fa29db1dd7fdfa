package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

var dialects = []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite}

// Row T3: at each place of a prefix and a schema exactly a-z, and behind the first '_' and digits: the symbols beside
// them are refused wherever they stand.
func TestSymbolsOfNames(t *testing.T) {
	db := sql.OpenDB(new(stub))
	defer db.Close()
	for _, place := range []string{"*", "*b", "a*", "a*b"} {
		for c := range 256 {
			name := strings.Replace(place, "*", string([]byte{byte(c)}), 1)
			good := c >= 'a' && c <= 'z' || place[0] != '*' && (c == '_' || c >= '0' && c <= '9')
			for _, o := range []sqlstore.Options{{Prefix: name}, {Schema: name}} {
				_, err := sqlstore.New(db, sqlstore.PostgreSQL, o)
				require.Equal(t, good, err == nil, "%q", name)
				_, err = sqlstore.DDL(sqlstore.PostgreSQL, o, 0, sqlstore.SchemaVersion)
				require.Equal(t, good, err == nil, "%q", name)
			}
		}
	}
}

// The names come into the text of statements, so nothing else may come in with them.
func TestOptions(t *testing.T) {
	db := sql.OpenDB(new(stub))
	defer db.Close()
	for _, d := range dialects {
		for _, name := range []string{
			"a", "auth_", "a2", "abcdefghijklmnopqrstuvwx",
		} {
			_, err := sqlstore.New(db, d, sqlstore.Options{Prefix: name})
			require.NoError(t, err, name)
			_, err = sqlstore.New(db, d, sqlstore.Options{Schema: name})
			require.Equal(t, d == sqlstore.SQLite, err != nil, "%s: a schema", d)
		}
		for _, name := range []string{
			"_a", "1a", "A", "aB", "a b", "a.b", "a-b", "a;b", `a"b`, "a`b", "a'b", "a\x00", "a\n", "é", "a{table}", "a?", "a$1", " ", "\xff",
			"abcdefghijklmnopqrstuvwxy", strings.Repeat("a", 1<<20),
		} {
			for _, o := range []sqlstore.Options{{Prefix: name}, {Schema: name}} {
				_, err := sqlstore.New(db, d, o)
				require.Error(t, err, "%q", name)
				require.Less(t, len(err.Error()), 200)
				_, err = sqlstore.DDL(d, o, 0, sqlstore.SchemaVersion)
				require.Error(t, err, "%q", name)
			}
		}
		_, err := sqlstore.New(nil, d, sqlstore.Options{})
		require.Error(t, err)
		_, err = sqlstore.New(db, d, sqlstore.Options{Timeout: -1})
		require.Error(t, err)
	}
	for _, d := range []sqlstore.Dialect{"", "oracle", "../postgres"} {
		_, err := sqlstore.New(db, d, sqlstore.Options{})
		require.Error(t, err)
		_, err = sqlstore.DDL(d, sqlstore.Options{}, 0, sqlstore.SchemaVersion)
		require.Error(t, err)
	}
}

func TestDDL(t *testing.T) {
	const newest = sqlstore.SchemaVersion
	for _, d := range dialects {
		o := sqlstore.Options{Prefix: "x_"}
		all, err := sqlstore.DDL(d, o, 0, newest)
		require.NoError(t, err)
		text := strings.Join(all, "\n")
		for _, table := range []string{"accounts", "tokens", "token_uses", "migrations"} {
			require.Contains(t, text, "CREATE TABLE IF NOT EXISTS x_"+table+" ")
		}
		for _, statement := range all {
			require.NotContains(t, statement, "{")
			require.NotContains(t, statement, "gatehouse_")
			require.NotContains(t, statement, ";")
		}

		// Each version leads to the next, and together they are all there is.
		var steps []string
		for from := range newest {
			step, err := sqlstore.DDL(d, o, from, from+1)
			require.NoError(t, err)
			require.Contains(t, step[len(step)-1], fmt.Sprintf("VALUES (%d, ", from+1))
			steps = append(steps, step...)
		}
		require.Equal(t, all, steps)
		for v := range newest + 1 {
			none, err := sqlstore.DDL(d, o, v, v)
			require.NoError(t, err)
			require.Empty(t, none)
		}
		_, err = sqlstore.DDL(d, o, newest, newest+1)
		require.Error(t, err, "the files are as many as the versions")

		down, err := sqlstore.DDL(d, o, newest, 0)
		require.NoError(t, err)
		require.Equal(t, "DELETE FROM x_migrations WHERE version = "+fmt.Sprint(newest), down[0])
		require.Equal(t, "DROP TABLE IF EXISTS x_migrations", down[len(down)-1])
		for _, versions := range [][2]int{{-1, 0}, {0, -1}, {newest + 1, 0}} {
			_, err = sqlstore.DDL(d, o, versions[0], versions[1])
			require.Error(t, err)
		}
	}
	all, err := sqlstore.DDL(sqlstore.PostgreSQL, sqlstore.Options{Schema: "user"}, 0, newest)
	require.NoError(t, err)
	text := strings.Join(all, "\n")
	require.Contains(t, text, `CREATE TABLE IF NOT EXISTS "user".gatehouse_accounts (`)
	require.Contains(t, text, `CREATE INDEX IF NOT EXISTS gatehouse_accounts_key_name ON "user".gatehouse_accounts (`)
	all, err = sqlstore.DDL(sqlstore.MySQL, sqlstore.Options{Schema: "user"}, 0, newest)
	require.NoError(t, err)
	require.Contains(t, strings.Join(all, "\n"), "CREATE TABLE IF NOT EXISTS `user`.gatehouse_accounts (")
}

// Errors as drivers have them.
type (
	stateError  string // pgx
	mysqlError  struct{ Number uint16 }
	sqliteError struct{ code int32 }
	codeError   struct{ Code string } // lib/pq
	mattnCode   int
	mattnError  struct{ Code mattnCode } // mattn/go-sqlite3
	hollowError struct{ *mysqlError }    // that leaves out what it embeds
)

func (e stateError) Error() string    { return "state" }
func (e stateError) SQLState() string { return string(e) }
func (e *mysqlError) Error() string   { return "Duplicate entry 'user-42' for key 'PRIMARY'" }
func (e *sqliteError) Error() string  { return "sqlite" }
func (e *sqliteError) Code() int32    { return e.code }
func (e codeError) Error() string     { return "code" }
func (e mattnError) Error() string    { return "mattn" }
func (e hollowError) Error() string   { return "hollow" }

// writes has a call of each method that writes with one statement.
var writes = map[string]func(ctx context.Context, s *sqlstore.Store) error{
	"insert account": func(ctx context.Context, s *sqlstore.Store) error {
		return s.SaveAccount(ctx, storage.Record{ID: "a", Version: 2}, 0)
	},
	"update account": func(ctx context.Context, s *sqlstore.Store) error {
		return s.SaveAccount(ctx, storage.Record{ID: "a", Version: 2}, 1)
	},
	"insert token": func(ctx context.Context, s *sqlstore.Store) error {
		return s.SaveToken(ctx, storage.TokenRecord{ID: "t", AccountID: "a", Version: 2}, 0)
	},
	"update token": func(ctx context.Context, s *sqlstore.Store) error {
		return s.SaveToken(ctx, storage.TokenRecord{ID: "t", AccountID: "a", Version: 2}, 1)
	},
}

// TestHandleGivenUp: a handle that was taken at the save, and that nobody has at the look after it, is a conflict. What
// another constraint refuses is none.
func TestHandleGivenUp(t *testing.T) {
	for text, conflict := range map[string]bool{
		"UNIQUE constraint failed: gatehouse_accounts.handle": true, "CHECK constraint failed: an operator's own": false,
	} {
		s := (&stub{write: fmt.Errorf("%s: %w", text, &sqliteError{19})}).open(t, sqlstore.SQLite, sqlstore.Options{})
		err := s.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 1, Index: storage.AccountIndex{Handle: storage.Handle{1}}}, 0)
		require.Error(t, err)
		require.Equal(t, conflict, errors.Is(err, storage.ErrConflict), "%v", err)
		require.NotErrorIs(t, err, storage.ErrInvalid)
	}
}

// What an error of the database is to the caller of a method, whichever that is.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		d        sqlstore.Dialect
		err      error
		conflict bool
	}{
		{sqlstore.PostgreSQL, stateError("40001"), true},
		{sqlstore.PostgreSQL, stateError("40P01"), true},
		{sqlstore.PostgreSQL, stateError("55P03"), true},
		{sqlstore.PostgreSQL, stateError("23505"), true},
		{sqlstore.PostgreSQL, fmt.Errorf("traced: %w", stateError("40001")), true},
		{sqlstore.PostgreSQL, errors.Join(errors.New("x"), stateError("40001")), true},
		{sqlstore.PostgreSQL, stateError("40003"), false}, // statement completion unknown
		{sqlstore.PostgreSQL, stateError("57014"), false}, // query canceled
		{sqlstore.PostgreSQL, stateError("57P01"), false}, // admin shutdown
		{sqlstore.PostgreSQL, stateError("25006"), false}, // read-only
		{sqlstore.PostgreSQL, stateError("08006"), false}, // connection failure
		{sqlstore.PostgreSQL, stateError(""), false},
		{sqlstore.PostgreSQL, &mysqlError{1213}, false},
		{sqlstore.MySQL, &mysqlError{1020}, true},
		{sqlstore.MySQL, &mysqlError{1062}, true},
		{sqlstore.MySQL, &mysqlError{1205}, true},
		{sqlstore.MySQL, &mysqlError{1213}, true},
		{sqlstore.MySQL, fmt.Errorf("traced: %w", errors.Join(errors.New("x"), &mysqlError{1213})), true},
		{sqlstore.MySQL, &mysqlError{1792}, false}, // read-only
		{sqlstore.MySQL, &mysqlError{1180}, false}, // error during COMMIT
		{sqlstore.MySQL, (*mysqlError)(nil), false},
		{sqlstore.MySQL, errors.New("invalid connection"), false},
		{sqlstore.SQLite, &sqliteError{5}, true},
		{sqlstore.SQLite, &sqliteError{5 | 2<<8}, true}, // SQLITE_BUSY_SNAPSHOT
		{sqlstore.SQLite, &sqliteError{6}, true},
		{sqlstore.SQLite, errors.Join(fmt.Errorf("traced: %w", &sqliteError{5})), true},
		{sqlstore.SQLite, &sqliteError{8}, false},  // SQLITE_READONLY
		{sqlstore.SQLite, &sqliteError{9}, false},  // SQLITE_INTERRUPT
		{sqlstore.SQLite, &sqliteError{10}, false}, // SQLITE_IOERR
		{sqlstore.SQLite, &sqliteError{13}, false}, // SQLITE_FULL
		{sqlstore.SQLite, (*sqliteError)(nil), false},
		{sqlstore.SQLite, mattnError{5}, true},
		{sqlstore.SQLite, mattnError{6}, true},
		{sqlstore.SQLite, &mattnError{5}, true},
		{sqlstore.SQLite, (*mattnError)(nil), false},
		{sqlstore.SQLite, errors.Join(fmt.Errorf("traced: %w", mattnError{5})), true},
		{sqlstore.SQLite, mattnError{10}, false},
		{sqlstore.SQLite, codeError{"5"}, false},
		{sqlstore.MySQL, hollowError{}, false},
		{sqlstore.PostgreSQL, mattnError{5}, false},
	} {
		name := fmt.Sprintf("%s: %T %+v", c.d, c.err, c.err)
		stub := &stub{err: c.err, affected: 1}
		s := stub.open(t, c.d, sqlstore.Options{})
		for call, write := range writes {
			err := write(t.Context(), s)
			require.Error(t, err, "%s: %s", name, call)
			require.Equal(t, c.conflict, errors.Is(err, storage.ErrConflict), "%s: %s", name, call)
			require.Equal(t, !c.conflict, errors.Is(err, c.err), "%s: %s", name, call)
		}
		_, err := s.LoadAccount(t.Context(), "a")
		require.Equal(t, c.conflict, errors.Is(err, storage.ErrConflict), name)
		require.NotErrorIs(t, err, storage.ErrNotFound)
		_, err = s.Accounts(t.Context(), "", 1)
		require.Equal(t, c.conflict, errors.Is(err, storage.ErrConflict), name)
		require.Equal(t, c.conflict, errors.Is(s.DeleteToken(t.Context(), "t", 1), storage.ErrConflict), name)

		stub.texts = nil
		err = s.DeleteAccount(t.Context(), "a")
		require.Equal(t, c.conflict, errors.Is(err, storage.ErrConflict), name)
		require.Len(t, stub.texts, 1, "nothing is deleted after the account was not")
	}
}

// TestReadAgain is row T1: a read that PostgreSQL undoes is run once more, where it cannot be undone; other databases
// have no such read, and no fault is taken for one.
func TestReadAgain(t *testing.T) {
	again, fault := stateError("40001"), errors.New("fault")
	read := func(stub *stub, d sqlstore.Dialect, o sqlstore.Options) ([]string, error) {
		_, err := stub.open(t, d, o).LoadAccount(t.Context(), "a")
		return stub.texts, err
	}
	texts, err := read(&stub{first: again}, sqlstore.PostgreSQL, sqlstore.Options{})
	require.ErrorIs(t, err, storage.ErrNotFound, "as the second try says")
	require.Len(t, texts, 3)
	require.Equal(t, "BEGIN Read Committed true", texts[1])
	require.Equal(t, texts[0], texts[2])

	texts, err = read(&stub{first: again, err: fault}, sqlstore.PostgreSQL, sqlstore.Options{})
	require.ErrorIs(t, err, fault)
	require.Len(t, texts, 3)
	texts, err = read(&stub{first: again, begin: fault}, sqlstore.PostgreSQL, sqlstore.Options{})
	require.ErrorIs(t, err, fault)
	require.Len(t, texts, 2)
	texts, err = read(&stub{first: fault}, sqlstore.PostgreSQL, sqlstore.Options{})
	require.ErrorIs(t, err, fault)
	require.Len(t, texts, 1)
	for _, d := range []sqlstore.Dialect{sqlstore.MySQL, sqlstore.SQLite} {
		own := sqlstore.Options{Conflict: func(err error) bool { return errors.Is(err, again) }}
		texts, err := read(&stub{first: again}, d, own)
		require.ErrorIs(t, err, storage.ErrConflict)
		require.Len(t, texts, 1)
	}
}

// TestUnreadable is row T3: a row that cannot be read is an error, and its connection goes back to the pool; so does that
// of a read that was run again.
func TestUnreadable(t *testing.T) {
	for _, d := range dialects {
		for _, stub := range []*stub{{row: []driver.Value{"id", "not all columns"}}, {first: stateError("40001")}} {
			db := sql.OpenDB(stub)
			defer db.Close()
			s, err := sqlstore.New(db, d, sqlstore.Options{})
			require.NoError(t, err)
			again := stub.first
			for name, read := range map[string]func() error{
				"LoadAccount": func() error { _, err := s.LoadAccount(t.Context(), "a"); return err },
				"LoadToken":   func() error { _, _, err := s.LoadToken(t.Context(), "t"); return err },
				"Accounts":    func() error { _, err := s.Accounts(t.Context(), "", 1); return err },
				"Tokens":      func() error { _, err := s.Tokens(t.Context(), "a", "", 1); return err },
				"AllTokens":   func() error { _, err := s.AllTokens(t.Context(), "", 1); return err },
			} {
				stub.first = again
				err := read()
				if again == nil {
					require.ErrorContains(t, err, "Scan", name)
					require.NotErrorIs(t, err, storage.ErrNotFound, name)
				}
				require.Zero(t, db.Stats().InUse, "%s: %s", d, name)
			}
		}
	}
}

// A conflict is told without what the database said: that has the account's ID in it.
func TestConflictIsBare(t *testing.T) {
	s := (&stub{err: &mysqlError{1062}}).open(t, sqlstore.MySQL, sqlstore.Options{})
	require.Equal(t, storage.ErrConflict, writes["insert account"](t.Context(), s))
}

func TestConflictOption(t *testing.T) {
	own := errors.New("try again")
	for _, d := range dialects {
		o := sqlstore.Options{Conflict: func(err error) bool { return errors.Is(err, own) }}
		for err, conflict := range map[error]bool{own: true, stateError("40001"): false, &mysqlError{1213}: false, &sqliteError{5}: false} {
			for name, write := range writes {
				got := write(t.Context(), (&stub{err: err}).open(t, d, o))
				require.Equal(t, conflict, errors.Is(got, storage.ErrConflict), "%s: %s: %v", d, name, got)
			}
		}
	}
}

// Only a statement that says it has changed one row has saved anything.
func TestAffected(t *testing.T) {
	for _, d := range dialects {
		for name, write := range writes {
			require.NoError(t, write(t.Context(), (&stub{affected: 1}).open(t, d, sqlstore.Options{})), name)
			require.ErrorIs(t, write(t.Context(), (&stub{affected: 0}).open(t, d, sqlstore.Options{})), storage.ErrConflict, name)
			lost := errors.New("no count")
			require.ErrorIs(t, write(t.Context(), (&stub{affected: 1, lost: lost}).open(t, d, sqlstore.Options{})), lost, name)
		}
	}
}

// A connection that broke before the statement was sent may be tried again; no more than that.
func TestBadConnection(t *testing.T) {
	for _, d := range dialects {
		for name, write := range writes {
			s := (&stub{err: driver.ErrBadConn, affected: 1}).open(t, d, sqlstore.Options{})
			require.ErrorIs(t, write(t.Context(), s), driver.ErrBadConn, name)
		}
	}
}

// The texts of statements are prepared once where that is done, and never have the values in them.
func TestTexts(t *testing.T) {
	for _, d := range dialects {
		stub := &stub{affected: 1}
		s := stub.open(t, d, sqlstore.Options{})
		secret := "'zz'--"
		for range 3 {
			r := storage.Record{ID: secret, Version: 2, Data: []byte(secret), Index: storage.AccountIndex{KeyName: secret}}
			require.NoError(t, s.SaveAccount(t.Context(), r, 0))
			require.NoError(t, s.SaveAccount(t.Context(), r, 1))
			require.NoError(t, s.DeleteAccount(t.Context(), secret))
			require.NoError(t, s.TouchTokens(t.Context(), []storage.TokenUse{{
				ID: secret, TokenUsage: storage.TokenUsage{LastUsed: time.Unix(1, 0), Addresses: secret},
			}}))
			token := storage.TokenRecord{ID: secret, AccountID: secret, Version: 2, Index: storage.TokenIndex{Scopes: secret}}
			require.NoError(t, s.SaveToken(t.Context(), token, 0))
			require.NoError(t, s.SaveToken(t.Context(), token, 1))
			require.ErrorIs(t, s.DeleteToken(t.Context(), secret, 1), storage.ErrConflict, "there is none")
			_, err := s.AllTokens(t.Context(), secret, 5)
			require.NoError(t, err)
			_, err = s.Tokens(t.Context(), secret, secret, 5)
			require.NoError(t, err)
			_, err = s.LoadAccount(t.Context(), secret)
			require.ErrorIs(t, err, storage.ErrNotFound)
			_, err = s.AccountByHandle(t.Context(), storage.Handle([]byte(strings.Repeat("zz", 16))))
			require.ErrorIs(t, err, storage.ErrNotFound)
			_, err = s.UnsentAccounts(t.Context(), secret, 5)
			require.NoError(t, err)
		}
		distinct := map[string]bool{}
		for _, text := range stub.texts {
			distinct[text] = true
			require.NotContains(t, text, "zz")
			require.NotContains(t, text, "{")
			require.Equal(t, d == sqlstore.PostgreSQL, strings.Contains(text, "$1"), text)
			require.Equal(t, d != sqlstore.PostgreSQL, strings.Contains(text, "?"), text)
		}
		require.Len(t, distinct, 15)
		want := len(distinct)
		if d == sqlstore.PostgreSQL {
			want = 0
		}
		require.Equal(t, want, stub.prepare, d)
	}
}

// TestTooLong: MySQL without its strict mode would cut these off, or write another number.
func TestTooLong(t *testing.T) {
	for _, d := range dialects {
		stub := &stub{affected: 1}
		s := stub.open(t, d, sqlstore.Options{})
		account := storage.Record{ID: "a", Version: 1, Index: storage.AccountIndex{KeyName: strings.Repeat("k", 1025)}}
		token := storage.TokenRecord{ID: "t", AccountID: "a", Version: 1, Index: storage.TokenIndex{Scopes: strings.Repeat("s", 4097)}}
		touch := func(usage storage.TokenUsage) error {
			usage.LastUsed = time.Unix(1, 0)
			return s.TouchTokens(t.Context(), []storage.TokenUse{{ID: "t", TokenUsage: usage}})
		}
		for _, err := range []error{
			s.SaveAccount(t.Context(), account, 0),
			s.SaveToken(t.Context(), token, 0),
			touch(storage.TokenUsage{Addresses: strings.Repeat("a", 1025)}),
			touch(storage.TokenUsage{Scopes: -1}),
		} {
			require.ErrorIs(t, err, storage.ErrInvalid)
		}
		require.Empty(t, stub.texts)
	}
}
