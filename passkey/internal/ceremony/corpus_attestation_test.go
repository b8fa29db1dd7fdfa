package ceremony_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// object is an attestation object as its members.
type object map[string]any

// attested makes a registration whose attestation object was changed.
func (c *corpus) attested(kind passkeytest.Attestation, change func(o object) any) []byte {
	a, _ := c.phone(passkeytest.ES256)
	a.Attestation = kind
	return c.editBytes(register(c.t, c.c, a), "attestationObject", func(b []byte) []byte { return c.change(b, change) })
}

func (c *corpus) change(b []byte, change func(o object) any) []byte {
	var o object
	require.NoError(c.t, cbor.Unmarshal(b, &o))
	v := change(o)
	if raw, ok := v.([]byte); ok {
		return raw
	}
	return c.encode(v)
}

func (o object) with(name string, v any) object {
	o = maps.Clone(o)
	o[name] = v
	return o
}

func (o object) without(name string) object {
	o = maps.Clone(o)
	delete(o, name)
	return o
}

// statement changes the attestation statement of an object.
func statement(change func(s map[any]any)) func(o object) any {
	return func(o object) any {
		s := maps.Clone(o["attStmt"].(map[any]any))
		change(s)
		return o.with("attStmt", s)
	}
}

func (c *corpus) attestations() {
	bad := string(ceremony.Attestation)
	add := func(name, answer, why string, kind passkeytest.Attestation, change func(o object) any) {
		c.add("registration", name, answer, why, nil, c.attested(kind, change))
	}
	const shape = "WebAuthn §6.5.4: a map of fmt, attStmt and authData, in one form of CBOR"
	for _, k := range []struct {
		name, answer string
		change       func(o object) any
	}{
		{"an attestation object that is a list", malformed, func(o object) any { return []any{o["fmt"], o["attStmt"], o["authData"]} }},
		{"an empty attestation object", malformed, func(o object) any { return object{} }},
		{"an attestation object without fmt", malformed, func(o object) any { return o.without("fmt") }},
		{"an attestation object without attStmt", malformed, func(o object) any { return o.without("attStmt") }},
		{"an attestation object without authData", malformed, func(o object) any { return o.without("authData") }},
		{"an attestation object with a member more", malformed, func(o object) any { return o.with("epAtt", true) }},
		{"an attestation object with names in capitals", malformed, func(o object) any { return o.without("authData").with("AuthData", o["authData"]) }},
		{"fmt that is a number", malformed, func(o object) any { return o.with("fmt", 7) }},
		{"authData that is text", malformed, func(o object) any { return o.with("authData", "text") }},
		{"authData that is empty", malformed, func(o object) any { return o.with("authData", []byte{}) }},
		{"attStmt that is null", malformed, func(o object) any { return o.with("attStmt", nil) }},
		{"attStmt that is a list", malformed, func(o object) any { return o.with("attStmt", []any{}) }},
		{"attStmt under the names of numbers", malformed, func(o object) any { return o.with("attStmt", map[int]any{1: 2}) }},
		{"an attestation object with a byte after it", malformed, func(o object) any { return append(c.encode(o), 0) }},
		{"two attestation objects", malformed, func(o object) any { return append(c.encode(o), c.encode(o)...) }},
		{"an attestation object with a tag", malformed, func(o object) any { return append([]byte{0xc1}, c.encode(o)...) }},
		{"an attestation object of indefinite length", malformed, func(o object) any {
			b := c.encode(o)
			return append(append([]byte{0xbf}, b[1:]...), 0xff)
		}},
		{"an attestation object with fmt twice", malformed, func(o object) any {
			b := c.encode(o)
			return slices.Concat([]byte{0xa4}, b[1:], b[1:10])
		}},
		{"an attestation object that is deep", malformed, func(o object) any {
			return o.with("attStmt", map[string]any{"a": cbor.RawMessage(append(bytes.Repeat([]byte{0x81}, 32), 0))})
		}},
		{"an attestation object that claims to be large", malformed, func(o object) any { return []byte{0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }},
		{"authData that claims to be large", malformed, func(o object) any {
			return slices.Concat([]byte{0xa1, 0x68}, []byte("authData"), []byte{0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		}},
		{"members in another order", accepted, func(o object) any {
			b := c.encode(o) // fmt, attStmt, authData
			return slices.Concat(b[:1], b[10:], b[1:10])
		}},
	} {
		add(k.name, k.answer, shape, passkeytest.None, k.change)
	}
	for _, n := range []int{1, 2, 5, 9, 10, 18, 19, 28, 29, 30, 60, 100, 150, 190} {
		c.add("registration", "an attestation object of "+string(c.diagnose(n))+" bytes", malformed, shape, nil, c.attested(passkeytest.None, func(o object) any { return c.encode(o)[:n] }))
	}
	for _, f := range []string{"", "None", "none ", "NONE", "compound", "android-safetynet", "x", "packed\x00"} {
		add("format "+string(c.diagnose(f)), bad, "WebAuthn §7.1 step 21: a format that is known, compared exactly", passkeytest.None, func(o object) any { return o.with("fmt", f) })
	}
	add("format compound with two statements", bad, "WebAuthn §8.9: of several statements, which no authenticator sends where none was asked for", passkeytest.None, func(o object) any {
		none := map[string]any{"fmt": "none", "attStmt": map[string]any{}}
		return o.with("fmt", "compound").with("attStmt", []any{none, none})
	})
	for _, f := range []string{"packed", "tpm", "android-key", "android-safetynet", "apple", "fido-u2f"} {
		add("format "+f+" with nothing in it", bad, "WebAuthn §7.1 step 22: a statement of this format", passkeytest.None, func(o object) any { return o.with("fmt", f) })
		add("format "+f+" with members of other types", bad, "WebAuthn §7.1 step 22: a statement of this format", passkeytest.None, func(o object) any {
			return o.with("fmt", f).with("attStmt", map[string]any{"alg": "x", "sig": 1, "x5c": "y", "ver": 2, "response": 3, "certInfo": 4, "pubArea": 5})
		})
		add("format "+f+" with a certificate that is none", bad, "WebAuthn §7.1 step 22: a statement of this format", passkeytest.None, func(o object) any {
			return o.with("fmt", f).with("attStmt", map[string]any{"alg": -7, "sig": []byte{1}, "x5c": []any{[]byte{0x30, 0}}, "ver": "2.0", "response": []byte("a.b.c"), "certInfo": []byte{1}, "pubArea": []byte{1}})
		})
		add("format "+f+" without certificates", bad, "WebAuthn §7.1 step 22: a statement of this format", passkeytest.None, func(o object) any {
			return o.with("fmt", f).with("attStmt", map[string]any{"alg": -7, "sig": []byte{1}, "x5c": []any{}, "ver": "2.0", "response": []byte{}, "certInfo": []byte{}, "pubArea": []byte{}})
		})
	}
	add("format none with a statement", bad, "WebAuthn §8.7: an empty map", passkeytest.None, statement(func(s map[any]any) { s["alg"] = -7 }))
	c.packed(add)
}

func (c *corpus) packed(add func(name, answer, why string, kind passkeytest.Attestation, change func(o object) any)) {
	const why = "WebAuthn §8.2: a packed statement is signed by the credential or the first certificate"
	for _, k := range []struct {
		kind passkeytest.Attestation
		name string
	}{{passkeytest.Self, "self attestation"}, {passkeytest.Certificate, "attestation by a certificate"}} {
		for _, m := range []struct {
			name   string
			change func(s map[any]any)
		}{
			{"without a signature", func(s map[any]any) { delete(s, "sig") }},
			{"with an empty signature", func(s map[any]any) { s["sig"] = []byte{} }},
			{"with another signature", func(s map[any]any) {
				sig := slices.Clone(s["sig"].([]byte))
				sig[len(sig)-1] ^= 1
				s["sig"] = sig
			}},
			{"without an algorithm", func(s map[any]any) { delete(s, "alg") }},
			{"with another algorithm", func(s map[any]any) { s["alg"] = -257 }},
			{"with an algorithm that is positive", func(s map[any]any) { s["alg"] = 7 }},
			{"with an empty list of certificates", func(s map[any]any) { s["x5c"] = []any{} }},
			{"with a certificate that is text", func(s map[any]any) { s["x5c"] = []any{"x"} }},
		} {
			add(k.name+" "+m.name, string(ceremony.Attestation), why, k.kind, statement(m.change))
		}
		a, _ := c.phone(passkeytest.ES256)
		a.Attestation = k.kind
		c.add("registration", k.name+" over another count", string(ceremony.Attestation), why, nil,
			c.editBytes(register(c.t, c.c, a), "attestationObject", func(b []byte) []byte {
				at := bytes.Index(b, []byte("authData"))
				b[at+len("authData")+2+36]++
				return b
			}))
		c.add("registration", k.name+" over other client data", string(ceremony.Attestation), why, nil,
			c.editBytes(register(c.t, c.c, a), "clientDataJSON", func(b []byte) []byte { return append(b, ' ') }))
	}
	a, _ := c.phone(passkeytest.ES256)
	a.Attestation = passkeytest.Certificate
	a.Tamper = func(d *passkeytest.Draft) { d.AAGUID = [16]byte{9} }
	c.add("registration", "attestation by a certificate of another model", string(ceremony.Attestation), "WebAuthn §8.2: the model in the certificate is that in the authenticator data", nil, register(c.t, c.c, a))
	a, _ = c.phone(passkeytest.EdDSA)
	a.Attestation = passkeytest.Self
	c.add("registration", "self attestation of EdDSA that says ES256", string(ceremony.Attestation), why, nil,
		c.editBytes(register(c.t, c.c, a), "attestationObject", func(b []byte) []byte {
			return c.change(b, statement(func(s map[any]any) { s["alg"] = -7 }))
		}))
}

// w3c adds the standard's vectors. They reach the formats that a test cannot sign.
func (c *corpus) w3c() {
	text, err := os.ReadFile("../../testdata/w3c.json")
	require.NoError(c.t, err)
	var file struct {
		Vectors []struct {
			Section, Title string
			Registration   map[string]string
			Assertion      map[string]string
		}
	}
	require.NoError(c.t, json.Unmarshal(text, &file))
	require.Len(c.t, file.Vectors, 14)
	unhex := func(s string) string {
		b, err := hex.DecodeString(s)
		require.NoError(c.t, err)
		return encode(b)
	}
	build := func(v map[string]string, members ...string) []byte {
		inner := map[string]any{}
		for _, m := range members {
			inner[m] = unhex(v[m])
		}
		b, err := json.Marshal(map[string]any{"id": unhex(v["id"]), "rawId": unhex(v["id"]), "type": "public-key", "response": inner})
		require.NoError(c.t, err)
		return b
	}
	for _, v := range file.Vectors {
		why := "W3C WebAuthn Level 3 §" + v.Section
		made, signed := accepted, accepted
		switch v.Section {
		case "16.4":
			made, signed = string(ceremony.CrossOrigin), string(ceremony.CrossOrigin)
			why += "; in a frame of a page that is not named"
		case "16.8", "16.9":
			made, signed = string(ceremony.Algorithm), string(ceremony.Algorithm)
			why += "; an algorithm that was not asked for"
		case "16.13":
			made = string(ceremony.Attestation)
			why += "; WebAuthn §8.3.1: the vector's TPM is of no maker in TCG's registry"
		case "16.15":
			made = string(ceremony.Attestation)
			why += "; WebAuthn §8.8: the vector's certificate does not lead to Apple's root"
		case "16.14":
			made = string(ceremony.Attestation)
			why += "; WebAuthn §8.4: the vector's certificate does not say that the key was made in hardware"
		}
		registration := build(v.Registration, "clientDataJSON", "attestationObject")
		e := entry{Name: "registration: W3C " + v.Title, Ceremony: "registration", Party: "w3c", Challenge: unhex(v.Registration["challenge"]), Answer: made, Why: why}
		c.entry(e, nil, registration)
		key, err := hex.DecodeString(v.Assertion["key"])
		require.NoError(c.t, err)
		c.entry(entry{Name: "assertion: W3C " + v.Title, Ceremony: "assertion", Party: "w3c", Challenge: unhex(v.Assertion["challenge"]), Answer: signed, Why: why},
			key, build(v.Assertion, "clientDataJSON", "authenticatorData", "signature"))
		if made == accepted && v.Section > "16.6" {
			e.Name += ", other client data"
			e.Answer, e.Why = string(ceremony.Attestation), "the statement is over other client data"
			c.entry(e, nil, c.editBytes(registration, "clientDataJSON", func(b []byte) []byte { return append(b, ' ') }))
		}
	}
}
