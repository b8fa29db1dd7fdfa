package recovery

import "fmt"

// The upper bounds hold the second recommended option of RFC 9106 §4 (64 MiB, 3 passes, 4 lanes)
// and all that the OWASP Password Storage cheat sheet lists (at most 46 MiB, at most 5 passes).
// Parameters come back out of the store, and anyone who can write there must not be able to make one
// try cost gigabytes or minutes: at the bounds it is some eight times the work of the defaults.
const (
	maxMemory  = 64 << 10 // KiB
	maxTime    = 5
	maxThreads = 4

	minMemoryPerThread = 8 // KiB; RFC 9106 §3.1
)

// Params is what one run of Argon2id costs (RFC 9106). The zero Params is out of bounds;
// DefaultParams is what most programs want.
//
// The bounds allow far less than is safe, for tests. Hash with that little and anyone who gets a copy
// of the store can try codes nearly as fast as with a plain hash; then the 75 secret bits alone stand
// in the way, and NIST SP 800-63B-4 §3.1.2 wants a password hash for anything under 112.
type Params struct {
	Memory  uint32 // KiB; 8 a thread to 65536
	Time    uint32 // passes over the memory, 1 to 5
	Threads uint8  // lanes, each a goroutine, 1 to 4
}

// DefaultParams returns 19 MiB, two passes and one lane: what the OWASP Password Storage cheat sheet
// asks for at the least, and little memory a run, as runs at once add up.
func DefaultParams() Params { return Params{Memory: 19456, Time: 2, Threads: 1} }

// Check returns ErrParams unless Hash can use p.
func (p Params) Check() error { return p.check(maxThreads) }

func (p Params) check(mostThreads uint8) error {
	if p.Threads < 1 || p.Threads > mostThreads {
		return fmt.Errorf("%w: not 1 to %d threads", ErrParams, mostThreads)
	}
	if p.Time < 1 || p.Time > maxTime {
		return fmt.Errorf("%w: not 1 to %d passes", ErrParams, maxTime)
	}
	if least := minMemoryPerThread * uint32(p.Threads); p.Memory < least || p.Memory > maxMemory {
		return fmt.Errorf("%w: not %d to %d KiB of memory", ErrParams, least, maxMemory)
	}
	return nil
}
