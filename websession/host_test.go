package websession_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/websession"
)

// sessions is a host's own way to keep sessions.
type sessions interface {
	user(r *http.Request) string
	begin(w http.ResponseWriter, account string)
	end(w http.ResponseWriter, r *http.Request)
}

const hostCookie = "host"

func hostValue(r *http.Request) string {
	c, err := r.Cookie(hostCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

func setHost(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{Name: hostCookie, Value: value, Path: "/", Secure: true, HttpOnly: true})
}

// onServer keeps sessions in a map: one that was ended is gone.
type onServer struct {
	mu sync.Mutex
	of map[string]string
}

func (s *onServer) user(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[hostValue(r)]
}

func (s *onServer) begin(w http.ResponseWriter, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	s.of[id] = account
	setHost(w, id)
}

func (s *onServer) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, hostValue(r))
	setHost(w, "")
}

// signed keeps sessions in the browser: a copy works for ever.
type signed struct{ key []byte }

func (s signed) mac(account string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(account))
	return hex.EncodeToString(m.Sum(nil))
}

func (s signed) user(r *http.Request) string {
	text, code, _ := strings.Cut(hostValue(r), ".")
	account, err := hex.DecodeString(text)
	if err != nil || !hmac.Equal([]byte(code), []byte(s.mac(string(account)))) {
		return ""
	}
	return string(account)
}

func (s signed) begin(w http.ResponseWriter, account string) {
	setHost(w, hex.EncodeToString([]byte(account))+"."+s.mac(account))
}

func (signed) end(w http.ResponseWriter, _ *http.Request) { setHost(w, "") }

// jsonWebToken keeps sessions in a token of RFC 7519 that is good for a day, whatever happens to the account.
type jsonWebToken struct{ signed }

func (s jsonWebToken) user(r *http.Request) string {
	parts := strings.Split(hostValue(r), ".")
	if len(parts) != 3 || !hmac.Equal([]byte(parts[2]), []byte(s.mac(parts[0]+"."+parts[1]))) {
		return ""
	}
	var claims struct{ Sub string }
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return ""
	}
	return claims.Sub
}

func (s jsonWebToken) begin(w http.ResponseWriter, account string) {
	encode := func(v any) string {
		data, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := encode(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + encode(map[string]any{"sub": account, "exp": int64(1) << 40})
	setHost(w, text+"."+s.mac(text))
}

var kindsOfHost = map[string]func() sessions{
	"sessions on the server": func() sessions { return &onServer{of: map[string]string{}} },
	"a signed cookie":        func() sessions { return signed{[]byte(rand.Text())} },
	"a JSON Web Token":       func() sessions { return jsonWebToken{signed{[]byte(rand.Text())}} },
}

// host is a service with one password for everybody, and a second step without a page.
type host struct {
	t    testing.TB
	svc  *gatehousetest.Service
	own  sessions
	web  *websession.Sessions
	app  http.Handler // what is behind the middleware
	logs *strings.Builder

	// ran is who the handlers behind the middleware have taken a request for.
	ran []string
}

func newHost(t testing.TB, own sessions, edit ...func(*websession.Config)) *host {
	t.Helper()
	h := &host{t: t, svc: gatehousetest.New(t), own: own, logs: &strings.Builder{}}
	h.open(edit...)
	return h
}

// open makes the sessions, and the handlers of the host.
func (h *host) open(edit ...func(*websession.Config)) {
	h.t.Helper()
	c := websession.Config{
		Service: h.svc.Service, User: h.own.user, Home: "/home", Faults: slog.New(slog.NewTextHandler(h.logs, nil)),
		SignIn: func(w http.ResponseWriter, _ *http.Request, account string) error {
			h.own.begin(w, account)
			return nil
		},
		SignOut: func(w http.ResponseWriter, r *http.Request) error {
			h.own.end(w, r)
			return nil
		},
	}
	for _, f := range edit {
		f(&c)
	}
	var err error
	h.web, err = websession.New(c)
	require.NoError(h.t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", h.login)
	mux.HandleFunc("POST /settings/security/sign-in", h.answer)
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := h.web.End(w, r); err != nil {
			h.refuse(w, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		in, err := h.web.Current(r)
		require.NoError(h.t, err)
		if !strings.HasPrefix(r.URL.Path, "/settings/security/") { // where somebody may be half signed in
			require.Equal(h.t, h.own.user(r), in.Account, "the host and Gatehouse must not differ over who it is")
		}
		if in.Account != "" {
			h.ran = append(h.ran, in.Account)
		}
		_, _ = io.WriteString(w, "hello "+in.Account)
	})
	h.app = h.web.Middleware(mux)
}

func (h *host) refuse(w http.ResponseWriter, err error) {
	h.t.Log(err)
	http.Error(w, "no", http.StatusUnauthorized)
}

func (h *host) login(w http.ResponseWriter, r *http.Request) {
	try, err := h.web.Before(r, r.FormValue("account"))
	if err == nil {
		err = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
	}
	if err != nil {
		h.refuse(w, err)
	}
}

func (h *host) answer(w http.ResponseWriter, r *http.Request) {
	if _, err := h.web.Answer(w, r, r.FormValue("code")); err != nil {
		h.refuse(w, err)
	}
}

// browser is one that does as it is told about cookies, and follows no redirect.
type browser struct {
	h       *host
	cookies map[string]string
}

func (h *host) browser() *browser { return &browser{h: h, cookies: map[string]string{}} }

// stubborn returns a copy of the browser that goes on sending the cookies it has now.
func (b *browser) stubborn(without ...string) *browser {
	c := b.h.browser()
	for name, value := range b.cookies {
		c.cookies[name] = value
	}
	for _, name := range without {
		delete(c.cookies, name)
	}
	return c
}

func (b *browser) do(r *http.Request) *http.Response {
	b.h.t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.h.app.ServeHTTP(w, r.WithContext(b.h.t.Context()))
	return w.Result()
}

// take does as an answer says about cookies.
func (b *browser) take(res *http.Response) *http.Response {
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return res
}

func request(method, target string, form ...string) *http.Request {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	r := httptest.NewRequest(method, "https://acme.test"+target, strings.NewReader(values.Encode()))
	r.RequestURI = target
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	return r
}

func (b *browser) get(target string) *http.Response {
	b.h.t.Helper()
	return b.take(b.do(request(http.MethodGet, target)))
}

func (b *browser) post(target string, form ...string) *http.Response {
	b.h.t.Helper()
	return b.take(b.do(request(http.MethodPost, target, form...)))
}

// in returns the browser's session, as a handler has it.
func (b *browser) in() (in gatehouse.Session) {
	b.h.t.Helper()
	r := request(http.MethodGet, "/")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	in, err := b.h.web.Current(r)
	require.NoError(b.h.t, err)
	return in
}

// keep has the browser keep a proof.
func (b *browser) keep(p gatehouse.Proof) {
	b.h.t.Helper()
	r := request(http.MethodPost, "/")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	require.NoError(b.h.t, b.h.web.Keep(w, r, p))
	b.take(w.Result())
}

// signIn returns a browser in which an account without a second factor is signed in.
func (h *host) signIn(account string) *browser {
	h.t.Helper()
	b := h.browser()
	res := b.post("/login", "account", account)
	require.Equal(h.t, http.StatusSeeOther, res.StatusCode)
	require.Equal(h.t, "/home", res.Header.Get("Location"))
	require.True(h.t, b.gets(account))
	return b
}

// signInWith is signIn for an account with a second factor.
func (h *host) signInWith(o *gatehousetest.User) *browser {
	h.t.Helper()
	b := h.browser()
	res := b.post("/login", "account", o.AccountID)
	require.Equal(h.t, "/settings/security/sign-in", res.Header.Get("Location"))
	require.False(h.t, b.gets(o.AccountID))
	res = b.post("/settings/security/sign-in", "code", o.Code())
	require.Equal(h.t, "/home", res.Header.Get("Location"))
	require.True(h.t, b.gets(o.AccountID))
	return b
}

// gets reports whether any handler takes a request of the browser for one of an account. The browser keeps its cookies.
func (b *browser) gets(account string) bool {
	b.h.t.Helper()
	for _, r := range []*http.Request{
		request(http.MethodGet, "/x"), request(http.MethodPost, "/x"), request(http.MethodHead, "/x"), request(http.MethodDelete, "/x"),
		request(http.MethodGet, "/settings/security/../../x"), request(http.MethodGet, "/settings/security/"),
		request(http.MethodPost, "/settings/security/%2e%2e/x"), request("PROPFIND", "/x"),
	} {
		b.h.ran = nil
		b.do(r)
		for _, who := range b.h.ran {
			if who == account {
				return true
			}
		}
	}
	return false
}

// pair gives the account of a browser an authenticator, in that browser.
func (b *browser) pair(replace string) (*gatehousetest.Authenticator, string) {
	b.h.t.Helper()
	ctx := b.h.t.Context()
	owner := b.h.svc.Owner(b.in())
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Replace: replace})
	require.NoError(b.h.t, err)
	app, err := gatehousetest.Scan(enr.URI())
	require.NoError(b.h.t, err)
	proof, err := owner.ConfirmEnrollment(ctx, enr.ID, app.Code(b.h.svc.Now()))
	require.NoError(b.h.t, err)
	b.keep(proof)
	b.h.svc.Wait(time.Minute)
	return app, enr.ID
}
