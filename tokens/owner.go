package tokens

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// ownerChange is a change that an owner makes to a token: first the account is saved, with the proof checked, and then
// the token. So the proof was good, and the gates were open, in a save that came before the token's. Where an operator
// gives their word, the owner of the service account is saved before both, with the gates checked: see saveOwner.
type ownerChange struct {
	s         *Service
	by        authority
	change    core.TokenChange
	scopes    Scopes
	needsRoom bool // there is one more active token after it
	asksGates bool // it makes a working secret
	// step returns the token as it will be. A refusal by the token itself comes before the account is saved.
	step func(a core.Account, now env) (held, error)

	gates engine.Gates
	lives []held // of the account
	read  bool   // they were

	// The token as it will be, the event and the moment, of the account's save.
	next  held
	event core.Event
	now   env
}

// present opens the proof of a session.
func (s *Service) present(ctx context.Context, in gatehouse.Session) (core.Presented, error) {
	return s.e.Present(ctx, engine.Session{Account: in.Account, Secret: in.Secret, Proof: in.Proof.Reveal()})
}

// save saves the account, if the authority is enough.
func (c *ownerChange) save(ctx context.Context) error {
	if c.by.word != nil {
		if err := c.saveOwner(ctx); err != nil {
			return err
		}
		var cancel context.CancelFunc
		ctx, cancel = engine.Detach(ctx) // the owner's account says that it was done
		defer cancel()
	}
	return c.s.e.Change(ctx, c.by.Account, engine.Transition{
		Prepare: c.prepare, Step: c.decide, Tokens: c.tokens, TokenEvent: c.change.Kind,
	})
}

// check returns the error of save for a proof that is not enough, and changes nothing.
func (c *ownerChange) check(ctx context.Context) error {
	return c.s.e.Change(ctx, c.by.Account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		_, _, err := c.authorize(a, env)
		return a, err
	}})
}

// authorize notes the change in the account, if the authority is enough.
func (c *ownerChange) authorize(a core.Account, env core.Env) (core.Account, core.Event, error) {
	if w := c.by.word; w != nil {
		return a.ChangeTokenBy(w.by, w.service.ServiceOf, c.change, env)
	}
	return a.ChangeToken(c.by.Presented, c.change, env)
}

// prepare reads what decide needs, for an authority that is enough.
func (c *ownerChange) prepare(ctx context.Context, a core.Account, env core.Env) error {
	if !c.needsRoom && !c.asksGates {
		return nil
	}
	if _, _, err := c.authorize(a, env); err != nil {
		return err
	}
	if c.needsRoom {
		if err := c.hasRoom(ctx, a, c.s.with(env)); err != nil {
			return err
		}
	}
	if c.gates != nil || !c.asksGates || c.by.word != nil { // then they are the owner's
		return nil
	}
	var err error
	c.gates, err = c.s.gates(ctx, a, c.scopes, false, c.liveInfos)
	return err
}

func (c *ownerChange) decide(a core.Account, env core.Env) (core.Account, error) {
	next, done, err := c.authorize(a, env)
	if err != nil {
		return a, err
	}
	if c.gates != nil {
		if err := c.gates(a, c.by.Presented, env); err != nil {
			return a, err
		}
	}
	now := c.s.with(env)
	t, err := c.step(a, now)
	if err != nil {
		return a, err
	}
	c.next, c.event, c.now = t, done, now
	return next, nil
}

// hasRoom returns ErrPrecondition if an account has as many active tokens as it may.
func (c *ownerChange) hasRoom(ctx context.Context, a core.Account, now env) error {
	c.read = false // somebody may have minted since the last try
	if err := c.readLive(ctx, a); err != nil {
		return err
	}
	active := 0
	for _, h := range c.lives {
		if h.stands(h.owner, now) != expired { // of a clock that was ahead, by which the store cannot go
			active++
		}
	}
	if active >= c.s.policy.MaxActive {
		return fmt.Errorf("%w: there are %d active tokens, as many as there may be", gatehouse.ErrPrecondition, active)
	}
	return nil
}

// readLive reads the tokens of the account that have not ended, once.
func (c *ownerChange) readLive(ctx context.Context, a core.Account) (err error) {
	if c.read {
		return nil
	}
	c.lives, err = c.s.live(ctx, a, c.s.env())
	c.read = err == nil
	return err
}

// liveInfos returns the tokens of the account that have not ended, as they are.
func (c *ownerChange) liveInfos(ctx context.Context, a core.Account) (any, error) {
	if err := c.readLive(ctx, a); err != nil {
		return nil, err
	}
	return c.s.infos(c.lives, c.s.env()), nil
}

// tokens returns them as they will be.
func (c *ownerChange) tokens(ctx context.Context, a core.Account) (any, error) {
	if err := c.readLive(ctx, a); err != nil {
		return nil, err
	}
	list := make([]held, 0, len(c.lives)+1)
	for _, h := range c.lives {
		if h.ID != c.next.ID {
			list = append(list, h)
		}
	}
	return c.s.infos(append(list, c.next), c.s.env()), nil
}

// gates returns the gates for a secret with scopes, nil if there are none. They are asked later, in the save that
// checks the proof.
func (s *Service) gates(ctx context.Context, a core.Account, scopes Scopes, service bool, tokens engine.Tokens) (engine.Gates, error) {
	if s.e.Hooks.Gates == nil {
		return nil, nil
	}
	return s.e.Hooks.Gates(ctx, a, engine.Secret{Risky: s.policy.Scopes.Risk(scopes) == High, Service: service}, tokens)
}

// tokenStep returns a token as it will be; first is the token as it was loaded first. It may be called several times.
type tokenStep func(p authority, first, h held, now env) (record, error)

// change changes a token of the session's account, by the owner. A refusal by the token itself comes first.
func (s *Service) change(ctx context.Context, in gatehouse.Session, kind event.Kind, id string, step tokenStep) (Info, error) {
	p, err := s.present(ctx, in)
	if err != nil {
		return Info{}, err
	}
	first, err := s.loadOwned(ctx, p.Account, id)
	if err != nil {
		return Info{}, err
	}
	return s.changeBy(ctx, authority{Presented: p}, kind, first, step)
}

// changeBy changes a token that was loaded.
func (s *Service) changeBy(ctx context.Context, p authority, kind event.Kind, first held, step tokenStep) (info Info, err error) {
	id, revokes := first.ID, kind == event.TokenRevoked
	c := &ownerChange{
		s: s, by: p, scopes: first.Scopes, needsRoom: kind == event.TokenRenewed, asksGates: !revokes,
		change: core.TokenChange{
			Kind: kind, Token: id, Name: first.Name, StepUp: !revokes && s.policy.Scopes.StepUp(first.Scopes),
		},
		step: func(_ core.Account, now env) (h held, err error) {
			h = first
			h.record, err = step(p, first, first, now)
			return h, err
		},
	}
	if revokes && first.Revoked != 0 { // for good: the proof counts, and there is nothing to enter or to tell
		if err := c.check(ctx); err != nil {
			return Info{}, err
		}
		return Info{}, s.end(ctx, id, func(h held, now env) (record, error) { return h.revoke(now), nil })
	}
	if err := c.save(ctx); err != nil {
		return Info{}, err
	}
	// The account says that it was done, so it is done, though the caller may have gone.
	detached, cancel := engine.Detach(ctx)
	defer cancel()
	err = s.apply(detached, id, func(h held, now env) (record, error) {
		next, err := step(p, first, h, now)
		h.record = next
		info = s.info(h, now)
		return next, err
	})
	if err != nil {
		return Info{}, err
	}
	s.e.Tell(ctx, first.Account, c.event)
	return info, nil
}
