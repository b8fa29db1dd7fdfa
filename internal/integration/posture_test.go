package integration_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// answered is a host's control, as it was drawn.
type answered struct {
	id       string
	severity posture.Severity
	state    posture.State // what it answers where there is evidence; one that no check may answer panics
}

func (c answered) control() posture.Control {
	return posture.Control{
		ID: c.id, Title: c.id, Failing: c.id, Question: c.id, Severity: c.severity, Fix: posture.Remediation{Title: c.id, Text: c.id},
		Check: func(f posture.Facts, _ time.Time) posture.Result {
			if f.Host.Answers[c.id] != posture.Yes {
				return posture.Result{}
			}
			if c.state > posture.Delegated {
				panic(c.state)
			}
			return posture.Result{State: c.state}
		},
	}
}

func drawControls(t *rapid.T) (list []answered) {
	for i := range rapid.IntRange(0, 4).Draw(t, "host's controls") {
		list = append(list, answered{
			fmt.Sprint("h", i), posture.Severity(rapid.IntRange(0, 3).Draw(t, "severity")),
			posture.State(rapid.IntRange(0, int(posture.Delegated)+1).Draw(t, "state")),
		})
	}
	return list
}

var (
	available = gatehouse.MethodState{Available: true}
	locked    = gatehouse.MethodState{RetryAt: noon.Add(time.Hour)}
)

func drawFacts(t *rapid.T, hosts []answered) posture.Facts {
	yes := func(what string) bool { return rapid.Bool().Draw(t, what) }
	ago := func(what string) time.Time {
		if yes(what + " never") {
			return time.Time{}
		}
		return noon.Add(-time.Duration(rapid.IntRange(0, 200*24).Draw(t, what)) * time.Hour)
	}
	f := posture.Facts{
		Account:     gatehouse.Account{CodeUseUnseen: ago("code used"), ServiceUnseen: ago("service account"), KeysCurrent: yes("keys")},
		TokensKnown: yes("tokens known"),
		Host: posture.Host{
			At: noon, Since: ago("since"), EmailVerified: posture.Answer(rapid.IntRange(0, 2).Draw(t, "e-mail")), Answers: map[string]posture.Answer{},
		},
	}
	if yes("delegated") {
		f.Host.Delegated = &posture.Delegation{AMR: rapid.SliceOfN(rapid.SampledFrom([]string{"mfa", "otp", "pwd", "hwk", "x"}), 0, 2).Draw(t, "amr")}
	}
	apps := 0
	for i := range rapid.IntRange(0, 3).Draw(t, "authenticators") {
		auth := gatehouse.Authenticator{ID: fmt.Sprint("A", i), Kind: event.MethodTOTP}
		if yes("resistant") {
			auth = passkeyOf(auth.ID)
		} else {
			apps++
		}
		f.Account.Authenticators = append(f.Account.Authenticators, auth)
	}
	if yes("codes") {
		f.Account.RecoveryCodes = gatehouse.RecoverySet{Total: 10, Left: rapid.IntRange(0, 10).Draw(t, "left"), Acknowledged: ago("saved")}
	}
	if yes("reset") {
		f.Account.Reset = &gatehouse.Reset{At: noon}
	}
	// A method that the account does not have cannot be used, and waiting does not help.
	if len(f.Account.Authenticators) > apps {
		f.Account.Passkey = available
	}
	if apps > 0 {
		f.Account.TOTP = rapid.SampledFrom([]gatehouse.MethodState{available, locked, {}}).Draw(t, "totp")
	}
	if f.Account.RecoveryCodes.Left > 0 {
		f.Account.RecoveryCode = rapid.SampledFrom([]gatehouse.MethodState{available, locked}).Draw(t, "recovery")
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "tokens") {
		token := tokens.Info{
			ID: fmt.Sprint("T", i), Created: noon.Add(-1000 * time.Hour), LastUsed: ago("used"), SecondFactor: yes("by the second factor"),
			State:  rapid.SampledFrom([]tokens.State{tokens.StateActive, tokens.StateNeedsSecondFactor}).Draw(t, "state"),
			Unused: slices.Repeat(tokens.Scopes{"a:b"}, rapid.IntRange(0, 1).Draw(t, "unused")),
		}
		if yes("ends") {
			token.Expires = noon.Add(time.Duration(rapid.IntRange(1, 60*24).Draw(t, "expires")) * time.Hour)
		}
		f.Tokens = append(f.Tokens, token)
	}
	for _, c := range hosts {
		f.Host.Answers[c.id] = posture.Answer(rapid.IntRange(0, 1).Draw(t, c.id))
	}
	f.Host.Answers["admin"] = posture.Answer(rapid.IntRange(0, 2).Draw(t, "administrator"))
	for _, id := range []string{"h0", "h1", posture.SecondFactor, posture.RecoveryCodesLeft, posture.EmailVerified} {
		if yes("accepted " + id) {
			f.Account.AcceptedRisks = append(f.Account.AcceptedRisks, gatehouse.AcceptedRisk{Control: id, Operator: "op", Reason: "why"})
		}
	}
	return f
}

func passkeyOf(id string) gatehouse.Authenticator {
	return gatehouse.Authenticator{ID: id, Kind: event.MethodPasskey, PhishingResistant: true}
}

// offered is how a service offers passkeys.
type offered int

const (
	notOffered offered = iota
	asOffered
	asDemanded // of accounts that the host says it of
)

// judge returns a policy with a gate for every kind of demand and one for each control of the host.
func judge(t *rapid.T, hosts []answered, passkeys offered) *posture.Policy {
	c := posture.ModelConfig{Passkeys: passkeys != notOffered}
	if passkeys == asDemanded {
		c.RequirePhishingResistant = func(_ string, h posture.Host) posture.Answer { return h.Answers["admin"] }
	}
	gates := []posture.Gate{
		{Action: "mint", Controls: []string{posture.SecondFactor}},
		{Action: "level", Level: 2},
		{Action: "mail", Controls: []string{posture.EmailVerified, posture.MethodsOpen, posture.TokensUsed}},
		{Action: "grace", Level: 3, Grace: posture.Grace{Before: noon, Until: noon.Add(time.Hour)}},
		{Action: "resistant", Controls: []string{posture.PhishingResistant}},
		{Action: "by-passkey", PhishingResistant: true},
		{Action: "fresh", Level: 1, MaxAge: time.Minute, SecondFactor: true},
	}
	for _, h := range hosts {
		c.Controls = append(c.Controls, h.control())
		gates = append(gates, posture.Gate{Action: h.id, Controls: []string{h.id}})
	}
	m, err := posture.NewModel(c)
	require.NoError(t, err)
	p, err := posture.NewPolicy(m, gates...)
	require.NoError(t, err)
	return p
}

func isPasskey(a gatehouse.Authenticator) bool { return a.Kind == event.MethodPasskey }
func isApp(a gatehouse.Authenticator) bool     { return !isPasskey(a) }

func open(r posture.Review) map[string]bool {
	m := map[string]bool{}
	for _, d := range r.Gates {
		m[d.Action] = d.Open
	}
	return m
}

// TestPosture has the laws of scores and gates, on accounts and controls drawn at random.
func TestPosture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := drawControls(t)
		resistant := offered(rapid.IntRange(0, int(asDemanded)).Draw(t, "passkeys are offered"))
		p := judge(t, hosts, resistant)
		f := drawFacts(t, hosts)
		r := p.Review(f, noon)
		require.Equal(t, r, p.Review(f, noon), "the same in, the same out")

		// Bounds and caps.
		require.True(t, 0 <= r.Range[0] && r.Range[0] <= r.Score && r.Score <= r.Range[1] && r.Range[1] <= 100, "%v %d", r.Range, r.Score)
		require.LessOrEqual(t, r.Score, r.Raw)
		require.Equal(t, r.Score < r.Raw, len(r.CappedBy) > 0)
		for _, finding := range r.Findings {
			if finding.State == posture.Fail || finding.State == posture.StateUnknown || finding.State == posture.Accepted {
				switch finding.Severity {
				case posture.Critical:
					require.LessOrEqual(t, r.Score, 39)
				case posture.High:
					require.LessOrEqual(t, r.Score, 79)
				}
			} else {
				require.NotContains(t, r.CappedBy, finding.ID)
			}
		}

		// The order of controls does not matter.
		other := judge(t, rapid.Permutation(hosts).Draw(t, "order"), resistant).Review(f, noon)
		require.Equal(t, []any{r.Score, r.Raw, r.Level, r.Coverage, r.Range}, []any{other.Score, other.Raw, other.Level, other.Coverage, other.Range})
		require.Equal(t, open(r), open(other))

		// Gates do not read the score.
		lie := r.Report
		lie.Score, lie.Raw, lie.CappedBy, lie.Range, lie.Coverage = rapid.IntRange(0, 100).Draw(t, "score"), 50, nil, [2]int{}, 7
		for _, action := range p.Actions() {
			proof := posture.Proof{
				At: noon.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "age")) * time.Second), SecondFactor: rapid.Bool().Draw(t, "factor"),
				PhishingResistant: rapid.Bool().Draw(t, "by passkey"),
			}
			require.Equal(t, p.Decide(action, r.Report, f, proof, noon), p.Decide(action, lie, f, proof, noon))
		}

		// An account compared with itself has not changed.
		v := p.Compare(f, f, noon)
		require.Equal(t, v.Before, v.After)
		require.Empty(t, v.Flips)
		require.Empty(t, v.Opens)
		require.Empty(t, v.Closes)
		require.Empty(t, v.Suspends)
		require.Empty(t, v.Resumes)

		monotone(t, hosts, resistant, f)
	})
}

// monotone has an account mended, and evidence of it lost, in every way there is.
func monotone(t *rapid.T, hosts []answered, passkeys offered, f posture.Facts) {
	p := judge(t, hosts, passkeys)
	r := p.Review(f, noon)
	change := func(edit func(*posture.Facts)) posture.Review {
		g := f
		g.Host.Answers, g.Tokens, g.Account.Authenticators = maps.Clone(f.Host.Answers), slices.Clone(f.Tokens), slices.Clone(f.Account.Authenticators)
		edit(&g)
		return p.Review(g, noon)
	}
	lower := func(worse, better posture.Review, what string) {
		t.Helper()
		require.LessOrEqual(t, worse.Score, better.Score, what)
		require.LessOrEqual(t, worse.Raw, better.Raw, what)
		require.LessOrEqual(t, worse.Level, better.Level, what)
		for action, was := range open(worse) {
			require.False(t, was && !open(better)[action], "%s: %s", what, action)
		}
	}
	mended := func(what string, edit func(*posture.Facts)) { t.Helper(); lower(r, change(edit), what) }
	lost := func(what string, edit func(*posture.Facts)) { t.Helper(); lower(change(edit), r, what) }

	for i, c := range hosts {
		better := slices.Clone(hosts)
		better[i].state = posture.Pass
		known := f
		known.Host.Answers = maps.Clone(f.Host.Answers)
		known.Host.Answers[c.id] = posture.Yes
		lower(r, judge(t, better, passkeys).Review(known, noon), "mended "+c.id)
		lost(c.id, func(f *posture.Facts) { delete(f.Host.Answers, c.id) })
	}

	mended("address", func(f *posture.Facts) { f.Host.EmailVerified = posture.Yes })
	mended("locks", func(f *posture.Facts) { f.Account.TOTP, f.Account.RecoveryCode = available, available })
	mended("activity", func(f *posture.Facts) { f.Account.CodeUseUnseen, f.Account.ServiceUnseen = time.Time{}, time.Time{} })
	mended("keys", func(f *posture.Facts) { f.Account.KeysCurrent = true })
	mended("risks", func(f *posture.Facts) { f.Account.AcceptedRisks = nil })
	mended("all tokens", func(f *posture.Facts) { f.Tokens = nil })
	for i := range f.Tokens {
		mended("a token", func(f *posture.Facts) { f.Tokens = slices.Delete(f.Tokens, i, i+1) })
	}
	if f.Account.RecoveryCodes.Total > 0 {
		mended("saved", func(f *posture.Facts) { f.Account.RecoveryCodes.Acknowledged = noon })
	}
	// Where a provider answers for all of it, an app of one's own is a change and not a remedy.
	if second, _ := r.Find(posture.SecondFactor); second.State != posture.Delegated {
		enroll := func(f *posture.Facts, with gatehouse.Authenticator) {
			f.Account.Authenticators = append(f.Account.Authenticators, with)
			f.Account.Reset, f.Account.KeysCurrent = nil, true
			if codes := &f.Account.RecoveryCodes; codes.Left == 0 {
				codes.Total, codes.Left, f.Account.RecoveryCode = 10, 10, available // as pairing makes them, not saved where none were
			}
		}
		if passkeys != notOffered { // otherwise nothing is asked for that only passkeys have
			mended("a passkey", func(f *posture.Facts) {
				if !slices.ContainsFunc(f.Account.Authenticators, isPasskey) {
					f.Account.Passkey = available
				}
				enroll(f, passkeyOf("new"))
			})
		}
		// An app is no remedy for an account with passkeys alone.
		if !slices.ContainsFunc(f.Account.Authenticators, isPasskey) {
			mended("an app", func(f *posture.Facts) {
				if len(f.Account.Authenticators) == 0 {
					f.Account.TOTP = available
				}
				enroll(f, gatehouse.Authenticator{ID: "new", Kind: event.MethodTOTP})
			})
		}
		mended("new codes, saved", func(f *posture.Facts) {
			if f.Account.RecoveryCodes.Left == 0 {
				f.Account.RecoveryCode = available
			}
			f.Account.RecoveryCodes = gatehouse.RecoverySet{Total: 10, Left: 10, Acknowledged: noon}
		})
	}

	if rest := slices.DeleteFunc(slices.Clone(f.Account.Authenticators), isApp); len(rest) > 1 {
		mended("without the apps", func(f *posture.Facts) { f.Account.Authenticators = rest })
	}
	lost("whether passkeys are demanded", func(f *posture.Facts) { delete(f.Host.Answers, "admin") })
	lost("address", func(f *posture.Facts) { f.Host.EmailVerified = posture.Unknown })
	lost("tokens", func(f *posture.Facts) { f.TokensKnown = false })
	lost("since when", func(f *posture.Facts) { f.Host.Since = time.Time{} })
	lost("the host", func(f *posture.Facts) { f.Host = posture.Host{} })
	lost("the host, by age", func(f *posture.Facts) { f.Host.At = noon.Add(-25 * time.Hour) })
	// That there is no provider is known too, and so no loss, while the host's facts have a time.
	if f.Host.Delegated != nil {
		lost("the provider", func(f *posture.Facts) { f.Host = posture.Host{Plan: f.Host.Plan} })
		lost("how it signed in", func(f *posture.Facts) { f.Host.Delegated = &posture.Delegation{} })
	}
}
