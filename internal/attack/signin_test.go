package attack_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

func TestSignIn(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)

	ch, err := h.Challenge(ctx, "user-42")
	require.NoError(t, err)
	require.Equal(t, gatehouse.Challenge{AccountID: "user-42", Step: gatehouse.StepNotNeeded}, ch)

	o := h.enroll("user-42")
	require.Len(t, o.codes, 10)

	confirming := o.code(-1)
	_, err = o.signIn(confirming)
	require.ErrorIs(t, err, gatehouse.ErrDenied, "the code that confirmed the enrollment is used up")

	first := o.challenge()
	v, err := h.Answer(ctx, first, o.code())
	require.NoError(t, err)
	require.Equal(t, "user-42", v.Session.Account)
	require.Equal(t, event.MethodTOTP, v.Method)
	require.Equal(t, o.auth, v.AuthenticatorID)
	require.Equal(t, 10, v.CodesLeft)

	_, err = o.signIn(o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "replay")

	h.wait(totp.Period)
	_, err = h.Answer(ctx, first, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a challenge is answered once")

	second, third := o.challenge(), o.challenge()
	v, err = h.Answer(ctx, second, o.codes[3].Reveal())
	require.NoError(t, err)
	require.Equal(t, event.MethodRecoveryCode, v.Method)
	require.Equal(t, 9, v.CodesLeft)
	_, err = h.Answer(ctx, third, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a successful answer ends all challenges")
	_, err = o.signIn(o.codes[3].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a recovery code works once")

	v, err = h.StepUp(ctx, "user-42", o.code())
	require.NoError(t, err)
	require.NotEmpty(t, v.Session.Proof.Reveal())

	late := o.challenge()
	h.wait(5*time.Minute + time.Second)
	_, err = h.Answer(ctx, late, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a challenge stands for five minutes")
	_, err = o.signIn(o.code())
	require.NoError(t, err)

	st, err := h.Account(ctx, "user-42")
	require.NoError(t, err)
	require.True(t, st.Protected)
	require.Equal(t, 9, st.RecoveryCodes.Left)
	require.Len(t, st.Authenticators, 1)
	require.Equal(t, h.clock(), st.Authenticators[0].LastUsed)
	require.Nil(t, st.Pending)
}

func TestCheckChallenge(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	stands := func(token string) bool {
		t.Helper()
		ch, err := h.CheckChallenge(ctx, token)
		if err != nil {
			require.ErrorIs(t, err, gatehouse.ErrDenied)
			require.Equal(t, gatehouse.Challenge{}, ch)
			return false
		}
		require.Equal(t, token, ch.Token.Reveal())
		require.Equal(t, gatehouse.StepNeeded, ch.Step)
		require.Len(t, ch.Authenticators, 1)
		return true
	}

	token := o.challenge()
	require.True(t, stands(token))
	for range 6 {
		_, err := h.Answer(ctx, token, "000000")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	ch, err := h.CheckChallenge(ctx, token)
	require.NoError(t, err)
	require.False(t, ch.TOTP.Available, "it shows the lock that came after it")
	require.True(t, ch.TOTP.RetryAt.After(h.clock()))

	_, err = h.Answer(ctx, token, o.codes[0].Reveal())
	require.NoError(t, err)
	require.False(t, stands(token), "it was answered")

	token = o.challenge()
	h.wait(5*time.Minute + time.Second)
	require.False(t, stands(token), "it has expired")

	token = o.challenge()
	require.NoError(t, h.Operator("op").Because("x").Suspend(ctx, "user-42"))
	require.False(t, stands(token), "the account is suspended")
	require.NoError(t, h.Operator("op").Resume(ctx, "user-42"))
	require.False(t, stands(token), "a suspension ends what it finds")

	token = o.challenge()
	require.NoError(t, h.Operator("op").PasswordChanged(ctx, "user-42", gatehouse.KeepTokens))
	require.False(t, stands(token), "the password is another")
}
