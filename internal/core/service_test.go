package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// at returns the world some seconds after start.
func at(seconds int64) core.Env {
	return core.Env{Now: start.Add(time.Duration(seconds) * time.Second), Fresh: 41 + seconds}
}

var serving = core.By{Operator: "op-1", Reason: "ticket 4711"}

// ownerAndBot returns an account with the service account that it owns.
func ownerAndBot(t *testing.T) (owner, bot core.Account) {
	t.Helper()
	owner, err := core.Account{ID: "acme"}.Own(serving, "bot", at(0))
	require.NoError(t, err)
	bot, err = core.Account{ID: "bot"}.Serve(serving, "acme", at(0))
	require.NoError(t, err)
	return owner, bot
}

// Only an account that has no record becomes a service account: nobody has a factor, a proof or a token of it then.
func TestServe(t *testing.T) {
	owner, bot := ownerAndBot(t)
	require.Equal(t, []string{"bot"}, owner.Services)
	again, err := bot.Serve(serving, "acme", at(60))
	require.NoError(t, err)
	require.Equal(t, bot, again)
	again, err = owner.Own(serving, "bot", at(60))
	require.NoError(t, err)
	require.Equal(t, owner, again)

	_, err = bot.Serve(serving, "other", at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)
	_, err = bot.Own(serving, "another", at(60))
	require.ErrorIs(t, err, core.ErrPrecondition, "a service account owns none")
	_, err = core.Account{ID: "ada"}.Create(at(0)).Serve(serving, "acme", at(60))
	require.ErrorIs(t, err, core.ErrPrecondition, "it has a record")
	_, err = owner.Suspend(serving, at(60)).Own(serving, "another", at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)

	for i := range core.MaxServices - 1 {
		owner, err = owner.Own(serving, fmt.Sprint("bot-", i), at(60))
		require.NoError(t, err)
	}
	_, err = owner.Own(serving, "one too many", at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)
	_, err = owner.Encode()
	require.NoError(t, err)
	owner = owner.Disown(serving, "bot", at(90))
	require.False(t, owner.Owns("bot"))
	require.Equal(t, event.ServiceAccountRemoved, owner.Activity[len(owner.Activity)-1].Kind)
	_, err = owner.Own(serving, "one more", at(90))
	require.NoError(t, err)
}

// Nobody gets a proof of a service account, and nothing is imported to it.
func TestNobodySignsInToAService(t *testing.T) {
	_, bot := ownerAndBot(t)
	require.True(t, bot.Closed())
	before := int64(0)
	_, _, err := bot.Vouch(core.FirstFactor{Method: "pwd", At: at(60).Now.Unix(), Before: &before}, nil, at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)
	_, err = bot.PlanImport(nil, nil)
	require.ErrorIs(t, err, core.ErrPrecondition)
	_, err = bot.Resets(serving, core.Slot{Selector: "Z", Hash: "h"}, at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)

	digest := make([]byte, core.DigestSize)
	require.Equal(t, core.SessionEnded, bot.Session(core.Presented{Proof: core.Proof{Account: "bot", Kind: core.Vouched, Session: digest, Stamp: bot.SessionEpoch}, In: digest}))
	never := bot
	never.Since, never.SessionEpoch = 0, 0
	require.Equal(t, core.SessionEnded, never.UnknownSession())

	forged := core.Presented{Proof: core.Proof{Account: "bot", Kind: core.Vouched, At: at(60).Now.Unix(), Epoch: bot.Epoch}}
	for _, kind := range []core.Kind{core.Vouched, core.SecondFactor, core.RecoveryCode, core.OperatorCode, core.OperatorsWord} {
		forged.Kind = kind
		require.Error(t, bot.CanBegin(forged, "", at(60)))
		_, err = bot.RevokeTokens(forged, at(60))
		require.Error(t, err)
		_, _, err = bot.ChangeToken(forged, core.TokenChange{Kind: event.TokenMinted, Daily: 10}, at(60))
		require.Error(t, err)
		require.Error(t, bot.CheckProof(forged, core.ProofLife, at(60)))
		require.Zero(t, bot.Permissions(forged, at(60)))
	}
	_, _, err = core.Account{ID: "ada"}.Create(at(0)).ChangeToken(core.Presented{Proof: core.Proof{Account: "ada", Kind: core.OperatorsWord, At: at(60).Now.Unix(), Epoch: at(0).Fresh}},
		core.TokenChange{Kind: event.TokenMinted, Daily: 10}, at(60))
	require.ErrorIs(t, err, core.ErrStepUpRequired, "an operator's word is no proof of an owner")
}

// An owner has to look at a service account that came to be, and at each secret of it. What its holder or an operator does
// in its own activity waits for nobody.
func TestServiceToBeSeen(t *testing.T) {
	owner, bot := ownerAndBot(t)
	seen := func() {
		t.Helper()
		require.NotZero(t, owner.ServiceUnseen())
		owner.LookedAt = owner.Noted
		require.Zero(t, owner.ServiceUnseen())
	}
	seen()
	for _, kind := range []event.Kind{event.TokenMinted, event.TokenRotated, event.TokenRenewed} {
		var told core.Event
		var err error
		change := core.TokenChange{Kind: kind, Token: "00000000000000", Name: "ci", Daily: 100}
		owner, err = owner.ChangeServiceToken(serving, "bot", change, at(60))
		require.NoError(t, err)
		told = owner.Events[0]
		require.Equal(t, []any{"bot", "00000000000000", "ci", "op-1", "ticket 4711"}, []any{told.Service, told.Token, told.Name, told.Operator, told.Detail})
		seen()
		for range 30 {
			bot, told, err = bot.ChangeTokenBy(serving, "acme", change, at(60))
			require.NoError(t, err)
		}
		require.Equal(t, kind, told.Kind)
		require.Equal(t, "op-1", told.Operator)
	}
	require.LessOrEqual(t, len(bot.Activity), 20)
	require.Equal(t, bot.Noted, bot.Activity[len(bot.Activity)-1].Number)
	require.Zero(t, bot.Activity[len(bot.Activity)-1].Count, "no run")

	for range 60 { // which cannot push it out
		owner, _ = owner.ChangeServiceToken(serving, "bot", core.TokenChange{Kind: event.TokenMinted}, at(90))
		owner = owner.PasswordChanged(serving, false, at(95))
	}
	require.NotZero(t, owner.ServiceUnseen())
}

// A service account works only with an owner who lists it and is not suspended.
func TestServiceWithoutItsOwner(t *testing.T) {
	owner, bot := ownerAndBot(t)
	change := core.TokenChange{Kind: event.TokenMinted, Daily: 100}
	refuses := func(owner core.Account) {
		t.Helper()
		require.ErrorIs(t, owner.CanVouchFor("bot"), core.ErrPrecondition)
		_, err := owner.ChangeServiceToken(serving, "bot", change, at(60))
		require.ErrorIs(t, err, core.ErrPrecondition)
	}
	require.NoError(t, owner.CanVouchFor("bot"))
	refuses(owner.Suspend(serving, at(30)))
	refuses(owner.Disown(serving, "bot", at(30)))
	refuses(core.Account{ID: "acme"})

	for _, other := range []core.Account{{ID: "ada", Epoch: 1}, {ID: "bot"}} {
		_, _, err := other.ChangeTokenBy(serving, "acme", change, at(60))
		require.ErrorIs(t, err, core.ErrPrecondition)
		require.Equal(t, other, other.SuspendWith("acme", serving, at(60)), "no service account of this owner")
		require.Equal(t, other, other.SuspendWith("", serving, at(60)))
	}
	_, _, err := bot.ChangeTokenBy(serving, "other", change, at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)

	stopped := bot.SuspendWith("acme", serving, at(60))
	require.NotNil(t, stopped.Suspension)
	_, _, err = stopped.ChangeTokenBy(serving, "acme", change, at(60))
	require.ErrorIs(t, err, core.ErrPrecondition)
	next := at(90)
	next.Fresh++
	again := stopped.SuspendWith("acme", serving, next)
	require.NotEqual(t, stopped.Epoch, again.Epoch, "so that a resumption under way meets a conflict")
	require.Equal(t, stopped.Suspension, again.Suspension)
}

// A record that no call makes is refused: an account that is a service account and has a factor, or owns others.
func TestBrokenServices(t *testing.T) {
	for what, edit := range map[string]func(*core.Account){
		"an authenticator":        func(a *core.Account) { a.Authenticators = []core.Authenticator{newAuthenticator("A1")} },
		"a passkey":               func(a *core.Account) { a.Passkeys, a.Handle = []core.Passkey{newPasskey("P1")}, storage.Handle{1} },
		"a pending authenticator": func(a *core.Account) { a.Pending = &core.Pending{Authenticator: newAuthenticator("A1"), Expires: 9} },
		"recovery codes":          func(a *core.Account) { a.Recovery = newSet("S1") },
		"a reset":                 func(a *core.Account) { a.Reset = full().Reset },
		"a service of its own":    func(a *core.Account) { a.Services = []string{"bot-2"} },
		"itself":                  func(a *core.Account) { a.ServiceOf = "bot" },
		"an ID that is none":      func(a *core.Account) { a.ServiceOf = "\x00" },
		"the same one twice":      func(a *core.Account) { a.ServiceOf, a.Services = "", []string{"b", "b"} },
		"itself as its own":       func(a *core.Account) { a.ServiceOf, a.Services = "", []string{"bot"} },
		"none":                    func(a *core.Account) { a.ServiceOf, a.Services = "", []string{""} },
	} {
		_, bot := ownerAndBot(t)
		edit(&bot)
		data, err := bot.Encode()
		if err == nil {
			_, err = core.Decode("bot", data)
		}
		require.Error(t, err, what)
	}
}
