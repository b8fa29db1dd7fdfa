package benchmarks_test

import (
	"testing"
	"time"

	"github.com/pquerna/otp"
	pquerna "github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// BenchmarkTOTP checks a wrong code against three time steps, which is the most there is to do: a
// right one may end pquerna's search early, and never ours.
func BenchmarkTOTP(b *testing.B) {
	now := time.Unix(1_234_567_890, 0)
	key := totp.Key{Secret: totp.GenerateSecret()}
	secret := key.Secret.Reveal()
	opts := pquerna.ValidateOpts{Period: 30, Skew: 1, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
	wrong := wrongCode(b, key, now)

	b.Run("gatehouse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := key.Match(wrong, now, totp.DefaultWindow(), totp.Counter{}); err == nil {
				b.Fatal("a wrong code matched")
			}
		}
	})
	b.Run("pquerna", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := pquerna.ValidateCustom(wrong, secret, now, opts); ok || err != nil {
				b.Fatal("a wrong code matched, or none could")
			}
		}
	})
}

// wrongCode returns a code of no step near now.
func wrongCode(b *testing.B, key totp.Key, now time.Time) string {
	b.Helper()
	near := map[string]bool{}
	for step := totp.Step(now) - 1; step <= totp.Step(now)+1; step++ {
		code, err := key.Code(step)
		require.NoError(b, err)
		near[code] = true
	}
	for _, code := range []string{"000000", "111111", "222222", "333333"} {
		if !near[code] {
			return code
		}
	}
	panic("unreachable: three codes cannot be four")
}
