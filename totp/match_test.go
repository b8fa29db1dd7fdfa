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
		before := totp.Counter{Last: 7, Base: 1}
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
		for _, c := range []totp.Counter{{}, {Base: 20}, {Base: -20}, {Last: math.MaxInt64}} {
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
// the codes of steps in a window and after the last accepted one are accepted, and what a success
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
			if rng.IntN(3) > 0 {
				offset += c.Base
			}
			step := now + int64(offset)
			after, err := k.Match(codeAt(t, k, step), at(now), w, c)
			around := func(center int) bool { return center-w.Past <= offset && offset <= center+w.Ahead }
			switch inside := around(0) || around(c.Base); {
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

// Exactly the steps of the window around the server's step and of the one around the base offset are
// accepted, and Counter.Steps says how many they are.
func TestMatchAroundTheBase(t *testing.T) {
	k := rfcKey(t)
	windows(func(w totp.Window) {
		for base := -20; base <= 20; base++ {
			c := totp.Counter{Base: base}
			count := 0
			for o := -25; o <= 25; o++ {
				in := func(center int) bool { return center-w.Past <= o && o <= center+w.Ahead }
				after, err := k.Match(codeAt(t, k, start+int64(o)), at(start), w, c)
				if !in(0) && !in(base) {
					require.ErrorIs(t, err, totp.ErrNoMatch, "%+v, base %d, offset %d", w, base, o)
					require.Equal(t, c, after)
					continue
				}
				require.NoError(t, err, "%+v, base %d, offset %d", w, base, o)
				require.Equal(t, totp.Counter{Last: int64(start + o), Base: base}, after)
				count++
			}
			require.Equal(t, c.Steps(w), count, "%+v, base %d", w, base)
			require.LessOrEqual(t, count, 2*w.Steps())
		}
		require.Equal(t, w.Steps(), totp.Counter{}.Steps(w))
	})
}

// A used code is refused in either window, also where it happens to be the code of an unused step of the
// other one.
func TestMatchCollisionAcrossWindows(t *testing.T) {
	k := rfcKey(t)
	low, high := collision(t, k, 20)
	code := codeAt(t, k, low)
	base := int(high - low)
	for _, c := range []struct {
		now  int64
		base int
	}{{low, base}, {high, -base}} {
		one, err := k.Match(code, at(c.now), totp.Window{}, totp.Counter{Base: c.base})
		require.NoError(t, err)
		require.Equal(t, totp.Counter{Last: low, Base: c.base}, one, "the lowest, which uses up the least")
		two, err := k.Match(code, at(c.now), totp.Window{}, one)
		require.ErrorIs(t, err, totp.ErrReplayed)
		require.Equal(t, one, two)
	}
}

// collision finds two steps at most apart whose codes are the same, and more than a window apart.
func collision(t *testing.T, k totp.Key, apart int64) (low, high int64) {
	var codes []string
	for step := int64(start); ; step++ {
		code := codeAt(t, k, step)
		for back := int64(5); back <= min(apart, int64(len(codes))); back++ {
			if codes[int64(len(codes))-back] == code {
				return step - back, step
			}
		}
		codes = append(codes, code)
	}
}

// Row F6: a code of the step before, and an hour later one of the step after. The window has not moved.
func TestWindowDoesNotMove(t *testing.T) {
	k := rfcKey(t)
	c, err := k.Match(codeAt(t, k, start-1), at(start), totp.DefaultWindow(), totp.Counter{})
	require.NoError(t, err)
	require.Equal(t, totp.Counter{Last: start - 1}, c)
	c, err = k.Match(codeAt(t, k, start+121), at(start+120), totp.DefaultWindow(), c)
	require.NoError(t, err)
	require.Equal(t, totp.Counter{Last: start + 121}, c)
}

// Row F6: phones of which the clock is wrong by up to 45 seconds, with up to 30 seconds between a look at
// the code and its check, some of them resynchronized. Whatever is accepted and however often somebody
// signs in, no right code is denied that a window around the server's step alone would take.
func TestNoRightCodeIsDenied(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	k := rfcKey(t)
	taken := map[totp.Window]int{}
	more, replayed := 0, 0
	windows(func(w totp.Window) {
		for skew := -45; skew <= 45; skew += 3 {
			for _, resynced := range []bool{false, true} {
				var c totp.Counter
				now := time.Unix(start*30+rng.Int64N(30), 0)
				show := func() int64 { return totp.Step(now.Add(time.Duration(skew) * time.Second)) }
				if resynced {
					first := show()
					now = now.Add(totp.Period)
					var err error
					c, err = k.Resync(codeAt(t, k, first), codeAt(t, k, first+1), now, c)
					require.NoError(t, err)
				}
				for range 40 {
					now = now.Add(time.Duration(rng.IntN(90)) * time.Second)
					if rng.IntN(10) == 0 {
						now = now.Add(time.Duration(rng.IntN(100_000)) * time.Second)
					}
					step := show()
					code := codeAt(t, k, step)
					now = now.Add(time.Duration(rng.IntN(31)) * time.Second)
					o := step - totp.Step(now)
					plain := -int64(w.Past) <= o && o <= int64(w.Ahead)
					after, err := k.Match(code, now, w, c)
					switch {
					case step <= c.Last:
						require.Equal(t, c.Last, step, "only the accepted code itself is used up for this phone")
						require.Error(t, err)
						replayed++
					case plain:
						require.NoError(t, err, "%+v, skew %d s, resynced %v, offset %d, %+v", w, skew, resynced, o, c)
						taken[w]++
					case err == nil:
						require.True(t, resynced, "%+v, skew %d s, offset %d", w, skew, o)
						more++
					}
					if err == nil {
						require.Equal(t, step, after.Last)
					}
					c = after
				}
			}
		}
	})
	t.Logf("%v taken, %d more after a resynchronization, %d replayed", taken, more, replayed)
	for _, w := range []totp.Window{{}, totp.DefaultWindow(), {Past: 2, Ahead: 2}} {
		require.Greater(t, taken[w], 200)
	}
	require.Greater(t, min(more, replayed), 100)
}

// Row F6: a phone that is minutes off is resynchronized, works, is put right, and goes on working. Where it
// was fast, it shows steps again that it has shown before: those up to the last accepted one stay used up.
func TestResyncedPhoneIsPutRight(t *testing.T) {
	k := rfcKey(t)
	windows(func(w totp.Window) {
		for _, base := range []int64{-18, -5, -1, 1, 5, 20} {
			c, err := k.Resync(codeAt(t, k, start+base-1), codeAt(t, k, start+base), at(start), totp.Counter{})
			require.NoError(t, err)
			for i := int64(1); i <= 100; i++ {
				c, err = k.Match(codeAt(t, k, start+base+i), at(start+i), w, c)
				require.NoError(t, err, "as it was resynchronized: %+v, base %d, step %d", w, base, i)
			}
			wait := int64(1)
			for ; ; wait++ {
				after, err := k.Match(codeAt(t, k, start+100+wait), at(start+100+wait), w, c)
				if err == nil {
					c = after
					break
				}
				require.ErrorIs(t, err, totp.ErrReplayed)
			}
			require.Equal(t, max(base, 0)+1, wait, "%+v, base %d", w, base)
			for i := wait + 1; i <= 100; i++ {
				c, err = k.Match(codeAt(t, k, start+100+i), at(start+100+i), w, c)
				require.NoError(t, err)
			}
		}
	})
}

// What is no code is not the number 0: it is refused also at a step whose code is 000000.
func TestNotACodeIsNotZero(t *testing.T) {
	k := rfcKey(t)
	const zero = 40_726_279
	require.Equal(t, "000000", codeAt(t, k, zero))
	for _, bad := range notCodes("000000") {
		_, err := k.Match(bad, at(zero), totp.DefaultWindow(), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", bad)
		_, err = k.Resync(bad, codeAt(t, k, zero+1), at(zero), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", bad)
		_, err = k.Resync(codeAt(t, k, zero-1), bad, at(zero), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrNoMatch, "%.20q", bad)
	}
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
