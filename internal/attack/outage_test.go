package attack_test

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// onFaulty is an enrolled owner on a store whose calls go wrong as the returned store's hook says from
// now on. What the test itself looks at does not go wrong.
func onFaulty(t *testing.T, edit ...func(*settings)) (*owner, *faulty) {
	t.Helper()
	store := &faulty{Store: memory.New()}
	h := houseOn(t, store, edit...)
	h.store = store.Store
	return h.enroll("user-42"), store
}

// TestConflictsWithoutEnd has a store that never takes a save, or never a load: a bounded number of
// tries, then one fault, the same for right and wrong codes, and nothing used up.
func TestConflictsWithoutEnd(t *testing.T) {
	ctx := context.Background()
	for _, call := range []string{"save", "load"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			o, store := onFaulty(t)
			challenge := o.challenge()
			right := []string{o.code(), o.codes[0].Reveal()}
			var first error
			o.h.unchanged(func() {
				for _, code := range append([]string{o.wrong(), o.wrongRecovery(true)}, right...) {
					calls := 0
					store.hook = func(_ int64, name string) (f fault) {
						if name == call {
							calls++
							f.before = storage.ErrConflict
						}
						return f
					}
					_, err := o.h.Answer(ctx, challenge, code)
					require.Error(t, err)
					require.False(t, isAnswer(err))
					require.LessOrEqual(t, calls, 13)
					if first == nil {
						first = err
					}
					require.Equal(t, first, err)
				}
			})
			store.hook = nil
			for _, code := range right {
				_, err := o.h.StepUp(ctx, o.id, code)
				require.NoError(t, err, "not used up")
			}
		})
	}
}

// TestCallerHangsUp cancels at the worst moments: when the secret is open, and when the save begins.
// The guess was looked at, so it counts.
func TestCallerHangsUp(t *testing.T) {
	var cancel context.CancelFunc
	hangUp := func() {
		if cancel != nil {
			cancel()
		}
	}
	seen := new(spy)
	o, store := onFaulty(t, spied(seen))
	h := o.h
	seen.open = func(ctx context.Context, sealed []byte, b keyring.Binding) ([]byte, error) {
		plain, err := seen.Ring.Open(ctx, sealed, b)
		hangUp()
		return plain, err
	}
	store.hook = func(_ int64, call string) (f fault) {
		if call == "save" {
			f.meanwhile = hangUp
		}
		return f
	}
	try := func(f func(ctx context.Context) error) error {
		var ctx context.Context
		ctx, cancel = context.WithCancel(context.Background())
		defer func() { cancel = nil }()
		return f(ctx)
	}
	stepUp := func(code string) error {
		return try(func(ctx context.Context) error { _, err := h.StepUp(ctx, o.id, code); return err })
	}
	right := o.code()
	o.untag()

	for n := range 6 {
		require.ErrorIs(t, stepUp(o.wrong()), gatehouse.ErrDenied)
		require.Equal(t, n+1, h.account(o.id).TOTPThrottle.Failures)
	}
	require.ErrorIs(t, stepUp(o.wrongRecovery(true)), gatehouse.ErrDenied)
	require.Equal(t, h.clock().Unix()+6, h.account(o.id).RecoveryThrottle.Full)

	// A right code is used up, and its proof made all the same.
	h.wait(30 * time.Second)
	for _, code := range []string{right, o.codes[0].Reveal()} {
		require.NoError(t, stepUp(code))
		_, err := h.StepUp(context.Background(), o.id, code)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	require.Equal(t, 9, h.account(o.id).Recovery.Left())

	// The tries of an enrollment count as well.
	v, err := h.StepUp(context.Background(), o.id, o.code())
	require.NoError(t, err)
	enr, err := h.Owner(v.Session.Proof).BeginEnrollment(context.Background(), gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	for n := range 3 {
		require.ErrorIs(t, try(func(ctx context.Context) error {
			_, err := h.Owner(v.Session.Proof).ConfirmEnrollment(ctx, enr.ID, o.wrong())
			return err
		}), gatehouse.ErrDenied)
		require.Equal(t, n+1, h.account(o.id).Pending.Tries)
	}

	// Whoever has hung up before gets nothing looked at.
	ctx, gone := context.WithCancel(context.Background())
	gone()
	opens := seen.opens.Load()
	h.unchanged(func() {
		_, err := h.StepUp(ctx, o.id, o.code(1))
		require.ErrorIs(t, err, context.Canceled)
		_, err = h.Attest(ctx, o.id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
		require.ErrorIs(t, err, context.Canceled)
		ch, err := h.Challenge(ctx, o.id)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, gatehouse.Challenge{}, ch)
	})
	require.Equal(t, opens, seen.opens.Load())
}

// TestSaveThatHangs has a save that outlasts its caller, and ends all the same.
func TestSaveThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{Store: memory.New()}
		h := houseOn(t, store)
		o := h.enroll("user-42")
		ctx, cancel := context.WithCancel(t.Context())
		store.begun = cancel
		began := time.Now()
		_, err := h.StepUp(ctx, o.id, o.code())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(began))
		store.begun = nil
		_, err = h.StepUp(t.Context(), o.id, o.code())
		require.NoError(t, err, "the turn was given back, and nothing used up")
	})
}

// hanging is a store whose saves hang if begun is set.
type hanging struct {
	storage.Store
	begun func()
}

func (s *hanging) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if s.begun == nil {
		return s.Store.SaveAccount(ctx, r, prev)
	}
	s.begun()
	<-ctx.Done()
	return ctx.Err()
}

// TestKeysThatFail has keys that fail or answer with garbage: nobody gets in and nothing is changed.
func TestKeysThatFail(t *testing.T) {
	ctx := context.Background()
	seen := new(spy)
	h := newHouse(t, spied(seen))
	o, other := h.enroll("user-42"), h.enroll("user-43")
	theirs := other.key.Secret.Reveal()
	answers := func(plain string, err error) func(context.Context, []byte, keyring.Binding) ([]byte, error) {
		return func(context.Context, []byte, keyring.Binding) ([]byte, error) { return []byte(plain), err }
	}
	stepUp := func(code string) error { _, err := h.StepUp(ctx, o.id, code); return err }

	for name, open := range map[string]func(context.Context, []byte, keyring.Binding) ([]byte, error){
		"fails":                  answers("", errStore),
		"fails, and answers too": answers(o.key.Secret.Reveal(), errStore),
		"empty":                  answers("", nil),
		"short":                  answers(strings.Repeat("A", 24), nil), // 15 bytes
		"raw bytes":              answers("\x00\xff12345678901234567890", nil),
		"1 MiB":                  answers(strings.Repeat("A", 1<<20), nil),
		"panics":                 func(context.Context, []byte, keyring.Binding) ([]byte, error) { panic("no") },
	} {
		seen.open = open
		h.unchanged(func() {
			right := calm(func() error { return stepUp(o.code()) })
			require.Error(t, right, name)
			require.False(t, isAnswer(right), name)
			require.Equal(t, right, calm(func() error { return stepUp(o.wrong()) }), name)
			require.NotContains(t, right.Error(), "AAAA", name)
		}, name)
	}
	seen.open = answers(theirs, nil)
	require.ErrorIs(t, stepUp(o.code()), gatehouse.ErrDenied)
	seen.open = nil
	require.NoError(t, stepUp(o.code()), "no code was used up")
	h.wait(30 * time.Second)

	v, err := h.StepUp(ctx, o.id, o.code())
	require.NoError(t, err)
	for name, seal := range map[string]func(context.Context, []byte, keyring.Binding) ([]byte, error){
		"fails":   answers("", errStore),
		"nothing": answers("", nil),
		"1 MiB":   answers(string(bytes.Repeat([]byte{1}, 1<<20)), nil),
		"garbage": answers("not a sealed value", nil),
		"panics":  func(context.Context, []byte, keyring.Binding) ([]byte, error) { panic("no") },
	} {
		seen.seal = seal
		h.unchanged(func() {
			err := calm(func() error {
				enr, err := h.Owner(v.Session.Proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
				require.Equal(t, gatehouse.Enrollment{}, enr)
				return err
			})
			require.Error(t, err, name)
			require.False(t, isAnswer(err), name)
		}, name)
	}
	// Garbage whose name can be read is found when a code for it comes, and not before; what is active
	// does not know of it.
	garbage := append([]byte{1, 1}, "kxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"...)
	seen.seal = answers(string(garbage), nil)
	enr, err := h.Owner(v.Session.Proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	h.unchanged(func() {
		_, err = h.Owner(v.Session.Proof).ConfirmEnrollment(ctx, enr.ID, o.code())
		require.ErrorIs(t, err, keyring.ErrUnknownKey)
	})
	h.wait(30 * time.Second)
	require.NoError(t, stepUp(o.code()))
}

// TestLockEndsMidway has a clock that ticks whenever it is read. A lock that ends while an attempt is
// under way must not let a code through that nobody has looked at, nor count one.
func TestLockEndsMidway(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	o.fails(6)
	o.untag()
	right := o.code()
	for range 10 {
		_, err := h.StepUp(ctx, o.id, o.wrongRecovery(true))
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	h.unchanged(func() {
		_, err := h.ticking(29*time.Second).StepUp(ctx, o.id, right)
		deniedOf(t, err)
		_, err = h.ticking(5*time.Second).StepUp(ctx, o.id, o.codes[0].Reveal())
		deniedOf(t, err)
	})
}

// ticking is a twin whose clock is ahead, by a second more at each look.
func (h *house) ticking(ahead time.Duration) *house {
	var looks atomic.Int64
	return houseOn(h.t, h.store, func(c *settings) {
		c.Keys = h.keys
		c.Now = func() time.Time { return h.clock().Add(ahead + time.Duration(looks.Add(1)-1)*time.Second) }
	})
}

// TestCodesReplacedMeanwhile has new codes made while an old one is tried: it is denied, and it counts.
func TestCodesReplacedMeanwhile(t *testing.T) {
	ctx := context.Background()
	o, store := onFaulty(t)
	proof := o.stepUp(o.code())
	store.hook = func(_ int64, call string) (f fault) {
		if call == "save" {
			store.hook = nil
			f.meanwhile = func() { must(o.h.twin().Owner(proof).RegenerateRecoveryCodes(ctx)) }
		}
		return f
	}
	_, err := o.h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	a := o.h.account(o.id)
	require.Equal(t, 10, a.Recovery.Left())
	require.Equal(t, o.h.clock().Unix()+6, a.RecoveryThrottle.Full)
}

// TestStoreThatFolds has a store that takes accounts of another case for the same.
func TestStoreThatFolds(t *testing.T) {
	ctx := context.Background()
	h := houseOn(t, foldingStore{memory.New()})
	o := h.enroll("user-42")
	h.unchanged(func() {
		for _, err := range []error{
			func() error { _, err := h.Challenge(ctx, "User-42"); return err }(),
			func() error { _, err := h.StepUp(ctx, "User-42", o.codes[0].Reveal()); return err }(),
			func() error { _, err := h.Account(ctx, "User-42"); return err }(),
			func() error {
				_, err := h.Attest(ctx, "User-42", gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
				return err
			}(),
		} {
			require.Error(t, err)
			require.False(t, isAnswer(err))
		}
	})
}

type foldingStore struct{ storage.Store }

func (s foldingStore) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	return s.Store.LoadAccount(ctx, strings.ToLower(id))
}
