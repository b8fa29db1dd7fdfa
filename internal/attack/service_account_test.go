package attack_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// serviceGate asks for a second factor of the owner, by a proof that no operator has.
var serviceGate = posture.Gate{
	Action: posture.MintServiceToken, Controls: []string{posture.SecondFactor}, MaxAge: time.Minute, SecondFactor: true,
}

// botHouse has a service account, "bot", of an owner.
type botHouse struct {
	*house
	ada *owner
	op  operators
}

func newBotHouse(t *testing.T, store storage.Store, gates ...posture.Gate) *botHouse {
	t.Helper()
	h := houseOn(t, store, withTokens(t), func(c *settings) { c.Posture = policyOf(t, posture.ModelConfig{}, gates...) })
	b := &botHouse{house: h, ada: h.enroll("ada"), op: h.Operator("op-1").Because("ticket 4711")}
	require.NoError(t, b.op.CreateServiceAccount(t.Context(), "bot", "ada"))
	return b
}

func (b *botHouse) mint(scopes string, edits ...func(*tokens.Request)) tokens.Minted {
	b.t.Helper()
	r := tokens.Request{Name: "ci", Scopes: scopesOf(b.t, scopes)}
	for _, edit := range edits {
		edit(&r)
	}
	m, err := b.op.Mint(context.Background(), "bot", r)
	require.NoError(b.t, err)
	return m
}

// mark returns the state of the control that says whether the owner has looked.
func (b *botHouse) mark() posture.State { return state(b.review("ada"), posture.ServiceTokensSeen) }

// looks has the owner look at everything.
func (b *botHouse) looks() {
	b.t.Helper()
	list, err := b.Activity(context.Background(), "ada")
	require.NoError(b.t, err)
	require.NoError(b.t, b.Owner(b.ada.fresh()).ReviewActivity(context.Background(), list[0].Number))
}

// Row A11: a robot gets a token without a password, a vouched proof or a second factor, for every scope that the policy
// has. The operator is in the token, and the owner has to look.
func TestServiceAccount(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New(), serviceGate)
	require.Equal(t, posture.Fail, b.mark(), "the account itself")
	b.looks()
	require.Equal(t, posture.NotApplicable, b.mark())

	m := b.mint("deploys:production")
	require.Equal(t, posture.Fail, b.mark())
	b.looks()
	require.Equal(t, []any{"bot", tokens.Machine, "op-1", false, false, tokens.StateActive},
		[]any{m.Info.AccountID, m.Info.Kind, m.Info.Operator, m.Info.SecondFactor, m.Info.NeedsSecondFactor, m.Info.State})
	g := b.good(m.Token.Reveal())
	require.Equal(t, []any{"bot", "op-1", "", false}, []any{g.AccountID, g.Operator, g.AuthMethod, g.SecondFactor})

	next, err := b.Operator("op-2").Rotate(ctx, m.Info.ID, tokens.Rotation{Seen: m.Info})
	require.NoError(t, err)
	require.Equal(t, "op-2", next.Info.Operator)
	b.good(next.Token.Reveal())
	require.Equal(t, posture.Fail, b.mark())
	b.looks()
	_, err = b.op.Rotate(ctx, m.Info.ID, tokens.Rotation{Seen: m.Info})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "of two forms one makes a secret")
	b.wait(31 * day)
	b.bad(next.Token.Reveal(), "expired")
	info, err := b.op.Renew(ctx, m.Info.ID, time.Hour)
	require.NoError(t, err)
	require.Equal(t, "op-1", info.Operator)
	b.good(next.Token.Reveal())
	require.Equal(t, posture.Fail, b.mark())

	robot := b.mint("deploys:production", func(r *tokens.Request) { r.RotatesItself = true })
	b.looks()
	again, err := b.RotateSelf(ctx, robot.Token.Reveal(), tokens.Rotation{})
	require.NoError(t, err, "an operator's word stands in for the second factor there too")
	b.good(again.Token.Reveal())
	require.Equal(t, posture.NotApplicable, b.mark(), "its holder does that as often as they like")
	require.NoError(t, b.RevokePresented(ctx, again.Token.Reveal()))
	b.bad(again.Token.Reveal(), "given back")
	require.NoError(t, b.op.RevokeAll(ctx, "bot"))
	b.bad(next.Token.Reveal(), "all revoked")

	owner, err := b.Account(ctx, "ada")
	require.NoError(t, err)
	require.Equal(t, []string{"bot"}, owner.ServiceAccounts)
	bot, err := b.Account(ctx, "bot")
	require.NoError(t, err)
	require.Equal(t, "ada", bot.ServiceOf)
}

// Nobody gets into a service account: not with a password, a code, a proof or an import, before it was made or after.
func TestNobodyGetsIntoAServiceAccount(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New())
	early, err := b.Before(ctx, "late")
	require.NoError(t, err)
	require.NoError(t, b.op.CreateServiceAccount(ctx, "late", "ada"))
	m := b.mint("logs:read")
	now := gatehouse.FirstFactor{Method: "pwd", At: b.clock()}

	b.unchanged(func() {
		_, err := early.Challenge(ctx)
		require.ErrorIs(t, err, gatehouse.ErrDenied, "a sign-in that began before")
		_, err = early.Vouch(ctx, gatehouse.Session{Account: "late"}, now)
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		challenge, err := b.Challenge(ctx, "bot")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.Zero(t, challenge)
		_, err = b.Attest(ctx, "bot", now)
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		_, err = b.op.Import(ctx, "bot", importing(gatehouse.ImportAuthenticator{Secret: importedSecret}))
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		_, err = b.op.Import(ctx, "bot", gatehouse.Import{Close: true})
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		_, err = b.op.Reset(ctx, "bot")
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	})
	denied := func() {
		t.Helper()
		for _, code := range []string{b.ada.code(), b.ada.codes[0].Reveal(), m.Token.Reveal()} {
			_, err := b.StepUp(ctx, "bot", code)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		in := b.in(b.ada.fresh())
		in.Account = "bot"
		_, err := b.Service.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "bot"})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "its owner's proof is not its own")
		_, err = b.tok.Mint(ctx, in, tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		require.ErrorIs(t, b.tok.Revoke(ctx, in, m.Info.ID), gatehouse.ErrStepUpRequired)
		require.ErrorIs(t, b.pos.Require(ctx, in, posture.MintToken), gatehouse.ErrInvalid)
	}
	denied()
	b.good(m.Token.Reveal())

	// A password that the host changes, a suspension and a restore open nothing.
	require.NoError(t, b.op.PasswordChanged(ctx, "bot", gatehouse.KeepTokens))
	b.good(m.Token.Reveal())
	require.NoError(t, b.op.Suspend(ctx, "bot"))
	b.bad(m.Token.Reveal(), "suspended")
	require.NoError(t, b.op.Resume(ctx, "bot"))
	b.good(m.Token.Reveal())
	_, err = b.op.AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
	require.NoError(t, err)
	b.ada.codes = nil
	_, err = b.Challenge(ctx, "bot")
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	b.good(m.Token.Reveal())
}

// What was signed in to, paired, reset or minted for does not become a service account, and none of another owner.
func TestWhatBecomesNoServiceAccount(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New())
	b.vouch("vouched")
	b.enroll("paired")
	_, err := b.op.Import(ctx, "closed", gatehouse.Import{Close: true})
	require.NoError(t, err)
	require.NoError(t, b.op.Suspend(ctx, "suspended"))
	require.NoError(t, b.op.PasswordChanged(ctx, "changed", gatehouse.KeepTokens))
	for i := range 49 {
		require.NoError(t, b.op.CreateServiceAccount(ctx, fmt.Sprint("bot-", i), "ada"))
	}
	b.unchanged(func() {
		for _, account := range []string{"vouched", "paired", "closed", "suspended", "changed"} {
			require.ErrorIs(t, b.op.CreateServiceAccount(ctx, account, "acme"), gatehouse.ErrPrecondition, account)
			_, err := b.op.Mint(ctx, account, tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, account)
		}
		require.ErrorIs(t, b.op.CreateServiceAccount(ctx, "bot", "acme"), gatehouse.ErrPrecondition, "another owner's")
		require.ErrorIs(t, b.op.CreateServiceAccount(ctx, "new", "bot"), gatehouse.ErrPrecondition, "a service account owns none")
		require.ErrorIs(t, b.op.CreateServiceAccount(ctx, "new", "suspended"), gatehouse.ErrPrecondition)
		require.ErrorIs(t, b.op.CreateServiceAccount(ctx, "new", "new"), gatehouse.ErrInvalid)
		require.ErrorIs(t, b.op.CreateServiceAccount(ctx, "one too many", "ada"), gatehouse.ErrPrecondition)
		require.NoError(t, b.op.CreateServiceAccount(ctx, "bot", "ada"), "again")
		require.NoError(t, b.op.CreateServiceAccount(ctx, "bot-48", "ada"))
	})
	text, info := b.ada.mint("logs:read")
	b.unchanged(func() {
		_, err := b.op.Rotate(ctx, info.ID, tokens.Rotation{})
		require.ErrorIs(t, err, gatehouse.ErrPrecondition, "a person's token")
		_, err = b.op.Renew(ctx, info.ID, 0)
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	})
	b.good(text)
}

// Row K2, for service accounts: every way to a working secret passes the gate of now, of the owner, and the policy of now.
func TestServiceGate(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New(), serviceGate)
	robot := b.mint("logs:read", func(r *tokens.Request) { r.RotatesItself = true })
	ended := b.mint("logs:read", func(r *tokens.Request) { r.Lifetime = time.Minute })
	b.wait(2 * time.Minute)
	_, err := b.Owner(b.ada.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	ways := map[string]func() error{
		"mint": func() error {
			return only(b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")}))
		},
		"rotate":        func() error { return only(b.op.Rotate(ctx, robot.Info.ID, tokens.Rotation{})) },
		"renew":         func() error { return only(b.op.Renew(ctx, ended.Info.ID, time.Hour)) },
		"rotate itself": func() error { return only(b.RotateSelf(ctx, robot.Token.Reveal(), tokens.Rotation{})) },
	}
	for what, way := range ways {
		b.unchanged(func() {
			var closed *posture.GateError
			require.ErrorAs(t, way(), &closed, what)
			require.Equal(t, posture.MintServiceToken, closed.Action)
			require.False(t, errors.Is(closed, gatehouse.ErrStepUpRequired), "no proof opens it")
		})
	}
	b.good(robot.Token.Reveal())
	require.NoError(t, b.op.Revoke(ctx, robot.Info.ID))
	b.bad(robot.Token.Reveal(), "to revoke asks no gate")
}

// A policy from before there were service accounts has no gate for them: then the gates for tokens stand in, of the owner.
func TestServiceTokensWithoutAGateOfTheirOwn(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New(), posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: posture.MintProductionToken, Level: 2})
	b.mint("logs:read")
	b.unchanged(func() {
		var closed *posture.GateError
		_, err := b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "deploys:production")})
		require.ErrorAs(t, err, &closed)
		require.Equal(t, posture.MintProductionToken, closed.Action)
	})
	own := newBotHouse(t, memory.New(), serviceGate, posture.Gate{Action: posture.MintProductionToken, Level: 3})
	own.mint("deploys:production") // its own gate decides alone
}

// Limits of the policy hold as for owners, and leave no trace where they refuse.
func TestServiceTokenLimits(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.MaxActive, p.MaxLifetime = 1, day }))
	op := h.Operator("op")
	require.NoError(t, op.CreateServiceAccount(ctx, "bot", "acme"))
	r := tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")}
	for range 10 {
		m, err := op.Mint(ctx, "bot", r)
		require.NoError(t, err)
		h.unchanged(func() {
			_, err := op.Mint(ctx, "bot", r)
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, "one is active")
		})
		require.NoError(t, op.Revoke(ctx, m.Info.ID))
	}
	require.NoError(t, op.CreateServiceAccount(ctx, "robot", "acme"))
	h.unchanged(func() {
		_, err := op.Mint(ctx, "bot", r)
		require.ErrorIs(t, err, gatehouse.ErrPrecondition, "ten in a day")
		for _, bad := range []tokens.Request{
			{Name: "ci", Scopes: tokens.Scopes{"unknown:read"}}, {Name: "", Scopes: r.Scopes}, {Name: "ci", Scopes: r.Scopes, Lifetime: 2 * day},
			{Name: "ci", Scopes: r.Scopes, NotBefore: h.clock().Add(2 * day)},
		} {
			_, err := op.Mint(ctx, "robot", bad)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, "%+v", bad)
		}
	})
}

// A suspended owner's service accounts stop, a resumed owner's stay stopped, and a service account does not come back
// before its owner. Where the store fails half way, the same call again finishes it.
func TestOwnerOfServiceIsSuspended(t *testing.T) {
	ctx := t.Context()
	store := gatehousetest.NewStore(memory.New())
	b := newBotHouse(t, store)
	require.NoError(t, b.op.CreateServiceAccount(ctx, "robot", "ada"))
	text := b.mint("logs:read").Token.Reveal()
	m, err := b.op.Mint(ctx, "robot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read"), RotatesItself: true})
	require.NoError(t, err)

	saves := 0
	store.Inject(func(method string) gatehousetest.Fault {
		if method == saveAccount {
			saves++
		}
		if saves == 2 && method == saveAccount {
			return gatehousetest.Fail
		}
		return gatehousetest.None
	})
	err = b.op.Suspend(ctx, "ada")
	require.Error(t, err)
	require.False(t, isAnswer(err))
	store.Inject(nil)
	b.good(text)
	b.bad(m.Token.Reveal(), "the fault of one is not the other's")
	require.NoError(t, b.op.Suspend(ctx, "ada"))
	b.bad(text, "the owner is suspended")
	for _, account := range []string{"bot", "robot"} {
		require.ErrorIs(t, b.op.Resume(ctx, account), gatehouse.ErrPrecondition)
		_, err = b.op.Mint(ctx, account, tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	}
	require.NoError(t, b.op.Resume(ctx, "ada"))
	b.bad(text, "somebody has to look at it")
	require.NoError(t, b.op.Resume(ctx, "bot"))
	b.good(text)
	b.bad(m.Token.Reveal(), "the other one")
}

// Two operators at once: however a resumption of a service account and a suspension of its owner are interleaved, no token
// of it works once both have returned.
func TestResumeAgainstSuspendOfTheOwner(t *testing.T) {
	ctx := t.Context()
	for at := 1; at <= 8; at++ {
		under := memory.New()
		store := gatehousetest.NewStore(under)
		b := newBotHouse(t, store)
		text := b.mint("logs:read").Token.Reveal()
		require.NoError(t, b.op.Suspend(ctx, "bot"))
		other := houseOn(t, under, withTokens(t), func(c *settings) { c.Keys, c.Now = b.keys, b.clock }).Operator("op-2")
		calls := 0
		store.Inject(func(string) gatehousetest.Fault {
			if calls++; calls == at {
				require.NoError(t, other.Suspend(ctx, "ada"))
			}
			return gatehousetest.None
		})
		err := b.op.Resume(ctx, "bot")
		store.Inject(nil)
		if calls < at {
			require.NoError(t, err)
			require.Greater(t, at, 3, "a load, the owner, a save")
			break
		}
		b.bad(text, fmt.Sprint("suspended before call ", at))
		require.ErrorIs(t, b.op.Resume(ctx, "bot"), gatehouse.ErrPrecondition)
	}
}

// An owner is suspended, or a service account deleted, at any call of a minting: a token that is told has an owner who
// lists its account, or does not work.
func TestMintAgainstTheOwner(t *testing.T) {
	ctx := t.Context()
	for what, meanwhile := range map[string]func(operators) error{
		"suspend the owner":   func(o operators) error { return o.Suspend(ctx, "ada") },
		"suspend the account": func(o operators) error { return o.Suspend(ctx, "bot") },
		"delete the account":  func(o operators) error { return deleted(o.DeleteAccount(ctx, "bot")) },
		"revoke all":          func(o operators) error { return o.RevokeAll(ctx, "bot") },
	} {
		for at := 1; ; at++ {
			under := memory.New()
			store := gatehousetest.NewStore(under)
			b := newBotHouse(t, store, serviceGate)
			other := houseOn(t, under, withTokens(t), func(c *settings) { c.Keys, c.Now = b.keys, b.clock }).Operator("op-2")
			calls, before := 0, ""
			store.Inject(func(method string) gatehousetest.Fault {
				if calls++; calls == at {
					before = method
					require.NoError(t, meanwhile(other))
				}
				return gatehousetest.None
			})
			m, err := b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
			store.Inject(nil)
			if calls < at {
				require.NoError(t, err)
				require.Greater(t, at, 7)
				break
			}
			if err != nil {
				require.ErrorIs(t, err, gatehouse.ErrPrecondition, "%s before call %d", what, at)
				require.Zero(t, m)
				require.Empty(t, b.tokenRecords(), "%s before call %d", what, at)
				continue
			}
			if what != "revoke all" || before == saveToken { // what comes before the account's save is before the minting
				b.bad(m.Token.Reveal(), fmt.Sprint(what, " before call ", at))
			}
			ada, err := b.Account(ctx, "ada")
			require.NoError(t, err)
			require.False(t, ada.ServiceUnseen.IsZero())
		}
	}
}

// However the store fails, and however the process dies between two saves, there is no token with a secret and no service
// account that its owner's review does not show.
func TestServiceTokenIsAlwaysShown(t *testing.T) {
	ctx := t.Context()
	robot := func(r *tokens.Request) { r.RotatesItself = true }
	for what, do := range map[string]func(*botHouse, tokens.Minted) error{
		"create": func(b *botHouse, _ tokens.Minted) error { return b.op.CreateServiceAccount(ctx, "robot", "acme") },
		"mint": func(b *botHouse, _ tokens.Minted) error {
			return only(b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")}))
		},
		"rotate": func(b *botHouse, m tokens.Minted) error { return only(b.op.Rotate(ctx, m.Info.ID, tokens.Rotation{})) },
		"delete": func(b *botHouse, _ tokens.Minted) error { return deleted(b.op.DeleteAccount(ctx, "bot")) },
	} {
		for at, gone := 1, false; !gone; at++ {
			store := gatehousetest.NewStore(memory.New())
			b := newBotHouse(t, store, serviceGate)
			m := b.mint("logs:read", robot)
			b.looks()
			seen := b.tokenRecords()
			calls := 0
			store.Inject(func(string) gatehousetest.Fault {
				if calls++; calls >= at { // from here on, the process is dead
					return gatehousetest.Fail
				}
				return gatehousetest.None
			})
			err := do(b, m)
			store.Inject(nil)
			if gone = calls < at; !gone {
				require.Error(t, err, what)
				require.False(t, isAnswer(err), "%s, call %d: %v", what, at, err)
			}
			for _, r := range b.records() {
				if service := b.account(r.ID); service.ServiceOf != "" && service.Suspension == nil {
					require.Contains(t, b.account(service.ServiceOf).Services, r.ID, "%s, call %d", what, at)
				}
			}
			if len(b.tokenRecords()) > 0 && (len(seen) != len(b.tokenRecords()) || string(seen[0].Data) != string(b.tokenRecords()[0].Data)) {
				require.Equal(t, posture.Fail, b.mark(), "%s, call %d: a secret that nobody has to look at", what, at)
			}
			if !gone && what != "mint" {
				require.NoError(t, do(b, m), "%s, call %d: again", what, at)
			}
		}
	}
}

// A reply that is lost is told from a conflict: the call goes on, and makes one secret, one entry and one event of each.
func TestServiceTokenLostReply(t *testing.T) {
	ctx := t.Context()
	for at := 1; ; at++ {
		store := gatehousetest.NewStore(memory.New())
		b := newBotHouse(t, store, serviceGate)
		calls := 0
		store.Inject(func(method string) gatehousetest.Fault {
			if method != saveAccount && method != saveToken {
				return gatehousetest.None
			}
			if calls++; calls == at {
				return gatehousetest.Repeat
			}
			return gatehousetest.None
		})
		m, err := b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
		store.Inject(nil)
		require.NoError(t, err)
		b.good(m.Token.Reveal())
		require.Len(t, b.tokenRecords(), 1)
		for account, kind := range map[string]event.Kind{"ada": event.ServiceTokenMinted, "bot": event.TokenMinted} {
			n := 0
			for _, e := range b.account(account).Activity {
				if e.Kind == kind {
					n += max(e.Count, 1)
				}
			}
			require.Equal(t, 1, n, "%s, call %d", account, at)
		}
		if calls < at {
			return
		}
	}
}

// Two operators make the same account a service account of two owners at once: one of them owns it, and the other's list
// gives it no token.
func TestTwoOwnersAtOnce(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, withTokens(t))
	op := h.Operator("op")
	var wg sync.WaitGroup
	owners := []string{"acme", "globex", "initech", "umbrella"}
	errs := make([]error, len(owners))
	for i, owner := range owners {
		wg.Go(func() { errs[i] = op.CreateServiceAccount(ctx, "bot", owner) })
	}
	wg.Wait()
	made := 0
	for i, err := range errs {
		if err == nil {
			made++
			require.Equal(t, owners[i], h.account("bot").ServiceOf)
		} else {
			require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		}
	}
	require.Equal(t, 1, made)
	m, err := op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
	require.NoError(t, err)
	for _, owner := range owners {
		if owner == h.account("bot").ServiceOf {
			require.ErrorIs(t, deleted(op.DeleteAccount(ctx, owner)), gatehouse.ErrPrecondition)
			continue
		}
		require.NoError(t, op.Suspend(ctx, owner))
		require.NoError(t, deleted(op.DeleteAccount(ctx, owner)), "what it lists is another's")
	}
	h.good(m.Token.Reveal())
}

// An owner's record that is gone, or that no longer lists the account, gives no secret: also not to a token that rotates
// itself. What it has works to its end.
func TestOrphanOfService(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New(), serviceGate)
	m := b.mint("logs:read", func(r *tokens.Request) { r.RotatesItself = true })
	require.ErrorIs(t, deleted(b.op.DeleteAccount(ctx, "ada")), gatehouse.ErrPrecondition)
	require.NoError(t, b.store.DeleteAccount(ctx, "ada")) // by a hand in the database
	for what, owner := range map[string]func(){
		"no record": func() {}, "another record": func() { b.vouch("ada") },
	} {
		owner()
		b.unchanged(func() {
			_, err := b.RotateSelf(ctx, m.Token.Reveal(), tokens.Rotation{})
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, what)
			_, err = b.op.Rotate(ctx, m.Info.ID, tokens.Rotation{})
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, what)
			_, err = b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, what)
		})
		b.good(m.Token.Reveal())
	}
	require.NoError(t, b.op.CreateServiceAccount(ctx, "bot", "ada"), "which puts it back on the list")
	require.NoError(t, deleted(b.op.DeleteAccount(ctx, "bot")))
	b.bad(m.Token.Reveal(), "deleted")
	require.NoError(t, deleted(b.op.DeleteAccount(ctx, "ada")))
}

// A record of a service account with a factor is none that a call makes: it is refused, and nobody signs in. Nor does an
// owner who cannot be read vouch for anything.
func TestForgedServiceAccount(t *testing.T) {
	ctx := t.Context()
	b := newBotHouse(t, memory.New())
	a := b.account("ada")
	a.ServiceOf, a.Services = "acme", nil
	data, err := a.Encode()
	require.NoError(t, err)
	b.put("ada", data)
	for _, err := range []error{
		only(b.Challenge(ctx, "ada")), only(b.StepUp(ctx, "ada", b.ada.code())),
		only(b.op.Mint(ctx, "bot", tokens.Request{Name: "x", Scopes: scopesOf(t, "logs:read")})),
	} {
		require.ErrorIs(t, err, core.ErrFormat)
		require.False(t, isAnswer(err), "a fault")
	}
}

// In a transaction of the host's a service account goes together with its entry in its owner's list, and the owner does not
// go before it.
func TestServiceAccountInATransaction(t *testing.T) {
	ctx := t.Context()
	store := memory.New()
	b := newBotHouse(t, store)
	m := b.mint("logs:read")
	w := hosttx.Within(b.Service.Operator("op"), &hostTx{Store: store})
	require.ErrorIs(t, deleted(w.DeleteAccount(ctx, "ada")), gatehouse.ErrPrecondition)
	require.NoError(t, deleted(w.DeleteAccount(ctx, "bot")))
	require.NoError(t, deleted(w.DeleteAccount(ctx, "ada")))
	w.Committed(ctx)
	b.bad(m.Token.Reveal(), "deleted")
	require.Empty(t, b.account("ada").Services)
	require.NoError(t, b.op.CreateServiceAccount(ctx, "bot", "acme"), "the ID of an account that was deleted is free")
	b.bad(m.Token.Reveal(), "of the account before")
}
