package simulation

import (
	"context"
	"maps"
	"slices"

	"github.com/gatehouse-go/gatehouse"
)

// bindDrop is bind for the removal of an app or a passkey, and for canceling an enrollment.
func (c *client) bindDrop(k *known, in *input, face func(...proofKind) (gatehouse.Session, bool)) func(context.Context) error {
	session, any := face(secondFactor, recoveryCode)
	if !any {
		return nil
	}
	owner := c.svc.Owner(session)
	if in.op == drop && c.rng.IntN(2) == 0 {
		if in.passkey, any = c.oneOf(slices.Sorted(maps.Keys(k.passkeys))); !any {
			return nil
		}
		return c.drops(k, in, owner, k.passkeys[in.passkey].enrollment)
	}
	if in.enrollment, any = c.oneOf(slices.Sorted(maps.Keys(k.names))); !any {
		return nil
	}
	if in.op == cancel {
		return func(ctx context.Context) error { return owner.CancelEnrollment(ctx, k.names[in.enrollment]) }
	}
	return c.drops(k, in, owner, k.names[in.enrollment])
}

func (c *client) drops(k *known, in *input, owner gatehouse.Owner, id string) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := owner.RemoveAuthenticator(ctx, id)
		return c.keepProof(k, in, k.kinds[in.proof], p, err)
	}
}

// drops is what becomes of the removal of an app or a passkey: the last one of both stays, and all other sessions and
// browsers have to pass the second step again.
func (a account) drops(in input) []next {
	kinds := []proofKind{vouched, secondFactor}
	i := slices.IndexFunc(a.Apps, func(app app) bool { return app.by == in.enrollment })
	if in.passkey >= 0 {
		i = a.find(in.passkey)
		if i >= 0 { // for an owner who has lost it
			kinds = append(kinds, recoveryCode)
		}
	}
	switch {
	case !a.changes(in, kinds...):
		return []next{{needsStep, a}}
	case i < 0, a.factors() == 1:
		return []next{{state, a}}
	}
	b := a.clone().changed(in)
	b.endImport()
	if in.passkey >= 0 {
		b.Passkeys = slices.Delete(b.Passkeys, i, i+1)
	} else {
		b.Apps = slices.Delete(b.Apps, i, i+1)
	}
	b.Sessions = sessions{in.id, true}
	b.Browsers = slices.DeleteFunc(slices.Clone(a.Browsers), func(other string) bool { return other != in.browser })
	b.Proofs[in.id] = proof{in.id, a.Proofs[in.proof].kind, in.id}
	return []next{{ok, b}}
}

// cancels is what becomes of canceling the enrollment of an app.
func (a account) cancels(in input) []next {
	if refused := a.finishes(in, false); refused != nil {
		return refused
	}
	b := a.clone()
	b.Pending, b.Brings = -1, -1
	return []next{{ok, b}}
}
