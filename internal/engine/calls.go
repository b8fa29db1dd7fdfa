package engine

import (
	"context"
	"sync/atomic"
	"time"
)

// hostCalls is how many calls of one of the host's functions may be outstanding, those that were given up included.
const hostCalls = 64

// Calls makes calls of one of the host's functions, which may hang for ever: what they cost is bounded in time, and
// in goroutines.
type Calls struct {
	deadline time.Duration
	places   chan struct{} // taken by calls that have not returned
	givenUp  atomic.Int64  // of them, those for which nobody waits any more
}

// NewCalls returns Calls that wait for no call longer than a deadline.
func NewCalls(deadline time.Duration) *Calls {
	return &Calls{deadline: deadline, places: make(chan struct{}, hostCalls)}
}

// Outcome is what became of a call.
type Outcome uint8

const (
	NotCalled Outcome = iota // there was no place for it in time
	Left                     // it had not returned in time
	Returned                 // or has panicked
)

// Do calls f, and waits for its end and for a place for it no longer than the deadline. What f has written may be
// read only if it has returned.
func (c *Calls) Do(ctx context.Context, f func(context.Context)) Outcome {
	if c.givenUp.Load() >= hostCalls {
		return NotCalled // no place comes free in time
	}
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	defer cancel()
	if ctx.Err() != nil {
		return NotCalled
	}
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return NotCalled
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
		return Returned
	case <-ctx.Done():
	}
	c.givenUp.Add(1)
	if settled.CompareAndSwap(false, true) {
		return Left
	}
	c.givenUp.Add(-1)
	<-done
	return Returned
}
