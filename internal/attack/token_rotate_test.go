package attack_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// recorded is a house whose events are recorded.
func recorded(t *testing.T, edits ...func(*tokens.Policy)) (*house, *settled) {
	t.Helper()
	events := &settled{}
	events.h = newHouse(t, withTokens(t, edits...), observed(&events.recorder))
	return events.h, events
}

// settled keeps events of tokens. A check does not wait until its use is told, and whoever adds to the queue while
// that is under way does not wait either.
type settled struct {
	h        *house
	recorder gatehousetest.Recorder
}

// Take returns the events since the last Take, of all that was done before. An account's events come in order, so they
// are there when one is that it is given last: that a text is no code.
func (s *settled) Take() (events []event.Event) {
	s.h.t.Helper()
	missing := 0
	for _, r := range s.h.records() {
		_, err := s.h.StepUp(context.Background(), r.ID, "no code")
		require.ErrorIs(s.h.t, err, gatehouse.ErrDenied)
		missing++
	}
	for missing > 0 {
		for _, e := range s.recorder.Take() {
			if e.Kind == event.CodeDenied {
				missing--
			} else {
				events = append(events, e)
			}
		}
		runtime.Gosched()
	}
	return events
}

// kinds returns the kinds of the events of tokens, but for those of a use, which a check does not wait
// for.
func kinds(events []event.Event) (list []event.Kind) {
	for _, e := range events {
		if e.Kind == event.TokenFirstUsed || e.Kind == event.TokenNewAddress {
			continue
		}
		if e.TokenID != "" || e.Kind == event.TokensRevoked {
			list = append(list, e.Kind)
		}
	}
	return list
}

func TestRotate(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t)
	o := h.enroll("user-42")
	old, info := o.mint("logs:read projects:write", func(r *tokens.Request) { r.Lifetime = 10 * day })
	h.wait(2 * day)
	m, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: time.Hour})
	require.NoError(t, err)
	text := m.Token.Reveal()
	require.Equal(t, old[:23], text[:23], "brand, kind and ID stay")
	require.NotEqual(t, old, text)
	require.Equal(t, []any{info.Scopes, 1, h.clock().Add(10 * day)}, []any{m.Info.Scopes, m.Info.Rotations, m.Info.Expires})

	require.Zero(t, h.good(text).Rotated)
	require.Equal(t, h.clock().Add(time.Hour), h.good(old).Rotated, "the old one says so")
	h.wait(time.Hour - time.Second)
	h.good(old)
	events.Take()
	h.wait(time.Second)
	h.bad(old, "after its grace")
	require.Equal(t, []event.Kind{event.TokenReused, event.TokenRevoked}, kinds(events.Take()))
	h.bad(text, "revoked with it, as nobody knows whose hands the old one is in")
	h.bad(old, "again")
	require.Empty(t, kinds(events.Take()), "once")
	require.Equal(t, tokens.StateRevoked, h.tokenInfo(o.id, info.ID).State)
}

func TestRotateKeepsReused(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t, func(p *tokens.Policy) { p.KeepReused = true })
	o := h.enroll("user-42")
	first, info := o.mint("logs:read")
	texts := []string{first}
	for range 12 {
		m, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{})
		require.NoError(t, err)
		texts = append(texts, m.Token.Reveal())
	}
	events.Take()
	for _, old := range texts[:12] {
		h.bad(old, "without a grace")
		require.Equal(t, []event.Kind{event.TokenReused}, kinds(events.Take()))
	}
	h.good(texts[12])
}

// TestRotateGrace: no copy lives longer than it was to, and none longer than a later one.
func TestRotateGrace(t *testing.T) {
	ctx := context.Background()
	h, _ := recorded(t, func(p *tokens.Policy) { p.KeepReused, p.MaxLifetime, p.MaxGrace = true, 20*day, 30*day })
	o := h.enroll("user-42")
	rotate := func(id string, r tokens.Rotation) (string, tokens.Info) {
		t.Helper()
		m, err := h.Owner(o.fresh()).Rotate(ctx, id, r)
		require.NoError(t, err)
		return m.Token.Reveal(), m.Info
	}
	one, info := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = day })
	h.wait(day - time.Hour)
	two, next := rotate(info.ID, tokens.Rotation{Grace: 30 * day, Lifetime: 20 * day})
	require.Equal(t, info.Expires, h.good(one).Rotated, "its own end")
	require.Equal(t, h.clock().Add(20*day), next.Expires)
	h.set(info.Expires)
	h.bad(one, "its own end")

	h.wait(time.Hour)
	three, _ := rotate(info.ID, tokens.Rotation{Grace: 10 * day})
	four, _ := rotate(info.ID, tokens.Rotation{Grace: time.Minute})
	h.good(two)
	h.good(three)
	five, _ := rotate(info.ID, tokens.Rotation{})
	for _, old := range []string{one, two, three, four} {
		h.bad(old, "after a leak nothing older works, whatever grace it had")
	}
	h.good(five)

	for what, bad := range map[string]tokens.Rotation{
		"negative grace": {Grace: -1}, "long grace": {Grace: 30*day + 1}, "negative": {Lifetime: -day}, "too long": {Lifetime: 20*day + 1}, "short": {Lifetime: 1},
	} {
		proof := o.fresh()
		h.unchanged(func() {
			_, err := h.Owner(proof).Rotate(ctx, info.ID, bad)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, what)
		})
	}
}

func TestRotateProof(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	_, info := o.mint("deploys:production")
	_, low := o.mint("logs:read")
	_, err := o.h.Owner(o.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	attested := o.h.Owner(o.h.vouch(o.id))
	_, err = attested.Rotate(ctx, info.ID, tokens.Rotation{})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a scope asks for more than the password")
	m, err := attested.Rotate(ctx, low.ID, tokens.Rotation{})
	require.NoError(t, err)
	o.h.bad(m.Token.Reveal(), "it goes on needing the second factor")
	require.NoError(t, attested.Revoke(ctx, info.ID), "to revoke is to have less")
}

func TestRecoveryCodeRevokes(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	text, info := o.mint("logs:read")
	v, err := o.h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err)
	face := o.h.Owner(v.Session.Proof)
	_, err = face.Rotate(ctx, info.ID, tokens.Rotation{})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	require.NoError(t, face.Revoke(ctx, info.ID))
	o.h.bad(text, "revoked")
	require.NoError(t, face.RevokeAll(ctx))
}

func TestRotateItself(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t)
	o := h.enroll("user-42")
	text, _ := o.mint("logs:read")
	_, err := h.RotateSelf(ctx, text, tokens.Rotation{})
	require.Equal(t, &gatehouse.DeniedError{}, err, "not minted to")
	text, info := o.mint("logs:read", func(r *tokens.Request) { r.RotatesItself, r.Lifetime = true, 10*day })
	for range 5 {
		h.wait(9 * day)
		m, err := h.RotateSelf(ctx, text, tokens.Rotation{Lifetime: 300 * day, Grace: time.Minute})
		require.NoError(t, err)
		require.Equal(t, h.clock().Add(10*day), m.Info.Expires, "never for longer than its owner had said")
		_, err = h.RotateSelf(ctx, text, tokens.Rotation{})
		require.Equal(t, &gatehouse.DeniedError{}, err, "a rotated one has had its turn")
		h.good(text)
		text = m.Token.Reveal()
		h.good(text)
	}
	m, err := h.RotateSelf(ctx, text, tokens.Rotation{Lifetime: day})
	require.NoError(t, err)
	m, err = h.RotateSelf(ctx, m.Token.Reveal(), tokens.Rotation{Lifetime: 10 * day})
	require.NoError(t, err)
	require.Equal(t, h.clock().Add(day), m.Info.Expires, "a shorter life is not made longer again")
	events.Take()
	_, err = h.RotateSelf(ctx, text, tokens.Rotation{})
	require.Equal(t, &gatehouse.DeniedError{}, err)
	require.Equal(t, []event.Kind{event.TokenReused, event.TokenRevoked}, kinds(events.Take()))
	require.Equal(t, tokens.StateRevoked, h.tokenInfo(o.id, info.ID).State)
	_, err = h.RotateSelf(ctx, m.Token.Reveal(), tokens.Rotation{})
	require.Equal(t, &gatehouse.DeniedError{}, err, "revoked")
}

func TestRevokePresented(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t)
	o := h.enroll("user-42")
	text, info := o.mint("logs:read")
	m, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: time.Hour})
	require.NoError(t, err)
	events.Take()
	forged := must(tokens.Parse("acme", text)).Successor("acme").Reveal()
	for _, not := range []string{forged, tokens.Generate("acme", tokens.Personal).Reveal(), "nothing", ""} {
		require.NoError(t, h.RevokePresented(ctx, not))
	}
	h.good(text)
	require.Empty(t, kinds(events.Take()))
	require.NoError(t, h.RevokePresented(ctx, text))
	h.bad(text, "given back")
	h.bad(m.Token.Reveal(), "and its successor")
	require.NoError(t, h.RevokePresented(ctx, text), "the same answer")
	require.Equal(t, []event.Kind{event.TokenRevoked}, kinds(events.Take()), "once")
}

func TestTwoFactorOffSuspends(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t)
	early := &owner{h: h, id: "user-42"}
	_, plain := early.mint("logs:read")
	o := h.enroll("user-42")
	_, one := o.mint("logs:read")
	_, two := o.mint("logs:read")
	_, gone := o.mint("logs:read")
	require.NoError(t, h.Owner(o.fresh()).Revoke(ctx, gone.ID))
	events.Take()
	_, err := h.Owner(o.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	var ids []string
	for _, e := range events.Take() {
		if e.Kind == event.TokenNeedsSecondFactor {
			ids = append(ids, e.TokenID)
		}
	}
	slices.Sort(ids)
	want := []string{one.ID, two.ID}
	slices.Sort(want)
	require.Equal(t, want, ids)
	require.Equal(t, tokens.StateActive, h.tokenInfo(o.id, plain.ID).State)
}

// TestRightsNeverGrow does whatever can be done to a token, in random order, and asks for more.
func TestRightsNeverGrow(t *testing.T) {
	ctx := context.Background()
	all := []tokens.Scope{"projects:read", "projects:write", "projects:*", "logs:read", "deploys:production", "projects:delete"}
	resources := []string{"", "project/7", "project/8", "team/a/x"}
	only, err := tokens.OnlyResources("project/7", "team/a/*")
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(5, 5))
	for range 40 {
		o := newHouse(t, withTokens(t)).enroll("user-42")
		var scopes []tokens.Scope
		for range 1 + random.IntN(2) {
			scopes = append(scopes, all[random.IntN(5)])
		}
		minted, err := tokens.NewScopes(scopes...)
		require.NoError(t, err)
		text, info := o.mint(minted.String(), func(r *tokens.Request) {
			r.RotatesItself, r.Lifetime = true, 10*day
			if random.IntN(2) == 0 {
				r.Resources = only
			}
		})
		for range 12 {
			switch random.IntN(6) {
			case 0:
				o.h.wait(time.Duration(random.IntN(8)) * day)
			case 1:
				if m, err := o.h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: time.Minute, Lifetime: 300 * day}); err == nil {
					text = m.Token.Reveal()
				}
			case 2:
				if m, err := o.h.RotateSelf(ctx, text, tokens.Rotation{Lifetime: 300 * day}); err == nil {
					text = m.Token.Reveal()
				}
			case 3:
				_, _ = o.h.Owner(o.fresh()).Renew(ctx, info.ID, 300*day)
			case 4:
				_, _ = o.mint("projects:* deploys:production logs:read")
			case 5:
				_, _ = o.h.Operator("op").WarnExpiring(ctx, "", nil)
			}
			g, err := o.h.Check(ctx, text)
			if err != nil {
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			}
			for _, scope := range all {
				for _, resource := range resources {
					if g.Allows(scope, resource) {
						require.True(t, minted.Has(scope) && info.Resources.Has(resource))
					}
				}
			}
			require.Equal(t, minted, o.h.tokenInfo(o.id, info.ID).Scopes)
		}
	}
}

// TestTokensOnFaults has each call for a token go wrong, before and after it was made.
func TestTokensOnFaults(t *testing.T) {
	ctx := context.Background()
	for _, call := range []string{"load token", "save token", "save account"} {
		for name, f := range map[string]fault{"before": {before: errStore}, "after": {after: errStore}} {
			t.Run(call+" "+name, func(t *testing.T) {
				store := newCounted()
				o := houseOn(t, store, withTokens(t)).enroll("user-42")
				text, info := o.mint("logs:read", func(r *tokens.Request) { r.RotatesItself = true })
				proof := o.fresh()
				h := o.h
				with := func(do func() error) error {
					store.wrong = func(c string) fault {
						if c == call {
							return f
						}
						return fault{}
					}
					defer func() { store.wrong = nil }()
					return do()
				}
				fails := func(err error) {
					t.Helper()
					if err != nil {
						require.ErrorIs(t, err, errStore)
						require.NotErrorIs(t, err, gatehouse.ErrDenied)
					}
				}
				err := with(func() error { _, err := h.Check(ctx, text); return err })
				require.Equal(t, call == "load token", err != nil)
				fails(err)
				var m tokens.Minted
				err = with(func() (err error) {
					m, err = h.Owner(proof).Mint(ctx, tokens.Request{Name: "x", Scopes: info.Scopes})
					return err
				})
				require.Equal(t, call != "load token", err != nil)
				require.Equal(t, err != nil, m.Token.Reveal() == "", "no token without a save")
				err = with(func() error { _, err := h.RotateSelf(ctx, text, tokens.Rotation{}); return err })
				require.Equal(t, call != "save account", err != nil)
				fails(err)
				err = with(func() error { return h.Owner(proof).Revoke(ctx, info.ID) })
				require.Error(t, err, "a revocation that is not sure is not told as done")
				fails(err)
				err = with(func() error { return h.RevokePresented(ctx, text) })
				if call == "load token" || call == "save token" && name == "before" {
					require.Error(t, err)
				}
				fails(err)
				require.NoError(t, h.RevokePresented(ctx, text))
				_, err = h.Check(ctx, text)
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			})
		}
	}
}

// TestLostTokenReplies: a save whose reply came as a conflict was made, and is taken for that.
func TestLostTokenReplies(t *testing.T) {
	ctx := context.Background()
	store := newCounted()
	o := houseOn(t, store, withTokens(t)).enroll("user-42")
	n := 0
	store.wrong = func(call string) (f fault) {
		if n++; call == "save token" && n%2 == 1 {
			f.after = storage.ErrConflict
		}
		return f
	}
	text, info := o.mint("logs:read")
	o.h.good(text)
	m, err := o.h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	require.Equal(t, 1, o.h.tokenInfo(o.id, info.ID).Rotations, "rotated once")
	o.h.good(m.Token.Reveal())
}

// An owner rotates the token that they were shown: of two forms one makes a secret, and the other says why not.
func TestRotateWhatWasSeen(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	_, seen := o.mint("projects:read")
	_, other := o.mint("projects:read")
	face := o.h.Owner(o.proof)
	_, err := face.Rotate(ctx, other.ID, tokens.Rotation{Seen: seen})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	first, err := face.Rotate(ctx, seen.ID, tokens.Rotation{Seen: seen})
	require.NoError(t, err)
	_, err = face.Rotate(ctx, seen.ID, tokens.Rotation{Seen: seen})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	_, err = o.h.check(first.Token.Reveal())
	require.NoError(t, err)
	_, err = face.Rotate(ctx, seen.ID, tokens.Rotation{Seen: first.Info})
	require.NoError(t, err)
	_, err = face.Rotate(ctx, seen.ID, tokens.Rotation{})
	require.NoError(t, err, "without it, whatever it is like")

	got, err := o.h.Token(ctx, "user-42", seen.ID)
	require.NoError(t, err)
	require.Equal(t, 3, got.Rotations)
	list, err := o.h.Tokens(ctx, "user-42")
	require.NoError(t, err)
	require.Contains(t, list, got)
	_, err = o.h.Token(ctx, "somebody", seen.ID)
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
}
