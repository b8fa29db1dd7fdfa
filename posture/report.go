package posture

import "time"

// Report is what is known of an account's protection at a time. Its JSON is stable: fields are added,
// never renamed.
type Report struct {
	Model    string    `json:"model"` // version of the rules
	At       time.Time `json:"at"`
	Level    int       `json:"level"` // 0 to 3
	Score    int       `json:"score"` // 0 to 100
	Raw      int       `json:"raw"`   // before caps
	CappedBy []string  `json:"capped_by"`
	Range    [2]int    `json:"range"`    // what the score could be, were all known
	Coverage int       `json:"coverage"` // percent of the weight that is known
	Findings []Finding `json:"findings"`
}

// Finding is the answer of one control.
type Finding struct {
	ID        string      `json:"id"`
	Title     string      `json:"title"` // for its state: that of the control where it passes, for example
	Question  string      `json:"question"`
	Severity  Severity    `json:"severity"`
	Standards []string    `json:"standards,omitempty"`
	Impact    Grade       `json:"impact"`
	Effort    Grade       `json:"effort"`
	State     State       `json:"state"`
	Reason    string      `json:"reason"`
	Code      string      `json:"code,omitempty"` // of the reason, with its numbers: see Texts
	N         int         `json:"n,omitempty"`
	Of        int         `json:"of,omitempty"`
	Plan      string      `json:"plan,omitempty"` // the plan that opens it, where it is locked
	Accepted  *Acceptance `json:"accepted,omitempty"`
	Fix       Remediation `json:"fix"`
}

// Acceptance is a risk that somebody has taken on, as gatehouse.AcceptedRisk.
type Acceptance struct {
	Control string    `json:"control"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	Until   time.Time `json:"until,omitzero"` // zero: without an end
}

// Find returns the finding of a control, and whether it is shown.
func (r Report) Find(id string) (Finding, bool) {
	for _, f := range r.Findings {
		if f.ID == id {
			return f, true
		}
	}
	return Finding{}, false
}

func (r Report) met(id string) bool {
	f, ok := r.Find(id)
	return ok && f.State.met()
}

const (
	capCritical = 39 // for a critical control that fails or is unknown
	capHigh     = 79
)

// sum fills in the score.
func (r *Report) sum() {
	r.Score, r.Raw, r.CappedBy = r.score(StateUnknown)
	r.Range[0], _, _ = r.score(Fail)
	r.Range[1], _, _ = r.score(Pass)
	r.Coverage = r.coverage()
}

// score returns the score if all that is unknown had the given state, before and after caps, and the controls that cap it.
func (r *Report) score(unknown State) (score, raw int, capped []string) {
	answer := func(f Finding) State {
		if f.State == StateUnknown {
			return unknown
		}
		return f.State
	}
	total, credit := 0, 0
	for _, f := range r.Findings {
		if state := answer(f); state.counts() {
			total += 2 * f.Severity.weight()
			credit += state.credit() * f.Severity.weight()
		}
	}
	if total > 0 {
		raw = 100 * credit / total
	}
	score, capped = raw, []string{}
	for _, f := range r.Findings {
		// An unknown control caps as a failing one does. Otherwise losing evidence could lift the score.
		state, limit := answer(f), capOf(f.Severity)
		if limit < raw && (state == Fail || state == StateUnknown || state == Accepted) {
			score, capped = min(score, limit), append(capped, f.ID)
		}
	}
	return score, raw, capped
}

// coverage returns how many percent of the weight are known.
func (r *Report) coverage() int {
	known, all := 0, 0
	for _, f := range r.Findings {
		if !f.State.counts() {
			continue
		}
		all += f.Severity.weight()
		if f.State != StateUnknown {
			known += f.Severity.weight()
		}
	}
	if all == 0 {
		return 0
	}
	return 100 * known / all
}

func capOf(s Severity) int {
	switch s {
	case Critical:
		return capCritical
	case High:
		return capHigh
	}
	return 100
}

// with returns the report as it were with a control that passes, under the title that it then has.
func (r Report) with(id, title string) Report {
	findings := make([]Finding, len(r.Findings))
	copy(findings, r.Findings)
	for i := range findings {
		if findings[i].ID == id {
			findings[i].State, findings[i].Title = Pass, title
		}
	}
	r.Findings = findings
	r.Level = level(r)
	r.sum()
	return r
}
