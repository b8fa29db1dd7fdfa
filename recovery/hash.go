package recovery

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltSize = 16 // bytes; RFC 9106 §3.1 recommends it
	tagSize  = 32 // bytes; RFC 9106 §4, both recommended options

	// maxHash is the length in bytes of the longest hash there is.
	maxHash = len("$argon2id$v=19$m=65536,t=5,p=4$") + 22 + len("$") + 43
)

// unpadded is the base64 of PHC strings. Strict refuses bits left over after the last byte: two
// texts would be one hash.
var unpadded = base64.RawStdEncoding.Strict()

// Hash returns what is stored of a code, with a fresh random salt, as a PHC string:
//
//	$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG
//
// What is hashed is all 16 symbols in upper case without dashes. Parameters out of bounds are
// ErrParams, the zero Code is ErrCode; otherwise Argon2id runs once.
func (p Params) Hash(c Code) (string, error) {
	if err := p.Check(); err != nil {
		return "", err
	}
	if c.IsZero() {
		return "", fmt.Errorf("%w: the zero Code", ErrCode)
	}
	return p.hash([]byte(c.text())), nil
}

// hash writes the PHC string of what is hashed, which has been checked with p.
func (p Params) hash(what []byte) string {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails: the process ends instead
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads,
		unpadded.EncodeToString(salt[:]), unpadded.EncodeToString(p.tag(what, salt)))
}

// Verify reports whether hash was made of c. Its error is ErrHash if hash is not exactly what Hash
// writes, and nothing else; then, and for the zero Code, which no hash is of, Argon2id does not run.
// Otherwise it runs once, with the parameters in hash, which were held to the bounds of Params
// before anything was allocated. The comparison takes the same time wherever the tags differ.
func Verify(hash string, c Code) (bool, error) {
	h, err := parse(hash)
	if err != nil || c.IsZero() {
		return false, err
	}
	return h.matches([]byte(c.text())), nil
}

func (h stored) matches(what []byte) bool {
	return subtle.ConstantTimeCompare(h.params.tag(what, h.salt), h.tag[:]) == 1
}

// CheckHash returns ErrHash unless Verify can use hash. It does not run Argon2id.
func CheckHash(hash string) error {
	_, err := parse(hash)
	return err
}

// Memory returns how many bytes of memory Verify or VerifyImported takes for a hash: what Argon2id is told in it, and
// next to nothing, said as 0, for bcrypt and for what is no hash at all.
func Memory(hash string) int {
	_, rest, _ := strings.Cut(hash, "$argon2id$v=19$m=")
	memory, _, _ := strings.Cut(rest, ",")
	kib, ok := number(memory, 32)
	if !ok || kib > maxMemory {
		return 0 // nothing is run
	}
	return int(kib) << 10
}

// tag runs Argon2id. The parameters have been checked: IDKey would panic.
func (p Params) tag(what []byte, salt [saltSize]byte) []byte {
	return argon2.IDKey(what, salt[:], p.Time, p.Memory, p.Threads, tagSize)
}

// stored is what a PHC string says.
type stored struct {
	params Params
	salt   [saltSize]byte
	tag    [tagSize]byte
}

// parse accepts what Hash writes and nothing else: a hash has one spelling.
func parse(hash string) (stored, error) {
	if len(hash) > maxHash {
		return stored{}, fmt.Errorf("%w: longer than %d bytes", ErrHash, maxHash)
	}
	params, salt, tag, err := parsePHC(hash, maxThreads)
	if err != nil {
		return stored{}, err
	}
	h := stored{params: params}
	if !decode(h.salt[:], salt) || !decode(h.tag[:], tag) {
		return stored{}, fmt.Errorf("%w: not %d bytes of salt and %d of tag in base64", ErrHash, saltSize, tagSize)
	}
	return h, nil
}

// parsePHC reads an Argon2id hash up to its salt and tag. The versions, key IDs, associated data and
// orders of parameters that the PHC string format allows are refused. Errors say nothing of the hash
// itself.
func parsePHC(hash string, mostThreads uint8) (p Params, salt, tag string, err error) {
	rest, isArgon2id := strings.CutPrefix(hash, "$argon2id$v=19$m=")
	memory, rest, _ := strings.Cut(rest, ",t=")
	time, rest, _ := strings.Cut(rest, ",p=")
	threads, rest, _ := strings.Cut(rest, "$")
	// Nothing is left to cut after a separator that is missing, so the last one means all of them.
	salt, tag, complete := strings.Cut(rest, "$")
	if !isArgon2id || !complete {
		return Params{}, "", "", fmt.Errorf("%w: not $argon2id$v=19$m=,t=,p=$$", ErrHash)
	}
	m, ok1 := number(memory, 32)
	t, ok2 := number(time, 32)
	n, ok3 := number(threads, 8)
	p = Params{Memory: uint32(m), Time: uint32(t), Threads: uint8(n)}
	if !ok1 || !ok2 || !ok3 || p.check(mostThreads) != nil {
		return Params{}, "", "", fmt.Errorf("%w: a parameter is no number or out of bounds", ErrHash)
	}
	return p, salt, tag, nil
}

// number reads decimal digits without a leading zero; ParseUint refuses signs and spaces.
func number(s string, bits int) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil && s[0] != '0'
}

// decode fills b from exactly as much base64 as that takes. The decoder passes over line breaks, but
// a text of this length that has any is too short to fill b.
func decode(b []byte, text string) bool {
	if len(text) != unpadded.EncodedLen(len(b)) {
		return false
	}
	n, err := unpadded.Decode(b, []byte(text))
	return err == nil && n == len(b)
}
