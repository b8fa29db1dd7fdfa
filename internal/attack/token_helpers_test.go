package attack_test

import (
	"context"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const day = 24 * time.Hour

// withTokens sets a policy, with what edits make of it.
func withTokens(t testing.TB, edits ...func(*tokens.Policy)) func(*settings) {
	t.Helper()
	p := tokenPolicy(t)
	for _, edit := range edits {
		edit(&p)
	}
	return func(c *settings) { c.Tokens = &p }
}

func tokenPolicy(t testing.TB) tokens.Policy {
	t.Helper()
	r, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read"}, tokens.ScopeInfo{Scope: "projects:write", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "projects:*"}, tokens.ScopeInfo{Scope: "logs:read"},
		tokens.ScopeInfo{Scope: "deploys:production", Risk: tokens.High, StepUp: true},
	)
	require.NoError(t, err)
	return tokens.Policy{Brand: "acme", Scopes: r, Separator: "/"}
}

// counted is a store that counts the calls for tokens, in which one can go wrong.
type counted struct {
	storage.Store
	loads, saves, touches atomic.Int64
	mu                    sync.Mutex
	touched               []storage.TokenUse
	wrong                 func(call string) fault // nil: nothing goes wrong
}

func newCounted() *counted { return &counted{Store: memory.New()} }

func (c *counted) ask(call string, do func() error) error {
	var f fault
	if c.wrong != nil {
		f = c.wrong(call)
	}
	if f.meanwhile != nil {
		f.meanwhile()
	}
	if f.before != nil {
		return f.before
	}
	if err := do(); f.after == nil {
		return err
	}
	return f.after
}

func (c *counted) LoadToken(ctx context.Context, id string) (t storage.TokenRecord, o storage.AccountIndex, err error) {
	c.loads.Add(1)
	err = c.ask("load token", func() error { t, o, err = c.Store.LoadToken(ctx, id); return err })
	return t, o, err
}

func (c *counted) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	c.saves.Add(1)
	return c.ask("save token", func() error { return c.Store.SaveToken(ctx, t, prev) })
}

func (c *counted) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return c.ask("save account", func() error { return c.Store.SaveAccount(ctx, r, prev) })
}

func (c *counted) DeleteToken(ctx context.Context, id string, prev int64) error {
	return c.ask("delete token", func() error { return c.Store.DeleteToken(ctx, id, prev) })
}

func (c *counted) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	c.touches.Add(1)
	return c.ask("touch", func() error {
		c.mu.Lock()
		c.touched = append(c.touched, uses...)
		c.mu.Unlock()
		return c.Store.TouchTokens(ctx, uses)
	})
}

func scopesOf(t testing.TB, text string) tokens.Scopes {
	t.Helper()
	s, err := tokens.ParseScopes(text)
	require.NoError(t, err)
	return s
}

// mint makes a token with scopes, as text.
func (o *owner) mint(scopes string, edits ...func(*tokens.Request)) (text string, info tokens.Info) {
	o.h.t.Helper()
	r := tokens.Request{Name: "ci", Scopes: scopesOf(o.h.t, scopes)}
	for _, edit := range edits {
		edit(&r)
	}
	m, err := o.h.Owner(o.fresh()).Mint(context.Background(), r)
	require.NoError(o.h.t, err)
	return m.Token.Reveal(), m.Info
}

// fresh returns a proof of now, by the owner's second factor if there is one.
func (o *owner) fresh() gatehouse.Proof {
	o.h.t.Helper()
	st, err := o.h.Account(context.Background(), o.id)
	require.NoError(o.h.t, err)
	if !st.Protected {
		return o.h.vouch(o.id)
	}
	o.h.wait(30 * time.Second)
	v, err := o.h.StepUp(context.Background(), o.id, o.code())
	require.NoError(o.h.t, err)
	return v.Session.Proof
}

// check returns what a check answers, and asserts that a denial says nothing.
func (h *house) check(text string, from ...netip.Addr) (tokens.Grant, error) {
	h.t.Helper()
	g, err := h.Check(context.Background(), text, from...)
	if err != nil {
		require.Equal(h.t, tokens.Grant{}.AccountID, g.AccountID)
		require.False(h.t, g.Allows("projects:read", ""))
	}
	return g, err
}

func (h *house) good(text string, from ...netip.Addr) tokens.Grant {
	h.t.Helper()
	g, err := h.check(text, from...)
	require.NoError(h.t, err)
	return g
}

// told returns what was told since the last time. A check does not wait until what it tells is, and so neither does what
// comes meanwhile.
func (h *house) told(events *gatehousetest.Recorder) []event.Event {
	h.t.Helper()
	require.NoError(h.t, h.Close(context.Background()))
	return events.Take()
}

// bad asserts the one answer to a token that is not accepted.
func (h *house) bad(text, why string, from ...netip.Addr) {
	h.t.Helper()
	_, err := h.check(text, from...)
	require.Equal(h.t, &gatehouse.DeniedError{}, err, why)
}

func (h *house) tokenInfo(account, id string) tokens.Info {
	h.t.Helper()
	list, err := h.Tokens(context.Background(), account)
	require.NoError(h.t, err)
	for _, info := range list {
		if info.ID == id {
			return info
		}
	}
	h.t.Fatal("no such token in the list")
	return tokens.Info{}
}

// tokenRecord is the record of a token, whose type is package tokens' own.
type tokenRecord struct{ reflect.Value }

func decodeToken(r storage.TokenRecord) (tokenRecord, error) {
	t, err := engine.DecodeToken(r.ID, r.AccountID, r.Data)
	return tokenRecord{reflect.ValueOf(t).Elem()}, err
}

// field returns a field, to be read and written.
func field[T any](t tokenRecord, name string) *T { return t.FieldByName(name).Addr().Interface().(*T) }

func (t tokenRecord) encode() ([]byte, error) {
	return t.Interface().(interface{ Encode() ([]byte, error) }).Encode()
}

// clone returns a copy that shares no field.
func (t tokenRecord) clone() tokenRecord {
	c := reflect.New(t.Type()).Elem()
	c.Set(t.Value)
	return tokenRecord{c}
}
