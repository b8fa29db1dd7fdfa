package attack_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Observe(_ context.Context, e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// take returns the events since the last take, each as its kind and whatever is set beside it.
func (r *recorder) take() (told []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		s := string(e.Kind)
		for _, extra := range []string{e.AuthenticatorName, e.OperatorID, e.Reason, e.Why} {
			if extra != "" {
				s += ", " + extra
			}
		}
		if e.Method != "" {
			s += ", " + string(e.Method)
		}
		if e.CodesLeft > 0 {
			s += fmt.Sprint(", ", e.CodesLeft, " left")
		}
		if e.Count > 1 {
			s += fmt.Sprint(", ", e.Count, " times")
		}
		told = append(told, s)
	}
	r.events = nil
	return told
}

func observed(r event.Observer) func(*settings) {
	return func(c *settings) { c.Observer = r }
}

// Every change tells what it was, once, and what was refused without a look at a code tells why.
func TestEvents(t *testing.T) {
	ctx := context.Background()
	var r recorder
	h := newHouse(t, observed(&r))
	told := func(want ...string) {
		t.Helper()
		require.Equal(t, want, r.take())
	}

	face := h.Owner(h.vouch("u"))
	told()
	_, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: "One"})
	require.NoError(t, err)
	told("enrollment.begun, One")
	_, err = face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: "Two"})
	require.NoError(t, err)
	told("enrollment.abandoned, One", "enrollment.begun, Two")
	o := h.enroll("u")
	told("enrollment.abandoned, Two", "enrollment.begun, Authenticator", "enrollment.confirmed, Authenticator", "authenticator.added, Authenticator")
	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.NoError(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, st.RecoveryCodes.ID))
	told("recovery_codes.acknowledged")
	require.NoError(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, st.RecoveryCodes.ID))
	told()

	_, err = o.signIn(o.code())
	require.NoError(t, err)
	told("code.accepted, totp")
	_, err = o.signIn(o.code())
	require.Error(t, err)
	told("code.denied, replayed, totp")
	_, err = o.signIn(o.wrong())
	require.Error(t, err)
	told("code.denied, wrong, totp")
	challenge := o.challenge()
	h.wait(totp.Period)
	proof := o.stepUp(o.code())
	told("code.accepted, totp")
	require.NoError(t, h.Owner(proof).RenameAuthenticator(ctx, o.auth, "Phone"))
	told("authenticator.renamed, Phone")
	require.NoError(t, h.Owner(proof).RenameAuthenticator(ctx, o.auth, "Phone"))
	told()
	enr, err := h.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: "New", Replace: o.auth})
	require.NoError(t, err)
	require.NoError(t, h.Owner(proof).CancelEnrollment(ctx, enr.ID))
	told("enrollment.begun, New", "enrollment.abandoned, New")
	fresh, err := h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	told("recovery_codes.regenerated")
	_, err = h.Answer(ctx, challenge, o.code())
	require.Error(t, err)
	told("code.denied, stale_challenge, totp")
	_, err = o.signIn("no code of any kind")
	require.Error(t, err)
	told("code.denied, malformed, recovery_code")

	enr, err = h.Owner(fresh.Proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: "New", Replace: o.auth})
	require.NoError(t, err)
	o = &owner{h: h, id: "u", key: keyOf(enr, 6), auth: enr.ID, codes: fresh.Codes}
	proof, err = h.Owner(fresh.Proof).ConfirmEnrollment(ctx, enr.ID, o.code())
	require.NoError(t, err)
	told("enrollment.begun, New", "enrollment.confirmed, New", "authenticator.removed, Phone", "authenticator.added, New")

	for i := range 8 {
		_, err = o.signIn(o.codes[i].Reveal())
		require.NoError(t, err)
	}
	told("code.accepted, recovery_code", "recovery_code.used, 9 left", "code.accepted, recovery_code", "recovery_code.used, 8 left",
		"code.accepted, recovery_code", "recovery_code.used, 7 left", "code.accepted, recovery_code", "recovery_code.used, 6 left",
		"code.accepted, recovery_code", "recovery_code.used, 5 left", "code.accepted, recovery_code", "recovery_code.used, 4 left",
		"code.accepted, recovery_code", "recovery_code.used, 3 left",
		"code.accepted, recovery_code", "recovery_code.used, 2 left", "recovery_codes.low, 2 left")
	_, err = o.signIn(o.codes[0].Reveal())
	require.Error(t, err)
	told("code.denied, used, recovery_code")

	h.wait(totp.Period)
	op := h.Operator("support").Because("ticket 9")
	require.NoError(t, op.PasswordChanged(ctx, "u", gatehouse.KeepTokens))
	told("password.changed, support, ticket 9")
	require.NoError(t, op.Suspend(ctx, "u"))
	require.NoError(t, op.Suspend(ctx, "u"))
	require.NoError(t, op.Resume(ctx, "u"))
	require.NoError(t, op.Resume(ctx, "u"))
	told("account.suspended, support, ticket 9", "account.resumed, support, ticket 9")
	h.wait(totp.Period)
	require.NoError(t, h.Resync(ctx, o.challenge(), o.auth, o.code(-1), o.code()))
	told("authenticator.resynced, New")
	h.wait(2 * totp.Period)
	_, err = h.Owner(o.stepUp(o.code())).DisableTwoFactor(ctx)
	require.NoError(t, err)
	told("code.accepted, totp", "two_factor.off")
	_, err = h.Owner(proof).DisableTwoFactor(ctx)
	require.Error(t, err)
	told()

	o = h.enroll("u")
	r.take()
	code, err := op.Reset(ctx, "u")
	require.NoError(t, err)
	told("account.reset, support, ticket 9", "operator_code.made, support")
	_, err = h.RedeemOperatorCode(ctx, o.challenge(), code.Reveal())
	require.NoError(t, err)
	told("code.accepted, operator_code", "operator_code.used, support")
	require.NoError(t, deleted(op.DeleteAccount(ctx, "u")))
	told("account.deleted, support, ticket 9")
	_ = must(op.Import(ctx, "u", importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Name: "Old app"})))
	told("account.imported, Old app, support, ticket 9")
}

func TestEventsOfTheThrottle(t *testing.T) {
	ctx := context.Background()
	var r recorder
	h := newHouse(t, observed(&r))
	o := h.enroll("u")
	r.take()
	for range 6 {
		_, err := o.signIn(o.wrong())
		require.Error(t, err)
	}
	require.Equal(t, []string{
		"code.denied, wrong, totp", "code.denied, wrong, totp", "code.denied, wrong, totp", "code.denied, wrong, totp", "code.denied, wrong, totp",
		"code.denied, wrong, totp", "method.locked, totp"}, r.take())
	for range 50 {
		_, err := o.signIn(o.wrong())
		require.Error(t, err)
	}
	require.Equal(t, []string{"method.throttled_burst, locked, totp"}, r.take(), "once a lock")
	require.NoError(t, h.Operator("op").Unlock(ctx, "u", event.MethodTOTP))
	require.NoError(t, h.Operator("op").Unlock(ctx, "u", event.MethodTOTP))
	require.Equal(t, []string{"method.unlocked, op, totp"}, r.take(), "there was one lock to open")

	// The month's count outlives success, and rings once.
	for range 30 {
		h.wait(totp.Period)
		_, err := o.signIn(o.wrong())
		require.Error(t, err)
		_, err = o.signIn(o.code())
		require.NoError(t, err)
	}
	rang := 0
	for _, e := range r.take() {
		if e == "code.many_failures, 20 times" {
			rang++
		}
	}
	require.Equal(t, 1, rang)
}

func TestActivity(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	events, err := h.Activity(ctx, "never seen")
	require.NoError(t, err)
	require.Empty(t, events)

	o := h.enroll("u")
	for range 3 {
		_, err = o.signIn(o.wrong())
		require.Error(t, err)
		h.wait(time.Second)
	}
	events, err = h.Activity(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, event.CodeDenied, events[0].Kind, "newest first")
	require.Equal(t, 3, events[0].Count, "a run is one entry")
	require.Empty(t, events[0].Why)
	require.Equal(t, h.clock().Add(-time.Second), events[0].At, "of the last")
	require.Equal(t, event.AuthenticatorAdded, events[1].Kind)

	// Sign-ins and wrong codes without end do not wash the changes of factors away.
	for range 40 {
		h.wait(totp.Period)
		_, err = o.signIn(o.code())
		require.NoError(t, err)
		_, err = o.signIn(o.wrong())
		require.Error(t, err)
	}
	events, err = h.Activity(ctx, "u")
	require.NoError(t, err)
	require.Len(t, events, 20)
	kinds := func() (factors, others int) {
		for _, e := range events {
			switch e.Kind {
			case event.CodeAccepted, event.CodeDenied, event.EnrollmentBegun, event.ManyFailures:
				others++
			default:
				factors++
			}
		}
		return factors, others
	}
	factors, _ := kinds()
	require.Equal(t, 1, factors)

	// Nor does a series of changes push out the ten that the rest have.
	for range 25 {
		require.NoError(t, h.Operator("op").PasswordChanged(ctx, "u", gatehouse.KeepTokens))
	}
	events, err = h.Activity(ctx, "u")
	require.NoError(t, err)
	factors, others := kinds()
	require.Equal(t, []int{10, 10}, []int{factors, others})
	require.True(t, slices.IsSortedFunc(events, func(a, b event.Event) int { return b.At.Compare(a.At) }))
}

// Whatever an observer does, the answer is the same.
func TestObserverCannotChangeAnAnswer(t *testing.T) {
	ctx := context.Background()
	observers := map[string]func(h **house) event.Observer{
		"panics": func(**house) event.Observer {
			return event.ObserverFunc(func(context.Context, event.Event) { panic("observer") })
		},
		"ends its goroutine": func(**house) event.Observer {
			return event.ObserverFunc(func(context.Context, event.Event) { exitGoroutine() })
		},
		"blocks until its deadline": func(**house) event.Observer {
			return event.ObserverFunc(func(ctx context.Context, _ event.Event) { <-ctx.Done() })
		},
		"blocks beyond its deadline": func(**house) event.Observer {
			return event.ObserverFunc(func(context.Context, event.Event) { time.Sleep(time.Hour) })
		},
		"calls back": func(h **house) event.Observer {
			return event.ObserverFunc(func(ctx context.Context, e event.Event) {
				if e.Kind == event.CodeAccepted {
					_ = (*h).Operator("watch").PasswordChanged(ctx, e.AccountID, gatehouse.KeepTokens)
				}
				_, _ = (*h).Account(ctx, e.AccountID)
			})
		},
	}
	for name, observer := range observers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h *house
				h = newHouse(t, observed(observer(&h)))
				o := h.enroll("u")
				_, err := o.signIn(o.code())
				require.NoError(t, err)
				_, err = o.signIn(o.code())
				require.ErrorIs(t, err, gatehouse.ErrDenied)
				_, err = h.Activity(ctx, "u")
				require.NoError(t, err)
				time.Sleep(24 * time.Hour) // whoever was left behind ends
			})
		})
	}
}

// Events of one account come in the order of the changes, also where many make them at once.
func TestObserverOrder(t *testing.T) {
	ctx := context.Background()
	var mu sync.Mutex
	busy, seen := map[string]bool{}, map[string][]bool{}
	h := newHouse(t, observed(event.ObserverFunc(func(_ context.Context, e event.Event) {
		mu.Lock()
		require.False(t, busy[e.AccountID], "one at a time")
		busy[e.AccountID] = true
		mu.Unlock()
		mu.Lock()
		busy[e.AccountID] = false
		seen[e.AccountID] = append(seen[e.AccountID], e.Kind == event.AccountSuspended)
		mu.Unlock()
	})))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			id := fmt.Sprint(i % 4)
			if i%8 < 4 {
				_ = h.Operator("op").Suspend(ctx, id)
			} else {
				_ = h.Operator("op").Resume(ctx, id)
			}
		})
	}
	wg.Wait()
	for id := range 4 {
		require.NoError(t, h.Operator("op").Suspend(ctx, fmt.Sprint(id)))
		require.NoError(t, h.Operator("op").Resume(ctx, fmt.Sprint(id)))
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range 4 {
			order := seen[fmt.Sprint(id)]
			if len(order) < 2 || order[len(order)-1] {
				return false
			}
		}
		return true
	}, 5*time.Minute, time.Millisecond)
	mu.Lock() // others may still be told
	defer mu.Unlock()
	for id, order := range seen {
		for i, suspended := range order {
			require.Equal(t, i%2 == 0, suspended, "account %s: suspended and resumed in turn", id)
		}
	}
}

func TestObserverIsToldAfterTheSave(t *testing.T) {
	ctx := context.Background()
	store := memory.New()
	var saved []bool
	h := houseOn(t, store, observed(event.ObserverFunc(func(ctx context.Context, e event.Event) {
		if e.Kind == event.AccountSuspended {
			rec, err := store.LoadAccount(ctx, e.AccountID)
			saved = append(saved, err == nil && rec.Index.Suspended)
		}
	})))
	canceled, cancel := context.WithCancel(ctx)
	require.NoError(t, h.Operator("op").Suspend(canceled, "u"))
	cancel()
	require.Equal(t, []bool{true}, saved)
}

func TestLogEvents(t *testing.T) {
	ctx := context.Background()
	var out bytes.Buffer
	h := newHouse(t, observed(event.Log(slog.New(slog.NewTextHandler(&out, nil)))))
	o := h.enroll("u")
	_, err := o.signIn(o.wrong())
	require.Error(t, err)
	require.NoError(t, h.Operator("op").Because("a\"reason").Suspend(ctx, "u"))
	text := out.String()
	require.Contains(t, text, `level=INFO msg=authenticator.added event.kind=authenticator.added event.account=u event.at=2026-03-01T12:00:00.000Z event.authenticator=`+o.auth)
	require.Contains(t, text, `level=WARN msg=code.denied event.kind=code.denied event.account=u`)
	require.Contains(t, text, `event.method=totp event.why=wrong`)
	require.Contains(t, text, `level=WARN msg=account.suspended`)
	require.Contains(t, text, `event.operator=op event.reason="a\"reason"`)
	require.NotContains(t, text, o.wrong())
}

func exitGoroutine() { runtime.Goexit() }
