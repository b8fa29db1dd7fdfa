package passkey_test

import (
	"crypto/rand"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/websession"
)

// site is a program with the Security page, whose form signs in by a passkey as well.
func site(t *testing.T) *gatehousetest.Site {
	t.Helper()
	return gatehousetest.NewSite(t, func(svc *gatehouse.Service) http.Handler {
		pk, err := passkey.New(svc, config())
		require.NoError(t, err)
		var sessions sync.Map // accounts, by the value of the cookie
		user := func(r *http.Request) string {
			if c, err := r.Cookie("__Host-session"); err == nil {
				if account, ok := sessions.Load(c.Value); ok {
					return account.(string)
				}
			}
			return ""
		}
		web, err := websession.New(websession.Config{
			Service: svc, Passkeys: pk, User: user,
			SignIn: func(w http.ResponseWriter, _ *http.Request, account string) error {
				c := http.Cookie{Name: "__Host-session", Value: rand.Text(), Path: "/", Secure: true, HttpOnly: true}
				sessions.Store(c.Value, account)
				http.SetCookie(w, &c)
				return nil
			},
			SignOut: func(w http.ResponseWriter, _ *http.Request) error {
				http.SetCookie(w, &http.Cookie{Name: "__Host-session", Path: "/", Secure: true, MaxAge: -1})
				return nil
			},
		})
		require.NoError(t, err)
		page, err := securitypage.New(securitypage.Config{
			Web: web, Passkeys: pk, Name: "Acme", Links: securitypage.Links{SignIn: "/login"},
			Password: func(*http.Request, string, string) (bool, error) { return true, nil },
		})
		require.NoError(t, err)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<form method=post><input name=user><input name=password type=password></form>
				<form method=post action=/settings/security/passkey/sign-in><input type=hidden name=passkey><input type=hidden name=next value=/></form>`)
		})
		mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
			try, err := web.Before(r, r.FormValue("user"))
			if err == nil {
				err = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "signed in as "+user(r)) })
		mux.Handle("/settings/security/", page)
		return web.Middleware(mux)
	})
}

var scripted = regexp.MustCompile(`data-passkey="([^"]*)"`)

// asked returns the options that a page has for its script.
func asked(t *testing.T, p *gatehousetest.Page) []byte {
	t.Helper()
	found := scripted.FindStringSubmatch(p.Body)
	require.NotNil(t, found, p.Text())
	return []byte(html.UnescapeString(found[1]))
}

// The page, the sessions of browsers and the passkeys are one: add a passkey, sign in with it at the second step and
// alone, confirm with it, and remove it.
func TestPage(t *testing.T) {
	s := site(t)
	phone, laptop := passkeytest.New(origin), passkeytest.New(origin)
	create := func(b *gatehousetest.Browser, phone *passkeytest.Authenticator) *gatehousetest.Page {
		t.Helper()
		response, err := phone.Create(asked(t, b.Get("/settings/security/pair/confirm")))
		require.NoError(t, err)
		return b.Submit("/settings/security/pair/confirm", "passkey", string(response))
	}
	b := s.Browser(t)
	b.SignIn("ada", "secret")
	b.Get("/settings/security/passkey")
	b.Submit("/settings/security/passkey", "name", "Phone")
	require.Contains(t, b.Get("/settings/security/pair/codes").Text(), "recovery codes")
	b.Submit("/settings/security/pair/codes", "saved", "yes")
	done := create(b, phone)
	require.Equal(t, http.StatusOK, done.Status, done.Text())
	a, err := s.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, "Phone", a.Authenticators[0].Name)

	// The session goes on with the proof of it.
	b.Get("/settings/security/passkey")
	b.Submit("/settings/security/passkey")
	create(b, laptop)
	require.Contains(t, b.Get("/settings/security/authenticators").Text(), "Phone")

	// The second step.
	b = s.Browser(t)
	p := b.SignIn("ada", "secret")
	get := func(phone *passkeytest.Authenticator, p *gatehousetest.Page) string {
		t.Helper()
		response, err := phone.Get(asked(t, p))
		require.NoError(t, err)
		return string(response)
	}
	phone.Tamper = passkeytest.WrongOrigin
	p = b.Submit("/settings/security/sign-in", "passkey", get(phone, p))
	require.Equal(t, http.StatusUnprocessableEntity, p.Status, p.Text())
	phone.Tamper = nil
	p = b.Submit("/settings/security/sign-in", "passkey", get(phone, p))
	require.Equal(t, "/settings/security/", p.Path, p.Text())
	require.Equal(t, "signed in as ada", b.Get("/").Body)

	// Once more, before a change.
	s.Wait(time.Hour)
	p = b.Get("/settings/security/step-up")
	b.Submit("/settings/security/step-up", "step_up_passkey", get(phone, p))
	b.Get("/settings/security/authenticators/remove?id=" + a.Authenticators[0].ID)
	p = b.Submit("/settings/security/authenticators/remove")
	require.Contains(t, p.Body, "allAcceptedCredentialIds", p.Text())

	// Alone, in another browser: the one that is left, and not the one that is gone.
	b = s.Browser(t)
	alone := func(phone *passkeytest.Authenticator) *gatehousetest.Page {
		t.Helper()
		options := b.Post("/settings/security/passkey/options")
		b.Get("/login")
		response, err := phone.Get([]byte(options.Body))
		require.NoError(t, err)
		return b.Submit("/settings/security/passkey/sign-in", "passkey", string(response))
	}
	p = alone(phone)
	require.Equal(t, http.StatusForbidden, p.Status)
	require.Contains(t, html.UnescapeString(p.Body), `"credentialId":"`+strings.TrimSpace(string(encoded(phone.Passkeys()[0].ID))))
	require.NotEqual(t, "signed in as ada", b.Get("/").Body)
	require.Equal(t, "signed in as ada", alone(laptop).Body)
}
