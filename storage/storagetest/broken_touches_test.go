package storagetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// adding keeps the usage of tokens beside the store, where add says what a use makes of it.
func adding(add func(h *hooks, old, use storage.TokenUsage) storage.TokenUsage) func(h *hooks) {
	return func(h *hooks) {
		h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
			// The store underneath checks.
			if err := h.Store.TouchTokens(ctx, uses); err != nil {
				return err
			}
			for _, use := range uses {
				if h.exists(ctx, use.ID) {
					h.setUsage(use.ID, add(h, h.usage(use.ID), use.TokenUsage))
				}
			}
			return nil
		}
		changeRows(h, func(*storage.Record) {}, func(t *storage.TokenRecord) { t.Usage = h.usage(t.ID) })
	}
}

func (h *hooks) usage(id string) storage.TokenUsage {
	usage, _ := h.noted("usage " + id).(storage.TokenUsage)
	return usage
}

func (h *hooks) setUsage(id string, usage storage.TokenUsage) { h.note("usage "+id, usage) }

// added is what a use makes of a usage.
func added(old, use storage.TokenUsage) storage.TokenUsage {
	switch {
	case use.LastUsed.IsZero():
		return old
	case use.LastUsed.Before(old.LastUsed):
		old.Scopes |= use.Scopes
		return old
	}
	use.Scopes |= old.Scopes
	return use
}

// scopesAre has usages as they should be but for their scopes.
func scopesAre(scopes func(old, use storage.TokenUsage) int64) func(h *hooks) {
	return adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage {
		next := added(old, use)
		if next.Scopes = old.Scopes; !use.LastUsed.IsZero() {
			next.Scopes = scopes(old, use)
		}
		return next
	})
}

// addressesAre has usages as they should be but for their addresses.
func addressesAre(addresses func(old, use storage.TokenUsage) string) func(h *hooks) {
	return adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage {
		next := added(old, use)
		if next.Addresses = old.Addresses; !use.LastUsed.IsZero() {
			next.Addresses = addresses(old, use)
		}
		return next
	})
}

// touchedAddresses changes the addresses of uses on their way into the store.
func touchedAddresses(f func(string) string) func(h *hooks) {
	return touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
		uses = slices.Clone(uses)
		for i := range uses {
			uses[i].Addresses = f(uses[i].Addresses)
		}
		return touch(uses)
	})
}

// oneOfEach has each token once in a batch, with the use that comes first in an order.
func oneOfEach(first func(a, b storage.TokenUse) int, merge func(kept *storage.TokenUse, other storage.TokenUse)) func(h *hooks) {
	return touching(func(_ *hooks, _ context.Context, uses []storage.TokenUse, touch touchFunc) error {
		uses = slices.Clone(uses)
		slices.SortStableFunc(uses, first)
		var once []storage.TokenUse
		for _, use := range uses {
			i := slices.IndexFunc(once, func(u storage.TokenUse) bool { return u.ID == use.ID })
			if i < 0 {
				once = append(once, use)
			} else {
				merge(&once[i], use)
			}
		}
		return touch(once)
	})
}

func brokenTouches() []broken {
	latest := func(a, b storage.TokenUse) int { return b.LastUsed.Compare(a.LastUsed) }
	earliest := func(a, b storage.TokenUse) int { return a.LastUsed.Compare(b.LastUsed) }
	all := []broken{
		{"keeps no scopes of uses", "touch/scopes", scopesAre(func(_, _ storage.TokenUsage) int64 { return 0 })},
		{"has the scopes of the last use", "touch/scopes", scopesAre(func(_, use storage.TokenUsage) int64 { return use.Scopes })},
		{"keeps the scopes of the first use", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 {
			if old.Scopes != 0 {
				return old.Scopes
			}
			return use.Scopes
		})},
		{"sums scopes up", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 { return old.Scopes + use.Scopes })},
		{"takes scopes away again", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 { return old.Scopes ^ use.Scopes })},
		{"passes over scopes of earlier uses", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 {
			if use.LastUsed.Before(old.LastUsed) {
				return old.Scopes
			}
			return old.Scopes | use.Scopes
		})},
		{"passes over scopes of uses at the same time", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 {
			if use.LastUsed.Equal(old.LastUsed) {
				return old.Scopes
			}
			return old.Scopes | use.Scopes
		})},
		{"keeps 32 bits of scopes", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 {
			return old.Scopes | int64(uint32(use.Scopes))
		})},
		{"keeps scopes as a float", "touch/scopes", scopesAre(func(old, use storage.TokenUsage) int64 {
			return int64(float64((old.Scopes|use.Scopes)/2)) * 2
		})},
		{"adds the scopes of a use at the zero time", "touch/scopes", adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage {
			next := added(old, use)
			next.Scopes |= use.Scopes
			return next
		})},
		{"takes the scopes of one use of a batch", "touch/scopes", oneOfEach(latest, func(*storage.TokenUse, storage.TokenUse) {})},
		{"takes the scopes of one use of a large batch", "touch/batch", oneOfEach(latest, func(*storage.TokenUse, storage.TokenUse) {})},
		{"adds scopes in two steps", "touch/at once", adding(func(h *hooks, old, use storage.TokenUsage) storage.TokenUsage {
			h.meet()
			return added(old, use)
		})},

		{"keeps no addresses", "touch/addresses", addressesAre(func(_, _ storage.TokenUsage) string { return "" })},
		{"keeps the first addresses", "touch/addresses", addressesAre(func(old, use storage.TokenUsage) string {
			if old.Addresses != "" {
				return old.Addresses
			}
			return use.Addresses
		})},
		{"takes the addresses of earlier uses", "touch/addresses", addressesAre(func(_, use storage.TokenUsage) string { return use.Addresses })},
		{"takes the addresses of later uses alone", "touch/addresses", addressesAre(func(old, use storage.TokenUsage) string {
			if use.LastUsed.After(old.LastUsed) {
				return use.Addresses
			}
			return old.Addresses
		})},
		{"keeps the old addresses where there are no new ones", "touch/addresses", addressesAre(func(old, use storage.TokenUsage) string {
			if next := added(old, use); next.Addresses != "" {
				return next.Addresses
			}
			return old.Addresses
		})},
		{"takes the addresses of a use at the zero time", "touch/addresses", adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage {
			next := added(old, use)
			if use.LastUsed.IsZero() {
				next.Addresses = use.Addresses
			}
			return next
		})},
		{"takes the addresses of the earliest use of a batch", "touch/addresses", oneOfEach(earliest, func(kept *storage.TokenUse, other storage.TokenUse) {
			kept.LastUsed = other.LastUsed
			kept.Scopes |= other.Scopes
		})},
		{"adds addresses up in a batch", "touch/addresses", oneOfEach(latest, func(kept *storage.TokenUse, other storage.TokenUse) {
			kept.Scopes |= other.Scopes
			kept.Addresses += other.Addresses
		})},
		{"folds addresses", "touch/addresses", touchedAddresses(strings.ToLower)},
		{"trims addresses", "touch/addresses", touchedAddresses(strings.TrimSpace)},
		{"composes addresses", "touch/addresses", touchedAddresses(replacing("e\u0301", "\u00e9"))},
		{"unescapes addresses", "touch/addresses", touchedAddresses(replacing(`\`, ""))},
		{"cuts addresses", "touch/addresses", touchedAddresses(cutAt(1023))},
		{"takes addresses for numbers", "touch/addresses", touchedAddresses(replacing("0x12", "18"))},
		{"replaces addresses in two steps", "touch/at once", adding(func(h *hooks, old, use storage.TokenUsage) storage.TokenUsage {
			next := added(old, use)
			h.meet()
			return next
		})},
		{"remembers scopes and addresses of deleted tokens", "account/delete", func(h *hooks) {
			adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage { return added(old, use) })(h)
			changeRows(h, func(*storage.Record) {}, func(t *storage.TokenRecord) {
				usage := h.usage(t.ID)
				t.Usage.Scopes, t.Usage.Addresses = usage.Scopes, usage.Addresses
			})
		}},
		{"writes back the scopes it had read", "touch/racing save", func(h *hooks) {
			adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage { return added(old, use) })(h)
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				was := h.usage(t.ID)
				err := h.Store.SaveToken(ctx, t, prev)
				wait(func() bool { return h.usage(t.ID).Scopes != was.Scopes })
				now := h.usage(t.ID)
				now.Scopes = was.Scopes
				h.setUsage(t.ID, now)
				return err
			}
		}},
	}
	for _, f := range []struct {
		name string
		take func(usage *storage.TokenUsage, brought storage.TokenUsage)
	}{
		{"scopes", func(usage *storage.TokenUsage, brought storage.TokenUsage) { usage.Scopes = brought.Scopes }},
		{"more scopes", func(usage *storage.TokenUsage, brought storage.TokenUsage) { usage.Scopes |= brought.Scopes }},
		{"addresses", func(usage *storage.TokenUsage, brought storage.TokenUsage) { usage.Addresses = brought.Addresses }},
	} {
		all = append(all, broken{"saves " + f.name + " with the token", "token/usage", func(h *hooks) {
			adding(func(_ *hooks, old, use storage.TokenUsage) storage.TokenUsage { return added(old, use) })(h)
			h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
				err := h.Store.SaveToken(ctx, t, prev)
				if !errors.Is(err, storage.ErrConflict) {
					usage := h.usage(t.ID)
					f.take(&usage, t.Usage)
					h.setUsage(t.ID, usage)
				}
				return err
			}
		}})
	}
	return all
}
