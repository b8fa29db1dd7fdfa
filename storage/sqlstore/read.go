package sqlstore

import (
	"context"
	"database/sql"
	"math"

	"github.com/gatehouse-go/gatehouse/storage"
)

// load runs a query for one row; where there is none it returns storage.ErrNotFound.
func load[T any](ctx context.Context, s *Store, q *query, args []any, dest func(*T) []any) (T, error) {
	page, err := list(ctx, s, q, args, dest)
	if err == nil && len(page) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return page[0], nil
}

// page runs a query whose last parameter is how many rows it may return. It asks for one more than limit, which tells
// whether more follow.
func page[T any](ctx context.Context, s *Store, q *query, dest func(*T) []any, limit int, args ...any) (storage.Page[T], error) {
	found, err := list(ctx, s, q, append(args, min(limit, math.MaxInt-1)+1), dest)
	return storage.PageOf(found, limit), err
}

// list runs a query and returns all of its rows, or none and an error. dest returns where to scan a row to.
func list[T any](ctx context.Context, s *Store, q *query, args []any, dest func(*T) []any) ([]T, error) {
	callers := ctx
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.ready(ctx); err != nil {
		return nil, s.fault(callers, q, err)
	}
	run, err := q.on(ctx, s.db)
	if err != nil {
		return nil, s.fault(callers, q, err)
	}
	page, err := collect(func() (*sql.Rows, error) { return run.rows(ctx, args) }, dest)
	if err != nil && s.dialect.name == PostgreSQL && s.conflict(err) {
		page, err = readCommitted(ctx, s, q, args, dest)
	}
	if err != nil {
		return nil, s.fault(callers, q, err)
	}
	return page, nil
}

// readCommitted runs a query under READ COMMITTED. Where the session's isolation is SERIALIZABLE, PostgreSQL may undo
// a read while there are writers, again and again as long as there are any. Under READ COMMITTED it never does, and a statement
// sees all that was committed before it began, which is all that a Store promises. A read-only transaction under
// SERIALIZABLE would not do: it can be undone as well, or, DEFERRABLE, waits for the writers to end. It costs two round
// trips more, and so is not the first try.
func readCommitted[T any](ctx context.Context, s *Store, q *query, args []any, dest func(*T) []any) ([]T, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it has written nothing
	return collect(func() (*sql.Rows, error) { return runner{on: tx, text: q.text}.rows(ctx, args) }, dest)
}

func collect[T any](open func() (*sql.Rows, error), dest func(*T) []any) ([]T, error) {
	rows, err := open()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []T
	for rows.Next() {
		var row T
		if err := rows.Scan(dest(&row)...); err != nil {
			return nil, err
		}
		page = append(page, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return page, nil
}
