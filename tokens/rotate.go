package tokens

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
)

// Rotation says how a token is rotated.
type Rotation struct {
	// Lifetime is that of the successor, from now on. Defaults to the token's own, or to the longest of
	// the policy where that is less.
	Lifetime time.Duration
	// Grace is how long the present secret goes on working next to the new one, at most the policy's MaxGrace (and a
	// day where a token rotates itself), and never longer than it would have. Defaults to none, which is right after
	// a leak.
	Grace time.Duration
	// Seen is the token as its owner was shown it: it is gatehouse.ErrPrecondition if it was rotated since, so that two
	// forms do not each make a secret of which one is dead. Defaults to accepting any state of it.
	Seen Info
}

func (r Rotation) check(maxGrace time.Duration) error {
	if r.Grace < 0 || r.Grace > maxGrace {
		return fmt.Errorf("%w: a grace is 0 to %v", gatehouse.ErrInvalid, maxGrace)
	}
	if r.Lifetime < 0 {
		return fmt.Errorf("%w: a negative lifetime", gatehouse.ErrInvalid)
	}
	return nil
}

// Rotate gives a token of the session's account another secret under the same ID, with the same scopes and
// restrictions. Proof, gates and policy are asked as by Mint, for the scopes that the token has. A secret that was
// rotated and is presented after its grace revokes the token, unless the policy says otherwise. gatehouse.ErrNotFound
// says that the account has no such token, and gatehouse.ErrPrecondition that it is revoked, has expired or was rotated
// by somebody else in this moment, that eight copies of it are in their grace, or that the policy no longer has such
// tokens.
func (s *Service) Rotate(ctx context.Context, in gatehouse.Session, id string, r Rotation) (_ Minted, err error) {
	defer s.e.Begin(&ctx, "tokens.Service.Rotate").End(&err)
	return s.rotated(r, func(step tokenStep) (Info, error) { return s.change(ctx, in, event.TokenRotated, id, step) })
}

// rotated gives a token another secret, by a change that takes a step.
func (s *Service) rotated(r Rotation, change func(tokenStep) (Info, error)) (Minted, error) {
	if err := r.check(s.policy.MaxGrace); err != nil {
		return Minted{}, err
	}
	var secret Token
	next, err := change(func(p authority, first, h held, now env) (record, error) {
		if h.Generation != first.Generation || r.Seen.ID != "" && (r.Seen.ID != h.ID || r.Seen.Rotations != h.Generation) {
			return h.record, fmt.Errorf("%w: the token was rotated meanwhile", gatehouse.ErrPrecondition)
		}
		secret = Parsed{Kind: h.Kind, ID: h.ID}.Successor(s.policy.Brand)
		return s.rotate(h, secret, r, &p, now)
	})
	if err != nil {
		return Minted{}, err
	}
	return Minted{secret, next}, nil
}

// rotate replaces a token's secret by a successor; by is nil where it rotates itself.
func (s *Service) rotate(h held, secret Token, r Rotation, by *authority, now env) (record, error) {
	life, err := s.life(r.Lifetime, h.record)
	if err != nil {
		return h.record, err
	}
	p, err := Parse(s.policy.Brand, secret.Reveal())
	if err != nil {
		return h.record, err
	}
	return h.rotate(successor{Secret: p, Life: life, Grace: r.Grace, By: by, Unattended: s.policy.Unattended}, h.owner, now)
}

// Renew has an expired token work again, with the secret it had, for a lifetime; 0 is its own. Proof, gates and policy
// are asked as by Mint, for the scopes that the token has. gatehouse.ErrNotFound says that the account has no such
// token, and gatehouse.ErrPrecondition that it is revoked or has not expired, that there are as many active tokens as
// there may be, or that the policy no longer has such tokens.
func (s *Service) Renew(ctx context.Context, in gatehouse.Session, id string, lifetime time.Duration) (_ Info, err error) {
	defer s.e.Begin(&ctx, "tokens.Service.Renew").End(&err)
	return s.renewed(lifetime, func(step tokenStep) (Info, error) { return s.change(ctx, in, event.TokenRenewed, id, step) })
}

// renewed has a token work again, by a change that takes a step.
func (s *Service) renewed(lifetime time.Duration, change func(tokenStep) (Info, error)) (Info, error) {
	if lifetime < 0 {
		return Info{}, fmt.Errorf("%w: a negative lifetime", gatehouse.ErrInvalid)
	}
	return change(func(p authority, _, h held, now env) (record, error) {
		life, err := s.life(lifetime, h.record)
		if err != nil {
			return h.record, err
		}
		return h.renew(p, life, h.owner, now)
	})
}

// life returns for how long a token can go on: asked, or its own lifetime where that is 0. gatehouse.ErrPrecondition
// says that the policy would not mint such a token today: a token is prolonged only where it could be minted.
func (s *Service) life(asked time.Duration, t record) (time.Duration, error) {
	again := Request{
		Name: t.Name, Kind: t.Kind, Scopes: t.Scopes, Resources: t.resourceLimit(), Networks: t.networkLimit(),
		RotatesItself: t.RotatesItself,
	}
	if _, err := s.policy.request(again); err != nil {
		return 0, fmt.Errorf("%w: the policy no longer has such tokens: %w", gatehouse.ErrPrecondition, err)
	}
	if again.Lifetime = asked; asked == 0 {
		again.Lifetime = min(time.Duration(t.Lifetime)*time.Second, s.policy.MaxLifetime)
		if t.RotatesItself {
			again.Lifetime = min(again.Lifetime, s.policy.Unattended)
		}
	}
	again, err := s.policy.request(again)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", gatehouse.ErrInvalid, err)
	}
	return again.Lifetime, nil
}
