package text_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/text"
)

func TestIsName(t *testing.T) {
	for _, s := range []string{"a", "A b", strings.Repeat("a", 64), strings.Repeat("é", 32), "名前", "a\u00a0b", "🔑"} {
		require.True(t, text.IsName(s), "%q", s)
	}
	for _, s := range []string{
		"", " ", " a", "a ", "a\u00a0", strings.Repeat("a", 65), strings.Repeat("é", 32) + "a",
		"a\x00", "a\n", "a\tb", "\u202ea", "a\u2028b", "a\u2029b", "a\u200bb", "a\u0085b", "\xff", "a\xc3",
	} {
		require.False(t, text.IsName(s), "%q", s)
	}
}

func TestWithin(t *testing.T) {
	require.True(t, text.Within("", 0, 0))
	require.True(t, text.Within(" a ", 3, 3), "spaces around it are no matter of this")
	require.False(t, text.Within("ab", 3, 4))
	require.False(t, text.Within("abcde", 3, 4))
	require.False(t, text.Within("a\u202e", 0, 10))
	require.False(t, text.Within("\xff", 0, 10))
}
