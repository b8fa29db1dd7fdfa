package tokens

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Service mints, checks and revokes the access tokens of accounts. It is safe for concurrent use. Uses of tokens are
// stored once a minute, and by gatehouse.Service.Close.
type Service struct {
	e      *engine.Engine
	policy Policy // settled
	usage  *usage
	leaks  leaks
	unpaid unpaid
}

// New returns the tokens of a Service, under a policy. ErrInvalid says that the policy has something out of bounds,
// that the Service has tokens or a posture already, or that it was in use before.
func New(svc *gatehouse.Service, p Policy) (*Service, error) {
	e := engine.Of(svc)
	if e == nil {
		return nil, fmt.Errorf("%w: no service", gatehouse.ErrInvalid)
	}
	policy, err := p.settle()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", gatehouse.ErrInvalid, err)
	}
	s := &Service{e: e, policy: policy, usage: newUsage(e)}
	err = e.Register(func(h *engine.Hooks) error {
		switch {
		case h.Close != nil:
			return fmt.Errorf("%w: the service has tokens already", gatehouse.ErrInvalid)
		case h.Trail != nil: // which would take every account for one without tokens
			return fmt.Errorf("%w: the service has a posture already, which must know its tokens", gatehouse.ErrInvalid)
		}
		h.Close, h.Changed = s.close, s.changed
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// close stores the uses that are not stored yet, and tries to tell owners what they have not been told.
func (s *Service) close(ctx context.Context) error {
	return errors.Join(s.usage.close(ctx), s.payAll(ctx))
}

// Of reports whether the tokens are those of a Service. Few hosts need it: packages that are given both do, to refuse
// what does not belong together.
func (s *Service) Of(svc *gatehouse.Service) bool { return s.e == engine.Of(svc) }

// Policy returns the rules under which tokens are minted, with their defaults filled in: for pages that ask owners for
// scopes and lifetimes.
func (s *Service) Policy() Policy {
	p := s.policy
	p.Kinds = slices.Clone(p.Kinds)
	return p
}

// env returns the world as it is now.
func (s *Service) env() env { return s.with(s.e.Env()) }

func (s *Service) with(e core.Env) env { return env{e, s.policy.SecondFactorOnly} }
