package storagetest_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/gatehouse-go/gatehouse/storage"
)

// ordering lists in an order of its own.
func ordering(compare func(a, b string) int) func(h *hooks) {
	return func(h *hooks) {
		h.accounts = func(ctx context.Context, after string, limit int) ([]storage.Record, error) {
			if _, err := h.Store.Accounts(ctx, after, limit); err != nil {
				return nil, err
			}
			all, err := h.Store.Accounts(ctx, "", math.MaxInt)
			all = slices.DeleteFunc(all, func(r storage.Record) bool { return after != "" && compare(r.ID, after) <= 0 })
			slices.SortFunc(all, func(a, b storage.Record) int { return compare(a.ID, b.ID) })
			return all[:min(limit, len(all))], err
		}
		h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
			if _, err := h.Store.Tokens(ctx, accountID, after, limit); err != nil {
				return nil, err
			}
			all, err := h.Store.Tokens(ctx, accountID, "", math.MaxInt)
			all = slices.DeleteFunc(all, func(t storage.TokenRecord) bool { return after != "" && compare(t.ID, after) <= 0 })
			slices.SortFunc(all, func(a, b storage.TokenRecord) int { return compare(a.ID, b.ID) })
			return all[:min(limit, len(all))], err
		}
		h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
			if _, err := h.Store.AllTokens(ctx, after, limit); err != nil {
				return nil, err
			}
			all, err := h.Store.AllTokens(ctx, "", math.MaxInt)
			all = slices.DeleteFunc(all, func(t storage.TokenRecord) bool { return after != "" && compare(t.ID, after) <= 0 })
			slices.SortFunc(all, func(a, b storage.TokenRecord) int { return compare(a.ID, b.ID) })
			return all[:min(limit, len(all))], err
		}
	}
}

// listing changes what is asked of both listings, or what they give where after is not empty.
func listing(ask func(after string, limit int) (string, int), give func(n int) int) func(h *hooks) {
	return func(h *hooks) {
		h.accounts = func(ctx context.Context, after string, limit int) ([]storage.Record, error) {
			after, limit = ask(after, limit)
			page, err := h.Store.Accounts(ctx, after, limit)
			return page[:give(len(page))], err
		}
		h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
			after, limit = ask(after, limit)
			page, err := h.Store.Tokens(ctx, accountID, after, limit)
			return page[:give(len(page))], err
		}
		h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
			after, limit = ask(after, limit)
			page, err := h.Store.AllTokens(ctx, after, limit)
			return page[:give(len(page))], err
		}
	}
}

func brokenPages() []broken {
	same := func(after string, limit int) (string, int) { return after, limit }
	whole := func(n int) int { return n }
	folded := func(a, b string) int {
		return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
	}
	padded := func(a, b string) int {
		n := max(len(a), len(b))
		return cmp.Or(strings.Compare(a+strings.Repeat(" ", n-len(a)), b+strings.Repeat(" ", n-len(b))), strings.Compare(a, b))
	}
	inUTF16 := func(a, b string) int { return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) }
	return slices.Concat(
		listings("lists backwards", "pages", ordering(func(a, b string) int { return strings.Compare(b, a) })),
		listings("lists in the order of a dictionary", "pages", ordering(folded)),
		listings("lists in the order of UTF-16", "pages", ordering(inUTF16)),
		listings("lists as if padded with spaces", "pages", ordering(padded)),
		listings("lists shorter IDs first", "pages", ordering(func(a, b string) int {
			return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
		})),
		listings("gives one more than the limit", "pages", listing(func(after string, limit int) (string, int) {
			return after, max(limit, min(limit, 1<<20)+1)
		}, whole)),
		listings("takes any limit", "after and limit", listing(func(after string, limit int) (string, int) {
			return after, max(limit, 1)
		}, whole)),
		listings("cannot take a great limit", "after and limit", listing(func(after string, limit int) (string, int) {
			if limit > 1<<30 {
				return after, -1
			}
			return after, limit
		}, whole)),
		listings("begins every page at the first record", "pages", listing(func(_ string, limit int) (string, int) {
			return "", limit
		}, whole)),
		listings("leaves the last of a page out", "pages", listing(same, func(n int) int { return max(n-1, 0) })),
		listings("has no first record", "after and limit", func(h *hooks) {
			h.accounts = func(ctx context.Context, after string, limit int) ([]storage.Record, error) {
				page, err := h.Store.Accounts(ctx, after, limit)
				if after == "" {
					return nil, err
				}
				return page, err
			}
			h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
				page, err := h.Store.Tokens(ctx, accountID, after, limit)
				if after == "" {
					return nil, err
				}
				return page, err
			}
			h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
				page, err := h.Store.AllTokens(ctx, after, limit)
				if after == "" {
					return nil, err
				}
				return page, err
			}
		}),
		listings("lists the one it should begin after", "pages", func(h *hooks) {
			h.accounts = func(ctx context.Context, after string, limit int) ([]storage.Record, error) {
				page, err := h.Store.Accounts(ctx, after, limit)
				if r, e := h.Store.LoadAccount(ctx, after); e == nil && err == nil {
					page = append([]storage.Record{r}, page...)[:min(limit, len(page)+1)]
				}
				return page, err
			}
			h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
				page, err := h.Store.Tokens(ctx, accountID, after, limit)
				if t, _, e := h.Store.LoadToken(ctx, after); e == nil && err == nil {
					page = append([]storage.TokenRecord{t}, page...)[:min(limit, len(page)+1)]
				}
				return page, err
			}
			h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
				page, err := h.Store.AllTokens(ctx, after, limit)
				if t, _, e := h.Store.LoadToken(ctx, after); e == nil && err == nil {
					page = append([]storage.TokenRecord{t}, page...)[:min(limit, len(page)+1)]
				}
				return page, err
			}
		}),
		listings("lists nothing after an ID that is not stored", "pages", func(h *hooks) {
			h.accounts = func(ctx context.Context, after string, limit int) ([]storage.Record, error) {
				page, err := h.Store.Accounts(ctx, after, limit)
				if _, e := h.Store.LoadAccount(ctx, after); after != "" && e != nil {
					return nil, err
				}
				return page, err
			}
			h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
				page, err := h.Store.Tokens(ctx, accountID, after, limit)
				if _, e := h.storedToken(ctx, "of-"+after, after); after != "" && e != nil {
					if _, _, e := h.Store.LoadToken(ctx, after); e != nil {
						return nil, err
					}
				}
				return page, err
			}
			h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
				page, err := h.Store.AllTokens(ctx, after, limit)
				if _, _, e := h.Store.LoadToken(ctx, after); after != "" && e != nil {
					return nil, err
				}
				return page, err
			}
		}),
		[]broken{
			{"has no listing without an owner", "token/owner", func(h *hooks) {
				h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
					page, err := h.Store.Tokens(ctx, accountID, after, limit)
					if _, e := h.Store.LoadAccount(ctx, accountID); e != nil {
						return nil, err
					}
					return page, err
				}
			}},
			{"does not find the tokens of no owner", "token/after and limit", func(h *hooks) {
				h.tokens = func(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
					page, err := h.Store.Tokens(ctx, accountID, after, limit)
					if err == nil && len(page) == 0 && after == "" {
						return nil, storage.ErrNotFound
					}
					return page, err
				}
			}},
			{"leaves tokens without an owner out of all", "all tokens/pages", func(h *hooks) {
				h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
					page, err := h.Store.AllTokens(ctx, after, limit)
					return slices.DeleteFunc(page, func(t storage.TokenRecord) bool {
						_, e := h.Store.LoadAccount(ctx, t.AccountID)
						return e != nil
					}), err
				}
			}},
			{"leaves tokens with an owner out of all", "all tokens/pages", func(h *hooks) {
				h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
					page, err := h.Store.AllTokens(ctx, after, limit)
					return slices.DeleteFunc(page, func(t storage.TokenRecord) bool {
						_, e := h.Store.LoadAccount(ctx, t.AccountID)
						return e == nil
					}), err
				}
			}},
			{"lists all tokens by owner", "all tokens/pages", func(h *hooks) {
				h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
					page, err := h.Store.AllTokens(ctx, after, limit)
					slices.SortStableFunc(page, func(a, b storage.TokenRecord) int { return strings.Compare(a.AccountID, b.AccountID) })
					return page, err
				}
			}},
			{"lists accounts among all tokens", "all tokens/pages", func(h *hooks) {
				h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
					page, err := h.Store.AllTokens(ctx, after, limit)
					more, _ := h.Store.Accounts(ctx, after, max(limit, 1))
					for _, r := range more {
						page = append(page, storage.TokenRecord{ID: r.ID, AccountID: r.ID, Version: r.Version, Data: r.Data})
					}
					slices.SortFunc(page, func(a, b storage.TokenRecord) int { return strings.Compare(a.ID, b.ID) })
					return page[:min(max(limit, 0), len(page))], err
				}
			}},
			{"lists the tokens of deleted accounts among all", "account/delete", func(h *hooks) {
				h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
					h.note(t.ID, t)
					return h.Store.SaveToken(ctx, t, prev)
				}
				h.allTokens = func(ctx context.Context, after string, limit int) ([]storage.TokenRecord, error) {
					h.mu.Lock()
					defer h.mu.Unlock()
					var page []storage.TokenRecord
					for _, note := range h.notes {
						if t := note.(storage.TokenRecord); t.ID > after {
							page = append(page, t)
						}
					}
					slices.SortFunc(page, func(a, b storage.TokenRecord) int { return strings.Compare(a.ID, b.ID) })
					return page[:min(limit, len(page))], nil
				}
			}},
			{"lists deleted accounts", "account/pages", func(h *hooks) {
				h.deleteAccount = func(ctx context.Context, id string) error {
					if r, err := h.Store.LoadAccount(ctx, id); err == nil {
						h.note(id, r)
					}
					return h.Store.DeleteAccount(ctx, id)
				}
				h.accounts = func(ctx context.Context, after string, limit int) ([]storage.Record, error) {
					page, err := h.Store.Accounts(ctx, after, limit)
					h.mu.Lock()
					defer h.mu.Unlock()
					for _, note := range h.notes {
						if r := note.(storage.Record); err == nil && r.ID > after && (len(page) == 0 || r.ID < page[len(page)-1].ID) {
							page = append(page, r)
						}
					}
					slices.SortFunc(page, func(a, b storage.Record) int { return strings.Compare(a.ID, b.ID) })
					return page[:min(max(limit, 0), len(page))], err
				}
			}},
		},
	)
}
