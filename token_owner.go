package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// MintedToken is a token with its secret, which is shown once.
type MintedToken struct {
	Token tokens.Token
	Info  TokenInfo
}

// MintToken makes an access token for the owner's account. It needs a proof of the last 15 minutes, by
// a code of an authenticator; without a second factor one by Attest is enough, unless a scope asks for
// more. One that was minted with the second factor works only while its owner has one. Where Config.Posture
// has gates for posture.MintToken, or for posture.MintProductionToken and a scope is of high risk, a
// closed one is a *GateError.
//
// ErrInvalid and tokens.ErrInvalid or ErrUnknownScope say what of the request the policy refuses, and
// ErrState that the account has as many active tokens as it may, or has minted ten times as many in a day (UTC).
func (o Owner) MintToken(ctx context.Context, r tokens.Request) (MintedToken, error) {
	if err := o.s.hasTokens(); err != nil {
		return MintedToken{}, err
	}
	r, err := o.s.policy.Request(r)
	if err != nil {
		return MintedToken{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	minted := tokens.Generate(o.s.policy.Brand, r.Kind)
	p, err := tokens.Parse(o.s.policy.Brand, minted.Reveal())
	if err != nil {
		return MintedToken{}, err
	}
	gates, err := o.gates(ctx, r.Scopes)
	if err != nil {
		return MintedToken{}, err
	}
	var made core.Token
	done, account, env, err := o.changeToken(ctx, core.TokenChange{
		Kind: event.TokenMinted, Token: p.ID, Name: r.Name, StepUp: o.s.policy.Scopes.StepUp(r.Scopes),
		Daily: mintsADay * o.s.policy.MaxActive,
	}, func(a core.Account, proof core.Presented, env core.Env) (err error) {
		if err := gates.open(a, proof, env); err != nil {
			return err
		}
		made, err = a.Mint(proof, r, p, env)
		return err
	})
	if err != nil {
		return MintedToken{}, err
	}
	if err := o.s.insertToken(ctx, made); err != nil {
		return MintedToken{}, err
	}
	o.s.tellToken(ctx, account.ID, done)
	return MintedToken{minted, o.s.tokenInfo(made, storage.TokenUsage{}, account.Index(o.s.window), env)}, nil
}

// secretGates are the gates that every way to a working secret goes through, with what they have to know.
type secretGates struct {
	s       *Service
	e       evidence
	actions []string
}

func (o Owner) gates(ctx context.Context, scopes tokens.Scopes) (secretGates, error) {
	p, err := o.present(ctx)
	if err != nil {
		return secretGates{}, err
	}
	return o.s.secretGates(ctx, p.Account, scopes)
}

// secretGates returns the gates for a secret with scopes. They are asked later, in the save that checks the proof.
func (s *Service) secretGates(ctx context.Context, account string, scopes tokens.Scopes) (secretGates, error) {
	g := secretGates{s: s}
	if s.posture != nil {
		for _, action := range s.posture.Actions() {
			if action == posture.MintToken || action == posture.MintProductionToken && s.policy.Scopes.Risk(scopes) == tokens.High {
				g.actions = append(g.actions, action)
			}
		}
	}
	if len(g.actions) == 0 {
		return g, nil
	}
	a, _, err := s.load(ctx, account)
	if err != nil {
		return secretGates{}, err
	}
	g.e, err = s.evidenceFor(ctx, a, g.actions...)
	return g, err
}

// open returns nil if the gates are open to a proof's owner, on an account as it is now.
func (g secretGates) open(a core.Account, p core.Presented, env core.Env) error {
	g.e.account, g.e.env = a, env
	for _, action := range g.actions {
		if err := g.s.gate(action, g.e, p); err != nil {
			return err
		}
	}
	return nil
}

// changeToken saves the account with what is done to a token, if the proof is enough for it. The
// account it returns is the saved one. check is asked before that and may refuse.
func (o Owner) changeToken(ctx context.Context, c core.TokenChange, check func(core.Account, core.Presented, core.Env) error) (
	done core.Event, account core.Account, env core.Env, err error) {
	err = o.change(ctx,
		func(ctx context.Context, a core.Account, p core.Presented, env core.Env) error {
			if c.Kind != event.TokenMinted && c.Kind != event.TokenRenewed {
				return nil
			}
			if _, _, err := a.ChangeToken(p, c, env); err != nil {
				return err
			}
			return o.s.room(ctx, a, env)
		},
		func(a core.Account, p core.Presented, e core.Env) (next core.Account, err error) {
			if next, done, err = a.ChangeToken(p, c, e); err != nil {
				return a, err
			}
			if err := check(a, p, e); err != nil {
				return a, err
			}
			account, env = next, e
			return next, nil
		})
	return done, account, env, err
}

// room returns ErrState if an account has as many active tokens as it may.
func (s *Service) room(ctx context.Context, a core.Account, env core.Env) error {
	active, index := 0, a.Index(s.window)
	return s.eachLive(ctx, a, env, func(rec storage.TokenRecord) error {
		t, err := core.DecodeToken(rec.ID, rec.AccountID, rec.Data)
		if err != nil {
			return err
		}
		if t.Stands(index, env) == core.HasExpired { // of a clock that was ahead, by which the store cannot go
			return nil
		}
		if active++; active >= s.policy.MaxActive {
			return fmt.Errorf("%w: there are %d active tokens, as many as there may be", ErrState, active)
		}
		return nil
	})
}

// tellSuspended tells of each token that has stopped working because its owner's second factor was turned off, or
// on. It is told at most once, as every event, and so not at all where the store fails.
func (s *Service) tellSuspended(ctx context.Context, a core.Account) {
	if s.policy == nil {
		return
	}
	env, index := s.env(), a.Index(s.window)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout) // it is done, though the caller may have gone
	defer cancel()
	var events []core.Event
	_ = s.eachLive(ctx, a, env, func(rec storage.TokenRecord) error {
		t, err := core.DecodeToken(rec.ID, rec.AccountID, rec.Data)
		if st := t.Stands(index, env); err == nil && (st == core.LacksFactor || st == core.LacksProof) {
			events = append(events, tokenEvent(event.TokenNeedsSecondFactor, t, env))
		}
		return err
	})
	s.tellToken(ctx, a.ID, events...)
}

// eachLive calls f for each token of an account that has not ended, until it returns an error. What has ended is not
// even read: of that there is as much as an owner has made.
func (s *Service) eachLive(ctx context.Context, a core.Account, env core.Env, f func(storage.TokenRecord) error) error {
	live := storage.Live{Epoch: a.Index(s.window).TokenEpoch, At: env.Now}
	for after := ""; ; {
		page, err := retry(ctx, func() (storage.Page[storage.TokenRecord], error) {
			return s.store.LiveTokens(ctx, a.ID, live, after, tokenPage)
		})
		if err != nil {
			return fmt.Errorf("gatehouse: list tokens: %w", err)
		}
		for _, rec := range page.Records {
			after = rec.ID
			if err := f(rec); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

// mintsADay is how many times an account may mint as many tokens in a day as it can have active ones. Without a bound a
// loop of minting and revoking fills the store. They are not purged at minting instead, which would rid whoever has used
// a token of the traces of it; nor is it the ended tokens that are counted, which would shut out owners where nobody
// purges.
const mintsADay = 10

const tokenPage = 200 // tokens read at once

// Rotation says how a token is rotated.
type Rotation struct {
	// Lifetime is that of the successor, from now on. Defaults to the token's own, or to the longest of
	// the policy where that is less.
	Lifetime time.Duration
	// Grace is how long the present secret goes on working beside the new one, at most the policy's MaxGrace (and a
	// day where a token rotates itself), and never longer than it would have. Defaults to none, which is right after
	// a leak.
	Grace time.Duration
	// Seen is the token as its owner was shown it: it is ErrState if it was rotated since, so that two forms do not
	// each make a secret of which one is dead. Defaults to whatever it is like.
	Seen TokenInfo
}

func (r Rotation) check(maxGrace time.Duration) error {
	if r.Grace < 0 || r.Grace > maxGrace {
		return fmt.Errorf("%w: a grace is 0 to %v", ErrInvalid, maxGrace)
	}
	if r.Lifetime < 0 {
		return fmt.Errorf("%w: a negative lifetime", ErrInvalid)
	}
	return nil
}

// life returns for how long a token can go on: what is asked for, or 0 for its own lifetime. ErrState says that the
// policy of now would not mint such a token: to prolong it needs what to make it does.
func (s *Service) life(asked time.Duration, t core.Token) (time.Duration, error) {
	again := tokens.Request{
		Name: t.Name, Kind: t.Kind, Scopes: t.Scopes, Resources: t.ResourceLimit(), Networks: t.NetworkLimit(),
		RotatesItself: t.RotatesItself,
	}
	if _, err := s.policy.Request(again); err != nil {
		return 0, fmt.Errorf("%w: the policy no longer has such tokens: %w", ErrState, err)
	}
	if again.Lifetime = asked; asked == 0 {
		again.Lifetime = min(time.Duration(t.Lifetime)*time.Second, s.policy.Longest)
		if t.RotatesItself {
			again.Lifetime = min(again.Lifetime, s.policy.Unattended)
		}
	}
	again, err := s.policy.Request(again)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return again.Lifetime, nil
}

// RotateToken gives a token another secret under the same ID, with the same scopes and restrictions. Proof, gates
// and policy are asked as by MintToken, for the scopes that the token has. A secret that was rotated and is
// presented after its grace revokes the token, unless the policy says otherwise. ErrState says that the account has
// no such token, that it is revoked, has expired or was rotated by somebody else in this moment, that eight copies
// of it are in their grace, or that the policy no longer has such tokens.
func (o Owner) RotateToken(ctx context.Context, id string, r Rotation) (MintedToken, error) {
	if err := o.s.hasTokens(); err != nil {
		return MintedToken{}, err
	}
	if err := r.check(o.s.policy.MaxGrace); err != nil {
		return MintedToken{}, err
	}
	var minted tokens.Token
	var info TokenInfo
	err := o.onToken(ctx, event.TokenRotated, id, func(p core.Presented, first, h held, env core.Env) (core.Token, error) {
		if h.Generation != first.Generation || r.Seen.ID != "" && (r.Seen.ID != id || r.Seen.Rotations != h.Generation) {
			return h.Token, fmt.Errorf("%w: the token was rotated meanwhile", ErrState)
		}
		successor := tokens.Parsed{Kind: h.Kind, ID: h.ID}.Successor(o.s.policy.Brand)
		next, err := o.s.rotate(h, successor, r, &p, env)
		minted, info = successor, o.s.tokenInfo(next, h.rec.Usage, h.owner, env)
		return next, err
	})
	if err != nil {
		return MintedToken{}, err
	}
	return MintedToken{minted, info}, nil
}

// rotate puts a successor in the place of a token's secret; by is the owner's proof, nil where it rotates itself.
func (s *Service) rotate(h held, successor tokens.Token, r Rotation, by *core.Presented, env core.Env) (core.Token, error) {
	life, err := s.life(r.Lifetime, h.Token)
	if err != nil {
		return core.Token{}, err
	}
	p, err := tokens.Parse(s.policy.Brand, successor.Reveal())
	if err != nil {
		return core.Token{}, err
	}
	return h.Rotate(core.Successor{Secret: p, Life: life, Grace: r.Grace, By: by, Unattended: s.policy.Unattended}, h.owner, env)
}

// onToken does something to a token of the owner's account: first to the account, with the proof, then
// to the token. What the token itself refuses is refused before either.
func (o Owner) onToken(ctx context.Context, kind event.Kind, id string,
	step func(p core.Presented, first, h held, env core.Env) (core.Token, error)) error {
	if err := o.s.hasTokens(); err != nil {
		return err
	}
	p, err := o.present(ctx)
	if err != nil {
		return err
	}
	if storage.CheckID(id) != nil {
		return errNoToken
	}
	first, err := o.s.loadToken(ctx, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && first.Account != p.Account {
		return errNoToken
	}
	if err != nil {
		return err
	}
	var gates secretGates
	if kind != event.TokenRevoked {
		if gates, err = o.s.secretGates(ctx, p.Account, first.Scopes); err != nil {
			return err
		}
	}
	done, _, _, err := o.changeToken(ctx, core.TokenChange{
		Kind: kind, Token: id, Name: first.Name,
		StepUp: kind != event.TokenRevoked && o.s.policy.Scopes.StepUp(first.Scopes),
	}, func(a core.Account, p core.Presented, env core.Env) error {
		if err := gates.open(a, p, env); err != nil {
			return err
		}
		_, err := step(p, first, first, env)
		return err
	})
	if err != nil {
		return err
	}
	// What the account says was done is done, though the caller may have gone.
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	err = o.s.applyToken(detached, id, func(h held, env core.Env) (core.Token, error) { return step(p, first, h, env) })
	if err != nil {
		return err
	}
	o.s.tellToken(ctx, p.Account, done)
	return nil
}

// RenewToken has an expired token work again, with the secret it had, for a lifetime; 0 is its own. Proof, gates and
// policy are asked as by MintToken, for the scopes that the token has. ErrState says that the account has no such
// token, that it is revoked or has not expired, that there are as many active tokens as there may be, or that the
// policy no longer has such tokens.
func (o Owner) RenewToken(ctx context.Context, id string, lifetime time.Duration) (TokenInfo, error) {
	if lifetime < 0 {
		return TokenInfo{}, fmt.Errorf("%w: a negative lifetime", ErrInvalid)
	}
	var info TokenInfo
	err := o.onToken(ctx, event.TokenRenewed, id, func(p core.Presented, _, h held, env core.Env) (core.Token, error) {
		life, err := o.s.life(lifetime, h.Token)
		if err != nil {
			return h.Token, err
		}
		next, err := h.Renew(p, life, h.owner, env)
		info = o.s.tokenInfo(next, h.rec.Usage, h.owner, env)
		return next, err
	})
	if err != nil {
		return TokenInfo{}, err
	}
	return info, nil
}

// RevokeToken ends a token for good; the next check denies it. It needs a proof of the last 15 minutes,
// which may be by a recovery code. A token that was revoked before is no error; ErrState says that the
// account has no such token.
func (o Owner) RevokeToken(ctx context.Context, id string) error {
	return o.onToken(ctx, event.TokenRevoked, id, func(_ core.Presented, _, h held, env core.Env) (core.Token, error) {
		return h.Revoke(env), nil
	})
}

// RevokeAllTokens ends every token of the account in one write. The proof is as for RevokeToken.
func (o Owner) RevokeAllTokens(ctx context.Context) error {
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.RevokeTokens(p, env)
	})
}
