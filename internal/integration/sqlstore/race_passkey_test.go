package sqlstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// assert presents the assertion of the burst, to an account that is loaded by its ID or by its handle.
func (b *burst) assert(svc *gatehouse.Service, byHandle bool) error {
	ctx, e := context.Background(), engine.Of(svc)
	change := engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		next, out := a.AnswerPasskey(*b.Assertion, env)
		if out.Reason != core.Accepted {
			return next, engine.Denied(out)
		}
		return next, nil
	}}
	if byHandle {
		kept, err := e.LoadByHandle(ctx, handleOf(b.Account))
		if err != nil {
			return err
		}
		change.Loaded = &kept
	}
	return e.Change(ctx, b.Account, change)
}

func handleOf(account string) (h storage.Handle) {
	copy(h[:], account)
	return h
}

// passkey has the account get a passkey, of which two processes give one assertion 200 times at once: one is accepted.
func (b burst) passkey(t *testing.T, svc *gatehouse.Service) {
	t.Helper()
	ctx, e, session := t.Context(), engine.Of(svc), engine.Digest("browser")
	require.NoError(t, e.Change(ctx, b.Account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		a.Handle = handleOf(b.Account)
		a.Passkeys = []core.Passkey{{ID: "K", Name: "Stick", Credential: []byte("credential"), PublicKey: []byte("key"), Count: 7}}
		return a, nil
	}}))
	for _, purpose := range []core.PasskeyPurpose{core.PasskeyStepUp, core.PasskeySignIn} {
		a, err := e.Load(ctx, b.Account)
		require.NoError(t, err)
		challenge := a.PasskeyChallenge(purpose, session, nil, e.Issued())
		if purpose == core.PasskeySignIn {
			challenge = core.SignInChallenge(session, e.Issued())
		}
		b.Times, b.Assertion = 200, &core.PasskeyAttempt{Purpose: purpose, Session: session, Finding: core.PasskeyFinding{
			Challenge: challenge, Credential: []byte("credential"), PublicKey: []byte("key"), Good: true, UserVerified: true, Count: a.Passkeys[0].Count + 1,
		}}
		got := b.run(t)
		require.Equal(t, []int{1, 199}, []int{got.Won, got.Wrong}, "purpose %d", purpose)
		after, err := e.Load(ctx, b.Account)
		require.NoError(t, err)
		require.Equal(t, challenge.At, after.Passkeys[0].Accepted)
		require.Equal(t, a.Passkeys[0].Count+1, after.Passkeys[0].Count)
		if purpose == core.PasskeySignIn {
			require.Equal(t, a.SignIns+1, after.SignIns)
		}
	}
}
