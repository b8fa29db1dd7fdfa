package attack_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
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
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// stuck is a function of the host's that hangs until it is let go, whatever its context does.
type stuck struct {
	release chan struct{}
	calls   atomic.Int64 // begun
	inside  atomic.Int64 // not returned
	most    atomic.Int64
}

func newStuck() *stuck { return &stuck{release: make(chan struct{})} }

func (s *stuck) hang() {
	s.calls.Add(1)
	n := s.inside.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	<-s.release
	s.inside.Add(-1)
}

func (s *stuck) Observe(context.Context, event.Event) { s.hang() }

// Row K8: with an observer that blocks for ever, a call waits for its own events alone and no longer than the
// deadline; few calls of it are left behind, and all that was not told is counted.
func TestObserverThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := newStuck()
		h := newHouse(t, observed(s))
		const each = 5
		longest := make([]time.Duration, 1000)
		before := runtime.NumGoroutine()
		atOnce(len(longest), func(i int) error {
			for range each {
				begun := time.Now()
				if err := h.Operator("op").PasswordChanged(ctx, fmt.Sprint("user-", i), gatehouse.KeepTokens); err != nil {
					return err
				}
				longest[i] = max(longest[i], time.Since(begun))
			}
			return nil
		})
		require.LessOrEqual(t, slices.Max(longest), 2*time.Second)
		time.Sleep(time.Hour) // what waits is worked off
		synctest.Wait()
		require.Equal(t, int64(64), s.calls.Load(), "not called any more")
		require.Less(t, runtime.NumGoroutine()-before, 2*64, "and nothing stays but those calls, and what other tests have left")
		st := h.Stats()
		require.Equal(t, uint64(64), st.EventsLate)
		require.Equal(t, uint64(len(longest)*each-64), st.EventsDropped)

		begun := time.Now()
		require.NoError(t, h.Operator("op").PasswordChanged(ctx, "user-1", gatehouse.KeepTokens))
		require.Zero(t, time.Since(begun), "nobody waits for what is not called")
		require.NoError(t, h.Close(ctx))

		close(s.release)
		synctest.Wait()
		calls := s.calls.Load()
		require.NoError(t, h.Operator("op").PasswordChanged(ctx, "user-1", gatehouse.KeepTokens))
		require.Equal(t, calls+1, s.calls.Load(), "once they have returned, it is called again")
		require.Equal(t, st.EventsDropped+1, h.Stats().EventsDropped)
	})
}

// Row K8: who comes to a queue in which thousands of events wait does not work them off. Every event is told, in
// order, though each takes its time, and none waits for another call to come.
func TestObserverBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var mu sync.Mutex
		var told []time.Time
		slow := event.ObserverFunc(func(_ context.Context, e event.Event) {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.At)
		})
		h := newHouse(t, observed(slow))
		const n = 500
		took := make([]time.Duration, n)
		var wg sync.WaitGroup
		for i := range n {
			h.wait(time.Second)
			wg.Go(func() {
				begun := time.Now()
				require.NoError(t, h.Operator("op").PasswordChanged(ctx, "user-42", gatehouse.KeepTokens))
				took[i] = time.Since(begun)
			})
			// Twice as fast as the observer, and at the end with time for it to catch up, at all moments of a hand-over.
			pause := 500 * time.Millisecond
			if i > n/2 {
				pause = time.Duration(i%300) * 10 * time.Millisecond
			}
			time.Sleep(pause)
		}
		wg.Wait()
		require.Equal(t, time.Second, took[0], "its own event")
		require.LessOrEqual(t, slices.Max(took), time.Second, "or none, where the queue is at work")
		require.NoError(t, h.Close(ctx), "which waits for the rest")
		require.Len(t, told, n)
		require.True(t, slices.IsSortedFunc(told, time.Time.Compare))
		require.Zero(t, h.Stats())
	})
}

// A call with several events waits no longer for all of them than for one.
func TestObserverThatBlocksOnSeveralEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := &gatehousetest.Recorder{}
		h := newHouse(t, observed(event.ObserverFunc(func(ctx context.Context, e event.Event) {
			events.Observe(ctx, e)
			<-ctx.Done()
		})))
		h.enroll("user-42")
		require.NoError(t, h.Close(t.Context()))
		events.Take()
		begun := time.Now()
		_, err := h.Operator("op").Reset(t.Context(), "user-42")
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(begun))
		require.NoError(t, h.Close(t.Context()))
		require.Greater(t, len(events.Take()), 1)
	})
}

// Close ends with its context where the observer does not come to an end.
func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, observed(event.ObserverFunc(func(context.Context, event.Event) { time.Sleep(1900 * time.Millisecond) })))
		atOnce(10, func(int) error { return h.Operator("op").PasswordChanged(t.Context(), "user-42", gatehouse.KeepTokens) })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.ErrorIs(t, h.Close(ctx), context.DeadlineExceeded)
		require.NoError(t, h.Close(t.Context()))
		require.Zero(t, h.Stats())
	})
}

// Denials, which anybody can cause, leave room for what an owner must be told; and that is bounded as well.
func TestObserverDropsDenialsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var told sync.Map
		count := func(k event.Kind) int {
			n, _ := told.LoadOrStore(k, new(atomic.Int64))
			return int(n.(*atomic.Int64).Load())
		}
		gate := make(chan struct{})
		h := newHouse(t, observed(event.ObserverFunc(func(_ context.Context, e event.Event) {
			n, _ := told.LoadOrStore(e.Kind, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
			if e.Kind == event.AccountSuspended {
				select { // a second before it would be left behind
				case <-gate:
				case <-time.After(time.Second):
				}
			}
		})))
		require.NoError(t, h.Operator("op").PasswordChanged(ctx, "user-42", gatehouse.KeepTokens))
		go h.Operator("op").Suspend(ctx, "user-42") // whose event holds the queue
		synctest.Wait()
		for range 1500 {
			_, err := h.StepUp(ctx, "user-42", "no code")
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		for range 1500 {
			require.NoError(t, h.Operator("op").PasswordChanged(ctx, "user-42", gatehouse.KeepTokens))
		}
		close(gate)
		require.NoError(t, h.Close(ctx))
		require.Equal(t, []int{1024 - 1, 1 + 2048 - 1024}, []int{count(event.CodeDenied), count(event.PasswordChanged)})
		require.Equal(t, gatehouse.Stats{EventsDropped: 1500 - (1024 - 1) + 1500 - (2048 - 1024)}, h.Stats())
	})
}

// A burst is told once in each lock, also of accounts whose events share a queue.
func TestBurstsOfManyAccounts(t *testing.T) {
	ctx := t.Context()
	var bursts sync.Map
	h := newHouse(t, observed(event.ObserverFunc(func(_ context.Context, e event.Event) {
		if e.Kind == event.ThrottledBurst {
			n, _ := bursts.LoadOrStore(e.AccountID, new(int))
			*n.(*int)++
		}
	})))
	one := h.enroll("user-0")
	one.fails(6)
	data := h.record("user-0").Data
	owners := []string{"user-0"}
	for i := range 200 {
		id := fmt.Sprint("user-", i+1)
		h.put(id, data)
		owners = append(owners, id)
	}
	for range 3 {
		for _, id := range owners {
			_, err := h.StepUp(ctx, id, one.wrong())
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
	}
	for _, id := range owners {
		n, told := bursts.Load(id)
		require.True(t, told, id)
		require.Equal(t, 1, *n.(*int), id)
	}
}

// Row K8: a thousand requests a second while HostFacts hangs: each has its answer within the deadline, few calls are
// left behind, and once there are as many as there may be nobody waits for another.
func TestHostFactsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := newStuck()
		f := &hostFacts{}
		h := newHouse(t, judged(t, policyOf(t, posture.ModelConfig{}, posture.Gate{Action: "act", Controls: []string{posture.EmailVerified}}), f))
		o := h.enroll("user-42")
		proof := o.fresh()
		f.do = s.hang
		before := runtime.NumGoroutine()
		var wg sync.WaitGroup
		var longest, atEnd atomic.Int64
		const requests = 5000
		for i := range requests {
			wg.Go(func() {
				begun := time.Now()
				var gate *posture.GateError
				require.ErrorAs(t, h.Require(ctx, proof, "act"), &gate)
				require.Equal(t, posture.StateUnknown, gate.Unmet[0].State)
				took := int64(time.Since(begun))
				for n := longest.Load(); took > n && !longest.CompareAndSwap(n, took); n = longest.Load() {
				}
				if i >= requests/2 {
					atEnd.Add(took)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		require.Equal(t, 2*time.Second, time.Duration(longest.Load()))
		require.Zero(t, atEnd.Load(), "who comes later does not wait")
		require.Equal(t, int64(64), s.most.Load())
		require.Less(t, runtime.NumGoroutine()-before, 2*64)
		require.Equal(t, uint64(requests), h.Stats().HostUnknown)

		close(s.release)
		synctest.Wait()
		require.Zero(t, s.inside.Load())
		f.do, f.host = nil, posture.Host{At: h.clock(), EmailVerified: posture.Yes}
		require.NoError(t, h.Require(ctx, proof, "act"), "once they have returned, it is asked again")
	})
}

// A burst of requests waits for its turn with a HostFacts that is only slow: nobody's gate closes for that.
func TestHostFactsInABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		h := newHouse(t, func(c *settings) {
			c.Posture = policyOf(t, posture.ModelConfig{}, posture.Gate{Action: "act", Controls: []string{posture.EmailVerified}})
			c.HostFacts = func(context.Context, string) (posture.Host, error) {
				time.Sleep(100 * time.Millisecond)
				return posture.Host{At: begin, EmailVerified: posture.Yes}, nil
			}
		})
		proof := h.enroll("user-42").fresh()
		for _, err := range atOnce(1000, func(int) error { return h.Require(ctx, proof, "act") }) {
			require.NoError(t, err)
		}
		require.Zero(t, h.Stats())

		// Who has gone is no fault of the host's, and no gate was closed for them.
		gone, cancel := context.WithCancel(ctx)
		time.AfterFunc(50*time.Millisecond, cancel)
		require.ErrorIs(t, h.Require(gone, proof, "act"), context.Canceled)
		require.Zero(t, h.Stats())
		time.Sleep(time.Second) // the call comes to its end
	})
}

// What is left out of the uses of tokens is counted, and nothing is told of it: it would be told again each time.
func TestUsesLost(t *testing.T) {
	events := &gatehousetest.Recorder{}
	h := newHouse(t, withTokens(t), observed(events))
	text, _ := h.enroll("user-42").mint("logs:read")
	require.NoError(t, h.Close(t.Context()))
	events.Take()
	for range 3 {
		h.good(text).Allows("logs:read", "")
	}
	require.NoError(t, h.Close(t.Context()))
	require.Empty(t, events.Take())
	require.Equal(t, gatehouse.Stats{TokenUsesLost: 6}, h.Stats())
}

// Two processes see the uses of one token: what the other has stored since is the later, and knows the addresses.
func TestUsesOfTwoProcesses(t *testing.T) { synctest.Test(t, usesOfTwoProcesses) }

func usesOfTwoProcesses(t *testing.T) {
	ctx := t.Context()
	events := &gatehousetest.Recorder{}
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.Addresses = true }), observed(events))
	text, info := h.enroll("user-42").mint("logs:read")
	two := h.twin()
	check := func(in *house, address string) {
		t.Helper()
		_, err := in.Check(ctx, text, (netip.MustParseAddr(address)))
		require.NoError(t, err)
	}
	check(h, "192.0.2.1") // is not stored yet
	h.wait(time.Minute)
	check(two, "192.0.2.2")
	require.NoError(t, two.Close(ctx))
	synctest.Wait()
	events.Take()
	check(h, "192.0.2.2")
	require.NoError(t, h.Close(ctx))
	for _, e := range events.Take() {
		require.NotContains(t, []event.Kind{event.TokenNewAddress, event.TokenFirstUsed}, e.Kind, "it is known: the other process has stored it")
	}
	is := must(h.Token(ctx, "user-42", info.ID))
	require.Equal(t, h.clock(), is.LastUsed)
	require.Equal(t, "192.0.2.2", is.Addresses[0])
}
