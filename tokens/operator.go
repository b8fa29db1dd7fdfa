package tokens

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Operator has the operations of support on tokens, as gatehouse.Operator has them on accounts.
type Operator struct {
	s  *Service
	by core.By
}

// Operator returns the operations of an operator on tokens.
func (s *Service) Operator(o gatehouse.Operator) Operator { return Operator{s: s, by: engine.ByOf(o)} }

// Revoke ends one token, of whatever account. gatehouse.ErrNotFound says that there is none with this ID.
func (o Operator) Revoke(ctx context.Context, id string) (err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.Revoke").End(&err)
	if err := o.by.Check(); err != nil {
		return err
	}
	kept, err := o.s.load(ctx, id)
	if err != nil {
		return err
	}
	return o.s.revoke(ctx, kept.Record, o.by.Event())
}

// RevokeAll ends every token of an account in one write.
func (o Operator) RevokeAll(ctx context.Context, account string) (err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.RevokeAll").End(&err)
	if err := o.by.Check(); err != nil {
		return err
	}
	return o.s.e.Change(ctx, account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.RevokeTokensBy(o.by, env), nil
	}})
}

// Purge removes every token that was revoked, or has expired, before a moment; one in the future counts as now, so that
// no live token goes. It goes through all tokens in the order of their IDs, from after the cursor, "" for the first,
// and may run during live traffic. progress, which may be nil, is called after each. A fault, or the end of ctx, ends
// it, and the Cursor is where to go on. Tokens that ended with all others of their account are purged when they expire.
func (o Operator) Purge(ctx context.Context, before time.Time, cursor string, progress func(gatehouse.Progress)) (_ gatehouse.Progress, err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.Purge").End(&err)
	return o.sweep(ctx, cursor, progress, func(rec storage.TokenRecord, t record) (bool, error) {
		if !t.done(min(before.Unix(), o.s.env().unix())) {
			return false, nil
		}
		err := o.s.e.Store.DeleteToken(ctx, rec.ID, rec.Version)
		if errors.Is(err, storage.ErrConflict) {
			return false, nil // it has changed: the next purge looks again
		}
		if err != nil {
			return false, fmt.Errorf("gatehouse: delete token: %w", err)
		}
		o.tell(ctx, event.TokenPurged, t, 0)
		return true, nil
	})
}

// WarnExpiring tells the observer of every token that ends within 14, 7 or 1 days, each once, so that the host can
// write to owners: call it daily. It walks as Purge does.
func (o Operator) WarnExpiring(ctx context.Context, cursor string, progress func(gatehouse.Progress)) (_ gatehouse.Progress, err error) {
	defer o.s.e.Begin(&ctx, "tokens.Operator.WarnExpiring").End(&err)
	return o.sweep(ctx, cursor, progress, func(_ storage.TokenRecord, t record) (bool, error) {
		if !t.mayWarn(o.s.env()) {
			return false, nil
		}
		days := 0
		err := o.s.apply(ctx, t.ID, func(h held, now env) (next record, err error) {
			next, days = h.warn(h.owner, now)
			return next, nil
		})
		if err == errNoToken {
			return false, nil
		}
		if err == nil && days > 0 {
			o.tell(ctx, event.TokenExpiring, t, t.Expires)
		}
		return days > 0, err
	})
}

func (o Operator) tell(ctx context.Context, k event.Kind, t record, expires int64) {
	e := o.by.Event()
	e.Kind, e.At, e.Token, e.Name, e.Expires = k, o.s.env().unix(), t.ID, t.Name, expires
	o.s.tell(ctx, t.Account, e)
}

// sweep calls do with every token after a cursor, and counts those for which it reports true.
func (o Operator) sweep(ctx context.Context, cursor string, progress func(gatehouse.Progress),
	do func(storage.TokenRecord, record) (bool, error)) (gatehouse.Progress, error) {
	w := gatehouse.Progress{Cursor: cursor}
	if err := o.by.Check(); err != nil {
		return w, err
	}
	if cursor != "" && storage.CheckID(cursor) != nil {
		return w, fmt.Errorf("%w: a cursor is the ID of a token", gatehouse.ErrInvalid)
	}
	for rec, err := range records(ctx, cursor, func(after string) (storage.Page[storage.TokenRecord], error) {
		return o.s.e.Store.AllTokens(ctx, after, pageSize)
	}) {
		if err != nil {
			return w, err
		}
		if t, err := decode(rec.ID, rec.AccountID, rec.Data); err != nil {
			w.Failed++
		} else if done, err := do(rec, t); err != nil {
			return w, err
		} else if done {
			w.Done++
		}
		w.Seen++
		w.Cursor = rec.ID
		if progress != nil {
			progress(w)
		}
	}
	return w, nil
}
