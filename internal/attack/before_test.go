package attack_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// endings are all that ends what the host has checked so far.
var endings = map[string]func(h *house, id string) error{
	"a new password": func(h *house, id string) error {
		return h.Operator("system").PasswordChanged(context.Background(), id, gatehouse.KeepTokens)
	},
	"a suspension": func(h *house, id string) error {
		if err := h.Operator("support").Suspend(context.Background(), id); err != nil {
			return err
		}
		return h.Operator("support").Resume(context.Background(), id)
	},
	"a restore": func(h *house, id string) error {
		_, err := h.Operator("support").AfterRestore(context.Background(), gatehouse.Restoration{}, "", nil)
		return err
	},
	"a reset": func(h *house, id string) error {
		_, err := h.Operator("support").Reset(context.Background(), id)
		return err
	},
}

// Row K1: what the host had checked before a new password, a reset, a suspension or a restore proves nothing after it.
func TestFirstFactorsThatAreOver(t *testing.T) {
	ctx := context.Background()
	for ending, end := range endings {
		for _, first := range []string{"no record", "a record", "a second factor"} {
			if first != "a second factor" && ending == "a reset" || first == "no record" && ending == "a restore" {
				continue // there is nothing to reset or restore
			}
			t.Run(ending+", "+first, func(t *testing.T) {
				h := newHouse(t)
				switch first {
				case "a record":
					h.vouch("u")
				case "a second factor":
					h.enroll("u")
				}
				stolen := gatehouse.FirstFactor{Method: "pwd", At: h.clock()}
				try, err := h.Before(ctx, "u")
				require.NoError(t, err)
				h.wait(time.Minute)
				require.NoError(t, end(h, "u"))
				before := h.dump()

				// It was checked before Before.
				over := func(f gatehouse.FirstFactor, why string) {
					t.Helper()
					h.wait(time.Second - 1)
					p, err := h.Attest(ctx, "u", f)
					h.wait(-(time.Second - 1))
					require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, why)
					require.Zero(t, p)
				}
				over(stolen, "it was checked before")
				over(gatehouse.FirstFactor{Method: "pwd", At: h.clock()}, "in the same second, and nobody knows which was first")
				over(gatehouse.FirstFactor{Method: "pwd", At: h.clock().Add(998 * time.Millisecond)}, "the same second")

				// Without a clock: the check began before.
				later := gatehouse.FirstFactor{Method: "pwd", At: h.clock().Add(time.Second)}
				p, err := try.Vouch(ctx, gatehouse.Session{Account: "u"}, later)
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
				require.Zero(t, p)
				ch, err := try.Challenge(ctx)
				require.Equal(t, &gatehouse.DeniedError{}, err)
				require.Zero(t, ch)
				require.Equal(t, before, h.dump(), "a refusal changes nothing")

				// What begins now is good, in this very second.
				try, err = h.Before(ctx, "u")
				require.NoError(t, err)
				_, err = try.Vouch(ctx, gatehouse.Session{Account: "u"}, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
				require.NoError(t, err)
				ch, err = try.Challenge(ctx)
				require.NoError(t, err)
				require.Equal(t, first == "a second factor", ch.Step == gatehouse.StepNeeded)
				h.wait(time.Second)
				_, err = h.Attest(ctx, "u", gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
				require.NoError(t, err)
			})
		}
	}
}

// Row K1, as an intruder would go about it: the session knows when the old password was checked.
func TestOldPasswordPairsNoPhone(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	checked := gatehouse.FirstFactor{Method: "pwd", At: h.clock()}
	vouched, err := h.Attest(ctx, "u", checked)
	require.NoError(t, err)
	h.wait(time.Minute)
	require.NoError(t, h.Operator("system").PasswordChanged(ctx, "u", gatehouse.RevokeTokens))

	_, err = h.Attest(ctx, "u", checked)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = h.Owner(vouched).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	require.False(t, must(h.Account(ctx, "u")).Protected)
	h.enroll2(t, "u")
}

// enroll2 pairs an authenticator by a check of the password that begins now.
func (h *house) enroll2(t *testing.T, id string) {
	t.Helper()
	ctx := context.Background()
	try, err := h.Before(ctx, id)
	require.NoError(t, err)
	p, err := try.Vouch(ctx, gatehouse.Session{Account: "u"}, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
	require.NoError(t, err)
	enr, err := h.Owner(p).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	code, err := keyOf(enr, 6).Code(totp.Step(h.clock()))
	require.NoError(t, err)
	_, err = h.Owner(p).ConfirmEnrollment(ctx, enr.ID, code)
	require.NoError(t, err)
}

// Two first sign-ins at once do not end each other, though one of them makes the record; a deletion in between ends both.
func TestBeforeThereIsARecord(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	one, two := must(h.Before(ctx, "u")), must(h.Before(ctx, "u"))
	f := gatehouse.FirstFactor{Method: "pwd", At: h.clock()}
	must(one.Vouch(ctx, gatehouse.Session{Account: "u"}, f))
	must(two.Vouch(ctx, gatehouse.Session{Account: "u"}, f))
	require.Equal(t, gatehouse.StepNotNeeded, must(one.Challenge(ctx)).Step)

	three := must(h.Before(ctx, "u"))
	require.NoError(t, deleted(h.Operator("system").DeleteAccount(ctx, "u")))
	_, err := three.Challenge(ctx)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = three.Vouch(ctx, gatehouse.Session{Account: "u"}, f)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	require.True(t, h.account("u").Absent(), "a refusal makes no account")
}

// A change of factors ends a sign-in that had begun: it begins anew, and finds what there is now.
func TestBeforeAChangeOfFactors(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	try := must(h.Before(ctx, "u"))
	_, err := h.Owner(o.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	ch, err := try.Challenge(ctx)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.Zero(t, ch)
}

// A clock that had jumped ahead when the password was changed leaves one denial behind, and not a month of them.
func TestFirstFactorsAfterAClockThatJumped(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	h.wait(30 * 24 * time.Hour)
	require.NoError(t, h.Operator("system").PasswordChanged(ctx, "u", gatehouse.KeepTokens))
	h.wait(-30 * 24 * time.Hour)
	f := gatehouse.FirstFactor{Method: "pwd", At: h.clock()}
	h.wait(time.Millisecond)
	for range 2 {
		_, err := h.Attest(ctx, "u", f)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "it may have been checked before")
	}
	h.wait(time.Second)
	f.At = h.clock()
	_, err := h.Attest(ctx, "u", f)
	require.NoError(t, err)
	_, err = must(h.Before(ctx, "u")).Vouch(ctx, gatehouse.Session{Account: "u"}, f)
	require.NoError(t, err)
}

func TestZeroSignIn(t *testing.T) {
	ctx := context.Background()
	var try gatehouse.SignIn
	for _, try := range []gatehouse.SignIn{try, try.ExpectSecondFactor()} {
		ch, err := try.Challenge(ctx)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.Zero(t, ch)
		p, err := try.Vouch(ctx, gatehouse.Session{Account: "u"}, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		require.Zero(t, p)
	}
}

// Row K9: where the host expects a second factor, a store that knows of none opens nothing.
func TestExpectedSecondFactor(t *testing.T) {
	ctx := context.Background()
	lost := map[string]func(h *house, o *owner){
		"an empty store":                       func(h *house, _ *owner) { h.empty() },
		"a restore from before the enrollment": func(h *house, _ *owner) { h.empty(); h.vouch("u") },
		"two-factor off, unnoticed by the host": func(h *house, o *owner) {
			_, err := h.Owner(o.fresh()).DisableTwoFactor(ctx)
			require.NoError(t, err)
		},
	}
	for name, lose := range lost {
		t.Run(name, func(t *testing.T) {
			var events []event.Event
			h := newHouse(t, observed(event.ObserverFunc(func(_ context.Context, e event.Event) { events = append(events, e) })))
			o := h.enroll("u")
			try := must(h.Before(ctx, "u")).ExpectSecondFactor()
			require.Equal(t, gatehouse.StepNeeded, must(try.Challenge(ctx)).Step)
			lose(h, o)
			before := h.dump()
			events = nil

			try = must(h.Before(ctx, "u"))
			require.Equal(t, gatehouse.StepNotNeeded, must(try.Challenge(ctx)).Step, "otherwise this test shows nothing")
			try = try.ExpectSecondFactor()
			ch, err := try.Challenge(ctx)
			require.Equal(t, &gatehouse.MissingError{AccountID: "u"}, err)
			require.NotErrorIs(t, err, gatehouse.ErrDenied, "it is a fault")
			require.Zero(t, ch)
			p, err := try.Vouch(ctx, gatehouse.Session{Account: "u"}, gatehouse.FirstFactor{Method: "pwd", At: h.clock().Add(time.Second)})
			require.Equal(t, &gatehouse.MissingError{AccountID: "u"}, err)
			require.Zero(t, p)
			require.Equal(t, before, h.dump())
			require.Len(t, events, 2)
			for _, e := range events {
				require.Equal(t, event.Event{Kind: event.SecondFactorMissing, AccountID: "u", At: h.clock(), Count: 1}, e)
			}
		})
	}
}

// empty removes all that is stored.
func (h *house) empty() {
	for _, r := range h.records() {
		require.NoError(h.t, h.store.DeleteAccount(context.Background(), r.ID))
	}
}

// A fault is a fault on this way in too, and lets nobody in.
func TestBeforeOnFaults(t *testing.T) {
	ctx := context.Background()
	broken := &failing{Store: memory.New()}
	h := houseOn(t, broken)
	o := h.enroll("u")
	try := must(h.Before(ctx, "u"))
	broken.fail = true
	f := gatehouse.FirstFactor{Method: "pwd", At: h.clock()}
	for _, id := range []string{o.id, "nobody"} {
		_, err := h.Before(ctx, id)
		require.ErrorIs(t, err, errBroken)
	}
	for _, try := range []gatehouse.SignIn{try, try.ExpectSecondFactor()} {
		ch, err := try.Challenge(ctx)
		require.ErrorIs(t, err, errBroken)
		require.Zero(t, ch)
		p, err := try.Vouch(ctx, gatehouse.Session{Account: "u"}, f)
		require.ErrorIs(t, err, errBroken)
		require.Zero(t, p)
	}
	_, err := h.Before(ctx, "")
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
}

var errBroken = context.DeadlineExceeded

// failing is a store that cannot be read any more.
type failing struct {
	storage.Store
	fail bool
}

func (s *failing) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if s.fail {
		return storage.Record{}, errBroken
	}
	return s.Store.LoadAccount(ctx, id)
}

// Row K3: whatever is done after a recovery code was used, its use stays to be looked at, and its control fails.
func TestTraceIsNotWashedAway(t *testing.T) {
	ctx := context.Background()
	washes := map[string]func(h *house, o *owner, by gatehouse.Proof) gatehouse.Proof{
		"new codes": func(h *house, _ *owner, by gatehouse.Proof) gatehouse.Proof {
			return must(h.Owner(by).RegenerateRecoveryCodes(ctx)).Proof
		},
		"new codes and wrong codes": func(h *house, o *owner, by gatehouse.Proof) gatehouse.Proof {
			_, err := o.signIn("no code")
			require.Error(t, err)
			_, err = o.signIn(o.wrong())
			require.Error(t, err)
			return must(h.Owner(by).RegenerateRecoveryCodes(ctx)).Proof
		},
		"passwords": func(h *house, o *owner, by gatehouse.Proof) gatehouse.Proof {
			require.NoError(t, h.Operator("system").PasswordChanged(ctx, o.id, gatehouse.KeepTokens))
			h.wait(totp.Period)
			return by
		},
		"sign-ins": func(h *house, o *owner, by gatehouse.Proof) gatehouse.Proof {
			h.wait(totp.Period)
			_, err := o.signIn(o.code())
			require.NoError(t, err)
			return by
		},
		"a year": func(h *house, _ *owner, by gatehouse.Proof) gatehouse.Proof {
			h.wait(365 * 24 * time.Hour / 40)
			return by
		},
	}
	for name, wash := range washes {
		t.Run(name, func(t *testing.T) {
			h, _ := judgedHouse(t)
			o := h.enroll("u")
			used := h.clock()
			v, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
			require.NoError(t, err)
			by := v.Session.Proof
			for range 40 {
				by = wash(h, o, by)
			}
			require.Equal(t, posture.Fail, state(h.review(o.id), posture.RecoveryUseSeen))
			events := must(h.Activity(ctx, o.id))
			require.LessOrEqual(t, len(events), 20)
			i := slices.IndexFunc(events, func(e event.Event) bool { return e.Kind == event.RecoveryCodeUsed })
			require.GreaterOrEqual(t, i, 0, "the use is gone from the activity")
			require.Equal(t, used, events[i].At)
			require.Equal(t, 1, events[i].Count, "it has an entry to itself")

			// What is done while the owner looks stays to be looked at.
			if name != "passwords" {
				shown := events[0].Number
				_, err = h.StepUp(ctx, o.id, o.another(by))
				require.NoError(t, err)
				h.wait(totp.Period)
				require.NoError(t, h.Owner(o.fresh()).ReviewActivity(ctx, shown))
				require.Equal(t, posture.Fail, state(h.review(o.id), posture.RecoveryUseSeen), "the second use")
			}
			h.wait(totp.Period)
			fresh := o.fresh()
			newest := must(h.Activity(ctx, o.id))[0].Number
			require.ErrorIs(t, h.Owner(fresh).ReviewActivity(ctx, newest+1), gatehouse.ErrInvalid)
			require.ErrorIs(t, h.Owner(fresh).ReviewActivity(ctx, 0), gatehouse.ErrInvalid)
			require.NoError(t, h.Owner(fresh).ReviewActivity(ctx, newest))
			require.Equal(t, posture.Pass, state(h.review(o.id), posture.RecoveryUseSeen))
			h.wait(totp.Period)
			require.NoError(t, h.Owner(o.fresh()).ReviewActivity(ctx, 1), "an older page takes nothing back")
			require.Equal(t, posture.Pass, state(h.review(o.id), posture.RecoveryUseSeen))
		})
	}
}

// another returns a recovery code that works, of a new set if need be.
func (o *owner) another(by gatehouse.Proof) string {
	o.h.t.Helper()
	o.h.wait(totp.Period)
	made, err := o.h.Owner(o.fresh()).RegenerateRecoveryCodes(context.Background())
	require.NoError(o.h.t, err)
	return made.Codes[0].Reveal()
}
