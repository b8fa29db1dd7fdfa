package storagetest_test

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// living lists an account's tokens that has wants, from the listing of all of them.
func living(has func(t storage.TokenRecord, live storage.Live) bool) func(h *hooks) {
	return func(h *hooks) {
		h.liveTokens = func(ctx context.Context, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			if _, err := h.Store.LiveTokens(ctx, accountID, live, after, limit); err != nil {
				return storage.Page[storage.TokenRecord]{}, err
			}
			all, err := h.Store.Tokens(ctx, accountID, after, math.MaxInt)
			return storage.PageOf(slices.DeleteFunc(all.Records, func(t storage.TokenRecord) bool { return !has(t, live) }), limit), err
		}
	}
}

func brokenLive() []broken {
	asking := func(ask func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error)) func(h *hooks) {
		return func(h *hooks) {
			h.liveTokens = func(ctx context.Context, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				return ask(ctx, h, accountID, live, after, limit)
			}
		}
	}
	return []broken{
		{"lists revoked tokens as live", "token/live", living(func(t storage.TokenRecord, live storage.Live) bool {
			t.Index.Revoked = false
			return live.Has(t.Index)
		})},
		{"lists expired tokens as live", "token/live", living(func(t storage.TokenRecord, live storage.Live) bool {
			return !t.Index.Revoked && t.Index.Epoch == live.Epoch
		})},
		{"lists tokens that expire now as live", "token/live", living(func(t storage.TokenRecord, live storage.Live) bool {
			live.At = live.At.Truncate(time.Microsecond).Add(-1)
			return live.Has(t.Index)
		})},
		{"takes no expiry for live", "token/live", living(func(t storage.TokenRecord, live storage.Live) bool {
			return live.Has(t.Index) || t.Index.Expires.IsZero() && !t.Index.Revoked && t.Index.Epoch == live.Epoch
		})},
		{"lists tokens of another epoch as live", "token/live", living(func(t storage.TokenRecord, live storage.Live) bool {
			return !t.Index.Revoked && t.Index.Expires.After(live.At)
		})},
		{"keeps 32 bits of an epoch", "token/live", living(func(t storage.TokenRecord, live storage.Live) bool {
			return !t.Index.Revoked && t.Index.Expires.After(live.At) && int32(t.Index.Epoch) == int32(live.Epoch)
		})},
		{"filters a page after its limit", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			if _, err := h.Store.LiveTokens(ctx, accountID, live, after, limit); err != nil {
				return storage.Page[storage.TokenRecord]{}, err
			}
			page, err := h.Store.Tokens(ctx, accountID, after, limit)
			page.Records = slices.DeleteFunc(page.Records, func(t storage.TokenRecord) bool { return !live.Has(t.Index) })
			return page, err
		})},
		{"lists live tokens of a later microsecond", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			if !live.At.IsZero() {
				live.At = live.At.Round(time.Microsecond)
			}
			return h.Store.LiveTokens(ctx, accountID, live, after, limit)
		})},
		{"lists all live tokens whatever the limit", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			if limit > 0 {
				limit = math.MaxInt
			}
			return h.Store.LiveTokens(ctx, accountID, live, after, limit)
		})},
		{"begins live tokens anew", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			page, err := h.Store.LiveTokens(ctx, accountID, live, after, limit)
			if err == nil && after != "" && !page.More {
				return h.Store.LiveTokens(ctx, accountID, live, "", limit)
			}
			return page, err
		})},
		{"takes live tokens of no time", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			if live.At.IsZero() {
				live.At = time.Unix(0, 0)
			}
			return h.Store.LiveTokens(ctx, accountID, live, after, limit)
		})},
		{"drops the order of live tokens", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			page, err := h.Store.LiveTokens(ctx, accountID, live, after, limit)
			slices.Reverse(page.Records)
			return page, err
		})},
		{"says that more live tokens follow a full page", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			page, err := h.Store.LiveTokens(ctx, accountID, live, after, limit)
			page.More = len(page.Records) == limit
			return page, err
		})},
		{"says that more follow where tokens that have ended do", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			page, err := h.Store.LiveTokens(ctx, accountID, live, after, limit)
			if n := len(page.Records); n > 0 {
				rest, _ := h.Store.Tokens(ctx, accountID, page.Records[n-1].ID, 1)
				page.More = len(rest.Records) > 0
			}
			return page, err
		})},
		{"never says that more live tokens follow", "token/live", asking(func(ctx context.Context, h *hooks, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			page, err := h.Store.LiveTokens(ctx, accountID, live, after, limit)
			page.More = false
			return page, err
		})},
	}
}
