package ceremony

import (
	"bytes"
	"encoding/json"
)

// A Registration is a response to Creation that was read and not verified yet.
type Registration struct {
	Credential []byte // as the client says; [Registration.Verify] compares it with the authenticator's
	Challenge  []byte

	c           *Ceremony
	client      clientData
	attestation []byte
	transports  uint8
}

// An Assertion is a response to Request that was read and not verified yet: who it names is a claim.
type Assertion struct {
	Credential []byte
	UserHandle []byte // nil where the authenticator gave none
	Challenge  []byte

	c         *Ceremony
	client    clientData
	authData  []byte
	signature []byte
}

// ParseRegistration reads the JSON that PublicKeyCredential.toJSON makes of a new credential. Its error is a [Refused]
// with the reason Malformed.
func (c *Ceremony) ParseRegistration(body []byte) (*Registration, error) {
	id, response, err := credential(body)
	if err != nil {
		return nil, err
	}
	r := Registration{Credential: id, c: c}
	if r.client, err = parseClientData(response); err != nil {
		return nil, err
	}
	r.Challenge = r.client.challenge
	if r.attestation, err = response.bytes("attestationObject", MaxResponse); err != nil {
		return nil, err
	}
	if r.transports, err = response.transports(); err != nil {
		return nil, err
	}
	return &r, nil
}

// ParseAssertion reads the JSON that PublicKeyCredential.toJSON makes of an assertion. Its error is a [Refused] with
// the reason Malformed.
func (c *Ceremony) ParseAssertion(body []byte) (*Assertion, error) {
	id, response, err := credential(body)
	if err != nil {
		return nil, err
	}
	a := Assertion{Credential: id, c: c}
	if a.client, err = parseClientData(response); err != nil {
		return nil, err
	}
	a.Challenge = a.client.challenge
	if a.authData, err = response.bytes("authenticatorData", MaxResponse); err != nil {
		return nil, err
	}
	if a.signature, err = response.bytes("signature", MaxResponse); err != nil {
		return nil, err
	}
	switch string(response.get("userHandle")) {
	case "", "null", `""`: // missing, or as older scripts and browsers write it
		return &a, nil
	}
	if a.UserHandle, err = response.bytes("userHandle", maxHandle); err != nil {
		return nil, err
	}
	return &a, nil
}

// credential reads what both kinds of response have in common.
func credential(body []byte) (id []byte, response object, err error) {
	if len(body) > MaxResponse {
		return nil, nil, refuse(Malformed, "more than %d bytes", MaxResponse)
	}
	o, err := parseObject(body)
	if err != nil {
		return nil, nil, refuse(Malformed, "the response: %v", err)
	}
	if kind, err := o.text("type"); err != nil || kind != "public-key" {
		return nil, nil, refuse(Malformed, "the credential is of another type")
	}
	if id, err = o.bytes("id", MaxCredential); err != nil {
		return nil, nil, err
	}
	raw, err := o.bytes("rawId", MaxCredential)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(id, raw) {
		return nil, nil, refuse(Malformed, "id and rawId differ")
	}
	if response, err = parseObject(o.get("response")); err != nil {
		return nil, nil, refuse(Malformed, "the member response: %v", err)
	}
	return id, response, nil
}

func (o object) transports() (uint8, error) {
	v := o.get("transports")
	if v == nil {
		return 0, nil
	}
	var names []string
	if err := json.Unmarshal(v, &names); err != nil {
		return 0, refuse(Malformed, "transports is no list of names")
	}
	return Transports(names), nil
}
