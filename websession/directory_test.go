package websession_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/websession"
)

const life = 30 * 24 * time.Hour

// rows is an Index that fails on demand, and counts its calls.
type rows struct {
	websession.MemoryIndex
	calls map[string]int
	fail  string // the method that fails; "" for none
}

var errRows = errors.New("the table is locked")

func (i *rows) call(method string) error {
	i.calls[method]++
	if i.fail == method || i.fail == "all" {
		return errRows
	}
	return nil
}

func (i *rows) Add(ctx context.Context, row websession.Row) error {
	return errors.Join(i.call("Add"), i.MemoryIndex.Add(ctx, row))
}

func (i *rows) Rows(ctx context.Context, account, id string) ([]websession.Row, error) {
	if err := i.call("Rows"); err != nil {
		return nil, err
	}
	return i.MemoryIndex.Rows(ctx, account, id)
}

func (i *rows) Touch(ctx context.Context, row websession.Row) error {
	if err := i.call("Touch"); err != nil {
		return err
	}
	return i.MemoryIndex.Touch(ctx, row)
}

func (i *rows) Remove(ctx context.Context, account string, ids ...string) error {
	if err := i.call("Remove"); err != nil {
		return err
	}
	return i.MemoryIndex.Remove(ctx, account, ids...)
}

// newListed is a host with a list of its sessions.
func newListed(t *testing.T, own sessions) (*host, *rows, *websession.Indexed) {
	h := newHost(t, own)
	index := &rows{calls: map[string]int{}}
	dir, err := websession.NewDirectory(h.svc.Service, index, life)
	require.NoError(t, err)
	h.open(func(c *websession.Config) { c.Noter = dir })
	return h, index, dir
}

// ask is a request of a browser, as a handler behind the middleware has it.
func (b *browser) ask() *http.Request {
	r := request(http.MethodPost, "/")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// list returns the IDs that a browser is shown, its own first.
func (b *browser) list(dir websession.Directory) (ids []string) {
	b.h.t.Helper()
	all, err := b.h.web.Listed(b.ask(), dir)
	require.NoError(b.h.t, err)
	for i, s := range all {
		require.Equal(b.h.t, i == 0, s.Current)
		ids = append(ids, s.ID)
	}
	return ids
}

func kindsNoted(t *testing.T, h *host, account string) (kinds []event.Kind) {
	a, err := h.svc.Account(t.Context(), account)
	require.NoError(t, err)
	for _, e := range a.Activity {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// A session that its owner has ended is over at its next request, on every kind of host, with the cookie or without, for
// good; all others go on.
func TestEndOneSession(t *testing.T) {
	for kind, own := range kindsOfHost {
		for _, protected := range []bool{false, true} {
			t.Run(kind, func(t *testing.T) {
				h, _, dir := newListed(t, own())
				signIn := func() *browser { return h.signIn("ada") }
				if protected {
					o := h.svc.Enroll(t, "ada")
					signIn = func() *browser { return h.signInWith(o) }
				}
				mine, other, third, eve := signIn(), signIn(), signIn(), h.signIn("eve")
				copied, without := other.stubborn(), other.stubborn(sessionCookie)
				ids := mine.list(dir)
				require.Len(t, ids, 3)
				id := websession.SessionID(other.in())
				require.Contains(t, ids, id)

				require.ErrorIs(t, h.web.EndSession(eve.ask(), dir, id), gatehouse.ErrNotFound, "another account's")
				require.ErrorIs(t, dir.End(eve.ask(), eve.in(), id), gatehouse.ErrNotFound, "by the directory alone")
				require.ErrorIs(t, h.web.EndSession(mine.ask(), dir, ids[0]), gatehouse.ErrNotFound, "its own is for signing out")
				require.ErrorIs(t, h.web.EndSession(mine.ask(), dir, ""), gatehouse.ErrNotFound)
				require.True(t, other.gets("ada"))
				require.NotContains(t, kindsNoted(t, h, "ada"), event.SessionEnded)

				require.NoError(t, h.web.EndSession(mine.ask(), dir, id))
				require.ErrorIs(t, h.web.EndSession(mine.ask(), dir, id), gatehouse.ErrNotFound, "twice")
				require.ErrorIs(t, h.web.EndSession(other.ask(), dir, ids[0]), gatehouse.ErrStepUpRequired, "it has ended")
				require.ErrorIs(t, h.web.EndElsewhere(other.ask()), gatehouse.ErrStepUpRequired)
				require.False(t, without.gets("ada"), "the cookie is left out")
				require.False(t, other.gets("ada"))
				require.False(t, copied.gets("ada"), "a copy of its cookies")
				for _, b := range []*browser{mine, third} {
					require.True(t, b.gets("ada"))
				}
				require.True(t, eve.gets("eve"))
				require.Equal(t, event.SessionEnded, kindsNoted(t, h, "ada")[0])
				require.Len(t, mine.list(dir), 2)

				require.NoError(t, h.web.EndOthers(mine.ask(), dir))
				require.False(t, third.gets("ada"))
				require.True(t, mine.gets("ada"))
				require.True(t, eve.gets("eve"))
				require.Len(t, mine.list(dir), 1)
				require.Equal(t, event.SessionsEnded, kindsNoted(t, h, "ada")[0])
			})
		}
	}
}

// A form whose body is held back until its session was ended ends nobody.
func TestEndedWhileUnderWay(t *testing.T) {
	h, _, dir := newListed(t, &onServer{of: map[string]string{}})
	mine, thief := h.signIn("ada"), h.signIn("ada")
	var errs []error
	h.app = h.web.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, h.web.EndSession(mine.ask(), dir, websession.SessionID(thief.in())))
		errs = append(errs, h.web.EndSession(r, dir, websession.SessionID(mine.in())), h.web.EndOthers(r, dir), h.web.EndElsewhere(r), h.web.Lasts(r))
	}))
	h.app.ServeHTTP(httptest.NewRecorder(), thief.ask())
	require.Len(t, errs, 4)
	for _, err := range errs {
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	}
	require.Len(t, mine.list(dir), 1)
}

// The list has a session from its sign-in until it ends, by whatever that is, with what its last requests say. It is read
// once a request, and written once in five minutes.
func TestListed(t *testing.T) {
	h, index, dir := newListed(t, signed{[]byte("k")})
	mine, other := h.signIn("ada"), h.signIn("ada")
	began := h.svc.Now()
	require.Equal(t, 2, index.calls["Add"])
	clear(index.calls)
	mine.get("/")
	require.Equal(t, map[string]int{"Rows": 1}, index.calls)
	seen := func(agent, address string) {
		r := other.ask()
		r.Method, r.RemoteAddr = http.MethodGet, address+":1234"
		r.Header.Set("User-Agent", agent)
		h.app.ServeHTTP(httptest.NewRecorder(), r)
	}
	of := func() websession.SessionInfo {
		all, err := h.web.Listed(mine.ask(), dir)
		require.NoError(t, err)
		require.Len(t, all, 2)
		return all[1]
	}
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
	id := websession.SessionID(other.in())
	h.svc.Wait(websession.SeenEvery - time.Second)
	seen(firefox, "203.0.113.24")
	require.Empty(t, index.calls["Touch"])
	require.Equal(t, began, of().Seen)
	h.svc.Wait(time.Second)
	now := h.svc.Now()
	seen(firefox, "203.0.113.24")
	seen("", "203.0.113.25")
	want := websession.SessionInfo{
		ID: id, Client: event.Client{Address: netip.MustParseAddr("203.0.113.24"), Agent: "firefox/linux"}, Since: began, Seen: now,
	}
	require.Equal(t, want, of())
	h.svc.Wait(websession.SeenEvery)
	seen(strings.Repeat("<script>alert(1)</script>\x00", 1000), "203.0.113.24")
	require.Empty(t, of().Client.Agent)
	require.LessOrEqual(t, index.calls["Touch"], 4, "two of each browser")

	// Another sign-in in the same browser is another session, and the list has one of them; so it is after a sign-out.
	was := websession.SessionID(other.in())
	other.post("/login", "account", "ada")
	require.NotEqual(t, was, of().ID)
	other.post("/logout")
	require.Len(t, mine.list(dir), 1)

	// What was not used for as long as a session lasts has ended, and a clock that was put back ends nothing.
	idle := h.signIn("ada")
	h.svc.Wait(life + websession.SeenEvery - time.Minute)
	require.True(t, mine.gets("ada"))
	require.Len(t, mine.list(dir), 2)
	h.svc.Wait(time.Minute)
	require.Len(t, mine.list(dir), 1)
	require.False(t, idle.gets("ada"))
	h.svc.Wait(-2 * time.Hour)
	require.True(t, mine.gets("ada"))
}

// A fault of the Index signs nobody in, and is 503 for who is signed in; nobody is signed out by it.
func TestFaultsOfTheIndex(t *testing.T) {
	h, index, dir := newListed(t, &onServer{of: map[string]string{}})
	mine, other := h.signIn("ada"), h.signIn("ada")
	id := websession.SessionID(other.in())
	index.fail = "Rows"
	require.Equal(t, http.StatusServiceUnavailable, mine.get("/").StatusCode)
	require.Contains(t, h.logs.String(), errRows.Error())
	_, err := h.web.Listed(mine.ask(), dir)
	require.ErrorContains(t, err, errRows.Error())

	index.fail = "Remove"
	for _, err := range []error{h.web.EndSession(mine.ask(), dir, id), h.web.EndOthers(mine.ask(), dir)} {
		require.ErrorContains(t, err, errRows.Error())
		require.NotErrorIs(t, err, errRows, "it is no answer of Gatehouse's, whatever it wraps")
	}
	require.NotContains(t, kindsNoted(t, h, "ada"), event.SessionEnded, "it has not ended")
	index.fail = ""
	require.Contains(t, mine.list(dir), id)
	require.False(t, other.gets("ada"), "all others have ended by the account, before the Index was asked")
	require.True(t, mine.gets("ada"))

	index.fail = "Add"
	late := h.browser()
	late.post("/login", "account", "ada")
	require.False(t, late.gets("ada"))
	index.fail = ""
	require.True(t, mine.gets("ada"))

	for _, err := range []error{
		func() error { _, err := websession.NewDirectory(nil, index, life); return err }(),
		func() error { _, err := websession.NewDirectory(h.svc.Service, nil, life); return err }(),
		func() error { _, err := websession.NewDirectory(h.svc.Service, index, time.Minute); return err }(),
	} {
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
}

// yes is a Noter that has ended nothing.
type yes struct{}

func (yes) SessionBegan(*http.Request, string, websession.SessionInfo) error { return nil }
func (yes) SessionSeen(*http.Request, string, websession.SessionInfo) error  { return nil }
func (yes) SessionOver(*http.Request, string, string) error                  { return nil }

// A session that leaves our cookie out does not count where sessions are noted, whatever the Noter says of one without an ID.
func TestNotedWithoutTheCookie(t *testing.T) {
	h := newHost(t, signed{[]byte("k")}, func(c *websession.Config) { c.Noter = yes{} })
	b := h.signIn("ada")
	require.True(t, b.gets("ada"))
	require.False(t, b.stubborn(sessionCookie).gets("ada"))
}
