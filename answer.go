package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Step says how a sign-in goes on after the first factor. Any value but these two, the zero value included, lets nobody
// in.
type Step string

const (
	StepNotNeeded Step = "not_needed" // the account has no second factor: the host signs the owner in
	StepNeeded    Step = "needed"     // ask for a code, and give it to Answer
)

// maxCode bounds a code as it was typed, in bytes: bcrypt, of imported codes, takes no more.
const maxCode = 72

// MethodState says whether a method can be used now.
type MethodState struct {
	Available bool
	RetryAt   time.Time // if not available: from when; zero: waiting does not help
}

// ChallengeToken stands for a sign-in that has passed the first factor. It is a secret of that
// browser: keep it in a cookie that scripts cannot read. It is valid for 5 minutes, and ends
// with a successful answer and with any change of factors or password. It prints as "[redacted]".
type ChallengeToken struct{ hiddenText }

// Reveal returns the token as text, URL-safe and at most 4096 bytes.
func (t ChallengeToken) Reveal() string { return redact.Open(t.hiddenText) }

// Challenge is the answer to a right first factor. The zero Challenge lets nobody in.
type Challenge struct {
	AccountID    string
	Step         Step
	Token        ChallengeToken // set if Step is StepNeeded
	TOTP         MethodState
	RecoveryCode MethodState
	// OperatorCode is available after an operator's reset: RedeemOperatorCode, not Answer, takes it.
	OperatorCode   MethodState
	Passkey        MethodState     // package passkey takes one
	Authenticators []Authenticator // for Resync, which names an app
}

// CheckChallenge returns what a challenge asks for now, if the challenge is still valid, for a page
// that shows the second step again, in the browser of in. Where in has an Account, a challenge of any other one is refused. It takes no code
// and lets nobody in. ErrDenied says that the challenge has ended: sign in again.
func (s *Service) CheckChallenge(ctx context.Context, in Session, token string) (_ Challenge, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.CheckChallenge").End(&err)
	c, err := s.openChallenge(ctx, token, in.Account)
	if err != nil {
		return Challenge{}, err
	}
	a, err := s.e.Load(ctx, c.Account)
	if err != nil {
		return Challenge{}, err
	}
	env := s.e.Env()
	if !a.Stands(*c, env) {
		return Challenge{}, &DeniedError{}
	}
	return challenge(a, token, engine.BrowserDigests(a.ID, in.Browser), env), nil
}

func challenge(a core.Account, token string, browser []byte, env core.Env) Challenge {
	return Challenge{
		AccountID:      a.ID,
		Step:           StepNeeded,
		Token:          ChallengeToken{redact.New(token)},
		TOTP:           MethodState(a.TOTPState(browser, env)),
		RecoveryCode:   MethodState(a.RecoveryState(browser, env)),
		OperatorCode:   MethodState(a.OperatorState(env)),
		Passkey:        MethodState(a.PasskeyState()),
		Authenticators: authenticators(a),
	}
}

// Verification is the result of a right code.
type Verification struct {
	Session         Session // as it was given, with the account that was verified and the proof: keep it, and its Browser in the browser
	Method          event.Method
	AuthenticatorID string // of a TOTP code, or of a passkey
	CodesLeft       int    // unused recovery codes; when they run low, say so
}

// Answer completes a sign-in: challenge is the text of the ChallengeToken, code a TOTP or a recovery
// code as it was typed (a form may trim spaces around it). in is the session that the proof is tied to; where it has an
// Account, a challenge of any other one is refused. On success the account is verified, the code used up
// and all of that saved. On failure the error is a *DeniedError, or a fault; neither lets anybody in. After a
// fault the code may be used up: ask for the next one.
func (s *Service) Answer(ctx context.Context, in Session, challenge, code string) (_ Verification, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.Answer").End(&err)
	c, err := s.openChallenge(ctx, challenge, in.Account)
	if err != nil {
		return Verification{}, err
	}
	return s.verify(ctx, c.Account, c, code, in)
}

// openChallenge opens a challenge of an account, "" being any.
func (s *Service) openChallenge(ctx context.Context, text, account string) (*core.Challenge, error) {
	c := new(core.Challenge)
	switch err := s.e.Open(ctx, engine.PurposeChallenge, text, c); {
	case errors.Is(err, engine.ErrSealed) || err == nil && (storage.CheckID(c.Account) != nil || account != "" && account != c.Account):
		return nil, &DeniedError{}
	case err != nil:
		return nil, err
	}
	return c, nil
}

// StepUp asks for a code again inside a session, before something that needs a fresh proof. The
// account is the session's, never one that the request names. The session's Proof is not looked at.
func (s *Service) StepUp(ctx context.Context, in Session, code string) (_ Verification, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.StepUp").End(&err)
	return s.verify(ctx, in.Account, nil, code, in)
}

func (s *Service) verify(ctx context.Context, account string, c *core.Challenge, code string, in Session) (Verification, error) {
	t := attemptOf(account, c, event.MethodRecoveryCode, in)
	if totp.IsCode(code) {
		t.Method, t.Code = event.MethodTOTP, code
	}
	out, err := s.attempt(ctx, account, t, code)
	if err != nil {
		return Verification{}, err
	}
	if out.Proof.Kind == core.RecoveryCode {
		t.Method = event.MethodRecoveryCode // also one of eight digits, which was typed as a TOTP code is
	}
	proof, err := s.sealProof(ctx, out.Proof)
	if err != nil {
		return Verification{}, err
	}
	return Verification{
		Session: Session{Account: account, Secret: in.Secret, Proof: proof, Browser: engine.KeptBrowser(out, in.Browser, in.NewBrowser)},
		Method:  t.Method, AuthenticatorID: out.AuthenticatorID, CodesLeft: out.CodesLeft,
	}, nil
}

// RedeemOperatorCode takes the code that an operator made at a reset and gave to the owner, instead
// of Answer. It signs nobody in: the proof allows only one new enrollment, and until
// that is confirmed nobody gets in. The code works once; if the enrollment comes to nothing, an
// operator has to reset again.
func (s *Service) RedeemOperatorCode(ctx context.Context, in Session, challenge, code string) (_ Proof, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.RedeemOperatorCode").End(&err)
	c, err := s.openChallenge(ctx, challenge, in.Account)
	if err != nil {
		return Proof{}, err
	}
	t := attemptOf(c.Account, c, event.MethodOperatorCode, in)
	out, err := s.attempt(ctx, c.Account, t, code)
	if err != nil {
		return Proof{}, err
	}
	return s.sealProof(ctx, out.Proof)
}

// attemptOf returns an attempt in a session, without its code.
func attemptOf(account string, c *core.Challenge, m event.Method, in Session) core.Attempt {
	return core.Attempt{
		Method: m, Challenge: c, Session: engine.Digest(in.Secret),
		Browser: engine.BrowserDigests(account, in.Browser), NewBrowser: engine.NewBrowserDigest(account, in.NewBrowser),
	}
}

// attempt finds out what there is to know of a code and lets the account answer.
func (s *Service) attempt(ctx context.Context, account string, t core.Attempt, code string) (core.Outcome, error) {
	t.Keys, t.Tried = map[string]totp.Key{}, map[core.Hash]bool{}
	a := &attempt{s: s, t: t, code: code}
	if t.Method != event.MethodTOTP {
		if len(code) == 0 || len(code) > maxCode {
			return core.Outcome{}, &DeniedError{} // it is no code of anybody's, so it is no guess
		}
		if typed, err := recovery.Parse(code); err == nil {
			a.typed, a.t.Selector = typed, typed.Selector()
		}
	}
	err := s.e.Change(ctx, account, engine.Transition{Refused: a.refusedNow, Prepare: a.prepare, Slow: a.slow, Step: a.step})
	return a.out, err
}

// attempt is a code on its way.
type attempt struct {
	s     *Service
	t     core.Attempt
	code  string
	typed recovery.Code // zero: it has not the form of one of ours
	cut   error         // why not every hash was compared, though some were
	out   core.Outcome
}

func (a *attempt) refused(acct core.Account, env core.Env) bool {
	_, refused := acct.Refused(a.t, env)
	return refused
}

func (a *attempt) refusedNow(acct core.Account, env core.Env) bool {
	return a.tag(acct) == nil && a.refused(acct, env)
}

func (a *attempt) tag(acct core.Account) (err error) {
	a.t.Tag, err = a.s.tagOf(acct, a.t.Method, a.typed)
	return err
}

func (a *attempt) prepare(ctx context.Context, acct core.Account, env core.Env) error {
	if err := a.tag(acct); err != nil {
		return err
	}
	if a.t.Method != event.MethodTOTP || a.refused(acct, env) { // the step will say so
		return nil
	}
	return a.s.openKeys(ctx, acct, a.t.Keys)
}

func (a *attempt) slow(acct core.Account, env core.Env) engine.Work {
	if a.cut != nil || a.refused(acct, env) {
		return nil
	}
	hashes, imported := acct.Untried(a.t, env)
	if len(hashes) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		err := tryCodes(ctx, a.s.e, a.t.Tried, hashes, imported, a.typed, a.code)
		if len(a.t.Tried) > 0 {
			a.cut, err = err, nil // what was looked at counts
		}
		return err
	}
}

func (a *attempt) step(acct core.Account, env core.Env) (core.Account, error) {
	next, out, err := acct.Answer(a.t, env)
	a.out = out
	if err == nil && out.Reason != core.Accepted {
		if err = denied(out); a.cut != nil {
			err = a.cut // the account counts a denial, and it is not known whether it was one
		}
	}
	return next, err
}

// tryCodes notes in tried which of some stored hashes the code matches. Of our own sets there is one hash at most,
// that of the code's selector; of a TOTP code there are none, but where imported recovery codes look like it.
func tryCodes(ctx context.Context, e *engine.Engine, tried map[core.Hash]bool, hashes []core.Hash, imported bool, typed recovery.Code, text string) error {
	for _, hash := range hashes {
		var matched bool
		var err error
		stored := hash.Text()
		gateErr := e.Argon2(ctx, queue.Try, recovery.Memory(stored), func() {
			if imported {
				matched, err = recovery.VerifyImported(stored, text)
			} else {
				matched, err = recovery.Verify(stored, typed)
			}
		})
		if err := errors.Join(gateErr, err); err != nil {
			return err
		}
		if tried[hash] = matched; matched {
			return nil
		}
	}
	return nil
}

// Resync corrects for an authenticator whose clock is wrong by up to ten minutes, at sign-in: first and
// second are two codes that it showed one after the other, authenticator is its ID in the Challenge.
// It signs nobody in: the next code does, which is in the window again. A wrong try is ErrDenied and
// counts as a wrong code.
func (s *Service) Resync(ctx context.Context, in Session, challenge, authenticator, first, second string) (err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.Resync").End(&err)
	c, err := s.openChallenge(ctx, challenge, in.Account)
	if err != nil {
		return err
	}
	if !totp.IsCode(first) || !totp.IsCode(second) {
		return &DeniedError{}
	}
	t := attemptOf(c.Account, c, event.MethodTOTP, in)
	t.Code, t.Keys = first, map[string]totp.Key{}
	return s.e.Change(ctx, c.Account, engine.Transition{
		Prepare: func(ctx context.Context, a core.Account, env core.Env) error {
			if _, refused := a.Refused(t, env); refused {
				return nil
			}
			return s.openKeys(ctx, a, t.Keys)
		},
		Step: func(a core.Account, env core.Env) (core.Account, error) {
			next, out, err := a.Resync(t, authenticator, second, env)
			if err == nil && out.Reason != core.Accepted {
				err = denied(out)
			}
			return next, err
		},
	})
}

// openKeys adds the keys of an account's authenticators that are not in keys yet. They go by ID and
// not by sealed secret: a sealed secret copied to a second authenticator must not open there.
func (s *Service) openKeys(ctx context.Context, a core.Account, keys map[string]totp.Key) error {
	for _, auth := range a.Authenticators {
		if _, ok := keys[auth.ID]; ok {
			continue
		}
		key, err := s.openKey(ctx, a.ID, auth)
		if err != nil {
			return err
		}
		keys[auth.ID] = key
	}
	return nil
}

func (s *Service) openKey(ctx context.Context, account string, auth core.Authenticator) (totp.Key, error) {
	plain, err := s.e.Sealer.Open(ctx, auth.Sealed, secretBinding(account, auth.ID))
	if err != nil {
		return totp.Key{}, fmt.Errorf("gatehouse: open secret: %w", err)
	}
	var secret totp.Secret
	if auth.Weak {
		secret, _, err = totp.ParseImported(string(plain))
	} else {
		secret, err = totp.ParseSecret(string(plain))
	}
	if err != nil {
		return totp.Key{}, fmt.Errorf("gatehouse: open secret: %w", err)
	}
	return totp.Key{Secret: secret, Algorithm: auth.Algorithm, Digits: auth.Digits, Weak: auth.Weak}, nil
}

func secretBinding(account, authenticator string) keyring.Binding {
	return keyring.Binding{Purpose: "totp", Account: account, Item: authenticator}
}
