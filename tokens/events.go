package tokens

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

func tokenEvent(k event.Kind, t record, now env) core.Event {
	return core.Event{Kind: k, At: now.unix(), Token: t.ID, Name: t.Name}
}

// presentedEvent is of a token that was presented from an address.
func presentedEvent(k event.Kind, h held, from netip.Addr, now env) core.Event {
	e := tokenEvent(k, h.record, now)
	if from.IsValid() {
		e.Address = from.String()
	}
	return e
}

// tell tells events of a token, which was saved without its account, and has the posture followed.
func (s *Service) tell(ctx context.Context, account string, events ...core.Event) {
	s.e.Tell(ctx, account, events...)
	s.e.Follow(ctx, account, events)
}

// changed pays what is owed to the owner of an account that was saved. It tells of each token that has stopped working
// because its owner's second factor was turned off, or on: at most once, as every event, and so not at all where the
// store fails.
func (s *Service) changed(ctx context.Context, before, after core.Account) {
	s.payOwed(ctx, after.ID)
	was, is := before.Factors() > 0, after.Factors() > 0
	if was == is || before.TokenEpoch != after.TokenEpoch || is && !s.policy.SecondFactorOnly {
		return
	}
	ctx, cancel := engine.Detach(ctx) // it is done, though the caller may have gone
	defer cancel()
	now := s.env()
	list, _ := s.live(ctx, after, now)
	var events []core.Event
	for _, h := range list {
		if st := h.stands(h.owner, now); st == lacksFactor || st == lacksProof {
			events = append(events, tokenEvent(event.TokenNeedsSecondFactor, h.record, now))
		}
	}
	s.e.Tell(ctx, after.ID, events...)
}

// pay keeps in the owner's account what is owed of a token, before that is saved. What is owed of a service account is
// kept in the account that owns it. An account that cannot be read keeps no token from being ended.
func (s *Service) pay(ctx context.Context, d *debt) error {
	if len(d.events) == 0 {
		return nil
	}
	if s.e.Notices {
		if err := s.findOwner(ctx, d); err != nil {
			return err
		}
		if err := s.owe(ctx, d.owner, *d); err != nil {
			return err
		}
	}
	d.events, d.past = nil, 0
	return nil
}

// findOwner finds who must be told, nobody if that cannot be read.
func (s *Service) findOwner(ctx context.Context, d *debt) error {
	if d.owner != "" {
		return nil
	}
	service, err := s.e.Load(ctx, d.account)
	if errors.Is(err, core.ErrFormat) {
		return nil
	}
	d.owner = service.ServiceOf
	return err
}

// owe keeps what debts of an owner, "" for nobody, are about in the owner's account.
func (s *Service) owe(ctx context.Context, owner string, debts ...debt) error {
	if owner == "" {
		return nil
	}
	err := s.e.Change(ctx, owner, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		for _, d := range debts {
			if a.Birth() != d.birth { // it was deleted meanwhile, and may have been made again
				continue
			}
			for _, e := range d.told() {
				a = a.Owe(e, env)
			}
		}
		return a, nil
	}})
	if errors.Is(err, core.ErrFormat) {
		return nil
	}
	return err
}

// payOwed pays what could not be paid to an owner, whose account was saved just now.
func (s *Service) payOwed(ctx context.Context, owner string) {
	debts := s.unpaid.takeOf(owner)
	if len(debts) == 0 {
		return
	}
	ctx, cancel := engine.Detach(ctx) // the account's change is done, though the caller may have gone
	defer cancel()
	_ = s.settle(ctx, owner, debts)
}

// settle pays debts of one owner that were taken, in one save, or puts them back.
func (s *Service) settle(ctx context.Context, owner string, debts []debt) error {
	err := s.owe(ctx, owner, debts...)
	for _, d := range debts {
		if err != nil {
			s.unpaid.keep(d)
		}
		s.unpaid.done(d)
	}
	return err
}

// payAll tries once to pay everything that could not be paid. It begins nothing after half of the time that ctx has, or
// after five seconds. Its error is the last fault.
func (s *Service) payAll(ctx context.Context) (fault error) {
	debts := s.unpaid.takeAll()
	if len(debts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, payTime(ctx))
	defer cancel()
	failed := func(err error) {
		fault = fmt.Errorf("tokens: owners were not told of tokens that have ended: %w", err)
	}
	byOwner := map[string][]debt{}
	for _, d := range debts {
		if err := s.findOwner(ctx, &d); err != nil {
			s.unpaid.keep(d)
			s.unpaid.done(d)
			failed(err)
			continue
		}
		byOwner[d.owner] = append(byOwner[d.owner], d)
	}
	for _, owner := range slices.Sorted(maps.Keys(byOwner)) {
		if err := s.settle(ctx, owner, byOwner[owner]); err != nil {
			failed(err)
		}
	}
	return fault
}

// payTime leaves the other half of the time of ctx for the events that wait.
func payTime(ctx context.Context) time.Duration {
	const most = 5 * time.Second
	if end, ok := ctx.Deadline(); ok {
		return min(most, time.Until(end)/2)
	}
	return most
}
