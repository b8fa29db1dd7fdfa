// Package after is the service of package before once it has followed docs/integration.md.
package after

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

type service struct {
	mu        sync.Mutex
	passwords map[string]string // by user; a real service keeps hashes
	sessions  map[string]*session
	gate      *gatehouse.Service
}

type session struct {
	user     string
	signedIn time.Time
}

// New returns the service with one user.
func New(gate *gatehouse.Service) http.Handler {
	s := &service{passwords: map[string]string{"ada": "correct horse"}, sessions: map[string]*session{}, gate: gate}
	mux := http.NewServeMux()
	mux.Handle("POST /login", handler(s.login))
	mux.Handle("POST /code", handler(s.code))
	mux.Handle("POST /pair", handler(s.pair))
	mux.Handle("POST /confirm", handler(s.confirm))
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
	case errors.Is(err, errUnauthorized), errors.Is(err, gatehouse.ErrDenied), errors.Is(err, gatehouse.ErrStepUpRequired):
		http.Error(w, err.Error(), http.StatusUnauthorized)
	default:
		http.Error(w, "something is wrong here, try again later", http.StatusInternalServerError)
	}
}

func (s *service) login(w http.ResponseWriter, r *http.Request) error {
	user := r.PostFormValue("user")
	try, err := s.gate.Before(r.Context(), user) // and then the password
	if err != nil {
		return err
	}
	s.mu.Lock()
	password, ok := s.passwords[user]
	s.mu.Unlock()
	if !ok || password != r.PostFormValue("password") {
		return errUnauthorized
	}
	ch, err := try.Challenge(r.Context())
	if err != nil {
		return err
	}
	if ch.Step != gatehouse.NotNeeded {
		http.SetCookie(w, cookie("challenge", ch.Token.Reveal()))
		_, err = fmt.Fprintln(w, "type your code")
		return err
	}
	return s.start(w, user)
}

func (s *service) code(w http.ResponseWriter, r *http.Request) error {
	challenge, err := r.Cookie("challenge")
	if err != nil {
		return errUnauthorized
	}
	v, err := s.gate.Answer(r.Context(), challenge.Value, strings.TrimSpace(r.PostFormValue("code")))
	if err != nil {
		return err
	}
	return s.start(w, v.AccountID)
}

// start starts a session.
func (s *service) start(w http.ResponseWriter, user string) error {
	id := rand.Text()
	s.mu.Lock()
	s.sessions[id] = &session{user: user, signedIn: time.Now()}
	s.mu.Unlock()
	http.SetCookie(w, cookie("session", id))
	_, err := fmt.Fprintln(w, "welcome", user)
	return err
}

func cookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// session returns the session of a request.
func (s *service) session(r *http.Request) (*session, error) {
	c, err := r.Cookie("session")
	if err != nil {
		return nil, errUnauthorized
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.sessions[c.Value]; found != nil {
		return found, nil
	}
	return nil, errUnauthorized
}

func (s *service) pair(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	proof, err := s.gate.Attest(r.Context(), in.user, gatehouse.FirstFactor{Method: "pwd", At: in.signedIn})
	if err != nil {
		return err
	}
	enr, err := s.gate.Owner(proof).BeginEnrollment(r.Context(), gatehouse.EnrollmentRequest{Label: in.user})
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie("proof", proof.Reveal()))
	w.Header().Set("Cache-Control", "no-store")
	return pairPage.Execute(w, map[string]any{"Enrollment": enr, "SVG": template.HTML(enr.QR().SVG())})
}

var pairPage = template.Must(template.New("pair").Parse(`<!doctype html><p>Scan {{.SVG}} or type {{.Enrollment.Secret.Reveal}}.
<p>Save these codes: {{range .Enrollment.RecoveryCodes}}{{.Reveal}} {{end}}
<form method="post" action="/confirm"><input type="hidden" name="id" value="{{.Enrollment.ID}}">
<label>The app's code <input name="code" autocomplete="one-time-code"></label><button>Turn on</button></form>`))

func (s *service) confirm(w http.ResponseWriter, r *http.Request) error {
	proof, err := r.Cookie("proof")
	if err != nil {
		return errUnauthorized
	}
	owner := s.gate.Owner(gatehouse.ProofFromString(proof.Value))
	_, err = owner.ConfirmEnrollment(r.Context(), r.PostFormValue("id"), strings.TrimSpace(r.PostFormValue("code")))
	return err
}

func (s *service) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.passwords[in.user] = r.PostFormValue("password")
	s.mu.Unlock()
	return s.gate.Operator("system").PasswordChanged(r.Context(), in.user, gatehouse.RevokeTokens)
}

func (s *service) home(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "hello", in.user)
	return err
}
