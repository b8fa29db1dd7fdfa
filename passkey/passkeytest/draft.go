package passkeytest

import (
	"encoding/binary"
	"encoding/json"
	"slices"
)

// Flags of the authenticator data, WebAuthn §6.1.
const (
	FlagPresent    = 0x01
	FlagVerified   = 0x04
	FlagEligible   = 0x08
	FlagBackedUp   = 0x10
	FlagCredential = 0x40
	FlagExtensions = 0x80
)

// A Draft is a response before it is signed. A Tamper function changes it, one thing at a time as a rule.
type Draft struct {
	Type        string // "webauthn.create" or "webauthn.get"
	Challenge   string // base64url
	Origin      string
	CrossOrigin bool
	TopOrigin   string

	RPID       string // its hash is in the authenticator data
	Flags      byte
	Count      uint32
	AAGUID     [16]byte
	Credential []byte // ID
	PublicKey  []byte // COSE_Key, of a new credential
	Extensions []byte // CBOR
	UserHandle []byte // of an assertion; nil where there is none

	// ClientData and AuthData replace what would be made of the fields above.
	ClientData []byte
	AuthData   []byte
	// SpoilSignature flips a bit of the signature when it is made.
	SpoilSignature bool
}

// WrongType is for Tamper, as those below: whatever they change is signed, as if by a page or an authenticator that lies.
// Here the client data is of no ceremony.
func WrongType(d *Draft) { d.Type = "webauthn.other" }

// WrongChallenge answers a challenge that nobody asked with.
func WrongChallenge(d *Draft) { d.Challenge = encode(hash([]byte("another challenge"))) }

// WrongOrigin makes the response one from another site's page.
func WrongOrigin(d *Draft) { d.Origin = "https://evil.example" }

// WrongRPID makes the response one for another site.
func WrongRPID(d *Draft) { d.RPID = "evil.example" }

// WrongSignature has the signature not fit.
func WrongSignature(d *Draft) { d.SpoilSignature = true }

// InForeignFrame makes the response one from a frame in another site's page.
func InForeignFrame(d *Draft) { d.CrossOrigin, d.TopOrigin = true, "https://evil.example" }

// NotPresent leaves out that somebody touched the authenticator.
func NotPresent(d *Draft) { d.Flags &^= FlagPresent }

// NotVerified leaves out that the person was verified, even where that was required.
func NotVerified(d *Draft) { d.Flags &^= FlagVerified }

// BackedUpAlone says that the credential is backed up, and yet not eligible for it.
func BackedUpAlone(d *Draft) { d.Flags = d.Flags&^FlagEligible | FlagBackedUp }

// draft is an honest one, of a credential of this authenticator.
func (a *Authenticator) draft(kind string, p Passkey, challenge string) Draft {
	d := Draft{
		Type: kind, Challenge: challenge, Origin: a.Origin, RPID: p.RPID, Flags: FlagPresent, Count: a.Count,
		AAGUID: a.AAGUID, Credential: p.ID,
	}
	if a.Count > 0 {
		a.Count++
	}
	for flag, set := range map[byte]bool{FlagVerified: a.UserVerified, FlagEligible: a.Eligible, FlagBackedUp: a.BackedUp} {
		if set {
			d.Flags |= flag
		}
	}
	return d
}

// tamper lets a test change a draft, and makes what is signed of it.
func (a *Authenticator) tamper(d *Draft) (clientData, authData []byte, err error) {
	if a.Tamper != nil {
		a.Tamper(d)
	}
	clientData, authData = d.ClientData, d.AuthData
	if clientData == nil {
		clientData, err = json.Marshal(struct {
			Type        string `json:"type"`
			Challenge   string `json:"challenge"`
			Origin      string `json:"origin"`
			CrossOrigin bool   `json:"crossOrigin"`
			TopOrigin   string `json:"topOrigin,omitempty"`
		}{d.Type, d.Challenge, d.Origin, d.CrossOrigin, d.TopOrigin})
	}
	if authData == nil {
		authData = d.EncodeAuthData()
	}
	return clientData, authData, err
}

// EncodeAuthData lays out the fields as authenticator data, WebAuthn §6.1: a start for AuthData.
func (d *Draft) EncodeAuthData() []byte {
	out := slices.Concat(hash([]byte(d.RPID)), []byte{d.Flags})
	out = binary.BigEndian.AppendUint32(out, d.Count)
	if d.Flags&FlagCredential != 0 {
		out = append(out, d.AAGUID[:]...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(d.Credential)))
		out = append(append(out, d.Credential...), d.PublicKey...)
	}
	return append(out, d.Extensions...)
}
