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
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// host is a web service that has passwords and sessions of its own. Its sign-in has two steps, each a
// form that is posted to a handler.
type host struct {
	svc *gatehouse.Service
	// account returns the stable ID of who has a name, and of a name that nobody has an ID that nobody has, so that
	// both take the same time.
	account func(name string) string
	// checkPassword has a throttle of its own.
	checkPassword func(account, password string) bool
	now           func() time.Time
	log           *log.Logger

	mu       sync.Mutex
	sessions map[string]session // by ID; on the server, so no client can edit or keep one
}

type session struct {
	account string
	proof   gatehouse.Proof // for what the session asks for later; zero without a second factor
}

func (h *host) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sign-in", h.password)
	mux.HandleFunc("POST /sign-in/code", h.code)
	mux.HandleFunc("GET /", h.home)
	// Other sites cannot post these forms, and so cannot sign their visitors in to an account of theirs.
	return http.NewCrossOriginProtection().Handler(mux)
}

// The prefix makes browsers refuse the cookies over plain HTTP and from other hosts of the domain.
const (
	challengeCookie = "__Host-challenge"
	sessionCookie   = "__Host-session"
)

// password is the first step.
func (h *host) password(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	account := h.account(r.PostFormValue("name"))
	try, err := h.svc.Before(r.Context(), account) // a password that is changed from here on ends this sign-in
	if err != nil {
		h.fault(w, err)
		return
	}
	if !h.checkPassword(account, r.PostFormValue("password")) {
		http.Error(w, "That was not right.", http.StatusUnauthorized)
		return
	}
	ch, err := try.Challenge(r.Context())
	switch ch.Step {
	case gatehouse.NotNeeded:
		h.start(w, rand.Text(), session{account: account})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case gatehouse.Needed:
		http.SetCookie(w, &http.Cookie{
			Name: challengeCookie, Value: ch.Token.Reveal(), Path: "/", MaxAge: 300,
			HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
		})
		http.Redirect(w, r, "/sign-in/code", http.StatusSeeOther) // the page with the form
	default: // the zero Step, which comes with every error
		h.fault(w, err)
	}
}

// code is the second step. The account is the challenge's: the form has no field for it.
func (h *host) code(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	challenge := ""
	if c, err := r.Cookie(challengeCookie); err == nil {
		challenge = c.Value
	}
	id := rand.Text() // a new session, whatever the browser had before
	v, err := h.svc.Answer(r.Context(), challenge, strings.TrimSpace(r.PostFormValue("code")), gatehouse.InSession(id))
	var denied *gatehouse.DeniedError
	switch {
	case err == nil:
		http.SetCookie(w, &http.Cookie{
			Name: challengeCookie, Path: "/", MaxAge: -1,
			HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
		})
		h.start(w, id, session{account: v.AccountID, proof: v.Proof})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case errors.As(err, &denied):
		h.denied(w, denied)
	default:
		h.fault(w, err)
	}
}

// denied does not say whether a code was wrong, used, or not looked at.
func (h *host) denied(w http.ResponseWriter, d *gatehouse.DeniedError) {
	text := "That did not work. Try another code, or sign in anew."
	switch {
	case d.Disabled:
		text = "Codes of the app are not taken any more. Use a recovery code."
	case !d.RetryAt.IsZero():
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAt.Sub(h.now()).Seconds())))
		text = "Try again at " + d.RetryAt.Format("15:04:05") + ", or use a recovery code."
	}
	http.Error(w, text, http.StatusUnauthorized)
}

// fault lets nobody in. What went wrong is for the log, which no secret gets into.
func (h *host) fault(w http.ResponseWriter, err error) {
	h.log.Print("sign-in: ", err)
	if errors.Is(err, gatehouse.ErrBusy) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Busy. Try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "Something went wrong.", http.StatusInternalServerError)
}

// readForm bounds what is read of a body.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "Bad form.", http.StatusBadRequest)
		return false
	}
	return true
}

func (h *host) start(w http.ResponseWriter, id string, s session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[id] = s
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: id, Path: "/",
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

func (h *host) home(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		http.Error(w, "Please sign in.", http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.sessions[c.Value]; ok {
		fmt.Fprintln(w, "Hello", s.account)
		return
	}
	http.Error(w, "Please sign in.", http.StatusUnauthorized)
}

// outage is a store that can be down.
type outage struct {
	storage.Store
	down atomic.Bool
}

func (o *outage) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if o.down.Load() {
		return storage.Record{}, errors.New("the database is down")
	}
	return o.Store.LoadAccount(ctx, id)
}

// A net/http sign-in with its cookies.
func Example_signInHandler() {
	app := &ada{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	store := &outage{Store: memory.New()}
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Now: app.clock,
		Recovery: recovery.Params{Memory: 8, Time: 1, Threads: 1}, // for examples and tests alone
	})
	if err != nil {
		log.Fatal(err)
	}
	enr := app.enroll(svc)

	h := &host{svc: svc, now: app.clock, log: log.New(io.Discard, "", 0), sessions: map[string]session{}}
	h.account = func(name string) string { return map[bool]string{true: "user-42", false: "nobody"}[name == "ada"] }
	h.checkPassword = func(account, password string) bool { return account == "user-42" && password == "correct horse" }
	server := httptest.NewTLSServer(h.handler())
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	post := func(path string, form url.Values) {
		r, err := browser.PostForm(server.URL+path, form)
		if err != nil {
			log.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.StatusCode, r.Header.Get("Location")+strings.TrimSpace(string(body)))
	}
	password := func(p string) { post("/sign-in", url.Values{"name": {"ada"}, "password": {p}}) }
	code := func(c string) { post("/sign-in/code", url.Values{"code": {c}}) }

	code(app.code()) // no password, no challenge
	password("wrong")
	password("correct horse")
	code(wrongCode)
	store.down.Store(true)
	code(app.code())
	password("correct horse")
	store.down.Store(false)
	code(" " + app.code() + "\n")
	code(enr.RecoveryCodes[0].Reveal()) // the challenge has been answered

	r, err := browser.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	fmt.Print(string(body))

	// Later in the session, its proof is there for what needs one, unless it is too old by then.
	for id, s := range h.sessions {
		enroll := gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Tablet"}
		_, err = svc.Owner(s.proof, gatehouse.InSession(id)).BeginEnrollment(context.Background(), enroll)
		fmt.Println(err)
	}
	// Output:
	// 401 That did not work. Try another code, or sign in anew.
	// 401 That was not right.
	// 303 /sign-in/code
	// 401 That did not work. Try another code, or sign in anew.
	// 500 Something went wrong.
	// 500 Something went wrong.
	// 303 /
	// 401 That did not work. Try another code, or sign in anew.
	// Hello user-42
	// <nil>
}
