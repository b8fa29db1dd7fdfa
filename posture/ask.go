package posture

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// hostDeadline is how long Config.Host may take before it is taken to know nothing.
const hostDeadline = 2 * time.Second

// host asks Config.Host.
type host struct {
	facts   func(context.Context, string) (Host, error) // nil: it has nothing to say
	calls   *engine.Calls
	unknown *atomic.Uint64
}

func newHost(facts func(context.Context, string) (Host, error), unknown *atomic.Uint64) *host {
	return &host{facts: facts, calls: engine.NewCalls(hostDeadline), unknown: unknown}
}

// ask returns what the host knows of an account, and whether it has answered.
func (h *host) ask(ctx context.Context, account string, now time.Time) (Host, bool) {
	if h.facts == nil {
		return Host{At: now}, true
	}
	var facts Host
	ok := false
	out := h.calls.Do(ctx, func(ctx context.Context) {
		got, err := h.facts(ctx, account)
		if err == nil {
			facts, ok = cloneHost(got), true
		}
	})
	if out == engine.Returned && ok {
		return facts, true
	}
	if ctx.Err() == nil {
		h.unknown.Add(1)
	}
	return Host{}, false
}

// cloneHost returns facts that share nothing with those of the host, which may go on changing its own.
func cloneHost(h Host) Host {
	h.Answers = maps.Clone(h.Answers)
	if h.Delegated != nil {
		h.Delegated = &Delegation{Provider: h.Delegated.Provider, AMR: slices.Clone(h.Delegated.AMR)}
	}
	return h
}
