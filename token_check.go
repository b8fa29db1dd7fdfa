package gatehouse

import (
	"context"
	"errors"
	"net/netip"
	"time"

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
	s.usage.seen(h, from, env, s.policy.Addresses, func(e core.Event) { go s.tellToken(ctx, h.Account, e) })
	until, _ := h.Genuine(p)
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
	events := []core.Event{tokenEvent(core.TokenReused, h.Token, s.env())}
	if from.IsValid() {
		events[0].Address = from.String()
	}
	if !s.policy.KeepReused {
		revoked := false
		err := s.applyToken(ctx, h.ID, func(h held, env core.Env) (core.Token, error) {
			if h.Presented(p, from, h.owner, env) != core.ReusedOld {
				return h.Token, nil
			}
			revoked = true
			return h.Revoke(env), nil
		})
		if err != nil && !errors.Is(err, ErrState) {
			return err
		}
		if !revoked {
			return &DeniedError{}
		}
		events = append(events, tokenEvent(core.TokenRevoked, h.Token, s.env()))
	}
	s.tellToken(ctx, h.Account, events...)
	return &DeniedError{}
}

// RotateToken rotates a token by itself, where it was minted to: for machines that no owner looks after.
// The successor lives no longer than the token was to when it was minted, or rotated by its owner. It is
// ErrDenied for a token that AuthenticateToken denies, that was rotated already or does not rotate
// itself.
func (s *Service) RotateToken(ctx context.Context, presented string, r Rotation, opts ...Option) (MintedToken, error) {
	if err := r.check(); err != nil {
		return MintedToken{}, err
	}
	o, err := optionsOf(opts, fromAddress)
	if err != nil {
		return MintedToken{}, err
	}
	from := o.from
	h, p, err := s.presented(ctx, presented)
	if err != nil {
		return MintedToken{}, err
	}
	if h.Presented(p, from, h.owner, s.env()) == core.ReusedOld {
		return MintedToken{}, s.reused(ctx, h, p, from)
	}
	var minted MintedToken
	err = s.applyToken(ctx, p.ID, func(h held, env core.Env) (core.Token, error) {
		if !h.RotatesItself || h.Presented(p, from, h.owner, env) != core.Good {
			return h.Token, &DeniedError{}
		}
		own := time.Duration(h.Lifetime) * time.Second
		if r.Lifetime > own {
			r.Lifetime = own
		}
		next, successor, err := s.rotate(h, r, env)
		minted = MintedToken{successor, tokenInfo(next, h.rec.Usage, h.owner, env)}
		return next, err
	})
	if err == errNoToken {
		err = &DeniedError{}
	}
	if err != nil {
		return MintedToken{}, err
	}
	s.tellToken(ctx, h.Account, tokenEvent(core.TokenRotated, h.Token, s.env()))
	return minted, nil
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
	if _, genuine := h.Genuine(p); !genuine {
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
		e.Kind, e.At, e.Token, e.Name = core.TokenRevoked, at.Now.Unix(), h.ID, h.Name
		s.tellToken(ctx, h.Account, e)
	}
	return err
}
