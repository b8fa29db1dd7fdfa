package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"time"
)

// locked calls change while no other process is in locked for the same tables, on a connection whose settings are fit
// for it.
func (s *Store) locked(ctx context.Context, change func(session) error) error {
	run := map[Dialect]func(context.Context, func(session) error) error{
		PostgreSQL: s.inTransaction, MySQL: s.underLock, SQLite: s.immediately,
	}[s.dialect.name]
	err := run(ctx, func(c session) error {
		if err := s.fit(ctx, c); err != nil {
			return err
		}
		return change(c)
	})
	if err != nil {
		return during("migrate", err)
	}
	return nil
}

// fit returns ErrSetup if a setting of the connection breaks what a Store promises.
func (s *Store) fit(ctx context.Context, c session) error {
	_, err := s.examine(ctx, c)
	return err
}

// lockName fits MySQL's 64 bytes.
func (s *Store) lockName() string { return "gatehouse " + s.names.schema + "." + s.names.prefix }

// inTransaction locks within the transaction, so the lock cannot outlive it behind a pooler. Read
// committed, as with any other isolation the transaction would see nothing of what was done while
// it waited.
func (s *Store) inTransaction(ctx context.Context, change func(session) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() // no more than a no-op after Commit
	h := fnv.New64a()
	h.Write([]byte(s.lockName()))
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(h.Sum64())); err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// underLock holds one of MySQL's named locks, which belong to a connection, and to one node of a Galera cluster.
func (s *Store) underLock(ctx context.Context, change func(session) error) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for locked := (sql.NullInt64{}); locked.Int64 != 1; {
		// In bits, as negative times, for ever, mean different things to different servers.
		if err := c.QueryRowContext(ctx, "SELECT GET_LOCK(?, 10) LIMIT 1", s.lockName()).Scan(&locked); err != nil {
			drop(c) // which may have the lock
			return err
		}
		if !locked.Valid {
			return errors.New("GET_LOCK failed")
		}
	}
	err = change(c)
	end(ctx, c, "DO RELEASE_LOCK('"+s.lockName()+"')")
	return err
}

// immediately is SQLite's transaction that begins with the lock of the file.
func (s *Store) immediately(ctx context.Context, change func(session) error) error {
	var c *sql.Conn
	err := s.patiently(ctx, func() (err error) {
		c, err = s.db.Conn(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	err = s.patiently(ctx, func() error {
		_, err := c.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	})
	if err != nil {
		drop(c) // which may be in the transaction
		return err
	}
	err = change(c)
	if err == nil {
		_, err = c.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		end(ctx, c, "ROLLBACK")
	}
	return err
}

// patiently calls try until it meets no conflict. While another process writes, SQLite may not even let a connection be
// opened whose DSN sets a journal_mode that the file does not have yet.
func (s *Store) patiently(ctx context.Context, try func() error) error {
	return again(ctx, s.conflict, try)
}

// again calls try for as long as what it returns is an error of a kind. The end of ctx comes with the last of them.
func again(ctx context.Context, is func(error) bool, try func() error) error {
	for {
		err := try()
		if err == nil || !is(err) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// end runs the last statement of a session, and drops the connection if that fails, which ends
// what the statement should have.
func end(ctx context.Context, c *sql.Conn, statement string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := c.ExecContext(ctx, statement); err != nil {
		drop(c)
	}
}

// drop keeps a connection from going back to the pool: it ends, and with it what it held.
func drop(c *sql.Conn) { c.Raw(func(any) error { return driver.ErrBadConn }) }
