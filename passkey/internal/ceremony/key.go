package ceremony

import (
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
}{
	int64(webauthncose.AlgES256): {webauthncose.EllipticKey, webauthncose.P256, 5},
	int64(webauthncose.AlgEdDSA): {webauthncose.OctetKey, webauthncose.Ed25519, 4},
	int64(webauthncose.AlgRS256): {webauthncose.RSAKey, 0, 4},
}

// Labels of COSE_Key parameters (RFC 9053 §7, RFC 8230 §4).
const (
	labelType  = 1
	labelAlg   = 3
	labelCurve = -1 // of EC2 and OKP
	labelN     = -1 // of RSA
	labelE     = -2
)

// RSA keys of other lengths are weak, or made to be slow; every authenticator has this exponent.
const (
	minRSA, maxRSA = 2048 / 8, 4096 / 8
	exponent       = "\x01\x00\x01"
)

// CanonicalKey checks a COSE_Key and returns it in its canonical form, which is the one to keep.
func CanonicalKey(cose []byte) ([]byte, error) {
	params, err := parameters(cose)
	if err != nil {
		return nil, err
	}
	canonical, err := webauthncbor.Marshal(params)
	if err != nil {
		return nil, refuse(Key, "%v", err)
	}
	if _, err := webauthncose.ParsePublicKey(canonical); err != nil {
		return nil, refuse(Key, "%v", err)
	}
	return canonical, nil
}

// parameters reads a key and checks all of it but the point on its curve.
func parameters(cose []byte) (map[int64]any, error) {
	if len(cose) > MaxKey {
		return nil, refuse(Key, "more than %d bytes", MaxKey)
	}
	var params map[int64]any
	if err := webauthncbor.Unmarshal(cose, &params); err != nil {
		return nil, refuse(Key, "%v", err)
	}
	alg, _ := params[labelAlg].(int64)
	shape, ok := shapes[alg]
	if !ok {
		return nil, refuse(Algorithm, "a key of algorithm %d", alg)
	}
	if kty, _ := params[labelType].(uint64); kty != uint64(shape.kty) || len(params) != shape.params {
		return nil, refuse(Key, "not the parameters of algorithm %d", alg)
	}
	if shape.curve != 0 {
		if curve, _ := params[labelCurve].(uint64); curve != uint64(shape.curve) {
			return nil, refuse(Key, "another curve than that of algorithm %d", alg)
		}
		return params, nil
	}
	n, _ := params[labelN].([]byte)
	if e, _ := params[labelE].([]byte); len(n) < minRSA || len(n) > maxRSA || n[0] == 0 || string(e) != exponent {
		return nil, refuse(Key, "an RSA key has 2048 to 4096 bits and the exponent 65537")
	}
	return params, nil
}

// verify reports whether signature is one of data under a key that [CanonicalKey] returned.
func verify(cose, data, signature []byte) error {
	if _, err := parameters(cose); err != nil {
		return err
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return refuse(Key, "%v", err)
	}
	if ok, err := webauthncose.VerifySignature(key, data, signature); err != nil || !ok {
		return refuse(Signature, "not signed by the key")
	}
	return nil
}
