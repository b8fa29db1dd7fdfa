package aaguid_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/aaguid"
)

func TestName(t *testing.T) {
	for id, want := range map[string]string{
		"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "Apple Passwords",
		"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
		"08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
		"bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
		"d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
		"50726f74-6f6e-5061-7373-50726f746f6e": "Proton Pass",
		"2fc0579f-8113-47ea-b116-bb5a8db9202a": "YubiKey 5 NFC",
		"00000000-0000-0000-0000-000000000000": "",
		"01020304-0000-0000-0000-000000000000": "",
	} {
		require.Equal(t, want, aaguid.Name(uuid.MustParse(id)), id)
	}
}

// Each line is a UUID as it is written in lower case, once, and a name that fits into a list.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("names.txt")
	require.NoError(t, err)
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "# ") {
			continue
		}
		id, name, ok := strings.Cut(line, " ")
		require.True(t, ok, line)
		require.Equal(t, id, uuid.MustParse(id).String(), line)
		require.NotEqual(t, uuid.Nil.String(), id)
		require.False(t, seen[id], line)
		seen[id] = true
		require.Equal(t, strings.TrimSpace(name), name)
		require.True(t, len(name) > 2 && len(name) < 40, line)
		b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		require.NoError(t, err)
		require.Equal(t, name, aaguid.Name([16]byte(b)))
	}
	require.Greater(t, len(seen), 100)
}
