package core_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// visitor tries to sign in to one account from browsers.
type visitor struct {
	*walker
	a    core.Account
	keys map[string]totp.Key
	met  map[string]bool // the browsers that have become known
}

func newVisitor(w *walker) *visitor {
	a, keys := w.account(1)
	return &visitor{w, a, keys, map[string]bool{}}
}

func (v *visitor) environment() core.Env {
	env := v.env(totp.DefaultWindow())
	env.Client = core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}
	return env
}

// answer answers the second step of a sign-in from a browser, "" for one that says nothing of itself, or inside a session
// steps up.
func (v *visitor) answer(browser string, right, signIn bool) core.Outcome {
	v.t.Helper()
	t := core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: v.keys}
	if browser != "" {
		t.Browser, t.NewBrowser = digest("was "+browser), digest(browser) // until it is known it keeps another account's
		if v.met[browser] {
			t.Browser = append(t.Browser, digest(browser)...)
		}
	}
	env := v.environment()
	if signIn {
		c := v.a.Challenge(env)
		t.Challenge = &c
	}
	if right {
		code, err := v.keys["AUTH0"].Code(totp.Step(v.now))
		require.NoError(v.t, err)
		t.Code = code
	}
	next, out, err := v.a.Answer(t, env)
	require.NoError(v.t, err)
	v.a, v.met[browser] = next, v.met[browser] || out.NewBrowser
	return out
}

// signIn signs in with the next code, and returns what was told.
func (v *visitor) signIn(browser string) []event.Kind {
	v.t.Helper()
	v.now = v.now.Add(totp.Period)
	require.Equal(v.t, core.Accepted, v.answer(browser, true, true).Reason)
	return kindsOf(v.a.Events)
}

func kindsOf(events []core.Event) (kinds []event.Kind) {
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (v *visitor) knows(browser string) bool { return v.a.Knows(digest(browser), v.environment()) }

func anyVisitor(t *testing.T) *visitor {
	return newVisitor(&walker{Rand: rand.New(rand.NewPCG(1, 7)), t: t, now: start})
}

// TestBrowserBecomesKnown has a browser become known by a sign-in that its second step completes, and by nothing else. Its
// owner is told once.
func TestBrowserBecomesKnown(t *testing.T) {
	v := anyVisitor(t)
	require.Equal(t, []event.Kind{event.CodeAccepted}, v.signIn(""), "hosts that keep nothing of browsers are told nothing of them")
	require.Empty(t, v.a.Browsers)
	require.Equal(t, core.Wrong, v.answer("home", false, true).Reason)
	v.now = v.now.Add(totp.Period)
	require.Equal(t, core.Accepted, v.answer("home", true, false).Reason)
	require.False(t, v.knows("home"), "a step-up makes none known")

	require.Equal(t, []event.Kind{event.CodeAccepted, event.NewBrowser}, v.signIn("home"))
	first := v.now.Unix()
	client := v.environment().Client
	require.Equal(t, []core.Browser{{Digest: string(digest("home")), Since: first, Used: first, Client: client}}, v.a.Browsers)
	entry := v.a.Activity[len(v.a.Activity)-1]
	require.Equal(t, []any{event.NewBrowser, client}, []any{entry.Kind, entry.Client})
	require.Equal(t, []event.Kind{event.CodeAccepted}, v.signIn("home"), "it is known")
	v.now = v.now.Add(totp.Period)
	require.Equal(t, core.Accepted, v.answer("home", true, false).Reason)
	require.Equal(t, []core.Browser{{Digest: string(digest("home")), Since: first, Used: v.now.Unix(), Client: client}}, v.a.Browsers, "a step-up counts as a use")

	v.now = v.now.Add(time.Hour)
	require.Equal(t, []event.Kind{event.CodeAccepted, event.NewBrowser}, v.signIn("work"))
	require.Equal(t, []string{string(digest("home")), string(digest("work"))}, []string{v.a.Browsers[0].Digest, v.a.Browsers[1].Digest})
	require.Empty(t, v.signIn("home")[1:])
	require.Equal(t, string(digest("home")), v.a.KnownBrowsers(v.environment())[0].Digest, "the latest is the first that is shown")

	// A recovery code completes a sign-in as well, and an operator's does not.
	env := v.environment()
	c := v.a.Challenge(env)
	next, out, err := v.a.Answer(core.Attempt{Method: event.MethodRecoveryCode, Challenge: &c, Browser: digest("phone"), NewBrowser: digest("phone"), Selector: '1', Tried: map[core.Hash]bool{"SET1": true}}, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason)
	require.True(t, next.Knows(digest("phone"), env))
	require.Contains(t, kindsOf(next.Events), event.NewBrowser)
	next, err = next.Resets(by, core.Slot{Selector: "Z", Hash: "h"}, env)
	require.NoError(t, err)
	require.Empty(t, next.Browsers)
	c = next.Challenge(env)
	next, out, err = next.Answer(core.Attempt{Method: event.MethodOperatorCode, Challenge: &c, Browser: digest("phone"), NewBrowser: digest("phone"), Selector: 'Z', Tried: map[core.Hash]bool{"h": true}}, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason)
	require.Empty(t, next.Browsers)
}

// TestPasskeyMakesBrowserKnown is the same for passkeys.
func TestPasskeyMakesBrowserKnown(t *testing.T) {
	for purpose, signsIn := range map[core.PasskeyPurpose]bool{core.PasskeyAnswer: true, core.PasskeySignIn: true, core.PasskeyStepUp: false} {
		v := anyVisitor(t)
		v.a, _ = keyed(t)
		env := v.environment()
		attempt := assertion(v.a, "HARD", purpose, env)
		attempt.NewBrowser = digest("home")
		next, out := v.a.AnswerPasskey(attempt, env)
		require.Equal(t, core.Accepted, out.Reason)
		require.Equal(t, signsIn, next.Knows(digest("home"), env), "%v", purpose)
		require.Equal(t, signsIn, slices.Contains(kindsOf(next.Events), event.NewBrowser))
	}
}

// TestFirstEnrollmentMakesBrowserKnown: whoever turns two-factor on in a browser is not told of it at the next sign-in.
// After a reset they are: support's code may have gone astray.
func TestFirstEnrollmentMakesBrowserKnown(t *testing.T) {
	for kind, known := range map[core.Kind]bool{core.Vouched: true, core.OperatorCode: false} {
		v := anyVisitor(t)
		v.a.Authenticators = nil
		if kind == core.OperatorCode {
			v.a.Reset = &core.Reset{Code: core.Slot{Selector: "Z", Used: 1}}
		}
		env := v.environment()
		p := core.Presented{Proof: core.Proof{Account: v.a.ID, Kind: kind, At: v.now.Unix(), Epoch: 1}, NewBrowser: digest("home")}
		begun, err := v.a.Begin(p, core.Pending{Authenticator: newAuthenticator("AUTH0")}, env)
		require.NoError(t, err)
		code, err := v.keys["AUTH0"].Code(totp.Step(v.now))
		require.NoError(t, err)
		v.a, _, err = begun.Confirm(p, "AUTH0", code, v.keys["AUTH0"], env)
		require.NoError(t, err)
		require.Equal(t, known, v.knows("home"))
		require.NotContains(t, kindsOf(v.a.Events), event.NewBrowser)
		v.met["home"] = known
		require.Equal(t, !known, slices.Contains(v.signIn("home"), event.NewBrowser))
	}
}

// TestBrowsersEnd: what ends sessions because somebody else may be there ends what is known of browsers.
func TestBrowsersEnd(t *testing.T) {
	two := anyVisitor(t)
	two.signIn("home")
	two.signIn("work")
	env := two.environment()
	p := core.Presented{Proof: core.Proof{Account: two.a.ID, Kind: core.SecondFactor, At: env.Now.Unix(), Epoch: two.a.Epoch}}
	off, _, err := two.a.Disable(p, env)
	require.NoError(t, err)
	at := func(browser string) core.Presented {
		p := p
		p.In, p.Browser = digest("session"), slices.Concat(digest("another account's"), digest(browser))
		return p
	}
	add := func(a core.Account, p core.Presented, instead string) core.Account {
		a, err := a.Begin(p, core.Pending{Authenticator: newAuthenticator("NEW"), Replace: instead}, env)
		require.NoError(t, err)
		code, err := two.keys["AUTH0"].Code(totp.Step(env.Now))
		require.NoError(t, err)
		a, _, err = a.Confirm(p, "NEW", code, two.keys["AUTH0"], env)
		require.NoError(t, err)
		return a
	}
	added, replaced := add(two.a, at("work"), ""), add(two.a, at("work"), "AUTH0")
	remover := at("home")
	remover.Epoch = added.Epoch
	removed, _, err := added.Remove(remover, "AUTH0", env)
	require.NoError(t, err)
	remover.Browser = nil
	removedElsewhere, _, err := added.Remove(remover, "AUTH0", env)
	require.NoError(t, err)
	reset, err := two.a.Resets(by, core.Slot{Selector: "Z", Hash: "h"}, env)
	require.NoError(t, err)
	for what, c := range map[string]struct {
		a          core.Account
		home, work bool
	}{
		"nothing":              {two.a, true, true},
		"new password":         {two.a.PasswordChanged(by, false, env), false, false},
		"reset":                {reset, false, false},
		"suspended":            {two.a.Suspend(by, env), false, false},
		"restored":             {two.a.Restored(by, true, false, env), false, false},
		"deleted":              {two.a.Forgotten(env), false, false},
		"two-factor off":       {off, false, false},
		"one more app":         {added, true, true},
		"replaced at work":     {replaced, false, true},
		"removed at home":      {removed, true, false},
		"removed elsewhere":    {removedElsewhere, false, false},
		"ended elsewhere":      {two.a.EndSessions(digest("session"), digest("work"), env), false, true},
		"all ended":            {two.a.EndSessions(nil, nil, env), false, false},
		"forgotten":            {two.a.ForgetBrowser(two.a.Browsers[0].ID()), false, true},
		"all forgotten":        {two.a.ForgetBrowser(""), false, false},
		"another is forgotten": {two.a.ForgetBrowser("00"), true, true},
		"unlocked":             {two.a.UnlockBy(by, event.MethodTOTP, env), true, true},
	} {
		require.Equal(t, []bool{c.home, c.work}, []bool{c.a.Knows(digest("home"), env), c.a.Knows(digest("work"), env)}, what)
		if !c.home && !c.work {
			require.Nil(t, c.a.Browsers, what)
		}
		data, err := c.a.Encode()
		require.NoError(t, err)
		back, err := core.Decode(c.a.ID, data)
		require.NoError(t, err)
		require.Equal(t, c.a.Browsers, back.Browsers, what)
	}
	require.True(t, two.knows("home") && two.knows("work"), "the account is as it was")
}

// TestTenBrowsers has the browser make room whose last second step is the furthest back, by whatever clock.
func TestTenBrowsers(t *testing.T) {
	v := anyVisitor(t)
	for i := range 10 {
		v.signIn(fmt.Sprint("browser ", i))
	}
	require.Empty(t, v.signIn("browser 0")[1:])
	v.now = v.now.Add(-20 * time.Minute) // the order is that of uses, and not of moments
	v.a.Authenticators[0].Last, v.a.Authenticators[0].Steps = 0, nil
	require.Equal(t, []event.Kind{event.CodeAccepted, event.NewBrowser}, v.signIn("an eleventh"))
	require.Len(t, v.a.Browsers, 10)
	require.False(t, v.knows("browser 1"))
	for _, kept := range []string{"browser 0", "browser 2", "browser 9", "an eleventh"} {
		require.True(t, v.knows(kept), kept)
	}
}

// TestBrowserOfAnotherClock: a browser is known for ninety days, and what a clock has noted that was ahead by more than
// the hour that clocks may run back makes none known for longer.
func TestBrowserOfAnotherClock(t *testing.T) {
	v := anyVisitor(t)
	v.signIn("home")
	used, days := v.now, 24*time.Hour
	for ago, known := range map[time.Duration]bool{
		0: true, 90*days - time.Second: true, 90 * days: false, 1000 * days: false,
		-time.Hour - 30*time.Second: true, -time.Hour - 31*time.Second: false, -1000 * days: false,
	} {
		v.now = used.Add(ago)
		require.Equal(t, known, v.knows("home"), ago)
		require.Equal(t, known, len(v.a.KnownBrowsers(v.environment())) == 1)
	}
	v.now = used.Add(91 * days)
	require.Equal(t, []event.Kind{event.CodeAccepted, event.NewBrowser}, v.signIn("home"))
	require.Len(t, v.a.Browsers, 1)
	require.Equal(t, v.now.Unix(), v.a.Browsers[0].Since, "it is known anew")
	v.now = used.Add(days) // the clock is put right
	require.False(t, v.knows("home"))
	v.a.Authenticators[0].Last, v.a.Authenticators[0].Steps = 0, nil
	require.Contains(t, v.signIn("home"), event.NewBrowser)
	require.Equal(t, v.now.Unix(), v.a.Browsers[0].Used, "and so is the moment")
}

// TestBrowsersAreNotKeptForGood: a save leaves out browsers whose ninety days are over, and no others, such as those whose
// last second step lies ahead.
func TestBrowsersAreNotKeptForGood(t *testing.T) {
	v := anyVisitor(t)
	last := v.now
	v.signIn("home")
	v.signIn("work")
	before := slices.Clone(v.a.Browsers)
	env := v.environment()
	for days, kept := range map[time.Duration]int{-1000: 2, 0: 2, 89: 2, 90: 1, 91: 0} {
		env.Now = last.Add(totp.Period + days*24*time.Hour) // of the first of them
		a := v.a.WithoutExpired(env)
		require.Equal(t, before[2-kept:], append([]core.Browser{}, a.Browsers...), days)
		require.Equal(t, kept == 0, a.Browsers == nil, days)
		require.Equal(t, before, v.a.Browsers, "the account is as it was")
	}
}

// TestCopyOfAnEndedBrowser: what a browser keeps serves several accounts. Where an account does not know it, any more or
// yet, it becomes known by a new secret: a copy from before is not known again.
func TestCopyOfAnEndedBrowser(t *testing.T) {
	v := anyVisitor(t)
	v.signIn("home")
	env := v.environment()
	ended := v.a.PasswordChanged(by, false, env)
	copied := slices.Concat(digest("another account's"), digest("home"))
	require.True(t, v.a.Knows(copied, env))
	for _, fresh := range [][]byte{digest("new"), nil} {
		v.a = ended
		v.now = v.now.Add(totp.Period)
		env := v.environment()
		c := v.a.Challenge(env)
		code, err := v.keys["AUTH0"].Code(totp.Step(v.now))
		require.NoError(t, err)
		next, out, err := v.a.Answer(core.Attempt{Method: event.MethodTOTP, Challenge: &c, Code: code, Keys: v.keys, Browser: copied, NewBrowser: fresh}, env)
		require.NoError(t, err)
		require.Equal(t, core.Accepted, out.Reason)
		require.False(t, next.Knows(copied, env))
		require.Equal(t, fresh != nil, out.NewBrowser)
		require.Equal(t, fresh != nil, next.Knows(slices.Concat(copied, digest("new")), env))
	}
}

// TestGuesserLocksNoKnownBrowserOut: whatever somebody does who has the password and no cookie of a known browser, the
// owner's codes are taken there. All guesses in a row are no more than fifty together with the owner's own wrong codes,
// whoever makes them and whatever clocks do.
func TestGuesserLocksNoKnownBrowserOut(t *testing.T) {
	walk(t, 30, func(w *walker) {
		v := newVisitor(w)
		v.signIn("home")
		inRow, guesses, most := 0, 0, 0
		for range 400 {
			if w.IntN(3) == 0 {
				w.now = w.now.Add(time.Duration(w.IntN(90)) * time.Minute)
			}
			if w.IntN(40) == 0 { // the clock is ahead, or comes back
				w.now = w.now.Add(time.Duration(w.IntN(3)-1) * 50 * time.Minute)
			}
			from := []string{"", "", "away", "a copy", "another"}[w.IntN(5)]
			if from == "a copy" && w.seed%2 == 0 {
				from = "home"
			}
			switch out := v.answer(from, false, w.IntN(2) == 0); out.Reason {
			case core.Wrong:
				inRow++
				guesses++
			default:
				require.Equal(t, core.LockedOut, out.Reason)
			}
			most = max(most, inRow)
			require.LessOrEqual(t, inRow, 50)
			require.LessOrEqual(t, v.a.TOTPThrottle.Failures+v.a.TOTPThrottle.Known.Failures, 50)
			if w.seed%2 == 1 { // nobody has the cookie
				require.True(t, v.a.TOTPState(digest("home"), v.environment()).Available)
			}
			if w.IntN(60) == 0 && w.seed%2 == 1 {
				strangers := v.a.TOTPThrottle.Streak
				v.signIn("home")
				require.Equal(t, strangers, v.a.TOTPThrottle.Streak, "the owner's sign-in gives a guesser no more guesses")
				require.Zero(t, v.a.TOTPThrottle.Known)
			}
		}
		state := v.a.TOTPState(nil, v.environment())
		require.False(t, state.Available || !state.RetryAt.IsZero(), "strangers are locked out for good")
		if w.seed%2 == 0 { // they have the cookie and all guesses there are
			require.Equal(t, 50, most)
			require.Equal(t, 50, guesses)
		} else {
			require.Equal(t, 40, guesses)
		}
	})
}

// guess gives wrong codes from no browser until they are looked at no more, and returns how many were.
func (v *visitor) guess() (guesses int) {
	v.t.Helper()
	for {
		state := v.a.TOTPState(nil, v.environment())
		switch {
		case state.Available:
			require.Equal(v.t, core.Wrong, v.answer("", false, true).Reason)
			guesses++
		case state.RetryAt.IsZero():
			return guesses
		default:
			v.now = state.RetryAt
		}
	}
}

// TestOwnerIsNoStrangerForGood: somebody with the password uses up the failures of strangers. Then the owner sets a new
// one, or what is known of browsers ends otherwise, and every browser is a stranger's: those of known browsers are
// theirs then, and no more than fifty together. A sign-in ends them all.
func TestOwnerIsNoStrangerForGood(t *testing.T) {
	for what, ends := range map[string]func(v *visitor){
		"new password": func(v *visitor) { v.a = v.a.PasswordChanged(by, false, v.environment()) },
		"suspended":    func(v *visitor) { v.a = v.a.Suspend(by, v.environment()).Resume(by, v.environment()) },
		"restored":     func(v *visitor) { v.a = v.a.Restored(by, true, false, v.environment()) },
		"forgotten":    func(v *visitor) { v.a = v.a.ForgetBrowser("") },
		"ninety days":  func(v *visitor) { v.now = v.now.Add(90 * 24 * time.Hour) },
	} {
		for _, mistakes := range []int{0, 9, 10} { // of known browsers before
			t.Run(fmt.Sprint(what, " ", mistakes), func(t *testing.T) {
				v := anyVisitor(t)
				v.signIn("home")
				for range mistakes {
					v.now = v.now.Add(2 * time.Hour)
					require.Equal(t, core.Wrong, v.answer("home", false, true).Reason)
				}
				require.Equal(t, 40, v.guess())
				require.True(t, v.a.Index(totp.DefaultWindow()).Disabled)

				ends(v)
				state := v.a.TOTPState(nil, v.environment())
				kept := len(v.a.Browsers) > 0 // and known no more: the index cannot tell
				require.Equal(t, mistakes < 10, state.Available || !state.RetryAt.IsZero())
				require.Equal(t, mistakes == 10 || kept, v.a.Index(totp.DefaultWindow()).Disabled)
				if mistakes < 10 {
					v.now = v.now.Add(2 * time.Hour)
					owner := *v
					require.Contains(t, owner.signIn("home"), event.NewBrowser)
					require.Zero(t, [2]core.Streak{owner.a.TOTPThrottle.Streak, owner.a.TOTPThrottle.Known})
					owner = *v
					owner.now = owner.now.Add(totp.Period)
					require.Equal(t, core.Accepted, owner.answer("", true, false).Reason)
					require.Zero(t, [2]core.Streak{owner.a.TOTPThrottle.Streak, owner.a.TOTPThrottle.Known}, "nobody else has any of them")
				}
				require.Equal(t, 10-mistakes, v.guess())
				require.True(t, v.a.Index(totp.DefaultWindow()).Disabled)
				require.Equal(t, 50, v.a.TOTPThrottle.Failures+v.a.TOTPThrottle.Known.Failures)
			})
		}
	}
	v := anyVisitor(t)
	v.a.TOTPThrottle.Failures = 50 // of a program that had no shares
	require.Zero(t, v.guess())
}

// TestKnownBrowserIsNoWorseOff: where the failures of known browsers are used up, by a copy of a cookie, they are as good
// as any other. A sign-in from any makes it right, and so does unlocking.
func TestKnownBrowserIsNoWorseOff(t *testing.T) {
	v := anyVisitor(t)
	v.signIn("home")
	for range 10 {
		v.now = v.now.Add(2 * time.Hour)
		require.Equal(t, core.Wrong, v.answer("home", false, true).Reason)
	}
	require.Equal(t, []int{0, 10}, []int{v.a.TOTPThrottle.Failures, v.a.TOTPThrottle.Known.Failures})
	require.True(t, v.a.TOTPState(digest("home"), v.environment()).Available)
	require.False(t, v.a.Index(totp.DefaultWindow()).Disabled, "the index speaks of strangers")
	require.Equal(t, core.Wrong, v.answer("home", false, true).Reason)
	require.Equal(t, []int{1, 10}, []int{v.a.TOTPThrottle.Failures, v.a.TOTPThrottle.Known.Failures})

	unlocked := v.a.UnlockBy(by, event.MethodTOTP, v.environment())
	require.Zero(t, [2]core.Streak{unlocked.TOTPThrottle.Streak, unlocked.TOTPThrottle.Known})
	require.Equal(t, []event.Kind{event.MethodUnlocked}, kindsOf(unlocked.Events))
	v.signIn("a new one")
	require.Zero(t, [2]core.Streak{v.a.TOTPThrottle.Streak, v.a.TOTPThrottle.Known})
}

// TestRecoveryCodeEndsNoFailures: a sign-in by another method than TOTP leaves its failures, wherever it comes from.
func TestRecoveryCodeEndsNoFailures(t *testing.T) {
	v := anyVisitor(t)
	v.signIn("home")
	for _, from := range []string{"home", "away"} {
		require.Equal(t, core.Wrong, v.answer(from, false, true).Reason)
	}
	env := v.environment()
	c := v.a.Challenge(env)
	next, out, err := v.a.Answer(core.Attempt{Method: event.MethodRecoveryCode, Challenge: &c, Browser: digest("home"), Selector: '1', Tried: map[core.Hash]bool{"SET1": true}}, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason)
	require.Equal(t, []int{1, 1}, []int{next.TOTPThrottle.Failures, next.TOTPThrottle.Known.Failures})
}

// TestKnownBrowserReplacesStep: a known browser replaces the second step where the host says so, and the proof stays that
// of a password. After a reset it replaces nothing, and it is not used by that: the ninety days are those of a second step.
func TestKnownBrowserReplacesStep(t *testing.T) {
	v := anyVisitor(t)
	v.signIn("home")
	env := v.environment()
	epoch := v.a.Epoch
	for browser, signs := range map[string]bool{"home": true, "away": false, "": false} {
		f := core.FirstFactor{Method: "pwd", At: env.Now.Unix(), Before: &epoch, SignIn: true}
		if browser != "" {
			f.Browser = digest(browser)
		}
		next, p, err := v.a.Vouch(f, digest("session"), env)
		require.NoError(t, err)
		require.Equal(t, core.Vouched, p.Kind)
		require.Equal(t, signs, v.a.SignedInBy(p, false, f.Browser, env))
		require.Equal(t, signs, slices.Contains(kindsOf(next.Events), event.FirstFactorSignIn))
		require.Equal(t, v.a.Browsers, next.Browsers)
		require.Equal(t, core.Permissions{}, next.Permissions(core.Presented{Proof: p, In: digest("session"), Browser: f.Browser}, env))
		closed := v.a
		closed.Reset = &core.Reset{}
		require.False(t, closed.SignedInBy(p, false, f.Browser, env))
	}
	for age, signs := range map[time.Duration]bool{core.ProofLife: true, core.ProofLife + time.Second: false, 1000 * time.Hour: false} {
		f := core.FirstFactor{Method: "fed", At: env.Now.Add(-age).Unix(), Before: &epoch, SignIn: true, Browser: digest("home")}
		next, p, err := v.a.Vouch(f, digest("session"), env)
		require.NoError(t, err)
		require.Equal(t, signs, p.Kind == core.Vouched, age)
		require.Equal(t, signs, v.a.SignedInBy(p, false, f.Browser, env), age)
		require.Equal(t, signs, slices.Contains(kindsOf(next.Events), event.FirstFactorSignIn), age)
	}
}
