package engine

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

const (
	observerDeadline = 2 * time.Second
	maxCheap         = 1024 // events in a queue past which those that anybody can cause are not told
	maxWaiting       = 2048 // and no others either
	maxBursts        = 256  // locks of a queue of which a burst was told, that are remembered
)

// observers hands events over in order. Each account has a queue, shared with others by hash, and a queue that is not
// empty has one worker. Who adds to an idle queue waits for the worker to tell what they have added; who finds it at
// work does not, so that an observer can call into the service.
type observers struct {
	kept          func(account string, events []core.Event) // takes all of them instead; nil: does not
	watch         Watcher                                   // nil: nobody watches
	observer      event.Observer                            // nil: none
	calls         *Calls
	seed          maphash.Seed
	queues        [64]eventQueue
	dropped, late atomic.Uint64
}

type eventQueue struct {
	mu      sync.Mutex
	waiting []queued
	working bool
	bursts  map[burst]int64 // until when the lock is of which a ThrottledBurst was told last
}

// queued is an event that waits.
type queued struct {
	ctx   context.Context
	event event.Event
	told  chan struct{} // closed once this one and those before it are told or dropped; nil: nobody asks
}

type burst struct {
	account string
	method  event.Method
}

func newObservers(o event.Observer) *observers {
	return &observers{observer: o, calls: NewCalls(observerDeadline), seed: maphash.MakeSeed()}
}

// cheap reports whether anybody can cause events of a kind, as many as they like.
func cheap(k event.Kind) bool {
	switch k {
	case event.CodeDenied, event.ThrottledBurst, event.TokenReused, event.TokenNewAddress:
		return true
	}
	return false
}

// add puts an account's events in order, and returns what has them told. It is called while the account's turn is
// held, and what it returns after that.
func (o *observers) add(ctx context.Context, account string, events []core.Event) (tell func()) {
	if o.kept != nil {
		o.kept(account, events)
		return func() {}
	}
	if o.watch != nil {
		for _, e := range events {
			o.watched(ctx, e)
		}
	}
	if o.observer == nil || len(events) == 0 {
		return func() {}
	}
	q := &o.queues[maphash.String(o.seed, account)%uint64(len(o.queues))]
	q.mu.Lock()
	defer q.mu.Unlock()
	added := false
	for _, e := range events {
		if len(q.waiting) >= maxWaiting || cheap(e.Kind) && len(q.waiting) >= maxCheap {
			o.dropped.Add(1)
			continue
		}
		if !q.repeats(account, e) {
			q.waiting = append(q.waiting, queued{ctx: context.WithoutCancel(ctx), event: told(ctx, account, e)})
			added = true
		}
	}
	if !added {
		return func() {}
	}
	told := make(chan struct{})
	q.waiting[len(q.waiting)-1].told = told
	return func() { o.work(q, told) }
}

func (o *observers) watched(ctx context.Context, e core.Event) {
	defer quiet()
	o.watch.Told(ctx, e)
}

// repeats reports whether an event is a burst in a lock of which one was told.
func (q *eventQueue) repeats(account string, e core.Event) bool {
	if e.Kind != event.ThrottledBurst {
		return false
	}
	b := burst{account, e.Method}
	if until, told := q.bursts[b]; told && until == e.RetryAt {
		return true
	}
	if q.bursts == nil || len(q.bursts) >= maxBursts {
		q.bursts = map[burst]int64{}
	}
	q.bursts[b] = e.RetryAt
	return false
}

// work has a queue worked off, unless that is being done, and returns when an event was told, but no later than the
// deadline; nil waits for none.
func (o *observers) work(q *eventQueue, told <-chan struct{}) {
	q.mu.Lock()
	idle := !q.working && len(q.waiting) > 0
	if idle {
		q.working = true
		go o.drain(q)
	}
	q.mu.Unlock()
	if !idle || told == nil {
		return
	}
	timer := time.NewTimer(observerDeadline)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	}
}

// drain tells what waits in a queue until nothing does. The queue is idle again before anybody hears that the last
// was told.
func (o *observers) drain(q *eventQueue) {
	for more := true; more; {
		q.mu.Lock()
		next := q.waiting[0]
		q.mu.Unlock()
		o.tell(next)
		q.mu.Lock()
		told := q.waiting[0].told // flush may have come meanwhile
		q.waiting[0] = queued{}
		q.waiting = q.waiting[1:]
		more = len(q.waiting) > 0
		q.working = more
		q.mu.Unlock()
		if told != nil {
			close(told)
		}
	}
}

func (o *observers) tell(next queued) {
	switch o.calls.Do(next.ctx, func(ctx context.Context) { o.observer.Observe(ctx, next.event) }) {
	case NotCalled:
		o.dropped.Add(1)
	case Left:
		o.late.Add(1)
	}
}

// flush returns when every event that has been added is told or dropped, or with the error of ctx.
func (o *observers) flush(ctx context.Context) error {
	for i := range o.queues {
		q := &o.queues[i]
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.mu.Unlock()
			continue
		}
		last := &q.waiting[len(q.waiting)-1]
		if last.told == nil {
			last.told = make(chan struct{})
		}
		told := last.told
		q.mu.Unlock()
		o.work(q, nil)
		select {
		case <-told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
