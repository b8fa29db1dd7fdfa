// Package totp makes and checks time-based one-time passwords (RFC 6238, on the HOTP of RFC 4226).
//
// Three calls do the main job: [GenerateSecret] makes a secret, [Key.URI] and [Key.QR] hand it to
// an authenticator app, and [Key.Match] checks a code and says of which time step it is. [Key.Resync]
// finds an authenticator whose clock has run away; [Key.Code] is an authenticator's side, for tests
// and tools.
//
// Nothing here keeps state or reads a clock. Match takes a [Counter] and returns its successor, and
// a code is used up only once that successor is stored: the caller saves it by compare-and-swap
// before it lets anybody in, and counts the failures (RFC 4226 §7.3; a six-digit code is worth
// nothing without a throttle).
//
// [ParseImported] is for moving from another system: it reads secrets as such systems write them, weak ones too.
//
// With GODEBUG=fips140=only SHA-1, the default and what most authenticator apps can do, is not
// available: every method of a Key answers with [ErrParams]. SHA-256 and SHA-512 work.
package totp

import (
	"errors"
	"time"
)

// Period is how long one code is valid (RFC 6238 §4.1, the default X). It is fixed, because many
// authenticator apps ignore any other.
const Period = 30 * time.Second

var (
	// ErrSecret says that a secret is missing, too short, too long, or not base32: 16 bytes are the least,
	// and 10 for an imported one.
	ErrSecret = errors.New("totp: bad secret")
	// ErrParams says that an algorithm, a number of digits, a window, a counter or a step is out of
	// bounds, or that the algorithm is SHA-1 under GODEBUG=fips140=only.
	ErrParams = errors.New("totp: bad parameters")
	// ErrLabel says that an issuer or an account name cannot stand in an otpauth URI.
	ErrLabel = errors.New("totp: bad issuer or account name")
	// ErrNoMatch says that a code is wrong or is not a code at all.
	ErrNoMatch = errors.New("totp: no match")
	// ErrReplayed says that a code is right, but of a step at or before the last accepted one. It
	// is for the caller's records; the one who presented the code gets the answer to a wrong one, and
	// it counts as a failure.
	ErrReplayed = errors.New("totp: code already used")
)

// Step returns the number of the time step that t lies in: Unix seconds over 30, rounded down, also
// before 1970.
func Step(t time.Time) int64 {
	const period = int64(Period / time.Second)
	unix := t.Unix()
	step := unix / period
	if unix%period < 0 {
		step--
	}
	return step
}
