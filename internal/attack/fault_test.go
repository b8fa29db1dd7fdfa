package attack_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// script is one account's life, step by step. A step that met a fault can be run again.
type script struct {
	*house
	owner
	proof    gatehouse.Proof
	enr, new gatehouse.Enrollment
}

// step does something and says how it has to end. What can be done once fails when it is done again.
type step struct {
	name string
	run  func(ctx context.Context, s *script) error
	want error
	once bool
}

const scripted = "user-42"

var steps = []step{
	{"attest", func(ctx context.Context, s *script) (err error) {
		s.proof, err = s.Attest(ctx, scripted, gatehouse.FirstFactor{Method: "pwd", At: s.clock()})
		return err
	}, nil, false},
	{"begin", func(ctx context.Context, s *script) (err error) {
		s.enr, err = s.Owner(s.proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
		s.owner = owner{h: s.house, id: scripted, key: keyOf(s.enr, 6), codes: s.enr.RecoveryCodes}
		return err
	}, nil, false},
	{"confirm wrong", func(ctx context.Context, s *script) error {
		_, err := s.Owner(s.proof).ConfirmEnrollment(ctx, s.enr.ID, s.wrong())
		return err
	}, gatehouse.ErrDenied, false},
	{"confirm", func(ctx context.Context, s *script) error {
		p, err := s.Owner(s.proof).ConfirmEnrollment(ctx, s.enr.ID, s.code())
		if err == nil {
			s.proof = p
		}
		return err
	}, nil, true},
	{"acknowledge", func(ctx context.Context, s *script) error {
		return s.Owner(s.proof).AcknowledgeRecoveryCodes(ctx, s.enr.RecoverySetID)
	}, nil, false},
	{"begin a second", func(ctx context.Context, s *script) (err error) {
		s.new, err = s.Owner(s.proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada", Name: "Second"})
		return err
	}, nil, false},
	{"cancel", func(ctx context.Context, s *script) error {
		return s.Owner(s.proof).CancelEnrollment(ctx, s.new.ID)
	}, nil, true},
	{"answer wrong", func(ctx context.Context, s *script) error {
		return s.answer(ctx, s.wrong())
	}, gatehouse.ErrDenied, false},
	{"answer", func(ctx context.Context, s *script) error {
		return s.answer(ctx, s.code(1))
	}, nil, true},
	{"answer again", func(ctx context.Context, s *script) error {
		return s.answer(ctx, s.code(1))
	}, gatehouse.ErrDenied, false},
	{"recovery code wrong", func(ctx context.Context, s *script) error {
		return s.answer(ctx, s.wrongRecovery(true))
	}, gatehouse.ErrDenied, false},
	{"recovery code", func(ctx context.Context, s *script) error {
		return s.answer(ctx, s.codes[2].Reveal())
	}, nil, true},
	{"recovery code again", func(ctx context.Context, s *script) error {
		return s.answer(ctx, s.codes[2].Reveal())
	}, gatehouse.ErrDenied, false},
	{"status", func(ctx context.Context, s *script) error {
		_, err := s.Account(ctx, scripted)
		return err
	}, nil, false},
}

func (s *script) answer(ctx context.Context, code string) error {
	ch, err := s.Challenge(ctx, scripted)
	if err != nil {
		return err
	}
	if ch.Step != gatehouse.StepNeeded {
		return fmt.Errorf("nobody gets in without a code: %v", ch.Step)
	}
	v, err := s.Answer(ctx, ch.Token.Reveal(), code)
	if err != nil && !reflect.DeepEqual(v, gatehouse.Verification{}) {
		return fmt.Errorf("a verification beside an error")
	}
	return err
}

// ends reports whether err is how a step has to end.
func (st step) ends(err error) bool {
	if st.want == nil {
		return err == nil
	}
	return errors.Is(err, st.want)
}

// again runs a step that met a fault once more. It has a deadline, for a turn that is never given back.
func (s *script) again(st step) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return st.run(ctx, s)
}

// outcome is what a life leaves behind.
func (s *script) outcome() map[string]any {
	a := s.account(scripted)
	return map[string]any{
		"sign-ins": a.SignIns, "authenticators": len(a.Authenticators), "last": a.Authenticators[0].Last,
		"failures": a.TOTPThrottle, "bucket": a.RecoveryThrottle, "codes left": a.Recovery.Left(),
		"acknowledged": a.Recovery.Acknowledged, "pending": a.Pending, "activity": len(a.Activity),
	}
}

// stage is what there is before a step of a life in which nothing goes wrong.
type stage struct {
	script  script
	records []storage.Record
	calls   int64 // to the store, made before it
}

// live runs all steps, and returns the stages and the script at its end.
func live(t *testing.T) (stages []stage, end *script, calls int64) {
	t.Helper()
	store := &faulty{Store: memory.New()}
	s := &script{house: houseOn(t, store)}
	for _, st := range steps {
		stages = append(stages, stage{*s, s.records(), store.calls.Load()})
		err := st.run(context.Background(), s)
		require.True(t, st.ends(err), "%s: %v", st.name, err)
	}
	return stages, s, store.calls.Load()
}

// relive runs the steps from the one in which the n-th call to the store is, which goes wrong. hit is
// told how that step ended, and says whether there is more to be played.
func relive(t *testing.T, stages []stage, n int64, wrong fault, hit func(t *testing.T, s *script, st step, before string, err error) bool) *script {
	t.Helper()
	first := 0
	for first+1 < len(stages) && stages[first+1].calls < n {
		first++
	}
	from := stages[first]
	under := memory.New()
	for _, r := range from.records {
		require.NoError(t, under.SaveAccount(context.Background(), r, 0))
	}
	store := &faulty{Store: under}
	store.calls.Store(from.calls)
	store.hook = func(call int64, _ string) (none fault) {
		if call == n {
			return wrong
		}
		return none
	}
	old := from.script.house
	s := from.script
	s.house = houseOn(t, store, func(c *settings) { c.Keys = old.keys })
	s.house.store = under // what the test itself looks at does not go wrong
	s.owner.h = s.house
	before := s.dump()
	for i, st := range steps[first:] {
		err := calm(func() error { return st.run(context.Background(), &s) })
		if i > 0 {
			require.True(t, st.ends(err), "%s: %v", st.name, err)
		} else if !hit(t, &s, st, before, err) {
			return nil
		}
	}
	return &s
}

var errPanic = errors.New("panicked")

// calm makes an error of a panic.
func calm(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return f()
}

// isAnswer reports whether an error is one that tells an owner something, and not a fault.
func isAnswer(err error) bool {
	return errors.Is(err, gatehouse.ErrDenied) || errors.Is(err, gatehouse.ErrStepUpRequired) ||
		errors.Is(err, gatehouse.ErrPrecondition) || errors.Is(err, gatehouse.ErrNotFound) || errors.Is(err, gatehouse.ErrInvalid)
}

// TestEveryCallToTheStore makes every single call of a life go wrong in every way there is.
func TestEveryCallToTheStore(t *testing.T) {
	t.Parallel()
	stages, end, total := live(t)
	want := end.outcome()
	require.Greater(t, total, int64(25))
	type hit = func(t *testing.T, s *script, st step, before string, err error) bool

	// unmade is a call that was never made: it leaves nothing behind, and can be made again.
	unmade := func(is error) hit {
		return func(t *testing.T, s *script, st step, before string, err error) bool {
			require.ErrorIs(t, err, is)
			require.False(t, isAnswer(err), "a fault is no answer")
			require.Equal(t, before, s.dump())
			err = s.again(st)
			require.True(t, st.ends(err), "%s again: %v", st.name, err)
			return true
		}
	}
	// unseen is a fault of which nobody hears.
	unseen := func(t *testing.T, s *script, st step, before string, err error) bool {
		require.True(t, st.ends(err), "%s: %v", st.name, err)
		return true
	}
	// lost is a save whose success is not known: never a success, and what was used up stays so.
	lost := func(t *testing.T, s *script, st step, before string, err error) bool {
		require.ErrorIs(t, err, errStore)
		require.False(t, isAnswer(err), "a fault is no answer")
		saved := before != s.dump()
		if err = s.again(st); saved && st.once {
			require.True(t, isAnswer(err), "%s again: %v", st.name, err)
		} else {
			require.True(t, st.ends(err), "%s again: %v", st.name, err)
		}
		return !saved || st.name != "confirm" // whose proof was lost, and with it the rest of the life
	}
	for _, c := range []struct {
		name  string
		wrong fault
		hit   hit
	}{
		{"fails", fault{before: errStore}, unmade(errStore)},
		{"panics", fault{panics: true}, unmade(errPanic)},
		{"asks to try again", fault{before: storage.ErrConflict}, unseen},
		{"loses the reply, as a conflict", fault{after: storage.ErrConflict}, unseen},
		{"loses the reply, as an error", fault{after: errStore}, lost},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); n <= total; n++ {
				s := relive(t, stages, n, c.wrong, c.hit)
				if c.wrong.after != errStore { // which can count one guess twice
					require.Equal(t, want, s.outcome(), "call %d", n)
				}
			}
		})
	}
}
