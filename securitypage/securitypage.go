// Package securitypage is the Settings → Security page of a service, and the second step of its sign-in, as an
// http.Handler to mount under any path. [New] makes a [Page]; [Page.Refuse] is httpguard's Refuse.
//
// It stands on the sessions of package websession ([Config.Web]), and checks the password by a function of the host's where
// it asks for it ([Config.Password]). Everything else is here: the second step, pairing authenticators, recovery codes,
// access tokens ([Config.Tokens]), what the account's protection lacks and how to fix it ([Config.Posture]).
//
// Pages are rendered on the server and need no JavaScript, but for passkeys, which browsers have nowhere else. A secret is in the body of one answer to a POST,
// which is not stored, and nowhere else: in no URL and in no cookie. A form that is sent twice, or after
// something changed, is refused, and says so.
package securitypage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

// Owner is what the host knows of the owner of an account. The zero Owner will do.
type Owner struct {
	// Label is what authenticator apps show next to the service's name, and the page at its top: an e-mail
	// address or a user name. Defaults to the account.
	Label string

	// SignInAgain is for an account that has no password, or none to be asked for: where the owner signs in again, at an
	// identity provider for example. It is a path or an https URL, to which the page adds the parameter "next". What it
	// leads to must end in websession.SignIn.Begin, and must have asked the owner: a first factor of more than 5 minutes ago
	// is refused. Defaults to asking for the password.
	SignInAgain string

	// ExpectSecondFactor says that the account has a second factor, as the host knows by itself: see
	// gatehouse.SignIn.ExpectSecondFactor. Where the store has none, a password then proves nothing on this page.
	ExpectSecondFactor bool
}

// Links are the host's own pages: a path as browsers see it, with the prefix of Web, or an https URL.
type Links struct {
	Home string // where "back" leads. Defaults to "/" below the prefix of Web

	// SignIn is where somebody is sent who is not signed in. If it is a path, it is given the parameter "next", which its
	// form must bring along to websession.SignIn.Begin. Defaults to "/" below the prefix of Web.
	SignIn string

	// Password is where it is changed. If it is a path, the plan after "this wasn't me" gives it the parameter "next", for the
	// sign-in that follows. Defaults to none.
	Password string

	SignOut  string // takes a POST without fields. Defaults to none
	Sessions string // where they are listed and ended, if that is not here: see Config.Sessions. Defaults to none
	Help     string // where support is found, for owners who have lost everything. Defaults to none
}

// Config is what a Page is told once.
type Config struct {
	// Web has the browser sessions, the accounts, and the path where browsers find the page. There is no default.
	Web *websession.Sessions

	// Tokens are those of the Service. Defaults to none: then the page has no access tokens.
	Tokens *tokens.Service

	// Resources says which resources a token can be restricted to. Defaults to whatever is typed.
	Resources Resources

	// API is a URL of the host's that takes an access token, such as "https://api.acme.test/v1/me": an owner who has made
	// a token sees how to try it there with curl. It is an https URL, or one of http://localhost. Defaults to none.
	API string

	// RotatesItself says that the host has an endpoint that calls tokens.Service.RotateSelf, so that owners can make tokens
	// that use it. Defaults to not offering them.
	RotatesItself bool

	// Passkeys are those of the Service, from the module passkey; Web must have them too. The page then serves its script
	// "passkey.js", which signs in by a passkey on the host's own form as well. Defaults to none.
	Passkeys Passkeys

	// Sessions lists where the owner is signed in, on a page of this one, and ends sessions one by one. What ends all others
	// here, or follows from a change of factors, ends those in it too. The host calls its EndOthers after a new password.
	// Links.Sessions must then be empty. Defaults to none: then sessions end all together.
	Sessions websession.Directory

	// Posture is that of the Service. Defaults to none: then the page does not say how well an account is
	// protected.
	Posture *posture.Service

	// Name is the service's name, in titles. There is no default.
	Name string

	// Owner returns what the host knows of the owner of an account, who is signed in or signing in. An error is a fault.
	// Defaults to the zero Owner.
	Owner func(r *http.Request, account string) (Owner, error)

	// Password reports whether the password of an account is right, where the page asks for it: only of accounts without a
	// second factor. It is for the host to count wrong ones: a *gatehouse.DeniedError says when to try again, and every
	// other error is a fault. Defaults to none: then owners are asked to sign in again.
	Password func(r *http.Request, account, password string) (bool, error)

	// Links are the host's pages.
	Links Links

	// Place returns where an address is, in words for its owner: "Lisbon, Portugal", "Office". "" and more than 64 bytes
	// count as not known. It is asked for the addresses of the activity; all of them have 300 ms, and a page that has waited
	// so long is shown without the rest. Defaults to none.
	Place func(netip.Addr) string

	// Language returns the language of a request as a BCP 47 tag, such as "de" or "pt-BR", where the host knows it: from the
	// owner's settings, for example. "" is none. The nearest of [Languages] is taken. Defaults to what the browser asks for
	// (Accept-Language), and then to English.
	Language func(*http.Request) string

	// Texts returns what takes the place of our texts for a request, by the keys of [Texts]: the host's own words in that
	// language, or, with "lang" and "dir", another language. Names of the host's own are "gate.ACTION", "kind.KIND" and, of its
	// controls, "control.ID" (the title where it passes), "control.ID.failing", "control.ID.question", "control.ID.STATE" (the reason),
	// "control.ID.todo" and "control.ID.fix"; "fix.ID" is the button. A map that it has returned must not
	// change. Defaults to none.
	Texts func(r *http.Request, language string) map[string]string

	// Theme is the look: color, corners, font, logo. Defaults to ours.
	Theme Theme

	// Layout writes a whole page around the parts that it is given, so that the page sits in the host's own shell, with its
	// navigation and its account menu. The page is buffered: where Layout returns an error, panics, or leaves out the
	// Body, that is a fault, and the page is shown in the layout of this package. Defaults to that.
	Layout func(w io.Writer, r *http.Request, c Content) error

	// Files has templates, "page.js" and "passkey.js" that take the place of those in this package, by name, and "page.css", which comes
	// after ours and after Theme. Defaults to none.
	Files fs.FS

	// FormTargets are origins that a redirect after a form may lead to, beside this service and the hosts of Links: those of
	// OAuth clients, for example, to which a sign-in returns. Browsers stop every other (form-action of the
	// Content-Security-Policy). Each is "https://host", with a port if it has one, or "http://" with localhost or a
	// loopback address. Defaults to none.
	FormTargets []string

	// Popup says that the second step may be in a window that a page of another origin has opened and waits for. Then the
	// pages of the sign-in are sent without Cross-Origin-Opener-Policy, and no others. Defaults to false.
	Popup bool

	// CrossOrigin refuses forms of other sites, and is where trusted origins can be added. Defaults to
	// http.NewCrossOriginProtection.
	CrossOrigin *http.CrossOriginProtection

	// Faults is told what went wrong where the answer is 500, and never a secret: as an error, and as information where
	// the browser has hung up. Defaults to slog.Default.
	Faults *slog.Logger
}

// Page is the Security page. It is safe for concurrent use.
type Page struct {
	c       Config
	svc     *gatehouse.Service
	now     func() time.Time
	path    string // where browsers find it
	mux     *http.ServeMux
	handler http.Handler // mux, behind the middleware of the sessions
	files   files
	twins   twins
	places  places
	turns   queue.Turns // of the forms of one account: one that was sent twice finds what its twin has done
	policy  string      // the Content-Security-Policy
}

// New returns a Page, or gatehouse.ErrInvalid.
func New(c Config) (*Page, error) {
	switch {
	case c.Web == nil || c.Name == "":
		return nil, fmt.Errorf("%w: Web and Name are needed", gatehouse.ErrInvalid)
	case c.Tokens != nil && !c.Tokens.Of(c.Web.Service()) || c.Posture != nil && !c.Posture.Of(c.Web.Service()):
		return nil, fmt.Errorf("%w: the tokens or the posture are of another service", gatehouse.ErrInvalid)
	}
	if c.Passkeys != nil && (!c.Passkeys.Of(c.Web.Service()) || c.Web.Passkeys() == nil) {
		return nil, fmt.Errorf("%w: the passkeys are of another service, or Web has none", gatehouse.ErrInvalid)
	}
	if c.Sessions != nil && c.Links.Sessions != "" {
		return nil, fmt.Errorf("%w: Sessions is a page here, and Links.Sessions one of the host's: only one can be", gatehouse.ErrInvalid)
	}
	if !isAPI(c.API) {
		return nil, fmt.Errorf("%w: API is an https URL", gatehouse.ErrInvalid)
	}
	if err := c.Links.settle(c.Web.Prefix()); err != nil {
		return nil, err
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	p := &Page{c: c, svc: c.Web.Service(), now: c.Web.Now, path: c.Web.Path(), places: newPlaces(c.Place)}
	theme, err := c.Theme.sheet()
	if err != nil {
		return nil, err
	}
	p.policy, err = policy([]string{c.Theme.Logo, c.Theme.Favicon}, []string{c.Links.Home, c.Links.SignIn, c.Links.SignOut}, c.FormTargets)
	if err != nil {
		return nil, err
	}
	names := assets
	if c.Passkeys != nil {
		names = append(slices.Clone(assets), passkeyScript)
	}
	if p.files, err = readFiles(c.Files, theme, names...); err != nil {
		return nil, errors.Join(gatehouse.ErrInvalid, err)
	}
	p.mux = p.routes()
	p.handler = c.Web.Middleware(p.mux)
	return p, nil
}

// settle checks links, and fills in what is missing below a prefix.
func (l *Links) settle(prefix string) error {
	l.Home, l.SignIn = cmp.Or(l.Home, prefix+"/"), cmp.Or(l.SignIn, prefix+"/")
	for _, link := range []string{l.Home, l.SignIn, l.SignOut, l.Password, l.Sessions, l.Help} {
		if link != "" && !isLink(link) {
			return fmt.Errorf("%w: a link is a path or an https URL", gatehouse.ErrInvalid)
		}
	}
	return nil
}
