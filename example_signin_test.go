package gatehouse_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// host is a web service with its own passwords and sessions. Its sign-in has two steps, each a form that is posted to a
// handler.
type host struct {
	svc *gatehouse.Service
	// account returns the stable ID of the account with a name. For a name that nobody has it returns an ID that nobody
	// has, so that both take the same time.
	account func(name string) string
	// checkPassword limits how often it is tried.
	checkPassword func(account, password string) bool
	now           func() time.Time
	log           *log.Logger

	mu       sync.Mutex
	sessions map[string]gatehouse.Session // by Secret; on the server, so that no client can edit or keep one
}

func (h *host) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sign-in", h.password)
	mux.HandleFunc("POST /sign-in/code", h.code)
	mux.HandleFunc("GET /", h.home)
	// Another site cannot post these forms, so it cannot sign its visitors in to an account of its own.
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 4<<10))
}

// The prefix makes browsers refuse the cookies over plain HTTP and from other hosts of the domain.
const (
	challengeCookie = "__Host-challenge"
	sessionCookie   = "__Host-session"
)

func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, MaxAge: maxAge, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

// password is the first step.
func (h *host) password(w http.ResponseWriter, r *http.Request) {
	account := h.account(r.PostFormValue("name"))
	try, err := h.svc.Before(r.Context(), account) // a password that is changed from here on ends this sign-in
	if err != nil {
		h.refuse(w, err)
		return
	}
	if !h.checkPassword(account, r.PostFormValue("password")) {
		http.Error(w, "That was not right.", http.StatusUnauthorized)
		return
	}
	ch, err := try.Challenge(r.Context())
	switch {
	case err != nil:
		h.refuse(w, err)
	case ch.Step == gatehouse.StepNotNeeded:
		h.start(w, r, gatehouse.Session{Account: account, Secret: rand.Text()})
	default:
		setCookie(w, challengeCookie, ch.Token.Reveal(), 300)
		http.Redirect(w, r, "/sign-in/code", http.StatusSeeOther) // the page with the form
	}
}

// code is the second step. The account is the challenge's: the form has no field for it.
func (h *host) code(w http.ResponseWriter, r *http.Request) {
	challenge := ""
	if c, err := r.Cookie(challengeCookie); err == nil {
		challenge = c.Value
	}
	session := gatehouse.Session{Secret: rand.Text()} // a new session, whatever the browser had before
	v, err := h.svc.Answer(r.Context(), session, challenge, strings.TrimSpace(r.PostFormValue("code")))
	if err != nil {
		h.refuse(w, err)
		return
	}
	session = v.Session
	setCookie(w, challengeCookie, "", -1)
	h.start(w, r, session)
}

// refuse answers every error: nobody gets in.
func (h *host) refuse(w http.ResponseWriter, err error) {
	var denied *gatehouse.DeniedError
	switch {
	case errors.As(err, &denied):
		h.denied(w, denied)
	case errors.Is(err, gatehouse.ErrBusy):
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Busy. Try again in a moment.", http.StatusServiceUnavailable)
	default: // a fault; its text is for the log and has no secret in it
		h.log.Print("sign-in: ", err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// denied does not say whether a code was wrong, used or not looked at.
func (h *host) denied(w http.ResponseWriter, d *gatehouse.DeniedError) {
	text := "That did not work. Try another code, or sign in again."
	switch {
	case d.Disabled:
		text = "The app's codes are not accepted any more. Use a recovery code, or ask support."
	case !d.RetryAt.IsZero():
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAt.Sub(h.now()).Seconds())))
		text = "Try again at " + d.RetryAt.Format(time.TimeOnly) + ", or use a recovery code."
	}
	http.Error(w, text, http.StatusUnauthorized)
}

func (h *host) start(w http.ResponseWriter, r *http.Request, s gatehouse.Session) {
	h.mu.Lock()
	h.sessions[s.Secret] = s
	h.mu.Unlock()
	setCookie(w, sessionCookie, s.Secret, 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// session returns the session of a request; its zero value is that of somebody who has not signed in.
func (h *host) session(r *http.Request) gatehouse.Session {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return gatehouse.Session{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[c.Value]
}

func (h *host) home(w http.ResponseWriter, r *http.Request) {
	s := h.session(r)
	if s.Account == "" {
		http.Error(w, "Please sign in.", http.StatusUnauthorized)
		return
	}
	fmt.Fprintln(w, "Hello", s.Account)
}

// A net/http sign-in with its cookies.
func Example_signInHandler() {
	svc, ada := protected()
	h := &host{svc: svc.Service, now: svc.Now, log: log.New(io.Discard, "", 0), sessions: map[string]gatehouse.Session{}}
	h.account = func(name string) string { return map[bool]string{true: "user-42", false: "nobody"}[name == "ada"] }
	h.checkPassword = func(account, password string) bool { return account == "user-42" && password == "correct horse" }
	server := httptest.NewTLSServer(h.handler())
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	show := func(r *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.StatusCode, r.Header.Get("Location")+strings.TrimSpace(string(body)))
	}
	password := func(p string) {
		show(browser.PostForm(server.URL+"/sign-in", url.Values{"name": {"ada"}, "password": {p}}))
	}
	code := func(c string) { show(browser.PostForm(server.URL+"/sign-in/code", url.Values{"code": {c}})) }

	code(ada.Code()) // no password, no challenge
	password("wrong")
	password("correct horse")
	code(wrongCode)
	svc.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail)) // the database is down
	code(ada.Code())
	password("correct horse")
	svc.Store.Inject(nil)
	code(" " + ada.Code() + "\n")
	code(ada.RecoveryCodes[0].Reveal()) // the challenge has been answered
	show(browser.Get(server.URL))

	// For a few minutes the proof in the session is enough to change factors.
	for _, session := range h.sessions {
		enroll := gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Tablet"}
		_, err := svc.Owner(session).BeginEnrollment(context.Background(), enroll)
		fmt.Println(err)
	}
	// Output:
	// 401 That did not work. Try another code, or sign in again.
	// 401 That was not right.
	// 303 /sign-in/code
	// 401 That did not work. Try another code, or sign in again.
	// 500 Something went wrong.
	// 500 Something went wrong.
	// 303 /
	// 401 That did not work. Try another code, or sign in again.
	// 200 Hello user-42
	// <nil>
}
