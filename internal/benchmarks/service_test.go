package benchmarks_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// redeems is a service with default Argon2id and accounts whose codes can be tried for ever: the
// codes are wrong behind a right selector, which costs what a right one does, and time passes.
type redeems struct {
	*gatehousetest.Service
	wrong []string // the codes, the same for every account
}

// newRedeems enrolls one account and copies its record to the others: hashing codes for each would
// take longer than what is measured, and a set is not bound to its account.
func newRedeems(tb testing.TB, accounts int) redeems {
	tb.Helper()
	ctx := context.Background()
	r := redeems{Service: gatehousetest.New(tb, func(c *gatehouse.Config) { c.Recovery = recovery.DefaultParams() })}
	for _, code := range r.Enroll(tb, "0").RecoveryCodes {
		text := []byte(code.Reveal())
		if last := &text[len(text)-1]; *last == '0' {
			*last = '1'
		} else {
			*last = '0'
		}
		r.wrong = append(r.wrong, string(text))
	}
	rec, err := r.Store.LoadAccount(ctx, "0")
	require.NoError(tb, err)
	// With their tags, wrong codes would not get to Argon2id.
	a, err := core.Decode("0", rec.Data)
	require.NoError(tb, err)
	a.Recovery.Tags = nil
	for i := range a.Recovery.Slots {
		a.Recovery.Slots[i].Tag = ""
	}
	rec.Data, err = a.Encode()
	require.NoError(tb, err)
	prev := rec.Version
	rec.Version++
	require.NoError(tb, r.Store.SaveAccount(ctx, rec, prev))
	for i := 1; i < accounts; i++ {
		rec.ID = fmt.Sprint(i)
		require.NoError(tb, r.Store.SaveAccount(ctx, rec, 0))
	}
	return r
}

func (r redeems) redeem(tb testing.TB, account, code int) {
	_, err := r.StepUp(context.Background(), gatehouse.Session{Account: fmt.Sprint(account)}, r.wrong[code])
	if !errors.Is(err, gatehouse.ErrDenied) {
		tb.Error("not denied:", err)
	}
}

// BenchmarkRedeem is one redeem through the service, beside the bare run it cannot do without.
func BenchmarkRedeem(b *testing.B) {
	r := newRedeems(b, 1)
	for name, code := range map[string]int{"first": 0, "last": recovery.Count - 1} {
		b.Run("gatehouse/"+name, func(b *testing.B) {
			for b.Loop() {
				r.Wait(time.Minute)
				r.redeem(b, 0, code)
			}
		})
	}
	b.Run("argon2id", func(b *testing.B) {
		for b.Loop() {
			bare()
		}
	})
}

func bare() {
	p := recovery.DefaultParams()
	argon2.IDKey([]byte("0123456789ABCDEF"), make([]byte, 16), p.Time, p.Memory, p.Threads, 32)
}

const atOnce = 64

// BenchmarkRedeemAtOnce is 64 redeems of 64 accounts at once, beside as many bare runs on all cores.
func BenchmarkRedeemAtOnce(b *testing.B) {
	r := newRedeems(b, atOnce)
	b.Run("gatehouse", func(b *testing.B) {
		for b.Loop() {
			r.Wait(time.Minute)
			r.allAtOnce(b)
		}
	})
	b.Run("argon2id", func(b *testing.B) {
		for b.Loop() {
			var wg sync.WaitGroup
			work := make(chan struct{}, atOnce)
			for range atOnce {
				work <- struct{}{}
			}
			close(work)
			for range runtime.GOMAXPROCS(0) {
				wg.Go(func() {
					for range work {
						bare()
					}
				})
			}
			wg.Wait()
		}
	})
}

func (r redeems) allAtOnce(tb testing.TB) {
	var wg sync.WaitGroup
	for account := range atOnce {
		wg.Go(func() { r.redeem(tb, account, account%recovery.Count) })
	}
	wg.Wait()
}
