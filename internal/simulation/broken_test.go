package simulation

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
)

// A store that does not keep what it promises is found within so many seeds. Saves that are not compared are found by what is
// stored, and a replica that lags by what is answered: no order of the calls explains it.
func TestBrokenStoresAreFound(t *testing.T) {
	broken := map[string]struct {
		under  func(storage.Store) storage.Store
		within uint64
	}{
		"saves without comparing":                      {func(s storage.Store) storage.Store { return blind{s} }, 20},
		"saves tokens without comparing":               {func(s storage.Store) storage.Store { return blindForTokens{s} }, 800},
		"answers before it saves":                      {func(s storage.Store) storage.Store { return &forgetful{Store: s} }, 60},
		"reads what was there a save before":           {newStale, 200},
		"reads of tokens what was there a save before": {newStaleForTokens, 200},
	}
	for name, store := range broken {
		t.Run(name, func(t *testing.T) {
			for seed := range store.within {
				if r := simulate(t, seed, store.under, whole); r.wrong != "" {
					t.Logf("seed %d: %s", seed, r.wrong)
					return
				}
			}
			t.Error("not found")
		})
	}
}

// A node that reads an old state answers by it, and saves nothing: what is stored stays right, no code is accepted twice, and
// owners are told.
func TestStaleReadsSaveNothing(t *testing.T) {
	told := 0
	for seed := range uint64(60) {
		r := simulate(t, seed, newStale, whole)
		require.True(t, r.wrong == "" || r.answered, "seed %d: %s", seed, r.wrong)
		if r.answered {
			told++
		}
		used := map[[3]any]bool{}
		for _, c := range r.history {
			if c.told != ok || c.in.op != answer && c.in.op != stepUp {
				continue
			}
			code := [3]any{c.in.account, "app " + strconv.Itoa(c.in.totp), c.in.step}
			if c.in.set >= 0 {
				code = [3]any{c.in.account, "set " + strconv.Itoa(c.in.set), c.in.code}
			}
			require.False(t, used[code], "seed %d: a code was accepted twice: %+v", seed, c.in)
			used[code] = true
		}
	}
	require.NotZero(t, told, "no read was stale")
}

// What is found is made small.
func TestShrink(t *testing.T) {
	under := func(s storage.Store) storage.Store { return blind{s} }
	for seed := range uint64(800) {
		if r := simulate(t, seed, under, whole); r.wrong != "" {
			small := shrink(t, seed, under)
			require.NotEmpty(t, small.wrong)
			require.Less(t, len(small.history), len(r.history)/2)
			return
		}
	}
	t.Error("not found")
}

type blind struct{ storage.Store }

func (s blind) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if now, err := s.LoadAccount(ctx, r.ID); err == nil {
		prev = now.Version
	}
	return s.Store.SaveAccount(ctx, r, prev)
}

type blindForTokens struct{ storage.Store }

func (s blindForTokens) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	if now, _, err := s.LoadToken(ctx, t.ID); err == nil {
		prev = now.Version
	}
	return s.Store.SaveToken(ctx, t, prev)
}

// forgetful loses every tenth save that it has answered.
type forgetful struct {
	storage.Store
	saves int
}

func (s *forgetful) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if s.saves++; s.saves%10 == 0 {
		return nil
	}
	return s.Store.SaveAccount(ctx, r, prev)
}

func newStale(s storage.Store) storage.Store {
	return &stale{Store: s, old: map[string]storage.Record{}}
}

// stale answers every fifth load as a replica that lags by one save.
type stale struct {
	storage.Store
	old   map[string]storage.Record
	loads int
}

func (s *stale) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if s.loads++; s.loads%5 == 0 {
		if old, known := s.old[id]; known {
			return old, nil
		}
	}
	return s.Store.LoadAccount(ctx, id)
}

func (s *stale) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	now, err := s.Store.LoadAccount(ctx, r.ID)
	if err == nil {
		s.old[r.ID] = now
	}
	return s.Store.SaveAccount(ctx, r, prev)
}

func newStaleForTokens(s storage.Store) storage.Store {
	return &staleForTokens{Store: s, old: map[string]storage.TokenRecord{}}
}

// staleForTokens is stale for tokens.
type staleForTokens struct {
	storage.Store
	old   map[string]storage.TokenRecord
	loads int
}

func (s *staleForTokens) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	t, owner, err := s.Store.LoadToken(ctx, id)
	if s.loads++; s.loads%5 == 0 && err == nil {
		if old, known := s.old[id]; known {
			return old, owner, nil
		}
	}
	return t, owner, err
}

func (s *staleForTokens) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	if now, _, err := s.Store.LoadToken(ctx, t.ID); err == nil {
		s.old[t.ID] = now
	}
	return s.Store.SaveToken(ctx, t, prev)
}
