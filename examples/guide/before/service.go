// Package before is a small service that signs in with a password alone. Package after is the same
// service once it has followed docs/integration.md.
package before

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

type service struct {
	mu        sync.Mutex
	passwords map[string]string // by user; a real service keeps hashes
	sessions  map[string]session
}

type session struct {
	user     string
	signedIn time.Time
}

// New returns the service with one user.
func New() http.Handler {
	s := &service{passwords: map[string]string{"ada": "correct horse"}, sessions: map[string]session{}}
	mux := http.NewServeMux()
	mux.Handle("POST /login", handler(s.login))
	mux.Handle("POST /password", handler(s.changePassword))
	mux.Handle("GET /", handler(s.home))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 1<<16))
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

func (s *service) login(w http.ResponseWriter, r *http.Request) error {
	user := r.PostFormValue("user")
	s.mu.Lock()
	password, ok := s.passwords[user]
	s.mu.Unlock()
	if !ok || password != r.PostFormValue("password") {
		return errUnauthorized
	}
	return s.start(w, user)
}

// start starts a session.
func (s *service) start(w http.ResponseWriter, user string) error {
	id := rand.Text()
	s.mu.Lock()
	s.sessions[id] = session{user: user, signedIn: time.Now()}
	s.mu.Unlock()
	http.SetCookie(w, cookie("session", id))
	_, err := fmt.Fprintln(w, "welcome", user)
	return err
}

func cookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// session returns the session of a request.
func (s *service) session(r *http.Request) (session, error) {
	c, err := r.Cookie("session")
	if err != nil {
		return session{}, errUnauthorized
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.sessions[c.Value]; ok {
		return found, nil
	}
	return session{}, errUnauthorized
}

func (s *service) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.passwords[in.user] = r.PostFormValue("password")
	s.mu.Unlock()
	return nil
}

func (s *service) home(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "hello", in.user)
	return err
}
