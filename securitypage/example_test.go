package securitypage_test

import (
	"log"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
)

// What the host has already: its service, its sessions and its passwords.
var (
	svc *gatehouse.Service
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
		Service: svc, Name: "Acme",
		Session: sessionOf, FirstFactor: checkPassword, SignedIn: startSession,
		Links: securitypage.Links{Home: "/", SignIn: "/login", SignOut: "/logout", Help: "/help"},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/settings/security/", page)
}
