package ceremony

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// timeout is how long browsers wait for the person: as long as a challenge lives.
const timeout = 5 * time.Minute

// Creation says what a new credential is asked for with.
type Creation struct {
	Challenge         []byte
	Handle            []byte // of the account: 1 to 64 bytes that say nothing about the person
	Name, DisplayName string // shown by authenticators
	Exclude           []Descriptor
	UserVerification  string // "required", "preferred" or "discouraged". Defaults to "preferred".
	ResidentKey       string // likewise. Defaults to "preferred".
}

// Request says what an assertion is asked for with.
type Request struct {
	Challenge        []byte
	Allow            []Descriptor // empty: any discoverable credential of the RP ID
	UserVerification string       // Defaults to "preferred".
}

// A Descriptor names a credential and how it can be reached.
type Descriptor struct {
	ID         []byte
	Transports uint8
}

type descriptorJSON struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

type entityJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type paramJSON struct {
	Type string `json:"type"`
	Alg  int64  `json:"alg"`
}

type creationJSON struct {
	RP          entityJSON       `json:"rp"`
	User        userJSON         `json:"user"`
	Challenge   string           `json:"challenge"`
	Params      []paramJSON      `json:"pubKeyCredParams"`
	Timeout     int64            `json:"timeout"`
	Exclude     []descriptorJSON `json:"excludeCredentials"`
	Selection   selectionJSON    `json:"authenticatorSelection"`
	Attestation string           `json:"attestation"`
}

// userJSON has its display name even if it is empty: browsers demand the member.
type userJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

type selectionJSON struct {
	ResidentKey        string `json:"residentKey"`
	RequireResidentKey bool   `json:"requireResidentKey"` // of Level 1
	UserVerification   string `json:"userVerification"`
}

type requestJSON struct {
	Challenge        string           `json:"challenge"`
	Timeout          int64            `json:"timeout"`
	RPID             string           `json:"rpId"`
	Allow            []descriptorJSON `json:"allowCredentials"`
	UserVerification string           `json:"userVerification"`
}

type publicKeyJSON struct {
	PublicKey any `json:"publicKey"`
}

// Creation returns {"publicKey":{…}}, whose member PublicKeyCredential.parseCreationOptionsFromJSON takes.
func (c *Ceremony) Creation(o Creation) ([]byte, error) {
	resident := or(o.ResidentKey, "preferred")
	out := creationJSON{
		RP:        entityJSON{ID: c.party.ID, Name: c.party.Name},
		User:      userJSON{ID: encode(o.Handle), Name: o.Name, DisplayName: o.DisplayName},
		Challenge: encode(o.Challenge),
		Timeout:   timeout.Milliseconds(),
		Exclude:   descriptors(o.Exclude),
		Selection: selectionJSON{
			ResidentKey: resident, RequireResidentKey: resident == "required",
			UserVerification: or(o.UserVerification, "preferred"),
		},
		Attestation: "none",
	}
	if len(c.party.Trusted) > 0 {
		out.Attestation = "direct"
	}
	for _, alg := range algorithms {
		out.Params = append(out.Params, paramJSON{"public-key", alg})
	}
	return json.Marshal(publicKeyJSON{out})
}

// Request returns {"publicKey":{…}}, whose member PublicKeyCredential.parseRequestOptionsFromJSON takes.
func (c *Ceremony) Request(o Request) ([]byte, error) {
	return json.Marshal(publicKeyJSON{requestJSON{
		Challenge:        encode(o.Challenge),
		Timeout:          timeout.Milliseconds(),
		RPID:             c.party.ID,
		Allow:            descriptors(o.Allow),
		UserVerification: or(o.UserVerification, "preferred"),
	}})
}

func descriptors(in []Descriptor) []descriptorJSON {
	out := make([]descriptorJSON, 0, len(in)) // never null
	for _, d := range in {
		out = append(out, descriptorJSON{Type: "public-key", ID: encode(d.ID), Transports: TransportNames(d.Transports)})
	}
	return out
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
