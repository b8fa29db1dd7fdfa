package core_test

import (
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// newPasskey is a passkey that can be in a backup, and is.
func newPasskey(id string) core.Passkey {
	return core.Passkey{
		ID: id, Name: "Key " + id, Credential: []byte("credential " + id), PublicKey: []byte("public key " + id), AAGUID: [16]byte{0: 1, 15: 9},
		Transports: 0b11000, Verified: true, Eligible: true, BackedUp: true, Attested: true, Flagless: true,
		Count: 1<<32 - 1, Accepted: start.UnixNano() - 7, Created: start.Unix(), LastUsed: start.Unix() + 5,
	}
}
