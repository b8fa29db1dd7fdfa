package totp_test

import (
	"encoding/base32"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// The seeds of RFC 6238 appendix B: 20, 32 and 64 bytes. The text of the RFC shows the first alone;
// its reference code has all three.
const (
	seed20 = "12345678901234567890"
	seed32 = "12345678901234567890123456789012"
	seed64 = "1234567890123456789012345678901234567890123456789012345678901234"
)

func secret(t testing.TB, raw string) totp.Secret {
	t.Helper()
	s, err := totp.ParseSecret(base32.StdEncoding.EncodeToString([]byte(raw)))
	require.NoError(t, err)
	return s
}

// at returns the first second of a step.
func at(step int64) time.Time { return time.Unix(step*30, 0) }

func codeAt(t testing.TB, k totp.Key, step int64) string {
	t.Helper()
	code, err := k.Code(step)
	require.NoError(t, err)
	return code
}

func TestCodeRFC4226AppendixD(t *testing.T) {
	k := totp.Key{Secret: secret(t, seed20)}
	for step, want := range []string{
		"755224", "287082", "359152", "969429", "338314",
		"254676", "287922", "162583", "399871", "520489",
	} {
		require.Equal(t, want, codeAt(t, k, int64(step)), "step %d", step)
	}
}

func TestRFC6238AppendixB(t *testing.T) {
	vectors := []struct {
		unix                 int64
		sha1, sha256, sha512 string
	}{
		{59, "94287082", "46119246", "90693936"},
		{1111111109, "07081804", "68084774", "25091201"},
		{1111111111, "14050471", "67062674", "99943326"},
		{1234567890, "89005924", "91819424", "93441116"},
		{2000000000, "69279037", "90698825", "38618901"},
		{20000000000, "65353130", "77737706", "47863826"},
	}
	for _, v := range vectors {
		now := time.Unix(v.unix, 0)
		for _, c := range []struct {
			algorithm  totp.Algorithm
			seed, code string
		}{
			{totp.SHA1, seed20, v.sha1},
			{totp.SHA256, seed32, v.sha256},
			{totp.SHA512, seed64, v.sha512},
		} {
			k := totp.Key{Secret: secret(t, c.seed), Algorithm: c.algorithm, Digits: 8}
			require.Equal(t, c.code, codeAt(t, k, totp.Step(now)), "%s at %d", c.algorithm, v.unix)
			next, err := k.Match(c.code, now, totp.Window{}, totp.Counter{})
			require.NoError(t, err)
			require.Equal(t, totp.Counter{Last: v.unix / 30}, next)

			// Six digits are the last six of eight (RFC 4226 §5.3: the value modulo 10^digits).
			k.Digits = 0
			require.Equal(t, c.code[2:], codeAt(t, k, totp.Step(now)))
		}
	}
}

func TestStep(t *testing.T) {
	for unix, want := range map[int64]int64{
		0: 0, 29: 0, 30: 1, 59: 1, 60: 2, -1: -1, -30: -1, -31: -2,
		math.MaxInt64: math.MaxInt64 / 30, math.MinInt64: math.MinInt64/30 - 1,
	} {
		require.Equal(t, want, totp.Step(time.Unix(unix, 0)), "%d", unix)
	}
	require.Equal(t, int64(0), totp.Step(time.Unix(29, 999_999_999)))
	require.Equal(t, int64(-1), totp.Step(time.Unix(-1, 999_999_999)))
	require.Equal(t, int64(-62135596800/30), totp.Step(time.Time{})) // 1 January of the year 1
}

func TestCodeRefusals(t *testing.T) {
	good := secret(t, seed20)
	for name, c := range map[string]struct {
		key  totp.Key
		step int64
		want error
	}{
		"no secret":         {totp.Key{}, 1, totp.ErrSecret},
		"no secret, 8":      {totp.Key{Algorithm: totp.SHA512, Digits: 8}, 1, totp.ErrSecret},
		"unknown algorithm": {totp.Key{Secret: good, Algorithm: 3}, 1, totp.ErrParams},
		"last algorithm":    {totp.Key{Secret: good, Algorithm: 255}, 1, totp.ErrParams},
		"7 digits":          {totp.Key{Secret: good, Digits: 7}, 1, totp.ErrParams},
		"1 digit":           {totp.Key{Secret: good, Digits: 1}, 1, totp.ErrParams},
		"-6 digits":         {totp.Key{Secret: good, Digits: -6}, 1, totp.ErrParams},
		"many digits":       {totp.Key{Secret: good, Digits: math.MaxInt}, 1, totp.ErrParams},
		"negative step":     {totp.Key{Secret: good}, -1, totp.ErrParams},
		"lowest step":       {totp.Key{Secret: good}, math.MinInt64, totp.ErrParams},
	} {
		code, err := c.key.Code(c.step)
		require.ErrorIs(t, err, c.want, name)
		require.Empty(t, code, name)
	}
	require.Len(t, codeAt(t, totp.Key{Secret: good}, math.MaxInt64), 6)
}
