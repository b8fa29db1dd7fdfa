package gatehouse_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/totp"
)

func TestSignIn(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)

	ch, err := h.Challenge(ctx, "user-42")
	require.NoError(t, err)
	require.Equal(t, gatehouse.Challenge{Step: gatehouse.NotNeeded}, ch)

	o := h.enrol("user-42")
	require.Len(t, o.codes, 10)

	confirming := o.code(-1)
	_, err = o.signIn(confirming)
	require.ErrorIs(t, err, gatehouse.ErrDenied, "the code that confirmed the enrolment is used up")

	first := o.challenge()
	v, err := h.Answer(ctx, first, o.code())
	require.NoError(t, err)
	require.Equal(t, "user-42", v.AccountID)
	require.Equal(t, gatehouse.TOTP, v.Method)
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
	require.Equal(t, gatehouse.RecoveryCode, v.Method)
	require.Equal(t, 9, v.CodesLeft)
	_, err = h.Answer(ctx, third, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a successful answer ends all challenges")
	_, err = o.signIn(o.codes[3].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a recovery code works once")

	v, err = h.StepUp(ctx, "user-42", o.code())
	require.NoError(t, err)
	require.NotEmpty(t, v.Proof.Reveal())

	late := o.challenge()
	h.wait(5*time.Minute + time.Second)
	_, err = h.Answer(ctx, late, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a challenge stands for five minutes")
	_, err = o.signIn(o.code())
	require.NoError(t, err)

	st, err := h.Status(ctx, "user-42")
	require.NoError(t, err)
	require.True(t, st.Protected)
	require.Equal(t, 9, st.RecoveryCodes.Left)
	require.Len(t, st.Authenticators, 1)
	require.Equal(t, h.clock(), st.Authenticators[0].LastUsed)
	require.Nil(t, st.Pending)
}
