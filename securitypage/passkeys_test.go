package securitypage_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/websession"
)

// passkeys stand in for the module passkey, which this module does not know. They are without cryptography: a credential is
// a name, and a response says which one answers which challenge. Everything else is the real one: challenges, accounts.
type passkeys struct {
	svc    *gatehouse.Service
	failed error // what every call fails with, if anything
}

func (p *passkeys) e() *engine.Engine { return engine.Of(p.svc) }

// signed is a response.
type signed struct {
	Challenge  string
	Credential string
	Account    string
	Bad        bool // signed by nobody
	Count      uint32
	Device     bool // it is on one device alone
	NotBacked  bool
	Unverified bool
}

func (s signed) text() string {
	text, _ := json.Marshal(s)
	return string(text)
}

func (p *passkeys) Of(svc *gatehouse.Service) bool { return p.svc == svc }

func (p *passkeys) options(ctx context.Context, c core.PasskeyChallenge, more map[string]any) ([]byte, error) {
	challenge, err := p.e().SealCeremony(ctx, c)
	if err = errors.Join(err, p.failed); err != nil {
		return nil, err
	}
	public := map[string]any{"challenge": base64.RawURLEncoding.EncodeToString(challenge)}
	for name, v := range more {
		public[name] = v
	}
	return json.Marshal(map[string]any{"publicKey": public})
}

// parse returns a response, and the challenge that it answers.
func (p *passkeys) parse(ctx context.Context, response []byte) (s signed, c core.PasskeyChallenge, err error) {
	if json.Unmarshal(response, &s) != nil {
		return s, c, gatehouse.ErrInvalid
	}
	challenge, err := base64.RawURLEncoding.DecodeString(s.Challenge)
	if err == nil {
		c, err = p.e().OpenCeremony(ctx, challenge)
	}
	if errors.Is(err, engine.ErrSealed) || err != nil {
		err = &gatehouse.DeniedError{}
	}
	return s, c, errors.Join(err, p.failed)
}

func of(in gatehouse.Session) engine.Session {
	return engine.Session{Account: in.Account, Secret: in.Secret, Proof: in.Proof.Reveal()}
}

func (p *passkeys) BeginRegistration(ctx context.Context, in gatehouse.Session, r gatehouse.EnrollmentRequest) (gatehouse.Enrollment, []byte, error) {
	request := engine.PasskeyRequest{Label: r.Label, Name: r.Name, Replace: r.Replace}
	if r.Label == "" {
		return gatehouse.Enrollment{}, nil, gatehouse.ErrInvalid
	}
	if r.Resume != "" {
		request = engine.PasskeyRequest{Resume: r.Resume}
	}
	enr, a, err := engine.BeginPasskey(ctx, p.svc, of(in), request)
	if err != nil {
		return gatehouse.Enrollment{}, nil, err
	}
	c := a.PasskeyChallenge(core.PasskeyRegister, engine.Digest(in.Secret), nil, p.e().Issued())
	options, err := p.options(ctx, c, map[string]any{"user": map[string]string{"id": "", "name": r.Label}})
	return enr.(gatehouse.Enrollment), options, err
}

func (p *passkeys) FinishRegistration(ctx context.Context, in gatehouse.Session, _ string, response []byte) (gatehouse.Proof, error) {
	s, c, err := p.parse(ctx, response)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	presented, err := p.e().Present(ctx, of(in))
	if err != nil {
		return gatehouse.Proof{}, err
	}
	var proof core.Proof
	err = p.e().Change(ctx, in.Account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		if s.Bad {
			next, err := a.FailPasskey(presented, c, env)
			return next, errors.Join(err, &gatehouse.DeniedError{})
		}
		next, made, err := a.FinishPasskey(presented, c, core.Passkey{
			Name: "Provider", Credential: []byte(s.Credential), PublicKey: []byte(s.Credential), Eligible: !s.Device, BackedUp: !s.Device && !s.NotBacked,
			Count: s.Count, Verified: !s.Unverified,
		}, env)
		proof = made
		return next, err
	}})
	if err != nil {
		return gatehouse.Proof{}, err
	}
	return p.seal(ctx, proof)
}

func (p *passkeys) seal(ctx context.Context, proof core.Proof) (gatehouse.Proof, error) {
	text, err := p.e().Seal(ctx, engine.PurposeProof, proof)
	return gatehouse.ParseProof(text), err
}

func (p *passkeys) AnswerOptions(ctx context.Context, in gatehouse.Session, challenge string) ([]byte, error) {
	signIn, err := engine.OpenSignIn(ctx, p.svc, challenge, in.Account)
	if err != nil {
		return nil, err
	}
	a, err := p.e().Load(ctx, signIn.Account)
	if err != nil {
		return nil, err
	}
	return p.options(ctx, a.PasskeyChallenge(core.PasskeyAnswer, engine.Digest(in.Secret), signIn, p.e().Issued()), nil)
}

func (p *passkeys) AnswerPasskey(ctx context.Context, in gatehouse.Session, challenge string, response []byte) (gatehouse.Verification, error) {
	signIn, err := engine.OpenSignIn(ctx, p.svc, challenge, in.Account)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return p.answer(ctx, in, core.PasskeyAnswer, signIn, response)
}

func (p *passkeys) StepUpOptions(ctx context.Context, in gatehouse.Session) ([]byte, error) {
	a, err := p.e().Load(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	return p.options(ctx, a.PasskeyChallenge(core.PasskeyStepUp, engine.Digest(in.Secret), nil, p.e().Issued()), nil)
}

func (p *passkeys) StepUp(ctx context.Context, in gatehouse.Session, response []byte) (gatehouse.Verification, error) {
	return p.answer(ctx, in, core.PasskeyStepUp, nil, response)
}

func (p *passkeys) SignInOptions(ctx context.Context, secret string) ([]byte, error) {
	return p.options(ctx, core.SignInChallenge(engine.Digest(secret), p.e().Issued()), nil)
}

func (p *passkeys) SignIn(ctx context.Context, in gatehouse.Session, response []byte) (gatehouse.Verification, error) {
	s, _, err := p.parse(ctx, response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return p.answer(ctx, gatehouse.Session{Account: s.Account, Secret: in.Secret}, core.PasskeySignIn, nil, response)
}

func (p *passkeys) answer(ctx context.Context, in gatehouse.Session, purpose core.PasskeyPurpose, signIn *core.Challenge, response []byte) (gatehouse.Verification, error) {
	s, c, err := p.parse(ctx, response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	var out core.Outcome
	err = p.e().Change(ctx, in.Account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		var next core.Account
		next, out = a.AnswerPasskey(core.PasskeyAttempt{Purpose: purpose, Challenge: signIn, Session: engine.Digest(in.Secret), Finding: core.PasskeyFinding{
			Challenge: c, Credential: []byte(s.Credential), PublicKey: []byte(s.Credential), Good: !s.Bad, UserVerified: !s.Unverified,
			Eligible: !s.Device, BackedUp: !s.Device && !s.NotBacked, Count: s.Count,
		}}, env)
		if out.Reason != core.Accepted {
			return next, engine.Denied(out)
		}
		return next, nil
	}})
	if err != nil {
		return gatehouse.Verification{}, err
	}
	in.Proof, err = p.seal(ctx, out.Proof)
	return gatehouse.Verification{Session: in, Method: "passkey", AuthenticatorID: out.AuthenticatorID}, err
}

func (p *passkeys) Signals(ctx context.Context, account, label string) ([]byte, error) {
	a, err := p.e().Load(ctx, account)
	if err != nil || a.Handle == (storage.Handle{}) || p.failed != nil {
		return nil, errors.Join(err, p.failed)
	}
	ids := []string{}
	for _, k := range a.Passkeys {
		ids = append(ids, string(k.Credential))
	}
	return json.Marshal(map[string]any{"rpId": "acme.test", "userId": "x", "allAcceptedCredentialIds": ids, "name": label})
}

func (p *passkeys) UnknownSignal(ctx context.Context, response []byte) ([]byte, error) {
	var s signed
	if json.Unmarshal(response, &s) != nil || p.failed != nil {
		return nil, p.failed
	}
	a, err := p.e().Load(ctx, s.Account)
	if _, known := a.Passkey([]byte(s.Credential)); err != nil || known || s.Account == "" {
		return nil, err
	}
	return json.Marshal(map[string]string{"rpId": "acme.test", "credentialId": s.Credential})
}

func (*passkeys) Provider(a gatehouse.Authenticator) string { return "Provider" }

// newPasskeyHost is a host with passkeys.
func newPasskeyHost(t testing.TB, edit ...func(*securitypage.Config)) (*host, *passkeys) {
	t.Helper()
	p := &passkeys{}
	h := newHostWith(t, func(of *parts) {
		of.web = func(c *websession.Config) { p.svc, c.Passkeys = c.Service, p }
	}, append([]func(*securitypage.Config){func(c *securitypage.Config) { c.Passkeys = p }}, edit...)...)
	return h, p
}

var passkeyTag = regexp.MustCompile(`data-passkey="([^"]*)"`)

// asks returns what an answer has the script ask the browser for.
func (a answer) asks(t testing.TB) (asked struct {
	PublicKey struct {
		Challenge string
		User      map[string]string
	}
	Words map[string]string
}) {
	t.Helper()
	m := passkeyTag.FindStringSubmatch(a.body)
	require.NotNil(t, m, a.text())
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(m[1])), &asked))
	require.NotEmpty(t, asked.PublicKey.Challenge)
	for name, text := range asked.Words {
		require.NotContains(t, text, "passkey.", name)
	}
	return asked
}

// with returns what the script sends for an answer, of a credential.
func (s signed) of(t testing.TB, a answer) string {
	t.Helper()
	s.Challenge = a.asks(t).PublicKey.Challenge
	return s.text()
}

// addsPasskey goes from the form for a passkey to the end.
func (b *browser) addsPasskey(s signed, pairs ...string) (codes []string, done answer) {
	b.h.t.Helper()
	a := b.follow(b.submit("/passkey", "/passkey", pairs...))
	if a.status == http.StatusSeeOther {
		codes, a = b.savesCodes()
	}
	require.Equal(b.h.t, http.StatusOK, a.status, a.text())
	return codes, b.send(a, "/pair/confirm", "passkey", s.of(b.h.t, a))
}

// confirms gives the prompt a passkey.
func (b *browser) confirms(s signed) {
	b.h.t.Helper()
	a := b.get("/step-up")
	require.Equal(b.h.t, http.StatusSeeOther, b.send(a, "/step-up", "step_up_passkey", s.of(b.h.t, a)).status)
}

// withPasskey is an owner whose only factor is a passkey, in a browser that has just signed in with it.
func (h *host) withPasskey(account, credential string) (b *browser, codes []string) {
	h.t.Helper()
	b = h.signIn(account)
	codes, a := b.addsPasskey(signed{Credential: credential})
	require.Contains(h.t, a.header.Get("Location"), "/pair/done", a.text())
	require.Len(h.t, codes, 10)
	b = h.signIn(account)
	a = b.get("/sign-in")
	require.Equal(h.t, "/home", b.send(a, "/sign-in", "passkey", signed{Credential: credential}.of(h.t, a)).header.Get("Location"))
	return b, codes
}

// view returns an account as pages have it.
func (h *host) view(account string) gatehouse.Account {
	h.t.Helper()
	a, err := h.svc.Account(h.t.Context(), account)
	require.NoError(h.t, err)
	return a
}
