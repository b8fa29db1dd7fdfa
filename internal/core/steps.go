package core

import "github.com/gatehouse-go/gatehouse/totp"

const (
	// maxRuns bounds the runs of accepted steps that are kept of an authenticator.
	maxRuns = 12

	// stepsBack is by how many steps the clock may run back for the order of steps to go on holding. An owner
	// may have to wait for as many.
	stepsBack = int64(ClockBack / totp.Period)

	maxStep     = 1 << 60 // more than any time.Time has
	resyncReach = 20      // steps from the server's; totp.Key.Resync looks no further
)

// Steps are the steps of which codes were accepted, as runs in rising order with both ends included. No
// step ever leaves them, so a step is accepted once, whatever clocks do. With more than maxRuns, two runs
// become one with what lies between.
type Steps [][2]int64

// with returns the steps together with those of a run. Those that were accepted last end at last.
func (s Steps) with(run [2]int64, last int64) Steps {
	next := make(Steps, 0, len(s)+1)
	for _, r := range s {
		switch {
		case r[1]+1 < run[0]:
			next = append(next, r)
		case run[1]+1 < r[0]:
			next, run = append(next, run), r
		default:
			run = [2]int64{min(r[0], run[0]), max(r[1], run[1])}
		}
	}
	next = append(next, run)
	for len(next) > maxRuns {
		next = next.without(next.least(last))
	}
	return next
}

// least returns the gap that is the shortest for its age, as the index of the run below it. A gap matters
// if the clock comes back into it. It had jumped over the gap, or was ahead for longer than the gap is
// old: so short gaps that lie back matter least, and those still to come count like new ones. The hour
// keeps what an owner may wait for anyway from outweighing the rest.
func (s Steps) least(last int64) (least int) {
	lowest := 0.0
	for i := range s[1:] {
		gap := float64(s[i+1][0] - s[i][1])
		weight := gap / float64(max(last-s[i+1][0], 0)+stepsBack)
		if i == 0 || weight < lowest {
			least, lowest = i, weight
		}
	}
	return least
}

// without returns the steps with a gap closed.
func (s Steps) without(gap int) Steps {
	s[gap][1] = s[gap+1][1]
	return append(s[:gap+1], s[gap+2:]...)
}

// broken reports whether s is not as with makes it.
func (s Steps) broken() bool {
	below := int64(-1)
	for _, r := range s {
		if r[0] <= below+1 || r[1] < r[0] || r[1] > maxStep {
			return true
		}
		below = r[1]
	}
	return len(s) > maxRuns
}

// reach returns the highest step of which a code can be accepted now.
func (a Authenticator) reach(env Env) int64 {
	return totp.Step(env.Now) + int64(max(a.Base, 0)+env.Window.Ahead)
}

// counter returns what a code is matched against where steps up to top are looked at. Everything up to its
// Last is refused: up to the highest accepted step that is not above top, and up to the step accepted last
// unless it lies over an hour above top. Then a clock had run ahead by as much, or runs back now; to go by
// that step would lock the owner out for as long, and what is used up is known without it.
func (a Authenticator) counter(top int64) totp.Counter {
	last := int64(0)
	for _, r := range a.Steps {
		if r[0] <= top {
			last = r[1]
		}
	}
	if a.Last <= top+stepsBack {
		last = max(last, a.Last)
	}
	return totp.Counter{Last: last, Base: a.Base}
}

// take keeps that steps up to c.Last were used up, of which codes codes were shown.
func (a *Authenticator) take(c totp.Counter, codes int64) {
	a.Last, a.Base = c.Last, c.Base
	a.Steps = a.Steps.with([2]int64{c.Last - codes + 1, c.Last}, c.Last)
}
