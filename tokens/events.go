package tokens

import (
	"context"
	"net/netip"

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

// changed tells of each token that has stopped working because its owner's second factor was turned off, or on. It is
// told at most once, as every event, and so not at all where the store fails.
func (s *Service) changed(ctx context.Context, before, after core.Account) {
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
