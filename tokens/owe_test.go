package tokens_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// owing is a service whose tokens have ended while their owners could not be told.
type owing struct {
	*gatehousetest.Service
	t      *testing.T
	config gatehouse.Config
	tok    *tokens.Service
}

func newOwing(t *testing.T, edit ...func(*gatehouse.Config)) *owing {
	t.Helper()
	h := &owing{t: t}
	notices := func(c *gatehouse.Config) { c.Notices, h.config = true, *c }
	h.Service = gatehousetest.New(t, append(edit, notices)...)
	tok, err := tokens.New(h.Service.Service, tokens.Policy{Brand: "acme", Scopes: registry(t)})
	require.NoError(t, err)
	h.tok, h.config.Notices, h.config.Now = tok, true, h.Now
	return h
}

func (h *owing) mint(user *gatehousetest.User) tokens.Minted {
	h.t.Helper()
	m, err := h.tok.Mint(h.t.Context(), user.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(h.t, err)
	return m
}

// elsewhere is another process with the same store.
func (h *owing) elsewhere() *owing {
	h.t.Helper()
	svc, err := gatehouse.New(h.Store, h.config)
	require.NoError(h.t, err)
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: registry(h.t)})
	require.NoError(h.t, err)
	of := *h.Service
	of.Service = svc
	return &owing{Service: &of, t: h.t, config: h.config, tok: tok}
}

// robot makes a service account of an owner, and a token of that.
func (h *owing) robot(id, owner string) tokens.Minted {
	h.t.Helper()
	op := h.tok.Operator(h.Operator("op"))
	require.NoError(h.t, op.CreateServiceAccount(h.t.Context(), id, owner))
	m, err := op.Mint(h.t.Context(), id, tokens.Request{Name: id, Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(h.t, err)
	return m
}

func (h *owing) delete(accounts ...string) {
	h.t.Helper()
	for _, account := range accounts {
		_, err := h.Operator("op").DeleteAccount(h.t.Context(), account)
		require.NoError(h.t, err)
	}
}

// giveBackBlind is giveBack where it cannot even be read whose the service account is.
func (h *owing) giveBackBlind(m tokens.Minted) {
	h.t.Helper()
	h.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	defer h.Store.Inject(nil)
	require.ErrorIs(h.t, h.tok.RevokePresented(h.t.Context(), m.Token.Reveal()), gatehousetest.ErrFault)
}

// down has no account be saved while do is called.
func (h *owing) down(do func()) {
	h.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Fail))
	defer h.Store.Inject(nil)
	do()
}

// giveBack revokes a token while its owner cannot be told.
func (h *owing) giveBack(m tokens.Minted) (err error) {
	h.t.Helper()
	h.down(func() { err = h.tok.RevokePresented(h.t.Context(), m.Token.Reveal()) })
	require.ErrorIs(h.t, err, gatehousetest.ErrFault)
	return err
}

// told returns what an owner is told of their tokens, after they were minted.
func (h *owing) told(account string) (kinds []event.Kind) {
	h.t.Helper()
	untold, err := h.Operator("op").DeleteAccount(h.t.Context(), account)
	require.NoError(h.t, err)
	for _, n := range untold {
		if n.Kind == event.TokenReused || n.Kind == event.TokenRevoked {
			kinds = append(kinds, n.Kind)
			require.Equal(h.t, 1, max(n.Count, 1))
		}
	}
	return kinds
}

// foreign returns the context of a request that is not the owner's.
func foreign(t *testing.T) context.Context {
	return event.WithClient(t.Context(), event.Client{Address: netip.MustParseAddr("203.0.113.66"), Agent: "chrome/linux"})
}

// visits has an owner do something else with their account.
func (h *owing) visits(user *gatehousetest.User) {
	h.t.Helper()
	h.Wait(time.Minute)
	own := event.Client{Address: netip.MustParseAddr("198.51.100.1"), Agent: "firefox/linux"}
	_, err := h.Service.StepUp(event.WithClient(h.t.Context(), own), user.Session(), user.Code())
	require.NoError(h.t, err)
}

// Where there is no place to remember what the owner must be told, the answer says so.
func TestOwedTooMuch(t *testing.T) {
	h := newOwing(t)
	user := h.Enroll(t, "ada")
	first, second := h.mint(user), h.mint(user)
	require.NotContains(t, h.giveBack(first).Error(), "will not be told")
	h.tok.FillUnpaid()
	require.ErrorContains(t, h.giveBack(second), "the owner will not be told")
}

// Nobody takes the places of others with tokens of their own.
func TestOwedOfOneAccount(t *testing.T) {
	h := newOwing(t)
	mallory, ada := h.Enroll(t, "mallory"), h.Enroll(t, "ada")
	m := h.mint(ada)
	var all []tokens.Minted
	for range 65 {
		all = append(all, h.mint(mallory))
	}
	for i, m := range all {
		if err := h.giveBack(m); i < 64 {
			require.NotContains(t, err.Error(), "will not be told")
		} else {
			require.ErrorContains(t, err, "the owner will not be told")
		}
	}
	require.NotContains(t, h.giveBack(m).Error(), "will not be told")
}

// What could not be kept in an account is kept with the next change of that, whatever it is, and its place is free again.
func TestOwedIsPaidWithTheNextChange(t *testing.T) {
	h := newOwing(t)
	ada, eve := h.Enroll(t, "ada"), h.Enroll(t, "eve")
	first, second := h.mint(ada), h.mint(ada)
	_ = h.giveBack(first)
	_ = h.giveBack(second)
	require.Equal(t, 2, h.tok.Unpaid())
	h.visits(eve)
	require.Equal(t, 2, h.tok.Unpaid(), "somebody else's change is nothing to it")
	h.visits(ada)
	require.Zero(t, h.tok.Unpaid())
	require.Equal(t, []event.Kind{event.TokenRevoked, event.TokenRevoked}, h.told("ada"))
}

// The owner is told when it was, and from where, and not of their own request that it is kept with.
func TestOwedIsToldAsItWas(t *testing.T) {
	at := netip.MustParseAddr("203.0.113.24") // of the token
	give := func(h *owing, ctx context.Context, next, _ tokens.Minted) error {
		return h.tok.RevokePresented(ctx, next.Token.Reveal())
	}
	reuse := func(h *owing, ctx context.Context, _, old tokens.Minted) error {
		_, err := h.tok.Check(ctx, old.Token.Reveal(), at)
		return err
	}
	visit := func(h *owing, user *gatehousetest.User, _ tokens.Minted) { h.visits(user) }
	present := func(h *owing, user *gatehousetest.User, next tokens.Minted) {
		h.Wait(time.Hour)
		ctx := event.WithClient(h.t.Context(), event.Client{Address: at, Agent: "edge/windows"})
		_, err := h.tok.Check(ctx, next.Token.Reveal(), at)
		require.ErrorIs(h.t, err, gatehouse.ErrDenied)
	}
	type told struct {
		event.Kind
		address string
		event.Agent
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		end  func(*owing, context.Context, tokens.Minted, tokens.Minted) error
		late func(*owing, *gatehousetest.User, tokens.Minted)
		want []told
	}{
		"given back":              {foreign(t), give, visit, []told{{event.TokenRevoked, "203.0.113.66", "chrome/linux"}}},
		"given back, unknown":     {t.Context(), give, visit, []told{{event.TokenRevoked, "", ""}}},
		"given back, and checked": {foreign(t), give, present, []told{{event.TokenRevoked, "203.0.113.66", "chrome/linux"}}},
		"reused": {foreign(t), reuse, visit, []told{
			{event.TokenReused, at.String(), "chrome/linux"}, {event.TokenRevoked, "203.0.113.66", "chrome/linux"},
		}},
		"by an operator": {foreign(t), func(h *owing, ctx context.Context, next, _ tokens.Minted) error {
			return h.tok.Operator(h.Operator("op")).Revoke(ctx, next.Info.ID)
		}, visit, []told{{event.TokenRevoked, "", ""}}},
	} {
		h := newOwing(t)
		user := h.Enroll(t, "ada")
		old := h.mint(user)
		h.Wait(time.Minute)
		next, err := h.tok.Rotate(t.Context(), user.StepUp(t), old.Info.ID, tokens.Rotation{})
		require.NoError(t, err)
		h.Wait(time.Minute)
		then := h.Now().Truncate(time.Second)
		h.down(func() { require.ErrorIs(t, c.end(h, c.ctx, next, old), gatehousetest.ErrFault, name) })
		c.late(h, user, next)
		untold, err := h.Operator("op").DeleteAccount(t.Context(), "ada")
		require.NoError(t, err)
		var got []told
		for _, n := range untold {
			if n.Kind == event.TokenReused || n.Kind == event.TokenRevoked {
				got = append(got, told{n.Kind, n.Address, n.Agent})
				require.True(t, n.At.Equal(then), "%s: %v is told, and it was %v", name, n.At, then)
			}
		}
		require.Equal(t, c.want, got, name)
	}
}

// The same of a service account, which its owner hears of.
func TestOwedOfAServiceAccount(t *testing.T) {
	h := newOwing(t)
	ada := h.Enroll(t, "ada")
	op := h.tok.Operator(h.Operator("op"))
	require.NoError(t, op.CreateServiceAccount(t.Context(), "bot", "ada"))
	m, err := op.Mint(t.Context(), "bot", tokens.Request{Name: "bot", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	_ = h.giveBack(m)
	h.visits(ada)
	require.Zero(t, h.tok.Unpaid())
	_, err = h.Operator("op").DeleteAccount(t.Context(), "bot")
	require.NoError(t, err)
	untold, err := h.Operator("op").DeleteAccount(t.Context(), "ada")
	require.NoError(t, err)
	last := untold[len(untold)-1]
	require.Equal(t, event.TokenRevoked, last.Kind)
	require.Equal(t, "bot", last.ServiceAccountID)
}

// The same where it could not be read who the owner is, and still cannot at the first Close.
func TestOwedToAnUnknownOwner(t *testing.T) {
	h := newOwing(t)
	h.Enroll(t, "ada")
	op := h.tok.Operator(h.Operator("op"))
	require.NoError(t, op.CreateServiceAccount(t.Context(), "bot", "ada"))
	m, err := op.Mint(t.Context(), "bot", tokens.Request{Name: "bot", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	h.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	require.ErrorIs(t, h.tok.RevokePresented(t.Context(), m.Token.Reveal()), gatehousetest.ErrFault)
	require.ErrorIs(t, h.Service.Close(t.Context()), gatehousetest.ErrFault)
	h.Store.Inject(nil)
	require.NoError(t, h.Service.Close(t.Context()))
	require.Zero(t, h.tok.Unpaid())
	_, err = h.Operator("op").DeleteAccount(t.Context(), "bot")
	require.NoError(t, err)
	require.Equal(t, []event.Kind{event.TokenRevoked}, h.told("ada"))
}

// Whoever gets the ID of an account that is gone is told nothing of what became of its tokens, whichever process has
// deleted it and made it again.
func TestOwedToADeletedAccount(t *testing.T) {
	for name, pay := range map[string]func(h *owing, ada, eve *gatehousetest.User){
		"the next change": func(h *owing, ada, eve *gatehousetest.User) { h.visits(ada); h.visits(eve) },
		"Close":           func(h *owing, _, _ *gatehousetest.User) { require.NoError(t, h.Service.Close(t.Context())) },
	} {
		for _, here := range []bool{true, false} {
			h := newOwing(t)
			other := h.elsewhere()
			ada, eve := h.Enroll(t, "ada"), h.Enroll(t, "eve")
			bot, crawler := h.robot("bot", "ada"), h.robot("crawler", "ada")
			_ = h.giveBack(h.mint(ada))
			_ = h.giveBack(crawler)
			h.giveBackBlind(bot)
			require.Equal(t, 3, h.tok.Unpaid(), name)
			other.delete("bot", "crawler", "ada")
			again := other
			if here {
				again = h
			}
			ada = again.Enroll(t, "ada")
			again.robot("bot", "eve")
			pay(h, ada, eve)
			require.NoError(t, h.Service.Close(t.Context()), name)
			require.Zero(t, h.tok.Unpaid(), name)
			h.delete("bot")
			require.Empty(t, h.told("ada"), name)
			require.Empty(t, h.told("eve"), name)
		}
	}
}

// What the owner of a service account is owed outlives that, also where another gets its ID.
func TestOwedOfADeletedServiceAccount(t *testing.T) {
	h := newOwing(t)
	h.Enroll(t, "ada")
	h.Enroll(t, "eve")
	_ = h.giveBack(h.robot("bot", "ada"))
	h.elsewhere().delete("bot")
	h.robot("bot", "eve")
	require.NoError(t, h.Service.Close(t.Context()))
	h.delete("bot")
	require.Empty(t, h.told("eve"))
	require.Equal(t, []event.Kind{event.TokenRevoked}, h.told("ada"))
}

// What ends all tokens of an account tells its owner of no theft, so what they are owed stays: of the account's first tokens,
// of later ones, and of those of its service accounts.
func TestOwedBeforeAllTokensEnd(t *testing.T) {
	for name, end := range map[string]func(op gatehouse.Operator, tok tokens.Operator, account string) error{
		"by an operator": func(_ gatehouse.Operator, tok tokens.Operator, account string) error {
			return tok.RevokeAll(t.Context(), account)
		},
		"with the password": func(op gatehouse.Operator, _ tokens.Operator, account string) error {
			return op.PasswordChanged(t.Context(), account, gatehouse.RevokeTokens)
		},
		"after a restore": func(op gatehouse.Operator, _ tokens.Operator, _ string) error {
			_, err := op.AfterRestore(t.Context(), gatehouse.Restoration{RevokeTokens: true}, "", nil)
			return err
		},
	} {
		h := newOwing(t)
		other := h.elsewhere()
		all := func(account string) {
			t.Helper()
			op := other.Operator("op")
			require.NoError(t, end(op, other.tok.Operator(op), account), name)
		}
		ada := h.Enroll(t, "ada")
		bot, crawler := h.robot("bot", "ada"), h.robot("crawler", "ada")
		first := h.mint(ada)
		all("ada")
		h.Wait(time.Hour)
		ada.Proof = ada.StepUp(t).Proof
		later := h.mint(ada)
		_ = h.giveBack(first)
		_ = h.giveBack(later)
		_ = h.giveBack(bot)
		h.giveBackBlind(crawler)
		for _, account := range []string{"ada", "bot", "crawler"} {
			all(account)
		}
		require.Equal(t, 4, h.tok.Unpaid(), name)
		require.NoError(t, h.Service.Close(t.Context()))
		h.delete("bot", "crawler")
		untold, err := h.Operator("op").DeleteAccount(t.Context(), "ada")
		require.NoError(t, err)
		told := 0
		for _, n := range untold {
			if n.Kind == event.TokenRevoked {
				told += max(n.Count, 1)
			}
		}
		require.Equal(t, 4, told, name)
	}
}

// Close tries once more, and says so if that fails as well.
func TestOwedIsPaidByClose(t *testing.T) {
	h := newOwing(t)
	m := h.mint(h.Enroll(t, "ada"))
	_ = h.giveBack(m)
	h.down(func() { require.ErrorIs(t, h.Service.Close(t.Context()), gatehousetest.ErrFault) })
	require.NoError(t, h.Service.Close(t.Context()))
	require.Equal(t, []event.Kind{event.TokenRevoked}, h.told("ada"))
}

// Close saves an account once, whatever its owner is owed.
func TestOwedIsPaidAtOnce(t *testing.T) {
	h := newOwing(t)
	for _, account := range []string{"ada", "eve"} {
		user := h.Enroll(t, account)
		for _, m := range []tokens.Minted{h.mint(user), h.mint(user), h.mint(user)} {
			_ = h.giveBack(m)
		}
	}
	require.Equal(t, 6, h.tok.Unpaid())
	saves := 0
	h.Store.Inject(func(method string) gatehousetest.Fault {
		if method == "SaveAccount" {
			saves++
		}
		return gatehousetest.None
	})
	require.NoError(t, h.Service.Close(t.Context()))
	require.Equal(t, 2, saves)
	require.Len(t, h.told("ada"), 3)
	require.Len(t, h.told("eve"), 3)
}

// A store that hangs leaves Close half of its time for the events, and five seconds of what has no end.
func TestOwedLeavesTimeToClose(t *testing.T) {
	for _, method := range []string{"LoadAccount", "SaveAccount"} {
		synctest.Test(t, func(t *testing.T) {
			h := newOwing(t)
			for i := range 10 {
				_ = h.giveBack(h.mint(h.Enroll(t, fmt.Sprint("user-", i))))
			}
			h.Store.Inject(gatehousetest.On(method, gatehousetest.Stall))
			require.ErrorIs(t, h.Service.Close(t.Context()), context.DeadlineExceeded)
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, h.Service.Close(ctx), context.DeadlineExceeded)
			if method == "LoadAccount" {
				require.Equal(t, 4*time.Second, time.Since(began))
			}
			require.NoError(t, ctx.Err())
			h.Store.Inject(nil)
			require.NoError(t, h.Service.Close(t.Context()))
			require.Zero(t, h.tok.Unpaid())
		})
	}
}

// What somebody else has put there meanwhile is not lost: a copy that is reused while the token is given back.
func TestOwedTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var between func() // happens when the time is asked for next; nil: nothing
		h := newOwing(t, func(c *gatehouse.Config) {
			c.Now = func() time.Time {
				if do := between; do != nil {
					between = nil
					do()
				}
				return time.Now()
			}
		})
		user := h.Enroll(t, "ada")
		m := h.mint(user)
		h.Wait(time.Minute)
		next, err := h.tok.Rotate(t.Context(), user.StepUp(t), m.Info.ID, tokens.Rotation{})
		require.NoError(t, err)
		reused := false
		h.Store.Inject(func(method string) gatehousetest.Fault {
			if method != "SaveAccount" {
				return gatehousetest.None
			}
			if !reused {
				reused = true
				between = func() {
					_, err := h.tok.Check(t.Context(), m.Token.Reveal(), netip.MustParseAddr("203.0.113.24"))
					require.ErrorIs(t, err, gatehousetest.ErrFault)
				}
			}
			return gatehousetest.Fail
		})
		require.ErrorIs(t, h.tok.RevokePresented(t.Context(), next.Token.Reveal()), gatehousetest.ErrFault)
		h.Store.Inject(nil)
		require.True(t, reused)
		require.Nil(t, between)
		h.visits(user)
		require.Equal(t, []event.Kind{event.TokenReused, event.TokenRevoked}, h.told("ada"))
	})
}

// What was remembered has its place while somebody tries to pay it, whoever else looks for one meanwhile.
func TestOwedKeepsItsPlace(t *testing.T) {
	h := newOwing(t)
	user := h.Enroll(t, "ada")
	m := h.mint(user)
	_ = h.giveBack(m)
	tried := false
	h.Store.Inject(func(method string) gatehousetest.Fault {
		if method != "SaveAccount" {
			return gatehousetest.None
		}
		tried = true
		h.tok.FillUnpaid()
		return gatehousetest.Fail
	})
	_, err := h.tok.Check(t.Context(), m.Token.Reveal(), netip.Addr{})
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	h.Store.Inject(nil)
	require.True(t, tried)
	h.visits(user)
	require.Equal(t, []event.Kind{event.TokenRevoked}, h.told("ada"))
}
