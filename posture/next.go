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

// Step is one thing to do.
type Step struct {
	Control string      `json:"control"`
	Title   string      `json:"title"`
	Fix     Remediation `json:"fix"`
	Opens   []string    `json:"opens"` // gates
	Gain    int         `json:"gain"`  // points
	Effort  Grade       `json:"effort"`
}

const maxSteps = 3

// Review evaluates an account's facts, with the gates and the best next steps: those that open most gates,
// then those that gain most for their effort.
func (p *Policy) Review(f Facts, now time.Time) Review {
	r := p.model.Evaluate(f, now)
	gates := p.Gates(r, f, now)
	var steps []Step
	for _, finding := range r.Findings {
		// An owner cannot fix what is unknown, or the service's keys.
		if finding.State != Fail && finding.State != Partial || finding.ID == KeysCurrent {
			continue
		}
		mended := r.with(finding.ID, Pass)
		s := Step{
			Control: finding.ID, Title: finding.Title, Fix: finding.Fix, Opens: []string{},
			Gain: mended.Score - r.Score, Effort: finding.Effort,
		}
		for i, d := range p.Gates(mended, f, now) {
			if d.Open && !gates[i].Open {
				s.Opens = append(s.Opens, d.Action)
			}
		}
		steps = append(steps, s)
	}
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(
			cmp.Compare(len(b.Opens), len(a.Opens)),
			cmp.Compare(b.Gain*(int(a.Effort)+1), a.Gain*(int(b.Effort)+1)),
		)
	})
	return Review{Report: r, Gates: gates, Next: append([]Step{}, steps[:min(len(steps), maxSteps)]...)}
}
