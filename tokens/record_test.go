package tokens

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// envAt is the world at a moment in Unix seconds.
func envAt(unix int64) env { return env{Env: core.Env{Now: time.Unix(unix, 0), Fresh: 1}} }

// fullToken is a token that has something of everything.
func fullToken() record {
	bytes := func(b byte, n int) []byte { return slices.Repeat([]byte{b}, n) }
	return record{
		ID: "00000000000000", Account: "user-42", Kind: Machine, Name: "ci", Scopes: Scopes{"a:read", "b:*"},
		Resources: &[]string{"project/7"}, Networks: &[]string{"203.0.113.0/24"}, Digest: bytes(1, 32), Generation: 2,
		Old: []oldDigest{{Digest: bytes(2, 32), Until: 9, Told: true}}, Lines: [][]byte{bytes(3, 16)}, Vouched: 5, Created: 1, NotBefore: 2, Expires: 100, Revoked: 3, Lifetime: 99, Warned: 7,
		Epoch: -1 << 63, Birth: 1<<63 - 1, How: core.SecondFactor, AMR: "otp", ProofAt: 4, NeedsFactor: true, RotatesItself: true, Ancestry: core.Ancestry(nil).Then(-9),
	}
}

// TestTokenEncodeDecode has everything come back. An empty restriction is not the same as none.
func TestTokenEncodeDecode(t *testing.T) {
	token := fullToken()
	for v, i := reflect.ValueOf(token), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; name != "Operator" { // which an owner's token has none of
			require.False(t, v.Field(i).IsZero(), name)
		}
	}
	again := func() record {
		t.Helper()
		data, err := token.Encode()
		require.NoError(t, err)
		got, err := decode(token.ID, token.Account, data)
		require.NoError(t, err)
		require.Equal(t, token, got)
		return got
	}
	require.False(t, again().resourceLimit().Has("project/8"))
	token.Resources, token.Networks = &[]string{}, &[]string{}
	got := again()
	require.False(t, got.resourceLimit().Has("project/7"))
	require.False(t, got.networkLimit().Has(netip.MustParseAddr("203.0.113.1")))
	unset := []string(nil)
	token.Resources = &unset
	_, err := token.Encode()
	require.NoError(t, err)
	require.Nil(t, unset, "writing changes nothing")
	token.Resources, token.Networks = nil, nil
	got = again()
	require.True(t, got.resourceLimit().Has("project/7"))
	require.True(t, got.networkLimit().Has(netip.Addr{}))
}

// TestUnreadableRestrictions restrict to nothing, should they ever get past the decoding.
func TestUnreadableRestrictions(t *testing.T) {
	token := fullToken()
	token.Resources, token.Networks = &[]string{"*"}, &[]string{"x"}
	require.False(t, token.resourceLimit().Has("project/7"))
	require.False(t, token.networkLimit().Has(netip.MustParseAddr("203.0.113.1")))
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
			next, d := token.warn(owner, envAt(at))
			if d > 0 {
				require.True(t, token.mayWarn(envAt(at)))
				require.LessOrEqual(t, token.Expires-at, int64(d)*86400)
				got = append(got, d)
			}
			token = next
		}
		require.Equal(t, want, got, "%d days", days)
	}
}

// What each standing allows: who may rotate or renew a token, and who is warned of its end. A refusal changes nothing.
func TestStandingsAllow(t *testing.T) {
	const end, lastDay = 20 * 86400, 19 * 86400
	for name, c := range map[string]struct {
		edit            func(t *record, owner *storage.AccountIndex, now *env)
		standing        standing
		rotates, renews bool
		warned          int
	}{
		"good":    {func(*record, *storage.AccountIndex, *env) {}, good, true, false, 1},
		"not yet": {func(t *record, _ *storage.AccountIndex, _ *env) { t.NotBefore = lastDay + 1 }, notYet, true, false, 1},
		"second factor off": {func(t *record, owner *storage.AccountIndex, _ *env) {
			t.NeedsFactor, owner.Authenticators = true, 0
		}, lacksFactor, true, false, 1},
		"made by the password": {func(t *record, _ *storage.AccountIndex, now *env) {
			t.How, now.secondFactorOnly = core.Vouched, true
		}, lacksProof, true, false, 1},
		"made by the second factor": {func(_ *record, _ *storage.AccountIndex, now *env) { now.secondFactorOnly = true }, good, true, false, 1},
		"expired":                   {func(t *record, _ *storage.AccountIndex, _ *env) { t.Expires = lastDay }, expired, false, true, 0},
		"revoked":                   {func(t *record, _ *storage.AccountIndex, _ *env) { t.Revoked = 1 }, revoked, false, false, 0},
		"all revoked":               {func(_ *record, owner *storage.AccountIndex, _ *env) { owner.TokenEpoch++ }, revoked, false, false, 0},
		"suspended":                 {func(_ *record, owner *storage.AccountIndex, _ *env) { owner.Suspended = true }, ownerSuspended, false, false, 0},
		"expired and suspended": {func(t *record, owner *storage.AccountIndex, _ *env) {
			t.Expires, owner.Suspended = lastDay, true
		}, ownerSuspended, false, false, 0},
		"expired and revoked": {func(t *record, _ *storage.AccountIndex, _ *env) { t.Expires, t.Revoked = lastDay, 1 }, revoked, false, false, 0},
	} {
		token := fullToken()
		token.Revoked, token.NeedsFactor, token.Warned, token.NotBefore, token.Old = 0, false, 0, 0, nil
		token.Lifetime, token.Expires = end, end
		owner, now := storage.AccountIndex{TokenEpoch: token.Epoch, Authenticators: 1}, envAt(lastDay)
		c.edit(&token, &owner, &now)
		require.Equal(t, c.standing, token.stands(owner, now), name)

		proof := authority{Presented: core.Presented{Proof: core.Proof{Kind: core.SecondFactor, At: lastDay}}}
		next, err := token.rotate(successor{Secret: Parsed{Digest: Digest(slices.Repeat([]byte{9}, 32))}, Life: 48 * time.Hour, By: &proof}, owner, now)
		requireAllowed(t, c.rotates, token, next, err, name)
		next, err = token.renew(proof, 48*time.Hour, owner, now)
		requireAllowed(t, c.renews, token, next, err, name)
		next, days := token.warn(owner, now)
		require.Equal(t, c.warned, days, name)
		token.Warned = c.warned
		require.Equal(t, token, next, name)
	}
}

func requireAllowed(t *testing.T, allowed bool, before, after record, err error, name string) {
	t.Helper()
	if allowed {
		require.NoError(t, err, name)
		require.Equal(t, int64(21*86400), after.Expires, name)
		return
	}
	require.ErrorIs(t, err, core.ErrPrecondition, name)
	require.Equal(t, before, after, name)
}

// A copy is one of the token that it names. Revoking again changes nothing. What ended in the very moment is not yet
// done, and what is past its end has nothing to be warned of.
func TestTokenEdges(t *testing.T) {
	token := fullToken()
	p := Parsed{Kind: token.Kind, ID: token.ID, Digest: Digest(token.Digest)}
	c, _ := token.which(p, envAt(5))
	require.Equal(t, presentCopy, c)
	for _, other := range []Parsed{{Kind: App, ID: p.ID, Digest: p.Digest}, {Kind: p.Kind, ID: "00000000000001", Digest: p.Digest}} {
		c, _ = token.which(other, envAt(5))
		require.Equal(t, noCopy, c)
	}

	require.Equal(t, token, token.revoke(envAt(50)))
	require.False(t, token.done(token.Revoked))
	require.True(t, token.done(token.Revoked+1))
	token.Revoked = 0
	require.Equal(t, int64(50), token.revoke(envAt(50)).Revoked)
	require.False(t, token.done(token.Expires))
	require.True(t, token.done(token.Expires+1))
	require.True(t, token.mayWarn(envAt(token.Expires-1)))
	require.False(t, token.mayWarn(envAt(token.Expires)))
}

// What is stored of scopes is as NewScopes makes them, and all that it makes is taken.
func TestStoredScopes(t *testing.T) {
	words := []Scope{"a:read", "a:write", "a:*", "ab:read", "b:*", "b:read", "a", ""}
	for n := range len(words) * len(words) * len(words) {
		token := fullToken()
		token.Scopes = Scopes{words[n%8], words[n/8%8], words[n/64]}
		for token.Scopes != nil {
			want, err := NewScopes(token.Scopes...)
			data, encodeErr := token.Encode()
			require.NoError(t, encodeErr)
			_, got := decode(token.ID, token.Account, data)
			require.Equal(t, err == nil && slices.Equal(want, token.Scopes), got == nil, token.Scopes)
			if token.Scopes = token.Scopes[1:]; len(token.Scopes) == 0 {
				token.Scopes = nil
			}
		}
	}
}

// The birth of the account takes no room in a token of its first epoch.
func TestBirthIsStoredOnce(t *testing.T) {
	for first, want := range map[int64]int64{0: 0, 7: 7} {
		token, err := mint(core.Account{ID: "ada", TokenEpoch: 9, FirstTokenEpoch: first}, authority{}, Request{}, Parsed{}, envAt(1))
		require.NoError(t, err)
		require.Equal(t, want, token.Birth)
	}
}
