package attack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// metered is a store that counts the listings of tokens and the tokens in them, beside all other calls.
type metered struct {
	storage.Store
	listings, listed, others int
}

func (m *metered) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	m.others++
	return m.Store.LoadAccount(ctx, id)
}

func (m *metered) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	m.others++
	return m.Store.SaveAccount(ctx, r, prev)
}

func (m *metered) Tokens(ctx context.Context, account, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	page, err := m.Store.Tokens(ctx, account, after, limit)
	m.listings, m.listed = m.listings+1, m.listed+len(page.Records)
	return page, err
}

func (m *metered) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	page, err := m.Store.LiveTokens(ctx, account, live, after, limit)
	m.listings, m.listed = m.listings+1, m.listed+len(page.Records)
	return page, err
}

// ended stores tokens of an account that have ended in each way there is, n of each.
func ended(t testing.TB, store storage.Store, h *house, account string, n int) {
	t.Helper()
	of := h.tokenRecords()[0]
	require.Equal(t, account, of.AccountID)
	for i := range 3 * n {
		r := of
		r.ID, r.Version = fmt.Sprint("ended-", i), 1
		switch i % 3 {
		case 0:
			r.Index.Revoked = true
		case 1:
			r.Index.Expires = h.clock()
		case 2:
			r.Index.Epoch++
		}
		r.Data = []byte("nobody reads it")
		require.NoError(t, store.SaveToken(t.Context(), r, 0))
	}
}

// frugal is a store that has one record on a page, as a store may.
type frugal struct{ storage.Store }

func (f frugal) Accounts(ctx context.Context, after string, _ int) (storage.Page[storage.Record], error) {
	return f.Store.Accounts(ctx, after, 1)
}

func (f frugal) Tokens(ctx context.Context, account, after string, _ int) (storage.Page[storage.TokenRecord], error) {
	return f.Store.Tokens(ctx, account, after, 1)
}

func (f frugal) LiveTokens(ctx context.Context, account string, live storage.Live, after string, _ int) (storage.Page[storage.TokenRecord], error) {
	return f.Store.LiveTokens(ctx, account, live, after, 1)
}

func (f frugal) AllTokens(ctx context.Context, after string, _ int) (storage.Page[storage.TokenRecord], error) {
	return f.Store.AllTokens(ctx, after, 1)
}

// A page that is shorter than was asked for ends no listing.
func TestShortPages(t *testing.T) {
	ctx := t.Context()
	h := houseOn(t, frugal{memory.New()}, withTokens(t, func(p *tokens.Policy) { p.MaxActive = 3 }))
	o := h.enroll("user-42")
	h.enroll("user-43")
	for range 3 {
		o.mint("logs:read")
	}
	all, err := h.Tokens(ctx, o.id)
	require.NoError(t, err)
	require.Len(t, all, 3)
	_, err = h.Owner(o.fresh()).Mint(ctx, tokens.Request{Name: "one too many", Scopes: scopesOf(t, "logs:read")})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "all live ones are counted")
	w, err := h.Operator("op").WarnExpiring(ctx, "", nil)
	require.NoError(t, err)
	require.Equal(t, 3, w.Seen)
	r, err := h.Operator("op").Reseal(ctx, "", nil)
	require.NoError(t, err)
	require.Equal(t, 2, r.Seen)
}

// Row K7: what is not asked costs nothing, and nor do tokens that have ended: nobody but who lists them reads them.
func TestCostOfGates(t *testing.T) {
	ctx := t.Context()
	store := &metered{Store: memory.New()}
	asked := 0
	f := &hostFacts{}
	h := houseOn(t, store, withTokens(t), judged(t, policyOf(t, posture.ModelConfig{},
		posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: posture.MintProductionToken, Controls: []string{posture.TokensExpire, posture.EmailVerified}},
		posture.Gate{Action: "factor", Controls: []string{posture.SecondFactor}, SecondFactor: true},
		posture.Gate{Action: "level", Level: 1},
		posture.Gate{Action: "address", Controls: []string{posture.EmailVerified}},
		posture.Gate{Action: "tokens", Controls: []string{posture.TokensExpire}},
	), f))
	f.do = func() { asked++; f.host = posture.Host{At: h.clock(), EmailVerified: posture.Yes} }
	o := h.enroll("user-42")
	o.mint("logs:read")
	o.mint("logs:read")
	ended(t, store, h, o.id, 200)
	proof := o.fresh()

	costs := func(what string, listings, listed, others, facts int, do func() error) {
		t.Helper()
		store.listings, store.listed, store.others, asked = 0, 0, 0, 0
		require.NoError(t, do(), what)
		require.Equal(t, []int{listings, listed, others, facts}, []int{store.listings, store.listed, store.others, asked}, "%s", what)
	}
	require1 := func(action string) func() error { return func() error { return h.Require(ctx, proof, action) } }
	costs("a gate of factors", 0, 0, 1, 0, require1("factor"))
	costs("a gate of levels", 0, 0, 1, 0, require1("level"))
	costs("a gate of the address", 0, 0, 1, 1, require1("address"))
	costs("a gate of tokens", 1, 2, 1, 0, require1("tokens"))
	costs("a review", 1, 2, 1, 1, func() error { _, err := h.Review(ctx, o.id); return err })
	costs("a preview", 1, 2, 1, 1, func() error { _, err := h.Preview(ctx, o.id, (*posture.Trial).DisableTwoFactor); return err })
	// To look for room lists the live ones; so does what the change makes of the posture.
	costs("minting", 1, 2, 2, 1, func() error {
		_, err := h.Owner(proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")})
		return err
	})
	costs("minting for production", 1, 3, 2, 2, func() error {
		_, err := h.Owner(proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "deploys:production")})
		return err
	})
	h.wait(30 * time.Second)
	proof = o.fresh()
	costs("turning two-factor off", 2, 8, 2, 1, func() error { _, err := h.Owner(proof).DisableTwoFactor(ctx); return err })
	// The records of this test are none, so the list ends with the first page.
	costs("a list of them all", 1, 200, 1, 0, func() error { _, _ = h.Tokens(ctx, o.id); return nil })
}

// BenchmarkRequireBesideEndedTokens is a gate that asks about tokens, of an owner who has ended 10,000 of them.
func BenchmarkRequireBesideEndedTokens(b *testing.B) {
	store := memory.New()
	f := &hostFacts{}
	h := houseOn(b, store, withTokens(b), judged(b, policyOf(b, posture.ModelConfig{}, posture.Gate{Action: "act", Controls: []string{posture.TokensExpire}}), f))
	o := h.enroll("user-42")
	o.mint("logs:read")
	ended(b, store, h, o.id, 10000/3)
	proof := o.fresh()
	for b.Loop() {
		require.NoError(b, h.Require(b.Context(), proof, "act"))
	}
}

// Row K7: minting and revoking in a loop fills no store.
func TestMintsADay(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.MaxActive = 2 }))
	o := h.enroll("user-42")
	h.set(begin.Truncate(day).Add(day))
	mint := func() error {
		m, err := h.Owner(o.fresh()).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")})
		if err == nil {
			require.NoError(t, h.Owner(o.fresh()).Revoke(ctx, m.Info.ID))
		}
		return err
	}
	for range 3 {
		for range 20 {
			require.NoError(t, mint())
		}
		var err error
		proof := o.fresh()
		h.unchanged(func() {
			_, err = h.Owner(proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")})
		})
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		require.ErrorContains(t, err, "20 tokens were minted today")
		h.set(h.clock().Truncate(day).Add(day))
	}
	// A count from a clock that had jumped ahead shuts nobody out.
	h.tamper(o.id, func(a *accountData) { a.Minted[0] += 1000 })
	require.NoError(t, mint())
	h.tamper(o.id, func(a *accountData) { a.Minted[1] = -1 })
	_, err := h.Account(ctx, o.id)
	require.Error(t, err, "no count is below 0")
}
