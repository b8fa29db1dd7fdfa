package queue

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
)

// Kind is what a run is for. Each kind has its own queue, and the two take turns, so that neither can fill the
// places of the other.
type Kind uint8

const (
	Try  Kind = iota // compares a code that somebody typed
	Make             // hashes a new one
)

// maxWaiting bounds how many runs of a kind wait. With the default parameters and two processors they are some
// five seconds of work.
const maxWaiting = 256

// DefaultMemory is the default bound, in bytes, where the machine has no lower one. With the rest of a small
// program it stays under 128 MiB.
const DefaultMemory = 80 << 20

// Argon2 is the gate of all Services of the process, as memory and processors are the process's.
var Argon2 = NewGate(func() int { return machineMemory() })

// Gate keeps the memory of runs, and of what they have left to be collected, under a bound. Three quarters of it are for
// those that run, so that not each of them begins with a collection, and there are no more of them than processors.
// The runs of a kind begin in the order in which they came, the large ones too: nobody passes one that waits for
// room. A run that needs more than that runs alone.
type Gate struct {
	machine func() int // the bound where nobody asks for one

	mu      sync.Mutex
	asked   int // bytes, 0: nobody has asked
	waiting [2][]*run
	next    Kind // whose turn it is
	running int
	active  int // bytes that runs hold
	garbage int // bytes that runs have left since the last collection

	collecting sync.Mutex
}

type run struct {
	bytes   int
	granted chan struct{}
}

// NewGate returns a gate whose bound is what machine returns, in bytes, unless somebody asks for another.
func NewGate(machine func() int) *Gate { return &Gate{machine: sync.OnceValue(machine)} }

// Ask sets the bound, in bytes. Of several that were asked for the greatest counts.
func (g *Gate) Ask(bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = max(g.asked, bytes)
}

// Run calls f, which takes so many bytes of memory, once there is room for it. It returns ErrFull if too many of the
// kind are waiting, and the context's error if it ends before f begins.
func (g *Gate) Run(ctx context.Context, kind Kind, bytes int, f func()) error {
	r, err := g.enter(kind, bytes)
	if err != nil {
		return err
	}
	select {
	case <-r.granted:
	case <-ctx.Done():
		if !g.withdraw(kind, r) {
			g.leave(r, false)
		}
		return ctx.Err()
	}
	ran := false
	defer func() { g.leave(r, ran) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	g.collect(bytes)
	ran = true
	f()
	return nil
}

func (g *Gate) enter(kind Kind, bytes int) (*run, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting[kind]) >= maxWaiting {
		return nil, ErrFull
	}
	r := &run{bytes, make(chan struct{})}
	g.waiting[kind] = append(g.waiting[kind], r)
	g.grant()
	return r, nil
}

// grant begins what may begin. It is called with the lock held.
func (g *Gate) grant() {
	for {
		kind := g.next
		if len(g.waiting[kind]) == 0 {
			kind = 1 - kind
		}
		if len(g.waiting[kind]) == 0 {
			return
		}
		first := g.waiting[kind][0]
		if g.running > 0 && (g.running >= runtime.GOMAXPROCS(0) || g.active+first.bytes > g.bound()*3/4) {
			return
		}
		g.waiting[kind] = g.waiting[kind][1:]
		g.next = 1 - kind
		g.running++
		g.active += first.bytes
		close(first.granted)
	}
}

func (g *Gate) limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bound()
}

func (g *Gate) bound() int {
	if g.asked > 0 {
		return g.asked
	}
	return g.machine()
}

// withdraw takes a run out of its queue, and reports false if it has left it already.
func (g *Gate) withdraw(kind Kind, r *run) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting[kind], r)
	if i < 0 {
		return false
	}
	g.waiting[kind] = slices.Delete(g.waiting[kind], i, i+1)
	g.grant() // it may have been what the others waited for
	return true
}

func (g *Gate) leave(r *run, ran bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.active -= r.bytes
	if ran {
		g.garbage += r.bytes
	}
	g.grant()
}

// Waiting returns how many runs have begun and how many wait.
func (g *Gate) Waiting() (running, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running, len(g.waiting[Try]) + len(g.waiting[Make])
}

// smallHeap is up to how many bytes of live memory, beside that of runs, a program is small.
const smallHeap = 64 << 20

// collect has the memory of runs that have ended collected where it would be over the bound together with that of
// those that run: Argon2id makes its memory itself, and the collector would wait until there is twice as much. In a
// program that is large it is left to the collector: there it is little beside what comes together anyway.
func (g *Gate) collect(bytes int) {
	// What smaller runs have left is room in which a large one does not fit, also once it is collected.
	large := bytes > g.limit()/2
	if !large && g.left() == 0 {
		return
	}
	g.collecting.Lock()
	defer g.collecting.Unlock()
	left := g.left()
	if !large && left == 0 { // another run has done it
		return
	}
	if live() < smallHeap+DefaultMemory {
		if large {
			debug.FreeOSMemory()
		} else {
			runtime.GC()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.garbage -= left
}

// left returns how much garbage there is, 0 if there is room for it.
func (g *Gate) left() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active+g.garbage <= g.bound() {
		return 0
	}
	return g.garbage
}

// live returns how many bytes the last collection has found in use, those of runs included.
func live() uint64 {
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(heap)
	if heap[0].Value.Kind() != metrics.KindUint64 {
		return 0 // a Go that has no such metric
	}
	return heap[0].Value.Uint64()
}
