package websession

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// Current returns the session of a request: the zero Session where nobody is signed in, or where the session does not
// count. Its Browser is what accounts know this browser by. It is httpguard.Config.Session. Behind
// [Sessions.Middleware] it is what that has found out; elsewhere it looks by itself. An error is a fault: it cannot be
// found out who is signed in.
func (s *Sessions) Current(r *http.Request) (gatehouse.Session, error) {
	if m := s.marked(r.Context()); m != nil {
		return m.session(), nil
	}
	l, err := s.look(r)
	if err != nil || l.state != core.SessionCounts {
		return gatehouse.Session{}, err
	}
	in := l.session.of(l.user)
	in.Browser = s.keptBy(r)
	return in, nil
}

// Keep keeps another proof of the session that is signed in, such as one of gatehouse.Service.StepUp or of a change of
// factors. Call it before anything of the answer is written. gatehouse.ErrStepUpRequired says that the session has
// ended meanwhile, or that the proof is not its own: nothing is kept then, as a code alone must not have a session go
// on that a new password has ended. Where the account knows the browser by now, the browser keeps that too.
func (s *Sessions) Keep(w http.ResponseWriter, r *http.Request, p gatehouse.Proof) error {
	in, err := s.signedIn(r)
	if err != nil {
		return err
	}
	a, err := s.e.Load(r.Context(), in.Account)
	if err != nil {
		return err
	}
	for _, proof := range []gatehouse.Proof{in.Proof, p} {
		presented, err := s.present(r.Context(), in, proof)
		if err == nil {
			err = counts(a, presented)
		}
		if err != nil {
			return err
		}
	}
	in.Proof = p
	if err := s.saveSession(w, r, in); err != nil {
		return err
	}
	if err := s.renewBrowser(w, r, a, in); err != nil {
		return err
	}
	if m := s.marked(r.Context()); m != nil {
		m.set(in)
	}
	return nil
}

// signedIn is Current where somebody must be signed in.
func (s *Sessions) signedIn(r *http.Request) (gatehouse.Session, error) {
	in, err := s.Current(r)
	if err == nil && (in.Account == "" || in.Secret == "") {
		return gatehouse.Session{}, fmt.Errorf("%w: nobody is signed in", gatehouse.ErrStepUpRequired)
	}
	return in, err
}

// present opens a proof in a session.
func (s *Sessions) present(ctx context.Context, in gatehouse.Session, proof gatehouse.Proof) (core.Presented, error) {
	return s.e.Present(ctx, engine.Session{
		Account: in.Account, Secret: in.Secret, Proof: proof.Reveal(), Browser: in.Browser,
	})
}

// counts returns gatehouse.ErrStepUpRequired unless a session counts that keeps a proof, on an account as it is now.
func counts(a core.Account, p core.Presented) error {
	if a.Session(p) != core.SessionCounts {
		return fmt.Errorf("%w: the session has ended, or the proof is of another one", gatehouse.ErrStepUpRequired)
	}
	return nil
}

// EndElsewhere ends every other browser session of the account that is signed in, and has the account forget every
// other browser. Copies of this one's cookies are this one. gatehouse.ErrStepUpRequired says that the session itself
// has ended meanwhile: it ends nothing.
func (s *Sessions) EndElsewhere(r *http.Request) error {
	return s.change(r, func(a core.Account, p core.Presented, env core.Env) core.Account {
		return a.EndSessions(p.In, p.Browser, env)
	})
}

// changing is a change of an account by one of its sessions.
type changing func(core.Account, core.Presented, core.Env) core.Account

// change makes a change of the account that is signed in, which takes no more than a session that counts.
func (s *Sessions) change(r *http.Request, change changing) error {
	in, err := s.signedIn(r)
	if err == nil {
		err = s.Lasts(r)
	}
	if err != nil {
		return err
	}
	return s.ending(r, in, change)
}

// ending changes the account of a session, if that counts.
func (s *Sessions) ending(r *http.Request, in gatehouse.Session, change changing) error {
	p, err := s.present(r.Context(), in, in.Proof)
	if err != nil {
		return err
	}
	step := func(a core.Account, env core.Env) (core.Account, error) {
		if err := counts(a, p); err != nil {
			return a, err
		}
		return change(a, p, env), nil
	}
	return s.e.Change(s.ctx(r), in.Account, engine.Transition{Step: step})
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
	l, err := s.lookUp(r)
	if err != nil || s.c.Noter == nil || l.state != core.SessionCounts {
		return l, err
	}
	return s.seen(r, l)
}

// lookUp is look, by our own knowledge alone.
func (s *Sessions) lookUp(r *http.Request) (look, error) {
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
	began := s.e.Now()
	if l.account, err = s.e.Load(r.Context(), l.user); err != nil {
		return look{}, err
	}
	l.state = state(l.account)
	s.recent.put(l.account, began)
	return l, nil
}

// level is that of a fault: that a browser has hung up is no error of the service's.
func level(r *http.Request) slog.Level {
	if r.Context().Err() == context.Canceled {
		return slog.LevelInfo
	}
	return slog.LevelError
}
