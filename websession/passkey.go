package websession

import (
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// errNoPasskeys is a fault of the host's.
var errNoPasskeys = fmt.Errorf("%w: websession: Config.Passkeys is not set", gatehouse.ErrInvalid)

// AnswerPasskey is [Sessions.Answer] with a passkey: response is what the browser has made of the options of
// passkey.Service.AnswerOptions for the Session and the Challenge of [Sessions.Step].
func (s *Sessions) AnswerPasskey(w http.ResponseWriter, r *http.Request, response []byte) (gatehouse.Verification, error) {
	if s.c.Passkeys == nil {
		return gatehouse.Verification{}, errNoPasskeys
	}
	if err := s.sameOrigin(r); err != nil {
		return gatehouse.Verification{}, err
	}
	step, err := s.Step(r)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	v, err := s.c.Passkeys.AnswerPasskey(s.ctx(r), step.Session, step.Challenge, response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return s.startVerified(w, r, v, string(step.kept.Next))
}

// PasskeyOptions returns what a browser needs to sign in by a passkey alone, for a form of the host's whose answer
// [Sessions.SignInByPasskey] takes. They are tied to this browser and valid for 5 minutes, so a page that stays open gets
// new ones. Anybody may ask for them, and where a Keeper keeps sessions on the server, each who has none gets one: limit the
// rate. Call it before anything of the answer is written, and have the answer not stored. Package securitypage serves
// them to its script passkey.js: few hosts need this.
func (s *Sessions) PasskeyOptions(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if s.c.Passkeys == nil {
		return nil, errNoPasskeys
	}
	if err := s.sameOrigin(r); err != nil {
		return nil, err
	}
	kept, err := s.keptSignIn(r)
	if err != nil {
		return nil, err
	}
	if len(kept.Account) == 0 { // one that waits for its second step stays as it is, and its secret does
		if kept.Secret == "" {
			kept.Secret = rand.Text()
		}
		if err := s.saveSignIn(w, r, kept); err != nil {
			return nil, err
		}
	}
	return s.c.Passkeys.SignInOptions(s.ctx(r), kept.Secret)
}

// SignInByPasskey signs the browser in by a passkey alone, which names the account: response is what the browser has made
// of [Sessions.PasskeyOptions]. It answers with a redirect, as [SignIn.Begin] does, and the parameter "next" says where to.
// Where somebody was signed in already, this is a new session that carries over nothing.
//
// On an error nothing of the answer is written. gatehouse.ErrDenied says that the passkey was not accepted, or that the
// request comes from another origin: show the form again.
func (s *Sessions) SignInByPasskey(w http.ResponseWriter, r *http.Request, response []byte) (gatehouse.Verification, error) {
	if s.c.Passkeys == nil {
		return gatehouse.Verification{}, errNoPasskeys
	}
	if err := s.sameOrigin(r); err != nil {
		return gatehouse.Verification{}, err
	}
	kept, err := s.keptSignIn(r)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	if kept.Secret == "" { // also where the browser keeps no cookies
		return gatehouse.Verification{}, &gatehouse.DeniedError{}
	}
	v, err := s.c.Passkeys.SignIn(s.ctx(r), s.inBrowser(r, gatehouse.Session{Secret: kept.Secret}), response)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return s.startVerified(w, r, v, r.FormValue("next"))
}

// startVerified signs in the account that was verified, under a new secret: the one before was in a cookie of this browser
// before anybody was signed in there.
func (s *Sessions) startVerified(w http.ResponseWriter, r *http.Request, v gatehouse.Verification, next string) (gatehouse.Verification, error) {
	p, err := s.present(r.Context(), v.Session, v.Session.Proof)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	v.Session.Secret = rand.Text()
	proof := p.Proof
	proof.Session = engine.Digest(v.Session.Secret)
	text, err := s.e.Seal(r.Context(), engine.PurposeProof, proof)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	v.Session.Proof = gatehouse.ParseProof(text)
	if err := s.start(w, r, v.Session, s.next(next)); err != nil {
		return gatehouse.Verification{}, err
	}
	return v, nil
}
