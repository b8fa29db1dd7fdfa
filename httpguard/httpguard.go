// Package httpguard is net/http middleware: it lets a request through by an access token with a scope, by a fresh proof,
// or by an open gate. [New] makes a [Guard]; [Guard.RequireScope], [Guard.RequireProof] and [Guard.RequireGate] return a
// func(http.Handler) http.Handler, for any router that takes one.
//
// What is refused is answered with a problem document (RFC 9457) and, for tokens and proofs, the
// WWW-Authenticate that clients go by (RFC 6750 §3, RFC 9470 §3). Every fault refuses too.
package httpguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Config is what a Guard is told once.
type Config struct {
	// Service checks proofs. There is no default.
	Service *gatehouse.Service

	// Tokens are those of the Service, for RequireScope. Defaults to none: then it refuses everybody, as a fault.
	Tokens *tokens.Service

	// Posture is that of the Service, for RequireGate. Defaults to none: then it refuses everybody, as a fault.
	Posture *posture.Service

	// Client returns the address that a request came from, the zero Addr for an unknown one. Only the host
	// knows which of its proxies to believe, so no header is read here. Defaults to unknown: then a token
	// that is restricted to networks is denied.
	Client func(*http.Request) netip.Addr

	// Session returns what the host knows of the request's session: the zero Session where nobody is signed in. An error
	// says that the host cannot tell, as its store of sessions has failed: the request is refused as a fault. RequireProof
	// and RequireGate need it. Defaults to nobody.
	Session func(*http.Request) (gatehouse.Session, error)

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
type Guard struct{ c Config }

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
		c.Client = func(*http.Request) netip.Addr { return netip.Addr{} }
	}
	if c.Session == nil {
		c.Session = func(*http.Request) (gatehouse.Session, error) { return gatehouse.Session{}, nil }
	}
	if c.Refuse == nil {
		c.Refuse = func(w http.ResponseWriter, _ *http.Request, p Problem) { p.Write(w) }
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	return &Guard{c}, nil
}

type grantKey struct{}

// Grant returns what the token of a request may do, behind RequireScope.
func Grant(ctx context.Context) (tokens.Grant, bool) {
	g, ok := ctx.Value(grantKey{}).(tokens.Grant)
	return g, ok
}

// RequireScope lets a request through whose token allows a scope on a resource, as tokens.Grant.Allows says. resource
// returns the host's ID of what the request is about; nil is "", what belongs to no resource. The token
// comes in the Authorization header and nowhere else: in a URL it would get into logs and histories
// (RFC 6750 §5.3).
//
// A handler that asks for more finds the grant with [Grant].
func (g *Guard) RequireScope(scope tokens.Scope, resource func(*http.Request) string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			grant, refused, err := g.check(r)
			if err != nil {
				g.fault(w, r, err)
				return
			}
			if refused != nil {
				g.refuse(w, r, *refused)
				return
			}
			of := ""
			if resource != nil {
				of = resource(r)
			}
			if note, ok := r.Context().Value(noteKey{}).(*note); ok {
				note.token = grant.TokenID
			}
			if !grant.Allows(scope, of) {
				g.refuse(w, r, Problem{
					Status: http.StatusForbidden, Code: "insufficient_scope", Scope: scope,
					Title: "The access token does not allow this", Detail: fmt.Sprintf("It needs the scope %s for this resource.", scope),
				})
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), grantKey{}, grant)))
		})
	}
}

// check returns what the token of a request may do, or why the request is refused. An error is a fault.
func (g *Guard) check(r *http.Request) (grant tokens.Grant, refused *Problem, err error) {
	text, present, err := bearer(r)
	switch {
	case err != nil:
		return tokens.Grant{}, &Problem{Status: http.StatusBadRequest, Code: "invalid_request", Title: "The Authorization header is malformed"}, nil
	case !present:
		return tokens.Grant{}, &Problem{Status: http.StatusUnauthorized, Title: "An access token is needed"}, nil
	case g.c.Tokens == nil:
		return tokens.Grant{}, nil, errNoTokens
	}
	grant, err = g.c.Tokens.Check(r.Context(), text, g.c.Client(r))
	if errors.Is(err, gatehouse.ErrDenied) {
		return tokens.Grant{}, &Problem{Status: http.StatusUnauthorized, Code: "invalid_token", Title: "The access token is not valid"}, nil
	}
	return grant, nil, err
}

var (
	errHeader    = errors.New("httpguard: malformed Authorization header")
	errNoTokens  = errors.New("httpguard: Config.Tokens is not set")
	errNoPosture = errors.New("httpguard: Config.Posture is not set")
)

// bearer returns the token of a request. Another scheme's credentials are none.
func bearer(r *http.Request) (token string, present bool, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", false, nil
	}
	if len(headers) > 1 {
		return "", false, errHeader // which of them would be the one?
	}
	scheme, rest, found := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	token = strings.TrimLeft(rest, " ")
	if !found || token == "" || strings.ContainsAny(token, " \t,") {
		return "", false, errHeader
	}
	return token, true, nil
}

// ProofOptions says what RequireProof asks of a proof. The zero value asks for one of the last day, by any factor that is
// enough for the account.
type ProofOptions struct {
	MaxAge       time.Duration // 0, and more than a day: a day
	SecondFactor bool          // no first factor is enough, also where the account has no second one
}

// RequireProof lets a request through whose session has a proof (see gatehouse.Service.CheckProof). What it refuses names
// the age (RFC 9470), so that a page can ask for a code and come back.
func (g *Guard) RequireProof(o ProofOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, err := g.c.Session(r)
			if err != nil {
				g.fault(w, r, err)
				return
			}
			proof, err := g.c.Service.CheckProof(r.Context(), session, o.MaxAge)
			switch {
			case err == nil && (proof.SecondFactor || !o.SecondFactor):
				next.ServeHTTP(w, r)
			case err == nil || errors.Is(err, gatehouse.ErrStepUpRequired):
				g.refuse(w, r, stepUp(o.MaxAge))
			default:
				g.fault(w, r, err)
			}
		})
	}
}

func stepUp(maxAge time.Duration) Problem {
	return Problem{
		Status: http.StatusUnauthorized, Code: "insufficient_user_authentication", MaxAge: maxAge,
		Title: "A fresh sign-in is needed",
	}
}

// RequireGate lets a request through whose session's owner gets through the gate of an action, as
// posture.Service.Require says. What keeps it closed is in the problem document.
func (g *Guard) RequireGate(action string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if g.c.Posture == nil {
				g.fault(w, r, errNoPosture)
				return
			}
			session, err := g.c.Session(r)
			if err != nil {
				g.fault(w, r, err)
				return
			}
			err = g.c.Posture.Require(r.Context(), session, action)
			var closed *posture.GateError
			switch {
			case err == nil:
				next.ServeHTTP(w, r)
			case errors.Is(err, gatehouse.ErrStepUpRequired):
				p := stepUp(0)
				if errors.As(err, &closed) {
					p.MaxAge = closed.StepUp.MaxAge
				}
				g.refuse(w, r, p)
			case errors.As(err, &closed):
				g.refuse(w, r, Problem{
					Status: http.StatusForbidden, Code: "gate_closed", Title: "The account's protection does not allow this yet",
					Gate: &closed.Decision,
				})
			default:
				g.fault(w, r, err)
			}
		})
	}
}

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, p Problem) {
	if challenge := p.challenge(g.c.Realm); challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
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
