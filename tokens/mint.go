package tokens

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Minted is a token with its secret, which is shown once.
type Minted struct {
	Token Token
	Info  Info
}

// mintsADay is how many times an account may mint as many tokens in a day as it can have active ones. Without a bound a
// loop of minting and revoking fills the store. Ended tokens are not purged at minting instead, as that would remove
// the traces of one that was used. Nor are they counted, as that would shut out owners where nobody purges.
const mintsADay = 10

// Mint makes an access token for the account of a session. It needs a proof of the last 15 minutes, by
// a code of an authenticator; without a second factor one by Vouch is enough, unless a scope asks for
// more. One that was minted with the second factor works only while its owner has one. Where posture has gates for
// posture.MintToken, or for posture.MintProductionToken and a scope is of high risk, a closed one is a
// *posture.GateError.
//
// ErrInvalid and ErrUnknownScope say which part of the request the policy refuses, and gatehouse.ErrPrecondition that
// the account has as many active tokens as it may, or has minted ten times as many in a day (UTC).
func (s *Service) Mint(ctx context.Context, in gatehouse.Session, r Request) (_ Minted, err error) {
	defer s.e.Begin(&ctx, "tokens.Service.Mint").End(&err)
	r, err = s.policy.request(r)
	if err != nil {
		return Minted{}, fmt.Errorf("%w: %w", gatehouse.ErrInvalid, err)
	}
	p, err := s.present(ctx, in)
	if err != nil {
		return Minted{}, err
	}
	return s.mint(ctx, authority{Presented: p}, r)
}

// mint mints what a request asks for that the policy has settled.
func (s *Service) mint(ctx context.Context, p authority, r Request) (Minted, error) {
	secret := Generate(s.policy.Brand, r.Kind)
	parsed, err := Parse(s.policy.Brand, secret.Reveal())
	if err != nil {
		return Minted{}, err
	}
	c := &ownerChange{
		s: s, by: p, scopes: r.Scopes, needsRoom: true, asksGates: true,
		change: core.TokenChange{
			Kind: event.TokenMinted, Token: parsed.ID, Name: r.Name, StepUp: s.policy.Scopes.StepUp(r.Scopes),
			Daily: mintsADay * s.policy.MaxActive,
		},
		step: func(a core.Account, now env) (held, error) {
			t, err := mint(a, p, r, parsed, now)
			return held{record: t, owner: a.Index(s.e.Window)}, err
		},
	}
	if err := c.save(ctx); err != nil {
		return Minted{}, err
	}
	if err := s.insert(ctx, c.next.record); err != nil {
		return Minted{}, err
	}
	s.e.Tell(ctx, c.next.Account, c.event)
	return Minted{secret, s.info(c.next, c.now)}, nil
}
