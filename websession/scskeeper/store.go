package scskeeper

import (
	"context"
	"time"

	"github.com/alexedwards/scs/v2"
)

// The store's methods, by the names under which it has things: the manager's own hash the token once more where tokens are
// hashed, and know no record that is no session.

func (d *Directory) all(ctx context.Context) (map[string][]byte, error) {
	if s, ok := d.manager.Store.(scs.IterableCtxStore); ok {
		return s.AllCtx(ctx)
	}
	return d.manager.Store.(scs.IterableStore).All()
}

func (d *Directory) find(ctx context.Context, token string) ([]byte, bool, error) {
	if s, ok := d.manager.Store.(scs.CtxStore); ok {
		return s.FindCtx(ctx, token)
	}
	return d.manager.Store.Find(token)
}

// commit stores a record without values, which is nobody's session.
func (d *Directory) commit(ctx context.Context, token string, deadline time.Time) error {
	data, err := d.manager.Codec.Encode(deadline, map[string]any{})
	if err != nil {
		return err
	}
	if s, ok := d.manager.Store.(scs.CtxStore); ok {
		return s.CommitCtx(ctx, token, data, deadline)
	}
	return d.manager.Store.Commit(token, data, deadline)
}

func (d *Directory) delete(ctx context.Context, token string) error {
	if s, ok := d.manager.Store.(scs.CtxStore); ok {
		return s.DeleteCtx(ctx, token)
	}
	return d.manager.Store.Delete(token)
}
