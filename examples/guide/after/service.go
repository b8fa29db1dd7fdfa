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
	sessions  map[string]session
	gate      *gatehouse.Service
}

type session struct {
	gatehouse.Session
	signedIn time.Time
}

// New returns the service with one user.
func New(gate *gatehouse.Service) http.Handler {
	s := &service{passwords: map[string]string{"ada": "correct horse"}, sessions: map[string]session{}, gate: gate}
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
	if ch.Step != gatehouse.StepNotNeeded {
		http.SetCookie(w, cookie("challenge", ch.Token.Reveal()))
		_, err = fmt.Fprintln(w, "type your code")
		return err
	}
	in := gatehouse.Session{Account: user, Secret: rand.Text()}
	in.Proof, err = try.Vouch(r.Context(), in, gatehouse.FirstFactor{Method: "pwd"})
	if err != nil {
		return err
	}
	return s.start(w, in)
}

func (s *service) code(w http.ResponseWriter, r *http.Request) error {
	challenge, err := r.Cookie("challenge")
	if err != nil {
		return errUnauthorized
	}
	in := gatehouse.Session{Secret: rand.Text()}
	v, err := s.gate.Answer(r.Context(), in, challenge.Value, strings.TrimSpace(r.PostFormValue("code")))
	if err != nil {
		return err
	}
	return s.start(w, v.Session)
}

// start starts a session, or keeps what has changed in it.
func (s *service) start(w http.ResponseWriter, in gatehouse.Session) error {
	s.mu.Lock()
	s.sessions[in.Secret] = session{in, time.Now()}
	s.mu.Unlock()
	http.SetCookie(w, cookie("session", in.Secret))
	_, err := fmt.Fprintln(w, "welcome", in.Account)
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

func (s *service) pair(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	enr, err := s.gate.Owner(in.Session).BeginEnrollment(r.Context(), gatehouse.EnrollmentRequest{Label: in.Account})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return pairPage.Execute(w, map[string]any{"Enrollment": enr, "SVG": template.HTML(enr.QR.SVG())})
}

var pairPage = template.Must(template.New("pair").Parse(`<!doctype html><p>Scan {{.SVG}} or type {{.Enrollment.Secret.Reveal}}.
<p>Save these codes: {{range .Enrollment.RecoveryCodes}}{{.Reveal}} {{end}}
<form method="post" action="/confirm"><input type="hidden" name="id" value="{{.Enrollment.ID}}">
<label>The app's code <input name="code" autocomplete="one-time-code"></label><button>Turn on</button></form>`))

func (s *service) confirm(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	code := strings.TrimSpace(r.PostFormValue("code"))
	in.Proof, err = s.gate.Owner(in.Session).ConfirmEnrollment(r.Context(), r.PostFormValue("id"), code)
	if err != nil {
		return err
	}
	return s.start(w, in.Session)
}

func (s *service) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.passwords[in.Account] = r.PostFormValue("password")
	s.mu.Unlock()
	return s.gate.Operator("system").PasswordChanged(r.Context(), in.Account, gatehouse.RevokeTokens)
}

func (s *service) home(w http.ResponseWriter, r *http.Request) error {
	in, err := s.session(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "hello", in.Account)
	return err
}
