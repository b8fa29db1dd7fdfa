package securitypage_test

import (
	"log"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// What the host has already: its service, its sessions and its passwords.
var (
	svc *gatehouse.Service
	tok *tokens.Service  // nil: the page has no access tokens
	pos *posture.Service // nil: the page does not say how well accounts are protected
	mux = http.NewServeMux()
)

func sessionOf(*http.Request) (securitypage.Session, error) { return securitypage.Session{}, nil }

func checkPassword(*http.Request, string, string) (gatehouse.FirstFactor, error) {
	return gatehouse.FirstFactor{}, gatehouse.ErrDenied
}

func startSession(http.ResponseWriter, *http.Request, gatehouse.Verification) error { return nil }

// sessionOf says who is signed in, checkPassword asks for the first factor again where that is wanted, and
// startSession begins the session once the second step is done.
func Example() {
	page, err := securitypage.New(securitypage.Config{
		Service: svc, Tokens: tok, Posture: pos, Name: "Acme",
		Session: sessionOf, FirstFactor: checkPassword, SignedIn: startSession,
		Links: securitypage.Links{Home: "/", SignIn: "/login", SignOut: "/logout", Help: "/help"},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/settings/security/", page)
}
