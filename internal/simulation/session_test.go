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
// clients are in one session of each account, so what its owner changes does not end it. Every other call asks for a session
// that another browser began at the same time, which it ends.
func (c *client) bindSession(k *known, in *input) func(context.Context) error {
	kept, any := c.oneOf(slices.Sorted(maps.Keys(k.proofs)))
	if !any {
		return nil
	}
	in.session, in.elsewhere = kept, in.id%2 == 0
	elsewhere := in.elsewhere
	e := engine.Of(c.svc)
	return func(ctx context.Context) error {
		p, err := e.Present(ctx, engine.Session{Account: in.account, Secret: browser, Proof: k.proofs[kept].Reveal()})
		if err != nil {
			return err
		}
		if elsewhere {
			p.Session, p.In = []byte("another"), []byte("another")
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
	Stamp   int  // the call that has ended them last, -1 for none
	ByOwner bool // whose own session goes on
}

// counts reports whether the session of a call goes on, which keeps a proof.
func (a account) counts(in input) bool {
	p, known := a.Proofs[in.session]
	return known && a.Stored && !a.Suspended && p.kind != operatorCode && (p.stamp == a.Sessions.Stamp || a.Sessions.ByOwner && !in.elsewhere)
}

// keptInSession is what stands for the proof of a call where it is wanted as that of a session.
func keptInSession(call int) int { return call + 1<<20 }
