//go:build !race

// The race detector allocates as well.

package benchmarks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// TestEncodingAllocations: what a record takes of allocations.
func TestEncodingAllocations(t *testing.T) {
	account, token := storedRecords(t)
	data, err := account.Encode()
	require.NoError(t, err)
	tokenData, err := token.Encode()
	require.NoError(t, err)
	for what, decode := range map[string]func() error{
		"an account": func() error { _, err := core.Decode("user-42", data); return err },
		"a token":    func() error { _, err := decodeToken("t", "user-42", tokenData); return err },
	} {
		allocs := testing.AllocsPerRun(100, func() {
			if err := decode(); err != nil {
				t.Error(err)
			}
		})
		t.Logf("%s: %v allocations", what, allocs)
		require.LessOrEqual(t, allocs, 10.0, what)
	}
}
