package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ErrSetup says that the database is not as the store needs it; the error says what mends it.
var ErrSetup = errors.New("sqlstore: the database is not set up")

// The migrations of each dialect, NNN_name.up.sql and NNN_name.down.sql, the number being the
// version they lead to or from. A statement ends with a semicolon at the end of a line. {table} and
// {index} stand for what the names of tables and of indexes begin with.
//
// MySQL commits each statement by itself, so a migration that a crash cut off begins anew: every
// statement of its must do nothing where it is done already. For a column that takes a query of
// information_schema, PREPARE and EXECUTE, as MySQL has no ADD COLUMN IF NOT EXISTS.
//
//go:embed postgres mysql sqlite
var files embed.FS

// migration is one file of a dialect.
type migration struct {
	version int
	name    string // 001_accounts
	text    string // a template
}

// migrations returns those of a direction, up or down, in the order of their versions.
func migrations(d Dialect, direction string) []migration {
	// The patterns are good and the files embedded: neither call fails.
	paths, _ := fs.Glob(files, string(d)+"/*."+direction+".sql")
	all := make([]migration, len(paths))
	for i, path := range paths {
		text, _ := fs.ReadFile(files, path)
		name := strings.TrimSuffix(strings.TrimPrefix(path, string(d)+"/"), "."+direction+".sql")
		all[i] = migration{i + 1, name, string(text)}
	}
	return all
}

// statements splits a text.
func statements(text string) []string {
	all := strings.Split(text, ";\n")
	return all[:len(all)-1]
}

// newest returns the version this program needs.
func (d dialect) newest() int { return len(migrations(d.name, "up")) }

// record returns the statement that notes a version.
func (d dialect) record(n names, version int) string {
	return d.text(n, fmt.Sprintf(map[Dialect]string{
		PostgreSQL: "INSERT INTO {table}migrations (version, applied) VALUES (%d, now()) ON CONFLICT DO NOTHING",
		MySQL:      "INSERT IGNORE INTO {table}migrations (version, applied) VALUES (%d, UTC_TIMESTAMP(6))",
		SQLite:     "INSERT OR IGNORE INTO {table}migrations (version, applied) VALUES (%d, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'))",
	}[d.name], version))
}

// DDL returns the SQL that takes the tables from a version (0: there are none) to the one this
// program needs, for migration tools of one's own. It notes the versions as Migrate does. Run it in
// one transaction; in MySQL, where each statement takes effect by itself, all can be run again.
func DDL(d Dialect, o Options, from int) (string, error) {
	dialect, names, err := settle(d, o)
	if err != nil {
		return "", err
	}
	all := migrations(d, "up")
	if from < 0 || from > len(all) {
		return "", fmt.Errorf("sqlstore: there are the versions 0 to %d", len(all))
	}
	var b strings.Builder
	for _, m := range all[from:] {
		fmt.Fprintf(&b, "-- %s\n%s%s;\n", m.name, dialect.text(names, m.text), dialect.record(names, m.version))
	}
	return b.String(), nil
}

// Version returns the version of the tables, 0 where there are none.
func (s *Store) Version(ctx context.Context) (int, error) {
	v, err := s.version(ctx, s.db)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: version: %w", err)
	}
	return v, nil
}

// session is what a migration runs on: a *sql.DB, *sql.Tx or *sql.Conn.
type session interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Store) version(ctx context.Context, c session) (int, error) {
	exists := map[Dialect]string{
		PostgreSQL: "SELECT count(*) FROM pg_class WHERE oid = to_regclass('{table}migrations')",
		MySQL: "SELECT COUNT(*) FROM information_schema.tables" +
			" WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE()) AND table_name = '{index}migrations' LIMIT 1",
		SQLite: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{index}migrations'",
	}[s.dialect.name]
	var n int
	err := c.QueryRowContext(ctx, s.dialect.text(s.names, exists)).Scan(&n)
	if err != nil || n == 0 {
		return 0, err
	}
	err = c.QueryRowContext(ctx, s.dialect.text(s.names, "SELECT COALESCE(MAX(version), 0) FROM {table}migrations LIMIT 1")).Scan(&n)
	return n, err
}

// Check is for the start of a program. It returns ErrSetup if the tables are missing, or are of another version than
// this program needs; newer ones too, as this program would leave columns behind that it does not know. It returns
// ErrSetup also if a setting of the database, or of a connection, breaks what a storage.Store promises: that a save is
// committed, and seen by the next load of any connection. To see that, it writes a row that belongs to no account
// through one connection of the pool, reads it through another, and removes it. A pool that has no second connection to
// give within a second is not tested so far; nor is one that may not write, as saves then fail by themselves.
//
// See Warnings for settings that only weaken the promise.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.Warnings(ctx)
	return err
}

// Warnings returns, in a sentence each, settings of the database or of a connection that weaken what a storage.Store
// promises, by an operator's choice: after a power cut or a failover, saves that were answered may be gone, or nothing
// can be saved at all. It looks for all that Check does, and returns the same errors. Print them at the start of a
// program.
func (s *Store) Warnings(ctx context.Context) ([]string, error) {
	found, err := s.standing(ctx)
	if err != nil {
		return nil, err
	}
	if found, err = s.selfTest(ctx, found); err != nil {
		return nil, during("check", err)
	}
	var all []string
	for _, f := range found {
		all = append(all, f.text)
	}
	return all, nil
}

// standing returns ErrSetup if settings or version are not as they must be, and what else is found of settings.
func (s *Store) standing(ctx context.Context) ([]finding, error) {
	found, err := s.examine(ctx, s.db)
	if err != nil {
		return nil, during("check", err)
	}
	v, err := s.Version(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkVersion(v); err != nil {
		return nil, err
	}
	s.examined.Store(true)
	return found, nil
}

// during says what was being done, unless the error says that the database is not set up.
func during(what string, err error) error {
	if errors.Is(err, ErrSetup) {
		return err
	}
	return fmt.Errorf("sqlstore: %s: %w", what, err)
}

func (s *Store) checkVersion(v int) error {
	const mend = "call Store.Migrate, or run the SQL that sqlstore.DDL returns"
	switch newest := s.dialect.newest(); {
	case v == 0:
		return fmt.Errorf("%w: there are no tables: %s", ErrSetup, mend)
	case v < newest:
		return fmt.Errorf("%w: the tables have version %d, and this program needs %d: %s", ErrSetup, v, newest, mend)
	case v > newest:
		return fmt.Errorf("%w: the tables have version %d, and this program knows %d: use a newer program", ErrSetup, v, newest)
	}
	return nil
}

// Migrate brings the tables up to the version this program needs, in one transaction except in
// MySQL, where it can be run again if it was cut off. Any number of processes may call it at once:
// one migrates while the others wait, as long as ctx lets them. Where there is nothing to do it asks
// for no right to change tables. It returns ErrSetup if the tables are newer, or for the settings for which Check does.
func (s *Store) Migrate(ctx context.Context) error {
	var v int
	err := s.patiently(ctx, func() error {
		if _, err := s.examine(ctx, s.db); err != nil {
			return during("migrate", err)
		}
		var err error
		v, err = s.Version(ctx)
		return err
	})
	if err != nil {
		return err
	}
	newest := s.dialect.newest()
	if v >= newest {
		return s.checkVersion(v)
	}
	return s.locked(ctx, func(c session) error {
		v, err := s.version(ctx, c)
		if err != nil {
			return err
		}
		for _, m := range migrations(s.dialect.name, "up") {
			if m.version <= v {
				continue
			}
			for _, statement := range append(statements(s.dialect.text(s.names, m.text)), s.dialect.record(s.names, m.version)) {
				if _, err := c.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", m.name, err)
				}
			}
		}
		return s.fit(ctx, c) // as the tables are what the server has made of them
	})
}

// Down takes the tables back to an older version, 0 to remove them, with all that they hold. It is
// for development.
func (s *Store) Down(ctx context.Context, to int) error {
	if to < 0 {
		return errors.New("sqlstore: a negative version")
	}
	return s.locked(ctx, func(c session) error {
		v, err := s.version(ctx, c)
		if err != nil {
			return err
		}
		if v > s.dialect.newest() {
			return s.checkVersion(v)
		}
		for _, m := range slices.Backward(migrations(s.dialect.name, "down")[:v]) {
			if m.version <= to {
				break
			}
			// First this, as the last migration removes the table.
			text := fmt.Sprintf("DELETE FROM {table}migrations WHERE version = %d;\n", m.version) + m.text
			for _, statement := range statements(s.dialect.text(s.names, text)) {
				if _, err := c.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", m.name, err)
				}
			}
		}
		return nil
	})
}
