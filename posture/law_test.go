package posture_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// draw is facts, and policies to judge them by, drawn at random.
type draw struct{ *rand.Rand }

func (d draw) yes() bool { return d.IntN(2) == 0 }

func (d draw) ago() time.Time {
	if d.yes() {
		return time.Time{}
	}
	return ago(time.Duration(d.IntN(200*24)) * time.Hour)
}

func pick[T any](d draw, of ...T) T { return of[d.IntN(len(of))] }

func (d draw) facts() posture.Facts {
	f := posture.Facts{
		Account: gatehouse.Account{
			CodeUseUnseen: d.ago(), ServiceUnseen: d.ago(), Reset: pick(d, nil, &gatehouse.Reset{At: now}), KeysCurrent: d.yes(),
			TOTP: pick(d, available, locked, disabled), RecoveryCode: pick(d, available, locked),
		},
		TokensKnown: d.IntN(4) > 0,
		Host: posture.Host{
			At: pick(d, now, now, now, ago(25*time.Hour), time.Time{}), Since: d.ago(), Plan: pick(d, "", "free", "pro"),
			EmailVerified: pick(d, posture.Unknown, posture.Yes, posture.No),
			Answers:       map[string]posture.Answer{"own": pick(d, posture.Unknown, posture.Yes, posture.No)},
		},
	}
	if d.yes() {
		f.Host.Delegated = &posture.Delegation{Provider: "idp", AMR: pick(d, nil, []string{"mfa"}, []string{"otp"}, []string{"pwd", "hwk"})}
	}
	for i := range d.IntN(3) {
		a := gatehouse.Authenticator{ID: fmt.Sprint("A", i), Kind: event.MethodTOTP, Weak: d.yes()}
		if d.yes() {
			a = gatehouse.Authenticator{ID: a.ID, Kind: event.MethodPasskey, PhishingResistant: true}
		}
		f.Account.Authenticators = append(f.Account.Authenticators, a)
	}
	f.Account.Passkey = available
	if d.yes() {
		f.Account.RecoveryCodes = gatehouse.RecoverySet{Total: 10, Left: d.IntN(11), Acknowledged: d.ago()}
	}
	for i := range d.IntN(3) {
		f.Tokens = append(f.Tokens, tokens.Info{
			ID: fmt.Sprint("T", i), State: pick(d, tokens.StateActive, tokens.StateNeedsSecondFactor), Created: ago(1000 * time.Hour), LastUsed: d.ago(),
			Expires: pick(d, time.Time{}, now.Add(time.Hour), now.Add(60*day)), Unused: pick(d, nil, tokens.Scopes{"a:b"}), SecondFactor: d.yes(),
		})
	}
	for _, id := range builtin {
		if d.IntN(8) == 0 {
			f.Account.AcceptedRisks = append(f.Account.AcceptedRisks, gatehouse.AcceptedRisk{Control: id, Operator: "op", Reason: "why"})
		}
	}
	return f
}

// policy has a gate for each control, and one for every other demand.
func (d draw) policy(t testing.TB) *posture.Policy {
	t.Helper()
	own := func(id string, reads posture.Evidence, pass func(posture.Facts) posture.Answer) posture.Control {
		c := ownControl(func(f posture.Facts, _ time.Time) posture.Result {
			state := map[posture.Answer]posture.State{posture.Yes: posture.Pass, posture.No: posture.Fail}[pass(f)]
			return posture.Result{State: state, Reason: "So it is."}
		})
		c.ID, c.Reads, c.Severity = id, reads, posture.Severity(d.IntN(4))
		return c
	}
	few := func(f posture.Facts) posture.Answer {
		switch {
		case !f.TokensKnown:
			return posture.Unknown
		case len(f.Tokens) < 2:
			return posture.Yes
		}
		return posture.No
	}
	c := posture.ModelConfig{Passkeys: true, Adjust: map[string]func(string) posture.Adjustment{}, Controls: []posture.Control{
		own("own-host", posture.HostEvidence, func(f posture.Facts) posture.Answer { return f.Host.Answers["own"] }),
		own("own-tokens", posture.TokenEvidence, few),
		own("own-both", posture.AllEvidence, func(f posture.Facts) posture.Answer { return min(f.Host.Answers["own"], few(f)) }),
		own("own-account", posture.AccountEvidence, func(f posture.Facts) posture.Answer {
			if len(f.Account.Authenticators) == 1 {
				return posture.Yes
			}
			return posture.No
		}),
	}}
	controls := append(slices.Clone(builtin), "own-host", "own-tokens", "own-both", "own-account")
	for _, id := range controls {
		if d.IntN(4) == 0 {
			hide, lock := pick(d, "", "free", "pro"), pick(d, "", "free", "pro")
			c.Adjust[id] = func(plan string) posture.Adjustment {
				a := posture.Adjustment{Hide: plan == hide}
				if plan == lock {
					a.LockedBy = "another plan"
				}
				return a
			}
		}
	}
	if c.Passkeys = d.IntN(4) != 0; c.Passkeys && d.yes() {
		c.RequirePhishingResistant = func(_ string, h posture.Host) posture.Answer { return h.Answers["own"] }
	}
	gate := func(g posture.Gate) posture.Gate {
		g.SecondFactor, g.PhishingResistant = d.yes(), d.IntN(4) == 0
		if d.IntN(3) == 0 {
			g.MaxAge = time.Minute
		}
		if d.IntN(3) == 0 {
			g.Grace = posture.Grace{Before: ago(50 * day), Until: pick(d, now.Add(day), ago(day))}
		}
		return g
	}
	var gates []posture.Gate
	for _, id := range controls {
		gates = append(gates, gate(posture.Gate{Action: "of-" + id, Controls: []string{id}}))
	}
	for level := range 3 {
		gates = append(gates, gate(posture.Gate{Action: fmt.Sprint("level-", level+1), Level: level + 1, Controls: pick(d, nil, []string{posture.MethodsOpen})}))
	}
	gates = append(gates, posture.Gate{Action: "fresh", MaxAge: time.Minute}, posture.Gate{Action: "factor", SecondFactor: true},
		posture.Gate{Action: "resistant", PhishingResistant: true})
	return policyOf(t, c, gates...)
}

func (d draw) proof() posture.Proof {
	p := posture.Proof{At: pick(d, now, now, ago(time.Hour), time.Time{}), SecondFactor: d.yes()}
	p.PhishingResistant = p.SecondFactor && d.yes()
	return p
}

// hide takes one piece of evidence away. To say that the host itself signs the owner in, or that there is no plan, is
// evidence too: it goes only with all that the host knows.
func (d draw) hide(f posture.Facts) (what string, hidden posture.Facts) {
	hidden = f
	hidden.Host.Answers = maps.Clone(f.Host.Answers)
	switch d.IntN(8) {
	case 0:
		hidden.Host = posture.Host{}
		return "all that the host knows", hidden
	case 1:
		hidden.Host = posture.Host{Plan: f.Host.Plan}
		return "all that the host knows but the plan", hidden
	case 2:
		hidden.Host.At = ago(25 * time.Hour)
		if f.Host.At.IsZero() {
			hidden.Host.At = time.Time{}
		}
		return "that it is fresh", hidden
	case 3:
		hidden.Host.EmailVerified = posture.Unknown
		return "the address", hidden
	case 4:
		if f.Host.Delegated != nil {
			hidden.Host.Delegated = &posture.Delegation{Provider: "idp"}
		}
		return "how the provider signs in", hidden
	case 5:
		hidden.Host.Since = time.Time{}
		return "since when", hidden
	case 6:
		delete(hidden.Host.Answers, "own")
		return "the host's answer", hidden
	}
	hidden.TokensKnown = false
	return "the tokens", hidden
}

// Row F10: to hide evidence, whichever and in whatever order, lifts neither score nor level, and opens no gate.
func TestHidingEvidenceNeverHelps(t *testing.T) {
	for seed := range uint64(600) {
		d := draw{rand.New(rand.NewPCG(seed, 1))}
		p, f := d.policy(t), d.facts()
		for range 3 {
			what, less := d.hide(f)
			proof := d.proof()
			full, hidden := p.Review(f, now), p.Review(less, now)
			require.LessOrEqual(t, hidden.Score, full.Score, "%s, seed %d", what, seed)
			require.LessOrEqual(t, hidden.Raw, full.Raw, "%s, seed %d", what, seed)
			require.LessOrEqual(t, hidden.Level, full.Level, "%s, seed %d", what, seed)
			for _, action := range p.Actions() {
				was, is := p.Decide(action, full.Report, f, proof, now), p.Decide(action, hidden.Report, less, proof, now)
				require.False(t, is.Open && !was.Open, "%s opens %s, seed %d: %+v", what, action, seed, was)
				require.False(t, is.ProofIsEnough() && !was.Open && !was.ProofIsEnough(), "%s, seed %d: another proof is enough for %s", what, seed, action)
			}
			f = less
		}
	}
}

// Rows K7 and F10: a gate is decided in the same way without the evidence that it does not need.
func TestNeedsAreEnough(t *testing.T) {
	saved := map[posture.Evidence]int{}
	for seed := range uint64(300) {
		d := draw{rand.New(rand.NewPCG(seed, 2))}
		p, f := d.policy(t), d.facts()
		account := f
		account.Host, account.Tokens, account.TokensKnown = posture.Host{}, nil, false
		for _, action := range p.Actions() {
			needs := p.Needs(action, account, now)
			less := account
			if needs.Has(posture.HostEvidence) {
				less.Host = f.Host
			}
			if needs.Has(posture.TokenEvidence) {
				less.Tokens, less.TokensKnown = f.Tokens, f.TokensKnown
			}
			proof := d.proof()
			require.Equal(t, decide(p, action, f, proof, now), decide(p, action, less, proof, now), "%s, seed %d", action, seed)
			saved[needs]++
		}
	}
	for needs := range posture.TokenEvidence {
		require.Positive(t, saved[posture.AccountEvidence|needs<<1&(posture.HostEvidence|posture.TokenEvidence)], "all kinds of needs were drawn")
	}
}

func TestNeeds(t *testing.T) {
	p := policyOf(t, *adjusted(posture.KeysCurrent, posture.Adjustment{}),
		posture.Gate{Action: "factor", Controls: []string{posture.SecondFactor}, SecondFactor: true},
		posture.Gate{Action: "level", Level: 1},
		posture.Gate{Action: "fresh", MaxAge: time.Minute},
		posture.Gate{Action: "methods", Controls: []string{posture.MethodsOpen, posture.RecoveryUseSeen}},
		posture.Gate{Action: "address", Controls: []string{posture.EmailVerified}},
		posture.Gate{Action: "tokens", Controls: []string{posture.TokensUsed}},
		posture.Gate{Action: "plan", Controls: []string{posture.KeysCurrent}},
		posture.Gate{Action: "grace", Controls: []string{posture.MethodsOpen}, Grace: posture.Grace{Before: now, Until: now.Add(time.Second)}},
		posture.Gate{Action: "past", Controls: []string{posture.MethodsOpen}, Grace: posture.Grace{Before: now, Until: now}},
	)
	with, without := good(), bare()
	for action, want := range map[string][2][2]bool{ // with an authenticator and without: the host, the tokens
		"factor": {{false, false}, {true, false}}, "level": {{false, false}, {true, false}}, "fresh": {}, "methods": {},
		"address": {{true, false}, {true, false}}, "tokens": {{false, true}, {false, true}}, "plan": {{true, false}, {true, false}},
		"grace": {{true, false}, {true, false}}, "past": {}, "no such action": {},
	} {
		for i, f := range []posture.Facts{with, without} {
			needs := p.Needs(action, f, now)
			require.Equal(t, want[i], [2]bool{needs.Has(posture.HostEvidence), needs.Has(posture.TokenEvidence)}, "%s %d", action, i)
		}
	}
	// Whose answer needs no host once there is an authenticator.
	for _, id := range builtin {
		p := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "act", Controls: []string{id}})
		codes := strings.HasPrefix(id, "recovery-codes") || id == posture.SecondFactor || id == posture.SecondAuthenticator || id == posture.TokensSecondFactor ||
			id == posture.PhishingResistant
		for i, f := range []posture.Facts{with, without} {
			needs := p.Needs("act", f, now)
			require.Equal(t, id == posture.EmailVerified || codes && i == 1, needs.Has(posture.HostEvidence), "%s %d", id, i)
			require.Equal(t, strings.HasPrefix(id, "tokens-"), needs.Has(posture.TokenEvidence), "%s %d", id, i)
		}
	}
	require.True(t, posture.AllEvidence.Has(posture.HostEvidence))
	require.True(t, posture.AllEvidence.Has(posture.TokenEvidence))
	require.False(t, posture.AccountEvidence.Has(posture.HostEvidence))
}

// A check sees the evidence that it says it reads, and no other, in a review as well as at a gate.
func TestChecksSeeWhatTheyRead(t *testing.T) {
	for reads, want := range map[posture.Evidence][2]bool{
		posture.AllEvidence: {true, true}, posture.AccountEvidence: {}, posture.HostEvidence: {true, false},
		posture.TokenEvidence: {false, true}, posture.HostEvidence | posture.TokenEvidence: {true, true},
		posture.AccountEvidence | posture.HostEvidence: {true, false}, posture.AccountEvidence | posture.HostEvidence | posture.TokenEvidence: {true, true},
	} {
		var seen [2]bool
		c := ownControl(func(f posture.Facts, _ time.Time) posture.Result {
			require.Equal(t, good().Account.Authenticators, f.Account.Authenticators)
			require.Equal(t, f.TokensKnown, len(f.Tokens) > 0)
			seen = [2]bool{f.Host.EmailVerified == posture.Yes, f.TokensKnown}
			return posture.Result{}
		})
		c.Reads = reads
		policyOf(t, posture.ModelConfig{Controls: []posture.Control{c}}).Review(good(), now)
		require.Equal(t, want, seen, "%b", reads)
	}
}

// Row F10: what is not known is neither an empty plan nor a host that signs its owners in.
func TestUnknownHost(t *testing.T) {
	p := policyOf(t, *adjusted(posture.MethodsOpen, posture.Adjustment{Hide: true}), posture.Gate{Action: "act", Controls: []string{posture.MethodsOpen}})
	state := func(f posture.Facts, control string) string {
		finding, shown := p.Review(f, now).Find(control)
		if !shown {
			return "hidden"
		}
		return finding.State.String() + ". " + finding.Reason
	}
	const factor, plan = "unknown. We do not know who signs you in.", "unknown. We do not know your plan."
	for _, c := range []struct {
		name         string
		host         posture.Host
		factor, plan string
	}{
		{"nothing is known", posture.Host{}, factor, plan},
		{"nothing but the plan", posture.Host{Plan: "pro"}, factor, "hidden"},
		{"nothing but the provider", posture.Host{Delegated: &posture.Delegation{AMR: []string{"mfa"}}},
			"unknown. Your identity provider does not say whether it asks for a second factor.", plan},
		{"there is neither", posture.Host{At: now}, "fail. Anyone who learns your password can sign in as you.", "hidden"},
		{"there was neither", posture.Host{At: ago(25 * time.Hour)}, "fail. Anyone who learns your password can sign in as you.", "hidden"},
	} {
		f := bare()
		f.Host = c.host
		require.Equal(t, c.factor, state(f, posture.SecondFactor), c.name)
		require.Equal(t, c.plan, state(f, posture.MethodsOpen), c.name)
		for _, id := range []string{posture.RecoveryCodesExist, posture.RecoveryCodesSaved, posture.RecoveryCodesLeft, posture.SecondAuthenticator} {
			require.Equal(t, c.factor[:7] == "unknown", state(f, id)[:7] == "unknown", "%s: %s", c.name, id)
		}
		require.False(t, decide(p, "act", f, posture.Proof{}, now).Open, c.name)
		f.Account.Authenticators = good().Account.Authenticators
		require.Equal(t, "pass. Signing in takes your password and a code from your authenticator app.", state(f, posture.SecondFactor), c.name)
	}
}
