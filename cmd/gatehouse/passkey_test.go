package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// onlyPasskeys has an account with passkeys and neither app nor recovery codes.
func (p *place) onlyPasskeys(id string, passkeys ...core.Passkey) {
	p.t.Helper()
	a := core.Account{ID: id, Handle: storage.Handle([]byte("0123456789abcdef0123456789abcdef")), Epoch: 4711, TokenEpoch: 1, SessionEpoch: 1, Passkeys: passkeys}
	copy(a.Handle[:], id)
	data, err := a.Encode()
	require.NoError(p.t, err)
	require.NoError(p.t, p.store.SaveAccount(p.t.Context(), storage.Record{ID: id, Version: 1, Data: data, Index: a.Index(totp.DefaultWindow())}, 0))
}

func passkeyNamed(name string) core.Passkey {
	return core.Passkey{
		ID: "00000000-0000-4000-8000-" + name, Name: name, Credential: []byte("credential " + name), PublicKey: []byte("a public key"), Verified: true,
		AAGUID: [16]byte{0x5f, 15: 1}, Transports: 1<<3 | 1<<4, Created: 1772323200, LastUsed: 1772323300, Accepted: 1772323300_000000001, Suspected: 1772323300_000000002, Count: 7,
	}
}

// Support sees which passkeys an account has and where they are, and operations who depends on one of them alone.
func TestPasskeys(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.enroll("user-1")
		key, phone := passkeyNamed("00000000000a"), passkeyNamed("00000000000b")
		phone.Eligible, phone.BackedUp, phone.Count = true, true, 0
		p.onlyPasskeys("user-2", key)
		p.onlyPasskeys("user-3", key, phone)

		out := p.ok("status", "user-3")
		require.Regexp(t, `(?m)^passkey +00000000000a, on one device, added 2026-03-01 .*, last used 2026-03-01 `, out)
		require.Regexp(t, `(?m)^passkey +00000000000b, synced and backed up, added `, out)
		require.NotContains(t, out, "codes of apps")
		shown := document[doc](p, "status", "user-3")
		require.Equal(t, doc{"state": "open", "locked_until": nil}, shown["methods"].(doc)["passkey"])
		require.Nil(t, shown["methods"].(doc)["totp"])
		require.Equal(t, doc{
			"id": key.ID, "name": key.Name, "kind": "passkey", "weak": false, "created": "2026-03-01T00:00:00Z", "last_used": "2026-03-01T00:01:40Z",
			"passkey": doc{"user_verified": true, "synced": false, "backed_up": false, "attested": false, "aaguid": "5f000000-0000-0000-0000-000000000001"},
		}, shown["authenticators"].([]any)[0])

		stored := document[doc](p, "record", "show", "user-3")
		require.Equal(t, doc{
			"id": key.ID, "name": key.Name, "credential": "Y3JlZGVudGlhbCAwMDAwMDAwMDAwMGE", "aaguid": "5f000000-0000-0000-0000-000000000001",
			"transports": []any{"internal", "hybrid"}, "user_verified": true, "backup_eligible": false, "backed_up": false, "attested": false, "count": 7.0,
			"accepted": 1772323300000000001.0, "suspected": 1772323300000000002.0, "created": "2026-03-01T00:00:00Z", "last_used": "2026-03-01T00:01:40Z",
		}, stored["passkeys"].([]any)[0])
		require.Equal(t, "dXNlci0zNjc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", stored["handle"])

		require.Regexp(t, ` +1 +\d+  user-1 +recovery-codes-saved phishing-resistant second-authenticator\n`, p.ok("fleet", "-passkeys"))
		require.Regexp(t, ` +1 +\d+  user-3 +recovery-codes recovery-codes-saved recovery-codes-left\n`, p.ok("fleet"))
		require.Regexp(t, ` +1 +\d+  user-1 +recovery-codes-saved second-authenticator\n`, p.ok("fleet"))

		doctor := p.run("doctor", "-rp-id", "acme.test", "-origin", "https://acme.test,https://login.acme.test:8443", "-origin", "android:apk-key-hash:"+"A"+"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").out
		require.Contains(t, doctor, "2 accounts have one, 2 of them no app")
		require.Regexp(t, `WARN +passkeys +1 account with one passkey, no app and no recovery code`, doctor)
		require.Regexp(t, `ok +passkey domain +browsers offer passkeys of acme.test at https://acme.test, https://login.acme.test:8443, android`, doctor)
		require.Regexp(t, `WARN +passkey domain +give -rp-id and -origin`, p.run("doctor").out)

		r := p.run("reset", "user-2", "-operator", "ada", "-reason", "lost the key")
		require.Equal(t, 0, r.code, r.errs)
		require.Contains(t, r.errs, "user-2 has no factor any more")
		require.Empty(t, document[doc](p, "status", "user-2")["authenticators"])
	})
}

// Where browsers would not offer passkeys is said before owners find it out.
func TestPasskeyDomain(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	for _, c := range []struct{ id, origin, want string }{
		{"https://acme.test", "https://acme.test", "FAIL .*a domain alone"},
		{"acme.test:443", "https://acme.test", "FAIL .*a domain alone"},
		{"192.0.2.1", "https://192.0.2.1", "FAIL .*an IP address"},
		{"Acme.test", "https://acme.test", "FAIL .*small letters"},
		{"bücher.test", "https://bücher.test", "FAIL .*xn--"},
		{"acme.test.", "https://acme.test", "FAIL .*empty label"},
		{"test", "https://acme.test", "FAIL .*one label"},
		{"acme.test", "acme.test", "FAIL .*an origin is https"},
		{"acme.test", "https://acme.test/", "FAIL .*an origin is https"},
		{"acme.test", "https://ada@acme.test", "FAIL .*an origin is https"},
		{"acme.test", "http://acme.test", "FAIL .*under https alone"},
		{"acme.test", "https://acme.test:443", "FAIL .*leave 443 out"},
		{"acme.test", "https://notacme.test", "WARN .*RelatedOrigins"},
		{"acme.test", "https://acme.example", "WARN .*https://acme.test/.well-known/webauthn"},
		{"acme.test", "android:apk-key-hash:AAAA", "FAIL .*SHA-256"},
		{"localhost", "http://localhost:8080", "WARN .*development"},
	} {
		out := p.run("doctor", "-rp-id", c.id, "-origin", c.origin).out
		require.Regexp(t, c.want, out, "%s at %s", c.id, c.origin)
		require.NotRegexp(t, `ok +passkey domain`, out, "%s at %s", c.id, c.origin)
	}
	require.Equal(t, 2, p.run("doctor", "-rp-id", "acme.test").code)
	require.Equal(t, 2, p.run("doctor", "-origin", "https://acme.test").code)
}
