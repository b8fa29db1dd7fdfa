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
)

// CheckImported returns ErrHash unless VerifyImported can use hash: bcrypt ($2a$, $2b$ or $2y$, cost
// 4 to 13), or Argon2id as a PHC string of version 19 with parameters within the bounds of Params,
// 8 to 64 bytes of salt and 16 to 64 of tag.
func CheckImported(hash string) error {
	_, err := parseImported(hash)
	return err
}

// VerifyImported reports whether another system's hash was made of text, byte for byte as that
// system hashed it; text of over 72 bytes never is. Its error is ErrHash if CheckImported refuses the
// hash, and then nothing is run. Otherwise bcrypt or Argon2id runs once.
//
// Such hashes have no selector that says which of a set it is, so a caller may have to run through
// all of them. That is what the codes of Generate are for: suggest new ones.
func VerifyImported(hash, text string) (bool, error) {
	verify, err := parseImported(hash)
	if err != nil || text == "" || len(text) > maxImportedText {
		return false, err
	}
	return verify([]byte(text)), nil
}

// parseImported returns the one run that a hash takes.
func parseImported(hash string) (verify func(text []byte) bool, err error) {
	if len(hash) > maxImportedHash {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrHash, maxImportedHash)
	}
	if strings.HasPrefix(hash, "$2") {
		return parseBcrypt(hash)
	}
	p, saltText, tagText, err := parsePHC(hash)
	if err != nil {
		return nil, err
	}
	salt, saltErr := unpadded.DecodeString(saltText)
	tag, tagErr := unpadded.DecodeString(tagText)
	if saltErr != nil || tagErr != nil || strings.ContainsAny(saltText+tagText, "\r\n") ||
		len(salt) < minImportedSalt || len(salt) > maxImportedSalt || len(tag) < minImportedTag || len(tag) > maxImportedTag {
		return nil, fmt.Errorf("%w: salt or tag is not base64 or out of bounds", ErrHash)
	}
	return func(text []byte) bool {
		got := argon2.IDKey(text, salt, p.Time, p.Memory, p.Threads, uint32(len(tag)))
		return subtle.ConstantTimeCompare(got, tag) == 1
	}, nil
}

// bcryptForm is "$2b$12$" with 22 symbols of salt and 31 of tag.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\z`)

func parseBcrypt(hash string) (func([]byte) bool, error) {
	form := bcryptForm.FindStringSubmatch(hash)
	if form == nil {
		return nil, fmt.Errorf("%w: not bcrypt's $2a$, $2b$ or $2y$", ErrHash)
	}
	if cost, err := strconv.Atoi(form[1]); err != nil || cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil, fmt.Errorf("%w: bcrypt of a cost that is not %d to %d", ErrHash, bcrypt.MinCost, maxBcryptCost)
	}
	return func(text []byte) bool { return bcrypt.CompareHashAndPassword([]byte(hash), text) == nil }, nil
}
