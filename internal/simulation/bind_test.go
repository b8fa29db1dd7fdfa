package simulation

import (
	"context"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// bind draws what a call presents, and returns the call.
func (c *client) bind(k *known, in *input) func(context.Context) error {
	svc, op := c.svc, c.svc.Operator("op-7")
	session := c.sessionOf(in.account)
	face := func(kinds ...proofKind) (gatehouse.Session, bool) {
		id, any := c.newest(slices.DeleteFunc(slices.Sorted(maps.Keys(k.proofs)), func(id int) bool {
			return !k.kinds[id].among(kinds) && c.rng.IntN(8) > 0
		}))
		if !any {
			return gatehouse.Session{}, false
		}
		in.proof, in.strong = id, k.kinds[id].among([]proofKind{secondFactor})
		with := c.sessionOf(in.account)
		with.Proof = k.proofs[id]
		return with, true
	}
	switch in.op {
	case challenge:
		return func(ctx context.Context) error {
			ch, err := c.tries[in.try].Challenge(ctx)
			if err == nil && ch.Step == gatehouse.StepNotNeeded {
				return errNotNeeded
			}
			return c.keep(err, func() { k.challenges[in.id] = ch.Token.Reveal() })
		}
	case answer, stepUp:
		code, any := c.code(k, in)
		challenge, began := c.newest(slices.Sorted(maps.Keys(k.challenges)))
		if !any || in.op == answer && !began {
			return nil
		}
		if in.op == answer {
			in.challenge = challenge
		}
		return func(ctx context.Context) (err error) {
			var v gatehouse.Verification
			if in.op == answer {
				v, err = svc.Answer(ctx, session, k.challenges[in.challenge], code)
			} else {
				v, err = svc.StepUp(ctx, session, code)
			}
			kind := secondFactor
			if in.set >= 0 {
				kind = recoveryCode
			}
			return c.keepProof(k, in, kind, v.Session.Proof, err)
		}
	case vouch:
		return func(ctx context.Context) error {
			p, err := c.tries[in.try].Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd", At: c.tries[in.try].node.now()})
			return c.keepProof(k, in, vouched, p, err)
		}
	case begin:
		session, any := face(vouched, secondFactor, operatorCode)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			enr, err := svc.Owner(session).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: in.account})
			return c.keep(err, func() { k.keep(in.id, enr) })
		}
	case confirm:
		session, any := face(vouched, secondFactor, operatorCode)
		in.enrollment, _ = c.newest(slices.Sorted(maps.Keys(k.names)))
		if !any || in.enrollment <= 0 {
			return nil
		}
		in.step = totp.Step(c.node.now()) + int64(c.rng.IntN(2)) - 1
		code, err := k.apps[in.enrollment].Code(in.step)
		require.NoError(c.t, err)
		return func(ctx context.Context) error {
			p, err := svc.Owner(session).ConfirmEnrollment(ctx, k.names[in.enrollment], code)
			kind := k.kinds[in.proof]
			if kind == vouched {
				kind = secondFactor
			}
			return c.keepProof(k, in, kind, p, err)
		}
	case regen:
		session, any := face(secondFactor, recoveryCode)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			made, err := svc.Owner(session).RegenerateRecoveryCodes(ctx)
			if err == nil {
				k.keepCodes(in.id, made.Codes)
			}
			return c.keepProof(k, in, k.kinds[in.proof], made.Proof, err)
		}
	case disable:
		session, any := face(secondFactor)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			p, err := svc.Owner(session).DisableTwoFactor(ctx)
			return c.keepProof(k, in, k.kinds[in.proof], p, err)
		}
	case reset:
		return func(ctx context.Context) error {
			code, err := op.Reset(ctx, in.account)
			return c.keep(err, func() { k.resets[in.id] = code.Reveal() })
		}
	case redeem:
		made, any := c.newest(slices.Sorted(maps.Keys(k.resets)))
		challenge, began := c.newest(slices.Sorted(maps.Keys(k.challenges)))
		if !any || !began {
			return nil
		}
		in.reset, in.challenge = made, challenge
		return func(ctx context.Context) error {
			p, err := svc.RedeemOperatorCode(ctx, session, k.challenges[in.challenge], k.resets[in.reset])
			return c.keepProof(k, in, operatorCode, p, err)
		}
	case password:
		in.revoke = c.rng.IntN(2) == 0
		choice := gatehouse.KeepTokens
		if in.revoke {
			choice = gatehouse.RevokeTokens
		}
		return func(ctx context.Context) error { return op.PasswordChanged(ctx, in.account, choice) }
	case suspend:
		return func(ctx context.Context) error { return op.Suspend(ctx, in.account) }
	case resume:
		return func(ctx context.Context) error { return op.Resume(ctx, in.account) }
	case unlock:
		return func(ctx context.Context) error { return op.Unlock(ctx, in.account, event.MethodTOTP) }
	case review:
		session, any := face(vouched, secondFactor)
		if !any {
			return nil
		}
		return func(ctx context.Context) error { return svc.Owner(session).ReviewActivity(ctx, c.looks[in.look]) }
	case imports:
		return c.bindImport(k, in)
	case register, finish, assert:
		return c.bindPasskey(k, in, face)
	case drop, cancel:
		return c.bindDrop(k, in, face)
	case remove:
		return c.bindRemove(in)
	case demand:
		return c.bindGate(in, face)
	case reviewPosture:
		return c.bindPosture(in)
	case goesOn:
		return c.bindSession(k, in)
	case accept, withdraw:
		return c.bindRisk(in)
	case reseal:
		return func(ctx context.Context) error {
			_, err := op.Reseal(ctx, "", nil)
			return err
		}
	}
	return c.bindToken(k, in, face)
}

// bindImport draws an authenticator of another system, sometimes one that was offered before.
func (c *client) bindImport(k *known, in *input) func(context.Context) error {
	offered, any := c.oneOf(slices.Sorted(maps.Keys(k.imports)))
	if !any || c.rng.IntN(3) > 0 {
		offered = in.id
		k.imports[offered] = totp.GenerateSecret()
		k.apps[offered] = totp.Key{Secret: k.imports[offered], Digits: 6}
	}
	in.totp, in.step = offered, totp.Step(c.node.now())-1
	return func(ctx context.Context) error {
		done, err := c.svc.Operator("op-7").Import(ctx, in.account, gatehouse.Import{
			Authenticators: []gatehouse.ImportAuthenticator{{Secret: k.imports[in.totp], LastStep: in.step}},
		})
		if err == nil && !done.Authenticators[0].Brought() {
			return errNothing
		}
		return err
	}
}
