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

// row is a record of any listing.
type row struct {
	id, owner string
	record    any
}

// rows is any listing of the good store underneath.
type rows func(after string, limit int) (storage.Page[row], error)

// relist puts a listing of its own for each of the good store's.
func relist(change func(under rows, after string, limit int) (storage.Page[row], error)) func(h *hooks) {
	return func(h *hooks) {
		h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
			return pageFrom[storage.Record](change(accountRows(ctx, h.Store.Accounts), after, limit))
		}
		h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
			return pageFrom[storage.Record](change(accountRows(ctx, h.Store.UnsentAccounts), after, limit))
		}
		h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			return pageFrom[storage.TokenRecord](change(func(after string, limit int) (storage.Page[row], error) {
				return tokenRows(h.Store.Tokens(ctx, accountID, after, limit))
			}, after, limit))
		}
		h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			return pageFrom[storage.TokenRecord](change(allTokenRows(ctx, h.Store), after, limit))
		}
	}
}

// relistAll does what relist does for the listing of all tokens alone.
func relistAll(change func(ctx context.Context, h *hooks, under rows, after string, limit int) (storage.Page[row], error)) func(h *hooks) {
	return func(h *hooks) {
		h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			return pageFrom[storage.TokenRecord](change(ctx, h, allTokenRows(ctx, h.Store), after, limit))
		}
	}
}

func accountRows(ctx context.Context, list func(context.Context, string, int) (storage.Page[storage.Record], error)) rows {
	return func(after string, limit int) (storage.Page[row], error) {
		page, err := list(ctx, after, limit)
		return rowsOf(page, func(r storage.Record) row { return row{r.ID, r.ID, r} }), err
	}
}

func allTokenRows(ctx context.Context, s storage.Store) rows {
	return func(after string, limit int) (storage.Page[row], error) {
		return tokenRows(s.AllTokens(ctx, after, limit))
	}
}

func tokenRows(page storage.Page[storage.TokenRecord], err error) (storage.Page[row], error) {
	return rowsOf(page, func(t storage.TokenRecord) row { return row{t.ID, t.AccountID, t} }), err
}

func rowsOf[T any](page storage.Page[T], of func(T) row) storage.Page[row] {
	all := storage.Page[row]{More: page.More}
	for _, r := range page.Records {
		all.Records = append(all.Records, of(r))
	}
	return all
}

func pageFrom[T any](all storage.Page[row], err error) (storage.Page[T], error) {
	page := storage.Page[T]{More: all.More}
	for _, r := range all.Records {
		page.Records = append(page.Records, r.record.(T))
	}
	return page, err
}

// ordering lists in an order of its own.
func ordering(compare func(a, b string) int) func(h *hooks) {
	return relist(func(under rows, after string, limit int) (storage.Page[row], error) {
		if page, err := under(after, limit); err != nil {
			return page, err
		}
		page, err := under("", math.MaxInt)
		all := slices.DeleteFunc(page.Records, func(r row) bool { return after != "" && compare(r.id, after) <= 0 })
		slices.SortFunc(all, func(a, b row) int { return compare(a.id, b.id) })
		return storage.PageOf(all, limit), err
	})
}

// asking changes what listings are asked for.
func asking(ask func(after string, limit int) (string, int)) func(h *hooks) {
	return relist(func(under rows, after string, limit int) (storage.Page[row], error) { return under(ask(after, limit)) })
}

// giving changes what listings give.
func giving(give func(page *storage.Page[row], after string, limit int)) func(h *hooks) {
	return relist(func(under rows, after string, limit int) (storage.Page[row], error) {
		page, err := under(after, limit)
		if err == nil {
			give(&page, after, limit)
		}
		return page, err
	})
}

// filtering leaves rows out of all tokens.
func filtering(out func(ownerIsThere bool) bool) func(h *hooks) {
	return relistAll(func(ctx context.Context, h *hooks, under rows, after string, limit int) (storage.Page[row], error) {
		page, err := under(after, limit)
		page.Records = slices.DeleteFunc(page.Records, func(r row) bool {
			_, e := h.Store.LoadAccount(ctx, r.owner)
			return out(e == nil)
		})
		page.More = page.More && len(page.Records) > 0
		return page, err
	})
}

func byID(a, b row) int { return strings.Compare(a.id, b.id) }

func brokenPages() []broken {
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
		listings("gives one more than the limit", "pages", asking(func(after string, limit int) (string, int) {
			return after, max(limit, min(limit, 1<<20)+1)
		})),
		listings("takes any limit", "after and limit", asking(func(after string, limit int) (string, int) {
			return after, max(limit, 1)
		})),
		listings("cannot take a great limit", "after and limit", asking(func(after string, limit int) (string, int) {
			if limit > 1<<30 {
				return after, -1
			}
			return after, limit
		})),
		listings("adds one to the greatest limit", "after and limit", asking(func(after string, limit int) (string, int) {
			if limit == math.MaxInt {
				limit = math.MinInt
			}
			return after, limit
		})),
		listings("begins every page at the first record", "pages", asking(func(_ string, limit int) (string, int) {
			return "", limit
		})),
		listings("leaves the last of a page out", "pages", giving(func(page *storage.Page[row], _ string, _ int) {
			n := max(len(page.Records)-1, 0)
			page.Records, page.More = page.Records[:n], page.More && n > 0
		})),
		listings("has no first record", "after and limit", giving(func(page *storage.Page[row], after string, _ int) {
			if after == "" {
				*page = storage.Page[row]{}
			}
		})),
		listings("lists the one it should begin after", "pages", relist(func(under rows, after string, limit int) (storage.Page[row], error) {
			page, err := under(after, limit)
			all, _ := under("", math.MaxInt)
			if i := slices.IndexFunc(all.Records, func(r row) bool { return r.id == after }); i >= 0 && err == nil {
				page.Records = append(all.Records[i:i+1:i+1], page.Records...)[:min(limit, len(page.Records)+1)]
			}
			return page, err
		})),
		listings("lists nothing after an ID that is not stored", "pages", relist(func(under rows, after string, limit int) (storage.Page[row], error) {
			page, err := under(after, limit)
			all, _ := under("", math.MaxInt)
			if after != "" && err == nil && !slices.ContainsFunc(all.Records, func(r row) bool { return r.id == after }) {
				return storage.Page[row]{}, nil
			}
			return page, err
		})),
		listings("never says that more follow", "more", giving(func(page *storage.Page[row], _ string, _ int) { page.More = false })),
		listings("says that more follow a full page", "more", giving(func(page *storage.Page[row], _ string, limit int) {
			page.More = len(page.Records) == limit
		})),
		listings("says that more follow any page", "more", giving(func(page *storage.Page[row], _ string, _ int) {
			page.More = len(page.Records) > 0
		})),
		listings("says that more follow an empty page", "after and limit", giving(func(page *storage.Page[row], _ string, _ int) {
			page.More = page.More || len(page.Records) == 0
		})),
		listings("takes a short page for the last one", "more", giving(func(page *storage.Page[row], _ string, limit int) {
			if limit > 2 {
				*page = storage.Page[row]{Records: page.Records[:min(2, len(page.Records))]}
			}
		})),
		[]broken{
			{"has no listing without an owner", "token/owner", func(h *hooks) {
				h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
					page, err := h.Store.Tokens(ctx, accountID, after, limit)
					if _, e := h.Store.LoadAccount(ctx, accountID); e != nil {
						return storage.Page[storage.TokenRecord]{}, err
					}
					return page, err
				}
			}},
			{"does not find the tokens of no owner", "token/after and limit", func(h *hooks) {
				h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
					page, err := h.Store.Tokens(ctx, accountID, after, limit)
					if err == nil && len(page.Records) == 0 && after == "" {
						return page, storage.ErrNotFound
					}
					return page, err
				}
			}},
			{"leaves tokens without an owner out of all", "all tokens/pages", filtering(func(owner bool) bool { return !owner })},
			{"leaves tokens with an owner out of all", "all tokens/pages", filtering(func(owner bool) bool { return owner })},
			{"lists all tokens by owner", "all tokens/pages", relistAll(func(_ context.Context, _ *hooks, under rows, after string, limit int) (storage.Page[row], error) {
				page, err := under(after, limit)
				slices.SortStableFunc(page.Records, func(a, b row) int { return strings.Compare(a.owner, b.owner) })
				return page, err
			})},
			{"lists accounts among all tokens", "all tokens/pages", relistAll(func(ctx context.Context, h *hooks, under rows, after string, limit int) (storage.Page[row], error) {
				page, err := under(after, limit)
				more, _ := accountRows(ctx, h.Store.Accounts)(after, max(limit, 1))
				for _, r := range more.Records {
					r.record = storage.TokenRecord{ID: r.id, AccountID: r.owner}
					page.Records = append(page.Records, r)
				}
				slices.SortFunc(page.Records, byID)
				return storage.PageOf(page.Records, max(limit, 0)), err
			})},
			{"lists the tokens of deleted accounts among all", "account/delete", func(h *hooks) {
				h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
					h.note(t.ID, row{t.ID, t.AccountID, t})
					return h.Store.SaveToken(ctx, t, prev)
				}
				relistAll(func(_ context.Context, h *hooks, _ rows, after string, limit int) (storage.Page[row], error) {
					return storage.PageOf(h.noticed(after), limit), nil
				})(h)
			}},
			{"lists deleted accounts", "account/pages", func(h *hooks) {
				h.deleteAccount = func(ctx context.Context, id string) error {
					if r, err := h.Store.LoadAccount(ctx, id); err == nil {
						h.note(id, row{id, id, r})
					}
					return h.Store.DeleteAccount(ctx, id)
				}
				h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
					page, err := accountRows(ctx, h.Store.Accounts)(after, limit)
					all := append(page.Records, h.noticed(after)...)
					slices.SortFunc(all, byID)
					return pageFrom[storage.Record](storage.PageOf(all, max(limit, 0)), err)
				}
			}},
		},
	)
}

// noticed returns the rows among the notes that are greater than after, in order.
func (c *common) noticed(after string) []row {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []row
	for _, note := range c.notes {
		if r, ok := note.(row); ok && r.id > after {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, byID)
	return all
}
