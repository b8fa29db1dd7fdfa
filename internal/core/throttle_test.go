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

// start is a whole step and a whole day.
var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// walker takes random steps that can be had again from its seed.
type walker struct {
	*rand.Rand
	t    *testing.T
	seed int
	now  time.Time
}

func walk(t *testing.T, seeds int, f func(w *walker)) {
	t.Helper()
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			f(&walker{rand.New(rand.NewPCG(uint64(seed), 7)), t, seed, start})
		})
	}
}

func (w *walker) env(window totp.Window) core.Env {
	return core.Env{Now: w.now, Fresh: w.Int64N(1<<62) + 1, Window: window}
}

// account has authenticators with keys, and ten recovery codes whose hashes are their selectors.
func (w *walker) account(authenticators int) (core.Account, map[string]totp.Key) {
	a, keys := core.Account{ID: "user-42", Epoch: 1, TokenEpoch: 1, Recovery: newSet("SET")}, map[string]totp.Key{}
	for i := range authenticators {
		id := fmt.Sprint("AUTH", i)
		a.Authenticators = append(a.Authenticators, newAuthenticator(id))
		keys[id] = totp.Key{Secret: totp.GenerateSecret()}
	}
	return a, keys
}

func newAuthenticator(id string) core.Authenticator {
	return core.Authenticator{ID: id, Name: "Phone " + id, Sealed: []byte("sealed " + id), Key: "k1", Digits: 6, Created: start.Unix()}
}

func newSet(id string) *core.RecoverySet {
	set := &core.RecoverySet{ID: id, Created: start.Unix()}
	for _, s := range "0123456789" {
		set.Slots = append(set.Slots, core.Slot{Selector: string(s), Hash: core.Hash(id + string(s))})
	}
	return set
}

// naive is the throttle of TOTP as the table of numbers has it, in words and not in arithmetic.
type naive struct {
	strangers, known streak
	month            []time.Time
	told             time.Time
	toldCount        int
}

type streak struct {
	free, most int
	failures   int
	until      time.Time
}

func (s *streak) clear() { s.failures, s.until = 0, time.Time{} }

// of returns what a code is counted with: known browsers have their own failures, until those are used up, and strangers
// have them after theirs where no browser is known.
func (n *naive) of(known, noneKnown bool) *streak {
	if n.known.failures < n.known.most && (known || noneKnown && n.strangers.failures >= n.strangers.most) {
		return &n.known
	}
	return &n.strangers
}

func (n *naive) fail(s *streak, now time.Time) {
	n.month = append(n.month, now)
	s.fail(now)
}

func (n *streak) fail(now time.Time) {
	n.failures++
	waits := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}
	switch over := n.failures - n.free; {
	case over <= 0:
	case over <= len(waits):
		n.until = now.Add(waits[over-1])
	default:
		n.until = now.Add(time.Hour)
	}
}

// lastMonth counts the failures of today and the 29 days before.
func (n *naive) lastMonth(now time.Time) (count int) {
	for _, at := range n.month {
		if at.After(now.Truncate(24*time.Hour).AddDate(0, 0, -29).Add(-1)) && !at.After(now) {
			count++
		}
	}
	return count
}

// alarms says whether a failure is told as one of many: of twenty and more in a month, a week after it was
// told last or when they have doubled.
func (n *naive) alarms(now time.Time) bool {
	count := n.lastMonth(now)
	if count < 20 || n.toldCount > 0 && now.Before(n.told.AddDate(0, 0, 7)) && count < 2*n.toldCount {
		return false
	}
	n.told, n.toldCount = now, count
	return true
}

// TestTOTPThrottleWalk holds the throttle against the naive one.
func TestTOTPThrottleWalk(t *testing.T) {
	settings := []struct {
		authenticators int
		window         totp.Window
		base           int // of the first of them

		free, strangers, knownFree, known int
	}{
		{1, totp.DefaultWindow(), 0, 5, 40, 5, 10},
		{1, totp.Window{}, 0, 5, 40, 5, 10},
		{3, totp.Window{}, 0, 5, 40, 5, 10},
		{2, totp.DefaultWindow(), 0, 2, 20, 2, 5},
		{4, totp.Window{Past: 1}, 0, 1, 15, 1, 3},
		{1, totp.Window{Past: 2, Ahead: 2}, 0, 3, 24, 3, 6},
		{5, totp.Window{Past: 2, Ahead: 2}, 0, 1, 5, 0, 1},
		{1, totp.Window{}, 20, 5, 40, 5, 10},
		{1, totp.DefaultWindow(), 1, 3, 30, 3, 7},
		{1, totp.DefaultWindow(), -2, 3, 24, 3, 6},
		{1, totp.DefaultWindow(), -20, 2, 20, 2, 5},
		{2, totp.DefaultWindow(), 20, 1, 13, 1, 3},
		{1, totp.Window{Past: 2, Ahead: 2}, 20, 1, 12, 1, 3},
	}
	walk(t, 2*len(settings), func(w *walker) {
		s := settings[w.seed%len(settings)]
		a, keys := w.account(s.authenticators)
		a.Authenticators[0].Base = s.base
		model := naive{strangers: streak{free: s.free, most: s.strangers}, known: streak{free: s.knownFree, most: s.known}}
		right, alarms, noneKnown := 0, 0, false
		for range 400 {
			if w.IntN(50) == 0 {
				noneKnown = !noneKnown
			}
			from := [][]byte{nil, digest("away"), digest("home"), digest("work")}[w.IntN(4)]
			known := !noneKnown && (string(from) == string(digest("home")) || string(from) == string(digest("work")))
			counts := model.of(known, noneKnown)
			switch w.IntN(4) {
			case 0:
				w.now = w.now.Add(time.Duration(w.IntN(40)) * time.Second)
			case 1:
				if counts.until.After(w.now) { // to either side of the lock's end
					w.now = counts.until.Add(time.Duration(w.IntN(2)-1) * time.Second)
				}
			case 2:
				if w.IntN(20) == 0 {
					w.now = w.now.AddDate(0, 0, w.IntN(12))
				}
			}
			env := w.env(s.window)
			a.Browsers = []core.Browser{{Digest: string(digest("home")), Used: w.now.Unix()}, {Digest: string(digest("work")), Used: w.now.Unix() - 90*86400 + 1}}
			if noneKnown { // any more
				a.Browsers = []core.Browser{{Digest: string(digest("home")), Used: w.now.Unix() - 90*86400}}
			}
			disabled, locked := counts.failures >= counts.most, counts.until.After(w.now)
			attempt := core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys, Browser: from}
			one := w.IntN(s.authenticators)
			step := totp.Step(w.now)
			succeeds := w.IntN(12) == 0 && a.Authenticators[one].Last < step
			if succeeds {
				code, err := keys[a.Authenticators[one].ID].Code(step)
				require.NoError(t, err)
				attempt.Code = code
			}

			next, out, err := a.Answer(attempt, env)
			require.NoError(t, err)
			state := a.TOTPState(from, env)
			require.Equal(t, !disabled && !locked, state.Available)
			switch {
			case disabled:
				require.Equal(t, core.Outcome{Reason: core.LockedOut, Disabled: true}, out)
				require.True(t, state.RetryAt.IsZero())
				require.Equal(t, a.TOTPThrottle, next.TOTPThrottle)
				if w.IntN(30) == 0 {
					a = a.UnlockBy(core.By{Operator: "op"}, event.MethodTOTP, env)
					model.strangers.clear()
					model.known.clear()
				}
				continue
			case locked:
				require.Equal(t, core.Outcome{Reason: core.LockedOut, RetryAt: counts.until}, out)
				require.Equal(t, counts.until, state.RetryAt)
				require.Equal(t, a.TOTPThrottle, next.TOTPThrottle)
				continue
			case succeeds:
				require.Equal(t, core.Accepted, out.Reason)
				right++
				counts.clear()
				if known || noneKnown {
					model.known.clear()
				}
				if noneKnown {
					model.strangers.clear()
				}
			default:
				require.Equal(t, core.Wrong, out.Reason)
				model.fail(counts, w.now)
				counts = model.of(known, noneKnown) // another, where the last of one was used up
				locked := counts.until.After(w.now)
				require.Equal(t, counts.failures >= counts.most, out.Disabled)
				switch {
				case out.Disabled:
					require.True(t, out.RetryAt.IsZero())
				case locked:
					require.Equal(t, counts.until, out.RetryAt)
				default:
					require.True(t, out.RetryAt.IsZero(), "a free one")
				}
				want := []core.Event{}
				if out.Disabled || locked {
					want = append(want, core.Event{Kind: event.MethodLocked, At: w.now.Unix(), Method: event.MethodTOTP})
					if !out.Disabled { // otherwise until it is unlocked
						want[0].RetryAt = counts.until.Unix()
					}
				}
				if model.alarms(w.now) {
					alarms++
					want = append(want, core.Event{Kind: event.ManyFailures, At: w.now.Unix(), Count: model.toldCount})
				}
				got := slices.DeleteFunc(slices.Clone(next.Events), func(e core.Event) bool { return e.Kind == event.CodeDenied })
				require.Equal(t, want, got)
			}
			require.Equal(t, []int{model.strangers.failures, model.known.failures}, []int{next.TOTPThrottle.Failures, next.TOTPThrottle.Known.Failures})
			require.LessOrEqual(t, model.strangers.failures+model.known.failures, s.strangers+s.known)
			require.LessOrEqual(t, len(next.TOTPThrottle.Days), 30)
			a = next
		}
		t.Logf("%d successes, %d alarms", right, alarms)
	})
}

// TestBucketWalk holds the recovery throttle against a bucket of sixty seconds, of which a wrong code
// takes six and each second brings one back.
func TestBucketWalk(t *testing.T) {
	walk(t, 6, func(w *walker) {
		a, _ := w.account(1)
		level := 60
		for range 500 {
			wait := w.IntN(4) * w.IntN(4)
			if w.IntN(40) == 0 {
				wait = w.IntN(200)
			}
			w.now = w.now.Add(time.Duration(wait) * time.Second)
			level = min(level+wait, 60)

			env := w.env(totp.DefaultWindow())
			attempt := core.Attempt{Method: event.MethodRecoveryCode, Selector: unused(a, w.IntN), Tried: map[core.Hash]bool{}}
			hashes, _ := a.Untried(attempt, env)
			right := w.IntN(60) == 0 && len(hashes) == 1
			for _, hash := range hashes {
				attempt.Tried[hash] = right
			}
			next, out, err := a.Answer(attempt, env)
			require.NoError(t, err)
			if level < 6 {
				require.Equal(t, core.Outcome{Reason: core.LockedOut, RetryAt: w.now.Add(time.Duration(6-level) * time.Second)}, out)
				require.Equal(t, a.RecoveryThrottle, next.RecoveryThrottle)
				continue
			}
			if right {
				require.Equal(t, core.Accepted, out.Reason)
				level = 60
				if next.Recovery.Left() == 0 {
					next.Recovery = newSet("SET")
				}
			} else {
				require.Contains(t, []core.Reason{core.Wrong, core.Used}, out.Reason)
				level -= 6
				require.False(t, out.Disabled)
				require.Equal(t, level < 6, !out.RetryAt.IsZero())
			}
			a = next
		}
	})
}

// unused returns the selector of a code that is unused.
func unused(a core.Account, draw func(int) int) byte {
	for {
		if slot := a.Recovery.Slots[draw(len(a.Recovery.Slots))]; slot.Hash != "" {
			return slot.Selector[0]
		}
	}
}

// TestBucketOfAnotherClock has what other clocks may have left behind: never a lock of more than a
// minute and the half that clocks may differ by, and at most one code more.
func TestBucketOfAnotherClock(t *testing.T) {
	walk(t, 12, func(w *walker) {
		a, _ := w.account(1)
		a.RecoveryThrottle.Full = w.now.Unix() + []int64{-1 << 62, -100, 0, 59, 60, 61, 89, 90, 91, 1000, 1 << 40, 1<<62 - 1}[w.seed]
		ahead := a.RecoveryThrottle.Full - w.now.Unix()
		evaluated := 0
		for range 90 {
			next, out, err := a.Answer(core.Attempt{Method: event.MethodRecoveryCode, Selector: '0', Tried: map[core.Hash]bool{"SET0": false}}, w.env(totp.Window{}))
			require.NoError(t, err)
			if out.Reason != core.LockedOut {
				evaluated++
				a = next
				require.LessOrEqual(t, a.RecoveryThrottle.Full, w.now.Unix()+60, "put right by the first one")
			}
			w.now = w.now.Add(time.Second)
		}
		require.GreaterOrEqual(t, evaluated, 9)
		if ahead > 60 {
			require.LessOrEqual(t, evaluated, 15, "%d ahead", ahead)
		}
	})
}

// TestMonthOfAClockThatRunsBack has a clock that goes to and fro over midnight: what is kept stays in
// order and short, and can be read again.
func TestMonthOfAClockThatRunsBack(t *testing.T) {
	w := &walker{Rand: rand.New(rand.NewPCG(1, 7)), t: t, now: start}
	a, keys := w.account(1)
	for i := range 100 {
		w.now = start.Add(time.Duration(i%2*2-1) * time.Hour)
		env := w.env(totp.DefaultWindow())
		next, out, err := a.UnlockBy(by, event.MethodTOTP, env).Answer(core.Attempt{Method: event.MethodTOTP, Code: "000000", Keys: keys}, env)
		require.NoError(t, err)
		require.NotEqual(t, core.LockedOut, out.Reason)
		a = next
		a.TOTPThrottle.Failures, a.TOTPThrottle.Until = 0, 0
	}
	require.LessOrEqual(t, len(a.TOTPThrottle.Days), 2)
	data, err := a.Encode()
	require.NoError(t, err)
	_, err = core.Decode(a.ID, data)
	require.NoError(t, err)
	total := int64(0)
	for _, d := range a.TOTPThrottle.Days {
		total += d[1]
	}
	require.Equal(t, int64(100), total)
}

// TestGuessesAfterResync has an owner whose clock was wrong resynchronize at each count of failures: the guesses
// before and after are no more than those at the usual number of steps, and resynchronizing disables nothing.
func TestGuessesAfterResync(t *testing.T) {
	for _, window := range []totp.Window{totp.DefaultWindow(), {}, {Past: 2, Ahead: 2}} {
		for _, base := range []int64{-19, -2, 1, 20} {
			for failures := range 50 {
				w := &walker{Rand: rand.New(rand.NewPCG(1, 7)), t: t, now: start}
				a, keys := w.account(1)
				compared := 0
				guess := func() {
					a.TOTPThrottle.Until, a.TOTPThrottle.Known.Until = 0, 0
					next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys}, w.env(window))
					require.NoError(t, err)
					require.Equal(t, core.Wrong, out.Reason)
					compared += totp.Counter{Base: a.Authenticators[0].Base}.Steps(window)
					a = next
				}
				disabled := func() bool { return a.Index(window).Disabled }
				for range failures {
					if !disabled() {
						guess()
					}
				}
				if disabled() {
					continue
				}
				step := totp.Step(start) + base
				one, err := keys["AUTH0"].Code(step - 1)
				require.NoError(t, err)
				two, err := keys["AUTH0"].Code(step)
				require.NoError(t, err)
				a.TOTPThrottle.Until, a.TOTPThrottle.Known.Until = 0, 0
				days := a.TOTPThrottle.Days
				next, out, err := a.Resync(core.Attempt{Method: event.MethodTOTP, Code: one, Keys: keys}, "AUTH0", two, w.env(window))
				require.NoError(t, err)
				require.Equal(t, core.Outcome{Reason: core.Accepted}, out)
				require.Equal(t, int(base), next.Authenticators[0].Base)
				require.Equal(t, days, next.TOTPThrottle.Days)
				require.LessOrEqual(t, next.TOTPThrottle.Failures, a.TOTPThrottle.Failures)
				a = next
				require.False(t, disabled(), "%+v, base %d, after %d failures", window, base, failures)
				for !disabled() {
					guess()
				}

				require.LessOrEqual(t, compared, 150+2*totp.Counter{Base: int(base)}.Steps(window))
			}
		}
	}
}

// TestKnownBrowsersHaveOneFailureAtLeast: with as many targets as there can be, three failures are all there are.
func TestKnownBrowsersHaveOneFailureAtLeast(t *testing.T) {
	w := &walker{Rand: rand.New(rand.NewPCG(1, 7)), t: t, now: start}
	a, keys := w.account(core.MaxAuthenticators)
	for i := range a.Authenticators {
		a.Authenticators[i].Base = 20
	}
	a.Browsers = []core.Browser{{Digest: string(digest("home")), Used: w.now.Unix()}}
	env := w.env(totp.Window{Past: 2, Ahead: 2})
	a.TOTPThrottle.Failures = 2
	require.True(t, a.Index(env.Window).Disabled)
	require.True(t, a.TOTPState(digest("home"), env).Available)
	next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys, Browser: digest("home")}, env)
	require.NoError(t, err)
	require.Equal(t, core.Outcome{Reason: core.Wrong, Disabled: true}, out)
	require.Equal(t, 1, next.TOTPThrottle.Known.Failures)
}
