package otelgatehouse_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Each attempt to get in is counted once, by what became of it, and its span says the same.
func TestAttempts(t *testing.T) {
	h := newHouse(t).fill()
	ctx := h.ctx()
	answer := func(code string) error {
		return second(h.Answer(ctx, gatehouse.Session{Secret: canary}, h.Challenge(t, ada).Token.Reveal(), code))
	}
	stepUp := func(code string) error {
		return second(h.StepUp(ctx, gatehouse.Session{Account: ada}, code))
	}
	first := h.code()
	for _, c := range []struct {
		call                     string
		try                      func() error
		purpose, method, outcome string
	}{
		{"gatehouse.Service.Answer", func() error { return answer(first) }, "sign_in", "totp", "accepted"},
		{"gatehouse.Service.Answer", func() error { return answer(first) }, "sign_in", "totp", "replayed"},
		{"gatehouse.Service.Answer", func() error { return answer(h.wrong()) }, "sign_in", "totp", "wrong"},
		{"gatehouse.Service.Answer", func() error { return answer(h.user.RecoveryCodes[1].Reveal()) }, "sign_in", "recovery_code", "accepted"},
		{"gatehouse.Service.Answer", func() error { return answer(h.user.RecoveryCodes[1].Reveal()) }, "sign_in", "recovery_code", "used"},
		{"gatehouse.Service.Answer", func() error { return answer("no code of ours") }, "sign_in", "recovery_code", "malformed"},
		{"gatehouse.Service.Answer", func() error {
			return second(h.Answer(ctx, gatehouse.Session{}, "no challenge", first))
		}, "sign_in", "", "denied"},
		{"gatehouse.Service.Answer", func() error {
			h.Wait(10 * time.Minute)
			return second(h.Answer(ctx, gatehouse.Session{}, h.challenge, h.code()))
		}, "sign_in", "totp", "stale_challenge"},
		{"gatehouse.Service.StepUp", func() error { return stepUp(h.code()) }, "step_up", "totp", "accepted"},
		{"gatehouse.Service.StepUp", func() error { return stepUp(h.wrong()) }, "step_up", "totp", "wrong"},
		{"gatehouse.Service.StepUp", func() error {
			return second(h.StepUp(ctx, gatehouse.Session{Account: bob}, h.wrong()))
		}, "step_up", "totp", "unprotected"},
		{"gatehouse.Service.StepUp", func() error {
			h.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Fail))
			defer h.Store.Inject(nil)
			return stepUp(h.code())
		}, "step_up", "", "_OTHER"},
		{"gatehouse.Service.Resync", func() error {
			return h.Resync(ctx, gatehouse.Session{}, h.Challenge(t, ada).Token.Reveal(), h.user.AuthenticatorID, h.wrong(), h.wrong())
		}, "resync", "totp", "wrong"},
		{"gatehouse.SignIn.Vouch", func() error {
			_, _, err := engine.SignIn(ctx, h.before, gatehouse.Session{Account: bob, Secret: canary}, gatehouse.FirstFactor{Method: "pwd"}, engine.SignedIn{})
			return err
		}, "sign_in", "password", "accepted"},
		{"gatehouse.Service.RedeemOperatorCode", func() error {
			_, err := h.op().Reset(ctx, ada)
			require.NoError(t, err)
			return second(h.RedeemOperatorCode(ctx, gatehouse.Session{}, h.Challenge(t, ada).Token.Reveal(), h.user.RecoveryCodes[2].Reveal()))
		}, "reset", "operator_code", "wrong"},
		{"gatehouse.Service.StepUp", func() error {
			require.NoError(t, h.op().Suspend(ctx, ada))
			return stepUp(h.wrong())
		}, "step_up", "totp", "suspended"},
	} {
		h.take()
		all := h.counted("gatehouse.attempts")
		labels := []string{"gatehouse.purpose", c.purpose, "gatehouse.method", c.method, "gatehouse.outcome", c.outcome}
		before := h.counted("gatehouse.attempts", labels...)
		err := c.try()
		require.Equal(t, c.outcome == "accepted", err == nil, "%v %v", c, err)
		require.Equal(t, all+1, h.counted("gatehouse.attempts"), "%v", c)
		require.Equal(t, before+1, h.counted("gatehouse.attempts", labels...), "%v: %v", c, h.points())
		of := named(h.take(), c.call)
		as := attributes(of[len(of)-1])
		require.Equal(t, []string{c.purpose, c.method, c.outcome}, []string{as["gatehouse.purpose"], as["gatehouse.method"], as["gatehouse.outcome"]})
		if errors.Is(err, gatehouse.ErrDenied) {
			require.Equal(t, "denied", as["error.type"])
			require.Equal(t, codes.Unset, of[len(of)-1].Status().Code, "who guesses makes no faults")
		}
	}
	h.silent()
}

// A method that is locked is seen as an event, and all that comes in while it is as attempts.
func TestLockout(t *testing.T) {
	h := newHouse(t).fill()
	tries := int64(0)
	for h.counted("gatehouse.events", "gatehouse.event.kind", "method.locked", "gatehouse.method", "totp") == 0 {
		_, err := h.StepUp(h.ctx(), gatehouse.Session{Account: ada}, h.wrong())
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		tries++
		require.Less(t, tries, int64(50))
	}
	require.Equal(t, tries, h.counted("gatehouse.attempts", "gatehouse.outcome", "wrong"))
	for range 3 {
		_, err := h.StepUp(h.ctx(), gatehouse.Session{Account: ada}, "111111")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	require.EqualValues(t, 3, h.counted("gatehouse.attempts", "gatehouse.outcome", "locked", "gatehouse.method", "totp"))
	require.EqualValues(t, 3, h.counted("gatehouse.events", "gatehouse.event.kind", string(event.ThrottledBurst)), "the Observer is told one")
	h.silent()
}

func TestTokenChecks(t *testing.T) {
	h := newHouse(t).fill()
	ctx := h.ctx()
	mint := func(r tokens.Request) tokens.Minted {
		r.Name, r.Scopes = canary, request.Scopes
		m, err := h.tokens.Mint(ctx, h.user.StepUp(t), r)
		require.NoError(t, err)
		h.hide(m.Token.Reveal(), m.Info.ID)
		return m
	}
	old := mint(tokens.Request{})
	grace := mint(tokens.Request{})
	ahead := mint(tokens.Request{NotBefore: h.Now().Add(24 * time.Hour)})
	networks, err := tokens.OnlyNetworks("192.0.2.0/24")
	require.NoError(t, err)
	office := mint(tokens.Request{Networks: networks})
	_, err = h.tokens.Rotate(ctx, h.user.StepUp(t), old.Info.ID, tokens.Rotation{})
	require.NoError(t, err)
	_, err = h.tokens.Rotate(ctx, h.user.StepUp(t), grace.Info.ID, tokens.Rotation{Grace: time.Hour})
	require.NoError(t, err)
	check := func(m tokens.Minted) func() error {
		return func() error { return second(h.tokens.Check(ctx, m.Token.Reveal(), netip.MustParseAddr(address))) }
	}
	for _, c := range []struct {
		outcome string
		check   func() error
	}{
		{"active", check(h.token)},
		{"in_grace", check(grace)},
		{"expired", check(h.ended)},
		{"not_yet_valid", check(ahead)},
		{"elsewhere", check(office)},
		{"reused", check(old)},
		{"revoked", check(old)},
		{"unknown", func() error { return second(h.tokens.Check(ctx, canary, netip.Addr{})) }},
		{"unknown", func() error {
			return second(h.tokens.Check(ctx, tokens.Generate("acme", tokens.Personal).Reveal(), netip.Addr{}))
		}},
		{"_OTHER", func() error {
			h.Store.Inject(gatehousetest.On("LoadToken", gatehousetest.Fail))
			defer h.Store.Inject(nil)
			return check(h.token)()
		}},
		{"canceled", func() error {
			gone, cancel := context.WithCancel(ctx)
			cancel()
			return second(h.tokens.Check(gone, h.token.Token.Reveal(), netip.Addr{}))
		}},
		{"account_suspended", func() error {
			require.NoError(t, h.op().Suspend(ctx, ada))
			return check(h.token)()
		}},
	} {
		h.take()
		all, of := h.counted("gatehouse.token.checks"), h.counted("gatehouse.token.checks", "gatehouse.outcome", c.outcome)
		err := c.check()
		require.Equal(t, c.outcome == "active" || c.outcome == "in_grace", err == nil, c.outcome)
		require.Equal(t, all+1, h.counted("gatehouse.token.checks"), c.outcome)
		require.Equal(t, of+1, h.counted("gatehouse.token.checks", "gatehouse.outcome", c.outcome), "%s: %v", c.outcome, h.points())
		spans := named(h.take(), "tokens.Service.Check")
		require.Equal(t, c.outcome, attributes(spans[len(spans)-1])["gatehouse.outcome"])
	}
	h.silent()
}
