package core_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

var update = flag.Bool("update", false, "write the golden records anew")

// record is one kind of thing that an account can have, alone.
type record struct {
	name string
	add  func(a *core.Account)
}

// kindsOfRecord has everything that an account can have, one by one.
func kindsOfRecord() []record {
	return []record{
		{"empty", func(*core.Account) {}},
		{"authenticator", func(a *core.Account) {
			auth := newAuthenticator("A1")
			auth.LastUsed, auth.Last, auth.Steps = start.Unix()+60, 59077438, core.Steps{{59077433, 59077434}, {59077438, 59077438}}
			a.Authenticators = []core.Authenticator{auth}
		}},
		{"weak-authenticator", func(a *core.Account) {
			auth := newAuthenticator("A1")
			auth.Weak, auth.Digits, auth.Algorithm, auth.Base, auth.Last = true, 8, totp.SHA256, -7, 5
			a.Authenticators, a.Imported = []core.Authenticator{auth}, core.ImportOpen
		}},
		{"pending", func(a *core.Account) {
			a.Pending = &core.Pending{Authenticator: newAuthenticator("A2"), Expires: start.Unix() + 600, Tries: 2, Recovery: newSet("S2"),
				Kept: &core.Kept{Session: "0123456789abcdef", Sealed: []byte("sealed label and codes")}}
		}},
		{"passkeys", func(a *core.Account) {
			a.Handle, a.Passkeys = storage.Handle{1, 31: 2}, []core.Passkey{newPasskey("K1"), {ID: "K2", Name: "Key", Credential: []byte{0}, PublicKey: []byte{9}, Created: start.Unix()}}
			a.Activity = []core.Event{
				{Kind: event.AuthenticatorAdded, At: start.Unix(), Method: event.MethodPasskey, Auth: "K1", Name: "Laptop", Number: 1},
				{Kind: event.PasskeySuspect, At: start.Unix() + 5, Method: event.MethodPasskey, Auth: "K1", Name: "Laptop", Number: 2},
			}
			a.Noted = 2
		}},
		{"imported-passkey", func(a *core.Account) {
			a.Handle, a.Imported = storage.Handle{1}, core.ImportOpen
			a.Passkeys = []core.Passkey{{ID: "K1", Name: "Old", Credential: []byte("c"), PublicKey: []byte("k"), Flagless: true, Created: start.Unix()}}
		}},
		{"pending-passkey", func(a *core.Account) {
			a.Handle = storage.Handle{1}
			a.Pending = &core.Pending{Authenticator: core.Authenticator{ID: "K2", Key: "k1", Created: start.Unix()}, Expires: start.Unix() + 600, Passkey: true,
				Kept: &core.Kept{Session: "0123456789abcdef", Sealed: []byte("sealed label and codes")}}
		}},
		{"recovery-codes", func(a *core.Account) {
			a.Recovery = newSet("S1")
			a.Recovery.Acknowledged, a.Recovery.Tags = start.Unix()+9, &core.Tags{Key: "k1", Check: "\x01\x23\xab\xcd"}
			for i := range a.Recovery.Slots {
				a.Recovery.Slots[i].Hash, a.Recovery.Slots[i].Tag = core.NewHash(argonHash), string([]byte{byte(i), 0xff, 0x30})
			}
			a.Recovery.Slots[3] = core.Slot{Selector: "3", Used: start.Unix() + 90}
		}},
		{"imported-codes", func(a *core.Account) {
			a.Recovery = &core.RecoverySet{ID: "S1", Created: start.Unix(), Imported: true}
			for i, text := range foreignHashes {
				a.Recovery.Slots = append(a.Recovery.Slots, core.Slot{Selector: string(rune('A' + i)), Hash: core.NewHash(text)})
			}
			a.Recovery.Slots[1].Digits = 8
		}},
		{"throttles", func(a *core.Account) {
			a.TOTPThrottle = core.TOTPThrottle{Streak: core.Streak{Failures: 7, Until: start.Unix() + 30}, Days: []core.DayCount{{20512, 2}, {20513, 5}}, Alarm: core.Alarm{At: start.Unix() - 5, Count: 20}}
			a.RecoveryThrottle.Full, a.Misses.Full = start.Unix()+6, start.Unix()+12
		}},
		{"browsers", func(a *core.Account) {
			a.TOTPThrottle.Known = core.Streak{Failures: 7, Until: start.Unix() + 30}
			home := core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}
			a.Browsers = []core.Browser{
				{Digest: "0123456789abcdef", Since: start.Unix(), Used: start.Unix() + 9, Client: home},
				{Digest: "123456789abcdef0", Since: start.Unix() - 5, Used: start.Unix() + 10, Client: home},
				{Digest: "23456789abcdef01", Since: start.Unix() + 11, Used: start.Unix() + 11},
			}
			a.Activity = []core.Event{{Kind: event.NewBrowser, At: start.Unix(), Number: 1, Client: home}}
			a.Noted = 1
		}},
		{"counts", func(a *core.Account) {
			a.SignIns, a.Noted, a.LookedAt, a.Since, a.Minted = 12, 300, 200, start.Unix(), core.DayCount{20513, 3}
		}},
		{"reset", func(a *core.Account) {
			a.Reset = &core.Reset{Code: core.Slot{Selector: "Z", Hash: core.NewHash(argonHash), Tag: "\x12\x34\x50", Tags: &core.Tags{Key: "k1", Check: "abcd"}},
				Expires: start.Unix() + 86400, Operator: "op-1", At: start.Unix(), Life: 3600}
		}},
		{"all-tokens-ended", func(a *core.Account) { a.FirstTokenEpoch = 0x1122334455667788 }},
		{"sessions", func(a *core.Account) {
			a.SessionEpoch, a.Changer = 0x1122334455667788, "0123456789abcdef"
		}},
		{"suspension", func(a *core.Account) {
			a.Suspension = &core.Suspension{Operator: "op-1", Reason: "ticket 4711", At: start.Unix()}
		}},
		{"activity", func(a *core.Account) {
			a.Activity = []core.Event{
				{Kind: event.AuthenticatorAdded, At: start.Unix(), Auth: "A1", Name: "Phone", Number: 1},
				{Kind: event.CodeDenied, At: start.Unix() + 9, Method: event.MethodTOTP, Count: 3, First: start.Unix() + 5, Number: 4},
				{Kind: event.TokenMinted, At: start.Unix() + 20, Token: "00000000000000", Name: "ci", Number: 5},
				{Kind: event.AccountSuspended, At: start.Unix() + 30, Operator: "op-1", Detail: "ticket 4711", Number: 6},
				{Kind: event.AuthenticatorRenamed, At: start.Unix() + 31, Auth: "A1", Name: "Phone", Number: 7},
			}
			a.Noted = 7
		}},
		{"clients", func(a *core.Account) {
			home, away := core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}, core.Client{Address: "\x20\x01\x0d\xb812345678901\x01", Agent: "/ios"}
			for i, from := range []core.Client{home, home, {}, home, away, {Agent: "program"}, {Address: "\x0a\x00\x00\x01"}} {
				a.Activity = append(a.Activity, core.Event{Kind: event.CodeAccepted, At: start.Unix(), Method: event.MethodTOTP, SignIn: i == 1, Number: int64(i + 1), Client: from})
			}
			a.Noted = 7
		}},
		{"posture", func(a *core.Account) {
			a.Accepted = []core.Acceptance{{Control: "sso", By: "op-1", Why: "a trial", At: start.Unix(), Until: start.Unix() + 86400}, {Control: "mail", By: "op-1", Why: "a trial", At: start.Unix()}}
			a.History = []core.Snapshot{{At: start.Unix(), Model: "1/2", Level: 2, Score: 79, Cause: event.TwoFactorOff}, {At: start.Unix() + 5, Model: "1/3", Level: 3, Score: 90}}
		}},
		{"service", func(a *core.Account) { a.ServiceOf, a.Minted = "acme", core.DayCount{20513, 1} }},
		{"owner-of-services", func(a *core.Account) {
			a.Services = []string{"bot-1", "bot-2"}
			a.Activity = []core.Event{
				{Kind: event.ServiceAccountCreated, At: start.Unix(), Service: "bot-1", Operator: "op-1", Detail: "ticket 4711", Number: 1},
				{Kind: event.ServiceTokenMinted, At: start.Unix() + 9, Service: "bot-1", Token: "00000000000000", Name: "ci", Operator: "op-1", Number: 2},
			}
			a.Noted = 2
		}},
		{"notices", func(a *core.Account) {
			from := core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}
			a.Notices = []core.Notice{
				{ID: core.NoticeID{1, 15: 2}, Event: core.Event{Kind: event.RecoveryCodeUsed, At: start.Unix(), SignIn: true, Number: 3, Left: 2, Client: from}},
				{ID: core.NoticeID{1, 15: 3}, Event: core.Event{Kind: event.RecoveryCodesLow, At: start.Unix(), Number: 4, Left: 2, Client: from}},
				{ID: core.NoticeID{9}, Event: core.Event{Kind: event.TokenReused, At: start.Unix() + 60, Token: "00000000000000", Name: "ci", Count: 7, First: start.Unix() + 5}},
				{ID: core.NoticeID{8}, Event: core.Event{Kind: event.AccountSuspended, At: start.Unix() + 61, Operator: "op-1", Detail: "ticket 4711"}},
			}
			a.Noted, a.NoticesHeld = 4, start.Unix()+90
		}},
		{"ancestry", func(a *core.Account) { a.Ancestry = core.Ancestry(nil).Then(7).Then(-8) }},
	}
}

// records returns an account for each kind of thing that an account can have, with that alone.
func records(tb testing.TB) (all []core.Account) {
	tb.Helper()
	for _, r := range kindsOfRecord() {
		a := core.Account{ID: "user-42", Epoch: 1, TokenEpoch: -2}
		r.add(&a)
		all = append(all, a)
	}
	require.NotEmpty(tb, all)
	return all
}

const argonHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$puz1jt+HFQjdTU9yGNiaY5gEF3Qx6gTZVB9CykqzDqA"

// foreignHashes has a hash of every kind that an import brings.
var foreignHashes = []string{
	"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
	"{sha256}" + argonHash,
	"{plain}" + argonHash,
	"{pbkdf2-sha256,600000,c2FsdHNhbHQ}" + argonHash,
	"$argon2id$v=19$m=65536,t=3,p=255$c29tZXNhbHQ$puz1jt+HFQjdTU9yGNiaYw",
	"$argon2id$v=19$m=65536,t=3,p=64$c29tZXNhbHRzb21lc2FsdA$puz1jt+HFQjdTU9yGNiaY5gEF3Qx6gTZVB9CykqzDqA",
}

// Row T3: what is stored stays readable. Each kind of record is compared with the bytes that were stored when it was made:
// a difference says that records which are stored already cannot be read any more, so it needs a new format.
func TestGoldenRecords(t *testing.T) {
	golden := func(name string, data []byte) []byte {
		t.Helper()
		path := filepath.Join("testdata", name+".hex")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, []byte(wrapped(data)), 0o644))
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		want, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
		require.NoError(t, err)
		require.Equal(t, want, data, name)
		return want
	}
	all := map[string]core.Account{"account": full()}
	for i, r := range kindsOfRecord() {
		all["account-"+r.name] = records(t)[i]
	}
	for name, a := range all {
		data, err := a.Encode()
		require.NoError(t, err, name)
		got, err := core.Decode(a.ID, golden(name, data))
		require.NoError(t, err, name)
		require.Equal(t, a, got, name)
		again, err := got.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again, name)
	}

	files, err := filepath.Glob("testdata/*.hex")
	require.NoError(t, err)
	require.Len(t, files, len(all), "each golden record is one of these")
}

// wrapped returns bytes in hexadecimal, 48 a line.
func wrapped(data []byte) string {
	var text strings.Builder
	for len(data) > 0 {
		n := min(len(data), 48)
		text.WriteString(hex.EncodeToString(data[:n]) + "\n")
		data = data[n:]
	}
	return text.String()
}
