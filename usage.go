package gatehouse

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	usageEvery   = time.Minute      // how often uses are stored, and their grain
	usageTimeout = 10 * time.Second // for a batch
	usageBatch   = 500              // tokens
	maxUsage     = 16384            // tokens whose uses wait; those of further ones are not noted
	maxAddresses = 5
)

// usage keeps the uses of tokens until they are stored, one write a token and minute at most. A check
// never waits for it: it takes a lock for as long as a map takes.
type usage struct {
	store   storage.Store
	mu      sync.Mutex
	waiting map[string]storage.TokenUsage
	storing map[string]storage.TokenUsage // being written; nil: none
	timer   *time.Timer                   // nil: nothing waits, or a flush will set it
	closed  bool
	lost    atomic.Uint64
	turn    chan struct{} // held by a flush
}

func newUsage(store storage.Store) *usage {
	return &usage{store: store, waiting: map[string]storage.TokenUsage{}, turn: make(chan struct{}, 1)}
}

// Close stores the uses of tokens that are not stored yet, and waits until the Observer was told what has happened:
// otherwise both are lost with the process. No further uses are noted. It is the last call, when no more requests come
// in.
func (s *Service) Close(ctx context.Context) error {
	u := s.usage
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	return errors.Join(u.flush(ctx), s.observers.flush(ctx))
}

// seen notes that a token was used now, and tells what of that is new.
func (u *usage) seen(h held, from netip.Addr, env core.Env, addresses bool, tell func(core.Event)) {
	minute := env.Now.Truncate(usageEvery)
	u.mu.Lock()
	known, noted := u.known(h)
	use := known
	if minute.After(use.LastUsed) {
		use.LastUsed = minute
	}
	e := tokenEvent(event.TokenFirstUsed, h.Token, env)
	news := known.LastUsed.IsZero()
	if addresses && from.IsValid() && !slices.Contains(strings.Fields(known.Addresses), from.String()) {
		use.Addresses = latest(from.String(), known.Addresses)
		e.Address = from.String()
		if !news {
			news, e.Kind = true, event.TokenNewAddress
		}
	}
	news = u.note(h.ID, use, use != known, noted) && news
	u.mu.Unlock()
	if news {
		tell(e)
	}
}

// latest puts an address before the others, of which those beyond the fifth go.
func latest(address, others string) string {
	list := append([]string{address}, strings.Fields(others)...)
	return strings.Join(list[:min(len(list), maxAddresses)], " ")
}

// used notes that a scope was used.
func (u *usage) used(h held, scope tokens.Scope, env core.Env) {
	bits := h.Scopes.Uses(scope)
	if h.rec.Usage.Scopes&bits == bits {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	use, noted := u.known(h)
	more := use.Scopes&bits != bits
	use.Scopes |= bits
	if minute := env.Now.Truncate(usageEvery); minute.After(use.LastUsed) {
		use.LastUsed = minute
	}
	u.note(h.ID, use, more, noted)
}

// known returns what is known of a token's usage, here and as it was read from the store, and whether
// it waits to be stored.
func (u *usage) known(h held) (use storage.TokenUsage, waits bool) {
	use = h.rec.Usage
	if storing, ok := u.storing[h.ID]; ok {
		use = merge(use, storing)
	}
	waiting, ok := u.waiting[h.ID]
	if ok {
		use = merge(use, waiting)
	}
	return use, ok
}

// merge adds b, the later one as a rule, to a.
func merge(a, b storage.TokenUsage) storage.TokenUsage {
	if b.LastUsed.Before(a.LastUsed) {
		a, b = b, a
	}
	b.Scopes |= a.Scopes
	if b.Addresses == "" {
		b.Addresses = a.Addresses
	}
	return b
}

// note has a usage stored within a minute, and reports whether it will be.
func (u *usage) note(id string, use storage.TokenUsage, changed, waits bool) bool {
	if !changed {
		return true
	}
	if u.closed || !waits && len(u.waiting) >= maxUsage {
		u.lost.Add(1)
		return false
	}
	u.waiting[id] = use
	u.schedule(usageEvery)
	// Who has many tokens must not fill the places of others: half of them are stored at once.
	if !waits && len(u.waiting) == maxUsage/2 && u.timer != nil {
		u.timer.Reset(0)
	}
	return true
}

// schedule has what waits stored after a time. It is called with the lock held.
func (u *usage) schedule(after time.Duration) {
	if len(u.waiting) > 0 && u.timer == nil && u.storing == nil && !u.closed {
		u.timer = time.AfterFunc(after, u.tick)
	}
}

func (u *usage) tick() {
	_ = u.flush(context.Background()) // what failed waits for the next time
}

// flush stores what waits. What could not be stored waits again.
func (u *usage) flush(ctx context.Context) error {
	select {
	case u.turn <- struct{}{}:
		defer func() { <-u.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	u.mu.Lock()
	u.storing, u.waiting, u.timer = u.waiting, map[string]storage.TokenUsage{}, nil
	storing := u.storing
	u.mu.Unlock()

	var failed error
	left := map[string]storage.TokenUsage{}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(storing)), usageBatch) {
		uses := make([]storage.TokenUse, len(ids))
		for i, id := range ids {
			uses[i] = storage.TokenUse{ID: id, TokenUsage: storing[id]}
		}
		if err := u.touch(ctx, uses); err != nil {
			failed = err
			for _, use := range uses {
				left[use.ID] = use.TokenUsage
			}
		}
	}

	u.mu.Lock()
	defer u.mu.Unlock()
	u.storing = nil
	for id, use := range left {
		if waiting, ok := u.waiting[id]; ok {
			u.waiting[id] = merge(use, waiting)
		} else if len(u.waiting) < maxUsage {
			u.waiting[id] = use
		} else {
			u.lost.Add(1)
		}
	}
	after := usageEvery
	if failed == nil && len(u.waiting) >= maxUsage/2 {
		after = 0
	}
	u.schedule(after)
	return failed
}

func (u *usage) touch(ctx context.Context, uses []storage.TokenUse) error {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	_, err := retry(ctx, func() (struct{}, error) { return struct{}{}, u.store.TouchTokens(ctx, uses) })
	return err
}
