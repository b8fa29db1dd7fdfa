package tokens

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Revoke ends a token for good; the next check denies it. It needs a proof of the last 15 minutes,
// which may be by a recovery code. A token that was revoked before is no error, and nothing is told again;
// gatehouse.ErrNotFound says that the account has no such token.
func (s *Service) Revoke(ctx context.Context, in gatehouse.Session, id string) (err error) {
	defer s.e.Begin(&ctx, "tokens.Service.Revoke").End(&err)
	_, err = s.change(ctx, in, event.TokenRevoked, id, func(_ authority, _, h held, now env) (record, error) {
		return h.revoke(now), nil
	})
	return err
}

// RevokeAll ends every token of the session's account in one write, those that are just being minted among them: so it is
// told each time, also where there are no tokens. The proof is as for Revoke.
func (s *Service) RevokeAll(ctx context.Context, in gatehouse.Session) (err error) {
	defer s.e.Begin(&ctx, "tokens.Service.RevokeAll").End(&err)
	p, err := s.present(ctx, in)
	if err != nil {
		return err
	}
	return s.e.Change(ctx, p.Account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.RevokeTokens(p, env)
	}})
}

// RevokePresented revokes a token by its possession (RFC 7009), for those who give one back and for
// reports of leaked ones. The answer is nil also for text that is no token, or none that is known, so that
// it tells nothing. A rotated copy revokes its successor too. A fault may also say that it was revoked and that its owner's
// account could not be told so.
func (s *Service) RevokePresented(ctx context.Context, text string) (err error) {
	defer s.e.Begin(&ctx, "tokens.Service.RevokePresented").End(&err)
	h, p, err := s.find(ctx, text)
	if errors.Is(err, gatehouse.ErrDenied) {
		return nil
	}
	if err != nil {
		return err
	}
	if c, _ := h.which(p, s.env()); c == noCopy {
		return nil
	}
	return s.revoke(ctx, h, core.Event{})
}

// revoke ends a token, and tells it if that is news.
func (s *Service) revoke(ctx context.Context, h held, e core.Event) error {
	now := s.e.EnvOf(ctx)
	e.Kind, e.At, e.Token, e.Name = event.TokenRevoked, now.Now.Unix(), h.ID, h.Name
	if e.Operator == "" { // the owner is not told where support sits
		e.Client = now.Client
	}
	d := s.unpaid.take(debtOf(h))
	if h.Revoked == 0 {
		d.events = append(d.events, e)
	}
	return s.ends(ctx, d, func(ctx context.Context) error {
		news := false
		err := s.end(ctx, h.ID, func(h held, now env) (record, error) {
			news, e.At = h.Revoked == 0, now.unix()
			return h.revoke(now), nil
		})
		if err == errNoToken {
			return nil
		}
		if err == nil && news {
			s.tell(ctx, h.Account, e)
		}
		return err
	})
}
