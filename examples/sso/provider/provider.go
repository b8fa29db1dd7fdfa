// Package provider is an OpenID Connect provider to try a service with: it believes everybody who says a name. It has one
// client, and only the code flow with PKCE.
package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
)

// Config is that of a provider and of its client.
type Config struct {
	Issuer       string // where browsers and the client find it, without a slash at its end
	ClientID     string
	ClientSecret string
	RedirectURI  string
	Now          func() time.Time
	Claims       func(map[string]any) // for tests: changes the claims of an ID token. Defaults to leaving them as they are
}

// Provider is an http.Handler for the paths below its Issuer.
type Provider struct {
	http.ServeMux
	c      Config
	key    *ecdsa.PrivateKey
	signer jose.Signer

	mu       sync.Mutex
	sessions map[string]session // by cookie
	codes    map[string]grant   // each works once
}

// session is somebody who is signed in here.
type session struct {
	name string
	at   time.Time
}

// grant is what a code stands for.
type grant struct {
	session
	nonce, challenge string
	until            time.Time
}

const cookie = "provider"

// New returns a Provider with a key of its own.
func New(c Config) (*Provider, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		return nil, err
	}
	p := &Provider{c: c, key: key, signer: signer, sessions: map[string]session{}, codes: map[string]grant{}}
	p.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	p.HandleFunc("GET /keys", p.keys)
	p.HandleFunc("GET /authorize", p.authorize)
	p.HandleFunc("POST /authorize", p.signIn)
	p.HandleFunc("POST /token", p.token)
	return p, nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"issuer": p.c.Issuer, "jwks_uri": p.c.Issuer + "/keys",
		"authorization_endpoint": p.c.Issuer + "/authorize", "token_endpoint": p.c.Issuer + "/token",
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported": []string{"S256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
}

var form = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Provider</title>
<h1>Provider</h1><form method="post"><label>Your name <input name="name" required></label> <button>Go on</button></form>`))

// authorize goes back at once where somebody is signed in whose sign-in is young enough, and asks otherwise.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != p.c.ClientID || q.Get("redirect_uri") != p.c.RedirectURI || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" {
		http.Error(w, "not a request of the client", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var in session
	if c, err := r.Cookie(cookie); err == nil {
		in = p.sessions[c.Value]
	}
	oldest, err := strconv.Atoi(q.Get("max_age"))
	tooOld := err == nil && p.c.Now().Sub(in.at) >= time.Duration(oldest)*time.Second
	if in.name == "" || tooOld || q.Get("prompt") == "login" {
		_ = form.Execute(w, nil)
		return
	}
	p.back(w, r, in)
}

func (p *Provider) signIn(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("redirect_uri") != p.c.RedirectURI || http.NewCrossOriginProtection().Check(r) != nil {
		http.Error(w, "not a form of this provider", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, in := rand.Text(), session{r.PostFormValue("name"), p.c.Now()}
	p.sessions[id] = in
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	p.back(w, r, in)
}

// back leads to the client with a code.
func (p *Provider) back(w http.ResponseWriter, r *http.Request, in session) {
	q, code := r.URL.Query(), rand.Text()
	p.codes[code] = grant{in, q.Get("nonce"), q.Get("code_challenge"), p.c.Now().Add(time.Minute)}
	http.Redirect(w, r, p.c.RedirectURI+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusSeeOther)
}

// token gives out the ID token of a code.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	p.mu.Lock()
	code := r.PostFormValue("code")
	g := p.codes[code]
	delete(p.codes, code)
	p.mu.Unlock()
	now := p.c.Now()
	if id != p.c.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(p.c.ClientSecret)) != 1 || !now.Before(g.until) ||
		r.PostFormValue("redirect_uri") != p.c.RedirectURI || oauth2.S256ChallengeFromVerifier(r.PostFormValue("code_verifier")) != g.challenge {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{
		"iss": p.c.Issuer, "aud": p.c.ClientID, "sub": "user-" + g.name, "name": g.name, "nonce": g.nonce,
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "auth_time": g.at.Unix(),
	}
	if p.c.Claims != nil {
		p.c.Claims(claims)
	}
	token, err := jwt.Signed(p.signer).Claims(claims).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": token})
}
