package securitypage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/local"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/internal/words"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// maxBody bounds a form, in bytes.
const maxBody = 64 << 10

// call is one request.
type call struct {
	p        *Page
	w        http.ResponseWriter
	r        *http.Request
	s        session
	words    words.Words
	stepped  bool        // this request has brought a code (or the password) for the prompt, and it was right
	seen     tokens.Info // what the form is about, where it is about one
	recovery bool        // a recovery code will do for what is asked for
	changes  bool        // it changes factors: where there is a passkey, a code of an app will not do
	wanted   *wanted     // what this is done for; nil: itself
	status   int         // of the answer; 0: the host has written it
	body     []byte

	scripted bool   // the page needs the script of passkeys
	signal   string // what the browser's password manager should know, as JSON

	loaded *gatehouse.Account // the session's account; nil: not loaded, or changed since
	listed []tokens.Info      // its tokens, the newest first; nil: not listed, or changed since
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) svc() *gatehouse.Service { return c.p.svc }

func (c *call) tok() *tokens.Service { return c.p.c.Tokens }

// account returns the session's account. It is loaded once, and again after a change.
func (c *call) account() (gatehouse.Account, error) {
	if c.loaded == nil {
		a, err := c.svc().Account(c.ctx(), c.s.in.Account)
		if err != nil {
			return gatehouse.Account{}, err
		}
		c.loaded = &a
	}
	return *c.loaded, nil
}

// changing returns the session for a call that may change the account or a token of it.
func (c *call) changing() gatehouse.Session {
	c.loaded, c.listed = nil, nil
	return c.s.in
}

func (c *call) owner() gatehouse.Owner { return c.svc().Owner(c.changing()) }

func (c *call) field(name string) string { return strings.TrimSpace(c.r.PostForm.Get(name)) }

// who may see a path.
type who uint8

const (
	signedIn  who = 1 << iota // completely
	signingIn                 // the first factor was right, the second step is outstanding
)

// route is what a path answers.
type route struct {
	who  who
	get  func(*call) error
	post func(*call) error
	// recovery says that a proof by a recovery code is enough, for some of what it does at least.
	recovery bool
	// changes says that it changes factors: where there is a passkey, a code of an app is not enough.
	changes bool
	// state returns what a form of this path was made for. It is refused once that is another.
	state func(*call) (string, error)
}

func (p *Page) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(path string, rt route) {
		mux.HandleFunc(p.path+path, func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, rt) })
	}
	either := signedIn | signingIn
	handle("/{$}", route{who: signedIn, get: (*call).overview})
	if p.c.Posture != nil {
		handle("/review", route{who: signedIn, get: (*call).wholeReview})
	}
	handle("/pair", route{who: either, recovery: true, changes: true, get: (*call).pair, post: (*call).beginPairing, state: (*call).factors})
	handle("/pair/scan", route{who: either, recovery: true, changes: true, get: (*call).scan})
	handle("/pair/codes", route{who: either, recovery: true, changes: true, get: (*call).pairingCodes, post: (*call).savePairingCodes, state: (*call).factors})
	handle("/pair/confirm", route{who: either, recovery: true, changes: true, get: (*call).pairing, post: (*call).confirmPairing, state: (*call).factors})
	handle("/pair/cancel", route{who: signedIn, recovery: true, changes: true, post: (*call).cancelPairing, state: (*call).factors})
	handle("/pair/done", route{who: signedIn, get: (*call).paired})
	if p.c.Passkeys != nil {
		handle("/passkey", route{who: either, recovery: true, changes: true, get: (*call).passkey, post: (*call).beginPasskey, state: (*call).factors})
		mux.HandleFunc("POST "+p.path+"/passkey/options", p.passkeyOptions)
		mux.HandleFunc("POST "+p.path+"/passkey/sign-in", p.passkeySignIn)
	}
	handle("/authenticators", route{who: signedIn, get: (*call).authenticators})
	handle("/authenticators/rename", route{who: signedIn, post: (*call).rename, state: (*call).factors})
	handle("/authenticators/remove", route{who: signedIn, recovery: true, changes: true, get: (*call).removal, post: (*call).remove, state: (*call).factors})
	handle("/recovery-codes", route{who: signedIn, recovery: true, changes: true, get: (*call).codes, post: (*call).newCodes, state: (*call).factors})
	handle("/recovery-codes/saved", route{who: signedIn, recovery: true, post: (*call).savedCodes, state: (*call).factors})
	handle("/unlock", route{who: signedIn, recovery: true, post: (*call).unlock})
	handle("/disable", route{who: signedIn, changes: true, get: (*call).disabling, post: (*call).disable, state: (*call).factors})
	if p.c.Tokens != nil {
		handle("/tokens", route{who: signedIn, get: (*call).tokens})
		handle("/tokens/new", route{who: signedIn, get: (*call).minting, post: (*call).mint, state: (*call).tokenList})
		handle("/tokens/revoke-all", route{who: signedIn, recovery: true, get: (*call).revokingAll, post: (*call).revokeAll, state: (*call).liveList})
		handle("/tokens/service-accounts", route{who: signedIn, get: (*call).serviceTokens})
		handle("/tokens/{id}", route{who: signedIn, get: (*call).token})
		handle("/tokens/{id}/rotate", route{who: signedIn, post: (*call).rotate, state: (*call).tokenState})
		handle("/tokens/{id}/renew", route{who: signedIn, post: (*call).renew, state: (*call).tokenState})
		handle("/tokens/{id}/revoke", route{who: signedIn, recovery: true, get: (*call).revoking, post: (*call).revoke, state: (*call).revocation})
	}
	handle("/activity", route{who: signedIn, get: (*call).activity})
	handle("/activity/plan", route{who: signedIn, recovery: true, get: (*call).plan, post: (*call).planned})
	handle("/activity/reviewed", route{who: signedIn, post: (*call).reviewed})
	handle("/activity/sign-out-elsewhere", route{who: signedIn, post: (*call).endSessions})
	handle("/browsers", route{who: signedIn, get: (*call).browsers})
	handle("/browsers/forget", route{who: signedIn, post: (*call).forgetBrowser, state: (*call).knownBrowser})
	handle("/browsers/forget-all", route{who: signedIn, post: (*call).forgetBrowsers})
	if p.c.Sessions != nil {
		handle("/sessions", route{who: signedIn, get: (*call).sessions})
		handle("/sessions/end", route{who: signedIn, post: (*call).endSession, state: (*call).otherSession})
		handle("/sessions/end-others", route{who: signedIn, post: (*call).endAllOthers})
	}
	handle("/ready", route{who: signedIn, get: (*call).ready})
	handle("/recovered", route{who: signedIn, get: (*call).recovered})
	handle("/step-up", route{who: signedIn, get: (*call).stepUpPage, post: (*call).stepUpDone, state: (*call).next})
	handle("/sign-in", route{who: signingIn, get: (*call).secondStep, post: (*call).answer})
	handle("/sign-in/clock", route{who: signingIn, get: (*call).clock, post: (*call).resync})
	handle("/sign-in/cancel", route{who: signingIn, post: (*call).cancelSignIn})
	handle("/", route{who: either})
	for name := range p.files.assets {
		mux.HandleFunc(p.path+"/"+name, p.files.serve(name))
	}
	return mux
}

// ServeHTTP answers every path under that of the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u := local.Below(r, p.c.Web.Prefix(), p.path); u != nil { // with the path that browsers see, all that is made of it leads back
		public := *r
		public.URL = u
		r = &public
	}
	p.harden(w.Header(), r.URL.Path)
	p.handler.ServeHTTP(w, r)
}

// harden sets what every answer has. The referrer is kept within the service, but not cut off: without it
// browsers send "Origin: null" with forms, which cannot be told from another site's.
func (p *Page) harden(h http.Header, path string) {
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	if signIn := p.path + "/sign-in"; !p.c.Popup || path != signIn && !strings.HasPrefix(path, signIn+"/") {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func (p *Page) serve(w http.ResponseWriter, r *http.Request, rt route) {
	c, err := p.call(w, r, rt)
	if err == nil {
		c.recovery, c.changes = rt.recovery, rt.changes
		err = c.run(rt)
	}
	if err != nil && !errors.Is(err, errAnswered) {
		c.fail(err)
	}
	c.write()
}

// write sends the answer. Until then it is kept, so that no turn and nothing of the store waits for a client that
// reads slowly.
func (c *call) write() {
	if c.status == 0 {
		return
	}
	if len(c.body) > 0 {
		c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		c.w.Header().Set("Content-Length", strconv.Itoa(len(c.body)))
	}
	c.w.WriteHeader(c.status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(c.body)
	}
}

func (c *call) run(rt route) error {
	switch is := c.who(); {
	case is == 0 && rt.who == signingIn && c.noCookies():
		return c.message(http.StatusForbidden, "cookies")
	case is == 0 && rt.who == signingIn: // which would lead back to nothing
		c.redirect(c.p.c.Links.SignIn)
		return nil
	case is == 0:
		c.redirect(c.signIn())
		return nil
	case rt.who&is != 0:
	case is == signingIn:
		c.redirect(c.p.path + "/sign-in")
		return nil
	default: // signed in already
		c.redirect(c.p.c.Links.Home)
		return nil
	}
	switch {
	case rt.get == nil && rt.post == nil:
		return errNotFound
	case c.r.Method == http.MethodGet || c.r.Method == http.MethodHead:
		if rt.get == nil { // the address of a form: its answer was a prompt, and somebody comes back to it
			c.redirect(c.above())
			return nil
		}
		return rt.get(c)
	case rt.post != nil && c.r.Method == http.MethodPost:
		return c.submit(rt)
	}
	return c.wrongMethod(rt)
}

// above returns the page that has the form of this address: all of them are one step above.
func (c *call) above() string {
	page := path.Dir(c.r.URL.Path)
	if page == c.p.path {
		page += "/"
	}
	return (&url.URL{Path: page}).EscapedPath()
}

// submit checks where a form comes from, and that it is the one that was made for what it finds, before
// anything is done.
func (c *call) submit(rt route) error {
	if err := c.readForm(); err != nil {
		return err
	}
	if c.who() == signedIn || rt.state != nil {
		done, _, err := c.p.turns.Take(c.ctx(), c.s.in.Account)
		if errors.Is(err, queue.ErrFull) {
			err = gatehouse.ErrBusy
		}
		if err != nil {
			return err
		}
		defer done()
		if err := c.p.c.Web.Lasts(c.r); errors.Is(err, gatehouse.ErrStepUpRequired) {
			return c.message(http.StatusForbidden, "expired")
		} else if err != nil {
			return err
		}
		if err := c.afterTwin(); err != nil {
			return err
		}
	}
	ok, err := c.formIsCurrent(rt)
	if err != nil {
		return err
	}
	if !ok {
		return errStale
	}
	if err := c.stepUpHere(); err != nil {
		return err
	}
	return rt.post(c)
}

// readForm reads the form of a request that comes from this service.
func (c *call) readForm() error {
	if err := c.p.c.CrossOrigin.Check(c.r); err != nil {
		return errForeign
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxBody)
	if err := c.r.ParseForm(); err != nil {
		return errors.Join(errForm, err)
	}
	return nil
}

// redirect sends the browser on by GET. A notice is the key of a text to show there.
func (c *call) redirect(to string, notice ...string) {
	to = c.keepWanted(to)
	if len(notice) > 0 {
		to = withQuery(to, "notice", c.sign("notice", notice[0])+notice[0])
	}
	c.w.Header().Set("Location", to)
	c.status, c.body = http.StatusSeeOther, nil
}

// render answers with a page.
func (c *call) render(status int, page string, data any) error {
	return c.renderWith(status, page, data, nil)
}

// renderWith is render for a form that was not accepted: wrong has a text for each field that is at fault.
func (c *call) renderWith(status int, page string, data any, wrong map[string]string) error {
	c.signalChange()
	v := &View{c: c, Page: page, Data: data, Wrong: wrong}
	template := c.p.files.pages[page]
	if c.p.c.Layout != nil {
		content := Content{Title: v.Title(), Lang: v.T("lang"), Dir: v.T("dir"), SignedIn: v.SignedIn()}
		v.Framed = true
		whole, err := content.fill(c.p.c.Layout, c.r, template, v)
		if err == nil {
			c.status, c.body = status, whole
			return nil
		}
		v.Framed = false
		c.log(fmt.Errorf("securitypage: the layout of Config has failed: %w", err))
	}
	body := bytes.NewBuffer(make([]byte, 0, 8<<10)) // as most pages are
	if err := template.ExecuteTemplate(body, "layout", v); err != nil {
		return err
	}
	c.status, c.body = status, body.Bytes()
	return nil
}

// retryAfter says when another try makes sense (RFC 9110 §10.2.3).
func (c *call) retryAfter(at time.Time) {
	if wait := at.Sub(c.p.now()); wait > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	}
}

func (c *call) wrongMethod(rt route) error {
	allowed := map[string]bool{http.MethodGet: rt.get != nil, http.MethodHead: rt.get != nil, http.MethodPost: rt.post != nil}
	maps.DeleteFunc(allowed, func(_ string, ok bool) bool { return !ok })
	c.w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(allowed)), ", "))
	return errMethod
}
