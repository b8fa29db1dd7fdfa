package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// odd is text that settings could change on its way.
const odd = `€'é"\\ %` + "`"

// selfTest writes a row through one connection of the pool, reads it through another, and removes it. The row is a use
// of no token by the account with the empty ID: there is no such account, and nothing reads it. Rows that a killed
// process has left behind are removed after an hour. It adds to what was found before.
func (s *Store) selfTest(ctx context.Context, found []finding) ([]finding, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	writer, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	reader := writer
	if s.db.Stats().MaxOpenConnections != 1 {
		// Not for long: others may hold one as well, and wait for their second.
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		second, err := s.db.Conn(soon)
		switch {
		case err == nil:
			defer second.Close()
			reader = second
		case soon.Err() != nil && ctx.Err() == nil:
			found = append(found, finding{weak, "no second connection came free: it is not known whether one sees what another saves"})
		default:
			return nil, err
		}
	}
	for _, c := range []*sql.Conn{writer, reader} {
		if err := s.fit(ctx, c); err != nil {
			return nil, err
		}
	}
	t := trial{s, writer, reader, rand.Text(), storage.TokenUsage{LastUsed: time.Now(), Scopes: 1<<62 + 1, Addresses: odd}}
	err = t.run(ctx)
	if s.says(err, []string{"25006", "42501"}, []int64{1142, 1290, 1792, 1836}, 8) {
		known := func(f finding) bool { return strings.Contains(f.text, cannotSave) }
		if !slices.ContainsFunc(found, known) {
			found = append(found, finding{weak, cannotSave + ": " + err.Error()})
		}
		return found, nil
	}
	return found, err
}

// trial is one run of the self-test.
type trial struct {
	*Store
	writer, reader *sql.Conn
	key            string
	use            storage.TokenUsage
}

const own = " FROM {table}token_uses WHERE account_id = '' AND token_id = ?"

func (t *trial) run(ctx context.Context) (err error) {
	old := micros(t.use.LastUsed.Add(-time.Hour))
	if _, err := t.write(ctx, "DELETE FROM {table}token_uses WHERE account_id = '' AND last_used < ?", old); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		// The row may be there. Where this fails too, a later run removes it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)
		defer cancel()
		t.write(ctx, "DELETE"+own, t.key)
	}()
	n, err := t.write(ctx, "INSERT INTO {table}token_uses (account_id, token_id, last_used, scopes, addresses) VALUES ('', ?, ?, ?, ?)",
		t.key, micros(t.use.LastUsed), t.use.Scopes, t.use.Addresses)
	if err != nil {
		return err
	}
	seen, err := t.read(ctx)
	if err != nil {
		return err
	}
	want := t.use
	want.LastUsed = want.LastUsed.UTC().Truncate(time.Microsecond)
	if n != 1 || len(seen) != 1 || seen[0] != want {
		return &SetupError{Kind: WrongConnection, Problem: "what is written through one connection is not what another one reads: " + apart}
	}
	if n, err = t.write(ctx, "DELETE"+own, t.key); err != nil {
		return err
	}
	if seen, err = t.read(ctx); err != nil {
		return err
	}
	if n != 1 || len(seen) != 0 {
		return &SetupError{Kind: WrongConnection, Problem: "what is removed through one connection is still there for another: " + apart}
	}
	return nil
}

const apart = "do they have temporary tables, or databases in memory, of their own? Does a proxy spread reads over replicas?" +
	" Does a trigger or a transaction that is left open keep writes back?"

func (t *trial) write(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = t.patiently(ctx, func() error {
		return t.inTurn(ctx, func() error {
			return t.prepared(ctx, t.writer, text, func(run runner) error {
				result, err := run.exec(ctx, args)
				if err != nil {
					return err
				}
				n, err = result.RowsAffected()
				return err
			})
		})
	})
	return n, t.missing(err)
}

func (t *trial) read(ctx context.Context) (seen []storage.TokenUsage, err error) {
	err = t.patiently(ctx, func() error {
		return t.prepared(ctx, t.reader, "SELECT last_used, scopes, addresses"+own+" LIMIT 2", func(run runner) (err error) {
			seen, err = collect(func() (*sql.Rows, error) { return run.rows(ctx, []any{t.key}) },
				func(u *storage.TokenUsage) []any { return []any{(*moment)(&u.LastUsed), &u.Scopes, &u.Addresses} })
			return err
		})
	})
	return seen, t.missing(err)
}

// prepared calls use with a statement on a connection, prepared where the store's own are.
func (t *trial) prepared(ctx context.Context, c *sql.Conn, text string, use func(runner) error) error {
	return prepared(ctx, c, t.dialect.prepare, t.dialect.text(t.names, text), use)
}

// missing marks an error that a table is missing, as others see it: Version has found the tables.
func (t *trial) missing(err error) error {
	if t.says(err, []string{"42P01"}, []int64{1146}, 1) {
		return &SetupError{Kind: WrongConnection, Problem: "a connection does not have the tables that another one has: " + apart, cause: err}
	}
	return err
}

// says reports whether an error of the database has one of these SQLSTATEs, of MySQL's numbers, or SQLite's number.
func (s *Store) says(err error, states []string, numbers []int64, lite int64) bool {
	if s.dialect.name == PostgreSQL {
		state, _ := sqlState(err)
		return slices.Contains(states, state)
	}
	n, ok := number(err)
	return ok && (s.dialect.name == MySQL && slices.Contains(numbers, n) || s.dialect.name == SQLite && n&0xff == lite)
}
