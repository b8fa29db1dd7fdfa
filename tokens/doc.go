// Package tokens gives the accounts of a gatehouse.Service access tokens.
//
// [New] returns a [Service] under a [Policy], which has a [Registry] of scopes. An owner makes a token with
// [Service.Mint], which takes a [Request], and ends it with [Service.Revoke]. [Service.Check] is for each request that
// presents one.
//
// A token is one string of letters, digits and '_':
//
//	acme_pat_0aB3…             brand, kind, 14 symbols of ID, 43 of secret, 6 of checksum
//
// Its symbols are those of base 62. The secret has 256 random bits, of which a store keeps the SHA-256; of a token
// that rotates itself 131 are new each time, and the others show that the copies are of one line.
// The checksum is the CRC-32 of everything before it: it keeps typing errors and strings
// that only look like tokens away from the store, and lets scanners be sure of a find. It proves nothing.
// [Find] finds the tokens in a text of any kind, such as a log in which they have leaked.
//
// The string, scopes, restrictions, the policy and the changes of a token are pure: they keep nothing and read no
// clock.
package tokens

import "errors"

var (
	// ErrFormat says that a text is no token of this brand.
	ErrFormat = errors.New("tokens: not a token")
	// ErrInvalid says that a scope, a restriction, a request or a policy is out of bounds.
	ErrInvalid = errors.New("tokens: invalid argument")
	// ErrUnknownScope says that the registry does not have a scope.
	ErrUnknownScope = errors.New("tokens: unknown scope")
)
