package gatehouse

import (
	"context"
	"sync/atomic"
	"time"
)

// hostCalls is how many calls of one of the host's functions may be outstanding, those that were given up included.
const hostCalls = 64

// calls makes calls of one of the host's functions, which may hang for ever: what they cost is bounded in time, and
// in goroutines.
type calls struct {
	deadline time.Duration
	places   chan struct{} // taken by calls that have not returned
	givenUp  atomic.Int64  // of them, those for which nobody waits any more
}

func newCalls(deadline time.Duration) *calls {
	return &calls{deadline: deadline, places: make(chan struct{}, hostCalls)}
}

// outcome is what became of a call.
type outcome uint8

const (
	notCalled outcome = iota // there was no place for it in time
	left                     // it had not returned in time
	returned                 // or has panicked
)

// do calls f, and waits for its end and for a place for it no longer than the deadline. What f has written may be
// read only if it has returned.
func (c *calls) do(ctx context.Context, f func(context.Context)) outcome {
	if c.givenUp.Load() >= hostCalls {
		return notCalled // no place comes free in time
	}
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	defer cancel()
	if ctx.Err() != nil {
		return notCalled
	}
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return notCalled
	}
	var settled atomic.Bool // by its end, or by nobody waiting for that any more
	done := make(chan struct{})
	go func() {
		defer func() {
			_ = recover()
			if settled.CompareAndSwap(false, true) {
				<-c.places
				close(done)
				return
			}
			c.givenUp.Add(-1)
			<-c.places
		}()
		f(ctx)
	}()
	select {
	case <-done:
		return returned
	case <-ctx.Done():
	}
	c.givenUp.Add(1)
	if settled.CompareAndSwap(false, true) {
		return left
	}
	c.givenUp.Add(-1)
	<-done
	return returned
}

// Stats counts what a Service has left out since it was made, so that metrics can tell. Each is 0 where all is well.
type Stats struct {
	EventsDropped uint64 // not told to the Observer: too many waited, or too many of its calls had not returned
	EventsLate    uint64 // told, and the Observer had not returned in time
	HostUnknown   uint64 // answers that HostFacts did not give: an error, a panic, too late, or too many calls at a time
	TokenUsesLost uint64 // uses of tokens that were not noted, as too many waited to be stored or after Close
}

// Stats returns the counts so far.
func (s *Service) Stats() Stats {
	return Stats{
		EventsDropped: s.observers.dropped.Load(), EventsLate: s.observers.late.Load(),
		HostUnknown: s.host.unknown.Load(), TokenUsesLost: s.usage.lost.Load(),
	}
}
