package ceremony

import (
	"bytes"
	"slices"
	"time"
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
// for certificates of attestations that are demanded; go-webauthn compares them with the system's clock as well. Its
// error is a [Refused].
func (r *Registration) Verify(challenge []byte, now time.Time) (Credential, error) {
	if err := r.c.client(r.client, "webauthn.create", challenge); err != nil {
		return Credential{}, err
	}
	object, err := parseAttestation(r.attestation)
	if err != nil {
		return Credential{}, err
	}
	finding, err := r.c.authenticator(object.AuthData)
	if err != nil {
		return Credential{}, err
	}
	data := object.AuthData.AttData
	if !bytes.Equal(data.CredentialID, r.Credential) { // or there is none, without the flag for it
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

// Verify checks an assertion against the challenge that it was asked with and the key of the credential that it names,
// as [CanonicalKey] returned it. Its error is a [Refused].
func (a *Assertion) Verify(challenge, publicKey []byte) (Finding, error) {
	if err := a.c.client(a.client, "webauthn.get", challenge); err != nil {
		return Finding{}, err
	}
	data, err := parseAuthData(a.authData)
	if err != nil {
		return Finding{}, err
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
