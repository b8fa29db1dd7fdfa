package attack_test

import (
	"context"
	"fmt"
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
	op := func(o *owner) operators { return o.h.Operator("op").Because("for a test") }
	preview := func(o *owner, c func(*posture.Trial) error) error { _, err := o.h.Preview(ctx, o.id, c); return err }
	return map[string]place{
		"posture.Service.Review/account":  {func(o *owner, s string) error { _, err := o.h.Review(ctx, s); return err }, named(nil)},
		"posture.Service.History/account": {func(o *owner, s string) error { _, err := o.h.History(ctx, s); return err }, named(nil)},
		"posture.Service.Preview/account": {func(o *owner, s string) error { _, err := o.h.Preview(ctx, s); return err }, named(nil)},
		"posture.Service.Require/p": {func(o *owner, s string) error {
			return o.h.Require(ctx, gatehouse.ParseProof(s), "deploy.public")
		}, stepUp},
		"Service.CheckProof/p": {func(o *owner, s string) error {
			_, err := o.h.CheckProof(ctx, gatehouse.ParseProof(s), 0)
			return err
		}, stepUp},
		"posture.Service.Require/action":       {func(o *owner, s string) error { return o.h.Require(ctx, o.proof, s) }, invalid},
		"Owner.ReviewActivity/p":               {func(o *owner, s string) error { return o.h.Owner(gatehouse.ParseProof(s)).ReviewActivity(ctx, 1) }, stepUp},
		"posture.Trial.RemoveAuthenticator/id": {func(o *owner, s string) error { return preview(o, removing(s)) }, always(gatehouse.ErrNotFound)},
		"posture.Trial.AcceptRisk/control":     {func(o *owner, s string) error { return preview(o, accepting(s, time.Time{})) }, invalid},
		"posture.Trial.ChangePlan/plan":        {func(o *owner, s string) error { return preview(o, planning(s)) }, always(nil)},
		"posture.Operator.AcceptRisk/account": {func(o *owner, s string) error {
			return op(o).AcceptRisk(ctx, s, posture.EmailVerified, time.Time{})
		}, named(nil)},
		"posture.Operator.AcceptRisk/control":   {func(o *owner, s string) error { return op(o).AcceptRisk(ctx, o.id, s, time.Time{}) }, invalid},
		"posture.Operator.WithdrawRisk/account": {func(o *owner, s string) error { return op(o).WithdrawRisk(ctx, s, posture.EmailVerified) }, named(nil)},
		"posture.Operator.WithdrawRisk/control": {func(o *owner, s string) error { return op(o).WithdrawRisk(ctx, o.id, s) }, invalid},
		"posture.Operator.Fleet/cursor": {func(o *owner, s string) error {
			_, err := op(o).Fleet(ctx, posture.Summary{Cursor: s}, nil)
			return err
		}, nil},
		"posture.Operator.ShutOut/action": {func(o *owner, s string) error { _, err := op(o).ShutOut(ctx, s, "", 10); return err }, invalid},
		"posture.Operator.ShutOut/after":  {func(o *owner, s string) error { _, err := op(o).ShutOut(ctx, "deploy.public", s, 10); return err }, nil},
	}
}

// tokenPlaces has every text that goes into what is there for tokens.
func tokenPlaces() map[string]place {
	ctx := context.Background()
	denied, stepUp, gone := always(gatehouse.ErrDenied), always(gatehouse.ErrStepUpRequired), always(gatehouse.ErrNotFound)
	forged := func(o *owner, text string) face { return o.h.Owner(gatehouse.ParseProof(text)) }
	owned := func(o *owner) face { return o.h.Owner(o.proof) }
	mint := func(f face, r tokens.Request) error {
		if r.Name == "" {
			r.Name = "ci"
		}
		if r.Scopes == nil {
			r.Scopes = tokens.Scopes{"logs:read"}
		}
		_, err := f.Mint(ctx, r)
		return err
	}
	theirs := func(o *owner) string { // the ID of the owner's token
		list := must(o.h.Tokens(ctx, o.id))
		require.Len(o.h.t, list, 1)
		return list[0].ID
	}
	return map[string]place{
		"tokens.Service.Check/address": {func(o *owner, s string) error {
			a, err := netip.ParseAddr(s)
			require.Error(o.h.t, err)
			_, err = o.h.Check(ctx, s, (a))
			return err
		}, denied},
		"tokens.Service.Mint/p":    {func(o *owner, s string) error { return mint(forged(o, s), tokens.Request{}) }, stepUp},
		"tokens.Service.Mint/name": {func(o *owner, s string) error { return mint(owned(o), tokens.Request{Name: s + "\n"}) }, always(gatehouse.ErrInvalid)},
		"tokens.Service.Mint/kind": {func(o *owner, s string) error { return mint(owned(o), tokens.Request{Kind: tokens.Kind(s + "?")}) }, always(gatehouse.ErrInvalid)},
		"tokens.Service.Mint/scope": {func(o *owner, s string) error {
			return mint(owned(o), tokens.Request{Scopes: tokens.Scopes{tokens.Scope(s)}})
		}, always(gatehouse.ErrInvalid)},
		"tokens.Service.Rotate/p": {func(o *owner, s string) error {
			_, err := forged(o, s).Rotate(ctx, theirs(o), tokens.Rotation{})
			return err
		}, stepUp},
		"tokens.Service.Rotate/id": {func(o *owner, s string) error {
			_, err := owned(o).Rotate(ctx, s, tokens.Rotation{})
			return err
		}, gone},
		"tokens.Service.Renew/p":     {func(o *owner, s string) error { _, err := forged(o, s).Renew(ctx, theirs(o), 0); return err }, stepUp},
		"tokens.Service.Renew/id":    {func(o *owner, s string) error { _, err := owned(o).Renew(ctx, s, 0); return err }, gone},
		"tokens.Service.Revoke/p":    {func(o *owner, s string) error { return forged(o, s).Revoke(ctx, theirs(o)) }, stepUp},
		"tokens.Service.Revoke/id":   {func(o *owner, s string) error { return owned(o).Revoke(ctx, s) }, gone},
		"tokens.Service.RevokeAll/p": {func(o *owner, s string) error { return forged(o, s).RevokeAll(ctx) }, stepUp},

		"tokens.Service.Check/presented": {func(o *owner, s string) error { _, err := o.h.Check(ctx, s); return err }, denied},
		"tokens.Service.RotateSelf/presented": {func(o *owner, s string) error {
			_, err := o.h.RotateSelf(ctx, s, tokens.Rotation{})
			return err
		}, denied},
		"tokens.Service.RevokePresented/presented": {func(o *owner, s string) error { return o.h.RevokePresented(ctx, s) }, always(nil)},
		"tokens.Service.Get/account":               {func(o *owner, s string) error { _, err := o.h.Token(ctx, s, theirs(o)); return err }, named(gatehouse.ErrNotFound)},
		"tokens.Service.Get/id":                    {func(o *owner, s string) error { _, err := o.h.Token(ctx, o.id, s); return err }, gone},
		"tokens.Service.List/account":              {func(o *owner, s string) error { _, err := o.h.Tokens(ctx, s); return err }, named(nil)},
		"Grant.Allows/scope": {func(o *owner, s string) error {
			require.False(o.h.t, tokens.Grant{}.Allows(tokens.Scope(s), s))
			return nil
		}, always(nil)},

		"tokens.Operator.Revoke/id": {func(o *owner, s string) error { return o.h.Operator("op").Revoke(ctx, s) }, gone},
		"tokens.Operator.CreateServiceAccount/account": {func(o *owner, s string) error {
			return o.h.Operator("op").CreateServiceAccount(ctx, s, fmt.Sprint("acme", len(o.h.records())))
		}, named(nil)},
		"tokens.Operator.CreateServiceAccount/owner": {func(o *owner, s string) error {
			return o.h.Operator("op").CreateServiceAccount(ctx, fmt.Sprint("bot", len(o.h.records())), s)
		}, named(nil)},
		"tokens.Operator.Mint/account": {func(o *owner, s string) error {
			_, err := o.h.Operator("op").Mint(ctx, s, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}})
			return err
		}, named(gatehouse.ErrPrecondition)},
		"tokens.Operator.Rotate/id": {func(o *owner, s string) error {
			_, err := o.h.Operator("op").Rotate(ctx, s, tokens.Rotation{})
			return err
		}, gone},
		"tokens.Operator.Renew/id":          {func(o *owner, s string) error { _, err := o.h.Operator("op").Renew(ctx, s, 0); return err }, gone},
		"tokens.Operator.RevokeAll/account": {func(o *owner, s string) error { return o.h.Operator("op").RevokeAll(ctx, s) }, named(nil)},
		"tokens.Operator.Purge/cursor": {func(o *owner, s string) error {
			_, err := o.h.Operator("op").Purge(ctx, time.Unix(0, 0), s, nil)
			return err
		}, nil},
		"tokens.Operator.WarnExpiring/cursor": {func(o *owner, s string) error {
			_, err := o.h.Operator("op").WarnExpiring(ctx, s, nil)
			return err
		}, nil},
	}
}

// TestHostileTokenNumbers has lifetimes, graces and moments at the ends of their types.
func TestHostileTokenNumbers(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.ClampLifetime = true })).enroll("user-42")
	text, info := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = math.MaxInt64 })
	require.Equal(t, o.h.clock().Add(365*day), info.Expires)
	proof := o.fresh()
	for _, d := range []time.Duration{math.MinInt64, -1, 1, time.Second - 1} {
		_, err := o.h.Owner(proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: info.Scopes, Lifetime: d})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, d)
		_, err = o.h.Owner(proof).Rotate(ctx, info.ID, tokens.Rotation{Lifetime: d})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, d)
	}
	for _, d := range []time.Duration{math.MinInt64, -1, math.MaxInt64} {
		_, err := o.h.Owner(proof).Rotate(ctx, info.ID, tokens.Rotation{Grace: d})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, d)
	}
	for _, at := range []time.Time{time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 0), time.Unix(-1, 0), info.Expires} {
		_, err := o.h.Owner(proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: info.Scopes, NotBefore: at})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, at)
	}
	_, err := o.h.Owner(proof).Renew(ctx, info.ID, math.MinInt64)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	o.h.set(info.Created.Add(-time.Hour))
	o.h.good(text)
	o.h.set(time.Unix(0, 0))
	o.h.bad(text, "it would work for longer than a token may, by a clock that is right now")
	o.h.set(time.Unix(1<<40, 0))
	o.h.bad(text, "expired")
}
