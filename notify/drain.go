package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

const (
	maxSkips   = 720  // rounds that an account is left alone after failures: an hour, where a round is 5 seconds
	maxFailing = 4096 // accounts of which failures are remembered
	manyFailed = 16   // accounts in a row of which a delivery has failed, after which the sink itself is taken to be down
	maxPauses  = 12   // rounds that are waited then: a minute
	patience   = 5    // failures of an account after which later notices are tried past one that fails

	// heldFor is for how long other processes leave an account alone in addition to Config.Timeout, in seconds.
	heldFor = 60
)

// Drain delivers notices to a sink until ctx ends, and returns its error. Where a delivery fails, the account waits for
// twice as many rounds each time, an hour at most, and others are not held up. After five failures in a row its later
// notices are tried as well, past those that fail, which are never given up. Faults of the store are tried again in the same
// way. Run one a process, in as many processes as you like.
func (s *Service) Drain(ctx context.Context, sink Sink) error {
	d := &drain{
		s: s, sink: sink, slots: make(chan struct{}, s.c.Parallel), calls: engine.NewCalls(s.c.Timeout),
		busy: map[string]int{}, failing: map[string]failing{},
	}
	defer d.wait.Wait()
	for {
		d.round(ctx)
		timer := time.NewTimer(s.c.Every * time.Duration(d.next()))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// drain is one Drain. Everything it keeps is bounded.
type drain struct {
	s     *Service
	sink  Sink
	slots chan struct{} // one for each account that is being delivered to
	calls *engine.Calls
	wait  sync.WaitGroup

	mu      sync.Mutex
	rounds  int                // those that were left out included
	cursor  string             // where the next round goes on; empty: at the beginning
	busy    map[string]int     // accounts that are being delivered to, with one more for each call that has not returned
	failing map[string]failing // accounts whose last delivery has failed
	failed  int                // accounts in a row
}

type failing struct {
	times int
	until int                    // the round in which it is tried again
	stuck map[core.NoticeID]bool // notices that have failed, once later ones are tried past them
}

var errDown = errors.New("many deliveries have failed")

// round looks at all accounts that have something to be told, or stops where the sink seems to be down. A fault of the
// store ends it as well: the next one goes on there.
func (d *drain) round(ctx context.Context) {
	d.mu.Lock()
	before, from := d.failed, d.cursor
	d.mu.Unlock()
	err := d.s.each(ctx, from, func(rec storage.Record) error {
		d.mu.Lock()
		d.cursor = rec.ID
		v, busy := d.visit(rec), d.busy[rec.ID] > 0
		down := d.failed >= manyFailed && d.failed > before
		d.mu.Unlock()
		switch {
		case busy || !v.due && !v.news():
			return ctx.Err()
		case down:
			return errDown
		}
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		d.begins(rec.ID)
		d.wait.Go(func() {
			defer func() { <-d.slots }()
			defer d.ends(rec.ID)
			err := d.account(ctx, v)
			d.outcome(v, err)
			if err != errElsewhere {
				d.fault(ctx, err, "notify: an owner could not be told", "account", rec.ID)
			}
		})
		return nil
	})
	if err != errDown {
		d.fault(ctx, err, "notify: the accounts with notices could not be listed")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.cursor = ""
	}
}

// fault logs an error, unless it is that Drain ends.
func (d *drain) fault(ctx context.Context, err error, what string, of ...any) {
	if err != nil && ctx.Err() == nil {
		d.s.c.Faults.WarnContext(ctx, what, append(of, "error", err)...)
	}
}

// next returns in how many rounds the next one is: later where nothing has succeeded lately.
func (d *drain) next() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := 1 + min(d.failed/manyFailed, maxPauses)
	d.rounds += in
	return in
}

// outcome remembers what has come of a visit.
func (d *drain) outcome(v *visit, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == errElsewhere {
		return
	}
	if err == nil || len(v.told) > 0 {
		if d.failed >= manyFailed { // the sink is back
			for account, f := range d.failing {
				f.until = 0
				d.failing[account] = f
			}
		}
		d.failed = 0
	}
	f := d.failing[v.rec.ID]
	f.stuck = v.stuck
	if err == nil && len(f.stuck) == 0 {
		delete(d.failing, v.rec.ID)
		return
	}
	if f.times == 0 { // one account that fails again and again says nothing of the sink
		d.failed++
	}
	if len(d.failing) >= maxFailing && f.times == 0 {
		for other := range d.failing { // which is tried earlier then
			delete(d.failing, other)
			break
		}
	}
	if err != nil && v.due {
		f.times++
		f.until = d.rounds + min(1<<min(f.times, 10), maxSkips)
	}
	d.failing[v.rec.ID] = f
}

// account delivers what waits for the owner of an account, and takes out of it what was delivered.
func (d *drain) account(ctx context.Context, v *visit) error {
	held, err := d.hold(ctx, v.rec)
	if err != nil {
		return err
	}
	failed := d.tell(ctx, v, held)
	saving, cancel := engine.Detach(ctx) // what was delivered is not delivered again, though ctx may have ended
	defer cancel()
	err = d.s.e.Change(saving, v.rec.ID, engine.Transition{Step: func(a core.Account, _ core.Env) (core.Account, error) {
		return a.NoticesTold(v.told, held.NoticesHeld), nil
	}})
	return errors.Join(failed, err)
}

// tell hands to the sink what is to be tried of the notices of an account, and returns its first error.
func (d *drain) tell(ctx context.Context, v *visit, held core.Account) (failed error) {
	limit, over := context.WithTimeout(ctx, heldFor*time.Second/2) // and the last one is over before others come
	defer over()
	notices := engine.Notices(held)
	for _, i := range v.order(held.Notices) {
		if limit.Err() != nil {
			break
		}
		err := d.deliver(ctx, notices[i])
		v.tried(held.Notices[i].ID, err)
		if failed == nil {
			failed = err
		}
		if err != nil && !v.past {
			break
		}
	}
	return failed
}

// errElsewhere says that there is nothing to deliver any more, or that another process does.
var errElsewhere = errors.New("delivered elsewhere")

// hold has the other processes leave an account alone, and returns it as it is then, or errElsewhere.
func (d *drain) hold(ctx context.Context, rec storage.Record) (core.Account, error) {
	a, err := core.Decode(rec.ID, rec.Data)
	if err != nil {
		return core.Account{}, err
	}
	held, ok := core.Account{}, false
	err = d.s.e.Change(ctx, rec.ID, engine.Transition{
		Loaded: &engine.Kept[core.Account]{Record: a, Version: rec.Version, Data: rec.Data},
		Step: func(a core.Account, env core.Env) (core.Account, error) {
			held, ok = a.HoldNotices(int64(d.s.c.Timeout/time.Second)+heldFor, env)
			return held, nil
		},
	})
	if err == nil && !ok {
		err = errElsewhere
	}
	return held, err
}

var (
	errPanicked = errors.New("the sink has panicked")
	errLate     = errors.New("the sink has not returned in time")
	errNoPlace  = errors.New("too many calls of the sink have not returned")
)

// deliver hands one notice to the sink.
func (d *drain) deliver(ctx context.Context, n event.Notice) (failed error) {
	defer d.s.e.Begin(&ctx, "notify.drain.deliver").End(&failed)
	d.begins(n.AccountID)
	err := errPanicked
	switch d.calls.Do(ctx, func(ctx context.Context) {
		defer d.ends(n.AccountID)
		err = d.sink.Deliver(ctx, n)
	}) {
	case engine.Returned:
		return err
	case engine.NotCalled:
		d.ends(n.AccountID)
		return errNoPlace
	}
	return fmt.Errorf("notice %s: %w", n.ID, errLate)
}

// begins and ends count what is under way for an account.
func (d *drain) begins(account string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy[account]++
}

func (d *drain) ends(account string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[account]--; d.busy[account] == 0 {
		delete(d.busy, account)
	}
}
