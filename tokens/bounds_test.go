package tokens_test

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
)

// eachByte has every byte there is at a place of a text, which '?' stands for, and says which of them can be there.
func eachByte(t *testing.T, text, allowed string, valid func(string) error) {
	t.Helper()
	before, after, found := strings.Cut(text, "?")
	require.True(t, found)
	require.NotEmpty(t, allowed)
	for c := range 256 {
		err := valid(before + string([]byte{byte(c)}) + after)
		if strings.IndexByte(allowed, byte(c)) >= 0 {
			require.NoError(t, err, "%q in %s", byte(c), text)
		} else {
			require.Error(t, err, "%q in %s", byte(c), text)
		}
	}
}

// Row T3: at each place of a scope, a brand and a kind exactly the symbols that the documentation names, so neither '`' nor
// '{', '@', '[', '/' or ':', which stand beside them.
func TestSymbols(t *testing.T) {
	const rest = lower + digits + "_.-"
	scope := func(s string) error { return tokens.Scope(s).Check() }
	for text, allowed := range map[string]string{
		"?:read": lower, "?b:read": lower, "a?b:read": rest, "ab?:read": rest, "a:?": lower + "*", "a:?b": lower, "a:b?c": rest, "a:bc?": rest,
	} {
		eachByte(t, text, allowed, scope)
		eachByte(t, text, allowed, func(s string) error { _, err := tokens.NewScopes("a:b", tokens.Scope(s), "c:d"); return err })
	}
	for text, allowed := range map[string]string{"?b": lower, "?bc": lower, "a?": lower + digits, "a?c": lower + digits, "ab?": lower + digits} {
		eachByte(t, text, allowed, tokens.CheckBrand)
	}
	for text, allowed := range map[string]string{"?bc": lower, "a?c": lower + digits, "ab?": lower + digits} {
		eachByte(t, text, allowed, func(s string) error { return tokens.Kind(s).Check() })
	}
	for n := range 40 {
		s := strings.Repeat("a", n)
		require.Equal(t, n >= 1 && n <= 31, scope(s+":b") == nil, n)
		require.Equal(t, n >= 1 && n <= 31, scope("b:"+s) == nil, n)
		require.Equal(t, n >= 2 && n <= 16, tokens.CheckBrand(s) == nil, n)
		require.Equal(t, n == 3, tokens.Kind(s).Check() == nil, n)
	}
	for _, bad := range []string{"", ":", "a", "a:", ":a", "a:b:c", "*:a", "*", "a:**", "a:*b", "a: b", "a:b "} {
		require.ErrorIs(t, scope(bad), tokens.ErrInvalid, bad)
	}
}

// withChecksum returns text with the checksum that a token of it would have.
func withChecksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	check := make([]byte, 6)
	for i := 5; i >= 0; i-- {
		check[i] = alphabet[sum%62]
		sum /= 62
	}
	return text + string(check)
}

// Row T3: a text whose checksum is right, with every byte at every place of it, is a token only if each symbol can be where
// it is. What is accepted is what the text says.
func TestHostileTextWithTheRightChecksum(t *testing.T) {
	const text = "acme_p4t_ABCDEFGHIJKLMNabcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	require.Len(t, text, 66)
	_, err := tokens.Parse("acme", withChecksum(text))
	require.NoError(t, err)
	for i := range len(text) {
		allowed := text[i : i+1] // of brand and '_'
		switch {
		case i == 5:
			allowed = lower
		case i == 6, i == 7:
			allowed = lower + digits
		case i > 8:
			allowed = alphabet
		}
		eachByte(t, text[:i]+"?"+text[i+1:], allowed, func(s string) error {
			whole := withChecksum(s)
			p, err := tokens.Parse("acme", whole)
			if err != nil {
				require.Equal(t, tokens.ErrFormat, err)
				require.Equal(t, tokens.Parsed{}, p)
				require.Empty(t, find(t, "acme", strings.NewReader(whole)), "%q", whole)
				return err
			}
			require.Equal(t, tokens.Kind(s[5:8]), p.Kind)
			require.Equal(t, s[9:23], p.ID)
			require.Equal(t, []string{whole}, find(t, "acme", strings.NewReader(whole)))
			return nil
		})
	}
	// Of the right form, but one symbol longer or shorter in one of its parts.
	for i := range len(text) {
		for _, s := range []string{text[:i] + text[i+1:], text[:i] + "a" + text[i:]} {
			_, err := tokens.Parse("acme", withChecksum(s))
			require.Equal(t, tokens.ErrFormat, err, s)
		}
	}
	// The checksum itself is six symbols: a number with another spelling is none.
	sum := withChecksum(text)[66:]
	for i := range 6 {
		eachByte(t, text+sum[:i]+"?"+sum[i+1:], sum[i:i+1], func(s string) error { _, err := tokens.Parse("acme", s); return err })
	}
}

// at returns a list of good ones with a bad one at a place.
func at[T any](i int, bad T, good ...T) []T {
	out := append([]T{}, good[:i]...)
	return append(append(out, bad), good[i:]...)
}

// Row T3: every member of a list is looked at, wherever it stands, and the error counts it.
func TestEachOfAList(t *testing.T) {
	policy, err := tokens.Policy{Brand: "acme", Scopes: registry(t), Separator: "/"}.Settle()
	require.NoError(t, err)
	none := policy
	none.Separator = ""
	ask := func(p tokens.Policy, ids ...string) (tokens.Request, error) {
		r, err := tokens.OnlyResources(ids...)
		require.NoError(t, err)
		return p.Request(tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}, Resources: r})
	}
	for i, bad := range []string{"a*", "c*", "e*"} { // in the order of the entries
		for j := range 3 { // given in whatever order
			got, err := ask(policy, at(j, bad, "b/*", "d/*")...)
			require.ErrorIs(t, err, tokens.ErrInvalid)
			require.EqualError(t, err, fmt.Sprintf("tokens: invalid argument: resource %d, in order, may not stand for all that begin with it", i+1))
			require.Equal(t, tokens.Request{}, got)
		}
		_, err := ask(none, at(i, "a/*", "b", "d")...)
		require.ErrorIs(t, err, tokens.ErrInvalid, "without a separator nothing stands for others")
	}
	_, err = ask(policy, "a/*", "b/c/*", "d")
	require.NoError(t, err)
	_, err = ask(none, "a", "b/c", "d")
	require.NoError(t, err)

	for i := range 3 {
		for _, bad := range []string{"", "*", "a*b", "a**", " a", "a\n", "a\x00", "\u202ea", strings.Repeat("a", 256)} {
			r, err := tokens.OnlyResources(at(i, bad, "a", "b")...)
			require.EqualError(t, err, fmt.Sprintf("tokens: invalid argument: resource %d of the list", i+1), "%.9q", bad)
			require.Equal(t, tokens.Resources{}, r)
		}
		for _, bad := range []string{"", "x", "10.0.0.1/8", "::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/"} {
			n, err := tokens.OnlyNetworks(at(i, bad, "10.0.0.0/8", "::1")...)
			require.EqualError(t, err, fmt.Sprintf("tokens: invalid argument: network %d of the list is none, or has bits behind its length", i+1), bad)
			require.Equal(t, tokens.Networks{}, n)
		}
		s, err := tokens.NewScopes(at[tokens.Scope](i, "`:read", "a:b", "c:d")...)
		require.ErrorIs(t, err, tokens.ErrInvalid)
		require.Nil(t, s)
		r, err := tokens.NewRegistry(at(i, tokens.ScopeInfo{Scope: "a:{"}, tokens.ScopeInfo{Scope: "a:b"}, tokens.ScopeInfo{Scope: "c:d"})...)
		require.ErrorIs(t, err, tokens.ErrInvalid)
		require.Nil(t, r)
		_, err = tokens.NewRegistry(at(i, tokens.ScopeInfo{Scope: "c:d"}, tokens.ScopeInfo{Scope: "a:b"}, tokens.ScopeInfo{Scope: "c:d"})...)
		require.EqualError(t, err, "tokens: invalid argument: c:d is listed twice")
		require.EqualError(t, registry(t).Check(at[tokens.Scope](i, "un:known", "projects:read", "billing:read")), `tokens: unknown scope: "un:known"`)
		_, err = tokens.Policy{Brand: "acme", Scopes: registry(t), Kinds: at[tokens.Kind](i, "`ot", "bot", "job")}.Settle()
		require.ErrorIs(t, err, tokens.ErrInvalid)
	}
}

// Row T3: as many as there can be, and one more.
func TestHowMany(t *testing.T) {
	var ids, cidrs []string
	var scopes []tokens.Scope
	for i := range 101 {
		ids = append(ids, fmt.Sprint("project/", i))
		cidrs = append(cidrs, fmt.Sprintf("10.0.%d.0/24", i))
		scopes = append(scopes, tokens.Scope(fmt.Sprintf("s%d:read", i)))
	}
	full, err := tokens.OnlyResources(ids[:100]...)
	require.NoError(t, err)
	entries, restricted := full.Only()
	require.True(t, restricted)
	require.Len(t, entries, 100)
	more, err := tokens.OnlyResources(ids...)
	require.ErrorIs(t, err, tokens.ErrInvalid)
	require.Equal(t, tokens.Resources{}, more)
	networks, err := tokens.OnlyNetworks(cidrs[:32]...)
	require.NoError(t, err)
	entries, restricted = networks.Only()
	require.True(t, restricted)
	require.Len(t, entries, 32)
	_, err = tokens.OnlyNetworks(cidrs[:33]...)
	require.ErrorIs(t, err, tokens.ErrInvalid)
	set, err := tokens.NewScopes(scopes[:63]...)
	require.NoError(t, err)
	require.Len(t, set, 63)
	_, err = tokens.NewScopes(scopes[:64]...)
	require.ErrorIs(t, err, tokens.ErrInvalid)
	_, err = tokens.OnlyResources(strings.Repeat("a", 255))
	require.NoError(t, err)
}
