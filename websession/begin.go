package websession

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// SignIn is a sign-in that has begun before the host looks at the first factor. Make it with [Sessions.Before].
type SignIn struct {
	s       *Sessions
	try     gatehouse.SignIn
	account string
	next    string // empty: as the request says
}

// Before returns the beginning of a sign-in to an account. Call it before you look at the password, then check the
// password, and go on with [SignIn.Begin]. Where an identity provider has checked it, call it once you know the
// account, and give Begin the moment of that check. gatehouse.ErrInvalid says that there can be no such account; other
// errors are faults.
func (s *Sessions) Before(r *http.Request, account string) (SignIn, error) {
	try, err := s.c.Service.Before(r.Context(), account)
	if err != nil {
		return SignIn{}, err
	}
	return SignIn{s: s, try: try, account: account}, nil
}

// ExpectSecondFactor is gatehouse.SignIn.ExpectSecondFactor; most hosts do without it.
func (t SignIn) ExpectSecondFactor() SignIn {
	t.try = t.try.ExpectSecondFactor()
	return t
}

// To has Begin lead to a path, instead of the one in the parameter "next". What is no path of this service counts for
// nothing. It is for requests that bring no parameter along, such as an identity provider's.
func (t SignIn) To(path string) SignIn {
	t.next = path
	return t
}

// Begin signs the browser in, or leads it to the second step where the account has one, once the host has checked the
// first factor. It answers with a redirect: to the place in the parameter "next" if that is a path, otherwise to
// Config.Home. Where somebody was signed in already, this is a new session that carries over nothing.
//
// A first factor that was checked elsewhere, by an identity provider, has the moment of that in f.At (auth_time). One
// of over a day ago signs in as well, and proves nothing.
//
// An error lets nobody in, and nothing of the answer is written. gatehouse.ErrDenied says that the request comes from
// another origin, or that the account is suspended, or that its password was changed since Before or f.At, or the like:
// ask for the password again. gatehouse.ErrInvalid says that f is none, such as one of an identity provider without
// At.
func (t SignIn) Begin(w http.ResponseWriter, r *http.Request, f gatehouse.FirstFactor) error {
	if t.s == nil {
		return gatehouse.ErrDenied
	}
	if err := t.s.sameOrigin(r); err != nil {
		return err
	}
	next := t.next
	if next == "" {
		next = r.FormValue("next") // which waits for the body
	}
	next = t.s.next(next)
	in, enough, err := t.vouch(r, f)
	if err != nil {
		return err
	}
	if enough {
		in.Browser = "" // no second step was completed in it
		return t.s.start(w, r, in, next)
	}
	ch, err := t.try.Challenge(t.s.ctx(r))
	if err != nil {
		return err
	}
	if ch.Step != gatehouse.StepNeeded { // the second factor has just gone, and with it what there was to decide on
		return &gatehouse.DeniedError{}
	}
	return t.s.secondStep(w, r, signIn{Account: []byte(t.account), Challenge: ch.Token.Reveal(), Next: []byte(next)})
}

// vouch returns a new session with the proof of the first factor, and whether that is enough to be signed in: the
// account has no second factor, as of the save that has made the proof, or the host's own counts for it, or a browser
// that is known.
func (t SignIn) vouch(r *http.Request, f gatehouse.FirstFactor) (in gatehouse.Session, enough bool, err error) {
	in = gatehouse.Session{Account: t.account, Secret: rand.Text(), Browser: t.s.keptBy(r)}
	by := engine.SignedIn{External: t.s.c.ExternalReplacesStep, KnownBrowser: t.s.c.KnownBrowserReplacesStep}
	proof, a, err := engine.SignIn(t.s.ctx(r), t.try, in, f, by)
	switch {
	case errors.Is(err, gatehouse.ErrStepUpRequired):
		return gatehouse.Session{}, false, fmt.Errorf("%w: %v", gatehouse.ErrDenied, err)
	case errors.Is(err, gatehouse.ErrPrecondition):
		return gatehouse.Session{}, false, &gatehouse.DeniedError{Disabled: true}
	case err != nil:
		return gatehouse.Session{}, false, err
	}
	in.Proof = proof.(gatehouse.Proof)
	p, err := t.s.present(r.Context(), in, in.Proof)
	if !by.KnownBrowser {
		p.Browser = nil
	}
	return in, err == nil && a.SignedInBy(p.Proof, by.External, p.Browser, t.s.e.Env()), err
}

// secondStep leads to the second step.
func (s *Sessions) secondStep(w http.ResponseWriter, r *http.Request, in signIn) error {
	in.Secret = rand.Text()
	if err := s.saveSignIn(w, r, in); err != nil {
		return err
	}
	redirect(w, s.c.Path+"/sign-in")
	return nil
}

// start begins the host's session, and keeps what is known of it, and in the browser what accounts know that by. In
// that order: what a new session of the host's clears away must not be ours. If anything fails after the host's has
// begun, that is ended and the browser does not hear of it.
func (s *Sessions) start(w http.ResponseWriter, r *http.Request, in gatehouse.Session, next string) error {
	text, err := s.e.Seal(r.Context(), sessionPurpose, session{in.Secret, in.Proof.Reveal()})
	if err != nil {
		return err
	}
	if err := orAsBefore(w, func() error { return s.keepStarted(w, r, in, text) }); err != nil {
		return err
	}
	redirect(w, next)
	return nil
}

// orAsBefore does something that sets headers. If it fails, they are as before.
func orAsBefore(w http.ResponseWriter, do func() error) error {
	before := w.Header().Clone()
	err := do()
	if err != nil {
		clear(w.Header())
		maps.Copy(w.Header(), before)
	}
	return err
}

func (s *Sessions) keepStarted(w http.ResponseWriter, r *http.Request, in gatehouse.Session, text string) error {
	over, err := s.over(r) // the browser's last session
	if err != nil {
		return err
	}
	if err := s.c.SignIn(w, r, in.Account); err != nil {
		return fmt.Errorf("websession: Config.SignIn: %v", err) // whatever it wraps, it is no answer of Gatehouse's
	}
	err = s.keepBegun(w, r, in, text, over)
	if err == nil {
		return nil
	}
	// What it has begun may be in the request, and be saved with whatever the host answers.
	if out := s.c.SignOut(w, r); out != nil {
		return fmt.Errorf("%w; websession: Config.SignOut: %v", err, out)
	}
	return err
}

// keepBegun keeps what is known of a session that the host has begun. over ends the browser's last one.
func (s *Sessions) keepBegun(w http.ResponseWriter, r *http.Request, in gatehouse.Session, text string, over func() error) error {
	if err := s.put(w, r, sessionName, text, sessionLife); err != nil {
		return err
	}
	if in.Browser != "" {
		if err := s.keepBrowser(w, r, in.Browser); err != nil {
			return err
		}
	}
	if err := s.forget(w, r, signInName); err != nil {
		return err
	}
	if err := over(); err != nil {
		return err
	}
	return s.began(r, in)
}

// End signs the browser out, as the host's handler of a sign-out form. It writes headers alone: answer with a
// redirect. gatehouse.ErrDenied says that the request is no POST, with which other sites could sign people out by a
// link, or that it comes from another origin; nothing was ended then. If only Config.Noter fails, the browser is
// signed out and Config.Faults is told: the session stays in the list, and a copy of its cookies opens it until its
// owner ends it there. With Config.KnownBrowserReplacesStep the account forgets the browser as well; if that cannot be
// saved, the browser alone forgets, and Config.Faults is told. So it does, of all accounts, where Config.User returns none.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return fmt.Errorf("%w: signing out takes a POST", gatehouse.ErrDenied)
	}
	if err := s.sameOrigin(r); err != nil {
		return err
	}
	account := s.c.User(r)
	return orAsBefore(w, func() error {
		if err := s.endKept(w, r); err != nil || !s.c.KnownBrowserReplacesStep {
			return err
		}
		return s.leaveBrowser(w, r, account)
	})
}

func (s *Sessions) end(w http.ResponseWriter, r *http.Request) error {
	return orAsBefore(w, func() error { return s.endKept(w, r) })
}

func (s *Sessions) endKept(w http.ResponseWriter, r *http.Request) error {
	over, err := s.over(r)
	if err != nil {
		return err
	}
	for _, name := range []string{sessionName, signInName} {
		if err := s.forget(w, r, name); err != nil {
			return err
		}
	}
	if err := s.c.SignOut(w, r); err != nil {
		return fmt.Errorf("websession: Config.SignOut: %v", err)
	}
	if err := over(); err != nil { // with an error, a host that keeps sessions in cookies would stay signed in
		s.c.Faults.Log(r.Context(), level(r), "websession: the list of sessions does not know of a sign-out",
			"path", r.URL.Path, "error", err)
	}
	return nil
}

// sameOrigin returns gatehouse.ErrDenied for a request that another origin has made the browser send. The cookies are
// SameSite=Lax, which lets sibling domains post.
func (s *Sessions) sameOrigin(r *http.Request) error {
	if s.c.CrossOrigin.Check(r) != nil {
		return fmt.Errorf("%w: the request comes from another origin", gatehouse.ErrDenied)
	}
	return nil
}

// next returns where a sign-in leads.
func (s *Sessions) next(to string) string {
	if !local.Is(to) || len(to) > maxNext {
		return s.c.Home
	}
	return to
}

// redirect sends the browser on by GET.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
