package storagetest_test

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/gatehouse-go/gatehouse/storage"
)

// hiding leaves rows out of one listing.
func hiding(listing string, hidden func(h *hooks, r row) bool) func(h *hooks) {
	return relistOne(listing, func(h *hooks, under rows, after string, limit int) (storage.Page[row], error) {
		if page, err := under(after, limit); err != nil {
			return page, err
		}
		page, err := under(after, math.MaxInt)
		return storage.PageOf(slices.DeleteFunc(page.Records, func(r row) bool { return hidden(h, r) }), limit), err
	})
}

// relistOne puts a listing of its own for one of the good store's, by the name of the method.
func relistOne(listing string, change func(h *hooks, under rows, after string, limit int) (storage.Page[row], error)) func(h *hooks) {
	return func(h *hooks) {
		relist(func(under rows, after string, limit int) (storage.Page[row], error) {
			return change(h, under, after, limit)
		})(h)
		h.liveTokens = func(ctx context.Context, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			return pageFrom[storage.TokenRecord](change(h, func(after string, limit int) (storage.Page[row], error) {
				return tokenRows(h.Store.LiveTokens(ctx, accountID, live, after, limit))
			}, after, limit))
		}
		for name, mend := range map[string]func(){
			"Accounts": func() { h.accounts = nil }, "UnsentAccounts": func() { h.unsentAccounts = nil },
			"Tokens": func() { h.tokens = nil }, "LiveTokens": func() { h.liveTokens = nil }, "AllTokens": func() { h.allTokens = nil },
		} {
			if name != listing {
				mend()
			}
		}
	}
}

// inEach has a broken store for each listing. Those of accounts must fail one subtest, and those of tokens another.
func inEach(name, fails string, wreck func(listing string) func(h *hooks)) []broken {
	var all []broken
	for _, listing := range []string{"Accounts", "UnsentAccounts"} {
		all = append(all, broken{name + " (" + listing + ")", "account/" + fails, wreck(listing)})
	}
	for _, listing := range []string{"Tokens", "LiveTokens", "AllTokens"} {
		all = append(all, broken{name + " (" + listing + ")", "token/" + fails, wreck(listing)})
	}
	return all
}

// inDocument has a listing in one document, which saves and deletes read and write in two steps.
func inDocument(listing string) func(h *hooks) {
	return func(h *hooks) {
		hiding(listing, func(h *hooks, r row) bool {
			ids, _ := h.noted("document").(map[string]bool)
			return !ids[r.id]
		})(h)
		rewrite := func(id string, listed bool) {
			ids, _ := h.noted("document").(map[string]bool)
			h.meet()
			next := map[string]bool{id: listed}
			maps.Copy(next, ids)
			next[id] = listed
			h.note("document", next)
		}
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
			err := h.Store.SaveAccount(ctx, r, prev)
			if err == nil {
				rewrite(r.ID, true)
			}
			return err
		}
		h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
			err := h.Store.SaveToken(ctx, t, prev)
			if err == nil {
				rewrite(t.ID, true)
			}
			return err
		}
	}
}

// countSaves has the saves of accounts counted.
func countSaves(h *hooks) {
	h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
		err := h.Store.SaveAccount(ctx, r, prev)
		if err == nil {
			h.saves.Add(1)
		}
		return err
	}
}

// untilDelete returns once an account or a token was deleted, or after a while.
func (h *hooks) untilDelete() {
	deletes := h.deletes.Load()
	wait(func() bool { return h.deletes.Load() != deletes })
}

// madeMeanwhile hides tokens from listings that were made while their account was deleted.
func madeMeanwhile(listings ...string) func(h *hooks) {
	return func(h *hooks) {
		for _, listing := range listings {
			one := &hooks{Store: h.Store, common: h.common}
			hiding(listing, func(_ *hooks, r row) bool { return h.noted("hidden "+r.id) != nil })(one)
			switch listing {
			case "Tokens":
				h.tokens = one.tokens
			case "LiveTokens":
				h.liveTokens = one.liveTokens
			case "AllTokens":
				h.allTokens = one.allTokens
			}
		}
		h.deleteAccount = func(ctx context.Context, id string) error {
			h.note("busy "+id, true)
			saves := h.saves.Load()
			wait(func() bool { return h.saves.Load() != saves })
			err := h.Store.DeleteAccount(ctx, id)
			h.note("busy "+id, nil)
			h.deletes.Add(1)
			return err
		}
		h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
			h.saves.Add(1)
			if prev != 0 || h.noted("busy "+t.AccountID) == nil {
				return h.Store.SaveToken(ctx, t, prev)
			}
			h.untilDelete()
			err := h.Store.SaveToken(ctx, t, prev)
			if err == nil {
				h.note("hidden "+t.ID, true)
			}
			return err
		}
	}
}

// usesIn keeps the usage of tokens beside the store, where a use looks for its token, and is written later. A delete
// clears the usage of what it deletes, and at most that of the first tokens of an account.
func usesIn(steps func(h *hooks), first int) func(h *hooks) {
	return func(h *hooks) {
		adding(func(h *hooks, old, use storage.TokenUsage) storage.TokenUsage {
			steps(h)
			return added(old, use)
		})(h)
		h.deleteToken = func(ctx context.Context, id string, prev int64) error {
			err := h.Store.DeleteToken(ctx, id, prev)
			if err == nil {
				h.setUsage(id, storage.TokenUsage{})
				h.deletes.Add(1)
			}
			return err
		}
		h.deleteAccount = func(ctx context.Context, id string) error {
			page, _ := h.Store.Tokens(ctx, id, "", first)
			err := h.Store.DeleteAccount(ctx, id)
			if err == nil {
				for _, t := range page.Records {
					h.setUsage(t.ID, storage.TokenUsage{})
				}
				h.deletes.Add(1)
			}
			return err
		}
	}
}

func brokenRaces() []broken {
	const moving, insert = "account/moving handle", "token/insert racing delete of its owner"
	return append(inEach("rewrites the document of a listing in two steps", "racing changes", inDocument), []broken{
		{"finds the ID of a handle, and then loads the account", moving, func(h *hooks) {
			countSaves(h)
			h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
				saves := h.saves.Load()
				r, err := h.Store.AccountByHandle(ctx, handle)
				if err != nil {
					return r, err
				}
				wait(func() bool { return h.saves.Load() != saves })
				return h.Store.LoadAccount(ctx, r.ID)
			}
		}},
		{"finds a handle where it was first", moving, func(h *hooks) {
			h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
				r, err := h.Store.AccountByHandle(ctx, handle)
				if err != nil {
					return r, err
				}
				if first, ok := h.note("found "+string(handle[:]), r.ID).(string); ok {
					h.note("found "+string(handle[:]), first)
					return h.Store.LoadAccount(ctx, first)
				}
				return r, nil
			}
		}},
		{"gives a handle up in a second step", moving, func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				old, _ := h.Store.LoadAccount(context.WithoutCancel(ctx), r.ID)
				err := h.Store.SaveAccount(ctx, r, prev)
				if err != nil {
					return err
				}
				h.note("at "+string(r.Index.Handle[:]), r.ID)
				if had := string(old.Index.Handle[:]); old.Index.Handle != r.Index.Handle {
					wait(func() bool { return h.noted("at "+had) != old.ID })
					h.note("at "+had, nil)
				}
				return nil
			}
			h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
				r, err := h.Store.AccountByHandle(ctx, handle)
				if err == nil && h.noted("at "+string(handle[:])) == nil {
					return storage.Record{}, storage.ErrNotFound
				}
				return r, err
			}
		}},
		{"looks for a token and adds its use in two steps", "touch/racing delete", usesIn((*hooks).untilDelete, math.MaxInt)},
		{"hides a token from Tokens that was made during a delete", insert, madeMeanwhile("Tokens")},
		{"hides a token from LiveTokens that was made during a delete", insert, madeMeanwhile("LiveTokens")},
		{"hides a token from AllTokens that was made during a delete", insert, madeMeanwhile("AllTokens")},
		{"hides a token from all listings that was made during a delete", insert, madeMeanwhile("Tokens", "LiveTokens", "AllTokens")},
	}...)
}

func brokenMany() []broken {
	deletes := func(first int) func(h *hooks) {
		return func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				page, _ := h.Store.Tokens(context.WithoutCancel(ctx), id, "", math.MaxInt)
				err := h.Store.DeleteAccount(ctx, id)
				if err == nil && len(page.Records) > first {
					for _, t := range page.Records[first:] {
						_ = h.Store.SaveToken(ctx, t, 0)
					}
				}
				return err
			}
		}
	}
	return slices.Concat(
		inEach("passes over each 30th row", "many", func(listing string) func(h *hooks) {
			return relistOne(listing, func(_ *hooks, under rows, after string, limit int) (storage.Page[row], error) {
				if page, err := under(after, limit); err != nil {
					return page, err
				}
				page, err := under("", math.MaxInt)
				var some []row
				for i, r := range page.Records {
					if i%30 != 29 && r.id > after {
						some = append(some, r)
					}
				}
				return storage.PageOf(some, limit), err
			})
		}),
		inEach("takes the hundredth row for the last one", "many", func(listing string) func(h *hooks) {
			return relistOne(listing, func(_ *hooks, under rows, after string, limit int) (storage.Page[row], error) {
				page, err := under(after, min(limit, 100))
				page.More = page.More && limit <= 100
				return page, err
			})
		}),
		[]broken{
			{"deletes 30 tokens of an account", "token/many", deletes(30)},
			{"deletes 128 tokens of an account", "token/many", deletes(128)},
			{"forgets the usage of 30 tokens of an account", "token/many", usesIn(func(*hooks) {}, 30)},
		},
	)
}
