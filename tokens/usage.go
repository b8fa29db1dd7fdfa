package tokens

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
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
	e       *engine.Engine
	mu      sync.Mutex
	waiting map[string]storage.TokenUsage
	storing map[string]storage.TokenUsage // being written; nil: none
	timer   *time.Timer                   // nil: nothing waits, or a flush will set it
	closed  bool
	turn    chan struct{} // held by a flush
}

func newUsage(e *engine.Engine) *usage {
	return &usage{e: e, waiting: map[string]storage.TokenUsage{}, turn: make(chan struct{}, 1)}
}

// close stores the uses that are not stored yet. No further ones are noted.
func (u *usage) close(ctx context.Context) error {
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	return u.flush(ctx)
}

// seen notes that a token was used now, and tells it if it is the first time, or from a new address.
func (u *usage) seen(h held, from netip.Addr, now env, addresses bool, tell func(core.Event)) {
	minute := now.Now.Truncate(usageEvery)
	u.mu.Lock()
	known, noted := u.known(h)
	use := known
	if minute.After(use.LastUsed) {
		use.LastUsed = minute
	}
	e := tokenEvent(event.TokenFirstUsed, h.record, now)
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
func (u *usage) used(h held, scope Scope, now env) {
	bits := h.Scopes.Uses(scope)
	if h.use.Scopes&bits == bits {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	use, noted := u.known(h)
	more := use.Scopes&bits != bits
	use.Scopes |= bits
	if minute := now.Now.Truncate(usageEvery); minute.After(use.LastUsed) {
		use.LastUsed = minute
	}
	u.note(h.ID, use, more, noted)
}

// known returns a token's usage, as it is kept here and as it was read from the store, and whether it waits to be
// stored.
func (u *usage) known(h held) (use storage.TokenUsage, waits bool) {
	use = h.use
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
		u.e.Counts.TokenUsesLost.Add(1)
		return false
	}
	u.waiting[id] = use
	u.schedule(usageEvery)
	// An owner of many tokens must not fill the places of others: once half of them are taken, all is stored at once.
	if !waits && len(u.waiting) == maxUsage/2 && u.timer != nil {
		u.timer.Reset(0)
	}
	return true
}

// schedule has the waiting uses stored after a time. It is called with the lock held.
func (u *usage) schedule(after time.Duration) {
	if len(u.waiting) > 0 && u.timer == nil && u.storing == nil && !u.closed {
		u.timer = time.AfterFunc(after, u.tick)
	}
}

func (u *usage) tick() {
	_ = u.flush(context.Background()) // uses that were not stored wait for the next time
}

// flush stores the waiting uses. Those that could not be stored wait again.
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
			u.e.Counts.TokenUsesLost.Add(1)
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
	_, err := engine.Retry(ctx, func() (struct{}, error) { return struct{}{}, u.e.Store.TouchTokens(ctx, uses) })
	return err
}
