package benchmarks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

// BenchmarkTOTPUnderFlood is a code of an app on one account, while two hundred clients of other accounts redeem
// recovery codes as fast as they are answered, with Argon2id for each.
func BenchmarkTOTPUnderFlood(b *testing.B) {
	const strangers = 200
	r := newRedeems(b, strangers+1) // the first one has an app, the others are its copies
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for account := 1; account <= strangers; account++ {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := r.StepUp(ctx, gatehouse.Session{Account: fmt.Sprint(account)}, r.wrong[n%len(r.wrong)])
				if d := (*gatehouse.DeniedError)(nil); errors.As(err, &d) && !d.RetryAt.IsZero() {
					r.Wait(6 * time.Second) // its throttle is not what is measured
				}
			}
		})
	}
	var took []time.Duration
	for b.Loop() {
		r.Wait(time.Hour) // that of the app's codes
		begun := time.Now()
		if _, err := r.StepUp(ctx, gatehouse.Session{Account: "0"}, "000000"); !errors.Is(err, gatehouse.ErrDenied) {
			b.Fatal("not denied:", err)
		}
		took = append(took, time.Since(begun))
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-worst")
}
