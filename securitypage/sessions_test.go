package securitypage_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/totp"
	"github.com/gatehouse-go/gatehouse/websession"
)

// counts reports whether somebody is signed in.
func (b *browser) counts() bool { return b.get("/").status == http.StatusOK }

// sessionID is what the list of sessions calls a browser's.
func (b *browser) sessionID() string { return websession.SessionID(b.in()) }

// Owners see where they are signed in, and sign out one browser or all others, without a proof. A form works once, for a
// session that is there and the account's own.
func TestSessions(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) { c.Place = func(netip.Addr) string { return "Lisbon, <Portugal>" } })
	mine, o := h.enrolled("ada")
	another := func() *browser {
		b := h.signIn("ada")
		require.Equal(t, http.StatusSeeOther, b.submit("/sign-in", "/sign-in", "code", o.Code()).status)
		return b
	}
	other, third, eve := another(), another(), h.signIn("eve")
	h.svc.Wait(time.Hour + totp.Period) // no proof is fresh
	require.Contains(t, mine.get("/").body, `href="`+prefix+`/sessions"`)
	a := mine.get("/sessions")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, 1, strings.Count(a.text(), "This browser"))
	require.Contains(t, a.text(), "Lisbon, <Portugal> 127.0.0.1 active now")
	require.Contains(t, a.text(), "last seen 1 h ago")
	for _, b := range []*browser{mine, other, third} {
		require.Equal(t, b != mine, strings.Contains(a.body, `value="`+b.sessionID()+`"`), "its own is for signing out")
		require.NotContains(t, a.body, b.secret())
	}
	require.NotContains(t, a.body, eve.sessionID())

	end := func(b *browser, id string) answer {
		return b.send(a, "/sessions/end", "id", id, "form", formOf(a.body, id))
	}
	done := end(mine, other.sessionID())
	require.Contains(t, mine.follow(done).text(), "That browser is signed out.")
	require.Equal(t, http.StatusConflict, end(mine, other.sessionID()).status, "sent twice")
	require.Equal(t, []bool{true, false, true}, []bool{mine.counts(), other.counts(), third.counts()})
	require.Contains(t, mine.get("/activity").text(), "You signed out another browser")

	// Somebody else's and one's own are as unknown as one that is gone, also with the right field for their ID.
	for _, id := range []string{eve.sessionID(), mine.sessionID(), "", "x"} {
		form, _ := a.form("/sessions/end")
		form.Set("id", id)
		require.Equal(t, http.StatusConflict, mine.post("/sessions/end", form).status)
	}
	require.ErrorIs(t, h.dir.End(request(t, mine), mine.in(), eve.sessionID()), gatehouse.ErrNotFound)
	require.True(t, eve.counts())
	require.Equal(t, http.StatusConflict, eve.send(a, "/sessions/end", "id", third.sessionID()).status, "a form of another session")
	require.True(t, third.counts())

	fourth := another()
	require.Contains(t, mine.follow(mine.submit("/sessions", "/sessions/end-others")).text(), "All other browsers are signed out.")
	require.Equal(t, []bool{true, false, false, true}, []bool{mine.counts(), third.counts(), fourth.counts(), eve.counts()})
	a = mine.get("/sessions")
	require.Contains(t, a.text(), "You are not signed in anywhere else.")
	_, ok := a.form("/sessions/end-others")
	require.False(t, ok)
}

// formOf returns the hidden field of the form that ends a session.
func formOf(body, id string) string {
	before, _, _ := strings.Cut(body, `name="id" value="`+id+`"`)
	_, form, _ := strings.Cut(before[strings.LastIndex(before, "<form"):], `name="form" value="`)
	form, _, _ = strings.Cut(form, `"`)
	return form
}

func request(t testing.TB, b *browser) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute("/"), nil)
	require.NoError(t, err)
	r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
	return r
}

// A browser that was signed out alone does nothing by a form whose body it has held back.
func TestFormOfAnEndedSession(t *testing.T) {
	h := newHost(t)
	mine := h.signIn("ada")
	thief := h.signIn("ada")
	for _, path := range []string{"/sessions/end", "/sessions/end-others", "/activity/sign-out-elsewhere", "/activity/plan"} {
		page := "/sessions"
		if strings.HasPrefix(path, "/activity") {
			page = strings.TrimSuffix(path, "/sign-out-elsewhere")
		}
		form, ok := thief.get(page).form(path)
		require.True(t, ok, path)
		w := thief.holdBack(path, form.Encode(), func() {
			require.NoError(t, h.rows.Remove(t.Context(), "ada", thief.sessionID()))
		})
		require.Equal(t, http.StatusForbidden, w.Code, path)
		require.Contains(t, w.Body.String(), "This sign-in has ended", path)
		require.True(t, mine.counts(), path)
		require.False(t, thief.counts(), path)
		thief = h.signIn("ada")
	}
}

// What ends all others elsewhere on the page ends them in the list too, and what is no change of factors only if it is asked
// to.
func TestOthersEndEverywhere(t *testing.T) {
	h := newHost(t)
	in := func(account string) (mine *browser, others func() int) {
		mine = h.signIn(account)
		h.signIn(account)
		return mine, func() int {
			rows, err := h.rows.Rows(t.Context(), account, "")
			require.NoError(t, err)
			return len(rows) - 1
		}
	}
	mine, others := in("plan")
	require.Equal(t, http.StatusSeeOther, mine.submit("/activity/plan", "/activity/plan", "do", "sessions").status)
	require.Zero(t, others())
	mine, others = in("elsewhere")
	require.Equal(t, http.StatusSeeOther, mine.submit("/activity", "/activity/sign-out-elsewhere").status)
	require.Zero(t, others())

	mine, others = in("factors")
	app := secretOf(t, mine.pair("/pair", "name", "First"))
	_, a := mine.savesCodes()
	require.Equal(t, 1, others())
	require.Equal(t, http.StatusSeeOther, mine.send(a, "/pair/confirm", "code", app.Code(h.svc.Now())).status)
	require.Zero(t, others(), "two-factor was turned on")
	h.svc.Wait(totp.Period)
	signedIn := func() {
		b := h.signIn("factors")
		require.Equal(t, http.StatusSeeOther, b.submit("/sign-in", "/sign-in", "code", app.Code(h.svc.Now())).status)
		h.svc.Wait(totp.Period)
		require.Equal(t, 1, others())
	}
	signedIn()
	require.Equal(t, http.StatusOK, mine.submit("/recovery-codes", "/recovery-codes", "elsewhere", "").status)
	require.Equal(t, 1, others(), "it was not ticked")
	require.Equal(t, http.StatusOK, mine.submit("/recovery-codes", "/recovery-codes").status)
	require.Zero(t, others())
	signedIn()
	require.Equal(t, http.StatusSeeOther, mine.submit("/disable", "/disable", "sure", "yes").status)
	require.Zero(t, others())
	require.True(t, mine.counts())
}

// directory is a host's own, which says what it likes.
type directory struct {
	list []websession.SessionInfo
	err  error
}

func (d *directory) List(*http.Request, gatehouse.Session) ([]websession.SessionInfo, error) {
	return d.list, d.err
}
func (d *directory) End(*http.Request, gatehouse.Session, string) error { return d.err }
func (d *directory) EndOthers(*http.Request, gatehouse.Session) error   { return d.err }

// What a host says is shown as text, the last seen first, as many as a page takes in every language.
func TestHostileSessions(t *testing.T) {
	d := &directory{list: []websession.SessionInfo{{ID: "mine", Current: true}}}
	language := "en"
	h := newHost(t, func(c *securitypage.Config) {
		c.Sessions = d
		c.Language = func(*http.Request) string { return language }
		c.Place = func(netip.Addr) string { return strings.Repeat("<", 64) }
	})
	b := h.signIn("ada")
	for i := range 40 {
		d.list = append(d.list, websession.SessionInfo{
			ID: fmt.Sprintf("<%02d\x00%s>", i, strings.Repeat("x", 60)), Seen: h.svc.Now().Add(time.Duration(i) * time.Hour), Since: h.svc.Now(),
			Client: event.Client{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:85a3:1234:5678:8a2e:370:%d%%eth0", 1000+i)), Agent: "<script>/<b>"},
		})
	}
	d.list[40].Client.Agent = "samsung/android"
	for _, language = range securitypage.Languages() {
		a := b.get("/sessions")
		require.Equal(t, http.StatusOK, a.status)
		all, _ := b.weight(a)
		require.LessOrEqual(t, all, maxWeight, language)
		require.NotContains(t, a.body, "<script>/")
		require.NotContains(t, a.body, "eth0")
	}
	language = "en"
	a := b.get("/sessions")
	require.Contains(t, a.text(), "1 to 12 of 41")
	require.Regexp(t, `(?s)This browser.*Samsung Internet on Android.*A browser`, a.text())

	// Errors are faults, whatever they wrap, and a list without the session that asks is no answer.
	d.err = fmt.Errorf("the directory is down: %w", gatehouse.ErrStepUpRequired)
	require.Equal(t, http.StatusInternalServerError, b.get("/sessions").status)
	require.Contains(t, h.logs.String(), "the directory is down")
	d.err = nil
	d.list = d.list[1:]
	require.Equal(t, http.StatusForbidden, b.send(a, "/sessions/end-others").status)
}

// Where the directory fails, all others have ended for this service by what is saved; only the list does not know.
func TestDirectoryFails(t *testing.T) {
	d := &directory{list: []websession.SessionInfo{{ID: "mine", Current: true}, {ID: "other"}}}
	h := newHost(t, func(c *securitypage.Config) { c.Sessions = failing{d} })
	mine, other := h.signIn("ada"), h.signIn("ada")
	a := mine.get("/sessions")
	require.Equal(t, http.StatusInternalServerError, mine.send(a, "/sessions/end", "id", "other").status)
	require.False(t, h.did("ada", event.SessionEnded), "it is not said of what was not done")
	require.True(t, other.counts())
	require.Equal(t, http.StatusInternalServerError, mine.send(a, "/sessions/end-others").status)
	require.True(t, h.did("ada", event.SessionsEnded))
	require.False(t, other.counts())
	require.True(t, mine.counts())

	app := secretOf(t, mine.pair("/pair", "name", "First"))
	_, form := mine.savesCodes()
	done := mine.send(form, "/pair/confirm", "code", app.Code(h.svc.Now()), "elsewhere", "yes")
	require.Equal(t, http.StatusSeeOther, done.status, "the pairing was made")
	require.Contains(t, done.header.Get("Location"), "/pair/done")
	require.Contains(t, mine.follow(done).text(), "Your other browsers may still be signed in")
	require.Contains(t, h.logs.String(), "it is down")
}

// failing is a directory that lists and ends nothing.
type failing struct{ *directory }

func (failing) End(*http.Request, gatehouse.Session, string) error { return errors.New("it is down") }
func (failing) EndOthers(*http.Request, gatehouse.Session) error   { return errors.New("it is down") }

// Two pages for one thing are refused.
func TestTwoPagesOfSessions(t *testing.T) {
	h := newHost(t)
	_, err := securitypage.New(securitypage.Config{
		Web: h.sess, Name: "Acme", Sessions: h.dir, Links: securitypage.Links{Sessions: "/sessions"},
	})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
}
