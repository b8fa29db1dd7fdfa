package recovery_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// The Argon2id rows of the reference implementation (P-H-C/phc-winner-argon2, src/test.c, version 0x13)
// that take little memory. They say that the function means by memory and passes what the standard
// does; the salts are too short for codes.
func TestArgon2idReference(t *testing.T) {
	for _, v := range []struct {
		passes, memory uint32
		lanes          uint8
		tag            string
	}{
		{2, 1 << 8, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"},
		{2, 1 << 8, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"},
	} {
		got := argon2.IDKey([]byte("password"), []byte("somesalt"), v.passes, v.memory, v.lanes, 32)
		require.Equal(t, v.tag, hex.EncodeToString(got))
	}
}

// referenceHashes were written by the argon2 program of that implementation, from the codes' 16 symbols:
//
//	printf %s CODE | argon2 SALT -id -t PASSES -k MEMORY -p LANES -l 32 -e
var referenceHashes = map[string]string{
	"K7XQ-2M9D-4TWB-0RZ5": "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$EB4RPl119NICiqehRp7ct6jxOe9D/STWFsDOSrKAOGo",
	"0123-4567-89AB-CDEF": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$puz1jt+HFQjdTU9yGNiaY5gEF3Qx6gTZVB9CykqzDqA",
	"GHJK-MNPQ-RSTV-WXYZ": "$argon2id$v=19$m=64,t=3,p=2$c2l4dGVlbiBieXRlc2FsdA$2Kx9gwtuER36NNqO1WteNNUBn3hvBNDaEBJo8l4x3sg",
	"ZZZZ-ZZZZ-ZZZZ-ZZZZ": "$argon2id$v=19$m=65536,t=3,p=4$fn5+fn5+fn5+fn5+fn5+fg$qXbOCNclSbT6VzDP0Dv103Cw7k9jJk6eoi7GejROGwg",
	"0000-0000-0000-0000": "$argon2id$v=19$m=37,t=5,p=3$QUFBQUFBQUFBQUFBQUFBQQ$8DBSo68KiD2yiFbvg8aClNT2KDHJgdwKUXkwqjsaVpU",
}

func TestReferenceHashes(t *testing.T) {
	require.NotEmpty(t, referenceHashes)
	for code, h := range referenceHashes {
		require.NoError(t, recovery.CheckHash(h))
		require.True(t, verify(t, h, parse(t, code)), code)
	}
}

// The argon2 program writes what Verify accepts, and writes what Hash wrote.
func TestArgon2Program(t *testing.T) {
	program := testneed.Program(t, "argon2", "argon2")
	run := func(c recovery.Code, salt string, p recovery.Params) string {
		cmd := exec.Command(program, salt, "-id", "-e", "-l", "32",
			"-t", fmt.Sprint(p.Time), "-k", fmt.Sprint(p.Memory), "-p", fmt.Sprint(p.Threads))
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(c.Reveal(), "-", ""))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.TrimSuffix(string(out), "\n")
	}
	for _, p := range []recovery.Params{
		recovery.DefaultParams(), cheap, {Memory: 9, Time: 1, Threads: 1}, {Memory: 1000, Time: 5, Threads: 3},
	} {
		codes := recovery.Generate()
		theirs := run(codes[0], "a salt of 16 byt", p)
		require.True(t, verify(t, theirs, codes[0]), theirs)
		require.False(t, verify(t, theirs, codes[1]))

		ours := hash(t, p, codes[0])
		salt := saltOf(t, ours)
		for bytes.IndexByte(salt, 0) >= 0 { // no argument of a program has a NUL
			ours = hash(t, p, codes[0])
			salt = saltOf(t, ours)
		}
		require.Equal(t, run(codes[0], string(salt), p), ours)
	}
}

func saltOf(t *testing.T, hash string) []byte {
	t.Helper()
	fields := strings.Split(hash, "$")
	require.Len(t, fields, 6)
	salt, err := base64.RawStdEncoding.DecodeString(fields[4])
	require.NoError(t, err)
	return salt
}
