package ceremony_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

const (
	malformed = string(ceremony.Malformed)
	stepType  = "WebAuthn §7.1 step 7, §7.2 step 11: the type is compared exactly"
	stepChall = "WebAuthn §7.1 step 8, §7.2 step 12: the challenge is the base64url of the one that was issued"
	stepOrig  = "WebAuthn §7.1 step 9, §7.2 step 13: the origin is compared byte for byte with those that are expected"
	stepFrame = "WebAuthn §7.1 steps 10 and 11, §7.2 steps 14 and 15: a frame only in pages that are expected"
)

// honest adds what is right.
func (c *corpus) honest() {
	for _, k := range []struct {
		algorithm passkeytest.Algorithm
		name      string
	}{{passkeytest.ES256, "ES256"}, {passkeytest.EdDSA, "EdDSA"}, {passkeytest.RS256, "RS256"}} {
		for attestation, name := range []string{"no attestation", "self attestation", "attestation by a certificate"} {
			a, _ := c.phone(k.algorithm)
			a.Attestation = passkeytest.Attestation(attestation)
			c.add("registration", k.name+" with "+name, accepted, "all is right", nil, register(c.t, c.c, a))
		}
		a, key := c.phone(k.algorithm)
		c.add("assertion", k.name, accepted, "all is right", key, assert(c.t, c.c, a))
	}
	a, key := c.phone(passkeytest.ES256)
	a.Tamper = func(d *passkeytest.Draft) { d.UserHandle = nil }
	c.add("assertion", "without a user handle", accepted, "WebAuthn §6.3.3: authenticators leave it out where the credential was named", key, assert(c.t, c.c, a))
}

// client has a draft with client data in which a part was replaced.
func (c *corpus) client(old, new string) func(*passkeytest.Draft) {
	return func(d *passkeytest.Draft) {
		text, err := json.Marshal(map[string]any{"type": d.Type, "challenge": d.Challenge, "origin": d.Origin, "crossOrigin": d.CrossOrigin})
		require.NoError(c.t, err)
		d.ClientData = swap(c.t, text, strings.ReplaceAll(strings.ReplaceAll(old, "$type", d.Type), "$challenge", d.Challenge),
			strings.ReplaceAll(strings.ReplaceAll(new, "$type", d.Type), "$challenge", d.Challenge))
	}
}

func (c *corpus) clientData() {
	c.types()
	c.challenges()
	c.origins()
	c.frames()
	for _, k := range []struct{ name, answer, why, old, new string }{
		{"an unknown member", accepted, "WebAuthn §5.8.1: clients may add members", `{`, `{"new_keys_may_be_added_here":"do not compare",`},
		{"an unknown member that is nested", accepted, "WebAuthn §5.8.1", `{`, `{"a":{"b":[1,{"c":null}]},`},
		{"a number that no float64 holds", accepted, "the member is unknown, and its value is JSON", `{`, `{"a":1e999,`},
		{"tokenBinding", accepted, "WebAuthn Level 3 has no token binding; older browsers send it", `{`, `{"tokenBinding":{"status":"supported"},`},
		{"white space", accepted, "it is JSON, and its hash is of these bytes", `{`, " {\n\t"},
		{"names with escapes", accepted, "the same names in another spelling of JSON", `"origin"`, `"\u006frigin"`},
		{"the right origin and one in capitals after it", accepted, "names are compared in their case: ORIGIN is unknown", `}`, `,"ORIGIN":"https://evil.example"}`},
		{"the challenge in a member of another case", malformed, "names are compared in their case", `"challenge"`, `"Challenge"`},
		{"the type in a member of another case", malformed, "names are compared in their case", `"type"`, `"TYPE"`},
		{"a wrong origin and the right one in capitals after it", string(ceremony.Origin), "names are compared in their case: the last one does not win", `"origin":"https://acme.test"`, `"origin":"https://evil.example","Origin":"https://acme.test"`},
		{"the challenge twice", malformed, "RFC 8259 §4: readers disagree on which one counts", `{`, `{"challenge":"$challenge",`},
		{"two origins", malformed, "RFC 8259 §4", `{`, `{"origin":"https://evil.example",`},
		{"two origins, one in escapes", malformed, "RFC 8259 §4", `{`, `{"\u006frigin":"https://evil.example",`},
		{"a member twice in an unknown one", malformed, "RFC 8259 §4", `{`, `{"a":{"b":1,"b":1},`},
		{"text after it", malformed, "not JSON", `}`, `} x`},
		{"a second object", malformed, "not JSON", `}`, `}{}`},
		{"a comma too many", malformed, "not JSON", `}`, `,}`},
		{"a comment", malformed, "not JSON", `{`, `{/**/`},
		{"cut", malformed, "not JSON", `}`, ``},
		{"a byte order mark", malformed, "browsers write none, and JSON has none", `{`, "\ufeff{"},
		{"a byte that is no UTF-8", malformed, "WebAuthn §7.1 step 5, §7.2 step 9: it is UTF-8", `{`, "{\"a\":\"\xff\","},
		{"a null character", malformed, "not JSON", `{`, "\x00{"},
		{"nested deep", malformed, "nothing that browsers write is deeper than three", `{`, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + ","},
	} {
		c.signed("client data with "+k.name, k.answer, k.why, c.client(k.old, k.new))
	}
	for _, text := range []string{"", "null", "[]", `"x"`, "7", "{}", "{"} {
		c.signed(fmt.Sprintf("client data that is %q", text), malformed, "it has the members type, challenge and origin", func(d *passkeytest.Draft) {
			d.ClientData = []byte(text)
		})
	}
}

func (c *corpus) types() {
	other := map[string]string{"webauthn.create": "webauthn.get", "webauthn.get": "webauthn.create"}
	c.signed("the type of the other ceremony", string(ceremony.Type), stepType, func(d *passkeytest.Draft) { d.Type = other[d.Type] })
	c.signed("another type", string(ceremony.Type), stepType, passkeytest.WrongType)
	c.signed("the type of a payment", string(ceremony.Type), stepType, func(d *passkeytest.Draft) { d.Type = "payment.get" })
	c.signed("an empty type", string(ceremony.Type), stepType, func(d *passkeytest.Draft) { d.Type = "" })
	c.signed("a type in capitals", string(ceremony.Type), stepType, func(d *passkeytest.Draft) { d.Type = strings.ToUpper(d.Type) })
	c.signed("a type with a blank", string(ceremony.Type), stepType, func(d *passkeytest.Draft) { d.Type += " " })
	c.signed("no type", malformed, stepType, c.client(`"type":"$type"`, `"a":1`))
	c.signed("a type that is null", malformed, stepType, c.client(`"type":"$type"`, `"type":null`))
	c.signed("a type that is a list", malformed, stepType, c.client(`"type":"$type"`, `"type":["$type"]`))
}

func (c *corpus) challenges() {
	wrong := string(ceremony.Challenge)
	c.signed("another challenge", wrong, stepChall, passkeytest.WrongChallenge)
	c.signed("a challenge without its last byte", wrong, stepChall, func(d *passkeytest.Draft) { d.Challenge = encode(challenge[:len(challenge)-1]) })
	c.signed("a challenge with a byte more", wrong, stepChall, func(d *passkeytest.Draft) { d.Challenge = encode(append(challenge[:len(challenge):len(challenge)], 0)) })
	c.signed("a challenge of one bit less", wrong, stepChall, func(d *passkeytest.Draft) {
		b := append([]byte(nil), challenge...)
		b[0] ^= 1
		d.Challenge = encode(b)
	})
	c.signed("a challenge that was encoded twice", wrong, stepChall, func(d *passkeytest.Draft) { d.Challenge = encode([]byte(encode(challenge))) })
	c.signed("an empty challenge", malformed, stepChall, func(d *passkeytest.Draft) { d.Challenge = "" })
	c.signed("no challenge", malformed, stepChall, c.client(`"challenge":"$challenge"`, `"a":1`))
	c.signed("a challenge that is null", malformed, stepChall, c.client(`"challenge":"$challenge"`, `"challenge":null`))
	c.signed("a challenge that is a number", malformed, stepChall, c.client(`"challenge":"$challenge"`, `"challenge":7`))
	for _, name := range slices.Sorted(maps.Keys(spellings)) {
		c.signed("a challenge in "+name, malformed, "WebAuthn §3: base64url has one spelling, without padding, line breaks or other bits", func(d *passkeytest.Draft) {
			d.Challenge = spellings[name](d.Challenge)
		})
	}
}

// spellings of base64 that decoders are tempted to take. The challenge of the corpus has characters of the URL's
// alphabet, and spare bits in its last character.
var spellings = map[string]func(string) string{
	"padded base64url":              func(s string) string { return s + "=" },
	"base64 of the other alphabet":  func(s string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(s) },
	"base64url with a line break":   func(s string) string { return s[:4] + "\n" + s[4:] },
	"base64url with a blank":        func(s string) string { return s[:4] + " " + s[4:] },
	"base64url with spare bits set": func(s string) string { return s[:len(s)-1] + string(s[len(s)-1]+1) },
	"base64url of one character":    func(s string) string { return s[:1] },
	"hexadecimal with a prefix":     func(s string) string { return "0x:" },
}

func (c *corpus) origins() {
	for _, o := range []string{"https://login.acme.test:8443", app, "https://acme.example"} {
		c.signed("origin "+o, accepted, "one that is expected", func(d *passkeytest.Draft) { d.Origin = o })
	}
	for _, o := range []string{
		"https://evil.example", "http://acme.test", "https://acme.test:8443", "https://acme.test:443", "https://login.acme.test", "https://acme.test/",
		"https://acme.test/login", "https://acme.test?", "https://acme.test#", "https://ACME.test", "HTTPS://acme.test", "https://acme.test.", "https://www.acme.test", "https://test",
		"https://acme.test.evil.example", "https://notacme.test", "https://acme.test@evil.example", "https://evil.example/https://acme.test",
		"https://acme.test\x00", "https://acme.test%00", " https://acme.test", "https://acme.test ", "https://acme.test\n", "https:acme.test", "https:\\\\acme.test",
		"//acme.test", "acme.test", "https://аcme.test", "https://xn--cme-7cd.test", "https://192.0.2.1", "", "null", "data:", "file://", "about:blank", "chrome-extension://acme.test",
		"ANDROID:apk-key-hash:" + app[len("android:apk-key-hash:"):], app + "=", strings.Replace(app, "-s", "+s", 1), "android:apk-key-hash:" + encode(make([]byte, 32)),
		"android:apk-key-hash-sha256:" + app[len("android:apk-key-hash:"):], "ios:bundle-id:test.acme",
	} {
		c.signed(fmt.Sprintf("origin %q", o), string(ceremony.Origin), stepOrig, func(d *passkeytest.Draft) { d.Origin = o })
	}
	c.signed("no origin", malformed, stepOrig, c.client(`"origin":"https://acme.test"`, `"a":1`))
	c.signed("an origin that is null", malformed, stepOrig, c.client(`"origin":"https://acme.test"`, `"origin":null`))
	c.signed("a list of origins", malformed, stepOrig, c.client(`"origin":"https://acme.test"`, `"origin":["https://acme.test"]`))
}

func (c *corpus) frames() {
	cross := string(ceremony.CrossOrigin)
	frame := func(top string) func(*passkeytest.Draft) {
		return func(d *passkeytest.Draft) { d.CrossOrigin, d.TopOrigin = true, top }
	}
	c.signed("in a frame of a page that is expected", accepted, stepFrame, frame("https://partner.example"))
	c.signed("in a frame of another page", cross, stepFrame, passkeytest.InForeignFrame)
	c.signed("in a frame of one of our own pages on another origin", cross, stepFrame+"; an origin is not a top origin by itself", frame("https://acme.example"))
	c.signed("in a frame of a page in capitals", cross, stepFrame, frame("https://PARTNER.example"))
	c.signed("in a frame of a page with a port", cross, stepFrame, frame("https://partner.example:443"))
	c.signed("in a frame of a page that is not named", cross, stepFrame+"; who does not know the page cannot expect it", frame(""))
	c.signed("without crossOrigin", accepted, "WebAuthn §5.8.1: the member may be missing, which is false", c.client(`"crossOrigin":false`, `"a":1`))
	for _, v := range []string{`null`, `"true"`, `"false"`, `0`, `1`, `[]`} {
		c.signed("crossOrigin "+v, malformed, "WebAuthn §5.8.1: true or false", c.client(`"crossOrigin":false`, `"crossOrigin":`+v))
	}
	c.signed("topOrigin without a frame", malformed, "WebAuthn §5.8.1: only where crossOrigin is true", c.client(`"crossOrigin":false`, `"crossOrigin":false,"topOrigin":"https://partner.example"`))
	c.signed("topOrigin that is null", malformed, "WebAuthn §5.8.1: a string", c.client(`"crossOrigin":false`, `"crossOrigin":true,"topOrigin":null`))
	c.signed("topOrigin that is a list", malformed, "WebAuthn §5.8.1: a string", c.client(`"crossOrigin":false`, `"crossOrigin":true,"topOrigin":["https://partner.example"]`))
}
