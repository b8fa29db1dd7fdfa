package gatehouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Restoration says what AfterRestore does beside what it always does.
type Restoration struct {
	// KeepRecoveryCodes leaves recovery codes as the backup has them: those that were used since it was
	// made work again. Defaults to voiding them all.
	KeepRecoveryCodes bool
	// RevokeTokens revokes every access token. Defaults to leaving them as the backup has them: what was
	// revoked since it was made works again.
	RevokeTokens bool
}

// Restored is how far an AfterRestore has come.
type Restored struct {
	Seen   int    // accounts looked at
	Failed int    // of them, those whose records cannot be read; nobody gets into them
	Cursor string // the last account done: where another AfterRestore can go on
}

// AfterRestore is for a store that was put back to an earlier state, as from a backup: what was used
// up since then is fresh in it again. For every account it ends challenges, proofs, pending enrollments
// and operators' codes, uses up the steps of authenticators up to now, and voids recovery codes. The
// second step stays needed. Run it before the service starts again: what was accepted in between is
// accepted twice.
//
// With the default Window codes of authenticators are accepted again after a minute and a half. Nobody has
// recovery codes until they make new ones, so owners who have lost their authenticator need a Reset, and
// so do those whose operator's code was ended. What it cannot know has to be repeated: suspensions,
// revocations, deletions, unlocks.
//
// It walks as Reseal does, from after the cursor. An account that cannot be read is counted and passed
// over, and the error says so at the end. To do an account twice is safe, and ends what its owner has
// made since.
func (o Operator) AfterRestore(ctx context.Context, what Restoration, cursor string, progress func(Restored)) (Restored, error) {
	r := Restored{Cursor: cursor}
	err := o.walk(ctx, cursor, func(rec storage.Record) error {
		err := o.change(ctx, rec.ID, nil, always(func(a core.Account, env core.Env) core.Account {
			return a.Restored(o.by, what.KeepRecoveryCodes, what.RevokeTokens, env)
		}))
		if errors.Is(err, core.ErrFormat) {
			return &passedOver{err}
		}
		return err
	}, func(account string, passed bool) {
		r.Seen++
		if passed {
			r.Failed++
		}
		r.Cursor = account
		if progress != nil {
			progress(r)
		}
	})
	return r, err
}

// walk takes a step on every account after a cursor, and calls done after each. Where the error of a step
// is a *passedOver the walk goes on, and returns the first of them at its end.
func (o Operator) walk(ctx context.Context, cursor string, step func(storage.Record) error, done func(account string, passed bool)) error {
	if err := o.by.Check(); err != nil {
		return err
	}
	if cursor != "" {
		if err := checkID(cursor); err != nil {
			return err
		}
	}
	var first error
	err := o.s.eachAccount(ctx, cursor, func(rec storage.Record) error {
		err := step(rec)
		var passed *passedOver
		if err != nil && !errors.As(err, &passed) {
			return err
		}
		if first == nil {
			first = err
		}
		done(rec.ID, err != nil)
		return nil
	})
	if err != nil {
		return err
	}
	return first
}

// passedOver says that an account's record cannot be read, or that its secrets do not open.
type passedOver struct{ err error }

func (e *passedOver) Error() string {
	return "gatehouse: some accounts were passed over, the first for: " + e.err.Error()
}
func (e *passedOver) Unwrap() error { return e.err }

const accountPage = 200 // accounts read at once

// eachAccount calls f with the accounts after a cursor, in the order of their IDs, until it returns an error.
func (s *Service) eachAccount(ctx context.Context, cursor string, f func(storage.Record) error) error {
	for {
		page, err := retry(ctx, func() (storage.Page[storage.Record], error) { return s.store.Accounts(ctx, cursor, accountPage) })
		if err != nil {
			return fmt.Errorf("gatehouse: list accounts: %w", err)
		}
		for _, rec := range page.Records {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(rec); err != nil {
				return err
			}
			cursor = rec.ID
		}
		if !page.More {
			return nil
		}
	}
}
