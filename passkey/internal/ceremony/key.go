package ceremony

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// algorithms are those that are asked for, in the order of preference, and no key of another is ever verified with.
// ML-DSA has to wait until every supported Go verifies it.
var algorithms = []int64{int64(webauthncose.AlgES256), int64(webauthncose.AlgEdDSA), int64(webauthncose.AlgRS256)}

// shapes say what a key of each algorithm is made of: its type, its curve, and how many parameters it has, as it may
// have no optional ones (WebAuthn §5.8.5, §6.5.1.1).
var shapes = map[int64]struct {
	kty    webauthncose.COSEKeyType
	curve  webauthncose.COSEEllipticCurve // zero for none
	params int
	key    func(params map[int64]any) (crypto.PublicKey, bool)
}{
	int64(webauthncose.AlgES256): {webauthncose.EllipticKey, webauthncose.P256, 5, es256},
	int64(webauthncose.AlgEdDSA): {webauthncose.OctetKey, webauthncose.Ed25519, 4, edDSA},
	int64(webauthncose.AlgRS256): {webauthncose.RSAKey, 0, 4, rs256},
}

// Labels of COSE_Key parameters (RFC 9053 §7, RFC 8230 §4).
const (
	labelType  = 1
	labelAlg   = 3
	labelCurve = -1 // of EC2 and OKP
	labelX     = -2
	labelY     = -3 // of EC2
	labelN     = -1 // of RSA
	labelE     = -2
)

// RSA keys of other lengths are weak, or made to be slow; every authenticator has this exponent.
const (
	minRSA, maxRSA = 2048 / 8, 4096 / 8
	exponent       = 65537
)

// CanonicalKey checks a COSE_Key and returns it in its canonical form, which is the one to keep.
func CanonicalKey(cose []byte) ([]byte, error) {
	params, _, err := parseKey(cose)
	if err != nil {
		return nil, err
	}
	canonical, err := webauthncbor.Marshal(params)
	if err != nil {
		return nil, refuse(Key, "%v", err)
	}
	return canonical, nil
}

func parseKey(cose []byte) (params map[int64]any, key crypto.PublicKey, err error) {
	if err := webauthncbor.Unmarshal(cose, &params); err != nil {
		return nil, nil, refuse(Key, "%v", err)
	}
	alg, _ := params[labelAlg].(int64)
	shape, ok := shapes[alg]
	if !ok {
		return nil, nil, refuse(Algorithm, "a key of algorithm %d", alg)
	}
	if kty, _ := params[labelType].(uint64); kty != uint64(shape.kty) || len(params) != shape.params {
		return nil, nil, refuse(Key, "not the parameters of algorithm %d", alg)
	}
	if shape.curve != 0 {
		if curve, _ := params[labelCurve].(uint64); curve != uint64(shape.curve) {
			return nil, nil, refuse(Key, "another curve than that of algorithm %d", alg)
		}
	}
	if key, ok = shape.key(params); !ok {
		return nil, nil, refuse(Key, "no key of algorithm %d", alg)
	}
	return params, key, nil
}

func es256(params map[int64]any) (crypto.PublicKey, bool) {
	x, _ := params[labelX].([]byte)
	y, _ := params[labelY].([]byte)
	if len(x) != 32 { // the length of y is what is left of a point's
		return nil, false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)) // SEC 1 §2.3.3
	return key, err == nil
}

func edDSA(params map[int64]any) (crypto.PublicKey, bool) {
	x, _ := params[labelX].([]byte)
	return ed25519.PublicKey(x), len(x) == ed25519.PublicKeySize
}

func rs256(params map[int64]any) (crypto.PublicKey, bool) {
	n, _ := params[labelN].([]byte)
	e, _ := params[labelE].([]byte)
	if len(n) < minRSA || len(n) > maxRSA || n[0] == 0 || string(e) != "\x01\x00\x01" {
		return nil, false
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}, true
}

// verify checks a signature of data under a COSE_Key.
func verify(cose, data, signature []byte) error {
	_, key, err := parseKey(cose)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	good := false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(key, digest[:], signature)
	case ed25519.PublicKey:
		good = ed25519.Verify(key, data, signature)
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	if !good {
		return refuse(Signature, "not signed by the key")
	}
	return nil
}
