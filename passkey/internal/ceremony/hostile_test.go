package ceremony_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// damaged calls check with each value that has one bit of one byte of b changed, and with each that ends before b does.
func damaged(b []byte, check func([]byte)) {
	for i := range b {
		other := bytes.Clone(b)
		other[i] ^= 1 << (i % 8)
		check(other)
		check(b[:i])
	}
}

// Not one byte of what is signed can be changed, and nothing can be cut off, whatever it means.
func TestEveryByte(t *testing.T) {
	c := &corpus{t: t, c: party(t, acme)}
	for _, algorithm := range []passkeytest.Algorithm{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
		a, key := c.phone(algorithm)
		good := assert(t, c.c, a)
		for _, member := range []string{"clientDataJSON", "authenticatorData", "signature"} {
			damaged(decode(t, c.member(good, member)), func(b []byte) {
				_, err := checkAssertion(c.c, challenge, key, c.edit(good, member, func(string) any { return encode(b) }))
				require.Error(t, err, "%s %s", member, encode(b))
			})
		}
		a.Attestation = passkeytest.Self
		good = register(t, c.c, a)
		for _, member := range []string{"clientDataJSON", "attestationObject"} {
			damaged(decode(t, c.member(good, member)), func(b []byte) {
				_, err := checkRegistration(c.c, challenge, c.edit(good, member, func(string) any { return encode(b) }))
				require.Error(t, err, "%s %s", member, encode(b))
			})
		}
	}

	// With a certificate, the chain is what protects the certificate.
	a := passkeytest.New("https://acme.test")
	a.Attestation, a.AAGUID = passkeytest.Certificate, [16]byte{1}
	root, err := a.Root()
	require.NoError(t, err)
	demanding := acme
	demanding.Trusted = []ceremony.Trusted{{AAGUID: a.AAGUID, Roots: x509.NewCertPool()}}
	demanding.Trusted[0].Roots.AddCert(root)
	d := party(t, demanding)
	good := register(t, d, a)
	_, err = checkRegistration(d, challenge, good)
	require.NoError(t, err)
	damaged(decode(t, c.member(good, "attestationObject")), func(b []byte) {
		_, err := checkRegistration(d, challenge, c.edit(good, "attestationObject", func(string) any { return encode(b) }))
		require.Error(t, err, encode(b))
	})
}

// A response ends anywhere, and a statement of any format is broken anywhere. The formats that cannot be signed here are
// those of the standard's vectors.
func TestCutTexts(t *testing.T) {
	text, err := os.ReadFile(corpusFile)
	require.NoError(t, err)
	var file corpusJSON
	require.NoError(t, json.Unmarshal(text, &file))
	k := &corpus{t: t}
	cut, broken := 0, 0
	for _, e := range file.Cases {
		c := party(t, parties[e.Party])
		whole := e.Response
		if e.Name == "registration: ES256 with no attestation" || e.Name == "assertion: ES256" {
			cut++
			for i := range whole {
				e.Response = whole[:i]
				answer, _ := e.answer(t, c)
				require.Equal(t, malformed, answer, e.Response)
			}
		}
		if strings.HasPrefix(e.Name, "registration: W3C") && !strings.HasSuffix(e.Name, ", other client data") {
			broken++
			object := decode(t, k.member([]byte(whole), "attestationObject"))
			for i := range object {
				e.Response = string(k.edit([]byte(whole), "attestationObject", func(string) any { return encode(object[:i]) }))
				answer, _ := e.answer(t, c)
				require.NotEqual(t, accepted, answer)
				// Without a demand, some bytes of a certificate do not matter; they must break nothing.
				other := bytes.Clone(object)
				other[i] ^= 0xff
				e.Response = string(k.edit([]byte(whole), "attestationObject", func(string) any { return encode(other) }))
				answer, _ = e.answer(t, c)
				require.NotEmpty(t, answer)
			}
		}
	}
	require.Equal(t, 2, cut)
	require.Equal(t, 14, broken)
}

// A body that is too large is refused before it is read.
func TestLargeBodies(t *testing.T) {
	c := &corpus{t: t, c: party(t, acme)}
	a, key := c.phone(passkeytest.ES256)
	pad := func(b []byte, size int) []byte { return append(b, bytes.Repeat([]byte(" "), size-len(b))...) }

	r := register(t, c.c, a)
	_, err := checkRegistration(c.c, challenge, pad(r, ceremony.MaxResponse))
	require.NoError(t, err)
	a.Forget(a.Passkeys()[1].ID)
	s := assert(t, c.c, a)
	_, err = checkAssertion(c.c, challenge, key, pad(s, ceremony.MaxResponse))
	require.NoError(t, err)

	for _, body := range [][]byte{
		pad(r, ceremony.MaxResponse+1), pad(s, ceremony.MaxResponse+1), pad(r, 1<<20), pad(s, 1<<20),
		bytes.Repeat([]byte("["), 1<<20), bytes.Repeat([]byte(`{"a":`), 1<<18), make([]byte, 1<<20),
	} {
		require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
			_, err := c.c.ParseRegistration(body)
			require.ErrorContains(t, err, "more than")
			_, err = c.c.ParseAssertion(body)
			require.ErrorContains(t, err, "more than")
		}), 40.0)
	}
}
