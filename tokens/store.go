package tokens

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// held is a token as it is stored, with its owner.
type held struct {
	record
	use   storage.TokenUsage
	owner storage.AccountIndex
}

// Lineage returns the ancestry of a token's record.
func (h held) Lineage() core.Ancestry { return h.Ancestry }

// After returns the token as it is saved after a version.
func (h held) After(version int64) held {
	h.Ancestry = h.Ancestry.Then(version)
	return h
}

var errNoToken = fmt.Errorf("%w: no such token", gatehouse.ErrNotFound)

// load returns errNoToken where there is no such token or no owner.
func (s *Service) load(ctx context.Context, id string) (engine.Kept[held], error) {
	type found struct {
		rec   storage.TokenRecord
		owner storage.AccountIndex
	}
	if storage.CheckID(id) != nil {
		return engine.Kept[held]{}, errNoToken
	}
	got, err := engine.Retry(ctx, func() (f found, err error) {
		f.rec, f.owner, err = s.e.Store.LoadToken(ctx, id)
		return f, err
	})
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return engine.Kept[held]{}, errNoToken
	case err != nil:
		return engine.Kept[held]{}, fmt.Errorf("gatehouse: load token: %w", err)
	case got.rec.ID != id: // a store that folds case
		return engine.Kept[held]{}, errNoToken
	}
	t, err := decode(id, got.rec.AccountID, got.rec.Data)
	return engine.Kept[held]{Record: held{t, got.rec.Usage, got.owner}, Version: got.rec.Version, Data: got.rec.Data}, err
}

// loadOwned is load for a token of an account, and errNoToken for one of another.
func (s *Service) loadOwned(ctx context.Context, account, id string) (held, error) {
	kept, err := s.load(ctx, id)
	if err == nil && kept.Record.Account != account {
		err = errNoToken
	}
	if err != nil {
		return held{}, err
	}
	return kept.Record, nil
}

func (s *Service) save(ctx context.Context, h held, data []byte, version, prev int64) error {
	return s.e.Store.SaveToken(ctx, storage.TokenRecord{ID: h.ID, AccountID: h.Account, Version: version, Data: data, Index: h.index()}, prev)
}

// apply changes a token: see engine.Apply. It has no turns, as nothing of it can be guessed. Where a token is deleted
// meanwhile the error is errNoToken.
func (s *Service) apply(ctx context.Context, id string, step func(h held, now env) (record, error)) error {
	return s.applyTo(ctx, engine.Kind[held]{Name: "token", Load: s.load, Save: s.save}, id, step)
}

// end is apply for a token that ends, or has ended: it is saved in any case.
func (s *Service) end(ctx context.Context, id string, step func(h held, now env) (record, error)) error {
	return s.applyTo(ctx, engine.Kind[held]{Name: "token", Load: s.load, Save: s.save, Restate: true}, id, step)
}

func (s *Service) applyTo(ctx context.Context, kind engine.Kind[held], id string, step func(h held, now env) (record, error)) error {
	err := engine.Apply(ctx, kind, id, func(h held) (held, error) {
		next, err := step(h, s.env())
		h.record = next
		return h, err
	})
	if errors.Is(err, errNoToken) {
		return errNoToken // without what the engine says of it
	}
	return err
}

// insert saves a token that is new.
func (s *Service) insert(ctx context.Context, t record) error {
	data, err := t.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := engine.Detach(ctx)
	defer cancel()
	version := engine.Fresh()
	_, err = engine.Retry(ctx, func() (struct{}, error) {
		err := s.save(ctx, held{record: t}, data, version, 0)
		if errors.Is(err, storage.ErrConflict) {
			// The ID is new and random, so the token that is there is this one. The reply was lost, and the token may
			// have changed since.
			if _, failed := s.load(ctx, t.ID); failed == nil {
				return struct{}{}, nil
			}
		}
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("gatehouse: save token: %w", err)
	}
	return nil
}
