package ceremony_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

const (
	layout  = "WebAuthn §6.1: the layout of authenticator data"
	layoutX = "WebAuthn §6.1, CTAP2 §6: extension outputs are one canonical map of CBOR under text keys"
)

// raw has the authenticator data that a draft makes changed as bytes.
func raw(change func([]byte) []byte) func(*passkeytest.Draft) {
	return func(d *passkeytest.Draft) {
		d.AuthData = change(d.EncodeAuthData())
	}
}

func (c *corpus) authData() {
	flag := func(set, unset byte) func(*passkeytest.Draft) {
		return func(d *passkeytest.Draft) { d.Flags = d.Flags&^unset | set }
	}
	present, verified, be, bs := byte(passkeytest.FlagPresent), byte(passkeytest.FlagVerified), byte(passkeytest.FlagEligible), byte(passkeytest.FlagBackedUp)
	c.signed("nobody present", string(ceremony.Presence), "WebAuthn §7.1 step 15, §7.2 step 18: UP is set", passkeytest.NotPresent)
	c.signed("nobody present, but verified", string(ceremony.Presence), "WebAuthn §7.1 step 15, §7.2 step 18: UV does not stand for UP", flag(verified, present))
	c.signed("user not verified", accepted, "found, and left to whoever asks for it: one factor", passkeytest.NotVerified)
	c.signed("backed up and not eligible", string(ceremony.Backup), "WebAuthn §7.1 step 17, §7.2 step 20: BS implies BE", passkeytest.BackedUpAlone)
	c.signed("eligible and not backed up", accepted, "WebAuthn §6.1.3", flag(be, bs))
	c.signed("neither eligible nor backed up", accepted, "WebAuthn §6.1.3", flag(0, be|bs))
	c.signed("reserved flags", accepted, "WebAuthn §6.1: reserved for future use", flag(0x22, 0))
	for _, n := range []uint32{0, 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32} {
		c.signed(fmt.Sprintf("count %d", n), accepted, "found, and left to whoever keeps the last one: WebAuthn §6.1.1", func(d *passkeytest.Draft) { d.Count = n })
	}

	rp := string(ceremony.RPID)
	c.signed("another RP ID", rp, "WebAuthn §7.1 step 14, §7.2 step 17", passkeytest.WrongRPID)
	for _, id := range []string{"", "ACME.test", "acme.test.", "login.acme.test", "https://acme.test", "test"} {
		c.signed(fmt.Sprintf("RP ID %q", id), rp, "WebAuthn §7.1 step 14, §7.2 step 17: the hash of the RP ID, byte for byte", func(d *passkeytest.Draft) { d.RPID = id })
	}
	c.signed("the last bit of the RP ID's hash", rp, "WebAuthn §7.1 step 14, §7.2 step 17: all of the hash", raw(func(b []byte) []byte { b[31] ^= 1; return b }))
	c.signed("a hash of zeros", rp, "WebAuthn §7.1 step 14, §7.2 step 17", raw(func(b []byte) []byte { clear(b[:32]); return b }))

	for n := 1; n < 37; n++ {
		c.signedAssertion(fmt.Sprintf("authenticator data of %d bytes", n), malformed, layout, raw(func(b []byte) []byte { return b[:n] }))
	}
	c.signedAssertion("a byte after the authenticator data", malformed, layout, raw(func(b []byte) []byte { return append(b, 0) }))
	c.signedAssertion("a credential in an assertion", malformed, "WebAuthn §6.3.3 step 10: attested credential data is for new credentials", func(d *passkeytest.Draft) {
		a, key := c.phone(passkeytest.ES256)
		d.Flags, d.Credential, d.PublicKey = d.Flags|passkeytest.FlagCredential, a.Passkeys()[0].ID, key
	})
	c.signedAssertion("the flag of a credential without one", malformed, layout, raw(func(b []byte) []byte { b[32] |= passkeytest.FlagCredential; return b }))
	c.extensions()
}

func (c *corpus) extensions() {
	extended := func(data []byte) func(*passkeytest.Draft) {
		return func(d *passkeytest.Draft) { d.Flags, d.Extensions = d.Flags|passkeytest.FlagExtensions, data }
	}
	good, err := cbor.Marshal(map[string]any{"credProtect": 2})
	require.NoError(c.t, err)
	c.signed("extension data", accepted, "WebAuthn §7.1 step 19, §7.2 step 22: outputs that nobody asked for are ignored", extended(good))
	c.signed("empty extension data", accepted, "a map of nothing", extended([]byte{0xa0}))
	bad := map[string][]byte{
		"no extension data under its flag":       nil,
		"extension data that is no map":          {0x80},
		"extension data that is null":            {0xf6},
		"extension data with a byte after it":    append(slices.Clone(good), 0),
		"extension data that is cut":             good[:len(good)-1],
		"extension data with a key twice":        {0xa2, 0x61, 'a', 0x01, 0x61, 'a', 0x02},
		"extension data with a number as key":    {0xa1, 0x01, 0x02},
		"extension data of indefinite length":    {0xbf, 0x61, 'a', 0x01, 0xff},
		"extension data with a tag":              {0xa1, 0x61, 'a', 0xc1, 0x01},
		"extension data that is deep":            slices.Concat([]byte{0xa1, 0x61, 'a'}, []byte(strings.Repeat("\x81", 64)), []byte{0x01}),
		"extension data that claims to be large": {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		c.signed(name, malformed, layoutX, extended(bad[name]))
	}
	c.signed("extension data without its flag", malformed, layout, func(d *passkeytest.Draft) { d.Extensions = good })
}

// credentialData has the attested credential data wrong, which only registrations have.
func (c *corpus) credentialData() {
	why := "WebAuthn §6.5.1: the layout of attested credential data"
	add := func(name, answer string, tamper func(*passkeytest.Draft)) {
		c.signedRegistration(name, answer, why, tamper)
	}
	add("no credential", malformed, func(d *passkeytest.Draft) { d.Flags &^= passkeytest.FlagCredential })
	add("a credential without its flag", malformed, raw(func(b []byte) []byte { b[32] &^= passkeytest.FlagCredential; return b }))
	add("a byte after the authenticator data", malformed, raw(func(b []byte) []byte { return append(b, 0) }))
	for _, n := range []int{1, 31, 32, 33, 36, 37, 52, 53, 54, 55, 56, 86, 87, 88, 100, 150} {
		add(fmt.Sprintf("authenticator data of %d bytes", n), malformed, raw(func(b []byte) []byte { return b[:n] }))
	}
	for _, n := range []int{0, 1, 16, 1023, 1024, 1100} {
		answer := accepted
		if n < 1 || n > 1023 {
			answer = malformed
		}
		c.signedRegistration(fmt.Sprintf("a credential ID of %d bytes", n), answer, "WebAuthn §4: 1 to 1023 bytes", func(d *passkeytest.Draft) {
			d.Credential = slices.Repeat([]byte{7}, n)
		})
	}
	add("a credential ID that claims to be longer than the data", malformed, raw(func(b []byte) []byte { binary.BigEndian.PutUint16(b[53:], 1000); return b }))
	add("a credential ID that claims to be shorter", malformed, raw(func(b []byte) []byte { binary.BigEndian.PutUint16(b[53:], 31); return b }))
	c.signedRegistration("another AAGUID", accepted, "found; without a demand for attestation anybody can say anything", func(d *passkeytest.Draft) { d.AAGUID = [16]byte{1, 2} })
	c.signedRegistration("the RP ID and the credential of somebody else", string(ceremony.RPID), "WebAuthn §7.1 step 14", func(d *passkeytest.Draft) { d.RPID = "evil.example" })
}
