package vectors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

type postureFile struct {
	Model      string            `json:"model"`
	At         time.Time         `json:"at"`
	Severities map[string]string `json:"severities"`
	Gates      []gate            `json:"gates"`
	Cases      []json.RawMessage `json:"cases"`
}

type gate struct {
	Action   string   `json:"action"`
	Controls []string `json:"controls"`
	Level    int      `json:"level"`
}

func postureSections(t *testing.T) []section {
	var f postureFile
	read(t, "posture.json", &f)
	require.NotEmpty(t, f.Gates)
	return []section{sectionOf("cases", f.Cases, f.check, "report")}
}

type postureCase struct {
	Name     string   `json:"name"`
	Why      string   `json:"why"`
	Passkeys bool     `json:"passkeys,omitempty"`
	Hide     []string `json:"hide,omitempty"`
	Lock     []string `json:"lock,omitempty"`
	Facts    facts    `json:"facts"`
	Report   report   `json:"report"`
}

type facts struct {
	Authenticators []authenticator `json:"authenticators"`
	RecoveryCodes  struct {
		Total int  `json:"total"`
		Left  int  `json:"left"`
		Saved bool `json:"saved"`
	} `json:"recoveryCodes"`
	TOTP          string  `json:"totp"`
	RecoveryCode  string  `json:"recoveryCode"`
	Reset         bool    `json:"reset,omitempty"`
	KeysCurrent   bool    `json:"keysCurrent"`
	CodeUseUnseen bool    `json:"codeUseUnseen"`
	ServiceUnseen bool    `json:"serviceUnseen"`
	ServiceOf     string  `json:"serviceOf,omitempty"`
	AcceptedRisks []risk  `json:"acceptedRisks,omitempty"`
	Tokens        []token `json:"tokens"`
	Host          *host   `json:"host,omitempty"`
}

type authenticator struct {
	Kind string `json:"kind"`
	Weak bool   `json:"weak,omitempty"`
}

type risk struct {
	Control string    `json:"control"`
	Until   time.Time `json:"until,omitzero"`
}

type token struct {
	Created      time.Time `json:"created"`
	Expires      time.Time `json:"expires,omitzero"`
	LastUsed     time.Time `json:"lastUsed,omitzero"`
	Unused       []string  `json:"unused,omitempty"`
	SecondFactor bool      `json:"secondFactor"`
}

type host struct {
	At            time.Time   `json:"at,omitzero"`
	EmailVerified string      `json:"emailVerified"`
	Delegated     *delegation `json:"delegated,omitempty"`
}

type delegation struct {
	AMR []string `json:"amr"`
}

type report struct {
	Level    int         `json:"level"`
	Score    int         `json:"score"`
	Raw      int         `json:"raw"`
	CappedBy []string    `json:"cappedBy"`
	Range    [2]int      `json:"range"`
	Coverage int         `json:"coverage"`
	Open     []string    `json:"open"`
	Findings [][3]string `json:"findings"` // control, state, code of the reason
}

func (f postureFile) check(c postureCase) error {
	second, err := f.second(c.Report.Findings, c.Facts.ServiceOf != "")
	if err := errors.Join(err, equal("the second computation's report", c.Report, second)); err != nil {
		return err
	}
	library, err := f.ours(c)
	return errors.Join(err, equal("the library's report", c.Report, library))
}

func (f postureFile) ours(c postureCase) (report, error) {
	model := posture.ModelConfig{Passkeys: c.Passkeys, Adjust: map[string]func(string) posture.Adjustment{}}
	for _, id := range c.Hide {
		model.Adjust[id] = func(string) posture.Adjustment { return posture.Adjustment{Hide: true} }
	}
	for _, id := range c.Lock {
		model.Adjust[id] = func(string) posture.Adjustment { return posture.Adjustment{LockedBy: "Team"} }
	}
	m, err := posture.NewModel(model)
	if err != nil {
		return report{}, err
	}
	var gates []posture.Gate
	for _, g := range f.Gates {
		gates = append(gates, posture.Gate{Action: g.Action, Controls: g.Controls, Level: g.Level})
	}
	p, err := posture.NewPolicy(m, gates...)
	if err != nil {
		return report{}, err
	}
	known, err := c.Facts.ours(f.At)
	if err != nil {
		return report{}, err
	}
	review := p.Review(known, f.At)
	out := report{review.Level, review.Score, review.Raw, review.CappedBy, review.Range, review.Coverage, []string{}, nil}
	for _, d := range review.Gates {
		if d.Open {
			out.Open = append(out.Open, d.Action)
		}
	}
	for _, finding := range review.Findings {
		out.Findings = append(out.Findings, [3]string{finding.ID, finding.State.String(), finding.Code})
		if severity := finding.Severity.String(); severity != f.Severities[finding.ID] {
			return report{}, fmt.Errorf("%s is %s", finding.ID, severity)
		}
	}
	return out, equal("version of the rules", f.Model, review.Model)
}

func (c facts) ours(now time.Time) (posture.Facts, error) {
	states := map[string]gatehouse.MethodState{
		"none": {}, "open": {Available: true}, "waiting": {RetryAt: now.Add(time.Hour)}, "disabled": {},
	}
	answers := map[string]posture.Answer{"unknown": posture.Unknown, "yes": posture.Yes, "no": posture.No}
	kinds := map[string]event.Method{"totp": event.MethodTOTP, "passkey": event.MethodPasskey}
	totp, ok1 := states[c.TOTP]
	code, ok2 := states[c.RecoveryCode]
	if !ok1 || !ok2 {
		return posture.Facts{}, fmt.Errorf("no state of a method: %q, %q", c.TOTP, c.RecoveryCode)
	}
	out := posture.Facts{TokensKnown: c.Tokens != nil}
	a := &out.Account
	a.TOTP, a.RecoveryCode, a.KeysCurrent, a.ServiceOf = totp, code, c.KeysCurrent, c.ServiceOf
	a.RecoveryCodes = gatehouse.RecoverySet{Total: c.RecoveryCodes.Total, Left: c.RecoveryCodes.Left}
	if c.RecoveryCodes.Saved {
		a.RecoveryCodes.Acknowledged = now
	}
	if c.Reset {
		a.Reset = &gatehouse.Reset{At: now}
	}
	if c.CodeUseUnseen {
		a.CodeUseUnseen = now.AddDate(-10, 0, 0)
	}
	if c.ServiceUnseen {
		a.ServiceUnseen = now.AddDate(-10, 0, 0)
	}
	for _, x := range c.Authenticators {
		kind, ok := kinds[x.Kind]
		if !ok {
			return posture.Facts{}, fmt.Errorf("no kind of authenticator: %q", x.Kind)
		}
		a.Authenticators = append(a.Authenticators, gatehouse.Authenticator{Kind: kind, Weak: x.Weak, PhishingResistant: kind == event.MethodPasskey})
	}
	for _, r := range c.AcceptedRisks {
		a.AcceptedRisks = append(a.AcceptedRisks, gatehouse.AcceptedRisk{Control: r.Control, Operator: "operator", Reason: "vector", Until: r.Until})
	}
	for _, t := range c.Tokens {
		info := tokens.Info{State: tokens.StateActive, Created: t.Created, Expires: t.Expires, LastUsed: t.LastUsed, SecondFactor: t.SecondFactor}
		for _, scope := range t.Unused {
			info.Unused = append(info.Unused, tokens.Scope(scope))
		}
		out.Tokens = append(out.Tokens, info)
	}
	if c.Host == nil {
		return out, nil
	}
	verified, ok := answers[c.Host.EmailVerified]
	if !ok {
		return posture.Facts{}, fmt.Errorf("no answer: %q", c.Host.EmailVerified)
	}
	out.Host = posture.Host{At: c.Host.At, EmailVerified: verified}
	if c.Host.Delegated != nil {
		out.Host.Delegated = &posture.Delegation{Provider: "provider", AMR: c.Host.Delegated.AMR}
	}
	return out, nil
}

// second goes by docs/posture.md: it makes everything else of a report from the states of its findings.
func (f postureFile) second(findings [][3]string, service bool) (report, error) {
	r := report{Findings: findings, Open: []string{}}
	states := map[string]string{}
	for _, finding := range findings {
		id, state := finding[0], finding[1]
		if _, twice := states[id]; twice || f.Severities[id] == "" {
			return r, fmt.Errorf("no control, or one that is there twice: %s", id)
		}
		states[id] = state
	}
	if met(states["second-factor"]) && states["second-factor"] != "not_applicable" {
		r.Level = 1
		if met(states["recovery-codes"]) && met(states["recovery-codes-saved"]) && met(states["second-authenticator"]) {
			r.Level = 2
			if met(states["phishing-resistant"]) {
				r.Level = 3
			}
		}
	}
	r.Score, r.Raw, r.CappedBy = f.score(findings, "unknown")
	r.Range[0], _, _ = f.score(findings, "fail")
	r.Range[1], _, _ = f.score(findings, "pass")
	known, all := 0, 0
	for id, state := range states {
		if state == "not_applicable" || state == "locked" {
			continue
		}
		all += weights[f.Severities[id]]
		if state != "unknown" {
			known += weights[f.Severities[id]]
		}
	}
	if all > 0 {
		r.Coverage = 100 * known / all
	}
	for _, g := range f.Gates {
		if !service && r.Level >= g.Level && !slices.ContainsFunc(g.Controls, func(id string) bool { return !met(states[id]) }) {
			r.Open = append(r.Open, g.Action)
		}
	}
	return r, nil
}

var (
	weights = map[string]int{"low": 1, "medium": 2, "high": 3, "critical": 4}
	caps    = map[string]int{"low": 100, "medium": 100, "high": 79, "critical": 39}
)

func met(state string) bool {
	return state == "pass" || state == "delegated" || state == "not_applicable"
}

// score is what the score would be if all that is unknown had a state.
func (f postureFile) score(findings [][3]string, unknown string) (score, raw int, capped []string) {
	halves := map[string]int{"pass": 2, "delegated": 2, "partial": 1}
	total, credit := 0, 0
	failing := map[string]bool{}
	for _, finding := range findings {
		id, state := finding[0], strings.Replace(finding[1], "unknown", unknown, 1)
		if state == "not_applicable" || state == "locked" {
			continue
		}
		weight := weights[f.Severities[id]]
		total += weight
		credit += weight * halves[state]
		failing[id] = state == "fail" || state == "unknown" || state == "accepted"
	}
	if total > 0 {
		raw = 50 * credit / total
	}
	score, capped = raw, []string{}
	for _, finding := range findings {
		if most := caps[f.Severities[finding[0]]]; failing[finding[0]] && most < raw {
			score, capped = min(score, most), append(capped, finding[0])
		}
	}
	return score, raw, capped
}

// Each control is the subject of a case: it is met in one and not in another, unless nothing but failing can be asked of it.
func TestPostureVectorsCoverControls(t *testing.T) {
	var f postureFile
	read(t, "posture.json", &f)
	seen := map[string]map[bool]bool{}
	states := map[string]bool{}
	for _, raw := range f.Cases {
		var c postureCase
		require.NoError(t, decode(raw, &c))
		for _, finding := range c.Report.Findings {
			if seen[finding[0]] == nil {
				seen[finding[0]] = map[bool]bool{}
			}
			seen[finding[0]][met(finding[1])] = true
			states[finding[1]] = true
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(f.Severities)), slices.Sorted(maps.Keys(seen)))
	for id, both := range seen {
		require.Len(t, both, 2, id)
	}
	require.Len(t, states, 8, "every state")
}
