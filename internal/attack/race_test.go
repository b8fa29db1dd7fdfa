package attack_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// oneWinner fails the test unless exactly one call succeeded and every other was denied.
func oneWinner(t *testing.T, errs []error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, gatehouse.ErrDenied, "whoever loses is denied, and meets no fault")
	}
	require.Equal(t, 1, won, "successes")
}

// TestOneCodeOneWinner gives one code at once 200 times, by every way a code can be given.
func TestOneCodeOneWinner(t *testing.T) {
	t.Parallel()
	const n = 200
	ctx := context.Background()
	for _, processes := range []int{1, 2} {
		for _, way := range []string{"Answer", "both"} {
			for _, kind := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode} {
				t.Run(fmt.Sprintf("%d processes/%s/%s", processes, way, kind), func(t *testing.T) {
					h := newHouse(t)
					houses := []*house{h, h}
					if processes == 2 {
						houses[1] = h.twin()
					}
					o := h.enroll("user-42")
					code := o.code()
					if kind == event.MethodRecoveryCode {
						code = o.codes[4].Reveal()
					}
					var challenges []string // all of them from before the burst
					for range n {
						challenges = append(challenges, o.challenge())
					}

					errs := atOnce(n, func(i int) error {
						svc, err := houses[i%2], error(nil)
						if way == "both" && i/2%2 == 0 {
							_, err = svc.StepUp(ctx, o.id, code)
						} else {
							_, err = svc.Answer(ctx, challenges[i], code)
						}
						return err
					})

					oneWinner(t, errs)
					a := h.account(o.id)
					if kind == event.MethodTOTP {
						require.Equal(t, totp.Step(h.clock()), a.Authenticators[0].Last)
						require.Equal(t, 10, a.Recovery.Left())
					} else {
						require.Equal(t, 9, a.Recovery.Left())
						require.Equal(t, totp.Step(h.clock())-1, a.Authenticators[0].Last)
					}
				})
			}
		}
	}
}

// TestWrongGuessesAtOnce gives 500 wrong codes at once, over challenges and step-ups.
func TestWrongGuessesAtOnce(t *testing.T) {
	t.Parallel()
	const n, allowed = 500, 6 // five are free, and the sixth locks
	ctx := context.Background()
	for _, processes := range []int{1, 2} {
		t.Run(fmt.Sprintf("TOTP, %d processes", processes), func(t *testing.T) {
			seen := new(spy)
			h := newHouse(t, spied(seen))
			houses := []*house{h, h}
			if processes == 2 {
				houses[1] = h.twin()
			}
			o := h.enroll("user-42")
			challenge, wrong, right := o.challenge(), o.wrong(), o.code()
			seen.opens.Store(0)

			errs := atOnce(n, func(i int) error {
				svc, err := houses[i%2], error(nil)
				if i/2%2 == 0 {
					_, err = svc.StepUp(ctx, o.id, wrong)
				} else {
					_, err = svc.Answer(ctx, challenge, wrong)
				}
				return err
			})

			locked := &gatehouse.DeniedError{RetryAt: begin.Add(totp.Period + 30e9)}
			answered := 0
			for _, err := range errs {
				if d := deniedOf(t, err); d.RetryAt.IsZero() {
					answered++ // as wrong, and not as locked
				} else {
					require.Equal(t, locked, err)
				}
			}
			require.Equal(t, allowed-1, answered)
			require.Equal(t, allowed, h.account(o.id).TOTPThrottle.Failures)
			// Each process can be at one guess that turns out to come too late to be answered.
			opens := seen.opens.Load()
			require.GreaterOrEqual(t, opens, int64(allowed))
			require.LessOrEqual(t, opens, int64(processes*allowed))

			h.unchanged(func() {
				_, err := h.Answer(ctx, challenge, right)
				require.Equal(t, locked, err, "the right code while locked")
			})
			require.Equal(t, opens, seen.opens.Load(), "nothing is evaluated while locked")
			h.set(locked.RetryAt)
			_, err := h.Answer(ctx, challenge, right)
			require.NoError(t, err, "the right code was not used up while locked")
		})

		t.Run(fmt.Sprintf("recovery codes, %d processes", processes), func(t *testing.T) {
			h := newHouse(t)
			houses := []*house{h, h}
			if processes == 2 {
				houses[1] = h.twin()
			}
			o := h.enroll("user-42")
			o.untag()
			wrong := o.wrongRecovery(true)

			errs := atOnce(n, func(i int) error {
				_, err := houses[i%2].StepUp(ctx, o.id, wrong)
				return err
			})

			answered := 0
			for _, err := range errs {
				if d := deniedOf(t, err); d.RetryAt.IsZero() {
					answered++
				} else {
					require.Equal(t, &gatehouse.DeniedError{RetryAt: h.clock().Add(6e9)}, err)
				}
			}
			require.Equal(t, 9, answered, "ten are looked at, the tenth of which locks")
			require.Equal(t, h.clock().Unix()+60, h.account(o.id).RecoveryThrottle.Full)
			h.unchanged(func() {
				_, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			})
			_, err := h.StepUp(ctx, o.id, o.code())
			require.NoError(t, err, "the other method is open")
			h.wait(6e9)
			_, err = h.StepUp(ctx, o.id, o.codes[0].Reveal())
			require.NoError(t, err)
		})
	}
}

// TestBeginAndConfirmAtOnce has one enrollment that is confirmed while others begin. Whichever comes
// first, the account has either that very enrollment with its codes, or none.
func TestBeginAndConfirmAtOnce(t *testing.T) {
	t.Parallel()
	const n = 50
	ctx := context.Background()
	h := newHouse(t)
	two := h.twin()
	ends := map[bool]bool{}
	for round := range 4 {
		id := fmt.Sprint("user-", round)
		proof := h.vouch(id)
		enr, err := h.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
		require.NoError(t, err)
		code, err := keyOf(enr, 6).Code(totp.Step(h.clock()))
		require.NoError(t, err)

		// In every other round the confirmations wait, so that both ends are seen: making an enrollment
		// takes longer than confirming one.
		began, first := make(chan struct{}), sync.Once{}
		if round%2 == 0 {
			first.Do(func() { close(began) })
		}
		confirmed := make([]bool, n)
		errs := atOnce(n, func(i int) error {
			owner := []*house{h, two}[i%2].Owner(proof)
			if i%(4*round+2) == 0 {
				_, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
				first.Do(func() { close(began) })
				return err
			}
			<-began
			_, err := owner.ConfirmEnrollment(ctx, enr.ID, code)
			confirmed[i] = err == nil
			return err
		})

		won := 0
		for i, err := range errs {
			if confirmed[i] {
				won++
			}
			if err != nil && !errors.Is(err, gatehouse.ErrPrecondition) && !errors.Is(err, gatehouse.ErrNotFound) {
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "superseded or ended, nothing else")
			}
		}
		st, err := h.Account(ctx, id)
		require.NoError(t, err)
		ends[won > 0] = true
		if won == 0 {
			require.False(t, st.Protected)
			require.Zero(t, st.RecoveryCodes)
			require.NotNil(t, st.Pending)
			require.NotEqual(t, enr.ID, st.Pending.ID)
			continue
		}
		require.Equal(t, 1, won)
		require.Len(t, st.Authenticators, 1)
		require.Equal(t, enr.ID, st.Authenticators[0].ID)
		require.Equal(t, enr.RecoverySetID, st.RecoveryCodes.ID)
		require.Nil(t, st.Pending, "no begin outlives the change of epoch")
		_, err = h.StepUp(ctx, id, enr.RecoveryCodes[9].Reveal())
		require.NoError(t, err)
	}
	require.Len(t, ends, 2, "both ends were seen")
}

// TestConfirmAtOnce confirms with every code of the window at once.
func TestConfirmAtOnce(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	two := h.twin()
	proof := h.vouch("user-42")
	enr, err := h.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)

	proofs := make([]gatehouse.Proof, 60)
	errs := atOnce(len(proofs), func(i int) (err error) {
		code, err := keyOf(enr, 6).Code(totp.Step(h.clock()) + int64(i%3) - 1)
		if err == nil {
			proofs[i], err = []*house{h, two}[i%2].Owner(proof).ConfirmEnrollment(ctx, enr.ID, code)
		}
		return err
	})

	won := -1
	for i, err := range errs {
		if err == nil {
			require.Equal(t, -1, won, "two codes confirmed")
			won = i
			continue
		}
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the proof ended with the first one")
		require.Equal(t, gatehouse.Proof{}, proofs[i])
	}
	require.NotEqual(t, -1, won)
	require.NoError(t, h.Owner(proofs[won]).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	require.Equal(t, totp.Step(h.clock())+int64(won%3)-1, h.account("user-42").Authenticators[0].Last, "the confirming code is used up")
}
