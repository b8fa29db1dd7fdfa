package attack_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// hostFacts is what the host of a test knows.
type hostFacts struct {
	host posture.Host
	err  error
	do   func()
}

func (f *hostFacts) ask(context.Context, string) (posture.Host, error) {
	if f.do != nil {
		f.do()
	}
	return f.host, f.err
}

var gates = []posture.Gate{
	{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
	{Action: posture.MintProductionToken, Level: 2},
	{Action: "deploy.public", Controls: []string{posture.SecondFactor, posture.EmailVerified}, MaxAge: 5 * time.Minute, SecondFactor: true},
	{Action: "members.invite", Controls: []string{posture.RecoveryCodesSaved}},
	{Action: "watched", Level: 3, ReportOnly: true},
}

func policyOf(t testing.TB, c posture.ModelConfig, gates ...posture.Gate) *posture.Policy {
	t.Helper()
	m, err := posture.NewModel(c)
	require.NoError(t, err)
	p, err := posture.NewPolicy(m, gates...)
	require.NoError(t, err)
	return p
}

// judged sets a policy, and what the host knows.
func judged(t testing.TB, p *posture.Policy, f *hostFacts) func(*settings) {
	t.Helper()
	return func(c *settings) { c.Posture, c.HostFacts = p, f.ask }
}

func judgedHouse(t testing.TB, edits ...func(*settings)) (*house, *hostFacts) {
	t.Helper()
	f := &hostFacts{host: posture.Host{EmailVerified: posture.Yes}}
	h := newHouse(t, append([]func(*settings){withTokens(t), judged(t, policyOf(t, posture.ModelConfig{}, gates...), f)}, edits...)...)
	f.do = func() { f.host.At = h.clock() }
	return h, f
}

func (h *house) review(id string) posture.Review {
	h.t.Helper()
	r, err := h.Review(context.Background(), id)
	require.NoError(h.t, err)
	return r
}

func state(r posture.Review, control string) posture.State {
	f, _ := r.Find(control)
	return f.State
}

// TestReview has what is stored of an account become the facts of a report.
func TestReview(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	r := h.review("user-42")
	require.Equal(t, 0, r.Level)
	require.Equal(t, posture.Fail, state(r, posture.SecondFactor))
	require.Equal(t, posture.Pass, state(r, posture.EmailVerified))
	require.Equal(t, posture.Pass, state(r, posture.TokensUsed), "there are none")
	require.LessOrEqual(t, r.Score, 39)
	require.Equal(t, posture.SecondFactor, r.Next[0].Control)

	o := h.enroll("user-42")
	r = h.review(o.id)
	require.Equal(t, 1, r.Level)
	require.Equal(t, posture.Fail, state(r, posture.RecoveryCodesSaved))
	require.NoError(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, must(h.Account(ctx, o.id)).RecoveryCodes.ID))
	require.Equal(t, posture.Pass, state(h.review(o.id), posture.RecoveryCodesSaved))

	o.second()
	r = h.review(o.id)
	require.Equal(t, posture.Pass, state(r, posture.SecondAuthenticator))
	require.Equal(t, 2, r.Level)

	_, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.RecoveryUseSeen))
	proof := o.fresh()
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.RecoveryUseSeen), "new codes do not hide the use of an old one")
	fresh, shown := o.fresh(), must(h.Activity(ctx, o.id))[0].Number
	require.NoError(t, h.Owner(fresh).ReviewActivity(ctx, shown))
	require.Equal(t, posture.Pass, state(h.review(o.id), posture.RecoveryUseSeen))

	text, _ := o.mint("logs:read projects:write", func(r *tokens.Request) { r.Lifetime = 300 * day })
	require.Equal(t, posture.Pass, state(h.review(o.id), posture.TokensNarrow), "it is young")
	h.good(text).Allows("logs:read", "")
	require.NoError(t, h.Close(ctx))
	h.wait(31 * day)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.TokensNarrow), "projects:write was never used")
	h.wait(70 * day)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.TokensUsed))
	h.wait(195 * day)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.TokensNotExpiring))
	h.wait(10 * day)
	require.Equal(t, posture.Pass, state(h.review(o.id), posture.TokensUsed), "an expired one is none")

	o.fails(6)
	require.Equal(t, posture.Partial, state(h.review(o.id), posture.MethodsOpen))
	_, err = h.Operator("op").Reset(ctx, o.id)
	require.NoError(t, err)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.SecondFactor))
}

// TestHostFactsFail: what the host cannot say is unknown, closes gates and lifts no score.
func TestHostFactsFail(t *testing.T) {
	ctx := context.Background()
	h, f := judgedHouse(t)
	o := h.enroll("user-42")
	proof := o.fresh()
	require.NoError(t, h.Require(ctx, proof, "deploy.public"))
	full := h.review(o.id)
	fresh := f.do
	stuck := make(chan struct{})
	defer close(stuck)
	for _, c := range []struct {
		what string
		fail func()
	}{
		{"an error", func() { f.err = errors.New("the host is on fire") }},
		{"a panic", func() { f.do = func() { panic("the host has lost its mind") } }},
		{"old", func() { f.do = func() { f.host.At = h.clock().Add(-25 * time.Hour) } }},
		// The last, as what hangs still has the facts in its hands.
		{"a hang", func() { f.do = func() { <-stuck } }},
	} {
		what := c.what
		f.err, f.do = nil, fresh
		c.fail()
		r := h.review(o.id)
		require.Equal(t, posture.StateUnknown, state(r, posture.EmailVerified), what)
		require.LessOrEqual(t, r.Score, full.Score, what)
		var gate *posture.GateError
		require.ErrorAs(t, h.Require(ctx, proof, "deploy.public"), &gate, what)
		require.Len(t, gate.Unmet, 1)
		require.Equal(t, posture.StateUnknown, gate.Unmet[0].State, "with its own reason")
	}
}

func TestRequire(t *testing.T) {
	ctx := context.Background()
	h, f := judgedHouse(t)
	require.ErrorIs(t, h.Require(ctx, h.vouch("user-42"), "nothing"), gatehouse.ErrInvalid)
	require.ErrorIs(t, h.Require(ctx, gatehouse.Proof{}, "deploy.public"), gatehouse.ErrStepUpRequired)

	closed := func(p gatehouse.Proof, action string) *posture.GateError {
		t.Helper()
		var gate *posture.GateError
		err := h.Require(ctx, p, action)
		require.ErrorAs(t, err, &gate)
		return gate
	}
	gate := closed(h.vouch("user-42"), "members.invite")
	require.Equal(t, []string{posture.RecoveryCodesSaved}, []string{gate.Unmet[0].ID})
	require.NotEmpty(t, gate.Unmet[0].Fix.Text)
	require.NotErrorIs(t, gate, gatehouse.ErrStepUpRequired, "another proof would not do")

	old := h.vouch("user-42")
	o := h.enroll("user-42")
	require.ErrorIs(t, h.Require(ctx, old, "members.invite"), gatehouse.ErrStepUpRequired, "ended")
	require.ErrorIs(t, h.Require(ctx, h.vouch(o.id), "members.invite"), gatehouse.ErrStepUpRequired, "the first factor alone")
	v, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err)
	require.ErrorIs(t, h.Require(ctx, v.Session.Proof, "deploy.public"), gatehouse.ErrStepUpRequired, "a recovery code")

	proof := o.fresh()
	require.NoError(t, h.Require(ctx, proof, "deploy.public"))
	require.NoError(t, h.Require(ctx, proof, "watched"), "it only reports")
	h.wait(5*time.Minute + time.Second)
	gate = closed(proof, "deploy.public")
	require.Equal(t, &posture.StepUp{MaxAge: 5 * time.Minute, SecondFactor: true}, gate.StepUp)
	require.ErrorIs(t, gate, gatehouse.ErrStepUpRequired, "told apart: another proof would do")
	f.host.EmailVerified = posture.No
	require.NotErrorIs(t, closed(proof, "deploy.public"), gatehouse.ErrStepUpRequired)
	f.host.EmailVerified = posture.Yes

	h.wait(24 * time.Hour)
	require.ErrorIs(t, h.Require(ctx, proof, "watched"), gatehouse.ErrStepUpRequired, "a day old")
	tied, err := h.StepUp(ctx, o.id, o.code(), "one")
	require.NoError(t, err)
	require.ErrorIs(t, h.Require(ctx, tied.Session.Proof, "watched"), gatehouse.ErrStepUpRequired)
	require.NoError(t, h.Require(ctx, tied.Session.Proof, "watched", "one"))
	require.NoError(t, h.Operator("op").Suspend(ctx, o.id))
	require.Error(t, h.Require(ctx, tied.Session.Proof, "watched", "one"))

	require.Error(t, h.Require(ctx, o.proof, "deploy.public"))
}

// TestCheckProof says who is there, for a day at most.
func TestCheckProof(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	check := func(p gatehouse.Proof, maxAge time.Duration, secret ...string) (gatehouse.ProofInfo, error) {
		return h.CheckProof(ctx, p, maxAge, secret...)
	}
	p := must(check(h.vouch("user-42"), 0))
	require.Equal(t, gatehouse.ProofInfo{AccountID: "user-42", Method: "pwd", At: h.clock(), AMR: []string{"pwd"}, AAL: 1}, p)
	o := h.enroll("user-42")
	proof := o.fresh()
	p = must(check(proof, time.Minute))
	require.Equal(t, gatehouse.ProofInfo{AccountID: "user-42", Method: "otp", At: h.clock(), SecondFactor: true, AMR: []string{"otp", "mfa"}, AAL: 2}, p)
	_, err := check(h.vouch(o.id), 0)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the first factor alone")
	_, err = check(proof, -1)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	h.wait(time.Minute + time.Second)
	_, err = check(proof, time.Minute)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	h.wait(23 * time.Hour)
	must(check(proof, 0))
	h.wait(time.Hour)
	for _, maxAge := range []time.Duration{0, 100 * day} {
		_, err = check(proof, maxAge)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a day")
	}
	proof = o.fresh()
	require.NoError(t, h.Operator("op").PasswordChanged(ctx, o.id, gatehouse.KeepTokens))
	_, err = check(proof, 0)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "ended")
}

func TestMintGates(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	var gate *posture.GateError
	plain := h.vouch("user-42")
	h.unchanged(func() {
		_, err := h.Owner(plain).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")})
		require.ErrorAs(t, err, &gate, "before protection is on")
		require.Equal(t, posture.MintToken, gate.Action)
	})
	o := h.enroll("user-42")
	text, _ := o.mint("logs:read")
	h.good(text)
	_, err := h.Owner(o.fresh()).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "deploys:production")})
	require.ErrorAs(t, err, &gate)
	require.Equal(t, []any{posture.MintProductionToken, 2}, []any{gate.Action, gate.Level})
}

func TestAcceptRisk(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	o := h.enroll("user-42")
	before := h.review(o.id)
	op := h.Operator("op-1").Because("a test account")
	require.ErrorIs(t, h.Operator("op-1").AcceptRisk(ctx, o.id, posture.RecoveryCodesSaved, time.Time{}), gatehouse.ErrInvalid, "without a reason")
	require.ErrorIs(t, op.AcceptRisk(ctx, o.id, "nothing", time.Time{}), gatehouse.ErrInvalid)
	require.ErrorIs(t, op.AcceptRisk(ctx, o.id, posture.RecoveryCodesSaved, h.clock()), gatehouse.ErrInvalid, "it has ended")
	until := h.clock().Add(day)
	require.NoError(t, op.AcceptRisk(ctx, o.id, posture.RecoveryCodesSaved, until))
	r := h.review(o.id)
	f, _ := r.Find(posture.RecoveryCodesSaved)
	require.Equal(t, posture.Accepted, f.State)
	require.Equal(t, &posture.Acceptance{Control: posture.RecoveryCodesSaved, By: "op-1", Why: "a test account", Until: until}, f.Accepted)
	require.Equal(t, before.Score, r.Score, "it goes on counting")
	require.Error(t, h.Require(ctx, o.fresh(), "members.invite"), "and keeps its gates closed")
	h.set(until)
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.RecoveryCodesSaved))
	require.NoError(t, op.AcceptRisk(ctx, o.id, posture.RecoveryCodesSaved, time.Time{}))
	require.NoError(t, op.WithdrawRisk(ctx, o.id, posture.RecoveryCodesSaved))
	require.NoError(t, op.WithdrawRisk(ctx, o.id, posture.RecoveryCodesSaved))
	require.Equal(t, posture.Fail, state(h.review(o.id), posture.RecoveryCodesSaved))
	activity := must(h.Activity(ctx, o.id))
	require.Equal(t, []any{event.RiskWithdrawn, posture.RecoveryCodesSaved}, []any{activity[0].Kind, activity[0].Control})
}

// TestHistory keeps levels and scores with what changed them, and tells a change of rules from one of the
// account's.
func TestHistory(t *testing.T) {
	ctx := context.Background()
	events := &gatehousetest.Recorder{}
	h, f := judgedHouse(t, observed(events))
	o := h.enroll("user-42")
	require.NoError(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, must(h.Account(ctx, o.id)).RecoveryCodes.ID))
	history := must(h.History(ctx, o.id))
	require.Equal(t, event.RecoveryCodesAcknowledged, history[len(history)-1].Cause)
	require.Equal(t, event.AuthenticatorAdded, history[len(history)-2].Cause)
	r := h.review(o.id)
	require.Equal(t, []int{r.Level, r.Score}, []int{history[len(history)-1].Level, history[len(history)-1].Score})
	require.Len(t, must(h.History(ctx, o.id)), len(history), "nothing new, nothing kept")

	f.host.EmailVerified = posture.No
	h.wait(time.Hour)
	r = h.review(o.id)
	history = must(h.History(ctx, o.id))
	require.Equal(t, posture.Snapshot{At: h.clock(), Model: r.Model, Level: r.Level, Score: r.Score}, history[len(history)-1])

	// Other rules: a host's own control that fails.
	events.Take()
	other := policyOf(t, posture.ModelConfig{Version: "2", Controls: []posture.Control{{
		ID: "sso", Title: "Single sign-on is on", Failing: "Single sign-on is off", Question: "Is it on?", Severity: posture.High,
		Fix: posture.Remediation{Title: "Turn it on", Text: "Turn it on."},
		Check: func(posture.Facts, time.Time) posture.Result {
			return posture.Result{State: posture.Fail, Reason: "It is off."}
		},
	}}}, gates...)
	h.edits = append(h.edits, judged(t, other, f))
	two := h.twin()
	two.review(o.id)
	var kinds []event.Kind
	for _, e := range events.Take() {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []event.Kind{event.PostureRules}, kinds)
	history = must(two.History(ctx, o.id))
	last := history[len(history)-1]
	require.Equal(t, "5/2", last.Model)
	require.Less(t, last.Score, r.Score)

	for range 12 { // few: each code has a chance in some hundred thousand to be one that was used
		_, err := two.Owner(o.stepUp(o.code())).RegenerateRecoveryCodes(ctx)
		require.NoError(t, err)
		require.NoError(t, two.Owner(o.stepUp(o.code(1))).AcknowledgeRecoveryCodes(ctx, must(two.Account(ctx, o.id)).RecoveryCodes.ID))
		h.wait(time.Minute)
	}
	require.LessOrEqual(t, len(must(two.History(ctx, o.id))), 10)
	require.Less(t, len(h.record(o.id).Data), 1536)

	_, err := h.Review(ctx, "nobody")
	require.NoError(t, err)
	require.Empty(t, must(h.History(ctx, "nobody")))
	_, err = h.store.LoadAccount(ctx, "nobody")
	require.Error(t, err, "a look makes no record")
}

// TestPreviewIsTheChange makes every change for real after it was tried out, on random accounts.
func TestPreviewIsTheChange(t *testing.T) {
	ctx := context.Background()
	random := rand.New(rand.NewPCG(6, 6))
	add := func(o *owner) error {
		if must(o.h.Account(ctx, o.id)).Protected {
			o.second()
		} else {
			*o = *o.h.enroll(o.id)
			set := must(o.h.Account(ctx, o.id)).RecoveryCodes.ID
			return o.h.Owner(o.fresh()).AcknowledgeRecoveryCodes(ctx, set)
		}
		return nil
	}
	for round := range 60 {
		h, f := judgedHouse(t)
		f.host.EmailVerified = posture.Answer(random.IntN(3))
		o := &owner{h: h, id: "user-42"}
		if random.IntN(4) > 0 {
			o = h.enroll("user-42")
			if random.IntN(2) == 0 {
				require.NoError(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, must(h.Account(ctx, o.id)).RecoveryCodes.ID))
			}
			for range random.IntN(3) {
				_, err := h.StepUp(ctx, o.id, o.codes[random.IntN(10)].Reveal())
				_ = err
			}
			for range random.IntN(3) {
				o.mint("logs:read")
			}
			if random.IntN(3) == 0 {
				require.NoError(t, add(o))
			}
			h.wait(time.Duration(random.IntN(40)) * day)
		} else {
			h.vouch(o.id)
		}
		st := must(h.Account(ctx, o.id))
		remove := "nothing"
		for _, auth := range st.Authenticators {
			if len(st.Authenticators) == 1 || auth.ID != o.auth { // the owner's own signs in
				remove = auth.ID
			}
		}
		for _, c := range []struct {
			name    string
			preview func(*posture.Trial) error
			make    func() error
		}{
			{"plan", planning("pro"), func() error { f.host.Plan = "pro"; return nil }},
			{"accept", accepting(posture.SecondAuthenticator, time.Time{}), func() error {
				return h.Operator("preview").Because("preview").AcceptRisk(ctx, o.id, posture.SecondAuthenticator, time.Time{})
			}},
			{"remove", removing(remove), func() error {
				_, err := h.Owner(o.fresh()).RemoveAuthenticator(ctx, remove)
				return err
			}},
			{"add", (*posture.Trial).AddAuthenticator, func() error { return add(o) }},
			{"regenerate", (*posture.Trial).RegenerateRecoveryCodes, func() error {
				got, err := h.Owner(o.fresh()).RegenerateRecoveryCodes(ctx)
				if err != nil {
					return err
				}
				return h.Owner(got.Proof).AcknowledgeRecoveryCodes(ctx, got.SetID)
			}},
			{"revoke", (*posture.Trial).RevokeTokens, func() error { return h.Operator("op").RevokeAll(ctx, o.id) }},
			{"turn off", (*posture.Trial).DisableTwoFactor, func() error {
				_, err := h.Owner(o.fresh()).DisableTwoFactor(ctx)
				return err
			}},
			{"add again", (*posture.Trial).AddAuthenticator, func() error { return add(o) }},
			{"reset", (*posture.Trial).Reset, func() error { _, err := h.Operator("op").Reset(ctx, o.id); return err }},
		} {
			what := fmt.Sprintf("round %d, %s", round, c.name)
			if random.IntN(3) == 0 && c.name != "add again" {
				continue
			}
			var p posture.Preview
			var refused error
			h.unchanged(func() { p, refused = h.Preview(ctx, "user-42", c.preview) }, what)
			err := c.make()
			require.Equal(t, refused == nil, err == nil, "%s: %v, %v", what, refused, err)
			if err != nil {
				require.True(t, errors.Is(refused, gatehouse.ErrPrecondition) || errors.Is(refused, gatehouse.ErrNotFound), what)
				require.Equal(t, errors.Is(err, gatehouse.ErrNotFound), errors.Is(refused, gatehouse.ErrNotFound), what)
				continue
			}
			got := h.review("user-42")
			for _, finding := range got.Findings {
				after, _ := p.After.Find(finding.ID)
				require.Equal(t, finding.State, after.State, "%s: %s", what, finding.ID)
			}
			require.Equal(t, []int{got.Level, got.Score, got.Raw}, []int{p.After.Level, p.After.Score, p.After.Raw}, what)
			require.Equal(t, len(got.Gates), len(p.After.Gates))
			for i, d := range got.Gates {
				require.Equal(t, d.Open, p.After.Gates[i].Open, "%s: %s", what, d.Action)
			}
		}
	}
}

// TestPreviewWarns before a lock-out.
func TestPreviewWarns(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	o := h.enroll("user-42")
	_, info := o.mint("logs:read")
	p := must(h.Preview(ctx, o.id, (*posture.Trial).DisableTwoFactor))
	require.Equal(t, []string{info.ID}, []string{p.Suspends[0].ID})
	require.Contains(t, p.Closes, posture.MintToken)
	require.NotEmpty(t, p.Warnings)
	require.Less(t, p.After.Score, p.Before.Score)
	p = must(h.Preview(ctx, o.id, (*posture.Trial).AddAuthenticator))
	require.Contains(t, p.WaysBack, posture.WayBack{Method: event.MethodTOTP, Count: 1})
	p = must(h.Preview(ctx, o.id, (*posture.Trial).DisableTwoFactor, (*posture.Trial).AddAuthenticator))
	require.Empty(t, p.Suspends, "and on again: the token works as before")
	_, err := h.Preview(ctx, o.id, removing("nothing"))
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	require.Empty(t, must(h.Preview(ctx, o.id)).Flips)
}

func TestFleet(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	for i := range 30 {
		id := fmt.Sprintf("user-%02d", i)
		if i%3 == 0 {
			h.enroll(id)
		} else {
			h.vouch(id)
		}
	}
	h.put("user-99", []byte("{}"))
	all, err := h.Operator("op").Fleet(ctx, posture.Summary{}, nil)
	require.NoError(t, err)
	require.Equal(t, h.review("user-00").Model, all.Model)
	require.Equal(t, []any{31, 1, [4]int{20, 10, 0, 0}, 20}, []any{all.Accounts, all.Failed, all.Levels, all.ShutOut[posture.MintToken]})
	require.Equal(t, 30, all.ShutOut["watched"], "as if it were enforced")
	require.Equal(t, map[posture.State]int{posture.Pass: 10, posture.Fail: 20}, all.Controls[posture.SecondFactor])
	scores := 0
	for _, n := range all.Scores {
		scores += n
	}
	require.Equal(t, 30, scores)

	// Cut off and resumed.
	cut, cancel := context.WithCancel(ctx)
	part, err := h.Operator("op").Fleet(cut, posture.Summary{}, func(f posture.Summary) {
		if f.Accounts == 13 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 13, part.Accounts)
	rest, err := h.Operator("op").Fleet(ctx, part, nil)
	require.NoError(t, err)
	require.Equal(t, all, rest)
	_, err = h.Operator("op").Fleet(ctx, posture.Summary{Model: "0"}, nil)
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "begun under other rules")

	var out []string
	for after := ""; ; {
		page, err := h.Operator("op").ShutOut(ctx, posture.MintToken, after, 7)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		out = append(out, page...)
		after = page[len(page)-1]
	}
	require.Len(t, out, 20)
	require.IsIncreasing(t, out)
	require.NotContains(t, out, "user-03")
	_, err = h.Operator("op").ShutOut(ctx, "nothing", "", 7)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
}
