package attack_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// Row F10: while the host does not answer, its plans lock and unlock nothing, an owner whom a provider signs in does
// not fail, and the account's history and its owner hear nothing of a fall that is the host's.
func TestUnknownHostThroughTheService(t *testing.T) {
	ctx := t.Context()
	events := &gatehousetest.Recorder{}
	f := &hostFacts{}
	p := policyOf(t, posture.ModelConfig{Adjust: map[string]func(string) posture.Adjustment{
		posture.MethodsOpen: func(plan string) posture.Adjustment {
			if plan == "free" {
				return posture.Adjustment{LockedBy: "Pro"}
			}
			return posture.Adjustment{}
		},
	}}, posture.Gate{Action: "methods", Controls: []string{posture.MethodsOpen}}, posture.Gate{Action: "factor", Controls: []string{posture.SecondFactor}})
	h := newHouse(t, withTokens(t), judged(t, p, f), observed(events))
	answers := posture.Host{Plan: "free", EmailVerified: posture.Yes, Delegated: &posture.Delegation{Provider: "idp", AMR: []string{"mfa"}}}
	f.do = func() { f.host = answers; f.host.At = h.clock() }
	proof := h.vouch("user-42")

	full := h.review("user-42")
	require.Equal(t, []any{posture.Locked, posture.Delegated}, []any{state(full, posture.MethodsOpen), state(full, posture.SecondFactor)})
	require.NoError(t, h.Require(ctx, proof, "factor"))
	require.Error(t, h.Require(ctx, proof, "methods"), "it is sold")
	history := must(h.History(ctx, "user-42"))
	require.NotEmpty(t, history)
	events.Take()

	f.err = errors.New("the host is on fire")
	r := h.review("user-42")
	for _, id := range []string{posture.MethodsOpen, posture.SecondFactor, posture.RecoveryCodesExist, posture.RecoveryCodesSaved, posture.RecoveryCodesLeft, posture.SecondAuthenticator} {
		require.Equal(t, posture.StateUnknown, state(r, id), id)
	}
	require.LessOrEqual(t, r.Score, full.Score)
	require.Empty(t, r.Next, "what is not known is nothing to do")
	for _, action := range []string{"factor", "methods"} {
		var gate *posture.GateError
		require.ErrorAs(t, h.Require(ctx, proof, action), &gate)
		require.Equal(t, posture.StateUnknown, gate.Unmet[0].State, action)
	}
	v := must(h.Preview(ctx, "user-42", planning("pro")))
	require.Empty(t, v.Closes)
	after, _ := v.After.Find(posture.MethodsOpen)
	require.Equal(t, posture.Pass, after.State, "a plan that is tried out is known")
	fleet := must(h.Operator("op").Fleet(ctx, posture.Summary{}, nil))
	require.Equal(t, map[posture.State]int{posture.StateUnknown: 1}, fleet.Controls[posture.SecondFactor])
	require.Equal(t, map[string]int{"factor": 1, "methods": 1}, fleet.ShutOut)
	require.Equal(t, history, must(h.History(ctx, "user-42")))
	require.Empty(t, events.Take())

	// What the account itself has lost meanwhile is seen by the next review that has an answer.
	f.err, answers.EmailVerified = nil, posture.No
	h.review("user-42")
	require.Len(t, must(h.History(ctx, "user-42")), len(history)+1)
	require.NotEmpty(t, events.Take())
}

// Without a HostFacts there is nothing to wait for: what Gatehouse knows itself is kept.
func TestHistoryWithoutHostFacts(t *testing.T) {
	h := newHouse(t, func(c *settings) { c.Posture = policyOf(t, posture.ModelConfig{}) })
	o := h.enroll("user-42")
	r := h.review(o.id)
	history := must(h.History(t.Context(), o.id))
	require.Equal(t, []int{r.Level, r.Score}, []int{history[len(history)-1].Level, history[len(history)-1].Score})
	require.Equal(t, posture.Fail, state(h.review("nobody"), posture.SecondFactor), "the password alone signs in, as no provider is known to")
	require.Zero(t, h.Stats())
}

// What is kept is of the account as it is saved, and not of what it was when it was looked at.
func TestHistoryOfAChangeMeanwhile(t *testing.T) {
	store := &faulty{Store: memory.New()}
	f := &hostFacts{host: posture.Host{At: begin, EmailVerified: posture.No}}
	h := houseOn(t, store, judged(t, policyOf(t, posture.ModelConfig{}), f))
	o := h.enroll("user-42")
	before := must(h.History(t.Context(), o.id))
	f.host.EmailVerified = posture.Yes // so there is something to keep
	looks := 0
	store.hook = func(_ int64, call string) (wrong fault) {
		if looks++; call == "load" && looks == 2 { // to keep what the review has found out
			store.hook = nil
			wrong.meanwhile = func() { h.tamper(o.id, func(a *accountData) { a.Recovery.Acknowledged = begin.Unix() }) }
		}
		return wrong
	}
	old := h.review(o.id)
	after := must(h.History(t.Context(), o.id))
	now := h.review(o.id)
	require.Less(t, old.Score, now.Score)
	require.Len(t, after, len(before)+1)
	require.Equal(t, now.Score, after[len(after)-1].Score)
}
