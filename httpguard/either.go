package httpguard

import (
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// SessionOrToken is for a route of browsers and programs. A request with a token is let through as by RequireScope.
// Every other request needs a session that somebody is signed in to, and that session's guards let through, in order:
//
//	guard.SessionOrToken("deploys:write", project, guard.RequireGate("deploy.public"))
//
// Where there is a token, it alone decides. A request with a false token is not let through by its cookie: a program
// whose token has ended would go on as whoever the cookie says. Nor does a token go through the session's gate, which
// asks for a person's proof: minting was the moment to ask (posture.MintToken), and the scope says what for. A token is
// everything in the Bearer scheme, and with Config.BasicPassword a Basic password that begins as tokens do; other
// credentials are the host's own, and Config.Session may look at them. Two Authorization headers are 400.
//
// A handler behind it takes the account from [Account], and not from the host's session.
func (g *Guard) SessionOrToken(scope tokens.Scope, resource ResourceFunc, session ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	byToken := g.RequireScope(scope, resource)
	return func(next http.Handler) http.Handler {
		program, browser := byToken(next), next
		for _, guard := range slices.Backward(session) {
			browser = guard(browser)
		}
		browser = g.signedIn(g.offersBasic)(browser)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if shown, err := g.shown(r); err != nil || shown.token != "" {
				program.ServeHTTP(w, r)
				return
			}
			browser.ServeHTTP(w, r)
		})
	}
}
