package ceremony

import (
	"bytes"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Credential is a new credential that was verified.
type Credential struct {
	ID, PublicKey []byte // the key is a COSE_Key in its canonical form
	AAGUID        [16]byte
	Transports    uint8
	Attested      bool // it comes from one of the trusted authenticators
	Finding
}

// Verify checks a registration against the challenge that it was asked with. The time is that of the caller's clock,
// for certificates of attestations that are demanded. Its error is a [Refused].
func (r *Registration) Verify(challenge []byte, now time.Time) (Credential, error) {
	if err := r.c.client(r.client, "webauthn.create", challenge); err != nil {
		return Credential{}, err
	}
	var object protocol.AttestationObject
	if err := parseAttestation(r.attestation, &object); err != nil {
		return Credential{}, err
	}
	finding, err := r.c.authenticator(object.AuthData)
	if err != nil {
		return Credential{}, err
	}
	data := object.AuthData.AttData
	if !bytes.Equal(data.CredentialID, r.Credential) {
		return Credential{}, refuse(Malformed, "the authenticator made another credential")
	}
	key, err := CanonicalKey(data.CredentialPublicKey)
	if err != nil {
		return Credential{}, err
	}
	attested, err := r.c.attested(object, r.client.hash[:], now)
	if err != nil {
		return Credential{}, err
	}
	return Credential{
		ID: slices.Clone(data.CredentialID), PublicKey: key, AAGUID: [16]byte(data.AAGUID), Transports: r.transports,
		Attested: attested, Finding: finding,
	}, nil
}

// parseAttestation reads an attestation object, whose authenticator data must have a credential.
func parseAttestation(raw []byte, o *protocol.AttestationObject) error {
	// A struct would take names in any case.
	var members map[string]webauthncbor.RawMessage
	if err := webauthncbor.Unmarshal(raw, &members); err != nil {
		return refuse(Malformed, "the attestation object: %v", err)
	}
	if len(members) != 3 || members["fmt"] == nil || members["attStmt"] == nil || members["authData"] == nil {
		return refuse(Malformed, "the attestation object has not the members fmt, attStmt and authData")
	}
	if err := webauthncbor.Unmarshal(raw, o); err != nil {
		return refuse(Malformed, "the attestation object: %v", err)
	}
	if o.AttStatement == nil {
		return refuse(Malformed, "the attestation statement is no map")
	}
	if err := o.AuthData.Unmarshal(o.RawAuthData); err != nil {
		return refuse(Malformed, "the authenticator data: %v", err)
	}
	if !o.AuthData.Flags.HasAttestedCredentialData() {
		return refuse(Malformed, "authenticator data without a credential")
	}
	return nil
}

// Verify checks an assertion against the challenge that it was asked with and the key of the credential that it names,
// as [CanonicalKey] returned it. Its error is a [Refused].
func (a *Assertion) Verify(challenge, publicKey []byte) (Finding, error) {
	if err := a.c.client(a.client, "webauthn.get", challenge); err != nil {
		return Finding{}, err
	}
	var data protocol.AuthenticatorData
	if err := data.Unmarshal(a.authData); err != nil {
		return Finding{}, refuse(Malformed, "the authenticator data: %v", err)
	}
	if data.Flags.HasAttestedCredentialData() {
		return Finding{}, refuse(Malformed, "an assertion with a new credential")
	}
	finding, err := a.c.authenticator(data)
	if err != nil {
		return Finding{}, err
	}
	if err := verify(publicKey, slices.Concat(a.authData, a.client.hash[:]), a.signature); err != nil {
		return Finding{}, err
	}
	return finding, nil
}
