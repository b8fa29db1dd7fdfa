package recovery

import (
	"crypto/subtle"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

const (
	maxImportedHash = 256 // bytes
	maxBcryptCost   = 13  // some 0.4 s; each step doubles it
	maxImportedText = 72  // bytes; bcrypt refuses longer ones

	minImportedSalt, maxImportedSalt = 8, 64
	minImportedTag, maxImportedTag   = 16, 64

	// maxImportedThreads takes all that there are: a common Go package writes as many lanes as the machine has
	// processors. Lanes make a run no more work and take no more memory; they let one run use more processors at once.
	maxImportedThreads = 255
)

// CheckImported returns ErrHash unless VerifyImported can use hash: bcrypt ($2a$, $2b$ or $2y$, cost
// 4 to 13), Argon2id as a PHC string of version 19 within the bounds of Params, except for up to 255 lanes, with
// 8 to 64 bytes of salt and 16 to 64 of tag, or what HashForeign writes.
func CheckImported(hash string) error {
	_, err := parseImported(hash)
	return err
}

// VerifyImported reports whether a hash that CheckImported takes was made of text, byte for byte as
// the other system hashed it, or of a code that HashForeign had in plain; text of over 72 bytes never is. Its error
// is ErrHash if CheckImported refuses the hash, and then nothing is run. Otherwise bcrypt or Argon2id runs once, after
// the faster hash inside if there is one.
//
// Such hashes have no selector that says which of a set it is, so a caller may have to run through
// all of them. That is what the codes of Generate are for: suggest new ones.
func VerifyImported(hash, text string) (bool, error) {
	verify, err := parseImported(hash)
	if err != nil || text == "" || len(text) > maxImportedText {
		return false, err
	}
	return verify([]byte(text))
}

// verify is the one run that a hash takes.
type verify func(text []byte) (bool, error)

func parseImported(hash string) (verify, error) {
	if len(hash) > maxImportedHash {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrHash, maxImportedHash)
	}
	switch {
	case strings.HasPrefix(hash, "$2"):
		return parseBcrypt(hash)
	case strings.HasPrefix(hash, "{"):
		return parseWrapped(hash)
	}
	p, saltText, tagText, err := parsePHC(hash, maxImportedThreads)
	if err != nil {
		return nil, err
	}
	salt, saltErr := unpadded.DecodeString(saltText)
	tag, tagErr := unpadded.DecodeString(tagText)
	if saltErr != nil || tagErr != nil || strings.ContainsAny(saltText+tagText, "\r\n") ||
		len(salt) < minImportedSalt || len(salt) > maxImportedSalt || len(tag) < minImportedTag || len(tag) > maxImportedTag {
		return nil, fmt.Errorf("%w: salt or tag is not base64 or out of bounds", ErrHash)
	}
	return func(text []byte) (bool, error) {
		got := argon2.IDKey(text, salt, p.Time, p.Memory, p.Threads, uint32(len(tag)))
		return subtle.ConstantTimeCompare(got, tag) == 1, nil
	}, nil
}

// bcryptForm is "$2b$12$" with 22 symbols of salt and 31 of tag.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\z`)

func parseBcrypt(hash string) (verify, error) {
	form := bcryptForm.FindStringSubmatch(hash)
	if form == nil {
		return nil, fmt.Errorf("%w: not bcrypt's $2a$, $2b$ or $2y$", ErrHash)
	}
	if cost, err := strconv.Atoi(form[1]); err != nil || cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil, fmt.Errorf("%w: bcrypt of a cost that is not %d to %d", ErrHash, bcrypt.MinCost, maxBcryptCost)
	}
	return func(text []byte) (bool, error) { return bcrypt.CompareHashAndPassword([]byte(hash), text) == nil, nil }, nil
}
