package main_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Each text of a record is another one here. All are printed but those that prove who somebody is, so a field that comes
// later has to be put on one of the two lists.
func TestRecordShow(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	authenticator := func(id string) core.Authenticator {
		return core.Authenticator{ID: id, Digits: 6, Algorithm: totp.SHA256, Created: 1772323200, LastUsed: 1772323260, Last: 59077438, Steps: core.Steps{{59077430, 59077438}}}
	}
	account := core.Account{
		ID: "user-42", Epoch: 1 << 60, TokenEpoch: -5, FirstTokenEpoch: -7, SessionEpoch: -6, Authenticators: []core.Authenticator{authenticator("A1")},
		Pending:    &core.Pending{Authenticator: authenticator("A2"), Expires: 1772323800, Recovery: &core.RecoverySet{Slots: []core.Slot{{Hash: "x"}}, Tags: &core.Tags{}}},
		Recovery:   &core.RecoverySet{Created: 1772323200, Tags: &core.Tags{}, Slots: []core.Slot{{Hash: "x"}, {Used: 1772323300}}},
		Reset:      &core.Reset{Code: core.Slot{Hash: "x", Tags: &core.Tags{}}, Expires: 1772323900, At: 1772323200},
		Suspension: &core.Suspension{At: 1772323200}, Noted: 3, LookedAt: 2,
		Activity: []core.Event{{Kind: event.TokenMinted, At: 1772323200, Method: event.MethodTOTP, Number: 3, SignIn: true, Client: core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}}},
		Accepted: []core.Acceptance{{At: 1772323200, Until: 1772323300}},
		History:  []core.Snapshot{{At: 1772323200, Level: 2, Score: 79, Cause: event.TwoFactorOff}},
		Services: []string{""},
		Ancestry: core.Ancestry(nil).Then(77001).Then(77002),
	}
	stored, _ := engine.DecodeToken("", "", nil) // nothing, of the type that is package tokens' own
	token := reflect.ValueOf(stored).Elem()
	for field, value := range map[string]any{
		"ID": "00000000000000", "Account": "user-42", "Kind": tokens.Machine, "Scopes": tokens.Scopes{"logs:read"}, "Resources": &[]string{""}, "Networks": &[]string{"203.0.113.0/24"},
		"Digest": []byte("x"), "Generation": 3, "Lines": [][]byte{[]byte("x")}, "Epoch": int64(4711), "Birth": int64(-8), "Created": int64(1772323200), "NotBefore": int64(1772323201),
		"Expires": int64(1772323900), "Revoked": int64(1772323202), "Lifetime": int64(700), "Warned": 7, "How": core.SecondFactor, "ProofAt": int64(1772323203),
		"Vouched": int64(1772323204), "NeedsFactor": true, "RotatesItself": true, "Operator": "op", "Ancestry": core.Ancestry(nil).Then(77003),
	} {
		token.FieldByName(field).Set(reflect.ValueOf(value))
	}
	old := token.FieldByName("Old")
	old.Set(reflect.MakeSlice(old.Type(), 1, 1))
	old.Index(0).FieldByName("Digest").SetBytes([]byte("x"))
	old.Index(0).FieldByName("Until").SetInt(1772323205)
	old.Index(0).FieldByName("Told").SetBool(true)
	withheld, printed := map[string]string{}, map[string]string{}
	sizes := map[string]int{"Digest": 32, "Lines": 16, "Changer": 16, "Check": 4, "Tag": 3, "Selector": 1}
	n := 0
	mark := func(path, field string, set func(string)) {
		if strings.Contains(path, "Events") || slices.Contains([]string{"Kind", "Method", "Agent", "Cause", "Scopes", "Networks", "Ancestry"}, field) || strings.HasSuffix(path, ".Address") {
			return
		}
		if path == "account.ID" || path == "token.ID" || path == "token.Account" {
			return
		}
		n++
		text := fmt.Sprintf("mark%02dx", n)
		switch size := sizes[field]; {
		case field == "Tag":
			text = string([]byte{0xf0, byte(n), 0x10})
		case field == "Selector":
			text = string(rune('A' + n%26))
		case size > 0:
			text = fmt.Sprintf("%s%0*d", "m", size-1, n)
		}
		set(text)
		if slices.Contains([]string{"Sealed", "Hash", "Tag", "Check", "Selector", "Digest", "Lines", "Changer"}, field) {
			withheld[path] = text
		} else {
			printed[path] = text
		}
	}
	markAll(reflect.ValueOf(&account).Elem(), "account", "", mark)
	markAll(token, "token", "", mark)
	for i := range token.NumField() {
		require.False(t, token.Field(i).IsZero(), "%s is not in this test", token.Type().Field(i).Name)
	}
	// A service account has no factor, and no other account a token on an operator's word.
	account.ServiceOf = ""
	delete(printed, "account.ServiceOf")
	token.FieldByName("Operator").SetString("")
	delete(printed, "token.Operator")
	account.Recovery.Slots[1].Hash, account.Recovery.Slots[1].Tag, account.Recovery.Slots[1].Tags = "", "", nil
	delete(withheld, "account.Recovery.Slots[1].Hash")
	account.Recovery.Slots[0].Tags, account.Pending.Recovery.Slots[0].Tags = nil, nil
	account.Pending.Recovery.Slots[0].Tag = ""
	account.Pending.Replace = account.Authenticators[0].ID
	delete(printed, "account.Pending.Replace")

	data, err := account.Encode()
	require.NoError(t, err)
	require.NoError(t, p.store.SaveAccount(t.Context(), storage.Record{ID: "user-42", Version: 77004, Data: data, Index: account.Index(totp.DefaultWindow())}, 0))
	tokenData := encoded(t, token.Interface())
	require.NoError(t, p.store.SaveToken(t.Context(), storage.TokenRecord{
		ID: "00000000000000", AccountID: "user-42", Version: 77005, Data: tokenData,
		Index: storage.TokenIndex{Expires: time.Unix(1772323900, 0), Revoked: true, Scopes: "logs:read", Epoch: 4711},
	}, 0))

	out := p.ok("record", "show", "user-42") + p.ok("record", "show", "-token", "00000000000000")
	require.Equal(t, out, p.ok("record", "show", "user-42", "-json")+p.ok("record", "show", "-json", "-token", "00000000000000"))
	require.Greater(t, len(printed), 20)
	require.Greater(t, len(withheld), 15)
	for path, text := range printed {
		require.Contains(t, out, text, "%s is not printed", path)
	}
	for path, text := range withheld {
		if len(text) >= 4 { // a selector or a tag may be in any text
			require.NotContains(t, out, text, path)
		}
	}
	for _, text := range []string{"77001", "77002", "77003", "77004", "77005", "1152921504606846976", `"token_epoch":"-5"`, `"first_token_epoch":"-7"`, `"first_token_epoch":"-8"`, `"session_epoch":"-6"`, `"owners_token_epoch":"-5"`, "2026-03-01T00:00:00Z", "59077430"} {
		require.Contains(t, out, text)
	}
	require.NotContains(t, out, "selector")

	shown := document[doc](p, "record", "show", "user-42")
	require.Equal(t, doc{"used": "2026-03-01T00:01:40Z", "eight_digits": false, "tagged": false}, shown["recovery_codes"].(doc)["codes"].([]any)[1])
	require.Equal(t, doc{"used": nil, "eight_digits": false, "tagged": true}, shown["recovery_codes"].(doc)["codes"].([]any)[0])
	require.Equal(t, doc{"used": nil, "eight_digits": false, "tagged": false}, shown["pending"].(doc)["recovery_codes"].(doc)["codes"].([]any)[0])
	require.Equal(t, float64(len(data)), shown["stored"].(doc)["bytes"])

	shown = document[doc](p, "record", "show", "-token", "00000000000000")
	for field, want := range map[string]any{
		"id": "00000000000000", "account": "user-42", "kind": "svc", "scopes": []any{"logs:read"}, "networks": []any{"203.0.113.0/24"}, "rotations": 3.0, "lines": 1.0,
		"grace": []any{doc{"until": "2026-03-01T00:00:05Z", "presented_to_rotate": true}}, "token_epoch": "4711", "first_token_epoch": "-8", "lifetime_seconds": 700.0, "warned_days": 7.0,
		"created": "2026-03-01T00:00:00Z", "not_before": "2026-03-01T00:00:01Z", "revoked": "2026-03-01T00:00:02Z", "proof_at": "2026-03-01T00:00:03Z",
		"vouched": "2026-03-01T00:00:04Z", "expires": "2026-03-01T00:11:40Z", "proof": "second_factor", "needs_second_factor": true, "rotates_itself": true, "last_used": nil,
	} {
		require.Equal(t, want, shown[field], field)
	}

	require.NoError(t, p.store.SaveAccount(t.Context(), storage.Record{ID: "bot", Version: 1, Data: encoded(t, core.Account{ID: "bot", Epoch: 1, ServiceOf: "user-42"})}, 0))
	require.Equal(t, "user-42", document[doc](p, "record", "show", "bot")["service_of"])
	token.FieldByName("Operator").SetString("op-7")
	token.FieldByName("How").SetUint(uint64(core.OperatorsWord))
	token.FieldByName("NeedsFactor").SetBool(false)
	require.NoError(t, p.store.SaveToken(t.Context(), storage.TokenRecord{ID: "00000000000001", AccountID: "bot", Version: 1, Data: encoded(t, token.Interface())}, 0))
	shown = document[doc](p, "record", "show", "-token", "00000000000001")
	require.Equal(t, []any{"operator", "op-7"}, []any{shown["proof"], shown["operator"]})

	// What cannot be read is said, and not shown.
	tokenData[1] = 9
	require.NoError(t, p.store.SaveToken(t.Context(), storage.TokenRecord{ID: "00000000000000", AccountID: "user-42", Version: 77007, Data: tokenData}, 77005))
	require.Equal(t, ran{1, "", "gatehouse: stored record cannot be read: format 9, known is 1\n"}, p.run("record", "show", "-token", "00000000000000"))
	data[1] = 9
	require.NoError(t, p.store.SaveAccount(t.Context(), storage.Record{ID: "user-42", Version: 77006, Data: data, Index: account.Index(totp.DefaultWindow())}, 77004))
	require.Equal(t, ran{1, "", "gatehouse: stored record cannot be read: format 9, known is 1\n"}, p.run("record", "show", "user-42"))
	require.Equal(t, ran{1, "", "gatehouse: nothing is stored of an account nobody\n"}, p.run("record", "show", "nobody"))
	require.Equal(t, ran{1, "", "gatehouse: nothing is stored of a token nobody: the ID is the one that tokens list shows\n"}, p.run("record", "show", "-token", "nobody"))
	for _, args := range [][]string{{"record"}, {"record", "show"}, {"record", "show", "a", "b"}, {"record", "show", "a", "-token", "b"}} {
		require.Equal(t, 2, p.run(args...).code, args)
	}
}

// encoded returns a record as it is stored.
func encoded(t *testing.T, record any) []byte {
	t.Helper()
	data, err := record.(interface{ Encode() ([]byte, error) }).Encode()
	require.NoError(t, err)
	return data
}

// markAll puts a text of its own at every place of a value that takes one.
func markAll(v reflect.Value, path, field string, mark func(path, field string, set func(string))) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			markAll(v.Elem(), path, field, mark)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			markAll(v.Field(i), path+"."+name, name, mark)
		}
	case reflect.String:
		mark(path, field, v.SetString)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			mark(path, field, func(text string) { v.SetBytes([]byte(text)) })
			return
		}
		for i := range v.Len() {
			markAll(v.Index(i), fmt.Sprint(path, "[", i, "]"), field, mark)
		}
	}
}

// Of a real account and a real token nothing is printed that lets somebody in.
func TestRecordShowsNoSecret(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		o := p.enroll("user-42")
		text, id := o.mint(t, "ci")
		_, err := o.svc.tokens.Rotate(t.Context(), o.session, id, tokens.Rotation{})
		require.NoError(t, err)
		out := p.ok("record", "show", "user-42") + p.ok("record", "show", "-token", id)
		require.Contains(t, out, "Phone")
		require.Contains(t, out, id)
		rec, err := p.store.LoadAccount(t.Context(), "user-42")
		require.NoError(t, err)
		a, err := core.Decode("user-42", rec.Data)
		require.NoError(t, err)
		secrets := []string{text, text[len(text)-49:], "$argon2id"}
		for _, c := range o.codes {
			secrets = append(secrets, c.Reveal(), strings.ReplaceAll(c.Reveal(), "-", ""))
		}
		for _, s := range a.Recovery.Slots {
			secrets = append(secrets, s.Hash.Text()[len(s.Hash.Text())-43:])
		}
		for _, s := range secrets {
			require.NotContains(t, out, s)
		}
	})
}
