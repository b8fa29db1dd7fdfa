package attack_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Every way to a working secret, and what is known of the secrets before it.

// itself lets a token rotate itself.
func itself(r *tokens.Request) { r.RotatesItself = true }

// next rotates a token by itself, without a grace.
func (h *house) next(text string) string {
	h.t.Helper()
	m, err := h.RotateSelf(context.Background(), text, tokens.Rotation{})
	require.NoError(h.t, err)
	return m.Token.Reveal()
}

// onlyTokens returns the events of tokens, without those of their use.
func onlyTokens(events []event.Event) (list []event.Event) {
	for _, e := range events {
		if len(kinds([]event.Event{e})) > 0 {
			list = append(list, e)
		}
	}
	return list
}

// Row K2: behind a closed gate no way leads to a working secret, neither a new one nor an old one that works
// again; a token that may do less than the gate is for goes on. What the account has works on.
func TestSecretsPassTheGates(t *testing.T) {
	ctx := context.Background()
	const low, high = "logs:read", "deploys:production"
	for _, c := range []struct {
		gate       posture.Gate
		shut, open string // scopes of a token that it is for, and of one that it is not, if there are
	}{
		{posture.Gate{Action: posture.MintToken, Controls: []string{posture.EmailVerified}}, low, ""},
		{posture.Gate{Action: posture.MintProductionToken, Controls: []string{posture.EmailVerified}}, high, low},
	} {
		f := &hostFacts{host: posture.Host{EmailVerified: posture.Yes}}
		h := newHouse(t, withTokens(t), judged(t, policyOf(t, posture.ModelConfig{}, c.gate), f))
		f.do = func() { f.host.At = h.clock() }
		o := h.enroll("user-42")
		ways := func(scopes string) map[string]func() error {
			text, live := o.mint(scopes, itself)
			_, expired := o.mint(scopes, func(r *tokens.Request) { r.Lifetime = time.Second })
			owner := h.Owner(o.fresh())
			return map[string]func() error{
				"mint": func() error {
					_, err := owner.Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, scopes)})
					return err
				},
				"rotate":  func() error { _, err := owner.Rotate(ctx, live.ID, tokens.Rotation{}); return err },
				"renew":   func() error { _, err := owner.Renew(ctx, expired.ID, 0); return err },
				"by self": func() error { _, err := h.RotateSelf(ctx, text, tokens.Rotation{}); return err },
			}
		}
		shut := ways(c.shut)
		text, _ := o.mint(c.shut)
		_, gone := o.mint(c.shut)
		proof := o.fresh()
		f.host.EmailVerified = posture.No
		require.NoError(t, h.Owner(proof).Revoke(ctx, gone.ID), "to have less passes no gate")
		for name, way := range shut {
			h.unchanged(func() {
				var closed *posture.GateError
				require.ErrorAs(t, way(), &closed, name)
				require.Equal(t, c.gate.Action, closed.Action, name)
			})
		}
		h.good(text)
		f.host.EmailVerified = posture.Yes
		for _, name := range []string{"mint", "by self", "rotate", "renew"} {
			require.NoError(t, shut[name](), name)
		}
		if c.open != "" {
			open := ways(c.open)
			f.host.EmailVerified = posture.No
			for _, name := range []string{"mint", "by self", "rotate", "renew"} {
				require.NoError(t, open[name](), name)
			}
		}
	}
}

// Row K2: a gate with a grace, or one that only reports, is asked as it is for minting; one that asks for a fresh
// proof by the second factor goes by how a token that rotates itself was minted.
func TestGatesOfSelfRotation(t *testing.T) {
	ctx := context.Background()
	fails := []string{posture.PhishingResistant}
	for name, c := range map[string]struct {
		gate  posture.Gate
		weak  bool // minted before there was a second factor
		opens bool
	}{
		"closed":                    {posture.Gate{Controls: fails}, false, false},
		"in its grace":              {posture.Gate{Controls: fails, Grace: posture.Grace{Before: begin, Until: begin.Add(day)}}, false, true},
		"report only":               {posture.Gate{Controls: fails, ReportOnly: true}, false, true},
		"a fresh second factor":     {posture.Gate{MaxAge: time.Minute, SecondFactor: true}, false, true},
		"... and minted without it": {posture.Gate{MaxAge: time.Minute, SecondFactor: true}, true, false},
	} {
		store := memory.New()
		minting := houseOn(t, store, withTokens(t))
		o := &owner{h: minting, id: "user-42"}
		if !c.weak {
			o = minting.enroll("user-42")
		}
		text, _ := o.mint("logs:read", itself)
		c.gate.Action = posture.MintToken
		h := houseOn(t, store, withTokens(t), judged(t, policyOf(t, posture.ModelConfig{}, c.gate), &hostFacts{host: posture.Host{At: begin, Since: begin.Add(-day)}}))
		h.wait(time.Hour)
		_, err := h.RotateSelf(ctx, text, tokens.Rotation{})
		if c.opens {
			require.NoError(t, err, name)
			continue
		}
		var closed *posture.GateError
		require.ErrorAs(t, err, &closed, name)
		h.good(text)
	}
}

// Row K2: the gate is asked on the account as it is in the save, as for minting: one that closes meanwhile is closed.
func TestRotationIsGatedInItsSave(t *testing.T) {
	ctx := context.Background()
	store := newCounted()
	gate := posture.Gate{Action: posture.MintToken, Controls: []string{posture.MethodsOpen}}
	h := houseOn(t, store, withTokens(t), judged(t, policyOf(t, posture.ModelConfig{}, gate), &hostFacts{}))
	o := h.enroll("user-42")
	text, info := o.mint("logs:read")
	proof := o.fresh()
	elsewhere := houseOn(t, store.Store, func(c *settings) { c.Keys = h.keys })
	elsewhere.set(h.clock())
	store.wrong = func(call string) (f fault) {
		if call == "save account" {
			store.wrong = nil
			f.meanwhile = func() {
				for range 10 {
					_, err := elsewhere.StepUp(ctx, o.id, o.wrong())
					require.ErrorIs(t, err, gatehouse.ErrDenied)
				}
			}
		}
		return f
	}
	_, err := h.Owner(proof).Rotate(ctx, info.ID, tokens.Rotation{})
	var closed *posture.GateError
	require.ErrorAs(t, err, &closed)
	h.good(text)
	require.Zero(t, h.tokenInfo(o.id, info.ID).Rotations)
}

// Row K2: what the policy of now would not mint is neither rotated nor renewed. It works on to its end, and can be
// revoked.
func TestSecretsNeedThePolicyOfNow(t *testing.T) {
	ctx := context.Background()
	only, err := tokens.OnlyResources("team/a/*")
	require.NoError(t, err)
	narrow, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read"})
	require.NoError(t, err)
	strict, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read", StepUp: true}, tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	bots := func(p *tokens.Policy) { p.Kinds = []tokens.Kind{"bot"} }
	for name, c := range map[string]struct {
		then, now func(*tokens.Policy)
		request   func(*tokens.Request)
		weak      bool // minted by the password alone
		owner     error
	}{
		"a scope that is gone": {now: func(p *tokens.Policy) { p.Scopes = narrow },
			request: func(r *tokens.Request) { r.Scopes = scopesOf(t, "projects:read") }, owner: gatehouse.ErrPrecondition},
		"a kind that is gone": {then: bots, request: func(r *tokens.Request) { r.Kind = "bot" }, owner: gatehouse.ErrPrecondition},
		"no more prefixes": {now: func(p *tokens.Policy) { p.Separator = "" },
			request: func(r *tokens.Request) { r.Resources = only }, owner: gatehouse.ErrPrecondition},
		"a scope that takes the second factor now": {now: func(p *tokens.Policy) { p.Scopes = strict }, weak: true, owner: gatehouse.ErrStepUpRequired},
	} {
		store := memory.New()
		edit := func(f func(*tokens.Policy)) func(*settings) {
			if f == nil {
				f = func(*tokens.Policy) {}
			}
			return withTokens(t, f)
		}
		h := houseOn(t, store, edit(c.then))
		o := &owner{h: h, id: "user-42"}
		if !c.weak {
			o = h.enroll("user-42")
		}
		request := func(r *tokens.Request) {
			if r.RotatesItself = true; c.request != nil {
				c.request(r)
			}
		}
		text, live := o.mint("logs:read", request)
		_, expired := o.mint("logs:read", request, func(r *tokens.Request) { r.Lifetime = time.Second })
		again := houseOn(t, store, edit(c.now), func(c *settings) { c.Keys = h.keys })
		o.h = again
		again.keys = h.keys
		again.set(h.clock().Add(time.Minute))
		proof := o.fresh()
		again.unchanged(func() {
			_, err := again.Owner(proof).Rotate(ctx, live.ID, tokens.Rotation{})
			require.ErrorIs(t, err, c.owner, name)
			_, err = again.Owner(proof).Renew(ctx, expired.ID, 0)
			require.ErrorIs(t, err, c.owner, name)
			_, err = again.RotateSelf(ctx, text, tokens.Rotation{})
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, name)
		})
		again.good(text)
		require.NoError(t, again.Owner(proof).Revoke(ctx, live.ID), name)
		again.bad(text, "revoked")
	}
}

// Row K14: the policy bounds the grace, and more narrowly where nobody vouches for the rotation.
func TestMostGrace(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ policy, owner, itself time.Duration }{
		{0, 7 * day, day}, {30 * day, 30 * day, day}, {time.Hour, time.Hour, time.Hour},
	} {
		h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.MaxGrace = c.policy }))
		o := h.enroll("user-42")
		text, info := o.mint("logs:read", itself, func(r *tokens.Request) { r.Lifetime = 60 * day })
		rotate := func(grace time.Duration) error {
			_, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: grace})
			return err
		}
		rotateItself := func(grace time.Duration) error {
			_, err := h.RotateSelf(ctx, text, tokens.Rotation{Grace: grace})
			return err
		}
		require.ErrorIs(t, rotateItself(c.itself+1), gatehouse.ErrInvalid)
		require.NoError(t, rotateItself(c.itself))
		require.Equal(t, h.clock().Add(c.itself), h.good(text).Rotated)
		require.ErrorIs(t, rotate(c.owner+1), gatehouse.ErrInvalid)
		require.NoError(t, rotate(c.owner))
	}
}

// Row K14: who presents a rotated copy to be rotated is told of, once a copy, wherever they come from: somebody has
// rotated it before them. The copy works to the end of its grace.
func TestContestedRotation(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t)
	o := h.enroll("user-42")
	networks, err := tokens.OnlyNetworks("203.0.113.0/24")
	require.NoError(t, err)
	text, info := o.mint("logs:read", itself, func(r *tokens.Request) { r.Networks = networks })
	inside, outside := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.9")
	thief, err := h.RotateSelf(ctx, text, tokens.Rotation{Grace: day}, inside)
	require.NoError(t, err)
	events.Take()
	try := func(text string, from netip.Addr) []event.Event {
		_, err := h.RotateSelf(ctx, text, tokens.Rotation{}, from)
		require.Equal(t, &gatehouse.DeniedError{}, err)
		return onlyTokens(events.Take())
	}
	told := event.Event{
		Kind: event.TokenContested, AccountID: "user-42", At: h.clock(), TokenID: info.ID, TokenName: "ci", Address: "198.51.100.9", Count: 1,
	}
	require.Equal(t, []event.Event{told}, try(text, outside))
	require.Empty(t, try(text, inside), "once")
	h.good(text, inside)
	again, err := h.RotateSelf(ctx, thief.Token.Reveal(), tokens.Rotation{Grace: day}, inside)
	require.NoError(t, err)
	require.Len(t, onlyTokens(events.Take()), 1)
	require.Empty(t, try(text, inside), "also after the next rotation")
	told.Address = "203.0.113.9"
	require.Equal(t, []event.Event{told}, try(thief.Token.Reveal(), inside), "another copy is another one")

	h.wait(day)
	require.Len(t, try(text, inside), 2, "reused, and revoked")
	h.bad(again.Token.Reveal(), "revoked", inside)

	// Of a token that is revoked nobody has anything to contest.
	text, info = o.mint("logs:read", itself)
	_, err = h.RotateSelf(ctx, text, tokens.Rotation{Grace: day})
	require.NoError(t, err)
	require.NoError(t, h.Owner(o.fresh()).Revoke(ctx, info.ID))
	events.Take()
	require.Empty(t, try(text, inside))

	// A token that only its owner rotates has no rotation of its own to contest.
	text, info = o.mint("logs:read")
	_, err = h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: time.Hour})
	require.NoError(t, err)
	events.Take()
	require.Empty(t, try(text, inside))
}

// Row K14: that a copy was contested is told when it is stored, and a fault is a fault.
func TestContestedOnAFault(t *testing.T) {
	ctx := context.Background()
	store, events := newCounted(), &gatehousetest.Recorder{}
	h := houseOn(t, store, withTokens(t), observed(events))
	o := h.enroll("user-42")
	text, _ := o.mint("logs:read", itself)
	_, err := h.RotateSelf(ctx, text, tokens.Rotation{Grace: day})
	require.NoError(t, err)
	events.Take()
	store.wrong = func(call string) fault { return fault{before: map[string]error{"save token": errStore}[call]} }
	_, err = h.RotateSelf(ctx, text, tokens.Rotation{})
	require.ErrorIs(t, err, errStore)
	require.NotErrorIs(t, err, gatehouse.ErrDenied)
	require.Empty(t, onlyTokens(events.Take()))
	store.wrong = nil
	_, err = h.RotateSelf(ctx, text, tokens.Rotation{})
	require.Equal(t, &gatehouse.DeniedError{}, err)
	require.Len(t, onlyTokens(events.Take()), 1)
}

// Row K14: who rotates again and again hides no copy behind newer ones. Eight can be in their grace; the ninth
// rotation waits for the end of one, or has no grace and ends them all.
func TestNoCopyIsCrowdedOut(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t)
	o := h.enroll("user-42")
	mine, info := o.mint("logs:read", itself)
	text := mine
	rotate := func(grace time.Duration) error {
		m, err := h.RotateSelf(ctx, text, tokens.Rotation{Grace: grace})
		if err == nil {
			text = m.Token.Reveal()
		}
		return err
	}
	for range 8 {
		require.NoError(t, rotate(day))
	}
	h.unchanged(func() { require.ErrorIs(t, rotate(day), gatehouse.ErrPrecondition) })
	_, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: time.Hour})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	h.good(mine)
	require.NoError(t, rotate(0))
	events.Take()
	h.bad(mine, "the first of ten")
	require.Equal(t, []event.Kind{event.TokenReused, event.TokenRevoked}, kinds(events.Take()))
	h.bad(text, "and so the last one ends")
}

// Row K14 and kind 2: of a token that has rotated itself every copy of its whole life is known, however many there
// were. What only looks like one is none: to end a token takes a copy that somebody was given.
func TestEveryCopyIsKnown(t *testing.T) {
	ctx := context.Background()
	h, events := recorded(t, func(p *tokens.Policy) { p.KeepReused = true })
	o := h.enroll("user-42")
	text, info := o.mint("logs:read", itself)
	copies := []string{text}
	for range 40 {
		text = h.next(text)
		copies = append(copies, text)
	}
	events.Take()
	for i, old := range copies[:40] {
		h.bad(old, fmt.Sprint(i))
		_, err := h.RotateSelf(ctx, old, tokens.Rotation{})
		require.Equal(t, &gatehouse.DeniedError{}, err)
		require.Equal(t, []event.Kind{event.TokenReused, event.TokenReused}, kinds(events.Take()), i)
	}
	other := "0"
	if copies[0][65:66] == other {
		other = "1"
	}
	first, second := copies[0][23:66], tokens.Generate("acme", tokens.Personal).Reveal()[23:66]
	for _, forged := range []string{
		second,                    // nothing of it
		first[:22] + second[22:],  // what is new in each copy, and another line
		second[22:] + second[:22], //
		first[21:] + first[:21],   // the line, in another place
		first[:42] + other,        // one symbol of the line
	} {
		text := summed(copies[0][:23] + forged)
		h.bad(text, "a stranger's")
		require.NoError(t, h.RevokePresented(ctx, text))
	}
	require.Empty(t, kinds(events.Take()))
	h.good(text)

	// An owner's rotation begins another line, and the copies of the one before are known as well.
	owned := h.Owner(o.fresh())
	m, err := owned.Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	events.Take()
	for _, old := range copies {
		h.bad(old, "of the line before")
		require.Equal(t, []event.Kind{event.TokenReused}, kinds(events.Take())[:1])
	}
	text = m.Token.Reveal()
	for range 30 {
		m, err = owned.Rotate(ctx, info.ID, tokens.Rotation{})
		require.NoError(t, err)
	}
	events.Take()
	h.bad(copies[0], "31 lines later")
	h.bad(text, "30 lines later")
	require.Equal(t, []event.Kind{event.TokenReused, event.TokenReused}, kinds(events.Take()))
	_, err = owned.Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	events.Take()
	h.bad(copies[0], "32 lines later")
	require.Empty(t, kinds(events.Take()), "32 lines are kept")
	require.NoError(t, h.RevokePresented(ctx, text))
	h.bad(m.Token.Reveal(), "an old copy was given back")
}

// Row K14: a token that rotates itself has an end that it cannot move, and that its owner can.
func TestUnattendedEnd(t *testing.T) {
	ctx := context.Background()
	h, _ := recorded(t, func(p *tokens.Policy) { p.Unattended, p.MaxLifetime = 25*day, 60*day })
	o := h.enroll("user-42")
	_, err := h.Owner(o.fresh()).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read"), RotatesItself: true, Lifetime: 25*day + time.Second})
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "beyond it from the beginning")
	_, err = h.Owner(o.fresh()).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read"), RotatesItself: true, Lifetime: 25 * day})
	require.NoError(t, err)
	_, other := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = 60 * day })
	require.Zero(t, other.RotatesUntil)
	_, usual := o.mint("logs:read", itself)
	require.Equal(t, usual.Created.Add(25*day), usual.Expires, "the default is cut")

	text, info := o.mint("logs:read", itself, func(r *tokens.Request) { r.Lifetime = 10 * day })
	end := info.Created.Add(25 * day)
	require.Equal(t, end, info.RotatesUntil)
	for _, want := range []time.Time{h.clock().Add(19 * day), end, end} {
		h.wait(9 * day)
		if h.clock().After(end) {
			break
		}
		m, err := h.RotateSelf(ctx, text, tokens.Rotation{})
		require.NoError(t, err)
		require.Equal(t, []time.Time{want, end}, []time.Time{m.Info.Expires, m.Info.RotatesUntil})
		text = m.Token.Reveal()
	}
	h.set(end.Add(-time.Second))
	text = h.next(text)
	h.wait(time.Second)
	_, err = h.RotateSelf(ctx, text, tokens.Rotation{})
	require.Equal(t, &gatehouse.DeniedError{}, err)

	renewed, err := h.Owner(o.fresh()).Renew(ctx, info.ID, 0)
	require.NoError(t, err)
	require.Equal(t, []time.Time{h.clock().Add(10 * day), h.clock().Add(25 * day)}, []time.Time{renewed.Expires, renewed.RotatesUntil}, "its own life, not what was left")
	h.wait(9 * day)
	m, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	require.Equal(t, []time.Time{h.clock().Add(10 * day), h.clock().Add(25 * day)}, []time.Time{m.Info.Expires, m.Info.RotatesUntil})

	_, err = h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Lifetime: 25*day + time.Second})
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "nor does its owner give it more at a time")

	// A policy that is stricter now leaves what it was minted with, and no more.
	strict := houseOn(t, h.store, withTokens(t, func(p *tokens.Policy) { p.Unattended = day }))
	strict.set(h.clock().Add(2 * day))
	_, err = strict.RotateSelf(ctx, m.Token.Reveal(), tokens.Rotation{})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	strict.good(m.Token.Reveal())
}

// Kind 8: that an old copy is out is found before anything else that denies it, by whatever call it is presented.
func TestReuseIsFoundFirst(t *testing.T) {
	ctx := context.Background()
	inside, outside := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.9")
	networks, err := tokens.OnlyNetworks("203.0.113.0/24")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		from   netip.Addr
		before func(o *owner, id string) error
	}{
		"from elsewhere":            {from: outside},
		"from an unknown address":   {},
		"from where it belongs":     {from: inside},
		"of a suspended account":    {inside, func(o *owner, _ string) error { return o.h.Operator("op").Suspend(ctx, o.id) }},
		"of one without the factor": {inside, func(o *owner, _ string) error { _, err := o.h.Owner(o.fresh()).DisableTwoFactor(ctx); return err }},
		"of an expired token":       {inside, func(o *owner, _ string) error { o.h.wait(30 * day); return nil }},
	} {
		for by, present := range map[string]func(h *house, text string) error{
			"AuthenticateToken": func(h *house, text string) error {
				_, err := h.Check(ctx, text, (c.from))
				return err
			},
			"RotateToken": func(h *house, text string) error {
				_, err := h.RotateSelf(ctx, text, tokens.Rotation{}, c.from)
				return err
			},
		} {
			h, events := recorded(t)
			o := h.enroll("user-42")
			old, info := o.mint("logs:read", itself, func(r *tokens.Request) { r.Networks = networks })
			m, err := h.RotateSelf(ctx, old, tokens.Rotation{}, inside)
			require.NoError(t, err)
			if c.before != nil {
				require.NoError(t, c.before(o, info.ID))
			}
			events.Take()
			require.Equal(t, &gatehouse.DeniedError{}, present(h, old), name)
			told := event.Event{Kind: event.TokenReused, AccountID: "user-42", At: h.clock(), TokenID: info.ID, TokenName: "ci", Count: 1}
			if c.from.IsValid() {
				told.Address = c.from.String()
			}
			revoked := told
			revoked.Kind, revoked.Address = event.TokenRevoked, ""
			require.Equal(t, []event.Event{told, revoked}, onlyTokens(events.Take()), "%s by %s", name, by)
			require.Equal(t, tokens.StateRevoked, h.tokenInfo(o.id, info.ID).State, name)
			h.bad(m.Token.Reveal(), "both end", inside)
			require.Equal(t, &gatehouse.DeniedError{}, present(h, old), name)
			require.Empty(t, onlyTokens(events.Take()), "of what is revoked nobody has anything")
		}
	}
}

// Row K15: what proof a secret rests on is that of its rotation too. A token that the password alone was shown is
// not one of the second factor because it was renewed, and one of the second factor that the password alone was
// shown is none any more.
func TestProofBehindASecret(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	o := &owner{h: h, id: "user-42"}
	weak, info := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = day })
	require.False(t, h.good(weak).SecondFactor)
	o = h.enroll("user-42")
	h.set(info.Expires)
	renewed, err := h.Owner(o.fresh()).Renew(ctx, info.ID, 0)
	require.NoError(t, err)
	g := h.good(weak)
	require.Equal(t, []any{false, false, "pwd", begin}, []any{renewed.NeedsSecondFactor, g.SecondFactor, g.AuthMethod, g.AuthTime})
	h.wait(time.Minute)
	proof := o.fresh()
	m, err := h.Owner(proof).Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	g = h.good(m.Token.Reveal())
	require.Equal(t, []any{true, true, "otp", h.clock()}, []any{m.Info.NeedsSecondFactor, g.SecondFactor, g.AuthMethod, g.AuthTime})

	_, err = h.Owner(proof).DisableTwoFactor(ctx)
	require.NoError(t, err)
	h.wait(time.Minute)
	at := h.clock()
	m, err = h.Owner(h.vouch(o.id)).Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	h.bad(m.Token.Reveal(), "it waits for the second factor")
	o = h.enroll(o.id)
	g = h.good(m.Token.Reveal())
	require.Equal(t, []any{true, false, "pwd", at}, []any{m.Info.NeedsSecondFactor, g.SecondFactor, g.AuthMethod, g.AuthTime})

	// The same for one that is renewed by the password alone.
	_, short := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = day })
	_, err = h.Owner(o.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	h.set(short.Expires)
	_, err = h.Owner(h.vouch(o.id)).Renew(ctx, short.ID, 0)
	require.NoError(t, err)
	h.enroll(o.id)
	rec, _, err := h.store.LoadToken(ctx, short.ID)
	require.NoError(t, err)
	token, err := decodeToken(rec)
	require.NoError(t, err)
	require.Equal(t, []any{core.Vouched, "pwd", short.Expires.Unix(), true}, []any{
		*field[core.Kind](token, "How"), *field[string](token, "AMR"), *field[int64](token, "ProofAt"), *field[bool](token, "NeedsFactor"),
	})
}

// Row K15: what the password alone has made is found when two-factor sign-in is on, and before; to rotate it with the
// second factor or to revoke it mends that, and to renew it does not.
func TestTokensFromBeforeTheSecondFactor(t *testing.T) {
	ctx := context.Background()
	f := &hostFacts{host: posture.Host{At: begin}}
	h := newHouse(t, withTokens(t), judged(t, policyOf(t, posture.ModelConfig{}), f))
	o := &owner{h: h, id: "user-42"}
	require.Equal(t, posture.NotApplicable, state(h.review(o.id), posture.TokensSecondFactor), "there are none")
	one, rotated := o.mint("logs:read", itself)
	_, renewed := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = time.Second })
	_, revoked := o.mint("logs:read")
	found := func(reason string) {
		t.Helper()
		r := h.review(o.id)
		finding, _ := r.Find(posture.TokensSecondFactor)
		require.Equal(t, []any{posture.Fail, reason}, []any{finding.State, finding.Reason})
	}
	found("3 tokens were created with the password alone.")
	o = h.enroll(o.id)
	found("2 tokens were created with the password alone.")
	one = h.next(one)
	require.False(t, h.good(one).SecondFactor, "by itself it does not get there")
	face := h.Owner(o.fresh())
	_, err := face.Renew(ctx, renewed.ID, day)
	require.NoError(t, err)
	found("3 tokens were created with the password alone.")
	for _, id := range []string{rotated.ID, renewed.ID} {
		require.False(t, h.tokenInfo(o.id, id).SecondFactor)
		m, err := face.Rotate(ctx, id, tokens.Rotation{})
		require.NoError(t, err)
		require.True(t, m.Info.SecondFactor && h.good(m.Token.Reveal()).SecondFactor)
	}
	found("1 token was created with the password alone.")
	require.NoError(t, face.Revoke(ctx, revoked.ID))
	require.Equal(t, posture.NotApplicable, state(h.review(o.id), posture.TokensSecondFactor))
}

// Row K15: a policy can have what the password alone has made end with the second factor. Preview says so before.
func TestSecondFactorOnly(t *testing.T) {
	ctx := context.Background()
	events := &gatehousetest.Recorder{}
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.SecondFactorOnly = true }), observed(events),
		judged(t, policyOf(t, posture.ModelConfig{}), &hostFacts{}))
	o := &owner{h: h, id: "user-42"}
	weak, info := o.mint("logs:read", itself)
	h.good(weak)
	preview, err := h.Preview(ctx, o.id, (*posture.Trial).AddAuthenticator)
	require.NoError(t, err)
	require.Len(t, preview.Suspends, 1)
	require.Equal(t, info.ID, preview.Suspends[0].ID)

	h.told(events)
	o = h.enroll(o.id)
	told := event.Event{Kind: event.TokenNeedsSecondFactor, AccountID: o.id, At: h.clock().Add(-totp.Period), TokenID: info.ID, TokenName: "ci", Count: 1}
	require.Equal(t, []event.Event{told}, onlyTokens(h.told(events)))
	h.bad(weak, "its owner has a second factor")
	_, err = h.RotateSelf(ctx, weak, tokens.Rotation{})
	require.Equal(t, &gatehouse.DeniedError{}, err)
	require.Equal(t, tokens.StateFirstFactorOnly, h.tokenInfo(o.id, info.ID).State)
	strong, _ := o.mint("logs:read")
	h.good(strong)
	require.NotEmpty(t, must(h.Preview(ctx, o.id, (*posture.Trial).DisableTwoFactor)).Resumes)

	m, err := h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{})
	require.NoError(t, err)
	h.good(m.Token.Reveal())
	h.told(events)
	h.bad(weak, "an old copy")
	require.Equal(t, []event.Kind{event.TokenReused, event.TokenRevoked}, kinds(h.told(events)))

	_, err = h.Owner(o.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	again, _ := o.mint("logs:read")
	h.good(again)
	h.told(events)
	o = h.enroll(o.id)
	h.bad(again, "again")
	h.good(strong)
	// Another authenticator turns nothing on.
	h.told(events)
	face := h.Owner(o.fresh())
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	code, err := keyOf(enr, 6).Code(totp.Step(h.clock()))
	require.NoError(t, err)
	_, err = face.ConfirmEnrollment(ctx, enr.ID, code)
	require.NoError(t, err)
	require.Empty(t, onlyTokens(h.told(events)))
}

// What a copy gives away it gives away at the first look: one that another call rotates in this moment is denied, and
// is no evidence against anybody. One that was denied at the first look is not let through at the second.
func TestRotationsThatMeet(t *testing.T) {
	ctx := context.Background()
	closed := posture.Gate{Action: posture.MintToken, Controls: []string{posture.PhishingResistant}}
	for name, c := range map[string]struct {
		before    func(h *house)
		meanwhile func(other *house, text string) string
		gate      *posture.Gate
	}{
		"without a grace": {meanwhile: func(other *house, text string) string { return other.next(text) }},
		"with one": {meanwhile: func(other *house, text string) string {
			m, err := other.RotateSelf(ctx, text, tokens.Rotation{Grace: day})
			require.NoError(t, err)
			return m.Token.Reveal()
		}},
		"resumed meanwhile, behind a gate": {
			before: func(h *house) { require.NoError(t, h.Operator("op").Suspend(ctx, "user-42")) },
			meanwhile: func(other *house, text string) string {
				require.NoError(t, other.Operator("op").Resume(ctx, "user-42"))
				return text
			}, gate: &closed,
		},
	} {
		store, events := newCounted(), &gatehousetest.Recorder{}
		edits := []func(*settings){withTokens(t), observed(events)}
		o := houseOn(t, store, edits...).enroll("user-42")
		text, info := o.mint("logs:read", itself)
		if c.before != nil {
			c.before(o.h)
		}
		if c.gate != nil {
			edits = append(edits, judged(t, policyOf(t, posture.ModelConfig{}, *c.gate), &hostFacts{}))
		}
		h := houseOn(t, store, edits...)
		other := houseOn(t, store.Store, withTokens(t))
		h.set(o.h.clock())
		other.set(o.h.clock())
		works, loads := "", 0
		store.wrong = func(call string) (f fault) {
			if call == "load token" {
				if loads++; loads == 2 {
					f.meanwhile = func() { works = c.meanwhile(other, text) }
				}
			}
			return f
		}
		events.Take()
		_, err := h.RotateSelf(ctx, text, tokens.Rotation{})
		require.Equal(t, &gatehouse.DeniedError{}, err, name)
		store.wrong = nil
		require.Empty(t, onlyTokens(events.Take()), name)
		h.good(works)
		require.Equal(t, tokens.StateActive, h.tokenInfo(o.id, info.ID).State, name)
	}
}

// Of two rotations by the owner that meet, one makes a secret; a token that goes meanwhile is revoked for good.
func TestTokensThatChangeMeanwhile(t *testing.T) {
	ctx := context.Background()
	store := newCounted()
	h := houseOn(t, store, withTokens(t))
	o := h.enroll("user-42")
	text, info := o.mint("logs:read", itself)
	proof := o.fresh()
	other := houseOn(t, store.Store, withTokens(t))
	other.set(h.clock())
	made := ""
	store.wrong = func(call string) (f fault) {
		if call == "save account" {
			store.wrong = nil
			f.meanwhile = func() { made = other.next(text) }
		}
		return f
	}
	_, err := h.Owner(proof).Rotate(ctx, info.ID, tokens.Rotation{})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	h.good(made)

	n := 0
	store.wrong = func(call string) (f fault) {
		if n++; call == "load token" && n == 2 {
			f.meanwhile = func() {
				rec, _, err := store.Store.LoadToken(ctx, info.ID)
				require.NoError(t, err)
				require.NoError(t, store.Store.DeleteToken(ctx, info.ID, rec.Version))
			}
		}
		return f
	}
	require.NoError(t, h.RevokePresented(ctx, made))
	store.wrong = nil
	h.bad(made, "gone")
}

// Expired and revoked tokens take no room, and a token that waits does.
func TestRoomForTokens(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.MaxActive = 2 }))
	o := h.enroll("user-42")
	_, short := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = time.Second })
	_, later := o.mint("logs:read", func(r *tokens.Request) { r.NotBefore = h.clock().Add(day) })
	h.wait(time.Second)
	_, _ = o.mint("logs:read")
	owner := h.Owner(o.fresh())
	_, err := owner.Renew(ctx, short.ID, 0)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "one that works and one that will")
	_, err = owner.Rotate(ctx, later.ID, tokens.Rotation{})
	require.NoError(t, err, "a rotation takes no more room")
	require.NoError(t, owner.Revoke(ctx, later.ID))
	_, err = owner.Renew(ctx, short.ID, 0)
	require.NoError(t, err)
}
