package integration_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

const raceRounds = 12

// accepted reports the outcome of a presented code: true for a success, and a failed test for a fault. Where over sixteen
// others save between two looks at the record, it is not known what became of a save, which is no such fault.
func accepted(t *testing.T, err error) bool {
	if err != nil && !errors.Is(err, gatehouse.ErrDenied) && !strings.Contains(err.Error(), "it is not known whether") {
		t.Errorf("a fault: %v", err)
	}
	return err == nil
}

// changed reports whether a change with a proof has happened, and fails if it was refused for anything
// but that the proof or what it was about had ended.
func changed(t *testing.T, err error) bool {
	if err != nil && !errors.Is(err, gatehouse.ErrStepUpRequired) && !errors.Is(err, gatehouse.ErrPrecondition) && !errors.Is(err, gatehouse.ErrNotFound) {
		t.Errorf("a fault: %v", err)
	}
	return err == nil
}

// Old codes and new ones: each works once, and none of the old set once the new one is told.
func TestRegenerateAgainstRedeem(t *testing.T) {
	ctx := context.Background()
	before := 0
	for range raceRounds {
		h := newHouse(t, 4)
		o := h.enroll("ada")
		var used [10]atomic.Int32
		var calls []func()
		for i, code := range o.codes {
			for p := range 2 {
				calls = append(calls, func() {
					if _, err := h.process(i+p).StepUp(ctx, o.bare(), code); accepted(t, err) {
						used[i].Add(1)
					}
				})
			}
		}
		var fresh gatehouse.RecoveryCodes
		calls = append(calls, func() {
			var err error
			fresh, err = h.process(3).Owner(o.in()).RegenerateRecoveryCodes(ctx)
			if err != nil {
				t.Errorf("regenerate: %v", err)
				return
			}
			// The bucket may be empty: nothing old is accepted, whatever the reason.
			for _, code := range o.codes {
				_, err := h.process(3).StepUp(ctx, o.bare(), code)
				if accepted(t, err) {
					t.Error("an old code was accepted after the new ones were told")
				}
			}
		})
		atOnce(calls...)
		for i := range used {
			require.LessOrEqual(t, used[i].Load(), int32(1))
			before += int(used[i].Load())
		}
		require.Equal(t, 10, o.account().RecoveryCodes.Left)
		h.now.Add(60)
		for _, code := range fresh.Codes {
			_, err := h.process(0).StepUp(ctx, o.bare(), code.Reveal())
			require.NoError(t, err)
		}
	}
	require.NotZero(t, before, "no old code was ever in time")
}

// Of two, one can go, whoever asks first: never two-factor with nothing to sign in with.
func TestRemoveAgainstRemove(t *testing.T) {
	ctx := context.Background()
	for range raceRounds {
		h := newHouse(t, 4)
		o := h.enroll("ada")
		o.add()
		var won atomic.Int32
		var calls []func()
		for i := range 8 {
			auth := o.account().Authenticators[i%2].ID
			calls = append(calls, func() {
				if _, err := h.process(i).Owner(o.in()).RemoveAuthenticator(ctx, auth); changed(t, err) {
					won.Add(1)
				}
			})
		}
		atOnce(calls...)
		require.EqualValues(t, 1, won.Load())
		require.Len(t, o.account().Authenticators, 1)
		require.True(t, o.account().Protected)
	}
}

// against runs a change of an account against answers to its challenges, ten of them with one code and
// ten with codes of their own, and says how many got in before it. Once it has returned, no proof and
// no challenge of before is worth anything.
func against(t *testing.T, change func(*house, *owner) error, after func(*house, *owner)) {
	ctx := context.Background()
	in := 0
	for round := range raceRounds {
		h := newHouse(t, 4)
		o := h.enroll("ada")
		challenge, now := o.challenge(), o.at(0)
		proofs := make([]gatehouse.Proof, 12)
		calls := []func(){func() {
			if err := change(h, o); err != nil {
				t.Errorf("change: %v", err)
				return
			}
			for _, code := range append([]string{o.at(1)}, o.codes...) {
				if _, err := h.process(3).Answer(ctx, o.bare(), challenge, code); accepted(t, err) {
					t.Error("a challenge was answered after the change had returned")
				}
			}
		}}
		for i := range proofs {
			code := now
			if i%2 == 1 {
				code = o.codes[i/2]
			}
			calls = append(calls, func() {
				if v, err := h.process(i+round).Answer(ctx, o.bare(), challenge, code); accepted(t, err) {
					proofs[i] = v.Session.Proof
				}
			})
		}
		atOnce(calls...)
		wins := 0
		for _, p := range proofs {
			if !p.IsZero() {
				wins++
				require.False(t, o.live(p), "a sign-in of before the change has outlived it")
			}
		}
		require.LessOrEqual(t, wins, 1, "one challenge has one answer")
		in += wins
		after(h, o)
	}
	t.Logf("%d of %d got in before the change", in, raceRounds)
}

func TestPasswordChangeAgainstAnswer(t *testing.T) {
	against(t, func(h *house, o *owner) error {
		return h.process(1).Operator("host").PasswordChanged(context.Background(), o.id, gatehouse.RevokeTokens)
	}, func(h *house, o *owner) {
		h.now.Add(60)
		_, err := h.process(0).Answer(context.Background(), o.bare(), o.challenge(), o.at(0))
		require.NoError(t, err, "the factors are what they were")
	})
}

func TestResetAgainstAnswer(t *testing.T) {
	ctx := context.Background()
	codes := map[string]string{}
	against(t, func(h *house, o *owner) error {
		code, err := h.process(1).Operator("op-7").Reset(ctx, o.id)
		codes[o.id] = code.Reveal()
		return err
	}, func(h *house, o *owner) {
		require.Empty(t, o.account().Authenticators)
		require.Zero(t, o.account().RecoveryCodes.Total)
		require.True(t, o.account().Protected, "the password alone gets nowhere")
		h.now.Add(60)
		proof, err := h.process(0).RedeemOperatorCode(ctx, o.bare(), o.challenge(), codes[o.id])
		require.NoError(t, err)
		_, err = h.process(0).Owner(o.session(proof)).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "o"})
		require.NoError(t, err)
	})
}

func TestDisableAgainstAnswer(t *testing.T) {
	ctx := context.Background()
	against(t, func(h *house, o *owner) error {
		_, err := h.process(1).Owner(o.in()).DisableTwoFactor(ctx)
		return err
	}, func(h *house, o *owner) {
		off := exported(o.account())
		off.Activity, off.KeysCurrent, off.CodeUseUnseen = nil, false, time.Time{}
		require.Equal(t, gatehouse.Account{ID: o.id}, off)
		try, err := h.process(0).Before(ctx, o.id)
		require.NoError(t, err)
		c, err := try.Challenge(ctx)
		require.NoError(t, err)
		require.Equal(t, gatehouse.StepNotNeeded, c.Step)
	})
}

// Fifty begin and confirm what they were shown: one is on, and it is one that was confirmed.
func TestFiftyBeginAndConfirm(t *testing.T) {
	ctx := context.Background()
	for range 2 {
		h := newHouse(t, 4)
		in := h.vouch("ada")
		var won atomic.Int32
		var winner string
		var app *gatehousetest.Authenticator
		var codes []string
		calls := make([]func(), 50)
		for i := range calls {
			calls[i] = func() {
				face := h.process(i).Owner(in)
				enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "o"})
				if !changed(t, err) {
					return
				}
				mine, err := gatehousetest.Scan(enr.URI())
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := face.ConfirmEnrollment(ctx, enr.ID, mine.Code(h.time())); changed(t, err) {
					won.Add(1)
					winner, app = enr.ID, mine
					for _, c := range enr.RecoveryCodes {
						codes = append(codes, c.Reveal())
					}
				}
			}
		}
		atOnce(calls...)
		require.EqualValues(t, 1, won.Load())
		o := &owner{h: h, id: "ada", apps: []*gatehousetest.Authenticator{app}}
		st := o.account()
		require.Len(t, st.Authenticators, 1)
		require.Equal(t, winner, st.Authenticators[0].ID)
		require.Nil(t, st.Pending)
		h.now.Add(60)
		_, err := h.process(1).StepUp(ctx, o.bare(), o.at(0))
		require.NoError(t, err)
		require.Len(t, codes, 10)
		for _, code := range codes {
			_, err := h.process(2).StepUp(ctx, o.bare(), code)
			require.NoError(t, err, "the codes are those that came with it")
		}
	}
}
