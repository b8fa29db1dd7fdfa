package benchmarks_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// heap returns how much is reachable now.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A backlog of 10 thousand accounts (GATEHOUSE_LONG: 100 thousand) is delivered with as much memory as a short one: after
// every tenth of it, no more is reachable than before, of which the store in memory is nearly all.
func TestNoticesBacklog(t *testing.T) {
	const most = 1 << 20 // bytes
	accounts := 10_000
	if os.Getenv("GATEHOUSE_LONG") != "" {
		accounts = 100_000
	}
	store, config := memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()}
	quiet, err := gatehouse.New(store, config)
	require.NoError(t, err)
	config.Notices = true
	svc, err := gatehouse.New(store, config)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	for range 10 { // so that the record has all the versions that it keeps, and gets no longer
		require.NoError(t, quiet.Operator("op").Suspend(ctx, "first"))
		require.NoError(t, quiet.Operator("op").Resume(ctx, "first"))
	}
	require.NoError(t, svc.Operator("op").Suspend(ctx, "first"))
	rec, err := store.LoadAccount(ctx, "first")
	require.NoError(t, err)
	for i := range accounts {
		rec.ID = fmt.Sprintf("user-%06d", i)
		require.NoError(t, store.SaveAccount(ctx, rec, 0))
	}
	n, err := notify.New(svc, notify.Config{Parallel: 1}) // so that nothing else goes on while memory is measured
	require.NoError(t, err)
	before, peak, done := heap(), 0, atomic.Int64{}
	began := time.Now()
	err = n.Drain(ctx, notify.SinkFunc(func(context.Context, event.Notice) error {
		switch told := done.Add(1); {
		case told == int64(accounts)+1:
			stop()
		case told%int64(accounts/10) == 0:
			peak = max(peak, heap())
		}
		return nil
	}))
	require.ErrorIs(t, err, context.Canceled)
	t.Logf("%d notices in %v; %d KiB reachable before, %d at most meanwhile", accounts, time.Since(began).Round(time.Millisecond), before>>10, peak>>10)
	require.LessOrEqual(t, peak, before+most)
	require.EqualValues(t, accounts+1, done.Load(), "each once")
}

// BenchmarkAnswerWithNotices is a step-up with a right code, with notices and without, in turn.
func BenchmarkAnswerWithNotices(b *testing.B) {
	type side struct {
		*gatehousetest.Service
		user *gatehousetest.User
		took []time.Duration // of a block
	}
	sides := [2]*side{}
	for i := range sides {
		svc := gatehousetest.New(b, func(c *gatehouse.Config) { c.Notices = i == 1 })
		sides[i] = &side{Service: svc, user: svc.Enroll(b, "ada")}
	}
	for b.Loop() {
		for _, s := range sides {
			began := time.Now()
			for range 50 {
				s.Wait(2 * totp.Period)
				_, err := s.StepUp(b.Context(), gatehouse.Session{Account: "ada"}, s.user.Code())
				require.NoError(b, err)
			}
			s.took = append(s.took, time.Since(began))
		}
	}
	for _, s := range sides {
		slices.Sort(s.took)
	}
	b.ReportMetric(float64(sides[1].took[0])/float64(sides[0].took[0]), "best/best")
	middle := len(sides[0].took) / 2
	b.ReportMetric(float64(sides[1].took[middle])/float64(sides[0].took[middle]), "median/median")
}
