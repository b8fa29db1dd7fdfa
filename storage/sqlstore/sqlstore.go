package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Options says where the tables are and how long a statement may take.
type Options struct {
	// Schema is the schema of the tables in PostgreSQL, or their database in MySQL; it must exist.
	// SQLite has none. Defaults to where the connection is: its search_path, or its database.
	Schema string
	// Prefix is what the names of the tables begin with. Defaults to "gatehouse_".
	Prefix string
	// Timeout bounds each statement, the wait for a connection of the pool included. One that was
	// cut off may have been carried out. Migrate, Validate and Down have none but that of their
	// contexts. Defaults to 5 seconds.
	Timeout time.Duration
	// Conflict reports whether an error of the driver says that the database wrote nothing, because
	// the key is taken or it wants the statement tried again. Defaults to what is known of pgx, lib/pq,
	// go-sql-driver/mysql, and of the SQLite drivers ncruces/go-sqlite3, mattn/go-sqlite3 and
	// modernc.org/sqlite, also where their errors are wrapped; set it for a driver whose errors are others. To answer true in other cases is to lose changes.
	//
	// For MySQL it would be, with go-sql-driver/mysql:
	//
	//	func(err error) bool {
	//		var e *mysql.MySQLError
	//		return errors.As(err, &e) && slices.Contains([]uint16{1020, 1062, 1205, 1213}, e.Number)
	//	}
	Conflict func(error) bool
}

// Store is a storage.Store over a database/sql handle; make it with New.
type Store struct {
	db       *sql.DB
	dialect  dialect
	names    names
	timeout  time.Duration
	conflict func(error) bool
	turn     chan struct{} // held while SQLite writes; nil elsewhere
	queries  *queries
	examined atomic.Bool // the settings of a connection were found to be fit
}

var _ storage.Store = (*Store)(nil)

// New returns a Store in db. It does not talk to the database; see [Store.Check]. Where neither Check nor Migrate is
// called, the first use of the store looks at the settings, in one round trip more (two in MySQL), and returns ErrSetup
// if they break what a storage.Store promises.
func New(db *sql.DB, d Dialect, o Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no *sql.DB")
	}
	dialect, names, err := settle(d, o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		db: db, dialect: dialect, names: names,
		timeout: o.Timeout, conflict: o.Conflict, queries: newQueries(dialect, names),
	}
	if s.timeout == 0 {
		s.timeout = 5 * time.Second
	}
	if s.timeout < 0 {
		return nil, errors.New("sqlstore: a negative Timeout")
	}
	if s.conflict == nil {
		s.conflict = dialect.conflict
	}
	if d == SQLite {
		s.turn = make(chan struct{}, 1)
	}
	return s, nil
}

// ready looks at the settings of a connection before the first use of the store. Where they are not fit it does so
// again the next time: somebody may have put them right.
func (s *Store) ready(ctx context.Context) error { return s.readyOn(ctx, s.db) }

func (s *Store) readyOn(ctx context.Context, c session) error {
	if s.examined.Load() {
		return nil
	}
	if err := s.fit(ctx, c); err != nil {
		return err
	}
	s.examined.Store(true)
	return nil
}

// exec runs a statement that writes and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, q *query, args ...any) (int64, error) {
	n, err := s.run(ctx, q, args...)
	return n, s.fault(ctx, q, err)
}

// run is exec with the database's own error.
func (s *Store) run(ctx context.Context, q *query, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var n int64
	err := s.ready(ctx)
	if err == nil {
		err = s.inTurn(ctx, func() error {
			run, err := q.on(ctx, s.db)
			if err != nil {
				return err
			}
			result, err := run.exec(ctx, args)
			if err != nil {
				return err
			}
			n, err = result.RowsAffected()
			return err
		})
	}
	return n, err
}

// inTurn calls write when no other write of this store is under way, where the database takes one at a time.
func (s *Store) inTurn(ctx context.Context, write func() error) error {
	if s.turn == nil {
		return write()
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		return write()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// save runs a conditional write, which changes one row or, in a conflict, none.
func (s *Store) save(ctx context.Context, q *query, args ...any) error {
	n, err := s.run(ctx, q, args...)
	return s.saved(ctx, q, n, err)
}

// saved says what became of a conditional write.
func (s *Store) saved(ctx context.Context, q *query, n int64, err error) error {
	if err == nil && n != 1 {
		return storage.ErrConflict
	}
	return s.fault(ctx, q, err)
}

// fault says what an error of the database is to the caller. A conflict is bare, as the error of a
// key that is taken names the key.
func (s *Store) fault(callers context.Context, q *query, err error) error {
	if err == nil {
		return nil
	}
	if s.conflict(err) {
		return storage.ErrConflict
	}
	if problem := s.dialect.guard(err); problem != "" {
		return &SetupError{Kind: WrongSetting, Problem: problem, cause: err}
	}
	if errors.Is(err, ErrSetup) {
		return err
	}
	// Drivers do not all say that they gave up because the context had ended.
	if cause := callers.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("sqlstore: %s: %w: %w", q.name, cause, err)
	}
	return fmt.Errorf("sqlstore: %s: %w", q.name, err)
}
