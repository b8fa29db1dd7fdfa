package securitypage

import (
	"context"
	"hash/maphash"
)

// turns lets forms of one account in one at a time, so that one that was sent twice finds what its twin has
// done. Other processes' forms meet in the store.
type turns struct {
	seed maphash.Seed // random, so that nobody can pick accounts that share a place
	held [256]chan struct{}
}

func newTurns() *turns {
	t := &turns{seed: maphash.MakeSeed()}
	for i := range t.held {
		t.held[i] = make(chan struct{}, 1)
	}
	return t
}

func (t *turns) take(ctx context.Context, account string) (done func(), err error) {
	held := t.held[maphash.String(t.seed, account)%uint64(len(t.held))]
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
