// Package websession is what Gatehouse knows of one browser: who signed in there, what they have proven, and whether the
// session still counts. The host's own session stays as it is; this package keeps two sealed cookies next to it.
//
// Make Sessions with [New]. Then:
//
//   - Sign in: [Sessions.Before] before you look at the password, and [SignIn.Begin] once it was right. Begin signs the
//     browser in, or leads to the second step.
//   - Every request: put [Sessions.Middleware] inside your own session middleware and around everything of yours. It ends
//     sessions that a new password, a reset, a suspension or a change of factors elsewhere has ended.
//   - Sign out: [Sessions.End].
//
// A third cookie, which is not sealed, is what accounts know the browser by, and stays when its owner signs out: see
// [Sessions.Browsers].
//
// [Sessions.Current] is the Session that package httpguard takes. Package securitypage uses the rest: few hosts need it.
//
// A session has no age here: how long one lasts is for the host's own. A copy of a cookie works until something ends the
// session: signing out deletes the cookie, and cannot revoke a copy that somebody has made before.
package websession

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// Config is what Sessions are told once.
type Config struct {
	// Service has the accounts. There is no default.
	Service *gatehouse.Service

	// User returns the account that the host's session of a request is signed in to, "" for nobody. It must be "" for a
	// request that is not a browser's session, such as one with a bearer token. There is no default.
	User func(*http.Request) string

	// SignIn begins the host's session of an account, under a new session ID. It writes headers at most, and no answer.
	// There is no default.
	SignIn func(w http.ResponseWriter, r *http.Request, account string) error

	// SignOut ends the host's session of a request: from the next request on, User must return "". It writes headers at
	// most. There is no default.
	SignOut func(w http.ResponseWriter, r *http.Request) error

	// Path is where browsers find the Security page, without a slash at its end. Everything below it is the page's own, and
	// Path + "/sign-in" is the second step. Defaults to "/settings/security" below Prefix.
	Path string

	// Prefix is the beginning of Path that a proxy takes off before requests reach this program: "/app" where browsers ask
	// for /app/settings/security and this program is asked for /settings/security. No header is read for it. Nothing is
	// needed for http.StripPrefix, where Path is enough. Defaults to none.
	Prefix string

	// Home is where a sign-in leads that names no other place: a path as browsers see it. Defaults to "/" below Prefix.
	Home string

	// Keeper keeps what is known of a browser. Defaults to two cookies.
	Keeper Keeper

	// Noter is told which sessions there are, for a list of them with which their owner can end them: see Directory.
	// Defaults to none.
	Noter Noter

	// PlainHTTP is for a browser on the same machine, which reaches the service without HTTPS: the cookies are then
	// neither Secure nor bound to the host by their names. Any request whose Host is not a loopback one is refused.
	PlainHTTP bool

	// Recheck is how long a session that counted may count without another look at the account. A session then ends
	// within Recheck after what ended it. Defaults to 0: every request reads the account once.
	Recheck time.Duration

	// ExternalReplacesStep signs in without the second step where the host, or its identity provider, has asked for a second
	// factor within the last day that gatehouse.Config.ExternalFactors names. Defaults to asking for the account's own.
	ExternalReplacesStep bool

	// KnownBrowserReplacesStep signs in without the second step in a browser that the account knows: one in which a second
	// step was completed in the last 90 days. It is for sign-in alone: what such a session has proven is the password, which
	// opens no gate, changes no factor and makes no token where there is a second factor. NIST SP 800-63B-4 §5.1 does not
	// take a remembered browser for authentication: a sign-in by it is AAL1, and whoever has a copy of the cookie and the
	// password is in. Sessions.End has the account forget the browser, so that a borrowed computer is no longer known after
	// its user has signed out; whoever leaves it without signing out leaves it known. Defaults to asking for the second step
	// at every sign-in.
	KnownBrowserReplacesStep bool

	// Passkeys are those of Service, from the module passkey: the second step then takes them, and they sign in alone.
	// Defaults to none.
	Passkeys Passkeys

	// Client returns the address that a request came from, the zero Addr for an unknown one: the owner finds it in the
	// activity, with the browser. Nothing is decided by it. Defaults to that of the connection (Request.RemoteAddr); no
	// header is read, as anybody can send one. Behind a proxy set it, to the same function as httpguard.Config.Client;
	// otherwise each address is the proxy's. Addresses are personal data in most laws: return the zero Addr to keep none.
	// Where the request has a client already (event.WithClient), that one counts.
	Client func(*http.Request) netip.Addr

	// CrossOrigin refuses sign-ins and sign-outs that come from other origins, sibling domains included, and is where
	// trusted origins can be added. Defaults to http.NewCrossOriginProtection.
	CrossOrigin *http.CrossOriginProtection

	// Faults is told what went wrong where the answer is 503, and what Noter did not note, and never a secret. Defaults to
	// slog.Default.
	Faults *slog.Logger
}

// Passkeys are what Sessions need of the module passkey, whose Service it is. Options and responses are JSON, as the
// script passkey.js of package securitypage takes and makes them.
type Passkeys interface {
	// Of reports whether these are the passkeys of a service.
	Of(svc *gatehouse.Service) bool
	AnswerPasskey(ctx context.Context, in gatehouse.Session, challenge string, response []byte) (gatehouse.Verification, error)
	SignInOptions(ctx context.Context, secret string) ([]byte, error)
	SignIn(ctx context.Context, in gatehouse.Session, response []byte) (gatehouse.Verification, error)
}

// Sessions are the browser sessions of one service. They are safe for concurrent use.
type Sessions struct {
	c      Config
	e      *engine.Engine
	recent recent
}

// New returns Sessions, or gatehouse.ErrInvalid.
func New(c Config) (*Sessions, error) {
	if c.Service == nil || c.User == nil || c.SignIn == nil || c.SignOut == nil {
		return nil, fmt.Errorf("%w: Service, User, SignIn and SignOut are needed", gatehouse.ErrInvalid)
	}
	if c.Passkeys != nil && !c.Passkeys.Of(c.Service) {
		return nil, fmt.Errorf("%w: the passkeys are of another service", gatehouse.ErrInvalid)
	}
	if c.Path == "" {
		c.Path = c.Prefix + "/settings/security"
	}
	if !local.IsPath(c.Path) || c.Prefix != "" && (!local.IsPath(c.Prefix) || !strings.HasPrefix(c.Path+"/", c.Prefix+"/")) {
		return nil, fmt.Errorf("%w: Path and Prefix must begin with a slash and not end in one, and Path with Prefix", gatehouse.ErrInvalid)
	}
	if c.Home == "" {
		c.Home = c.Prefix + "/"
	}
	if !local.Is(c.Home) {
		return nil, fmt.Errorf("%w: Home is a path", gatehouse.ErrInvalid)
	}
	if c.Recheck < 0 {
		return nil, fmt.Errorf("%w: a negative Recheck", gatehouse.ErrInvalid)
	}
	if c.Keeper == nil {
		c.Keeper = cookies{plain: c.PlainHTTP}
	}
	if c.Client == nil {
		c.Client = local.Peer
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	e := engine.Of(c.Service)
	return &Sessions{c: c, e: e, recent: recent{lasts: c.Recheck, now: e.Now}}, nil
}

// Service returns the service whose accounts the sessions are of.
func (s *Sessions) Service() *gatehouse.Service { return s.c.Service }

// Now returns the time by the service's clock.
func (s *Sessions) Now() time.Time { return s.e.Now() }

// Path returns Config.Path.
func (s *Sessions) Path() string { return s.c.Path }

// Prefix returns Config.Prefix.
func (s *Sessions) Prefix() string { return s.c.Prefix }

// Passkeys returns Config.Passkeys.
func (s *Sessions) Passkeys() Passkeys { return s.c.Passkeys }

// KnownBrowserReplacesStep returns Config.KnownBrowserReplacesStep.
func (s *Sessions) KnownBrowserReplacesStep() bool { return s.c.KnownBrowserReplacesStep }

// ctx returns the context of a request, with its client.
func (s *Sessions) ctx(r *http.Request) context.Context { return local.WithClient(r, s.c.Client) }

// loopback reports whether a request's Host is this machine.
func loopback(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
