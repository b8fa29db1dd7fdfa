package gatehouse

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Restoration says what AfterRestore does in addition to what it always does.
type Restoration struct {
	// KeepRecoveryCodes leaves recovery codes as the backup has them: those that were used since it was
	// made work again. Defaults to voiding them all.
	KeepRecoveryCodes bool
	// RevokeTokens revokes every access token. Defaults to leaving them as the backup has them: what was
	// revoked since it was made works again.
	RevokeTokens bool
}

// AfterRestore is for a store that was put back to an earlier state, as from a backup: codes that were used
// since then work in it again. For every account it ends challenges, proofs, browser sessions, pending enrollments
// and operators' codes, uses up the steps of authenticators up to now, and voids recovery codes. The
// second step stays needed. Run it before the service starts again: otherwise codes of the time in between
// are accepted twice.
//
// With the default Window codes of authenticators are accepted again after a minute and a half. Nobody has
// recovery codes until they make new ones, so owners who have lost their authenticator need a Reset, and
// so do those whose operator's code was ended. Repeat what it cannot know: suspensions,
// revocations, deletions, unlocks.
//
// It walks as Reseal does, from after the cursor. An account that cannot be read is counted and passed
// over, and the error says so at the end. To do an account twice is safe, and ends what its owner has
// made since.
func (o Operator) AfterRestore(ctx context.Context, what Restoration, cursor string, progress func(Progress)) (_ Progress, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.AfterRestore").End(&err)
	return o.s.e.Walk(ctx, o.by, cursor, func(rec storage.Record) (bool, error) {
		err := o.change(ctx, rec.ID, nil, always(func(a core.Account, env core.Env) core.Account {
			return a.Restored(o.by, what.KeepRecoveryCodes, what.RevokeTokens, env)
		}))
		if errors.Is(err, core.ErrFormat) {
			err = &engine.PassedOver{Err: err}
		}
		return err == nil, err
	}, progress)
}
