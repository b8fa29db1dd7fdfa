package passkey

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
)

// Service lets the owners of accounts add and use passkeys. It is safe for concurrent use and keeps nothing: any number
// of processes may have one on the same store, with the same keys and the same Config.
type Service struct {
	svc      *gatehouse.Service
	e        *engine.Engine
	rpid     string
	ceremony *ceremony.Ceremony
	related  []byte
}

// New returns the passkeys of a Service, or ErrInvalid if the Config has something out of bounds.
func New(svc *gatehouse.Service, c Config) (*Service, error) {
	e := engine.Of(svc)
	if e == nil {
		return nil, fmt.Errorf("%w: no service", gatehouse.ErrInvalid)
	}
	made, err := c.ceremony()
	if err != nil {
		return nil, err
	}
	related, err := relatedOrigins(c.RelatedOrigins)
	if err != nil {
		return nil, err
	}
	return &Service{svc: svc, e: e, rpid: c.RPID, ceremony: made, related: related}, nil
}

// Of reports whether the passkeys are those of a Service. Few hosts need it: packages that are given both do, to refuse
// what does not belong together.
func (s *Service) Of(svc *gatehouse.Service) bool { return s.e == engine.Of(svc) }

// open opens the challenge of a ceremony. Whatever else a browser has signed answers nothing that was asked.
func (s *Service) open(ctx context.Context, signed []byte) (core.PasskeyChallenge, error) {
	c, err := s.e.OpenCeremony(ctx, signed)
	if errors.Is(err, engine.ErrSealed) {
		return c, engine.Denied(core.Outcome{Reason: core.Stale})
	}
	return c, err
}

// denied returns the error of a response that was not accepted. It says more where that tells whoever sets the service
// up what is wrong, and an attacker nothing that they had not sent themselves.
func denied(out core.Outcome, cause error) error {
	err := engine.Denied(out)
	var refused *ceremony.Refused
	if !errors.As(cause, &refused) {
		return err
	}
	switch refused.Reason {
	case ceremony.Malformed, ceremony.Origin, ceremony.CrossOrigin, ceremony.RPID, ceremony.Attestation, ceremony.Algorithm:
		return fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}
