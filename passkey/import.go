package passkey

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Import is what another system had of an account's passkeys, under the same RP ID.
type Import struct {
	// Handle is the account's user handle there, 1 to 64 bytes. One of 32 bytes becomes the account's here, if it has none, and
	// then its passkeys sign in without a password. Under any other handle they work at the second step and for step-up
	// alone. Defaults to none.
	Handle      []byte
	Credentials []ImportCredential // an account has at most 10
}

// ImportCredential is one passkey of another system.
type ImportCredential struct {
	ID        []byte // the credential ID as the authenticator knows it, 1 to 1023 bytes
	PublicKey []byte // COSE_Key, of ES256, EdDSA or RS256
	SignCount uint32
	AAGUID    [16]byte // zero: not known
	// Transports are as the browser reported them: "internal", "hybrid", "usb" and so on.
	Transports []string
	// UserVerified says that it has verified its user at least once.
	UserVerified bool
	// BackupEligible and BackedUp are the flags BE and BS. FlagsUnknown says that they were not kept there: then the first
	// use here sets them.
	BackupEligible, BackedUp, FlagsUnknown bool
	// Name is as in gatehouse.EnrollmentRequest. Defaults to the provider's name, or "Passkey".
	Name string
}

// ImportResult says what an import has done.
type ImportResult struct {
	// Credentials has what became of each of Import.Credentials, in their order: "brought", "there", "duplicate", "too_many",
	// all as of gatehouse.Import, or "bad_passkey" for a key, an ID or flags that cannot be.
	Credentials []gatehouse.ImportOutcome
	// SignsIn says that Import.Handle is the account's, so that its passkeys sign in without a password.
	SignsIn bool
}

// Import makes passkeys of another system active, as gatehouse.Operator.Import does apps, by the same rules and with the
// same errors: it replaces nothing, and the same import twice changes nothing. If an account has both apps and passkeys,
// import the apps first. Their relying party ID is Config.RPID, otherwise no browser finds them.
func (s *Service) Import(ctx context.Context, by gatehouse.Operator, account string, in Import) (_ ImportResult, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.Import").End(&err)
	if len(in.Handle) > maxHandle {
		return ImportResult{}, fmt.Errorf("%w: a user handle has at most %d bytes", gatehouse.ErrInvalid, maxHandle)
	}
	var handle storage.Handle
	if len(in.Handle) == len(handle) {
		copy(handle[:], in.Handle)
	}
	offered, taken := make([]core.Passkey, 0, len(in.Credentials)), map[string]bool{}
	for i, c := range in.Credentials {
		if c.Name == "" {
			c.Name = newName(c.AAGUID, taken)
		}
		if err := core.CheckName(c.Name); err != nil {
			return ImportResult{}, fmt.Errorf("%w (credential %d)", err, i+1)
		}
		taken[c.Name] = true
		offered = append(offered, c.passkey())
	}
	outcomes, a, err := engine.ImportPasskeys(ctx, by, account, handle, offered)
	if err != nil {
		return ImportResult{}, err
	}
	r := ImportResult{SignsIn: handle != storage.Handle{} && a.Handle == handle}
	for _, o := range outcomes {
		r.Credentials = append(r.Credentials, gatehouse.ImportOutcome(o))
	}
	return r, nil
}

const maxHandle = 64 // bytes, Web Authentication Level 3 §5.4.3

// passkey returns what is offered to the account. Without a key it is one that the account leaves out.
func (c ImportCredential) passkey() core.Passkey {
	key, _ := ceremony.CanonicalKey(c.PublicKey)
	return core.Passkey{
		Name: c.Name, Credential: c.ID, PublicKey: key, AAGUID: c.AAGUID, Transports: ceremony.Transports(c.Transports), Count: c.SignCount,
		Verified: c.UserVerified, Eligible: c.BackupEligible, BackedUp: c.BackedUp, Flagless: c.FlagsUnknown,
	}
}
