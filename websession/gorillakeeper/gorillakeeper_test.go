package gorillakeeper_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/websession"
	"github.com/gatehouse-go/gatehouse/websession/gorillakeeper"
)

// site is a host whose own session is one of the same store.
type site struct {
	t      *testing.T
	client *http.Client
	url    string
	at     *url.URL
	web    *websession.Sessions
}

func newSite(t *testing.T, svc *gatehousetest.Service, dir string, edit ...func(*websession.Config)) *site {
	t.Helper()
	store := sessions.NewFilesystemStore(dir, securecookie.GenerateRandomKey(32))
	store.MaxLength(8192)
	own := func(r *http.Request) *sessions.Session {
		s, _ := store.Get(r, "host") // a new one where it does not open
		s.Options.HttpOnly = true
		return s
	}
	c := websession.Config{
		Service: svc.Service, Keeper: gorillakeeper.New(store, sessions.Options{Path: "/"}), Home: "/home",
		User: func(r *http.Request) string {
			account, _ := own(r).Values["user"].(string)
			return account
		},
		SignIn: func(w http.ResponseWriter, r *http.Request, account string) error {
			s := own(r)
			s.ID, s.Values["user"] = "", account
			return s.Save(r, w)
		},
		SignOut: func(w http.ResponseWriter, r *http.Request) error {
			s := own(r)
			s.Options.MaxAge = -1
			return s.Save(r, w)
		},
	}
	for _, f := range edit {
		f(&c)
	}
	web, err := websession.New(c)
	require.NoError(t, err)
	mux := http.NewServeMux()
	fail := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, "no", http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		try, err := web.Before(r, r.FormValue("account"))
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
	server := httptest.NewServer(web.Middleware(mux))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	return (&site{t: t, url: server.URL, at: at, web: web}).another()
}

// another returns another browser at the same site.
func (s *site) another() *site {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	b := *s
	b.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &b
}

// request is one of the browser's, as a handler has it.
func (s *site) request() *http.Request {
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, nil)
	for _, c := range s.client.Jar.Cookies(s.at) {
		r.AddCookie(c)
	}
	return r
}

// gorilla/sessions lists nothing: an Index does, and a session whose row is gone has ended.
func TestDirectory(t *testing.T) {
	svc, rows := gatehousetest.New(t), &websession.MemoryIndex{}
	list, err := websession.NewDirectory(svc.Service, rows, 24*time.Hour)
	require.NoError(t, err)
	mine := newSite(t, svc, t.TempDir(), func(c *websession.Config) { c.Noter = list })
	other, third, eve := mine.another(), mine.another(), mine.another()
	for b, account := range map[*site]string{mine: "ada", other: "ada", third: "ada", eve: "eve"} {
		require.Equal(t, "/home", b.post("/login", "account", account).Header.Get("Location"))
	}
	in, err := other.web.Current(other.request())
	require.NoError(t, err)
	id := websession.SessionID(in)
	require.ErrorIs(t, eve.web.EndSession(eve.request(), list, id), gatehouse.ErrNotFound)
	who, _ := other.user()
	require.Equal(t, "ada", who)
	require.NoError(t, mine.web.EndSession(mine.request(), list, id))
	_, status := other.user()
	require.Equal(t, http.StatusSeeOther, status)
	who, _ = other.user()
	require.Empty(t, who)

	require.NoError(t, mine.web.EndOthers(mine.request(), list))
	all, err := mine.web.Listed(mine.request(), list)
	require.NoError(t, err)
	require.Len(t, all, 1)
	_, status = third.user()
	require.Equal(t, http.StatusSeeOther, status)
	for b, account := range map[*site]string{mine: "ada", eve: "eve"} {
		who, _ := b.user()
		require.Equal(t, account, who)
	}
	mine.post("/logout")
	left, err := rows.Rows(t.Context(), "ada", "")
	require.NoError(t, err)
	require.Empty(t, left)
}

func (s *site) post(path string, form ...string) *http.Response {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	res, err := s.client.PostForm(s.url+path, values)
	require.NoError(s.t, err)
	require.NoError(s.t, res.Body.Close())
	return res
}

func (s *site) user() (string, int) {
	s.t.Helper()
	res, err := s.client.Get(s.url + "/x")
	require.NoError(s.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return string(body), res.StatusCode
}

func (s *site) cookie(name string) string {
	for _, c := range s.client.Jar.Cookies(s.at) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func TestKeeper(t *testing.T) {
	svc, dir := gatehousetest.New(t), t.TempDir()
	for _, account := range []string{"ada", strings.Repeat("\x01", 255)} {
		s := newSite(t, svc, dir)
		require.Equal(t, "/home", s.post("/login", "account", account).Header.Get("Location"))
		who, _ := s.user()
		require.Equal(t, account, who)
		first := s.cookie("gatehouse-session")
		require.NotEmpty(t, first)
		s.post("/login", "account", account)
		require.NotEqual(t, first, s.cookie("gatehouse-session"), "a new ID")
		require.Equal(t, http.StatusOK, s.post("/logout").StatusCode)
		who, _ = s.user()
		require.Empty(t, who)
		require.Empty(t, s.cookie("gatehouse-session"))

		// The second step, and an ending.
		o := svc.Enroll(t, account)
		require.Equal(t, "/settings/security/sign-in", s.post("/login", "account", account).Header.Get("Location"))
		who, _ = s.user()
		require.Empty(t, who)
		require.Equal(t, "/home", s.post("/settings/security/sign-in", "code", o.Code()).Header.Get("Location"))
		who, _ = s.user()
		require.Equal(t, account, who)
		require.NoError(t, svc.Operator("system").PasswordChanged(t.Context(), account, gatehouse.KeepTokens))
		_, status := s.user()
		require.Equal(t, http.StatusSeeOther, status)
		who, _ = s.user()
		require.Empty(t, who)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(left), 4, "replaced sessions are deleted: those left are the host's, whose IDs it drops")
}

// A session whose file is gone is none; a store that fails is a fault, and signs nobody in or out.
func TestFaults(t *testing.T) {
	svc, dir := gatehousetest.New(t), t.TempDir()
	s := newSite(t, svc, dir)
	s.post("/login", "account", "ada")
	keeper := gorillakeeper.New(sessions.NewFilesystemStore(dir, securecookie.GenerateRandomKey(32)), sessions.Options{})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "gatehouse-session", Value: s.cookie("gatehouse-session")})
	text, err := keeper.Load(r, "session")
	require.NoError(t, err, "under another key it is none")
	require.Empty(t, text)

	require.NoError(t, os.RemoveAll(dir))
	who, status := s.user()
	require.Empty(t, who)
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, os.WriteFile(dir, nil, 0o600)) // from now on nothing can be stored
	require.Equal(t, http.StatusInternalServerError, s.post("/login", "account", "ada").StatusCode)
}

// What is planted in the browser is not what is kept there after a sign-in.
func TestPlanted(t *testing.T) {
	svc, dir := gatehousetest.New(t), t.TempDir()
	thief := newSite(t, svc, dir)
	thief.post("/login", "account", "mallory")
	planted := thief.cookie("gatehouse-session")
	s := thief
	s.post("/login", "account", "ada")
	require.NotEqual(t, planted, s.cookie("gatehouse-session"))
}
