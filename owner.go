package gatehouse

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// Owner is what the owner of an account can change. The account is the proof's: there is no way to
// name another. Every method answers ErrStepUpRequired where the proof is not enough.
type Owner struct {
	s     *Service
	proof Proof
	opts  options
	wrong error // of the options
}

// Owner returns the owner whom a proof proves. The proof is checked by each method, on the account as
// it is then.
func (s *Service) Owner(p Proof, opts ...Option) Owner {
	o, err := optionsOf(opts, ofProofs)
	return Owner{s: s, proof: p, opts: o, wrong: err}
}

// present opens the owner's proof.
func (o Owner) present(ctx context.Context) (core.Presented, error) {
	if o.wrong != nil {
		return core.Presented{}, o.wrong
	}
	return o.s.present(ctx, o.proof, o.opts)
}

// change applies a step that needs the owner's proof.
func (o Owner) change(ctx context.Context, prepare func(context.Context, core.Account, core.Presented, core.Env) error,
	step func(core.Account, core.Presented, core.Env) (core.Account, error)) error {
	return o.changeSlowly(ctx, prepare, nil, step)
}

// changeSlowly is change for a step that needs Argon2id. slow is asked after prepare.
func (o Owner) changeSlowly(ctx context.Context, prepare func(context.Context, core.Account, core.Presented, core.Env) error,
	slow func(core.Account, core.Env) work, step func(core.Account, core.Presented, core.Env) (core.Account, error)) error {
	p, err := o.present(ctx)
	if err != nil {
		return err
	}
	t := transition{
		slow: slow,
		step: func(a core.Account, env core.Env) (core.Account, error) { return step(a, p, env) },
	}
	if prepare != nil {
		t.prepare = func(ctx context.Context, a core.Account, env core.Env) error { return prepare(ctx, a, p, env) }
	}
	return o.s.apply(ctx, p.Account, t)
}

// NewCodes are recovery codes that took the place of others. They are shown once.
type NewCodes struct {
	Codes recovery.Codes
	SetID string // for AcknowledgeRecoveryCodes
	Proof Proof  // succeeds the Owner's
}

// RegenerateRecoveryCodes makes new recovery codes; the old ones stop working at once. It needs a
// proof of the last 5 minutes, by a code of an authenticator or by a recovery code. ErrState says
// that the account has no authenticator.
func (o Owner) RegenerateRecoveryCodes(ctx context.Context) (NewCodes, error) {
	var codes recovery.Codes
	var set *core.RecoverySet
	var successor core.Proof
	err := o.changeSlowly(ctx,
		func(_ context.Context, a core.Account, p core.Presented, env core.Env) error {
			return a.CanRegenerate(p, env)
		},
		func(a core.Account, _ core.Env) work {
			if set != nil {
				return nil
			}
			return func(ctx context.Context) (err error) {
				codes = recovery.Generate()
				set, err = o.s.hashCodes(ctx, a.ID, codes)
				return err
			}
		},
		func(a core.Account, p core.Presented, env core.Env) (next core.Account, err error) {
			next, successor, err = a.Regenerate(p, set, env)
			return next, err
		})
	if err != nil {
		return NewCodes{}, err
	}
	proof, err := o.s.sealProof(ctx, successor)
	if err != nil {
		return NewCodes{}, err
	}
	return NewCodes{Codes: codes, SetID: set.ID, Proof: proof}, nil
}

// RenameAuthenticator gives an authenticator another name, of 1 to 64 bytes. The proof may be 15
// minutes old.
func (o Owner) RenameAuthenticator(ctx context.Context, id, name string) error {
	if err := core.CheckName(name); err != nil {
		return err
	}
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.Rename(p, id, name, env)
	})
}

// RemoveAuthenticator removes one authenticator of several, and returns the proof that succeeds the
// Owner's. The last one is ErrState: DisableTwoFactor removes it with all that hangs on it, and a
// BeginEnrollment with Replace exchanges it. It needs a proof of the last 5 minutes, by a code of an
// authenticator.
func (o Owner) RemoveAuthenticator(ctx context.Context, id string) (Proof, error) {
	return o.succeed(ctx, func(a core.Account, p core.Presented, env core.Env) (core.Account, core.Proof, error) {
		return a.Remove(p, id, env)
	})
}

// DisableTwoFactor removes all authenticators, the recovery codes and a pending enrollment, and returns
// the proof that succeeds the Owner's. From then on the first factor alone signs in, and tokens that need
// a second one are denied until there is one again. It needs a proof of the last 5 minutes, by a code of
// an authenticator.
func (o Owner) DisableTwoFactor(ctx context.Context) (Proof, error) {
	var account core.Account
	proof, err := o.succeed(ctx, func(a core.Account, p core.Presented, env core.Env) (core.Account, core.Proof, error) {
		next, successor, err := a.Disable(p, env)
		account = next
		return next, successor, err
	})
	if err == nil {
		o.s.tellSuspended(ctx, account)
	}
	return proof, err
}

// succeed applies a step that ends the owner's proof, and returns the one that succeeds it.
func (o Owner) succeed(ctx context.Context, step func(core.Account, core.Presented, core.Env) (core.Account, core.Proof, error)) (Proof, error) {
	var successor core.Proof
	err := o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (next core.Account, err error) {
		next, successor, err = step(a, p, env)
		return next, err
	})
	if err != nil {
		return Proof{}, err
	}
	return o.s.sealProof(ctx, successor)
}

// Unlock opens a method that wrong codes have locked, before its time. It needs a proof of the last 5
// minutes by another method: TOTP by a recovery code, recovery codes by a code of an authenticator.
func (o Owner) Unlock(ctx context.Context, m Method) error {
	if err := lockable(m); err != nil {
		return err
	}
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.Unlock(p, m, env)
	})
}

func lockable(m Method) error {
	if m != MethodTOTP && m != MethodRecoveryCode {
		return fmt.Errorf("%w: the method to unlock is MethodTOTP or MethodRecoveryCode", ErrInvalid)
	}
	return nil
}
