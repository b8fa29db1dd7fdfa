package gatehouse

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// maxImported bounds the hashes of an imported set: a wrong code is compared with each of them.
const maxImported = 16

// Import is what another system had of an account.
type Import struct {
	// Secret is that of the authenticator app, of at least 16 bytes. There is no default.
	Secret totp.Secret
	// Algorithm and Digits are what the app was given. Default to SHA-1 and 6. Codes of another
	// period than 30 seconds cannot be imported.
	Algorithm totp.Algorithm
	Digits    int
	// LastStep is the step (Unix seconds over 30) of the last accepted code, so that it cannot be used
	// again here. Defaults to the present one and the window ahead of it: whatever was accepted so far
	// is used up, and the owner's next code may have to wait for a minute.
	LastStep int64
	// Name is as in Enrol.
	Name string
	// RecoveryHashes are at most 16 hashes of unused codes, bcrypt or Argon2id (see
	// recovery.CheckImported). The codes work once each, as that system's users typed them. Codes of
	// six or eight digits alone are taken for TOTP codes and cannot be redeemed. Defaults to none.
	RecoveryHashes []string
}

// Import turns two-factor on for an account with what another system had: its owner signs in as
// before. It never replaces anything: ErrState says that the account has a second factor here.
// ErrInvalid says that something of it is out of bounds.
func (o Operator) Import(ctx context.Context, account string, in Import) error {
	if in.Name == "" {
		in.Name = defaultName
	}
	if in.Digits == 0 {
		in.Digits = defaultDigits
	}
	key := totp.Key{Secret: in.Secret, Algorithm: in.Algorithm, Digits: in.Digits}
	if err := key.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := core.CheckName(in.Name); err != nil {
		return err
	}
	if in.LastStep < 0 {
		return fmt.Errorf("%w: negative last step", ErrInvalid)
	}
	if in.LastStep == 0 {
		in.LastStep = totp.Step(o.s.now()) + int64(o.s.window.Ahead)
	}
	codes, err := importedSet(in.RecoveryHashes)
	if err != nil {
		return err
	}
	auth := core.Authenticator{ID: newID(), Name: in.Name, Algorithm: in.Algorithm, Digits: in.Digits, Last: in.LastStep}
	return o.change(ctx, account,
		func(ctx context.Context, a core.Account, _ core.Env) error {
			if err := a.CanImport(); err != nil || auth.Sealed != nil {
				return err
			}
			return o.s.sealSecret(ctx, account, &auth, in.Secret)
		},
		func(a core.Account, env core.Env) (core.Account, error) { return a.Import(o.by, auth, codes, env) })
}

// importedSet returns the set of another system's hashes, nil for none. Its selectors only keep the
// slots apart: the codes have none.
func importedSet(hashes []string) (*core.RecoverySet, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	if len(hashes) > maxImported {
		return nil, fmt.Errorf("%w: over %d recovery codes", ErrInvalid, maxImported)
	}
	set := &core.RecoverySet{ID: newID()}
	for i, hash := range hashes {
		if err := recovery.CheckImported(hash); err != nil {
			return nil, fmt.Errorf("%w: recovery code %d: %w", ErrInvalid, i+1, err)
		}
		if slices.Contains(hashes[:i], hash) {
			return nil, fmt.Errorf("%w: recovery code %d stands twice", ErrInvalid, i+1)
		}
		set.Slots = append(set.Slots, core.Slot{Selector: string(rune('A' + i)), Hash: hash})
	}
	return set, nil
}
