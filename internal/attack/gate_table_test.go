package attack_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
)

// Row K16: a gate in every state, with every proof: what is said is what its owner has to do. Nothing but a proof is
// missing where the account is as it must be, or has time left; but no proof by the second factor can be asked of who
// has none.
func TestGatesByProof(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	accounts := map[string]posture.Facts{
		"with a second factor": {Account: gatehouse.Account{Authenticators: []gatehouse.Authenticator{{ID: "A"}}, TOTP: gatehouse.MethodState{Available: true}}, Host: posture.Host{At: now, Since: now.Add(-time.Hour)}},
		"without":              {Host: posture.Host{At: now, Since: now.Add(-time.Hour)}},
		"delegated":            {Host: posture.Host{At: now, Since: now.Add(-time.Hour), Delegated: &posture.Delegation{AMR: []string{"mfa"}}}},
	}
	demands := map[string]posture.Gate{
		"of nothing else":           {},
		"of what all have":          {Controls: []string{posture.MethodsOpen}},
		"of what none has":          {Controls: []string{posture.EmailVerified}},
		"of what is hidden":         {Controls: []string{posture.KeysCurrent}},
		"of a level that none has":  {Level: 3},
		"of a level and of no more": {Level: 1},
	}
	graces := map[string]posture.Grace{
		"": {}, "in its grace": {Before: now, Until: now.Add(time.Hour)}, "after its grace": {Before: now, Until: now},
	}
	proofs := map[string]posture.Proof{
		"none": {}, "fresh": {At: now}, "old": {At: now.Add(-time.Hour)},
		"fresh, second factor": {At: now, SecondFactor: true}, "old, second factor": {At: now.Add(-time.Hour), SecondFactor: true},
	}
	model, err := posture.NewModel(posture.ModelConfig{Adjust: map[string]func(string) posture.Adjustment{
		posture.KeysCurrent: func(string) posture.Adjustment { return posture.Adjustment{Hide: true} },
	}})
	require.NoError(t, err)
	counts := map[string]int{}
	for who, f := range accounts {
		for what, demand := range demands {
			for when, grace := range graces {
				for _, maxAge := range []time.Duration{0, time.Minute} {
					for _, factor := range []bool{false, true} {
						for _, reports := range []bool{false, true} {
							g := demand
							g.Action, g.Grace, g.MaxAge, g.SecondFactor, g.ReportOnly = "act", grace, maxAge, factor, reports
							if len(g.Controls) == 0 && g.Level == 0 && maxAge == 0 && !factor {
								continue // no gate
							}
							p, err := posture.NewPolicy(model, g)
							require.NoError(t, err)
							for which, proof := range proofs {
								if proof.SecondFactor && who != "with a second factor" {
									continue // there is no such proof
								}
								name := fmt.Sprintf("%s: %s %s, age %v, factor %v, reports %v, proof %s", who, what, when, maxAge, factor, reports, which)

								protected := what == "of nothing else" || what == "of what all have" ||
									what == "of a level and of no more" && who != "without"
								good := (maxAge == 0 || proof.At.Equal(now)) && (!factor || proof.SecondFactor)
								want := "closed"
								switch patient := protected || when == "in its grace"; {
								case reports:
									want = "open"
								case factor && who != "with a second factor":
								case patient && good:
									want = "open"
								case patient:
									want = "step up"
								}

								d := p.Decide("act", model.Evaluate(f, now), f, proof, now)
								got := "open"
								if !d.Open {
									got = "closed"
									err := &posture.GateError{Decision: d}
									require.Equal(t, d.ProofIsEnough(), err.Unwrap() == gatehouse.ErrStepUpRequired, name)
									if d.ProofIsEnough() {
										got = "step up"
										require.Equal(t, &posture.StepUp{MaxAge: maxAge, SecondFactor: factor}, d.StepUp, name)
									} else {
										require.NotZero(t, len(d.Unmet)+len(d.Hidden)+d.Level, "%s: it says what is missing", name)
									}
								}
								require.Equal(t, want, got, name)
								counts[got]++
							}
						}
					}
				}
			}
		}
	}
	for _, what := range []string{"open", "closed", "step up"} {
		require.Greater(t, counts[what], 50, what)
	}
}

// Row K16: the same through the Service, in the grace of a gate.
func TestOldProofInGrace(t *testing.T) {
	f := &hostFacts{}
	h := newHouse(t, judged(t, policyOf(t, posture.ModelConfig{}, posture.Gate{
		Action: "act", Controls: []string{posture.EmailVerified}, MaxAge: 5 * time.Minute,
		Grace: posture.Grace{Before: begin, Until: begin.Add(day)},
	}), f))
	f.do = func() { f.host = posture.Host{At: h.clock(), Since: begin.Add(-day), EmailVerified: posture.No} }
	o := h.enroll("user-42")
	proof := o.fresh()
	require.NoError(t, h.Require(t.Context(), proof, "act"))
	h.wait(5*time.Minute + time.Second)
	require.ErrorIs(t, h.Require(t.Context(), proof, "act"), gatehouse.ErrStepUpRequired)
	h.wait(day)
	err := h.Require(t.Context(), o.fresh(), "act")
	var gate *posture.GateError
	require.ErrorAs(t, err, &gate)
	require.NotErrorIs(t, err, gatehouse.ErrStepUpRequired)
}
