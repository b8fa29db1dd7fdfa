package recovery_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse/recovery"
)

// A vector of the OpenBSD code, under each of the prefixes that stand for the same function here.
const bcryptVector = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" // of "U*U"

func phc(text string, salt, tag int) string {
	b64 := base64.RawStdEncoding
	s := []byte(strings.Repeat("s", salt))
	return fmt.Sprintf("$argon2id$v=19$m=32,t=2,p=3$%s$%s", b64.EncodeToString(s), b64.EncodeToString(argon2.IDKey([]byte(text), s, 2, 32, 3, uint32(tag))))
}

func TestVerifyImported(t *testing.T) {
	own, err := recovery.Params{Memory: 8, Time: 1, Threads: 1}.Hash(recovery.Generate()[0])
	require.NoError(t, err)
	require.NoError(t, recovery.CheckImported(own))
	for hash, text := range map[string]string{
		bcryptVector:                         "U*U",
		"$2b" + bcryptVector[3:]:             "U*U",
		"$2y" + bcryptVector[3:]:             "U*U",
		phc("abcd-efgh", 8, 16):              "abcd-efgh",
		phc("\x00 any bytes", 64, 64):        "\x00 any bytes",
		phc(strings.Repeat("x", 72), 16, 32): strings.Repeat("x", 72),
	} {
		require.NoError(t, recovery.CheckImported(hash))
		ok, err := recovery.VerifyImported(hash, text)
		require.NoError(t, err)
		require.True(t, ok, hash)
		for _, other := range []string{"", text[1:], text + "x", strings.ToLower(text) + " ", strings.Repeat("y", 72), strings.Repeat("y", 1<<20)} {
			ok, err = recovery.VerifyImported(hash, other)
			require.NoError(t, err)
			require.False(t, ok, "%s %.80q", hash, other)
		}
	}
	long, err := bcrypt.GenerateFromPassword([]byte(strings.Repeat("x", 72)), bcrypt.MinCost)
	require.NoError(t, err)
	ok, err := recovery.VerifyImported(string(long), strings.Repeat("x", 73))
	require.NoError(t, err)
	require.False(t, ok, "bcrypt must not cut the text")
}

func TestCheckImportedRefuses(t *testing.T) {
	good := phc("x", 16, 32)
	require.NoError(t, recovery.CheckImported(good))
	require.NoError(t, recovery.CheckImported("$2a$13"+bcryptVector[6:]))
	for why, hash := range map[string]string{
		"empty":                   "",
		"plain text":              "abcd-efgh",
		"1 MiB":                   strings.Repeat("$2a$", 1<<18),
		"bcrypt, cost 3":          "$2a$03" + bcryptVector[6:],
		"bcrypt, cost 14":         "$2a$14" + bcryptVector[6:],
		"bcrypt, cost 99":         "$2a$99" + bcryptVector[6:],
		"bcrypt, signed cost":     "$2a$+5" + bcryptVector[6:],
		"bcrypt, no dollar":       "$2a$05x" + bcryptVector[7:],
		"bcrypt, line feed":       "$2a$05\n" + bcryptVector[7:],
		"bcrypt, $2x$":            "$2x" + bcryptVector[3:],
		"bcrypt, $2$":             "$2$" + bcryptVector[4:],
		"bcrypt, cut":             bcryptVector[:59],
		"bcrypt, longer":          bcryptVector + ".",
		"bcrypt, line feed after": bcryptVector + "\n",
		"bcrypt, not its symbols": bcryptVector[:59] + "+",
		"Argon2i":                 strings.Replace(good, "argon2id", "argon2i", 1),
		"Argon2d":                 strings.Replace(good, "argon2id", "argon2d", 1),
		"version 16":              strings.Replace(good, "v=19", "v=16", 1),
		"1 GiB":                   strings.Replace(good, "m=32", "m=1048576", 1),
		"many passes":             strings.Replace(good, "t=2", "t=6", 1),
		"many lanes":              strings.Replace(good, "p=3", "p=5", 1),
		"salt of 7 bytes":         phc("x", 7, 32),
		"salt of 65 bytes":        phc("x", 65, 32),
		"tag of 15 bytes":         phc("x", 16, 15),
		"tag of 65 bytes":         phc("x", 16, 65),
		"padded":                  good + "=",
		"line feed in the salt":   strings.Replace(good, "$c", "$\nc", 1),
		"line feed after":         good + "\n",
		"SHA-256 crypt":           "$5$rounds=5000$usesomesillystri$KqJWpanXZHKq2BOB43TSaYhEWsQ1Lr5QNyPCDH/Tp.6",
	} {
		require.ErrorIs(t, recovery.CheckImported(hash), recovery.ErrHash, why)
		ok, err := recovery.VerifyImported(hash, "x")
		require.ErrorIs(t, err, recovery.ErrHash, why)
		require.False(t, ok)
	}
}

func ExampleVerifyImported() {
	ok, err := recovery.VerifyImported("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U")
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleCheckImported() {
	fmt.Println(recovery.CheckImported("$1$salt$qJH7.N4xYta3aEG/dfqo/0"))
	// Output: recovery: bad stored hash: not $argon2id$v=19$m=,t=,p=$$
}
