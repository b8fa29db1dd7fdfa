package websession

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// EndSession ends one other session of the account that is signed in, and notes that in its activity. No proof is
// needed, as for EndElsewhere. gatehouse.ErrStepUpRequired says that the session of the request has ended meanwhile,
// and gatehouse.ErrNotFound that the other one has, or that it belongs to another account. Where the activity cannot
// be written, that is an error, and the session has ended all the same.
func (s *Sessions) EndSession(r *http.Request, d Directory, id string) error {
	in, err := s.counting(r)
	if err != nil {
		return err
	}
	others, err := s.others(r, d, in)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(others, func(o SessionInfo) bool { return o.ID == id }) {
		return gatehouse.ErrNotFound
	}
	switch err := d.End(r, in, id); {
	case errors.Is(err, gatehouse.ErrNotFound):
		return gatehouse.ErrNotFound
	case err != nil:
		return fmt.Errorf("websession: Directory: %v", err)
	}
	return s.ending(r, in, func(a core.Account, _ core.Presented, env core.Env) core.Account {
		return a.SessionEnded(env)
	})
}

// EndOthers is EndElsewhere, with the sessions of d. Those behind Middleware have ended once the first is saved,
// whether d answers or not. A Directory that fails is an error; its sessions end when their browsers come back, or at
// the next try.
func (s *Sessions) EndOthers(r *http.Request, d Directory) error {
	in, err := s.counting(r)
	if err != nil {
		return err
	}
	_, fault := s.others(r, d, in)
	if errors.Is(fault, gatehouse.ErrStepUpRequired) {
		return fault
	}
	if err := s.EndElsewhere(r); err != nil {
		return err
	}
	if fault != nil {
		return fault
	}
	if err := d.EndOthers(r, in); err != nil {
		return fmt.Errorf("websession: Directory: %v", err)
	}
	return nil
}

// counting returns the session of a request, if it still counts on the account as it is now.
func (s *Sessions) counting(r *http.Request) (gatehouse.Session, error) {
	in, err := s.signedIn(r)
	if err != nil {
		return gatehouse.Session{}, err
	}
	a, err := s.e.Load(r.Context(), in.Account)
	if err != nil {
		return gatehouse.Session{}, err
	}
	p, err := s.present(r.Context(), in, in.Proof)
	if err == nil {
		err = counts(a, p)
	}
	return in, err
}

// others returns all other sessions of an account. A session that is no longer in the list was ended while its form was
// under way: gatehouse.ErrStepUpRequired, so that it ends no others.
func (s *Sessions) others(r *http.Request, d Directory, in gatehouse.Session) ([]SessionInfo, error) {
	list, err := d.List(r, in)
	if err != nil {
		return nil, fmt.Errorf("websession: Directory: %v", err)
	}
	current := func(o SessionInfo) bool { return o.Current }
	if !slices.ContainsFunc(list, current) {
		return nil, fmt.Errorf("%w: the session has ended", gatehouse.ErrStepUpRequired)
	}
	return slices.DeleteFunc(slices.Clone(list), current), nil
}

// Listed returns the sessions that d has of the account that is signed in, that of the request first and then those
// that were seen last.
func (s *Sessions) Listed(r *http.Request, d Directory) ([]SessionInfo, error) {
	in, err := s.signedIn(r)
	if err != nil {
		return nil, err
	}
	list, err := d.List(r, in)
	if err != nil {
		return nil, fmt.Errorf("websession: Directory: %v", err)
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b SessionInfo) int {
		if a.Current != b.Current {
			if a.Current {
				return -1
			}
			return 1
		}
		return b.Seen.Compare(a.Seen)
	})
	return list, nil
}

// Lasts returns gatehouse.ErrStepUpRequired where Config.Noter says that the session of a request was ended since the
// request came: its body may have been held back. Few hosts need it.
func (s *Sessions) Lasts(r *http.Request) error {
	in, err := s.Current(r)
	if err != nil || s.c.Noter == nil || in.Account == "" || in.Secret == "" {
		return err
	}
	err = s.noted(r, in)
	if errors.Is(err, ErrEnded) {
		return fmt.Errorf("%w: %v", gatehouse.ErrStepUpRequired, err)
	}
	return err
}

// seen has the Noter know of a session that counts, and returns what becomes of that. One of which nothing is kept
// here was never noted: a browser whose session was ended must not go on by leaving its cookie out.
func (s *Sessions) seen(r *http.Request, l look) (look, error) {
	if !l.known {
		l.state = core.SessionEnded
		return l, nil
	}
	switch err := s.noted(r, l.session.of(l.user)); {
	case errors.Is(err, ErrEnded):
		l.state = core.SessionEnded
	case err != nil:
		return look{}, err
	}
	return l, nil
}

// noted tells the Noter of a request. Of its errors, none but ErrEnded is one of ours. A session that is live, of
// which only the note failed, goes on.
func (s *Sessions) noted(r *http.Request, in gatehouse.Session) error {
	err := s.c.Noter.SessionSeen(r, in.Account, s.info(r, in))
	var unnoted unnotedError
	if errors.As(err, &unnoted) {
		s.c.Faults.Log(r.Context(), level(r), "websession: the list of sessions does not know of a request",
			"path", r.URL.Path, "error", err)
		return nil
	}
	if err != nil && !errors.Is(err, ErrEnded) {
		return fmt.Errorf("websession: Config.Noter: %v", err)
	}
	return err
}

// began tells the Noter of a session that begins.
func (s *Sessions) began(r *http.Request, in gatehouse.Session) error {
	if s.c.Noter == nil {
		return nil
	}
	if err := s.c.Noter.SessionBegan(r, in.Account, s.info(r, in)); err != nil {
		return fmt.Errorf("websession: Config.Noter: %v", err)
	}
	return nil
}

// over returns what tells the Noter that the session of a request is over, if there is one. Call that once the host's
// own is over, of which nothing is known then.
func (s *Sessions) over(r *http.Request) (func() error, error) {
	account := s.c.User(r)
	if s.c.Noter == nil || account == "" {
		return func() error { return nil }, nil
	}
	kept, _, known, err := s.kept(r, account)
	if err != nil || !known {
		return func() error { return nil }, err
	}
	return func() error {
		if err := s.c.Noter.SessionOver(r, account, SessionID(kept.of(account))); err != nil {
			return fmt.Errorf("websession: Config.Noter: %v", err)
		}
		return nil
	}, nil
}

func (s *Sessions) info(r *http.Request, in gatehouse.Session) SessionInfo {
	client, _ := event.ClientOf(s.ctx(r))
	return SessionInfo{ID: SessionID(in), Client: client, Since: s.Now(), Seen: s.Now(), Current: true}
}
