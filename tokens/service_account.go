package tokens

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// CreateServiceAccount makes an account for a robot: nobody signs in to it, and Mint gives it tokens. owner is the person
// or organization in whose activity and review it shows; it owns at most 50. Doing it again for the same owner is no
// error, and finishes what a fault has left half done.
//
// gatehouse.ErrPrecondition says that the account has a record already, so that somebody may have signed in to it; that it
// is of another owner; or that the owner is a service account, is suspended or has as many as there may be. An account
// that Gatehouse has never seen has no record, also where people sign in to it: choose an ID that your service gives to
// none of them.
//
// From then on the account lets nobody in, and has no factor: SignIn.Challenge is gatehouse.ErrDenied, and to vouch for
// it, to import to it or to reset it is gatehouse.ErrPrecondition. Suspending its owner suspends it as well; resuming
// the owner does not resume it. Its owner cannot be deleted before it.
func (o Operator) CreateServiceAccount(ctx context.Context, account, owner string) (err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.CreateServiceAccount").End(&err)
	if err := o.by.Check(); err != nil {
		return err
	}
	if err := engine.CheckID(owner); err != nil {
		return err
	}
	if account == owner {
		return fmt.Errorf("%w: an account cannot own itself", gatehouse.ErrInvalid)
	}
	a, err := o.s.e.Load(ctx, account)
	if err != nil {
		return err
	}
	if err := a.CanServe(owner); err != nil {
		return err
	}
	// The owner first: no crash leaves a service account that no review shows.
	err = o.s.e.Change(ctx, owner, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.Own(o.by, account, env)
	}})
	if err != nil {
		return err
	}
	ctx, cancel := engine.Detach(ctx)
	defer cancel()
	return o.s.e.Change(ctx, account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.Serve(o.by, owner, env)
	}})
}

// Mint makes an access token for a service account. The operator's word stands in for a proof, also where a scope asks for
// the second factor; it is in the events and in Info.Operator. Lifetimes, scopes and the number of tokens are as for
// Service.Mint, and Request.Kind defaults to Machine. The gate is posture.MintServiceToken, asked of the account's owner;
// a closed one is a *posture.GateError. The owner is told, and has to look at it.
//
// gatehouse.ErrPrecondition says that the account is no service account, that it or its owner is suspended, that its owner
// no longer has it, or that there are too many tokens. A fault may leave an entry in the activity of owner and account,
// and no token.
func (o Operator) Mint(ctx context.Context, account string, r Request) (_ Minted, err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.Mint").End(&err)
	if r.Kind == "" {
		r.Kind = Machine
	}
	r, err = o.s.policy.request(r)
	if err != nil {
		return Minted{}, fmt.Errorf("%w: %w", gatehouse.ErrInvalid, err)
	}
	p, err := o.word(ctx, account)
	if err != nil {
		return Minted{}, err
	}
	return o.s.mint(ctx, p, r)
}

// Rotate is Service.Rotate for a token of a service account, with gates and errors as for Mint.
func (o Operator) Rotate(ctx context.Context, id string, r Rotation) (_ Minted, err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.Rotate").End(&err)
	return o.s.rotated(r, func(step tokenStep) (Info, error) { return o.change(ctx, event.TokenRotated, id, step) })
}

// Renew is Service.Renew for a token of a service account, with gates and errors as for Mint.
func (o Operator) Renew(ctx context.Context, id string, lifetime time.Duration) (_ Info, err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.Renew").End(&err)
	return o.s.renewed(lifetime, func(step tokenStep) (Info, error) { return o.change(ctx, event.TokenRenewed, id, step) })
}

// change changes a token of a service account.
func (o Operator) change(ctx context.Context, kind event.Kind, id string, step tokenStep) (Info, error) {
	if err := o.by.Check(); err != nil {
		return Info{}, err
	}
	kept, err := o.s.load(ctx, id)
	if err != nil {
		return Info{}, err
	}
	p, err := o.word(ctx, kept.Record.Account)
	if err != nil {
		return Info{}, err
	}
	return o.s.changeBy(ctx, p, kind, kept.Record, step)
}

// word returns the operator's word for a service account.
func (o Operator) word(ctx context.Context, account string) (authority, error) {
	if err := o.by.Check(); err != nil {
		return authority{}, err
	}
	a, err := o.s.e.Load(ctx, account)
	if err != nil {
		return authority{}, err
	}
	if a.ServiceOf == "" {
		return authority{}, errNoService
	}
	proof := core.Proof{Account: a.ID, Kind: core.OperatorsWord, At: o.s.e.Env().Now.Unix()}
	return authority{core.Presented{Proof: proof}, &word{by: o.by, service: a}}, nil
}

var errNoService = fmt.Errorf("%w: no service account", gatehouse.ErrPrecondition)

// saveOwner saves the owner of a service account, with the gates checked. What the service account or the token refuses by
// itself comes first, so that it leaves no trace.
func (c *ownerChange) saveOwner(ctx context.Context) error {
	w := c.by.word
	env := c.s.e.Env()
	if err := c.prepare(ctx, w.service, env); err != nil {
		return err
	}
	if _, err := c.decide(w.service, env); err != nil {
		return err
	}
	var gates engine.Gates
	return c.s.e.Change(ctx, w.service.ServiceOf, engine.Transition{
		Prepare: func(ctx context.Context, a core.Account, env core.Env) (err error) {
			if _, err := a.ChangeServiceToken(w.by, w.service.ID, c.change, env); err != nil || gates != nil {
				return err
			}
			gates, err = c.s.gates(ctx, a, c.scopes, true, nil)
			return err
		},
		Step: func(a core.Account, env core.Env) (core.Account, error) {
			w.birth = a.Birth()
			next, err := a.ChangeServiceToken(w.by, w.service.ID, c.change, env)
			if err != nil || gates == nil {
				return next, err
			}
			proof := core.Proof{Account: a.ID, Kind: core.OperatorsWord, At: env.Now.Unix()}
			if err := gates(a, core.Presented{Proof: proof}, env); err != nil {
				return a, err
			}
			return next, nil
		},
	})
}

// ownerOf returns the owner of a service account, who must still have it.
func (s *Service) ownerOf(ctx context.Context, service core.Account) (core.Account, error) {
	if service.ServiceOf == "" {
		return core.Account{}, errNoService
	}
	owner, err := s.e.Load(ctx, service.ServiceOf)
	if err != nil {
		return core.Account{}, err
	}
	return owner, owner.CanVouchFor(service.ID)
}
