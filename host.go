package gatehouse

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/posture"
)

// hostDeadline is how long HostFacts may take before it is taken to know nothing.
const hostDeadline = 2 * time.Second

// host asks Config.HostFacts.
type host struct {
	facts   func(context.Context, string) (posture.Host, error) // nil: it has nothing to say
	calls   *calls
	unknown atomic.Uint64
}

func newHost(facts func(context.Context, string) (posture.Host, error)) *host {
	return &host{facts: facts, calls: newCalls(hostDeadline)}
}

// ask returns what the host knows of an account, and whether it has answered.
func (h *host) ask(ctx context.Context, account string, now time.Time) (posture.Host, bool) {
	if h.facts == nil {
		return posture.Host{At: now}, true
	}
	var facts posture.Host
	ok := false
	out := h.calls.do(ctx, func(ctx context.Context) {
		got, err := h.facts(ctx, account)
		if err == nil {
			facts, ok = cloneHost(got), true
		}
	})
	if out == returned && ok {
		return facts, true
	}
	if ctx.Err() == nil {
		h.unknown.Add(1)
	}
	return posture.Host{}, false
}

// cloneHost returns facts that share nothing with those of the host, which may go on changing its own.
func cloneHost(h posture.Host) posture.Host {
	h.Answers = maps.Clone(h.Answers)
	if h.Delegated != nil {
		h.Delegated = &posture.Delegation{Provider: h.Delegated.Provider, AMR: slices.Clone(h.Delegated.AMR)}
	}
	return h
}
