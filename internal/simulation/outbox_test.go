package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/notify"
)

const (
	drainersOfNode = 2
	drainEvery     = 15 * time.Second
	sinkTimeout    = 5 * time.Second
)

// outbox has what owners must be told, and what they have been told, in a run with notices.
type outbox struct {
	*world
	drains sync.WaitGroup
	stop   map[*node]context.CancelFunc
	sinks  [nodes * drainersOfNode]*rand.Rand // what becomes of deliveries

	mail   sync.Mutex
	saved  map[core.NoticeID]saved
	count  map[string]int // of an account's notices
	told   map[string]int // of an account, the last one that was told for the first time
	taken  map[core.NoticeID]bool
	during map[string]context.Context // of the delivery under way to an account
	lives  map[string]int             // how often an account was deleted
	hand   []mustHand
	handed map[string]bool // notices, to whoever has deleted their account
	ended  []ended
	fails  int // of twenty deliveries

	deliveries
}

// deliveries counts what became of notices.
type deliveries struct{ First, Again, Folded int }

func (d *deliveries) add(more deliveries) {
	d.First, d.Again, d.Folded = d.First+more.First, d.Again+more.Again, d.Folded+more.Folded
}

// saved is a notice that was saved.
type saved struct {
	core.Notice
	account string
	order   int   // in its account
	life    int   // of its account
	tick    int64 // of the clients' clock
}

func newOutbox(w *world, seed uint64) *outbox {
	o := &outbox{
		world: w, stop: map[*node]context.CancelFunc{}, saved: map[core.NoticeID]saved{}, count: map[string]int{}, told: map[string]int{},
		taken: map[core.NoticeID]bool{}, during: map[string]context.Context{}, lives: map[string]int{}, handed: map[string]bool{},
	}
	o.fails = []int{2, 2, 20}[rand.New(rand.NewPCG(seed, 3)).IntN(3)]
	for i := range o.sinks {
		o.sinks[i] = rand.New(rand.NewPCG(seed, uint64(200+i)))
	}
	return o
}

// start starts the drainers of a node in the place of one that has died.
func (o *outbox) start(died, n *node) {
	if !o.notices {
		return
	}
	if stop := o.stop[died]; stop != nil {
		stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	o.stop[n] = stop
	for i := range drainersOfNode {
		number := n.number*drainersOfNode + i
		svc, err := gatehouse.New(remote{Store: n.release.on(o.store), s: o.s, client: clients + number, node: n}, o.config(n))
		require.NoError(o.t, err)
		o.drain(ctx, svc, o.sinkOf(n, o.sinks[number]))
	}
}

func (o *outbox) drain(ctx context.Context, svc *gatehouse.Service, sink notify.Sink) {
	d, err := notify.New(svc, notify.Config{Every: drainEvery, Timeout: sinkTimeout, Parallel: 1, Faults: slog.New(faults{world: o.world})})
	require.NoError(o.t, err)
	o.drains.Go(func() { _ = d.Drain(ctx, sink) })
}

// faults is where drainers say what has gone wrong.
type faults struct {
	slog.Handler
	*world
}

func (f faults) Enabled(context.Context, slog.Level) bool { return true }

func (f faults) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, is := a.Value.Any().(error); is && errors.Is(err, core.ErrFormat) {
			f.shutOut("a drainer")
		}
		return true
	})
	return nil
}

var errSink = errors.New("simulation: the sink has failed")

// sinkOf returns a sink that now and then fails, hangs, panics, or tells and says that it has not.
func (o *outbox) sinkOf(n *node, rng *rand.Rand) notify.Sink {
	return notify.SinkFunc(func(ctx context.Context, notice event.Notice) error {
		fate := rng.IntN(20)
		if o.s.dead(n) || fate >= 20-o.fails {
			return errSink
		}
		done := o.tells(ctx, notice)
		defer done()
		switch fate {
		case 0, 1:
			return errSink
		case 2:
			panic("simulation")
		case 3:
			<-ctx.Done()
			return ctx.Err()
		case 4:
			time.Sleep(3 * sinkTimeout)
			return nil
		case 5, 6:
			time.Sleep(sinkTimeout / 2)
		}
		if o.s.dead(n) {
			return errSink
		}
		o.takes(notice)
		return nil
	})
}

// tells notes that an owner is told something, and returns what is called at its end. It must have been saved, nothing that
// was saved later was told before, and nobody else tells the same owner at the same time.
func (o *outbox) tells(ctx context.Context, n event.Notice) (done func()) {
	o.mail.Lock()
	defer o.mail.Unlock()
	s, known := o.find(n)
	if !known {
		o.wrong(fmt.Sprintf("%s is told of %s, which was never saved", n.AccountID, n.Kind))
	}
	whose := fmt.Sprint(n.AccountID, s.life)
	if other := o.during[whose]; other != nil && other.Err() == nil {
		o.wrong(fmt.Sprintf("two tell %s at the same time", n.AccountID))
	}
	o.during[whose] = ctx
	o.Again++
	if last := o.told[n.AccountID]; s.order > last {
		o.First, o.Again = o.First+1, o.Again-1
		for id, other := range o.saved {
			if other.account == n.AccountID && other.order > last && other.order < s.order && !o.taken[id] {
				o.wrong(fmt.Sprintf("%s is told of %s before %s", n.AccountID, n.Kind, other.Kind))
			}
		}
		o.told[n.AccountID] = s.order
	}
	return func() {
		o.mail.Lock()
		defer o.mail.Unlock()
		if o.during[whose] == ctx {
			o.during[whose] = nil
		}
	}
}

func (o *outbox) find(n event.Notice) (saved, bool) {
	for _, s := range o.saved {
		if s.account == n.AccountID && s.ID.String() == n.ID && s.Kind == n.Kind {
			return s, true
		}
	}
	return saved{}, false
}

// takes notes that a sink says of a notice that it was told.
func (o *outbox) takes(n event.Notice) {
	o.mail.Lock()
	defer o.mail.Unlock()
	s, _ := o.find(n)
	o.taken[s.ID] = true
}

// mustBeTold are the kinds of which owners are told.
var mustBeTold = []event.Kind{
	event.AuthenticatorAdded, event.AuthenticatorRemoved, event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.RecoveryCodesLow, event.TwoFactorOff,
	event.MethodLocked, event.ManyFailures, event.PasskeySuspect, event.NewBrowser, event.AccountReset, event.OperatorCodeUsed, event.AccountSuspended, event.AccountResumed,
	event.TokenMinted, event.TokenReused, event.TokenRevoked,
}

// check looks at what a save has made of an account's notices: what has happened is in them, what is new in them has
// happened, and what is gone was told or is counted in another.
func (o *outbox) check(was, now core.Account) (wrong string) {
	if !o.notices {
		return ""
	}
	o.mail.Lock()
	defer o.mail.Unlock()
	if wrong := o.happened(was, now); wrong != "" {
		return wrong
	}
	kinds, ofToken := map[event.Kind]int{}, map[string]int{}
	var last core.Notice
	for _, n := range now.Notices {
		kinds[n.Kind]++
		ofToken[string(n.Kind)+n.Token]++
		if kinds[n.Kind] > 3 || n.Token != "" && ofToken[string(n.Kind)+n.Token] > 1 {
			return fmt.Sprintf("%s: too many notices of %s", now.ID, n.Kind)
		}
		if s, known := o.saved[n.ID]; known && s.Event != n.Event {
			return fmt.Sprintf("%s: a notice of %s has changed", now.ID, n.Kind)
		} else if !known {
			o.count[now.ID]++
			o.saved[n.ID] = saved{n, now.ID, o.count[now.ID], o.lives[now.ID], o.clock}
		}
		if s, before := o.saved[n.ID], o.saved[last.ID]; last.Kind != "" && s.order < before.order {
			return fmt.Sprintf("%s: notices are out of order", now.ID)
		}
		last = n
	}
	for _, n := range was.Notices {
		if contains(now.Notices, n.ID) || o.taken[n.ID] {
			continue
		}
		if !slices.ContainsFunc(now.Notices, func(other core.Notice) bool { return counts(other, n) }) {
			return fmt.Sprintf("%s: a notice of %s is gone that nobody was told", now.ID, n.Kind)
		}
		o.taken[n.ID] = true // with that one
		o.Folded++
	}
	return ""
}

// happened compares what is new in the activity with what is new in the notices.
func (o *outbox) happened(was, now core.Account) (wrong string) {
	entries := map[int64]event.Kind{}
	for _, e := range now.Activity {
		if e.Number > was.Noted && slices.Contains(mustBeTold, e.Kind) && e.Kind != event.TokenRevoked { // by its owner
			entries[e.Number] = e.Kind
		}
	}
	for _, n := range now.Notices {
		if contains(was.Notices, n.ID) {
			continue
		}
		if n.Number == 0 && (n.Kind == event.TokenReused || n.Kind == event.TokenRevoked) && n.Token != "" {
			continue // which is saved in the token
		}
		if entries[n.Number] != n.Kind {
			return fmt.Sprintf("%s: a notice of %s, which has not happened", now.ID, n.Kind)
		}
		delete(entries, n.Number)
	}
	for _, kind := range entries {
		return fmt.Sprintf("%s: no notice of %s", now.ID, kind)
	}
	return ""
}

func contains(list []core.Notice, id core.NoticeID) bool {
	return slices.ContainsFunc(list, func(n core.Notice) bool { return n.ID == id })
}

// counts reports whether a notice stands for an earlier one as well. Clocks differ, so it may begin before that one.
func counts(n, earlier core.Notice) bool {
	first := earlier.First
	if first == 0 {
		first = earlier.At
	}
	return n.Kind == earlier.Kind && n.First != 0 && n.First <= first && n.At >= earlier.At && (n.Count > max(earlier.Count, 1) || n.Kind == event.ManyFailures)
}

// finish ends all drainers, delivers the rest with nothing in the way, and returns what is wrong: every call that has
// succeeded was told, and nothing is left.
func (o *outbox) finish() (wrong string) {
	for _, stop := range o.stop {
		stop()
	}
	o.s.end()
	o.drains.Wait()
	if !o.notices {
		return ""
	}
	svc, err := gatehouse.New(o.truth, o.config(&node{}))
	require.NoError(o.t, err)
	ctx, stop := context.WithCancel(context.Background())
	o.drain(ctx, svc, notify.SinkFunc(func(ctx context.Context, n event.Notice) error {
		defer o.tells(ctx, n)()
		o.takes(n)
		return nil
	}))
	time.Sleep(10 * time.Minute)
	stop()
	o.drains.Wait()
	d, err := notify.New(svc, notify.Config{})
	require.NoError(o.t, err)
	lag, err := d.Lag(context.Background())
	require.NoError(o.t, err)
	if lag != (notify.Lag{}) {
		return fmt.Sprintf("not all is told: %+v", lag)
	}
	for id, s := range o.saved {
		if s.life == o.lives[s.account] && !o.taken[id] {
			return fmt.Sprintf("%s is not told of %s", s.account, s.Kind)
		}
	}
	if wrong := cmp.Or(o.notHanded(), o.silent()); wrong != "" {
		return wrong
	}
	for _, c := range o.history {
		if kind := c.in.tells(); c.told == ok && slices.Contains(mustBeTold, kind) && !o.tellsOf(c, kind) {
			return fmt.Sprintf("nobody was told of %s by call %d, which has succeeded", c.in.op, c.in.id)
		}
	}
	return ""
}

// tellsOf reports whether a notice was saved while a call was under way. By the time that a save is looked at, its call may
// have ended, and the next one of its client have begun.
func (o *outbox) tellsOf(c made, kind event.Kind) bool {
	for _, s := range o.saved {
		if s.account == c.in.account && s.Kind == kind && s.tick >= c.begin && s.tick <= c.end+1 {
			return true
		}
	}
	return false
}
