package recovery_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-go/gatehouse/recovery"
)

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func pbkdf2Of(t testing.TB, text, salt string, iterations int) []byte {
	t.Helper()
	digest, err := pbkdf2.Key(sha256.New, text, []byte(salt), iterations, 32)
	require.NoError(t, err)
	return digest
}

// Digests that Python's hashlib and Passlib made.
const (
	djangoVector   = "pbkdf2_sha256$1000$saltysalt$dMNVXSyf8w9OdAkp4PL8uRXvZ+oFNDsHtoCNM62ZLvA="                    // of k3j9w0qx
	werkzeugVector = "pbkdf2:sha256:1000$gLx0/p%2$bd200b156e664a7e995cc3e2ab6f1c939968f7c8a1a71edccb57d2ce84690185" // of k3j9w0qx
	passlibVector  = "$pbkdf2-sha256$8000$XAuBMIYQQogxRg$tRRlz8hYn63B9LYiCd6PRo6FMiunY9ozmMMI3srxeRE"               // of password
)

func djangoHash(t testing.TB, text string, iterations int) string {
	return fmt.Sprintf("pbkdf2_sha256$%d$saltysalt$%s", iterations, base64.StdEncoding.EncodeToString(pbkdf2Of(t, text, "saltysalt", iterations)))
}

func argon2idOf(text string, memory uint32, lanes uint8) string {
	b64, salt := base64.RawStdEncoding, []byte("a salt of 16 byt")
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=1,p=%d$%s$%s", memory, lanes, b64.EncodeToString(salt),
		b64.EncodeToString(argon2.IDKey([]byte(text), salt, 1, memory, lanes, 32)))
}

// Row F4: each form that real systems keep codes in works once it is taken over, byte for byte as it was typed,
// and nothing that is stored is faster than Argon2id or what it was before.
func TestForeign(t *testing.T) {
	for name, c := range map[string]struct {
		in     recovery.Foreign
		typed  string // that matches
		begins string // what is stored
	}{
		"bcrypt":                    {recovery.ForeignHash(bcryptVector, 0), "U*U", bcryptVector},
		"Argon2id on eight cores":   {recovery.ForeignHash(argon2idOf("f7a2k-9xq0m", 65536, 8), 0), "f7a2k-9xq0m", "$argon2id$v=19$m=65536,t=1,p=8$"},
		"Argon2id on 255 cores":     {recovery.ForeignHash(argon2idOf("f7a2k-9xq0m", 2040, 255), 0), "f7a2k-9xq0m", "$argon2id$v=19$m=2040,t=1,p=255$"},
		"SHA-256":                   {recovery.ForeignHash(sha256Hex("A1b2-C3d4"), 0), "A1b2-C3d4", "{sha256}$argon2id$v=19$m=8,t=1,p=1$"},
		"SHA-256 in upper case":     {recovery.ForeignHash(strings.ToUpper(sha256Hex("A1b2-C3d4")), 0), "A1b2-C3d4", "{sha256}$argon2id$"},
		"SHA-256 of eight digits":   {recovery.ForeignHash(sha256Hex("12345678"), 8), "12345678", "{sha256}$argon2id$"},
		"Django":                    {recovery.ForeignHash(djangoVector, 0), "k3j9w0qx", "{pbkdf2-sha256,1000,c2FsdHlzYWx0}$argon2id$"},
		"Django, one iteration":     {recovery.ForeignHash(djangoHash(t, "k3j9w0qx", 1), 0), "k3j9w0qx", "{pbkdf2-sha256,1,c2FsdHlzYWx0}$argon2id$"},
		"Werkzeug":                  {recovery.ForeignHash(werkzeugVector, 0), "k3j9w0qx", "{pbkdf2-sha256,1000,"},
		"Passlib":                   {recovery.ForeignHash(passlibVector, 0), "password", "{pbkdf2-sha256,8000,"},
		"in plain":                  {recovery.ForeignCode("aBcDe-12345"), "aBcDe-12345", "{plain}$argon2id$v=19$m=8,t=1,p=1$"},
		"in plain, typed otherwise": {recovery.ForeignCode("aBcDe-12345\r\n"), "ABCDE 12345", "{plain}$argon2id$"},
		"eight digits in plain":     {recovery.ForeignCode("12345678\n"), "12345678", "{plain}$argon2id$"},
		"ten digits in plain":       {recovery.ForeignCode("12345-67890"), "1234567890", "{plain}$argon2id$"},
		"our own form in plain":     {recovery.ForeignCode("K7XQ-2M9D-4TWB-01Z5"), "k7xq2m9d4twb01z5", "{plain}$argon2id$"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.in.Check())
			require.Equal(t, strings.Contains(name, "eight digits"), c.in.EightDigits())
			stored, err := cheap.HashForeign(c.in)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(stored, c.begins), stored)
			require.NotContains(t, strings.ToLower(stored), strings.ToLower(c.typed))
			require.NoError(t, recovery.CheckImported(stored))
			ok, err := recovery.VerifyImported(stored, c.typed)
			require.NoError(t, err)
			require.True(t, ok)
			for _, wrong := range []string{"", " ", "-", c.typed + "x", c.typed[1:], sha256Hex(c.typed), strings.Repeat("a", 73)} {
				ok, err := recovery.VerifyImported(stored, wrong)
				require.NoError(t, err)
				require.False(t, ok, wrong)
			}
			again, err := cheap.HashForeign(c.in)
			require.NoError(t, err)
			require.Equal(t, strings.HasPrefix(stored, "{"), stored != again, "a fresh salt for what is hashed here")
			if strings.HasPrefix(stored, "{") {
				require.ErrorIs(t, recovery.ForeignHash(stored, 0).Check(), recovery.ErrHash, "it is no other system's")
				_, outer, _ := strings.Cut(stored, "}")
				require.NoError(t, recovery.CheckHash(outer))
			}
		})
	}
}

// Row F4: what cannot be taken over is named by its kind, and nothing of it is in the error.
func TestForeignRefuses(t *testing.T) {
	const django = djangoVector
	for name, c := range map[string]struct {
		in   recovery.Foreign
		want error
	}{
		"the zero Foreign":            {recovery.Foreign{}, recovery.ErrCode},
		"six digits in plain":         {recovery.ForeignCode("123456"), recovery.ErrGuessable},
		"six digits in groups":        {recovery.ForeignCode("123-456"), recovery.ErrGuessable},
		"six digits as bcrypt":        {recovery.ForeignHash(bcryptVector, 6), recovery.ErrGuessable},
		"seven digits":                {recovery.ForeignCode("1234567"), recovery.ErrGuessable},
		"nine digits":                 {recovery.ForeignHash(bcryptVector, 9), recovery.ErrGuessable},
		"five letters":                {recovery.ForeignCode("a9f3c"), recovery.ErrGuessable},
		"seven letters":               {recovery.ForeignCode("a9f3-c0d"), recovery.ErrGuessable},
		"fewer than no digits":        {recovery.ForeignHash(bcryptVector, -1), recovery.ErrCode},
		"too many digits":             {recovery.ForeignHash(bcryptVector, 73), recovery.ErrCode},
		"empty":                       {recovery.ForeignCode(""), recovery.ErrCode},
		"separators":                  {recovery.ForeignCode(" -- \n"), recovery.ErrCode},
		"two lines":                   {recovery.ForeignCode("12345678\n87654321"), recovery.ErrCode},
		"NUL":                         {recovery.ForeignCode("12345678\x00"), recovery.ErrCode},
		"73 bytes":                    {recovery.ForeignCode(strings.Repeat("a", 73)), recovery.ErrCode},
		"1 MiB":                       {recovery.ForeignCode(strings.Repeat("a", 1<<20)), recovery.ErrCode},
		"no hash":                     {recovery.ForeignHash("", 0), recovery.ErrHash},
		"plain text as a hash":        {recovery.ForeignHash("k3j9w0qx", 0), recovery.ErrHash},
		"MD5":                         {recovery.ForeignHash(sha256Hex("x")[:32], 0), recovery.ErrHash},
		"SHA-1":                       {recovery.ForeignHash(sha256Hex("x")[:40], 0), recovery.ErrHash},
		"SHA-512":                     {recovery.ForeignHash(sha256Hex("x")+sha256Hex("y"), 0), recovery.ErrHash},
		"SHA-256 and a line feed":     {recovery.ForeignHash(sha256Hex("x")+"\n", 0), recovery.ErrHash},
		"PBKDF2-SHA1":                 {recovery.ForeignHash(strings.Replace(django, "_sha256", "_sha1", 1), 0), recovery.ErrHash},
		"PBKDF2, no iterations":       {recovery.ForeignHash(strings.Replace(django, "$1000$", "$0$", 1), 0), recovery.ErrHash},
		"PBKDF2, 1,500,001":           {recovery.ForeignHash(strings.Replace(django, "$1000$", "$1500001$", 1), 0), recovery.ErrHash},
		"PBKDF2, ten digits":          {recovery.ForeignHash(strings.Replace(django, "$1000$", "$1000000000$", 1), 0), recovery.ErrHash},
		"PBKDF2, signed":              {recovery.ForeignHash(strings.Replace(django, "$1000$", "$+100$", 1), 0), recovery.ErrHash},
		"PBKDF2, leading zero":        {recovery.ForeignHash(strings.Replace(django, "$1000$", "$01000$", 1), 0), recovery.ErrHash},
		"PBKDF2, no salt":             {recovery.ForeignHash(strings.Replace(django, "saltysalt", "", 1), 0), recovery.ErrHash},
		"PBKDF2, a salt of 65 bytes":  {recovery.ForeignHash(strings.Replace(django, "saltysalt", strings.Repeat("s", 65), 1), 0), recovery.ErrHash},
		"PBKDF2, a short digest":      {recovery.ForeignHash(django[:len(django)-5]+"=", 0), recovery.ErrHash},
		"Argon2id, lanes over memory": {recovery.ForeignHash(strings.Replace(argon2idOf("x", 64, 8), "m=64", "m=63", 1), 0), recovery.ErrHash},
		"Argon2id of 128 MiB":         {recovery.ForeignHash(strings.Replace(argon2idOf("x", 64, 8), "m=64", "m=131072", 1), 0), recovery.ErrHash},
		"Argon2id of 256 lanes":       {recovery.ForeignHash(strings.Replace(argon2idOf("x", 64, 8), "m=64,t=1,p=8", "m=4096,t=1,p=256", 1), 0), recovery.ErrHash},
	} {
		err := c.in.Check()
		require.ErrorIs(t, err, c.want, name)
		require.Less(t, len(err.Error()), 120, name)
		require.NotContains(t, err.Error(), "k3j9w0qx")
		stored, err := cheap.HashForeign(c.in)
		require.ErrorIs(t, err, c.want, name)
		require.Empty(t, stored)
	}
	_, err := recovery.Params{}.HashForeign(recovery.ForeignCode("12345678"))
	require.ErrorIs(t, err, recovery.ErrParams)
}

// TestWrappedRefused has what a writer to the store could put into the place of a wrapped hash: it has one spelling,
// and no cost beyond the bounds.
func TestWrappedRefused(t *testing.T) {
	outer, err := cheap.Hash(recovery.Generate()[0])
	require.NoError(t, err)
	require.NoError(t, recovery.CheckImported("{sha256}"+outer))
	require.NoError(t, recovery.CheckImported("{pbkdf2-sha256,1500000,c2FsdA}"+outer))
	for why, hash := range map[string]string{
		"no kind":              "{}" + outer,
		"no end":               "{sha256" + outer,
		"unknown":              "{sha1}" + outer,
		"twice":                "{sha256}{sha256}" + outer,
		"bcrypt outside":       "{sha256}" + bcryptVector,
		"nothing outside":      "{plain}",
		"too many iterations":  "{pbkdf2-sha256,1500001,c2FsdA}" + outer,
		"more than an integer": "{pbkdf2-sha256,18446744073709551617,c2FsdA}" + outer,
		"negative":             "{pbkdf2-sha256,-1,c2FsdA}" + outer,
		"no iterations":        "{pbkdf2-sha256,0,c2FsdA}" + outer,
		"no salt":              "{pbkdf2-sha256,1000,}" + outer,
		"no parameters":        "{pbkdf2-sha256}" + outer,
		"padded salt":          "{pbkdf2-sha256,1000,c2FsdA==}" + outer,
		"a line break":         "{pbkdf2-sha256,1000,c2Fs\ndA}" + outer,
		"parameters of plain":  "{plain,1}" + outer,
		"more parameters":      "{plain,1000,c2FsdA}" + outer,
		"eight lanes":          "{sha256}" + argon2idOf("x", 64, 8),
		"longer":               "{sha256}" + outer + strings.Repeat("A", 200),
	} {
		require.ErrorIs(t, recovery.CheckImported(hash), recovery.ErrHash, why)
		ok, err := recovery.VerifyImported(hash, "x")
		require.ErrorIs(t, err, recovery.ErrHash, why)
		require.False(t, ok)
	}
}

func TestForeignSame(t *testing.T) {
	same := [][2]recovery.Foreign{
		{recovery.ForeignCode("abcde-12345"), recovery.ForeignCode(" ABCDE12345\n")},
		{recovery.ForeignHash(sha256Hex("x"), 0), recovery.ForeignHash(strings.ToUpper(sha256Hex("x")), 0)},
		{recovery.ForeignHash(bcryptVector, 0), recovery.ForeignHash(bcryptVector, 0)},
		{recovery.ForeignHash(djangoHash(t, "k3j9w0qx", 10), 0), recovery.ForeignHash(djangoHash(t, "k3j9w0qx", 10), 0)},
	}
	for i, pair := range same {
		require.True(t, pair[0].Same(pair[1]), i)
		for j, other := range same {
			require.Equal(t, i == j, pair[0].Same(other[1]), "%d %d", i, j)
		}
	}
	require.False(t, recovery.ForeignHash(djangoHash(t, "k3j9w0qx", 10), 0).Same(recovery.ForeignHash(djangoHash(t, "k3j9w0qx", 11), 0)))
	require.False(t, recovery.ForeignCode("abcde-12345").Same(recovery.ForeignCode("abcde-12346")))
}

func TestForeignIsHidden(t *testing.T) {
	for _, f := range []recovery.Foreign{recovery.ForeignCode("k3j9w0qx"), recovery.ForeignHash(sha256Hex("k3j9w0qx"), 0)} {
		out := fmt.Sprintf("%v %+v %#v %s %q %x %d", f, f, f, f, f, f, []recovery.Foreign{f})
		require.Contains(t, out, "[redacted]")
		require.NotContains(t, out, "k3j9w0qx")
		require.NotContains(t, out, sha256Hex("k3j9w0qx")[:12])
		_, err := json.Marshal(f)
		require.Error(t, err)
	}
}

func ExampleForeign() {
	codes := []recovery.Foreign{
		recovery.ForeignCode("f7a2k-9xq0m"), // a column in plain
		recovery.ForeignHash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", 0),
		recovery.ForeignCode("493027"),
	}
	for _, code := range codes {
		fmt.Println(code, code.Check())
	}
	// Output:
	// [redacted] <nil>
	// [redacted] <nil>
	// [redacted] recovery: too easy to guess: 6 digits
}

func ExampleParams_HashForeign() {
	stored, err := recovery.DefaultParams().HashForeign(recovery.ForeignCode("f7a2k-9xq0m"))
	if err != nil {
		panic(err)
	}
	ok, err := recovery.VerifyImported(stored, "F7A2K 9XQ0M")
	fmt.Println(ok, err)
	// Output: true <nil>
}
