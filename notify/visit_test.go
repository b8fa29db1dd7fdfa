package notify_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/notify"
)

// A notice that its sink refuses for good, or always hangs at, holds up the later ones of its account for five tries and
// no longer. It is never given up: once the sink takes it, it is told.
func TestStuckNotice(t *testing.T) {
	for name, refuse := range map[string]func(context.Context) error{
		"refused": func(context.Context) error { return errSink },
		"hangs":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newNode(t, notify.Config{})
				var good atomic.Bool
				var stuck, others atomic.Int64
				b := newInbox(func(ctx context.Context, n event.Notice, _ int) error {
					if n.Kind == event.AccountSuspended && !good.Load() {
						stuck.Add(1)
						return refuse(ctx)
					}
					others.Add(1)
					return nil
				})
				h.happens(t, "ada", 4) // suspended, resumed, suspended, resumed
				h.drains(t, b)
				for stuck.Load() < 5 {
					require.Zero(t, others.Load(), "the order is kept at first")
					passes(time.Second)
				}
				passes(20 * time.Minute)
				require.Equal(t, []event.Kind{event.AccountResumed, event.AccountResumed}, b.kinds(t, "ada"))

				passes(24 * time.Hour) // by now they are tried once an hour, or two in two
				tries := stuck.Load()
				h.Enroll(t, "ada")
				passes(6 * time.Second)
				require.Equal(t, event.AuthenticatorAdded, b.told("ada")[2].Kind, "what is new is not held up either")
				require.Equal(t, tries, stuck.Load(), "nor has it the others tried more often")
				passes(24 * time.Hour)
				require.Greater(t, stuck.Load(), tries+20, "they are not given up")
				require.Less(t, stuck.Load(), tries+60)

				good.Store(true)
				passes(3 * time.Hour)
				require.Equal(t, []event.Kind{event.AccountSuspended, event.AccountSuspended}, b.kinds(t, "ada")[3:])
				lag, err := h.n.Lag(t.Context())
				require.NoError(t, err)
				require.Zero(t, lag)

				h.happens(t, "ada", 4)
				passes(6 * time.Second)
				require.Equal(t, inTurn, b.kinds(t, "ada")[5:], "and the order is kept again")
			})
		})
	}
}

// What is refused for good of many accounts keeps none of their other notices waiting, and nobody else; and new ones that
// are refused as well have no old one tried less often.
func TestManyStuckNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newNode(t, notify.Config{})
		var mu sync.Mutex
		tries := map[string]int{}
		b := newInbox(func(_ context.Context, n event.Notice, _ int) error {
			if n.Kind != event.AccountSuspended || n.AccountID == "late" {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			tries[n.ID]++
			return errSink
		})
		for i := range 20 {
			h.happens(t, fmt.Sprint("user-", i), 2)
		}
		h.drains(t, b)
		passes(time.Hour)
		for i := range 20 {
			require.Equal(t, inTurn[1:2], b.kinds(t, fmt.Sprint("user-", i)))
		}
		h.happens(t, "late", 4)
		passes(6 * time.Second)
		require.Equal(t, inTurn, b.kinds(t, "late"))
		clear(tries)
		for range 24 {
			require.NoError(t, h.Operator("op").Suspend(t.Context(), "user-7"))
			require.NoError(t, h.Operator("op").Resume(t.Context(), "user-7"))
			passes(30 * time.Minute)
		}
		often := 0
		for id, n := range tries {
			require.LessOrEqual(t, n, 13, id)
			if n > 10 {
				often++
			}
		}
		require.Equal(t, 20+1, often, "the oldest of each account, and the second of the one that has more")
	})
}
