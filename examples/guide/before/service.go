// Package before is a small service that signs in with a password alone. Package after is the same
// service once it has followed docs/integration.md.
package before

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

type service struct {
	mu        sync.Mutex
	passwords map[string]string // by user; a real service keeps hashes
	sessions  map[string]string // users, by session ID
	deployed  int
}

// New returns the service with one user.
func New() (http.Handler, error) {
	s := &service{passwords: map[string]string{"ada": "correct horse"}, sessions: map[string]string{}}
	mux := http.NewServeMux()
	mux.Handle("GET /login", handler(s.loginPage))
	mux.Handle("POST /login", handler(s.login))
	mux.Handle("POST /logout", handler(s.logout))
	mux.Handle("POST /password", handler(s.changePassword))
	mux.Handle("POST /deploy", handler(s.deploy))
	mux.Handle("GET /{$}", handler(s.home))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 1<<16)), nil
}

var errUnauthorized = errors.New("sign in first")

// handler answers the errors of all pages in one place.
type handler func(w http.ResponseWriter, r *http.Request) error

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch err := h(w, r); {
	case err == nil:
	case errors.Is(err, errUnauthorized):
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
	ok, err := s.check(r, user, r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if !ok {
		return errUnauthorized
	}
	if err := s.begin(w, r, user); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *service) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.end(w, r); err != nil {
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
