package tokens

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// RotateSelf rotates a token by itself, where it was minted to: for machines that no owner looks after. from is as in
// Check, the zero Addr included. The successor lives no longer than the token was to when it was minted, or rotated by its owner, and for the
// policy's Unattended since then at most.
//
// It is gatehouse.ErrDenied for a token that Check denies, that was rotated already or does not rotate itself. A
// copy in its grace is told (event.TokenContested): two have the token, or its holder has lost the successor. Gates and
// policy are asked as by Mint, for an owner with the proof of the minting: a *posture.GateError says that one of them
// is closed, and gatehouse.ErrPrecondition that the policy no longer has such tokens, that the owner has to rotate it,
// or that eight copies are in their grace. Neither ends the copy that was presented.
func (s *Service) RotateSelf(ctx context.Context, text string, from netip.Addr, r Rotation) (_ Minted, err error) {
	defer s.e.Begin(&ctx, "tokens.Service.RotateSelf").End(&err)
	from = from.Unmap().WithZone("")
	if err := r.check(min(s.policy.MaxGrace, MaxSelfGrace)); err != nil {
		return Minted{}, err
	}
	h, p, err := s.find(ctx, text)
	if err != nil {
		return Minted{}, err
	}
	now := s.env()
	c := &selfRotation{s: s, text: text, p: p, from: from, Rotation: r, first: h.presented(p, from, h.owner, now)}
	c.copy, _ = h.which(p, now)
	if h.RotatesItself && c.first == good {
		if c.open, err = s.unattendedGates(ctx, h); err != nil {
			return Minted{}, err
		}
	}
	if c.first == reusedOld {
		return Minted{}, s.reused(ctx, h, p, from)
	}
	err = s.apply(ctx, p.ID, c.step)
	if c.denied || err == errNoToken {
		return Minted{}, s.deny(ctx, h.Account, c.events, err)
	}
	if err != nil {
		return Minted{}, err
	}
	s.tell(ctx, h.Account, c.events...)
	return c.minted, nil
}

// selfRotation is a token that rotates itself, on its way.
type selfRotation struct {
	s    *Service
	text string
	p    Parsed
	from netip.Addr
	Rotation

	// What the first look found. A copy that another call rotates in this moment is denied, and gives nothing away.
	first standing
	copy  copyKind
	open  func(env) error // the gates; nil: none

	// The outcome of the last step.
	minted Minted
	events []core.Event
	denied bool
}

// step returns the token as it will be. It may be called several times.
func (c *selfRotation) step(h held, now env) (next record, err error) {
	c.minted, c.events, c.denied = Minted{}, nil, true
	stands := h.presented(c.p, c.from, h.owner, now)
	presented, _ := h.which(c.p, now)
	if presented == graceCopy && c.copy == presented && h.RotatesItself && stands != revoked {
		next, news := h.contest(c.p)
		if news {
			c.events = append(c.events, presentedEvent(event.TokenContested, h, c.from, now))
		}
		return next, nil
	}
	c.denied = false
	if !h.RotatesItself || stands != good || c.first != stands {
		return h.record, &gatehouse.DeniedError{} // an error, as the cause may be a save of this very call
	}
	c.minted, next, err = c.rotate(h, now)
	c.events = append(c.events, tokenEvent(event.TokenRotated, h.record, now))
	return next, err
}

// rotate returns a token with a successor in its line.
func (c *selfRotation) rotate(h held, now env) (Minted, record, error) {
	if c.s.policy.Scopes.StepUp(h.Scopes) && h.How == core.Vouched {
		return Minted{}, h.record, fmt.Errorf("%w: a scope asks for the second factor; its owner can rotate it", gatehouse.ErrPrecondition)
	}
	if c.open != nil {
		if err := c.open(now); err != nil {
			return Minted{}, h.record, err
		}
	}
	r := c.Rotation
	r.Lifetime = min(r.Lifetime, time.Duration(h.Lifetime)*time.Second)
	secret, err := Next(c.s.policy.Brand, c.text)
	if err != nil {
		return Minted{}, h.record, err
	}
	next, err := c.s.rotate(h, secret, r, nil, now)
	h.record = next
	return Minted{secret, c.s.info(h, now)}, next, err
}

// unattendedGates returns the gates for a token that rotates itself, nil if there are none. Nobody is there, so its
// owner's proof is as old as a gate may ask for: the policy's Unattended bounds that. Of a service account they are its
// owner's, who must still have it.
func (s *Service) unattendedGates(ctx context.Context, h held) (func(now env) error, error) {
	service := h.How == core.OperatorsWord
	if s.e.Hooks.Gates == nil && !service {
		return nil, nil
	}
	a, err := s.e.Load(ctx, h.Account)
	if err == nil && service {
		a, err = s.ownerOf(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	gates, err := s.gates(ctx, a, h.Scopes, service, func(ctx context.Context, a core.Account) (any, error) {
		now := s.env()
		list, err := s.live(ctx, a, now)
		if err != nil {
			return nil, err
		}
		return s.infos(list, now), nil
	})
	if err != nil || gates == nil {
		return nil, err
	}
	return func(now env) error {
		return gates(a, core.Presented{Proof: core.Proof{
			Account: a.ID, Kind: h.How, Method: h.AMR, At: now.unix(), Resistant: core.Resists(h.How, h.AMR),
		}}, now.Env)
	}, nil
}
