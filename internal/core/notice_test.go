package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// told are the kinds of which owners are told, by what comes of one such event.
var told = []event.Kind{
	event.AuthenticatorAdded, event.AuthenticatorRemoved, event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.RecoveryCodesLow, event.TwoFactorOff,
	event.MethodLocked, event.ManyFailures, event.PasskeySuspect, event.NewBrowser, event.AccountReset, event.OperatorCodeUsed, event.AccountSuspended, event.AccountResumed,
	event.AccountRestored, event.TokenMinted, event.TokenReused, event.TokenRevoked, event.ServiceTokenMinted,
}

// noticed is an environment in which notices are kept.
func (w *walker) noticed() core.Env {
	env := w.env(totp.DefaultWindow())
	env.Client = core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}
	for i := range env.Notices {
		env.Notices[i] = byte(w.IntN(256))
	}
	env.Notices[0] |= 1
	return env
}

// outbox is what a model knows of notices: how many events each stands for.
type outbox struct {
	t     *testing.T
	owed  map[string]int // by kind and token
	heard map[string]int // by a drainer
	seen  map[core.NoticeID]core.Event
}

// Whatever happens, in whatever order, and whatever a drainer takes out meanwhile: each event is told, or counted in a
// notice that is, there are at most three of a kind and one of a token in 8 KiB, and no notice changes under its ID.
func TestOutbox(t *testing.T) {
	folded, squeezed := 0, 0
	walk(t, 20, func(w *walker) {
		a := core.Account{ID: "user-42"}.Create(w.noticed())
		t := w.t
		m := outbox{t, map[string]int{}, map[string]int{}, map[core.NoticeID]core.Event{}}
		long := w.IntN(2) == 0
		var last core.NoticeID
		for range 400 {
			w.now = w.now.Add(time.Duration(w.Int64N(1800)-600) * time.Second)
			env := w.noticed()
			if w.IntN(12) == 0 {
				a = m.drained(w, a, env)
				continue
			}
			kind := told[w.IntN(len(told))]
			e := core.Event{Kind: kind, At: w.now.Unix() - w.Int64N(7200), Auth: "A", Name: "Phone", Left: w.IntN(3)}
			if strings.HasPrefix(string(kind), "token.") {
				e.Token = fmt.Sprint("T", w.IntN(5))
			}
			if long {
				e.Auth, e.Name, e.Operator, e.Detail = strings.Repeat("a", 64), strings.Repeat("n", 64), strings.Repeat("o", 64), strings.Repeat("d", 200)
			}
			if kind == event.ServiceTokenMinted && long {
				e.Service = strings.Repeat("s", 255)
			}
			if kind == event.AccountRestored {
				a.Reset = &core.Reset{Code: core.Slot{Selector: "Z", Used: 1}}
			}
			before := snapshot(t, a)
			next := a.Owe(e, env)
			require.Equal(t, before, snapshot(t, a), "the account it was called on")
			m.owed[string(kind)]++
			m.holds(next, env)
			newest := next.Notices[len(next.Notices)-1]
			require.Equal(t, kind, newest.Kind, "the latest is the last")
			require.NotEqual(t, last, newest.ID)
			require.GreaterOrEqual(t, newest.At, e.At, "the latest, also where an older one is kept late")
			require.True(t, newest.Count <= 1 || newest.First <= e.At, "the first")
			if last = newest.ID; newest.Count > 1 {
				folded++
			}
			if long && slices.ContainsFunc(next.Notices, func(n core.Notice) bool { return n.Detail == "" }) {
				squeezed++
			}
			a = next
		}
		for len(a.Notices) > 0 {
			w.now = w.now.Add(time.Hour)
			a = m.drained(w, a, w.noticed())
		}
		require.Equal(t, m.owed[string(event.ManyFailures)] > 0, m.heard[string(event.ManyFailures)] > 0)
		m.owed[string(event.ManyFailures)] = m.heard[string(event.ManyFailures)] // its Count is one of codes
		require.Equal(t, m.owed, m.heard, "all of it is told, and nothing else")
	})
	require.NotZero(t, folded)
	require.NotZero(t, squeezed)
}

// drained has a drainer deliver some of what waits, and perhaps die before it says so.
func (m *outbox) drained(w *walker, a core.Account, env core.Env) core.Account {
	held, ok := a.HoldNotices(90, env)
	if !ok {
		return a
	}
	_, again := held.HoldNotices(90, env)
	require.False(m.t, again, "somebody else has it")
	env.Now = env.Now.Add(90 * time.Second)
	_, again = held.HoldNotices(90, env)
	require.True(m.t, again, "who has held it may be gone")
	env.Now = env.Now.Add(-90*time.Second - time.Hour)
	_, again = held.HoldNotices(90, env)
	require.True(m.t, again, "a clock that was ahead holds nothing up")
	if w.IntN(4) == 0 {
		return held
	}
	var ids []core.NoticeID
	for _, n := range held.Notices[:w.IntN(len(held.Notices)+1)] {
		ids = append(ids, n.ID)
		m.heard[string(n.Kind)] += max(n.Count, 1)
	}
	next := held.NoticesTold(ids, held.NoticesHeld)
	m.holds(next, env)
	return next
}

// holds checks what holds of the notices of an account.
func (m *outbox) holds(a core.Account, env core.Env) {
	t := m.t
	data, err := a.Encode()
	require.NoError(t, err)
	again, err := core.Decode(a.ID, data)
	require.NoError(t, err)
	require.Equal(t, a.Notices, again.Notices)
	empty := a
	empty.Notices, empty.NoticesHeld = nil, 0
	without, err := empty.Encode()
	require.NoError(t, err)
	require.LessOrEqual(t, len(data)-len(without), 8<<10)
	kinds, byToken := map[event.Kind]int{}, map[string]bool{}
	for _, n := range a.Notices {
		kinds[n.Kind]++
		require.LessOrEqual(t, kinds[n.Kind], 3)
		require.False(t, n.Token != "" && byToken[string(n.Kind)+n.Token], "one of a token")
		byToken[string(n.Kind)+n.Token] = true
		was, known := m.seen[n.ID]
		n.Detail, was.Detail = "", "" // which may be left out later
		require.True(t, !known || was == n.Event, "%v has become %v under the same ID", was, n.Event)
		m.seen[n.ID] = n.Event
	}
	require.Equal(t, len(a.Notices) == 0, a.Index(env.Window).Unsent.IsZero(), "a drainer finds it")
}

// Owners are told just these, where notices are on, and not of what has become of a robot.
func TestOwed(t *testing.T) {
	w := &walker{t: t, now: start}
	for _, kind := range event.Kinds() {
		a, _ := w.account(1)
		e := core.Event{Kind: kind, Name: "x"}
		require.Empty(t, a.Owe(e, core.Env{Now: start, Fresh: 1}).Notices, "notices are off")
		env := core.Env{Now: start, Fresh: 1, Notices: core.NoticeID{1}}
		require.Equal(t, slices.Contains(told, kind), len(a.Owe(e, env).Notices) == 1, kind)
		require.Empty(t, core.Account{ID: "bot", ServiceOf: "acme"}.Owe(e, env).Notices, kind)
	}
	bare := core.Account{ID: "u"}.Create(core.Env{Fresh: 1})
	require.Empty(t, bare.Restored(by, false, false, core.Env{Now: start, Fresh: 1, Notices: core.NoticeID{1}}).Notices, "it has no factor that a restore has touched")
}

// Each transition that must be told is, in the account that is saved, with who and from where.
func TestTransitionsOwe(t *testing.T) {
	w := &walker{t: t, now: start}
	env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow(), Notices: core.NoticeID{7, 15: 255}, Client: core.Client{Address: "\xcb\x00\x71\x18"}}
	a, keys := w.account(2)
	a.Recovery = newSet("SET")
	proof := core.Presented{Proof: core.Proof{Account: a.ID, Kind: core.SecondFactor, At: start.Unix(), Epoch: a.Epoch}}
	kinds := func(next core.Account, err error) (out []event.Kind) {
		t.Helper()
		require.NoError(t, err)
		ids := map[core.NoticeID]bool{}
		for _, n := range next.Notices {
			require.False(t, ids[n.ID])
			ids[n.ID] = true
			require.Equal(t, start.Unix(), n.At)
			require.Equal(t, n.Operator == "", n.Client == env.Client, "where support sits is not told")
			if next.Noted > 20 { // some of them have gone
				out = append(out, n.Kind)
				continue
			}
			i := slices.IndexFunc(next.Activity, func(e core.Event) bool { return e.Number == n.Number })
			require.GreaterOrEqual(t, i, 0, "the entry that is meant")
			require.Equal(t, n.Kind, next.Activity[i].Kind)
			out = append(out, n.Kind)
		}
		return out
	}
	owner := func(a core.Account, _ core.Proof, err error) (core.Account, error) { return a, err }
	require.Equal(t, []event.Kind{event.AuthenticatorRemoved}, kinds(owner(a.Remove(proof, a.Authenticators[0].ID, env))))
	require.Equal(t, []event.Kind{event.TwoFactorOff}, kinds(owner(a.Disable(proof, env))))
	require.Equal(t, []event.Kind{event.RecoveryCodesRegenerated}, kinds(owner(a.Regenerate(proof, newSet("S2"), env))))
	require.Equal(t, []event.Kind{event.AccountSuspended}, kinds(a.Suspend(by, env), nil))
	require.Equal(t, []event.Kind{event.AccountSuspended, event.AccountResumed}, kinds(a.Suspend(by, env).Resume(by, env), nil))
	require.Equal(t, []event.Kind{event.AccountRestored}, kinds(a.Restored(by, false, false, env), nil))

	p := core.Pending{Authenticator: newAuthenticator("A9"), Replace: a.Authenticators[0].ID}
	begun, err := a.Begin(proof, p, env)
	require.NoError(t, err)
	require.Empty(t, begun.Notices)
	key := totp.Key{Secret: totp.GenerateSecret()}
	code, err := key.Code(totp.Step(start))
	require.NoError(t, err)
	require.Equal(t, []event.Kind{event.AuthenticatorRemoved, event.AuthenticatorAdded}, kinds(owner(begun.Confirm(proof, "A9", code, key, env))))

	reset, err := a.Resets(by, core.Slot{Selector: "Z", Hash: "h"}, env)
	require.Equal(t, []event.Kind{event.AccountReset}, kinds(reset, err))
	used, _, err := reset.Answer(core.Attempt{Method: event.MethodOperatorCode, Selector: 'Z', Tried: map[core.Hash]bool{"h": true}}, env)
	require.Equal(t, event.OperatorCodeUsed, kinds(used, err)[1])

	low := a
	for i := range 8 {
		hash := low.Recovery.Slots[i].Hash
		low, _, err = low.Answer(core.Attempt{Method: event.MethodRecoveryCode, Selector: low.Recovery.Slots[i].Selector[0], Tried: map[core.Hash]bool{hash: true}}, env)
		require.NoError(t, err)
		require.Equal(t, min(i+1, 3), len(slices.DeleteFunc(slices.Clone(low.Notices), func(n core.Notice) bool { return n.Kind != event.RecoveryCodeUsed })))
	}
	require.Equal(t, []event.Kind{event.RecoveryCodeUsed, event.RecoveryCodeUsed, event.RecoveryCodeUsed, event.RecoveryCodesLow}, kinds(low, nil))
	require.Equal(t, 6, low.Notices[2].Count, "the newest counts the rest")
	require.Equal(t, 2, low.Notices[3].Left)

	guessed := a
	for range 26 {
		guessed, _, err = guessed.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys}, env)
		require.NoError(t, err)
		guessed.TOTPThrottle.Until = 0
	}
	require.Contains(t, kinds(guessed, nil), event.MethodLocked)
	require.Contains(t, kinds(guessed, nil), event.ManyFailures)

	minted, _, err := a.ChangeToken(proof, core.TokenChange{Kind: event.TokenMinted, Token: "T", Name: "ci", Daily: 9}, env)
	require.Equal(t, []event.Kind{event.TokenMinted}, kinds(minted, err))
	revoked, _, err := a.ChangeToken(proof, core.TokenChange{Kind: event.TokenRevoked, Token: "T", Name: "ci"}, env)
	require.Empty(t, kinds(revoked, err), "the owner's own doing")
	a.Services = []string{"bot"}
	served, err := a.ChangeServiceToken(by, "bot", core.TokenChange{Kind: event.TokenMinted, Token: "T"}, env)
	require.Equal(t, []event.Kind{event.ServiceTokenMinted}, kinds(served, err))
}
