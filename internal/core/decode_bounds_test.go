package core_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// refusesDamage shows that a record is refused which is cut anywhere or continued, or is of another kind or format; and
// that what is left of it after any other damage has one encoding: what is accepted is written as the same bytes.
func refusesDamage(t *testing.T, data []byte, decode func([]byte) (any, func() ([]byte, error), error), zero any) {
	t.Helper()
	refused := func(data []byte, what string) {
		t.Helper()
		got, _, err := decode(data)
		require.ErrorIs(t, err, core.ErrFormat, what)
		require.Equal(t, zero, got, what)
		require.Less(t, len(err.Error()), 120, "%s: what is stored does not go out", what)
	}
	for i := range data {
		refused(data[:i], fmt.Sprint("cut at ", i))
		refused(data[i+1:], fmt.Sprint("cut before ", i))
		refused(slices.Concat(data, data[:i+1]), fmt.Sprint("continued by ", i+1))
	}
	for next := range 256 {
		refused(append(slices.Clone(data), byte(next)), fmt.Sprint("continued by the byte ", next))
	}
	accepted := 0
	for i := range data {
		for bit := range 8 {
			flipped := slices.Clone(data)
			flipped[i] ^= 1 << bit
			got, encode, err := decode(flipped)
			if err != nil {
				refused(flipped, fmt.Sprint("bit ", bit, " of byte ", i))
				continue
			}
			accepted++
			require.NotZero(t, got)
			again, err := encode()
			require.NoError(t, err)
			require.Equal(t, flipped, again, "bit %d of byte %d", bit, i)
		}
		for _, wide := range [][]byte{{data[i] | 0x80, 0}, {data[i] | 0x80, 0x80, 0}} { // where it is a number: the same, written longer
			longer := slices.Concat(data[:i], wide, data[i+1:])
			if _, encode, err := decode(longer); err == nil {
				again, err := encode()
				require.NoError(t, err)
				require.Equal(t, longer, again, "byte %d", i)
			}
		}
	}
	require.Greater(t, accepted, 100, "digests, times and letters of names can be others")

	const damaged = "gatehouse: stored record cannot be read: "
	for _, c := range []struct {
		begins string
		want   string
	}{
		{"", "not well-formed"}, {"{", "not well-formed"}, {"\x00", "not well-formed"}, {"A", "not well-formed"}, {"T", "not well-formed"},
		{string(data[:1]) + "\x00", "format 0, known is 1"}, {string(data[:1]) + "\x02", "format 2, known is 1"},
		{string(data[:1]) + "\x80\x80\x80\x80\x80\x20", "format 1099511627776, known is 1"}, {string(data[:1]) + "\x81\x00", "not well-formed"},
		{string(data[:1]) + strings.Repeat("\xff", 10), "not well-formed"},
	} {
		begun := append([]byte(c.begins), data[min(len(c.begins), 2):]...)
		if c.begins == string(data[:1]) || c.begins == "" {
			begun = []byte(c.begins)
		}
		_, _, err := decode(begun)
		require.EqualError(t, err, damaged+c.want, "%q", c.begins)
		refused(begun, c.begins)
	}
	_, _, err := decode(make([]byte, 1<<20+1))
	require.EqualError(t, err, damaged+"1048577 bytes")
	_, _, err = decode(make([]byte, 1<<20))
	require.EqualError(t, err, damaged+"not well-formed")
}

// Row T3: what is stored of an account is refused wherever it is damaged.
func TestDamagedRecord(t *testing.T) {
	account := full()
	data, err := account.Encode()
	require.NoError(t, err)
	refusesDamage(t, data, func(data []byte) (any, func() ([]byte, error), error) {
		got, err := core.Decode(account.ID, data)
		return got, got.Encode, err
	}, core.Account{})
}

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

// Row T3: each bound of what is stored of an account, from both sides; of sets of recovery codes and of authenticators
// wherever they are.
func TestAccountBounds(t *testing.T) {
	type A = core.Account
	runs := func(n int) core.Steps {
		return many(n, func(i int) [2]int64 { return [2]int64{2*int64(i) + 1, 2*int64(i) + 1} })
	}
	ids := func(n int) []core.Authenticator {
		return many(n, func(i int) core.Authenticator { return newAuthenticator(fmt.Sprint("A", i)) })
	}
	slot := func(s string, hash core.Hash, used int64) core.Slot {
		return core.Slot{Selector: s, Hash: hash, Used: used}
	}
	set := func(slots ...core.Slot) *core.RecoverySet {
		return &core.RecoverySet{ID: "S", Slots: slots, Created: 1}
	}
	selectors := "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	slots := func(n int) []core.Slot {
		return many(n, func(i int) core.Slot { return slot(selectors[i:i+1], "h", 0) })
	}
	noID := set(slots(2)...)
	noID.ID = ""
	goodSets := []*core.RecoverySet{nil, set(slot("A", "h", 0)), set(slot("A", "", 1)), set(slots(32)...), set(slot("A", "h", 0), slot("B", "", 1))}
	badSets := []*core.RecoverySet{
		noID, set(), set(slots(33)...), set(slot("", "h", 0)), set(slot("AB", "h", 0)), set(slot("A", "", 0)), set(slot("A", "h", 1)),
		set(slot("A", "h", 0), slot("A", "h", 0)), set(slot("A", "h", 0), slot("B", "h", 0), slot("A", "", 1)),
		set(slot("A", core.Hash(argonHash), 0)), set(slot("A", "\x01", 0)),
		set(slot("A", "h", 0), slot("", "h", 0)), set(slot("A", "h", 0), slot("B", "", 0)), set(slot("A", "h", 0), slot("B", "h", 1)),
	}
	reset := func(s string, hash core.Hash, used int64) *core.Reset {
		return &core.Reset{Code: slot(s, hash, used), Expires: 1, Operator: "op", At: 1}
	}
	// Each bound of an authenticator, of the first, of the last and of the pending one.
	authenticators := func(what string, of func(*A) *core.Authenticator) []bound[A] {
		return slices.Concat(
			in(what+" ID", func(a *A, v string) { of(a).ID = v }, []string{"B", strings.Repeat("B", 64)}, []string{"", strings.Repeat("B", 65)}),
			in(what+" name", func(a *A, v string) { of(a).Name = v }, goodNames, badNames),
			in(what+" secret", func(a *A, v []byte) { of(a).Sealed = v }, [][]byte{{1}}, [][]byte{nil, {}}),
			in(what+" algorithm", func(a *A, v totp.Algorithm) { of(a).Algorithm = v }, []totp.Algorithm{totp.SHA1, totp.SHA256, totp.SHA512}, []totp.Algorithm{totp.SHA512 + 1, 255}),
			in(what+" digits", func(a *A, v int) { of(a).Digits = v }, []int{6, 8}, []int{0, 5, 7, 9, -6, math.MaxInt}),
			in(what+" last", func(a *A, v int64) { of(a).Last = v }, []int64{0, 1, math.MaxInt64}, []int64{-1, math.MinInt64}),
			in(what+" base", func(a *A, v int) { of(a).Base = v }, []int{-20, 0, 20}, []int{-21, 21, math.MinInt, math.MaxInt}),
			in(what+" steps", func(a *A, v core.Steps) { of(a).Steps = v },
				[]core.Steps{nil, {{1, 1}}, {{1, 7}, {9, 9}}, {{1, 1 << 60}}, runs(12)},
				[]core.Steps{
					{{0, 1}}, {{-1, 1}}, {{7, 6}}, {{1, 7}, {8, 8}}, {{1, 7}, {7, 8}}, {{9, 9}, {1, 7}}, {{1, 1<<60 + 1}}, {{7, math.MaxInt64}},
					{{1, 1}, {math.MaxInt64, math.MaxInt64}}, {{math.MinInt64, 1}}, runs(13),
				}),
		)
	}
	passkeys := func(what string, of func(*A) *core.Passkey) []bound[A] {
		return slices.Concat(
			in(what+" passkey ID", func(a *A, v string) { of(a).ID = v }, []string{"B", strings.Repeat("B", 64)}, []string{"", strings.Repeat("B", 65)}),
			in(what+" passkey name", func(a *A, v string) { of(a).Name = v }, goodNames, badNames),
			in(what+" credential", func(a *A, v int) { of(a).Credential = bytes.Repeat([]byte{1}, v) }, []int{1, 1023}, []int{0, 1024}),
			in(what+" public key", func(a *A, v int) { of(a).PublicKey = bytes.Repeat([]byte{1}, v) }, []int{1, 1024}, []int{0, 1025}),
			in(what+" transports", func(a *A, v uint8) { of(a).Transports = v }, []uint8{0, 1, 0b111111}, []uint8{0b1000000, 255}),
			in(what+" flags", func(a *A, v [2]bool) { of(a).Eligible, of(a).BackedUp = v[0], v[1] }, [][2]bool{{false, false}, {true, false}, {true, true}}, [][2]bool{{false, true}}),
			in(what+" accepted", func(a *A, v int64) { of(a).Accepted = v }, []int64{0, 1, math.MaxInt64}, []int64{-1, math.MinInt64}),
			in(what+" suspected", func(a *A, v int64) { of(a).Suspected = v }, []int64{0, 1, math.MaxInt64}, []int64{-1, math.MinInt64}),
			in(what+" count", func(a *A, v uint32) { of(a).Count = v }, []uint32{0, 1, math.MaxUint32}, nil),
		)
	}
	unpaired := func(a *A) { a.Pending.Replace = "" }
	all := slices.Concat(
		in("epoch", func(a *A, v int64) { a.Epoch = v }, []int64{1, -1, math.MinInt64}, []int64{0}),
		in("token epoch", func(a *A, v int64) { a.TokenEpoch = v }, []int64{1, -1, math.MinInt64}, []int64{0}),
		in("first token epoch", func(a *A, v int64) { a.FirstTokenEpoch = v }, []int64{0, 1, -1, math.MinInt64}, nil),
		in("session epoch", func(a *A, v int64) { a.SessionEpoch = v }, []int64{1, -1, math.MinInt64}, []int64{0}),
		in("changer", func(a *A, v string) { a.Changer = v }, []string{"", strings.Repeat("\x00", 16)}, []string{"\x00", strings.Repeat("c", 15), strings.Repeat("c", 17)}),
		in("sign-ins", func(a *A, v int64) { a.SignIns = v }, []int64{0, 1, math.MaxInt64}, []int64{-1, math.MinInt64}),
		in("authenticators", func(a *A, v []core.Authenticator) { a.Authenticators = v; unpaired(a) },
			[][]core.Authenticator{nil, ids(1)[:1], many(5, func(i int) core.Authenticator { return newAuthenticator(fmt.Sprint("B", i)) })},
			[][]core.Authenticator{many(6, func(i int) core.Authenticator { return newAuthenticator(fmt.Sprint("B", i)) }),
				{newAuthenticator("B"), newAuthenticator("B")}, {newAuthenticator("B"), newAuthenticator("C"), newAuthenticator("B")}}),
		authenticators("first", func(a *A) *core.Authenticator { unpaired(a); return &a.Authenticators[0] }),
		authenticators("last", func(a *A) *core.Authenticator { return &a.Authenticators[1] }),
		authenticators("pending", func(a *A) *core.Authenticator { return &a.Pending.Authenticator }),
		in("pending with the ID of", func(a *A, v string) { a.Pending.Authenticator.ID = v }, []string{"A3"}, []string{"A1", "A2"}),
		in("pending in the place of", func(a *A, v string) { a.Pending.Replace = v }, []string{"", "A1", "A2"}, []string{"A3", "a1", "A1 "}),
		passkeys("first", func(a *A) *core.Passkey { return &a.Passkeys[0] }),
		passkeys("last", func(a *A) *core.Passkey { return &a.Passkeys[1] }),
		in("passkeys", func(a *A, v int) {
			a.Passkeys = many(v, func(i int) core.Passkey { return newPasskey(fmt.Sprint("B", i)) })
		}, []int{1, 10}, []int{11}),
		in("the ID of a passkey", func(a *A, v string) { a.Passkeys[1].ID = v }, []string{"K2", "k1"}, []string{"K1", "A1", "A2", "A3"}),
		in("the credential of a passkey", func(a *A, v string) { a.Passkeys[1].Credential = []byte(v) }, []string{"credential K2", "credential k1"}, []string{"credential K1"}),
		in("handle", func(a *A, v storage.Handle) { a.Handle = v }, []storage.Handle{{1}, {31: 1}}, []storage.Handle{{}}),
		in("a pending passkey", func(a *A, v core.Authenticator) { a.Pending.Passkey, a.Pending.Authenticator = true, v },
			[]core.Authenticator{{ID: "P"}, {ID: "P", Name: "Stick", Key: "k1", Created: 7}},
			[]core.Authenticator{
				{}, {ID: strings.Repeat("B", 65)}, {ID: "A1"}, {ID: "K1"}, {ID: "P", Name: " a"}, {ID: "P", Sealed: []byte{1}}, {ID: "P", Digits: 6}, {ID: "P", Algorithm: 1},
				{ID: "P", Weak: true}, {ID: "P", Last: 1}, {ID: "P", Base: 1}, {ID: "P", LastUsed: 1}, {ID: "P", Steps: core.Steps{{1, 1}}}, newAuthenticator("P"),
			}),
		in("a pending passkey in the place of", func(a *A, v string) {
			a.Pending.Passkey, a.Pending.Authenticator, a.Pending.Replace = true, core.Authenticator{ID: "P"}, v
		}, []string{"", "A1", "K2"}, []string{"K3", "P"}),
		in("a pending passkey and a handle", func(a *A, v storage.Handle) {
			a.Passkeys, a.Handle, a.Pending.Passkey, a.Pending.Authenticator = nil, v, true, core.Authenticator{ID: "P"}
		}, []storage.Handle{{1}}, []storage.Handle{{}}),
		in("pending tries", func(a *A, v int) { a.Pending.Tries = v }, []int{0, 1, 9}, []int{-1, 10, 11, math.MaxInt, math.MinInt}),
		in("pending", func(a *A, v *core.Pending) { a.Pending = v }, []*core.Pending{nil}, []*core.Pending{{}}),
		in("pending kept", func(a *A, v *core.Kept) { a.Pending.Kept = v },
			[]*core.Kept{nil, {Session: strings.Repeat("\x00", 16), Sealed: []byte{1}}},
			[]*core.Kept{{}, {Session: strings.Repeat("s", 16)}, {Session: strings.Repeat("s", 15), Sealed: []byte{1}}, {Sealed: []byte{1}}}),
		in("recovery", func(a *A, v *core.RecoverySet) { a.Recovery = v }, goodSets, badSets),
		in("pending recovery", func(a *A, v *core.RecoverySet) { a.Pending.Recovery = v }, goodSets, badSets),
		in("reset", func(a *A, v *core.Reset) { a.Reset = v },
			[]*core.Reset{nil, reset("Z", "h", 0), reset("Z", "", 1)},
			[]*core.Reset{{}, reset("", "h", 0), reset("ZZ", "h", 0), reset("Z", "", 0), reset("Z", "h", 1)}),
		in("accepted", func(a *A, v int) {
			a.Accepted = many(v, func(int) core.Acceptance { return core.Acceptance{Control: "sso"} })
		}, []int{1, 16}, []int{17}),
		in("history", func(a *A, v int) {
			a.History = many(v, func(i int) core.Snapshot { return core.Snapshot{At: int64(i)} })
		}, []int{1, 10}, []int{11}),
		in("failures", func(a *A, v int) { a.TOTPThrottle.Failures = v }, []int{0, 1, 1 << 20}, []int{-1, 1<<20 + 1, math.MaxInt, math.MinInt}),
		in("failures of known browsers", func(a *A, v int) { a.TOTPThrottle.Known.Failures = v }, []int{0, 1, 1 << 20}, []int{-1, 1<<20 + 1, math.MaxInt, math.MinInt}),
		in("browsers", func(a *A, v int) {
			a.Browsers = many(v, func(i int) core.Browser { return core.Browser{Digest: fmt.Sprintf("%016d", i)} })
		}, []int{1, 10}, []int{11, 12}),
		in("digest of a browser", func(a *A, v string) { a.Browsers[1].Digest = v }, []string{"fedcba9876543210", "\x00123456789abcdef"},
			[]string{"", "0", "0123456789abcdef", "0123456789abcdef0"}),
		in("moment of a browser", func(a *A, v int64) { a.Browsers[0].Used = v }, []int64{0, 1, math.MaxInt64, math.MinInt64}, nil),
		in("days", func(a *A, v int) {
			a.TOTPThrottle.Days = many(v, func(i int) core.DayCount { return core.DayCount{int64(i), 1} })
		}, []int{1, 31}, []int{32}),
		in("activity", func(a *A, v int) {
			a.Activity = many(v, func(i int) core.Event { return core.Event{Kind: event.CodeDenied, At: 1, Number: int64(i + 1)} })
			a.Noted, a.LookedAt = int64(v), 0
		}, []int{1, 64}, []int{65}),
		in("notices", func(a *A, v int) {
			a.Notices = many(v, func(i int) core.Notice {
				return core.Notice{ID: core.NoticeID{byte(i + 1)}, Event: core.Event{Kind: event.TokenMinted}}
			})
		}, []int{1, 96}, []int{0, 97}),
		in("no notices", func(a *A, v int64) { a.Notices, a.NoticesHeld = nil, v }, []int64{0}, []int64{1}),
		in("ID of a notice", func(a *A, v core.NoticeID) { a.Notices[1].ID = v }, []core.NoticeID{{2}, {15: 1}}, []core.NoticeID{{}, {1}}),
		in("entry of a notice", func(a *A, v int64) { a.Notices[0].Number = v }, []int64{0, 6, math.MaxInt64}, []int64{-1, math.MinInt64}),
		in("count of a notice", func(a *A, v int) { a.Notices[1].Count = v }, []int{0, 1, math.MaxInt}, []int{-1, math.MinInt}),
		in("beginning of a notice", func(a *A, v int64) { a.Notices[1].First = v }, []int64{0, 1, math.MaxInt64}, []int64{-1, math.MinInt64}),
		in("codes left in a notice", func(a *A, v int) { a.Notices[1].Left = v }, []int{0, 1, math.MaxInt}, []int{-1, math.MinInt}),
		in("looked at", func(a *A, v int64) { a.LookedAt = v }, []int64{0, 1, 6}, []int64{-1, 7, math.MinInt64, math.MaxInt64}),
		in("number of an entry", func(a *A, v int64) { a.Activity[1].Number = v }, []int64{5, 6}, []int64{0, -1, 3, 4, 7, math.MaxInt64}),
		in("number of the first entry", func(a *A, v int64) { a.Activity[0].Number = v }, []int64{1, 4}, []int64{0, -1, 5, 6}),
		in("count of an entry", func(a *A, v int) { a.Activity[0].Count = v }, []int{0, 1, math.MaxInt}, []int{-1, math.MinInt}),
		in("beginning of an entry", func(a *A, v int64) { a.Activity[0].First = v }, []int64{0, 1, math.MaxInt64}, []int64{-1, math.MinInt64}),
	)
	for _, b := range all {
		a := full()
		b.edit(&a)
		data, err := a.Encode()
		if err != nil {
			require.False(t, b.ok, b.what)
			continue
		}
		got, err := core.Decode(a.ID, data)
		if b.ok {
			require.NoError(t, err, b.what)
			require.Equal(t, a, got, b.what)
		} else {
			require.ErrorIs(t, err, core.ErrFormat, b.what)
			require.Equal(t, core.Account{}, got, b.what)
		}
	}
}
