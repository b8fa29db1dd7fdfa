//go:build !race

package tokens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// A check of a token is on the way of every request.
func TestParseDoesNotAllocate(t *testing.T) {
	text := tokens.Generate("acme", tokens.Personal).Reveal()
	p, err := tokens.Parse("acme", text)
	require.NoError(t, err)
	stored := p.Digest[:]
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p, err := tokens.Parse("acme", text)
		if err != nil || !p.Digest.Equal(stored) {
			t.Fatal("a good token was refused")
		}
	}))
}
