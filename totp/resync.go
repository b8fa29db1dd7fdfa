package totp

import (
	"crypto/subtle"
	"time"
)

// Resync finds an authenticator whose clock is wrong by up to ten minutes, from two codes that it
// showed one after the other (RFC 4226 §7.4, RFC 6238 §6). Both steps must lie within 20 of
// Step(now), be greater than c.Last and at least 1.
//
// On success it returns a Counter with Last at the step of the second code and Base at the distance of
// that step from Step(now). What Base was before plays no part, so that calls in a row cannot carry the
// window further than 20 steps from the server's clock.
//
// Every error returns c as it was: ErrReplayed if the codes are consecutive but the first is used
// up, ErrNoMatch for any others, ErrSecret or ErrParams if k or c cannot be used.
//
// A try counts like a failed code for a throttle, and success is no sign-in: forty pairs of steps
// are looked at, which one code alone could not bear and two can.
func (k Key) Resync(first, second string, now time.Time, c Counter) (Counter, error) {
	if err := k.Check(); err != nil {
		return c, err
	}
	if err := c.check(); err != nil {
		return c, err
	}
	one, ok1 := k.number(first)
	two, ok2 := k.number(second)
	if !ok1 || !ok2 {
		return c, ErrNoMatch
	}

	center := Step(now)
	h := newHOTP(k)
	var s search
	before := 0 // 1: the first code is that of the step before
	for i := -maxBase; i <= maxBase; i++ {
		step := center + int64(i)
		value := h.at(step)
		// A pair is named by its second step. It is fresh only if its first step is, so both are
		// compared by the first.
		s.see(i, before&subtle.ConstantTimeEq(value, two), step-1, c.Last)
		before = subtle.ConstantTimeEq(value, one)
	}
	if err := s.err(); err != nil {
		return c, err
	}
	return Counter{Last: center + int64(s.offset), Base: s.offset}, nil
}
