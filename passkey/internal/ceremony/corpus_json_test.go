package ceremony_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// both adds a registration and an assertion whose JSON was changed.
func (c *corpus) both(name, answer, why string, change func(response []byte) []byte) {
	c.t.Helper()
	a, key := c.phone(passkeytest.ES256)
	c.add("assertion", name, answer, why, key, change(assert(c.t, c.c, a)))
	c.add("registration", name, answer, why, nil, change(register(c.t, c.c, a)))
}

var manyMembers = func() string {
	var s strings.Builder
	for i := range 100 {
		fmt.Fprintf(&s, "\"%d\":0,", i)
	}
	return s.String()
}()

const onlyShape = "WebAuthn §5.1: the JSON that PublicKeyCredential.toJSON makes"

func (c *corpus) json() {
	for _, text := range []string{"", " ", "null", "true", "7", `"x"`, "[]", "{}", "{", `{"id":`, "\x00", "NaN"} {
		c.both(fmt.Sprintf("a response that is %q", text), malformed, onlyShape, func([]byte) []byte { return []byte(text) })
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return swap(c.t, b, old, new) }
	}
	const twice = "RFC 8259 §4: readers disagree on which one counts"
	for _, k := range []struct{ name, answer, why, old, new string }{
		{"with an unknown member", accepted, "later levels of the standard add members", `{`, `{"new":{"a":[1]},`},
		{"with an unknown member in response", accepted, "later levels of the standard add members", `"response":{`, `"response":{"new":null,`},
		{"without the members that say nothing", accepted, "they are hints", `"authenticatorAttachment":"platform","clientExtensionResults":{},`, ``},
		{"with an unknown attachment", accepted, "a hint", `"platform"`, `"orbital"`},
		{"with results of extensions that nobody asked for", accepted, "WebAuthn §7.1 step 19, §7.2 step 22: they are ignored", `"clientExtensionResults":{}`, `"clientExtensionResults":{"appid":true,"credProps":{"rk":true}}`},
		{"with a member twice in extension results", malformed, twice, `"clientExtensionResults":{}`, `"clientExtensionResults":{"a":1,"a":2}`},
		{"with id twice", malformed, twice, `{`, `{"id":"AAAA",`},
		{"with type twice", malformed, twice, `{`, `{"type":"public-key",`},
		{"with response twice", malformed, twice, `{`, `{"response":{},`},
		{"with clientDataJSON twice", malformed, twice, `"response":{`, `"response":{"clientDataJSON":"e30",`},
		{"with an unknown member twice", malformed, twice, `{`, `{"a":1,"a":1,`},
		{"with ID in capitals", malformed, "names are compared in their case", `"id"`, `"ID"`},
		{"with rawID for rawId", malformed, "names are compared in their case", `"rawId"`, `"rawID"`},
		{"with Type", malformed, "names are compared in their case", `"type"`, `"Type"`},
		{"with Response", malformed, "names are compared in their case", `"response"`, `"Response"`},
		{"with clientDataJson", malformed, "names are compared in their case", `"clientDataJSON"`, `"clientDataJson"`},
		{"with another ID in capitals beside", accepted, "the member is unknown", `{`, `{"ID":"AAAA",`},
		{"with another clientDataJson beside", accepted, "the member is unknown", `"response":{`, `"response":{"CLIENTDATAJSON":"e30",`},
		{"with a response that is a list", malformed, onlyShape, `"response":{`, `"response":[],"was":{`},
		{"with a response that is null", malformed, onlyShape, `"response":{`, `"response":null,"was":{`},
		{"of type Public-Key", malformed, onlyShape, `"public-key"`, `"Public-Key"`},
		{"of type password", malformed, onlyShape, `"public-key"`, `"password"`},
		{"of no type", malformed, onlyShape, `"type":"public-key"`, `"a":1`},
		{"of a type that is null", malformed, onlyShape, `"type":"public-key"`, `"type":null`},
		{"without rawId", malformed, onlyShape, `"rawId"`, `"raw"`},
		{"with an empty id", malformed, "WebAuthn §4: at least one byte", `"id":"`, `"id":"","was":"`},
		{"with an id that is a number", malformed, onlyShape, `"id":"`, `"id":7,"was":"`},
		{"with an id of another credential", malformed, "id is rawId in base64url", `"id":"`, `"id":"AAAA","was":"`},
		{"with text after it", malformed, "not JSON", `{`, `{} {`},
		{"with a comment", malformed, "not JSON", `{`, `{//` + "\n"},
		{"with a name without quotes", malformed, "not JSON", `"id"`, `id`},
		{"with a byte order mark", malformed, "not JSON", `{`, "\ufeff{"},
		{"with a byte that is no UTF-8", malformed, "RFC 8259 §8.1", `{`, "{\"a\":\"\xff\","},
		{"with a hundred members", malformed, "a reader that looks for members which are there twice needs a bound", `{`, "{" + manyMembers},
		{"with numbers, lists and names of every spelling beside", accepted, "they are JSON", `{`, `{"":[ ],"a" : -1.5e-3 ,"b":[1,[true,false , null],{}],"\u0022\\":"\"}","c":{ "id":{"id":1}},`},
		{"that is deep", malformed, "nothing that browsers write is deeper than five", `{`, `{"a":` + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40) + ","},
		{"that is deeper than a stack", malformed, "a reader must not recurse without a bound", `{`, `{"a":` + strings.Repeat("[", 12000) + strings.Repeat("]", 12000) + ","},
	} {
		c.both("a response "+k.name, k.answer, k.why, replace(k.old, k.new))
	}
	c.both("a response of the other ceremony", malformed, onlyShape, func(b []byte) []byte {
		a, _ := c.phone(passkeytest.ES256)
		if strings.Contains(string(b), "attestationObject") {
			return assert(c.t, c.c, a)
		}
		return register(c.t, c.c, a)
	})
	c.members()
}

// members has each member of the inner response missing, and in the wrong forms.
func (c *corpus) members() {
	for kind, members := range [][]string{{"clientDataJSON", "attestationObject"}, {"clientDataJSON", "authenticatorData", "signature"}} {
		for _, m := range members {
			a, key := c.phone(passkeytest.ES256)
			var good []byte
			name := "registration"
			if kind == 0 {
				good, key = register(c.t, c.c, a), nil
			} else {
				name, good = "assertion", assert(c.t, c.c, a)
			}
			for _, v := range []any{nil, 7, true, []any{}, map[string]any{}, "", "!"} {
				c.add(name, fmt.Sprintf("%s that is %#v", m, v), malformed, onlyShape, key, c.edit(good, m, func(string) any { return v }))
			}
			c.add(name, "without "+m, malformed, onlyShape, key, swap(c.t, good, `"`+m+`"`, `"was"`))
			for _, spelling := range []string{"padded base64url", "base64url with a line break", "base64url with a blank", "base64url of one character"} {
				c.add(name, m+" in "+spelling, malformed, "WebAuthn §3: base64url has one spelling, without padding, line breaks or other bits", key,
					c.edit(good, m, func(s string) any { return spellings[spelling](s) }))
			}
		}
	}
	a, key := c.phone(passkeytest.ES256)
	good := assert(c.t, c.c, a)
	handles := map[string]any{"null": nil, "a number": 7, "empty": "", "of 65 bytes": encode(make([]byte, 65)), "of 64 bytes": encode(make([]byte, 64)), "padded": "AA=="}
	for _, name := range slices.Sorted(maps.Keys(handles)) {
		answer := malformed
		if name == "null" || name == "empty" || name == "of 64 bytes" {
			answer = accepted
		}
		c.add("assertion", "a user handle that is "+name, answer, "WebAuthn §5.4.3: 1 to 64 bytes, or none; whose it is, is compared by whoever knows the account", key,
			c.edit(good, "userHandle", func(string) any { return handles[name] }))
	}
	good = register(c.t, c.c, a)
	for _, k := range []struct {
		name, answer string
		value        any
	}{
		{"null", accepted, nil}, {"an empty list", accepted, []any{}}, {"unknown names", accepted, []any{"telepathy", "USB"}},
		{"text", malformed, "usb"}, {"a list of numbers", malformed, []any{1}},
	} {
		c.add("registration", "transports that are "+k.name, k.answer, "WebAuthn §5.8.4: names, of which there will be more", nil, c.edit(good, "transports", func(string) any { return k.value }))
	}
	id := encode(a.Passkeys()[1].ID)
	other := swap(c.t, swap(c.t, good, `"id":"`+id, `"id":"`+encode(handle)), `"rawId":"`+id, `"rawId":"`+encode(handle))
	c.add("registration", "another ID beside the attestation object", malformed, "WebAuthn §7.1 step 27: the credential is the one that the authenticator made", nil, other)
	c.add("registration", "a public key beside the attestation object that is another one", accepted, "the member is for those without CBOR: only the authenticator's own data counts", nil,
		c.edit(good, "publicKey", func(string) any { return "AAAA" }))
}
