package posture_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
)

func decide(p *posture.Policy, action string, f posture.Facts, proof posture.Proof, at time.Time) posture.Decision {
	return p.Decide(action, p.Model().Evaluate(f, at), f, proof, at)
}

func unmet(d posture.Decision) (ids []string) {
	for _, f := range d.Unmet {
		ids = append(ids, f.ID+" "+f.State.String())
	}
	return ids
}

// Each control that a gate names opens it only by passing, being delegated or not applying.
func TestGateStates(t *testing.T) {
	for state, open := range map[posture.State]bool{
		posture.Pass: true, posture.Delegated: true, posture.NotApplicable: true,
		posture.Fail: false, posture.Partial: false, posture.StateUnknown: false,
	} {
		p := policyOf(t, *own(posture.Low, state), posture.Gate{Action: "act", Controls: []string{posture.SecondFactor, "own"}})
		d := decide(p, "act", good(), posture.Proof{}, now)
		require.Equal(t, open, d.Open, state.String())
		if open {
			require.Equal(t, posture.Decision{Action: "act", Open: true, Unmet: []posture.Finding{}}, d, state.String())
		} else {
			require.Equal(t, []string{"own " + state.String()}, unmet(d), "with its own reason")
			require.Equal(t, "So it is.", d.Unmet[0].Reason)
		}
	}
}

// To take a risk on, to hide a control or to sell it opens no gate.
func TestGateIsNotTalkedOpen(t *testing.T) {
	gate := posture.Gate{Action: "act", Controls: []string{posture.EmailVerified}}
	for name, c := range map[string]struct {
		facts  func(*posture.Facts)
		adjust posture.Adjustment
		want   posture.Decision
		unmet  []string
	}{
		"accepted": {all(func(f *posture.Facts) { f.Host.EmailVerified = posture.No }, accept(time.Time{}, posture.EmailVerified)),
			posture.Adjustment{}, posture.Decision{Action: "act"}, []string{"email-verified accepted"}},
		"locked": {nothing, posture.Adjustment{LockedBy: "Pro"}, posture.Decision{Action: "act"}, []string{"email-verified locked"}},
		"hidden": {nothing, posture.Adjustment{Hide: true}, posture.Decision{Action: "act", Hidden: []string{posture.EmailVerified}}, nil},
		"both": {nothing, posture.Adjustment{Hide: true, LockedBy: "Pro"},
			posture.Decision{Action: "act", Hidden: []string{posture.EmailVerified}}, nil},
	} {
		f := good()
		c.facts(&f)
		p := policyOf(t, *adjusted(posture.EmailVerified, c.adjust), gate)
		d := decide(p, "act", f, posture.Proof{}, now)
		require.Equal(t, c.unmet, unmet(d), name)
		d.Unmet = nil
		require.Equal(t, c.want, d, name)
	}
}

func TestGateLevel(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "one", Level: 1}, posture.Gate{Action: "two", Level: 2}, posture.Gate{Action: "three", Level: 3})
	f := good()
	oneApp(&f) // level 1
	require.Equal(t, posture.Decision{Action: "one", Open: true, Unmet: []posture.Finding{}}, decide(p, "one", f, posture.Proof{}, now))
	require.Equal(t, posture.Decision{Action: "two", Level: 2, Unmet: []posture.Finding{}}, decide(p, "two", f, posture.Proof{}, now))
	require.Equal(t, posture.Decision{Action: "three", Level: 3, Unmet: []posture.Finding{}}, decide(p, "three", f, posture.Proof{}, now))
	require.True(t, decide(p, "two", good(), posture.Proof{}, now).Open)
}

// The score of the report is not looked at, in either direction.
func TestGateDoesNotReadTheScore(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, tableGates...)
	for _, f := range []posture.Facts{good(), bare()} {
		r := p.Model().Evaluate(f, now)
		lie := r
		lie.Score, lie.Raw, lie.Range, lie.Coverage, lie.CappedBy = 100-r.Score, 100-r.Raw, [2]int{100, 100}, 0, nil
		for _, action := range p.Actions() {
			require.Equal(t, p.Decide(action, r, f, posture.Proof{}, now), p.Decide(action, lie, f, posture.Proof{}, now))
		}
	}
}

func TestUnknownAction(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "act", Level: 1})
	for _, action := range []string{"", "other", "ACT", "act "} {
		d := decide(p, action, good(), posture.Proof{At: now, SecondFactor: true}, now)
		require.Equal(t, posture.Decision{Action: action, Unmet: []posture.Finding{}}, d)
	}
	none := policyOf(t, posture.ModelConfig{Passkeys: true})
	require.False(t, decide(none, "act", good(), posture.Proof{At: now, SecondFactor: true}, now).Open)
	require.Empty(t, none.Actions())
}

func TestGrace(t *testing.T) {
	launch, deadline := ago(10*day), now.Add(10*day)
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{
		Action: "act", Controls: []string{posture.SecondFactor}, MaxAge: time.Minute, Grace: posture.Grace{Before: launch, Until: deadline},
	})
	for _, c := range []struct {
		name  string
		since time.Time
		at    time.Time
		age   time.Duration // of the host's facts
		open  bool
	}{
		{"from before", launch.Add(-time.Second), now, 0, true},
		{"from that moment on", launch, now, 0, false},
		{"from after", launch.Add(time.Second), now, 0, false},
		{"unknown since when", time.Time{}, now, 0, false},
		{"in the last second", launch.Add(-time.Second), deadline.Add(-time.Second), 0, true},
		{"at the deadline", launch.Add(-time.Second), deadline, 0, false},
		{"after it", launch.Add(-time.Second), deadline.Add(time.Second), 0, false},
		{"before the launch", launch.Add(-time.Second), launch.Add(-time.Hour), 0, true},
		{"host's facts a day old", launch.Add(-time.Second), now, day, true},
		{"host's facts are stale", launch.Add(-time.Second), now, day + time.Second, false},
		{"host's facts from the future", launch.Add(-time.Second), now, -time.Hour, false},
	} {
		f := bare()
		f.Host.Since, f.Host.At = c.since, c.at.Add(-c.age)
		d := decide(p, "act", f, posture.Proof{At: c.at}, c.at)
		require.Equal(t, c.open, d.Open, c.name)
		require.Equal(t, []string{"second-factor fail"}, unmet(d), "%s: it says what will close it", c.name)
		if c.open {
			require.Equal(t, deadline, d.GraceUntil, c.name)
		} else {
			require.Zero(t, d.GraceUntil, c.name)
		}

		d = decide(p, "act", f, posture.Proof{At: c.at.Add(-2 * time.Minute)}, c.at)
		require.False(t, d.Open, "%s: grace is not for proofs", c.name)
		require.NotNil(t, d.StepUp, c.name)
	}
	d := decide(p, "act", good(), posture.Proof{At: now}, now)
	require.True(t, d.Open)
	require.Zero(t, d.GraceUntil, "nothing to be lenient about")
}

func TestReportOnly(t *testing.T) {
	p := policyOf(t, *adjusted(posture.EmailVerified, posture.Adjustment{Hide: true}), posture.Gate{
		Action: "act", Controls: []string{posture.SecondFactor, posture.EmailVerified}, Level: 2, MaxAge: time.Minute, SecondFactor: true, ReportOnly: true,
	})
	d := decide(p, "act", bare(), posture.Proof{}, now)
	require.True(t, d.Open)
	require.True(t, d.ReportOnly)
	require.Equal(t, []string{"second-factor fail"}, unmet(d))
	require.Equal(t, []string{posture.EmailVerified}, d.Hidden)
	require.Equal(t, 2, d.Level)
	require.Equal(t, &posture.StepUp{MaxAge: time.Minute, SecondFactor: true}, d.StepUp)
}

// What a proof lacks is told apart from what the account lacks.
func TestStepUp(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true},
		posture.Gate{Action: "fresh", Controls: []string{posture.SecondFactor}, MaxAge: 5 * time.Minute},
		posture.Gate{Action: "factor", Controls: []string{posture.SecondFactor}, SecondFactor: true},
		posture.Gate{Action: "both", Controls: []string{posture.SecondFactor}, MaxAge: 5 * time.Minute, SecondFactor: true},
		posture.Gate{Action: "neither", Controls: []string{posture.SecondFactor}},
	)
	fresh, factor := &posture.StepUp{MaxAge: 5 * time.Minute}, &posture.StepUp{SecondFactor: true}
	both := &posture.StepUp{MaxAge: 5 * time.Minute, SecondFactor: true}
	for _, c := range []struct {
		name  string
		proof posture.Proof
		want  [4]*posture.StepUp // in the order of the gates
	}{
		{"no proof", posture.Proof{}, [4]*posture.StepUp{fresh, factor, both, nil}},
		{"fresh, by the second factor", posture.Proof{At: now, SecondFactor: true}, [4]*posture.StepUp{}},
		{"fresh, by the password", posture.Proof{At: now}, [4]*posture.StepUp{nil, factor, both, nil}},
		{"five minutes old", posture.Proof{At: ago(5 * time.Minute), SecondFactor: true}, [4]*posture.StepUp{}},
		{"older", posture.Proof{At: ago(5*time.Minute + time.Second), SecondFactor: true}, [4]*posture.StepUp{fresh, nil, both, nil}},
		{"old and by the password", posture.Proof{At: ago(day)}, [4]*posture.StepUp{fresh, factor, both, nil}},
		{"a minute ahead", posture.Proof{At: now.Add(time.Minute), SecondFactor: true}, [4]*posture.StepUp{}},
		{"from the future", posture.Proof{At: now.Add(time.Hour), SecondFactor: true}, [4]*posture.StepUp{fresh, nil, both, nil}},
		{"without a time", posture.Proof{SecondFactor: true}, [4]*posture.StepUp{fresh, nil, both, nil}},
	} {
		for i, action := range p.Actions() {
			d := decide(p, action, good(), c.proof, now)
			require.Equal(t, c.want[i], d.StepUp, "%s: %s", c.name, action)
			require.Equal(t, c.want[i] == nil, d.Open, "%s: %s", c.name, action)
			require.Empty(t, d.Unmet, c.name)

			d = decide(p, action, bare(), c.proof, now)
			require.False(t, d.Open, "%s: %s: no proof makes up for the account", c.name, action)
			require.Equal(t, c.want[i], d.StepUp, "%s: %s", c.name, action)
			require.Equal(t, []string{"second-factor fail"}, unmet(d))
		}
	}
	old := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "act", MaxAge: math.MaxInt64})
	require.NotNil(t, decide(old, "act", good(), posture.Proof{}, now).StepUp, "no proof is not a very old one")
	for _, d := range p.Review(good(), now).Gates {
		require.True(t, d.Open, "a review is of the account, not of a proof")
	}
}

func TestStepUpJSON(t *testing.T) {
	for want, s := range map[string]posture.StepUp{
		`{"max_age":300,"second_factor":true}`: {MaxAge: 5 * time.Minute, SecondFactor: true},
		`{"max_age":300}`:                      {MaxAge: 5 * time.Minute},
		`{"second_factor":true}`:               {SecondFactor: true},
		`{"phishing_resistant":true}`:          {PhishingResistant: true},
		`{"max_age":1}`:                        {MaxAge: time.Millisecond}, // never less than is asked for, so never "any"
	} {
		got, err := json.Marshal(posture.Decision{StepUp: &s}.StepUp)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// Row K16: a gate that demands a proof by the second factor is closed to an account without an authenticator, and says
// that this is missing, whatever is made of the control; no grace and no other proof helps.
func TestFactorThatCannotBe(t *testing.T) {
	gate := posture.Gate{Action: "act", SecondFactor: true, Grace: posture.Grace{Before: now, Until: now.Add(day)}}
	for name, c := range map[string]struct {
		model  posture.ModelConfig
		facts  posture.Facts
		unmet  []string
		hidden []string
	}{
		"none":             {posture.ModelConfig{Passkeys: true}, bare(), []string{"second-factor fail"}, nil},
		"elsewhere":        {posture.ModelConfig{Passkeys: true}, with(bare(), delegated("mfa")), []string{"second-factor delegated"}, nil},
		"none, and hidden": {*adjusted(posture.SecondFactor, posture.Adjustment{Hide: true}), bare(), nil, []string{posture.SecondFactor}},
		"there":            {posture.ModelConfig{Passkeys: true}, good(), nil, nil},
		"there, hidden":    {*adjusted(posture.SecondFactor, posture.Adjustment{Hide: true}), good(), nil, nil},
		"there, locked":    {*adjusted(posture.SecondFactor, posture.Adjustment{LockedBy: "Pro"}), good(), nil, nil},
	} {
		p := policyOf(t, c.model, gate)
		can := len(c.facts.Account.Authenticators) > 0
		d := decide(p, "act", c.facts, posture.Proof{At: now}, now)
		require.Equal(t, c.unmet, unmet(d), name)
		require.Equal(t, c.hidden, d.Hidden, name)
		require.False(t, d.Open, name)
		require.Equal(t, can, d.ProofIsEnough(), name)
		require.Zero(t, d.GraceUntil, name)
		require.Equal(t, can, p.Review(c.facts, now).Gates[0].Open, "%s: as if the proof were as the gate demands", name)
		require.Equal(t, can, decide(p, "act", c.facts, posture.Proof{At: now, SecondFactor: true}, now).Open, name)
	}
	twice := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "act", Controls: []string{posture.SecondFactor}, SecondFactor: true})
	require.Equal(t, []string{"second-factor fail"}, unmet(decide(twice, "act", bare(), posture.Proof{}, now)), "once")
	hidden := policyOf(t, *adjusted(posture.SecondFactor, posture.Adjustment{Hide: true}), posture.Gate{Action: "act", Controls: []string{posture.SecondFactor}, SecondFactor: true})
	d := decide(hidden, "act", bare(), posture.Proof{}, now)
	require.Equal(t, []string{posture.SecondFactor}, d.Hidden, "once")
	require.Empty(t, d.Unmet, "and nowhere else")
}

func with(f posture.Facts, edit func(*posture.Facts)) posture.Facts {
	edit(&f)
	return f
}
