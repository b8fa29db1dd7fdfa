package tokens

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// withheld are the parts of a record that no description has.
var withheld = regexp.MustCompile(`^token(\.Old\[0\])?\.Digest|^token\.Lines\[0\]`)

// A description of what is stored has every field but the digests, of which it has nothing. It is of a readable record.
func TestDescribeToken(t *testing.T) {
	token := fullToken()
	describe := func() engine.StoredToken {
		t.Helper()
		data, err := token.Encode()
		require.NoError(t, err)
		got, err := engine.DescribeToken(token.ID, token.Account, data)
		require.NoError(t, err)
		require.Equal(t, token.stored(), got)
		return got
	}
	whole := describe()
	for v, i := reflect.ValueOf(whole), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; name != "Operator" {
			require.False(t, v.Field(i).IsZero(), name)
		}
	}
	leaves(reflect.ValueOf(&token).Elem(), "token", func(path string) {
		if withheld.MatchString(path) {
			require.Equal(t, whole, token.stored(), path)
		} else {
			require.NotEqual(t, whole, token.stored(), path)
		}
	})
	require.Equal(t, "op-1", serviceToken().stored().Operator)
	token.Resources, token.Networks = &[]string{}, nil
	require.Equal(t, &[]string{}, describe().Resources, "none is not the same as any")
	require.Nil(t, describe().Networks)

	got, err := engine.DescribeToken(token.ID, token.Account, []byte("T\x02"))
	require.ErrorIs(t, err, core.ErrFormat)
	require.Zero(t, got)
}
