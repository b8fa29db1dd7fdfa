package posture_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// step is a posture.Step without its texts.
type step struct {
	control string
	opens   []string
	gain    int
}

func steps(r posture.Review) []step {
	list := []step{}
	for _, s := range r.Next {
		list = append(list, step{s.Control, s.Opens, s.Gain})
	}
	return list
}

func costly(state posture.State, severity posture.Severity, effort posture.Grade) *posture.ModelConfig {
	c := own(severity, state)
	c.Controls[0].Effort = effort
	return c
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name  string
		facts func(*posture.Facts)
		model posture.ModelConfig
		gates []posture.Gate
		want  []step
	}{
		{"nothing is to be done", nothing, posture.ModelConfig{}, tableGates, []step{}},

		// 22 of 28 = 78. codes saved or address verified: 24 of 28 = 85, +7; tokens or second app: 23 of 28 = 82,
		// +4, of which an app is twice the effort and falls out. The address opens a gate, and so goes first.
		{"gates before points", all(oneApp, notSaved, func(f *posture.Facts) { f.Host.EmailVerified = posture.No }, token(func(t *tokens.Info) { t.LastUsed = time.Time{} })),
			posture.ModelConfig{}, []posture.Gate{{Action: deploy, Controls: []string{posture.EmailVerified}}},
			[]step{{posture.EmailVerified, []string{deploy}, 7}, {posture.RecoveryCodesSaved, []string{}, 7}, {posture.TokensUsed, []string{}, 4}}},

		// The same, 92 to begin with (26 of 28): the one with two gates goes before the one with one.
		{"two gates before one", all(oneApp, func(f *posture.Facts) { f.Account.KeysCurrent = false }), posture.ModelConfig{},
			[]posture.Gate{{Action: "one", Controls: []string{posture.SecondAuthenticator}}, {Action: "two", Level: 2}},
			[]step{{posture.SecondAuthenticator, []string{"one", "two"}, 4}}}, // 27 of 28 = 96

		// 27 of 30 = 90. own: 29 of 30 = 96, +6 for thrice the effort; tokens: 28 of 30 = 93, +3.
		{"points over effort", token(func(t *tokens.Info) { t.LastUsed = time.Time{} }), *costly(posture.Fail, posture.Medium, posture.Much), nil,
			[]step{{posture.TokensUsed, []string{}, 3}, {"own", []string{}, 6}}},
		// With less effort own goes first: 6 / 2 = 3, and it is the graver.
		{"the same for less", token(func(t *tokens.Info) { t.LastUsed = time.Time{} }), *costly(posture.Fail, posture.Medium, posture.Some), nil,
			[]step{{"own", []string{}, 6}, {posture.TokensUsed, []string{}, 3}}},

		// 13 of 25 = 52, capped to 39. second-factor: 17 of 25 = 68, +29 for some effort. The others gain nothing
		// under the cap, and the graver goes first.
		{"under a cap", password(nothing), posture.ModelConfig{}, tableGates,
			[]step{{posture.SecondFactor, []string{mint, deploy}, 29}, {posture.RecoveryCodesExist, []string{}, 0}, {posture.RecoveryCodesSaved, []string{}, 0}}},

		// Each of the two that a gate wants opens nothing alone. 24 of 28 = 85, each +7 (26 of 28 = 92).
		{"one of two that a gate wants", all(notSaved, func(f *posture.Facts) { f.Host.EmailVerified = posture.No }), posture.ModelConfig{},
			[]posture.Gate{{Action: "act", Controls: []string{posture.RecoveryCodesSaved, posture.EmailVerified}}},
			[]step{{posture.RecoveryCodesSaved, []string{}, 7}, {posture.EmailVerified, []string{}, 7}}},

		// 27 of 28 = 96.
		{"half", func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 1 }, posture.ModelConfig{}, nil, []step{{posture.RecoveryCodesLeft, []string{}, 4}}},

		// Row F3: 26 of 28 = 92.
		{"a weak authenticator is replaced", weak, posture.ModelConfig{}, nil, []step{{posture.AuthenticatorsStrong, []string{}, 8}}},

		{"unknown is not for the owner", func(f *posture.Facts) { f.Host.EmailVerified, f.TokensKnown = posture.Unknown, false }, posture.ModelConfig{}, tableGates, []step{}},
		{"nor are the keys", func(f *posture.Facts) { f.Account.KeysCurrent = false }, posture.ModelConfig{}, tableGates, []step{}},
		{"nor what is accepted", all(oneApp, accept(time.Time{}, posture.SecondAuthenticator)), posture.ModelConfig{}, tableGates, []step{}},
		{"nor what is locked", oneApp, *adjusted(posture.SecondAuthenticator, posture.Adjustment{LockedBy: "Pro"}), tableGates, []step{}},

		// A gate that grace or report-only keeps open is not opened. 27 of 28 = 96.
		{"open already", oneApp, posture.ModelConfig{}, []posture.Gate{
			{Action: "grace", Level: 2, Grace: posture.Grace{Before: now, Until: now.Add(day)}}, {Action: "report", Level: 2, ReportOnly: true},
		}, []step{{posture.SecondAuthenticator, []string{}, 4}}},
	} {
		f := good()
		c.facts(&f)
		r := policyOf(t, c.model, c.gates...).Review(f, now)
		require.Equal(t, c.want, steps(r), c.name)
		require.NotNil(t, r.Next, c.name)
		for _, s := range r.Next {
			finding, _ := r.Find(s.Control)
			require.Equal(t, []any{finding.Title, finding.Fix, finding.Effort}, []any{s.Title, s.Fix, s.Effort}, c.name)
		}
	}
}
