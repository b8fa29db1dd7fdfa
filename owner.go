package gatehouse

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// Owner is what the owner of an account can change, in a session of theirs. The account is the session's and the
// proof's: there is no way to name another. Every method answers ErrStepUpRequired where the proof is not enough.
type Owner struct {
	s  *Service
	in redact.Value[engine.Session] // as its secret may be the host's session ID
}

// Owner returns the owner whom a session's proof proves. The proof is checked by each method, on the account as
// it is then.
func (s *Service) Owner(in Session) Owner { return Owner{s: s, in: redact.New(in.presented())} }

// present opens the owner's proof.
func (o Owner) present(ctx context.Context) (core.Presented, error) {
	return o.s.e.Present(ctx, redact.Open(o.in))
}

// change applies a step that needs the owner's proof.
func (o Owner) change(ctx context.Context, prepare func(context.Context, core.Account, core.Presented, core.Env) error,
	step func(core.Account, core.Presented, core.Env) (core.Account, error)) error {
	return o.changeSlowly(ctx, prepare, nil, step)
}

// changeSlowly is change for a step that needs Argon2id. slow is asked after prepare.
func (o Owner) changeSlowly(ctx context.Context, prepare func(context.Context, core.Account, core.Presented, core.Env) error,
	slow func(core.Account, core.Env) engine.Work, step func(core.Account, core.Presented, core.Env) (core.Account, error)) error {
	p, err := o.present(ctx)
	if err != nil {
		return err
	}
	t := engine.Transition{
		Slow: slow,
		Step: func(a core.Account, env core.Env) (core.Account, error) { return step(a, p, env) },
	}
	if prepare != nil {
		t.Prepare = func(ctx context.Context, a core.Account, env core.Env) error { return prepare(ctx, a, p, env) }
	}
	return o.s.e.Change(ctx, p.Account, t)
}

// RecoveryCodes are new recovery codes, which replace others. They are shown once.
type RecoveryCodes struct {
	Codes recovery.Codes
	SetID string // for AcknowledgeRecoveryCodes
	Proof Proof  // succeeds the Owner's
}

// RegenerateRecoveryCodes makes new recovery codes; the old ones stop working at once. It needs a
// proof of the last 5 minutes, by an authenticator, which is the passkey where there is one, or by a recovery code.
// ErrPrecondition says that the account has no authenticator.
func (o Owner) RegenerateRecoveryCodes(ctx context.Context) (_ RecoveryCodes, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.RegenerateRecoveryCodes").End(&err)
	var codes recovery.Codes
	var set *core.RecoverySet
	var successor core.Proof
	err = o.changeSlowly(ctx,
		func(_ context.Context, a core.Account, p core.Presented, env core.Env) error {
			return a.CanRegenerate(p, env)
		},
		func(a core.Account, _ core.Env) engine.Work {
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
		return RecoveryCodes{}, err
	}
	proof, err := o.s.sealProof(ctx, successor)
	if err != nil {
		return RecoveryCodes{}, err
	}
	return RecoveryCodes{Codes: codes, SetID: set.ID, Proof: proof}, nil
}

// RenameAuthenticator gives an app or a passkey another name, of 1 to 64 bytes. The proof may be 15
// minutes old.
func (o Owner) RenameAuthenticator(ctx context.Context, id, name string) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.RenameAuthenticator").End(&err)
	if err := core.CheckName(name); err != nil {
		return err
	}
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.Rename(p, id, name, env)
	})
}

// RemoveAuthenticator removes one authenticator of several, and returns the proof that succeeds the
// Owner's. The last one is ErrPrecondition: DisableTwoFactor removes it with everything else, and a
// BeginEnrollment with Replace exchanges it. It needs a proof of the last 5 minutes, by an authenticator: by a passkey
// where there is one. A passkey may also be removed by a recovery code, as its owner may have lost it.
func (o Owner) RemoveAuthenticator(ctx context.Context, id string) (_ Proof, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.RemoveAuthenticator").End(&err)
	return o.succeed(ctx, func(a core.Account, p core.Presented, env core.Env) (core.Account, core.Proof, error) {
		return a.Remove(p, id, env)
	})
}

// DisableTwoFactor removes all authenticators, the recovery codes and a pending enrollment, and returns
// the proof that succeeds the Owner's. From then on the first factor is enough to sign in, and tokens that need
// a second factor are denied until there is one again. It needs a proof of the last 5 minutes, by an authenticator: by
// a passkey where there is one.
func (o Owner) DisableTwoFactor(ctx context.Context) (_ Proof, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.DisableTwoFactor").End(&err)
	return o.succeed(ctx, func(a core.Account, p core.Presented, env core.Env) (core.Account, core.Proof, error) {
		return a.Disable(p, env)
	})
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
// minutes by another method: TOTP by a recovery code or a passkey, recovery codes by an authenticator. Passkeys are
// never locked.
func (o Owner) Unlock(ctx context.Context, m event.Method) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.Unlock").End(&err)
	if err := lockable(m); err != nil {
		return err
	}
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.Unlock(p, m, env)
	})
}

func lockable(m event.Method) error {
	if m != event.MethodTOTP && m != event.MethodRecoveryCode {
		return fmt.Errorf("%w: the method to unlock is MethodTOTP or MethodRecoveryCode", ErrInvalid)
	}
	return nil
}

// ReviewActivity says that the owner has looked at the account's activity and that it was their own, up to the
// entry of this Number, which is that of the newest event the owner was shown. It needs a proof of the last 15
// minutes, by an authenticator. ErrInvalid says that the activity has no entry of this number yet.
func (o Owner) ReviewActivity(ctx context.Context, upTo int64) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.ReviewActivity").End(&err)
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.ReviewActivity(p, upTo, env)
	})
}
