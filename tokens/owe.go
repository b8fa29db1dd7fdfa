package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// owe keeps in the owner's account what happens to a token without their session, before it is saved in the token. Of a
// service account it is in the account that owns it. An account that cannot be read keeps no token from being ended.
func (s *Service) owe(ctx context.Context, d debt, e core.Event) error {
	if !s.e.Notices {
		return nil
	}
	account := d.account
	if d.service {
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

// debtOf returns what is owed of a token.
func debtOf(h held, events ...core.Event) debt {
	return debt{token: h.ID, account: h.Account, service: h.How == core.OperatorsWord, events: events}
}

// pay keeps in the owner's account what is owed.
func (s *Service) pay(ctx context.Context, d *debt) error {
	for len(d.events) > 0 {
		if err := s.owe(ctx, *d, d.events[0]); err != nil {
			return err
		}
		d.events, d.past = d.events[1:], max(d.past-1, 0)
	}
	return nil
}

// ends has end end a token, after a debt was paid. If it cannot be paid, as the account is too busy or cannot be saved,
// the token ends all the same, whether or not its holder waits: otherwise they could keep it alive by keeping the account
// busy. The answer is then the fault, unless the debt can be paid right after. If not, it is remembered: where the token
// could not be ended either, what has happened all the same.
func (s *Service) ends(ctx context.Context, d debt, end func(context.Context) error) error {
	fault := s.pay(ctx, &d)
	if fault == nil {
		return end(ctx)
	}
	ctx, cancel := engine.Detach(ctx)
	defer cancel()
	err := end(ctx)
	if err != nil && !errors.Is(err, gatehouse.ErrDenied) {
		d.events = d.events[:d.past]
		return s.remember(d, err)
	}
	if s.pay(ctx, &d) == nil {
		return err
	}
	return s.remember(d, fault)
}

// remember keeps a debt that could not be paid because of a fault, and returns that. It says so where there is no place.
func (s *Service) remember(d debt, fault error) error {
	if s.unpaid.keep(d) {
		return fault
	}
	return fmt.Errorf("%w; the owner will not be told, as too many others wait for that", fault)
}

// payLate pays what could not be paid when a token ended. If it still cannot be, that is for the next time.
func (s *Service) payLate(ctx context.Context, id string) error {
	d := s.unpaid.take(id)
	err := s.pay(ctx, &d)
	if err != nil {
		return s.remember(d, err)
	}
	return nil
}

// ofReuse returns what reuse is going to owe. Where the policy keeps a token that was reused, whoever has an old copy can
// present it as often as they like: that is owed once an hour.
func (s *Service) ofReuse(h held, from netip.Addr) debt {
	if d := s.unpaid.take(h.ID); len(d.events) > 0 {
		return d
	}
	now := s.env()
	reused := presentedEvent(event.TokenReused, h, from, now)
	switch {
	case !s.policy.KeepReused:
		return debtOf(h, reused, tokenEvent(event.TokenRevoked, h.record, now))
	case s.leaks.again(h.ID, s.e.Now()):
		d := debtOf(h, reused)
		d.past = 1 // within the hour it is not owed again
		return d
	}
	return debt{}
}
