package tokens

import (
	"context"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Grant is what a token that was checked may do. It is good for one request: keep none, as a token
// that is revoked is seen by the next check alone. The zero Grant allows nothing.
type Grant struct {
	TokenID   string
	AccountID string
	Kind      Kind
	Name      string
	Scopes    Scopes
	Expires   time.Time

	// Rotated is set where the token has a successor, and says until when this copy works: tell its holder to use the
	// new one.
	Rotated time.Time

	// AuthMethod and AuthTime are of the proof with which its owner minted it, and SecondFactor says
	// whether that was one.
	AuthMethod   string
	AuthTime     time.Time
	SecondFactor bool
	// Operator is set for a token of a service account: the operator who minted it instead, or rotated or renewed it since.
	Operator string

	// RotatesItself says that RotateSelf takes it.
	RotatesItself bool

	resources Resources
	used      func(Scope)
}

// Allows reports whether the token may do something to a resource, "" for something that belongs to none. Each time
// that it does counts as a use of the scope.
func (g Grant) Allows(scope Scope, resource string) bool {
	if !g.Scopes.Has(scope) || !g.resources.Has(resource) {
		return false
	}
	g.used(scope)
	return true
}

// Check checks a token as it was presented, in the Authorization header and nowhere else, with one read of the store,
// and no write for one that is valid or unknown. from is the address that it came from, which the host must know: no
// header is read here.
//
// The zero Addr is an unknown address: a token that is restricted to networks is denied from it, and it is neither kept
// nor told. It is right where the host cannot tell, as on a Unix socket or behind a proxy whose headers it does not trust,
// and where no token is restricted and Policy.Addresses is off. Do not pass the proxy's own address: every token would
// come from there.
//
// gatehouse.ErrDenied is the one answer to a token that is malformed, unknown, expired, revoked or does not work for
// any other reason; List tells its owner. Every other error is a fault. Neither lets anybody in.
func (s *Service) Check(ctx context.Context, text string, from netip.Addr) (_ Grant, err error) {
	call := s.e.Begin(&ctx, "tokens.Service.Check")
	defer call.End(&err)
	call.Because(standings[foreign])
	from = from.Unmap().WithZone("")
	h, p, err := s.find(ctx, text)
	if err != nil {
		return Grant{}, err
	}
	now := s.env()
	stands := h.presented(p, from, h.owner, now)
	call.Because(standings[stands])
	switch stands {
	case good, inGrace:
	case reusedOld:
		return Grant{}, s.reused(ctx, h, p, from)
	case revoked:
		s.payLate(ctx, h)
		return Grant{}, &gatehouse.DeniedError{}
	default:
		return Grant{}, &gatehouse.DeniedError{}
	}
	// It is in order by now; a check does not wait until it is told.
	s.usage.seen(h, from, now, s.policy.Addresses, func(e core.Event) { s.e.TellLater(ctx, h.Account, e) })
	_, until := h.which(p, now)
	return Grant{
		TokenID: h.ID, AccountID: h.Account, Kind: h.Kind, Name: h.Name, Scopes: h.Scopes, Expires: core.Time(h.Expires),
		Rotated:    core.Time(until),
		AuthMethod: h.AMR, AuthTime: core.Time(h.ProofAt), SecondFactor: h.How == core.SecondFactor, Operator: h.Operator,
		RotatesItself: h.RotatesItself,
		resources:     h.resourceLimit(),
		used:          func(scope Scope) { s.usage.used(h, scope, now) },
	}, nil
}

// find returns the token that a text claims to be. It is gatehouse.ErrDenied for text that is malformed, without a
// look into the store, and for a token that is not there.
func (s *Service) find(ctx context.Context, text string) (held, Parsed, error) {
	p, err := Parse(s.policy.Brand, text)
	if err != nil {
		return held{}, Parsed{}, &gatehouse.DeniedError{}
	}
	kept, err := s.load(ctx, p.ID)
	if err == errNoToken {
		p.Digest.Equal(make([]byte, len(p.Digest))) // it takes as long as a wrong secret
		return held{}, Parsed{}, &gatehouse.DeniedError{}
	}
	return kept.Record, p, err
}

// reused answers to a rotated copy after its grace: somebody has an old one, and nobody knows who. Its
// error is gatehouse.ErrDenied once that is dealt with, and the fault otherwise.
func (s *Service) reused(ctx context.Context, h held, p Parsed, from netip.Addr) error {
	return s.ends(ctx, s.ofReuse(ctx, h, from), func(ctx context.Context) error {
		var events []core.Event
		err := s.apply(ctx, h.ID, func(h held, now env) (next record, err error) {
			next, events = h.record, nil
			if h.presented(p, from, h.owner, now) == reusedOld {
				next, events = s.reuse(h, from, now)
			}
			return next, nil
		})
		return s.deny(ctx, h.Account, events, err)
	})
}

// reuse returns what becomes of a token of which an old copy was presented.
func (s *Service) reuse(h held, from netip.Addr, now env) (record, []core.Event) {
	events := []core.Event{presentedEvent(event.TokenReused, h, from, now)}
	if s.policy.KeepReused {
		return h.record, events
	}
	return h.revoke(now), append(events, tokenEvent(event.TokenRevoked, h.record, now))
}

// deny answers to a presented token, once the events that it gave away were saved. err is the error of that save.
func (s *Service) deny(ctx context.Context, account string, events []core.Event, err error) error {
	if err != nil && err != errNoToken {
		return err
	}
	if err == nil {
		s.tell(ctx, account, events...)
	}
	return &gatehouse.DeniedError{}
}
