package scskeeper_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

// site is a host that lists its sessions.
type site struct {
	t     *testing.T
	svc   *gatehousetest.Service
	m     *scs.SessionManager
	store *failing
	dir   *scskeeper.Directory
	held  func() // while a request is under way
	web   *websession.Sessions
	app   http.Handler
}

// failing is a store that fails on demand.
type failing struct {
	*memstore.MemStore
	fail string
	nth  int // the Commit that fails, counted down; 0: none
}

var errStore = errors.New("the disk is full")

func (s *failing) Commit(token string, b []byte, expiry time.Time) error {
	if s.nth--; s.fail == "Commit" || s.nth == 0 {
		return errStore
	}
	return s.MemStore.Commit(token, b, expiry)
}

func (s *failing) Delete(token string) error {
	if s.fail == "Delete" {
		return errStore
	}
	return s.MemStore.Delete(token)
}

func (s *failing) All() (map[string][]byte, error) {
	if s.fail == "All" {
		return nil, errStore
	}
	return s.MemStore.All()
}

func newSite(t *testing.T, hashed bool) *site {
	s := &site{t: t, svc: gatehousetest.New(t), m: scs.New(), store: &failing{MemStore: memstore.New()}}
	s.m.Store, s.m.HashTokenInStore = s.store, hashed
	var err error
	s.dir, err = scskeeper.NewDirectory(s.m)
	require.NoError(t, err)
	s.web, err = websession.New(websession.Config{
		Service: s.svc.Service, Keeper: scskeeper.New(s.m), Noter: s.dir,
		User: func(r *http.Request) string { return s.m.GetString(r.Context(), "user") },
		SignIn: func(_ http.ResponseWriter, r *http.Request, account string) error {
			s.m.Put(r.Context(), "user", account)
			return s.m.RenewToken(r.Context())
		},
		SignOut: func(_ http.ResponseWriter, r *http.Request) error { return s.m.Destroy(r.Context()) },
	})
	require.NoError(t, err)
	s.app = s.m.LoadAndSave(s.web.Middleware(http.HandlerFunc(s.serve)))
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	var err error
	switch id := r.FormValue("id"); r.URL.Path {
	case "/login":
		var try websession.SignIn
		try, err = s.web.Before(r, r.FormValue("as"))
		require.NoError(s.t, err)
		err = try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"})
	case "/logout":
		err = s.web.End(w, r)
	case "/end":
		err = s.web.EndSession(r, s.dir, id)
	case "/end-directly":
		in, _ := s.web.Current(r)
		err = s.dir.End(r, in, id)
	case "/others":
		err = s.web.EndOthers(r, s.dir)
	case "/list":
		var list []websession.SessionInfo
		list, err = s.web.Listed(r, s.dir)
		for _, l := range list {
			since, seen := l.Since.UTC().Format(time.RFC3339), l.Seen.UTC().Format(time.RFC3339)
			_, _ = io.WriteString(w, l.ID+" "+l.Client.Address.String()+" "+string(l.Client.Agent)+" "+seen+" since "+since+"\n")
		}
	case "/held":
		s.held()
		err = s.web.Lasts(r)
	default:
		in, err := s.web.Current(r)
		require.NoError(s.t, err)
		_, _ = io.WriteString(w, in.Account)
	}
	switch {
	case errors.Is(err, gatehouse.ErrNotFound):
		http.Error(w, "not found", http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// browser keeps cookies.
type browser struct {
	s       *site
	cookies map[string]string
}

func (b *browser) do(method, target string) (int, string) {
	r := httptest.NewRequestWithContext(b.s.t.Context(), method, target, nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/133.0 \x00<script>")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.s.app.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return w.Code, w.Body.String()
}

func (s *site) signIn(account string) *browser {
	s.t.Helper()
	b := &browser{s, map[string]string{}}
	code, body := b.do(http.MethodPost, "/login?as="+account)
	require.Equal(s.t, http.StatusSeeOther, code, body)
	return b
}

func (b *browser) user() string {
	_, body := b.do(http.MethodGet, "/x")
	return body
}

// ids are those of the list, the browser's own first.
func (b *browser) ids() (ids []string) {
	b.s.t.Helper()
	code, body := b.do(http.MethodGet, "/list")
	require.Equal(b.s.t, http.StatusOK, code, body)
	for len(body) > 0 {
		id, rest := body[:22], body[22:]
		ids = append(ids, id)
		for rest[0] != '\n' {
			rest = rest[1:]
		}
		body = rest[1:]
	}
	return ids
}

// Of two browsers one signs out the other, which is gone from the store; nobody ends a session of another account.
func TestDirectory(t *testing.T) {
	for _, hashed := range []bool{false, true} {
		s := newSite(t, hashed)
		mine, other, third, eve := s.signIn("ada"), s.signIn("ada"), s.signIn("ada"), s.signIn("eve")
		require.NoError(t, s.store.MemStore.Commit("strange", []byte("no session"), time.Now().Add(time.Hour)))
		_, body := mine.do(http.MethodGet, "/list")
		require.Contains(t, body, " 192.0.2.1 firefox/linux "+s.svc.Now().UTC().Format(time.RFC3339))
		require.Len(t, mine.ids(), 3)
		id := other.ids()[0]
		require.NotEqual(t, id, other.cookies["session"])

		for _, path := range []string{"/end", "/end-directly"} {
			code, _ := eve.do(http.MethodPost, path+"?id="+id)
			require.Equal(t, http.StatusNotFound, code, path)
		}
		require.Equal(t, "ada", other.user())
		code, body := mine.do(http.MethodPost, "/end?id="+id)
		require.Equal(t, http.StatusOK, code, body)
		require.Empty(t, other.user())
		code, _ = mine.do(http.MethodPost, "/end?id="+id)
		require.Equal(t, http.StatusNotFound, code)
		require.Len(t, mine.ids(), 2)
		require.Equal(t, "ada", third.user())

		code, body = mine.do(http.MethodPost, "/others")
		require.Equal(t, http.StatusOK, code, body)
		require.Empty(t, third.user())
		require.Equal(t, []string{"ada", "eve"}, []string{mine.user(), eve.user()})
		again := s.signIn("ada")
		require.Len(t, mine.ids(), 2)
		again.do(http.MethodPost, "/logout")
		require.Len(t, mine.ids(), 1)
	}
}

// A request that was under way when its session was ended, or signed out, stores that again. It goes on for as long as it is
// not noted, but for no form, and no cookie deletes what says that it was ended.
func TestSessionThatComesBack(t *testing.T) {
	for _, path := range []string{"/end", "/others", "/logout"} {
		for _, form := range []bool{true, false} {
			comesBack(t, path, form)
		}
	}
}

func comesBack(t *testing.T, path string, form bool) {
	s := newSite(t, false)
	mine, thief := s.signIn("ada"), s.signIn("ada")
	id := thief.ids()[0]
	token := thief.cookies["session"]
	data, found, err := s.store.Find(token)
	require.NoError(t, err)
	require.True(t, found)
	by := mine
	if path == "/logout" {
		by = &browser{s, map[string]string{"session": token}}
	}
	code, body := by.do(http.MethodPost, path+"?id="+id)
	require.Less(t, code, http.StatusBadRequest, body)
	require.NoError(t, s.store.Commit(token, data, time.Now().Add(time.Hour)))
	all, err := s.store.All()
	require.NoError(t, err)
	for name := range all {
		require.LessOrEqual(t, len(name), 43, "stores have room for no more")
		if strings.Contains(name, id) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login?as=eve", nil)
			r.Header.Set("Cookie", "session="+name)
			s.app.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	if form {
		code, body = thief.do(http.MethodPost, "/x")
		require.Equal(t, http.StatusUnauthorized, code, body)
	} else {
		s.svc.Wait(websession.SeenEvery)
	}
	require.NotEqual(t, "ada", thief.user(), path)
	require.Equal(t, "ada", mine.user())
	require.Len(t, mine.ids(), 1)
}

// The store is written once in five minutes, whatever the requests are. Where it fails, that is an error.
func TestDirectoryFaults(t *testing.T) {
	s := newSite(t, false)
	mine, other := s.signIn("ada"), s.signIn("ada")
	id := other.ids()[0]
	s.svc.Wait(websession.SeenEvery - time.Second)
	s.store.fail = "Commit"
	require.Equal(t, "ada", mine.user())
	for _, fail := range []string{"All", "Commit", "Delete"} {
		s.store.fail = fail
		code, _ := mine.do(http.MethodPost, "/end?id="+id)
		require.Equal(t, http.StatusInternalServerError, code, fail)
		s.store.fail = ""
		require.Equal(t, "ada", other.user(), fail)
	}
	s.svc.Wait(time.Second)
	require.Equal(t, "ada", mine.user())
	_, body := mine.do(http.MethodGet, "/list")
	require.Contains(t, body, mine.ids()[0]+" 192.0.2.1 firefox/linux "+s.svc.Now().UTC().Format(time.RFC3339))

	_, err := scskeeper.NewDirectory(nil)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	s.m.Store = struct{ scs.Store }{s.store}
	_, err = scskeeper.NewDirectory(s.m)
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "it cannot list")
}

// A form whose body was held back until its session was ended is none of that session's.
func TestFormThatIsHeldBack(t *testing.T) {
	s := newSite(t, false)
	mine, thief := s.signIn("ada"), s.signIn("ada")
	s.held = func() {}
	code, body := thief.do(http.MethodPost, "/held")
	require.Equal(t, http.StatusOK, code, body)
	s.held = func() { mine.do(http.MethodPost, "/others") }
	code, body = thief.do(http.MethodPost, "/held")
	require.Equal(t, http.StatusInternalServerError, code)
	require.Contains(t, body, gatehouse.ErrStepUpRequired.Error())
}

// jsonCodec is one that has no integers.
type jsonCodec struct{}

type jsonSession struct {
	Deadline time.Time
	Values   map[string]any
}

func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(jsonSession{deadline, values})
}

func (jsonCodec) Decode(data []byte) (time.Time, map[string]any, error) {
	var s jsonSession
	err := json.Unmarshal(data, &s)
	return s.Deadline, s.Values, err
}

// A codec may have no integers. And when a session of before the Directory began is not known.
func TestCodecOfTheHost(t *testing.T) {
	s := newSite(t, false)
	s.m.Codec = jsonCodec{}
	b := s.signIn("ada")
	began := s.svc.Now().UTC().Format(time.RFC3339)
	s.svc.Wait(websession.SeenEvery - time.Second)
	s.store.fail = "Commit"
	code, body := b.do(http.MethodGet, "/list")
	require.Equal(t, http.StatusOK, code, "it is not stored once more")
	require.Contains(t, body, " "+began+" since "+began+"\n")
	s.store.fail = ""

	token := b.cookies["session"]
	data, _, err := s.store.Find(token)
	require.NoError(t, err)
	deadline, values, err := s.m.Codec.Decode(data)
	require.NoError(t, err)
	for key := range values {
		if key != "gatehouse.session" && key != "user" {
			delete(values, key)
		}
	}
	data, err = s.m.Codec.Encode(deadline, values)
	require.NoError(t, err)
	require.NoError(t, s.store.Commit(token, data, deadline))
	require.Equal(t, "ada", b.user())
	_, body = b.do(http.MethodGet, "/list")
	require.Contains(t, body, " "+s.svc.Now().UTC().Format(time.RFC3339)+" since 0001-01-01T00:00:00Z\n")
}

// A sign-in that fails half-way lets nobody in, although scs stores what it knows when the answer begins.
func TestSignInFails(t *testing.T) {
	for _, nth := range []int{1, 2} {
		s := newSite(t, false)
		b := &browser{s, map[string]string{}}
		s.store.nth = nth
		code, body := b.do(http.MethodPost, "/login?as=ada")
		require.Equal(t, http.StatusInternalServerError, code)
		require.Contains(t, body, errStore.Error())
		require.Empty(t, b.user())
		code, _ = b.do(http.MethodPost, "/login?as=ada")
		require.Equal(t, http.StatusSeeOther, code)
		require.Equal(t, "ada", b.user())
	}
}
