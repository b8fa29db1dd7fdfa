package tokens

import (
	"context"
	"errors"
	"net/netip"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// owe keeps in the owner's account what happens to a token without their session, before it is saved in the token. Of a
// service account it is in the account that owns it. An account that cannot be read keeps no token from being ended.
func (s *Service) owe(ctx context.Context, h held, e core.Event) error {
	if !s.e.Notices {
		return nil
	}
	account := h.Account
	if h.How == core.OperatorsWord {
		service, err := s.e.Load(ctx, account)
		if errors.Is(err, core.ErrFormat) || err == nil && service.ServiceOf == "" {
			return nil
		}
		if err != nil {
			return err
		}
		e.Service, account = account, service.ServiceOf
	}
	err := s.e.Change(ctx, account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		if a.Absent() { // it was deleted meanwhile
			return a, nil
		}
		return a.Owe(e, env), nil
	}})
	if errors.Is(err, core.ErrFormat) {
		return nil
	}
	return err
}

// oweReuse owes what reuse is going to do. Where the policy keeps a token that was reused, whoever has an old copy can
// present it as often as they like: that is owed once an hour.
func (s *Service) oweReuse(ctx context.Context, h held, from netip.Addr) error {
	if s.policy.KeepReused && !s.leaks.again(h.ID, s.e.Now()) {
		return nil
	}
	now := s.env()
	err := s.owe(ctx, h, presentedEvent(event.TokenReused, h, from, now))
	if err == nil && !s.policy.KeepReused {
		err = s.owe(ctx, h, tokenEvent(event.TokenRevoked, h.record, now))
	}
	return err
}
