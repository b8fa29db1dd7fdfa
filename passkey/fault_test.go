package passkey_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// counting returns the calls of the store, by method, that f makes.
func (h *house) counting(f func()) map[string]int {
	calls := map[string]int{}
	h.Store.Inject(func(method string) gatehousetest.Fault {
		calls[method]++
		return gatehousetest.None
	})
	f()
	h.Store.Inject(nil)
	return calls
}

// What each ceremony costs: one read and one write where something changes.
func TestPasskeyCosts(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o := h.enroll("ada")
	in := o.in
	both := map[string]int{"LoadAccount": 1, "SaveAccount": 1}
	read := map[string]int{"LoadAccount": 1}
	var options, response []byte
	var enr gatehouse.Enrollment
	var err error
	phone := passkeytest.New(origin)
	require.Equal(t, both, h.counting(func() {
		enr, options, err = h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
	}))
	require.NoError(t, err)
	response, err = phone.Create(options)
	require.NoError(t, err)
	require.Equal(t, both, h.counting(func() { _, err = h.pk.FinishRegistration(ctx, in, enr.ID, response) }))
	require.NoError(t, err)

	challenge := o.challenge()
	require.Equal(t, read, h.counting(func() { options, err = h.pk.AnswerOptions(ctx, in, challenge) }))
	response = h.get(phone, options, err)
	require.Equal(t, both, h.counting(func() { _, err = h.pk.AnswerPasskey(ctx, in, challenge, response) }))
	require.NoError(t, err)
	require.Equal(t, read, h.counting(func() { options, err = h.pk.StepUpOptions(ctx, in) }))
	response = h.get(phone, options, err)
	require.Equal(t, both, h.counting(func() { _, err = h.pk.StepUp(ctx, in, response) }))
	require.NoError(t, err)

	require.Empty(t, h.counting(func() { options, err = h.pk.SignInOptions(ctx, "browser") }))
	response = h.get(phone, options, err)
	byHandle := map[string]int{"AccountByHandle": 1, "SaveAccount": 1}
	require.Equal(t, byHandle, h.counting(func() { _, err = h.pk.SignIn(ctx, gatehouse.Session{Secret: "browser"}, response) }))
	require.NoError(t, err)
	require.Equal(t, byHandle, h.counting(func() { _, err = h.pk.SignIn(ctx, gatehouse.Session{Secret: "browser"}, response) }), "a replay is counted")
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.Equal(t, map[string]int{"AccountByHandle": 1}, h.counting(func() { _, err = h.pk.SignIn(ctx, gatehouse.Session{Secret: "another"}, response) }))
	require.Empty(t, h.counting(func() { _, err = h.pk.SignIn(ctx, gatehouse.Session{Secret: "browser"}, []byte("{}")) }))
	require.Equal(t, read, h.counting(func() { _, err = h.pk.Signals(ctx, "ada", "") }))
}

// Whatever a call to the store meets: nobody is let in without a save, and what was used up stays so. Tried again, or
// with a response of its own, it works.
func TestStoreFails(t *testing.T) {
	for _, kind := range kinds {
		for _, fault := range []gatehousetest.Fault{gatehousetest.Fail, gatehousetest.Conflict, gatehousetest.LoseReply, gatehousetest.Repeat} {
			for n := 1; n <= 2; n++ {
				what := fmt.Sprintf("%s, fault %d of call %d", kind, fault, n)
				h := newHouse(t)
				o := h.enroll("ada")
				options, take := o.ask(kind, "browser")
				response := h.get(o.phone, options, nil)
				before := o.stored()
				h.Store.Inject(gatehousetest.Nth(n, fault))
				v, err := take(response)
				h.Store.Inject(nil)
				retried := n == 2 && (fault == gatehousetest.Conflict || fault == gatehousetest.Repeat)
				require.Equal(t, retried, err == nil, "%s: %v", what, err)
				require.NotErrorIs(t, err, gatehouse.ErrDenied, what)
				saved := retried || n == 2 && fault == gatehousetest.LoseReply
				require.Equal(t, saved, o.stored() != before, what)
				if err != nil {
					require.Zero(t, v, what)
				}
				_, err = take(response)
				require.Equal(t, saved, err != nil, "the same response again: %s", what)
				o.accepted(kind, o.phone, what)
			}
		}
	}
}

// A registration that meets a fault is pending still or done, and never half.
func TestStoreFailsAtRegistration(t *testing.T) {
	for _, fault := range []gatehousetest.Fault{gatehousetest.Fail, gatehousetest.Conflict, gatehousetest.LoseReply, gatehousetest.Repeat} {
		for n := 1; n <= 2; n++ {
			ctx := t.Context()
			h := newHouse(t)
			in := h.vouch("ada")
			o := &owner{h: h, id: "ada", in: in}
			enr, options, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
			require.NoError(t, err)
			response, err := passkeytest.New(origin).Create(options)
			require.NoError(t, err)
			h.Store.Inject(gatehousetest.Nth(n, fault))
			_, err = h.pk.FinishRegistration(ctx, in, enr.ID, response)
			h.Store.Inject(nil)
			retried := n == 2 && (fault == gatehousetest.Conflict || fault == gatehousetest.Repeat)
			require.Equal(t, retried, err == nil, "fault %d of call %d: %v", fault, n, err)
			done := retried || n == 2 && fault == gatehousetest.LoseReply
			require.Equal(t, done, o.view().Protected)
			require.Equal(t, !done, o.view().Pending != nil)
			if !done {
				_, err = h.pk.FinishRegistration(ctx, in, enr.ID, response)
				require.NoError(t, err)
			}
			require.Len(t, o.view().Authenticators, 1)
		}
	}
}

// One response by 200 at once: one of them wins, at each ceremony.
func TestOnePasskeyOneWinner(t *testing.T) {
	for _, kind := range kinds {
		h := newHouse(t)
		o := h.enroll("ada")
		options, take := o.ask(kind, "browser")
		response := h.get(o.phone, options, nil)
		h.told()
		require.Equal(t, 1, winners(t, func() error { _, err := take(response); return err }), kind)
		won := 0
		for _, k := range h.told() {
			if k == event.CodeAccepted {
				won++
			}
		}
		require.Equal(t, 1, won, kind)
	}
	h := newHouse(t)
	in := h.vouch("ada")
	enr, options, err := h.pk.BeginRegistration(t.Context(), in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	response, err := passkeytest.New(origin).Create(options)
	require.NoError(t, err)
	require.Equal(t, 1, winners(t, func() error { _, err := h.pk.FinishRegistration(t.Context(), in, enr.ID, response); return err }))
}

// winners makes a call 200 times at once, and returns how often it had no error.
func winners(t *testing.T, call func() error) (won int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 200 {
		wg.Go(func() {
			<-start
			if call() == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	return won
}

// Nobody guesses a signature, so wrong ones keep nobody out: the owner is in at the first try, however many come
// meanwhile. Of those no more are kept than one in every few seconds. A ceremony that the person cancels counts for nothing.
func TestUnderFire(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("ada")
	for range 100 { // "cancel" sends nothing
		o.ask("answer", "browser")
		o.ask("sign-in", "browser")
	}
	before := o.stored()
	for _, kind := range kinds {
		kept := 0
		for range 50 {
			options, take := o.ask(kind, "browser")
			o.phone.Tamper = passkeytest.WrongSignature
			response := h.get(o.phone, options, nil)
			o.phone.Tamper = nil
			_, err := take(response)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
			var d *gatehouse.DeniedError
			require.ErrorAs(t, err, &d)
			require.Zero(t, d.RetryAt, "the right one can come at once")
			if now := o.stored(); now != before {
				before = now
				kept++
			}
		}
		require.Equal(t, 10, kept, kind)
		ch := h.Challenge(t, "ada")
		require.True(t, ch.Passkey.Available)
		require.True(t, ch.RecoveryCode.Available, "recovery codes have a count of their own")
		o.accepted(kind, o.phone, "under fire")
		before = o.stored()
		h.Wait(time.Minute)
	}
}
