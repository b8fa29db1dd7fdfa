package simulation

import (
	"context"
	"math"
	"slices"

	"github.com/stretchr/testify/require"
)

// rollout is how the nodes of a run are upgraded and rolled back.
type rollout uint8

const (
	still    rollout = iota // all are of the latest release
	orderly                 // no node makes what another one cannot read
	careless                // somebody forgets to look
)

// rolled counts what became of it.
type rolled struct {
	Deploys [makes + 1]int
	Unread  int // calls that have met a record which their node cannot read
}

func (r *rolled) add(more rolled) {
	for to, n := range more.Deploys {
		r.Deploys[to] += n
	}
	r.Unread += more.Unread
}

// shutOut notes that something was met which a node cannot read.
func (w *world) shutOut(who string) {
	if w.rollout != careless {
		w.wrong(who + " has met what its release cannot read")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rolled.Unread++
}

// drawRollout draws how the nodes of a run begin and go on.
func (w *world) drawRollout() {
	w.rollout = []rollout{still, orderly, orderly, careless}[w.rng.IntN(4)]
	w.began = []release{old, reads, makes, makes}[w.rng.IntN(4)]
	if w.rollout == still {
		w.began = makes
	}
}

// deploy now and then replaces a node by one of another release. It stops as any process does: what it was about is cut off,
// unless nobody was there.
func (c *client) deploy() {
	if c.rollout == still || c.rng.IntN(4) > 0 {
		return
	}
	i, to := c.rng.IntN(nodes), old
	switch from := c.nodes[i].release; {
	case from == old, from == reads && c.rng.IntN(2) == 0:
		to = from + 1
	default:
		to = from - 1
	}
	if c.rollout == orderly && !c.mayDeploy(to) || c.nodes[i].calls > 0 && c.rng.IntN(3) > 0 {
		return
	}
	c.s.kill(c.nodes[i])
	c.replace(i, to)
	c.rolled.Deploys[to]++
}

// mayDeploy reports whether a release may join: a program reads the next format before any program writes it, and an older
// one that does not read it comes back once nothing of it is left.
func (w *world) mayDeploy(to release) bool {
	switch to {
	case makes:
		return !slices.ContainsFunc(w.nodes[:], func(n *node) bool { return n.release == old })
	case old:
		return !slices.ContainsFunc(w.nodes[:], func(n *node) bool { return n.release == makes }) && !w.hasNext()
	}
	return true
}

// hasNext reports whether anything is stored in format 2.
func (w *world) hasNext() bool {
	ctx := context.Background()
	accounts, err := w.raw.Accounts(ctx, "", math.MaxInt)
	require.NoError(w.t, err)
	tokens, err := w.raw.AllTokens(ctx, "", math.MaxInt)
	require.NoError(w.t, err)
	for _, r := range accounts.Records {
		if isNext(r.Data) {
			return true
		}
	}
	for _, t := range tokens.Records {
		if isNext(t.Data) {
			return true
		}
	}
	return false
}
