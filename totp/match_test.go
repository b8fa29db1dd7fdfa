package totp_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	peer "github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// start is a step around which the codes of rfcKey are all different.
const start = 40_000_000

func rfcKey(t testing.TB) totp.Key { return totp.Key{Secret: secret(t, seed20)} }

// windows calls f with each of the nine windows there are.
func windows(f func(totp.Window)) {
	for past := range 3 {
		for ahead := range 3 {
			f(totp.Window{Past: past, Ahead: ahead})
		}
	}
}

func TestMatchWindow(t *testing.T) {
	k := rfcKey(t)
	seen := map[string]bool{}
	for o := int64(-30); o <= 30; o++ {
		seen[codeAt(t, k, start+o)] = true
	}
	require.Len(t, seen, 61, "the tests around start need codes that differ")

	windows(func(w totp.Window) {
		require.NoError(t, w.Check())
		require.Equal(t, w.Past+w.Ahead+1, w.Steps())
		for _, second := range []int64{0, 29} {
			now := at(start).Add(time.Duration(second)*time.Second + 999*time.Millisecond)
			for o := -5; o <= 5; o++ {
				before := totp.Counter{}
				after, err := k.Match(codeAt(t, k, start+int64(o)), now, w, before)
				if o < -w.Past || o > w.Ahead {
					require.ErrorIs(t, err, totp.ErrNoMatch, "%+v, offset %d", w, o)
					require.Equal(t, before, after)
					continue
				}
				require.NoError(t, err, "%+v, offset %d", w, o)
				require.EqualValues(t, start+o, after.Last)
				require.Zero(t, after.Base)
			}
		}
	})
	require.Equal(t, totp.Window{Past: 1, Ahead: 1}, totp.DefaultWindow())
	require.Equal(t, 1, totp.Window{}.Steps())
}

func TestMatchBounds(t *testing.T) {
	k := rfcKey(t)
	code := codeAt(t, k, start)
	for name, c := range map[string]struct {
		key  totp.Key
		w    totp.Window
		c    totp.Counter
		want error
	}{
		"no secret":         {totp.Key{}, totp.Window{}, totp.Counter{}, totp.ErrSecret},
		"unknown algorithm": {totp.Key{Secret: k.Secret, Algorithm: 9}, totp.Window{}, totp.Counter{}, totp.ErrParams},
		"7 digits":          {totp.Key{Secret: k.Secret, Digits: 7}, totp.Window{}, totp.Counter{}, totp.ErrParams},
		"past -1":           {k, totp.Window{Past: -1}, totp.Counter{}, totp.ErrParams},
		"past 3":            {k, totp.Window{Past: 3}, totp.Counter{}, totp.ErrParams},
		"ahead -1":          {k, totp.Window{Ahead: -1}, totp.Counter{}, totp.ErrParams},
		"ahead 3":           {k, totp.Window{Ahead: 3}, totp.Counter{}, totp.ErrParams},
		"huge window":       {k, totp.Window{Past: math.MaxInt, Ahead: math.MaxInt}, totp.Counter{}, totp.ErrParams},
		"last -1":           {k, totp.Window{}, totp.Counter{Last: -1}, totp.ErrParams},
		"base 21":           {k, totp.Window{}, totp.Counter{Base: 21}, totp.ErrParams},
		"base -21":          {k, totp.Window{}, totp.Counter{Base: -21}, totp.ErrParams},
		"lowest base":       {k, totp.Window{}, totp.Counter{Base: math.MinInt}, totp.ErrParams},
		"drift 3":           {k, totp.Window{}, totp.Counter{Drift: 3}, totp.ErrParams},
		"drift -3":          {k, totp.Window{}, totp.Counter{Drift: -3}, totp.ErrParams},
		"lowest drift":      {k, totp.Window{}, totp.Counter{Drift: math.MinInt}, totp.ErrParams},
	} {
		for _, try := range []string{code, "", "x"} {
			after, err := c.key.Match(try, at(start), c.w, c.c)
			require.ErrorIs(t, err, c.want, name)
			require.Equal(t, c.c, after, name)
		}
	}
}

func TestMatchNotACode(t *testing.T) {
	for _, digits := range []int{0, 6, 8} {
		k := totp.Key{Secret: secret(t, seed20), Digits: digits}
		code := codeAt(t, k, start)
		other := totp.Key{Secret: k.Secret, Digits: 14 - len(code)}
		before := totp.Counter{Last: 7, Base: 1, Drift: -1}
		for _, s := range append(notCodes(code), codeAt(t, other, start)) {
			after, err := k.Match(s, at(start), totp.Window{Past: 2, Ahead: 2}, before)
			require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", s)
			require.Equal(t, before, after)
		}
	}
}

// 012345 is a code of six digits. 12345 and 00012345, which are the same number, are none.
func TestMatchLeadingZeros(t *testing.T) {
	for _, digits := range []int{6, 8} {
		k := totp.Key{Secret: secret(t, seed20), Digits: digits}
		step := int64(start)
		for codeAt(t, k, step)[:2] != "00" {
			step++
		}
		code := codeAt(t, k, step)
		for _, s := range []string{code[1:], code[2:], strings.TrimLeft(code, "0"), "0" + code, "00" + code} {
			_, err := k.Match(s, at(step), totp.DefaultWindow(), totp.Counter{})
			require.ErrorIs(t, err, totp.ErrNoMatch, s)
			_, err = k.Resync(s, codeAt(t, k, step+1), at(step), totp.Counter{})
			require.ErrorIs(t, err, totp.ErrNoMatch, s)
		}
		_, err := k.Match(code, at(step), totp.DefaultWindow(), totp.Counter{})
		require.NoError(t, err)
	}
}

// A secret that got past the doors where secrets are made validates nothing.
func TestMatchShortSecret(t *testing.T) {
	for _, n := range []int{0, 1, 10, 14, 15, 129} {
		for _, algorithm := range []totp.Algorithm{totp.SHA1, totp.SHA256, totp.SHA512} {
			text := encode(n)
			code, err := peer.GenerateCodeCustom(text, at(start), peer.ValidateOpts{Digits: 6, Algorithm: otp.Algorithm(algorithm)})
			require.NoError(t, err)
			k := totp.Key{Secret: totp.RawSecret([]byte(strings.Repeat("k", n))), Algorithm: algorithm}
			_, err = k.Match(code, at(start), totp.DefaultWindow(), totp.Counter{})
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
			_, err = k.Resync(code, code, at(start), totp.Counter{})
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
			_, err = k.Code(start)
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
			_, err = k.URI("Acme", "ada")
			require.ErrorIs(t, err, totp.ErrSecret, "%d bytes", n)
		}
	}
}

func TestMatchTimesOutOfTheOrdinary(t *testing.T) {
	k := rfcKey(t)
	w := totp.Window{Past: 2, Ahead: 2}
	for step := int64(0); step <= 4; step++ {
		for now := int64(-3); now <= 4; now++ {
			after, err := k.Match(codeAt(t, k, step), at(now), w, totp.Counter{})
			if step >= 1 && step-now <= 2 && now-step <= 2 {
				require.NoError(t, err)
				require.Equal(t, step, after.Last)
			} else {
				require.ErrorIs(t, err, totp.ErrNoMatch, "step %d at %d", step, now)
			}
		}
	}
	for _, now := range []time.Time{
		{}, time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 0), time.Unix(-1<<40, 0), time.Unix(0, math.MinInt64),
	} {
		for _, c := range []totp.Counter{{}, {Base: 20, Drift: 2}, {Base: -20, Drift: -2}, {Last: math.MaxInt64}} {
			_, err := k.Match("123456", now, w, c)
			require.ErrorIs(t, err, totp.ErrNoMatch, "%d", now.Unix())
			_, err = k.Resync("123456", "123456", now, c)
			require.ErrorIs(t, err, totp.ErrNoMatch, "%d", now.Unix())
		}
	}
	far := totp.Step(time.Unix(math.MaxInt64, 0))
	after, err := k.Match(codeAt(t, k, far+2), time.Unix(math.MaxInt64, 0), w, totp.Counter{Last: far})
	require.NoError(t, err)
	require.Equal(t, far+2, after.Last)
}

func TestMatchReplay(t *testing.T) {
	k := rfcKey(t)
	w := totp.Window{Past: 2, Ahead: 2}
	for last := int64(start - 3); last <= start+3; last++ {
		for step := int64(start - 2); step <= start+2; step++ {
			before := totp.Counter{Last: last}
			after, err := k.Match(codeAt(t, k, step), at(start), w, before)
			if step <= last {
				require.ErrorIs(t, err, totp.ErrReplayed)
				require.Equal(t, before, after)
			} else {
				require.NoError(t, err)
				require.Equal(t, step, after.Last)
			}
		}
	}
}

// The same code stands at two steps of one window. It is accepted once.
func TestMatchCollision(t *testing.T) {
	k := rfcKey(t)
	for _, c := range []struct{ low, high int64 }{{31476425, 31476426}, {30586180, 30586182}} {
		code := codeAt(t, k, c.low)
		require.Equal(t, code, codeAt(t, k, c.high))
		for now := c.high - 2; now <= c.low+2; now++ {
			w := totp.Window{Past: 2, Ahead: 2}
			one, err := k.Match(code, at(now), w, totp.Counter{})
			require.NoError(t, err)
			require.Equal(t, c.low, one.Last, "the lowest, which uses up the least")

			two, err := k.Match(code, at(now), w, one)
			require.ErrorIs(t, err, totp.ErrReplayed, "the later step is not a second life")
			require.Equal(t, one, two)
		}
		// Where the used step is out of the window, the later one is a step like any other.
		after, err := k.Match(code, at(c.high), totp.Window{}, totp.Counter{Last: c.low})
		require.NoError(t, err)
		require.Equal(t, c.high, after.Last)
	}
}

// Clocks run on, wander and jump, forwards and back, and codes of steps all around are typed: exactly
// the codes of steps in the window and after the last accepted one are accepted, and what a success
// stored refuses every step up to it.
func TestMatchRandomWalk(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) // seeded, secrets included: six-digit codes collide now and then
	accepted, replayed, missed := 0, 0, 0
	for range 40 {
		raw := make([]byte, 20)
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		k := totp.Key{Secret: secret(t, string(raw)), Algorithm: totp.Algorithm(rng.IntN(3)), Digits: 6 + 2*rng.IntN(2)}
		w := totp.Window{Past: rng.IntN(3), Ahead: rng.IntN(3)}
		c := totp.Counter{Base: rng.IntN(41) - 20}
		now := int64(start)
		for range 300 {
			now += int64(rng.IntN(5) - 1)
			if rng.IntN(50) == 0 {
				now += int64(rng.IntN(61) - 30)
			}
			offset := rng.IntN(7) - 3
			step := now + int64(c.Base+c.Drift+offset)
			after, err := k.Match(codeAt(t, k, step), at(now), w, c)
			switch inside := -w.Past <= offset && offset <= w.Ahead; {
			case inside && step > c.Last:
				require.NoError(t, err)
				accepted++
			case inside:
				require.ErrorIs(t, err, totp.ErrReplayed)
				replayed++
			default:
				require.ErrorIs(t, err, totp.ErrNoMatch)
				missed++
			}
			if err != nil {
				require.Equal(t, c, after)
				continue
			}
			require.Equal(t, step, after.Last)
			require.Greater(t, after.Last, c.Last)
			require.Equal(t, c.Base, after.Base)
			c = after
			for back := range int64(6) {
				_, err := k.Match(codeAt(t, k, c.Last-back), at(now), w, c)
				require.Error(t, err, "step %d is used up", c.Last-back)
			}
		}
	}
	t.Logf("%d accepted, %d replayed, %d missed", accepted, replayed, missed)
	require.Greater(t, min(accepted, replayed, missed), 1000)
}

// Whatever was learned, exactly w.Steps() steps in a row are accepted, and the one of an
// authenticator that keeps to the base offset is among them.
func TestDriftNeverWidensAndKeepsTheRightClock(t *testing.T) {
	k := rfcKey(t)
	windows(func(w totp.Window) {
		for _, base := range []int{-20, 0, 20} {
			for drift := -2; drift <= 2; drift++ {
				c := totp.Counter{Base: base, Drift: drift}
				centre := min(max(drift, -w.Ahead), w.Past) // as drawn in by this window
				count, rightClock := 0, false
				for o := -6; o <= 6; o++ {
					after, err := k.Match(codeAt(t, k, start+int64(base+o)), at(start), w, c)
					if err != nil {
						continue
					}
					count++
					rightClock = rightClock || o == 0
					require.LessOrEqual(t, max(after.Drift, -after.Drift), 2)
					require.True(t, -w.Ahead <= after.Drift && after.Drift <= w.Past, "%+v: drift %d", w, after.Drift)

					moved, found := after.Drift-centre, o-centre
					require.LessOrEqual(t, max(moved, -moved), 1, "one step a success")
					require.GreaterOrEqual(t, moved*found, 0, "towards where the code was")
					if wanted := centre + min(max(found, -1), 1); -w.Ahead <= wanted && wanted <= w.Past {
						require.Equal(t, wanted, after.Drift)
					}
				}
				require.Equal(t, w.Steps(), count, "%+v, base %d, drift %d", w, base, drift)
				require.True(t, rightClock, "%+v, base %d, drift %d", w, base, drift)
			}
		}
	})
}

// A clock that loses time is followed as far as the bound, and no further.
func TestDriftFollowsASlowClock(t *testing.T) {
	k := rfcKey(t)
	w := totp.DefaultWindow()
	var c totp.Counter
	slow := func(now, behind int64) error {
		var err error
		c, err = k.Match(codeAt(t, k, now-behind), at(now), w, c)
		return err
	}
	require.ErrorIs(t, slow(start, 2), totp.ErrNoMatch, "too far at once")
	require.NoError(t, slow(start, 1))
	require.Equal(t, totp.Counter{Last: start - 1, Drift: -1}, c)
	require.NoError(t, slow(start+10, 2))
	require.Equal(t, totp.Counter{Last: start + 8, Drift: -1}, c, "not past where a right clock would fall out")
	require.ErrorIs(t, slow(start+20, 3), totp.ErrNoMatch)
	require.NoError(t, slow(start+20, 0))
	require.Equal(t, totp.Counter{Last: start + 20, Drift: 0}, c)
}

// With no step ahead, late codes in a row must not carry the window away from its owner.
func TestDriftDoesNotRatchet(t *testing.T) {
	k := rfcKey(t)
	w := totp.Window{Past: 2}
	var c totp.Counter
	var err error
	for i := range int64(5) {
		now := start + 5*i
		c, err = k.Match(codeAt(t, k, now-2), at(now), w, c)
		require.NoError(t, err)
		require.Zero(t, c.Drift)
	}
	c, err = k.Match(codeAt(t, k, start+25), at(start+25), w, c)
	require.NoError(t, err)
	require.Zero(t, c.Drift)
}

func BenchmarkMatch(b *testing.B) {
	k := rfcKey(b)
	now := at(start)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Match("000000", now, totp.DefaultWindow(), totp.Counter{}); err == nil {
			b.Fatal("000000 matches")
		}
	}
}
