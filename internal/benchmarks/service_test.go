package benchmarks_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
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

// Row F7: what 64 redeems at once take of memory, in a process that does nothing else, with as many processors and
// with hashes of whatever size there is.
func TestRedeemAtOnceMemory(t *testing.T) {
	const inside = "GATEHOUSE_REDEEM_AT_ONCE"
	if os.Getenv(inside) != "" {
		r := newRedeems(t, atOnce)
		rounds := 3
		if os.Getenv(inside) == "imported" {
			r.imported(t)
			rounds = 1 // which is four hashes for each redeem, two of them large
		}
		for range rounds {
			r.Wait(time.Minute)
			r.allAtOnce(t)
		}
		fmt.Println("peak", peakRSS(t))
		return
	}
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	for _, hashes := range []string{"own", "imported"} {
		for _, processors := range []int{2, 64} { // the table in the README has more of them
			t.Run(fmt.Sprintf("%s, %d processors", hashes, processors), func(t *testing.T) {
				cmd := exec.Command(os.Args[0], "-test.run=^TestRedeemAtOnceMemory$", "-test.count=1")
				cmd.Env = append(os.Environ(), inside+"="+hashes, fmt.Sprint("GOMAXPROCS=", processors))
				began := time.Now()
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				_, text, ok := strings.Cut(string(out), "peak ")
				require.True(t, ok, "no figure in %s", out)
				text, _, _ = strings.Cut(text, "\n")
				peak, err := strconv.Atoi(text)
				require.NoError(t, err)
				t.Logf("%d MiB, %v", peak>>20, time.Since(began))
				require.LessOrEqual(t, peak, 128<<20)
			})
		}
	}
}

// imported puts hashes of another system in the place of the codes: two of 64 MiB and four lanes, the most there is,
// and two of what is made here, for every account.
func (r redeems) imported(tb testing.TB) {
	ctx := context.Background()
	var codes []recovery.Foreign
	for i, memory := range []uint32{64 << 10, 19456, 64 << 10, 19456} {
		salt := []byte(fmt.Sprint("salt of code ", i))
		tag := []byte(fmt.Sprintf("tag of code %d that nobody has...", i))[:32]
		codes = append(codes, recovery.ForeignHash(fmt.Sprintf("$argon2id$v=19$m=%d,t=1,p=4$%s$%s", memory,
			base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(tag)), 0))
	}
	for account := range atOnce {
		id := fmt.Sprint(account)
		require.NoError(tb, deleted(r.Operator("test").DeleteAccount(ctx, id)))
		_, err := r.Operator("test").Import(ctx, id, gatehouse.Import{
			Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret()}}, RecoveryCodes: codes,
		})
		require.NoError(tb, err)
	}
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
