package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// SchemaVersion is the version of the tables that this program needs.
const SchemaVersion = 1

// The migrations of each dialect, NNN_name.up.sql and NNN_name.down.sql, the number being the
// version they lead to or from. A statement ends with a semicolon at the end of a line. {table} and
// {index} stand for what the names of tables and of indexes begin with.
//
// MySQL commits each statement by itself, so a migration that a crash cut off begins again: every
// statement of its must do nothing where it is done already. For a column that takes a query of
// information_schema, PREPARE and EXECUTE, as MySQL has no ADD COLUMN IF NOT EXISTS.
//
//go:embed postgres mysql sqlite
var files embed.FS

// step is what leads from a version to the next one, or to the one before.
type step struct {
	name       string // 001_tables
	statements []string
}

// steps returns those that lead from one version to another.
func (d dialect) steps(n names, from, to int) []step {
	up, down := d.migrations("up"), d.migrations("down")
	var all []step
	for v := from; v < to; v++ {
		all = append(all, step{up[v].name, append(d.statements(n, up[v].text), d.note(n, v+1))})
	}
	for v := from; v > to; v-- {
		// First the note, as the last step removes its table.
		text := fmt.Sprintf("DELETE FROM {table}migrations WHERE version = %d;\n", v) + down[v-1].text
		all = append(all, step{down[v-1].name, d.statements(n, text)})
	}
	return all
}

// migration is one file of a dialect.
type migration struct {
	name string
	text string // a template
}

// migrations returns those of a direction, up or down, in the order of their versions.
func (d dialect) migrations(direction string) []migration {
	// The patterns are good and the files embedded: neither call fails.
	paths, _ := fs.Glob(files, string(d.name)+"/*."+direction+".sql")
	all := make([]migration, len(paths))
	for i, path := range paths {
		text, _ := fs.ReadFile(files, path)
		all[i] = migration{strings.TrimSuffix(strings.TrimPrefix(path, string(d.name)+"/"), "."+direction+".sql"), string(text)}
	}
	return all
}

// statements makes statements of a template of several.
func (d dialect) statements(n names, template string) []string {
	all := strings.Split(d.text(n, template), ";\n")
	return all[:len(all)-1]
}

// note returns the statement that notes a version.
func (d dialect) note(n names, version int) string {
	return d.text(n, fmt.Sprintf(map[Dialect]string{
		PostgreSQL: "INSERT INTO {table}migrations (version, applied) VALUES (%d, now()) ON CONFLICT DO NOTHING",
		MySQL:      "INSERT IGNORE INTO {table}migrations (version, applied) VALUES (%d, UTC_TIMESTAMP(6))",
		SQLite:     "INSERT OR IGNORE INTO {table}migrations (version, applied) VALUES (%d, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'))",
	}[d.name], version))
}

// DDL returns the statements that take the tables from one version to another, for a migration tool of one's own. The
// versions are 0, for no tables, to SchemaVersion; where to is the lesser one, what the tables hold is lost. They note
// the versions as Migrate does. Run them in their order, each by itself, and in one transaction; in MySQL, where each
// takes effect at once, all can be run again. In a migration that is kept, write the versions as numbers: SchemaVersion is
// another one in a later release, whose tables this migration then would make, and the next one once more. It is an error if there is no such dialect or version, or if Schema and Prefix are no
// names.
func DDL(d Dialect, o Options, from, to int) ([]string, error) {
	dialect, names, err := settle(d, o)
	if err != nil {
		return nil, err
	}
	if min(from, to) < 0 || max(from, to) > SchemaVersion {
		return nil, fmt.Errorf("sqlstore: there are the versions 0 to %d", SchemaVersion)
	}
	var all []string
	for _, step := range dialect.steps(names, from, to) {
		all = append(all, step.statements...)
	}
	return all, nil
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
	const remedy = "call Store.Migrate, or run the SQL that sqlstore.DDL returns"
	e := &SetupError{Kind: TablesOlder, Version: v, Remedy: remedy}
	switch {
	case v == SchemaVersion:
		return nil
	case v == 0:
		e.Kind, e.Problem = TablesMissing, "there are no tables"
	case v < SchemaVersion:
		e.Problem = fmt.Sprintf("the tables have version %d, and this program needs %d", v, SchemaVersion)
	default:
		e.Kind, e.Remedy = TablesNewer, "use a newer program"
		e.Problem = fmt.Sprintf("the tables have version %d, and this program knows %d", v, SchemaVersion)
	}
	return e
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
	if v >= SchemaVersion {
		return s.checkVersion(v)
	}
	return s.locked(ctx, func(c session) error {
		v, err := s.version(ctx, c)
		if err != nil {
			return err
		}
		if err := s.take(ctx, c, v, max(v, SchemaVersion)); err != nil { // another process may have been faster
			return err
		}
		return s.fit(ctx, c) // as the tables are what the server has made of them
	})
}

// Down takes the tables back to an older version, 0 to remove them, with all that they hold. It is for development. In
// MySQL, after one that was cut off, call Migrate before Down: tables may be there whose version is not noted.
func (s *Store) Down(ctx context.Context, to int) error {
	if to < 0 {
		return errors.New("sqlstore: a negative version")
	}
	return s.locked(ctx, func(c session) error {
		v, err := s.version(ctx, c)
		if err != nil {
			return err
		}
		if v > SchemaVersion {
			return s.checkVersion(v)
		}
		return s.take(ctx, c, v, min(v, to))
	})
}

// take takes the tables from a version to another.
func (s *Store) take(ctx context.Context, c session, from, to int) error {
	for _, step := range s.dialect.steps(s.names, from, to) {
		for _, statement := range step.statements {
			err := again(ctx, s.undone, func() error {
				_, err := c.ExecContext(ctx, statement)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
	}
	return nil
}

// undone reports whether MySQL has undone a statement for another one, as a Galera cluster does where two nodes migrate at
// the same time: the lock of the migration is one node's. The statements before it have taken effect.
func (s *Store) undone(err error) bool { return s.says(err, nil, []int64{1213}, -1) }
