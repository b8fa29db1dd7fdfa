package simulation

import (
	"context"
	"time"
)

// stall is what is kept of a call to a store that hangs.
type stall struct {
	until  time.Time // zero: it does not
	then   fate      // what becomes of it
	left   bool      // its caller has given up
	do     func()    // the call, for a caller who has
	landed func()    // says that it was carried out then; nil: nobody asks
}

// nobody is whose call a statement is whose caller has given up.
const nobody = -1

// stalled counts them.
type stalled struct{ Calls, GivenUp, Late int }

func (s *stalled) add(more stalled) {
	s.Calls, s.GivenUp, s.Late = s.Calls+more.Calls, s.GivenUp+more.GivenUp, s.Late+more.Late
}

// drawStall draws for how long a call hangs, seconds to minutes, and what becomes of it.
func (s *scheduler) drawStall(w *waiting, long int64) {
	s.stalled.Calls++
	most := []time.Duration{5 * time.Second, 5 * time.Second, 30 * time.Second, 3 * time.Minute}[long%4]
	w.until = time.Now().Add(time.Duration(float64(most) * float64(long) / float64(time.Second)))
	w.then = []fate{done, done, replyLost, refused}[long/4%4]
	if w.then == replyLost && !w.writes {
		w.then = done
	}
}

// hang waits for the end of a stall, or until the caller's time is up: the call is on its way then.
func (s *scheduler) hang(ctx context.Context, w *waiting) fate {
	select {
	case f := <-w.goOn:
		return f
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.left = true
	s.stalled.GivenUp++
	return gaveUp
}

// carryOut does what became of a call whose caller has given up.
func (s *scheduler) carryOut(w *waiting, f fate) {
	if f != done && f != replyLost {
		return
	}
	w.do()
	if w.writes {
		s.stalled.Late++
	}
	if w.landed != nil {
		w.landed()
	}
}

// landed returns what notes that a call of a client goes on until now, though it was answered.
func (c *client) landed(id int) func() {
	node := c.node
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := range c.history {
			if made := &c.history[i]; made.in.id == id && made.told == fault {
				made.end, made.in.to = c.tick(), node.now().Unix()
			}
		}
	}
}

// patienceOf draws for how long a client waits for a call.
func (c *client) patienceOf() (context.Context, context.CancelFunc) {
	seconds := []int{3, 20, 0, 0, 0, 0, 0, 0}[c.rng.IntN(8)]
	if seconds == 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
}
