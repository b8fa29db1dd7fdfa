package posture_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

func names(list []tokens.Info) (ids []string) {
	for _, t := range list {
		ids = append(ids, t.ID)
	}
	return ids
}

func TestCompare(t *testing.T) {
	p := policyOf(t, noPasskeys, tableGates...)
	waits := func(f *posture.Facts) { f.Tokens[0].State = tokens.StateNeedsSecondFactor }
	const lost = "Whoever loses the phone is locked out: no way back is left but support."
	off := func(f *posture.Facts) { // what turning two-factor off does
		noCodes(f)
		f.Account.Authenticators, f.Account.TOTP = nil, gatehouse.MethodState{}
		waits(f)
	}
	for _, c := range []struct {
		name          string
		before, after func(*posture.Facts)
		levels        [2]int
		scores        [2]int
		flips         []posture.Flip
		opens, closes []string
		stop, start   []string
		back          []string
		warnings      []string
	}{
		{name: "nothing", before: nothing, after: nothing, levels: [2]int{2, 2}, scores: [2]int{100, 100},
			back: []string{"totp 1", "recovery_code 10"}},

		{name: "turned off", before: nothing, after: off, levels: [2]int{2, 0}, scores: [2]int{100, 39},
			flips: []posture.Flip{
				{Control: posture.SecondFactor, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesExist, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesSaved, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesLeft, From: posture.Pass, To: posture.Fail},
				{Control: posture.SecondAuthenticator, From: posture.Pass, To: posture.Fail},
				{Control: posture.KeysCurrent, From: posture.Pass, To: posture.NotApplicable},
				{Control: posture.AuthenticatorsStrong, From: posture.Pass, To: posture.NotApplicable},
			},
			closes: []string{mint, invite, deploy, admin}, stop: []string{"T1"},
			warnings: []string{"The password alone would sign in.", "Gates that would close: mint, invite, deploy, admin.", "Access tokens that would stop working: 1."}},

		{name: "turned on", before: off, after: all(oneApp, notSaved), levels: [2]int{0, 1}, scores: [2]int{39, 89},
			flips: []posture.Flip{
				{Control: posture.SecondFactor, From: posture.Fail, To: posture.Pass},
				{Control: posture.RecoveryCodesExist, From: posture.Fail, To: posture.Pass},
				{Control: posture.RecoveryCodesLeft, From: posture.Fail, To: posture.Pass},
				{Control: posture.KeysCurrent, From: posture.NotApplicable, To: posture.Pass},
				{Control: posture.AuthenticatorsStrong, From: posture.NotApplicable, To: posture.Pass},
			},
			opens: []string{mint, deploy}, start: []string{"T1"}, back: []string{"recovery_code 10"}},

		{name: "the last codes are used", before: oneApp, after: all(oneApp, func(f *posture.Facts) { f.Account.RecoveryCodes.Left = 0 }),
			levels: [2]int{1, 1}, scores: [2]int{96, 78}, // 27 and 22 of 28
			flips: []posture.Flip{
				{Control: posture.RecoveryCodesExist, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesLeft, From: posture.Pass, To: posture.Fail},
			},
			warnings: []string{lost, "No recovery code would be left."}},

		{name: "an app is removed", before: noCodes, after: all(noCodes, oneApp), levels: [2]int{1, 1}, scores: [2]int{75, 71},
			flips:    []posture.Flip{{Control: posture.SecondAuthenticator, From: posture.Pass, To: posture.Fail}},
			warnings: []string{lost}},

		{name: "support resets", before: nothing, after: all(off, func(f *posture.Facts) { f.Account.Reset, f.Account.OperatorCode = &gatehouse.Reset{At: now}, available }),
			levels: [2]int{2, 0}, scores: [2]int{100, 39},
			flips: []posture.Flip{
				{Control: posture.SecondFactor, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesExist, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesSaved, From: posture.Pass, To: posture.Fail},
				{Control: posture.RecoveryCodesLeft, From: posture.Pass, To: posture.Fail},
				{Control: posture.SecondAuthenticator, From: posture.Pass, To: posture.Fail},
				{Control: posture.KeysCurrent, From: posture.Pass, To: posture.NotApplicable},
				{Control: posture.AuthenticatorsStrong, From: posture.Pass, To: posture.NotApplicable},
			},
			closes: []string{mint, invite, deploy, admin}, stop: []string{"T1"}, back: []string{"operator_code 0"},
			warnings: []string{"No recovery code would be left.", "Gates that would close: mint, invite, deploy, admin.", "Access tokens that would stop working: 1."}},

		{name: "suspended", before: nothing, after: all(waits, func(f *posture.Facts) { f.Account.Suspended = now }), levels: [2]int{2, 2}, scores: [2]int{100, 100},
			stop:     []string{"T1"},
			warnings: []string{"Nobody gets in until the account is resumed.", "Access tokens that would stop working: 1."}},

		{name: "suspended already", before: func(f *posture.Facts) { f.Account.Suspended = now }, after: func(f *posture.Facts) { f.Account.Suspended = now },
			levels: [2]int{2, 2}, scores: [2]int{100, 100}, warnings: []string{"Nobody gets in until the account is resumed."}},

		{name: "a token is revoked, another made", before: nothing, after: func(f *posture.Facts) { f.Tokens[0].ID = "T2" },
			levels: [2]int{2, 2}, scores: [2]int{100, 100}, stop: []string{"T1"}, start: []string{"T2"},
			back: []string{"totp 1", "recovery_code 10"}, warnings: []string{"Access tokens that would stop working: 1."}},

		{name: "codes are disabled", before: nothing, after: func(f *posture.Facts) { f.Account.TOTP = disabled }, levels: [2]int{2, 2}, scores: [2]int{100, 92},
			flips: []posture.Flip{{Control: posture.MethodsOpen, From: posture.Pass, To: posture.Fail}},
			back:  []string{"recovery_code 10"}}, // codes of the other app are refused as well

		{name: "both are disabled", before: nothing, after: func(f *posture.Facts) { f.Account.TOTP, f.Account.RecoveryCode = disabled, disabled },
			levels: [2]int{2, 2}, scores: [2]int{100, 92},
			flips:    []posture.Flip{{Control: posture.MethodsOpen, From: posture.Pass, To: posture.Fail}},
			warnings: []string{lost}},

		{name: "a passkey takes the place of an app", before: nothing, after: passkeys(1, 1), levels: [2]int{2, 2}, scores: [2]int{100, 93},
			flips: []posture.Flip{
				{Control: posture.PhishingResistant, From: posture.Locked, To: posture.Partial},
				{Control: posture.PasskeysAlone, From: posture.NotApplicable, To: posture.Fail},
			},
			back: []string{"passkey 1", "recovery_code 10"}},

		{name: "the app goes", before: passkeys(2, 1), after: passkeys(2, 0), levels: [2]int{2, 3}, scores: [2]int{93, 100},
			flips: []posture.Flip{
				{Control: posture.PhishingResistant, From: posture.Partial, To: posture.Pass},
				{Control: posture.PasskeysAlone, From: posture.Fail, To: posture.NotApplicable},
			},
			back: []string{"passkey 1", "recovery_code 10"}},

		{name: "the last passkey but one", before: all(noCodes, passkeys(2, 0)), after: all(noCodes, passkeys(1, 0)), levels: [2]int{1, 1}, scores: [2]int{76, 73},
			flips:    []posture.Flip{{Control: posture.SecondAuthenticator, From: posture.Pass, To: posture.Fail}},
			warnings: []string{lost}},

		{name: "a password has nothing to lose", before: off, after: off, scores: [2]int{39, 39}},
	} {
		before, after := good(), good()
		c.before(&before)
		c.after(&after)
		v := p.Compare(before, after, now)
		require.Equal(t, p.Review(before, now), v.Before, c.name)
		require.Equal(t, p.Review(after, now), v.After, c.name)
		require.Equal(t, c.levels, [2]int{v.Before.Level, v.After.Level}, c.name)
		require.Equal(t, c.scores, [2]int{v.Before.Score, v.After.Score}, c.name)
		require.ElementsMatch(t, c.flips, v.Flips, c.name)
		require.Equal(t, [][]string{c.opens, c.closes, c.stop, c.start, c.back, c.warnings},
			[][]string{v.Opens, v.Closes, names(v.Suspends), names(v.Resumes), ways(v.WaysBack), v.Warnings}, c.name)
	}
}

func ways(list []posture.WayBack) (as []string) {
	for _, w := range list {
		as = append(as, fmt.Sprint(w.Method, " ", w.Count))
	}
	return as
}

// A plan that hides or shows a control flips nothing, but gates open and close.
func TestCompareOfPlans(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true, Adjust: map[string]func(string) posture.Adjustment{
		posture.EmailVerified: func(plan string) posture.Adjustment { return posture.Adjustment{Hide: plan == "free"} },
	}}, tableGates...)
	free := good()
	free.Host.Plan = "free"
	v := p.Compare(free, good(), now)
	require.Empty(t, v.Flips)
	require.Equal(t, []string{deploy}, v.Opens)
	require.Equal(t, []string{deploy}, p.Compare(good(), free, now).Closes)
}

// The standing danger is told also where nothing changes.
func TestCompareWarnsOfWhatIs(t *testing.T) {
	p := policyOf(t, posture.ModelConfig{Passkeys: true})
	f := good()
	oneApp(&f)
	noCodes(&f)
	v := p.Compare(f, f, now)
	require.Len(t, v.Warnings, 1)
	require.Empty(t, v.WaysBack)
	require.Empty(t, p.Compare(good(), good(), now.Add(time.Hour)).Warnings)
}
