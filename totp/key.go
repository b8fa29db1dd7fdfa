package totp

import (
	"crypto/fips140"
	"crypto/hmac"
	"encoding/binary"
	"fmt"
	"hash"
)

// Key is a secret with what an authenticator must know to make its codes.
type Key struct {
	Secret    Secret
	Algorithm Algorithm
	Digits    int // 6 or 8; 0 means 6
	// Weak says that another system made the secret, with 10 to 15 bytes. A key has to be of the kind that it says:
	// a secret of another length is ErrSecret, and so is a URI of a weak key, which no further app is to have.
	Weak bool
}

// Check returns ErrSecret or ErrParams unless codes can be made with the key. The other methods of
// Key ask it first.
func (k Key) Check() error {
	// The length is asked here as well, not only where secrets are made: an empty or short HMAC key
	// is a key that anybody can guess.
	least, most := minSecret, maxSecret
	if k.Weak {
		least, most = minImported, minSecret-1
	}
	if n := len(k.Secret.raw()); n < least || n > most {
		return fmt.Errorf("%w: %d bytes, not %d to %d", ErrSecret, n, least, most)
	}
	if int(k.Algorithm) >= len(algorithms) {
		return fmt.Errorf("%w: unknown algorithm", ErrParams)
	}
	if d := k.digits(); d != 6 && d != 8 {
		return fmt.Errorf("%w: %d digits, not 6 or 8", ErrParams, k.Digits)
	}
	// crypto/hmac would panic, for keys under 112 bits as well.
	if fips140.Enforced() {
		switch {
		case k.Algorithm == SHA1:
			return fmt.Errorf("%w: SHA-1 is not available with GODEBUG=fips140=only", ErrParams)
		case k.Weak:
			return fmt.Errorf("%w: a weak one cannot be used with GODEBUG=fips140=only", ErrSecret)
		}
	}
	return nil
}

// Code returns the code of a step, with its leading zeros (RFC 4226 §5.3). A negative step is
// ErrParams. Step 0 has a code, as in RFC 4226, though Match never accepts it.
func (k Key) Code(step int64) (string, error) {
	if err := k.Check(); err != nil {
		return "", err
	}
	if step < 0 {
		return "", fmt.Errorf("%w: negative step", ErrParams)
	}
	return fmt.Sprintf("%0*d", k.digits(), newHOTP(k).at(step)), nil
}

// IsCode reports whether s is exactly six or eight of the bytes 0 to 9. Spaces, signs and other
// scripts' digits are not trimmed or folded anywhere in this package: a code with two spellings
// would pass a check for reuse that compares spellings.
func IsCode(s string) bool {
	if len(s) != 6 && len(s) != 8 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// number returns the value of a code, and whether code is one of this key's length. The length
// counts: 012345 is not 12345.
func (k Key) number(code string) (int32, bool) {
	if len(code) != k.digits() || !IsCode(code) {
		return 0, false
	}
	var n int32
	for i := range len(code) {
		n = n*10 + int32(code[i]-'0')
	}
	return n, true
}

func (k Key) digits() int {
	if k.Digits == 0 {
		return 6
	}
	return k.Digits
}

// hotp computes the codes of one key. The HMAC is keyed once: after the first Reset it starts each
// step from a saved state.
type hotp struct {
	mac   hash.Hash
	eight bool
	used  bool
	msg   [8]byte
	sum   [64]byte // room for SHA-512, so that Sum does not allocate
}

func newHOTP(k Key) *hotp {
	return &hotp{
		mac:   hmac.New(algorithms[k.Algorithm].new, k.Secret.raw()),
		eight: k.digits() == 8,
	}
}

// at returns the HOTP value at a step (RFC 4226 §5.3 and §5.4).
func (h *hotp) at(step int64) int32 {
	if h.used {
		h.mac.Reset()
	}
	h.used = true
	binary.BigEndian.PutUint64(h.msg[:], uint64(step))
	h.mac.Write(h.msg[:])
	sum := h.mac.Sum(h.sum[:0])
	offset := sum[len(sum)-1] & 0xf
	value := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	// Constant divisors compile to multiplications; a division's time can depend on the value.
	if h.eight {
		return int32(value % 100_000_000)
	}
	return int32(value % 1_000_000)
}
