package totp_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

func TestResync(t *testing.T) {
	k := rfcKey(t)
	for o := -25; o <= 25; o++ {
		before := totp.Counter{Last: start - 100, Base: 20}
		first, second := codeAt(t, k, start+int64(o)), codeAt(t, k, start+int64(o)+1)
		after, err := k.Resync(first, second, at(start), before)
		if o < -20 || o+1 > 20 {
			require.ErrorIs(t, err, totp.ErrNoMatch, "offset %d", o)
			require.Equal(t, before, after)
			continue
		}
		require.NoError(t, err, "offset %d", o)
		require.Equal(t, totp.Counter{Last: start + int64(o) + 1, Base: o + 1}, after)

		// Both codes are used up, and the next one of the same clock is in the middle of the window.
		for _, used := range []string{first, second} {
			_, err = k.Match(used, at(start), totp.Window{Past: 1}, after)
			require.ErrorIs(t, err, totp.ErrReplayed)
		}
		_, err = k.Resync(first, second, at(start), after)
		require.ErrorIs(t, err, totp.ErrReplayed)
		_, err = k.Match(codeAt(t, k, start+int64(o)+2), at(start+1), totp.Window{}, after)
		require.NoError(t, err)
	}
}

func TestResyncRefusals(t *testing.T) {
	k := rfcKey(t)
	code := func(o int64) string { return codeAt(t, k, start+o) }
	for name, c := range map[string]struct {
		key           totp.Key
		first, second string
		c             totp.Counter
		want          error
	}{
		"the same code twice":      {k, code(0), code(0), totp.Counter{}, totp.ErrNoMatch},
		"in the wrong order":       {k, code(1), code(0), totp.Counter{}, totp.ErrNoMatch},
		"two steps apart":          {k, code(0), code(2), totp.Counter{}, totp.ErrNoMatch},
		"only the first is right":  {k, code(0), "000000", totp.Counter{}, totp.ErrNoMatch},
		"only the second is right": {k, "000000", code(0), totp.Counter{}, totp.ErrNoMatch},
		"the first is used up":     {k, code(0), code(1), totp.Counter{Last: start}, totp.ErrReplayed},
		"both are used up":         {k, code(0), code(1), totp.Counter{Last: start + 1}, totp.ErrReplayed},
		"all is used up":           {k, code(0), code(1), totp.Counter{Last: math.MaxInt64}, totp.ErrReplayed},
		"no secret":                {totp.Key{}, code(0), code(1), totp.Counter{}, totp.ErrSecret},
		"7 digits":                 {totp.Key{Secret: k.Secret, Digits: 7}, code(0), code(1), totp.Counter{}, totp.ErrParams},
		"base 21":                  {k, code(0), code(1), totp.Counter{Base: 21}, totp.ErrParams},
		"last -1":                  {k, code(0), code(1), totp.Counter{Last: -1}, totp.ErrParams},
	} {
		after, err := c.key.Resync(c.first, c.second, at(start), c.c)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, c.c, after, name)
	}
	for _, bad := range notCodes(code(0)) {
		_, err := k.Resync(bad, code(1), at(start), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", bad)
		_, err = k.Resync(code(-1), bad, at(start), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", bad)
	}

	// A step is used up if it is not after Last, even by one.
	after, err := k.Resync(code(0), code(1), at(start), totp.Counter{Last: start - 1})
	require.NoError(t, err)
	require.Equal(t, totp.Counter{Last: start + 1, Base: 1}, after)

	// Steps before 1 do not exist.
	for first := int64(0); first <= 1; first++ {
		_, err := k.Resync(codeAt(t, k, first), codeAt(t, k, first+1), at(5), totp.Counter{})
		require.Equal(t, first >= 1, err == nil, "first step %d", first)
	}
}

// Owners whose clock is far off can resynchronize again and again, but the window stays within 20
// steps of the server's clock and never starts from where the last call put it.
func TestResyncDoesNotRatchet(t *testing.T) {
	k := rfcKey(t)
	c, err := k.Resync(codeAt(t, k, start+19), codeAt(t, k, start+20), at(start), totp.Counter{})
	require.NoError(t, err)
	require.Equal(t, 20, c.Base)
	_, err = k.Resync(codeAt(t, k, start+21), codeAt(t, k, start+22), at(start), c)
	require.ErrorIs(t, err, totp.ErrNoMatch)
}
