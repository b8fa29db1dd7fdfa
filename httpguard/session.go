package httpguard

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
)

// RequireSignedIn lets a request through whose session somebody is signed in to, as Config.Session says. It proves nothing
// more: neither how somebody signed in nor when, and a session that the host has not ended goes on. Ask for a proof or a
// gate before anything that matters. Nobody is answered 401.
func (g *Guard) RequireSignedIn() func(http.Handler) http.Handler {
	return g.signedIn(func(*http.Request) bool { return false })
}

// signedIn is RequireSignedIn for a route where an answer of 401 may offer Basic.
func (g *Guard) signedIn(basic func(*http.Request) bool) func(http.Handler) http.Handler {
	return g.bySession(func(r *http.Request, s gatehouse.Session) (*Problem, error) {
		if s.Account == "" {
			return &Problem{Status: http.StatusUnauthorized, Code: "not_signed_in", Title: "A sign-in is needed", basic: basic(r)}, nil
		}
		return nil, nil
	})
}

// bySession is middleware that asks about the session of a request.
func (g *Guard) bySession(ask func(*http.Request, gatehouse.Session) (*Problem, error)) func(http.Handler) http.Handler {
	return g.middleware(func(r *http.Request) (caller, *Problem, error) {
		if refused := g.foreign(r); refused != nil {
			return caller{}, refused, nil
		}
		session, err := g.session(r)
		if err != nil {
			return caller{}, nil, err
		}
		refused, err := ask(r, session)
		return caller{account: session.Account, session: session, of: g}, refused, err
	})
}

// session returns the session of a request, which is asked for once where guards stand one behind the other.
func (g *Guard) session(r *http.Request) (gatehouse.Session, error) {
	if c, _ := r.Context().Value(callerKey{}).(caller); c.of == g {
		return c.session, nil
	}
	return g.c.Session(r)
}

// ProofOptions says what RequireProof asks of a proof. The zero value asks for one of the last day, by any factor that is
// enough for the account.
type ProofOptions struct {
	MaxAge       time.Duration // 0, and more than a day: a day
	SecondFactor bool          // no first factor is enough, also where the account has no second one

	// PhishingResistant says that nothing but a phishing-resistant authenticator is enough, such as a passkey, also where the
	// account has none. No factor of the host's own (gatehouse.Config.ExternalFactors) counts as one.
	PhishingResistant bool
}

// takes reports whether a proof is by a factor that is enough.
func (o ProofOptions) takes(p gatehouse.ProofInfo) bool {
	return (p.SecondFactor || !o.SecondFactor) && (p.PhishingResistant || !o.PhishingResistant)
}

// RequireProof lets a request through whose session has a proof (see gatehouse.Service.CheckProof). What it refuses names
// the age and, where a passkey is needed, the class of authentication "phr" (RFC 9470), so that a page can ask for a code or
// a passkey and come back.
func (g *Guard) RequireProof(o ProofOptions) func(http.Handler) http.Handler {
	return g.bySession(func(r *http.Request, s gatehouse.Session) (*Problem, error) {
		proof, err := g.c.Service.CheckProof(r.Context(), s, o.MaxAge)
		if err == nil && o.takes(proof) {
			return nil, nil
		}
		if err == nil || errors.Is(err, gatehouse.ErrStepUpRequired) {
			return stepUp(posture.StepUp{MaxAge: o.MaxAge, PhishingResistant: o.PhishingResistant}, ""), nil
		}
		return nil, err
	})
}

func stepUp(to posture.StepUp, action string) *Problem {
	p := &Problem{
		Status: http.StatusUnauthorized, Code: "insufficient_user_authentication", Action: action,
		MaxAge: to.MaxAge, PhishingResistant: to.PhishingResistant, Title: "A fresh sign-in is needed",
	}
	if p.PhishingResistant {
		p.Title = "A fresh sign-in with a passkey is needed"
	}
	return p
}

// RequireGate lets a request through whose session's owner gets through the gate of an action, as
// posture.Service.Require says. What keeps it closed is in the problem document.
func (g *Guard) RequireGate(action string) func(http.Handler) http.Handler {
	return g.bySession(func(r *http.Request, s gatehouse.Session) (*Problem, error) {
		if g.c.Posture == nil {
			return nil, errNoPosture
		}
		err := g.c.Posture.Require(r.Context(), s, action)
		var closed *posture.GateError
		isGate := errors.As(err, &closed)
		switch {
		case err == nil:
			return nil, nil
		case errors.Is(err, gatehouse.ErrStepUpRequired) && isGate:
			return stepUp(*closed.StepUp, action), nil
		case errors.Is(err, gatehouse.ErrStepUpRequired):
			return stepUp(posture.StepUp{}, action), nil
		case isGate:
			return &Problem{
				Status: http.StatusForbidden, Code: "gate_closed", Title: "The account's protection does not allow this yet",
				Gate: &closed.Decision,
			}, nil
		}
		return nil, err
	})
}
