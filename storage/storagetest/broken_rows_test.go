package storagetest_test

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/storage"
)

// changeRows changes what comes out of the store: accounts, tokens, and an owner's index too.
func changeRows(h *hooks, account func(*storage.Record), token func(*storage.TokenRecord)) {
	h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
		r, err := h.Store.LoadAccount(ctx, id)
		if err == nil {
			account(&r)
		}
		return r, err
	}
	h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
		r, err := h.Store.AccountByHandle(ctx, handle)
		if err == nil {
			account(&r)
		}
		return r, err
	}
	h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
		t, owner, err := h.Store.LoadToken(ctx, id)
		if err != nil {
			return t, owner, err
		}
		r := storage.Record{ID: t.AccountID, Index: owner}
		account(&r)
		token(&t)
		return t, r.Index, nil
	}
	changePages(h, func(page []storage.Record) {
		for i := range page {
			account(&page[i])
		}
	}, func(page []storage.TokenRecord) {
		for i := range page {
			token(&page[i])
		}
	})
}

// changePages changes what listings give.
func changePages(h *hooks, accounts func([]storage.Record), tokens func([]storage.TokenRecord)) {
	h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
		page, err := h.Store.Accounts(ctx, after, limit)
		accounts(page.Records)
		return page, err
	}
	h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
		page, err := h.Store.UnsentAccounts(ctx, after, limit)
		accounts(page.Records)
		return page, err
	}
	h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
		page, err := h.Store.Tokens(ctx, accountID, after, limit)
		tokens(page.Records)
		return page, err
	}
	h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
		page, err := h.Store.AllTokens(ctx, after, limit)
		tokens(page.Records)
		return page, err
	}
}

// listsAllTokens changes what AllTokens alone gives.
func listsAllTokens(change func(*storage.TokenRecord)) func(h *hooks) {
	return func(h *hooks) {
		h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
			page, err := h.Store.AllTokens(ctx, after, limit)
			for i := range page.Records {
				change(&page.Records[i])
			}
			return page, err
		}
	}
}

// changeSaves changes what goes into the store.
func changeSaves(h *hooks, account func(*storage.Record), token func(*storage.TokenRecord)) {
	h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
		account(&r)
		return h.Store.SaveAccount(ctx, r, prev)
	}
	h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
		token(&t)
		return h.Store.SaveToken(ctx, t, prev)
	}
}

func accountIndex(f func(*storage.AccountIndex)) func(h *hooks) {
	return func(h *hooks) {
		changeRows(h, func(r *storage.Record) { f(&r.Index) }, func(*storage.TokenRecord) {})
	}
}

func tokenScopes(f func(string) string) func(h *hooks) {
	return func(h *hooks) {
		changeSaves(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { t.Index.Scopes = f(t.Index.Scopes) })
	}
}

func brokenRows() []broken {
	var all []broken
	for _, d := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"mends the UTF-8 of data", func(b []byte) []byte { return bytes.ToValidUTF8(b, []byte("\ufffd")) }},
		{"ends data at a zero byte", func(b []byte) []byte { b, _, _ = bytes.Cut(b, []byte{0}); return b }},
		{"drops a zero byte at the end of data", func(b []byte) []byte { return bytes.TrimRight(b, "\x00") }},
		{"trims data", bytes.TrimSpace},
		{"cuts data after 64 KiB", func(b []byte) []byte { return b[:min(len(b), 1<<16)] }},
		{"unescapes data", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`\\`), []byte(`\`)) }},
		{"writes line feeds in data its own way", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }},
		{"has one byte for no data", func(b []byte) []byte {
			if len(b) == 0 {
				return []byte{0}
			}
			return b
		}},
	} {
		all = append(all, bothKinds(d.name, "data", func(h *hooks) {
			changeSaves(h, func(r *storage.Record) { r.Data = d.change(r.Data) },
				func(t *storage.TokenRecord) { t.Data = d.change(t.Data) })
		})...)
	}
	all = append(all, bothKinds("keeps the old data where the new is nil", "data", func(h *hooks) {
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
			if old, err := h.Store.LoadAccount(ctx, r.ID); err == nil && r.Data == nil {
				r.Data = old.Data
			}
			return h.Store.SaveAccount(ctx, r, prev)
		}
		h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
			if old, _, err := h.Store.LoadToken(ctx, t.ID); err == nil && t.Data == nil {
				t.Data = old.Data
			}
			return h.Store.SaveToken(ctx, t, prev)
		}
	})...)
	all = append(all, bothKinds("refuses empty data", "data", func(h *hooks) {
		h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
			if r.Data != nil && len(r.Data) == 0 {
				return storage.ErrInvalid
			}
			return h.Store.SaveAccount(ctx, r, prev)
		}
		h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
			if t.Data != nil && len(t.Data) == 0 {
				return storage.ErrInvalid
			}
			return h.Store.SaveToken(ctx, t, prev)
		}
	})...)
	return slices.Concat(all, brokenFields(), brokenTimes())
}

func brokenFields() []broken {
	var all []broken
	for i := range reflect.TypeFor[storage.AccountIndex]().NumField() {
		field := reflect.TypeFor[storage.AccountIndex]().Field(i).Name
		all = append(all, broken{"has no column for " + field, "account/index", accountIndex(func(x *storage.AccountIndex) {
			reflect.ValueOf(x).Elem().Field(i).SetZero()
		})})
		all = append(all, broken{"does not update " + field, "account/index", func(h *hooks) {
			h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
				if old, err := h.Store.LoadAccount(ctx, r.ID); err == nil {
					reflect.ValueOf(&r.Index).Elem().Field(i).Set(reflect.ValueOf(old.Index).Field(i))
				}
				return h.Store.SaveAccount(ctx, r, prev)
			}
		}})
	}
	for i := range reflect.TypeFor[storage.TokenIndex]().NumField() {
		field := reflect.TypeFor[storage.TokenIndex]().Field(i).Name
		all = append(all, broken{"has no column for " + field + " of tokens", "token/index", func(h *hooks) {
			changeRows(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { reflect.ValueOf(&t.Index).Elem().Field(i).SetZero() })
		}})
		all = append(all, broken{"does not update " + field + " of tokens", "token/index", func(h *hooks) {
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				if old, _, err := h.Store.LoadToken(ctx, t.ID); err == nil {
					reflect.ValueOf(&t.Index).Elem().Field(i).Set(reflect.ValueOf(old.Index).Field(i))
				}
				return h.Store.SaveToken(ctx, t, prev)
			}
		}})
	}
	return append(all,
		broken{"takes Disabled for Suspended", "account/index", accountIndex(func(x *storage.AccountIndex) {
			x.Disabled, x.Suspended = x.Suspended, x.Disabled
		})},
		broken{"takes Authenticators for CodesLeft", "account/index", accountIndex(func(x *storage.AccountIndex) {
			x.Authenticators, x.CodesLeft = x.CodesLeft, x.Authenticators
		})},
		broken{"keeps TokenEpoch as a float", "account/index", accountIndex(func(x *storage.AccountIndex) {
			x.TokenEpoch = int64(float64(x.TokenEpoch/2)) * 2
		})},
		broken{"keeps 32 bits of TokenEpoch", "account/index", accountIndex(func(x *storage.AccountIndex) { x.TokenEpoch = int64(int32(x.TokenEpoch)) })},
		broken{"keeps TokenEpoch without its sign", "account/index", accountIndex(func(x *storage.AccountIndex) { x.TokenEpoch &= 1<<63 - 1 })},
		broken{"folds KeyName", "account/index", accountIndex(func(x *storage.AccountIndex) { x.KeyName = strings.ToLower(x.KeyName) })},
		broken{"trims KeyName", "account/index", accountIndex(func(x *storage.AccountIndex) { x.KeyName = strings.TrimSpace(x.KeyName) })},
		broken{"cuts KeyName", "account/index", accountIndex(func(x *storage.AccountIndex) { x.KeyName = x.KeyName[:min(255, len(x.KeyName))] })},
		broken{"lists accounts without their index", "account/index", func(h *hooks) {
			changePages(h, func(page []storage.Record) {
				for i := range page {
					page[i].Index = storage.AccountIndex{}
				}
			}, func([]storage.TokenRecord) {})
		}},
		broken{"lists tokens without their index", "token/index", func(h *hooks) {
			changePages(h, func([]storage.Record) {}, func(page []storage.TokenRecord) {
				for i := range page {
					page[i].Index = storage.TokenIndex{}
				}
			})
		}},
		broken{"lists tokens without LastUsed", "touch/forward only", func(h *hooks) {
			changePages(h, func([]storage.Record) {}, func(page []storage.TokenRecord) {
				for i := range page {
					page[i].Usage.LastUsed = time.Time{}
				}
			})
		}},
		broken{"folds Scopes of tokens", "token/index", tokenScopes(strings.ToLower)},
		broken{"trims Scopes of tokens", "token/index", tokenScopes(strings.TrimSpace)},
		broken{"has one space for two in Scopes of tokens", "token/index", tokenScopes(replacing("  ", " "))},
		broken{"cuts Scopes of tokens", "token/index", tokenScopes(cutAt(4095))},
		broken{"counts the characters of Scopes of tokens", "token/index", tokenScopes(func(s string) string {
			return string([]rune(s)[:min(utf8.RuneCountInString(s), 1024)])
		})},
		broken{"lists all tokens without their index", "token/index", listsAllTokens(func(t *storage.TokenRecord) { t.Index = storage.TokenIndex{} })},
		broken{"lists all tokens without their usage", "touch/scopes", listsAllTokens(func(t *storage.TokenRecord) { t.Usage = storage.TokenUsage{} })},
		broken{"lists all tokens without their owner", "token/index", listsAllTokens(func(t *storage.TokenRecord) { t.AccountID = "" })},
		broken{"lists all tokens without their data", "all tokens/pages", listsAllTokens(func(t *storage.TokenRecord) { t.Data = nil })},
		broken{"lists tokens without their owner", "token/owner", func(h *hooks) {
			changePages(h, func([]storage.Record) {}, func(page []storage.TokenRecord) {
				for i := range page {
					page[i].AccountID = ""
				}
			})
		}},
		broken{"lists accounts without their data", "account/pages", func(h *hooks) {
			changePages(h, func(page []storage.Record) {
				for i := range page {
					page[i].Data = nil
				}
			}, func([]storage.TokenRecord) {})
		}},
		broken{"loads accounts without their ID", "account/conflict", func(h *hooks) {
			h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
				r, err := h.Store.LoadAccount(ctx, id)
				r.ID = ""
				return r, err
			}
		}},
		broken{"has an absent account for an empty one", "account/absent", func(h *hooks) {
			h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
				r, err := h.Store.LoadAccount(ctx, id)
				if err == storage.ErrNotFound {
					err = nil
				}
				return r, err
			}
		}},
	)
}

// brokenTimes has each fault once for each place where a time is kept.
func brokenTimes() []broken {
	var all []broken
	for _, f := range []struct {
		name   string
		change func(time.Time) time.Time
	}{
		{"cuts to seconds", func(t time.Time) time.Time { return t.Truncate(time.Second) }},
		{"cuts to milliseconds", func(t time.Time) time.Time { return t.Truncate(time.Millisecond) }},
		{"keeps 64 bits of nanoseconds of", func(t time.Time) time.Time {
			if t.IsZero() {
				return t
			}
			return time.Unix(0, t.UnixNano()).UTC()
		}},
		{"keeps 32 bits of seconds of", func(t time.Time) time.Time {
			if t.IsZero() {
				return t
			}
			return time.Unix(int64(int32(t.Unix())), int64(t.Nanosecond())).UTC()
		}},
		{"has 1970 for the zero time in", func(t time.Time) time.Time {
			if t.IsZero() {
				return time.Unix(0, 0).UTC()
			}
			return t
		}},
		{"has the zero time for 1970 in", func(t time.Time) time.Time {
			if t.Unix() == 0 {
				return time.Time{}
			}
			return t
		}},
		{"gives a local time in", func(t time.Time) time.Time { return t.In(time.FixedZone("", 3600)) }},
		{"shifts by a zone", func(t time.Time) time.Time {
			if t.IsZero() {
				return t
			}
			return t.Add(time.Hour)
		}},
	} {
		all = append(all,
			broken{f.name + " LockedUntil", "account/index", accountIndex(func(x *storage.AccountIndex) { x.LockedUntil = f.change(x.LockedUntil) })},
			broken{f.name + " Expires", "token/index", func(h *hooks) {
				changeRows(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { t.Index.Expires = f.change(t.Index.Expires) })
			}},
			broken{f.name + " LastUsed", "touch/times", func(h *hooks) {
				changeRows(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { t.Usage.LastUsed = f.change(t.Usage.LastUsed) })
			}},
		)
	}
	for _, f := range []struct {
		name   string
		change func(time.Time) time.Time
	}{
		{"rounds", func(t time.Time) time.Time { return t.Round(time.Microsecond) }},
		{"drops the zone of", func(t time.Time) time.Time {
			return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		}},
	} {
		all = append(all,
			broken{f.name + " LockedUntil", "account/index", func(h *hooks) {
				changeSaves(h, func(r *storage.Record) { r.Index.LockedUntil = f.change(r.Index.LockedUntil) }, func(*storage.TokenRecord) {})
			}},
			broken{f.name + " Expires", "token/index", func(h *hooks) {
				changeSaves(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { t.Index.Expires = f.change(t.Index.Expires) })
			}},
			broken{f.name + " LastUsed", "touch/times", func(h *hooks) {
				h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
					uses = slices.Clone(uses)
					for i := range uses {
						uses[i].LastUsed = f.change(uses[i].LastUsed)
					}
					return h.Store.TouchTokens(ctx, uses)
				}
			}},
		)
	}
	return all
}
