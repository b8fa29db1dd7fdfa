package attack_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// begin stages an authenticator with a proof.
func (h *house) begin(p gatehouse.Proof, e gatehouse.EnrollmentRequest) (gatehouse.Enrollment, totp.Key) {
	h.t.Helper()
	if e.Label == "" {
		e.Label = "ada@acme.test"
	}
	enr, err := h.Owner(p).BeginEnrollment(context.Background(), e)
	require.NoError(h.t, err)
	return enr, totp.Key{Secret: enr.Secret, Algorithm: e.Algorithm, Digits: e.Digits}
}

// codeOf returns a key's code now, some steps away.
func (h *house) codeOf(k totp.Key, steps int64) string {
	h.t.Helper()
	code, err := k.Code(totp.Step(h.clock()) + steps)
	require.NoError(h.t, err)
	return code
}

// TestPendingChangesNothing has an enrollment staged, tried, superseded and canceled beside an active
// authenticator, which does not notice.
func TestPendingChangesNothing(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	o.fails(5)
	active := func() string {
		a := h.account(o.id)
		a.Pending, a.Activity, a.Noted, a.Ancestry = nil, nil, 0, nil
		data, err := a.Encode()
		require.NoError(t, err)
		return string(data)
	}
	before, challenge := active(), o.challenge()

	enr, key := h.begin(o.proof, gatehouse.EnrollmentRequest{Name: "Second"})
	require.Empty(t, enr.RecoveryCodes, "a set is never replaced silently")
	require.Empty(t, enr.RecoverySetID)
	require.Equal(t, before, active())
	for _, code := range []string{o.wrong(), o.code()} {
		_, err := h.Owner(o.proof).ConfirmEnrollment(ctx, enr.ID, code)
		require.Equal(t, &gatehouse.DeniedError{}, err)
	}
	require.Equal(t, before, active(), "a wrong confirmation is no failed sign-in")
	h.begin(o.proof, gatehouse.EnrollmentRequest{})
	require.Equal(t, before, active())
	st, err := h.Account(ctx, o.id)
	require.NoError(t, err)
	require.NoError(t, h.Owner(o.proof).CancelEnrollment(ctx, st.Pending.ID))
	require.Equal(t, before, active())

	_, err = h.StepUp(ctx, o.id, h.codeOf(key, 0))
	require.ErrorIs(t, err, gatehouse.ErrDenied, "what is pending answers nothing")
	h.set(deniedOf(t, err).RetryAt)
	_, err = h.Answer(ctx, challenge, o.code())
	require.NoError(t, err, "and ends no challenge")
}

// TestEachBeginIsNew has a new secret, ID and codes at each begin, of which the last alone counts.
func TestEachBeginIsNew(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	proof := h.vouch("user-42")
	face := h.Owner(proof)
	type staged struct {
		enr gatehouse.Enrollment
		key totp.Key
	}
	seen := map[string]bool{}
	fresh := func(s string) {
		require.NotEmpty(t, s)
		require.False(t, seen[s], "seen before")
		seen[s] = true
	}
	var all []staged
	for range 5 {
		enr, key := h.begin(proof, gatehouse.EnrollmentRequest{})
		fresh(enr.ID)
		fresh(enr.Secret.Reveal())
		fresh(enr.URI())
		fresh(enr.RecoverySetID)
		for _, c := range enr.RecoveryCodes {
			fresh(c.Reveal())
		}
		require.Contains(t, enr.URI(), "secret="+enr.Secret.Reveal()+"&")
		require.Equal(t, 1, strings.Count(enr.URI(), "secret="))
		require.NotEmpty(t, enr.QR.PNG())
		require.Equal(t, h.clock().Add(10*time.Minute), enr.Expires)
		all = append(all, staged{enr, key})
	}
	last := all[len(all)-1]
	for _, old := range all[:len(all)-1] {
		h.unchanged(func() {
			_, err := face.ConfirmEnrollment(ctx, old.enr.ID, h.codeOf(old.key, 0))
			require.ErrorIs(t, err, gatehouse.ErrNotFound, "superseded")
			require.ErrorIs(t, face.CancelEnrollment(ctx, old.enr.ID), gatehouse.ErrNotFound)
			require.ErrorIs(t, face.AcknowledgeRecoveryCodes(ctx, old.enr.RecoverySetID), gatehouse.ErrNotFound)
		})
	}
	_, err := face.ConfirmEnrollment(ctx, last.enr.ID, h.codeOf(all[0].key, 0))
	require.ErrorIs(t, err, gatehouse.ErrDenied, "the secret before is nobody's")
	_, err = face.ConfirmEnrollment(ctx, last.enr.ID, h.codeOf(last.key, 0))
	require.NoError(t, err)
	for _, old := range all[:len(all)-1] {
		_, err = h.StepUp(ctx, "user-42", old.enr.RecoveryCodes[0].Reveal())
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	v, err := h.StepUp(ctx, "user-42", last.enr.RecoveryCodes[0].Reveal())
	require.NoError(t, err)
	require.Equal(t, 9, v.CodesLeft)
}

// TestConfirmUsesUpItsCode has every code of the window, before and after.
func TestConfirmUsesUpItsCode(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, algorithm := range []totp.Algorithm{totp.SHA1, totp.SHA256, totp.SHA512} {
		for _, digits := range []int{6, 8} {
			h := newHouse(t)
			proof := h.vouch("user-42")
			enr, key := h.begin(proof, gatehouse.EnrollmentRequest{Algorithm: algorithm, Digits: digits})
			for _, steps := range []int64{-3, -2, 2, 3} {
				_, err := h.Owner(proof).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, steps))
				require.ErrorIs(t, err, gatehouse.ErrDenied, "%d steps away", steps)
			}
			require.Equal(t, gatehouse.StepNotNeeded, must(h.Challenge(ctx, "user-42")).Step)
			_, err := h.Owner(proof).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
			require.NoError(t, err)
			for _, steps := range []int64{-1, 0} {
				_, err = h.StepUp(ctx, "user-42", h.codeOf(key, steps))
				require.ErrorIs(t, err, gatehouse.ErrDenied, "%d steps away", steps)
			}
			_, err = h.StepUp(ctx, "user-42", h.codeOf(key, 1))
			require.NoError(t, err)
			require.Equal(t, gatehouse.StepNeeded, must(h.Challenge(ctx, "user-42")).Step)
		}
	}
}

// TestEnrollmentExpires holds its ten minutes to the second, and its proof's fifteen.
func TestEnrollmentExpires(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		began, after time.Duration // since the first factor, and since the begin
		err          error
	}{
		{0, 10*time.Minute - time.Second, nil},
		{0, 10 * time.Minute, gatehouse.ErrNotFound},
		{0, 10*time.Minute + time.Second, gatehouse.ErrNotFound},
		{5 * time.Minute, 10*time.Minute - time.Second, nil},
		{0, 15*time.Minute + time.Second, gatehouse.ErrStepUpRequired},
	} {
		h := newHouse(t)
		proof := h.vouch("user-42")
		h.wait(c.began)
		enr, key := h.begin(proof, gatehouse.EnrollmentRequest{})
		h.wait(c.after)
		st := must(h.Account(ctx, "user-42"))
		require.Equal(t, c.after < 10*time.Minute, st.Pending != nil)
		before := h.dump()
		err := h.Owner(proof).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID)
		if c.err == nil {
			require.NoError(t, err)
			_, err = h.Owner(proof).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
			require.NoError(t, err, "%+v", c)
			continue
		}
		require.ErrorIs(t, err, c.err)
		_, err = h.Owner(proof).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
		require.ErrorIs(t, err, c.err, "%+v", c)
		require.ErrorIs(t, h.Owner(proof).CancelEnrollment(ctx, enr.ID), c.err)
		require.Equal(t, before, h.dump())
	}
}

// TestEnrollmentTries has ten tries of its own, which neither count against sign-in nor are counted by
// its lock.
func TestEnrollmentTries(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	o.fails(6)
	locked := h.account(o.id).TOTPThrottle
	enr, key := h.begin(o.proof, gatehouse.EnrollmentRequest{})
	face := h.Owner(o.proof)
	for n := range 10 {
		require.Equal(t, 10-n, must(h.Account(ctx, o.id)).Pending.TriesLeft)
		for _, malformed := range []string{"", "12345", "１２３４５６", " 123456"} {
			h.unchanged(func() {
				_, err := face.ConfirmEnrollment(ctx, enr.ID, malformed)
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			})
		}
		_, err := face.ConfirmEnrollment(ctx, enr.ID, []string{h.codeOf(key, 4), "00000000"}[n%2])
		require.Equal(t, &gatehouse.DeniedError{}, err)
		require.Equal(t, locked, h.account(o.id).TOTPThrottle)
	}
	require.Nil(t, must(h.Account(ctx, o.id)).Pending)
	h.unchanged(func() {
		_, err := face.ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
		require.ErrorIs(t, err, gatehouse.ErrNotFound, "the tenth ended it")
	})

	// Nine do not, whether or not sign-in is locked.
	enr, key = h.begin(o.proof, gatehouse.EnrollmentRequest{})
	for range 9 {
		_, err := face.ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 4))
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	_, err := face.ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
	require.NoError(t, err)
	require.Equal(t, locked, h.account(o.id).TOTPThrottle, "nor does success reset the sign-in's")
	_, err = h.StepUp(ctx, o.id, h.codeOf(key, 1))
	require.ErrorIs(t, err, gatehouse.ErrDenied)
}

// TestFiveAuthenticators pairs five, each of which signs in, and no sixth.
func TestFiveAuthenticators(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	owners := []*owner{o}
	for range 4 {
		owners = append(owners, o.second())
	}
	p := o.stepUp(o.code())
	h.unchanged(func() {
		_, err := h.Owner(p).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
		require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	})
	h.wait(totp.Period)
	for i, one := range owners {
		v, err := one.signIn(one.code())
		require.NoError(t, err, i)
		require.Equal(t, one.auth, v.AuthenticatorID)
		_, err = one.signIn(one.code())
		require.ErrorIs(t, err, gatehouse.ErrDenied, "each has a last step of its own")
	}
	h.wait(totp.Period)

	// The sixth can take the place of one.
	enr, key := h.begin(o.stepUp(o.code()), gatehouse.EnrollmentRequest{Replace: owners[2].auth, Name: "Sixth"})
	_, err := h.Owner(h.vouch(o.id)).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a first factor confirms nothing on a protected account")
	h.wait(totp.Period)
	_, err = owners[2].signIn(owners[2].code())
	require.NoError(t, err, "until it is confirmed, the old one is what counts")
	_, err = h.Owner(o.stepUp(o.code())).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
	require.NoError(t, err)
	h.wait(totp.Period)
	_, err = owners[2].signIn(owners[2].code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "replaced")
	v, err := o.signIn(h.codeOf(key, 0))
	require.NoError(t, err)
	require.Equal(t, enr.ID, v.AuthenticatorID)
	st := must(h.Account(ctx, o.id))
	require.Len(t, st.Authenticators, 5)
	require.Equal(t, "Sixth", st.Authenticators[2].Name)
	require.Equal(t, 10, st.RecoveryCodes.Left)
}

// TestEpochEndsPending changes factors or the password while an enrollment is pending.
func TestEpochEndsPending(t *testing.T) {
	ctx := context.Background()
	template := newHouse(t).enroll("user-42")
	two := template.second()
	v, err := template.h.StepUp(ctx, template.id, template.code())
	require.NoError(t, err)
	enr, key := template.h.begin(v.Session.Proof, gatehouse.EnrollmentRequest{})
	for name, change := range map[string]func(o *owner, face face) error{
		"regenerate": func(_ *owner, face face) error { _, err := face.RegenerateRecoveryCodes(ctx); return err },
		"remove": func(_ *owner, face face) error {
			_, err := face.RemoveAuthenticator(ctx, two.auth)
			return err
		},
		"disable": func(_ *owner, face face) error { _, err := face.DisableTwoFactor(ctx); return err },
		"password": func(o *owner, _ face) error {
			return o.h.Operator("op").PasswordChanged(ctx, o.id, gatehouse.KeepTokens)
		},
		"reset":   func(o *owner, _ face) error { _, err := o.h.Operator("op").Reset(ctx, o.id); return err },
		"suspend": func(o *owner, _ face) error { return o.h.Operator("op").Suspend(ctx, o.id) },
	} {
		o := template.copy(t)
		challenge := o.challenge()
		epoch := o.h.account(o.id).Epoch
		require.NoError(t, change(o, o.h.Owner(v.Session.Proof)), name)
		a := o.h.account(o.id)
		require.NotEqual(t, epoch, a.Epoch, name)
		require.Nil(t, a.Pending, name)
		o.h.unchanged(func() {
			_, err := o.h.Owner(v.Session.Proof).ConfirmEnrollment(ctx, enr.ID, o.h.codeOf(key, 0))
			require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, name)
			o.h.wait(totp.Period)
			_, err = o.h.Answer(ctx, challenge, o.code())
			require.ErrorIs(t, err, gatehouse.ErrDenied, name)
		})
	}
}

// TestNames has names at the bounds of what is shown.
func TestNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.enroll("user-42")
	for _, name := range []string{"A", strings.Repeat("x", 64), "Ada's phone (work) 📱", "Телефон", "<script>alert(1)</script>", `"`, "a  b"} {
		enr, _ := h.begin(o.proof, gatehouse.EnrollmentRequest{Name: name})
		require.Equal(t, name, must(h.Account(context.Background(), o.id)).Pending.Name)
		require.NotContains(t, enr.URI(), "<")
	}
	h.begin(o.proof, gatehouse.EnrollmentRequest{})
	require.Equal(t, "Authenticator", h.account(o.id).Pending.Authenticator.Name)
	h.unchanged(func() {
		for _, name := range []string{
			strings.Repeat("x", 65), " ", " A", "A ", "\u00a0A", "A\n", "A\tB", "A\x00", "A\u202eB", "A\u200bB", "A\u2028B", "\xff", "A\x1b[2J", strings.Repeat("é", 33),
		} {
			_, err := h.Owner(o.proof).BeginEnrollment(context.Background(), gatehouse.EnrollmentRequest{Label: "ada", Name: name})
			require.ErrorIs(t, err, gatehouse.ErrInvalid, "%q", name)
		}
		for _, label := range []string{"", " ", "a:b", "a\nb", "a\x00b", "\xff", "a&secret=AAAA", "a%3Fsecret=AAAA", strings.Repeat("x", 101), "a\u202eb"} {
			_, err := h.Owner(o.proof).BeginEnrollment(context.Background(), gatehouse.EnrollmentRequest{Label: label})
			require.ErrorIs(t, err, gatehouse.ErrInvalid, "%q", label)
			require.ErrorIs(t, err, totp.ErrLabel)
		}
	})
}

// TestSetNeverReplacedSilently has a set that becomes active while another enrollment brings one.
func TestSetNeverReplacedSilently(t *testing.T) {
	ctx := context.Background()
	store := &faulty{Store: newHouse(t).store}
	h := houseOn(t, store)
	h.store = store.Store
	first, second := h.vouch("user-42"), h.vouch("user-42")
	enr, key := h.begin(first, gatehouse.EnrollmentRequest{})
	store.hook = func(_ int64, call string) (f fault) {
		if call == "save" {
			store.hook = nil
			f.meanwhile = func() { // another process confirms what was pending, just before this save
				_, err := h.twin().Owner(first).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
				require.NoError(t, err)
			}
		}
		return f
	}
	_, err := h.Owner(second).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the proof is checked on the record that is saved")
	a := h.account("user-42")
	require.Equal(t, enr.RecoverySetID, a.Recovery.ID)
	require.Nil(t, a.Pending)

	// And a pending set never takes the place of one that became active some other way.
	next, err := core.Account{ID: a.ID, Epoch: a.Epoch, TokenEpoch: a.TokenEpoch, Recovery: a.Recovery}.Begin(
		core.Presented{Proof: core.Proof{Account: a.ID, Kind: core.SecondFactor, At: h.clock().Unix(), Epoch: a.Epoch}},
		core.Pending{Recovery: &core.RecoverySet{ID: "OTHER"}}, core.Env{Now: h.clock(), Window: totp.DefaultWindow()})
	require.NoError(t, err)
	require.Nil(t, next.Pending.Recovery, fmt.Sprint(next.Pending))
}
