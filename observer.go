package gatehouse

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Observer is told what happens: to notify owners (NIST SP 800-63B-4 §4.6 asks for it), to alert, to
// audit. It is called after the change is saved and, as a rule, before the answer is given; one event
// at a time for each account, in the order of the changes that this process made. It cannot change an
// answer: its panics are caught, and one that has not returned after 2 seconds, when ctx ends, is
// left behind. It may call the Service. An event is told at most once: a process that dies between
// the save and the call has not told it, and denials are left out while over a thousand events wait.
// The account's Activity has what was saved.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// ObserverFunc is a function as an Observer.
type ObserverFunc func(ctx context.Context, e Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// LogEvents returns an Observer that logs each event: what an owner should look at as a warning, the
// rest as information.
func LogEvents(l *slog.Logger) Observer {
	return ObserverFunc(func(ctx context.Context, e Event) {
		level := slog.LevelInfo
		switch e.Kind {
		case CodeDenied, MethodLocked, ThrottledBurst, ManyFailures, RecoveryCodeUsed, RecoveryCodesLow,
			TwoFactorOff, AccountReset, AccountRestored, SecondFactorMissing, AccountSuspended, TokenReused, TokenContested,
			TokenNewAddress, TokenSuspended:
			level = slog.LevelWarn
		}
		l.LogAttrs(ctx, level, e.Kind.String(), slog.Any("event", e))
	})
}

const (
	observerDeadline = 2 * time.Second
	maxWaiting       = 1024 // events in a queue past which denials, which anybody can cause, are not told
)

// observers hands events over in order. Each account has a queue, shared with others by hash. Who
// adds to it works it off as far as its own events, unless somebody is at it already: so a call that
// an observer makes into the service only adds to the queue and returns.
type observers struct {
	observer Observer
	seed     maphash.Seed
	queues   [64]eventQueue
}

type eventQueue struct {
	mu          sync.Mutex
	waiting     []queued
	added, told int // counts of events
	working     bool
	burst       burst
}

type queued struct {
	ctx   context.Context
	event Event
}

// burst is the lock of which a ThrottledBurst was told last.
type burst struct {
	account string
	method  core.Method
	until   int64
}

func newObservers(o Observer) *observers { return &observers{observer: o, seed: maphash.MakeSeed()} }

// add puts an account's events in order, and returns what tells them. It is called while the
// account's turn is held, and what it returns after that.
func (o *observers) add(ctx context.Context, account string, events []core.Event) (tell func()) {
	if o.observer == nil || len(events) == 0 {
		return func() {}
	}
	q := &o.queues[maphash.String(o.seed, account)%uint64(len(o.queues))]
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range events {
		if e.Kind == core.ThrottledBurst {
			b := burst{account, e.Method, e.RetryAt}
			if q.burst == b {
				continue
			}
			q.burst = b
		}
		if (e.Kind == core.Denied || e.Kind == core.TokenReused) && len(q.waiting) >= maxWaiting {
			continue
		}
		q.waiting = append(q.waiting, queued{context.WithoutCancel(ctx), eventOf(account, e)})
		q.added++
	}
	mine := q.added
	return func() { o.work(q, mine) }
}

// work tells a queue's events up to a count, and leaves those behind it to a goroutine of their own.
func (o *observers) work(q *eventQueue, upto int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.working {
		return
	}
	q.working = true
	for len(q.waiting) > 0 && q.told < upto {
		next := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		o.tell(next)
		q.mu.Lock()
		q.told++
	}
	q.working = false
	if len(q.waiting) > 0 {
		go o.work(q, q.added)
	}
}

func (o *observers) tell(next queued) {
	ctx, cancel := context.WithTimeout(next.ctx, observerDeadline)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // whatever it was, the answer stands
		o.observer.Observe(ctx, next.event)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
