package attack_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// answer is what a method returned.
type answer struct {
	value any   // nil where there is none
	err   error // the sentinel that it is
	saved bool  // whether there is an account afterwards
}

// Row T3: every method, for an account that has no record, and for one that was deleted: its whole answer, and whether it
// makes the account. Owners come with a good proof of the deleted account, or with none.
func TestAccountWithoutARecordInEveryMethod(t *testing.T) {
	t.Run("never seen", func(t *testing.T) { testAbsentAccount(t, "nobody") })
	t.Run("deleted", func(t *testing.T) { testAbsentAccount(t, "gone") })
}

func testAbsentAccount(t *testing.T, id string) {
	ctx := context.Background()
	denied, stepUp, state, missing := gatehouse.ErrDenied, gatehouse.ErrStepUpRequired, gatehouse.ErrPrecondition, gatehouse.ErrNotFound
	h, _ := judgedHouse(t)
	gone := h.enroll("gone")
	ended := map[string]face{"no proof": h.Owner(gatehouse.Proof{}), "a proof of a deleted account": h.Owner(gone.proof)}
	challenge := gone.challenge()
	text, info := gone.mint("logs:read")
	op := h.Operator("op").Because("for a test")
	restart := func() {
		h.empty()
		require.NoError(t, deleted(op.DeleteAccount(ctx, gone.id)))
	}
	restart()
	judge := func(t *testing.T) (posture.Review, posture.Review) {
		other, _ := judgedHouse(t)
		other.set(h.clock())
		return other.review("somebody else"), other.review(id)
	}
	somebody, review := judge(t)
	require.Equal(t, somebody, review)
	require.Equal(t, 0, review.Level)
	second, found := review.Find(posture.SecondFactor)
	require.True(t, found)
	require.Equal(t, posture.Fail, second.State)

	call := func(value any, err error) answer {
		for _, sentinel := range []error{denied, stepUp, state, missing} {
			if errors.Is(err, sentinel) {
				err = sentinel
			}
		}
		return answer{value: value, err: err}
	}
	only := func(err error) answer { return call(nil, err) }
	type method struct {
		call func() answer
		want answer
	}
	service := map[string]method{
		"Account": {func() answer { a, err := h.Account(ctx, id); return call(shown(a), err) }, answer{value: gatehouse.Account{ID: id, KeysCurrent: true}}},
		"Before":  {func() answer { _, err := h.Before(ctx, id); return only(err) }, answer{}},
		"Challenge": {func() answer { return call(h.Challenge(ctx, id)) },
			answer{value: gatehouse.Challenge{AccountID: id, Step: gatehouse.StepNotNeeded}}},
		"CheckChallenge":     {func() answer { return call(h.CheckChallenge(ctx, challenge)) }, answer{value: gatehouse.Challenge{}, err: denied}},
		"Answer":             {func() answer { return call(h.Answer(ctx, challenge, gone.code())) }, answer{value: gatehouse.Verification{}, err: denied}},
		"StepUp":             {func() answer { return call(h.StepUp(ctx, id, gone.code())) }, answer{value: gatehouse.Verification{}, err: denied}},
		"RedeemOperatorCode": {func() answer { return call(h.RedeemOperatorCode(ctx, challenge, gone.codes[0].Reveal())) }, answer{value: gatehouse.Proof{}, err: denied}},
		"Resync":             {func() answer { return only(h.Resync(ctx, challenge, gone.auth, gone.code(), gone.code(1))) }, answer{err: denied}},
		"Attest": {func() answer {
			p, err := h.Attest(ctx, id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
			require.NotEmpty(t, p.Reveal())
			return only(err)
		}, answer{saved: true}},
		"CheckProof":        {func() answer { return call(h.CheckProof(ctx, gone.proof, 0)) }, answer{value: gatehouse.ProofInfo{}, err: stepUp}},
		"Require":           {func() answer { return only(h.Require(ctx, gone.proof, "deploy.public")) }, answer{err: stepUp}},
		"Activity":          {func() answer { return call(h.Activity(ctx, id)) }, answer{value: []event.Event(nil)}},
		"History":           {func() answer { return call(h.History(ctx, id)) }, answer{value: []posture.Snapshot{}}},
		"Review":            {func() answer { return call(h.Review(ctx, id)) }, answer{value: review}},
		"Preview":           {func() answer { return call(h.Preview(ctx, id, (*posture.Trial).DisableTwoFactor)) }, answer{value: posture.Preview{}, err: state}},
		"Tokens":            {func() answer { return call(h.Tokens(ctx, id)) }, answer{value: []tokens.Info(nil)}},
		"Token":             {func() answer { return call(h.Token(ctx, id, info.ID)) }, answer{value: tokens.Info{}, err: missing}},
		"AuthenticateToken": {func() answer { return call(h.Check(ctx, text)) }, answer{value: tokens.Grant{}, err: denied}},
		"Rotate":            {func() answer { return call(h.RotateSelf(ctx, text, tokens.Rotation{})) }, answer{value: tokens.Minted{}, err: denied}},
		"RevokePresented":   {func() answer { return only(h.RevokePresented(ctx, text)) }, answer{}},
	}
	operator := map[string]method{
		"Reset": {func() answer { return call(op.Reset(ctx, id)) }, answer{value: recovery.Code{}, err: state}},
		"Unlock": {func() answer {
			return only(errors.Join(op.Unlock(ctx, id, event.MethodTOTP), op.Unlock(ctx, id, event.MethodRecoveryCode)))
		}, answer{}},
		"Suspend":         {func() answer { return only(op.Suspend(ctx, id)) }, answer{saved: true}},
		"Resume":          {func() answer { return only(op.Resume(ctx, id)) }, answer{}},
		"PasswordChanged": {func() answer { return only(op.PasswordChanged(ctx, id, gatehouse.RevokeTokens)) }, answer{saved: true}},
		"DeleteAccount":   {func() answer { return only(deleted(op.DeleteAccount(ctx, id))) }, answer{}},
		"CreateServiceAccount": {func() answer {
			return only(errors.Join(op.CreateServiceAccount(ctx, id, "acme"), h.store.DeleteAccount(ctx, "acme")))
		}, answer{saved: true}},
		"Mint": {func() answer {
			return call(op.Mint(ctx, id, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}}))
		}, answer{value: tokens.Minted{}, err: state}},
		"Rotate":       {func() answer { return call(op.Rotate(ctx, info.ID, tokens.Rotation{})) }, answer{value: tokens.Minted{}, err: missing}},
		"Renew":        {func() answer { return call(op.Renew(ctx, info.ID, 0)) }, answer{value: tokens.Info{}, err: missing}},
		"Revoke":       {func() answer { return only(op.Revoke(ctx, info.ID)) }, answer{err: missing}},
		"RevokeAll":    {func() answer { return only(op.RevokeAll(ctx, id)) }, answer{}},
		"AcceptRisk":   {func() answer { return only(op.AcceptRisk(ctx, id, posture.EmailVerified, time.Time{})) }, answer{saved: true}},
		"WithdrawRisk": {func() answer { return only(op.WithdrawRisk(ctx, id, posture.EmailVerified)) }, answer{}},
		"ShutOut":      {func() answer { return call(op.ShutOut(ctx, "deploy.public", "", 10)) }, answer{value: []string(nil)}},
		"Reviews": {func() answer {
			return only(op.Reviews(ctx, "", func(string, posture.Review, error) bool { panic("nobody is there") }))
		}, answer{}},
		"Reseal":       {func() answer { return call(op.Reseal(ctx, "", nil)) }, answer{value: gatehouse.Progress{}}},
		"AfterRestore": {func() answer { return call(op.AfterRestore(ctx, gatehouse.Restoration{}, "", nil)) }, answer{value: gatehouse.Progress{}}},
		"Purge":        {func() answer { return call(op.Purge(ctx, h.clock(), "", nil)) }, answer{value: gatehouse.Progress{}}},
		"WarnExpiring": {func() answer { return call(op.WarnExpiring(ctx, "", nil)) }, answer{value: gatehouse.Progress{}}},
	}
	// What is about no account, and Import, which is for accounts without a record and has tests of its own.
	about := map[string][]string{
		"Service": {"Owner", "Operator", "Stats", "Close", "Permissions"}, "Operator": {"Because", "Fleet", "Import"},
	}
	for who, all := range map[string]map[string]method{"Service": service, "Operator": operator} {
		of := map[string]reflect.Type{"Service": reflect.TypeFor[*gatehouse.Service](), "Operator": reflect.TypeFor[operators]()}[who]
		for i := range of.NumMethod() {
			name := of.Method(i).Name
			if !slices.Contains(about[who], name) {
				require.Contains(t, all, name, "a method of %s that this test does not know", who)
			}
		}
		for name, m := range all {
			before := h.dump()
			got := m.call()
			if !m.want.saved && name != "DeleteAccount" { // which draws again what it leaves
				require.Equal(t, before, h.dump(), "%s.%s", who, name)
			}
			for _, r := range h.records() {
				if !h.account(r.ID).Absent() {
					got.saved = true
					require.Equal(t, id, r.ID)
				}
			}
			require.Equal(t, m.want, got, "%s.%s", who, name)
			require.Empty(t, h.tokenRecords())
			restart()
		}
	}

	for what, owned := range ended {
		owner := map[string]method{
			"BeginEnrollment":          {func() answer { return call(owned.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})) }, answer{value: gatehouse.Enrollment{}}},
			"ConfirmEnrollment":        {func() answer { return call(owned.ConfirmEnrollment(ctx, gone.auth, gone.code())) }, answer{value: gatehouse.Proof{}}},
			"CancelEnrollment":         {func() answer { return only(owned.CancelEnrollment(ctx, gone.auth)) }, answer{}},
			"AcknowledgeRecoveryCodes": {func() answer { return only(owned.AcknowledgeRecoveryCodes(ctx, "set")) }, answer{}},
			"RegenerateRecoveryCodes":  {func() answer { return call(owned.RegenerateRecoveryCodes(ctx)) }, answer{value: gatehouse.RecoveryCodes{}}},
			"RenameAuthenticator":      {func() answer { return only(owned.RenameAuthenticator(ctx, gone.auth, "Mine")) }, answer{}},
			"RemoveAuthenticator":      {func() answer { return call(owned.RemoveAuthenticator(ctx, gone.auth)) }, answer{value: gatehouse.Proof{}}},
			"DisableTwoFactor":         {func() answer { return call(owned.DisableTwoFactor(ctx)) }, answer{value: gatehouse.Proof{}}},
			"Unlock":                   {func() answer { return only(owned.Unlock(ctx, event.MethodRecoveryCode)) }, answer{}},
			"ReviewActivity":           {func() answer { return only(owned.ReviewActivity(ctx, 1)) }, answer{}},
			"Mint": {func() answer {
				return call(owned.Mint(ctx, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}}))
			}, answer{value: tokens.Minted{}}},
			"Rotate":    {func() answer { return call(owned.Rotate(ctx, info.ID, tokens.Rotation{})) }, answer{value: tokens.Minted{}}},
			"Renew":     {func() answer { return call(owned.Renew(ctx, info.ID, 0)) }, answer{value: tokens.Info{}}},
			"Revoke":    {func() answer { return only(owned.Revoke(ctx, info.ID)) }, answer{}},
			"RevokeAll": {func() answer { return only(owned.RevokeAll(ctx)) }, answer{}},
		}
		of := reflect.TypeFor[face]()
		for i := range of.NumMethod() {
			if name := of.Method(i).Name; name != "Permissions" {
				require.Contains(t, owner, name, "a method of Owner that this test does not know")
			}
		}
		for name, m := range owner {
			if m.want.err = stepUp; what != "no proof" && slices.Contains([]string{"Rotate", "Renew", "Revoke"}, name) {
				m.want.err = missing // the token went with the account, and that is looked at first
			}
			h.unchanged(func() {
				require.Equal(t, m.want, m.call(), "%s: %s", what, name)
			})
		}
		may, err := owned.Permissions(ctx)
		require.NoError(t, err)
		require.Equal(t, gatehouse.Permissions{}, may)
	}
}
