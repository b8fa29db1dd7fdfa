package simulation

import (
	"context"
	"maps"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// bindSession is bind for a browser session that keeps a proof, of which package websession asks whether it goes on. All
// clients are in one session of each account, so what its owner changes ends none of it.
func (c *client) bindSession(k *known, in *input) func(context.Context) error {
	kept, any := c.oneOf(slices.Sorted(maps.Keys(k.proofs)))
	if !any {
		return nil
	}
	in.session = kept
	e := engine.Of(c.svc)
	return func(ctx context.Context) error {
		p, err := e.Present(ctx, engine.Session{Account: in.account, Secret: browser, Proof: k.proofs[kept].Reveal()})
		if err != nil {
			return err
		}
		a, err := e.Load(ctx, in.account)
		if err != nil {
			return err
		}
		if a.Session(p) != core.SessionCounts {
			return gatehouse.ErrDenied
		}
		return nil
	}
}

// sessions is what an account's sessions go by.
type sessions struct {
	Stamp   int  // the call that has ended them last, 0 for none
	ByOwner bool // whose own session goes on
}

// counts reports whether a session goes on that keeps a proof.
func (a account) counts(kept int) bool {
	p, known := a.Proofs[kept]
	return known && a.Stored && !a.Suspended && p.kind != operatorCode && (p.stamp == a.Sessions.Stamp || a.Sessions.ByOwner)
}

// keptInSession is what stands for the proof of a call where it is wanted as that of a session.
func keptInSession(call int) int { return call + 1<<20 }
