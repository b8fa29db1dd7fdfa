package attack_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// rotated returns a service on the same store whose primary key is a new one.
func (h *house) rotated(store storage.Store) (*gatehouse.Service, *keyring.Ring) {
	h.t.Helper()
	fresh := keyring.Generate()
	ring, err := keyring.Parse(fresh.Reveal() + "\n" + h.keys.Reveal())
	require.NoError(h.t, err)
	svc, err := gatehouse.New(store, gatehouse.Config{Issuer: "Acme", Keys: ring, Recovery: cheap, Now: h.clock})
	require.NoError(h.t, err)
	return svc, fresh
}

func keyNames(t *testing.T, store storage.Store) map[string]int {
	t.Helper()
	names := map[string]int{}
	after := ""
	for {
		page, err := store.Accounts(context.Background(), after, 100)
		require.NoError(t, err)
		for _, r := range page.Records {
			names[r.Index.KeyName]++
			after = r.ID
		}
		if !page.More {
			return names
		}
	}
}

func TestReseal(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	var owners []*owner
	for i := range 5 {
		owners = append(owners, h.enroll(fmt.Sprint("u", i)))
	}
	h.vouch("bare")
	pending := owners[4]
	enr, err := h.Owner(pending.stepUp(pending.code())).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)

	svc, fresh := h.rotated(h.store)
	var seen []gatehouse.Progress
	r, err := svc.Operator("rotation").Reseal(ctx, "", func(r gatehouse.Progress) { seen = append(seen, r) })
	require.NoError(t, err)
	require.Equal(t, gatehouse.Progress{Seen: 6, Done: 5, Cursor: "u4"}, r)
	require.Len(t, seen, 6)
	require.Equal(t, gatehouse.Progress{Seen: 1, Cursor: "bare"}, seen[0])
	require.Equal(t, map[string]int{"": 1, fresh.Primary(): 5}, keyNames(t, h.store))
	r, err = svc.Operator("rotation").Reseal(ctx, "", nil)
	require.NoError(t, err)
	require.Equal(t, gatehouse.Progress{Seen: 6, Cursor: "u4"}, r, "the second time there is nothing to do")

	// The old key is not needed any more, and what was pending still is.
	only, err := gatehouse.New(h.store, gatehouse.Config{Issuer: "Acme", Keys: fresh, Recovery: cheap, Now: h.clock})
	require.NoError(t, err)
	h.wait(totp.Period)
	for _, o := range owners {
		v, err := only.StepUp(ctx, gatehouse.Session{Account: o.id}, o.code())
		require.NoError(t, err)
		if o == pending {
			_, err = only.Owner(gatehouse.Session{Account: o.id, Proof: v.Session.Proof}).ConfirmEnrollment(ctx, enr.ID, (&owner{h: h, key: keyOf(enr, 6)}).code())
			require.NoError(t, err)
		}
	}
}

// A reseal that is interrupted at any call of the store has lost nothing, and goes on where it was.
func TestResealInterrupted(t *testing.T) {
	ctx := context.Background()
	for _, fault := range []gatehousetest.Fault{gatehousetest.Fail, gatehousetest.Conflict, gatehousetest.LoseReply, gatehousetest.Repeat} {
		for n := 1; ; n++ {
			store := gatehousetest.NewStore(memory.New())
			h := houseOn(t, store)
			var owners []*owner
			for i := range 3 {
				owners = append(owners, h.enroll(fmt.Sprint("u", i)))
			}
			svc, fresh := h.rotated(store)
			calls := 0
			store.Inject(func(string) gatehousetest.Fault {
				if calls++; calls == n {
					return fault
				}
				return gatehousetest.None
			})
			r, err := svc.Operator("op").Reseal(ctx, "", nil)
			store.Inject(nil)
			if calls < n {
				break // no call is left to fail
			}
			for try := 0; err != nil; try++ {
				require.ErrorIs(t, err, gatehousetest.ErrFault)
				require.Less(t, try, 2)
				r, err = svc.Operator("op").Reseal(ctx, r.Cursor, nil)
			}
			require.Equal(t, "u2", r.Cursor)
			require.Equal(t, map[string]int{fresh.Primary(): 3}, keyNames(t, store), "fault %d at call %d", fault, n)
			for _, o := range owners {
				_, err := svc.StepUp(ctx, gatehouse.Session{Account: o.id}, o.code())
				require.NoError(t, err)
			}
		}
	}
}

// A secret that does not open stops neither the others nor itself from being found.
func TestResealPassesOverWhatDoesNotOpen(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	for i := range 3 {
		h.enroll(fmt.Sprint("u", i))
	}
	rec, err := h.store.LoadAccount(ctx, "u0")
	require.NoError(t, err)
	rec.ID = "u1"
	other, err := h.store.LoadAccount(ctx, "u1")
	require.NoError(t, err)
	require.NoError(t, h.store.SaveAccount(ctx, rec, other.Version), "the secret of another account")
	require.NoError(t, h.store.SaveAccount(ctx, storage.Record{ID: "u3", Version: 1, Data: []byte("{")}, 0))

	svc, fresh := h.rotated(h.store)
	r, err := svc.Operator("op").Reseal(ctx, "", nil)
	require.ErrorIs(t, err, keyring.ErrOpen)
	require.Equal(t, gatehouse.Progress{Seen: 4, Done: 2, Failed: 2, Cursor: "u3"}, r)
	require.Equal(t, 2, keyNames(t, h.store)[fresh.Primary()])
}

// A key service that opens and does not seal is a fault: nothing counts as moved or as passed over, or an operator would
// take a key away under which there still are secrets.
func TestResealThatCannotSeal(t *testing.T) {
	h := newHouse(t)
	h.enroll("u0")
	ring := must(keyring.Parse(keyring.Generate().Reveal() + "\n" + h.keys.Reveal()))
	svc, err := gatehouse.New(h.store, gatehouse.Config{Issuer: "Acme", Keys: ring, Sealer: opensOnly{ring}, Recovery: cheap, Now: h.clock})
	require.NoError(t, err)
	r, err := svc.Operator("op").Reseal(t.Context(), "", nil)
	require.ErrorIs(t, err, errSealer)
	require.Zero(t, r)
	require.Equal(t, map[string]int{h.keys.Primary(): 1}, keyNames(t, h.store))
}

type opensOnly struct{ keyring.Sealer }

func (opensOnly) Seal(context.Context, []byte, keyring.Binding) ([]byte, error) {
	return nil, errSealer
}

// Sign-ins go on while the secrets move, and none fails.
func TestResealBesideSignIns(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	var owners []*owner
	for i := range 20 {
		owners = append(owners, h.enroll(fmt.Sprint("u", i)))
	}
	h.wait(totp.Period)
	svc, fresh := h.rotated(h.store)
	again, err := gatehouse.New(h.store, gatehouse.Config{
		Issuer: "Acme", Keys: must(keyring.Parse(fresh.Reveal() + " " + h.keys.Reveal())), Recovery: cheap, Now: h.clock})
	require.NoError(t, err)
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for _, o := range owners {
		wg.Go(func() {
			_, err := svc.StepUp(ctx, gatehouse.Session{Account: o.id}, o.code())
			_, err2 := again.StepUp(ctx, gatehouse.Session{Account: o.id}, o.codes[0].Reveal())
			errs <- errors.Join(err, err2)
		})
	}
	for _, s := range []*gatehouse.Service{svc, again} { // two operators at once
		wg.Go(func() { _, err := s.Operator("op").Reseal(ctx, "", nil); errs <- err })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int{fresh.Primary(): 20}, keyNames(t, h.store))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestResealStopsWithItsContext(t *testing.T) {
	h := newHouse(t)
	for i := range 4 {
		h.enroll(fmt.Sprint("u", i))
	}
	svc, _ := h.rotated(h.store)
	ctx, cancel := context.WithCancel(context.Background())
	r, err := svc.Operator("op").Reseal(ctx, "", func(r gatehouse.Progress) {
		if r.Seen == 2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "u1", r.Cursor)
	r, err = svc.Operator("op").Reseal(context.Background(), r.Cursor, nil)
	require.NoError(t, err)
	require.Equal(t, 2, r.Done)
}
