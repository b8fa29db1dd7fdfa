package gatehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

const (
	maxTries    = 12              // conflicts in a row before a change is given up
	saveTimeout = 5 * time.Second // for a save and the tries after it, whatever the caller's context does
	maxBackoff  = 32 * time.Millisecond
)

// transition is one change of an account.
type transition struct {
	// refused reports whether step refuses this account without a look at what prepare would find out. Where others
	// are at the account it is asked first, so that nobody waits, or has others wait, for nothing. nil: never.
	refused func(a core.Account, env core.Env) bool
	// prepare does what needs keys or other services, on an account that may change before step sees it. It
	// is called before every step and must not repeat what a call before has done.
	prepare func(ctx context.Context, a core.Account, env core.Env) error
	// slow returns what takes Argon2id and has yet to be done for step, nil for nothing. It runs without the
	// account's turn, and then everything begins anew on the account as it is then.
	slow func(a core.Account, env core.Env) work
	// step is pure. Its error is the answer, given after the account it returns is saved.
	step func(a core.Account, env core.Env) (core.Account, error)
}

// work runs Argon2id.
type work func(ctx context.Context) error

// apply is the one place that changes accounts: load, decide, save if nothing has changed in
// between, else again. No answer leaves before its save has returned.
func (s *Service) apply(ctx context.Context, id string, t transition) error {
	if refused, err := s.refused(ctx, id, t); refused || err != nil {
		return err
	}
	at := &place{s: s, id: id}
	tell := func() {}
	defer func() { tell() }() // after the turn has ended
	defer at.leave()
	if err := at.takeTurn(ctx); err != nil {
		return err
	}

	// Once something was looked at or saved it counts, also if whoever asked for it hangs up now.
	detached := false
	detach := func() context.CancelFunc {
		if detached {
			return func() {}
		}
		detached = true
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
		return cancel
	}
	var events []core.Event
	saved := func() {
		told := s.observers.add(ctx, id, events)
		tell = func() {
			told()
			s.follow(ctx, id, events)
		}
	}
	unsure := false // a save that would have been a success may have been made
	rounds := 0     // of work
	for try := 0; try < maxTries; try++ {
		a, rec, err := s.load(ctx, id)
		if err != nil {
			return err
		}
		env := s.env() // one moment for all: what was refused in prepare must not be let through in step
		if t.prepare != nil {
			if err := t.prepare(ctx, a, env); err != nil {
				return knownOnly(err, unsure)
			}
		}
		if t.slow != nil {
			if work := t.slow(a, env); work != nil && rounds < maxTries {
				rounds, try = rounds+1, try-1
				waited, err := at.queue(ctx)
				if err != nil {
					return err
				}
				if !waited {
					if err := work(ctx); err != nil {
						return err
					}
					// The turn spares conflicts and no more, so what was looked at goes on without it if need be.
					waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
					_ = at.takeTurn(waiting)
					cancel()
					defer detach()()
					continue
				}
				if err := at.takeTurn(ctx); err != nil {
					return err
				}
				continue
			}
		}
		next, stepErr := t.step(a, env)
		if stepErr != nil && unsure {
			return errUnsure
		}
		before := rec.Data
		if rec.Version == 0 {
			if before, err = a.Encode(); err != nil {
				return err
			}
		}
		data, err := next.Encode()
		if err != nil {
			return err
		}
		if bytes.Equal(data, before) {
			tell = s.observers.add(ctx, id, next.Events)
			return stepErr
		}

		defer detach()()
		next.Ancestry = a.Ancestry.Then(rec.Version)
		if data, err = next.Encode(); err != nil {
			return err
		}
		version := fresh()
		events = next.Events
		err = s.store.SaveAccount(ctx, storage.Record{ID: id, Version: version, Data: data, Index: next.Index(s.window)}, rec.Version)
		if errors.Is(err, storage.ErrConflict) {
			var fate core.Fate
			if fate, err = s.fate(ctx, id, version, rec.Version); err == nil && fate != core.Saved {
				unsure = unsure || fate == core.Unsure && stepErr == nil
				if err := backoff(ctx, try); err != nil {
					return err
				}
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("gatehouse: save account: %w", err)
		}
		saved()
		return stepErr
	}
	return knownOnly(errors.New("gatehouse: the account changes too often, nothing was changed"), unsure)
}

// fate returns what became of a save that the store says has met a conflict: it may have been made and its reply
// lost. It is asked at once, as the record tells only of its last versions.
func (s *Service) fate(ctx context.Context, id string, attempted, over int64) (core.Fate, error) {
	a, rec, err := s.load(ctx, id)
	return a.Ancestry.Fate(rec.Version, attempted, over), err
}

var errUnsure = errors.New("gatehouse: it is not known whether a change was saved; a code may be used up: try the next one")

// knownOnly returns err, but errUnsure where err may only say what this very call has done before.
func knownOnly(err error, unsure bool) error {
	if unsure {
		return errUnsure
	}
	return err
}

// refused answers without the account's turn what is refused anyway, if somebody else has the turn.
func (s *Service) refused(ctx context.Context, id string, t transition) (refused bool, answer error) {
	if t.refused == nil || s.turns.Free(id) {
		return false, nil
	}
	a, _, err := s.load(ctx, id)
	if err != nil {
		return false, err
	}
	env := s.env()
	if !t.refused(a, env) {
		return false, nil
	}
	next, answer := t.step(a, env)
	s.observers.add(ctx, id, next.Events)()
	return true, answer
}

// backoff waits a random time that grows with the tries, so that processes which collide part.
func backoff(ctx context.Context, try int) error {
	most := min(time.Millisecond<<try, maxBackoff)
	timer := time.NewTimer(time.Duration(uint64(fresh()) % uint64(most)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retry repeats a read, or a write that can be made twice, while the database wants it tried again.
func retry[T any](ctx context.Context, read func() (T, error)) (T, error) {
	v, err := read()
	for try := 0; errors.Is(err, storage.ErrConflict) && try < maxTries; try++ {
		if err = backoff(ctx, try); err == nil {
			v, err = read()
		}
	}
	return v, err
}
