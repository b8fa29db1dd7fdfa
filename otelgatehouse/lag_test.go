package otelgatehouse_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
)

func (h *house) observeLag() *notify.Service {
	n, err := notify.New(h.Service.Service, notify.Config{})
	require.NoError(h.t, err)
	require.NoError(h.t, otelgatehouse.ObserveLag(n, h.config))
	return n
}

// What waits to be told is seen while it waits, and each delivery, also one that fails, is a call. Neither says to whom.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *gatehouse.Config) { c.Now, c.Notices = time.Now, true })
		n := h.observeLag()
		require.Zero(t, h.counted("gatehouse.notices.pending"))
		require.Zero(t, h.counted("gatehouse.notices.oldest_age"))
		h.Enroll(t, ada)
		h.Wait(time.Hour)
		h.Enroll(t, bob)
		lag, err := n.Lag(t.Context())
		require.NoError(t, err)
		require.NotZero(t, lag.Notices)
		require.EqualValues(t, lag.Notices, h.counted("gatehouse.notices.pending"))
		require.EqualValues(t, 2, h.counted("gatehouse.notices.pending_accounts"))
		require.Zero(t, h.counted("gatehouse.notices.broken_accounts"))
		require.InDelta(t, time.Hour.Seconds(), h.counted("gatehouse.notices.oldest_age"), 120)

		h.Store.Inject(gatehousetest.On("UnsentAccounts", gatehousetest.Fail))
		for _, p := range h.points() {
			require.NotEqual(t, "gatehouse.notices.pending", p.metric, "what is not known is not 0")
		}
		h.Store.Inject(nil)

		var mu sync.Mutex // two accounts are delivered to at once
		tries := map[string]int{}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		h.take()
		err = n.Drain(ctx, notify.SinkFunc(func(_ context.Context, n event.Notice) error {
			mu.Lock()
			defer mu.Unlock()
			if tries[n.ID]++; tries[n.ID] == 1 {
				return fmt.Errorf("%s: no mail to %s", canary, n.AccountID)
			}
			return nil
		}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, tries, lag.Notices)
		deliveries := named(h.take(), "notify.drain.deliver")
		failed := 0
		for _, s := range deliveries {
			if s.Status().Code == codes.Error {
				failed++
				require.Equal(t, "_OTHER", attributes(s)["error.type"])
			}
		}
		require.Equal(t, lag.Notices, failed)
		require.Len(t, deliveries, 2*failed)
		require.Zero(t, h.counted("gatehouse.notices.pending"))
		require.Zero(t, h.counted("gatehouse.notices.oldest_age"))
		h.silent()
	})
	require.ErrorIs(t, otelgatehouse.ObserveLag(nil, otelgatehouse.Config{}), gatehouse.ErrInvalid)
}
