// Package httpguard is net/http middleware: it lets a request through by an access token with a scope, or by a session
// that is signed in, has a fresh proof, or gets through a gate.
//
//   - [Guard.RequireScope]: for programs, which send a token
//   - [Guard.RequireSignedIn], [Guard.RequireProof], [Guard.RequireGate]: for browsers, which have a session
//   - [Guard.SessionOrToken]: for both
//
// [New] makes a [Guard]. Each of these returns a func(http.Handler) http.Handler, for any router that takes one. The
// handler behind it finds whose request it is with [Account], and what a token may do with [Grant].
//
// What is refused is answered with a problem document (RFC 9457) and, where other credentials would do, with the
// WWW-Authenticate that clients go by (RFC 6750 §3, RFC 9470 §3, RFC 7617). Every fault refuses too.
package httpguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/local"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Config is what a Guard is told once.
type Config struct {
	// Service checks proofs. There is no default.
	Service *gatehouse.Service

	// Tokens are those of the Service, for RequireScope and SessionOrToken. Defaults to none: then tokens are refused, as
	// a fault.
	Tokens *tokens.Service

	// Posture is that of the Service, for RequireGate. Defaults to none: then it refuses everybody, as a fault.
	Posture *posture.Service

	// Session returns what the host knows of the request's session: the zero Session where nobody is signed in, or is not
	// yet completely. An error says that the host cannot tell, as its store of sessions has failed: the request is refused
	// as a fault. Defaults to nobody.
	Session func(*http.Request) (gatehouse.Session, error)

	// CrossOrigin refuses requests of other sites, sibling domains included, that come by a session or a Basic password
	// and may change something (any method but GET, HEAD and OPTIONS): browsers send cookies of SameSite=Lax along with
	// forms of sibling domains. It is where trusted origins can be added. Defaults to http.NewCrossOriginProtection.
	CrossOrigin *http.CrossOriginProtection

	// Client returns the address that a request came from, the zero Addr for an unknown one. Defaults to that of the
	// connection (Request.RemoteAddr); no header is read, as anybody can send one.
	//
	// Behind a proxy set it, with what that proxy says: only the host knows which proxies to believe. Otherwise every
	// request comes from the proxy's address. A token that is restricted to other networks is denied then, and one that is
	// restricted to the proxy's network works from everywhere. Where nothing is known, return the zero Addr: that denies
	// both.
	//
	// Events and activity have it too, unless the request has a client already (event.WithClient).
	Client func(*http.Request) netip.Addr

	// BasicPassword takes tokens as the password of Basic credentials too, as git, pip and curl -u send them, under any
	// user name. Defaults to the Bearer scheme alone. See RequireScope.
	BasicPassword bool

	// Refuse answers what is refused, instead of a problem document: for pages. WWW-Authenticate is
	// set by then. It must not call the handler that was guarded.
	Refuse func(http.ResponseWriter, *http.Request, Problem)

	// Realm is the one in WWW-Authenticate: printable ASCII without '"' and '\'. Defaults to "api".
	Realm string

	// Faults is told what went wrong where the answer is 500, and never a token: as an error, and as information where
	// the client has hung up. Defaults to slog.Default.
	Faults *slog.Logger
}

// Guard makes middleware. It is safe for concurrent use.
type Guard struct {
	c     Config
	brand string // what begins a token, with its underscore; "" without tokens
}

// New returns a Guard, or gatehouse.ErrInvalid.
func New(c Config) (*Guard, error) {
	if c.Service == nil {
		return nil, fmt.Errorf("%w: no service", gatehouse.ErrInvalid)
	}
	if c.Tokens != nil && !c.Tokens.Of(c.Service) || c.Posture != nil && !c.Posture.Of(c.Service) {
		return nil, fmt.Errorf("%w: the tokens or the posture are of another service", gatehouse.ErrInvalid)
	}
	if c.Realm == "" {
		c.Realm = "api"
	}
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return nil, fmt.Errorf("%w: a realm is printable ASCII without quotes", gatehouse.ErrInvalid)
	}
	if c.Client == nil {
		c.Client = local.Peer
	}
	if c.Session == nil {
		c.Session = func(*http.Request) (gatehouse.Session, error) { return gatehouse.Session{}, nil }
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Refuse == nil {
		c.Refuse = func(w http.ResponseWriter, _ *http.Request, p Problem) { p.Write(w) }
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	g := &Guard{c: c}
	if c.Tokens != nil {
		g.brand = c.Tokens.Policy().Brand + "_"
	}
	return g, nil
}

// caller is who a guard has let through, and by what.
type caller struct {
	account string
	grant   *tokens.Grant // nil: by a session

	session gatehouse.Session // where of is not nil: that Guard does not ask its host once more
	of      *Guard
}

type callerKey struct{}

// Account returns whose request a guard has let through, by the session or by the token; "" where no guard has. Behind
// SessionOrToken go by it alone: a request may have a token of one account and the cookie of another.
func Account(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.account
}

// Grant returns what the token of a request may do, where a token has let it through.
func Grant(ctx context.Context) (tokens.Grant, bool) {
	if c, _ := ctx.Value(callerKey{}).(caller); c.grant != nil {
		return *c.grant, true
	}
	return tokens.Grant{}, false
}

func (c caller) in(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

var (
	errNoTokens  = errors.New("httpguard: Config.Tokens is not set")
	errNoPosture = errors.New("httpguard: Config.Posture is not set")
)

// check decides on a request: it returns who is let through, or why nobody is. An error is a fault.
type check func(*http.Request) (caller, *Problem, error)

func (g *Guard) middleware(decide check) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(local.WithClient(r, g.c.Client))
			by, refused, err := decide(r)
			switch {
			case err != nil:
				g.fault(w, r, err)
			case refused != nil:
				g.refuse(w, r, *refused)
			default:
				next.ServeHTTP(w, by.in(r))
			}
		})
	}
}

// foreign returns why a request is refused that a browser may have sent for another site; nil where it is not.
func (g *Guard) foreign(r *http.Request) *Problem {
	if g.c.CrossOrigin.Check(r) == nil {
		return nil
	}
	return &Problem{Status: http.StatusForbidden, Code: "cross_origin", Title: "The request comes from another site"}
}

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, p Problem) {
	for _, challenge := range p.challenges(g.c.Realm) {
		w.Header().Add("WWW-Authenticate", challenge)
	}
	w.Header().Set("Cache-Control", "no-store")
	g.c.Refuse(w, r, p)
}

// fault is told to the host alone. That a client has hung up is no error of the service's.
func (g *Guard) fault(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelError
	if r.Context().Err() == context.Canceled {
		level = slog.LevelInfo
	}
	g.c.Faults.Log(r.Context(), level, "httpguard: refused as a check has failed", "path", r.URL.Path, "error", err)
	g.refuse(w, r, Problem{Status: http.StatusInternalServerError, Title: "It cannot be checked now whether this is allowed"})
}
