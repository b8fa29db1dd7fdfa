package ceremony_test

import (
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// edit changes a member of the inner response.
func (c *corpus) edit(response []byte, member string, change func(string) any) []byte {
	c.t.Helper()
	var o map[string]any
	require.NoError(c.t, json.Unmarshal(response, &o))
	inner := o["response"].(map[string]any)
	old, _ := inner[member].(string)
	inner[member] = change(old)
	out, err := json.Marshal(o)
	require.NoError(c.t, err)
	return out
}

func (c *corpus) editBytes(response []byte, member string, change func([]byte) []byte) []byte {
	c.t.Helper()
	return c.edit(response, member, func(s string) any { return encode(change(decode(c.t, s))) })
}

func (c *corpus) signatures() {
	const why = "WebAuthn §7.2 step 21: a signature over the authenticator data and the hash of the client data"
	wrong := string(ceremony.Signature)
	for _, k := range []struct {
		algorithm passkeytest.Algorithm
		name      string
	}{{passkeytest.ES256, "ES256"}, {passkeytest.EdDSA, "EdDSA"}, {passkeytest.RS256, "RS256"}} {
		a, key := c.phone(k.algorithm)
		good := assert(c.t, c.c, a)
		add := func(name string, response []byte) { c.add("assertion", k.name+" "+name, wrong, why, key, response) }
		signature := func(change func([]byte) []byte) []byte { return c.editBytes(good, "signature", change) }
		add("signature with its last bit changed", signature(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }))
		add("signature with its first bit changed", signature(func(b []byte) []byte { b[0] ^= 0x80; return b }))
		add("signature without its last byte", signature(func(b []byte) []byte { return b[:len(b)-1] }))
		add("signature with a byte after it", signature(func(b []byte) []byte { return append(b, 0) }))
		add("signature with a byte before it", signature(func(b []byte) []byte { return append([]byte{0}, b...) }))
		add("signature of one byte", signature(func(b []byte) []byte { return []byte{0} }))
		add("signature of zeros", signature(func(b []byte) []byte { return make([]byte, len(b)) }))
		add("signature of an earlier response", c.edit(assert(c.t, c.c, a), "signature", func(string) any {
			return c.member(good, "signature")
		}))
		other, _ := c.phone(k.algorithm)
		add("signature by another key", c.edit(good, "signature", func(string) any { return c.member(assert(c.t, c.c, other), "signature") }))
		a.Count = 9
		add("count changed after signing", c.editBytes(good, "authenticatorData", func(b []byte) []byte { b[36]++; return b }))
		add("UV set after signing", c.editBytes(c.unverified(a), "authenticatorData", func(b []byte) []byte { b[32] |= passkeytest.FlagVerified; return b }))
		add("white space added to the client data after signing", c.editBytes(good, "clientDataJSON", func(b []byte) []byte { return append(b, ' ') }))
	}
	c.encodings()
}

func (c *corpus) member(response []byte, name string) string {
	c.t.Helper()
	var o struct{ Response map[string]any }
	require.NoError(c.t, json.Unmarshal(response, &o))
	return o.Response[name].(string)
}

func (c *corpus) unverified(a *passkeytest.Authenticator) []byte {
	a.UserVerified = false
	return assert(c.t, c.c, a)
}

// encodings has signatures of the right numbers in wrong forms.
func (c *corpus) encodings() {
	a, key := c.phone(passkeytest.ES256)
	good := assert(c.t, c.c, a)
	type pair struct{ R, S *big.Int }
	var s pair
	_, err := asn1.Unmarshal(decode(c.t, c.member(good, "signature")), &s)
	require.NoError(c.t, err)
	n := elliptic.P256().Params().N
	der := func(v any) []byte {
		b, err := asn1.Marshal(v)
		require.NoError(c.t, err)
		return b
	}
	raw := func(v *big.Int) []byte { return v.FillBytes(make([]byte, 32)) }
	const why = "WebAuthn §6.5.5: ASN.1 DER, of which each signature has one"
	for _, k := range []struct {
		name, answer, why string
		signature         []byte
	}{
		{"as two numbers of 32 bytes", string(ceremony.Signature), why, slices.Concat(raw(s.R), raw(s.S))},
		{"with zeros before r", string(ceremony.Signature), why, der([]asn1.RawValue{{Tag: 2, Bytes: append([]byte{0, 0}, raw(s.R)...)}, {Tag: 2, Bytes: append([]byte{0}, raw(s.S)...)}})},
		{"with a third number", string(ceremony.Signature), why, der([]*big.Int{s.R, s.S, big.NewInt(1)})},
		{"without s", string(ceremony.Signature), why, der([]*big.Int{s.R})},
		{"with zeros", string(ceremony.Signature), "r and s are from 1 to n-1", der(pair{new(big.Int), new(big.Int)})},
		{"with r negative", string(ceremony.Signature), "r and s are from 1 to n-1", der(pair{new(big.Int).Neg(s.R), s.S})},
		{"with n added to s", string(ceremony.Signature), "r and s are from 1 to n-1", der(pair{s.R, new(big.Int).Add(s.S, n)})},
		{"with r and s swapped", string(ceremony.Signature), "WebAuthn §7.2 step 21", der(pair{s.S, s.R})},
		{"with the other s", accepted, "n-s is as good as s in ECDSA: whoever must tell two uses apart compares challenges", der(pair{s.R, new(big.Int).Sub(n, s.S)})},
	} {
		c.add("assertion", "ES256 signature "+k.name, k.answer, k.why, key, c.edit(good, "signature", func(string) any { return encode(k.signature) }))
	}

	a, key = c.phone(passkeytest.EdDSA)
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	c.add("assertion", "EdDSA signature with the group's order added to s", string(ceremony.Signature), "RFC 8032 §5.1.7: s is below the order", key,
		c.editBytes(assert(c.t, c.c, a), "signature", func(b []byte) []byte {
			little := slices.Clone(b[32:])
			slices.Reverse(little)
			sum := new(big.Int).Add(new(big.Int).SetBytes(little), order).FillBytes(make([]byte, 32))
			slices.Reverse(sum)
			return append(b[:32:32], sum...)
		}))
}
