package totp

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
)

// Algorithm is the hash under the HMAC (RFC 6238 §1.2).
type Algorithm uint8

const (
	// SHA1 is the default, and for many authenticator apps all they can do. HMAC does not need the
	// collision resistance that SHA-1 has lost.
	SHA1 Algorithm = iota
	SHA256
	SHA512
)

var algorithms = [...]struct {
	name string
	new  func() hash.Hash
}{
	SHA1:   {"SHA1", sha1.New},
	SHA256: {"SHA256", sha256.New},
	SHA512: {"SHA512", sha512.New},
}

// ParseAlgorithm reads "SHA1", "SHA256" or "SHA512" in any case, and nothing else; otherwise
// ErrParams.
func ParseAlgorithm(s string) (Algorithm, error) {
	for i, a := range algorithms {
		// EqualFold alone would take U+017F for the S.
		if len(s) == len(a.name) && strings.EqualFold(s, a.name) {
			return Algorithm(i), nil
		}
	}
	return 0, fmt.Errorf("%w: the algorithm is not SHA1, SHA256 or SHA512", ErrParams)
}

// String returns the name used in otpauth URIs.
func (a Algorithm) String() string {
	if int(a) < len(algorithms) {
		return algorithms[a].name
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}
