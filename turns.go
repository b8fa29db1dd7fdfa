package gatehouse

import (
	"context"
	"hash/maphash"
	"runtime"
	"runtime/metrics"
)

// turns lets changes of one account in this process follow one another: each sees what the one
// before has left, so that a burst of guesses finds the lock instead of spending keys, Argon2id and
// conflicting saves. Correctness does not rest on it, but on the store's compare-and-swap.
type turns struct {
	seed maphash.Seed // random, so that nobody can pick accounts that share a place
	held [512]chan struct{}
}

func newTurns() *turns {
	t := &turns{seed: maphash.MakeSeed()}
	for i := range t.held {
		t.held[i] = make(chan struct{}, 1)
	}
	return t
}

func (t *turns) take(ctx context.Context, id string) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	held := t.held[maphash.String(t.seed, id)%uint64(len(t.held))]
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// argon2Waiting bounds how many runs may wait; with default parameters and two processors that is
// some five seconds of work.
const argon2Waiting = 256

// argon2 bounds the runs of all Services in the process, as memory and processors are the process's.
var argon2 = newGate(runtime.GOMAXPROCS(0), argon2Waiting)

// gate lets a number of runs through at once and a bounded number wait.
type gate struct{ entered, running chan struct{} }

func newGate(running, waiting int) gate {
	return gate{entered: make(chan struct{}, running+waiting), running: make(chan struct{}, running)}
}

// run returns ErrBusy if too many are waiting, the context's error if it ends before run's turn.
func (g gate) run(ctx context.Context, f func()) error {
	select {
	case g.entered <- struct{}{}:
		defer func() { <-g.entered }()
	default:
		return ErrBusy
	}
	select {
	case g.running <- struct{}{}:
		defer func() { <-g.running }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f()
	collect()
	return nil
}

const (
	smallHeap  = 64 << 20 // bytes of live memory up to which a collection costs next to nothing beside a run
	muchOfThat = 16 << 20 // bytes of garbage; a run with default parameters leaves 19 MiB
)

// collect frees what runs have left, in a process that is small. There the collector would wait until
// several runs' garbage has come together, which is most of what the process then takes; in a large
// one it is lost in what comes together anyway.
func collect() {
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	if heap[0].Value.Kind() != metrics.KindUint64 || heap[1].Value.Kind() != metrics.KindUint64 {
		return // a Go that has no such metrics
	}
	live, objects := heap[0].Value.Uint64(), heap[1].Value.Uint64()
	if live < smallHeap && objects > live+muchOfThat {
		runtime.GC()
	}
}
