package integration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse/posture"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// control is a host's, whose answer is that of its ID in the facts: unknown, pass or fail.
func control(id string, s posture.Severity) posture.Control {
	return posture.Control{
		ID: id, Title: id, Question: id, Severity: s, Fix: posture.Remediation{Text: id},
		Check: func(f posture.Facts, _ time.Time) posture.Result {
			return posture.Result{State: map[posture.Answer]posture.State{
				posture.Unknown: posture.StateUnknown, posture.Yes: posture.Pass, posture.No: posture.Fail,
			}[f.Host.Answers[id]]}
		},
	}
}

func drawFacts(t *rapid.T, hosts []posture.Control) posture.Facts {
	yes := func(what string) bool { return rapid.Bool().Draw(t, what) }
	ago := func(what string) time.Time {
		if yes(what + " never") {
			return time.Time{}
		}
		return noon.Add(-time.Duration(rapid.IntRange(0, 200*24).Draw(t, what)) * time.Hour)
	}
	f := posture.Facts{
		RecoveryUsed: ago("code used"), Reviewed: ago("reviewed"), ResetPending: yes("reset"), KeysCurrent: yes("keys"), TokensKnown: yes("tokens known"),
		TOTP: posture.Method{Locked: yes("locked"), Disabled: yes("disabled")},
		Host: posture.Host{
			At: noon, EmailVerified: posture.Answer(rapid.IntRange(0, 2).Draw(t, "e-mail")), Answers: map[string]posture.Answer{},
		},
	}
	for range rapid.IntRange(0, 3).Draw(t, "authenticators") {
		f.Authenticators = append(f.Authenticators, posture.Authenticator{ID: "A"})
	}
	if total := rapid.IntRange(0, 1).Draw(t, "codes") * 10; total > 0 {
		f.Recovery = posture.RecoverySet{Total: total, Left: rapid.IntRange(0, 10).Draw(t, "left"), Acknowledged: ago("saved")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "tokens") {
		f.Tokens = append(f.Tokens, posture.Token{
			ID: "T", Works: yes("works"), Created: noon.Add(-1000 * time.Hour), LastUsed: ago("used"),
			Expires: noon.Add(time.Duration(rapid.IntRange(1, 60*24).Draw(t, "expires")) * time.Hour),
			Unused:  slices.Repeat([]string{"a:b"}, rapid.IntRange(0, 1).Draw(t, "unused")),
		})
	}
	for _, c := range hosts {
		f.Host.Answers[c.ID] = posture.Answer(rapid.IntRange(0, 2).Draw(t, c.ID))
		if yes("accepted " + c.ID) {
			f.Accepted = append(f.Accepted, posture.Acceptance{Control: c.ID, By: "op", Why: "why"})
		}
	}
	return f
}

// TestPosture has the laws of scores and gates, on accounts and controls drawn at random.
func TestPosture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hosts []posture.Control
		for _, id := range []string{"h1", "h2", "h3", "h4"}[:rapid.IntRange(0, 4).Draw(t, "host's controls")] {
			hosts = append(hosts, control(id, posture.Severity(rapid.IntRange(0, 3).Draw(t, "severity"))))
		}
		policy := func(hosts []posture.Control) *posture.Policy {
			m, err := posture.NewModel(posture.ModelConfig{Controls: hosts})
			require.NoError(t, err)
			gates := []posture.Gate{
				{Action: "mint", Controls: []string{posture.SecondFactor}}, {Action: "level", Level: 2},
				{Action: "mail", Controls: []string{posture.EmailVerified, posture.MethodsOpen, posture.TokensUsed}},
			}
			for _, c := range hosts {
				gates = append(gates, posture.Gate{Action: c.ID, Controls: []string{c.ID}})
			}
			p, err := posture.NewPolicy(m, gates...)
			require.NoError(t, err)
			return p
		}
		p := policy(hosts)
		f := drawFacts(t, hosts)
		r := p.Review(f, noon)
		require.Equal(t, r, p.Review(f, noon), "the same in, the same out")

		// Bounds and caps.
		require.True(t, 0 <= r.Range[0] && r.Range[0] <= r.Score && r.Score <= r.Range[1] && r.Range[1] <= 100, "%v %d", r.Range, r.Score)
		require.LessOrEqual(t, r.Score, r.Raw)
		for _, finding := range r.Findings {
			if finding.State == posture.Fail || finding.State == posture.StateUnknown || finding.State == posture.Accepted {
				switch finding.Severity {
				case posture.Critical:
					require.LessOrEqual(t, r.Score, 39)
				case posture.High:
					require.LessOrEqual(t, r.Score, 79)
				}
			}
		}

		// The order of controls does not matter.
		turned := slices.Clone(hosts)
		slices.Reverse(turned)
		other := policy(turned).Review(f, noon)
		require.Equal(t, []int{r.Score, r.Raw, r.Level, r.Coverage}, []int{other.Score, other.Raw, other.Level, other.Coverage})
		open := func(r posture.Review) map[string]bool {
			m := map[string]bool{}
			for _, d := range r.Gates {
				m[d.Action] = d.Open
			}
			return m
		}
		require.Equal(t, open(r), open(other))

		// An account compared with itself has not changed.
		v := p.Compare(f, f, noon)
		require.Empty(t, v.Flips)
		require.Empty(t, v.Opens)
		require.Empty(t, v.Closes)
		require.Empty(t, v.Suspends)

		better := func(worse, better posture.Review, what string) {
			t.Helper()
			require.LessOrEqual(t, worse.Score, better.Score, what)
			require.LessOrEqual(t, worse.Level, better.Level, what)
			for action, was := range open(worse) {
				require.False(t, was && !open(better)[action], "%s: %s", what, action)
			}
		}
		change := func(edit func(*posture.Facts)) posture.Review {
			g := f
			g.Host.Answers = map[string]posture.Answer{}
			for id, a := range f.Host.Answers {
				g.Host.Answers[id] = a
			}
			edit(&g)
			return p.Review(g, noon)
		}
		// Mending never lowers, and losing evidence never raises.
		for _, c := range hosts {
			better(r, change(func(f *posture.Facts) { f.Host.Answers[c.ID] = posture.Yes }), "mended "+c.ID)
			better(change(func(f *posture.Facts) { f.Host.Answers[c.ID] = posture.Unknown }), r, "lost "+c.ID)
		}
		better(r, change(func(f *posture.Facts) { f.Host.EmailVerified = posture.Yes }), "verified")
		better(r, change(func(f *posture.Facts) { f.TOTP = posture.Method{} }), "unlocked")
		better(r, change(func(f *posture.Facts) { f.Reviewed = noon.Add(time.Second) }), "looked at")
		better(r, change(func(f *posture.Facts) { f.Tokens = nil }), "tokens revoked")
		better(r, change(func(f *posture.Facts) { f.Accepted = nil }), "acceptances withdrawn")
		better(change(func(f *posture.Facts) { f.Host.EmailVerified = posture.Unknown }), r, "e-mail unknown")
		better(change(func(f *posture.Facts) { f.TokensKnown = false }), r, "tokens unknown")
		better(change(func(f *posture.Facts) { f.Host = posture.Host{} }), r, "the host is silent")
		if len(f.Authenticators) > 0 {
			better(r, change(func(f *posture.Facts) {
				f.Recovery = posture.RecoverySet{Total: 10, Left: 10, Acknowledged: noon}
			}), "new codes, saved")
			better(r, change(func(f *posture.Facts) {
				f.Authenticators = append(slices.Clone(f.Authenticators), posture.Authenticator{ID: "B"})
			}), "another authenticator")
		}
	})
}
