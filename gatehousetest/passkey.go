package gatehousetest

import (
	"context"
	"testing"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Passkey is a passkey of a User that verifies its user and cannot leave its device. It runs no ceremony of a browser: it is
// for tests of gates, guards and pages. Package passkey has an authenticator for tests of the ceremonies.
type Passkey struct {
	ID string

	u     *User
	count uint32
}

// AddPasskey adds a passkey to the account. Where it has one, that is used for it: a code is not enough any more.
func (u *User) AddPasskey(t testing.TB) *Passkey {
	t.Helper()
	ctx, e := context.Background(), engine.Of(u.s.Service)
	var in gatehouse.Session
	if u.passkey == nil {
		in = u.StepUp(t)
	} else {
		in = u.passkey.StepUp(t)
	}
	session := engine.Session{Account: in.Account, Secret: in.Secret, Proof: in.Proof.Reveal(), Browser: in.Browser, NewBrowser: in.NewBrowser}
	_, a, err := engine.BeginPasskey(ctx, u.s.Service, session, engine.PasskeyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	presented, err := e.Present(ctx, session)
	if err != nil {
		t.Fatal(err)
	}
	asked := a.PasskeyChallenge(core.PasskeyRegister, presented.In, nil, e.Issued())
	k := &Passkey{ID: asked.Enrollment, u: u}
	var proof core.Proof
	if err := e.Change(ctx, u.AccountID, engine.Transition{Step: func(a core.Account, env core.Env) (next core.Account, err error) {
		next, proof, err = a.FinishPasskey(presented, asked, core.Passkey{Credential: []byte(k.ID), PublicKey: []byte(k.ID), Verified: true}, env)
		return next, err
	}}); err != nil {
		t.Fatal(err)
	}
	u.Proof, u.passkey = k.seal(t, proof), k
	return k
}

// StepUp returns a session with a proof by the passkey.
func (k *Passkey) StepUp(t testing.TB) gatehouse.Session {
	t.Helper()
	var out core.Outcome
	e := engine.Of(k.u.s.Service)
	k.count++
	if err := e.Change(context.Background(), k.u.AccountID, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		asked := a.PasskeyChallenge(core.PasskeyStepUp, nil, nil, e.Issued())
		a, out = a.AnswerPasskey(core.PasskeyAttempt{Purpose: core.PasskeyStepUp, Finding: core.PasskeyFinding{
			Challenge: asked, Credential: []byte(k.ID), PublicKey: []byte(k.ID), Good: true, UserVerified: true, Count: k.count,
		}}, env)
		return a, nil
	}}); err != nil {
		t.Fatal(err)
	}
	if out.Reason != core.Accepted {
		t.Fatalf("gatehousetest: the passkey was denied: %v", engine.Denied(out))
	}
	return gatehouse.Session{Account: k.u.AccountID, Proof: k.seal(t, out.Proof)}
}

func (k *Passkey) seal(t testing.TB, p core.Proof) gatehouse.Proof {
	t.Helper()
	text, err := engine.Of(k.u.s.Service).Seal(context.Background(), engine.PurposeProof, p)
	if err != nil {
		t.Fatal(err)
	}
	return gatehouse.ParseProof(text)
}
