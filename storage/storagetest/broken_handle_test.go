package storagetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// foldingHandles makes a store that takes some handles for the same.
func foldingHandles(fold func(storage.Handle) storage.Handle) func(h *hooks) {
	return func(h *hooks) {
		h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
			r, err := h.Store.AccountByHandle(ctx, fold(handle))
			if err == nil {
				r.Index.Handle = handle
			}
			return r, err
		}
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
			r.Index.Handle = fold(r.Index.Handle)
			return h.Store.SaveAccount(ctx, r, prev)
		}
	}
}

// foldedBytes makes a fold of a function of bytes, whose result is cut to the length of a handle or padded.
func foldedBytes(fold func([]byte) []byte) func(storage.Handle) storage.Handle {
	return func(handle storage.Handle) (folded storage.Handle) {
		copy(folded[:], fold(handle[:]))
		return folded
	}
}

// looking finds accounts by handle in its own way.
func looking(look func(ctx context.Context, h *hooks, handle storage.Handle) (storage.Record, error)) func(h *hooks) {
	return func(h *hooks) {
		h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
			if _, err := h.Store.AccountByHandle(ctx, handle); err != nil && !errors.Is(err, storage.ErrNotFound) {
				return storage.Record{}, err
			}
			return look(ctx, h, handle)
		}
	}
}

// unindexed keeps handles in notes, beside a good store that has none.
func unindexed(save func(ctx context.Context, h *hooks, r storage.Record, prev int64) error) func(h *hooks) {
	return func(h *hooks) {
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error { return save(ctx, h, r, prev) }
		changeRows(h, func(r *storage.Record) {
			if handle, ok := h.noted("of " + r.ID).(storage.Handle); ok {
				r.Index.Handle = handle
			}
		}, func(*storage.TokenRecord) {})
		h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
			if id, ok := h.noted(string(handle[:])).(string); ok && ctx.Err() == nil {
				return h.LoadAccount(ctx, id)
			}
			return h.Store.AccountByHandle(ctx, handle)
		}
	}
}

// without saves a record without its handle, which goes into the notes.
func (h *hooks) without(ctx context.Context, r storage.Record, prev int64) error {
	handle := r.Index.Handle
	r.Index.Handle = storage.Handle{}
	err := h.Store.SaveAccount(ctx, r, prev)
	if err == nil {
		h.note("of "+r.ID, handle)
		h.note(string(handle[:]), r.ID)
	}
	return err
}

func brokenHandles() []broken {
	var all []broken
	for name, fold := range map[string]func(storage.Handle) storage.Handle{
		"folds the case of handles": foldedBytes(bytes.ToLower),
		"keeps handles as UTF-8":    foldedBytes(func(b []byte) []byte { return bytes.ToValidUTF8(b, []byte("?")) }),
		"ends handles at a zero byte": foldedBytes(func(b []byte) []byte {
			before, _, _ := bytes.Cut(b, []byte{0})
			return before
		}),
		"trims zero bytes and spaces off handles": foldedBytes(func(b []byte) []byte { return bytes.TrimRight(b, "\x00 ") }),
		"keeps 31 bytes of a handle":              foldedBytes(func(b []byte) []byte { return b[:31] }),
		"keeps the first half of a handle":        foldedBytes(func(b []byte) []byte { return b[:16] }),
		"keeps the second half of a handle":       foldedBytes(func(b []byte) []byte { return b[16:] }),
	} {
		all = append(all, broken{name, "account/handle", foldingHandles(fold)})
	}
	return append(all, []broken{
		{"finds accounts without a handle", "account/handle", func(h *hooks) {
			h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
				if handle == (storage.Handle{}) {
					return storage.Record{}, storage.ErrNotFound
				}
				return h.Store.AccountByHandle(ctx, handle)
			}
		}},
		{"lets one account have no handle", "account/handle", unindexed(func(ctx context.Context, h *hooks, r storage.Record, prev int64) error {
			if id, ok := h.noted("none").(string); ok && id != r.ID && r.Index.Handle == (storage.Handle{}) {
				return storage.ErrInvalid
			}
			if r.Index.Handle == (storage.Handle{}) {
				h.note("none", r.ID)
			}
			return h.Store.SaveAccount(ctx, r, prev)
		})},
		{"forgets no handle", "account/handle", func(h *hooks) {
			unindexed(func(ctx context.Context, h *hooks, r storage.Record, prev int64) error {
				return h.without(ctx, r, prev)
			})(h)
		}},
		{"has no data of an account by its handle", "account/handle", looking(func(ctx context.Context, h *hooks, handle storage.Handle) (storage.Record, error) {
			r, err := h.Store.AccountByHandle(ctx, handle)
			r.Data = nil
			return r, err
		})},
		{"has no index of an account by its handle", "account/handle", looking(func(ctx context.Context, h *hooks, handle storage.Handle) (storage.Record, error) {
			r, err := h.Store.AccountByHandle(ctx, handle)
			r.Index = storage.AccountIndex{Handle: r.Index.Handle}
			return r, err
		})},
		{"returns by handle a slice it keeps", "account/handle", looking(func(ctx context.Context, h *hooks, handle storage.Handle) (storage.Record, error) {
			r, err := h.Store.AccountByHandle(ctx, handle)
			if err == nil {
				r.Data = h.kept("by handle "+r.ID, r.Version, r.Data)
			}
			return r, err
		})},
		{"does not compare handles", "account/handle that is taken", unindexed(func(ctx context.Context, h *hooks, r storage.Record, prev int64) error {
			return h.without(ctx, r, prev)
		})},
		{"has a handle that is taken for a conflict", "account/handle that is taken", refusing(func(err error, _ int64) error { return storage.ErrConflict })},
		{"has a handle that is taken by a new account for a conflict", "account/handle that is taken", refusing(func(err error, prev int64) error {
			if prev == 0 {
				return storage.ErrConflict
			}
			return err
		})},
		{"answers yes to a handle that is taken", "account/handle that is taken", refusing(func(error, int64) error { return nil })},
		{"saves all but a handle that is taken", "account/handle that is taken", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				err := h.Store.SaveAccount(ctx, r, prev)
				if errors.Is(err, storage.ErrInvalid) && r.Version != 0 && storage.CheckID(r.ID) == nil {
					r.Index.Handle = storage.Handle{}
					_ = h.Store.SaveAccount(ctx, r, prev)
				}
				return err
			}
		}},
		{"has a conflict for a handle that is taken", "account/handle that is taken", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if r.Index.Handle != (storage.Handle{}) {
					if _, err := h.Store.AccountByHandle(ctx, r.Index.Handle); err == nil && prev == 0 {
						return storage.ErrInvalid
					}
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}},
		{"looks for a handle and saves it in two steps", "account/racing handles", unindexed(func(ctx context.Context, h *hooks, r storage.Record, prev int64) error {
			taken := h.noted(string(r.Index.Handle[:])) != nil
			h.meet()
			if taken && r.Index.Handle != (storage.Handle{}) {
				return storage.ErrInvalid
			}
			return h.without(ctx, r, prev)
		})},
		{"gives a handle to nobody where several want it", "account/racing handles", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if r.Index.Handle != (storage.Handle{}) {
					before := h.note(string(r.Index.Handle[:]), r.ID)
					h.meet()
					if before != nil || h.noted(string(r.Index.Handle[:])) != r.ID {
						return storage.ErrInvalid
					}
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}},
		{"takes a race for a handle for a fault", "account/racing handles", func(h *hooks) {
			fault := errors.New("unique constraint")
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if err := h.Store.SaveAccount(ctx, r, prev); err != nil {
					return fault
				}
				return nil
			}
		}},
		{"reads handles from a cache of the handle", "two handles", func(h *hooks) {
			cache := &common{notes: make(map[string]any)}
			h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
				if r, ok := cache.noted(string(handle[:])).(storage.Record); ok {
					return r, nil
				}
				r, err := h.Store.AccountByHandle(ctx, handle)
				if err == nil {
					cache.note(string(handle[:]), r)
				}
				return r, err
			}
		}},
		{"ignores the context in AccountByHandle", "ended context", func(h *hooks) {
			h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
				return h.Store.AccountByHandle(context.WithoutCancel(ctx), handle)
			}
		}},
	}...)
}

// refusing changes how a handle that is taken is refused.
func refusing(refuse func(err error, prev int64) error) func(h *hooks) {
	return func(h *hooks) {
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
			err := h.Store.SaveAccount(ctx, r, prev)
			if errors.Is(err, storage.ErrInvalid) && r.Version != 0 && storage.CheckID(r.ID) == nil {
				return refuse(err, prev)
			}
			return err
		}
	}
}

// waiting lists the accounts that has wants.
func waiting(has func(h *hooks, r storage.Record) bool) func(h *hooks) {
	return func(h *hooks) {
		h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
			if page, err := h.Store.UnsentAccounts(ctx, after, limit); err != nil {
				return page, err
			}
			all, err := h.Store.Accounts(ctx, after, 1<<30)
			return storage.PageOf(slices.DeleteFunc(all.Records, func(r storage.Record) bool { return !has(h, r) }), limit), err
		}
	}
}

func brokenUnsent() []broken {
	return []broken{
		{"lists all accounts as unsent", "account/unsent", waiting(func(*hooks, storage.Record) bool { return true })},
		{"lists accounts for which nothing waits", "unsent/pages", waiting(func(*hooks, storage.Record) bool { return true })},
		{"lists no unsent accounts", "account/unsent", waiting(func(*hooks, storage.Record) bool { return false })},
		{"takes 1970 for never", "account/unsent", waiting(func(_ *hooks, r storage.Record) bool {
			return !r.Index.Unsent.IsZero() && !r.Index.Unsent.Equal(time.Unix(0, 0))
		})},
		{"lists what was told", "account/unsent", waiting(func(h *hooks, r storage.Record) bool {
			if !r.Index.Unsent.IsZero() {
				h.note(r.ID, true)
			}
			return h.noted(r.ID) != nil
		})},
		{"lists accounts in the order in which they wait", "unsent/pages", func(h *hooks) {
			h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
				page, err := h.Store.UnsentAccounts(ctx, after, limit)
				slices.SortStableFunc(page.Records, func(a, b storage.Record) int { return a.Index.Unsent.Compare(b.Index.Unsent) })
				return page, err
			}
		}},
		{"lists unsent accounts of a cache of the handle", "account/unsent", func(h *hooks) {
			cache := &common{notes: make(map[string]any)}
			h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
				page, ok := cache.noted(after).(storage.Page[storage.Record])
				if ok {
					return page, nil
				}
				page, err := h.Store.UnsentAccounts(ctx, after, limit)
				if err == nil && len(page.Records) > 0 {
					cache.note(after, page)
				}
				return page, err
			}
		}},
		{"lists unsent accounts without their index", "account/unsent", func(h *hooks) {
			changePages(h, func(page []storage.Record) {
				for i := range page {
					page[i].Index = storage.AccountIndex{}
				}
			}, func([]storage.TokenRecord) {})
		}},
		{"takes any ID in UnsentAccounts", "invalid IDs", func(h *hooks) {
			h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
				if storage.CheckID(after) != nil {
					after = ""
				}
				return h.Store.UnsentAccounts(ctx, after, limit)
			}
		}},
		{"ignores the context in UnsentAccounts", "ended context", func(h *hooks) {
			h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
				return h.Store.UnsentAccounts(context.WithoutCancel(ctx), after, limit)
			}
		}},
	}
}
