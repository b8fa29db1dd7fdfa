package passkey

import (
	"github.com/google/uuid"

	"github.com/gatehouse-go/gatehouse"
)

// Provider returns the name of who makes an authenticator or keeps its passkeys, such as "iCloud Keychain", and "" where
// that is not known. It goes by what the authenticator says of itself: a hint for the owner, and no evidence unless
// Authenticator.Attested is set.
func (s *Service) Provider(a gatehouse.Authenticator) string {
	id, err := uuid.Parse(a.AAGUID)
	if err != nil {
		return ""
	}
	return provider(id)
}

// providers are by AAGUID.
var providers = map[uuid.UUID]string{
	uuid.MustParse("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"): "iCloud Keychain",
	uuid.MustParse("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"): "Google Password Manager",
	uuid.MustParse("08987058-cadc-49c7-b38c-5e5dcd2d0d6c"): "Windows Hello",
}

func provider(aaguid [16]byte) string { return providers[aaguid] }
