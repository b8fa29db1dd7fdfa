package passkey

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/storage"
)

var errNoSecret = fmt.Errorf("%w: a sign-in by a passkey is tied to its browser by a secret", gatehouse.ErrInvalid)

// SignInOptions returns what a browser needs to sign in by a passkey alone, without a name and a password, in the form of
// AnswerOptions: for a button, and for what a form suggests (autofill). secret is what this browser keeps until the sign-in
// and no other has: a random value in a cookie that scripts cannot read. It costs no call to the store.
func (s *Service) SignInOptions(ctx context.Context, secret string) (_ []byte, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.SignInOptions").End(&err)
	if secret == "" {
		return nil, errNoSecret
	}
	challenge, err := s.e.SealCeremony(ctx, core.SignInChallenge(engine.Digest(secret), s.e.Issued()))
	if err != nil {
		return nil, err
	}
	return s.ceremony.Request(ceremony.Request{Challenge: challenge, UserVerification: "required"})
}

// SignIn signs in whoever has made response from SignInOptions, in the browser of the same secret: that of in, whose Account
// is empty; where it has one, a passkey of any other is refused. The passkey has verified its owner by a PIN, a finger or a
// face, so it is both factors, and no second step follows. Session.Account in the result says whose passkey it is: begin a
// new session for that account. On failure the error is a *gatehouse.DeniedError, or a fault; neither lets anybody in.
func (s *Service) SignIn(ctx context.Context, in gatehouse.Session, response []byte) (_ gatehouse.Verification, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.SignIn").End(&err)
	if in.Secret == "" {
		return gatehouse.Verification{}, errNoSecret
	}
	a, err := s.read(ctx, core.PasskeyAttempt{Purpose: core.PasskeySignIn}, in, response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	kept, err := s.named(ctx, a.assertion)
	if errors.Is(err, gatehouse.ErrNotFound) || err == nil && in.Account != "" && in.Account != kept.Record.ID {
		return gatehouse.Verification{}, engine.Denied(core.Outcome{Reason: core.Unknown})
	}
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return a.answer(ctx, kept.Record.ID, &kept)
}

// named returns the account that an assertion names, which is a claim. ErrNotFound says that there is none.
func (s *Service) named(ctx context.Context, a *ceremony.Assertion) (engine.Kept[core.Account], error) {
	var handle storage.Handle
	if len(a.UserHandle) != len(handle) {
		return engine.Kept[core.Account]{}, gatehouse.ErrNotFound
	}
	copy(handle[:], a.UserHandle)
	return s.e.LoadByHandle(ctx, handle)
}
