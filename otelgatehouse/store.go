package otelgatehouse

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Store implements engine.Watcher.
func (w *watcher) Store(s storage.Store) storage.Store { return &store{s, w} }

// store is a Store with its operations watched.
type store struct {
	under storage.Store
	w     *watcher
}

// operation is one on its way. Its spans are internal ones: those of a client are the driver's to make.
type operation struct {
	w     *watcher
	ctx   context.Context
	span  trace.Span
	name  string
	began time.Time
}

func (s *store) begin(ctx *context.Context, name string) *operation {
	o := &operation{w: s.w, name: name, began: time.Now(), ctx: *ctx}
	defer quiet()
	*ctx, o.span = s.w.tracer.Start(*ctx, "storage.Store."+name)
	o.ctx = *ctx
	return o
}

// quiet ends a panic of a tracer or meter: it fails no operation of the store. It is deferred itself.
func quiet() { _ = recover() }

func (o *operation) end(err *error) {
	defer quiet()
	code, fault := codeOf(*err)
	took(o.ctx, o.w.store, o.began, storeLabels, o.name, o.w.database, code)
	say(o.span, storeLabels, o.name, o.w.database)
	end(o.span, code, fault)
}

func (s *store) LoadAccount(ctx context.Context, id string) (_ storage.Record, err error) {
	defer s.begin(&ctx, "LoadAccount").end(&err)
	return s.under.LoadAccount(ctx, id)
}

func (s *store) AccountByHandle(ctx context.Context, h storage.Handle) (_ storage.Record, err error) {
	defer s.begin(&ctx, "AccountByHandle").end(&err)
	return s.under.AccountByHandle(ctx, h)
}

func (s *store) SaveAccount(ctx context.Context, r storage.Record, prev int64) (err error) {
	defer s.begin(&ctx, "SaveAccount").end(&err)
	return s.under.SaveAccount(ctx, r, prev)
}

func (s *store) DeleteAccount(ctx context.Context, id string) (err error) {
	defer s.begin(&ctx, "DeleteAccount").end(&err)
	return s.under.DeleteAccount(ctx, id)
}

func (s *store) Accounts(ctx context.Context, after string, limit int) (_ storage.Page[storage.Record], err error) {
	defer s.begin(&ctx, "Accounts").end(&err)
	return s.under.Accounts(ctx, after, limit)
}

func (s *store) UnsentAccounts(ctx context.Context, after string, limit int) (_ storage.Page[storage.Record], err error) {
	defer s.begin(&ctx, "UnsentAccounts").end(&err)
	return s.under.UnsentAccounts(ctx, after, limit)
}

func (s *store) LoadToken(ctx context.Context, id string) (_ storage.TokenRecord, _ storage.AccountIndex, err error) {
	defer s.begin(&ctx, "LoadToken").end(&err)
	return s.under.LoadToken(ctx, id)
}

func (s *store) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) (err error) {
	defer s.begin(&ctx, "SaveToken").end(&err)
	return s.under.SaveToken(ctx, t, prev)
}

func (s *store) DeleteToken(ctx context.Context, id string, prev int64) (err error) {
	defer s.begin(&ctx, "DeleteToken").end(&err)
	return s.under.DeleteToken(ctx, id, prev)
}

func (s *store) Tokens(ctx context.Context, accountID, after string, limit int) (_ storage.Page[storage.TokenRecord], err error) {
	defer s.begin(&ctx, "Tokens").end(&err)
	return s.under.Tokens(ctx, accountID, after, limit)
}

func (s *store) LiveTokens(ctx context.Context, accountID string, live storage.Live, after string, limit int) (_ storage.Page[storage.TokenRecord], err error) {
	defer s.begin(&ctx, "LiveTokens").end(&err)
	return s.under.LiveTokens(ctx, accountID, live, after, limit)
}

func (s *store) AllTokens(ctx context.Context, after string, limit int) (_ storage.Page[storage.TokenRecord], err error) {
	defer s.begin(&ctx, "AllTokens").end(&err)
	return s.under.AllTokens(ctx, after, limit)
}

func (s *store) TouchTokens(ctx context.Context, uses []storage.TokenUse) (err error) {
	defer s.begin(&ctx, "TouchTokens").end(&err)
	return s.under.TouchTokens(ctx, uses)
}
