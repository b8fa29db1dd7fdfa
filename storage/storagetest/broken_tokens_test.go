package storagetest_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// using keeps LastUsed beside the store; batch says what it becomes by a batch.
func using(h *hooks, batch func(ctx context.Context, uses []storage.TokenUse)) {
	h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
		// The store underneath checks, and knows what it knows.
		if err := h.Store.TouchTokens(ctx, uses); err != nil {
			return err
		}
		batch(ctx, uses)
		return nil
	}
	changeRows(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { t.Usage.LastUsed = h.used(t.ID) })
}

func (h *hooks) used(id string) time.Time {
	at, _ := h.noted("used " + id).(time.Time)
	return at
}

func (h *hooks) use(id string, at time.Time) {
	h.note("used "+id, at.UTC().Truncate(time.Microsecond))
}

func (h *hooks) exists(ctx context.Context, id string) bool {
	_, _, err := h.Store.LoadToken(ctx, id)
	return err == nil
}

// each makes a batch of single uses.
func each(h *hooks, use func(ctx context.Context, u storage.TokenUse)) {
	using(h, func(ctx context.Context, uses []storage.TokenUse) {
		for _, u := range uses {
			use(ctx, u)
		}
	})
}

func touching(around func(h *hooks, ctx context.Context, uses []storage.TokenUse, touch func([]storage.TokenUse) error) error) func(h *hooks) {
	return func(h *hooks) {
		h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
			return around(h, ctx, uses, func(uses []storage.TokenUse) error { return h.Store.TouchTokens(ctx, uses) })
		}
	}
}

type touchFunc = func([]storage.TokenUse) error

func brokenTokens() []broken {
	bumps := touching(func(h *hooks, ctx context.Context, uses []storage.TokenUse, touch touchFunc) error {
		err := touch(uses)
		for _, u := range uses {
			if t, _, e := h.Store.LoadToken(ctx, u.ID); e == nil {
				prev := t.Version
				t.Version = prev/2 + 1<<40
				_ = h.Store.SaveToken(ctx, t, prev)
			}
		}
		return err
	})
	return slices.Concat([]broken{
		{"lets LastUsed go back", "touch/forward only", func(h *hooks) {
			each(h, func(ctx context.Context, u storage.TokenUse) {
				if h.exists(ctx, u.ID) {
					h.use(u.ID, u.LastUsed)
				}
			})
		}},
		{"takes the last use of a batch", "touch/forward only", func(h *hooks) {
			using(h, func(ctx context.Context, uses []storage.TokenUse) {
				last := make(map[string]time.Time)
				for _, u := range uses {
					last[u.ID] = u.LastUsed
				}
				for id, at := range last {
					if h.exists(ctx, id) && at.After(h.used(id)) {
						h.use(id, at)
					}
				}
			})
		}},
		{"takes the first use of a batch", "touch/forward only", func(h *hooks) {
			using(h, func(ctx context.Context, uses []storage.TokenUse) {
				seen := make(map[string]bool)
				for _, u := range uses {
					if h.exists(ctx, u.ID) && !seen[u.ID] && u.LastUsed.After(h.used(u.ID)) {
						h.use(u.ID, u.LastUsed)
					}
					seen[u.ID] = true
				}
			})
		}},
		{"takes the zero time for a use", "touch/times", func(h *hooks) {
			each(h, func(_ context.Context, u storage.TokenUse) {
				if u.LastUsed.IsZero() || u.LastUsed.After(h.used(u.ID)) {
					h.use(u.ID, u.LastUsed)
				}
			})
		}},
		{"remembers uses of unknown tokens", "touch/unknown tokens", func(h *hooks) {
			each(h, func(_ context.Context, u storage.TokenUse) {
				if u.LastUsed.After(h.used(u.ID)) {
					h.use(u.ID, u.LastUsed)
				}
			})
		}},
		{"remembers uses of deleted tokens", "account/delete", func(h *hooks) {
			each(h, func(ctx context.Context, u storage.TokenUse) {
				if h.exists(ctx, u.ID) && u.LastUsed.After(h.used(u.ID)) {
					h.use(u.ID, u.LastUsed)
				}
			})
		}},
		{"passes over tokens without an owner", "touch/unknown tokens", func(h *hooks) {
			each(h, func(ctx context.Context, u storage.TokenUse) {
				if h.exists(ctx, u.ID) && u.LastUsed.After(h.used(u.ID)) {
					h.use(u.ID, u.LastUsed)
				}
			})
		}},
		{"touches in two steps", "touch/at once", func(h *hooks) {
			using(h, func(_ context.Context, uses []storage.TokenUse) {
				later := slices.DeleteFunc(slices.Clone(uses), func(u storage.TokenUse) bool { return !u.LastUsed.After(h.used(u.ID)) })
				h.meet()
				for _, u := range later {
					h.use(u.ID, u.LastUsed)
				}
			})
		}},
		{"touches nothing", "touch/forward only", touching(func(h *hooks, ctx context.Context, uses []storage.TokenUse, touch touchFunc) error {
			return touch(nil)
		})},
		{"gives touched tokens a new version", "touch/forward only", bumps},
		{"makes saves conflict with touches", "touch/racing save", bumps},
		{"does not find unknown tokens to touch", "touch/unknown tokens", touching(func(h *hooks, ctx context.Context, uses []storage.TokenUse, touch touchFunc) error {
			err := touch(uses)
			for _, u := range uses {
				if !h.exists(ctx, u.ID) && err == nil {
					err = storage.ErrNotFound
				}
			}
			return err
		})},
		{"touches each token once a batch", "touch/forward only", touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
			seen := make(map[string]bool)
			for _, u := range uses {
				if seen[u.ID] {
					return errOdd
				}
				seen[u.ID] = true
			}
			return touch(uses)
		})},
		{"sorts the batch it is given", "touch/batch", touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
			slices.SortFunc(uses, func(a, b storage.TokenUse) int { return a.LastUsed.Compare(b.LastUsed) })
			return touch(uses)
		})},
		{"touches what comes before an invalid ID", "touch/invalid batch", touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
			for i := range uses {
				if err := touch(uses[i : i+1]); err != nil {
					return err
				}
			}
			return touch(nil)
		})},
		{"has no empty batch", "touch/forward only", touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
			if len(uses) == 0 {
				return errOdd
			}
			return touch(uses)
		})},
		{"touches the first of a large batch", "touch/batch", touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
			return touch(uses[:min(len(uses), 400)])
		})},
		{"refuses a large batch", "touch/batch", touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
			if len(uses) > 499 {
				return storage.ErrInvalid
			}
			return touch(uses)
		})},
	}, brokenOwners(), brokenUsage())
}

// brokenUsage has saves that write or disturb LastUsed.
func brokenUsage() []broken {
	forward := func(h *hooks) {
		each(h, func(_ context.Context, u storage.TokenUse) {
			if u.LastUsed.After(h.used(u.ID)) {
				h.use(u.ID, u.LastUsed)
			}
		})
	}
	after := func(save func(h *hooks, t storage.TokenRecord, was time.Time)) func(h *hooks) {
		return func(h *hooks) {
			forward(h)
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				was := h.used(t.ID)
				err := h.Store.SaveToken(ctx, t, prev)
				if err == nil {
					save(h, t, was)
				}
				return err
			}
		}
	}
	return []broken{
		{"saves LastUsed with the token", "token/usage", after(func(h *hooks, t storage.TokenRecord, _ time.Time) {
			h.use(t.ID, t.Usage.LastUsed)
		})},
		{"saves a later LastUsed with the token", "token/usage", after(func(h *hooks, t storage.TokenRecord, was time.Time) {
			if t.Usage.LastUsed.After(was) {
				h.use(t.ID, t.Usage.LastUsed)
			}
		})},
		{"forgets LastUsed with a save", "token/usage", after(func(h *hooks, t storage.TokenRecord, _ time.Time) {
			h.use(t.ID, time.Time{})
		})},
		{"writes back the LastUsed it had read", "touch/racing save", func(h *hooks) {
			after(func(h *hooks, t storage.TokenRecord, was time.Time) {
				wait(func() bool { return h.used(t.ID).After(was) })
				h.use(t.ID, was)
			})(h)
		}},
		{"forgets LastUsed in a conflict", "token/usage", func(h *hooks) {
			forward(h)
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if errors.Is(err, storage.ErrConflict) {
					h.use(t.ID, time.Time{})
				}
				return err
			}
		}},
	}
}

func brokenOwners() []broken {
	return []broken{
		{"asks for an owner before it saves a token", "token/owner", func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				if _, err := h.Store.LoadAccount(ctx, t.AccountID); errors.Is(err, storage.ErrNotFound) {
					return err
				}
				return h.Store.SaveToken(ctx, t, prev)
			}
		}},
		{"loads tokens without an owner", "token/owner", func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if err == nil {
					h.note(t.ID, t.AccountID)
				}
				return err
			}
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				t, index, err := h.Store.LoadToken(ctx, id)
				if owner, ok := h.noted(id).(string); ok && errors.Is(err, storage.ErrNotFound) {
					t, err = h.storedToken(ctx, owner, id)
				}
				return t, index, err
			}
		}},
		{"has an error of its own for a missing owner", "token/owner", func(h *hooks) {
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				t, index, err := h.Store.LoadToken(ctx, id)
				if errors.Is(err, storage.ErrNotFound) {
					err = errOdd
				}
				return t, index, err
			}
		}},
		{"has no index of the owner", "account/index", func(h *hooks) {
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				t, _, err := h.Store.LoadToken(ctx, id)
				return t, storage.AccountIndex{}, err
			}
		}},
		{"has the index the owner once had", "account/index", func(h *hooks) {
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				t, index, err := h.Store.LoadToken(ctx, id)
				if once, ok := h.noted("index " + id).(storage.AccountIndex); ok {
					return t, once, err
				}
				if err == nil {
					h.note("index "+id, index)
				}
				return t, index, err
			}
		}},
		{"takes a save under another owner for done", "token/another owner", func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if stored, _, e := h.Store.LoadToken(ctx, t.ID); e == nil && stored.Version == prev && stored.AccountID != t.AccountID {
					return nil
				}
				return err
			}
		}},
		{"saves under another owner without moving the token", "token/another owner", func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				if stored, _, e := h.Store.LoadToken(ctx, t.ID); e == nil && stored.Version == prev && stored.AccountID != t.AccountID {
					t.AccountID = stored.AccountID
					return errors.Join(h.Store.SaveToken(ctx, t, prev), storage.ErrConflict)
				}
				return h.Store.SaveToken(ctx, t, prev)
			}
		}},
		{"reads the token before its owner", "token/one moment", apart(true)},
		{"reads the owner before the token", "token/one moment", apart(false)},
	}
}

// apart loads a token and its owner with three saves between, which is more than one change.
func apart(tokenFirst bool) func(h *hooks) {
	return func(h *hooks) {
		saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
			wait(func() bool { return h.at.Load() > 0 }) // for somebody who loads
			err := save(ctx, version, prev)
			h.saves.Add(1)
			return err
		})
		h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
			h.at.Add(1)
			defer h.at.Add(-1)
			first, firstOwner, err := h.Store.LoadToken(ctx, id)
			if err != nil {
				return first, firstOwner, err
			}
			saves := h.saves.Load()
			wait(func() bool { return h.saves.Load() > saves+2 })
			second, secondOwner, err := h.Store.LoadToken(ctx, id)
			if tokenFirst {
				return first, secondOwner, err
			}
			return second, firstOwner, err
		}
	}
}
