package core_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// full is an account that has something of everything.
func full() core.Account {
	a := core.Account{
		ID: "user-42", Epoch: -1 << 63, TokenEpoch: 1<<63 - 1, FirstTokenEpoch: -1<<63 + 1, SignIns: 7, Since: 8,
		Authenticators:   []core.Authenticator{newAuthenticator("A1"), newAuthenticator("A2")},
		Recovery:         newSet("S1"),
		TOTPThrottle:     core.TOTPThrottle{Streak: core.Streak{Failures: 3, Until: 1772323260}, Days: []core.DayCount{{20512, 2}, {20513, 1}}, Alarm: core.Alarm{At: 5, Count: 20}},
		RecoveryThrottle: core.Bucket{Full: 1772323260},
		Misses:           core.Bucket{Full: 1772323261},
		Suspension:       &core.Suspension{Operator: "op-1", Reason: "<stolen> & \u2028 told", At: 1},
		Activity: []core.Event{
			{Kind: event.CodeDenied, At: 2, Method: event.MethodTOTP, Count: 3, First: 1, Number: 4, Client: core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}},
			{Kind: event.AuthenticatorAdded, At: 3, Auth: "A1", Name: "Phone", Number: 5, Client: core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}, SignIn: true},
		},
		Noted: 6, LookedAt: 4, Ancestry: core.Ancestry(nil).Then(7).Then(8),
		Minted: core.DayCount{20513, 7}, SessionEpoch: 1<<63 - 1, Changer: "0123456789abcdef",
	}
	a.Authenticators[1].Last, a.Authenticators[1].Base, a.Authenticators[1].Digits = 59, -20, 8
	a.Authenticators[1].Steps = core.Steps{{7, 7}, {9, 59}, {1 << 40, 1<<40 + 3}}
	a.Authenticators[1].Algorithm, a.Authenticators[1].Weak, a.Imported = totp.SHA512, true, core.ImportEnded
	a.Recovery.Slots[3] = core.Slot{Selector: "3", Used: 1}
	a.Recovery.Acknowledged = 5
	a.Recovery.Tags = &core.Tags{Key: "k1", Check: "\x01\x23\xab\xcd"}
	a.Recovery.Slots[1].Tag = "\x0f\x3a\x90"
	a.Pending = &core.Pending{Authenticator: newAuthenticator("A3"), Replace: "A1", Recovery: newSet("S2"), Expires: 9, Tries: 9,
		Kept: &core.Kept{Session: "fedcba9876543210", Sealed: []byte("kept")}}
	a.Reset = &core.Reset{Code: core.Slot{Selector: "Z", Hash: "h", Tag: "\x00\x00\x00", Tags: &core.Tags{Key: "k2", Check: "\xff\xff\xff\xff"}}, Expires: 9, Operator: "op-2", At: 3, Life: 24 * 60 * 60}
	a.Accepted = []core.Acceptance{{Control: "sso", By: "op-1", Why: "a trial", At: 4, Until: 8}}
	a.Services = []string{"bot-1", "bot-2"}
	a.Handle = storage.Handle{31: 1}
	a.Passkeys = []core.Passkey{newPasskey("K1"), {ID: "K2", Name: "Key", Credential: []byte{0}, PublicKey: []byte{0}}}
	a.Notices = []core.Notice{
		{ID: core.NoticeID{1}, Event: core.Event{Kind: event.AuthenticatorAdded, At: 3, Auth: "A1", Name: "Phone", Number: 5, Client: core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}}},
		{ID: core.NoticeID{2}, Event: core.Event{Kind: event.RecoveryCodesLow, At: 4, Count: 2, First: 3, Left: 1, Operator: "op-1", Detail: "asked", Token: "T", Service: "bot-1", Method: event.MethodTOTP, SignIn: true}},
	}
	a.NoticesHeld = 9
	a.TOTPThrottle.Known = core.Streak{Failures: 2, Until: 1772323262}
	a.Browsers = []core.Browser{
		{Digest: "0123456789abcdef", Since: 1, Used: 2, Client: core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}},
		{Digest: "fedcba9876543210", Since: 3},
	}
	a.History = []core.Snapshot{{At: 7, Model: "1/2", Level: 2, Score: 79, Cause: event.TwoFactorOff}}
	return a
}

// TestEncodeDecode has everything come back, and nothing that is not kept.
func TestEncodeDecode(t *testing.T) {
	a := full()
	data, err := a.Encode()
	require.NoError(t, err)
	got, err := core.Decode("user-42", data)
	require.NoError(t, err)
	require.Equal(t, a, got)
	twice, err := got.Encode()
	require.NoError(t, err)
	require.Equal(t, data, twice, "equal accounts have equal encodings")

	a.Events = []core.Event{{Kind: event.CodeDenied}}
	with, err := a.Encode()
	require.NoError(t, err)
	require.Equal(t, data, with, "what is told is not kept")
	require.NotContains(t, string(data), "user-42", "the ID is a column of its own")

	// No field is forgotten: one that full leaves zero would come back equal whatever the encoding.
	for v, i := reflect.ValueOf(full()), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; name != "Events" && name != "ServiceOf" { // which has a golden record of its own
			require.False(t, v.Field(i).IsZero(), name)
		}
	}
}

// TestEncodeNeverWritesWhatDecodeRefuses has an account that grew out of all bounds.
func TestEncodeNeverWritesWhatDecodeRefuses(t *testing.T) {
	a := full()
	a.Authenticators[0].Sealed = make([]byte, 1<<20)
	_, err := a.Encode()
	require.Error(t, err)
	require.Less(t, len(err.Error()), 100)
}

// FuzzDecode hands anything to Decode: no panic, no account beside an error, and what is accepted is the one encoding of
// what it says.
func FuzzDecode(f *testing.F) {
	for _, a := range append(records(f), full()) {
		data, err := a.Encode()
		require.NoError(f, err)
		f.Add(data)
		for at := range data {
			if at%7 == 0 {
				edited := bytes.Clone(data)
				edited[at]++
				f.Add(edited)
			}
		}
	}
	for _, s := range []string{"", "A", "A\x01", "A\x02", "T\x01", "A\x01" + strings.Repeat("\x00", 17), "A\x01" + strings.Repeat("\xff", 40)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := core.Decode("user-42", bytes.Clone(data))
		if err != nil {
			require.ErrorIs(t, err, core.ErrFormat)
			require.Equal(t, core.Account{}, a)
			require.Less(t, len(err.Error()), 200)
			return
		}
		require.Equal(t, "user-42", a.ID)
		require.NotZero(t, a.Epoch)
		again, err := a.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again)

		// Nothing that can be asked of it panics, and no code of nobody's gets in.
		env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
		_, _, _, _, _, _ = a.TOTPState(nil, env), a.RecoveryState(nil, env), a.OperatorState(env), a.PasskeyState(), a.PendingNow(env), a.Index(env.Window)
		keys := map[string]totp.Key{}
		for _, auth := range a.Authenticators {
			keys[auth.ID] = totp.Key{Secret: totp.GenerateSecret(), Algorithm: auth.Algorithm, Digits: auth.Digits}
		}
		for _, m := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode, event.MethodOperatorCode} {
			t1 := core.Attempt{Method: m, Code: "no code", Keys: keys, Selector: 'Z', Tried: map[core.Hash]bool{}}
			hashes, _ := a.Untried(t1, env)
			for _, h := range hashes {
				t1.Tried[h] = false
			}
			_, out, _ := a.Answer(t1, env)
			require.NotEqual(t, core.Accepted, out.Reason)
		}
		for _, k := range a.Passkeys {
			for _, purpose := range answering {
				t1 := assertion(a, k.ID, purpose, env)
				t1.Finding.Good = false
				next, out := a.AnswerPasskey(t1, env)
				require.NotEqual(t, core.Accepted, out.Reason)
				_, err := next.Encode()
				require.NoError(t, err)
			}
		}
	})
}

// TestDecodeErrorsShowNothing has data with a secret in every place of it.
func TestDecodeErrorsShowNothing(t *testing.T) {
	const canary = "CANARY"
	a := full()
	for _, at := range []*string{&a.Authenticators[0].ID, &a.Authenticators[0].Name, &a.Authenticators[0].Key, &a.Recovery.ID, &a.Suspension.Operator, &a.Reset.Operator,
		&a.Notices[0].Name, &a.Notices[1].Detail, &a.Activity[1].Auth, &a.Activity[1].Name, &a.Activity[1].Detail, &a.Accepted[0].Why, &a.History[0].Model} {
		*at = canary + strings.Repeat("X", len(*at))
	}
	a.Authenticators[0].Sealed, a.Recovery.Slots[0].Hash = []byte(canary), canary
	a.Passkeys[0].Credential, a.Passkeys[0].PublicKey = []byte(canary), []byte(canary)
	a.Pending = nil
	data, err := a.Encode()
	require.NoError(t, err)
	_, err = core.Decode(canary, data)
	require.NoError(t, err)
	n := 0
	for i := range data {
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			edited := bytes.Clone(data)
			edited[i] = b
			if _, err := core.Decode(canary, edited); err != nil {
				require.ErrorIs(t, err, core.ErrFormat)
				require.NotContains(t, err.Error(), canary)
				n++
			}
		}
	}
	require.Greater(t, n, 100)
	for _, data := range []string{canary, "A" + canary, "A\x01" + canary, "A\x01" + strings.Repeat(canary, 100)} {
		_, err := core.Decode(canary, []byte(data))
		require.ErrorIs(t, err, core.ErrFormat, data)
		require.NotContains(t, err.Error(), canary)
	}
}
