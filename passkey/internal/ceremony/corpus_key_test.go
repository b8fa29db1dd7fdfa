package ceremony_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

type badKey struct{ name, answer, why string }

// cose is a key as its parameters.
type cose map[any]any

func (k cose) with(label, value any) cose {
	k = maps.Clone(k)
	k[label] = value
	return k
}

func (k cose) without(label any) cose {
	k = maps.Clone(k)
	delete(k, label)
	return k
}

func (c *corpus) encode(v any) []byte {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	require.NoError(c.t, err)
	b, err := mode.Marshal(v)
	require.NoError(c.t, err)
	return b
}

// cose reads the key of a new credential.
func (c *corpus) cose(algorithm passkeytest.Algorithm) cose {
	_, key := c.phone(algorithm)
	var k cose
	require.NoError(c.t, cbor.Unmarshal(key, &k))
	return k
}

const (
	stepAlg = "WebAuthn §7.1 step 20: one of the algorithms that were asked for, which are -7, -8 and -257"
	stepKey = "WebAuthn §5.8.5, §6.5.1.1: a COSE_Key of this algorithm, without optional parameters"
)

// forms are all the keys that are wrong, or right in an unusual way.
func (c *corpus) forms() (names []badKey, keys [][]byte) {
	add := func(name, answer, why string, key any) {
		b, ok := key.([]byte)
		if !ok {
			b = c.encode(key)
		}
		names, keys = append(names, badKey{name, answer, why}), append(keys, b)
	}
	alg, key := string(ceremony.Algorithm), string(ceremony.Key)
	ec, okp, rs := c.cose(passkeytest.ES256), c.cose(passkeytest.EdDSA), c.cose(passkeytest.RS256)

	for _, k := range []struct {
		name string
		alg  int
	}{{"ESP256", -9}, {"Ed25519", -19}, {"ES384", -35}, {"ES512", -36}, {"PS256", -37}, {"ES256K", -47}, {"ML-DSA-44", -48}, {"RS384", -258}, {"RS1", -65535}, {"nothing", 0}, {"a positive number", 7}} {
		for kind, form := range []cose{ec, okp, rs} {
			add("a key of algorithm "+k.name+" in the form of "+[]string{"EC2", "OKP", "RSA"}[kind], alg, stepAlg, form.with(uint64(3), k.alg))
		}
	}
	add("an ML-DSA key", alg, stepAlg, cose{uint64(1): 7, uint64(3): -48, int64(-1): make([]byte, 900)})
	add("a key without an algorithm", alg, stepAlg, ec.without(uint64(3)))
	add("an algorithm that is text", alg, stepAlg, ec.with(uint64(3), "ES256"))
	add("an algorithm that is a fraction", alg, stepAlg, ec.with(uint64(3), -7.5))

	add("ES256 with the form of EdDSA", key, stepKey, okp.with(uint64(3), -7))
	add("ES256 with the form of RS256", key, stepKey, rs.with(uint64(3), -7))
	add("ES256 with the type of OKP", key, stepKey, ec.with(uint64(1), 1))
	add("EdDSA with the type of EC2", key, stepKey, okp.with(uint64(1), 2))
	add("RS256 with the type of EC2", key, stepKey, rs.with(uint64(1), 2))
	add("EdDSA with the form of ES256", key, stepKey, ec.with(uint64(3), -8))
	add("EdDSA with the form of RS256", key, stepKey, rs.with(uint64(3), -8))
	add("RS256 with the form of ES256", key, stepKey, ec.with(uint64(3), -257))
	add("RS256 with the form of EdDSA", key, stepKey, okp.with(uint64(3), -257))
	for _, label := range []any{uint64(1), int64(-1), int64(-2), int64(-3)} {
		add("an EC2 key without "+string(c.diagnose(label)), key, stepKey, ec.without(label))
	}
	for _, label := range []any{uint64(1), int64(-1), int64(-2)} {
		add("an OKP key without "+string(c.diagnose(label)), key, stepKey, okp.without(label))
		add("an RSA key without "+string(c.diagnose(label)), key, stepKey, rs.without(label))
	}
	add("a key with a key ID", key, stepKey, ec.with(uint64(2), []byte("x")))
	add("a key with operations", key, stepKey, ec.with(uint64(4), []int{2}))
	add("a key with its private part", key, stepKey, ec.with(int64(-4), make([]byte, 32)))
	add("ES256 on P-384", key, stepKey, ec.with(int64(-1), 2))
	add("ES256 on no curve", key, stepKey, ec.with(int64(-1), 0))
	add("ES256 on Ed25519", key, stepKey, ec.with(int64(-1), 6))
	add("EdDSA on Ed448", key, stepKey, okp.with(int64(-1), 7))
	add("EdDSA on P-256", key, stepKey, okp.with(int64(-1), 1))

	x, y := ec[int64(-2)].([]byte), ec[int64(-3)].([]byte)
	flipped := slices.Clone(x)
	flipped[31] ^= 1
	add("a point that is not on the curve", key, "an invalid point", ec.with(int64(-2), flipped))
	add("a point of zeros", key, "an invalid point", ec.with(int64(-2), make([]byte, 32)).with(int64(-3), make([]byte, 32)))
	add("a point whose x is the field's prime", key, "an invalid point", ec.with(int64(-2), elliptic.P256().Params().P.Bytes()))
	add("a compressed point", key, "WebAuthn §5.8.5: ES256 keys are uncompressed", ec.with(int64(-3), true))
	add("x of 31 bytes", key, "WebAuthn §5.8.5: 32 bytes", ec.with(int64(-2), x[:31]))
	add("x of 33 bytes", key, "WebAuthn §5.8.5: 32 bytes", ec.with(int64(-2), append([]byte{0}, x...)))
	add("y of 33 bytes", key, "WebAuthn §5.8.5: 32 bytes", ec.with(int64(-3), append([]byte{0}, y...)))
	add("x of 31 bytes and y of 33", key, "WebAuthn §5.8.5: 32 bytes of each", ec.with(int64(-2), x[:31]).with(int64(-3), append(x[31:32:32], y...)))
	add("x that is text", key, stepKey, ec.with(int64(-2), string(bytes.Repeat([]byte("x"), 32))))
	add("an Ed25519 key of 31 bytes", key, "RFC 8032: 32 bytes", okp.with(int64(-2), make([]byte, 31)))
	add("an Ed25519 key of 57 bytes", key, "RFC 8032: 32 bytes", okp.with(int64(-2), make([]byte, 57)))

	n := rs[int64(-1)].([]byte)
	why := "2048 to 4096 bits and the exponent 65537: all that authenticators make"
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(c.t, err)
	add("RSA with 1024 bits", key, why, rs.with(int64(-1), small.N.Bytes()))
	add("RSA with 8184 bits", key, why, rs.with(int64(-1), bytes.Repeat([]byte{0xff}, 1000)))
	add("RSA with a zero in front", key, "RFC 8230 §4: without leading zeros", rs.with(int64(-1), append([]byte{0}, n...)))
	add("RSA without a modulus", key, why, rs.with(int64(-1), []byte{}))
	for _, e := range [][]byte{{}, {0}, {1}, {3}, {1, 0, 0}, {0, 1, 0, 1}, bytes.Repeat([]byte{0xff}, 9)} {
		add("RSA with the exponent "+string(c.diagnose(e)), key, why, rs.with(int64(-2), e))
	}
	return names, keys
}

func (c *corpus) diagnose(v any) []byte {
	text, err := cbor.Diagnose(c.encode(v))
	require.NoError(c.t, err)
	return []byte(text)
}

// keys has new credentials with wrong keys.
func (c *corpus) keys() {
	names, keys := c.forms()
	for i, k := range names {
		c.signedRegistration(k.name, k.answer, k.why, func(d *passkeytest.Draft) { d.PublicKey = keys[i] })
	}
	ec := c.cose(passkeytest.ES256)
	good := c.encode(ec)
	var x, y = ec[int64(-2)].([]byte), ec[int64(-3)].([]byte)
	part := func(head []byte, value []byte) []byte { return slices.Concat(head, []byte{0x58, 32}, value) }
	px, py := part([]byte{0x21}, x), part([]byte{0x22}, y)
	canonical := slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1}, px, py)
	require.Equal(c.t, good, canonical)
	for _, k := range []struct {
		name, answer, why string
		key               []byte
	}{
		{"a key whose parameters are in another order", accepted, "read, and kept in the canonical order of CTAP2 §8", slices.Concat([]byte{0xa5, 3, 0x26}, py, px, []byte{0x20, 1, 1, 2})},
		{"a key with a number that is longer than it must be", accepted, "read, and kept in the canonical form of CTAP2 §8", slices.Concat([]byte{0xa5, 1, 2, 3, 0x38, 6, 0x20, 1}, px, py)},
		{"a key with a parameter twice", malformed, "RFC 8949 §5.6: the map is invalid", slices.Concat([]byte{0xa6, 1, 2, 3, 0x26, 0x20, 1}, px, px, py)},
		{"a key with two algorithms", malformed, "RFC 8949 §5.6: the map is invalid", slices.Concat([]byte{0xa6, 1, 2, 3, 0x26, 3, 0x27, 0x20, 1}, px, py)},
		{"a key of indefinite length", malformed, "CTAP2 §8: no indefinite lengths", slices.Concat([]byte{0xbf, 1, 2, 3, 0x26, 0x20, 1}, px, py, []byte{0xff})},
		{"a key with a tag", malformed, "CTAP2 §8: no tags", slices.Concat([]byte{0xc1}, good)},
		{"a key with a byte after it", malformed, layout, append(slices.Clone(good), 0)},
		{"a key that is cut", malformed, layout, good[:len(good)-1]},
		{"a key that is a list", string(ceremony.Key), stepKey, []byte{0x83, 1, 2, 3}},
		{"a key that is a number", string(ceremony.Key), stepKey, []byte{0x01}},
		{"a key that is empty", malformed, layout, nil},
		{"a key with labels of text", string(ceremony.Key), stepKey, c.encode(map[string]any{"kty": 2, "alg": -7})},
		{"a key that is nested deep", malformed, "CTAP2 §8: four levels at most", slices.Concat([]byte{0xa6, 1, 2, 3, 0x26, 0x20, 1}, px, py, []byte{9}, bytes.Repeat([]byte{0x81}, 30), []byte{0})},
	} {
		c.signedRegistration(k.name, k.answer, k.why, func(d *passkeytest.Draft) { d.PublicKey = k.key })
	}
}

// storedKeys has right assertions beside a key that the server should not have, or not for this credential.
func (c *corpus) storedKeys() {
	a, key := c.phone(passkeytest.ES256)
	response := assert(c.t, c.c, a)
	names, keys := c.forms()
	for i, k := range names {
		c.add("assertion", "the stored key is "+k.name, k.answer, "no signature is checked under such a key, wherever it came from", keys[i], response)
	}
	_, other := c.phone(passkeytest.ES256)
	c.add("assertion", "the stored key is another credential's", string(ceremony.Signature), "WebAuthn §7.2 step 21", other, response)
	_, other = c.phone(passkeytest.EdDSA)
	c.add("assertion", "the stored key is another credential's, of another algorithm", string(ceremony.Signature), "WebAuthn §7.2 step 21", other, response)
	c.add("assertion", "the stored key is cut", string(ceremony.Key), stepKey, key[:len(key)-1], response)
	c.add("assertion", "the stored key has a byte after it", string(ceremony.Key), stepKey, append(slices.Clone(key), 0), response)
	c.add("assertion", "the stored key is too long", string(ceremony.Key), stepKey, make([]byte, 1025), response)
	point, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(c.t, err)
	bytes, err := point.PublicKey.Bytes()
	require.NoError(c.t, err)
	c.add("assertion", "the stored key is a point of U2F", string(ceremony.Key), "U2F's own form of keys goes with the appid extension, which nobody asked for", bytes, response)
}
