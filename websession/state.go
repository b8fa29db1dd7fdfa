package websession

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Purposes of sealed text: no text opens as another.
const (
	sessionPurpose = "websession"
	signInPurpose  = "websession-signin"
)

// session is what is kept of a browser in which somebody is signed in. The proof says who, and carries the stamp by which
// the session counts.
type session struct {
	Secret string `json:"s"`
	Proof  string `json:"p"`
}

func (s session) of(account string) gatehouse.Session {
	return gatehouse.Session{Account: account, Secret: s.Secret, Proof: gatehouse.ParseProof(s.Proof)}
}

// signIn is what is kept of a sign-in that is under way: nobody is signed in by it.
type signIn struct {
	Account   []byte `json:"a"` // bytes, as text could grow sixfold in JSON
	Secret    string `json:"s"`
	Challenge string `json:"c,omitempty"` // or else
	Proof     string `json:"p,omitempty"` // by an operator's code, which has used the challenge up
	Next      []byte `json:"n,omitempty"`
	At        int64  `json:"t"`
}

const maxNext = 1024 // bytes of the place where a sign-in leads

// kept returns the session that is kept of a request for an account, and whether there is one. It may have ended.
func (s *Sessions) kept(r *http.Request, account string) (session, core.Presented, bool, error) {
	var kept session
	ok, err := s.open(r, sessionName, sessionPurpose, &kept)
	if err != nil || !ok {
		return session{}, core.Presented{}, false, err
	}
	p, err := s.e.Present(r.Context(), engine.Session{Account: account, Secret: kept.Secret, Proof: kept.Proof})
	if errors.Is(err, gatehouse.ErrStepUpRequired) { // of another account
		return session{}, core.Presented{}, false, nil
	}
	return kept, p, err == nil, err
}

// open opens what is kept under a name. Text that does not open counts as none.
func (s *Sessions) open(r *http.Request, name, purpose string, v any) (bool, error) {
	text, err := s.load(r, name)
	if err != nil || text == "" {
		return false, err
	}
	err = s.e.Open(r.Context(), purpose, text, v)
	if errors.Is(err, engine.ErrSealed) {
		return false, nil
	}
	return err == nil, err
}

// keptSignIn returns what is kept of a sign-in that is under way, if it is not over.
func (s *Sessions) keptSignIn(r *http.Request) (signIn, error) {
	var kept signIn
	ok, err := s.open(r, signInName, signInPurpose, &kept)
	if err != nil || !ok {
		return signIn{}, err
	}
	if age := s.e.Now().Sub(core.Time(kept.At)); age < -core.Ahead || age >= signInLife {
		return signIn{}, nil
	}
	return kept, nil
}

func (s *Sessions) save(w http.ResponseWriter, r *http.Request, name, purpose string, v any, life time.Duration) error {
	text, err := s.e.Seal(r.Context(), purpose, v)
	if err != nil {
		return err
	}
	return s.put(w, r, name, text, life)
}

func (s *Sessions) saveSession(w http.ResponseWriter, r *http.Request, in gatehouse.Session) error {
	return s.save(w, r, sessionName, sessionPurpose, session{in.Secret, in.Proof.Reveal()}, sessionLife)
}

func (s *Sessions) saveSignIn(w http.ResponseWriter, r *http.Request, in signIn) error {
	in.At = s.e.Now().Unix()
	return s.save(w, r, signInName, signInPurpose, in, signInLife)
}

// forget removes what is kept under a name, if there is anything.
func (s *Sessions) forget(w http.ResponseWriter, r *http.Request, name string) error {
	text, err := s.load(r, name)
	if err != nil || text == "" {
		return err
	}
	return s.put(w, r, name, "", 0)
}

// load and put are the Keeper's: whatever its errors wrap, they are faults, and no answers of Gatehouse's.
func (s *Sessions) load(r *http.Request, name string) (string, error) {
	text, err := s.c.Keeper.Load(r, name)
	if err != nil {
		return "", fmt.Errorf("websession: Config.Keeper: %v", err)
	}
	return text, nil
}

func (s *Sessions) put(w http.ResponseWriter, r *http.Request, name, text string, life time.Duration) error {
	if err := s.c.Keeper.Save(w, r, name, text, life); err != nil {
		return fmt.Errorf("websession: Config.Keeper: %v", err)
	}
	return nil
}

// presence returns a session that has proven nothing, and counts as long as nothing ends it.
func (s *Sessions) presence(ctx context.Context, a core.Account) (gatehouse.Session, error) {
	in := gatehouse.Session{Account: a.ID, Secret: rand.Text()}
	proof, err := s.e.Seal(ctx, engine.PurposeProof, a.Presence(engine.Digest(in.Secret), s.e.Env()))
	in.Proof = gatehouse.ParseProof(proof)
	return in, err
}
