package keyring_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/keyring"
)

// Row T3: the same key under two names, or two keys of one name, are found wherever in a ring the two stand, and both are
// named by their places.
func TestTwinsAnywhereInARing(t *testing.T) {
	const n = 6
	key := func(i int) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune('A'+i)), 32)))
	}
	for second := range n {
		for first := range second {
			sameKey, sameName := make([]string, n), make([]string, n)
			named := make([]keyring.NamedAEAD, n)
			for i := range n {
				sameKey[i] = fmt.Sprintf("k%d:%s", i, key(i))
				sameName[i] = sameKey[i]
				named[i] = keyring.NamedAEAD{Name: fmt.Sprint("k", i), AEAD: &aead{}}
			}
			sameKey[second] = fmt.Sprintf("k%d:%s", second, key(first))
			sameName[second] = fmt.Sprintf("k%d:%s", first, key(second))
			named[second].Name = named[first].Name

			r, err := keyring.Parse(strings.Join(sameKey, "\n"))
			require.EqualError(t, err, fmt.Sprintf("keyring: bad keys: key %d is key %d under another name", second+1, first+1))
			require.Nil(t, r)
			r, err = keyring.Parse(strings.Join(sameName, "\n"))
			require.EqualError(t, err, fmt.Sprintf("keyring: bad keys: key %d has the name of key %d", second+1, first+1))
			require.Nil(t, r)
			s, err := keyring.FromAEAD(named[0], named[1:]...)
			require.EqualError(t, err, fmt.Sprintf("keyring: bad keys: key %d has the name of key %d", second+1, first+1))
			require.Nil(t, s)
			named[second] = keyring.NamedAEAD{Name: "other"}
			s, err = keyring.FromAEAD(named[0], named[1:]...)
			require.EqualError(t, err, fmt.Sprintf("keyring: bad keys: key %d is nil", second+1))
			require.Nil(t, s)
		}
	}
}

type aead struct{ keyring.AEAD }

// Row T3: at each place of a key's name exactly the symbols that it may have there.
func TestSymbolsOfANameOfAKey(t *testing.T) {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	for place, allowed := range map[string]string{"?": first, "?b": first, "a?": first + "._-", "a?b": first + "._-"} {
		for c := range 256 {
			if strings.IndexByte(" \t\r\n,#:", byte(c)) >= 0 {
				continue // Parse reads these as something else
			}
			name := strings.Replace(place, "?", string([]byte{byte(c)}), 1)
			good := strings.IndexByte(allowed, byte(c)) >= 0
			r, err := keyring.Parse(name + ":" + key1)
			require.Equal(t, good, err == nil, "%q", name)
			require.Equal(t, good, r != nil, "%q", name)
			_, err = keyring.FromAEAD(keyring.NamedAEAD{Name: name, AEAD: &aead{}})
			require.Equal(t, good, err == nil, "%q", name)
			sealed := append([]byte{1, byte(len(name))}, name...)
			got, err := r.KeyName(append(sealed, "body"...))
			require.Equal(t, good, err == nil, "%q", name)
			if good {
				require.Equal(t, name, got)
			} else {
				require.ErrorIs(t, err, keyring.ErrOpen)
				require.Empty(t, got)
			}
		}
	}
	for n := range 40 {
		_, err := keyring.FromAEAD(keyring.NamedAEAD{Name: strings.Repeat("a", n), AEAD: &aead{}})
		require.Equal(t, n >= 1 && n <= 32, err == nil, n)
	}
}
