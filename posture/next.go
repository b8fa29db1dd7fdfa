package posture

import (
	"cmp"
	"slices"
	"time"
)

// Review is a report with what follows from it.
type Review struct {
	Report
	Gates []Decision `json:"gates"`
	Next  []Step     `json:"next"` // at most three
}

// Step is one thing that the owner can do now.
type Step struct {
	Control string      `json:"control"`
	Title   string      `json:"title"` // that of Fix
	Fix     Remediation `json:"fix"`
	Opens   []string    `json:"opens"` // gates
	Mends   []string    `json:"mends"` // other controls that it fixes as well
	Gain    int         `json:"gain"`  // points
	Level   int         `json:"level"` // after it
	Effort  Grade       `json:"effort"`
}

const maxSteps = 3

// Review evaluates an account's facts, with the gates and the best next steps: those that open most gates, then those
// that gain most points. Each is tried on a copy of the facts, with all that comes along: the first authenticator brings
// recovery codes, for example. A step that the owner cannot take yet, and one that a better step brings along, is none.
func (p *Policy) Review(f Facts, now time.Time) Review {
	r := p.model.Evaluate(f, now)
	gates := p.Gates(r, f, now)
	var steps []Step
	for _, finding := range r.Findings {
		if after, then, ok := p.try(finding, r, gates, f, now); ok {
			steps = append(steps, step(finding, r, after, gates, p.Gates(after, then, now)))
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(len(b.Opens), len(a.Opens)), cmp.Compare(b.Gain, a.Gain), cmp.Compare(a.Effort, b.Effort))
	})
	next := []Step{}
	for _, s := range steps {
		brought := slices.ContainsFunc(next, func(better Step) bool { return slices.Contains(better.Mends, s.Control) })
		if !brought && len(next) < maxSteps {
			next = append(next, s)
		}
	}
	return Review{Report: r, Gates: gates, Next: next}
}

// try returns the report on an account whose owner has fixed a finding, and its facts then, if that can be done now.
func (p *Policy) try(fix Finding, r Report, gates []Decision, f Facts, now time.Time) (Report, Facts, bool) {
	if fix.State != Fail && fix.State != Partial || !f.Account.Suspended.IsZero() {
		return Report{}, f, false
	}
	c := p.model.controls[slices.IndexFunc(p.model.controls, func(c Control) bool { return c.ID == fix.ID })]
	if c.try == nil { // one of the host's: all that is known of the fix is that it passes then
		return r.with(c.ID, c.title(Pass)), f, true
	}
	if c.mints && f.Account.ServiceOf == "" && slices.ContainsFunc(gates, func(d Decision) bool { return d.Action == MintToken && !d.Open }) {
		return Report{}, f, false
	}
	then, can := c.try(f.current(now), now)
	if !can {
		return Report{}, f, false
	}
	return p.model.Evaluate(then, now), then, true
}

// step is what fixing a finding makes of an account.
func step(fix Finding, before, after Report, gates, then []Decision) Step {
	s := Step{
		Control: fix.ID, Title: fix.Fix.Title, Fix: fix.Fix, Opens: []string{}, Mends: []string{},
		Gain: after.Score - before.Score, Level: after.Level, Effort: fix.Effort,
	}
	for i, d := range then {
		if d.Open && !gates[i].Open {
			s.Opens = append(s.Opens, d.Action)
		}
	}
	for _, was := range before.Findings {
		if is, _ := after.Find(was.ID); was.ID != fix.ID && (was.State == Fail || was.State == Partial) && is.State.met() {
			s.Mends = append(s.Mends, was.ID)
		}
	}
	return s
}
