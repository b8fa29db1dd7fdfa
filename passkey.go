package gatehouse

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/storage"
)

// The part of package passkey that makes codes, or seals what others must not open.

func newHandle() (h storage.Handle) {
	_, _ = rand.Read(h[:]) // never fails: the process ends instead
	return h
}

// beginPasskey stages a passkey, and recovery codes if the account has none.
func (o Owner) beginPasskey(ctx context.Context, r engine.PasskeyRequest) (Enrollment, core.Account, error) {
	if id := r.Resume; id != "" {
		if r != (engine.PasskeyRequest{Resume: id}) {
			return Enrollment{}, core.Account{}, fmt.Errorf("%w: with Resume nothing else is chosen", ErrInvalid)
		}
		a, pending, k, err := o.open(ctx, id, true)
		if err != nil {
			return Enrollment{}, core.Account{}, err
		}
		enr, err := Enrollment{}.with(pending, k)
		return enr, a, err
	}
	if r.Name != "" {
		if err := core.CheckName(r.Name); err != nil {
			return Enrollment{}, core.Account{}, err
		}
	}
	handle := newHandle()
	var saved core.Account
	b := &beginning{
		s: o.s, label: r.Label, enr: Enrollment{ID: newID()},
		can: func(a core.Account, p core.Presented, env core.Env) error {
			return a.CanBeginPasskey(p, r.Replace, env)
		},
		begin: func(a core.Account, p core.Presented, staged core.Pending, env core.Env) (next core.Account, err error) {
			saved, err = a.BeginPasskey(p, staged, handle, env)
			return saved, err
		},
	}
	b.staged = core.Pending{Passkey: true, Authenticator: core.Authenticator{ID: b.enr.ID, Name: r.Name}, Replace: r.Replace}
	if err := o.changeSlowly(ctx, b.prepare, b.slow, b.step); err != nil {
		return Enrollment{}, core.Account{}, err
	}
	return b.enr, saved, nil
}

// importPasskeys brings passkeys of another system, and returns the account as it is then.
func (o Operator) importPasskeys(ctx context.Context, account string, handle storage.Handle, passkeys []core.Passkey) ([]core.ImportOutcome, core.Account, error) {
	offered := make([]core.Passkey, 0, len(passkeys))
	for _, k := range passkeys {
		k.ID, k.Created, k.Accepted, k.Suspected, k.LastUsed = newID(), 0, 0, 0, 0
		if k.Name == "" {
			k.Name = core.DefaultPasskeyName
		}
		offered = append(offered, k)
	}
	if handle == (storage.Handle{}) {
		handle = newHandle()
	}
	var plan []core.ImportOutcome
	var saved core.Account
	err := o.change(ctx, account, nil, func(a core.Account, env core.Env) (core.Account, error) {
		var err error
		if plan, err = a.PlanPasskeys(offered); err != nil {
			return a, err
		}
		brings := core.Imported{Handle: handle}
		for i, outcome := range plan {
			if outcome.Brought() {
				brings.Passkeys = append(brings.Passkeys, offered[i])
			}
		}
		saved = a.Import(o.by, brings, env)
		return saved, nil
	})
	if err != nil {
		return nil, core.Account{}, err
	}
	return plan, saved, nil
}

func init() {
	engine.BeginPasskey = func(ctx context.Context, service any, session engine.Session, r engine.PasskeyRequest) (any, core.Account, error) {
		return Owner{s: service.(*Service), in: redact.New(session)}.beginPasskey(ctx, r)
	}
	engine.OpenSignIn = func(ctx context.Context, service any, token, account string) (*core.Challenge, error) {
		return service.(*Service).openChallenge(ctx, token, account)
	}
	engine.Denied = denied
	engine.ImportPasskeys = func(ctx context.Context, operator any, account string, handle storage.Handle, passkeys []core.Passkey) ([]core.ImportOutcome, core.Account, error) {
		return operator.(Operator).importPasskeys(ctx, account, handle, passkeys)
	}
}
