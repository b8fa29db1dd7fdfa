package core_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// fullToken is a token that has something of everything.
func fullToken() core.Token {
	digest := make([]byte, 32)
	return core.Token{
		ID: "00000000000000", Account: "user-42", Kind: tokens.Machine, Name: "ci", Scopes: tokens.Scopes{"a:read", "b:*"},
		Resources: &[]string{"project/7"}, Networks: &[]string{"203.0.113.0/24"}, Digest: digest, Generation: 2,
		Old: []core.OldDigest{{Digest: digest, Until: 9, Told: true}}, Lines: [][]byte{digest[:16]}, Vouched: 1, Created: 1, NotBefore: 2, Expires: 100, Revoked: 3, Lifetime: 99, Warned: 7,
		Epoch: -1 << 63, How: core.SecondFactor, AMR: "otp", ProofAt: 1, NeedsFactor: true, RotatesItself: true, Ancestry: core.Ancestry(nil).Then(-9),
	}
}

// TestTokenEncodeDecode has everything come back. An empty restriction is not the same as none.
func TestTokenEncodeDecode(t *testing.T) {
	token := fullToken()
	for v, i := reflect.ValueOf(token), 0; i < v.NumField(); i++ {
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}
	again := func() core.Token {
		t.Helper()
		data, err := token.Encode()
		require.NoError(t, err)
		got, err := core.DecodeToken(token.ID, token.Account, data)
		require.NoError(t, err)
		require.Equal(t, token, got)
		return got
	}
	require.False(t, again().ResourceLimit().Has("project/8"))
	token.Resources, token.Networks = &[]string{}, &[]string{}
	got := again()
	require.False(t, got.ResourceLimit().Has("project/7"))
	require.False(t, got.NetworkLimit().Has(netip.MustParseAddr("203.0.113.1")))
	unset := []string(nil)
	token.Resources = &unset
	_, err := token.Encode()
	require.NoError(t, err)
	require.Nil(t, unset, "writing changes nothing")
	token.Resources, token.Networks = nil, nil
	got = again()
	require.True(t, got.ResourceLimit().Has("project/7"))
	require.True(t, got.NetworkLimit().Has(netip.Addr{}))
}

// TestUnreadableRestrictions restrict to nothing, should they ever get past the decoding.
func TestUnreadableRestrictions(t *testing.T) {
	token := fullToken()
	token.Resources, token.Networks = &[]string{"*"}, &[]string{"x"}
	require.False(t, token.ResourceLimit().Has("project/7"))
	require.False(t, token.NetworkLimit().Has(netip.MustParseAddr("203.0.113.1")))
}

// TestWarnOnce has a token's whole life pass by the hour.
func TestWarnOnce(t *testing.T) {
	for days, want := range map[int][]int{1: nil, 2: {1}, 7: {1}, 8: {7, 1}, 14: {7, 1}, 15: {14, 7, 1}, 365: {14, 7, 1}} {
		token := fullToken()
		token.Revoked, token.NeedsFactor, token.Warned, token.NotBefore, token.Created = 0, false, 0, 0, 1000
		token.Lifetime = int64(days) * 86400
		token.Expires = token.Created + token.Lifetime
		owner := storage.AccountIndex{TokenEpoch: token.Epoch}
		var got []int
		for at := token.Created; at <= token.Expires+86400; at += 3600 {
			next, d := token.Warn(owner, core.Env{Now: time.Unix(at, 0)})
			if d > 0 {
				require.True(t, token.MayWarn(core.Env{Now: time.Unix(at, 0)}))
				require.LessOrEqual(t, token.Expires-at, int64(d)*86400)
				got = append(got, d)
			}
			token = next
		}
		require.Equal(t, want, got, "%d days", days)
	}
}

// FuzzDecodeToken: what is accepted is the one encoding of what it says.
func FuzzDecodeToken(f *testing.F) {
	data, err := fullToken().Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte("T\x01"))
	for at := range data {
		edited := bytes.Clone(data)
		edited[at]++
		f.Add(edited)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := core.DecodeToken("id", "user-42", bytes.Clone(data))
		if err != nil {
			require.ErrorIs(t, err, core.ErrFormat)
			require.Equal(t, core.Token{}, token)
			return
		}
		again, err := token.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again)
		_ = token.Stands(storage.AccountIndex{}, core.Env{Now: time.Unix(1, 0)})
		_ = token.ResourceLimit()
		_ = token.NetworkLimit()
	})
}

// A copy is one of the token that it names. Revoking again changes nothing. What ended in the very moment is not yet
// done, and what is past its end has nothing to be warned of.
func TestTokenEdges(t *testing.T) {
	token, env := fullToken(), func(at int64) core.Env { return core.Env{Now: time.Unix(at, 0)} }
	p := tokens.Parsed{Kind: token.Kind, ID: token.ID, Digest: tokens.Digest(token.Digest)}
	c, _ := token.Copy(p, env(5))
	require.Equal(t, core.PresentCopy, c)
	for _, other := range []tokens.Parsed{{Kind: tokens.App, ID: p.ID, Digest: p.Digest}, {Kind: p.Kind, ID: "00000000000001", Digest: p.Digest}} {
		c, _ = token.Copy(other, env(5))
		require.Equal(t, core.NoCopy, c)
	}

	require.Equal(t, token, token.Revoke(env(50)))
	require.False(t, token.Done(token.Revoked))
	require.True(t, token.Done(token.Revoked+1))
	token.Revoked = 0
	require.Equal(t, int64(50), token.Revoke(env(50)).Revoked)
	require.False(t, token.Done(token.Expires))
	require.True(t, token.Done(token.Expires+1))
	require.True(t, token.MayWarn(env(token.Expires-1)))
	require.False(t, token.MayWarn(env(token.Expires)))
}

// What is stored of scopes is as NewScopes makes them, and all that it makes is taken.
func TestStoredScopes(t *testing.T) {
	words := []tokens.Scope{"a:read", "a:write", "a:*", "ab:read", "b:*", "b:read", "a", ""}
	for n := range len(words) * len(words) * len(words) {
		token := fullToken()
		token.Scopes = tokens.Scopes{words[n%8], words[n/8%8], words[n/64]}
		for token.Scopes != nil {
			want, err := tokens.NewScopes(token.Scopes...)
			data, encodeErr := token.Encode()
			require.NoError(t, encodeErr)
			_, got := core.DecodeToken(token.ID, token.Account, data)
			require.Equal(t, err == nil && slices.Equal(want, token.Scopes), got == nil, token.Scopes)
			if token.Scopes = token.Scopes[1:]; len(token.Scopes) == 0 {
				token.Scopes = nil
			}
		}
	}
}
