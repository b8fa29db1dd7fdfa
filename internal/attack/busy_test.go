package attack_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
)

// TestMoreRedeemsThanTheProcessTakes has codes of more accounts at once than run and wait: some get
// ErrBusy, and nothing is changed for them.
func TestMoreRedeemsThanTheProcessTakes(t *testing.T) {
	runs, waiting := runtime.GOMAXPROCS(0), 256
	h := newHouse(t)
	o := h.enroll("user-42")
	slow, err := recovery.Params{Memory: 64 << 10, Time: 5, Threads: 1}.Hash(o.codes[0])
	require.NoError(t, err)
	h.tamper(o.id, func(a *accountData) { a.Recovery.Slots[0].Hash = core.NewHash(slow) })
	data := h.record(o.id).Data
	n := runs + waiting + 50
	// The bound is the process's, for all its Services; and in each, accounts that share a turn wait there.
	houses := make([]*house, 32)
	for i := range houses {
		houses[i] = h.twin()
	}
	for i := range n {
		r := storage.Record{ID: fmt.Sprint("busy-", i), Version: 1, Data: data}
		require.NoError(t, h.store.SaveAccount(context.Background(), r, 0))
	}

	// Whoever waits is let go when the first is refused, or this would take minutes.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var busy, served atomic.Int64
	errs := atOnce(n, func(i int) error {
		_, err := houses[i%len(houses)].StepUp(ctx, fmt.Sprint("busy-", i), o.codes[0].Reveal())
		switch {
		case errors.Is(err, gatehouse.ErrBusy):
			busy.Add(1)
			cancel()
		case err == nil:
			served.Add(1)
		}
		return err
	})

	require.Positive(t, busy.Load())
	require.Less(t, served.Load(), int64(n-waiting))
	for i, err := range errs {
		require.False(t, err != nil && isAnswer(err), "a fault is no answer")
		if errors.Is(err, gatehouse.ErrBusy) {
			require.Equal(t, int64(1), h.record(fmt.Sprint("busy-", i)).Version, "nothing was changed")
		}
	}
	_, err = h.StepUp(context.Background(), o.id, o.codes[1].Reveal())
	require.NoError(t, err, "every place was given back")
}
