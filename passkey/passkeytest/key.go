package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// key signs for a credential or an attestation.
type key struct {
	crypto.Signer
	algorithm Algorithm
}

func newKey(alg Algorithm) (key, error) {
	var signer crypto.Signer
	var err error
	switch alg {
	case ES256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return key{}, fmt.Errorf("passkeytest: no keys of algorithm %d", alg)
	}
	return key{signer, alg}, err
}

// cose returns the public key as a COSE_Key, WebAuthn §6.5.1.1.
func (k key) cose() ([]byte, error) {
	params := map[int]any{3: k.algorithm}
	switch p := k.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return nil, err
		}
		params[1], params[-1], params[-2], params[-3] = 2, 1, point[1:33], point[33:]
	case ed25519.PublicKey:
		params[1], params[-1], params[-2] = 1, 6, []byte(p)
	case *rsa.PublicKey:
		params[1], params[-1], params[-2] = 3, p.N.Bytes(), big.NewInt(int64(p.E)).Bytes()
	}
	return canonical.Marshal(params)
}

func (k key) sign(data []byte, spoil bool) ([]byte, error) {
	digest, hash := data, crypto.Hash(0)
	if k.algorithm != EdDSA {
		sum := sha256.Sum256(data)
		digest, hash = sum[:], crypto.SHA256
	}
	signature, err := k.Sign(rand.Reader, digest, hash)
	if spoil && err == nil {
		signature[len(signature)-1] ^= 1
	}
	return signature, err
}

// issuer is a maker of authenticators, with the attestation key that one batch of them shares.
type issuer struct {
	root *x509.Certificate
	leaf []byte // DER
	key  key
}

var fidoAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

func newIssuer(aaguid [16]byte) (*issuer, error) {
	rootKey, err := newKey(ES256)
	if err != nil {
		return nil, err
	}
	k, err := newKey(ES256)
	if err != nil {
		return nil, err
	}
	model, err := asn1.Marshal(aaguid[:])
	if err != nil {
		return nil, err
	}
	maker := pkix.Name{Country: []string{"US"}, Organization: []string{"Gatehouse"}, CommonName: "Test Root"}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: maker, NotBefore: date(2020), NotAfter: date(2120),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	maker.OrganizationalUnit, maker.CommonName = []string{"Authenticator Attestation"}, "Test Authenticator" // WebAuthn §8.2.1
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: maker, NotBefore: date(2020), NotAfter: date(2120),
		BasicConstraintsValid: true, ExtraExtensions: []pkix.Extension{{Id: fidoAAGUID, Value: model}},
	}
	if der, err = x509.CreateCertificate(rand.Reader, leaf, root, k.Public(), rootKey); err != nil {
		return nil, err
	}
	return &issuer{root: root, leaf: der, key: k}, nil
}

func date(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
