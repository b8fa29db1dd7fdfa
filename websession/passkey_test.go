package websession_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/websession"
)

// passkeys are a stand-in for the module passkey, which this module does not know: a response is an account and a code of
// its authenticator app, and a sign-in is tied to the secret that its options were made for.
type passkeys struct {
	svc     *gatehousetest.Service
	secrets map[string]bool
}

func (p *passkeys) Of(svc *gatehouse.Service) bool { return svc == p.svc.Service }

func (p *passkeys) AnswerPasskey(ctx context.Context, in gatehouse.Session, challenge string, response []byte) (gatehouse.Verification, error) {
	return p.svc.Answer(ctx, in, challenge, string(response))
}

func (p *passkeys) SignInOptions(_ context.Context, secret string) ([]byte, error) {
	p.secrets[secret] = true
	return []byte(secret), nil
}

func (p *passkeys) SignIn(ctx context.Context, in gatehouse.Session, response []byte) (gatehouse.Verification, error) {
	account, code, _ := strings.Cut(string(response), " ")
	if !p.secrets[in.Secret] {
		return gatehouse.Verification{}, &gatehouse.DeniedError{}
	}
	in.Account = account
	try, err := p.svc.Before(ctx, account)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	ch, err := try.Challenge(ctx)
	if err != nil {
		return gatehouse.Verification{}, err
	}
	return p.svc.Answer(ctx, in, ch.Token.Reveal(), code)
}

// withPasskeys is a host whose own form signs in by a passkey alone.
func withPasskeys(t *testing.T, own sessions) *host {
	t.Helper()
	var p *passkeys
	h := newHost(t, own, func(c *websession.Config) {
		p = &passkeys{&gatehousetest.Service{Service: c.Service}, map[string]bool{}}
		c.Passkeys = p
	})
	app := h.app
	mux := http.NewServeMux()
	mux.HandleFunc("/passkey/options", func(w http.ResponseWriter, r *http.Request) {
		options, err := h.web.PasskeyOptions(w, r)
		if err != nil {
			h.refuse(w, err)
			return
		}
		_, _ = w.Write(options)
	})
	mux.HandleFunc("POST /passkey", func(w http.ResponseWriter, r *http.Request) {
		if _, err := h.web.SignInByPasskey(w, r, []byte(r.FormValue("passkey"))); err != nil {
			require.Empty(t, w.Header(), "nothing of an answer is written")
			h.refuse(w, err)
		}
	})
	mux.HandleFunc("POST /settings/security/passkey", func(w http.ResponseWriter, r *http.Request) {
		if _, err := h.web.AnswerPasskey(w, r, []byte(r.FormValue("passkey"))); err != nil {
			h.refuse(w, err)
		}
	})
	mux.Handle("/", app)
	h.app = mux
	return h
}

// options returns the secret that the options are tied to.
func (b *browser) options() string {
	b.h.t.Helper()
	body, err := io.ReadAll(b.post("/passkey/options").Body)
	require.NoError(b.h.t, err)
	return string(body)
}

// A passkey alone signs in, in the browser that has asked for it and in no other, with a session that is new.
func TestSignInByPasskey(t *testing.T) {
	for name, own := range kindsOfHost {
		t.Run(name, func(t *testing.T) {
			h := withPasskeys(t, own())
			o := h.svc.Enroll(t, "ada")
			b := h.browser()
			require.Equal(t, http.StatusUnauthorized, b.post("/passkey", "passkey", "ada "+o.Code()).StatusCode, "no options were asked for")
			secret := b.options()
			require.NotEmpty(t, secret)
			require.Equal(t, secret, b.options(), "autofill and the button go together")
			planted := b.stubborn()

			foreign := request(http.MethodPost, "/passkey", "passkey", "ada "+o.Code())
			foreign.Header.Set("Sec-Fetch-Site", "cross-site")
			require.Equal(t, http.StatusUnauthorized, b.take(b.do(foreign)).StatusCode)
			require.Equal(t, http.StatusUnauthorized, h.browser().post("/passkey", "passkey", "ada "+o.Code()).StatusCode, "another browser")
			require.Equal(t, http.StatusUnauthorized, b.post("/passkey", "passkey", "ada 000000").StatusCode)
			require.False(t, b.gets("ada"))

			res := b.post("/passkey", "passkey", "ada "+o.Code(), "next", "/projects?id=7")
			require.Equal(t, "/projects?id=7", res.Header.Get("Location"))
			require.True(t, b.gets("ada"))
			_, err := h.svc.CheckProof(t.Context(), b.in(), time.Minute)
			require.NoError(t, err, "the proof is the new session's")
			require.NotEqual(t, secret, b.in().Secret, "the secret was there before anybody was signed in")
			require.NotContains(t, b.cookies, "__Host-gatehouse-signin")
			require.False(t, planted.gets("ada"), "the cookies from before are no session")

			for _, next := range []string{"//evil.test", "https://evil.test/", "/\\evil.test", ""} {
				h.svc.Wait(time.Minute)
				b.options()
				res = b.post("/passkey", "passkey", "ada "+o.Code(), "next", next)
				require.Equal(t, "/home", res.Header.Get("Location"), next)
				require.True(t, b.gets("ada"))
			}

			// Somebody else signs in in the same browser: nothing is carried over.
			before, other := b.in(), h.svc.Enroll(t, "eve")
			b.options()
			b.post("/passkey", "passkey", "eve "+other.Code())
			require.False(t, b.gets("ada"))
			require.True(t, b.gets("eve"))
			require.NotEqual(t, before.Secret, b.in().Secret)

			b = h.browser()
			b.options()
			h.svc.Wait(20 * time.Minute)
			require.Equal(t, http.StatusUnauthorized, b.post("/passkey", "passkey", "ada "+o.Code()).StatusCode, "too long ago")
		})
	}
}

// A sign-in that waits for its second step goes on, whatever is asked for in another tab, and a passkey completes it.
func TestAnswerPasskey(t *testing.T) {
	h := withPasskeys(t, &onServer{of: map[string]string{}})
	o := h.svc.Enroll(t, "ada")
	b := h.browser()
	b.post("/login", "account", "ada", "next", "/projects")
	b.options()
	foreign := request(http.MethodPost, "/settings/security/passkey", "passkey", o.Code())
	foreign.Header.Set("Sec-Fetch-Site", "same-site")
	require.Equal(t, http.StatusUnauthorized, b.do(foreign).StatusCode)
	require.Equal(t, http.StatusUnauthorized, b.post("/settings/security/passkey", "passkey", "000000").StatusCode)
	waiting := b.stubborn()
	res := b.post("/settings/security/passkey", "passkey", o.Code())
	require.Equal(t, "/projects", res.Header.Get("Location"))
	require.True(t, b.gets("ada"))
	require.False(t, waiting.gets("ada"))

	b = h.browser()
	b.options()
	h.svc.Wait(time.Minute)
	require.Equal(t, http.StatusUnauthorized, b.post("/settings/security/passkey", "passkey", o.Code()).StatusCode, "no password was given")
	b.post("/login", "account", "ada")
	require.NotEqual(t, waiting.options(), b.options())
	require.Equal(t, "/home", b.post("/passkey", "passkey", "ada "+o.Code()).Header.Get("Location"), "the passkey alone, while the second step waits")
	require.True(t, b.gets("ada"))
}

// A host whose session cannot begin signs nobody in.
func TestPasskeyFaults(t *testing.T) {
	h := withPasskeys(t, &onServer{of: map[string]string{}})
	o := h.svc.Enroll(t, "ada")
	svc := h.svc.Service
	_, err := websession.New(websession.Config{
		Service: gatehousetest.New(t).Service, Passkeys: &passkeys{svc: h.svc}, User: h.own.user,
		SignIn:  func(http.ResponseWriter, *http.Request, string) error { return nil },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	})
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "passkeys of another service")

	with := h.web
	b := h.browser()
	b.options()
	for name, edit := range map[string]func(*websession.Config){
		"no passkeys": func(*websession.Config) {},
		"the host's fault": func(c *websession.Config) {
			c.Passkeys = with.Passkeys()
			c.SignIn = func(w http.ResponseWriter, _ *http.Request, _ string) error {
				w.Header().Set("Set-Cookie", "host=half")
				return errors.New("down")
			}
		},
	} {
		h.open(edit)
		r := request(http.MethodPost, "/passkey", "passkey", "ada "+o.Code())
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := recorder()
		_, err = h.web.SignInByPasskey(w, r, []byte(r.FormValue("passkey")))
		require.Error(t, err, name)
		require.NotErrorIs(t, err, gatehouse.ErrDenied, name)
		require.Empty(t, w.Header(), name)
	}
	require.Same(t, svc, h.svc.Service)
}
