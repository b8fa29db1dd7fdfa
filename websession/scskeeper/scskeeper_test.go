package scskeeper_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/websession"
	"github.com/gatehouse-go/gatehouse/websession/scskeeper"
)

// store fails on demand.
type store struct {
	*memstore.MemStore
	err error
}

func (s *store) Commit(token string, b []byte, expiry time.Time) error {
	if s.err != nil {
		return s.err
	}
	return s.MemStore.Commit(token, b, expiry)
}

func TestKeeper(t *testing.T) {
	svc := gatehousetest.New(t)
	m, kept := scs.New(), &store{MemStore: memstore.New()}
	m.Store = kept
	web, err := websession.New(websession.Config{
		Service: svc.Service, Keeper: scskeeper.New(m), Home: "/home",
		User: func(r *http.Request) string { return m.GetString(r.Context(), "user") },
		SignIn: func(_ http.ResponseWriter, r *http.Request, account string) error {
			m.Put(r.Context(), "user", account)
			return m.RenewToken(r.Context())
		},
		SignOut: func(_ http.ResponseWriter, r *http.Request) error { return m.Destroy(r.Context()) },
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	fail := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, "no", http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		try, err := web.Before(r, "ada")
		require.NoError(t, err)
		fail(w, try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"}))
	})
	mux.HandleFunc("POST /settings/security/sign-in", func(w http.ResponseWriter, r *http.Request) {
		_, err := web.Answer(w, r, r.FormValue("code"))
		fail(w, err)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { fail(w, web.End(w, r)) })
	mux.HandleFunc("GET /{path...}", func(w http.ResponseWriter, r *http.Request) {
		in, err := web.Current(r)
		require.NoError(t, err)
		_, _ = io.WriteString(w, in.Account)
	})
	server := httptest.NewServer(m.LoadAndSave(web.Middleware(mux)))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	post := func(path string, form url.Values) *http.Response {
		res, err := client.PostForm(server.URL+path, form)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res
	}
	user := func() string {
		res, err := client.Get(server.URL + "/x")
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
		return string(body)
	}

	// Signing in renews the session's ID, and what is kept goes with it.
	require.Equal(t, "/home", post("/login", nil).Header.Get("Location"))
	require.Len(t, jar.Cookies(at), 1, "scs's own")
	id := jar.Cookies(at)[0].Value
	require.Equal(t, "ada", user())
	post("/login", nil)
	require.NotEqual(t, id, jar.Cookies(at)[0].Value)
	require.Equal(t, "ada", user())
	require.Equal(t, http.StatusOK, post("/logout", nil).StatusCode)
	require.Empty(t, user())

	// The second step, and an ending.
	o := svc.Enroll(t, "ada")
	require.Equal(t, "/settings/security/sign-in", post("/login", nil).Header.Get("Location"))
	require.Empty(t, user())
	require.Equal(t, "/home", post("/settings/security/sign-in", url.Values{"code": {o.Code()}}).Header.Get("Location"))
	require.Equal(t, "ada", user())
	require.NoError(t, svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
	res, err := client.Get(server.URL + "/x")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Empty(t, user())

	// What cannot be stored is an error before the answer: a right code is told as no success.
	require.Equal(t, "/settings/security/sign-in", post("/login", nil).Header.Get("Location"))
	kept.err = errors.New("the disk is full")
	require.Equal(t, http.StatusInternalServerError, post("/settings/security/sign-in", url.Values{"code": {o.Code()}}).StatusCode)
	kept.err = nil
	require.Empty(t, user())
}

// Outside of LoadAndSave everything is a fault.
func TestOutside(t *testing.T) {
	k := scskeeper.New(scs.New())
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	_, err := k.Load(r, "session")
	require.ErrorContains(t, err, "LoadAndSave")
	require.ErrorContains(t, k.Save(httptest.NewRecorder(), r, "session", "x", time.Hour), "LoadAndSave")
}
