package attack_test

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

func init() { plays = append(plays, passkeyPlays...) }

// passkeyPlays has what package passkey has the engine do, and what the root package does to passkeys.
var passkeyPlays = []play{
	{method: "Owner.BeginPasskey", run: func(ctx context.Context, w *world) (any, error) {
		return w.key().begin(ctx, w.in(w.as(w.adas).in.Proof), engine.PasskeyRequest{})
	}},
	{method: "Owner.BeginPasskey/the first factor", run: func(ctx context.Context, w *world) (any, error) {
		return w.device("plain", "key").begin(ctx, w.in(w.as(w.plain).in.Proof), engine.PasskeyRequest{})
	}},
	{method: "Owner.BeginPasskey/there is no such factor", want: gatehouse.ErrNotFound, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().begin(ctx, w.in(w.as(w.adas).in.Proof), engine.PasskeyRequest{Replace: "nobody's"})
	}},
	{method: "Owner.FinishPasskey", first: withPending, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().finish(ctx, w.in(w.as(w.adas).in.Proof))
	}},
	{method: "Owner.FinishPasskey/in the place of an app", first: func(ctx context.Context, w *world) error {
		_, err := w.key().begin(ctx, w.in(w.adas), engine.PasskeyRequest{Replace: w.phone.auth})
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().finish(ctx, w.in(w.as(w.adas).in.Proof))
	}},
	{method: "Owner.FinishPasskey/a wrong answer", want: gatehouse.ErrDenied, first: withPending, run: func(ctx context.Context, w *world) (any, error) {
		d := w.key()
		d.found.Good = false
		return d.finish(ctx, w.in(w.as(w.adas).in.Proof))
	}},
	{method: "Owner.CancelEnrollment/a passkey", first: func(ctx context.Context, w *world) (err error) {
		w.replacement, err = w.key().begin(ctx, w.in(w.adas), engine.PasskeyRequest{})
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.adas).CancelEnrollment(ctx, w.replacement.ID))
	}},
	{method: "Owner.RenameAuthenticator/a passkey", first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.keyProof).RenameAuthenticator(ctx, w.keyID, "Other"))
	}},
	{method: "Owner.RemoveAuthenticator/a passkey", first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.keyProof).RemoveAuthenticator(ctx, w.keyID)
	}},
	{method: "Owner.DisableTwoFactor/with a passkey", first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.keyProof).DisableTwoFactor(ctx)
	}},
	{method: "Passkey.Answer", first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().use(ctx, gatehouse.Session{}, core.PasskeyAnswer, w.asked)
	}},
	{method: "Passkey.StepUp", first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().use(ctx, gatehouse.Session{Secret: "here"}, core.PasskeyStepUp, "")
	}},
	{method: "Passkey.SignIn", first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().use(ctx, gatehouse.Session{Secret: "here"}, core.PasskeySignIn, "")
	}},
	{method: "Passkey.SignIn/the user was not verified", want: gatehouse.ErrDenied, first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		d := w.key()
		d.found.UserVerified = false
		return d.use(ctx, gatehouse.Session{Secret: "here"}, core.PasskeySignIn, "")
	}},
	{method: "Passkey.StepUp/a wrong signature", want: gatehouse.ErrDenied, first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		d := w.key()
		d.found.Good = false
		return d.use(ctx, gatehouse.Session{}, core.PasskeyStepUp, "")
	}},
	{method: "Passkey.StepUp/a copy", want: gatehouse.ErrDenied, first: withPasskey, run: func(ctx context.Context, w *world) (any, error) {
		d := w.key()
		d.found.Eligible = true
		return d.use(ctx, gatehouse.Session{}, core.PasskeyStepUp, "")
	}},
	{method: "Passkey.StepUp/after many wrong ones", first: func(ctx context.Context, w *world) error {
		if err := withPasskey(ctx, w); err != nil {
			return err
		}
		d := w.key()
		d.found.Good = false
		for range 10 {
			if _, err := d.use(ctx, gatehouse.Session{}, core.PasskeyStepUp, ""); !errors.Is(err, gatehouse.ErrDenied) {
				return err
			}
		}
		return nil
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.key().use(ctx, gatehouse.Session{}, core.PasskeyStepUp, "")
	}},
	{method: "Operator.ImportPasskeys", run: func(ctx context.Context, w *world) (any, error) {
		return importPasskeys(ctx, w, "carl", []core.Passkey{
			{Name: "Old", Credential: []byte("old"), PublicKey: []byte("key"), Count: 7, Flagless: true}, {},
		})
	}},
	{method: "Operator.ImportPasskeys/to one that was not imported", want: gatehouse.ErrPrecondition, run: func(ctx context.Context, w *world) (any, error) {
		return importPasskeys(ctx, w, "ada", []core.Passkey{{Credential: []byte("old"), PublicKey: []byte("key")}})
	}},
	{method: "Operator.Reseal/a pending passkey", first: func(ctx context.Context, w *world) error {
		enr, err := w.device("plain", "key").begin(ctx, gatehouse.Session{Account: "plain", Secret: "there", Proof: w.vouch("plain", "there")}, engine.PasskeyRequest{})
		w.keyID = enr.ID
		w.with(twoKeys)
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Reseal(ctx, "", nil)
	}},
}

// key is the passkey of ada's.
func (w *world) key() *device { return w.device("ada", "key") }

func withPending(ctx context.Context, w *world) error {
	_, err := w.key().begin(ctx, w.in(w.adas), engine.PasskeyRequest{})
	return err
}

// withPasskey has ada have one.
func withPasskey(ctx context.Context, w *world) (err error) {
	d := w.key()
	if w.keyProof, err = d.add(ctx, w.in(w.adas), engine.PasskeyRequest{}); err != nil {
		return err
	}
	w.keyID = d.id
	if w.keyProof, err = d.stepUp(ctx, w.in(w.keyProof)); err != nil { // a code of the app is not enough any more
		return err
	}
	asked, err := w.Challenge(ctx, "ada")
	w.asked = asked.Token.Reveal()
	return err
}

func importPasskeys(ctx context.Context, w *world, account string, passkeys []core.Passkey) (any, error) {
	outcomes, _, err := engine.ImportPasskeys(ctx, w.op().Operator, account, storage.Handle{7}, passkeys)
	return outcomes, err
}
