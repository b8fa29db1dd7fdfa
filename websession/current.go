package websession

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Current returns the session of a request: the zero Session where nobody is signed in, or where the session does not
// count. It is httpguard.Config.Session. Behind [Sessions.Middleware] it is what that has found out; elsewhere it looks
// by itself. An error is a fault: it cannot be found out who is signed in.
func (s *Sessions) Current(r *http.Request) (gatehouse.Session, error) {
	if m := marked(r.Context()); m != nil {
		return m.session(), nil
	}
	l, err := s.look(r)
	if err != nil || l.state != core.SessionCounts {
		return gatehouse.Session{}, err
	}
	return l.session.of(l.user), nil
}

// Keep keeps another proof of the session that is signed in, such as one of gatehouse.Service.StepUp or of a change of
// factors. Call it before anything of the answer is written.
func (s *Sessions) Keep(w http.ResponseWriter, r *http.Request, p gatehouse.Proof) error {
	in, err := s.Current(r)
	if err != nil {
		return err
	}
	if in.Account == "" || in.Secret == "" {
		return fmt.Errorf("%w: nobody is signed in", gatehouse.ErrStepUpRequired)
	}
	in.Proof = p
	presented, err := s.e.Present(r.Context(), engine.Session{Account: in.Account, Secret: in.Secret, Proof: p.Reveal()})
	if err != nil {
		return err
	}
	if !bytes.Equal(presented.Session, presented.In) {
		return fmt.Errorf("%w: the proof is of another session, and would end this one", gatehouse.ErrStepUpRequired)
	}
	if err := s.saveSession(w, r, in); err != nil {
		return err
	}
	if m := marked(r.Context()); m != nil {
		m.set(in)
	}
	return nil
}

// EndElsewhere ends every other browser session of the account that is signed in.
func (s *Sessions) EndElsewhere(r *http.Request) error {
	in, err := s.Current(r)
	if err != nil {
		return err
	}
	if in.Account == "" || in.Secret == "" {
		return fmt.Errorf("%w: nobody is signed in", gatehouse.ErrStepUpRequired)
	}
	return s.e.Change(s.ctx(r), in.Account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return a.EndSessions(engine.Digest(in.Secret), env), nil
	}})
}

// look is what is found out about a request.
type look struct {
	user    string // of the host's session; "" for nobody
	account core.Account
	known   bool // something is kept of the session
	session session
	state   core.SessionState
}

// look finds out whether the session of a request counts.
func (s *Sessions) look(r *http.Request) (look, error) {
	l := look{user: s.c.User(r)}
	if l.user == "" {
		return l, nil
	}
	kept, p, known, err := s.kept(r, l.user)
	if err != nil {
		return look{}, err
	}
	l.session, l.known = kept, known
	state := func(a core.Account) core.SessionState {
		if known {
			return a.Session(p)
		}
		return a.UnknownSession()
	}
	if a, ok := s.recent.get(l.user); ok && state(a) == core.SessionCounts {
		l.account, l.state = a, core.SessionCounts
		return l, nil
	}
	if l.account, err = s.e.Load(r.Context(), l.user); err != nil {
		return look{}, err
	}
	l.state = state(l.account)
	s.recent.put(l.account)
	return l, nil
}

// level is that of a fault: that a browser has hung up is no error of the service's.
func level(r *http.Request) slog.Level {
	if r.Context().Err() == context.Canceled {
		return slog.LevelInfo
	}
	return slog.LevelError
}
