package storagetest_test

import (
	"context"
	"errors"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// token returns a token of the subtest, whether or not its owner exists.
func (h *hooks) token(ctx context.Context, id string) (storage.TokenRecord, bool) {
	for after := ""; ; {
		page, err := h.Store.AllTokens(ctx, after, 100)
		for _, t := range page.Records {
			if t.ID == id {
				return t, true
			}
			after = t.ID
		}
		if err != nil || !page.More {
			return storage.TokenRecord{}, false
		}
	}
}

// forceDelete deletes a token of any version, if it is there.
func (h *hooks) forceDelete(ctx context.Context, id string) error {
	for {
		t, ok := h.token(ctx, id)
		if !ok {
			return ctx.Err()
		}
		if err := h.Store.DeleteToken(ctx, id, t.Version); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

type deleteFunc = func(ctx context.Context) error

// deleting puts something around DeleteToken.
func deleting(around func(h *hooks, ctx context.Context, id string, prev int64, remove deleteFunc) error) func(h *hooks) {
	return func(h *hooks) {
		h.deleteToken = func(ctx context.Context, id string, prev int64) error {
			return around(h, ctx, id, prev, func(ctx context.Context) error { return h.Store.DeleteToken(ctx, id, prev) })
		}
	}
}

// deletesIf compares versions in its own way, and then deletes whatever is stored meanwhile.
func deletesIf(same func(h *hooks, version, prev int64) bool) func(h *hooks) {
	return deleting(func(h *hooks, ctx context.Context, id string, prev int64, remove deleteFunc) error {
		t, ok := h.token(ctx, id)
		if !ok || prev == 0 {
			return remove(ctx)
		}
		if !same(h, t.Version, prev) {
			return storage.ErrConflict
		}
		return h.forceDelete(ctx, id)
	})
}

func brokenTokenDeletes() []broken {
	const conflict, all = "delete token/conflict", "delete token/all of it"
	return []broken{
		{"deletes tokens of any version", conflict, deletesIf(func(_ *hooks, _, _ int64) bool { return true })},
		{"compares 32 bits of a version to delete", conflict, deletesIf(func(_ *hooks, version, prev int64) bool { return int32(version) == int32(prev) })},
		{"compares versions to delete as floats", conflict, deletesIf(func(_ *hooks, version, prev int64) bool { return float64(version) == float64(prev) })},
		{"compares versions to delete without their sign", conflict, deletesIf(func(_ *hooks, version, prev int64) bool { return version == prev || version == -prev })},
		{"takes an absent token for deleted", conflict, deleting(func(h *hooks, ctx context.Context, id string, prev int64, remove deleteFunc) error {
			if _, ok := h.token(ctx, id); !ok && prev != 0 {
				return nil
			}
			return remove(ctx)
		})},
		{"does not find an absent token to delete", conflict, deleting(func(h *hooks, ctx context.Context, id string, prev int64, remove deleteFunc) error {
			if _, ok := h.token(ctx, id); !ok && prev != 0 {
				return storage.ErrNotFound
			}
			return remove(ctx)
		})},
		{"takes prev 0 for any version", conflict, deleting(func(h *hooks, ctx context.Context, id string, prev int64, remove deleteFunc) error {
			if prev == 0 {
				return h.forceDelete(ctx, id)
			}
			return remove(ctx)
		})},
		{"takes prev 0 for no version", conflict, deleting(func(_ *hooks, ctx context.Context, _ string, prev int64, remove deleteFunc) error {
			if prev == 0 {
				return storage.ErrConflict
			}
			return remove(ctx)
		})},
		{"has its own error for another version to delete", conflict, deleting(func(_ *hooks, ctx context.Context, _ string, _ int64, remove deleteFunc) error {
			if err := remove(ctx); !errors.Is(err, storage.ErrConflict) {
				return err
			}
			return errOdd
		})},
		{"deletes and calls it a conflict", conflict, deleting(func(_ *hooks, ctx context.Context, _ string, _ int64, remove deleteFunc) error {
			return errors.Join(remove(ctx), storage.ErrConflict)
		})},
		{"deletes no token", all, deleting(func(*hooks, context.Context, string, int64, deleteFunc) error { return nil })},
		{"remembers the usage of a deleted token", all, func(h *hooks) {
			adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage { return added(old, use) })(h)
		}},
		{"deletes all tokens of the owner", all, deleting(func(h *hooks, ctx context.Context, id string, _ int64, remove deleteFunc) error {
			t, ok := h.token(ctx, id)
			err := remove(ctx)
			if ok && err == nil {
				page, _ := h.Store.Tokens(ctx, t.AccountID, "", 100)
				for _, t := range page.Records {
					_ = h.forceDelete(ctx, t.ID)
				}
			}
			return err
		})},
		{"deletes tokens by a pattern", all, deleting(func(h *hooks, ctx context.Context, id string, _ int64, remove deleteFunc) error {
			err := remove(ctx)
			page, _ := h.Store.AllTokens(ctx, id, 10)
			for _, t := range page.Records {
				if strings.HasPrefix(t.ID, id) && err == nil {
					_ = h.forceDelete(ctx, t.ID)
				}
			}
			return err
		})},
		{"forgets the usage of the owner's other tokens", all, func(h *hooks) {
			adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage { return added(old, use) })(h)
			h.deleteToken = func(ctx context.Context, id string, prev int64) error {
				t, _ := h.token(ctx, id)
				page, _ := h.Store.Tokens(ctx, t.AccountID, "", 100)
				for _, t := range page.Records {
					h.setUsage(t.ID, storage.TokenUsage{})
				}
				return h.Store.DeleteToken(ctx, id, prev)
			}
		}},
		{"deletes the owner with a token", all, deleting(func(h *hooks, ctx context.Context, id string, _ int64, remove deleteFunc) error {
			t, ok := h.token(ctx, id)
			others, _ := h.Store.Tokens(ctx, t.AccountID, "", 100)
			err := remove(ctx)
			if ok && err == nil {
				err = h.Store.DeleteAccount(ctx, t.AccountID)
				for _, other := range others.Records {
					if other.ID != id {
						_ = h.Store.SaveToken(ctx, other, 0)
						_ = h.Store.TouchTokens(ctx, []storage.TokenUse{{ID: other.ID, TokenUsage: other.Usage}})
					}
				}
			}
			return err
		})},
		{"deletes no token without an owner", all, deleting(func(h *hooks, ctx context.Context, id string, _ int64, remove deleteFunc) error {
			if !h.exists(ctx, id) {
				return storage.ErrConflict
			}
			return remove(ctx)
		})},
		{"lists deleted tokens of an account", all, lingering(func(h *hooks, gone storage.TokenRecord) {
			h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				if after == "" {
					return storage.Page[storage.TokenRecord]{Records: []storage.TokenRecord{gone}}, nil
				}
				return h.Store.Tokens(ctx, accountID, after, limit)
			}
		})},
		{"lists deleted tokens among all", all, lingering(func(h *hooks, gone storage.TokenRecord) {
			h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				if after < gone.ID {
					return storage.Page[storage.TokenRecord]{Records: []storage.TokenRecord{gone}}, nil
				}
				return h.Store.AllTokens(ctx, after, limit)
			}
		})},
		{"compares and deletes in two steps", "delete token/racing saves", deletesIf(func(h *hooks, version, prev int64) bool {
			h.meet()
			return version == prev
		})},
		{"deletes what was saved meanwhile", "delete token/racing saves", func(h *hooks) {
			deletesIf(func(h *hooks, version, prev int64) bool {
				if version != prev {
					return false
				}
				saves := h.saves.Load()
				wait(func() bool { return h.saves.Load() > saves })
				return true
			})(h)
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if err == nil && prev != 0 {
					h.saves.Add(1)
				}
				return err
			}
		}},
		{"calls it a delete where the context ends midway", "delete token/context ends midway", deleting(func(_ *hooks, ctx context.Context, _ string, _ int64, remove deleteFunc) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			return remove(context.WithoutCancel(ctx))
		})},
		{"calls it a conflict where the context ends after a delete", "delete token/context ends midway", deleting(func(_ *hooks, ctx context.Context, _ string, _ int64, remove deleteFunc) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := remove(context.WithoutCancel(ctx))
			if ctx.Err() != nil {
				return storage.ErrConflict
			}
			return err
		})},
		{"has its own error where the context ends after a delete", "delete token/context ends midway", deleting(func(_ *hooks, ctx context.Context, _ string, _ int64, remove deleteFunc) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := remove(context.WithoutCancel(ctx))
			if ctx.Err() != nil {
				return storage.ErrNotFound
			}
			return err
		})},
	}
}

// lingering has listings that are told what was deleted.
func lingering(told func(h *hooks, gone storage.TokenRecord)) func(h *hooks) {
	return deleting(func(h *hooks, ctx context.Context, id string, _ int64, remove deleteFunc) error {
		t, _ := h.token(ctx, id)
		err := remove(ctx)
		if err == nil {
			told(h, t)
		}
		return err
	})
}
