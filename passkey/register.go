package passkey

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
)

const maxLabel = 100 // bytes, as that of an app

// BeginRegistration stages a passkey, as gatehouse.Owner.BeginEnrollment does an app: it takes the same proofs and returns
// the same errors, and an account has at most 10 passkeys. It also returns what the browser needs to create one:
// {"publicKey":…}, of which PublicKeyCredential.parseCreationOptionsFromJSON takes the member. If the enrollment has
// recovery codes, have them saved first.
//
// Of the request, Label is what the owner sees in a password manager, Name how they tell their passkeys apart (defaults to
// the provider's name), and Replace the ID of the app or passkey whose place it takes. With Resume, which goes with
// Label alone, it returns the pending one again. Algorithm and Digits are of apps: ErrInvalid.
func (s *Service) BeginRegistration(ctx context.Context, in gatehouse.Session, r gatehouse.EnrollmentRequest) (_ gatehouse.Enrollment, _ []byte, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.BeginRegistration").End(&err)
	if r.Algorithm != 0 || r.Digits != 0 {
		return gatehouse.Enrollment{}, nil, fmt.Errorf("%w: a passkey has no algorithm and no digits to choose", gatehouse.ErrInvalid)
	}
	if !text.Within(r.Label, 1, maxLabel) {
		return gatehouse.Enrollment{}, nil, fmt.Errorf("%w: the label has 1 to %d bytes of printable UTF-8", gatehouse.ErrInvalid, maxLabel)
	}
	request := engine.PasskeyRequest{Label: r.Label, Name: r.Name, Replace: r.Replace}
	if r.Resume != "" {
		if r != (gatehouse.EnrollmentRequest{Label: r.Label, Resume: r.Resume}) {
			return gatehouse.Enrollment{}, nil, fmt.Errorf("%w: with Resume nothing is chosen but the label", gatehouse.ErrInvalid)
		}
		request = engine.PasskeyRequest{Resume: r.Resume}
	}
	enr, a, err := engine.BeginPasskey(ctx, s.svc, session(in), request)
	if err != nil {
		return gatehouse.Enrollment{}, nil, err
	}
	challenge, err := s.e.SealCeremony(ctx, a.PasskeyChallenge(core.PasskeyRegister, engine.Digest(in.Secret), nil, s.e.Issued()))
	if err != nil {
		return gatehouse.Enrollment{}, nil, err
	}
	// One that is to be replaced is excluded as well: the authenticator would drop it before the new one is confirmed.
	options, err := s.ceremony.Creation(ceremony.Creation{
		Challenge: challenge, Handle: a.Handle[:], Name: r.Label, DisplayName: r.Label, Exclude: descriptors(a),
	})
	if err != nil {
		return gatehouse.Enrollment{}, nil, err
	}
	return enr.(gatehouse.Enrollment), options, nil
}

func session(in gatehouse.Session) engine.Session {
	return engine.Session{Account: in.Account, Secret: in.Secret, Proof: in.Proof.Reveal(), Browser: in.Browser, NewBrowser: in.NewBrowser}
}

// FinishRegistration turns the passkey of an enrollment on, if response is what the browser has made from the options of
// BeginRegistration in the same session: the JSON of a PublicKeyCredential. It returns the proof that replaces the session's,
// as gatehouse.Owner.ConfirmEnrollment does, with the same errors. ErrPrecondition says that the account has this passkey already.
func (s *Service) FinishRegistration(ctx context.Context, in gatehouse.Session, enrollment string, response []byte) (_ gatehouse.Proof, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.FinishRegistration").End(&err)
	p, err := s.e.Present(ctx, session(in))
	if err != nil {
		return gatehouse.Proof{}, err
	}
	reg, err := s.ceremony.ParseRegistration(response)
	if err != nil {
		return gatehouse.Proof{}, denied(core.Outcome{Reason: core.Malformed}, err)
	}
	c, err := s.open(ctx, reg.Challenge)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	if c.Enrollment != enrollment {
		return gatehouse.Proof{}, engine.Denied(core.Outcome{Reason: core.Stale})
	}
	r := &registration{s: s, response: reg, by: p, challenge: c}
	if err := s.e.Change(ctx, p.Account, engine.Transition{Prepare: r.prepare, Step: r.step}); err != nil {
		return gatehouse.Proof{}, err
	}
	proof, err := s.e.Seal(ctx, engine.PurposeProof, r.successor)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	return gatehouse.ParseProof(proof), nil
}

// registration is a new passkey on its way.
type registration struct {
	s         *Service
	response  *ceremony.Registration
	by        core.Presented
	challenge core.PasskeyChallenge

	verified  bool // once it was looked at: it depends on no account
	made      ceremony.Credential
	refused   error
	successor core.Proof
}

func (r *registration) prepare(_ context.Context, a core.Account, env core.Env) error {
	if _, err := a.CanFinishPasskey(r.by, r.challenge, env); err != nil {
		return r.answer(err)
	}
	if !r.verified {
		r.made, r.refused = r.response.Verify(r.response.Challenge, env.Now)
		r.verified = true
	}
	return nil
}

func (r *registration) step(a core.Account, env core.Env) (next core.Account, err error) {
	if r.refused != nil {
		next, err = a.FailPasskey(r.by, r.challenge, env)
		return next, r.answer(err)
	}
	m := r.made
	next, r.successor, err = a.FinishPasskey(r.by, r.challenge, core.Passkey{
		Name: newName(m.AAGUID, namesOf(a)), Credential: m.ID, PublicKey: m.PublicKey, AAGUID: m.AAGUID, Transports: m.Transports,
		Verified: m.UserVerified, Eligible: m.Eligible, BackedUp: m.BackedUp, Attested: m.Attested, Count: m.Count,
	}, env)
	return next, r.answer(err)
}

// answer returns an error as callers get it.
func (r *registration) answer(err error) error {
	if errors.Is(err, gatehouse.ErrDenied) {
		return denied(core.Outcome{}, r.refused)
	}
	return err
}

// namesOf returns the names of the factors of an account.
func namesOf(a core.Account) map[string]bool {
	taken := map[string]bool{}
	for _, auth := range a.Authenticators {
		taken[auth.Name] = true
	}
	for _, k := range a.Passkeys {
		taken[k.Name] = true
	}
	return taken
}

// newName returns a name that is not taken: that of the provider, where it is known, or a number after it.
func newName(aaguid [16]byte, taken map[string]bool) string {
	name := provider(aaguid)
	if name == "" {
		name = core.DefaultPasskeyName
	}
	free := name
	for n := 2; taken[free]; n++ {
		free = name + " " + strconv.Itoa(n)
	}
	return free
}
