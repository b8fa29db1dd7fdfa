package attack_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// stepUp returns a fresh proof by a code.
func (o *owner) stepUp(code string) gatehouse.Proof {
	o.h.t.Helper()
	v, err := o.h.StepUp(context.Background(), o.id, code)
	require.NoError(o.h.t, err)
	return v.Session.Proof
}

// second pairs another authenticator.
func (o *owner) second() *owner {
	o.h.t.Helper()
	ctx := context.Background()
	o.h.wait(totp.Period)
	face := o.h.Owner(o.stepUp(o.code()))
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Second"})
	require.NoError(o.h.t, err)
	require.Empty(o.h.t, enr.RecoveryCodes, "a set that exists is not replaced silently")
	other := &owner{h: o.h, id: o.id, key: keyOf(enr, 6), auth: enr.ID, codes: o.codes}
	other.proof, err = face.ConfirmEnrollment(ctx, enr.ID, other.code())
	require.NoError(o.h.t, err)
	o.h.wait(totp.Period)
	return other
}

func TestRegenerateRecoveryCodes(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	challenge := o.challenge()
	old := h.Owner(o.stepUp(o.code()))
	fresh, err := old.RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	require.Len(t, fresh.Codes, recovery.Count)

	_, err = old.RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the change ended the proof")
	require.NoError(t, h.Owner(fresh.Proof).AcknowledgeRecoveryCodes(ctx, fresh.SetID), "its successor stands")
	_, err = h.Answer(ctx, challenge, fresh.Codes[0].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "the change ended the challenge")
	for _, code := range o.codes[:3] {
		_, err = o.signIn(code.Reveal())
		require.ErrorIs(t, err, gatehouse.ErrDenied, "old codes")
	}
	v, err := o.signIn(fresh.Codes[0].Reveal())
	require.NoError(t, err)

	// A recovery code is proof enough for new ones; its successor cannot do more than it could.
	again, err := h.Owner(v.Session.Proof).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	_, err = h.Owner(again.Proof).DisableTwoFactor(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)

	bare := h.vouch("bare")
	_, err = h.Owner(bare).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "codes come with an authenticator")
}

func TestSuccessorKeepsTheTime(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	p := o.stepUp(o.code())
	for range 4 {
		h.wait(time.Minute)
		fresh, err := h.Owner(p).RegenerateRecoveryCodes(ctx)
		require.NoError(t, err)
		p = fresh.Proof
	}
	h.wait(time.Minute + time.Second)
	_, err := h.Owner(p).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
}

func TestRenameAndRemove(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	_, err := h.Owner(o.stepUp(o.code())).RemoveAuthenticator(ctx, o.auth)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "the last one")

	two := o.second()
	face := h.Owner(two.proof)
	require.NoError(t, face.RenameAuthenticator(ctx, two.auth, "Work phone"))
	for _, name := range []string{"", " x", "x\n", "\u202ex", string([]byte{0xff}), string(make([]byte, 65))} {
		require.ErrorIs(t, face.RenameAuthenticator(ctx, two.auth, name), gatehouse.ErrInvalid, "%q", name)
	}
	require.ErrorIs(t, face.RenameAuthenticator(ctx, "nobody's", "x"), gatehouse.ErrNotFound)
	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, "Work phone", st.Authenticators[1].Name)

	_, err = face.RemoveAuthenticator(ctx, "nobody's")
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	next, err := face.RemoveAuthenticator(ctx, o.auth)
	require.NoError(t, err)
	_, err = two.signIn(o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a removed authenticator")
	_, err = two.signIn(two.code())
	require.NoError(t, err)
	_, err = h.Owner(next).RemoveAuthenticator(ctx, two.auth)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "the last one")
}

func TestDisableTwoFactor(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	h.wait(totp.Period)
	proof := o.stepUp(o.code())
	pending, err := h.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	challenge := o.challenge()
	next, err := h.Owner(proof).DisableTwoFactor(ctx)
	require.NoError(t, err)

	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, gatehouse.Account{ID: "u", KeysCurrent: true, Activity: st.Activity}, shown(st), "no factor, no codes, nothing pending")
	ch, err := h.Challenge(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, gatehouse.StepNotNeeded, ch.Step)
	h.wait(totp.Period)
	for _, code := range []string{o.code(), o.codes[0].Reveal()} {
		_, err = h.Answer(ctx, challenge, code)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		_, err = h.StepUp(ctx, "u", code)
		require.ErrorIs(t, err, gatehouse.ErrDenied, "an account without a second factor never verifies")
	}
	_, err = h.Owner(next).ConfirmEnrollment(ctx, pending.ID, "000000")
	require.ErrorIs(t, err, gatehouse.ErrNotFound, "the pending enrollment ended")
	_, err = h.Owner(next).DisableTwoFactor(ctx)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	enr, err := h.Owner(next).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	require.Len(t, enr.RecoveryCodes, recovery.Count)
}

// lock makes enough wrong TOTP codes to lock for half a minute.
func (o *owner) lock() {
	o.h.t.Helper()
	for range 6 {
		_, err := o.signIn(o.wrong())
		require.ErrorIs(o.h.t, err, gatehouse.ErrDenied)
	}
	_, err := o.signIn(o.code())
	var denied *gatehouse.DeniedError
	require.ErrorAs(o.h.t, err, &denied)
	require.Equal(o.h.t, o.h.clock().Add(30*time.Second), denied.RetryAt)
}

func TestUnlock(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	same := o.stepUp(o.code())
	h.wait(totp.Period)
	o.lock()
	require.ErrorIs(t, h.Owner(same).Unlock(ctx, event.MethodTOTP), gatehouse.ErrStepUpRequired, "the same method")
	v, err := o.signIn(o.codes[0].Reveal())
	require.NoError(t, err)
	require.ErrorIs(t, h.Owner(v.Session.Proof).Unlock(ctx, event.MethodRecoveryCode), gatehouse.ErrStepUpRequired, "the same method")
	require.ErrorIs(t, h.Owner(v.Session.Proof).Unlock(ctx, event.MethodOperatorCode), gatehouse.ErrInvalid)
	require.ErrorIs(t, h.Owner(v.Session.Proof).Unlock(ctx, ""), gatehouse.ErrInvalid)
	require.NoError(t, h.Owner(v.Session.Proof).Unlock(ctx, event.MethodTOTP))
	_, err = o.signIn(o.code())
	require.NoError(t, err)

	h.wait(totp.Period)
	o.lock()
	require.NoError(t, h.Operator("op").Unlock(ctx, "u", event.MethodTOTP))
	v, err = o.signIn(o.code())
	require.NoError(t, err)

	// Ten wrong recovery codes without tags empty the bucket.
	o.untag()
	wrong := o.codes[1].Reveal()
	wrong = wrong[:len(wrong)-1] + map[bool]string{true: "Z", false: "Y"}[wrong[len(wrong)-1] == 'Y']
	for range 10 {
		_, err = h.StepUp(ctx, "u", wrong)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	_, err = h.StepUp(ctx, "u", o.codes[1].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "locked")
	require.NoError(t, h.Owner(v.Session.Proof).Unlock(ctx, event.MethodRecoveryCode))
	_, err = h.StepUp(ctx, "u", o.codes[1].Reveal())
	require.NoError(t, err)
}

func TestResync(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	h.wait(time.Hour)
	challenge := o.challenge()
	require.ErrorIs(t, h.Resync(ctx, challenge, o.auth, o.code(-10), o.wrong()), gatehouse.ErrDenied)
	require.ErrorIs(t, h.Resync(ctx, challenge, "nobody's", o.code(-10), o.code(-9)), gatehouse.ErrDenied)
	require.ErrorIs(t, h.Resync(ctx, "", o.auth, o.code(-10), o.code(-9)), gatehouse.ErrDenied)
	require.ErrorIs(t, h.Resync(ctx, challenge, o.auth, "x", o.code(-9)), gatehouse.ErrDenied)
	require.ErrorIs(t, h.Resync(ctx, challenge, o.auth, o.code(-22), o.code(-21)), gatehouse.ErrDenied)

	_, err := h.Answer(ctx, challenge, o.code(-10))
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.NoError(t, h.Resync(ctx, challenge, o.auth, o.code(-10), o.code(-9)))
	_, err = h.Answer(ctx, challenge, o.code(-9))
	require.ErrorIs(t, err, gatehouse.ErrDenied, "used up")
	_, err = h.Answer(ctx, challenge, o.code(-8))
	require.NoError(t, err, "the next code of the slow clock")

	// A wrong try is a failed code, and a lock holds for this as well.
	h.wait(time.Hour)
	var denied *gatehouse.DeniedError
	for range 6 {
		challenge := o.challenge()
		require.ErrorAs(t, h.Resync(ctx, challenge, o.auth, o.wrong(), o.wrong()), &denied)
		a, err := h.Account(ctx, "u")
		require.NoError(t, err)
		require.Equal(t, a.TOTP.RetryAt, denied.RetryAt, "the one that locks says so")
	}
	require.ErrorAs(t, h.Resync(ctx, o.challenge(), o.auth, o.code(-9), o.code(-8)), &denied)
	require.Equal(t, h.clock().Add(30*time.Second), denied.RetryAt)
}

func TestResetAndTheWayBack(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	before, challenge := o.stepUp(o.code()), o.challenge()
	op := h.Operator("support-7").Because("showed a passport")

	_, err := op.Reset(ctx, "unknown")
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	first, err := op.Reset(ctx, "u")
	require.NoError(t, err)
	code, err := op.Reset(ctx, "u")
	require.NoError(t, err)

	// The password alone gets nowhere.
	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.True(t, st.Protected)
	require.Empty(t, st.Authenticators)
	require.True(t, st.OperatorCode.Available)
	require.Equal(t, h.clock().Add(24*time.Hour), st.Reset.CodeExpires)
	ch, err := h.Challenge(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, gatehouse.StepNeeded, ch.Step)
	require.True(t, ch.OperatorCode.Available)
	h.wait(totp.Period)
	for _, text := range []string{o.code(), o.codes[0].Reveal(), code.Reveal(), first.Reveal()} {
		_, err = o.signIn(text)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		_, err = h.StepUp(ctx, "u", text)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	_, err = h.Answer(ctx, challenge, code.Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	for _, p := range []gatehouse.Proof{before, h.vouch("u")} {
		_, err = h.Owner(p).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		_, err = h.Owner(p).DisableTwoFactor(ctx)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	}

	// Only the last operator code does, once, and only for an enrollment.
	for _, text := range []string{first.Reveal(), o.codes[1].Reveal(), "123456", "", "x"} {
		_, err = h.RedeemOperatorCode(ctx, o.challenge(), text)
		require.ErrorIs(t, err, gatehouse.ErrDenied, text)
	}
	proof, err := h.RedeemOperatorCode(ctx, o.challenge(), code.Reveal(), "session-1")
	require.NoError(t, err)
	_, err = h.RedeemOperatorCode(ctx, o.challenge(), code.Reveal(), "session-1")
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	for _, elsewhere := range []string{"", "session-2"} {
		_, err = h.Owner(proof, elsewhere).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the proof is of the session in which the code was redeemed")
	}
	face := h.Owner(proof, "session-1")
	_, err = face.DisableTwoFactor(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	require.Len(t, enr.RecoveryCodes, recovery.Count)
	anew := &owner{h: h, id: "u", key: keyOf(enr, 6), auth: enr.ID, codes: enr.RecoveryCodes}
	successor, err := face.ConfirmEnrollment(ctx, enr.ID, anew.code())
	require.NoError(t, err)
	_, err = h.Owner(successor, "session-1").BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "one enrollment, nothing else")

	h.wait(totp.Period)
	_, err = anew.signIn(anew.code())
	require.NoError(t, err)
	st, err = h.Account(ctx, "u")
	require.NoError(t, err)
	require.Nil(t, st.Reset)

	// An operator code expires.
	late, err := op.Reset(ctx, "u")
	require.NoError(t, err)
	h.wait(24 * time.Hour)
	_, err = h.RedeemOperatorCode(ctx, o.challenge(), late.Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
}

// While a reset is pending, nobody who has the password can lock the codes that are yet to come.
func TestResetIsNotLockedOut(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	o.lock()
	code, err := h.Operator("op").Reset(ctx, "u")
	require.NoError(t, err)
	for range 60 {
		_, err = o.signIn("123456")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	proof, err := h.RedeemOperatorCode(ctx, o.challenge(), code.Reveal())
	require.NoError(t, err)
	enr, err := h.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	anew := &owner{h: h, id: "u", key: keyOf(enr, 6)}
	_, err = h.Owner(proof).ConfirmEnrollment(ctx, enr.ID, anew.code())
	require.NoError(t, err)
	h.wait(totp.Period)
	_, err = anew.signIn(anew.code())
	require.NoError(t, err)
}

func TestSuspend(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	proof, challenge := o.stepUp(o.code()), o.challenge()
	h.wait(totp.Period)
	op := h.Operator("op").Because("paid with a stolen card")
	require.NoError(t, op.Suspend(ctx, "u"))
	require.NoError(t, op.Suspend(ctx, "bare"))
	for _, id := range []string{"u", "bare"} {
		ch, err := h.Challenge(ctx, id)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.Equal(t, gatehouse.Step(""), ch.Step)
		_, err = h.Attest(ctx, id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()})
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
		st, err := h.Account(ctx, id)
		require.NoError(t, err)
		require.Equal(t, h.clock(), st.Suspended)
	}
	_, err := h.Answer(ctx, challenge, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.StepUp(ctx, "u", o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.Error(t, err)

	require.NoError(t, op.Resume(ctx, "u"))
	_, err = h.Answer(ctx, challenge, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "the challenge has ended")
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = o.signIn(o.code())
	require.NoError(t, err)
}

func TestPasswordChanged(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	proof, challenge := o.stepUp(o.code()), o.challenge()
	enr, err := h.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	h.wait(totp.Period)
	tokens := func() int64 {
		rec, err := h.store.LoadAccount(ctx, "u")
		require.NoError(t, err)
		return rec.Index.TokenEpoch
	}
	before := tokens()
	require.ErrorIs(t, h.Operator("system").PasswordChanged(ctx, "u", 0), gatehouse.ErrInvalid, "a choice must be made")
	require.NoError(t, h.Operator("system").PasswordChanged(ctx, "u", gatehouse.KeepTokens))
	require.Equal(t, before, tokens())
	_, err = h.Answer(ctx, challenge, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	fresh := o.stepUp(o.code())
	_, err = h.Owner(fresh).ConfirmEnrollment(ctx, enr.ID, "123456")
	require.ErrorIs(t, err, gatehouse.ErrNotFound)

	require.NoError(t, h.Operator("system").PasswordChanged(ctx, "u", gatehouse.RevokeTokens))
	require.NotEqual(t, before, tokens())
	require.NoError(t, h.Operator("system").PasswordChanged(ctx, "never seen", gatehouse.RevokeTokens))
	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.Len(t, st.Authenticators, 1)
}

func TestDeleteAccount(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	o := h.enroll("u")
	proof, challenge := o.stepUp(o.code()), o.challenge()
	h.wait(totp.Period)
	text, _ := o.mint("logs:read")
	require.NoError(t, deleted(h.Operator("op").DeleteAccount(ctx, "u")))
	require.NoError(t, deleted(h.Operator("op").DeleteAccount(ctx, "u")))
	_, err := h.Answer(ctx, challenge, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)

	// The ID, and enough for its sessions to have ended, is all that is left.
	left := h.account("u")
	require.NotZero(t, left.Epoch)
	require.NotZero(t, left.SessionEpoch)
	require.Equal(t, core.Account{ID: "u", Epoch: left.Epoch, SessionEpoch: left.SessionEpoch, Since: h.clock().Unix(), Ancestry: left.Ancestry}, left)
	require.Empty(t, h.tokenRecords())
	require.Equal(t, storage.AccountIndex{}, h.record("u").Index)
	require.Equal(t, core.SessionEnded, left.UnknownSession())
	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, gatehouse.Account{ID: "u", KeysCurrent: true}, shown(st))
	require.NoError(t, h.Operator("op").Reviews(ctx, "", func(string, posture.Review, error) bool { panic("nobody is there") }))

	// A fault midway, or the host later, removes the rest as well. What was of the account is of nobody then.
	h.empty()
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = h.Answer(ctx, challenge, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.NoError(t, deleted(h.Operator("op").DeleteAccount(ctx, "u")))

	// Whoever has the ID afterwards is somebody else.
	again := h.enroll("u")
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = h.Answer(ctx, challenge, again.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.Check(ctx, text)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.StepUp(ctx, "u", o.code(1))
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	again.proof = again.stepUp(again.code())
	text, _ = again.mint("logs:read")
	h.good(text)
}

// Somebody signs in again between the two steps of a deletion: they stay somebody, and have to sign in once more.
func TestDeleteAccountMeanwhile(t *testing.T) {
	ctx := context.Background()
	store := &faulty{Store: newHouse(t).store}
	h := houseOn(t, store)
	h.store = store.Store
	h.enroll("u")
	var between gatehouse.Proof
	store.hook = func(_ int64, call string) (f fault) {
		if call == "save" {
			store.hook = nil
			f.meanwhile = func() { between = h.twin().vouch("u") }
		}
		return f
	}
	require.NoError(t, deleted(h.Operator("op").DeleteAccount(ctx, "u")))
	require.NotZero(t, between)
	a := h.account("u")
	require.False(t, a.Absent())
	require.Empty(t, a.Authenticators)
	require.Equal(t, core.SessionEnded, a.UnknownSession())
	_, err := h.Owner(between).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	h.wait(totp.Period)
	require.NoError(t, begun(h.Owner(h.vouch("u")), gatehouse.EnrollmentRequest{Label: "ada"}))
}

func TestOperatorBadInput(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u")
	before, err := h.store.LoadAccount(ctx, "u")
	require.NoError(t, err)
	long := string(make([]byte, 1<<20))
	for _, op := range []operators{
		h.Operator(""), h.Operator(" "), h.Operator("a\nb"), h.Operator("\xff"), h.Operator(long),
		h.Operator("op").Because("a\x00b"), h.Operator("op").Because(long), h.Operator("op").Because("\xff"),
	} {
		_, err := op.Reset(ctx, "u")
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		require.ErrorIs(t, op.Suspend(ctx, "u"), gatehouse.ErrInvalid)
		require.ErrorIs(t, op.Resume(ctx, "u"), gatehouse.ErrInvalid)
		require.ErrorIs(t, op.Unlock(ctx, "u", event.MethodTOTP), gatehouse.ErrInvalid)
		require.ErrorIs(t, op.PasswordChanged(ctx, "u", gatehouse.KeepTokens), gatehouse.ErrInvalid)
		require.ErrorIs(t, deleted(op.DeleteAccount(ctx, "u")), gatehouse.ErrInvalid)
		_, err = op.Import(ctx, "v", importing(gatehouse.ImportAuthenticator{Secret: o.key.Secret}))
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		_, err = op.Reseal(ctx, "", nil)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
	for _, id := range []string{"", "\x00", "\xff", long} {
		op := h.Operator("op")
		_, err := op.Reset(ctx, id)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		require.ErrorIs(t, op.Suspend(ctx, id), gatehouse.ErrInvalid)
		require.ErrorIs(t, op.Resume(ctx, id), gatehouse.ErrInvalid)
		require.ErrorIs(t, op.Unlock(ctx, id, event.MethodTOTP), gatehouse.ErrInvalid)
		require.ErrorIs(t, op.PasswordChanged(ctx, id, gatehouse.KeepTokens), gatehouse.ErrInvalid)
		require.ErrorIs(t, deleted(op.DeleteAccount(ctx, id)), gatehouse.ErrInvalid)
		_, err = op.Import(ctx, id, importing(gatehouse.ImportAuthenticator{Secret: o.key.Secret}))
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		_, err = h.Activity(ctx, id)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
	after, err := h.store.LoadAccount(ctx, "u")
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestSuspendAgain: what a call finds done may be on one node of the store alone, where the call before it was told as a
// fault. So it is answered after a save of its own, for service accounts too.
func TestSuspendAgain(t *testing.T) {
	ctx := t.Context()
	svc := gatehousetest.New(t)
	svc.Enroll(t, "ada")
	op := svc.Operator("support")
	svc.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Fail))
	require.ErrorIs(t, op.Suspend(ctx, "ada"), gatehousetest.ErrFault)
	svc.Store.Inject(nil)
	require.NoError(t, op.Suspend(ctx, "ada"))
	before, err := svc.Store.LoadAccount(ctx, "ada")
	require.NoError(t, err)
	events := svc.Events.Take()
	svc.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Fail))
	require.ErrorIs(t, op.Suspend(ctx, "ada"), gatehousetest.ErrFault)
	svc.Store.Inject(nil)
	require.NoError(t, op.Suspend(ctx, "ada"))
	after, err := svc.Store.LoadAccount(ctx, "ada")
	require.NoError(t, err)
	require.NotEqual(t, before.Version, after.Version)
	require.Equal(t, before.Index, after.Index)
	require.NotEmpty(t, events)
	require.Empty(t, svc.Events.Take(), "nothing is told again")
}
