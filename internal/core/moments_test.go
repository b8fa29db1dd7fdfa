package core_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	shown    = "it is shown, and nothing is decided by it"
	noMoment = "it is no moment"
	isThere  = "what counts is whether it is 0"
	given    = "who sets it chooses it: it is no clock's"
	isTested = "bounded when it is read"
)

// moments are all numbers of an account, a challenge and a proof that could be moments, by their path, with the reason
// why one that a wrong clock has set does no harm. docs/design.md has the same table for people. A new field must be
// added to both.
var moments = map[string]string{
	"Account.Authenticators.Last":            isTested,
	"Account.Authenticators.Steps":           "no step leaves them; see TestNoStepTwice and TestClockIsPutRight",
	"Account.Authenticators.Created":         shown,
	"Account.Authenticators.LastUsed":        shown,
	"Account.Passkeys.Accepted":              "one denial puts it right; see settle, and TestPasskeyOfAnotherClock",
	"Account.Passkeys.Suspected":             "as Accepted, for what looks like a copy",
	"Account.Passkeys.Created":               shown,
	"Account.Passkeys.LastUsed":              shown,
	"Account.Pending.Expires":                isTested,
	"Account.Pending.Authenticator.Last":     "it is 0 until the enrollment is confirmed",
	"Account.Pending.Authenticator.Steps":    "there are none until the enrollment is confirmed",
	"Account.Pending.Authenticator.Created":  shown,
	"Account.Pending.Authenticator.LastUsed": shown,
	"Account.Pending.Recovery.Created":       shown,
	"Account.Pending.Recovery.Acknowledged":  isThere,
	"Account.Pending.Recovery.Slots.Used":    isThere,
	"Account.Recovery.Created":               shown,
	"Account.Recovery.Acknowledged":          isThere,
	"Account.Recovery.Slots.Used":            isThere,
	"Account.TOTPThrottle.Streak.Until":      isTested,
	"Account.TOTPThrottle.Known.Until":       isTested,
	"Account.Browsers.Since":                 shown,
	"Account.Browsers.Used":                  isTested,
	"Account.TOTPThrottle.Days":              isTested,
	"Account.Minted":                         isTested,
	"Account.TOTPThrottle.Alarm.At":          isTested,
	"Account.TOTPThrottle.Alarm.Count":       noMoment,
	"Account.RecoveryThrottle.Full":          isTested,
	"Account.Misses.Full":                    isTested,
	"Account.SignIns":                        noMoment,
	"Account.Reset.Expires":                  isTested,
	"Account.Reset.At":                       shown,
	"Account.Reset.Life":                     noMoment,
	"Account.Reset.Code.Used":                isThere,
	"Account.Suspension.At":                  shown,
	"Account.Activity.At":                    shown,
	"Account.Activity.First":                 shown,
	"Account.Activity.Number":                noMoment,
	"Account.Activity.RetryAt":               "it is not stored",
	"Account.Activity.Expires":               "it is not stored",
	"Account.Noted":                          noMoment,
	"Account.Notices.Event.At":               shown,
	"Account.Notices.Event.First":            shown,
	"Account.Notices.Event.Number":           noMoment,
	"Account.Notices.Event.RetryAt":          "it is not stored",
	"Account.Notices.Event.Expires":          "it is not stored",
	"Account.NoticesHeld":                    isTested,
	"Account.LookedAt":                       noMoment,
	"Account.Since":                          "one denial puts it right; see settleSince, TestSinceOfAnotherClock and TestSignInThatWasHeldBack",
	"Account.Accepted.At":                    shown,
	"Account.Accepted.Until":                 given,
	"Account.History.At":                     shown,
	"Account.Epoch":                          noMoment,
	"Account.SessionEpoch":                   noMoment,
	"Account.TokenEpoch":                     noMoment,
	"Account.FirstTokenEpoch":                noMoment,
	"Account.Events.At":                      "it is not stored",
	"Account.Events.First":                   "it is not stored",
	"Account.Events.Number":                  "it is not stored",
	"Account.Events.RetryAt":                 "it is not stored",
	"Account.Events.Expires":                 "it is not stored",

	"Challenge.Epoch": noMoment, "Challenge.SignIns": noMoment, "Challenge.At": isTested,
	"PasskeyChallenge.Epoch": noMoment, "PasskeyChallenge.SignIns": noMoment, "PasskeyChallenge.Begun": noMoment, "PasskeyChallenge.At": isTested,
	"Proof.Epoch": noMoment, "Proof.Stamp": noMoment, "Proof.At": isTested,
}

// numbers calls f with every int64 in a value, by its path without indexes. Arrays are one number.
func numbers(path string, v reflect.Value, f func(path string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Int64:
		f(path, v)
	case reflect.Pointer:
		numbers(path, v.Elem(), f)
	case reflect.Slice:
		for i := range v.Len() {
			numbers(path, v.Index(i), f)
		}
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Int64 {
			f(path, v)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			numbers(path+"."+v.Type().Field(i).Name, v.Field(i), f)
		}
	}
}

// complete is full with an event that is yet to be told.
func complete() core.Account {
	a := full()
	a.Events = []core.Event{{}}
	return a
}

// Row F5: there is no stored number of which nobody has decided what a wrong clock may do with it.
func TestMomentsAreAllKnown(t *testing.T) {
	found := map[string]bool{}
	var look func(path string, t reflect.Type)
	look = func(path string, t reflect.Type) {
		switch t.Kind() {
		case reflect.Int64:
			found[path] = true
		case reflect.Pointer, reflect.Slice, reflect.Array:
			look(path, t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				look(path+"."+t.Field(i).Name, t.Field(i).Type)
			}
		}
	}
	for _, t := range []reflect.Type{reflect.TypeFor[core.Account](), reflect.TypeFor[core.Challenge](), reflect.TypeFor[core.PasskeyChallenge](), reflect.TypeFor[core.Proof]()} {
		look(t.Name(), t)
	}
	require.Equal(t, slices.Sorted(maps.Keys(moments)), slices.Sorted(maps.Keys(found)))
}

// wrongBy are how far a wrong clock may have been ahead.
var wrongBy = []time.Duration{2 * time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour}

// Row F5: each stored number by itself is of a clock that was ahead. The owner gets in with the code of an
// app and with a recovery code within the hour that the clock may run back, and the steps of a window.
func TestOwnerGetsInWhateverMomentIsWrong(t *testing.T) {
	for path := range moments {
		for _, ahead := range wrongBy {
			found := false
			for _, method := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode, event.MethodOperatorCode, event.MethodPasskey} {
				a, keys := gettingIn(method)
				numbers("Account", reflect.ValueOf(&a), func(at string, v reflect.Value) {
					if at != path || moments[path] == noMoment {
						return
					}
					found = true
					setAhead(path, v, ahead)
				})
				wait := waits(t, a, keys, method)
				most := time.Hour + 2*totp.Period
				if method == event.MethodOperatorCode && path == "Account.Reset.Expires" && ahead > 24*time.Hour {
					require.Negative(t, wait, "a code that would work for longer than a day works not at all")
					continue
				}
				require.GreaterOrEqual(t, wait, time.Duration(0), "%s, %v ahead, %v", path, ahead, method)
				require.LessOrEqual(t, wait, most, "%s, %v ahead, %v", path, ahead, method)
			}
			set := strings.HasPrefix(path, "Account.") && moments[path] != noMoment && !slices.Contains(empty, path)
			require.Equal(t, set, found, path)
		}
	}
}

// empty are what an account has nothing of while its owner gets in.
var empty = []string{"Account.Suspension.At", "Account.Events.At", "Account.Events.RetryAt", "Account.Events.Expires", "Account.Events.First", "Account.Events.Number", "Account.Pending.Authenticator.Steps"}

// setAhead has a number be of a clock that was ahead.
func setAhead(path string, v reflect.Value, ahead time.Duration) {
	at := start.Add(ahead)
	switch {
	case v.Kind() == reflect.Array && v.Type() == reflect.TypeFor[core.DayCount]():
		v.Set(reflect.ValueOf(core.DayCount{at.Unix() / 86400, 19}))
	case v.Kind() == reflect.Array: // a run of accepted steps
		v.Set(reflect.ValueOf([2]int64{totp.Step(at), totp.Step(at) + 1}))
	case path == "Account.Authenticators.Last":
		v.SetInt(totp.Step(at))
	case path == "Account.Passkeys.Accepted", path == "Account.Passkeys.Suspected":
		v.SetInt(at.UnixNano())
	default:
		v.SetInt(at.Unix())
	}
}

// gettingIn is an account that has something of everything and whose owner gets in by a method.
func gettingIn(m event.Method) (core.Account, map[string]totp.Key) {
	a := complete()
	a.Suspension, a.Events = nil, nil
	a.TOTPThrottle = core.TOTPThrottle{Streak: core.Streak{Failures: 3, Until: start.Unix() - 10}, Days: []core.DayCount{{20512, 2}}, Alarm: core.Alarm{At: 5, Count: 20}}
	a.TOTPThrottle.Known, a.Browsers[0].Used = core.Streak{Failures: 3, Until: start.Unix() - 10}, start.Unix()-10
	a.RecoveryThrottle.Full = start.Unix() + 10
	a.Reset.Expires = start.Unix() + 1000
	a.Authenticators = a.Authenticators[:1]
	a.Authenticators[0].Last, a.Authenticators[0].Steps = 50, core.Steps{{50, 50}}
	a.Pending.Replace = ""
	a.Passkeys = a.Passkeys[:1]
	a.Passkeys[0].Count = 7
	if m != event.MethodOperatorCode {
		a.Reset = nil
	}
	return a, map[string]totp.Key{"A1": {Secret: totp.GenerateSecret()}}
}

// waits returns how long the owner of an account has to wait until a right code is accepted, negative if it
// is not within two hours.
func waits(t *testing.T, a core.Account, keys map[string]totp.Key, m event.Method) time.Duration {
	for wait := time.Duration(0); wait < 2*time.Hour; wait += totp.Period {
		env := core.Env{Now: start.Add(wait), Fresh: 1, Window: totp.DefaultWindow()}
		code, err := keys["A1"].Code(totp.Step(env.Now))
		require.NoError(t, err)
		if m == event.MethodPasskey {
			next, out := a.AnswerPasskey(assertion(a, "K1", core.PasskeySignIn, env), env)
			if out.Reason == core.Accepted {
				return wait
			}
			a = next
			continue
		}
		c := a.Challenge(env)
		attempt := core.Attempt{Method: m, Challenge: &c, Code: code, Keys: keys, Tried: map[core.Hash]bool{}}
		switch m {
		case event.MethodRecoveryCode:
			for _, slot := range a.Recovery.Slots {
				if slot.Hash != "" {
					attempt.Selector, attempt.Tried[slot.Hash] = slot.Selector[0], true
				}
			}
		case event.MethodOperatorCode:
			attempt.Selector, attempt.Tried["h"] = 'Z', true
		}
		_, stranger, err := a.Answer(attempt, env)
		require.NoError(t, err)
		attempt.Browser = []byte(a.Browsers[0].Digest)
		_, home, err := a.Answer(attempt, env)
		require.NoError(t, err)
		if stranger.Reason == core.Accepted && home.Reason == core.Accepted {
			return wait
		}
	}
	return -1
}

// Row F5: a lock that no clock of now can have set leaves one try, and the failures before it count.
func TestLockOfAnotherClock(t *testing.T) {
	for _, c := range []struct {
		until  int64
		locked bool
	}{{-1, false}, {0, false}, {1, true}, {3600, true}, {3630, true}, {3631, false}, {1 << 40, false}} {
		w := &walker{t: t, now: start}
		a, keys := w.account(1)
		a.TOTPThrottle = core.TOTPThrottle{Streak: core.Streak{Failures: 11, Until: start.Unix() + c.until}}
		env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
		state := a.TOTPState(nil, env)
		next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys}, env)
		require.NoError(t, err)
		if c.locked {
			want := start.Add(time.Duration(c.until) * time.Second)
			require.Equal(t, core.MethodState{RetryAt: want}, state)
			require.Equal(t, core.Outcome{Reason: core.LockedOut, RetryAt: want}, out)
			require.Equal(t, a.TOTPThrottle, next.TOTPThrottle)
			continue
		}
		require.Equal(t, core.MethodState{Available: true}, state, "%d", c.until)
		require.Equal(t, core.Outcome{Reason: core.Wrong, RetryAt: start.Add(time.Hour)}, out)
		require.Equal(t, core.TOTPThrottle{
			Streak: core.Streak{Failures: 12, Until: start.Unix() + 3600}, Days: []core.DayCount{{start.Unix() / 86400, 1}},
		}, next.TOTPThrottle)
	}
}

// Row F5: what counts for a time counts for no longer, by whatever clock it began.
func TestNothingCountsForLonger(t *testing.T) {
	for _, life := range []struct {
		name string
		most time.Duration // that it may count for yet
		set  func(a *core.Account, until int64)
		open func(a core.Account, env core.Env) bool
	}{
		{"a pending enrollment", 10 * time.Minute, func(a *core.Account, until int64) { a.Pending.Expires = until },
			func(a core.Account, env core.Env) bool { return a.PendingNow(env) != nil }},
		{"an operator's code", 24 * time.Hour, func(a *core.Account, until int64) { a.Reset.Expires = until },
			func(a core.Account, env core.Env) bool { return a.OperatorState(env).Available }},
	} {
		for _, until := range []time.Duration{-time.Second, 0, time.Second, life.most, life.most + 30*time.Second, life.most + 31*time.Second, wrongBy[1]} {
			a, _ := gettingIn(event.MethodOperatorCode)
			life.set(&a, start.Add(until).Unix())
			env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
			want := 0 < until && until <= life.most+30*time.Second
			require.Equal(t, want, life.open(a, env), "%s: %v", life.name, until)
			if life.name == "an operator's code" {
				hashes, _ := a.Untried(core.Attempt{Method: event.MethodOperatorCode, Selector: 'Z'}, env)
				require.Equal(t, want, len(hashes) == 1, "%v", until)
			}
		}
	}
}

// Row F5: failures that were counted for days to come are of today, and do not stay for longer.
func TestDaysOfAnotherClock(t *testing.T) {
	w := &walker{t: t, now: start}
	a, keys := w.account(1)
	today := start.Unix() / 86400
	a.TOTPThrottle.Days = []core.DayCount{{today - 30, 1}, {today - 29, 2}, {today, 4}, {today + 1, 8}, {today + 30, 3}}
	fail := func(a core.Account, now time.Time) core.Account {
		next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys}, core.Env{Now: now, Fresh: 1})
		require.NoError(t, err)
		require.Equal(t, core.Wrong, out.Reason)
		return next
	}
	a = fail(a, start)
	require.Equal(t, []core.DayCount{{today - 29, 2}, {today, 16}}, a.TOTPThrottle.Days)
	require.Equal(t, core.Alarm{}, a.TOTPThrottle.Alarm, "there were 18")
	a = fail(a, start.AddDate(0, 0, 29))
	require.Equal(t, []core.DayCount{{today, 16}, {today + 29, 1}}, a.TOTPThrottle.Days)
	a = fail(a, start.AddDate(0, 0, 30))
	require.Equal(t, []core.DayCount{{today + 29, 1}, {today + 30, 1}}, a.TOTPThrottle.Days)
}

// Row F5: a moment after which first factors count, of a clock that was ahead, costs one denial.
func TestSinceOfAnotherClock(t *testing.T) {
	for ahead, right := range map[time.Duration]bool{0: true, 30 * time.Second: false, 31 * time.Second: true, wrongBy[1]: true} {
		a, _ := gettingIn(event.MethodTOTP)
		a.Authenticators, a.Recovery, a.Since = nil, nil, start.Add(ahead).Unix()
		vouch := func(at time.Time) (ok bool) {
			next, _, err := a.Vouch(core.FirstFactor{Method: "pwd", At: at.Unix()}, nil, core.Env{Now: at, Fresh: 1})
			if err != nil {
				require.ErrorIs(t, err, core.ErrStepUpRequired)
			}
			a = next
			return err == nil
		}
		require.False(t, vouch(start), "%v", ahead)
		require.Equal(t, right, vouch(start.Add(time.Second)), "%v", ahead)
		require.True(t, vouch(start.Add(31*time.Second)), "%v", ahead)
	}
}
