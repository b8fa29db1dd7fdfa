package gatehouse_test

import (
	"context"
	"maps"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

func init() {
	maps.Copy(places, tokenPlaces())
	maps.Copy(places, posturePlaces())
}

// posturePlaces has every text that goes into what is there for the posture.
func posturePlaces() map[string]place {
	ctx := context.Background()
	stepUp, invalid := always(gatehouse.ErrStepUpRequired), always(gatehouse.ErrInvalid)
	op := func(o *owner) gatehouse.Operator { return o.h.Operator("op").Because("for a test") }
	preview := func(o *owner, c gatehouse.Change) error { _, err := o.h.Preview(ctx, o.id, c); return err }
	return map[string]place{
		"Service.Review/account":  {func(o *owner, s string) error { _, err := o.h.Review(ctx, s); return err }, named(nil)},
		"Service.History/account": {func(o *owner, s string) error { _, err := o.h.History(ctx, s); return err }, named(nil)},
		"Service.Preview/account": {func(o *owner, s string) error { _, err := o.h.Preview(ctx, s); return err }, named(nil)},
		"Service.Require/p": {func(o *owner, s string) error {
			return o.h.Require(ctx, gatehouse.ProofFromString(s), "deploy.public")
		}, stepUp},
		"Service.CheckProof/p": {func(o *owner, s string) error {
			_, err := o.h.CheckProof(ctx, gatehouse.ProofFromString(s), 0)
			return err
		}, stepUp},
		"Service.Require/action":   {func(o *owner, s string) error { return o.h.Require(ctx, o.proof, s) }, invalid},
		"Owner.ReviewActivity/p":   {func(o *owner, s string) error { return o.h.Owner(gatehouse.ProofFromString(s)).ReviewActivity(ctx, 1) }, stepUp},
		"RemovingAuthenticator/id": {func(o *owner, s string) error { return preview(o, gatehouse.RemovingAuthenticator(s)) }, always(gatehouse.ErrState)},
		"AcceptingRisk/control":    {func(o *owner, s string) error { return preview(o, gatehouse.AcceptingRisk(s, time.Time{})) }, invalid},
		"ChangingPlan/plan":        {func(o *owner, s string) error { return preview(o, gatehouse.ChangingPlan(s)) }, always(nil)},
		"Operator.AcceptRisk/account": {func(o *owner, s string) error {
			return op(o).AcceptRisk(ctx, s, posture.EmailVerified, time.Time{})
		}, named(nil)},
		"Operator.AcceptRisk/control":   {func(o *owner, s string) error { return op(o).AcceptRisk(ctx, o.id, s, time.Time{}) }, invalid},
		"Operator.WithdrawRisk/account": {func(o *owner, s string) error { return op(o).WithdrawRisk(ctx, s, posture.EmailVerified) }, named(nil)},
		"Operator.WithdrawRisk/control": {func(o *owner, s string) error { return op(o).WithdrawRisk(ctx, o.id, s) }, invalid},
		"Operator.Fleet/cursor": {func(o *owner, s string) error {
			_, err := op(o).Fleet(ctx, gatehouse.Fleet{Cursor: s}, nil)
			return err
		}, nil},
		"Operator.ShutOut/action": {func(o *owner, s string) error { _, err := op(o).ShutOut(ctx, s, "", 10); return err }, invalid},
		"Operator.ShutOut/after":  {func(o *owner, s string) error { _, err := op(o).ShutOut(ctx, "deploy.public", s, 10); return err }, nil},
	}
}

// tokenPlaces has every text that goes into what is there for tokens.
func tokenPlaces() map[string]place {
	ctx := context.Background()
	denied, stepUp, state := always(gatehouse.ErrDenied), always(gatehouse.ErrStepUpRequired), always(gatehouse.ErrState)
	forged := func(o *owner, text string) gatehouse.Owner { return o.h.Owner(gatehouse.ProofFromString(text)) }
	face := func(o *owner) gatehouse.Owner { return o.h.Owner(o.proof) }
	mint := func(f gatehouse.Owner, r tokens.Request) error {
		if r.Name == "" {
			r.Name = "ci"
		}
		if r.Scopes == nil {
			r.Scopes = tokens.Scopes{"logs:read"}
		}
		_, err := f.MintToken(ctx, r)
		return err
	}
	theirs := func(o *owner) string { // the ID of the owner's token
		list := must(o.h.Tokens(ctx, o.id, "", 1))
		require.Len(o.h.t, list, 1)
		return list[0].ID
	}
	return map[string]place{
		"From/address": {func(o *owner, s string) error {
			a, err := netip.ParseAddr(s)
			require.Error(o.h.t, err)
			_, err = o.h.AuthenticateToken(ctx, s, gatehouse.From(a))
			return err
		}, denied},
		"Owner.MintToken/p":    {func(o *owner, s string) error { return mint(forged(o, s), tokens.Request{}) }, stepUp},
		"Owner.MintToken/name": {func(o *owner, s string) error { return mint(face(o), tokens.Request{Name: s + "\n"}) }, always(gatehouse.ErrInvalid)},
		"Owner.MintToken/kind": {func(o *owner, s string) error { return mint(face(o), tokens.Request{Kind: tokens.Kind(s + "?")}) }, always(gatehouse.ErrInvalid)},
		"Owner.MintToken/scope": {func(o *owner, s string) error {
			return mint(face(o), tokens.Request{Scopes: tokens.Scopes{tokens.Scope(s)}})
		}, always(gatehouse.ErrInvalid)},
		"Owner.RotateToken/p": {func(o *owner, s string) error {
			_, err := forged(o, s).RotateToken(ctx, theirs(o), gatehouse.Rotation{})
			return err
		}, stepUp},
		"Owner.RotateToken/id": {func(o *owner, s string) error {
			_, err := face(o).RotateToken(ctx, s, gatehouse.Rotation{})
			return err
		}, state},
		"Owner.RenewToken/p":      {func(o *owner, s string) error { _, err := forged(o, s).RenewToken(ctx, theirs(o), 0); return err }, stepUp},
		"Owner.RenewToken/id":     {func(o *owner, s string) error { _, err := face(o).RenewToken(ctx, s, 0); return err }, state},
		"Owner.RevokeToken/p":     {func(o *owner, s string) error { return forged(o, s).RevokeToken(ctx, theirs(o)) }, stepUp},
		"Owner.RevokeToken/id":    {func(o *owner, s string) error { return face(o).RevokeToken(ctx, s) }, state},
		"Owner.RevokeAllTokens/p": {func(o *owner, s string) error { return forged(o, s).RevokeAllTokens(ctx) }, stepUp},

		"Service.AuthenticateToken/presented": {func(o *owner, s string) error { _, err := o.h.AuthenticateToken(ctx, s); return err }, denied},
		"Service.RotateToken/presented": {func(o *owner, s string) error {
			_, err := o.h.RotateToken(ctx, s, gatehouse.Rotation{})
			return err
		}, denied},
		"Service.RevokePresented/presented": {func(o *owner, s string) error { return o.h.RevokePresented(ctx, s) }, always(nil)},
		"Service.Token/account":             {func(o *owner, s string) error { _, err := o.h.Token(ctx, s, theirs(o)); return err }, named(gatehouse.ErrState)},
		"Service.Token/id":                  {func(o *owner, s string) error { _, err := o.h.Token(ctx, o.id, s); return err }, state},
		"Service.Tokens/account":            {func(o *owner, s string) error { _, err := o.h.Tokens(ctx, s, "", 10); return err }, named(nil)},
		"Service.Tokens/after":              {func(o *owner, s string) error { _, err := o.h.Tokens(ctx, o.id, s, 10); return err }, nil},
		"Grant.Allows/scope": {func(o *owner, s string) error {
			require.False(o.h.t, gatehouse.Grant{}.Allows(tokens.Scope(s), s))
			return nil
		}, always(nil)},

		"Operator.RevokeToken/id":          {func(o *owner, s string) error { return o.h.Operator("op").RevokeToken(ctx, s) }, state},
		"Operator.RevokeAllTokens/account": {func(o *owner, s string) error { return o.h.Operator("op").RevokeAllTokens(ctx, s) }, named(nil)},
		"Operator.PurgeTokens/cursor": {func(o *owner, s string) error {
			_, err := o.h.Operator("op").PurgeTokens(ctx, time.Unix(0, 0), s, nil)
			return err
		}, nil},
		"Operator.WarnExpiringTokens/cursor": {func(o *owner, s string) error {
			_, err := o.h.Operator("op").WarnExpiringTokens(ctx, s, nil)
			return err
		}, nil},
	}
}

// TestHostileTokenNumbers has lifetimes, graces and moments at the ends of their types.
func TestHostileTokenNumbers(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.Clamp = true })).enroll("user-42")
	text, info := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = math.MaxInt64 })
	require.Equal(t, o.h.clock().Add(365*day), info.Expires)
	proof := o.fresh()
	for _, d := range []time.Duration{math.MinInt64, -1, 1, time.Second - 1} {
		_, err := o.h.Owner(proof).MintToken(ctx, tokens.Request{Name: "ci", Scopes: info.Scopes, Lifetime: d})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, d)
		_, err = o.h.Owner(proof).RotateToken(ctx, info.ID, gatehouse.Rotation{Lifetime: d})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, d)
	}
	for _, d := range []time.Duration{math.MinInt64, -1, math.MaxInt64} {
		_, err := o.h.Owner(proof).RotateToken(ctx, info.ID, gatehouse.Rotation{Grace: d})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, d)
	}
	for _, at := range []time.Time{time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 0), time.Unix(-1, 0), info.Expires} {
		_, err := o.h.Owner(proof).MintToken(ctx, tokens.Request{Name: "ci", Scopes: info.Scopes, NotBefore: at})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, at)
	}
	_, err := o.h.Owner(proof).RenewToken(ctx, info.ID, math.MinInt64)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	o.h.set(info.Created.Add(-time.Hour))
	o.h.good(text)
	o.h.set(time.Unix(0, 0))
	o.h.bad(text, "it would work for longer than a token may, by a clock that is right now")
	o.h.set(time.Unix(1<<40, 0))
	o.h.bad(text, "expired")
}
