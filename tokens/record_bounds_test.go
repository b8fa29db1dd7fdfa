package tokens

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// bound is an edit of a record, and whether the record can be read then.
type bound[T any] struct {
	what string
	ok   bool
	edit func(*T)
}

// in is bounds for a field, of which these values can be and those cannot.
func in[T, V any](what string, set func(*T, V), good, bad []V) (out []bound[T]) {
	for _, v := range good {
		out = append(out, bound[T]{fmt.Sprintf("%s %.40v", what, v), true, func(t *T) { set(t, v) }})
	}
	for _, v := range bad {
		out = append(out, bound[T]{fmt.Sprintf("%s %.40v", what, v), false, func(t *T) { set(t, v) }})
	}
	return out
}

func many[T any](n int, f func(i int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

var (
	goodNames = []string{"a", "é", strings.Repeat("a", 64), strings.Repeat("é", 32)}
	badNames  = []string{"", strings.Repeat("a", 65), strings.Repeat("é", 32) + "a", " a", "a ", "a\x00", "a\nb", "\u202ea", "a\u2028b", "a\u200bb"}
)

// Row T3: each bound of what is stored of a token, from both sides.
func TestTokenBounds(t *testing.T) {
	type T = record
	digest := func(n int) []byte { return bytes.Repeat([]byte{7}, n) }
	scope := func(i int) Scope { return Scope(fmt.Sprintf("s%02d:read", i)) }
	resource := func(i int) string { return fmt.Sprintf("project/%03d", i) }
	network := func(i int) string { return fmt.Sprintf("10.0.%d.0/24", i) }
	old := func(digestSize int, until int64) oldDigest {
		return oldDigest{Digest: digest(digestSize), Until: until}
	}
	good := old(32, 1)
	line := func(int) []byte { return digest(16) }
	ptr := func(list ...string) *[]string { return &list }
	none := &[]string{}
	year := int64(365 * 24 * 60 * 60)
	all := slices.Concat(
		in("kind", func(t *T, v Kind) { t.Kind = v }, []Kind{"pat", "b0t", "zzz"}, []Kind{"", "pa", "path", "Pat", "0at", "`at", "{at", "p`t", "pa{", "pa/", "pa:", "p_t"}),
		in("name", func(t *T, v string) { t.Name = v }, goodNames, badNames),
		in("scopes", func(t *T, v Scopes) { t.Scopes = v },
			[]Scopes{{"a:read"}, {"a:*"}, {"a:read", "b:read"}, many(63, scope)},
			[]Scopes{nil, {}, {""}, {"a"}, {"`:read"}, {"a:{"}, {"b:read", "a:read"}, {"a:read", "a:read"}, {"a:read", "a:write"}, {"a:*", "a:read"}, {"a:read", "b"}, many(64, scope)}),
		in("resources", func(t *T, v *[]string) { t.Resources = v },
			[]*[]string{nil, none, ptr("a"), ptr("team/a/*"), ptr(many(100, resource)...), ptr(strings.Repeat("a", 255))},
			[]*[]string{ptr(""), ptr("*"), ptr("a*b"), ptr("a", " b"), ptr("a", "b", "c\x00"), ptr(many(101, resource)...), ptr(strings.Repeat("a", 256))}),
		in("networks", func(t *T, v *[]string) { t.Networks = v },
			[]*[]string{nil, none, ptr("10.0.0.0/8"), ptr("::1"), ptr(many(32, network)...)},
			[]*[]string{ptr(""), ptr("x"), ptr("10.0.0.1/8"), ptr("10.0.0.0/8", "y"), ptr("fe80::1%eth0"), ptr(many(33, network)...)}),
		in("digest", func(t *T, v []byte) { t.Digest = v }, [][]byte{digest(32)}, [][]byte{nil, {}, digest(31), digest(33)}),
		in("generation", func(t *T, v int) { t.Generation = v }, []int{0, 1, math.MaxInt}, []int{-1, math.MinInt}),
		in("old", func(t *T, v []oldDigest) { t.Old = v },
			[][]oldDigest{nil, {good}, {good, old(32, math.MaxInt64)}, many(8, func(int) oldDigest { return good })},
			[][]oldDigest{{old(31, 1)}, {old(33, 1)}, {old(0, 1)}, {old(32, 0)}, {good, old(31, 1)}, {good, good, old(32, 0)}, many(9, func(int) oldDigest { return good })}),
		in("lines", func(t *T, v [][]byte) { t.Lines = v }, [][][]byte{{line(0)}, many(32, line)},
			[][][]byte{nil, {}, {nil}, {digest(15)}, {digest(17)}, {line(0), digest(15)}, {line(0), line(1), nil}, many(33, line)}),
		in("created", func(t *T, v int64) { t.Created = v }, []int64{1, math.MaxInt64}, []int64{0}),
		in("expires", func(t *T, v int64) { t.Expires = v }, []int64{1, math.MaxInt64}, []int64{0}),
		in("vouched", func(t *T, v int64) { t.Vouched = v }, []int64{1, math.MaxInt64}, []int64{0}),
		in("lifetime", func(t *T, v int64) { t.Lifetime = v }, []int64{1, year}, []int64{0, -1, year + 1, math.MaxInt64, math.MinInt64}),
		in("epoch", func(t *T, v int64) { t.Epoch = v }, []int64{1, -1, math.MaxInt64, math.MinInt64}, []int64{0}),
		in("proof", func(t *T, v core.Kind) { t.How = v }, []core.Kind{core.Vouched, core.SecondFactor}, []core.Kind{0, core.RecoveryCode, core.OperatorCode, core.OperatorsWord, 255}),
		in("operator", func(t *T, v string) { t.Operator = v }, []string{""}, []string{"op-1", " "}),
		in("operator of a service account", func(t *T, v string) { *t = serviceToken(); t.Operator = v }, []string{"op-1"}, []string{"", " ", "op\n"}),
		in("second factor of a service account", func(t *T, v bool) { *t = serviceToken(); t.NeedsFactor = v }, []bool{false}, []bool{true}),
		in("time of the proof", func(t *T, v int64) { t.ProofAt = v }, []int64{1, math.MaxInt64}, []int64{0}),
		in("revoked", func(t *T, v int64) { t.Revoked = v }, []int64{0, 1, math.MaxInt64}, nil),
	)
	for _, b := range all {
		token := fullToken()
		b.edit(&token)
		data, err := token.Encode()
		if err != nil {
			require.False(t, b.ok, b.what)
			continue
		}
		got, err := decode(token.ID, token.Account, data)
		if b.ok {
			require.NoError(t, err, b.what)
			require.Equal(t, token, got, b.what)
		} else {
			require.ErrorIs(t, err, core.ErrFormat, b.what)
			require.Equal(t, record{}, got, b.what)
		}
	}
}
