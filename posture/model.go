package posture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// modelVersion is raised with every change of a built-in control or of the score, so that a change of rules
// is never taken for a change of posture.
const modelVersion = 5

// Adjustment is what a host makes of a control for the accounts of a plan.
type Adjustment struct {
	Hide     bool   // it is not shown and not counted; a gate that names it is closed
	LockedBy string // the plan that opens it; it is shown and not counted
}

// Model has the controls by which accounts are judged.
type Model struct {
	controls []Control
	version  string
	adjust   map[string]func(plan string) Adjustment
	required func(account string, h Host) Answer // nil: of no account
	passkeys bool                                // they are offered
}

// ModelConfig is how a Model differs from the built-in one.
type ModelConfig struct {
	// Controls are the host's own, after the built-in ones.
	Controls []Control
	// Links are the host's pages by the IDs of controls, for the built-in ones. Each is a path, or an
	// https URL.
	Links map[string]string
	// Adjust hides or locks controls by the account's plan: each function is asked for the control under whose ID it is.
	// It must be pure; a panic leaves the control unknown, and so does a plan that is not known, for which it is not
	// asked.
	Adjust map[string]func(plan string) Adjustment
	// Passkeys says that the service offers passkeys. Defaults to one that does not: then phishing-resistant is locked for
	// accounts without one, so that nobody is asked for what they cannot add. RequirePhishingResistant implies it.
	Passkeys bool
	// RequirePhishingResistant says which accounts must sign in with phishing-resistant authenticators alone, such as those
	// of administrators: a review then demands it, and every gate, of the account as well as of the proof. It must be pure.
	// Let it return Unknown for what it does not know, as where Config.Host has not answered and h is zero but for the plan
	// and the provider: then gates demand it too, and so after a panic. Defaults to none.
	RequirePhishingResistant func(account string, h Host) Answer
	// Version is the host's own, for changes of its controls. Defaults to none.
	Version string
}

// NewModel returns a model, or ErrInvalid.
func NewModel(c ModelConfig) (*Model, error) {
	m := &Model{
		controls: append(builtin(), c.Controls...), version: fmt.Sprint(modelVersion), adjust: maps.Clone(c.Adjust),
		required: c.RequirePhishingResistant, passkeys: c.Passkeys || c.RequirePhishingResistant != nil,
	}
	if c.Version != "" {
		if !isText(c.Version, 32) {
			return nil, fmt.Errorf("%w: a version is up to 32 bytes that can be shown", ErrInvalid)
		}
		m.version += "/" + c.Version
	}
	seen := map[string]bool{}
	for i, control := range m.controls {
		if link, ok := c.Links[control.ID]; ok {
			m.controls[i].Fix.Link = link
		}
		if err := m.controls[i].validate(); err != nil {
			return nil, err
		}
		if seen[control.ID] {
			return nil, fmt.Errorf("%w: control %s is there twice", ErrInvalid, control.ID)
		}
		seen[control.ID] = true
		m.controls[i].Standards = slices.Clone(control.Standards)
	}
	for id := range c.Links {
		if !seen[id] {
			return nil, fmt.Errorf("%w: a link for %.64q, which is no control", ErrInvalid, id)
		}
	}
	for id, f := range m.adjust {
		if !seen[id] || f == nil {
			return nil, fmt.Errorf("%w: an adjustment for %.64q, which is no control, or without a function", ErrInvalid, id)
		}
	}
	return m, nil
}

// Version returns the version that is in reports.
func (m *Model) Version() string { return m.version }

// Has reports whether the model has a control.
func (m *Model) Has(id string) bool {
	return slices.ContainsFunc(m.controls, func(c Control) bool { return c.ID == id })
}

// Evaluate returns the report on an account.
func (m *Model) Evaluate(f Facts, now time.Time) Report {
	f = f.current(now)
	r := Report{Model: m.version, At: now.UTC().Truncate(time.Second), Findings: make([]Finding, 0, len(m.controls))}
	for _, c := range m.controls {
		adjusted, result := m.ask(c, f, now)
		if adjusted.Hide {
			continue
		}
		finding := Finding{
			ID: c.ID, Question: c.Question, Severity: c.Severity, Standards: slices.Clone(c.Standards),
			Impact: c.Impact, Effort: c.Effort, State: result.State, Reason: plain(result.Reason), Code: result.Code, N: result.N, Of: result.Of, Fix: c.Fix,
		}
		if adjusted.LockedBy != "" {
			finding.State, finding.Code, finding.Plan = Locked, "plan", plain(adjusted.LockedBy)
			finding.Reason = strings.Replace(reasons["plan"], "{plan}", finding.Plan, 1)
		} else if result.State == Fail || result.State == Partial {
			if a, ok := f.accepted(c.ID, now); ok {
				finding.State, finding.Accepted = Accepted, &a
			}
		}
		finding.Title = c.title(finding.State)
		r.Findings = append(r.Findings, finding)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	r.Level = level(r)
	r.sum()
	return r
}

// ask contains what a host's functions do.
func (m *Model) ask(c Control, f Facts, now time.Time) (a Adjustment, r Result) {
	defer func() {
		if recover() != nil {
			a, r = Adjustment{}, because(StateUnknown, "unchecked")
		}
	}()
	switch adjust := m.adjust[c.ID]; {
	case adjust != nil && !f.Host.planKnown():
		return Adjustment{}, because(StateUnknown, "plan-unknown")
	case adjust != nil:
		a = adjust(f.Host.Plan)
	}
	if a.Hide {
		return a, Result{}
	}
	if f.Account.ServiceOf != "" && slices.Contains(signsIn, c.ID) {
		return Adjustment{}, because(NotApplicable, "service-account")
	}
	switch {
	case a.LockedBy != "":
		return a, Result{}
	case c.ID == PhishingResistant && !m.passkeys && f.resistant() == 0:
		return a, because(Locked, "not-offered")
	}
	r = c.Check(f.only(c.Reads), now)
	if c.ID == PhishingResistant {
		r = m.demand(r, f)
	}
	if r.State > Delegated || r.State == Accepted || r.State == Locked {
		r = because(StateUnknown, "unchecked")
	}
	return a, r
}

// demand gives the answer on phishing-resistant of an account that must sign in with nothing else the reason for that.
func (m *Model) demand(r Result, f Facts) Result {
	if (r.State == Fail || r.State == Partial) && m.requires(f) == Yes {
		return because(r.State, "phishing-required")
	}
	return r
}

// requires says whether an account must sign in with phishing-resistant authenticators alone.
func (m *Model) requires(f Facts) (a Answer) {
	if m.required == nil || f.Account.ServiceOf != "" {
		return No
	}
	defer func() {
		if recover() != nil {
			a = Unknown
		}
	}()
	if a = m.required(f.Account.ID, f.Host); a > No {
		a = Unknown
	}
	return a
}

// accepted returns who has taken a risk on, if that counts at a time.
func (f Facts) accepted(control string, now time.Time) (Acceptance, bool) {
	for _, a := range f.Account.AcceptedRisks {
		if a.Control == control && (a.Until.IsZero() || now.Before(a.Until)) {
			return Acceptance{Control: a.Control, By: a.Operator, Why: a.Reason, Until: a.Until}, true
		}
	}
	return Acceptance{}, false
}

// needs returns the evidence that the answers of controls on an account depend on.
func (m *Model) needs(f Facts, controls ...string) Evidence {
	needs := AccountEvidence
	for _, c := range m.controls {
		if !slices.Contains(controls, c.ID) {
			continue
		}
		if m.adjust[c.ID] != nil || c.ID == PhishingResistant && m.required != nil {
			needs |= HostEvidence
		}
		if one := c.needs(f); one == AllEvidence {
			needs |= HostEvidence | TokenEvidence
		} else {
			needs |= one
		}
	}
	return needs
}

// leveled are the controls that a level depends on.
var leveled = []string{SecondFactor, RecoveryCodesExist, RecoveryCodesSaved, SecondAuthenticator, PhishingResistant}

// signsIn are the controls that have no answer for an account that nobody signs in to.
var signsIn = []string{
	SecondFactor, RecoveryCodesExist, RecoveryCodesSaved, RecoveryCodesLeft, SecondAuthenticator, PhishingResistant, PasskeysAlone, EmailVerified,
	TokensSecondFactor,
}

// level is 0 where the password is enough, and of a service account; 1 with a second factor, 2 where there are also a way
// back and a second authenticator, and 3 where nothing but phishing-resistant authenticators sign in.
func level(r Report) int {
	if second, _ := r.Find(SecondFactor); !second.State.met() || second.State == NotApplicable {
		return 0
	}
	if !r.met(RecoveryCodesExist) || !r.met(RecoveryCodesSaved) || !r.met(SecondAuthenticator) {
		return 1
	}
	if !r.met(PhishingResistant) {
		return 2
	}
	return 3
}
