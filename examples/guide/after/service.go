// Package after is the service of package before once it has followed docs/integration.md.
package after

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/websession"
)

type service struct {
	mu        sync.Mutex
	passwords map[string]string // by user; a real service keeps hashes
	sessions  map[string]string // users, by session ID
	deployed  int
	web       *websession.Sessions
}

// New returns the service with one user.
func New(svc *gatehouse.Service, pos *posture.Service) (http.Handler, error) {
	s := &service{passwords: map[string]string{"ada": "correct horse"}, sessions: map[string]string{}}
	var err error
	s.web, err = websession.New(websession.Config{Service: svc, User: s.user, SignIn: s.begin, SignOut: s.end})
	if err != nil {
		return nil, err
	}
	page, err := securitypage.New(securitypage.Config{
		Web: s.web, Posture: pos, Name: "Acme", Password: s.check, Links: securitypage.Links{SignIn: "/login", SignOut: "/logout"},
	})
	if err != nil {
		return nil, err
	}
	guard, err := httpguard.New(httpguard.Config{Service: svc, Posture: pos, Session: s.web.Current, Refuse: page.Refuse})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /login", handler(s.loginPage))
	mux.Handle("POST /login", handler(s.login))
	mux.Handle("POST /logout", handler(s.logout))
	mux.Handle("POST /password", handler(s.changePassword))
	mux.Handle("POST /deploy", guard.RequireGate("deploy.public")(handler(s.deploy)))
	mux.Handle("GET /{$}", handler(s.home))
	mux.Handle("/settings/security/", page)
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(s.web.Middleware(mux), 1<<16)), nil
}

var errUnauthorized = errors.New("sign in first")

// handler answers the errors of all pages in one place.
type handler func(w http.ResponseWriter, r *http.Request) error

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch err := h(w, r); {
	case err == nil:
	case errors.Is(err, errUnauthorized), errors.Is(err, gatehouse.ErrDenied), errors.Is(err, gatehouse.ErrStepUpRequired):
		http.Error(w, err.Error(), http.StatusUnauthorized)
	default:
		http.Error(w, "something is wrong here, try again later", http.StatusInternalServerError)
	}
}

// check reports whether a password is right.
func (s *service) check(_ *http.Request, user, password string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	right, ok := s.passwords[user]
	return ok && password == right, nil
}

// user returns who the session of a request is signed in as, "" for nobody.
func (s *service) user(r *http.Request) string {
	c, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[c.Value]
}

// begin begins a session.
func (s *service) begin(w http.ResponseWriter, _ *http.Request, user string) error {
	id := rand.Text()
	s.mu.Lock()
	s.sessions[id] = user
	s.mu.Unlock()
	setCookie(w, id)
	return nil
}

// end ends the session of a request.
func (s *service) end(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie("session"); err == nil {
		s.mu.Lock()
		delete(s.sessions, c.Value)
		s.mu.Unlock()
	}
	setCookie(w, "")
	return nil
}

func setCookie(w http.ResponseWriter, id string) {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *service) loginPage(w http.ResponseWriter, _ *http.Request) error {
	_, err := fmt.Fprint(w, `<form method="post"><input name="user"><input name="password" type="password"><button>Sign in</button></form>`)
	return err
}

func (s *service) login(w http.ResponseWriter, r *http.Request) error {
	user := r.PostFormValue("user")
	try, err := s.web.Before(r, user) // and then the password
	if err != nil {
		return err
	}
	ok, err := s.check(r, user, r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if !ok {
		return errUnauthorized
	}
	return try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
}

func (s *service) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.web.End(w, r); err != nil {
		return err
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

func (s *service) changePassword(w http.ResponseWriter, r *http.Request) error {
	user := s.user(r)
	if user == "" {
		return errUnauthorized
	}
	s.mu.Lock()
	s.passwords[user] = r.PostFormValue("password")
	s.mu.Unlock()
	if err := s.web.Service().Operator("system").PasswordChanged(r.Context(), user, gatehouse.RevokeTokens); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *service) deploy(w http.ResponseWriter, r *http.Request) error {
	if s.user(r) == "" {
		return errUnauthorized
	}
	s.mu.Lock()
	s.deployed++
	s.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *service) home(w http.ResponseWriter, r *http.Request) error {
	user := s.user(r)
	if user == "" {
		return errUnauthorized
	}
	_, err := fmt.Fprintln(w, "hello", user)
	return err
}
