package tokens_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

func scopes(t testing.TB, text string) tokens.Scopes {
	t.Helper()
	s, err := tokens.ParseScopes(text)
	require.NoError(t, err)
	return s
}

func TestScopeSyntax(t *testing.T) {
	for _, good := range []tokens.Scope{"a:b", "projects:read", "projects:*", "a-b_c.d1:e-f", tokens.Scope(strings.Repeat("a", 31) + ":" + strings.Repeat("b", 31))} {
		require.NoError(t, good.Check(), good)
	}
	for _, bad := range []tokens.Scope{
		"", ":", "a", "a:", ":b", "*:*", "*:read", "a:b:c", "a:**", "a:*b", "A:b", "a:B", "1:b", "a b:c", "a:b ", "é:a", "a:\x00", "a:b\n",
		tokens.Scope(strings.Repeat("a", 32) + ":b"), tokens.Scope(strings.Repeat("a", 1<<20)),
	} {
		require.ErrorIs(t, bad.Check(), tokens.ErrInvalid, "%.50q", string(bad))
		_, err := tokens.NewScopes("a:b", bad)
		require.ErrorIs(t, err, tokens.ErrInvalid)
	}
}

func TestNormalForm(t *testing.T) {
	for text, want := range map[string]string{
		"b:read a:read":                      "a:read b:read",
		"a:read a:read a:read":               "a:read",
		"a:read a:write":                     "a:write",
		"a:write a:delete":                   "a:delete a:write",
		"a:read a:* b:read a:delete":         "a:* b:read",
		"a:write a:read b:read b:write c:do": "a:write b:write c:do",
	} {
		got := scopes(t, text)
		require.Equal(t, want, got.String())
		require.Equal(t, got, scopes(t, got.String()))
	}
	for _, bad := range []string{"", " ", "a:b ", " a:b", "a:b  c:d", "a:b\tc:d", "a:b,c:d", strings.Repeat("a:b ", 10_000) + "a:b", strings.Repeat("x", 1<<20)} {
		_, err := tokens.ParseScopes(bad)
		require.ErrorIs(t, err, tokens.ErrInvalid, "%.50q", bad)
	}
	list := make([]tokens.Scope, 10_000)
	for i := range list {
		list[i] = "a:b"
	}
	_, err := tokens.NewScopes(list...)
	require.ErrorIs(t, err, tokens.ErrInvalid)
	_, err = tokens.NewScopes(list[:tokens.MaxScopes]...)
	require.NoError(t, err)
	_, err = tokens.NewScopes()
	require.ErrorIs(t, err, tokens.ErrInvalid)
}

// TestAlgebra has the laws of sets, over all scopes of a small world: what a set has is the truth
// that the operations are held against.
func TestAlgebra(t *testing.T) {
	var world []tokens.Scope
	for _, resource := range []string{"a", "b"} {
		for _, action := range []string{"read", "write", "delete", "*"} {
			world = append(world, tokens.Scope(resource+":"+action))
		}
	}
	rights := func(s tokens.Scopes) (has []tokens.Scope) {
		for _, scope := range world {
			if s.Has(scope) {
				has = append(has, scope)
			}
		}
		return has
	}
	both := func(a, b []tokens.Scope) (out []tokens.Scope) {
		for _, scope := range a {
			if slices.Contains(b, scope) {
				out = append(out, scope)
			}
		}
		return out
	}
	random := rand.New(rand.NewPCG(1, 5))
	draw := func() tokens.Scopes {
		var list []tokens.Scope
		for range 1 + random.IntN(4) {
			list = append(list, world[random.IntN(len(world))])
		}
		s, err := tokens.NewScopes(list...)
		require.NoError(t, err)
		for _, scope := range list {
			require.True(t, s.Has(scope), "nothing is lost")
		}
		return s
	}
	for range 3000 {
		a, b, c := draw(), draw(), draw()
		ab := a.Intersect(b)
		require.Equal(t, both(rights(a), rights(b)), rights(ab), "%v and %v", a, b)
		require.Equal(t, ab, b.Intersect(a))
		require.Equal(t, ab.Intersect(c), a.Intersect(b.Intersect(c)))
		require.Equal(t, a, a.Intersect(a))
		require.True(t, a.Covers(ab) && b.Covers(ab))
		require.Equal(t, len(both(rights(a), rights(b))) == len(rights(b)), a.Covers(b))
		require.True(t, a.Covers(nil))
		require.Equal(t, a.Covers(b) && b.Covers(a), slices.Equal(a, b), "one set, one form")
		if len(ab) > 0 {
			again, err := tokens.NewScopes(ab...)
			require.NoError(t, err)
			require.Equal(t, ab, again, "what comes out is in normal form")
		}
		for _, scope := range world {
			require.Equal(t, a.Has(scope), a.Uses(scope) != 0)
			require.Less(t, len(a.Unused(a.Uses(scope))), len(a)+1)
			if a.Has(scope) {
				require.NotContains(t, a.Unused(a.Uses(scope)), scope)
			}
		}
	}
	var none tokens.Scopes
	for _, scope := range world {
		require.False(t, none.Has(scope))
	}
}

func TestUnused(t *testing.T) {
	s := scopes(t, "a:write b:* c:read")
	require.Equal(t, s, s.Unused(0))
	require.Equal(t, scopes(t, "b:* c:read"), s.Unused(s.Uses("a:read")))
	require.Equal(t, scopes(t, "c:read"), s.Unused(s.Uses("a:write")|s.Uses("b:delete")))
	require.Empty(t, s.Unused(-1))
	require.Zero(t, s.Uses("d:read"))
	var list []tokens.Scope
	for i := range tokens.MaxScopes {
		list = append(list, tokens.Scope("r"+string(rune('a'+i/26))+string(rune('a'+i%26))+":read"))
	}
	full, err := tokens.NewScopes(list...)
	require.NoError(t, err)
	var bits int64
	for _, scope := range full {
		bits |= full.Uses(scope)
	}
	require.Empty(t, full.Unused(bits))
	require.Positive(t, bits, "a store keeps no negative number")
	require.LessOrEqual(t, len(full.String()), 4096)
}

func FuzzScopes(f *testing.F) {
	f.Add("a:read b:write", "a:*")
	f.Add("a:b c:d", "x")
	f.Fuzz(func(t *testing.T, one, other string) {
		a, err := tokens.ParseScopes(one)
		if err != nil {
			require.ErrorIs(t, err, tokens.ErrInvalid)
			return
		}
		again, err := tokens.ParseScopes(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
		if b, err := tokens.ParseScopes(other); err == nil {
			i := a.Intersect(b)
			require.True(t, a.Covers(i) && b.Covers(i))
		}
	})
}
