// Package securitypage is the Settings → Security page of a service, and the second step of its sign-in, as an
// http.Handler to mount under any path. [New] makes a [Page]; [Page.Refuse] is httpguard's Refuse.
//
// The host goes on owning sign-in, passwords and sessions. It says who a request's session belongs to
// ([Config.Session]), checks the first factor where the page asks for it ([Config.FirstFactor]), and begins
// the session once the second step is done ([Config.SignedIn]). Everything else is here: pairing
// authenticators, recovery codes, access tokens ([Config.Tokens]), what the account's protection lacks and how to fix it
// ([Config.Posture]).
//
// Pages are rendered on the server and need no JavaScript. A secret is in the body of one answer to a POST,
// which is not stored, and nowhere else: in no URL and in no cookie. A form that is sent twice, or after
// something changed, is refused, and says so.
package securitypage

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Session is what the host knows of a request's session. The zero Session is nobody's.
type Session struct {
	// Session is the one that httpguard and the methods of gatehouse take. Its Account is the host's own ID of who is
	// signed in or, with Challenge, of who is signing in. Its Secret ties forms to the session as well as proofs: it is a
	// random value of at least 16 bytes, the same from the first factor on. Its Proof is the last one that came from
	// sign-in, from gatehouse.SignIn.Vouch or by Keep, and defaults to none.
	gatehouse.Session

	// Label is what authenticator apps show next to the service's name, and the page at its top: an e-mail
	// address or a user name. Defaults to Account.
	Label string

	// Keep has the session keep another proof, also while somebody is signing in. It is called before the
	// answer is written. Session is asked again for each form, once it is that form's turn: where Keep stores at once
	// and Session reads what is stored, one of two forms that were sent at once finds what the other has done. With a
	// session manager that loads and saves around a request it may be told that its code was used. There is no default.
	Keep func(gatehouse.Proof) error

	// ExpectSecondFactor says that the account has a second factor, as the host knows by itself: see
	// gatehouse.SignIn.ExpectSecondFactor. Where the store has none, a password then proves nothing on this page.
	ExpectSecondFactor bool

	// Challenge is the gatehouse.ChallengeToken of a sign-in whose first factor was right, as text. While
	// it is set nobody is signed in, and only the second step is shown.
	Challenge string
}

// Links are the host's own pages: a path as browsers see it, with Config.Prefix, or an https URL.
type Links struct {
	Home     string // where "back" leads. Defaults to "/" below Config.Prefix
	SignIn   string // who is not signed in is sent there. Defaults to "/" below Config.Prefix
	SignOut  string // takes a POST without fields. Defaults to none
	Password string // where it is changed. Defaults to none
	Sessions string // where they are listed and ended. Defaults to none
	Help     string // where support is found, for owners who have lost everything. Defaults to none
}

// Config is what a Page is told once.
type Config struct {
	// Service has the accounts. There is no default.
	Service *gatehouse.Service

	// Tokens are those of the Service. Defaults to none: then the page has no access tokens.
	Tokens *tokens.Service

	// Posture is that of the Service. Defaults to none: then the page does not say how well an account is
	// protected.
	Posture *posture.Service

	// Name is the service's name, in titles. There is no default.
	Name string

	// Path is where browsers find the page, without a slash at its end. Defaults to "/settings/security" below Prefix.
	Path string

	// Prefix is the beginning of Path that a proxy takes off before requests reach this program: "/app" where browsers ask
	// for /app/settings/security/ and the page is mounted at /settings/security/. Links, forms, redirects and ways back have
	// it. No header is read for it. Nothing is needed for http.StripPrefix, where Path is enough. Defaults to none.
	Prefix string

	// Session says whose session a request has. A session that is not there is no error; an error, whatever it wraps, is
	// a fault, which is answered 500. There is no default.
	Session func(*http.Request) (Session, error)

	// FirstFactor checks the password, of the session's account, where the page asks for it: only of
	// accounts without a second factor. It is for the host to count wrong ones. A wrong one is
	// gatehouse.ErrDenied, or a *gatehouse.DeniedError that says when to try again; other errors are faults.
	// Defaults to none: then owners are asked to sign in again, and the host vouches for that (gatehouse.SignIn.Vouch).
	FirstFactor func(r *http.Request, account, password string) (gatehouse.FirstFactor, error)

	// SignedIn begins the session of somebody who has completed the second step, under a new session ID,
	// keeps the verification's proof in it, and answers with a redirect, to this service or to where one of the
	// Links leads: browsers follow no other (Content-Security-Policy). An error lets nobody in, and is to have
	// written nothing. There is no default.
	SignedIn func(http.ResponseWriter, *http.Request, gatehouse.Verification) error

	// Links are the host's pages.
	Links Links

	// Texts returns what takes the place of English texts for a request, by the keys of [English]: in
	// another language or in the host's own words. Those of controls are "control.ID", "control.ID.STATE" and
	// "control.ID.fix". What it does not have is English. Defaults to English.
	Texts func(*http.Request) map[string]string

	// Files has files that take the place of those in this package, by name: templates, "page.css",
	// "page.js". Defaults to none.
	Files fs.FS

	// CrossOrigin refuses forms of other sites, and is where trusted origins can be added. Defaults to
	// http.NewCrossOriginProtection.
	CrossOrigin *http.CrossOriginProtection

	// Faults is told what went wrong where the answer is 500, and never a secret: as an error, and as information where
	// the browser has hung up. Defaults to slog.Default.
	Faults *slog.Logger

	// Now is for tests; it must be that of the Service. Defaults to time.Now.
	Now func() time.Time
}

// Page is the Security page. It is safe for concurrent use.
type Page struct {
	c     Config
	mux   *http.ServeMux
	files files
	turns queue.Turns // of the forms of one account: one that was sent twice finds what its twin has done
	// formAction is where forms lead, also by a redirect, as the Content-Security-Policy has it.
	formAction string
}

// New returns a Page, or gatehouse.ErrInvalid.
func New(c Config) (*Page, error) {
	switch {
	case c.Service == nil || c.Session == nil || c.SignedIn == nil || c.Name == "":
		return nil, fmt.Errorf("%w: Service, Name, Session and SignedIn are needed", gatehouse.ErrInvalid)
	case c.Tokens != nil && !c.Tokens.Of(c.Service) || c.Posture != nil && !c.Posture.Of(c.Service):
		return nil, fmt.Errorf("%w: the tokens or the posture are of another service", gatehouse.ErrInvalid)
	}
	if err := c.settlePaths(); err != nil {
		return nil, err
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Page{c: c, formAction: formAction(c.Links)}
	var err error
	if p.files, err = readFiles(c.Files); err != nil {
		return nil, errors.Join(gatehouse.ErrInvalid, err)
	}
	p.mux = p.routes()
	return p, nil
}

// settlePaths checks the paths and links of a Config, and fills in what is missing.
func (c *Config) settlePaths() error {
	c.Path = cmp.Or(c.Path, c.Prefix+"/settings/security")
	c.Links.Home, c.Links.SignIn = cmp.Or(c.Links.Home, c.Prefix+"/"), cmp.Or(c.Links.SignIn, c.Prefix+"/")
	if !isPath(c.Path) || c.Prefix != "" && (!isPath(c.Prefix) || !strings.HasPrefix(c.Path+"/", c.Prefix+"/")) {
		return fmt.Errorf("%w: Path and Prefix must begin with a slash and not end in one, and Path with Prefix", gatehouse.ErrInvalid)
	}
	for _, link := range []string{c.Links.Home, c.Links.SignIn, c.Links.SignOut, c.Links.Password, c.Links.Sessions, c.Links.Help} {
		u, err := url.Parse(link)
		if link != "" && !local(link) && (err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(u.Host, " ;,'\"")) {
			return fmt.Errorf("%w: a link is a path or an https URL", gatehouse.ErrInvalid)
		}
	}
	return nil
}

// formAction returns this service, and the hosts of the links that forms lead to.
func formAction(l Links) string {
	sources := []string{"'self'"}
	for _, link := range []string{l.Home, l.SignIn, l.SignOut} {
		if u, err := url.Parse(link); err == nil && u.Scheme == "https" && !slices.Contains(sources, "https://"+u.Host) {
			sources = append(sources, "https://"+u.Host)
		}
	}
	return strings.Join(sources, " ")
}

// isPath reports whether a path is one that the page or a prefix of it can have.
func isPath(p string) bool {
	return local(p) && p != "/" && path.Clean(p) == p && !strings.ContainsAny(p, "{}?#% ")
}

// public returns a request of the page with the path that browsers see, whatever a proxy or http.StripPrefix has taken
// off. So all that is made from it leads back here: form actions, and redirects of ServeMux.
func (p *Page) public(r *http.Request) *http.Request {
	for _, u := range []*url.URL{r.URL, under(p.c.Prefix, r.URL), under(p.c.Prefix, asked(r))} {
		if u.Path != p.c.Path && !strings.HasPrefix(u.Path, p.c.Path+"/") {
			continue
		}
		out := new(*r)
		out.URL = u
		return out
	}
	return r
}

// asked returns what this program was asked for, before its own handlers have taken anything off.
func asked(r *http.Request) *url.URL {
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || u.Path == "" { // a request that no server has read, or one for no path
		return r.URL
	}
	return u
}

// under returns a URL whose path is below a prefix.
func under(prefix string, u *url.URL) *url.URL {
	out := new(*u)
	out.Path = prefix + u.Path
	if u.RawPath != "" {
		out.RawPath = prefix + u.RawPath
	}
	return out
}

// local reports whether a link is a path of this service.
func local(link string) bool {
	return strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//") && !strings.ContainsFunc(link, func(r rune) bool {
		return r == '\\' || r < ' ' || r == 0x7f
	})
}
