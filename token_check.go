package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Grant is what a token that was checked may do. It is good for one request: keep none, as a token
// that is revoked is seen by the next check alone. The zero Grant allows nothing.
type Grant struct {
	TokenID   string
	AccountID string
	Kind      tokens.Kind
	Name      string
	Scopes    tokens.Scopes
	Expires   time.Time

	// Rotated is set where the token has a successor, and says until when this copy works: tell its
	// holder to take the new one.
	Rotated time.Time

	// AuthMethod and AuthTime are of the proof with which its owner minted it, and SecondFactor says
	// whether that was one.
	AuthMethod   string
	AuthTime     time.Time
	SecondFactor bool

	// RotatesItself says that RotateToken takes it.
	RotatesItself bool

	resources tokens.Resources
	used      func(tokens.Scope)
}

// Allows reports whether the token may do something to a resource, "" being what belongs to none. What
// it allows counts as a use of the scope.
func (g Grant) Allows(scope tokens.Scope, resource string) bool {
	if !g.Scopes.Has(scope) || !g.resources.Has(resource) {
		return false
	}
	g.used(scope)
	return true
}

// AuthenticateToken checks a token as it was presented, in the Authorization header and nowhere else,
// with one read of the store, and no write for one that is valid or unknown. [From] has the address that
// it came from.
//
// ErrDenied is the one answer to a token that is malformed, unknown, expired, revoked, or whatever else
// keeps it from working; Tokens tells its owner. Every other error is a fault. Neither lets anybody in.
func (s *Service) AuthenticateToken(ctx context.Context, presented string, opts ...Option) (Grant, error) {
	o, err := optionsOf(opts, fromAddress)
	if err != nil {
		return Grant{}, err
	}
	from := o.from
	h, p, err := s.presented(ctx, presented)
	if err != nil {
		return Grant{}, err
	}
	env := s.env()
	switch h.Presented(p, from, h.owner, env) {
	case core.Good, core.InGrace:
	case core.ReusedOld:
		return Grant{}, s.reused(ctx, h, p, from)
	default:
		return Grant{}, &DeniedError{}
	}
	s.usage.seen(h, from, env, s.policy.Addresses, func(e core.Event) {
		go s.observers.add(ctx, h.Account, []core.Event{e})() // it is in order by now; a check does not wait until it is told
	})
	_, until := h.Copy(p, env)
	return Grant{
		TokenID: h.ID, AccountID: h.Account, Kind: h.Kind, Name: h.Name, Scopes: h.Scopes, Expires: core.Time(h.Expires),
		Rotated:    core.Time(until),
		AuthMethod: h.AMR, AuthTime: core.Time(h.ProofAt), SecondFactor: h.How == core.SecondFactor,
		RotatesItself: h.RotatesItself,
		resources:     h.ResourceLimit(),
		used:          func(scope tokens.Scope) { s.usage.used(h, scope, env) },
	}, nil
}

// presented finds the token that a text claims to be. It is ErrDenied for what is malformed, without a
// look into the store, and for what is not there.
func (s *Service) presented(ctx context.Context, text string) (held, tokens.Parsed, error) {
	if err := s.hasTokens(); err != nil {
		return held{}, tokens.Parsed{}, err
	}
	p, err := tokens.Parse(s.policy.Brand, text)
	if err != nil {
		return held{}, tokens.Parsed{}, &DeniedError{}
	}
	h, err := s.loadToken(ctx, p.ID)
	if errors.Is(err, storage.ErrNotFound) {
		p.Digest.Equal(make([]byte, len(p.Digest))) // what a wrong secret takes
		return held{}, tokens.Parsed{}, &DeniedError{}
	}
	return h, p, err
}

// reused answers to a rotated copy after its grace: somebody has an old one, and nobody knows who. Its
// error is ErrDenied once that is dealt with, and else the fault.
func (s *Service) reused(ctx context.Context, h held, p tokens.Parsed, from netip.Addr) error {
	var events []core.Event
	err := s.applyToken(ctx, h.ID, func(h held, env core.Env) (next core.Token, err error) {
		next, events = h.Token, nil
		if h.Presented(p, from, h.owner, env) == core.ReusedOld {
			next, events = s.reuse(h, from, env)
		}
		return next, nil
	})
	return s.deny(ctx, h.Account, events, err)
}

// reuse returns what becomes of a token of which an old copy was presented.
func (s *Service) reuse(h held, from netip.Addr, env core.Env) (core.Token, []core.Event) {
	events := []core.Event{presentedEvent(event.TokenReused, h, from, env)}
	if s.policy.KeepReused {
		return h.Token, events
	}
	return h.Revoke(env), append(events, tokenEvent(event.TokenRevoked, h.Token, env))
}

func presentedEvent(k event.Kind, h held, from netip.Addr, env core.Env) core.Event {
	e := tokenEvent(k, h.Token, env)
	if from.IsValid() {
		e.Address = from.String()
	}
	return e
}

// deny answers to what was presented once what it gave away is dealt with, and err is what came of that.
func (s *Service) deny(ctx context.Context, account string, events []core.Event, err error) error {
	if err != nil && err != errNoToken {
		return err
	}
	if err == nil {
		s.tellToken(ctx, account, events...)
	}
	return &DeniedError{}
}

// RotateToken rotates a token by itself, where it was minted to: for machines that no owner looks after.
// The successor lives no longer than the token was to when it was minted, or rotated by its owner, and for the
// policy's Unattended since then at most.
//
// It is ErrDenied for a token that AuthenticateToken denies, that was rotated already or does not rotate itself. A
// copy in its grace is told (TokenContested): two have the token, or its holder has lost the successor. Gates and
// policy are asked as by MintToken, for an owner with the proof of the minting: a *GateError says that one of them
// is closed, and ErrState that the policy no longer has such tokens, that the owner has to rotate it, or that eight
// copies are in their grace. Neither ends the copy that was presented.
func (s *Service) RotateToken(ctx context.Context, presented string, r Rotation, opts ...Option) (MintedToken, error) {
	o, err := optionsOf(opts, fromAddress)
	if err != nil {
		return MintedToken{}, err
	}
	if err := s.hasTokens(); err != nil {
		return MintedToken{}, err
	}
	if err := r.check(min(s.policy.MaxGrace, tokens.MaxSelfGrace)); err != nil {
		return MintedToken{}, err
	}
	h, p, err := s.presented(ctx, presented)
	if err != nil {
		return MintedToken{}, err
	}
	// What is found out is found on the first look: a copy that another call rotates in this moment is denied and
	// gives nothing away.
	env := s.env()
	first := h.Presented(p, o.from, h.owner, env)
	firstCopy, _ := h.Copy(p, env)
	var gates secretGates
	if h.RotatesItself && first == core.Good {
		if gates, err = s.secretGates(ctx, h.Account, h.Scopes); err != nil {
			return MintedToken{}, err
		}
	}
	var minted MintedToken
	var events []core.Event
	denied := false
	err = s.applyToken(ctx, p.ID, func(h held, env core.Env) (next core.Token, err error) {
		minted, events, denied = MintedToken{}, nil, true
		stands := h.Presented(p, o.from, h.owner, env)
		c, _ := h.Copy(p, env)
		switch {
		case stands == core.ReusedOld && first == stands:
			next, events = s.reuse(h, o.from, env)
			return next, nil
		case c == core.GraceCopy && firstCopy == c && h.RotatesItself && stands != core.WasRevoked:
			next, news := h.Contest(p)
			if news {
				events = append(events, presentedEvent(event.TokenContested, h, o.from, env))
			}
			return next, nil
		case !h.RotatesItself || stands != core.Good || first != stands:
			denied = false // an error, as it may be what this very call has saved that denies it
			return h.Token, &DeniedError{}
		}
		minted, next, err = s.rotateItself(h, presented, r, gates, env)
		denied = false
		events = append(events, tokenEvent(event.TokenRotated, h.Token, env))
		return next, err
	})
	if denied || err == errNoToken {
		return MintedToken{}, s.deny(ctx, h.Account, events, err)
	}
	if err != nil {
		return MintedToken{}, err
	}
	s.tellToken(ctx, h.Account, events...)
	return minted, nil
}

// rotateItself returns a token with a successor in its line. Nobody is there, so its owner's proof is as old as a
// gate may ask for: what bounds that is the policy's Unattended.
func (s *Service) rotateItself(h held, presented string, r Rotation, gates secretGates, env core.Env) (MintedToken, core.Token, error) {
	if s.policy.Scopes.StepUp(h.Scopes) && h.How != core.SecondFactor {
		return MintedToken{}, h.Token, fmt.Errorf("%w: a scope asks for the second factor; its owner can rotate it", ErrState)
	}
	if len(gates.actions) > 0 {
		proof := core.Presented{Proof: core.Proof{Account: h.Account, Kind: h.How, At: env.Now.Unix()}}
		if err := gates.open(gates.e.account, proof, env); err != nil {
			return MintedToken{}, h.Token, err
		}
	}
	if own := time.Duration(h.Lifetime) * time.Second; r.Lifetime > own {
		r.Lifetime = own
	}
	successor, err := tokens.Next(s.policy.Brand, presented)
	if err != nil {
		return MintedToken{}, h.Token, err
	}
	next, err := s.rotate(h, successor, r, nil, env)
	return MintedToken{successor, s.tokenInfo(next, h.rec.Usage, h.owner, env)}, next, err
}

// RevokePresented revokes a token by its possession (RFC 7009), for whoever gives one back and for
// reports of leaked ones. The answer is nil also for what is no token, or none that is known, so that
// it tells nothing. A rotated copy revokes its successor too.
func (s *Service) RevokePresented(ctx context.Context, presented string) error {
	h, p, err := s.presented(ctx, presented)
	if errors.Is(err, ErrDenied) {
		return nil
	}
	if err != nil {
		return err
	}
	if c, _ := h.Copy(p, s.env()); c == core.NoCopy {
		return nil
	}
	return s.revoke(ctx, h, core.Event{})
}

// revoke ends a token, and tells it if that is news.
func (s *Service) revoke(ctx context.Context, h held, e core.Event) error {
	news := false
	var at core.Env
	err := s.applyToken(ctx, h.ID, func(h held, env core.Env) (core.Token, error) {
		news, at = h.Revoked == 0, env
		return h.Revoke(env), nil
	})
	if err == errNoToken {
		return nil
	}
	if err == nil && news {
		e.Kind, e.At, e.Token, e.Name = event.TokenRevoked, at.Now.Unix(), h.ID, h.Name
		s.tellToken(ctx, h.Account, e)
	}
	return err
}
