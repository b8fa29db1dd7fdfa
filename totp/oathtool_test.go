package totp_test

import (
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Codes of an implementation that shares no code and no language with this one.
func TestAgainstOathtool(t *testing.T) {
	oathtool := testneed.Program(t, "oathtool", "oathtool")
	rng := rand.New(rand.NewPCG(3, 4))
	const row = 10 // codes a run, of steps one after another
	compared := 0
	for i := range 60 {
		raw := make([]byte, 16+rng.IntN(49))
		for j := range raw {
			raw[j] = byte(rng.Uint32())
		}
		text := base32.StdEncoding.EncodeToString(raw)
		k := totp.Key{Secret: secret(t, string(raw)), Algorithm: totp.Algorithm(i % 3), Digits: 6 + i/3%2*2}
		unix := rng.Int64N(1 << (10 + i%26)) // up to the year 3058
		out, err := exec.Command(oathtool, "--base32", "--totp="+strings.ToLower(k.Algorithm.String()),
			"--digits", fmt.Sprint(k.Digits), "--now", fmt.Sprintf("@%d", unix), "--window", fmt.Sprint(row-1), text).Output()
		require.NoError(t, err)
		codes := strings.Fields(string(out))
		require.Len(t, codes, row)
		for j, want := range codes {
			require.Equal(t, want, codeAt(t, k, unix/30+int64(j)), "%s, %d digits, %d bytes, step %d", k.Algorithm, k.Digits, len(raw), unix/30+int64(j))
			compared++
		}
	}
	require.Equal(t, 600, compared)
}
