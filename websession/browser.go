package websession

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// browserName is that of the cookie by which accounts know a browser. It is no text of a Keeper: it outlives sign-outs and
// the host's sessions, which a host that keeps those on its server would end it with.
const browserName = "browser"

// keptBy returns what the browser of a request keeps, "" for nothing. What this package has not made counts for nothing, and
// neither does one of several cookies of the name.
func (s *Sessions) keptBy(r *http.Request) string {
	found := r.CookiesNamed(s.browserCookie())
	if len(found) != 1 || !engine.IsBrowser(found[0].Value) || s.c.PlainHTTP && !loopback(r) {
		return ""
	}
	return found[0].Value
}

func (s *Sessions) browserCookie() string { return cookies{plain: s.c.PlainHTTP}.name(browserName) }

// inBrowser returns a session with what the browser of a request keeps, and with the secret by which an account may come to
// know it.
func (s *Sessions) inBrowser(r *http.Request, in gatehouse.Session) gatehouse.Session {
	in.Browser = s.keptBy(r)
	if r.Method == http.MethodPost { // what a link leads to makes nothing known
		in.NewBrowser = rand.Text()
	}
	return in
}

// keepBrowser has the browser keep for ninety days more what an account knows it by.
func (s *Sessions) keepBrowser(w http.ResponseWriter, r *http.Request, browser string) error {
	return cookies{plain: s.c.PlainHTTP}.Save(w, r, browserName, browser, core.BrowserLife)
}

// renewBrowser is keepBrowser if an account knows the browser of a session, or has come to.
func (s *Sessions) renewBrowser(w http.ResponseWriter, r *http.Request, a core.Account, in gatehouse.Session) error {
	env := s.e.Env()
	switch {
	case r.Method != http.MethodPost:
		return nil
	case a.Knows(engine.BrowserDigests(a.ID, in.Browser), env):
		return s.keepBrowser(w, r, in.Browser)
	case a.Knows(engine.NewBrowserDigest(a.ID, in.NewBrowser), env):
		return s.keepBrowser(w, r, engine.WithBrowser(in.Browser, in.NewBrowser))
	}
	return nil
}

// leaveBrowser has an account that signs out forget the browser of the request, and the browser its secret of that account:
// the next who has the password there must not be in without the second step. Where the host's session has expired, it is
// not known whose secrets the browser has, and it forgets them all.
func (s *Sessions) leaveBrowser(w http.ResponseWriter, r *http.Request, account string) error {
	browser := s.keptBy(r)
	switch {
	case browser == "":
		return nil
	case account == "":
		return s.keepBrowser(w, r, "")
	}
	ctx, cancel := engine.Detach(s.ctx(r)) // whoever signs out may close the window right away
	defer cancel()
	others := "" // if the account cannot be loaded: which secret is its own is not known then
	err := s.e.Change(ctx, account, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		digests := engine.BrowserDigests(a.ID, browser)
		others = engine.WithoutBrowsers(browser, func(secret string) bool { return a.Knows(engine.BrowserDigests(a.ID, secret), env) })
		for _, b := range a.Browsers {
			if b.Is(digests) {
				a = a.ForgetBrowser(b.ID())
			}
		}
		return a, nil
	}})
	if err != nil {
		s.c.Faults.Log(r.Context(), level(r), "websession: an account could not forget the browser that has signed out",
			"path", r.URL.Path, "error", err)
	}
	return s.keepBrowser(w, r, others)
}

// Browser is one that an account knows: somebody has completed a second step in it, at a sign-in of the last 90 days or
// since. It need not be signed in.
type Browser struct {
	ID       string // for ForgetBrowser; no secret
	Address  string // of its last second step; empty: not known
	Agent    event.Agent
	Since    time.Time
	LastUsed time.Time // its last second step
	Current  bool      // it is the one of the request
}

// Browsers returns the browsers that the account knows which is signed in, the one with the latest second step first.
// gatehouse.ErrStepUpRequired says that nobody is signed in.
func (s *Sessions) Browsers(r *http.Request) ([]Browser, error) {
	in, err := s.signedIn(r)
	if err != nil {
		return nil, err
	}
	a, err := s.e.Load(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	current := engine.BrowserDigests(a.ID, in.Browser)
	var list []Browser
	for _, b := range a.KnownBrowsers(s.e.Env()) {
		list = append(list, Browser{
			ID: b.ID(), Address: engine.Address(b.Client), Agent: b.Client.Agent,
			Since: core.Time(b.Since), LastUsed: core.Time(b.Used), Current: b.Is(current),
		})
	}
	return list, nil
}

// ForgetBrowser has the account that is signed in forget a browser, as its owner's word: the next sign-in there is told as
// one from a browser that is not known. It ends no session. One that is not known is no error.
// gatehouse.ErrStepUpRequired says that the session has ended, and gatehouse.ErrInvalid that no browser has such an ID.
func (s *Sessions) ForgetBrowser(r *http.Request, id string) error {
	if id == "" {
		return fmt.Errorf("%w: a browser has an ID", gatehouse.ErrInvalid)
	}
	return s.forgetBrowsers(r, id)
}

// ForgetBrowsers is ForgetBrowser for every browser, the one of the request among them.
func (s *Sessions) ForgetBrowsers(r *http.Request) error { return s.forgetBrowsers(r, "") }

func (s *Sessions) forgetBrowsers(r *http.Request, id string) error {
	return s.change(r, func(a core.Account, _ core.Presented, _ core.Env) core.Account { return a.ForgetBrowser(id) })
}

// InBrowser returns an account, as it was loaded, with what holds in the browser of a session: codes may be locked for
// browsers alone that are not known. Few hosts need it.
func (s *Sessions) InBrowser(a gatehouse.Account, in gatehouse.Session) gatehouse.Account {
	if in.Browser == "" {
		return a
	}
	return engine.ViewOf(s.e, engine.AccountOf(a), engine.BrowserDigests(a.ID, in.Browser), s.e.Env()).(gatehouse.Account)
}
