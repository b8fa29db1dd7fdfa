package websession

import (
	"crypto/rand"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
)

// Step is a sign-in that waits for its second step. Nobody is signed in by it.
type Step struct {
	// Session is what the methods of gatehouse take for it. Its Proof is one by an operator's code, once that was redeemed:
	// it is good for pairing an authenticator and for nothing else.
	Session   gatehouse.Session
	Challenge string // for gatehouse.Service.CheckChallenge and Resync; empty once an operator's code was redeemed

	kept signIn
}

// Step returns the sign-in of a request that waits for its second step; its Account is empty where there is none. An
// error is a fault. Whether the challenge is still valid, gatehouse.Service.CheckChallenge says.
func (s *Sessions) Step(r *http.Request) (Step, error) {
	kept, err := s.keptSignIn(r)
	if err != nil {
		return Step{}, err
	}
	in := gatehouse.Session{Account: string(kept.Account), Secret: kept.Secret, Proof: gatehouse.ParseProof(kept.Proof)}
	return Step{Session: s.inBrowser(r, in), Challenge: kept.Challenge, kept: kept}, nil
}

// Answer completes the sign-in of a request with a code, as gatehouse.Service.Answer does, and signs the browser in: it
// answers with a redirect to where the sign-in leads. On an error nothing of the answer is written.
func (s *Sessions) Answer(w http.ResponseWriter, r *http.Request, code string) (gatehouse.Verification, error) {
	return s.AnswerVia(w, r, code, func(_ gatehouse.Verification, next string) string { return next })
}

// AnswerVia is Answer for a page that has something to say before: via returns where the redirect leads, a path, and is
// given the place where the sign-in leads. Few hosts need it.
func (s *Sessions) AnswerVia(
	w http.ResponseWriter, r *http.Request, code string, via func(v gatehouse.Verification, next string) string,
) (gatehouse.Verification, error) {
	if err := s.sameOrigin(r); err != nil {
		return gatehouse.Verification{}, err
	}
	step, err := s.Step(r)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	in := step.Session
	in.Secret, in.Proof = rand.Text(), gatehouse.Proof{}
	v, err := s.c.Service.Answer(s.ctx(r), in, step.Challenge, code)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return v, s.start(w, r, v.Session, s.next(via(v, s.next(string(step.kept.Next)))))
}

// Redeem takes an operator's code for the sign-in of a request, as gatehouse.Service.RedeemOperatorCode does, and keeps
// the proof in it. It signs nobody in. Call it before anything of the answer is written.
func (s *Sessions) Redeem(w http.ResponseWriter, r *http.Request, code string) error {
	if err := s.sameOrigin(r); err != nil {
		return err
	}
	step, err := s.Step(r)
	if err != nil {
		return err
	}
	proof, err := s.c.Service.RedeemOperatorCode(s.ctx(r), step.Session, step.Challenge, code)
	if err != nil {
		return err
	}
	kept := step.kept
	kept.Challenge, kept.Proof = "", proof.Reveal()
	return s.saveSignIn(w, r, kept)
}

// EndStep ends the sign-in of a request that waits for its second step, if there is one: after an operator's code was
// redeemed and an authenticator paired, for example. Whoever is signed in stays so. Call it before anything of the answer
// is written.
func (s *Sessions) EndStep(w http.ResponseWriter, r *http.Request) error {
	return s.forget(w, r, signInName)
}
