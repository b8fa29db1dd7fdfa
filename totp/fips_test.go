package totp_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// The test runs itself again in a process where only approved algorithms are allowed.
func TestFIPSOnly(t *testing.T) {
	if !fips140.Enforced() {
		again := exec.Command(os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		again.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "SHA-1 is refused, the others work")
		return
	}

	s := secret(t, seed64)
	for _, digits := range []int{0, 6, 8} {
		k := totp.Key{Secret: s, Digits: digits}
		require.ErrorIs(t, k.Check(), totp.ErrParams)
		_, err := k.Code(start)
		require.ErrorIs(t, err, totp.ErrParams)
		_, err = k.Match("123456", at(start), totp.DefaultWindow(), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrParams)
		_, err = k.Resync("123456", "654321", at(start), totp.Counter{})
		require.ErrorIs(t, err, totp.ErrParams)
		_, err = k.URI("Acme", "ada")
		require.ErrorIs(t, err, totp.ErrParams)
		_, err = k.QR("Acme", "ada")
		require.ErrorIs(t, err, totp.ErrParams)

		for algorithm, seed := range map[totp.Algorithm]string{totp.SHA256: seed32, totp.SHA512: seed64} {
			for _, raw := range []string{seed[:16], seed} {
				k := totp.Key{Secret: secret(t, raw), Algorithm: algorithm, Digits: digits}
				require.NoError(t, k.Check())
				after, err := k.Match(codeAt(t, k, start), at(start), totp.DefaultWindow(), totp.Counter{})
				require.NoError(t, err)
				require.EqualValues(t, start, after.Last)
				_, err = k.Resync(codeAt(t, k, start), codeAt(t, k, start+1), at(start), totp.Counter{})
				require.NoError(t, err)
				_, err = k.URI("Acme", "ada")
				require.NoError(t, err)
			}
		}
	}
	short, _, err := totp.ParseImported("JBSWY3DPEHPK3PXP")
	require.NoError(t, err)
	_, err = totp.Key{Secret: short, Algorithm: totp.SHA256, Weak: true}.Code(start)
	require.ErrorIs(t, err, totp.ErrSecret, "crypto/hmac would panic")
	_, err = totp.Key{Secret: totp.GenerateSecret(), Algorithm: totp.SHA256}.QR("Acme", "ada")
	require.NoError(t, err)
	t.Log("SHA-1 is refused, the others work")
}
