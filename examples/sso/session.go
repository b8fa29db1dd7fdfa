package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"sync"
)

const (
	https  = false // must be true as soon as browsers are on other machines; begin the names of the cookies with __Host- then
	cookie = "session"
)

// sessions are those of the service, which know nothing of Gatehouse.
type sessions struct {
	accounts sync.Map // by the ID of the session
	names    sync.Map // by account
}

// user returns the account that is signed in, "" for nobody.
func (s *sessions) user(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	account, _ := s.accounts.Load(c.Value)
	text, _ := account.(string)
	return text
}

func (s *sessions) name(account string) string {
	name, _ := s.names.Load(account)
	text, _ := name.(string)
	return text
}

// begin begins a session under a new ID.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, account string) error {
	id := rand.Text()
	s.accounts.Store(id, account)
	setCookie(w, cookie, id, 0)
	return s.end(w, r) // the one before
}

func (s *sessions) end(_ http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(cookie); err == nil {
		s.accounts.Delete(c.Value)
	}
	return nil
}

func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: https, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// flow is a sign-in at the provider. The browser keeps it, and nobody else's browser can finish it.
type flow struct {
	State, Nonce, Verifier string
	Next                   string
	Again                  bool // the provider was told to ask
}

const flowCookie = "flow"

func (f flow) keep(w http.ResponseWriter) {
	text, _ := json.Marshal(f)
	setCookie(w, flowCookie, base64.RawURLEncoding.EncodeToString(text), 600)
}

// takeFlow returns the flow that the provider has come back from, once.
func takeFlow(w http.ResponseWriter, r *http.Request) (f flow, ok bool) {
	c, err := r.Cookie(flowCookie)
	if err != nil {
		return flow{}, false
	}
	setCookie(w, flowCookie, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || json.Unmarshal(text, &f) != nil || f.State == "" {
		return flow{}, false
	}
	return f, subtle.ConstantTimeCompare([]byte(f.State), []byte(r.FormValue("state"))) == 1
}
