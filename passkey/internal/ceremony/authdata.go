package ceremony

import (
	"bytes"

	"github.com/go-webauthn/webauthn/protocol"
)

// Finding is what an authenticator says of itself and of the person (WebAuthn §6.1), after all was verified.
type Finding struct {
	UserVerified bool   // the authenticator knew the person, by a PIN or a biometric
	Eligible     bool   // the credential may be copied to other devices
	BackedUp     bool   // and has been
	Count        uint32 // of signatures; zero where the authenticator keeps none
}

// majorMap is the first three bits of a map, RFC 8949 §3.1.
const majorMap = 5

func parseAuthData(raw []byte) (d protocol.AuthenticatorData, err error) {
	if err := d.Unmarshal(raw); err != nil {
		return d, refuse(Malformed, "the authenticator data: %v", err)
	}
	// go-webauthn takes null for a map.
	if d.Flags.HasExtensions() && d.ExtData[0]>>5 != majorMap {
		return d, refuse(Malformed, "extension data that is no map")
	}
	return d, nil
}

// authenticator checks the authenticator data: WebAuthn §7.1 steps 14 to 18, §7.2 steps 17 to 20.
func (c *Ceremony) authenticator(d protocol.AuthenticatorData) (Finding, error) {
	switch {
	case !bytes.Equal(d.RPIDHash, c.idHash[:]):
		return Finding{}, refuse(RPID, "made for another RP ID")
	case !d.Flags.HasUserPresent():
		return Finding{}, refuse(Presence, "nobody was there")
	case d.Flags.HasBackupState() && !d.Flags.HasBackupEligible():
		return Finding{}, refuse(Backup, "backed up, and yet not eligible for it")
	}
	return Finding{
		UserVerified: d.Flags.HasUserVerified(),
		Eligible:     d.Flags.HasBackupEligible(),
		BackedUp:     d.Flags.HasBackupState(),
		Count:        d.Counter,
	}, nil
}
