package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Only an answer to the challenge of the enrollment that is pending, in its session and state, becomes a passkey.
func TestFinishPasskey(t *testing.T) {
	env := envAt(time.Minute)
	begun := func() (core.Account, core.Presented, core.PasskeyChallenge, core.Passkey) {
		a, _ := keyed(t)
		p := proofOf(a, core.SecondFactor, "hwk")
		a, err := a.BeginPasskey(p, core.Pending{Authenticator: core.Authenticator{ID: "NEW"}}, storage.Handle{9}, env)
		require.NoError(t, err)
		require.Equal(t, storage.Handle{7}, a.Handle, "it never changes")
		return a, p, a.PasskeyChallenge(core.PasskeyRegister, here, nil, env.Now.UnixNano()), core.Passkey{Credential: []byte("new"), PublicKey: []byte("key")}
	}
	for what, c := range map[string]struct {
		want error
		edit func(a *core.Account, p *core.Presented, c *core.PasskeyChallenge, k *core.Passkey)
	}{
		"nothing": {nil, func(*core.Account, *core.Presented, *core.PasskeyChallenge, *core.Passkey) {}},
		"another purpose": {core.ErrDenied, func(_ *core.Account, _ *core.Presented, c *core.PasskeyChallenge, _ *core.Passkey) {
			c.Purpose = core.PasskeyStepUp
		}},
		"another session": {core.ErrDenied, func(_ *core.Account, _ *core.Presented, c *core.PasskeyChallenge, _ *core.Passkey) { c.Session = nil }},
		"another account": {core.ErrDenied, func(_ *core.Account, _ *core.Presented, c *core.PasskeyChallenge, _ *core.Passkey) {
			c.Account = "user-43"
		}},
		"another epoch": {core.ErrDenied, func(_ *core.Account, _ *core.Presented, c *core.PasskeyChallenge, _ *core.Passkey) { c.Epoch++ }},
		"too old": {core.ErrDenied, func(_ *core.Account, _ *core.Presented, c *core.PasskeyChallenge, _ *core.Passkey) {
			c.At -= int64(301 * time.Second)
		}},
		"another one's": {core.ErrNotFound, func(_ *core.Account, _ *core.Presented, c *core.PasskeyChallenge, _ *core.Passkey) {
			c.Enrollment = "OLD"
		}},
		"it has expired": {core.ErrNotFound, func(a *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, _ *core.Passkey) {
			a.Pending.Expires = start.Unix() + 60
		}},
		"none is pending": {core.ErrNotFound, func(a *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, _ *core.Passkey) { a.Pending = nil }},
		"an app is pending": {core.ErrNotFound, func(a *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, _ *core.Passkey) {
			a.Pending.Passkey = false
		}},
		"a password's proof": {core.ErrStepUpRequired, func(_ *core.Account, p *core.Presented, _ *core.PasskeyChallenge, _ *core.Passkey) {
			p.Kind = core.Vouched
		}},
		"there already": {core.ErrPrecondition, func(_ *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, k *core.Passkey) {
			k.Credential = []byte("soft")
		}},
		"no credential": {core.ErrInvalid, func(_ *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, k *core.Passkey) {
			k.Credential = nil
		}},
		"a long credential": {core.ErrInvalid, func(_ *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, k *core.Passkey) {
			k.Credential = make([]byte, 1024)
		}},
		"no key": {core.ErrInvalid, func(_ *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, k *core.Passkey) { k.PublicKey = nil }},
		"wrong flags": {core.ErrInvalid, func(_ *core.Account, _ *core.Presented, _ *core.PasskeyChallenge, k *core.Passkey) {
			k.BackedUp = true
		}},
	} {
		a, p, challenge, k := begun()
		c.edit(&a, &p, &challenge, &k)
		before := stored(t, a)
		next, proof, err := a.FinishPasskey(p, challenge, k, env)
		require.ErrorIs(t, err, c.want, what)
		require.Equal(t, before, stored(t, a), what)
		if c.want == nil {
			require.Nil(t, next.Pending)
			require.Equal(t, "Passkey", next.Passkeys[2].Name, "nobody has named it")
			require.Equal(t, next.Epoch, proof.Epoch)
			_, _, err := next.FinishPasskey(p, challenge, k, env)
			require.ErrorIs(t, err, core.ErrStepUpRequired, "once")
			continue
		}
		require.Equal(t, before, stored(t, next), what)
		if c.want != core.ErrPrecondition && c.want != core.ErrInvalid {
			next, err = a.FailPasskey(p, challenge, env)
			require.ErrorIs(t, err, c.want, what)
			require.Equal(t, before, stored(t, next), "%s: only who may finish it can fail", what)
		}
	}

	a, p, challenge, _ := begun()
	for try := 1; try <= 10; try++ {
		next, err := a.FailPasskey(p, challenge, env)
		require.ErrorIs(t, err, core.ErrDenied)
		require.Equal(t, try == 10, next.Pending == nil, "the tenth ends it")
		a = next
	}
	require.Equal(t, event.EnrollmentAbandoned, a.Events[0].Kind)
	require.Equal(t, event.MethodPasskey, a.Events[0].Method)

	a, p, challenge, k := begun()
	a.Pending.Authenticator.Name = "Chosen"
	k.Name = "Offered"
	next, _, err := a.FinishPasskey(p, challenge, k, env)
	require.NoError(t, err)
	require.Equal(t, "Chosen", next.Passkeys[2].Name)
	for offered, want := range map[string]string{"Offered": "Offered", " ": "Passkey", strings.Repeat("n", 65): "Passkey"} {
		a, p, challenge, k := begun()
		k.Name = offered
		next, _, err := a.FinishPasskey(p, challenge, k, env)
		require.NoError(t, err)
		require.Equal(t, want, next.Passkeys[2].Name)
	}
}

// An enrollment of one kind is none of the other.
func TestKindsOfEnrollments(t *testing.T) {
	env := envAt(time.Minute)
	a, _ := keyed(t)
	p := proofOf(a, core.SecondFactor, "hwk")
	kept := &core.Kept{Session: string(here), Sealed: []byte("kept")}
	passkey, err := a.BeginPasskey(p, core.Pending{Authenticator: core.Authenticator{ID: "NEW", Key: "k1"}, Kept: kept}, storage.Handle{9}, env)
	require.NoError(t, err)
	app, err := a.Begin(p, core.Pending{Authenticator: newAuthenticator("NEW"), Kept: kept}, env)
	require.NoError(t, err)

	_, _, err = passkey.Confirm(p, "NEW", "123456", totp.Key{Secret: totp.GenerateSecret()}, env)
	require.ErrorIs(t, err, core.ErrNotFound)
	_, err = passkey.CanShow(p, "NEW", false, env)
	require.ErrorIs(t, err, core.ErrNotFound)
	_, err = app.CanShow(p, "NEW", true, env)
	require.ErrorIs(t, err, core.ErrNotFound)
	for is, begun := range map[bool]core.Account{true: passkey, false: app} {
		shown, err := begun.CanShow(p, "NEW", is, env)
		require.NoError(t, err)
		require.Equal(t, is, shown.Passkey)
		other := p
		other.In, other.Session = []byte("fedcba9876543210"), []byte("fedcba9876543210")
		_, err = begun.CanShow(other, "NEW", is, env)
		require.ErrorIs(t, err, core.ErrNotFound, "another session")
		next, err := begun.Cancel(p, "NEW", env)
		require.NoError(t, err)
		require.Nil(t, next.Pending)
	}

	// What a passkey has kept goes with the key that it is sealed under, and when it expires.
	require.True(t, passkey.Current("k1"))
	require.Empty(t, passkey.UnderOther("k1"))
	require.Equal(t, a.UnderOther("k2"), passkey.UnderOther("k2"), "it has no secret")
	require.Equal(t, "k1", passkey.Index(env.Window).KeyName)
	none := passkey
	none.Authenticators = nil
	require.False(t, none.Current("k2"))
	for what, gone := range map[string]core.Account{"resealed": none.Reseal(by, nil, "k2", env), "expired": none.WithoutExpired(envAt(11 * time.Minute))} {
		require.Nil(t, gone.Pending.Kept, what)
		require.True(t, gone.Current("k2"), what)
		require.Empty(t, gone.Index(env.Window).KeyName, what)
		_ = stored(t, gone)
	}
	require.Equal(t, stored(t, none), stored(t, none.Reseal(by, nil, "k1", env)))
}

// There are ten passkeys in addition to five apps. Where a kind is full, one of it makes room for one of it.
func TestMostPasskeys(t *testing.T) {
	a, _ := keyed(t)
	for i := len(a.Authenticators); i < 5; i++ {
		a.Authenticators = append(a.Authenticators, newAuthenticator(fmt.Sprint("APP", i)))
	}
	p := func() core.Presented { return proofOf(a, core.SecondFactor, "hwk") }
	for i := len(a.Passkeys); i < core.MaxPasskeys; i++ {
		next, _, err := enrolls(t, a, p(), fmt.Sprint("K", i), "", envAt(0))
		require.NoError(t, err)
		a = next
	}
	_ = stored(t, a)
	for instead, full := range map[string]bool{"": true, "AUTH0": true, "HARD": false, "K9": false} {
		err := a.CanBeginPasskey(p(), instead, envAt(0))
		if full {
			require.ErrorIs(t, err, core.ErrPrecondition, "instead of %q", instead)
		} else {
			require.NoError(t, err, "instead of %q", instead)
		}
	}
	for instead, full := range map[string]bool{"": true, "AUTH0": false, "APP4": false, "HARD": true} {
		err := a.CanBegin(p(), instead, envAt(0))
		if full {
			require.ErrorIs(t, err, core.ErrPrecondition, "instead of %q", instead)
		} else {
			require.NoError(t, err, "instead of %q", instead)
		}
	}
	require.ErrorIs(t, a.CanBeginPasskey(p(), "K10", envAt(0)), core.ErrNotFound)
	next, _, err := enrolls(t, a, p(), "K10", "SOFT", envAt(0))
	require.NoError(t, err)
	require.Len(t, next.Passkeys, 10)
	require.Equal(t, "K10", next.Passkeys[1].ID, "in its place")
}

// A factor of one kind takes the place of one of the other, the last as well, and back. Recovery codes stay.
func TestReplaceAcrossKinds(t *testing.T) {
	a, keys := keyed(t)
	a.Passkeys = nil
	env := envAt(time.Minute)
	for _, proof := range []core.Presented{proofOf(a, core.SecondFactor, "otp"), proofOf(a, core.RecoveryCode, "recovery")} {
		next, successor, err := enrolls(t, a, proof, "K1", "AUTH0", env)
		require.NoError(t, err)
		require.Empty(t, next.Authenticators)
		require.Equal(t, "K1", next.Passkeys[0].ID)
		require.Equal(t, a.Recovery, next.Recovery)
		require.Equal(t, proof.Kind, successor.Kind, "a recovery code's proof stays what it is")
		require.Contains(t, next.Events, core.Event{Kind: event.AuthenticatorRemoved, At: env.Now.Unix(), Auth: "AUTH0", Name: "Phone AUTH0"})

		p := proofOf(next, core.SecondFactor, "hwk")
		key := totp.Key{Secret: totp.GenerateSecret()}
		code, err := key.Code(totp.Step(env.Now))
		require.NoError(t, err)
		back, err := next.Begin(p, core.Pending{Authenticator: newAuthenticator("APP"), Replace: "K1"}, env)
		require.NoError(t, err)
		back, _, err = back.Confirm(p, "APP", code, key, env)
		require.NoError(t, err)
		require.Empty(t, back.Passkeys)
		require.Equal(t, "APP", back.Authenticators[0].ID)
		require.Contains(t, back.Events, core.Event{Kind: event.AuthenticatorRemoved, At: env.Now.Unix(), Method: event.MethodPasskey, Auth: "K1", Name: "Key K1"})
		require.Equal(t, next.Handle, back.Handle)
		_ = stored(t, back)
	}
	_, _, err := enrolls(t, a, proofOf(a, core.RecoveryCode, "recovery"), "K1", "", env)
	require.ErrorIs(t, err, core.ErrStepUpRequired, "a recovery code adds nothing")

	// Recovery codes of eight digits, of which no app is left to go with, are taken.
	a.Recovery.Imported = true
	a.Recovery.Slots[3].Digits = 8
	next, _, err := enrolls(t, a, proofOf(a, core.SecondFactor, "otp"), "K1", "AUTH0", env)
	require.NoError(t, err)
	try := core.Attempt{Method: event.MethodTOTP, Code: "12345678", Keys: keys, Tried: map[core.Hash]bool{"SET3": true}}
	_, out, err := next.Answer(try, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason)
	try.Code = "123456"
	next, out, err = next.Answer(try, env)
	require.NoError(t, err)
	require.Equal(t, core.Malformed, out.Reason, "there is no app whose code it could be")
	require.Zero(t, next.TOTPThrottle)
}

// The last factor, of whatever kind, goes when two-factor is turned off.
func TestLastFactorOfAnyKind(t *testing.T) {
	env := envAt(time.Minute)
	for _, order := range [][]string{{"AUTH0", "HARD", "SOFT"}, {"HARD", "SOFT", "AUTH0"}, {"SOFT", "AUTH0", "HARD"}} {
		a, _ := keyed(t)
		for i, id := range order {
			p := proofOf(a, core.SecondFactor, "hwk")
			renamed, err := a.Rename(p, id, "Other", env)
			require.NoError(t, err)
			method := event.Method("")
			if id != "AUTH0" {
				method = event.MethodPasskey
			}
			require.Equal(t, []core.Event{{Kind: event.AuthenticatorRenamed, At: env.Now.Unix(), Method: method, Auth: id, Name: "Other"}}, renamed.Events)
			same, err := renamed.Rename(p, id, "Other", env)
			require.NoError(t, err)
			require.Equal(t, stored(t, renamed), stored(t, same))
			next, _, err := renamed.Remove(p, id, env)
			if i == 2 {
				require.ErrorIs(t, err, core.ErrPrecondition, id)
				break
			}
			require.NoError(t, err)
			require.Equal(t, a.Factors()-1, next.Factors())
			require.Equal(t, core.Event{Kind: event.AuthenticatorRemoved, At: env.Now.Unix(), Method: method, Auth: id, Name: "Other"}, next.Events[0])
			_, err = next.Rename(proofOf(next, core.SecondFactor, "hwk"), id, "Gone", env)
			require.ErrorIs(t, err, core.ErrNotFound)
			require.NoError(t, next.CanRegenerate(proofOf(next, core.SecondFactor, "hwk"), env), "recovery codes go with either kind")
			require.NoError(t, next.CanReset())
			a = next
		}
		off, _, err := a.Disable(proofOf(a, core.SecondFactor, "hwk"), env)
		require.NoError(t, err)
		reset, err := a.Resets(by, core.Slot{Selector: "Z", Hash: "h"}, env)
		require.NoError(t, err)
		for what, next := range map[string]core.Account{"off": off, "reset": reset} {
			require.Zero(t, next.Factors(), what)
			require.Nil(t, next.Recovery, what)
			require.Equal(t, a.Handle, next.Handle, "%s: passkeys that come later have the same one", what)
			_ = stored(t, next)
		}
		require.False(t, off.Protected())
		require.True(t, reset.Protected())
		_, _, err = off.Disable(proofOf(off, core.Vouched, "pwd"), env)
		require.ErrorIs(t, err, core.ErrPrecondition)
		require.ErrorIs(t, off.CanRegenerate(proofOf(off, core.Vouched, "pwd"), env), core.ErrPrecondition)

		next, proof, err := enrolls(t, reset, proofOf(reset, core.OperatorCode, "operator"), "K1", "", env)
		require.NoError(t, err, "the operator's code leads to a passkey as well")
		require.Nil(t, next.Reset)
		require.Equal(t, core.OperatorCode, proof.Kind)
		require.Equal(t, "SET K1", next.Recovery.ID)
	}
	require.Zero(t, core.Account{ID: "user-42"}.Forgotten(env).Handle)
}

// Where there is a passkey, a phished code of an app adds nothing of the thief's, makes no recovery codes, which would be a
// way round, and takes nothing away. A recovery code replaces or removes the passkey that its owner has lost. Without a
// passkey, a code does it all.
func TestCodeBesideAPasskey(t *testing.T) {
	env := envAt(time.Minute)
	set := newSet("NEW")
	set.Acknowledged = 0
	do := map[string]func(a core.Account, p core.Presented) (core.Account, error){
		"add a passkey": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := enrolls(t, a, p, "K1", "", env)
			return next, err
		},
		"replace a passkey": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := enrolls(t, a, p, "K1", "HARD", env)
			return next, err
		},
		"replace an app": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := enrolls(t, a, p, "K1", "AUTH0", env)
			return next, err
		},
		"add an app": func(a core.Account, p core.Presented) (core.Account, error) {
			return a.Begin(p, core.Pending{Authenticator: newAuthenticator("NEW")}, env)
		},
		"new recovery codes": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := a.Regenerate(p, set, env)
			return next, err
		},
		"remove a passkey": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := a.Remove(p, "HARD", env)
			return next, err
		},
		"remove an app": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := a.Remove(p, "AUTH0", env)
			return next, err
		},
		"turn it off": func(a core.Account, p core.Presented) (core.Account, error) {
			next, _, err := a.Disable(p, env)
			return next, err
		},
		"mint a token": func(a core.Account, p core.Presented) (core.Account, error) {
			if !a.Permissions(p, env).Tokens {
				return a, core.ErrStepUpRequired
			}
			return a, nil
		},
		"rename": func(a core.Account, p core.Presented) (core.Account, error) { return a.Rename(p, "HARD", "Key", env) },
	}
	byCode, byRecovery := []string{"mint a token", "rename"}, []string{"replace a passkey", "replace an app", "new recovery codes", "remove a passkey"}
	for what, try := range do {
		a, _ := keyed(t)
		_, err := try(a, proofOf(a, core.SecondFactor, "hwk"))
		require.NoError(t, err, what)
		for kind, enough := range map[core.Kind][]string{core.SecondFactor: byCode, core.RecoveryCode: byRecovery} {
			next, err := try(a, proofOf(a, kind, "otp"))
			if slices.Contains(enough, what) {
				require.NoError(t, err, "%s, %d", what, kind)
				continue
			}
			require.ErrorIs(t, err, core.ErrStepUpRequired, "%s, %d", what, kind)
			require.Equal(t, stored(t, a), stored(t, next))
		}
		a.Authenticators, a.Passkeys = append(a.Authenticators, newAuthenticator("HARD")), nil
		_, err = try(a, proofOf(a, core.SecondFactor, "otp"))
		require.NoError(t, err, "%s, without a passkey", what)
		_, err = try(a, proofOf(a, core.RecoveryCode, "recovery"))
		require.Equal(t, slices.Contains(byRecovery, what) && what != "remove a passkey", err == nil, "%s, without a passkey", what)
	}

	// The way round, step by step.
	a, _ := keyed(t)
	for _, id := range []string{"HARD", "SOFT"} {
		next, proof, err := a.Remove(proofOf(a, core.RecoveryCode, "recovery"), id, env)
		require.NoError(t, err)
		require.Equal(t, core.RecoveryCode, proof.Kind)
		a = next
	}
	_, _, err := enrolls(t, a, proofOf(a, core.SecondFactor, "otp"), "K1", "", env)
	require.NoError(t, err)
}

// A proof by a passkey is enough for what one by a code is, and for more: it unlocks the codes of apps, since whoever
// guesses codes has no passkey, and it changes factors.
func TestProofByPasskey(t *testing.T) {
	env := envAt(time.Minute)
	a, _ := keyed(t)
	a.TOTPThrottle.Failures = 50
	a.RecoveryThrottle.Full = start.Unix() + 1000
	code, key := proofOf(a, core.SecondFactor, "otp"), proofOf(a, core.SecondFactor, "hwk")
	require.Equal(t, core.Permissions{Revoke: true, Tokens: true}, a.Permissions(code, env))
	require.Equal(t, core.Permissions{Enroll: true, Replace: true, Factors: true, Revoke: true, Tokens: true}, a.Permissions(key, env))
	_, err := a.Unlock(code, event.MethodTOTP, env)
	require.ErrorIs(t, err, core.ErrStepUpRequired)
	next, err := a.Unlock(key, event.MethodTOTP, env)
	require.NoError(t, err)
	require.Zero(t, next.TOTPThrottle.Failures)
	for _, p := range []core.Presented{code, key} {
		_, err = a.Unlock(p, event.MethodRecoveryCode, env)
		require.NoError(t, err)
	}
	vouched := proofOf(a, core.Vouched, "hwk")
	_, err = a.Unlock(vouched, event.MethodTOTP, env)
	require.ErrorIs(t, err, core.ErrStepUpRequired, "of the host's own passkey")
}

// Passkeys of another system are brought as apps are: beside them, once, and never to an account that has been changed.
func TestImportPasskeys(t *testing.T) {
	env := envAt(time.Minute)
	offer := func(ids ...string) (all []core.Passkey) {
		for _, id := range ids {
			all = append(all, core.Passkey{ID: "ID " + id, Name: "Old", Credential: []byte(id), PublicKey: []byte("key"), Flagless: true, Count: 4})
		}
		return all
	}
	bring := func(a core.Account, offered []core.Passkey) (core.Account, []core.ImportOutcome, error) {
		plan, err := a.PlanPasskeys(offered)
		in := core.Imported{Handle: storage.Handle{3}}
		for i, outcome := range plan {
			if outcome.Brought() {
				in.Passkeys = append(in.Passkeys, offered[i])
			}
		}
		return a.Import(by, in, env), plan, err
	}
	none := core.Account{ID: "user-42"}
	bad := offer("a", "b", "a", "c")
	bad[3].PublicKey = nil
	a, plan, err := bring(none, bad)
	require.NoError(t, err)
	require.Equal(t, []core.ImportOutcome{core.ImportBrought, core.ImportBrought, core.ImportDuplicate, core.ImportBadPasskey}, plan)
	require.Equal(t, []string{"ID a", "ID b"}, []string{a.Passkeys[0].ID, a.Passkeys[1].ID})
	require.Equal(t, storage.Handle{3}, a.Handle)
	require.True(t, a.Protected())
	require.Equal(t, core.ImportOpen, a.Imported)
	require.Equal(t, event.AccountImported, a.Events[0].Kind)
	require.Equal(t, env.Now.Unix(), a.Passkeys[0].Created)
	_ = stored(t, a)

	again, plan, err := bring(a, offer("b", "c"))
	require.NoError(t, err)
	require.Equal(t, []core.ImportOutcome{core.ImportThere, core.ImportBrought}, plan)
	require.Len(t, again.Passkeys, 3)
	same, plan, err := bring(again, offer("a", "b", "c"))
	require.NoError(t, err)
	require.NotContains(t, plan, core.ImportBrought)
	require.Equal(t, stored(t, again), stored(t, same), "the same import twice changes nothing")
	full, plan, err := bring(a, offer("1", "2", "3", "4", "5", "6", "7", "8", "9"))
	require.NoError(t, err)
	require.Len(t, full.Passkeys, 10)
	require.Equal(t, core.ImportTooMany, plan[8])

	codes, err := a.PlanImport(nil, []core.Offered{{}, {Digits: 8}})
	require.NoError(t, err)
	require.Equal(t, []core.ImportOutcome{core.ImportBrought, core.ImportBrought}, codes.Codes, "recovery codes go with passkeys as well")
	require.False(t, codes.Close)

	closed := none.Import(by, core.Imported{Code: core.Slot{Selector: "Z", Hash: "h"}, Life: time.Hour}, env)
	require.True(t, closed.Protected())
	opened, _, err := bring(closed, offer("a"))
	require.NoError(t, err)
	require.Nil(t, opened.Reset, "a passkey answers the second step")

	changed, _, err := a.Remove(proofOf(a, core.SecondFactor, "hwk"), "ID a", env)
	require.NoError(t, err)
	enrolled, _ := keyed(t)
	suspended := none.Suspend(by, env)
	for what, a := range map[string]core.Account{"changed": changed, "enrolled": enrolled, "suspended": suspended} {
		_, err = a.PlanPasskeys(offer("a"))
		require.ErrorIs(t, err, core.ErrPrecondition, what)
	}
	first, _, err := bring(enrolled, nil)
	require.NoError(t, err)
	require.Equal(t, stored(t, enrolled), stored(t, first))
}
