package ceremony_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// BenchmarkAssertion has the check of an assertion, from the JSON on, beside the bare check of its signature under a key
// that is parsed already, and beside go-webauthn's own parse and check. Figures are in internal/benchmarks/README.md.
func BenchmarkAssertion(b *testing.B) {
	c := &corpus{t: b, c: party(b, acme)}
	for _, k := range []struct {
		algorithm passkeytest.Algorithm
		name      string
	}{{passkeytest.ES256, "ES256"}, {passkeytest.EdDSA, "EdDSA"}, {passkeytest.RS256, "RS256"}} {
		a := passkeytest.New("https://acme.test")
		a.Algorithm = k.algorithm
		registration := register(b, c.c, a)
		made, err := checkRegistration(c.c, challenge, registration)
		require.NoError(b, err)
		public, err := x509.ParsePKIXPublicKey(decode(b, c.member(registration, "publicKey")))
		require.NoError(b, err)
		key, response := made.PublicKey, assert(b, c.c, a)
		signed := sha256.Sum256(decode(b, c.member(response, "clientDataJSON")))
		data := slices.Concat(decode(b, c.member(response, "authenticatorData")), signed[:])
		signature := decode(b, c.member(response, "signature"))
		b.Run(k.name, func(b *testing.B) {
			alternate(b, map[string]func() bool{
				"bare": func() bool { return bare(public, data, signature) },
				"ours": func() bool {
					_, err := checkAssertion(c.c, challenge, key, response)
					return err == nil
				},
				"go-webauthn": func() bool {
					r, err := protocol.ParseCredentialRequestResponseBytes(response)
					return err == nil && r.Verify(encode(challenge), acme.ID, "", acme.Origins[:2], acme.Origins[2:], nil,
						protocol.TopOriginExplicitVerificationMode, false, false, true, key, protocol.SignaturePolicy{}) == nil
				},
			})
		})
	}
}

// alternate runs blocks of each function in turn and reports the best block of each, which other programs disturbed
// least, and how it is to the bare one.
func alternate(b *testing.B, run map[string]func() bool) {
	const block = 32
	best := map[string]time.Duration{}
	for b.Loop() {
		for name, f := range run {
			start := time.Now()
			for range block {
				if !f() {
					b.Fatal("not verified")
				}
			}
			if d := time.Since(start) / block; best[name] == 0 || d < best[name] {
				best[name] = d
			}
		}
	}
	for name, d := range best {
		b.ReportMetric(float64(d.Microseconds()), name+"-µs")
		b.ReportMetric(float64(d)/float64(best["bare"]), name+"-times-bare")
	}
	b.ReportMetric(0, "ns/op")
}

func bare(key any, data, signature []byte) bool {
	hash := sha256.Sum256(data)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, hash[:], signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, data, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], signature) == nil
	}
	return false
}
