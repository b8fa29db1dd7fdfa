package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

func isConflict(err error) bool { return errors.Is(err, storage.ErrConflict) }

// backoff waits a random time that grows with the tries, so that processes which collide part.
func backoff(ctx context.Context, try int) error {
	most := min(time.Millisecond<<try, maxBackoff)
	timer := time.NewTimer(time.Duration(uint64(Fresh()) % uint64(most)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Retry repeats a read, or a write that can be made twice, while the database wants it tried again.
func Retry[T any](ctx context.Context, read func() (T, error)) (T, error) {
	v, err := read()
	for try := 0; isConflict(err) && try < maxTries; try++ {
		if err = backoff(ctx, try); err == nil {
			v, err = read()
		}
	}
	return v, err
}

const accountPage = 200 // accounts read at once

// EachAccount calls f with the accounts after a cursor, in the order of their IDs, until it returns an error. It leaves
// out what is left of deleted ones.
func (e *Engine) EachAccount(ctx context.Context, cursor string, f func(storage.Record) error) error {
	for {
		page, err := Retry(ctx, func() (storage.Page[storage.Record], error) { return e.Store.Accounts(ctx, cursor, accountPage) })
		if err != nil {
			return fmt.Errorf("gatehouse: list accounts: %w", err)
		}
		for _, rec := range page.Records {
			if err := ctx.Err(); err != nil {
				return err
			}
			cursor = rec.ID
			if a, err := core.Decode(rec.ID, rec.Data); err == nil && a.Absent() {
				continue
			}
			if err := f(rec); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

// Progress is how far a walk over all accounts or tokens has come.
type Progress struct {
	Seen   int    `json:"seen"`   // looked at
	Done   int    `json:"done"`   // of them, those that it was about
	Failed int    `json:"failed"` // of them, those that were passed over, as they cannot be read or opened
	Cursor string `json:"cursor"` // the last one: where another walk can go on
}

// PassedOver says that a record cannot be read, or that its secrets do not open.
type PassedOver struct{ Err error }

func (e *PassedOver) Error() string {
	return "gatehouse: some accounts were passed over, the first for: " + e.Err.Error()
}

// Unwrap returns why.
func (e *PassedOver) Unwrap() error { return e.Err }

// Walk takes a step on every account after a cursor, and calls progress, which may be nil, after each. Where the error
// of a step is a *PassedOver the walk goes on, and returns the first of them at its end.
func (e *Engine) Walk(ctx context.Context, by core.By, cursor string, step func(storage.Record) (done bool, err error), progress func(Progress)) (Progress, error) {
	p := Progress{Cursor: cursor}
	if err := by.Check(); err != nil {
		return p, err
	}
	if cursor != "" {
		if err := CheckID(cursor); err != nil {
			return p, err
		}
	}
	var first error
	err := e.EachAccount(ctx, cursor, func(rec storage.Record) error {
		done, err := step(rec)
		var passed *PassedOver
		switch {
		case errors.As(err, &passed):
			p.Failed++
			if first == nil {
				first = err
			}
		case err != nil:
			return err
		case done:
			p.Done++
		}
		p.Seen++
		p.Cursor = rec.ID
		if progress != nil {
			progress(p)
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	return p, first
}
