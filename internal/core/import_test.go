package core_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// eights is a set of imported codes of eight digits.
func eights(n int) *core.RecoverySet {
	set := &core.RecoverySet{ID: "EIGHTS", Imported: true}
	for i := range n {
		set.Slots = append(set.Slots, core.Slot{Selector: string(rune('A' + i)), Hash: core.Hash(rune('a' + i)), Digits: 8})
	}
	return set
}

// Row F4: whatever an account has, all guesses together have no more than 150 chances in a million before TOTP is
// disabled: one in some 6,700. A guess is one text: of six digits, which is compared with each step of each
// authenticator, or of eight, which is compared with recovery codes. The worst that a guess can be is counted, and both
// together as well.
func TestChanceBeforeDisabled(t *testing.T) {
	bound := big.NewRat(150, 1_000_000)
	shorter := 0
	for authenticators := 1; authenticators <= core.MaxAuthenticators; authenticators++ {
		for _, w := range []totp.Window{{}, {Past: 1}, {Past: 1, Ahead: 1}, {Past: 2, Ahead: 1}, {Past: 2, Ahead: 2}} {
			for codes := 0; codes <= 16; codes++ {
				a, keys := (&walker{t: t, now: start}).account(authenticators)
				a.Recovery = nil
				if codes > 0 {
					a.Recovery = eights(codes)
				}
				guesses, env := 0, core.Env{Now: start, Fresh: 1, Window: w}
				for ; a.TOTPState(nil, env).Available || !a.TOTPState(nil, env).RetryAt.IsZero(); guesses++ {
					if until := a.TOTPState(nil, env).RetryAt; !until.IsZero() {
						env.Now = until
					}
					next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys}, env)
					require.NoError(t, err)
					require.NotEqual(t, core.Accepted, out.Reason)
					a = next
					require.Less(t, guesses, 60)
				}
				chance := big.NewRat(int64(authenticators*w.Steps()), 1_000_000)
				chance.Add(chance, big.NewRat(int64(codes), 100_000_000))
				chance.Mul(chance, big.NewRat(int64(guesses), 1))
				require.LessOrEqual(t, chance.Cmp(bound), 0, "%d authenticators, %+v, %d codes: %d guesses, %s", authenticators, w, codes, guesses, chance)
				require.Positive(t, guesses)
				if codes == 16 && authenticators == 1 && w.Steps() == 3 {
					require.Equal(t, 47, guesses)
					shorter++
				}
			}
		}
	}
	require.Equal(t, 1, shorter)
}

// TestEightDigits has an outcome of tries that is not of these codes, or of a code that has gone since.
func TestEightDigits(t *testing.T) {
	env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
	a, keys := (&walker{t: t, now: start}).account(1)
	a.Recovery = eights(3)
	a.Recovery.Slots[2].Digits = 0
	attempt := core.Attempt{Method: event.MethodTOTP, Code: "12345678", Keys: keys, Tried: map[core.Hash]bool{}}
	hashes, imported := a.Untried(attempt, env)
	require.True(t, imported)
	require.Equal(t, []core.Hash{"a", "b"}, hashes)
	for _, code := range []string{"123456", "", "1234567"} {
		six := attempt
		six.Code = code
		hashes, _ = a.Untried(six, env)
		require.Empty(t, hashes, "no code of eight digits is that long")
	}
	other := core.Attempt{Method: event.MethodRecoveryCode, Tried: map[core.Hash]bool{}}
	hashes, _ = a.Untried(other, env)
	require.Equal(t, []core.Hash{"c"}, hashes)

	// What was not tried, and what has gone, is denied and counted where TOTP codes are.
	for _, tried := range []map[core.Hash]bool{{}, {"a": false}, {"z": true}} {
		attempt.Tried = tried
		next, out, err := a.Answer(attempt, env)
		require.NoError(t, err)
		require.NotEqual(t, core.Accepted, out.Reason)
		require.Equal(t, 1, next.TOTPThrottle.Failures)
		require.Zero(t, next.RecoveryThrottle)
	}
	attempt.Tried = map[core.Hash]bool{"a": false, "b": true}
	next, out, err := a.Answer(attempt, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason)
	require.Equal(t, core.RecoveryCode, out.Proof.Kind)
	require.Equal(t, 2, out.CodesLeft)
	again, out, err := next.Answer(attempt, env)
	require.NoError(t, err)
	require.Equal(t, core.Used, out.Reason)
	require.Equal(t, 1, again.TOTPThrottle.Failures)

	// A set of nothing else has no answer to any other text, and that is no guess.
	a.Recovery = eights(2)
	same, out, err := a.Answer(core.Attempt{Method: event.MethodRecoveryCode}, env)
	require.NoError(t, err)
	require.Equal(t, core.Malformed, out.Reason)
	require.Zero(t, same.RecoveryThrottle)
}

// TestDecodeImported edits what only an import can have made, as somebody could who writes to the store.
func TestDecodeImported(t *testing.T) {
	imported := func() core.Account {
		a, _ := (&walker{t: t, now: start}).account(1)
		a.Recovery = eights(3)
		a.Imported, a.Authenticators[0].Weak = core.ImportOpen, true
		return a
	}
	pending := func(digits int, weak bool) *core.Pending {
		auth := newAuthenticator("PENDING")
		auth.Digits, auth.Weak = digits, weak
		return &core.Pending{Authenticator: auth, Expires: start.Unix() + 600}
	}
	for what, edit := range map[string]func(a *core.Account){
		"seven digits":              func(a *core.Account) { a.Recovery.Slots[1].Digits = 7 },
		"six digits":                func(a *core.Account) { a.Recovery.Slots[1].Digits = 6 },
		"negative digits":           func(a *core.Account) { a.Recovery.Slots[1].Digits = -8 },
		"of a set of our own":       func(a *core.Account) { a.Recovery.Imported = false },
		"beside an authenticator":   func(a *core.Account) { a.Authenticators[0].Digits = 8 },
		"beside one that is paired": func(a *core.Account) { a.Pending = pending(8, false) },
		"a weak one that is paired": func(a *core.Account) { a.Pending = pending(6, true) },
		"a state that is none":      func(a *core.Account) { a.Imported = 3 },
	} {
		a := imported()
		edit(&a)
		data, err := a.Encode()
		require.NoError(t, err)
		_, err = core.Decode(a.ID, data)
		require.ErrorIs(t, err, core.ErrFormat, what)
	}
	for _, p := range []*core.Pending{nil, pending(6, false)} {
		a := imported()
		a.Pending = p
		data, err := a.Encode()
		require.NoError(t, err)
		decoded, err := core.Decode(a.ID, data)
		require.NoError(t, err, "it was the edit that was refused")
		require.Equal(t, a, decoded)
	}
}

// TestCloseIsBounded has the code of a closed account end to the second.
func TestCloseIsBounded(t *testing.T) {
	env := core.Env{Now: start, Fresh: 7, Window: totp.DefaultWindow()}
	plan, err := core.Account{ID: "user-42"}.PlanImport(nil, []core.Offered{{}, {Digits: 8}})
	require.NoError(t, err)
	require.Equal(t, core.ImportPlan{Codes: []core.ImportOutcome{core.ImportNoAuthenticator, core.ImportNoAuthenticator}, Close: true}, plan)
	a := core.Account{ID: "user-42"}.Import(by, core.Imported{Code: core.Slot{Selector: "3", Hash: "OP"}, Life: time.Hour}, env)
	require.True(t, a.Protected())
	require.Equal(t, []event.Kind{event.AccountImported, event.OperatorCodeMade}, []event.Kind{a.Events[0].Kind, a.Events[1].Kind})
	require.Equal(t, start.Unix()+3600, a.Events[1].Expires)
	env.Now = start.Add(time.Hour - time.Second)
	require.True(t, a.OperatorState(env).Available)
	env.Now = start.Add(time.Hour)
	require.False(t, a.OperatorState(env).Available)
	// Row F5: one that a clock had made which ran ahead by more than the code lives does not work for as long.
	env.Now = start.Add(-31 * time.Second)
	require.False(t, a.OperatorState(env).Available)
	env.Now = start.Add(-30 * time.Second)
	require.True(t, a.OperatorState(env).Available)
	// A reset's code lives for a day, also on an account that an import had closed for longer.
	env.Now = start
	a = a.Import(by, core.Imported{Code: core.Slot{Selector: "3", Hash: "OP"}, Life: core.MaxImportLife}, env)
	a, err = a.Resets(by, core.Slot{Selector: "4", Hash: "OP2"}, env)
	require.NoError(t, err)
	for at, works := range map[time.Duration]bool{24*time.Hour - time.Second: true, 24 * time.Hour: false, -30 * time.Second: true, -31 * time.Second: false} {
		env.Now = start.Add(at)
		require.Equal(t, works, a.OperatorState(env).Available, at)
	}
}
