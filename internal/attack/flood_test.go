package attack_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// holdArgon2 fills the gate of Argon2id until release is called.
func holdArgon2(t *testing.T) (release func()) {
	t.Helper()
	held, end, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		if err := queue.Argon2.Run(context.Background(), queue.Try, 1<<30, func() { close(held); <-end }); err != nil {
			panic(err)
		}
	}()
	<-held
	return func() { close(end); <-gone }
}

// Row K6: with a thousand redeems that wait for Argon2id, on other accounts and on the same one, a code of an app is
// answered, and so is everything else that needs no Argon2id. Nothing is left behind.
func TestTOTPBesideSlowHashes(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("user-42")
	data := h.record(o.id).Data
	for i := range 100 {
		r := storage.Record{ID: fmt.Sprint("stranger-", i), Version: 1, Data: data}
		require.NoError(t, h.store.SaveAccount(t.Context(), r, 0))
	}
	v, err := h.StepUp(t.Context(), o.id, o.code())
	require.NoError(t, err)
	h.wait(30e9)

	synctest.Test(t, func(t *testing.T) {
		release := holdArgon2(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1000)
		slow := func(f func(ctx context.Context) error) { go func() { ended <- f(ctx) }() }
		for i := range 998 {
			id := fmt.Sprint("stranger-", i%100)
			if i%2 == 0 {
				id = o.id
			}
			slow(func(ctx context.Context) error {
				_, err := h.StepUp(ctx, id, o.codes[i%10].Reveal())
				return err
			})
		}
		slow(func(ctx context.Context) error {
			_, err := h.Owner(v.Session.Proof).RegenerateRecoveryCodes(ctx)
			return err
		})
		slow(func(ctx context.Context) error { _, err := h.Operator("op").Reset(ctx, o.id); return err })
		synctest.Wait()
		require.Empty(t, ended, "all of them wait")

		_, err := o.signIn(o.code())
		require.NoError(t, err)
		_, err = h.StepUp(t.Context(), o.id, o.wrong())
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.NoError(t, h.Owner(v.Session.Proof).RenameAuthenticator(t.Context(), o.auth, "Phone"))
		require.NoError(t, h.Operator("op").Suspend(t.Context(), o.id))
		require.NoError(t, h.Operator("op").Resume(t.Context(), o.id))
		require.Empty(t, ended)

		cancel()
		for range 1000 {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		release()
		running, waiting := queue.Argon2.Waiting()
		require.Zero(t, running+waiting)
	})
}

// Row K6: a store that is slow with the row of one account holds nobody else up.
func TestSlowRow(t *testing.T) {
	store := &slowRow{Store: memory.New(), slow: "stranger", hang: make(chan struct{})}
	h := houseOn(t, store)
	var owners []*owner
	for i := range 600 { // of 512 places that accounts shared, most would be held
		owners = append(owners, h.bare(fmt.Sprint("user-", i)))
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { _, err := h.StepUp(ctx, "stranger", "000000"); ended <- err }()
		synctest.Wait()
		for _, o := range owners {
			_, err := h.Attest(t.Context(), o.id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
			require.NoError(t, err)
		}
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func (h *house) bare(id string) *owner {
	h.vouch(id)
	return &owner{h: h, id: id}
}

type slowRow struct {
	storage.Store
	slow string
	hang chan struct{}
}

func (s *slowRow) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if id == s.slow {
		<-ctx.Done()
		return storage.Record{}, ctx.Err()
	}
	return s.Store.LoadAccount(ctx, id)
}

// Row K6: who hangs up while Argon2id looks at a code, without the account's turn, has had it looked at, so it counts.
func TestHangUpDuringArgon2id(t *testing.T) {
	o, store := onFaulty(t)
	ctx, cancel := context.WithCancel(t.Context())
	loads := 0
	store.hook = func(_ int64, call string) (f fault) {
		if call == "load" {
			if loads++; loads == 2 { // the first is before the run, the second after it
				f.meanwhile = cancel
			}
		}
		return f
	}
	_, err := o.h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err)
	require.Equal(t, 2, loads)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, 9, o.h.account(o.id).Recovery.Left())
}
