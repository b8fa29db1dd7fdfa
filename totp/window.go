package totp

import "fmt"

const (
	maxSide = 2  // steps on one side of a window
	maxBase = 20 // steps; how far Resync looks
)

// Window is how many steps around the expected one are looked at, on each side 0 to 2. A wider
// window is more guesses for one try (RFC 4226 §7.4, RFC 6238 §6), so it never widens by itself.
// The zero Window looks at one step alone; DefaultWindow is what RFC 6238 §5.2 recommends for the
// past, and the same for the future.
type Window struct {
	Past  int // steps behind: slow clocks, slow typing, slow networks
	Ahead int // steps ahead: fast clocks
}

// DefaultWindow returns one step on each side.
func DefaultWindow() Window { return Window{Past: 1, Ahead: 1} }

// Check returns ErrParams unless both sides are 0 to 2.
func (w Window) Check() error {
	if w.Past < 0 || w.Past > maxSide || w.Ahead < 0 || w.Ahead > maxSide {
		return fmt.Errorf("%w: a side of the window is not 0 to %d steps", ErrParams, maxSide)
	}
	return nil
}

// Steps returns how many steps one try is compared with, 1 to 5, unless Resync has found the
// authenticator's clock wrong: see Counter.Steps.
func (w Window) Steps() int { return w.Past + 1 + w.Ahead }

// Counter is what is stored of an authenticator between two codes. The zero Counter is that of a
// new one.
type Counter struct {
	Last int64 // the last accepted step; 0: none yet. Steps up to it are used up
	Base int   // steps the authenticator is ahead of the server, as Resync found it; -20 to 20
}

// Steps returns how many steps one try of Match is compared with, 1 to 10: those of the window around
// the server's step together with those of the window around the base offset. A caller's throttle
// counts with it.
func (c Counter) Steps(w Window) int { return w.Steps() + min(max(c.Base, -c.Base), w.Steps()) }

func (c Counter) check() error {
	if c.Last < 0 || c.Base < -maxBase || c.Base > maxBase {
		return fmt.Errorf("%w: counter out of bounds", ErrParams)
	}
	return nil
}
