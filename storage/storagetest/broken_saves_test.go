package storagetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

var errOdd = errors.New("an error of the database")

// forceAccount saves r whatever is stored.
func (h *hooks) forceAccount(ctx context.Context, r storage.Record) error {
	for {
		stored, err := h.Store.LoadAccount(ctx, r.ID)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err = h.Store.SaveAccount(ctx, r, stored.Version); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

// storedToken returns a token whether or not its owner exists; accountID is the owner's.
func (h *hooks) storedToken(ctx context.Context, accountID, id string) (storage.TokenRecord, error) {
	for after := ""; ; {
		page, err := h.Store.Tokens(ctx, accountID, after, 100)
		if err != nil {
			return storage.TokenRecord{}, err
		}
		for _, t := range page.Records {
			if t.ID == id {
				return t, nil
			}
			after = t.ID
		}
		if !page.More {
			return storage.TokenRecord{}, storage.ErrNotFound
		}
	}
}

// forceToken saves t whatever is stored.
func (h *hooks) forceToken(ctx context.Context, t storage.TokenRecord) error {
	for range 1000 {
		stored, err := h.storedToken(ctx, t.AccountID, t.ID)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err = h.Store.SaveToken(ctx, t, stored.Version); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return storage.ErrConflict
}

// comparing makes saves that compare versions in their own way, and then write whatever is stored
// meanwhile: version is 0 where nothing is stored.
func comparing(h *hooks, same func(version, prev int64) bool) {
	h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
		stored, err := h.Store.LoadAccount(ctx, r.ID)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if !same(stored.Version, prev) {
			return storage.ErrConflict
		}
		return h.forceAccount(ctx, r)
	}
	h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
		stored, err := h.storedToken(ctx, t.AccountID, t.ID)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if !same(stored.Version, prev) {
			return storage.ErrConflict
		}
		return h.forceToken(ctx, t)
	}
}

type saveFunc = func(ctx context.Context, version, prev int64) error

// saving puts something around both kinds of save; save carries one out under a version of choice.
func saving(h *hooks, around func(ctx context.Context, version, prev int64, save saveFunc) error) {
	h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
		return around(ctx, r.Version, prev, func(ctx context.Context, version, prev int64) error {
			r.Version = version
			return h.Store.SaveAccount(ctx, r, prev)
		})
	}
	h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
		return around(ctx, t.Version, prev, func(ctx context.Context, version, prev int64) error {
			t.Version = version
			return h.Store.SaveToken(ctx, t, prev)
		})
	}
}

// bothKinds has one broken store for each kind of record that must find it.
func bothKinds(name, fails string, wreck func(h *hooks)) []broken {
	return []broken{
		{name + " (accounts)", "account/" + fails, wreck},
		{name + " (tokens)", "token/" + fails, wreck},
	}
}

// listings is bothKinds for what the listings of all tokens and of unsent accounts must find too.
func listings(name, fails string, wreck func(h *hooks)) []broken {
	return append(bothKinds(name, fails, wreck),
		broken{name + " (all tokens)", "all tokens/" + fails, wreck}, broken{name + " (unsent)", "unsent/" + fails, wreck})
}

func brokenSaves() []broken {
	return slices.Concat(
		bothKinds("does not compare versions", "conflict", func(h *hooks) {
			comparing(h, func(_, _ int64) bool { return true })
		}),
		bothKinds("inserts over what is stored", "conflict", func(h *hooks) {
			comparing(h, func(version, prev int64) bool { return version == prev || prev == 0 })
		}),
		bothKinds("updates what is not there", "absent", func(h *hooks) {
			comparing(h, func(version, prev int64) bool { return version == prev || version == 0 })
		}),
		bothKinds("compares 32 bits of a version", "near versions", func(h *hooks) {
			comparing(h, func(version, prev int64) bool { return int32(version) == int32(prev) })
		}),
		bothKinds("compares versions as floats", "near versions", func(h *hooks) {
			comparing(h, func(version, prev int64) bool { return float64(version) == float64(prev) })
		}),
		bothKinds("compares and saves in two steps", "racing saves", func(h *hooks) {
			comparing(h, func(version, prev int64) bool { h.meet(); return version == prev })
		}),
		bothKinds("looks and inserts in two steps", "racing inserts", func(h *hooks) {
			comparing(h, func(version, prev int64) bool {
				if prev == 0 {
					h.meet()
				}
				return version == prev
			})
		}),
		bothKinds("saves what was deleted meanwhile", "save racing delete", func(h *hooks) {
			comparing(h, func(version, prev int64) bool {
				if prev != 0 && version == prev {
					deletes := h.deletes.Load()
					wait(func() bool { return h.deletes.Load() > deletes })
				}
				return version == prev
			})
			h.deleteAccount = func(ctx context.Context, id string) error {
				defer h.deletes.Add(1)
				return h.Store.DeleteAccount(ctx, id)
			}
		}),
		bothKinds("numbers versions itself", "conflict", func(h *hooks) {
			saving(h, func(ctx context.Context, _, prev int64, save saveFunc) error { return save(ctx, prev+1, prev) })
		}),
		bothKinds("takes version 0", "version 0", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				if version == 0 {
					return nil
				}
				return save(ctx, version, prev)
			})
		}),
		bothKinds("writes version 0 and refuses it", "version 0", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				if version == 0 {
					return errors.Join(save(ctx, -1, prev), storage.ErrInvalid)
				}
				return save(ctx, version, prev)
			})
		}),
		bothKinds("takes the versions of deleted records", "recreated", func(h *hooks) {
			comparing(h, func(version, prev int64) bool {
				once, _ := h.noted("once").(map[int64]bool)
				return version == prev || version == 0 && once[prev]
			})
			remember(h)
		}),
		bothKinds("takes any version that ever was", "recreated", func(h *hooks) {
			comparing(h, func(version, prev int64) bool {
				once, _ := h.noted("once").(map[int64]bool)
				return version == prev || once[prev]
			})
			remember(h)
		}),
		bothKinds("takes the same save twice", "lost reply", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				err := h.Store.SaveAccount(ctx, r, prev)
				if stored, _ := h.Store.LoadAccount(ctx, r.ID); errors.Is(err, storage.ErrConflict) && stored.Version == r.Version {
					return nil
				}
				return err
			}
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if stored, _ := h.storedToken(ctx, t.AccountID, t.ID); errors.Is(err, storage.ErrConflict) && stored.Version == t.Version {
					return nil
				}
				return err
			}
		}),
		bothKinds("calls each save a conflict", "conflict", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				return errors.Join(save(ctx, version, prev), storage.ErrConflict)
			})
		}),
		bothKinds("has its own error for conflicts", "conflict", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				if err := save(ctx, version, prev); !errors.Is(err, storage.ErrConflict) {
					return err
				}
				return errOdd
			})
		}),
		bothKinds("calls it not found where a record to save over is absent", "absent", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				err := save(ctx, version, prev)
				if errors.Is(err, storage.ErrConflict) && prev != 0 {
					return storage.ErrNotFound
				}
				return err
			})
		}),
		bothKinds("calls it a success where the context ends midway", "context ends midway", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if ctx.Err() != nil {
					return nil
				}
				return save(context.WithoutCancel(ctx), version, prev)
			})
		}),
		bothKinds("calls it a conflict where the context ends after the write", "context ends midway", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				err := save(context.WithoutCancel(ctx), version, prev)
				if ctx.Err() != nil {
					return storage.ErrConflict
				}
				return err
			})
		}),
		bothKinds("writes half where the context ends midway", "context ends midway", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return errors.Join(err, save(context.WithoutCancel(ctx), version^2, prev))
				}
				return save(context.WithoutCancel(ctx), version, prev)
			})
		}),
		brokenDeletes(),
		brokenCopies(),
	)
}

// remember notes all versions that were stored, under "once".
func remember(h *hooks) {
	saves, saveTokens := h.saveAccount, h.saveToken
	note := func(version int64, err error) error {
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			once := map[int64]bool{version: true}
			if old, ok := h.notes["once"].(map[int64]bool); ok {
				for v := range old {
					once[v] = true
				}
			}
			h.notes["once"] = once
		}
		return err
	}
	h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
		return note(r.Version, saves(ctx, r, prev))
	}
	h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
		return note(t.Version, saveTokens(ctx, t, prev))
	}
}

func brokenDeletes() []broken {
	// accountAlone deletes an account and leaves its tokens.
	accountAlone := func(ctx context.Context, h *hooks, id string) error {
		left, err := h.Store.Tokens(ctx, id, "", 1000)
		if err != nil {
			return err
		}
		if err := h.Store.DeleteAccount(ctx, id); err != nil {
			return err
		}
		for _, t := range left.Records {
			if err := h.Store.SaveToken(ctx, t, 0); err != nil {
				return err
			}
		}
		return nil
	}
	return []broken{
		{"leaves the tokens of a deleted account", "account/delete", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error { return accountAlone(ctx, h, id) }
		}},
		{"leaves what an absent account had left", "account/delete", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				if _, err := h.Store.LoadAccount(ctx, id); errors.Is(err, storage.ErrNotFound) {
					return nil
				}
				return h.Store.DeleteAccount(ctx, id)
			}
		}},
		{"does not find an absent account to delete", "account/delete", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				_, err := h.Store.LoadAccount(ctx, id)
				return errors.Join(err, h.Store.DeleteAccount(ctx, id))
			}
		}},
		{"deletes by a pattern", "account/delete", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				page, _ := h.Store.Accounts(ctx, id, 1)
				for _, r := range page.Records {
					if strings.HasPrefix(r.ID, id) {
						_ = h.Store.DeleteAccount(ctx, r.ID)
					}
				}
				return h.Store.DeleteAccount(ctx, id)
			}
		}},
		{"deletes nothing", "account/delete", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, _ string) error { return ctx.Err() }
		}},
		{"deletes the tokens first", "account/delete cut short", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				whole := context.WithoutCancel(ctx)
				r, err := h.Store.LoadAccount(whole, id)
				if err := h.Store.DeleteAccount(whole, id); err != nil {
					return err
				}
				if errors.Is(err, storage.ErrNotFound) {
					return nil
				}
				if err := h.Store.SaveAccount(whole, r, 0); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				return h.Store.DeleteAccount(whole, id)
			}
		}},
		{"calls a delete that was cut short a success", "account/delete cut short", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				whole := context.WithoutCancel(ctx)
				if err := accountAlone(whole, h, id); err != nil || ctx.Err() != nil {
					return err
				}
				return h.Store.DeleteAccount(whole, id)
			}
		}},
		{"reads from a cache of the handle", "two handles", func(h *hooks) {
			cache := &common{notes: make(map[string]any)}
			h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
				if r, ok := cache.noted(id).(storage.Record); ok {
					return r, nil
				}
				r, err := h.Store.LoadAccount(ctx, id)
				if err == nil {
					cache.note(id, r)
				}
				return r, err
			}
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				defer cache.note(r.ID, nil)
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}},
		{"reads all tokens from a cache of the handle", "two handles", func(h *hooks) {
			cache := &common{notes: make(map[string]any)}
			h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				if page, ok := cache.noted(after).(storage.Page[storage.TokenRecord]); ok {
					return page, nil
				}
				page, err := h.Store.AllTokens(ctx, after, limit)
				if err == nil {
					cache.note(after, page)
				}
				return page, err
			}
		}},
		{"deletes tokens in a cache of the handle", "two handles", func(h *hooks) {
			gone := &common{notes: make(map[string]any)}
			h.deleteToken = func(_ context.Context, id string, _ int64) error {
				gone.note(id, true)
				return nil
			}
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				if gone.noted(id) != nil {
					return storage.TokenRecord{}, storage.AccountIndex{}, storage.ErrNotFound
				}
				return h.Store.LoadToken(ctx, id)
			}
		}},
	}
}

func brokenCopies() []broken {
	return slices.Concat(
		bothKinds("keeps the slice it is given", "aliasing", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				err := h.Store.SaveAccount(ctx, r, prev)
				if err == nil {
					h.note(r.ID, r.Data)
				}
				return err
			}
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if err == nil {
					h.note(t.ID, t.Data)
				}
				return err
			}
			given := func(id string, data []byte) []byte {
				if noted, ok := h.noted(id).([]byte); ok {
					return bytes.Clone(noted)
				}
				return data
			}
			changeRows(h, func(r *storage.Record) { r.Data = given(r.ID, r.Data) },
				func(t *storage.TokenRecord) { t.Data = given(t.ID, t.Data) })
		}),
		bothKinds("returns the slice it keeps", "aliasing", func(h *hooks) {
			changeRows(h, func(r *storage.Record) { r.Data = h.kept(r.ID, r.Version, r.Data) },
				func(t *storage.TokenRecord) { t.Data = h.kept(t.ID, t.Version, t.Data) })
		}),
		listings("returns pages of slices it keeps", "aliasing", func(h *hooks) {
			changePages(h, func(page []storage.Record) {
				for i, r := range page {
					page[i].Data = h.kept(r.ID, r.Version, r.Data)
				}
			}, func(page []storage.TokenRecord) {
				for i, t := range page {
					page[i].Data = h.kept(t.ID, t.Version, t.Data)
				}
			})
		}),
		listings("has one buffer for the rows of a page", "aliasing", func(h *hooks) {
			changePages(h, func(page []storage.Record) {
				var all []byte
				for _, r := range page {
					all = append(all, r.Data...)
				}
				for i, r := range page {
					page[i].Data, all = all[:len(r.Data)], all[len(r.Data):]
				}
			}, func(page []storage.TokenRecord) {
				var all []byte
				for _, t := range page {
					all = append(all, t.Data...)
				}
				for i, t := range page {
					page[i].Data, all = all[:len(t.Data)], all[len(t.Data):]
				}
			})
		}),
	)
}

// kept returns the slice that was kept for a version of a record, which is data the first time.
func (h *hooks) kept(id string, version int64, data []byte) []byte {
	type keyed struct {
		version int64
		data    []byte
	}
	if k, ok := h.noted(id).(keyed); ok && k.version == version {
		return k.data
	}
	h.note(id, keyed{version, data})
	return data
}
