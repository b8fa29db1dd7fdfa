package core_test

import (
	"encoding/base32"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// wrist is an owner with a phone whose clock shows what the server's does, and a memory of every step that
// was ever accepted.
type wrist struct {
	*walker
	a      core.Account
	keys   map[string]totp.Key
	window totp.Window
	base   int64
	used   map[int64]bool
	true   time.Time     // what a right clock shows
	off    time.Duration // of the server's clock from it
}

func newWrist(w *walker, windows ...totp.Window) *wrist {
	p := &wrist{walker: w, window: windows[w.seed%len(windows)], used: map[int64]bool{}, true: start}
	p.a, p.keys = w.account(1)
	raw := make([]byte, 20)
	for i := range raw {
		raw[i] = byte(w.Uint32())
	}
	secret, err := totp.ParseSecret(base32.StdEncoding.EncodeToString(raw))
	require.NoError(w.t, err)
	p.keys["AUTH0"] = totp.Key{Secret: secret} // of the seed, as codes of six digits are the same now and then
	if w.IntN(2) == 0 {
		p.base = w.Int64N(41) - 20
		p.a.Authenticators[0].Base = int(p.base)
	}
	return p
}

var windowsOfSteps = []totp.Window{totp.DefaultWindow(), {}, {Past: 2, Ahead: 2}, {Ahead: 2}, {Past: 1}}

func (p *wrist) wait(d time.Duration) { p.true = p.true.Add(d) }

func (p *wrist) env0() core.Env { p.now = p.true.Add(p.off); return p.env(p.window) }

// try presents the code of a step and says whether it was accepted. Nothing is accepted twice.
func (p *wrist) try(step int64) bool {
	code, err := p.keys["AUTH0"].Code(step)
	require.NoError(p.t, err)
	p.a.TOTPThrottle = core.TOTPThrottle{}
	next, out, err := p.a.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: p.keys}, p.env0())
	require.NoError(p.t, err)
	if out.Reason != core.Accepted {
		return false
	}
	step = next.Authenticators[0].Last // another one, if that has the same code
	require.False(p.t, p.used[step], "step %d is accepted a second time", step)
	p.used[step] = true
	p.a = next
	data, err := next.Encode()
	require.NoError(p.t, err)
	p.a, err = core.Decode(next.ID, data)
	require.NoError(p.t, err)
	return true
}

// resync tries a pair of codes, the second of which is that of a step.
func (p *wrist) resync(step int64) bool {
	one, err := p.keys["AUTH0"].Code(step - 1)
	require.NoError(p.t, err)
	two, err := p.keys["AUTH0"].Code(step)
	require.NoError(p.t, err)
	p.a.TOTPThrottle = core.TOTPThrottle{}
	next, out, err := p.a.Resync(core.Attempt{Method: event.MethodTOTP, Code: one, Keys: p.keys}, "AUTH0", two, p.env0())
	require.NoError(p.t, err)
	if out.Reason != core.Accepted {
		return false
	}
	step = next.Authenticators[0].Last
	require.False(p.t, p.used[step] || p.used[step-1], "step %d or the one before is accepted a second time", step)
	p.used[step], p.used[step-1] = true, true
	p.a, p.base = next, int64(next.Authenticators[0].Base)
	return true
}

func (p *wrist) step() int64 { return totp.Step(p.true.Add(p.off)) }

// shown is the step that the phone shows, as it was when it was resynchronized.
func (p *wrist) shown() int64 { return p.step() + p.base }

// locked waits until the code that the phone shows is accepted, and says how long that takes.
func (p *wrist) locked(most time.Duration) (waited time.Duration) {
	for ; !p.try(p.shown()); waited += totp.Period {
		require.LessOrEqual(p.t, waited, most, "still locked out: %+v, last %d, base %d, step %d",
			p.a.Authenticators[0].Steps, p.a.Authenticators[0].Last, p.base, p.step())
		p.wait(totp.Period)
	}
	return waited
}

// tolerance is what an owner may have to wait for beside the hour: the steps from one end of the windows
// to the other.
func (p *wrist) tolerance() time.Duration {
	return time.Duration(max(p.base, -p.base)+int64(p.window.Steps())) * totp.Period
}

// Row F5: whatever clocks do, no step is accepted twice. The clock jumps to and fro at random, and codes of
// steps all around are tried, those that were accepted before more than others.
func TestNoStepTwice(t *testing.T) {
	accepted, again := 0, 0
	walk(t, 40, func(w *walker) {
		p := newWrist(w, windowsOfSteps...)
		var before []int64
		jumps := []time.Duration{0, 0, 45 * time.Second, 20 * time.Minute, 3 * time.Hour, 5 * 24 * time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour}
		for range 400 {
			if w.IntN(3) == 0 {
				p.wait(time.Duration(w.IntN(4)) * totp.Period)
			}
			if w.IntN(15) == 0 {
				p.wait(time.Duration(w.Int64N(int64(48 * time.Hour))))
			}
			if w.IntN(12) == 0 {
				p.off = jumps[w.IntN(len(jumps))]
				if w.IntN(2) == 0 {
					p.off = -p.off
				}
			}
			if w.IntN(6) == 0 {
				pair := p.step() + w.Int64N(41) - 20
				if len(before) > 0 && w.IntN(2) == 0 {
					pair = before[w.IntN(len(before))] + w.Int64N(2)
				}
				if p.resync(pair) {
					before = append(before, pair-1, pair)
				}
			}
			s := p.shown() + int64(w.IntN(7)) - 3
			if w.IntN(3) == 0 {
				s = p.step() + int64(w.IntN(7)) - 3
			}
			if len(before) > 0 && w.IntN(4) == 0 { // the clock comes back to the moment of a code that was used
				s = before[w.IntN(len(before))]
				p.off = time.Duration(s-p.base-totp.Step(p.true)) * totp.Period
				again++
			}
			if p.try(s) {
				before = append(before, s)
				accepted++
			}
		}
	})
	t.Logf("%d accepted, %d tried again", accepted, again)
	require.Greater(t, min(accepted, again), 1000)
}

// Row F5: the clock is wrong up to three times in a row, by whatever it is, and put right. The owner, who
// has signed in a few times with each clock, signs in at once if the clock had been wrong by over an hour,
// and never waits for longer than that hour; nor does the owner when the moments come that the wrong clock
// has shown.
func TestClockIsPutRight(t *testing.T) {
	walk(t, 60, func(w *walker) {
		p := newWrist(w, windowsOfSteps...)
		p.locked(0)
		p.wait(time.Duration(w.Int64N(int64(72 * time.Hour))))
		p.locked(p.tolerance())
		var farther []int64
		small := false
		for range 1 + w.IntN(3) {
			p.off = time.Duration(float64(time.Minute) * math.Exp(w.Float64()*math.Log(10*365*24*60))) // a minute to ten years
			small = small || p.off < 90*time.Minute
			if w.IntN(3) == 0 {
				p.off = -p.off
			}
			for range 1 + w.IntN(2) {
				p.wait(time.Duration(w.Int64N(int64(40 * time.Minute))))
				if p.try(p.shown()) && p.off > 0 {
					farther = append(farther, p.shown())
				}
			}
			p.wait(time.Duration(w.Int64N(int64(5 * time.Minute))))
			if w.IntN(2) == 0 {
				p.off = 0
				p.locked(time.Hour + p.tolerance())
			}
		}
		p.off = 0
		if waited := p.locked(time.Hour + p.tolerance()); !small {
			require.LessOrEqual(t, waited, p.tolerance())
		}
		for _, s := range farther { // the moments that a clock ahead has shown come
			at := time.Unix((s-p.base-60)*30, 0)
			for p.true.Before(at.Add(time.Hour)) {
				if p.true.Before(at) {
					p.true = at
				}
				p.locked(time.Hour + p.tolerance())
				p.wait(totp.Period)
			}
		}
	})
}

// Row F5: an account that is in use all the time, before the clock jumps ahead and after. What is kept of
// its steps is bounded, and the jump is in it as long as the clock was ahead by more than it was wrong for.
func TestBusyAccountWhenTheClockIsPutRight(t *testing.T) {
	walk(t, 20, func(w *walker) {
		p := newWrist(w, windowsOfSteps...)
		use := func(period, every time.Duration) {
			for end := p.true.Add(period); p.true.Before(end); p.wait(time.Duration(w.Int64N(int64(2 * every)))) {
				p.try(p.shown())
				require.LessOrEqual(t, len(p.a.Authenticators[0].Steps), 12)
			}
		}
		use(40*24*time.Hour, time.Duration(1+w.IntN(24))*time.Hour)
		jump := 2*time.Hour + time.Duration(w.Int64N(int64(30*24*time.Hour)))
		p.off = jump
		period := time.Duration(w.Int64N(int64(jump)))
		use(period, max(period/20, time.Minute))
		p.off = 0
		waited := p.locked(p.tolerance())
		t.Logf("%v ahead for %v, locked out for %v", jump, period, waited)

		// Nobody is locked out for longer than the clock was wrong when that time comes.
		p.true = p.true.Add(jump - period - time.Hour)
		for end := p.true.Add(2*period + 2*time.Hour); p.true.Before(end); p.wait(max(5*time.Minute, period/50)) {
			p.locked(period + p.tolerance() + totp.Period)
		}
	})
}

// Row F5: steps that no code was accepted of are no obstacle, if they lie farther ahead than a clock may
// run back: those of an import, of a restore, and of a record that somebody has written.
func TestStepOfAnotherClock(t *testing.T) {
	for _, ahead := range []int64{0, 1, 121, 122, 86400, 10 * 365 * 2880, 1 << 57} {
		w := &walker{t: t, now: start}
		a, keys := w.account(1)
		a.Authenticators[0].Last = totp.Step(start) + ahead
		env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
		imported := core.Account{ID: "user-42"}.Import(by, core.Imported{Authenticators: a.Authenticators}, env)
		restored := a.Restored(by, true, false, core.Env{Now: start.Add(time.Duration(min(ahead, 1<<27)) * totp.Period), Fresh: 1})
		for i, a := range []core.Account{a, imported, restored} {
			for wait := int64(0); ; wait++ {
				now := start.Add(time.Duration(wait) * totp.Period)
				code, err := keys["AUTH0"].Code(totp.Step(now))
				require.NoError(t, err)
				next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: keys}, core.Env{Now: now, Fresh: 1, Window: env.Window})
				require.NoError(t, err)
				if out.Reason == core.Accepted {
					if i == 1 {
						imported = next
					}
					break
				}
				require.Equal(t, core.Replayed, out.Reason)
				require.LessOrEqual(t, wait, int64(122), "%d ahead", ahead)
			}
		}
		if ahead > 121 && ahead < 1<<50 { // the code of another system's step is used up, also when its time comes
			now := start.Add(time.Duration(ahead) * totp.Period)
			code, err := keys["AUTH0"].Code(totp.Step(now))
			require.NoError(t, err)
			_, out, err := imported.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: keys}, core.Env{Now: now, Fresh: 1, Window: env.Window})
			require.NoError(t, err)
			require.Equal(t, core.Replayed, out.Reason)
		}
	}
}

// Row F5: which steps are kept, as whole values. Those of a pair are a run, so are those in a row; with more runs
// than there is room for, the gap closes that is the shortest for its age, which an hour is added to.
func TestStepsThatAreKept(t *testing.T) {
	const day, first = int64(2880), int64(59_000_000)
	w := &walker{t: t, now: start}
	a, keys := w.account(1)
	accept := func(step int64) {
		code, err := keys["AUTH0"].Code(step)
		require.NoError(t, err)
		next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: keys}, core.Env{Now: time.Unix(step*30, 0), Fresh: 1})
		require.NoError(t, err)
		require.Equal(t, core.Accepted, out.Reason)
		a = next
	}
	var want core.Steps
	for i := range int64(10) { // thirty days apart
		step := first + i*30*day
		accept(step)
		want = append(want, [2]int64{step, step})
	}
	last := first + 9*30*day
	accept(last + 1)
	want[9][1]++
	require.Equal(t, want, a.Authenticators[0].Steps)
	accept(last + 101)
	accept(last + 5101)
	want = append(want, [2]int64{last + 101, last + 101}, [2]int64{last + 5101, last + 5101})
	require.Equal(t, want, a.Authenticators[0].Steps, "there is room for twelve")
	accept(last + 5103) // 2 steps of now are less than 100 of 5,002 steps ago
	want[11][1] = last + 5103
	require.Equal(t, want, a.Authenticators[0].Steps)
	accept(last + 5203) // and those are less than 100 of now
	want = append(append(want[:9:9], [2]int64{last, last + 101}), want[11], [2]int64{last + 5203, last + 5203})
	require.Equal(t, want, a.Authenticators[0].Steps)
}
