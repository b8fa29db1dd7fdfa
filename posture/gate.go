package posture

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// The actions that gatehouse itself asks about.
const (
	MintToken           = "tokens.mint"
	MintProductionToken = "tokens.mint.production"
	// MintServiceToken is asked where an operator gives a service account's token a secret or more time, or such a token
	// rotates itself. The account that owns the service account has to be as the gate demands; what the gate demands of a
	// proof is met by the operator's word. Without a gate for it those for the other two are asked, in the same way.
	MintServiceToken = "tokens.mint.service"
)

// Gate says what an action demands.
type Gate struct {
	Action   string        // such as "deploy.public"; as a control's ID
	Controls []string      // each has to pass, be delegated or not applicable
	Level    int           // at least
	MaxAge   time.Duration // of the proof; 0: any that is good
	// SecondFactor demands a proof by the second factor, not only an account that has one.
	SecondFactor bool
	// PhishingResistant demands a proof by a phishing-resistant authenticator, such as a passkey. Name the control
	// PhishingResistant as well where the account may have no other: a code that was passed on could otherwise first add a
	// passkey.
	PhishingResistant bool
	// Grace leaves the gate open for accounts that existed before it.
	Grace Grace
	// ReportOnly leaves it open for everybody, and only says what would have closed it.
	ReportOnly bool
}

// Grace is until when the accounts from before a moment may go on as they are.
type Grace struct{ Before, Until time.Time }

// Policy has the gates of a host.
type Policy struct {
	model *Model
	gates map[string]Gate
	order []string
}

// NewPolicy returns a policy over the controls of a model, or ErrInvalid.
func NewPolicy(m *Model, gates ...Gate) (*Policy, error) {
	if m == nil {
		return nil, fmt.Errorf("%w: a policy without a model", ErrInvalid)
	}
	p := &Policy{model: m, gates: map[string]Gate{}}
	for _, g := range gates {
		if !isID(g.Action) {
			return nil, fmt.Errorf("%w: an action is 1 to 64 of a-z, 0-9, '-' and '.', a letter first", ErrInvalid)
		}
		if _, twice := p.gates[g.Action]; twice {
			return nil, fmt.Errorf("%w: two gates for %s", ErrInvalid, g.Action)
		}
		for _, id := range g.Controls {
			if !m.Has(id) {
				return nil, fmt.Errorf("%w: gate %s: no control %.64q", ErrInvalid, g.Action, id)
			}
		}
		switch {
		case len(g.Controls) == 0 && g.Level == 0 && g.MaxAge == 0 && !g.SecondFactor && !g.PhishingResistant:
			return nil, fmt.Errorf("%w: gate %s demands nothing", ErrInvalid, g.Action)
		case g.Level < 0 || g.Level > 3 || g.MaxAge < 0:
			return nil, fmt.Errorf("%w: gate %s: level or age", ErrInvalid, g.Action)
		case g.Grace.Before.IsZero() != g.Grace.Until.IsZero():
			return nil, fmt.Errorf("%w: gate %s: a grace has both a beginning and a deadline", ErrInvalid, g.Action)
		}
		g.Controls = slices.Clone(g.Controls)
		p.gates[g.Action] = g
		p.order = append(p.order, g.Action)
	}
	return p, nil
}

// Model returns the model that the gates read.
func (p *Policy) Model() *Model { return p.model }

// Actions returns the actions that have a gate, in the order in which they were given.
func (p *Policy) Actions() []string { return slices.Clone(p.order) }

// Proof is what a decision has to know of the proof that was presented. The zero value proves nothing.
type Proof struct {
	At           time.Time
	SecondFactor bool
	External     bool // by a second factor of the host's own that gatehouse.Config.ExternalFactors names
	// PhishingResistant says that it was by a phishing-resistant authenticator. No External one counts as that.
	PhishingResistant bool
}

// Decision is whether an action may go on, and otherwise why not. Its JSON is for machines.
type Decision struct {
	Action string `json:"action"`
	Open   bool   `json:"open"`
	// Unmet are the findings that keep it closed, or would.
	Unmet []Finding `json:"unmet"`
	// Hidden are controls that it names and that the host hides for this account.
	Hidden []string `json:"hidden,omitempty"`
	// Level is the one it demands, where the account has less; otherwise 0.
	Level int `json:"level,omitempty"`
	// StepUp is what the proof has to be, where it is not; see ProofIsEnough.
	StepUp *StepUp `json:"step_up,omitempty"`
	// GraceUntil is set where it is open for now.
	GraceUntil time.Time `json:"grace_until,omitzero"`
	ReportOnly bool      `json:"report_only,omitempty"`
}

// StepUp is what a proof has to be (RFC 9470).
type StepUp struct {
	MaxAge            time.Duration // 0: any
	SecondFactor      bool
	PhishingResistant bool
}

// MarshalJSON returns max_age in seconds, as RFC 9470 has it, second_factor and phishing_resistant.
func (s StepUp) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		MaxAge            int64 `json:"max_age,omitempty"`
		SecondFactor      bool  `json:"second_factor,omitempty"`
		PhishingResistant bool  `json:"phishing_resistant,omitempty"`
	}{int64(math.Ceil(s.MaxAge.Seconds())), s.SecondFactor, s.PhishingResistant})
}

// Decide returns the decision on an action. An action without a gate is closed, and so is every gate to a service account.
func (p *Policy) Decide(action string, r Report, f Facts, proof Proof, now time.Time) Decision {
	d := Decision{Action: action, Unmet: []Finding{}}
	g, ok := p.gates[action]
	if !ok || f.Account.ServiceOf != "" { // nobody can come with a proof of a service account
		return d
	}
	g = p.demanded(g, f.current(now))
	for _, id := range g.Controls {
		f, shown := r.Find(id)
		switch {
		case id == SecondFactor && proof.External: // which this sign-in has had
		case !shown:
			d.Hidden = append(d.Hidden, id)
		case !f.State.met():
			d.Unmet = append(d.Unmet, f)
		}
	}
	if r.Level < g.Level {
		d.Level = g.Level
	}
	provable := d.provable(g, r, f, proof)
	since := f.current(now).Host.Since
	protected := len(d.Unmet) == 0 && len(d.Hidden) == 0 && d.Level == 0
	if !g.takes(proof, now) {
		d.StepUp = &StepUp{MaxAge: g.MaxAge, SecondFactor: g.SecondFactor, PhishingResistant: g.PhishingResistant}
	}
	d.Open = protected && d.StepUp == nil
	if !protected && provable && !since.IsZero() && since.Before(g.Grace.Before) && now.Before(g.Grace.Until) {
		d.GraceUntil, d.Open = g.Grace.Until, d.StepUp == nil
	}
	if g.ReportOnly {
		d.ReportOnly, d.Open = true, true
	}
	return d
}

// demanded returns a gate as it is for an account that may have to sign in with phishing-resistant authenticators alone.
func (p *Policy) demanded(g Gate, f Facts) Gate {
	if p.model.requires(f) == No {
		return g
	}
	if g.PhishingResistant = true; !slices.Contains(g.Controls, PhishingResistant) {
		g.Controls = append(slices.Clone(g.Controls), PhishingResistant)
	}
	return g
}

// takes reports whether a proof is as the gate demands.
func (g Gate) takes(proof Proof, now time.Time) bool {
	return (g.MaxAge == 0 || within(proof.At, now, g.MaxAge)) &&
		(!g.SecondFactor || proof.SecondFactor || proof.External) &&
		(!g.PhishingResistant || proof.PhishingResistant)
}

// provable reports whether the account has the authenticator without which no proof is as the gate demands. Otherwise
// that is what the account lacks.
func (d *Decision) provable(g Gate, r Report, f Facts, proof Proof) bool {
	can := true
	if g.SecondFactor && !proof.External {
		second, _ := r.Find(SecondFactor)
		can = second.State == Pass || len(f.Account.Authenticators) > 0
		d.lacks(SecondFactor, can, r)
	}
	if g.PhishingResistant {
		resists := f.resistant() > 0
		d.lacks(PhishingResistant, resists, r)
		can = can && resists
	}
	return can
}

// lacks notes that an account does not have what a control asks for, whatever is made of the control, if that was not noted
// already.
func (d *Decision) lacks(control string, has bool, r Report) {
	if has {
		return
	}
	switch finding, shown := r.Find(control); {
	case !shown && !slices.Contains(d.Hidden, control):
		d.Hidden = append(d.Hidden, control)
	case shown && !slices.ContainsFunc(d.Unmet, func(f Finding) bool { return f.ID == control }):
		d.Unmet = append(d.Unmet, finding)
	}
}

// ProofIsEnough reports whether nothing but another proof is missing: where the account is as the gate demands, or
// has time until it must be.
func (d Decision) ProofIsEnough() bool {
	protected := len(d.Unmet) == 0 && len(d.Hidden) == 0 && d.Level == 0
	return d.StepUp != nil && (protected || !d.GraceUntil.IsZero())
}

// Needs returns the evidence that the decision on an action depends on, for an account of which f has what Gatehouse
// keeps itself. An action without a gate needs none.
func (p *Policy) Needs(action string, f Facts, now time.Time) Evidence {
	g, ok := p.gates[action]
	if !ok {
		return AccountEvidence
	}
	needs := p.model.needs(f, g.Controls...)
	if g.Level > 0 {
		needs |= p.model.needs(f, leveled...)
	}
	if g.SecondFactor {
		needs |= p.model.needs(f, SecondFactor)
	}
	if g.PhishingResistant || p.model.required != nil {
		needs |= p.model.needs(f, PhishingResistant)
	}
	if now.Before(g.Grace.Until) {
		needs |= HostEvidence // since when the account exists
	}
	return needs
}

// Gates returns the decision on every gate, as if the proof were as each demands it.
func (p *Policy) Gates(r Report, f Facts, now time.Time) []Decision {
	decisions := make([]Decision, 0, len(p.order))
	for _, action := range p.order {
		decisions = append(decisions, p.Decide(action, r, f, Proof{At: now, SecondFactor: true, PhishingResistant: true}, now))
	}
	return decisions
}
