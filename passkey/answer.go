package passkey

import (
	"bytes"
	"context"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
)

// AnswerOptions returns what a browser needs to ask for a passkey at the second step of a sign-in: {"publicKey":…}, of
// which PublicKeyCredential.parseRequestOptionsFromJSON takes the member. challenge and in are those of AnswerPasskey.
// They are valid for 5 minutes, and let nobody in. ErrDenied says that the sign-in has ended or that no passkey can
// answer it now.
func (s *Service) AnswerOptions(ctx context.Context, in gatehouse.Session, challenge string) (_ []byte, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.AnswerOptions").End(&err)
	c, err := engine.OpenSignIn(ctx, s.svc, challenge, in.Account)
	if err != nil {
		return nil, err
	}
	return s.request(ctx, c.Account, core.PasskeyAnswer, in.Secret, c)
}

// AnswerPasskey is gatehouse.Service.Answer with a passkey instead of a code. response is the JSON of the
// PublicKeyCredential that the browser has made from AnswerOptions for the same challenge and session.
func (s *Service) AnswerPasskey(ctx context.Context, in gatehouse.Session, challenge string, response []byte) (_ gatehouse.Verification, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.AnswerPasskey").End(&err)
	c, err := engine.OpenSignIn(ctx, s.svc, challenge, in.Account)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	a, err := s.read(ctx, core.PasskeyAttempt{Purpose: core.PasskeyAnswer, Challenge: c}, in, response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return a.answer(ctx, c.Account, nil)
}

// StepUpOptions is AnswerOptions for StepUp: it asks for a passkey inside a session. The account is the session's.
func (s *Service) StepUpOptions(ctx context.Context, in gatehouse.Session) (_ []byte, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.StepUpOptions").End(&err)
	return s.request(ctx, in.Account, core.PasskeyStepUp, in.Secret, nil)
}

// StepUp is gatehouse.Service.StepUp with a passkey instead of a code. response is what the browser has made from
// StepUpOptions in the same session.
func (s *Service) StepUp(ctx context.Context, in gatehouse.Session, response []byte) (_ gatehouse.Verification, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.StepUp").End(&err)
	a, err := s.read(ctx, core.PasskeyAttempt{Purpose: core.PasskeyStepUp}, in, response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return a.answer(ctx, in.Account, nil)
}

// request returns the options for an answer by one of the passkeys of an account.
func (s *Service) request(ctx context.Context, account string, purpose core.PasskeyPurpose, secret string, c *core.Challenge) ([]byte, error) {
	a, err := s.e.Load(ctx, account)
	if err != nil {
		return nil, err
	}
	env := s.e.Env()
	if a.Closed() || c != nil && !a.Stands(*c, env) {
		return nil, engine.Denied(core.Outcome{Reason: core.Stale, Disabled: a.Closed()})
	}
	if !a.PasskeyState().Available {
		return nil, engine.Denied(core.Outcome{Reason: core.Malformed, Disabled: true})
	}
	challenge, err := s.e.SealCeremony(ctx, a.PasskeyChallenge(purpose, engine.Digest(secret), c, s.issued(a)))
	if err != nil {
		return nil, err
	}
	return s.ceremony.Request(ceremony.Request{Challenge: challenge, Allow: descriptors(a)})
}

// issued returns the moment at which a challenge for an account is issued. It is later than those that its passkeys have
// answered, also if the clock of the server that had issued them is a little ahead of this one's.
func (s *Service) issued(a core.Account) int64 {
	at := s.e.Issued()
	ahead := at + int64(core.Ahead)
	for _, k := range a.Passkeys {
		for _, last := range []int64{k.Accepted, k.Suspected} {
			if last >= at && last < ahead {
				at = last + 1
			}
		}
	}
	return at
}

// descriptors returns how browsers find the passkeys of an account.
func descriptors(a core.Account) (list []ceremony.Descriptor) {
	for _, k := range a.Passkeys {
		list = append(list, ceremony.Descriptor{ID: k.Credential, Transports: k.Transports})
	}
	return list
}

// attempt is an assertion on its way.
type attempt struct {
	s         *Service
	t         core.PasskeyAttempt
	in        gatehouse.Session
	assertion *ceremony.Assertion
	refused   error // why it was not good, if it was not
	out       core.Outcome
}

// read reads an assertion. What is none, or answers nothing that we have asked, is no guess: it is denied and not
// counted.
func (s *Service) read(ctx context.Context, t core.PasskeyAttempt, in gatehouse.Session, response []byte) (*attempt, error) {
	assertion, err := s.ceremony.ParseAssertion(response)
	if err != nil {
		return nil, denied(core.Outcome{Reason: core.Malformed}, err)
	}
	t.Session, t.Finding.Credential = engine.Digest(in.Secret), assertion.Credential
	if t.Finding.Challenge, err = s.open(ctx, assertion.Challenge); err != nil {
		return nil, err
	}
	return &attempt{s: s, t: t, in: in, assertion: assertion}, nil
}

// answer has an account decide. loaded is the account as it was loaded already, or nil.
func (a *attempt) answer(ctx context.Context, account string, loaded *engine.Kept[core.Account]) (gatehouse.Verification, error) {
	a.t.Browser, a.t.NewBrowser = engine.BrowserDigests(account, a.in.Browser), engine.NewBrowserDigest(account, a.in.NewBrowser)
	err := a.s.e.Change(ctx, account, engine.Transition{Loaded: loaded, Refused: a.refusedNow, Prepare: a.prepare, Step: a.step})
	if err != nil {
		return gatehouse.Verification{}, err
	}
	proof, err := a.s.e.Seal(ctx, engine.PurposeProof, a.out.Proof)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return gatehouse.Verification{
		Session: gatehouse.Session{Account: account, Secret: a.in.Secret, Proof: gatehouse.ParseProof(proof), Browser: engine.KeptBrowser(a.out, a.in.Browser, a.in.NewBrowser)},
		Method:  event.MethodPasskey, AuthenticatorID: a.out.AuthenticatorID, CodesLeft: a.out.CodesLeft,
	}, nil
}

func (a *attempt) refusedNow(acct core.Account, env core.Env) bool {
	_, refused := acct.PasskeyRefused(a.t, env)
	return refused
}

// prepare verifies the assertion with the key that the account has, once a key. The step compares the key with the one
// that the account has then. A user handle is not looked at where the account is known: it is not signed, and an imported
// passkey has that of the other system.
func (a *attempt) prepare(_ context.Context, acct core.Account, env core.Env) error {
	k, there := acct.Passkey(a.t.Finding.Credential)
	if !there || a.refusedNow(acct, env) || bytes.Equal(k.PublicKey, a.t.Finding.PublicKey) { // the step will say so
		return nil
	}
	found, err := a.assertion.Verify(a.assertion.Challenge, k.PublicKey)
	f := &a.t.Finding
	f.PublicKey, f.Good = k.PublicKey, err == nil
	f.UserVerified, f.Eligible, f.BackedUp, f.Count = found.UserVerified, found.Eligible, found.BackedUp, found.Count
	a.refused = err
	return nil
}

func (a *attempt) step(acct core.Account, env core.Env) (core.Account, error) {
	next, out := acct.AnswerPasskey(a.t, env)
	a.out = out
	if out.Reason != core.Accepted {
		return next, denied(out, a.refused)
	}
	return next, nil
}
