package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// RevokeToken ends one token, of whatever account. ErrState says that there is none with this ID.
func (o Operator) RevokeToken(ctx context.Context, id string) error {
	if err := errors.Join(o.by.Check(), o.s.hasTokens()); err != nil {
		return err
	}
	if storage.CheckID(id) != nil {
		return errNoToken
	}
	h, err := o.s.loadToken(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return errNoToken
	}
	if err != nil {
		return err
	}
	return o.s.revoke(ctx, h, o.by.Event())
}

// RevokeAllTokens ends every token of an account in one write.
func (o Operator) RevokeAllTokens(ctx context.Context, account string) error {
	return o.change(ctx, account, nil, always(func(a core.Account, env core.Env) core.Account {
		return a.RevokeTokensBy(o.by, env)
	}))
}

// TokenSweep is how far a walk over all tokens has come.
type TokenSweep struct {
	Seen   int    // tokens looked at
	Done   int    // of them, those that were purged or warned of
	Failed int    // of them, those that cannot be read; they are left as they are
	Cursor string // the last token done: where another walk can go on
}

// PurgeTokens removes every token that was revoked, or has expired, before a moment; one in the future is
// taken for now, so that no live token goes. It goes through all
// tokens in the order of their IDs, from after the cursor, "" for the first, beside live traffic.
// progress, which may be nil, is called after each. A fault, or the end of ctx, ends it, and the Cursor
// is where to go on. Tokens that ended with all others of their account are purged when they expire.
func (o Operator) PurgeTokens(ctx context.Context, before time.Time, cursor string, progress func(TokenSweep)) (TokenSweep, error) {
	return o.sweep(ctx, cursor, progress, func(rec storage.TokenRecord, t core.Token) (bool, error) {
		if !t.Done(min(before.Unix(), o.s.env().Now.Unix())) {
			return false, nil
		}
		err := o.s.store.DeleteToken(ctx, rec.ID, rec.Version)
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

// WarnExpiringTokens tells the observer of every token that ends within 14, 7 or 1 days, each once, so
// that owners can be written to: call it daily. It walks as PurgeTokens does.
func (o Operator) WarnExpiringTokens(ctx context.Context, cursor string, progress func(TokenSweep)) (TokenSweep, error) {
	return o.sweep(ctx, cursor, progress, func(_ storage.TokenRecord, t core.Token) (bool, error) {
		if !t.MayWarn(o.s.env()) {
			return false, nil
		}
		days := 0
		err := o.s.applyToken(ctx, t.ID, func(h held, env core.Env) (next core.Token, err error) {
			next, days = h.Warn(h.owner, env)
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

func (o Operator) tell(ctx context.Context, k event.Kind, t core.Token, at int64) {
	e := o.by.Event()
	e.Kind, e.At, e.Token, e.Name, e.RetryAt = k, o.s.env().Now.Unix(), t.ID, t.Name, at
	o.s.tellToken(ctx, t.Account, e)
}

func (o Operator) sweep(ctx context.Context, cursor string, progress func(TokenSweep),
	do func(storage.TokenRecord, core.Token) (bool, error)) (TokenSweep, error) {
	w := TokenSweep{Cursor: cursor}
	if err := errors.Join(o.by.Check(), o.s.hasTokens()); err != nil {
		return w, err
	}
	if cursor != "" && storage.CheckID(cursor) != nil {
		return w, fmt.Errorf("%w: a cursor is the ID of a token", ErrInvalid)
	}
	for {
		page, err := retry(ctx, func() (storage.Page[storage.TokenRecord], error) {
			return o.s.store.AllTokens(ctx, w.Cursor, tokenPage)
		})
		if err != nil {
			return w, fmt.Errorf("gatehouse: list tokens: %w", err)
		}
		for _, rec := range page.Records {
			t, err := core.DecodeToken(rec.ID, rec.AccountID, rec.Data)
			if err != nil {
				w.Failed++
			} else {
				done, err := do(rec, t)
				if err != nil {
					return w, err
				}
				if done {
					w.Done++
				}
			}
			w.Seen++
			w.Cursor = rec.ID
			if progress != nil {
				progress(w)
			}
		}
		if !page.More {
			return w, nil
		}
	}
}
