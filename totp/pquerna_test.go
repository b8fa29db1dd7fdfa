package totp_test

import (
	"encoding/base32"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	peer "github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// Both packages answer alike to codes of ASCII digits, in windows as wide on both sides, of times
// from 1970 that a float64 counts exactly (the peer divides one). All else here is refused.
func FuzzAgainstPquerna(f *testing.F) {
	f.Add([]byte(seed20), uint8(0), true, uint8(1), int64(1111111109), "07081804")
	f.Add([]byte(seed32), uint8(1), true, uint8(0), int64(1111111109), "68084774")
	f.Add([]byte(seed64), uint8(2), true, uint8(2), int64(20000000000), "47863826")
	f.Add([]byte(seed20), uint8(0), false, uint8(2), int64(1<<44), " 28708")
	f.Add([]byte(seed20), uint8(0), false, uint8(1), int64(0), "\u00a0287082")
	f.Add([]byte("short"), uint8(0), false, uint8(1), int64(0), "")
	f.Fuzz(func(t *testing.T, raw []byte, algorithm uint8, eight bool, side uint8, unix int64, typed string) {
		text := base32.StdEncoding.EncodeToString(raw)
		s, err := totp.ParseSecret(text)
		if len(raw) < 16 || len(raw) > 128 {
			require.ErrorIs(t, err, totp.ErrSecret)
			return
		}
		require.NoError(t, err)
		k := totp.Key{Secret: s, Algorithm: totp.Algorithm(algorithm % 3)}
		opts := peer.ValidateOpts{Period: 30, Skew: uint(side % 3), Digits: 6, Algorithm: otp.Algorithm(algorithm % 3)}
		if eight {
			k.Digits, opts.Digits = 8, 8
		}
		w := totp.Window{Past: int(side % 3), Ahead: int(side % 3)}
		// No step looked at is below 1.
		now := time.Unix(max(unix&(1<<45-1), 4*30), 0)
		step := totp.Step(now)

		tries := []string{typed}
		for o := int64(-3); o <= 3; o++ {
			code, err := peer.GenerateCodeCustom(text, now.Add(time.Duration(o)*totp.Period), opts)
			require.NoError(t, err)
			require.Equal(t, code, codeAt(t, k, step+o))
			tries = append(tries, code)
		}
		any := unix & (1<<63 - 1)
		code, err := hotp.GenerateCodeCustom(text, uint64(any), hotp.ValidateOpts{Digits: opts.Digits, Algorithm: opts.Algorithm})
		require.NoError(t, err)
		require.Equal(t, code, codeAt(t, k, any))

		for _, try := range tries {
			want, _ := peer.ValidateCustom(try, text, now, opts)
			want = want && strings.Trim(try, "0123456789") == ""
			after, err := k.Match(try, now, w, totp.Counter{})
			if !want {
				require.ErrorIs(t, err, totp.ErrNoMatch, "%q", try)
				require.Zero(t, after)
				continue
			}
			require.NoError(t, err, "%q", try)
			require.Equal(t, try, codeAt(t, k, after.Last))
			require.True(t, after.Last >= step-int64(w.Past) && after.Last <= step+int64(w.Ahead))
		}
	})
}

// What pquerna/otp v1.5.0 lets pass, made with it and refused here.
func TestPquernaFailures(t *testing.T) {
	now := at(start)
	opts := peer.ValidateOpts{Period: 30, Skew: 1, Digits: 6}

	t.Run("an empty or short secret validates", func(t *testing.T) {
		for _, n := range []int{0, 1, 10, 15} {
			text := encode(n)
			code, err := peer.GenerateCodeCustom(text, now, opts)
			require.NoError(t, err)
			s, err := totp.ParseSecret(text)
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
			_, err = totp.Key{Secret: s}.Match(code, now, totp.DefaultWindow(), totp.Counter{})
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
			_, err = totp.Key{Secret: s}.Resync(code, code, now, totp.Counter{})
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
		}
	})

	k := rfcKey(t)
	code, err := peer.GenerateCodeCustom(k.Secret.Reveal(), now, opts)
	require.NoError(t, err)

	t.Run("white space around a code is taken off", func(t *testing.T) {
		for _, space := range []string{" ", "\t", "\n", "\v", "\f", "\r", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f", "\u3000"} {
			for _, padded := range []string{space + code, code + space, space + code + space, strings.Repeat(space, 1000) + code} {
				_, err := k.Match(padded, now, totp.DefaultWindow(), totp.Counter{})
				require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", padded)
			}
		}
	})

	t.Run("a code is accepted again", func(t *testing.T) {
		used, err := k.Match(code, now, totp.DefaultWindow(), totp.Counter{})
		require.NoError(t, err)
		for _, later := range []time.Duration{0, time.Second, totp.Period - 1, totp.Period, -totp.Period} {
			_, err = k.Match(code, now.Add(later), totp.DefaultWindow(), used)
			require.ErrorIs(t, err, totp.ErrReplayed, "after %s", later)
		}
	})

	t.Run("an issuer adds a second secret", func(t *testing.T) {
		const known = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		for _, pair := range [][2]string{
			{"Acme&secret=" + known, "ada"}, {"Acme", "ada&secret=" + known}, {"Acme", "ada?secret=" + known},
		} {
			_, err := k.URI(pair[0], pair[1])
			require.ErrorIs(t, err, totp.ErrLabel, "%q", pair)
		}
		// The characters that make it possible are harmless by themselves.
		uri, err := k.URI("Acme&issuer=Bank&digits=8", "ada?period=1")
		require.NoError(t, err)
		read, err := otp.NewKeyFromURL(uri)
		require.NoError(t, err)
		require.Equal(t, k.Secret.Reveal(), read.Secret())
		require.Equal(t, "Acme&issuer=Bank&digits=8", read.Issuer())
		u, err := url.Parse(uri)
		require.NoError(t, err)
		require.Len(t, u.Query()["secret"], 1)
	})
}
