package ceremony_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// The standard's authenticators are trusted by the standard's root: packed with keys of each algorithm, and U2F.
func TestTrustedVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/w3c.json")
	require.NoError(t, err)
	var vectors struct{ Root string }
	require.NoError(t, json.Unmarshal(text, &vectors))
	der, err := hex.DecodeString(vectors.Root)
	require.NoError(t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(root)

	text, err = os.ReadFile(corpusFile)
	require.NoError(t, err)
	var file corpusJSON
	require.NoError(t, json.Unmarshal(text, &file))
	trusted := map[string]bool{}
	for _, e := range file.Cases {
		if e.Party != "w3c" || e.Ceremony != "registration" || e.Answer != accepted {
			continue
		}
		p := parties["w3c"]
		p.Trusted = []ceremony.Trusted{{AAGUID: [16]byte(decode(t, e.Found.AAGUID)), Roots: roots}}
		k, err := checkRegistration(party(t, p), decode(t, e.Challenge), []byte(e.Response))
		trusted[e.Name[len("registration: W3C "):]] = err == nil && k.Attested
	}
	require.Equal(t, map[string]bool{
		"None Attestation - ES256": false, "Self Attestation (Packed) - ES256": false,
		"None Attestation - ES256 - Top Origin": false, "None Attestation - ES256 - Long Credential ID": false,
		"Packed Attestation - ES256": true, "Packed Attestation - RS256": true, "Packed Attestation - EdDSA": true,
		"FIDO U2F Attestation - ES256": true,
	}, trusted)
}

// A TPM's certificate names it in a critical extension that crypto/x509 does not know. It is trusted all the same, and
// one with another critical extension is not.
func TestTrustedTPM(t *testing.T) {
	c := &corpus{t: t}
	maker := newTPMMaker(t)
	p := acme
	p.Trusted = []ceremony.Trusted{{AAGUID: [16]byte{3}, Roots: maker.roots}}
	c.c = party(t, p)
	a := passkeytest.New("https://acme.test")
	a.AAGUID = [16]byte{3}
	response := register(t, c.c, a)
	clientHash := sha256.Sum256(decode(t, c.member(response, "clientDataJSON")))
	made := func(critical ...pkix.Extension) []byte {
		return c.editBytes(response, "attestationObject", func(b []byte) []byte {
			return c.change(b, func(o object) any {
				return o.with("fmt", "tpm").with("attStmt", maker.statement(t, o["authData"].([]byte), clientHash[:], critical))
			})
		})
	}
	k, err := checkRegistration(c.c, challenge, made())
	require.NoError(t, err)
	require.True(t, k.Attested)

	_, err = checkRegistration(c.c, challenge, made(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}))
	require.ErrorContains(t, err, "not from a trusted authenticator")
	_, err = checkRegistration(party(t, acme), challenge, made())
	require.NoError(t, err, "without a demand it is checked as well")
	p.Trusted[0].Roots = x509.NewCertPool()
	_, err = checkRegistration(party(t, p), challenge, made())
	require.ErrorContains(t, err, "not from a trusted authenticator")
}

type tpmMaker struct {
	key   *ecdsa.PrivateKey // of the root and of the attestation both
	root  *x509.Certificate
	roots *x509.CertPool
}

func newTPMMaker(t *testing.T) tpmMaker {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "TPM Root"}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	require.NoError(t, err)
	root, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return tpmMaker{key, root, roots}
}

// statement is a TPM attestation statement (WebAuthn §8.3) for the key in authData.
func (m tpmMaker) statement(t *testing.T, authData, clientHash []byte, critical []pkix.Extension) map[string]any {
	t.Helper()
	at := len(authData) - 77 // of a canonical ES256 key
	public := tpm2.Marshal(tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: authData[at+10 : at+42]}, Y: tpm2.TPM2BECCParameter{Buffer: authData[at+45 : at+77]},
		}),
	})
	signed, name := sha256.Sum256(slices.Concat(authData, clientHash)), sha256.Sum256(public)
	info := tpm2.Marshal(tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: signed[:]},
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{
			Name: tpm2.TPM2BName{Buffer: append([]byte{0, 0x0b}, name[:]...)}, // 0x000b is SHA-256
		}),
	})
	digest := sha256.Sum256(info)
	signature, err := ecdsa.SignASN1(rand.Reader, m.key, digest[:])
	require.NoError(t, err)
	return map[string]any{
		"ver": "2.0", "alg": -7, "sig": signature, "certInfo": info, "pubArea": public, "x5c": []any{m.certificate(t, critical)},
	}
}

// certificate is that of an attestation key, WebAuthn §8.3.1.
func (m tpmMaker) certificate(t *testing.T, critical []pkix.Extension) []byte {
	t.Helper()
	tcg := func(last int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 23, 133, 2, last} }
	device, err := asn1.Marshal(pkix.RDNSequence{{
		{Type: tcg(1), Value: "id:49465800"}, {Type: tcg(2), Value: "Test"}, {Type: tcg(3), Value: "id:13"},
	}})
	require.NoError(t, err)
	names, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: device}})
	require.NoError(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Unix(0, 0), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC), BasicConstraintsValid: true,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}},
		ExtraExtensions:    append([]pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: names}}, critical...),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, m.root, m.key.Public(), m.key)
	require.NoError(t, err)
	return der
}
