package core_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// newPasskey is a passkey that can be in a backup, and is.
func newPasskey(id string) core.Passkey {
	return core.Passkey{
		ID: id, Name: "Key " + id, Credential: []byte("credential " + id), PublicKey: []byte("public key " + id), AAGUID: [16]byte{0: 1, 15: 9},
		Transports: 0b11000, Verified: true, Eligible: true, BackedUp: true, Attested: true, Flagless: true,
		Count: 1<<32 - 1, Accepted: start.UnixNano() - 7, Suspected: start.UnixNano() - 5, Created: start.Unix(), LastUsed: start.Unix() + 5,
	}
}

var here = []byte("0123456789abcdef") // the digest of a session

// keyed is an account with an app, recovery codes and two passkeys: HARD stays in its device and counts, SOFT is in a
// backup and does not.
func keyed(t *testing.T) (core.Account, map[string]totp.Key) {
	w := &walker{t: t, now: start}
	a, keys := w.account(1)
	a.Handle = storage.Handle{7}
	a.Passkeys = []core.Passkey{
		{ID: "HARD", Name: "Stick", Credential: []byte("hard"), PublicKey: []byte("key of hard"), Count: 5, Accepted: start.UnixNano() - 1000, Created: 1},
		{ID: "SOFT", Name: "Phone", Credential: []byte("soft"), PublicKey: []byte("key of soft"), Eligible: true, BackedUp: true, Verified: true, Created: 1},
	}
	return a, keys
}

func envAt(after time.Duration) core.Env {
	return core.Env{Now: start.Add(after), Fresh: 5, Window: totp.DefaultWindow()}
}

// assertion is what a right use of a passkey of an account is found to be.
func assertion(a core.Account, id string, purpose core.PasskeyPurpose, env core.Env) core.PasskeyAttempt {
	k := a.Passkeys[slices.IndexFunc(a.Passkeys, func(k core.Passkey) bool { return k.ID == id })]
	t := core.PasskeyAttempt{Purpose: purpose, Session: here}
	if purpose == core.PasskeyAnswer {
		c := a.Challenge(env)
		t.Challenge = &c
	}
	t.Finding = core.PasskeyFinding{
		Challenge:  a.PasskeyChallenge(purpose, here, t.Challenge, env.Now.UnixNano()),
		Credential: k.Credential, PublicKey: k.PublicKey, Good: true, UserVerified: true, Eligible: k.Eligible, BackedUp: k.BackedUp,
	}
	if purpose == core.PasskeySignIn {
		t.Finding.Challenge = core.SignInChallenge(here, env.Now.UnixNano())
	}
	if k.Count > 0 {
		t.Finding.Count = k.Count + 1
	}
	return t
}

var answering = []core.PasskeyPurpose{core.PasskeyAnswer, core.PasskeyStepUp, core.PasskeySignIn}

func stored(t *testing.T, a core.Account) []byte {
	t.Helper()
	data, err := a.Encode()
	require.NoError(t, err)
	return data
}

// TestPasskeyAccepted has each passkey accepted for each purpose, and what is kept and told of it.
func TestPasskeyAccepted(t *testing.T) {
	for _, purpose := range answering {
		for _, id := range []string{"HARD", "SOFT"} {
			for _, verified := range []bool{false, true} {
				if !verified && purpose == core.PasskeySignIn {
					continue
				}
				a, _ := keyed(t)
				a.SessionEpoch = 9
				env := envAt(time.Minute)
				try := assertion(a, id, purpose, env)
				try.Finding.UserVerified = verified
				before := stored(t, a)
				next, out := a.AnswerPasskey(try, env)
				require.Equal(t, before, stored(t, a), "it is not the account that it was called on that changes")

				method := map[string]string{"HARD": "hwk", "SOFT": "swk"}[id]
				require.Equal(t, core.Outcome{
					Reason: core.Accepted, AuthenticatorID: id, CodesLeft: 10,
					Proof: core.Proof{Account: a.ID, Kind: core.SecondFactor, Method: method, At: env.Now.Unix(), Session: here, Epoch: a.Epoch, Stamp: 9, Resistant: true, User: verified},
				}, out)
				signIn := purpose != core.PasskeyStepUp
				require.Equal(t, []core.Event{{Kind: event.CodeAccepted, At: env.Now.Unix(), Method: event.MethodPasskey, Auth: id, SignIn: signIn}}, next.Events)
				require.Equal(t, next.Activity[0].Kind, event.CodeAccepted, "its owner sees it")

				want, _ := keyed(t)
				k := &want.Passkeys[map[string]int{"HARD": 0, "SOFT": 1}[id]]
				k.Accepted, k.LastUsed, k.Count, k.Verified = env.Now.UnixNano(), env.Now.Unix(), try.Finding.Count, k.Verified || verified
				require.Equal(t, want.Passkeys, next.Passkeys)
				if signIn {
					want.SignIns++
				}
				require.Equal(t, want.SignIns, next.SignIns, "a sign-in ends the other challenges")
				require.Equal(t, want.Epoch, next.Epoch)

				// Neither the same assertion again, nor one to a challenge that was issued no later, for whatever purpose.
				for _, again := range answering {
					for _, earlier := range []time.Duration{0, time.Nanosecond, time.Second} {
						old := assertion(next, id, again, env)
						old.Finding.Challenge.At -= int64(earlier)
						old.Finding.Count = math.MaxUint32
						_, out := next.AnswerPasskey(old, env)
						require.Equal(t, core.Replayed, out.Reason)
					}
					fresh := assertion(next, id, again, env)
					fresh.Finding.Challenge.At++
					_, out := next.AnswerPasskey(fresh, env)
					require.Equal(t, core.Accepted, out.Reason)
				}
				_, out = next.AnswerPasskey(try, env)
				require.Contains(t, []core.Reason{core.Replayed, core.Stale}, out.Reason, "captured, and presented again")
			}
		}
	}
}

// TestPasskeyRules changes one thing at a time of what was right.
func TestPasskeyRules(t *testing.T) {
	type A = core.Account
	type P = core.PasskeyAttempt
	type F = core.PasskeyFinding
	tied := func(purposes ...core.PasskeyPurpose) []core.PasskeyPurpose { return purposes }
	const answer, stepUp, signIn = core.PasskeyAnswer, core.PasskeyStepUp, core.PasskeySignIn
	for _, c := range []struct {
		what    string
		reason  core.Reason
		counted bool
		only    []core.PasskeyPurpose // nil: each
		edit    func(a *A, t *P)
	}{
		{what: "nothing", reason: core.Accepted, edit: func(*A, *P) {}},

		// The challenge.
		{what: "no purpose", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.Purpose = 0 }},
		{what: "no purpose, and asked for none", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.Purpose, t.Purpose = 0, 0 }},
		{what: "one to register", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.Purpose = core.PasskeyRegister }},
		{what: "one to register, asked for", reason: core.Stale, edit: func(_ *A, t *P) {
			t.Finding.Challenge.Purpose, t.Purpose = core.PasskeyRegister, core.PasskeyRegister
		}},
		{what: "one to answer", reason: core.Stale, only: tied(stepUp, signIn), edit: func(_ *A, t *P) { t.Finding.Challenge.Purpose = answer }},
		{what: "one to step up", reason: core.Stale, only: tied(answer, signIn), edit: func(_ *A, t *P) { t.Finding.Challenge.Purpose = stepUp }},
		{what: "one to sign in", reason: core.Stale, only: tied(answer, stepUp), edit: func(_ *A, t *P) { t.Finding.Challenge.Purpose = signIn }},
		{what: "another session's", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.Session = []byte("fedcba9876543210") }},
		{what: "of no session", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.Session = nil }},
		{what: "in no session", reason: core.Stale, edit: func(_ *A, t *P) { t.Session = nil }},
		{what: "of no session, in none", reason: core.Stale, only: tied(signIn), edit: func(_ *A, t *P) { t.Session, t.Finding.Challenge.Session = nil, nil }},
		{what: "of no session, in none, of an account", reason: core.Accepted, only: tied(answer, stepUp), edit: func(_ *A, t *P) {
			t.Session, t.Finding.Challenge.Session = nil, nil
		}},
		{what: "another account's", reason: core.Stale, only: tied(answer, stepUp), edit: func(_ *A, t *P) { t.Finding.Challenge.Account = "user-43" }},
		{what: "under another epoch", reason: core.Stale, only: tied(answer, stepUp), edit: func(_ *A, t *P) { t.Finding.Challenge.Epoch++ }},
		{what: "a second too old", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.At -= int64(core.ChallengeLife + time.Second) }},
		{what: "just old enough", reason: core.Accepted, edit: func(a *A, t *P) {
			a.Passkeys[0].Accepted = 0
			t.Finding.Challenge.At -= int64(core.ChallengeLife)
		}},
		{what: "a second too far ahead", reason: core.Stale, edit: func(_ *A, t *P) { t.Finding.Challenge.At += int64(core.Ahead + time.Second) }},
		{what: "just ahead", reason: core.Accepted, edit: func(_ *A, t *P) { t.Finding.Challenge.At += int64(core.Ahead) }},
		{what: "of another sign-in", reason: core.Stale, only: tied(answer), edit: func(_ *A, t *P) { t.Finding.Challenge.SignIns-- }},
		{what: "of one that began earlier", reason: core.Stale, only: tied(answer), edit: func(_ *A, t *P) { t.Finding.Challenge.Begun-- }},
		{what: "the sign-in was answered", reason: core.Stale, only: tied(answer), edit: func(a *A, _ *P) { a.SignIns++ }},
		{what: "the sign-in is too old", reason: core.Stale, only: tied(answer), edit: func(_ *A, t *P) {
			t.Challenge.At -= int64(core.ChallengeLife/time.Second) + 1
			t.Finding.Challenge.Begun = t.Challenge.At
		}},
		{what: "no sign-in", reason: core.Stale, only: tied(answer), edit: func(_ *A, t *P) { t.Challenge = nil }},
		{what: "beside a sign-in", reason: core.Stale, only: tied(stepUp, signIn), edit: func(a *A, t *P) {
			c := a.Challenge(envAt(time.Minute))
			t.Challenge = &c
		}},
		{what: "answered before", reason: core.Replayed, counted: true, edit: func(a *A, t *P) { a.Passkeys[0].Accepted = t.Finding.Challenge.At }},
		{what: "issued before the last that was answered", reason: core.Replayed, counted: true, edit: func(a *A, t *P) { a.Passkeys[0].Accepted = t.Finding.Challenge.At + 1 }},

		// The account.
		{what: "without any factor", reason: core.Unprotected, edit: func(a *A, _ *P) { a.Passkeys, a.Authenticators, a.Recovery = nil, nil, nil }},
		{what: "without passkeys", reason: core.Malformed, edit: func(a *A, _ *P) { a.Passkeys = nil }},
		{what: "a reset", reason: core.Malformed, edit: func(a *A, _ *P) {
			a.Passkeys, a.Authenticators, a.Recovery = nil, nil, nil
			a.Reset = &core.Reset{Code: core.Slot{Selector: "Z", Hash: "h"}, Expires: start.Unix() + 600}
		}},
		{what: "suspended", reason: core.Suspended, edit: func(a *A, _ *P) { a.Suspension = &core.Suspension{Operator: "op"} }},
		{what: "a service account", reason: core.Suspended, edit: func(a *A, _ *P) { a.ServiceOf = "acme" }},
		{what: "removed meanwhile", reason: core.Malformed, edit: func(a *A, _ *P) { a.Passkeys = a.Passkeys[1:] }},
		{what: "another account's passkey", reason: core.Malformed, edit: func(_ *A, t *P) { t.Finding.Credential = []byte("hard ") }},
		{what: "no passkey", reason: core.Malformed, edit: func(_ *A, t *P) { t.Finding.Credential = nil }},
		{what: "the codes of apps are disabled", reason: core.Accepted, edit: func(a *A, _ *P) { a.TOTPThrottle.Failures = 50 }},
		{what: "recovery codes are locked", reason: core.Accepted, edit: func(a *A, _ *P) { a.RecoveryThrottle.Full = start.Unix() + 60 + 10*6 }},

		// What was verified.
		{what: "another key has the credential ID by now", reason: core.Used, counted: true, edit: func(a *A, _ *P) { a.Passkeys[0].PublicKey = []byte("another") }},
		{what: "verified with the key of another passkey", reason: core.Used, counted: true, edit: func(a *A, t *P) { t.Finding.PublicKey = a.Passkeys[1].PublicKey }},
		{what: "not verified with any", reason: core.Used, counted: true, edit: func(_ *A, t *P) { t.Finding.PublicKey = nil }},
		{what: "a wrong signature", reason: core.Wrong, counted: true, edit: func(_ *A, t *P) { t.Finding.Good = false }},
		{what: "it can be in a backup now", reason: core.Suspect, counted: true, edit: func(_ *A, t *P) { t.Finding.Eligible = true }},
		{what: "it cannot be in a backup any more", reason: core.Suspect, counted: true, edit: func(a *A, _ *P) { a.Passkeys[0].Eligible = true }},
		{what: "in a backup in which it cannot be", reason: core.Suspect, counted: true, edit: func(_ *A, t *P) { t.Finding.BackedUp = true }},
		{what: "its flags are not known", reason: core.Accepted, edit: func(a *A, t *P) { a.Passkeys[0].Flagless, t.Finding.Eligible, t.Finding.BackedUp = true, true, true }},
		{what: "its flags are not known, and cannot be", reason: core.Suspect, counted: true, edit: func(a *A, t *P) { a.Passkeys[0].Flagless, t.Finding.BackedUp = true, true }},
		{what: "in a backup now", reason: core.Accepted, edit: func(a *A, t *P) { a.Passkeys[0].Eligible, t.Finding.Eligible, t.Finding.BackedUp = true, true, true }},
		{what: "in no backup any more", reason: core.Accepted, edit: func(a *A, t *P) {
			a.Passkeys[0].Eligible, a.Passkeys[0].BackedUp, t.Finding.Eligible = true, true, true
		}},
		{what: "the same count", reason: core.Suspect, counted: true, edit: func(a *A, t *P) { t.Finding.Count = a.Passkeys[0].Count }},
		{what: "a count that goes back", reason: core.Suspect, counted: true, edit: func(a *A, t *P) { t.Finding.Count = a.Passkeys[0].Count - 1 }},
		{what: "no count any more", reason: core.Suspect, counted: true, edit: func(_ *A, t *P) { t.Finding.Count = 0 }},
		{what: "never a count", reason: core.Accepted, edit: func(a *A, t *P) { a.Passkeys[0].Count, t.Finding.Count = 0, 0 }},
		{what: "the first count", reason: core.Accepted, edit: func(a *A, t *P) { a.Passkeys[0].Count, t.Finding.Count = 0, 1 }},
		{what: "the last count there is", reason: core.Accepted, edit: func(_ *A, t *P) { t.Finding.Count = math.MaxUint32 }},
		{what: "the last count again", reason: core.Suspect, counted: true, edit: func(a *A, t *P) { a.Passkeys[0].Count, t.Finding.Count = math.MaxUint32, math.MaxUint32 }},
		{what: "a count that has overflowed", reason: core.Suspect, counted: true, edit: func(a *A, t *P) { a.Passkeys[0].Count, t.Finding.Count = math.MaxUint32, 0 }},
		{what: "the user was not verified", reason: core.Unverified, counted: true, only: tied(signIn), edit: func(_ *A, t *P) { t.Finding.UserVerified = false }},
		{what: "the user was not verified, who is known", reason: core.Accepted, only: tied(answer, stepUp), edit: func(_ *A, t *P) { t.Finding.UserVerified = false }},
	} {
		for _, purpose := range answering {
			if c.only != nil && !slices.Contains(c.only, purpose) {
				continue
			}
			what := fmt.Sprint(c.what, ", purpose ", purpose)
			a, _ := keyed(t)
			env := envAt(time.Minute)
			try := assertion(a, "HARD", purpose, env)
			c.edit(&a, &try)
			before := stored(t, a)
			refused, is := a.PasskeyRefused(try, env)
			unseen := try
			unseen.Finding = F{Challenge: try.Finding.Challenge, Credential: try.Finding.Credential}
			early, isEarly := a.PasskeyRefused(unseen, env)
			require.Equal(t, refused, early, "%s: what is not known yet is not asked for", what)
			require.Equal(t, is, isEarly, what)

			next, out := a.AnswerPasskey(try, env)
			require.Equal(t, c.reason, out.Reason, what)
			require.Equal(t, before, stored(t, a), what)
			require.Equal(t, is, c.reason != core.Accepted && !c.counted, what)
			if c.reason == core.Accepted {
				require.Equal(t, core.SecondFactor, out.Proof.Kind, what)
				continue
			}
			require.Zero(t, out.Proof, what)
			passkeys := slices.Clone(a.Passkeys)
			if c.reason == core.Suspect {
				passkeys[0].Suspected = try.Finding.Challenge.At // each signature is told once
			}
			require.Equal(t, passkeys, next.Passkeys, "%s: nobody else makes a passkey another one", what)
			require.Equal(t, a.SignIns, next.SignIns, what)
			if !c.counted {
				require.Equal(t, refused, out, what)
				require.Equal(t, before, stored(t, next), "%s: it was no guess", what)
				require.Len(t, next.Events, 1, what)
				continue
			}
			require.Equal(t, a.TOTPThrottle.Failures, next.TOTPThrottle.Failures, what)
			require.Equal(t, a.RecoveryThrottle, next.RecoveryThrottle, what)
			require.Equal(t, env.Now.Unix()+6, next.Misses.Full, what)
			require.Equal(t, []core.DayCount{{env.Now.Unix() / 86400, 1}}, next.TOTPThrottle.Days, "%s: it counts among the month's", what)
			told := []core.Event{{Kind: event.CodeDenied, At: env.Now.Unix(), Method: event.MethodPasskey, Why: c.reason}}
			if c.reason == core.Suspect {
				told = append(told, core.Event{Kind: event.PasskeySuspect, At: env.Now.Unix(), Method: event.MethodPasskey, Auth: "HARD", Name: "Stick"})
			}
			require.Equal(t, told, next.Events, what)
		}
	}
}

// Whoever has a copy of a passkey keeps its owner off it by no number of attempts, as often as they ask for new options.
func TestCopyKeepsNobodyOut(t *testing.T) {
	a, _ := keyed(t)
	a.Passkeys[0].Count = 10
	told := 0
	at := time.Minute
	for n := range 5 {
		owners := assertion(a, "HARD", core.PasskeyStepUp, envAt(at))
		at += 2 * time.Second
		thiefs := assertion(a, "HARD", core.PasskeyStepUp, envAt(at))
		thiefs.Finding.Count = 5
		next, out := a.AnswerPasskey(thiefs, envAt(at))
		require.Equal(t, core.Suspect, out.Reason)
		told++
		next, out = next.AnswerPasskey(thiefs, envAt(at))
		require.Equal(t, core.Replayed, out.Reason, "each signature is told once")
		owners.Finding.Count = uint32(11 + n)
		a, out = next.AnswerPasskey(owners, envAt(at+time.Second))
		require.Equal(t, core.Accepted, out.Reason)
		_, out = a.AnswerPasskey(thiefs, envAt(at+time.Second))
		require.Equal(t, core.Replayed, out.Reason, "also after that")
		at += time.Minute
	}
	require.Equal(t, 5, told)
	fresh := assertion(a, "HARD", core.PasskeyStepUp, envAt(at))
	fresh.Finding.Count = 20
	a, _ = a.AnswerPasskey(fresh, envAt(at))
	require.Zero(t, a.Passkeys[0].Suspected, "what is over takes no room")
}

// A flag that was not known is the one of the first use, and from then on the only one.
func TestFlagsOfAnImportedPasskey(t *testing.T) {
	for _, eligible := range []bool{false, true} {
		a, _ := keyed(t)
		a.Passkeys[0].Flagless = true
		env := envAt(time.Minute)
		try := assertion(a, "HARD", core.PasskeyStepUp, env)
		try.Finding.Eligible, try.Finding.BackedUp = eligible, eligible
		a, out := a.AnswerPasskey(try, env)
		require.Equal(t, map[bool]string{false: "hwk", true: "swk"}[eligible], out.Proof.Method)
		require.Equal(t, []bool{eligible, eligible, false}, []bool{a.Passkeys[0].Eligible, a.Passkeys[0].BackedUp, a.Passkeys[0].Flagless})
		env = envAt(2 * time.Minute)
		try = assertion(a, "HARD", core.PasskeyStepUp, env)
		try.Finding.Eligible, try.Finding.BackedUp = !eligible, false
		_, out = a.AnswerPasskey(try, env)
		require.Equal(t, core.Suspect, out.Reason)
	}
}

// Nobody guesses a signature: wrong assertions shut nothing, however many there are, neither passkeys nor anything else.
// Ten of them are kept, and then one in six seconds, but for those that look like a copy.
func TestWrongAssertionsShutNothing(t *testing.T) {
	a, keys := keyed(t)
	env := envAt(time.Minute)
	wrong := func(env core.Env, edit func(*core.PasskeyFinding)) (kept bool, e core.Event) {
		try := assertion(a, "HARD", core.PasskeyStepUp, env)
		edit(&try.Finding)
		next, out := a.AnswerPasskey(try, env)
		require.NotEqual(t, core.Accepted, out.Reason)
		require.Zero(t, out.RetryAt)
		require.False(t, out.Disabled)
		kept = string(stored(t, a)) != string(stored(t, next))
		a = next
		return kept, next.Events[0]
	}
	unsigned := func(f *core.PasskeyFinding) { f.Good = false }
	for n := range 1000 {
		kept, e := wrong(env, unsigned)
		require.Equal(t, n < 10, kept, n)
		if n >= 10 {
			require.Equal(t, core.Event{Kind: event.ThrottledBurst, At: env.Now.Unix(), Method: event.MethodPasskey, Why: core.Wrong, RetryAt: start.Unix() + 66}, e)
		}
	}
	require.True(t, a.PasskeyState().Available && a.TOTPState(nil, env).Available && a.RecoveryState(nil, env).Available)
	require.Zero(t, a.TOTPThrottle.Failures)
	require.Equal(t, []core.DayCount{{env.Now.Unix() / 86400, 10}}, a.TOTPThrottle.Days)
	for n := range 2 {
		copied := func(f *core.PasskeyFinding) { f.Count, f.Challenge.At = 1, f.Challenge.At-int64(2-n) }
		kept, e := wrong(env, copied)
		require.True(t, kept, "a copy is always kept: it takes the key")
		require.Equal(t, core.Suspect, e.Why)
		kept, e = wrong(env, copied)
		require.False(t, kept, "but once a signature")
		require.Equal(t, core.Replayed, e.Why)
	}
	code, err := keys["AUTH0"].Code(totp.Step(env.Now))
	require.NoError(t, err)
	next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: keys}, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason, "an app does not wait for passkeys")
	require.Equal(t, a.Misses, next.Misses)
	_, out, err = a.Answer(core.Attempt{Method: event.MethodRecoveryCode, Selector: '3', Tried: map[core.Hash]bool{"SET3": true}}, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason, "nor does a right recovery code")
	for _, purpose := range answering {
		_, out := a.AnswerPasskey(assertion(a, "HARD", purpose, env), env)
		require.Equal(t, core.Accepted, out.Reason, "the right one is always taken")
	}
	kept, _ := wrong(envAt(2*time.Minute), unsigned)
	require.True(t, kept)

	a.TOTPThrottle.Failures, a.RecoveryThrottle.Full = 50, start.Unix()+120
	require.False(t, a.TOTPState(nil, env).Available || a.RecoveryState(nil, env).Available)
	_, out = a.AnswerPasskey(assertion(a, "SOFT", core.PasskeyAnswer, envAt(2*time.Minute)), envAt(2*time.Minute))
	require.Equal(t, core.Accepted, out.Reason, "nor does a passkey wait for codes")
	a.Passkeys = nil
	require.Equal(t, core.MethodState{}, a.PasskeyState())
}

// Row F5: a passkey that was used by a clock which was ahead. Where that was over an hour, one denial puts it right, and
// what was issued until then stays void.
func TestPasskeyOfAnotherClock(t *testing.T) {
	for ahead, settles := range map[time.Duration]bool{
		time.Second: false, time.Hour: false, time.Hour + 30*time.Second: false, time.Hour + 31*time.Second: true, wrongBy[1]: true, wrongBy[2]: true,
	} {
		a, _ := keyed(t)
		a.Passkeys[1].Accepted = start.Add(ahead).UnixNano()
		a.Misses.Full = start.Unix() + 60 // somebody sends wrong ones meanwhile
		use := func(after, issued time.Duration) core.Reason {
			env := envAt(after)
			try := assertion(a, "SOFT", core.PasskeyStepUp, env)
			try.Finding.Challenge.At = start.Add(issued).UnixNano()
			next, out := a.AnswerPasskey(try, env)
			a = next
			return out.Reason
		}
		require.Equal(t, core.Replayed, use(0, 0), "%v", ahead)
		if !settles {
			require.Equal(t, start.Add(ahead).UnixNano(), a.Passkeys[1].Accepted)
			require.Equal(t, core.Replayed, use(ahead, ahead))
			require.Equal(t, core.Accepted, use(ahead, ahead+1))
			continue
		}
		require.Equal(t, core.Replayed, use(31*time.Second, 30*time.Second), "issued before it was put right")
		require.Equal(t, core.Accepted, use(31*time.Second, 30*time.Second+1), "%v", ahead)
	}
}

// A sign-in without a password that was asked for before the first factors of the account ended is over with them. Of two
// moments in one second nobody knows which was first, and there a sign-in that has just begun counts.
func TestSignInThatWasHeldBack(t *testing.T) {
	for name, ends := range map[string]func(a core.Account, env core.Env) core.Account{
		"a new password": func(a core.Account, env core.Env) core.Account { return a.PasswordChanged(by, false, env) },
		"a suspension that has ended": func(a core.Account, env core.Env) core.Account {
			return a.Suspend(by, env).Resume(by, env)
		},
	} {
		for ahead, settles := range map[time.Duration]bool{0: false, 30 * time.Second: false, 31 * time.Second: true, 2 * time.Hour: true} {
			a, _ := keyed(t)
			a = ends(a, envAt(time.Minute+ahead))
			use := func(after, issued time.Duration) (out core.Reason, kept bool) {
				try := assertion(a, "SOFT", core.PasskeySignIn, envAt(after))
				try.Finding.Challenge.At = start.Add(issued).UnixNano()
				next, found := a.AnswerPasskey(try, envAt(after))
				kept = string(stored(t, a)) != string(stored(t, next))
				if found.Reason != core.Accepted {
					a = next
				}
				return found.Reason, kept
			}
			now := time.Minute
			if !settles {
				now += ahead
			}
			last := now - 1
			reason, kept := use(now, last)
			require.Equal(t, core.Stale, reason, name)
			require.Equal(t, settles, kept, "%s: a clock that was ahead is put right, and a held back one is no guess", name)
			reason, kept = use(now+4*time.Minute, last)
			require.Equal(t, core.Stale, reason, name)
			require.False(t, kept)
			reason, _ = use(now, now)
			require.Equal(t, core.Accepted, reason, "%s, %v", name, ahead)
		}
	}
}

func TestPasskeyAfterARestore(t *testing.T) {
	a, _ := keyed(t)
	a.Passkeys[1].Accepted = start.Add(time.Minute).UnixNano()
	next := a.Restored(by, true, false, envAt(0))
	void := start.Add(core.Ahead).UnixNano()
	require.Equal(t, []int64{void, a.Passkeys[1].Accepted}, []int64{next.Passkeys[0].Accepted, next.Passkeys[1].Accepted}, "it never goes back")
	require.Equal(t, a.Passkeys[0].Count, next.Passkeys[0].Count)
	require.Equal(t, a.Handle, next.Handle)
	env := envAt(31 * time.Second)
	for at, want := range map[int64]core.Reason{start.UnixNano() + 1: core.Replayed, void: core.Replayed, void + 1: core.Accepted} {
		try := assertion(next, "HARD", core.PasskeySignIn, env)
		try.Finding.Challenge.At = at
		_, out := next.AnswerPasskey(try, env)
		require.Equal(t, want, out.Reason)
	}
}

// proofOf is a good proof of a kind.
func proofOf(a core.Account, kind core.Kind, method string) core.Presented {
	return core.Presented{In: here, Proof: core.Proof{
		Account: a.ID, Kind: kind, Method: method, At: start.Unix(), Session: here, Epoch: a.Epoch, Stamp: a.SessionEpoch, Resistant: method == "hwk",
	}}
}

// enrolls begins and finishes a passkey.
func enrolls(t *testing.T, a core.Account, p core.Presented, id, instead string, env core.Env, edit ...func(*core.Passkey)) (core.Account, core.Proof, error) {
	t.Helper()
	next, err := a.BeginPasskey(p, core.Pending{Authenticator: core.Authenticator{ID: id, Name: "Key " + id}, Recovery: newSet("SET " + id), Replace: instead}, storage.Handle{9}, env)
	if err != nil {
		require.Equal(t, stored(t, a), stored(t, next))
		return a, core.Proof{}, err
	}
	k := core.Passkey{Credential: []byte("credential " + id), PublicKey: []byte("key " + id)}
	for _, f := range edit {
		f(&k)
	}
	return next.FinishPasskey(p, next.PasskeyChallenge(core.PasskeyRegister, here, nil, env.Now.UnixNano()), k, env)
}

// The first passkey turns two-factor on as the first app does, with recovery codes, a handle and the proof of both
// factors.
func TestFirstPasskey(t *testing.T) {
	a := core.Account{ID: "user-42", Epoch: 7, TokenEpoch: 7, SessionEpoch: 3}
	p := proofOf(a, core.Vouched, "pwd")
	env := envAt(time.Minute)
	next, proof, err := enrolls(t, a, p, "K1", "", env, func(k *core.Passkey) { k.Verified, k.Count = true, 3 })
	require.NoError(t, err)
	require.Equal(t, core.Passkey{
		ID: "K1", Name: "Key K1", Credential: []byte("credential K1"), PublicKey: []byte("key K1"), Verified: true, Count: 3,
		Accepted: env.Now.UnixNano(), Created: env.Now.Unix(), LastUsed: env.Now.Unix(),
	}, next.Passkeys[0])
	require.Equal(t, storage.Handle{9}, next.Handle)
	require.Equal(t, "SET K1", next.Recovery.ID)
	require.True(t, next.Protected())
	require.Equal(t, core.Proof{
		Account: a.ID, Kind: core.SecondFactor, Method: "hwk", At: start.Unix(), Session: here, Epoch: next.Epoch, Stamp: next.SessionEpoch, Resistant: true, User: true,
	}, proof)
	require.NotEqual(t, a.SessionEpoch, next.SessionEpoch, "the others have not passed it")
	require.Equal(t, core.SessionEnded, next.Session(core.Presented{Proof: p.Proof}))
	require.Equal(t, core.SessionCounts, next.Session(core.Presented{Proof: p.Proof, In: here}))
	require.Equal(t, core.SessionSteps, next.UnknownSession())
	require.Equal(t, core.SessionSteps, next.ForSessions().UnknownSession())
	index := next.Index(totp.DefaultWindow())
	require.Equal(t, storage.AccountIndex{Passkeys: 1, CodesLeft: 10, TokenEpoch: 7, Handle: storage.Handle{9}}, index)
	require.Equal(t, core.MethodState{}, next.TOTPState(nil, env))
	require.Equal(t, core.MethodState{Available: true}, next.PasskeyState())
	for i, kind := range []event.Kind{event.EnrollmentConfirmed, event.AuthenticatorAdded} {
		require.Equal(t, core.Event{Kind: kind, At: env.Now.Unix(), Method: event.MethodPasskey, Auth: "K1", Name: "Key K1"}, next.Events[i])
	}
	_, _, err = enrolls(t, next, p, "K2", "", env)
	require.ErrorIs(t, err, core.ErrStepUpRequired, "its epoch is over")
	_, _, err = enrolls(t, next, proofOf(next, core.Vouched, "pwd"), "K2", "", env)
	require.ErrorIs(t, err, core.ErrStepUpRequired, "the password alone binds no second one")

	_, second, err := enrolls(t, next, proofOf(next, core.SecondFactor, "swk"), "K2", "", env)
	require.ErrorIs(t, err, core.ErrStepUpRequired)
	require.Zero(t, second)
	_, second, err = enrolls(t, next, proofOf(next, core.SecondFactor, "hwk"), "K2", "", env)
	require.NoError(t, err)
	require.False(t, second.User, "a proof stays what it was")
}
