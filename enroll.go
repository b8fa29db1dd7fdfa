package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// EnrollmentRequest is what an owner chooses for a new authenticator.
type EnrollmentRequest struct {
	// Label is what the authenticator app shows next to the issuer, so that the owner knows the
	// account: an e-mail address or a user name. 1 to 100 bytes without ':'. There is no default.
	Label string
	// Name is how the owner tells authenticators apart: 1 to 64 bytes. Defaults to "Authenticator".
	Name string
	// Replace is the ID of the authenticator, an app or a passkey, whose place the new one takes when it is confirmed.
	// With a recovery code's proof, a replacement is all that can begin. Defaults to none.
	Replace string
	// Algorithm defaults to SHA-1, which all authenticator apps support, and some support only that. With
	// GODEBUG=fips140=only it is not available: then ErrInvalid and totp.ErrParams, so choose SHA-256.
	Algorithm totp.Algorithm
	// Digits is 6 or 8. Defaults to 6.
	Digits int

	// Resume is the ID of the pending enrollment to show again, as it is: nothing else may then be set, and nothing is
	// changed. Defaults to none: a new one.
	Resume string
}

const (
	defaultName   = "Authenticator"
	defaultDigits = 6
)

// newID returns an ID for an authenticator or a set of codes, unique in its account and no secret.
func newID() string { return uuid.NewString() }

// Enrollment is a staged authenticator. It can be shown again until it is confirmed, by EnrollmentRequest.Resume; do not
// let a page that shows it be cached.
type Enrollment struct {
	ID      string // what ConfirmEnrollment names; the authenticator's ID afterwards
	Expires time.Time

	// RecoveryCodes are new codes, if the account had none. They work after the confirmation: show them,
	// and have them saved, before it. RecoverySetID is what AcknowledgeRecoveryCodes names.
	RecoveryCodes recovery.Codes
	RecoverySetID string

	// Secret is for owners who type it, and QR the picture of URI.
	Secret totp.Secret
	QR     totp.QR

	uri redact.Value[string]
}

// URI returns the otpauth URI for the authenticator app. It contains the secret.
func (e Enrollment) URI() string { return redact.Open(e.uri) }

// BeginEnrollment stages an authenticator, and recovery codes if the account has none. Nothing that is
// active changes before ConfirmEnrollment. An enrollment is valid for 10 minutes, and a new one ends the
// pending one.
//
// It needs a proof of the last 5 minutes: by Vouch if the account has no second factor, otherwise by an
// authenticator, or by a recovery code to replace one. Where the account has a passkey, a code of an app is not enough
// for this, nor for any other change of factors: it can have been phished. ErrPrecondition says that
// there are 5 apps already, and ErrNotFound that there is no authenticator of the ID to replace.
//
// With Resume it shows the pending enrollment again, until that is confirmed or has ended: to the session that began it,
// by its Session.Secret, and with a proof that ConfirmEnrollment takes. For every other session, for one without a
// Secret, and after an Operator.Reseal it is ErrNotFound.
func (o Owner) BeginEnrollment(ctx context.Context, r EnrollmentRequest) (_ Enrollment, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.BeginEnrollment").End(&err)
	if id := r.Resume; id != "" {
		if r != (EnrollmentRequest{Resume: id}) {
			return Enrollment{}, fmt.Errorf("%w: with Resume nothing else is chosen", ErrInvalid)
		}
		return o.resume(ctx, id)
	}
	if r.Name == "" {
		r.Name = defaultName
	}
	if r.Digits == 0 {
		r.Digits = defaultDigits
	}
	if err := core.CheckName(r.Name); err != nil {
		return Enrollment{}, err
	}
	key := totp.Key{Secret: totp.GenerateSecret(), Algorithm: r.Algorithm, Digits: r.Digits}
	uri, err := key.URI(o.s.issuer, r.Label)
	if err != nil {
		return Enrollment{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}

	b := &beginning{
		s: o.s, label: r.Label, enr: Enrollment{ID: newID(), Secret: key.Secret, uri: redact.New(uri)},
		can: func(a core.Account, p core.Presented, env core.Env) error { return a.CanBegin(p, r.Replace, env) },
		begin: func(a core.Account, p core.Presented, staged core.Pending, env core.Env) (core.Account, error) {
			return a.Begin(p, staged, env)
		},
	}
	b.seal = func(ctx context.Context, account string) (err error) {
		if b.enr.QR, err = key.QR(o.s.issuer, r.Label); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return o.s.sealSecret(ctx, account, &b.staged.Authenticator, key.Secret)
	}
	b.staged = core.Pending{
		Authenticator: core.Authenticator{ID: b.enr.ID, Name: r.Name, Algorithm: r.Algorithm, Digits: r.Digits},
		Replace:       r.Replace,
	}
	if err := o.changeSlowly(ctx, b.prepare, b.slow, b.step); err != nil {
		return Enrollment{}, err
	}
	return b.enr, nil
}

// beginning is an enrollment on its way to be staged. What takes keys or Argon2id it does once, however often it is tried.
type beginning struct {
	s      *Service
	label  string
	enr    Enrollment
	staged core.Pending
	codes  recovery.Codes // once they are made

	can   func(core.Account, core.Presented, core.Env) error
	seal  func(ctx context.Context, account string) error // the secret of an app
	begin func(core.Account, core.Presented, core.Pending, core.Env) (core.Account, error)
}

func (b *beginning) prepare(ctx context.Context, a core.Account, p core.Presented, env core.Env) (err error) {
	if err := b.can(a, p, env); err != nil {
		return err
	}
	if !b.staged.Passkey && b.staged.Authenticator.Sealed == nil {
		if err := b.seal(ctx, a.ID); err != nil {
			return err
		}
	}
	if b.staged.Kept != nil || len(p.In) == 0 || a.NeedsCodes() && b.codes == nil {
		return nil
	}
	b.staged.Kept, err = b.s.keep(ctx, a.ID, b.enr.ID, p.In, kept{b.label, reveal(b.codes)})
	if err == nil && b.staged.Passkey {
		b.staged.Authenticator.Key, err = b.s.e.Sealer.KeyName(b.staged.Kept.Sealed)
	}
	return err
}

func (b *beginning) slow(a core.Account, _ core.Env) engine.Work {
	if !a.NeedsCodes() || b.codes != nil {
		return nil
	}
	return func(ctx context.Context) error {
		made := recovery.Generate()
		set, err := b.s.hashCodes(ctx, a.ID, made)
		if err != nil {
			return err
		}
		b.codes, b.staged.Recovery, b.staged.Kept = made, set, nil
		return nil
	}
}

func (b *beginning) step(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
	next, err := b.begin(a, p, b.staged, env)
	if err == nil {
		b.enr.Expires = core.Time(next.Pending.Expires)
		b.enr.RecoveryCodes, b.enr.RecoverySetID = nil, ""
		if set := next.Pending.Recovery; set != nil {
			b.enr.RecoveryCodes, b.enr.RecoverySetID = b.codes, set.ID
		}
	}
	return next, err
}

func (s *Service) sealSecret(ctx context.Context, account string, auth *core.Authenticator, secret totp.Secret) error {
	sealed, err := s.e.Sealer.Seal(ctx, []byte(secret.Reveal()), secretBinding(account, auth.ID))
	if err != nil {
		return fmt.Errorf("gatehouse: seal secret: %w", err)
	}
	key, err := s.e.Sealer.KeyName(sealed)
	if err != nil {
		return fmt.Errorf("gatehouse: seal secret: %w", err)
	}
	if len(sealed) == 0 {
		return errors.New("gatehouse: seal secret: the sealer returned nothing")
	}
	auth.Sealed, auth.Key = sealed, key
	return nil
}

// hashCodes makes a set of codes for an account, and runs Argon2id once a code.
func (s *Service) hashCodes(ctx context.Context, account string, codes recovery.Codes) (*core.RecoverySet, error) {
	set := &core.RecoverySet{ID: newID()}
	tag, tags, err := s.tagger(account, set.ID)
	if err != nil {
		return nil, err
	}
	set.Tags = tags
	for _, code := range codes {
		slot, err := s.hashCode(ctx, code, tag)
		if err != nil {
			return nil, err
		}
		set.Slots = append(set.Slots, slot)
	}
	return set, nil
}

// operatorCode makes the code of an operator for an account.
func (s *Service) operatorCode(ctx context.Context, account string) (recovery.Code, core.Slot, error) {
	code := recovery.Generate()[0]
	tag, tags, err := s.tagger(account, core.OperatorItem)
	if err != nil {
		return recovery.Code{}, core.Slot{}, err
	}
	slot, err := s.hashCode(ctx, code, tag)
	slot.Tags = tags
	return code, slot, err
}

func (s *Service) hashCode(ctx context.Context, code recovery.Code, tag func(recovery.Code) (string, error)) (core.Slot, error) {
	var hash string
	var err error
	gateErr := s.e.Argon2(ctx, queue.Make, int(s.recovery.Memory)<<10, func() { hash, err = s.recovery.Hash(code) })
	if err := errors.Join(gateErr, err); err != nil {
		return core.Slot{}, err
	}
	t, err := tag(code)
	return core.Slot{Selector: string(code.Selector()), Hash: core.NewHash(hash), Tag: t}, err
}

// ConfirmEnrollment turns the enrollment of an ID on, if code is the authenticator's present one, and
// returns the proof that replaces the Owner's; the change ends every earlier proof. The
// code cannot be used again. A wrong one is ErrDenied, and ten end the enrollment; an enrollment that
// has ended is ErrNotFound. The proof may be 15 minutes old.
func (o Owner) ConfirmEnrollment(ctx context.Context, id, code string) (_ Proof, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.ConfirmEnrollment").End(&err)
	var key totp.Key
	var opened string // the sealed secret that key is of
	var successor core.Proof
	err = o.change(ctx,
		func(ctx context.Context, a core.Account, p core.Presented, env core.Env) (err error) {
			auth, err := a.CanConfirm(p, id, env)
			if err != nil || opened == string(auth.Sealed) {
				return err
			}
			key, err = o.s.openKey(ctx, a.ID, auth)
			opened = string(auth.Sealed)
			return err
		},
		func(a core.Account, p core.Presented, env core.Env) (next core.Account, err error) {
			next, successor, err = a.Confirm(p, id, code, key, env)
			if errors.Is(err, ErrDenied) {
				err = &DeniedError{}
			}
			return next, err
		})
	if err != nil {
		return Proof{}, err
	}
	return o.s.sealProof(ctx, successor)
}

// CancelEnrollment ends a pending enrollment. The proof may be 15 minutes old.
func (o Owner) CancelEnrollment(ctx context.Context, id string) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.CancelEnrollment").End(&err)
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.Cancel(p, id, env)
	})
}

// AcknowledgeRecoveryCodes notes that the owner has saved the recovery codes of a set, pending or
// active. The proof may be 15 minutes old.
func (o Owner) AcknowledgeRecoveryCodes(ctx context.Context, setID string) (err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Owner.AcknowledgeRecoveryCodes").End(&err)
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.Acknowledge(p, setID, env)
	})
}
