package securitypage_test

import (
	"errors"
	"log"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/websession"
)

// What the host has already: its sessions, and its passwords.
func user(*http.Request) string                                 { return "" }
func begin(http.ResponseWriter, *http.Request, string) error    { return nil }
func end(http.ResponseWriter, *http.Request) error              { return nil }
func checkPassword(*http.Request, string, string) (bool, error) { return false, nil }
func serve(http.Handler) error                                  { return nil }

// refuse shows the form again. An error other than gatehouse.ErrDenied is a fault of the service's: 500.
func refuse(http.ResponseWriter, *http.Request, error) {}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func Example() {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	check(err)
	web, err := websession.New(websession.Config{Service: svc, User: user, SignIn: begin, SignOut: end})
	check(err)
	page, err := securitypage.New(securitypage.Config{
		Web: web, Name: "Acme", Password: checkPassword, Links: securitypage.Links{SignIn: "/login", SignOut: "/logout"},
	})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/settings/security/", page)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := r.FormValue("user")     // your own ID of it, which never changes
		try, err := web.Before(r, account) // before you look at the password
		right, failed := checkPassword(r, account, r.FormValue("password"))
		if err := errors.Join(err, failed); err != nil || !right {
			refuse(w, r, err)
			return
		}
		// Signs in, or leads to the second step. An error never means that somebody may come in.
		if err := try.Begin(w, r, gatehouse.FirstFactor{Method: "pwd"}); err != nil {
			refuse(w, r, err)
		}
	})
	// Inside your session middleware, around everything of yours.
	check(serve(web.Middleware(mux)))
}
