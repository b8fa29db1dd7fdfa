// Package recovery makes and checks single-use recovery codes, the look-up secrets of NIST SP
// 800-63B-4 §3.1.2: the way back in for somebody without their authenticator.
//
// Three calls do the main job: [Generate] makes a set of codes to show once, [Params.Hash] makes of
// each what is stored, and [Verify] compares a code that [Parse] read with one stored hash.
// [Codes.Text] is the set as a file to keep. [CheckHash] is for decoding what was stored.
//
// The first symbol of a code, its [Code.Selector], is public and different in every code of a set.
// With each hash the caller stores the selector and whether the code was used. To redeem a code
// it takes the selector of what was typed, finds the one unused hash under it, and calls Verify
// with that. Where there is none the answer is no without a call, so a try costs at most one run of
// Argon2id however many codes there are. Whether the other 15 symbols are right is found by that
// run alone.
//
// Nothing here keeps state. A code is used up only once that is stored: the caller saves it by
// compare-and-swap before it lets anybody in, and counts the failures.
//
// [Foreign], [Params.HashForeign] and [VerifyImported] are for codes that another system made, until they are used or
// replaced.
//
// Only Hash, HashForeign, Verify and VerifyImported run Argon2id (or bcrypt), each once a call, on the caller's
// goroutine and without a bound on how many run at once. With the default parameters a run takes 19
// MiB and some tens of milliseconds; the largest a stored hash may ask for is 64 MiB, and [Memory] says what
// one asks for. The caller bounds what there is of it in the process.
package recovery

import "errors"

var (
	// ErrParams says that Argon2id parameters are out of bounds.
	ErrParams = errors.New("recovery: bad Argon2id parameters")
	// ErrHash says that a stored hash is not exactly what Hash writes.
	ErrHash = errors.New("recovery: bad stored hash")
	// ErrCode says that a text is not a recovery code, or that a Code is zero.
	ErrCode = errors.New("recovery: not a recovery code")
	// ErrGuessable says that another system's code is one of too few to be found by a hash of it or by trying.
	ErrGuessable = errors.New("recovery: too easy to guess")
)
