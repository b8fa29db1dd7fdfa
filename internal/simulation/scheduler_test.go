package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// fate is what becomes of a call to the store.
type fate uint8

const (
	done fate = iota
	replyLost
	retried // it is done, its reply is lost, and a driver that tries again meets a conflict
	refused
	conflict
	nodeDies      // before the call is done
	nodeDiesAfter // it is done, and nobody hears of it
	stalls        // it hangs: another fate comes later
	gaveUp        // its caller did not wait for that
)

var fateNames = [...]string{"done", "reply lost", "reply lost and tried again", "refused", "conflict", "node dies before", "node dies after", "stalls", "given up"}

func (f fate) String() string { return fateNames[f] }

var (
	errNetwork = errors.New("simulation: network")
	errDead    = errors.New("simulation: the node is dead")
)

// waiting is something that a client waits for the scheduler to let go on: a call to the store, or a nap.
type waiting struct {
	client int // drainers come after clients
	node   *node
	what   string // something that its client waits for but once
	writes bool
	nap    time.Duration
	goOn   chan fate
	stall
}

// scheduler lets one thing at a time go on.
type scheduler struct {
	rng *rand.Rand

	mu      sync.Mutex
	waiting []*waiting
	running int // clients that have not ended
	over    bool

	drawn   int // fates so far
	stalled stalled
	calm    func(drawn int) bool // whether a fate is to be done, whatever is drawn
	log     []string
	faults  int
	fault   map[int]bool // clients that have met one since forget
}

// node is one process. Its clock is off by some seconds.
type node struct {
	number  int
	born    int // counts nodes
	release release
	clock   time.Duration
	calls   int // of clients, under way
	dead    bool
}

func (n *node) now() time.Time { return time.Now().Add(n.clock) }

// await blocks until the scheduler lets w go on, and returns what becomes of it.
func (s *scheduler) await(ctx context.Context, w *waiting) fate {
	w.goOn = make(chan fate, 1)
	s.mu.Lock()
	if s.over || w.node.dead && w.nap == 0 {
		s.mu.Unlock()
		return nodeDies
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	if f := <-w.goOn; f != stalls {
		return f
	}
	return s.hang(ctx, w)
}

// run lets the clients go on, one thing at a time, until all have ended. after is called after each. No two things happen in
// the same moment, or which of them comes first would not follow from the seed.
func (s *scheduler) run(after func(client int, what string)) {
	for {
		time.Sleep(time.Microsecond)
		synctest.Wait()
		s.mu.Lock()
		if s.running == 0 {
			s.mu.Unlock()
			return
		}
		w, f := s.pick()
		s.mu.Unlock()
		if w == nil {
			time.Sleep(20 * time.Millisecond) // for whoever waits for a time
			continue
		}
		if w.nap > 0 {
			time.Sleep(w.nap)
			synctest.Wait()
		}
		by := w.client
		if w.left {
			s.carryOut(w, f)
			by = nobody
		} else {
			w.goOn <- f
			synctest.Wait()
		}
		after(by, w.what)
	}
}

// pick draws what goes on next, nil for nothing, and what becomes of it.
func (s *scheduler) pick() (*waiting, fate) {
	slices.SortFunc(s.waiting, func(a, b *waiting) int {
		return cmp.Or(a.client-b.client, a.node.born-b.node.born, strings.Compare(a.what, b.what), a.until.Compare(b.until))
	})
	var ready []int
	for i, w := range s.waiting {
		if !w.until.After(time.Now()) {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		return nil, done
	}
	i := ready[s.rng.IntN(len(ready))]
	w := s.waiting[i]
	f := s.draw(w)
	s.log = append(s.log, fmt.Sprintf("client %d on node %d: %s: %v", w.client, w.node.number, w.what, f))
	if f != stalls {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	return w, f
}

// end has everything die that still goes on.
func (s *scheduler) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, w := range s.waiting {
		w.goOn <- nodeDies
	}
	s.waiting = nil
}

// met reports whether a client has met a fault since forget.
func (s *scheduler) met(client int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault[client]
}

func (s *scheduler) forget(client int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fault, client)
}

func (s *scheduler) kill(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.dead = true
	s.log = append(s.log, fmt.Sprintf("node %d, of release %v, is replaced", n.number, n.release))
}

func (s *scheduler) dead(n *node) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over || n.dead
}

// draw draws what becomes of a call. The same draws are made whether or not it is calm, so that a run from which
// faults were taken out goes on like the one before it for as long as it can.
func (s *scheduler) draw(w *waiting) fate {
	n, long := s.rng.IntN(200), s.rng.Int64N(int64(time.Second))
	switch {
	case w.nap > 0:
		return done
	case w.until != time.Time{}: // it has stalled
		if w.node.dead {
			return nodeDies
		}
		return w.then
	}
	s.drawn++
	f := done
	switch {
	case n < 6:
		f = refused
	case n < 10 && w.writes:
		f = replyLost
	case n < 12 && w.writes:
		f = retried
	case n < 16:
		f = conflict
	case n < 18:
		f = nodeDies
	case n < 20 && w.writes:
		f = nodeDiesAfter
	case n >= 196:
		f = stalls
	case n < 30 && w.writes && w.client >= clients: // a drainer, before it delivers or before it says that it has
		f = nodeDies
	}
	switch {
	case w.node.dead:
		s.fault[w.client] = true
		return nodeDies // by itself, or two clients would go on at once
	case f == done || s.calm(s.drawn):
		return done
	}
	s.faults++
	s.fault[w.client] = true
	w.node.dead = f == nodeDies || f == nodeDiesAfter
	if f == stalls {
		s.drawStall(w, long)
	}
	return f
}

func (s *scheduler) String() string { return strings.Join(s.log, "\n") }

// remote is the store as one client of one node has it.
type remote struct {
	storage.Store
	s      *scheduler
	client int
	node   *node
	of     *client // nil: a drainer's
}

// call makes a call to the store, once the scheduler lets it go on. The store does not ask whether the caller is
// still there: a statement that is on its way is carried out.
func call[T any](ctx context.Context, r remote, what string, writes bool, do func() (T, error)) (v T, err error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	w := &waiting{client: r.client, node: r.node, what: what, writes: writes}
	w.do = func() { _, _ = do() }
	if r.of != nil {
		w.landed = r.of.landed(r.of.making)
	}
	f := r.s.await(ctx, w)
	switch f {
	case done, replyLost, retried, nodeDiesAfter:
		v, err = do()
	case refused:
		err = errNetwork
	case conflict:
		err = storage.ErrConflict
	case nodeDies:
		err = errDead
	case gaveUp:
		err = ctx.Err()
	}
	switch f {
	case replyLost:
		return none, errNetwork
	case retried:
		return none, storage.ErrConflict
	case nodeDiesAfter:
		return none, errDead
	}
	return v, err
}

func write(ctx context.Context, r remote, what string, do func() error) error {
	_, err := call(ctx, r, what, true, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (r remote) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	return call(ctx, r, "load "+id, false, func() (storage.Record, error) { return r.Store.LoadAccount(context.WithoutCancel(ctx), id) })
}

func (r remote) SaveAccount(ctx context.Context, rec storage.Record, prev int64) error {
	return write(ctx, r, "save "+rec.ID, func() error {
		err := r.Store.SaveAccount(context.WithoutCancel(ctx), rec, prev)
		if err == nil && r.of != nil {
			r.of.saved()
		}
		return err
	})
}

func (r remote) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return call(ctx, r, "accounts", false, func() (storage.Page[storage.Record], error) {
		return r.Store.Accounts(context.WithoutCancel(ctx), after, limit)
	})
}

func (r remote) AccountByHandle(ctx context.Context, h storage.Handle) (storage.Record, error) {
	return call(ctx, r, "load by handle", false, func() (storage.Record, error) {
		return r.Store.AccountByHandle(context.WithoutCancel(ctx), h)
	})
}

func (r remote) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return call(ctx, r, "unsent accounts", false, func() (storage.Page[storage.Record], error) {
		return r.Store.UnsentAccounts(context.WithoutCancel(ctx), after, limit)
	})
}

func (r remote) LoadToken(ctx context.Context, id string) (t storage.TokenRecord, owner storage.AccountIndex, err error) {
	t, err = call(ctx, r, "load token", false, func() (t storage.TokenRecord, err error) {
		t, owner, err = r.Store.LoadToken(context.WithoutCancel(ctx), id)
		return t, err
	})
	return t, owner, err
}

func (r remote) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	return write(ctx, r, "save token", func() error { return r.Store.SaveToken(context.WithoutCancel(ctx), t, prev) })
}

func (r remote) Tokens(ctx context.Context, account, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return call(ctx, r, "tokens", false, func() (storage.Page[storage.TokenRecord], error) {
		return r.Store.Tokens(context.WithoutCancel(ctx), account, after, limit)
	})
}

func (r remote) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return call(ctx, r, "live tokens", false, func() (storage.Page[storage.TokenRecord], error) {
		return r.Store.LiveTokens(context.WithoutCancel(ctx), account, live, after, limit)
	})
}

func (r remote) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return call(ctx, r, "all tokens", false, func() (storage.Page[storage.TokenRecord], error) {
		return r.Store.AllTokens(context.WithoutCancel(ctx), after, limit)
	})
}

func (r remote) DeleteToken(ctx context.Context, id string, prev int64) error {
	return write(ctx, r, "delete token", func() error { return r.Store.DeleteToken(context.WithoutCancel(ctx), id, prev) })
}

// TouchTokens is not scheduled: uses are stored when a node closes, beside everything else.
func (r remote) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	return r.Store.TouchTokens(ctx, uses)
}
