package recovery

import (
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const (
	// maxIterations bounds a stored PBKDF2: some 0.3 s, as bcrypt of cost 13. Django 6.0 writes 1,200,000.
	maxIterations = 1_500_000
	maxInnerSalt  = 64 // bytes

	// Wrong codes are taken at one every six seconds, some 14,400 a day. Against ten codes of fewer texts than these
	// stand for, somebody with the password would get in before long.
	leastSymbols = 8
	leastDigits  = 10
	eightDigits  = 8
)

// Foreign is what another system kept of one unused code: the code, or a hash of it. It prints as "[redacted]"
// and refuses to be marshalled. The zero Foreign is ErrCode everywhere.
type Foreign struct{ hiddenForeign }

type hiddenForeign = redact.Value[foreign]

type foreign struct {
	err    error
	digits int
	kept   string // bcrypt or Argon2id, stored as it is
	inner  inner  // otherwise: what it takes to make digest of a code
	digest []byte
}

// ForeignCode is a code in plain, of at most 72 bytes. Upper and lower case, spaces and hyphens do not count when it is
// typed. Check says what is wrong with it.
func ForeignCode(code string) Foreign {
	f := foreign{inner: inner{kind: plain}}
	text := strings.Trim(code, " \t\r\n") // of a line of a file
	f.digest = fold([]byte(text))
	switch {
	case len(text) > maxImportedText || len(f.digest) == 0 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		f.err = fmt.Errorf("%w: not 1 to %d bytes without control characters", ErrCode, maxImportedText)
	case digitsOnly.Match(f.digest):
		f.digits = len(f.digest)
		f.err = checkDigits(f.digits)
	case len(f.digest) < leastSymbols:
		f.err = fmt.Errorf("%w: under %d characters", ErrGuessable, leastSymbols)
	}
	return Foreign{redact.New(f)}
}

// ForeignHash is a hash of a code, byte for byte as that system's users type it. digits is how many digits the code
// has if it consists of digits, and 0 otherwise: a hash does not tell. Check says what is wrong with it.
//
// Bcrypt ($2a$, $2b$, $2y$, of cost 4 to 13) and Argon2id (see CheckImported) are stored as they are. SHA-256, as 64
// hexadecimal digits, and PBKDF2-SHA256 of up to 1,500,000 iterations, as Django (pbkdf2_sha256$…), Werkzeug
// (pbkdf2:sha256:…) and Passlib ($pbkdf2-sha256$…) write it, are hashed again with Argon2id. Everything else is ErrHash.
func ForeignHash(hash string, digits int) Foreign {
	f := foreign{digits: digits}
	f.err = checkDigits(digits)
	if f.err == nil {
		f.kept, f.inner, f.digest, f.err = readHash(hash)
	}
	return Foreign{redact.New(f)}
}

// Check returns nil if the code can be taken over. Otherwise it is ErrHash for a hash of another kind or out of
// bounds, ErrCode for a text that is no code, and ErrGuessable for codes of under 8 characters, or of digits alone
// and fewer than 10. Codes of 8 digits pass, for callers that count them as TOTP codes: see EightDigits.
func (f Foreign) Check() error {
	if f.IsZero() {
		return fmt.Errorf("%w: the zero Foreign", ErrCode)
	}
	return redact.Open(f.hiddenForeign).err
}

// EightDigits reports whether the code is eight digits: only about 27 bits. A caller must not let it be
// tried as often as another code.
func (f Foreign) EightDigits() bool { return redact.Open(f.hiddenForeign).digits == eightDigits }

// Same reports whether two are one code, as far as can be seen: the same code, or the same digest of it.
func (f Foreign) Same(g Foreign) bool {
	a, b := redact.Open(f.hiddenForeign), redact.Open(g.hiddenForeign)
	return a.kept == b.kept && a.inner.String() == b.inner.String() && string(a.digest) == string(b.digest)
}

// HashForeign returns what is stored of another system's code, for VerifyImported. Argon2id runs once, unless the
// code came as bcrypt or Argon2id, which are stored as they are. What stands for a faster hash begins with it in
// braces, so that it is known what to compute of a typed text before Argon2id:
//
//	{sha256}$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG
//	{pbkdf2-sha256,600000,SALT}$argon2id$…
//	{plain}$argon2id$…
//
// The error is that of Check, or ErrParams.
func (p Params) HashForeign(f Foreign) (string, error) {
	if err := f.Check(); err != nil {
		return "", err
	}
	if err := p.Check(); err != nil {
		return "", err
	}
	o := redact.Open(f.hiddenForeign)
	if o.kept != "" {
		return o.kept, nil
	}
	return o.inner.String() + p.hash(o.digest), nil
}

func checkDigits(n int) error {
	switch {
	case n < 0 || n > maxImportedText:
		return fmt.Errorf("%w: %d digits", ErrCode, n)
	case n != 0 && n != eightDigits && n < leastDigits:
		return fmt.Errorf("%w: %d digits", ErrGuessable, n)
	}
	return nil
}

// inner is what is computed of a typed text before Argon2id is.
type inner struct {
	kind       string
	iterations int
	salt       string
}

const (
	plain        = "plain"
	sha          = "sha256"
	pbkdf2Sha256 = "pbkdf2-sha256"
)

// String is what stands before the Argon2id hash.
func (in inner) String() string {
	if in.kind == pbkdf2Sha256 {
		return fmt.Sprintf("{%s,%d,%s}", in.kind, in.iterations, unpadded.EncodeToString([]byte(in.salt)))
	}
	return "{" + in.kind + "}"
}

// of returns the digest of a text. The error is a fault: of the standard library in a FIPS mode.
func (in inner) of(text []byte) ([]byte, error) {
	switch in.kind {
	case plain:
		return fold(text), nil
	case sha:
		sum := sha256.Sum256(text)
		return sum[:], nil
	}
	return pbkdf2.Key(sha256.New, string(text), []byte(in.salt), in.iterations, sha256.Size)
}

// fold is the one form of a code that was known in plain: without spaces and hyphens, in lower case.
func fold(text []byte) []byte {
	folded := make([]byte, 0, len(text))
	for _, c := range text {
		switch {
		case c == ' ' || c == '-':
		case 'A' <= c && c <= 'Z':
			folded = append(folded, c-'A'+'a')
		default:
			folded = append(folded, c)
		}
	}
	return folded
}

var (
	digitsOnly   = regexp.MustCompile(`^[0-9]+\z`)
	sha256Hex    = regexp.MustCompile(`^[0-9A-Fa-f]{64}\z`)
	djangoHash   = regexp.MustCompile(`^pbkdf2_sha256\$([0-9]{1,7})\$([!-#%-~]{1,64})\$([A-Za-z0-9+/]{43}=)\z`)
	werkzeugHash = regexp.MustCompile(`^pbkdf2:sha256:([0-9]{1,7})\$([!-#%-~]{1,64})\$([0-9A-Fa-f]{64})\z`)
	passlibHash  = regexp.MustCompile(`^\$pbkdf2-sha256\$([0-9]{1,7})\$([A-Za-z0-9./]{1,86})\$([A-Za-z0-9./]{43})\z`)
)

// readHash reads a hash of another system: one to be kept, or a digest and how it is made.
func readHash(hash string) (kept string, in inner, digest []byte, err error) {
	if len(hash) > maxImportedHash {
		return "", inner{}, nil, fmt.Errorf("%w: longer than %d bytes", ErrHash, maxImportedHash)
	}
	if sha256Hex.MatchString(hash) {
		digest, err = hex.DecodeString(hash)
		return "", inner{kind: sha}, digest, err
	}
	var iterations string
	switch {
	case djangoHash.MatchString(hash):
		form := djangoHash.FindStringSubmatch(hash)
		iterations, in.salt = form[1], form[2]
		digest, err = base64.StdEncoding.Strict().DecodeString(form[3])
	case werkzeugHash.MatchString(hash):
		form := werkzeugHash.FindStringSubmatch(hash)
		iterations, in.salt = form[1], form[2]
		digest, err = hex.DecodeString(form[3])
	case passlibHash.MatchString(hash):
		form := passlibHash.FindStringSubmatch(hash)
		var salt []byte
		iterations = form[1]
		salt, err = unpadded.DecodeString(strings.ReplaceAll(form[2], ".", "+"))
		in.salt = string(salt)
		if err == nil {
			digest, err = unpadded.DecodeString(strings.ReplaceAll(form[3], ".", "+"))
		}
	case strings.HasPrefix(hash, "{"):
		return "", inner{}, nil, fmt.Errorf("%w: not another system's", ErrHash)
	default:
		_, err := parseImported(hash)
		return hash, inner{}, nil, err
	}
	n, ok := number(iterations, 32)
	in.kind, in.iterations = pbkdf2Sha256, int(n)
	if err != nil || !ok || !in.bounded() {
		return "", inner{}, nil, fmt.Errorf("%w: PBKDF2 that is not well-formed or out of bounds", ErrHash)
	}
	if fips140.Enforced() { // the standard library refuses to compute it of a short text
		return "", inner{}, nil, fmt.Errorf("%w: PBKDF2 is not available with GODEBUG=fips140=only", ErrHash)
	}
	return "", in, digest, nil
}

func (in inner) bounded() bool {
	return in.iterations >= 1 && in.iterations <= maxIterations && len(in.salt) >= 1 && len(in.salt) <= maxInnerSalt
}

// parseWrapped reads what HashForeign wrote of a faster hash.
func parseWrapped(hash string) (verify, error) {
	name, outer, ok := strings.Cut(strings.TrimPrefix(hash, "{"), "}")
	parts := strings.Split(name, ",")
	in := inner{kind: parts[0]}
	switch {
	case !ok || len(parts) == 1 && in.kind != plain && in.kind != sha:
		return nil, fmt.Errorf("%w: no such hash inside another", ErrHash)
	case len(parts) == 3 && in.kind == pbkdf2Sha256:
		n, ok := number(parts[1], 32)
		salt, err := unpadded.DecodeString(parts[2])
		in.iterations, in.salt = int(n), string(salt)
		if !ok || err != nil || !in.bounded() || in.String() != "{"+name+"}" {
			return nil, fmt.Errorf("%w: PBKDF2 out of bounds", ErrHash)
		}
	case len(parts) != 1:
		return nil, fmt.Errorf("%w: no such hash inside another", ErrHash)
	}
	h, err := parse(outer)
	if err != nil {
		return nil, err
	}
	return func(text []byte) (bool, error) {
		digest, err := in.of(text)
		if err != nil {
			return false, fmt.Errorf("recovery: %s: %w", in.kind, err)
		}
		return h.matches(digest), nil
	}, nil
}
