package attack_test

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// device is an authenticator with one passkey. It has no keys and no browser: what a ceremony finds out is made here, and
// the account decides on it as on what package passkey has verified.
type device struct {
	h                 *house
	account, name, id string
	found             core.PasskeyFinding
}

func (h *house) device(account, name string) *device {
	return &device{h: h, account: account, name: name, found: core.PasskeyFinding{
		Credential: []byte("credential of " + name), PublicKey: []byte("key of " + name), Good: true, UserVerified: true,
	}}
}

func (d *device) session(in gatehouse.Session) engine.Session {
	return engine.Session{Account: in.Account, Secret: in.Secret, Proof: in.Proof.Reveal()}
}

// begin stages the passkey.
func (d *device) begin(ctx context.Context, in gatehouse.Session, r engine.PasskeyRequest) (gatehouse.Enrollment, error) {
	r.Name, r.Label = d.name, "label"
	enr, _, err := engine.BeginPasskey(ctx, d.h.Service, d.session(in), r)
	if err != nil {
		return gatehouse.Enrollment{}, err
	}
	return enr.(gatehouse.Enrollment), nil
}

// sealed returns a challenge as it comes back from a browser.
func (d *device) sealed(ctx context.Context, c core.PasskeyChallenge) (core.PasskeyChallenge, error) {
	e := engine.Of(d.h.Service)
	raw, err := e.SealCeremony(ctx, c)
	if err != nil {
		return core.PasskeyChallenge{}, err
	}
	return e.OpenCeremony(ctx, raw)
}

// asked returns the challenge of an account for a purpose.
func (d *device) asked(ctx context.Context, in gatehouse.Session, purpose core.PasskeyPurpose, signIn *core.Challenge) (core.PasskeyChallenge, error) {
	e := engine.Of(d.h.Service)
	if purpose == core.PasskeySignIn {
		return d.sealed(ctx, core.SignInChallenge(engine.Digest(in.Secret), e.Issued()))
	}
	a, err := e.Load(ctx, d.account)
	if err != nil {
		return core.PasskeyChallenge{}, err
	}
	return d.sealed(ctx, a.PasskeyChallenge(purpose, engine.Digest(in.Secret), signIn, e.Issued()))
}

// finish has the passkey made that is pending.
func (d *device) finish(ctx context.Context, in gatehouse.Session) (gatehouse.Proof, error) {
	e := engine.Of(d.h.Service)
	c, err := d.asked(ctx, in, core.PasskeyRegister, nil)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	p, err := e.Present(ctx, d.session(in))
	if err != nil {
		return gatehouse.Proof{}, err
	}
	var proof core.Proof
	err = e.Change(ctx, p.Account, engine.Transition{Step: func(a core.Account, env core.Env) (next core.Account, err error) {
		if !d.found.Good {
			return a.FailPasskey(p, c, env)
		}
		next, proof, err = a.FinishPasskey(p, c, core.Passkey{
			Credential: d.found.Credential, PublicKey: d.found.PublicKey, Verified: d.found.UserVerified,
			Eligible: d.found.Eligible, BackedUp: d.found.BackedUp, Count: d.found.Count, Transports: 8,
		}, env)
		return next, err
	}})
	if err != nil {
		return gatehouse.Proof{}, err
	}
	d.id = c.Enrollment
	text, err := e.Seal(ctx, engine.PurposeProof, proof)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	return gatehouse.ParseProof(text), nil
}

// add begins and finishes it.
func (d *device) add(ctx context.Context, in gatehouse.Session, r engine.PasskeyRequest) (gatehouse.Proof, error) {
	if _, err := d.begin(ctx, in, r); err != nil {
		return gatehouse.Proof{}, err
	}
	return d.finish(ctx, in)
}

// answer answers a challenge that was asked before, as found.
func (d *device) answer(ctx context.Context, in gatehouse.Session, purpose core.PasskeyPurpose, c core.PasskeyChallenge, signIn *core.Challenge, found core.PasskeyFinding) (core.Outcome, error) {
	e := engine.Of(d.h.Service)
	found.Challenge = c
	t := core.PasskeyAttempt{Purpose: purpose, Challenge: signIn, Session: engine.Digest(in.Secret), Finding: found}
	var out core.Outcome
	change := engine.Transition{
		Refused: func(a core.Account, env core.Env) bool { _, refused := a.PasskeyRefused(t, env); return refused },
		Step: func(a core.Account, env core.Env) (core.Account, error) {
			next, o := a.AnswerPasskey(t, env)
			if out = o; o.Reason != core.Accepted {
				return next, engine.Denied(o)
			}
			return next, nil
		},
	}
	id := d.account
	if purpose == core.PasskeySignIn {
		kept, err := e.LoadByHandle(ctx, d.handle())
		if errors.Is(err, core.ErrNotFound) {
			return core.Outcome{}, engine.Denied(core.Outcome{})
		}
		if err != nil {
			return core.Outcome{}, err
		}
		id, change.Loaded = kept.Record.ID, &kept
	}
	if err := e.Change(ctx, id, change); err != nil {
		return core.Outcome{}, err
	}
	return out, nil
}

// use answers a new challenge for a purpose. signIn is the text of the sign-in's challenge.
func (d *device) use(ctx context.Context, in gatehouse.Session, purpose core.PasskeyPurpose, signIn string) (core.Outcome, error) {
	var begun *core.Challenge
	if purpose == core.PasskeyAnswer {
		var err error
		if begun, err = engine.OpenSignIn(ctx, d.h.Service, signIn, in.Account); err != nil {
			return core.Outcome{}, err
		}
	}
	c, err := d.asked(ctx, in, purpose, begun)
	if err != nil {
		return core.Outcome{}, err
	}
	return d.answer(ctx, in, purpose, c, begun, d.found)
}

// stepUp returns a proof by the passkey, of a session.
func (d *device) stepUp(ctx context.Context, in gatehouse.Session) (gatehouse.Proof, error) {
	out, err := d.use(ctx, in, core.PasskeyStepUp, "")
	if err != nil {
		return gatehouse.Proof{}, err
	}
	text, err := engine.Of(d.h.Service).Seal(ctx, engine.PurposeProof, out.Proof)
	return gatehouse.ParseProof(text), err
}

// handle returns the account's name for passkeys, as the authenticator keeps it.
func (d *device) handle() storage.Handle {
	rec, err := d.h.store.LoadAccount(context.Background(), d.account)
	require.NoError(d.h.t, err)
	return rec.Index.Handle
}
