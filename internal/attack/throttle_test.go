package attack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	never = time.Duration(0)
	off   = time.Duration(-1) // for good
)

// ladder returns what each failed code costs: how long the next one has to wait. No browser is known, so strangers have
// the share of known browsers after theirs, with a ladder of its own.
func ladder(free, strangers, known int) []time.Duration {
	steps := func(free, most int) []time.Duration {
		rungs := make([]time.Duration, free)
		for _, m := range []float64{0.5, 1, 2, 5, 15, 30, 60} {
			rungs = append(rungs, time.Duration(m*float64(time.Minute)))
		}
		for len(rungs) < most {
			rungs = append(rungs, time.Hour)
		}
		return rungs[:most]
	}
	rungs := steps(free, strangers)
	rungs[strangers-1] = never // it costs nothing: the next one is of the other share
	rungs = append(rungs, steps(min(free, known-1), known)...)
	rungs[len(rungs)-1] = off
	return rungs
}

// climb gives wrong codes and checks every rung to the second, each through a challenge of its own.
func (o *owner) climb(seen *spy, rungs []time.Duration) {
	t, h := o.h.t, o.h
	t.Helper()
	ctx := context.Background()
	for i, rung := range rungs {
		// Nothing is kept in a Service: each failure is another process's.
		if i%7 == 3 {
			h.Service = h.twin().Service
		}
		opened, wrong := seen.opens.Load(), o.wrong()
		_, err := o.signIn(wrong)
		require.Equal(t, opened+int64(len(h.account(o.id).Authenticators)), seen.opens.Load(), "failure %d is looked at", i+1)
		want := &gatehouse.DeniedError{}
		switch rung {
		case never:
			require.Equal(t, want, err, "failure %d", i+1)
			continue
		case off:
			want.Disabled = true
		default:
			want.RetryAt = h.clock().Add(rung)
		}
		require.Equal(t, want, err, "failure %d", i+1)

		waits := []time.Duration{0, rung - time.Second}
		if rung == off {
			waits = []time.Duration{0, time.Hour, 1000 * 24 * time.Hour}
		}
		from := h.clock()
		for _, wait := range waits {
			h.set(from.Add(wait))
			h.unchanged(func() { // neither counted nor extended nor used up
				ch, err := h.Challenge(ctx, o.id)
				require.NoError(t, err)
				require.Equal(t, gatehouse.MethodState{RetryAt: want.RetryAt}, ch.TOTP)
				require.True(t, ch.RecoveryCode.Available)
				for _, code := range []string{wrong, o.code(), o.code(1)} {
					_, err := h.Answer(ctx, ch.Token.Reveal(), code)
					require.Equal(t, want, err, "failure %d, after %v", i+1, wait)
					_, err = h.StepUp(ctx, o.id, code)
					require.Equal(t, want, err, "failure %d, after %v", i+1, wait)
				}
				st, err := h.Account(ctx, o.id)
				require.NoError(t, err)
				require.Equal(t, gatehouse.MethodState{RetryAt: want.RetryAt}, st.TOTP)
			}, "failure %d, after %v", i+1, wait)
		}
		require.Equal(t, opened+int64(len(h.account(o.id).Authenticators)), seen.opens.Load(), "nothing is evaluated while locked")
		if rung != off {
			h.set(want.RetryAt)
		}
	}
}

// TestLadder climbs the whole ladder, again after a success, and with the limits that shrink.
func TestLadder(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	wide := &totp.Window{Past: 2, Ahead: 2}
	for name, c := range map[string]struct {
		window         *totp.Window
		authenticators int
		free           int
		strangers      int
		known          int
	}{
		"default":                  {nil, 1, 5, 40, 10},
		"one step":                 {&totp.Window{}, 1, 5, 40, 10},
		"default, 2":               {nil, 2, 2, 20, 5},
		"five steps":               {wide, 1, 3, 24, 6},
		"five steps, 5, the worst": {wide, 5, 1, 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			seen := new(spy)
			h := newHouse(t, spied(seen), func(cfg *settings) { cfg.Window = c.window })
			o := h.enroll("user-42")
			for range c.authenticators - 1 {
				o.second()
			}
			o.fails(c.free + 1)
			h.wait(30 * time.Second)
			_, err := o.signIn(o.code())
			require.NoError(t, err)
			h.wait(totp.Period)

			o.climb(seen, ladder(c.free, c.strangers, c.known))

			require.NotZero(t, h.account(o.id).TOTPThrottle.Failures)
			require.True(t, h.record(o.id).Index.Disabled)
			v, err := o.signIn(o.codes[0].Reveal())
			require.NoError(t, err, "recovery codes have a count of their own")
			require.Equal(t, 9, v.CodesLeft)
			_, err = h.StepUp(ctx, o.id, o.code())
			require.Equal(t, &gatehouse.DeniedError{Disabled: true}, err, "which does not open the other method")
		})
	}
}

// TestLockRearms shows that a lock that has run out is followed by a longer one, and not by five
// free codes (GHSA-jc8m-cxhj-668x).
func TestLockRearms(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	o.fails(6)
	h.wait(100 * 24 * time.Hour)
	_, err := h.StepUp(ctx, o.id, o.wrong())
	require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(time.Minute)}, err)
}

// TestSuccessResetsItsOwnMethod has both counts one short of a lock.
func TestSuccessResetsItsOwnMethod(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, right := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode} {
		t.Run(string(right), func(t *testing.T) {
			h := newHouse(t)
			o, other := h.enroll("user-42"), h.enroll("user-43")
			o.untag()
			o.fails(5)
			for range 9 {
				_, err := h.StepUp(ctx, o.id, o.wrongRecovery(true))
				require.Equal(t, &gatehouse.DeniedError{}, err)
			}

			// Nothing that is not this account's success with this method resets the count.
			_, err := other.signIn(other.code())
			require.NoError(t, err)
			_, err = h.Attest(ctx, o.id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
			require.NoError(t, err)
			o.challenge()
			require.Equal(t, 5, h.account(o.id).TOTPThrottle.Failures)

			code := o.code()
			if right == event.MethodRecoveryCode {
				code = o.codes[0].Reveal()
			}
			_, err = o.signIn(code)
			require.NoError(t, err)

			_, totpErr := o.signIn(o.wrong())
			_, recoveryErr := o.signIn(o.wrongRecovery(true))
			if right == event.MethodTOTP {
				require.Equal(t, &gatehouse.DeniedError{}, totpErr)
				require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(6 * time.Second)}, recoveryErr)
			} else {
				require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(30 * time.Second)}, totpErr)
				require.Equal(t, &gatehouse.DeniedError{}, recoveryErr)
			}
		})
	}
}

// TestOthersDoNotReset floods other accounts: the count is in the account's record, and nothing
// evicts it (CVE-2024-21662).
func TestOthersDoNotReset(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	o.fails(6)
	record := h.record(o.id)
	for i := range 500 {
		_, err := h.StepUp(ctx, fmt.Sprint("stranger-", i), "000000")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	// Accounts of the same ID but for case and spaces are other accounts.
	for _, id := range []string{"User-42", "user-42 ", " user-42", "user-42\n", "user‑42"} {
		other := h.enroll(id)
		_, err := other.signIn(other.code())
		require.NoError(t, err)
	}
	require.Equal(t, record, h.record(o.id))
}

// TestRecoveryBucket holds the bucket of codes without tags to the second: ten at once, then one each six seconds,
// for as long as it takes.
func TestRecoveryBucket(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	o.untag()
	try := func(code string) error {
		_, err := h.StepUp(ctx, o.id, code)
		return err
	}
	locked := func(wait time.Duration) {
		t.Helper()
		h.unchanged(func() {
			want := &gatehouse.DeniedError{RetryAt: h.clock().Add(wait)}
			for _, code := range []string{o.wrongRecovery(true), o.wrongRecovery(false), o.codes[0].Reveal()} {
				require.Equal(t, want, try(code))
			}
		})
	}
	for i := range 10 {
		want := &gatehouse.DeniedError{}
		if i == 9 {
			want.RetryAt = h.clock().Add(6 * time.Second)
		}
		require.Equal(t, want, try(o.wrongRecovery(true)), i)
	}
	for range 100 {
		locked(6 * time.Second)
		h.wait(5 * time.Second)
		locked(time.Second)
		h.wait(time.Second)
		require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(6 * time.Second)}, try(o.wrongRecovery(true)))
	}
	require.Equal(t, gatehouse.ErrDenied.Error(), try(o.codes[0].Reveal()).Error())
	h.wait(6 * time.Second)
	require.NoError(t, try(o.codes[0].Reveal()), "a bucket is never closed for good")
	for i := range 10 {
		require.Equal(t, i == 9, !deniedOf(t, try(o.wrongRecovery(true))).RetryAt.IsZero(), "success fills it")
	}
	h.wait(18 * time.Second)
	for i := range 3 {
		require.Equal(t, i == 2, !deniedOf(t, try(o.wrongRecovery(true))).RetryAt.IsZero(), "three are back")
	}
}

// TestClockJumps moves the clock ahead and back again.
func TestClockJumps(t *testing.T) {
	ctx := context.Background()
	const jump = 400 * 24 * time.Hour
	h := newHouse(t)
	o := h.enroll("user-42")
	o.untag()

	h.wait(jump)
	for range 10 {
		_, err := h.StepUp(ctx, o.id, o.wrongRecovery(true))
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	h.wait(-jump)
	// One try at once, which puts the bucket right.
	_, err := h.StepUp(ctx, o.id, o.wrongRecovery(true))
	require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(6 * time.Second)}, err)
	_, err = h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "and one alone")
	h.wait(6 * time.Second)
	_, err = h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err, "a jump does not lock for as long as it was")

	// Clocks of one service differ a little, and no try is to be had from it.
	two := h.twin()
	for range 10 {
		_, err := two.StepUp(ctx, o.id, o.wrongRecovery(true))
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	for _, slow := range []time.Duration{time.Second, 10 * time.Second, 30 * time.Second} {
		h.wait(-slow)
		h.unchanged(func() {
			_, err := h.StepUp(ctx, o.id, o.codes[1].Reveal())
			require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(slow + 6*time.Second)}, err)
		})
		h.wait(slow)
	}
}

// TestClockRunsBack shows that what was used up or locked stays so.
func TestClockRunsBack(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	before, code := o.code(-1), o.code()
	_, err := o.signIn(code)
	require.NoError(t, err)
	for _, back := range []time.Duration{time.Second, totp.Period, 2 * totp.Period, time.Hour} {
		h.wait(-back)
		for _, old := range []string{before, code, o.code(), o.code(1)} {
			_, err := h.StepUp(ctx, o.id, old)
			require.ErrorIs(t, err, gatehouse.ErrDenied, "accepted steps only increase")
		}
		h.tamper(o.id, func(a *accountData) { a.TOTPThrottle.Failures, a.TOTPThrottle.Until = 0, 0 })
		h.wait(back)
	}

	o.fails(6)
	h.wait(-20 * time.Second)
	_, err = h.StepUp(ctx, o.id, o.code(2))
	require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(50 * time.Second)}, err)
}
