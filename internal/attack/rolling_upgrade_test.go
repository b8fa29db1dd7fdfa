package attack_test

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// nextFormat makes of a node one of a release that knows format 2: there accepted risks and tokens that rotate
// themselves are new, so a record that has one is of format 2, and every other one is of format 1, as before. Behind it
// is the store that all nodes share.
type nextFormat struct{ storage.Store }

// read returns data of either format as this program reads it, write as the next release stores it.
func (nextFormat) read(data []byte) []byte {
	if data[1] != 2 {
		return data
	}
	data = bytes.Clone(data)
	data[1] = 1
	return data
}

func (nextFormat) write(data []byte, isNew bool) []byte {
	if !isNew { // the lowest format that has all that is in it
		return data
	}
	data = bytes.Clone(data)
	data[1] = 2
	return data
}

func (s nextFormat) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	r, err := s.Store.LoadAccount(ctx, id)
	if err == nil {
		r.Data = s.read(r.Data)
	}
	return r, err
}

func (s nextFormat) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	a, err := core.Decode(r.ID, r.Data)
	if err != nil {
		return err
	}
	r.Data = s.write(r.Data, len(a.Accepted) > 0)
	return s.Store.SaveAccount(ctx, r, prev)
}

func (s nextFormat) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	r, owner, err := s.Store.LoadToken(ctx, id)
	if err == nil {
		r.Data = s.read(r.Data)
	}
	return r, owner, err
}

func (s nextFormat) SaveToken(ctx context.Context, r storage.TokenRecord, prev int64) error {
	t, err := decodeToken(r)
	if err != nil {
		return err
	}
	r.Data = s.write(r.Data, *field[bool](t, "RotatesItself"))
	return s.Store.SaveToken(ctx, r, prev)
}

func (s nextFormat) Tokens(ctx context.Context, account, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return s.page(s.Store.Tokens(ctx, account, after, limit))
}

func (s nextFormat) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return s.page(s.Store.LiveTokens(ctx, account, live, after, limit))
}

func (s nextFormat) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return s.page(s.Store.AllTokens(ctx, after, limit))
}

func (s nextFormat) page(p storage.Page[storage.TokenRecord], err error) (storage.Page[storage.TokenRecord], error) {
	for i := range p.Records {
		p.Records[i].Data = s.read(p.Records[i].Data)
	}
	return p, err
}

// releases are nodes of three releases on one store: old reads and writes format 1, first reads format 2 and makes
// nothing that needs it, second makes what needs it. All go by the clock of old.
type releases struct {
	t                  *testing.T
	old, first, second *house
	ada, bob           *owner // of old
}

func newReleases(t *testing.T) *releases {
	t.Helper()
	shared := memory.New()
	rules := policyOf(t, posture.ModelConfig{})
	old := houseOn(t, shared, withTokens(t), func(c *settings) { c.Posture = rules })
	node := func() *house {
		n := houseOn(t, nextFormat{shared}, withTokens(t), func(c *settings) { c.Keys, c.Now, c.Posture = old.keys, old.clock, rules })
		n.keys = old.keys
		return n
	}
	return &releases{t: t, old: old, first: node(), second: node(), ada: old.enroll("ada"), bob: old.enroll("bob")}
}

// signsIn has an owner sign in on nodes, one after the other.
func (r *releases) signsIn(o *owner, nodes ...*house) {
	r.t.Helper()
	for _, n := range nodes {
		r.old.wait(4 * totp.Period)
		at := *o
		at.h = n
		code := o.code()
		v, err := at.signIn(code)
		require.NoError(r.t, err)
		require.NotEmpty(r.t, v.Session.Proof.Reveal())
		for _, n := range []*house{n, r.first} {
			_, err = n.StepUp(r.t.Context(), o.id, code)
			require.ErrorIs(r.t, err, gatehouse.ErrDenied, "what was used on one node is used on every other")
		}
	}
}

// in returns a session with a proof by a code that was given on a node.
func (r *releases) in(o *owner, n *house) gatehouse.Session {
	r.t.Helper()
	r.old.wait(4 * totp.Period)
	v, err := n.StepUp(r.t.Context(), o.id, o.code())
	require.NoError(r.t, err)
	return v.Session
}

// mints mints a token on a node.
func (r *releases) mints(o *owner, n *house, rotatesItself bool) (text, id string) {
	r.t.Helper()
	m, err := n.tok.Mint(r.t.Context(), r.in(o, n), tokens.Request{Name: "ci", Scopes: scopesOf(r.t, "logs:read"), RotatesItself: rotatesItself})
	require.NoError(r.t, err)
	return m.Token.Reveal(), m.Info.ID
}

func (r *releases) formatOf(o *owner) byte { return r.old.record(o.id).Data[1] }

func (r *releases) formatOfToken(id string) byte {
	r.t.Helper()
	rec, _, err := r.old.store.LoadToken(r.t.Context(), id)
	require.NoError(r.t, err)
	return rec.Data[1]
}

// Row T3: a new format comes in two releases, of which the first reads it and writes it for nothing of its own. Nodes of
// two releases that follow each other share a store, in any order of calls, and nobody is locked out. A node that is two
// releases behind meets a fault at what it does not know, saves nothing, and serves everybody else.
func TestRollingUpgrade(t *testing.T) {
	ctx := t.Context()
	r := newReleases(t)
	old, first, second, ada, bob := r.old, r.first, r.second, r.ada, r.bob

	r.signsIn(ada, old, first, old, first, first, old)
	require.Equal(t, byte(1), r.formatOf(ada))
	require.NoError(t, first.Operator("op").PasswordChanged(ctx, "bob", gatehouse.KeepTokens))
	r.signsIn(bob, old, first)
	r.oneOf(old, first)

	// The old nodes are gone. What the second release makes, the first one keeps.
	require.NoError(t, second.Operator("op").Because("a trial").AcceptRisk(ctx, "ada", posture.SecondAuthenticator, time.Time{}))
	require.Equal(t, byte(2), r.formatOf(ada))
	r.signsIn(ada, first, second, first)
	r.signsIn(bob, second, first)
	r.oneOf(first, second)
	require.Equal(t, byte(2), r.formatOf(ada))
	require.Equal(t, byte(1), r.formatOf(bob), "nothing of it is new")
	seen, err := first.Account(ctx, "ada")
	require.NoError(t, err)
	require.Len(t, seen.AcceptedRisks, 1)

	// Somebody has forgotten a node of the old release.
	old.unchanged(func() {
		for _, code := range []string{ada.code(), ada.codes[0].Reveal()} {
			_, err := old.StepUp(ctx, "ada", code)
			require.ErrorIs(t, err, core.ErrFormat)
			require.ErrorContains(t, err, "format 2, known is 1")
			require.False(t, isAnswer(err), "a fault")
		}
		_, err := old.Challenge(ctx, "ada")
		require.ErrorIs(t, err, core.ErrFormat, "and no account without a second factor")
		require.Error(t, old.Operator("op").PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
	})
	r.signsIn(bob, old, second)

	// The way back: once nothing of the new kind is left, older nodes read it.
	require.NoError(t, second.Operator("op").WithdrawRisk(ctx, "ada", posture.SecondAuthenticator))
	require.Equal(t, byte(1), r.formatOf(ada))
	r.signsIn(ada, first, old)
}

// oneOf gives the same code to two nodes at once: one of them takes it.
func (r *releases) oneOf(a, b *house) {
	r.t.Helper()
	r.old.wait(4 * totp.Period)
	code := r.ada.code()
	var errs [2]error
	var wg sync.WaitGroup
	for i, n := range []*house{a, b} {
		wg.Go(func() { _, errs[i] = n.StepUp(context.Background(), "ada", code) })
	}
	wg.Wait()
	if errs[0] == nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	require.ErrorIs(r.t, errs[0], gatehouse.ErrDenied)
	require.NoError(r.t, errs[1])
}

// Row T3: the same for tokens. Those of the new kind work on both releases that follow each other, and a node that is two
// releases behind neither accepts nor denies them. It still ends all tokens of an account, those that it cannot read too.
func TestRollingUpgradeOfTokens(t *testing.T) {
	ctx := t.Context()
	r := newReleases(t)
	old, first, second, ada, bob := r.old, r.first, r.second, r.ada, r.bob
	good := func(text string, nodes ...*house) {
		t.Helper()
		for _, n := range nodes {
			n.good(text)
		}
	}
	bad := func(text string, nodes ...*house) {
		t.Helper()
		for _, n := range nodes {
			n.bad(text, "revoked on another node")
		}
	}
	rotated := func(n *house, id string) string {
		t.Helper()
		m, err := n.tok.Rotate(ctx, r.in(ada, n), id, tokens.Rotation{Grace: time.Hour})
		require.NoError(t, err)
		return m.Token.Reveal()
	}

	// Each release changes what the other one has made.
	text, id := r.mints(ada, old, false)
	byFirst, gone := r.mints(ada, first, false)
	bobs, _ := r.mints(bob, first, false)
	good(text, old, first)
	next := rotated(first, id)
	good(text, old) // in its grace
	again := rotated(old, id)
	good(next, first)
	good(again, old, first)
	require.NoError(t, old.tok.Revoke(ctx, r.in(ada, old), gone))
	bad(byFirst, first, old)
	require.Equal(t, byte(1), r.formatOfToken(id))

	// The old nodes are gone. What the second release makes, the first one keeps, whoever changes it.
	own, ownID := r.mints(ada, second, true)
	require.Equal(t, byte(2), r.formatOfToken(ownID))
	good(own, first, second)
	m, err := first.tok.RotateSelf(ctx, own, netip.Addr{}, tokens.Rotation{})
	require.NoError(t, err)
	own = m.Token.Reveal()
	good(own, second, first)
	own = rotated(first, ownID)
	good(own, second, first)
	info, err := first.tok.Get(ctx, "ada", ownID)
	require.NoError(t, err)
	require.True(t, info.RotatesItself)
	require.Equal(t, byte(2), r.formatOfToken(ownID))
	good(rotated(second, id), first, second)
	require.Equal(t, byte(1), r.formatOfToken(id), "nothing of it is new")
	_, third := r.mints(ada, first, false) // beside one of the new kind
	require.Equal(t, byte(1), r.formatOfToken(third))

	// Somebody has forgotten a node of the old release.
	old.unchanged(func() {
		_, err := old.Check(ctx, own)
		require.ErrorIs(t, err, core.ErrFormat)
		require.False(t, isAnswer(err), "a fault")
		_, err = old.RotateSelf(ctx, own, tokens.Rotation{})
		require.ErrorIs(t, err, core.ErrFormat)
		require.ErrorIs(t, old.RevokePresented(ctx, own), core.ErrFormat, "it says so and not that the token has ended")
		_, err = old.Token(ctx, "ada", ownID)
		require.ErrorIs(t, err, core.ErrFormat)
		_, err = old.Tokens(ctx, "ada")
		require.ErrorIs(t, err, core.ErrFormat, "no list leaves it out")
	})
	good(own, first, second)
	good(rotated(old, id), old, second)
	good(bobs, old)
	r.mints(bob, old, false)
	require.NoError(t, old.tok.RevokeAll(ctx, r.in(ada, old)))
	bad(own, first, second)

	// The way back: once nothing of the new kind is left, older nodes read all of it.
	old.wait(400 * day) // until all have expired
	p, err := second.Operator("op").Purge(ctx, old.clock(), "", nil)
	require.NoError(t, err)
	require.Equal(t, 6, p.Done, "five tokens of one owner and one of the other")
	list, err := old.Tokens(ctx, "ada")
	require.NoError(t, err)
	require.Empty(t, list)
}
