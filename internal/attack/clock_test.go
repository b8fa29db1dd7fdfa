package attack_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row F5: the server's clock is wrong for an hour, in which the owner signs in seven times and everything else
// happens that keeps a moment. It is put right: the owner signs in at once, codes that were used stay used, also
// when their time comes, and what counts for a time counts for no longer.
func TestClockThatWasWrong(t *testing.T) {
	ctx := context.Background()
	for _, off := range []time.Duration{30 * day, 3650 * day, 2 * time.Hour, -30 * day} {
		h := newHouse(t, withTokens(t))
		o, other := h.enroll("u"), h.enroll("v")
		h.wait(time.Hour)
		right := h.clock()
		_, err := o.signIn(o.code())
		require.NoError(t, err)

		h.set(right.Add(off))
		var seen []string
		for range 7 {
			h.wait(8 * time.Minute)
			seen = append(seen, o.code())
			_, err := o.signIn(seen[len(seen)-1])
			require.NoError(t, err, "%v: the phone's clock is as wrong", off)
		}
		first := h.clock().Add(-48 * time.Minute)
		for range 6 {
			_, err := o.signIn(o.wrong())
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		h.wait(totp.Period)
		text, info := other.mint("logs:read")
		h.wait(totp.Period)
		enr, err := h.Owner(other.stepUp(other.code())).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "u", Replace: other.auth})
		require.NoError(t, err)

		h.set(right.Add(time.Hour + time.Minute))
		_, err = o.signIn(o.code())
		require.NoError(t, err, "%v: at once", off)
		require.Equal(t, gatehouse.MethodState{Available: true}, must(h.Account(ctx, "u")).TOTP)
		require.Nil(t, must(h.Account(ctx, "v")).Pending, "%v", off)
		_, err = h.Owner(other.stepUp(other.code())).ConfirmEnrollment(ctx, enr.ID, "000000")
		require.ErrorIs(t, err, gatehouse.ErrNotFound)
		h.bad(text, "it was minted by a wrong clock")
		h.wait(totp.Period)
		_, err = h.Owner(other.stepUp(other.code())).Renew(ctx, info.ID, day)
		require.NoError(t, err)
		h.good(text)

		if off > 0 { // the moments come that the wrong clock has shown
			h.set(first)
			_, err = o.signIn(seen[0])
			require.ErrorIs(t, err, gatehouse.ErrDenied, "%v: it was used", off)
			h.wait(2 * totp.Period)
			_, err = o.signIn(o.code())
			require.NoError(t, err, "%v: locked out for two steps at most", off)
		}
	}
}
