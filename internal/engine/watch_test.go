package engine_test

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// watcher notes what it sees, each thing after the calls that it happened in.
type watcher struct{ seen []string }

type inCalls struct{}

func (w *watcher) note(ctx context.Context, what string) {
	calls, _ := ctx.Value(inCalls{}).(string)
	w.seen = append(w.seen, calls+what)
}

func (w *watcher) Call(ctx context.Context, name string) (context.Context, func(engine.Ended)) {
	calls, _ := ctx.Value(inCalls{}).(string)
	return context.WithValue(ctx, inCalls{}, calls+name+": "), func(how engine.Ended) {
		end := "ok"
		if how.Err != nil {
			end = how.Err.Error()
		}
		w.note(ctx, name+" "+end+" "+how.Why)
	}
}

func (w *watcher) Told(ctx context.Context, e core.Event) { w.note(ctx, string(e.Kind)) }

func (w *watcher) Argon2id(ctx context.Context, kind queue.Kind) (begun func(), ended func(error)) {
	return func() { w.note(ctx, "argon2id") }, func(err error) {
		if err != nil {
			w.note(ctx, err.Error())
		}
	}
}

func (w *watcher) Store(s storage.Store) storage.Store { return watchedStore{s, w} }

type watchedStore struct {
	storage.Store
	w *watcher
}

func (s watchedStore) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	s.w.note(ctx, "load")
	return s.Store.LoadAccount(ctx, id)
}

func (w *watcher) take() []string {
	seen := w.seen
	w.seen = nil
	return seen
}

// All that a call does is seen within it, in order, with how it has ended.
func TestWatch(t *testing.T) {
	svc := gatehousetest.New(t)
	w := &watcher{}
	require.NoError(t, engine.Of(svc.Service).Watch(w))
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "notes:read", Risk: tokens.Low, Description: "Read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(t, err)
	require.ErrorIs(t, engine.Of(svc.Service).Watch(&watcher{}), gatehouse.ErrInvalid, "watched already")
	ctx := t.Context()

	ada := svc.Enroll(t, "ada")
	w.take()
	_, err = svc.StepUp(ctx, gatehouse.Session{Account: "ada"}, ada.RecoveryCodes[0].Reveal())
	require.NoError(t, err)
	require.Equal(t, []string{
		"gatehouse.Service.StepUp: load",
		"gatehouse.Service.StepUp: argon2id",
		"gatehouse.Service.StepUp: load",
		"gatehouse.Service.StepUp: code.accepted",
		"gatehouse.Service.StepUp: recovery_code.used",
		"gatehouse.Service.StepUp ok ",
	}, w.take())
	_, err = tok.Check(ctx, "no token", netip.Addr{})
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.Equal(t, []string{"tokens.Service.Check gatehouse: denied unknown"}, w.take())
	for range tok.List(ctx, "ada") {
		t.Fatal("no tokens")
	}
	require.Equal(t, []string{"tokens.Service.List: load", "tokens.Service.List ok "}, w.take())

	used := gatehousetest.New(t)
	_, err = used.Account(ctx, "ada")
	require.NoError(t, err)
	require.ErrorIs(t, engine.Of(used.Service).Watch(w), gatehouse.ErrInvalid, "calls have gone by unseen")
}

// A listing can be gone through more than once, and each time is a call by itself. Where it is left early it has ended.
func TestEach(t *testing.T) {
	e, w := newEngine(&told{}), &watcher{}
	require.NoError(t, e.Watch(w))
	fault := errors.New("fault")
	list := engine.Each(t.Context(), e, "list", func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			w.note(ctx, "begins")
			if yield(1, nil) {
				yield(0, fault)
			}
		}
	})
	for range list {
	}
	for range list {
		break
	}
	require.Equal(t, []string{"list: begins", "list fault ", "list: begins", "list ok "}, w.take())
}

// A panic passes through and is told as one.
func TestWatchPanic(t *testing.T) {
	e, w := newEngine(&told{}), &watcher{}
	require.NoError(t, e.Watch(w))
	call := func(ctx context.Context) (err error) {
		defer e.Begin(&ctx, "call").End(&err)
		panic("host")
	}
	require.PanicsWithValue(t, "host", func() { _ = call(t.Context()) })
	require.Equal(t, []string{"call gatehouse: panic "}, w.take())
}

// broken is a Watcher that panics, whatever it is told.
type broken struct{ begins bool }

func (w broken) Store(s storage.Store) storage.Store { return s }
func (w broken) Told(context.Context, core.Event)    { panic("the watcher") }
func (w broken) Call(ctx context.Context, _ string) (context.Context, func(engine.Ended)) {
	if !w.begins {
		panic("the watcher")
	}
	return ctx, func(engine.Ended) { panic("the watcher") }
}

func (w broken) Argon2id(context.Context, queue.Kind) (begun func(), ended func(error)) {
	if !w.begins {
		panic("the watcher")
	}
	return func() { panic("the watcher") }, func(error) { panic("the watcher") }
}

// A Watcher that panics fails no call, and leaves no turn of an account and no memory of Argon2id held.
func TestBrokenWatcher(t *testing.T) {
	for _, w := range []broken{{}, {begins: true}} {
		svc := gatehousetest.New(t)
		require.NoError(t, engine.Of(svc.Service).Watch(w))
		ada := svc.Enroll(t, "ada")
		for _, code := range ada.RecoveryCodes[:3] {
			_, err := svc.StepUp(t.Context(), gatehouse.Session{Account: "ada"}, code.Reveal())
			require.NoError(t, err)
		}
		_, err := svc.Operator("op").DeleteAccount(t.Context(), "ada")
		require.NoError(t, err)
		require.PanicsWithValue(t, "host", func() {
			ctx, err := t.Context(), error(nil)
			defer engine.Of(svc.Service).Begin(&ctx, "call").End(&err)
			panic("host")
		})
	}
}

// Where nobody watches, calls cost nothing.
func TestUnwatched(t *testing.T) {
	e := newEngine(&told{})
	call := func(ctx context.Context) (err error) {
		c := e.Begin(&ctx, "call")
		defer c.End(&err)
		c.Because("why")
		return ctx.Err()
	}
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = call(ctx) }))
}
