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

// debtOf returns a debt of a token with nothing in it.
func debtOf(h held) debt {
	d := debt{token: h.ID, account: h.Account, service: h.How == core.OperatorsWord, birth: h.birth()}
	if !d.service {
		d.owner = h.Account
	}
	return d
}

// ends has end end a token, after a debt was paid. If it cannot be paid, as the account is too busy or cannot be saved,
// the token ends all the same, whether or not its holder waits: otherwise they could keep it alive by keeping the account
// busy. The answer is then the fault, unless the debt can be paid right after. If not, it is remembered: where the token
// could not be ended either, what has happened all the same.
func (s *Service) ends(ctx context.Context, d debt, end func(context.Context) error) error {
	defer s.unpaid.done(d)
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

// payLate pays what could not be paid when a token ended. If it still cannot be, that is for the next time: there is a
// place for it until then.
func (s *Service) payLate(ctx context.Context, h held) {
	d := s.unpaid.take(debtOf(h))
	defer s.unpaid.done(d)
	if s.pay(ctx, &d) != nil {
		s.unpaid.keep(d)
	}
}

// ofReuse returns what reuse is going to owe. Where the policy keeps a token that was reused, whoever has an old copy can
// present it as often as they like: that is owed once an hour.
func (s *Service) ofReuse(ctx context.Context, h held, from netip.Addr) debt {
	d := s.unpaid.take(debtOf(h))
	if len(d.events) > 0 {
		return d
	}
	now := s.with(s.e.EnvOf(ctx))
	reused, ended := presentedEvent(event.TokenReused, h, from, now), tokenEvent(event.TokenRevoked, h.record, now)
	reused.Client, ended.Client = now.Client, now.Client
	switch {
	case !s.policy.KeepReused:
		d.events = []core.Event{reused, ended}
	case s.leaks.again(h.ID, s.e.Now()):
		d.events, d.past = []core.Event{reused}, 1 // within the hour it is not owed again
	}
	return d
}
