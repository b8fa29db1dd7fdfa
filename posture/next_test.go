package posture_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
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
		{"nothing is to be done", nothing, noPasskeys, tableGates, []step{}},

		// 22 of 28 = 78. codes saved or address verified: 24 of 28 = 85, +7; tokens or second app: 23 of 28 = 82,
		// +4, of which an app is twice the effort and falls out. The address opens a gate, and so goes first.
		{"gates before points", all(oneApp, notSaved, func(f *posture.Facts) { f.Host.EmailVerified = posture.No }, token(func(t *tokens.Info) { t.LastUsed = time.Time{} })),
			noPasskeys, []posture.Gate{{Action: deploy, Controls: []string{posture.EmailVerified}}},
			[]step{{posture.EmailVerified, []string{deploy}, 7}, {posture.RecoveryCodesSaved, []string{}, 7}, {posture.TokensUsed, []string{}, 4}}},

		// The same, 92 to begin with (26 of 28): the one with two gates goes before the one with one.
		{"two gates before one", all(oneApp, func(f *posture.Facts) { f.Account.KeysCurrent = false }), noPasskeys,
			[]posture.Gate{{Action: "one", Controls: []string{posture.SecondAuthenticator}}, {Action: "two", Level: 2}},
			[]step{{posture.SecondAuthenticator, []string{"one", "two"}, 4}}}, // 27 of 28 = 96

		// 27 of 30 = 90. own: 29 of 30 = 96, +6 for thrice the effort; tokens: 28 of 30 = 93, +3.
		{"points before effort", token(func(t *tokens.Info) { t.LastUsed = time.Time{} }), *costly(posture.Fail, posture.Medium, posture.Much), nil,
			[]step{{"own", []string{}, 6}, {posture.TokensUsed, []string{}, 3}}},

		// 13 of 25 = 52, capped to 39. With an app come ten codes, saved, and the two controls that did not apply: 27 of
		// 28 = 96, +57, and nothing else can be done before.
		{"all that comes along", password(nothing), noPasskeys, tableGates,
			[]step{{posture.SecondFactor, []string{mint, invite, deploy}, 57}}},

		// 11 of 25 = 44, capped to 39. Under the cap a verified address gains nothing; with it the app gains 25 of 28 = 89.
		{"under a cap", password(func(f *posture.Facts) { f.Host.EmailVerified = posture.No }), noPasskeys, nil,
			[]step{{posture.SecondFactor, []string{}, 50}, {posture.EmailVerified, []string{}, 0}}},

		// Each of the two that a gate wants opens nothing alone. 24 of 28 = 85, each +7 (26 of 28 = 92).
		{"one of two that a gate wants", all(notSaved, func(f *posture.Facts) { f.Host.EmailVerified = posture.No }), noPasskeys,
			[]posture.Gate{{Action: "act", Controls: []string{posture.RecoveryCodesSaved, posture.EmailVerified}}},
			[]step{{posture.RecoveryCodesSaved, []string{}, 7}, {posture.EmailVerified, []string{}, 7}}},

		// 27 of 28 = 96.
		{"half", func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 1 }, noPasskeys, nil, []step{{posture.RecoveryCodesLeft, []string{}, 4}}},

		// Row F3: 26 of 28 = 92.
		{"a weak authenticator is replaced", weak, noPasskeys, nil, []step{{posture.AuthenticatorsStrong, []string{}, 8}}},

		{"unknown is not for the owner", func(f *posture.Facts) { f.Host.EmailVerified, f.TokensKnown = posture.Unknown, false }, noPasskeys, tableGates, []step{}},
		{"nor are the keys", func(f *posture.Facts) { f.Account.KeysCurrent = false }, noPasskeys, tableGates, []step{}},
		{"nor what is accepted", all(oneApp, accept(time.Time{}, posture.SecondAuthenticator)), noPasskeys, tableGates, []step{}},
		{"nor what is locked", oneApp, *adjusted(posture.SecondAuthenticator, posture.Adjustment{LockedBy: "Pro"}), tableGates, []step{}},

		// A gate that grace or report-only keeps open is not opened. 27 of 28 = 96.
		{"open already", oneApp, noPasskeys, []posture.Gate{
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
			require.Equal(t, []any{finding.Fix.Title, finding.Fix, finding.Effort}, []any{s.Title, s.Fix, s.Effort}, c.name)
		}
	}
}

// What a step gains is what the change gains that is made for it, with all that comes along: Preview makes the change with
// the code that makes it for real.
func TestStepsAreTheChange(t *testing.T) {
	type house struct {
		*gatehousetest.Service
		tok *tokens.Service
		pos *posture.Service
	}
	houseOf := func(c posture.ModelConfig) house {
		svc, tok, pos := withTokensUnder(t, c)
		return house{svc, tok, pos}
	}
	offered, without := houseOf(posture.ModelConfig{Passkeys: true}), houseOf(noPasskeys)
	ctx := t.Context()
	mint := func(svc house, session gatehouse.Session) {
		_, err := svc.tok.Mint(ctx, session, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}, Lifetime: 5 * day})
		require.NoError(t, err)
	}
	add := func(t *posture.Trial) error { return t.AddAuthenticator() }
	passkey := func(t *posture.Trial) error { return t.AddPasskey() }
	renew := func(t *posture.Trial) error { return t.RegenerateRecoveryCodes() }
	revoke := func(t *posture.Trial) error { return t.RevokeTokens() }
	for _, c := range []struct {
		name, control string
		make          func(svc house, id string)
		try           func(*posture.Trial) error
		mends         int
	}{
		{"a password", posture.SecondFactor, func(house, string) {}, add, 3},
		{"reset by support", posture.SecondFactor, func(svc house, id string) {
			svc.Enroll(t, id)
			_, err := svc.Operator("op-1").Because("a test").Reset(ctx, id)
			require.NoError(t, err)
		}, add, 3},
		{"one app", posture.SecondAuthenticator, func(svc house, id string) { svc.Enroll(t, id) }, add, 0},
		{"one app, and passkeys", posture.PhishingResistant, func(svc house, id string) { svc.Enroll(t, id) }, passkey, 1},
		{"few codes", posture.RecoveryCodesLeft, func(svc house, id string) {
			user := svc.Enroll(t, id)
			for _, code := range user.RecoveryCodes[:8] {
				_, err := svc.StepUp(ctx, user.Session(), code.Reveal())
				require.NoError(t, err)
				svc.Wait(time.Hour)
			}
		}, renew, 1},
		{"no codes", posture.RecoveryCodesExist, func(svc house, id string) {
			user := svc.Enroll(t, id)
			for _, code := range user.RecoveryCodes {
				_, err := svc.StepUp(ctx, user.Session(), code.Reveal())
				require.NoError(t, err)
				svc.Wait(time.Hour)
			}
		}, renew, 2},
		{"a token that is about to end", posture.TokensNotExpiring, func(svc house, id string) {
			mint(svc, svc.Enroll(t, id).Session())
		}, revoke, 0},
	} {
		svc, pos := offered, offered.pos
		if c.control == posture.SecondAuthenticator { // which a passkey brings along
			svc, pos = without, without.pos
		}
		id := strings.ReplaceAll(c.name, " ", "-")
		c.make(svc, id)
		r, err := pos.Review(ctx, id)
		require.NoError(t, err, c.name)
		i := slices.IndexFunc(r.Next, func(s posture.Step) bool { return s.Control == c.control })
		require.GreaterOrEqual(t, i, 0, "%s: %+v", c.name, r.Next)
		preview, err := pos.Preview(ctx, id, c.try)
		require.NoError(t, err, c.name)
		step, mends := r.Next[i], []string{}
		for _, flip := range preview.Flips {
			if flip.Control != c.control && flip.To == posture.Pass && flip.From != posture.NotApplicable {
				mends = append(mends, flip.Control)
			}
		}
		require.Equal(t, []any{preview.After.Score - preview.Before.Score, preview.After.Level, len(preview.Opens)},
			[]any{step.Gain, step.Level, len(step.Opens)}, c.name)
		require.Equal(t, mends, step.Mends, c.name)
		require.Len(t, mends, c.mends, c.name)
		require.NotContains(t, preview.After.Next, step, c.name)
	}
}

// A step that cannot be taken yet is none, and neither is one that another step brings along.
func TestStepsCanBeTaken(t *testing.T) {
	locked, free := gatehouse.MethodState{}, posture.Gate{Action: posture.MintToken, Controls: []string{posture.EmailVerified}}
	endless := token(func(t *tokens.Info) { t.Expires = time.Time{} })
	for _, c := range []struct {
		name  string
		facts func(*posture.Facts)
		gates []posture.Gate
		want  []string
	}{
		{"codes and a second app come after the first one", password(nothing), nil, []string{posture.SecondFactor}},
		{"all of it", all(password(nothing), func(f *posture.Facts) { f.Host.EmailVerified = posture.No }), nil,
			[]string{posture.SecondFactor, posture.EmailVerified}},
		{"suspended", all(oneApp, func(f *posture.Facts) { f.Account.Suspended = now }), nil, []string{}},
		{"new codes are saved codes", all(notSaved, func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 1 }), nil, []string{posture.RecoveryCodesLeft}},
		{"one look at the activity", func(f *posture.Facts) { f.Account.CodeUseUnseen, f.Account.ServiceUnseen = now, now }, nil, []string{posture.RecoveryUseSeen}},
		{"unlocked by a recovery code", func(f *posture.Facts) { f.Account.TOTP = locked }, nil, []string{posture.MethodsOpen}},
		{"nothing unlocks", all(func(f *posture.Facts) { f.Account.TOTP = locked }, func(f *posture.Facts) { f.Account.RecoveryCode = locked }), nil, []string{}},
		{"a passkey unlocks both", all(passkeys(1, 1), func(f *posture.Facts) {
			f.Account.TOTP, f.Account.RecoveryCode = locked, locked
		}), nil, []string{posture.MethodsOpen, posture.PhishingResistant}},
		{"a new token", endless, nil, []string{posture.TokensExpire}},
		{"a new token, once the gate is open", all(endless, func(f *posture.Facts) { f.Host.EmailVerified = posture.No }),
			[]posture.Gate{free}, []string{posture.EmailVerified}},
		{"a token of the password alone is rotated with the second factor",
			token(func(t *tokens.Info) { t.SecondFactor = false }), nil, []string{posture.TokensSecondFactor}},
		{"and not before there is one", func(f *posture.Facts) {
			*f = bare()
			f.Tokens = []tokens.Info{goodToken()}
			f.Tokens[0].SecondFactor = false
		}, nil, []string{posture.SecondFactor}},
	} {
		f := good()
		c.facts(&f)
		before := must(json.Marshal(f.Account))
		got := []string{}
		for _, s := range policyOf(t, noPasskeys, c.gates...).Review(f, now).Next {
			got = append(got, s.Control)
		}
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, before, must(json.Marshal(f.Account)), "%s: the facts are as they were", c.name)
	}
}

// Where passkeys are offered the plan leads to them: a first one after two-factor sign-in is on, then a second one, and then
// without the app. Each step raises the score or at least does not lower it, and the last one reaches level 3.
func TestStepsToPasskeys(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "admin", Level: 3, PhishingResistant: true})
	control := func(r posture.Review) (list []string) {
		for _, s := range r.Next {
			list = append(list, s.Control)
		}
		return list
	}
	f := bare()
	require.Equal(t, []string{posture.SecondFactor}, control(p.Review(f, now)))

	for _, c := range []struct {
		edit  func(*posture.Facts)
		next  []string
		score int
		level int
	}{
		{passkeys(0, 1), []string{posture.PhishingResistant}, 90, 1}, // 27 of 30; the passkey is another authenticator, too
		{passkeys(1, 1), []string{posture.PhishingResistant}, 93, 2}, // 29 of 31
		{passkeys(2, 1), []string{posture.PasskeysAlone}, 93, 2},
		{passkeys(2, 0), nil, 100, 3},
		{passkeys(1, 0), []string{posture.SecondAuthenticator}, 96, 1}, // another passkey, and no app
	} {
		f := good()
		c.edit(&f)
		r := p.Review(f, now)
		require.Equal(t, []any{c.next, c.score, c.level}, []any{control(r), r.Score, r.Level})
		for _, s := range r.Next {
			require.GreaterOrEqual(t, s.Gain, 0, s.Control)
		}
		if slices.Contains(c.next, posture.PasskeysAlone) || c.level == 1 && c.score == 96 {
			require.Equal(t, []any{3, []string{"admin"}}, []any{r.Next[0].Level, r.Next[0].Opens})
		}
	}
}
