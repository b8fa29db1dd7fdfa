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
	path [][]byte // certificates in DER from that of the key to the one below the root
	key  key
}

var fidoAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

func newIssuer(aaguid [16]byte) (*issuer, error) {
	model, err := asn1.Marshal(aaguid[:])
	if err != nil {
		return nil, err
	}
	name := func(unit, common string) pkix.Name {
		return pkix.Name{Country: []string{"US"}, Organization: []string{"Gatehouse"}, OrganizationalUnit: []string{unit}, CommonName: common}
	}
	authority := x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, Subject: name("Test", "Test Root")}
	root, rootKey, err := issue(authority, nil, key{})
	if err != nil {
		return nil, err
	}
	authority.Subject = name("Test", "Test Batch")
	batch, batchKey, err := issue(authority, root, rootKey)
	if err != nil {
		return nil, err
	}
	leaf, leafKey, err := issue(x509.Certificate{ // WebAuthn §8.2.1
		Subject: name("Authenticator Attestation", "Test Authenticator"), ExtraExtensions: []pkix.Extension{{Id: fidoAAGUID, Value: model}},
	}, batch, batchKey)
	if err != nil {
		return nil, err
	}
	return &issuer{root: root, path: [][]byte{leaf.Raw, batch.Raw}, key: leafKey}, nil
}

// issue makes a key and its certificate, signed by itself where there is no parent.
func issue(template x509.Certificate, parent *x509.Certificate, by key) (*x509.Certificate, key, error) {
	k, err := newKey(ES256)
	if err != nil {
		return nil, key{}, err
	}
	if parent == nil {
		parent, by = &template, k
	}
	template.SerialNumber, template.NotBefore, template.NotAfter, template.BasicConstraintsValid = big.NewInt(1), date(2020), date(2120), true
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, k.Public(), by)
	if err != nil {
		return nil, key{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, k, err
}

func date(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
