package attack_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// The calls of the store.
const (
	loadAccount = "LoadAccount"
	saveAccount = "SaveAccount"
	liveTokens  = "LiveTokens"
	loadToken   = "LoadToken"
	saveToken   = "SaveToken"
)

// costing is a house whose store counts, with an owner who has an authenticator, recovery codes and two tokens.
type costing struct {
	*house
	o      *owner
	set    string // ID of the set of recovery codes
	in     gatehouse.Session
	text   string // of a token
	id     string // of that token
	answer string // a challenge
	botID  string // of a token of a service account
}

func newCosting(t *testing.T) *costing {
	t.Helper()
	controls := []string{posture.SecondFactor, posture.TokensExpire, posture.EmailVerified} // of every kind of evidence
	f := &hostFacts{}
	h := houseOn(t, gatehousetest.NewStore(memory.New()), withTokens(t), judged(t, policyOf(t, posture.ModelConfig{},
		posture.Gate{Action: posture.MintToken, Controls: controls},
		posture.Gate{Action: posture.MintProductionToken, Controls: controls},
		posture.Gate{Action: "factor", Controls: controls[:1]},
		posture.Gate{Action: "all", Controls: controls},
	), f))
	f.do = func() { f.host = posture.Host{At: h.clock(), EmailVerified: posture.Yes} }
	c := &costing{house: h, o: h.enroll("ada")}
	c.text, _ = c.o.mint("logs:read")
	_, info := c.o.mint("deploys:production")
	c.id = info.ID
	op := h.Operator("op")
	require.NoError(t, op.CreateServiceAccount(t.Context(), "bot", "ada"))
	bot, err := op.Mint(t.Context(), "bot", tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")})
	require.NoError(t, err)
	c.botID = bot.Info.ID
	a, err := h.Account(t.Context(), "ada")
	require.NoError(t, err)
	c.set = a.RecoveryCodes.ID
	c.in = h.in(c.o.fresh())
	h.review("ada") // which keeps the level
	h.wait(totp.Period)
	c.answer = c.o.challenge()
	return c
}

// TestStoreCalls has what each call of the services costs: its calls of the store, in their order. Tokens and posture are
// there, every gate is asked, and the posture is noted in the save that moves it.
func TestStoreCalls(t *testing.T) {
	t.Parallel()
	type calls []string
	read, change := calls{loadAccount}, calls{loadAccount, saveAccount}
	judge := calls{loadAccount, liveTokens}
	moves := calls{loadAccount, liveTokens, saveAccount}               // the posture
	hashes := calls{loadAccount, loadAccount, liveTokens, saveAccount} // it loads what has changed during Argon2id
	mints := calls{loadAccount, liveTokens, saveAccount, saveToken}
	remint := calls{loadToken, loadAccount, liveTokens, saveAccount, loadToken, saveToken}
	for _, of := range []struct {
		name string
		want calls
		do   func(ctx context.Context, c *costing) error
	}{
		{"before a first factor, and a challenge", calls{loadAccount, loadAccount}, func(ctx context.Context, c *costing) error {
			return only(c.Challenge(ctx, "ada"))
		}},
		{"answer", change, func(ctx context.Context, c *costing) error { return only(c.Answer(ctx, c.answer, c.o.code())) }},
		{"answer, wrong", change, func(ctx context.Context, c *costing) error {
			return c.denied(only(c.Answer(ctx, c.answer, c.o.wrong())))
		}},
		{"answer, recovery code", hashes, func(ctx context.Context, c *costing) error {
			return only(c.Answer(ctx, c.answer, c.o.codes[0].Reveal()))
		}},
		{"step up", change, func(ctx context.Context, c *costing) error { return only(c.StepUp(ctx, "ada", c.o.code())) }},
		{"check a proof", read, func(ctx context.Context, c *costing) error {
			return only(c.Service.CheckProof(ctx, c.in, time.Hour))
		}},

		{"begin an enrollment", change, func(ctx context.Context, c *costing) error {
			return only(c.owner().BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"}))
		}},
		{"acknowledge recovery codes", moves, func(ctx context.Context, c *costing) error {
			return c.owner().AcknowledgeRecoveryCodes(ctx, c.set)
		}},
		{"regenerate recovery codes", hashes, func(ctx context.Context, c *costing) error {
			return only(c.owner().RegenerateRecoveryCodes(ctx))
		}},
		{"turn two-factor off, and tell which tokens that stops", append(moves, liveTokens), func(ctx context.Context, c *costing) error {
			return only(c.owner().DisableTwoFactor(ctx))
		}},

		{"mint", mints, func(ctx context.Context, c *costing) error { return c.mint(ctx, "logs:read") }},
		{"mint for production", mints, func(ctx context.Context, c *costing) error { return c.mint(ctx, "deploys:production") }},
		{"rotate a token", remint, func(ctx context.Context, c *costing) error {
			return only(c.tok.Rotate(ctx, c.in, c.id, tokens.Rotation{}))
		}},
		{"revoke a token", remint, func(ctx context.Context, c *costing) error { return c.tok.Revoke(ctx, c.in, c.id) }},
		{"revoke all tokens", moves, func(ctx context.Context, c *costing) error { return c.tok.RevokeAll(ctx, c.in) }},
		{"check a token", calls{loadToken}, func(ctx context.Context, c *costing) error {
			return only(c.tok.Check(ctx, c.text, netip.Addr{}))
		}},
		{"check a text that is no token", nil, func(ctx context.Context, c *costing) error {
			return c.denied(only(c.tok.Check(ctx, c.text+"x", netip.Addr{})))
		}},
		{"get a token", calls{loadToken}, func(ctx context.Context, c *costing) error { return only(c.tok.Get(ctx, "ada", c.id)) }},
		{"list tokens", calls{loadAccount, "Tokens"}, func(ctx context.Context, c *costing) error { return only(c.Tokens(ctx, "ada")) }},

		// The service account and its tokens, the owner with what the gates and the note of the posture take, both again.
		{"mint for a service account", calls{
			loadAccount, liveTokens, loadAccount, liveTokens, liveTokens, saveAccount, loadAccount, liveTokens, saveAccount, saveToken,
		}, func(ctx context.Context, c *costing) error {
			return only(c.Operator("op").Mint(ctx, "bot", tokens.Request{Name: "ci", Scopes: scopesOf(c.t, "logs:read")}))
		}},
		{"rotate a service account's token", calls{
			loadToken, loadAccount, loadAccount, liveTokens, liveTokens, saveAccount, loadAccount, liveTokens, saveAccount, loadToken, saveToken,
		}, func(ctx context.Context, c *costing) error {
			return only(c.Operator("op").Rotate(ctx, c.botID, tokens.Rotation{}))
		}},
		{"suspend an owner of a service account", append(moves, moves...), func(ctx context.Context, c *costing) error {
			return c.Operator("op").Suspend(ctx, "ada")
		}},
		{"delete an account", calls{loadAccount, "DeleteAccount", loadAccount, saveAccount}, func(ctx context.Context, c *costing) error {
			return deleted(c.Operator("op").DeleteAccount(ctx, "other"))
		}},
		{"delete a service account", slices.Concat(calls{loadAccount}, moves, change, calls{"DeleteAccount", loadAccount, saveAccount}), func(ctx context.Context, c *costing) error {
			return deleted(c.Operator("op").DeleteAccount(ctx, "bot"))
		}},

		{"gate of the account", read, func(ctx context.Context, c *costing) error { return c.pos.Require(ctx, c.in, "factor") }},
		{"gate of all evidence", judge, func(ctx context.Context, c *costing) error { return c.pos.Require(ctx, c.in, "all") }},
		{"review", judge, func(ctx context.Context, c *costing) error { return only(c.pos.Review(ctx, "ada")) }},
		{"all that an overview shows", judge, func(ctx context.Context, c *costing) error {
			a, err := c.Account(ctx, "ada")
			require.NoError(c.t, err)
			require.NoError(c.t, only(c.Service.Permissions(ctx, a, c.in)))
			live, err := c.tok.Live(ctx, a)
			require.NoError(c.t, err)
			return only(c.pos.ReviewOf(ctx, a, live))
		}},
		{"all that a page before a change shows", judge, func(ctx context.Context, c *costing) error {
			a, err := c.Account(ctx, "ada")
			require.NoError(c.t, err)
			return only(c.pos.PreviewOf(ctx, a, nil, (*posture.Trial).DisableTwoFactor))
		}},
	} {
		c := newCosting(t)
		var made calls
		c.store.(*gatehousetest.Store).Inject(func(method string) gatehousetest.Fault {
			made = append(made, method)
			return gatehousetest.None
		})
		require.NoError(t, of.do(t.Context(), c), of.name)
		require.Equal(t, of.want, made, of.name)
	}
}

func (c *costing) owner() gatehouse.Owner { return c.Service.Owner(c.in) }

func (c *costing) mint(ctx context.Context, scopes string) error {
	return only(c.tok.Mint(ctx, c.in, tokens.Request{Name: "ci", Scopes: scopesOf(c.t, scopes)}))
}

// denied returns nil for a denial.
func (c *costing) denied(err error) error {
	require.ErrorIs(c.t, err, gatehouse.ErrDenied)
	return nil
}

// only returns the error of a call.
func only[T any](_ T, err error) error { return err }
