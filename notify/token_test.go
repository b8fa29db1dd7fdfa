package notify_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// minted is a token of an owner, with what waits for them.
type minted struct {
	*gatehousetest.Service
	t    *testing.T
	tok  *tokens.Service
	user *gatehousetest.User
	m    tokens.Minted

	old, successor string // see rotated

	mu   sync.Mutex
	told []event.Kind
}

// seen returns which of some kinds an Observer was told, in their order.
func (h *minted) seen(of []event.Kind) (seen []event.Kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kind := range h.told {
		if slices.Contains(of, kind) {
			seen = append(seen, kind)
		}
	}
	return seen
}

// Observe implements event.Observer.
func (h *minted) Observe(_ context.Context, e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, e.Kind)
}

func mints(t *testing.T, keepReused bool) *minted {
	t.Helper()
	h := &minted{t: t}
	svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices, c.Observer = true, h })
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read", Description: "Read logs"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: scopes, KeepReused: keepReused})
	require.NoError(t, err)
	h.Service, h.tok, h.user = svc, tok, svc.Enroll(t, "ada")
	h.m, err = tok.Mint(t.Context(), h.user.Session(), tokens.Request{Name: "ci", Scopes: h.scopes()})
	require.NoError(t, err)
	return h
}

func (h *minted) scopes() tokens.Scopes {
	s, err := tokens.NewScopes("logs:read")
	require.NoError(h.t, err)
	return s
}

// untold deletes an account and returns what waited for its owner after the enrollment and the minting.
func (h *minted) untold(account string) []event.Notice {
	h.t.Helper()
	h.Store.Inject(nil)
	untold, err := h.Operator("op").DeleteAccount(h.t.Context(), account)
	require.NoError(h.t, err)
	return untold
}

// waiting returns how many notices wait.
func (h *minted) waiting() int {
	h.t.Helper()
	n, err := notify.New(h.Service.Service, notify.Config{})
	require.NoError(h.t, err)
	lag, err := n.Lag(h.t.Context())
	require.NoError(h.t, err)
	return lag.Notices
}

func kindsOf(notices []event.Notice) (kinds []event.Kind) {
	for _, n := range notices {
		kinds = append(kinds, n.Kind)
	}
	return kinds
}

// rotated rotates the token without a grace, and returns the copy that is not to be used any more.
func (h *minted) rotated() string {
	h.t.Helper()
	h.Wait(time.Minute)
	next, err := h.tok.Rotate(h.t.Context(), h.user.StepUp(h.t), h.m.Info.ID, tokens.Rotation{})
	require.NoError(h.t, err)
	h.successor = next.Token.Reveal()
	return h.m.Token.Reveal()
}

var from = netip.MustParseAddr("203.0.113.24")

// A token that leaks, or is revoked by whoever has it, is told its owner, and from where; twice is once.
func TestTokenNotices(t *testing.T) {
	before := []event.Kind{event.AuthenticatorAdded, event.TokenMinted}
	t.Run("reuse", func(t *testing.T) {
		h := mints(t, false)
		old := h.rotated()
		for range 3 {
			_, err := h.tok.Check(t.Context(), old, from)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		untold := h.untold("ada")
		require.Equal(t, append(before, event.TokenReused, event.TokenRevoked), kindsOf(untold))
		require.Equal(t, from.String(), untold[2].Address)
		require.Equal(t, "ci", untold[2].TokenName)
	})
	t.Run("reuse of a token that the policy keeps", func(t *testing.T) {
		h := mints(t, true)
		old := h.rotated()
		for range 3 {
			for range 30 {
				_, err := h.tok.Check(t.Context(), old, from)
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			}
			h.Wait(time.Hour)
		}
		untold := h.untold("ada")
		require.Equal(t, append(before, event.TokenReused), kindsOf(untold))
		require.Equal(t, 3, untold[2].Count, "once an hour, as one")
	})
	t.Run("given back", func(t *testing.T) {
		h := mints(t, false)
		require.NoError(t, h.tok.RevokePresented(t.Context(), h.m.Token.Reveal()))
		require.NoError(t, h.tok.RevokePresented(t.Context(), h.m.Token.Reveal()))
		require.Equal(t, append(before, event.TokenRevoked), kindsOf(h.untold("ada")))
	})
	t.Run("the owner's own", func(t *testing.T) {
		h := mints(t, false)
		require.NoError(t, h.tok.Revoke(t.Context(), h.user.StepUp(t), h.m.Info.ID))
		require.Equal(t, before, kindsOf(h.untold("ada")))
	})
	t.Run("of a robot", func(t *testing.T) {
		h := mints(t, false)
		op := h.tok.Operator(h.Operator("op"))
		require.NoError(t, op.CreateServiceAccount(t.Context(), "bot", "ada"))
		m, err := op.Mint(t.Context(), "bot", tokens.Request{Name: "bot", Scopes: h.scopes()})
		require.NoError(t, err)
		_, err = op.Rotate(t.Context(), m.Info.ID, tokens.Rotation{})
		require.NoError(t, err)
		_, err = h.tok.Check(t.Context(), m.Token.Reveal(), from)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.Empty(t, h.untold("bot"), "nobody reads what a robot is told")
		untold := h.untold("ada")
		require.Equal(t, append(before, event.ServiceTokenMinted, event.TokenReused, event.TokenRevoked), kindsOf(untold))
		require.Equal(t, "bot", untold[3].ServiceAccountID)
	})
	t.Run("faults", func(t *testing.T) {
		for _, method := range []string{"SaveAccount", "SaveToken"} {
			h := mints(t, false)
			old := h.rotated()
			h.Store.Inject(gatehousetest.On(method, gatehousetest.Fail))
			_, err := h.tok.Check(t.Context(), old, from)
			require.ErrorIs(t, err, gatehousetest.ErrFault)
			h.Store.Inject(nil)
			_, err = h.tok.Check(t.Context(), old, from)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
			untold := h.untold("ada")
			require.Equal(t, append(before, event.TokenReused, event.TokenRevoked), kindsOf(untold), "a repeat folds by the token")
			require.Equal(t, method == "SaveToken", untold[2].Count == 2)
		}
	})
}

// A token is ended also where its owner's account is too busy, or down, to keep a notice of it: the answer is that fault,
// an Observer hears of it at once, and the owner is told when the token is presented or revoked again.
func TestTokenOfABusyAccount(t *testing.T) {
	before := []event.Kind{event.AuthenticatorAdded, event.TokenMinted}
	leaked := []event.Kind{event.TokenReused, event.TokenRevoked}
	present := func(h *minted) error {
		_, err := h.tok.Check(context.Background(), h.old, from)
		return err
	}
	giveBack := func(h *minted) error { return h.tok.RevokePresented(context.Background(), h.old) }
	for name, c := range map[string]struct {
		end, again func(*minted) error
		want       []event.Kind
	}{
		"checked": {present, present, leaked},
		"rotates itself": {func(h *minted) error {
			_, err := h.tok.RotateSelf(context.Background(), h.old, from, tokens.Rotation{})
			return err
		}, present, leaked},
		"given back": {giveBack, giveBack, leaked[1:]},
		"by an operator": {func(h *minted) error {
			return h.tok.Operator(h.Operator("op")).Revoke(context.Background(), h.m.Info.ID)
		}, giveBack, leaked[1:]},
		"its holder hangs up": {func(h *minted) error {
			ctx, cancel := context.WithCancel(context.Background())
			h.Store.Inject(func(method string) gatehousetest.Fault {
				switch {
				case method != "LoadAccount":
					return gatehousetest.None
				case ctx.Err() != nil:
					return gatehousetest.Fail
				}
				cancel()
				return gatehousetest.Stall
			})
			_, err := h.tok.Check(ctx, h.old, from)
			return err
		}, present, leaked},
	} {
		for _, fault := range []gatehousetest.Fault{gatehousetest.Conflict, gatehousetest.Fail} {
			h := mints(t, false)
			h.old = h.rotated()
			_, err := h.tok.Check(t.Context(), h.successor, from)
			require.NoError(t, err)
			h.Store.Inject(gatehousetest.On("SaveAccount", fault))
			err = c.end(h)
			require.Error(t, err, name)
			require.NotErrorIs(t, err, gatehouse.ErrDenied, "what is not kept is a fault")
			h.Store.Inject(nil)
			require.Eventually(t, func() bool { return slices.Equal(c.want, h.seen(c.want)) }, time.Minute, time.Millisecond, name)
			_ = c.again(h)
			_ = c.again(h)
			waiting := h.waiting()
			_, err = h.tok.Check(t.Context(), h.successor, from)
			require.ErrorIs(t, err, gatehouse.ErrDenied, "%s: it has ended", name)
			untold := h.untold("ada")
			require.Len(t, untold, waiting, name)
			require.Equal(t, append(before, c.want...), kindsOf(untold), name)
			require.Equal(t, 1, max(untold[2].Count, 1), "once")
		}
	}
}

// What an owner must be told of a leak is not lost where the token is revoked next, or cannot be saved either.
func TestTokenOwedTwice(t *testing.T) {
	before := []event.Kind{event.AuthenticatorAdded, event.TokenMinted}
	present := func(h *minted) error {
		_, err := h.tok.Check(context.Background(), h.old, from)
		return err
	}
	giveBack := func(h *minted) error { return h.tok.RevokePresented(context.Background(), h.successor) }
	// failing fails each save of the account, and of the token too if it says so, with each load of that but the first.
	failing := func(token bool) func(string) gatehousetest.Fault {
		loads := 0
		return func(method string) gatehousetest.Fault {
			if method == "LoadToken" {
				loads++
			}
			if method == "SaveAccount" || token && (method == "SaveToken" || loads > 1) {
				return gatehousetest.Fail
			}
			return gatehousetest.None
		}
	}
	type step struct {
		do    func(*minted) error
		token bool
	}
	for name, c := range map[string]struct {
		steps []step
		last  func(*minted) error
		want  []event.Kind
	}{
		"revoked next": {[]step{{present, false}}, giveBack, []event.Kind{event.TokenReused, event.TokenRevoked}},
		"remembered, then the token fails": {
			[]step{{present, false}, {present, true}}, present, []event.Kind{event.TokenReused},
		},
		"the token fails at once": {[]step{{present, true}}, present, []event.Kind{event.TokenReused}},
		"its revocation fails": {
			[]step{{present, false}, {giveBack, true}}, present, []event.Kind{event.TokenReused},
		},
	} {
		h := mints(t, true)
		h.old = h.rotated()
		for _, s := range c.steps {
			h.Store.Inject(failing(s.token))
			require.ErrorIs(t, s.do(h), gatehousetest.ErrFault, name)
		}
		h.Store.Inject(nil)
		_ = c.last(h)
		untold := h.untold("ada")
		require.Equal(t, append(before, c.want...), kindsOf(untold), name)
		require.Equal(t, from.String(), untold[2].Address, name)
		require.Equal(t, 1, max(untold[2].Count, 1), name)
	}
}

// An answer costs one write, whether it must be told or not.
func TestCallsOfAnswer(t *testing.T) {
	for _, notices := range []bool{false, true} {
		svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices = notices })
		user := svc.Enroll(t, "ada")
		n, err := notify.New(svc.Service, notify.Config{})
		require.NoError(t, err)
		told := func() int {
			lag, err := n.Lag(t.Context())
			require.NoError(t, err)
			return lag.Notices
		}
		before := told()
		for code, want := range map[string]int{user.Code(): 0, user.RecoveryCodes[0].Reveal(): 1} {
			in, was := svc.Challenge(t, "ada"), told()
			calls := map[string]int{}
			svc.Store.Inject(func(method string) gatehousetest.Fault { calls[method]++; return gatehousetest.None })
			_, err := svc.Answer(t.Context(), gatehouse.Session{Account: "ada"}, in.Token.Reveal(), code)
			require.NoError(t, err)
			require.Equal(t, map[string]int{"LoadAccount": 1 + want, "SaveAccount": 1}, calls, "after Argon2id it is loaded again")
			svc.Store.Inject(nil)
			if !notices {
				want = 0
			}
			require.Equal(t, was+want, told())
		}
		require.Equal(t, notices, before == 1)
	}
}
