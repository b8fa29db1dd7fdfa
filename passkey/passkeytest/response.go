package passkeytest

import (
	"crypto/x509"
	"encoding/json"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// response is what PublicKeyCredential.toJSON makes, WebAuthn §5.1.
type response struct {
	ID         string         `json:"id"`
	RawID      string         `json:"rawId"`
	Type       string         `json:"type"`
	Attachment string         `json:"authenticatorAttachment"`
	Extensions map[string]any `json:"clientExtensionResults"`
	Response   any            `json:"response"`
}

type attestationResponse struct {
	ClientData  string    `json:"clientDataJSON"`
	Attestation string    `json:"attestationObject"`
	AuthData    string    `json:"authenticatorData"`
	Transports  []string  `json:"transports"`
	PublicKey   string    `json:"publicKey"`
	Algorithm   Algorithm `json:"publicKeyAlgorithm"`
}

type assertionResponse struct {
	ClientData string `json:"clientDataJSON"`
	AuthData   string `json:"authenticatorData"`
	Signature  string `json:"signature"`
	UserHandle string `json:"userHandle,omitempty"`
}

func marshal(d Draft, inner any) ([]byte, error) {
	return json.Marshal(response{
		ID: encode(d.Credential), RawID: encode(d.Credential), Type: "public-key", Attachment: "platform",
		Extensions: map[string]any{}, Response: inner,
	})
}

// created makes the response with a new credential.
func (a *Authenticator) created(p Passkey, challenge string) (_ []byte, err error) {
	d := a.draft("webauthn.create", p, challenge)
	d.Flags |= FlagCredential
	if d.PublicKey, err = p.key.cose(); err != nil {
		return nil, err
	}
	clientData, authData, err := a.tamper(&d)
	if err != nil {
		return nil, err
	}
	statement, err := a.statement(p, &d, slices.Concat(authData, hash(clientData)))
	if err != nil {
		return nil, err
	}
	format := "packed"
	if a.Attestation == None {
		format = "none"
	}
	object, err := canonical.Marshal(map[string]any{"fmt": format, "attStmt": statement, "authData": authData})
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		return nil, err
	}
	return marshal(d, attestationResponse{
		ClientData: encode(clientData), Attestation: encode(object), AuthData: encode(authData),
		Transports: a.Transports, PublicKey: encode(spki), Algorithm: p.key.algorithm,
	})
}

// statement makes the attestation statement, WebAuthn §8.2 and §8.7.
func (a *Authenticator) statement(p Passkey, d *Draft, signed []byte) (map[string]any, error) {
	if a.Attestation == None {
		return map[string]any{}, nil
	}
	k := p.key
	out := map[string]any{}
	if a.Attestation == Certificate {
		if err := a.certify(); err != nil {
			return nil, err
		}
		k = a.issuer.key
		out["x5c"] = a.issuer.path
	}
	out["alg"] = k.algorithm
	signature, err := k.sign(signed, d.SpoilSignature)
	out["sig"] = signature
	return out, err
}

// asserted makes the response of a sign-in.
func (a *Authenticator) asserted(p Passkey, challenge string) ([]byte, error) {
	d := a.draft("webauthn.get", p, challenge)
	if p.Discoverable {
		d.UserHandle = p.Handle
	}
	clientData, authData, err := a.tamper(&d)
	if err != nil {
		return nil, err
	}
	signature, err := p.key.sign(slices.Concat(authData, hash(clientData)), d.SpoilSignature)
	if err != nil {
		return nil, err
	}
	return marshal(d, assertionResponse{
		ClientData: encode(clientData), AuthData: encode(authData), Signature: encode(signature), UserHandle: encode(d.UserHandle),
	})
}

// canonical is CTAP2's form of CBOR.
var canonical = func() cbor.EncMode {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		panic(err) // of constants
	}
	return mode
}()
