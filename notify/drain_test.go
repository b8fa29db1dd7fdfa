package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/storage"
)

// node is one process on a store, with notices on, that goes by the clock of a synctest bubble.
type node struct {
	*gatehousetest.Service
	n    *notify.Service
	stop func() // kills its drainer
}

func newNode(t *testing.T, c notify.Config, edit ...func(*gatehouse.Config)) *node {
	t.Helper()
	svc := gatehousetest.New(t, append([]func(*gatehouse.Config){func(c *gatehouse.Config) { c.Notices, c.Now = true, time.Now }}, edit...)...)
	return on(t, svc, c)
}

func on(t *testing.T, svc *gatehousetest.Service, c notify.Config) *node {
	t.Helper()
	if c.Faults == nil {
		c.Faults = slog.New(slog.DiscardHandler)
	}
	n, err := notify.New(svc.Service, c)
	require.NoError(t, err)
	return &node{Service: svc, n: n}
}

// another returns another process on the same store.
func (n *node) another(t *testing.T, edit ...func(*gatehouse.Config)) *node {
	t.Helper()
	other := newNode(t, notify.Config{}, edit...)
	svc, err := gatehouse.New(n.Store, gatehouse.Config{Issuer: "Acme", Keys: keys, Notices: true, Now: other.Now})
	require.NoError(t, err)
	other.Service.Service, other.Store = svc, n.Store
	other.n, err = notify.New(svc, notify.Config{})
	require.NoError(t, err)
	return other
}

// drains has a node deliver to a sink until the test's end, or until stop.
func (n *node) drains(t *testing.T, sink notify.Sink) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.n.Drain(ctx, sink)
	}()
	n.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(n.stop)
}

// passes has time pass, until nothing happens any more at that moment.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// happens has n things happen to an account, of which its owner must be told.
func (n *node) happens(t *testing.T, account string, times int) {
	t.Helper()
	op := n.Operator("op")
	for i := range times {
		if i%2 == 0 {
			require.NoError(t, op.Suspend(t.Context(), account))
		} else {
			require.NoError(t, op.Resume(t.Context(), account))
		}
	}
}

// inbox is a Sink that keeps what it has accepted, by account. refuse may do something else first.
type inbox struct {
	mu     sync.Mutex
	got    map[string][]event.Notice
	calls  map[string]int
	refuse func(ctx context.Context, n event.Notice, call int) error
}

func newInbox(refuse func(ctx context.Context, n event.Notice, call int) error) *inbox {
	return &inbox{got: map[string][]event.Notice{}, calls: map[string]int{}, refuse: refuse}
}

func (b *inbox) Deliver(ctx context.Context, n event.Notice) error {
	b.mu.Lock()
	b.calls[n.AccountID]++
	call := b.calls[n.AccountID]
	b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(ctx, n, call); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got[n.AccountID] = append(b.got[n.AccountID], n)
	return nil
}

// kinds returns the kinds that an account was told, and requires that no ID was told twice.
func (b *inbox) kinds(t *testing.T, account string) (kinds []event.Kind) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := map[string]bool{}
	for _, n := range b.got[account] {
		require.False(t, ids[n.ID], "told twice")
		ids[n.ID] = true
		kinds = append(kinds, n.Kind)
	}
	return kinds
}

// told returns what an account was told.
func (b *inbox) told(account string) []event.Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got[account])
}

// called returns how often it was called for an account, "" being all.
func (b *inbox) called(account string) (calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, n := range b.calls {
		if account == "" || id == account {
			calls += n
		}
	}
	return calls
}

var (
	inTurn  = []event.Kind{event.AccountSuspended, event.AccountResumed, event.AccountSuspended, event.AccountResumed}
	errSink = errors.New("no mail today")
)

// Everything is told, in its order, once, and then nothing waits; what was told before a repeat is counted in it.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		for i := range 250 {
			h.happens(t, fmt.Sprintf("user-%03d", i), 4)
		}
		lag, err := h.n.Lag(t.Context())
		require.NoError(t, err)
		require.Equal(t, notify.Lag{Accounts: 250, Notices: 1000, Oldest: time.Now().Truncate(time.Second).UTC()}, lag)
		b := newInbox(nil)
		h.drains(t, b)
		synctest.Wait()
		for i := range 250 {
			require.Equal(t, inTurn, b.kinds(t, fmt.Sprintf("user-%03d", i)))
		}
		lag, err = h.n.Lag(t.Context())
		require.NoError(t, err)
		require.Zero(t, lag)

		h.happens(t, "late", 7)
		passes(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []event.Kind{inTurn[0], inTurn[1], inTurn[0], inTurn[1], inTurn[1], inTurn[0]}, b.kinds(t, "late"))
		last := b.told("late")[5]
		require.Equal(t, 2, last.Count, "the third and the fourth are one")
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, last.ID)
	})
}

// A sink that fails, hangs, panics or is slow for one account holds nobody else up, and that account is told in the end.
func TestBadSink(t *testing.T) {
	for name, c := range map[string]struct {
		bad  func(ctx context.Context, call int, released <-chan struct{}) error
		soon time.Duration // until the bad account is told as well
	}{
		"fails": {func(_ context.Context, call int, _ <-chan struct{}) error {
			if call < 8 {
				return errSink
			}
			return nil
		}, time.Hour},
		"panics": {func(_ context.Context, call int, _ <-chan struct{}) error {
			if call < 4 {
				panic("the sink")
			}
			return nil
		}, time.Hour},
		"hangs until its time is over": {func(ctx context.Context, call int, _ <-chan struct{}) error {
			if call < 4 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, time.Hour},
		"hangs": {func(_ context.Context, call int, released <-chan struct{}) error {
			if call == 1 {
				<-released
				return errSink
			}
			return nil
		}, 3 * time.Hour},
		"is slow": {func(context.Context, int, <-chan struct{}) error { time.Sleep(29 * time.Second); return nil }, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newNode(t, notify.Config{})
				released := make(chan struct{})
				b := newInbox(func(ctx context.Context, n event.Notice, call int) error {
					if n.AccountID == "bad" {
						return c.bad(ctx, call, released)
					}
					return nil
				})
				h.happens(t, "bad", 4)
				h.happens(t, "user-1", 4)
				h.drains(t, b)
				synctest.Wait()
				require.Equal(t, inTurn, b.kinds(t, "user-1"))
				for i := range 20 { // and others to whom something happens later
					passes(30 * time.Second)
					account := fmt.Sprint("user-1", i)
					h.happens(t, account, 4)
					passes(10 * time.Second)
					require.Equal(t, inTurn, b.kinds(t, account))
				}
				if name == "hangs" {
					require.Equal(t, 1, b.called("bad"), "no call is made while one has not returned")
				}
				passes(c.soon - time.Hour)
				close(released)
				synctest.Wait()
				passes(2 * time.Hour)
				require.Equal(t, inTurn, b.kinds(t, "bad"))
			})
		})
	}
}

// An account whose deliveries have failed for days delays nobody else.
func TestBadAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		b := newInbox(func(_ context.Context, n event.Notice, _ int) error {
			if n.AccountID == "bad" {
				return errSink
			}
			return nil
		})
		h.happens(t, "bad", 1)
		h.drains(t, b)
		passes(5 * 24 * time.Hour)
		require.Greater(t, b.called("bad"), 100, "each hour, and never given up")
		h.happens(t, "ada", 4)
		passes(5 * time.Second)
		require.Equal(t, inTurn, b.kinds(t, "ada"))
	})
}

// While a sink is down for all, it is not asked for each account again and again, and all are told once it is back.
func TestSinkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		for i := range 200 {
			h.happens(t, fmt.Sprint("user-", i), 1)
		}
		var up atomic.Bool
		b := newInbox(func(context.Context, event.Notice, int) error {
			if !up.Load() {
				return errSink
			}
			return nil
		})
		h.drains(t, b)
		passes(24 * time.Hour)
		calls := b.called("")
		require.Less(t, calls, 24*60*20, "some a minute")
		require.Greater(t, calls, 24*60, "it is not given up")
		up.Store(true)
		passes(2 * time.Hour)
		for i := range 200 {
			require.Len(t, b.told(fmt.Sprint("user-", i)), 1)
		}
	})
}

// Processes on one store take turns with an account: while none dies, nobody is told twice, whatever the order in which
// they look.
func TestTwoDrainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newNode(t, notify.Config{})
		two := one.another(t)
		b := newInbox(func(context.Context, event.Notice, int) error { time.Sleep(time.Second); return nil })
		one.drains(t, b)
		two.drains(t, b)
		for i := range 200 {
			one.happens(t, fmt.Sprint("user-", i), 4)
		}
		passes(10 * time.Minute)
		for i := range 200 {
			require.Equal(t, inTurn, b.kinds(t, fmt.Sprint("user-", i)))
		}
		one.happens(t, "late", 4)
		one.stop()
		passes(2 * time.Minute)
		require.Equal(t, inTurn, b.kinds(t, "late"), "the other one goes on")
	})
}

// A drainer that dies between the delivery and what it says of it leaves the account to others, who tell the same again:
// with the same IDs. So does a sink that forgets what it has accepted, which nobody can know.
func TestDrainerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newNode(t, notify.Config{})
		one.happens(t, "ada", 2)
		saves := 0
		one.Store.Inject(func(method string) gatehousetest.Fault {
			if method == "SaveAccount" {
				if saves++; saves > 1 { // the first has others leave the account alone
					return gatehousetest.Fail
				}
			}
			return gatehousetest.None
		})
		first := newInbox(nil)
		one.drains(t, first)
		synctest.Wait()
		one.stop()
		one.Store.Inject(nil)
		two := one.another(t)
		second := newInbox(nil)
		two.drains(t, second)
		passes(80 * time.Second)
		require.Empty(t, second.told("ada"), "the first one may be slow")
		passes(20 * time.Second)
		require.Equal(t, first.told("ada"), second.told("ada"))
		require.Len(t, first.told("ada"), 2)
	})
}

// What happens while its owner is told of what was before is told after that, and what has become another notice
// meanwhile is told as that one.
func TestHappensMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		h.happens(t, "ada", 6)
		b := newInbox(nil)
		b.refuse = func(_ context.Context, _ event.Notice, call int) error {
			if call == 1 {
				h.happens(t, "ada", 2)
			}
			return nil
		}
		h.drains(t, b)
		passes(time.Minute)
		kinds := b.kinds(t, "ada")
		require.Len(t, kinds, 8, "six, and the newest of each kind again as another one")
		require.Equal(t, 2, b.told("ada")[6].Count)
		require.Equal(t, 2, b.told("ada")[7].Count)
	})
}

// An account that is deleted with notices waiting: they are returned, and nobody is told of an account that is no more.
func TestDeletedAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		h.happens(t, "ada", 2)
		untold, err := h.Operator("op").DeleteAccount(t.Context(), "ada")
		require.NoError(t, err)
		require.Len(t, untold, 2)
		require.Equal(t, event.AccountSuspended, untold[0].Kind)
		require.NotEmpty(t, untold[0].ID)
		untold, err = h.Operator("op").DeleteAccount(t.Context(), "ada")
		require.NoError(t, err)
		require.Empty(t, untold)

		h.happens(t, "bob", 2)
		b := newInbox(nil)
		b.refuse = func(_ context.Context, n event.Notice, call int) error {
			if call == 1 { // in the middle of the delivery
				untold, err := h.Operator("op").DeleteAccount(context.Background(), n.AccountID)
				require.NoError(t, err)
				require.Len(t, untold, 2)
			}
			return nil
		}
		h.drains(t, b)
		passes(time.Hour)
		require.Equal(t, inTurn[:2], b.kinds(t, "bob"))
		lag, err := h.n.Lag(t.Context())
		require.NoError(t, err)
		require.Zero(t, lag)
		view, err := h.Account(t.Context(), "bob")
		require.NoError(t, err)
		require.Empty(t, view.Activity, "the delivery has not brought it back")
	})
}

// A clock that was years ahead, or is years behind, holds nothing up once it is right.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, by := range []time.Duration{10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour, 2 * time.Minute, -2 * time.Minute} {
			t.Logf("%v", by)
			var off atomic.Int64
			off.Store(int64(by))
			one := newNode(t, notify.Config{}, func(c *gatehouse.Config) {
				c.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
			})
			one.happens(t, "ada", 2)
			forgets := newInbox(func(context.Context, event.Notice, int) error { return errSink })
			one.drains(t, forgets)
			synctest.Wait()
			one.stop()
			off.Store(0)
			b := newInbox(nil)
			one.drains(t, b)
			passes(5 * time.Minute)
			require.Equal(t, inTurn[:2], b.kinds(t, "ada"))
		}
	})
}

// A record that cannot be read is counted, and keeps nobody else from being told; so does a store that is down for a
// while.
func TestBadStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		h.happens(t, "ada", 1)
		h.happens(t, "eve", 1)
		rec, err := h.Store.LoadAccount(t.Context(), "eve")
		require.NoError(t, err)
		was := rec.Version
		rec.Data, rec.Version = []byte("no account"), was+1
		require.NoError(t, h.Store.SaveAccount(t.Context(), rec, was))
		lag, err := h.n.Lag(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, lag.Broken)
		require.Equal(t, 2, lag.Accounts)

		h.Store.Inject(func(string) gatehousetest.Fault { return gatehousetest.Fail })
		b := newInbox(nil)
		h.drains(t, b)
		passes(time.Hour)
		require.Zero(t, b.called(""))
		_, err = h.n.Lag(t.Context())
		require.ErrorIs(t, err, gatehousetest.ErrFault)
		for _, fault := range []gatehousetest.Fault{gatehousetest.LoseReply, gatehousetest.Repeat} {
			h.Store.Inject(gatehousetest.On("SaveAccount", fault))
			passes(time.Minute)
		}
		h.Store.Inject(nil)
		passes(2 * time.Hour)
		require.NotEmpty(t, b.told("ada"))
		for _, n := range b.told("ada") {
			require.Equal(t, b.told("ada")[0], n, "told again, as the same")
		}
		require.Empty(t, b.told("eve"))
		_, err = h.Store.UnsentAccounts(t.Context(), "", 10)
		require.NoError(t, err)
	})
}

// Where notices are off, nothing is kept; what was kept before is still delivered.
func TestNoticesOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		h.happens(t, "ada", 1)
		off, err := gatehouse.New(h.Store, gatehouse.Config{Issuer: "Acme", Keys: keys, Now: time.Now})
		require.NoError(t, err)
		require.NoError(t, off.Operator("op").Suspend(t.Context(), "bob"))
		page, err := h.Store.UnsentAccounts(t.Context(), "", 10)
		require.NoError(t, err)
		require.Equal(t, []string{"ada"}, idsOf(page))
		n, err := notify.New(off, notify.Config{})
		require.NoError(t, err)
		b := newInbox(nil)
		(&node{n: n}).drains(t, b)
		passes(time.Minute)
		require.Equal(t, inTurn[:1], b.kinds(t, "ada"))
	})
}

// While some nodes have notices on already and others do not: what the first keep stays, whatever the others do to the
// account, its owner gets in at either, and either delivers it.
func TestNoticesAreRolledOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := newNode(t, notify.Config{}, func(c *gatehouse.Config) { c.Keys = keys })
		user := on.Enroll(t, "ada")
		svc, err := gatehouse.New(on.Store, gatehouse.Config{Issuer: "Acme", Keys: keys, Now: time.Now})
		require.NoError(t, err)
		waits := func() []event.Kind {
			rec, err := on.Store.LoadAccount(t.Context(), "ada")
			require.NoError(t, err)
			a, err := core.Decode("ada", rec.Data)
			require.NoError(t, err)
			kinds := []event.Kind{}
			for _, n := range a.Notices {
				kinds = append(kinds, n.Kind)
			}
			return kinds
		}
		require.Equal(t, []event.Kind{event.AuthenticatorAdded}, waits())
		for _, node := range []*gatehouse.Service{svc, on.Service.Service, svc} {
			passes(2 * time.Minute)
			_, err := node.StepUp(t.Context(), gatehouse.Session{Account: "ada"}, user.Code())
			require.NoError(t, err)
			require.NoError(t, node.Operator("op").Suspend(t.Context(), "ada"))
			require.NoError(t, node.Operator("op").Resume(t.Context(), "ada"))
		}
		want := []event.Kind{event.AuthenticatorAdded, event.AccountSuspended, event.AccountResumed}
		require.Equal(t, want, waits(), "of the one node that has them on")
		off, err := notify.New(svc, notify.Config{})
		require.NoError(t, err)
		b := newInbox(nil)
		(&node{n: off}).drains(t, b)
		on.drains(t, b)
		passes(time.Minute)
		require.Equal(t, want, b.kinds(t, "ada"))
		require.Empty(t, waits())
	})
}

func idsOf(page storage.Page[storage.Record]) (ids []string) {
	for _, r := range page.Records {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestNew(t *testing.T) {
	svc := gatehousetest.New(t)
	for _, c := range []notify.Config{
		{Every: time.Millisecond}, {Every: -1}, {Timeout: time.Millisecond}, {Timeout: time.Hour}, {Parallel: -1}, {Parallel: 65},
	} {
		_, err := notify.New(svc.Service, c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
	_, err := notify.New(nil, notify.Config{})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
}
