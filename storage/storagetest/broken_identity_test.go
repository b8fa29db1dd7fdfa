package storagetest_test

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/storage"
)

// folding makes a store that takes some IDs for the same.
func folding(fold func(string) string) func(h *hooks) {
	return func(h *hooks) {
		h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
			r, err := h.Store.LoadAccount(ctx, fold(id))
			r.ID = id
			return r, err
		}
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
			r.ID = fold(r.ID)
			return h.Store.SaveAccount(ctx, r, prev)
		}
		h.deleteAccount = func(ctx context.Context, id string) error { return h.Store.DeleteAccount(ctx, fold(id)) }
		h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
			t, owner, err := h.Store.LoadToken(ctx, fold(id))
			t.ID = id
			return t, owner, err
		}
		h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
			t.ID, t.AccountID = fold(t.ID), fold(t.AccountID)
			return h.Store.SaveToken(ctx, t, prev)
		}
		h.deleteToken = func(ctx context.Context, id string, prev int64) error {
			return h.Store.DeleteToken(ctx, fold(id), prev)
		}
		h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			return h.Store.Tokens(ctx, fold(accountID), after, limit)
		}
		h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
			uses = slices.Clone(uses)
			for i := range uses {
				uses[i].ID = fold(uses[i].ID)
			}
			return h.Store.TouchTokens(ctx, uses)
		}
	}
}

func replacing(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

func cutAt(n int) func(string) string {
	return func(id string) string { return id[:min(n, len(id))] }
}

func brokenIdentity() []broken {
	all := []broken{
		{"joins the owner without regard to case", "account/IDs", func(h *hooks) {
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				t, owner, err := h.Store.LoadToken(ctx, id)
				if r, e := h.Store.LoadAccount(ctx, strings.ToLower(t.AccountID)); err == nil && e == nil {
					owner = r.Index
				}
				return t, owner, err
			}
		}},
		{"lists tokens of owners without regard to case", "token/pages", func(h *hooks) {
			h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				page, err := h.Store.Tokens(ctx, accountID, after, limit)
				if upper := strings.ToUpper(accountID); err == nil && upper != accountID {
					more, _ := h.Store.Tokens(ctx, upper, after, limit)
					all := append(page.Records, more.Records...)
					slices.SortFunc(all, func(a, b storage.TokenRecord) int { return strings.Compare(a.ID, b.ID) })
					page = storage.PageOf(all, limit)
				}
				return page, err
			}
		}},
		{"touches tokens without regard to case", "token/IDs", func(h *hooks) {
			lower := *h
			folding(strings.ToLower)(&lower)
			h.touchTokens = lower.touchTokens
		}},
		{"deletes without regard to case", "account/IDs", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				h.note(r.ID, true)
				return h.Store.SaveAccount(ctx, r, prev)
			}
			h.deleteAccount = func(ctx context.Context, id string) error {
				h.mu.Lock()
				defer h.mu.Unlock()
				for other := range h.notes {
					if strings.EqualFold(other, id) {
						_ = h.Store.DeleteAccount(ctx, other)
					}
				}
				return h.Store.DeleteAccount(ctx, id)
			}
		}},
		{"deletes tokens without regard to case", "token/IDs", func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				h.note(t.ID, t.Version)
				return h.Store.SaveToken(ctx, t, prev)
			}
			h.deleteToken = func(ctx context.Context, id string, prev int64) error {
				h.mu.Lock()
				defer h.mu.Unlock()
				for other, version := range h.notes {
					if strings.EqualFold(other, id) && other != id {
						_ = h.Store.DeleteToken(ctx, other, version.(int64))
					}
				}
				return h.Store.DeleteToken(ctx, id, prev)
			}
		}},
		{"counts the characters of an ID", "invalid IDs", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if len(r.ID) > storage.MaxID && utf8.RuneCountInString(r.ID) <= storage.MaxID {
					return nil
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}},
		{"refuses long IDs", "account/IDs", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if len(r.ID) == storage.MaxID {
					return storage.ErrInvalid
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}},
		{"refuses spaces around an ID", "account/IDs", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if strings.TrimSpace(r.ID) != r.ID {
					return storage.ErrInvalid
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}},
	}
	for _, f := range []struct {
		name string
		fold func(string) string
	}{
		{"folds case", strings.ToLower},
		{"folds the case of ASCII", func(id string) string {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					r += 'a' - 'A'
				}
				return r
			}, id)
		}},
		{"trims spaces at the end", func(id string) string { return strings.TrimRight(id, " ") }},
		{"trims spaces at the beginning", func(id string) string { return strings.TrimLeft(id, " ") }},
		{"trims white space", strings.TrimSpace},
		{"drops accents", replacing("\u00e1", "a", "\u00e4", "a", "\u00e5", "a", "\u00e9", "e", "\u00f6", "o", "\u00fc", "u")},
		{"composes characters", replacing("a\u0301", "\u00e1", "e\u0301", "\u00e9")},
		{"decomposes characters", replacing("\u00e1", "a\u0301", "\u00e9", "e\u0301")},
		{"folds compatible characters", replacing("\ufb01", "fi", "\uff41", "a", "\uff11", "1")},
		{"drops invisible characters", replacing("\u200b", "", "\u00ad", "", "\ufeff", "")},
		{"drops a mark at the beginning", func(id string) string { return strings.TrimPrefix(id, "\ufeff") }},
		{"folds sharp s", replacing("\u00df", "ss")},
		{"writes four bytes as a question mark", replacing("\U0001f363", "?", "\U0001f37a", "?", "\U0001f44d", "?")},
		{"takes all emoji for the same", replacing("\U0001f363", "\U0001f37a")},
		{"writes spaces for tabs", replacing("\t", " ")},
		{"unescapes backslashes", replacing(`\\`, `\`)},
		{"unescapes quotes", replacing("''", "'")},
		{"cleans paths", replacing("//", "/")},
		{"cuts IDs after 254 bytes", cutAt(254)},
		{"cuts IDs after 191 bytes", cutAt(191)},
		{"cuts IDs after 128 bytes", cutAt(128)},
		{"takes IDs for numbers", func(id string) string {
			if digits := strings.TrimLeft(id, "+0"); strings.Trim(digits, "0123456789") == "" && digits != "" {
				return digits
			}
			return id
		}},
	} {
		all = append(all, broken{f.name + " (accounts)", "account/IDs", folding(f.fold)},
			broken{f.name + " (tokens)", "token/IDs", folding(f.fold)})
	}
	return slices.Concat(all, takingAnyID(), ignoringContext())
}

// takingAnyID has each method once without a look at the ID in one place.
func takingAnyID() []broken {
	bad := func(id string) bool { return storage.CheckID(id) != nil }
	var all []broken
	for name, wreck := range map[string]func(h *hooks){
		"LoadAccount": func(h *hooks) {
			h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
				if bad(id) {
					return storage.Record{}, storage.ErrNotFound
				}
				return h.Store.LoadAccount(ctx, id)
			}
		},
		"SaveAccount": func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if bad(r.ID) {
					return nil
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		},
		"DeleteAccount": func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				if bad(id) {
					return nil
				}
				return h.Store.DeleteAccount(ctx, id)
			}
		},
		"Accounts": func(h *hooks) {
			h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
				if bad(after) {
					after = ""
				}
				return h.Store.Accounts(ctx, after, limit)
			}
		},
		"LoadToken": func(h *hooks) {
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				if bad(id) {
					return storage.TokenRecord{}, storage.AccountIndex{}, storage.ErrNotFound
				}
				return h.Store.LoadToken(ctx, id)
			}
		},
		"SaveToken": func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				if bad(t.ID) {
					return nil
				}
				return h.Store.SaveToken(ctx, t, prev)
			}
		},
		"SaveToken for an owner": func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				if bad(t.AccountID) {
					return nil
				}
				return h.Store.SaveToken(ctx, t, prev)
			}
		},
		"Tokens": func(h *hooks) {
			h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				if bad(accountID) {
					return storage.Page[storage.TokenRecord]{}, nil
				}
				return h.Store.Tokens(ctx, accountID, after, limit)
			}
		},
		"Tokens after one": func(h *hooks) {
			h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				if bad(after) {
					after = ""
				}
				return h.Store.Tokens(ctx, accountID, after, limit)
			}
		},
		"DeleteToken": func(h *hooks) {
			h.deleteToken = func(ctx context.Context, id string, prev int64) error {
				if bad(id) {
					return storage.ErrConflict
				}
				return h.Store.DeleteToken(ctx, id, prev)
			}
		},
		"AllTokens after one": func(h *hooks) {
			h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				if bad(after) {
					after = ""
				}
				return h.Store.AllTokens(ctx, after, limit)
			}
		},
		"TouchTokens": func(h *hooks) {
			h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
				uses = slices.DeleteFunc(slices.Clone(uses), func(u storage.TokenUse) bool { return bad(u.ID) })
				return h.Store.TouchTokens(ctx, uses)
			}
		},
	} {
		all = append(all, broken{"takes any ID in " + name, "invalid IDs", wreck})
	}
	return all
}

// ignoringContext has each method once without a look at the context, and some that look too late.
func ignoringContext() []broken {
	var all []broken
	for name, wreck := range map[string]func(h *hooks){
		"LoadAccount": func(h *hooks) {
			h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
				return h.Store.LoadAccount(context.WithoutCancel(ctx), id)
			}
		},
		"SaveAccount": func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				return h.Store.SaveAccount(context.WithoutCancel(ctx), r, prev)
			}
		},
		"DeleteAccount": func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				return h.Store.DeleteAccount(context.WithoutCancel(ctx), id)
			}
		},
		"Accounts": func(h *hooks) {
			h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
				return h.Store.Accounts(context.WithoutCancel(ctx), after, limit)
			}
		},
		"LoadToken": func(h *hooks) {
			h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
				return h.Store.LoadToken(context.WithoutCancel(ctx), id)
			}
		},
		"SaveToken": func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				return h.Store.SaveToken(context.WithoutCancel(ctx), t, prev)
			}
		},
		"Tokens": func(h *hooks) {
			h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				return h.Store.Tokens(context.WithoutCancel(ctx), accountID, after, limit)
			}
		},
		"DeleteToken": func(h *hooks) {
			h.deleteToken = func(ctx context.Context, id string, prev int64) error {
				return h.Store.DeleteToken(context.WithoutCancel(ctx), id, prev)
			}
		},
		"AllTokens": func(h *hooks) {
			h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
				return h.Store.AllTokens(context.WithoutCancel(ctx), after, limit)
			}
		},
		"TouchTokens": func(h *hooks) {
			h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
				return h.Store.TouchTokens(context.WithoutCancel(ctx), uses)
			}
		},
	} {
		all = append(all, broken{"ignores the context in " + name, "ended context", wreck})
	}
	return append(all,
		broken{"looks at the context after a save", "ended context", func(h *hooks) {
			saving(h, func(ctx context.Context, version, prev int64, save saveFunc) error {
				err := save(context.WithoutCancel(ctx), version, prev)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return err
			})
		}},
		broken{"looks at the context after a touch", "touch/invalid batch", func(h *hooks) {
			h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
				err := h.Store.TouchTokens(context.WithoutCancel(ctx), uses)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return err
			}
		}},
		broken{"looks at the context after a delete", "ended context", func(h *hooks) {
			h.deleteAccount = func(ctx context.Context, id string) error {
				err := h.Store.DeleteAccount(context.WithoutCancel(ctx), id)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return err
			}
		}},
		broken{"looks at the context after a token is deleted", "ended context", func(h *hooks) {
			h.deleteToken = func(ctx context.Context, id string, prev int64) error {
				err := h.Store.DeleteToken(context.WithoutCancel(ctx), id, prev)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return err
			}
		}},
		broken{"has one error for all ended contexts", "ended context", func(h *hooks) {
			h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
				if ctx.Err() != nil {
					return storage.Record{}, context.Canceled
				}
				return h.Store.LoadAccount(ctx, id)
			}
		}},
	)
}
