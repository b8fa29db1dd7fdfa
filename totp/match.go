package totp

import (
	"crypto/subtle"
	"time"
)

// Match compares a code with those of the steps in two windows: the one around Step(now), and the one
// around Step(now)+c.Base, where Resync found the authenticator's clock. They are one while Base is 0.
// Looking at both keeps a clock that Resync found wrong working, and goes on doing so when it is put
// right; c.Steps says how many steps that are.
//
// Its error is nil only if the code is exactly that of a step in a window, greater than c.Last and at
// least 1. Then it returns c with Last at that step (the lowest, if the code happens to be that of
// several).
//
// Every error returns c as it was: ErrReplayed for the code of a step in a window that is used up, also
// if it happens to be that of a later step too (RFC 6238 §5.2: the second attempt of a code is not
// accepted), ErrNoMatch for any other code, ErrSecret or ErrParams if k, w or c cannot be used.
func (k Key) Match(code string, now time.Time, w Window, c Counter) (Counter, error) {
	if err := k.Check(); err != nil {
		return c, err
	}
	if err := w.Check(); err != nil {
		return c, err
	}
	if err := c.check(); err != nil {
		return c, err
	}
	want, ok := k.number(code)
	if !ok {
		return c, ErrNoMatch
	}

	center := Step(now)
	h := newHOTP(k)
	var s search
	// Every step of both windows is computed and compared whichever of them matches: how long the
	// answer takes does not say how far the presenter's clock, or a guess, was from the right step.
	next := min(0, c.Base) - w.Past
	for _, around := range [...]int{min(0, c.Base), max(0, c.Base)} {
		for i := max(next, around-w.Past); i <= around+w.Ahead; i++ {
			step := center + int64(i)
			s.see(i, subtle.ConstantTimeEq(h.at(step), want), step, c.Last)
			next = i + 1
		}
	}
	if err := s.err(); err != nil {
		return c, err
	}
	return Counter{Last: center + int64(s.offset), Base: c.Base}, nil
}

// search keeps the first match among steps seen in rising order, without branching on what matches.
type search struct {
	fresh  int // 1: a step after the last accepted one matched
	stale  int // 1: a step that is used up matched
	offset int // of the first fresh match
}

// see takes in whether (1 or 0) the step at an offset matches. Steps before 1 never do: 0 means
// "none yet" in a Counter, and a code of before 1970 says only that a clock is not set.
func (s *search) see(offset, match int, step, last int64) {
	var live, unused int // known without the code, so plain branches give nothing away
	if step >= 1 {
		live = 1
	}
	if step > last {
		unused = 1
	}
	match &= live
	take := match & unused & (1 ^ s.fresh)
	s.offset = subtle.ConstantTimeSelect(take, offset, s.offset)
	s.fresh |= take
	s.stale |= match & (1 ^ unused)
}

func (s *search) err() error {
	switch {
	case s.stale == 1:
		return ErrReplayed
	case s.fresh == 1:
		return nil
	default:
		return ErrNoMatch
	}
}
