//go:build !race

package totp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// The race detector allocates too, so the test is not built with it.
func TestMatchAllocations(t *testing.T) {
	k := totp.Key{Secret: secret(t, seed20)}
	now := at(start)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if _, err := k.Match("000000", now, totp.DefaultWindow(), totp.Counter{}); err == nil {
			panic("000000 matches")
		}
	}), 8.0)
}
