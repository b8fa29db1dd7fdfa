package posture

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// GateError is the error of a gate that is closed. Its Decision says what keeps it closed and how to open it.
// Where nothing but a fresher or stronger proof is missing, errors.Is(err, gatehouse.ErrStepUpRequired)
// holds as well.
type GateError struct{ Decision }

func (e *GateError) Error() string { return "gatehouse: the gate for " + e.Action + " is closed" }

// Unwrap returns gatehouse.ErrStepUpRequired where that is all.
func (e *GateError) Unwrap() error {
	if e.ProofIsEnough() {
		return gatehouse.ErrStepUpRequired
	}
	return nil
}

// Require returns nil if the gate of an action is open to the owner of a session, or a *GateError. The proof
// shows who is there: it may be a day old, unless the gate demands a fresher one. gatehouse.ErrStepUpRequired says
// that it is none, and gatehouse.ErrInvalid that the action has no gate; neither lets the action go on, and nor
// does a fault.
func (s *Service) Require(ctx context.Context, in gatehouse.Session, action string) (err error) {
	defer s.e.Begin(&ctx, "posture.Service.Require").End(&err)
	if err := s.hasGate(action); err != nil {
		return err
	}
	p, err := s.e.Present(ctx, engine.Session{Account: in.Account, Secret: in.Secret, Proof: in.Proof.Reveal()})
	if err != nil {
		return err
	}
	a, err := s.e.Load(ctx, p.Account)
	if err != nil {
		return err
	}
	if err := a.CheckProof(p, core.ProofLife, s.e.Env()); err != nil {
		return err
	}
	e, err := s.evidenceFor(ctx, a, nil, action)
	if err != nil {
		return err
	}
	return s.decide(action, e, p)
}

func (s *Service) hasGate(action string) error {
	if !slices.Contains(s.policy.order, action) {
		return fmt.Errorf("%w: no gate for this action", gatehouse.ErrInvalid)
	}
	return nil
}

func (s *Service) decide(action string, e evidence, p core.Presented) error {
	now := e.env.Now
	f := e.facts()
	word := p.Kind == core.OperatorsWord
	proof := Proof{
		At: core.Time(p.At), SecondFactor: p.Kind == core.SecondFactor || word, External: p.External != "",
		PhishingResistant: p.Resistant || word,
	}
	d := s.policy.Decide(action, s.policy.Model().Evaluate(f, now), f, proof, now)
	if !d.Open {
		return &GateError{d}
	}
	return nil
}

// secretActions returns the actions whose gates a secret has to pass. Without a gate for MintServiceToken the other two
// stand in for it: a policy from before there were service accounts must not let their secrets through.
func (s *Service) secretActions(secret engine.Secret) (actions []string) {
	if secret.Service && slices.Contains(s.policy.order, MintServiceToken) {
		return []string{MintServiceToken}
	}
	for _, action := range s.policy.order {
		if action == MintToken || action == MintProductionToken && secret.Risky {
			actions = append(actions, action)
		}
	}
	return actions
}

// secretGates returns the gates that every way to a working secret goes through, with what they have to know.
func (s *Service) secretGates(ctx context.Context, a core.Account, secret engine.Secret, live engine.Tokens) (engine.Gates, error) {
	actions := s.secretActions(secret)
	if len(actions) == 0 {
		return nil, nil
	}
	e, err := s.evidenceFor(ctx, a, live, actions...)
	if err != nil {
		return nil, err
	}
	return func(a core.Account, p core.Presented, env core.Env) error {
		e.account, e.env = a, env
		for _, action := range actions {
			if err := s.decide(action, e, p); err != nil {
				return err
			}
		}
		return nil
	}, nil
}
