package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

// reseals is how many accounts move to a new key; GATEHOUSE_TEST_RESEAL says otherwise.
func reseals(t *testing.T) int {
	if text := os.Getenv("GATEHOUSE_TEST_RESEAL"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	return 2000
}

// heapLimit is for a process that reseals: a page of accounts, and nothing that grows with them.
const heapLimit = 64 << 20

// reseal is the task of a child: it says how far it has come, and how much memory it has at work. Half way, at Times
// accounts, it waits to be told to go on.
func (t task) reseal(svc *gatehouse.Service) error {
	var most uint64
	r, err := svc.Operator("rotation").Reseal(context.Background(), "", func(r gatehouse.Progress) {
		if r.Seen == t.Times {
			_, _ = os.Stdin.Read(make([]byte, 1))
		}
		if r.Seen%100 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			say("seen", r.Seen)
		}
	})
	if err != nil {
		return err
	}
	say("moved", r.Done, most)
	return nil
}

// All accounts move to a new key, by a process that is killed on the way and another that goes on,
// while owners sign in by a third.
func TestResealKilled(t *testing.T) {
	each(t, func(t *testing.T, p place, _ *dbtest.Server) {
		const signers = 4
		ctx := context.Background()
		count := reseals(t)
		accounts, step := setUp(t, p, 1)
		var clock atomic.Int64
		clock.Store(step)
		_, store, err := p.service(&clock)
		require.NoError(t, err)
		secret := fill(t, p, store, accounts[0].ID, count)

		fresh := keyring.Generate()
		p.Keys = fresh.Reveal() + "\n" + p.Keys
		svc, _, err := p.service(&clock)
		require.NoError(t, err)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var signedIn, failed atomic.Int64
		var first atomic.Value
		for s := range signers {
			wg.Go(func() {
				a := account{Secret: secret}
				for used := map[int]bool{}; ; {
					select {
					case <-stop:
						return
					default:
					}
					i := rand.IntN(count/signers)*signers + s // the others have accounts of their own
					if used[i] {
						continue
					}
					used[i] = true
					if _, err := svc.StepUp(ctx, gatehouse.Session{Account: filled(i)}, a.code(step)); err != nil {
						failed.Add(1)
						first.CompareAndSwap(nil, err.Error())
					}
					signedIn.Add(1)
					time.Sleep(time.Millisecond)
					if len(used) == count/signers {
						return
					}
				}
			})
		}

		begun := time.Now()
		work := task{Place: p, Do: "reseal", Step: step, Times: count / 2}
		c := start(t, work)
		for range count / 300 { // a third of the way
			require.True(t, c.lines.Scan())
		}
		require.NoError(t, c.cmd.Process.Kill())
		for c.lines.Scan() {
		}
		_ = c.cmd.Wait()
		left := under(t, store, fresh.Primary())
		require.Less(t, left, count+1-count/4, "some had moved")
		require.Positive(t, left, "and it was killed on the way")

		c = start(t, work)
		require.NoError(t, c.in.Close()) // it need not wait
		var moved, heap int64
		for c.lines.Scan() {
			if words := strings.Fields(c.lines.Text()); words[0] == "moved" {
				moved, heap = number(t, words[1]), number(t, words[2])
			}
		}
		require.NoError(t, c.cmd.Wait())
		took := time.Since(begun)
		close(stop)
		wg.Wait()
		require.Zero(t, under(t, store, fresh.Primary()), "none is left under the old key")
		require.InDelta(t, left, moved, 0.5, "the second moved what the first had left")
		require.Zero(t, failed.Load(), "sign-ins that failed: %v", first.Load())
		require.Positive(t, signedIn.Load())
		require.Less(t, heap, int64(heapLimit))
		t.Logf("%d accounts in %v with a kill, %d sign-ins beside it, heap of at most %d KiB", count, took, signedIn.Load(), heap>>10)
	})
}

func filled(i int) string { return fmt.Sprintf("filled-%07d", i) }

// fill copies an account to many others, each with a secret sealed for it, and returns the secret.
func fill(t *testing.T, p place, store *sqlstore.Store, from string, count int) string {
	t.Helper()
	ctx := context.Background()
	keys, err := keyring.Parse(p.Keys)
	require.NoError(t, err)
	rec, err := store.LoadAccount(ctx, from)
	require.NoError(t, err)
	model, err := core.Decode(from, rec.Data)
	require.NoError(t, err)
	secret := totp.GenerateSecret().Reveal()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				a := model
				a.ID = filled(i)
				a.Authenticators = append([]core.Authenticator(nil), model.Authenticators...)
				auth := &a.Authenticators[0]
				var err error
				auth.Sealed, err = keys.Seal(ctx, []byte(secret), keyring.Binding{Purpose: "totp", Account: a.ID, Item: auth.ID})
				if err != nil {
					t.Error(err)
					return
				}
				data, err := a.Encode()
				if err == nil {
					err = store.SaveAccount(ctx, storage.Record{ID: a.ID, Version: 1, Data: data, Index: a.Index(totp.DefaultWindow())}, 0)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return secret
}

// under counts the accounts that are under another key than a name.
func under(t *testing.T, store *sqlstore.Store, name string) (others int) {
	t.Helper()
	for after := ""; ; {
		page, err := store.Accounts(context.Background(), after, 500)
		require.NoError(t, err)
		for _, r := range page.Records {
			if r.Index.KeyName != name {
				others++
			}
			after = r.ID
		}
		if !page.More {
			return others
		}
	}
}
