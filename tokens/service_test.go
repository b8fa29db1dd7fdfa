package tokens_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const day = 24 * time.Hour

// racing is a store on which something else happens right before the next save of a token.
type racing struct {
	storage.Store
	first func(rec storage.TokenRecord) // nil: nothing
}

func (r *racing) SaveToken(ctx context.Context, rec storage.TokenRecord, prev int64) error {
	if first := r.first; first != nil {
		r.first = nil
		first(rec)
	}
	return r.Store.SaveToken(ctx, rec, prev)
}

// minting is a service on a store, with a session that may mint, and a clock.
type minting struct {
	*tokens.Service
	svc   *gatehouse.Service
	store *racing
	now   time.Time
}

func newMinting(t *testing.T) *minting {
	t.Helper()
	m := &minting{store: &racing{Store: memory.New()}, now: gatehousetest.Start}
	var err error
	m.svc, err = gatehouse.New(m.store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(), Now: func() time.Time { return m.now },
	})
	require.NoError(t, err)
	m.Service, err = tokens.New(m.svc, tokens.Policy{Brand: "acme", Scopes: registry(t)})
	require.NoError(t, err)
	return m
}

func (m *minting) session(t *testing.T) gatehouse.Session {
	t.Helper()
	in := gatehouse.Session{Account: "user-42"}
	try, err := m.svc.Before(t.Context(), in.Account)
	require.NoError(t, err)
	in.Proof, err = try.Vouch(t.Context(), in, gatehouse.FirstFactor{Method: "pwd", At: m.now})
	require.NoError(t, err)
	return in
}

func (m *minting) mint(t *testing.T, life time.Duration) tokens.Minted {
	t.Helper()
	minted, err := m.Mint(t.Context(), m.session(t), tokens.Request{
		Name: "ci", Scopes: tokens.Scopes{"projects:read"}, Lifetime: life, RotatesItself: true,
	})
	require.NoError(t, err)
	return minted
}

// A token that is deleted while it is changed is answered as one that was never there: a presented one is denied, to
// give one back is no error, and a sweep goes on.
func TestDeletedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		call func(m *minting, minted tokens.Minted) error
		want error
	}{
		"an old copy": {func(m *minting, minted tokens.Minted) error {
			_, err := m.Check(t.Context(), minted.Token.Reveal(), netip.Addr{})
			return err
		}, gatehouse.ErrDenied},
		"an old copy that rotates itself": {func(m *minting, minted tokens.Minted) error {
			_, err := m.RotateSelf(t.Context(), minted.Token.Reveal(), netip.Addr{}, tokens.Rotation{})
			return err
		}, gatehouse.ErrDenied},
		"given back": {func(m *minting, minted tokens.Minted) error {
			return m.RevokePresented(t.Context(), minted.Token.Reveal())
		}, nil},
		"revoked by its owner": {func(m *minting, minted tokens.Minted) error {
			return m.Revoke(t.Context(), m.session(t), minted.Info.ID)
		}, gatehouse.ErrNotFound},
		"revoked by an operator": {func(m *minting, minted tokens.Minted) error {
			return m.Operator(m.svc.Operator("op")).Revoke(t.Context(), minted.Info.ID)
		}, nil},
		"warned of": {func(m *minting, minted tokens.Minted) error {
			m.now = minted.Info.Expires.Add(-time.Hour)
			p, err := m.Operator(m.svc.Operator("op")).WarnExpiring(t.Context(), "", nil)
			require.Equal(t, gatehouse.Progress{Seen: 1, Cursor: minted.Info.ID}, p)
			return err
		}, nil},
	} {
		m := newMinting(t)
		minted := m.mint(t, 30*day)
		m.now = m.now.Add(time.Minute)
		_, err := m.Rotate(t.Context(), m.session(t), minted.Info.ID, tokens.Rotation{})
		require.NoError(t, err)
		deleted := false
		m.store.first = func(rec storage.TokenRecord) {
			now, _, err := m.store.LoadToken(t.Context(), rec.ID)
			require.NoError(t, err)
			require.NoError(t, m.store.DeleteToken(t.Context(), rec.ID, now.Version))
			deleted = true
		}
		err = c.call(m, minted)
		require.True(t, deleted, name)
		if c.want == nil {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, c.want, name)
		}
		_, err = m.Get(t.Context(), "user-42", minted.Info.ID)
		require.ErrorIs(t, err, gatehouse.ErrNotFound, name)
	}
}

// A list ends with the first token that cannot be read, and nothing comes after an error.
func TestListEndsWithAFault(t *testing.T) {
	m := newMinting(t)
	for range 3 {
		m.mint(t, day)
	}
	var ids []string
	for info, err := range m.List(t.Context(), "user-42") {
		require.NoError(t, err)
		ids = append(ids, info.ID)
	}
	require.IsIncreasing(t, ids)
	require.Len(t, ids, 3)

	rec, _, err := m.store.LoadToken(t.Context(), ids[1])
	require.NoError(t, err)
	damaged := rec
	damaged.Version, damaged.Data = rec.Version+1, []byte("damaged")
	require.NoError(t, m.store.SaveToken(t.Context(), damaged, rec.Version))
	var seen []string
	var faults int
	for info, err := range m.List(t.Context(), "user-42") {
		if err != nil {
			faults++
			require.Empty(t, info)
			continue
		}
		seen = append(seen, info.ID)
	}
	require.Equal(t, ids[:1], seen)
	require.Equal(t, 1, faults)
	account, err := m.svc.Account(t.Context(), "user-42")
	require.NoError(t, err)
	live, err := m.Live(t.Context(), account)
	require.Error(t, err)
	require.Nil(t, live)
	for range m.List(t.Context(), "user-42") {
		break
	}
}

// Info holds no digest, however it is printed.
func TestInfoHasNoDigest(t *testing.T) {
	m := newMinting(t)
	minted := m.mint(t, day)
	p, err := tokens.Parse("acme", minted.Token.Reveal())
	require.NoError(t, err)
	for _, format := range []string{"%x", "% x", "%X"} { // unexported fields included
		text := fmt.Sprintf(format, minted.Info)
		require.Contains(t, text, fmt.Sprintf(format, minted.Info.ID))
		require.NotContains(t, text, fmt.Sprintf(format, p.Digest[:8]))
		require.NotContains(t, text, fmt.Sprintf(format, p.Line[:8]))
	}
}

// As gives tokens the state that they would have, and leaves everything else as it is.
func TestAs(t *testing.T) {
	m := newMinting(t)
	kept := []tokens.Info{m.mint(t, day).Info}
	suspended := "user-42"
	require.NoError(t, m.svc.Operator("op").Because("test").Suspend(t.Context(), suspended))
	account, err := m.svc.Account(t.Context(), suspended)
	require.NoError(t, err)
	as := m.As(account, kept)
	want := kept[0]
	want.State = tokens.StateAccountSuspended
	require.Equal(t, []tokens.Info{want}, as)
	require.Equal(t, tokens.StateActive, kept[0].State, "the list is another")
}

// A revocation is told and entered once. The proof is asked for each time, and a fault is one.
func TestRevokedAlready(t *testing.T) {
	svc := gatehousetest.New(t)
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(t, err)
	ctx := t.Context()
	ada := svc.Enroll(t, "ada")
	minted, err := tok.Mint(ctx, ada.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	svc.Events.Take()
	require.NoError(t, tok.Revoke(ctx, ada.Session(), minted.Info.ID))
	events := svc.Events.Take()
	require.Len(t, events, 1)
	require.Equal(t, event.TokenRevoked, events[0].Kind)
	entered, err := svc.Account(ctx, "ada")
	require.NoError(t, err)
	require.Equal(t, event.TokenRevoked, entered.Activity[0].Kind)
	info, err := tok.Get(ctx, "ada", minted.Info.ID)
	require.NoError(t, err)

	svc.Wait(time.Minute)
	bob := svc.Vouch(t, "bob")
	svc.Events.Take()
	var saves []string
	svc.Store.Inject(func(method string) gatehousetest.Fault {
		if strings.HasPrefix(method, "Save") {
			saves = append(saves, method)
		}
		return gatehousetest.None
	})
	// The revocation that is found may be on one node of the store alone, so each answer has a save of its own.
	for name, again := range map[string]func() error{
		"owner":    func() error { return tok.Revoke(ctx, ada.Session(), minted.Info.ID) },
		"operator": func() error { return tok.Operator(svc.Operator("support")).Revoke(ctx, minted.Info.ID) },
		"holder":   func() error { return tok.RevokePresented(ctx, minted.Token.Reveal()) },
	} {
		saves = nil
		require.NoError(t, again(), name)
		require.Equal(t, []string{"SaveToken"}, saves, name)
	}
	saves = nil
	require.ErrorIs(t, tok.Revoke(ctx, gatehouse.Session{Account: "ada"}, minted.Info.ID), gatehouse.ErrStepUpRequired)
	require.ErrorIs(t, tok.Revoke(ctx, bob, minted.Info.ID), gatehouse.ErrNotFound, "another's")
	require.Empty(t, saves)
	svc.Store.Inject(gatehousetest.On("SaveToken", gatehousetest.Fail))
	require.ErrorIs(t, tok.Revoke(ctx, ada.Session(), minted.Info.ID), gatehousetest.ErrFault)
	svc.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	require.ErrorIs(t, tok.Revoke(ctx, ada.Session(), minted.Info.ID), gatehousetest.ErrFault)
	svc.Store.Inject(nil)
	svc.Wait(15 * time.Minute)
	require.ErrorIs(t, tok.Revoke(ctx, ada.Session(), minted.Info.ID), gatehouse.ErrStepUpRequired, "too old")
	require.Empty(t, svc.Events.Take())
	again, err := svc.Account(ctx, "ada")
	require.NoError(t, err)
	require.Equal(t, entered.Activity, again.Activity)
	same, err := tok.Get(ctx, "ada", minted.Info.ID)
	require.NoError(t, err)
	require.Equal(t, info, same)
}
