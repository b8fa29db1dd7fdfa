package httpguard_test

import (
	"log"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
)

// An API that is called with tokens, and pages of the same service whose risky actions go through gates.
func Example() {
	var svc *gatehouse.Service // see gatehouse.New
	sessionOf := func(*http.Request) (gatehouse.Proof, []gatehouse.Option) {
		return gatehouse.Proof{}, nil // what the host's session keeps
	}
	mount := func() (http.Handler, error) {
		guard, err := httpguard.New(httpguard.Config{
			Service: svc, Session: sessionOf,
			Client: func(r *http.Request) netip.Addr { // there is no proxy before this service
				a, _ := netip.ParseAddrPort(r.RemoteAddr)
				return a.Addr()
			},
		})
		if err != nil {
			return nil, err
		}
		project := func(r *http.Request) string { return "project/" + r.PathValue("id") }
		mux := http.NewServeMux()
		mux.Handle("GET /api/projects/{id}", guard.Token("projects:read", project)(http.HandlerFunc(showProject)))
		mux.Handle("POST /deploy", guard.Gate("deploy.public")(http.HandlerFunc(deploy)))
		mux.Handle("POST /email", guard.StepUp(5*time.Minute, true)(http.HandlerFunc(changeEmail)))
		return httpguard.Log(slog.Default())(mux), nil
	}
	_ = mount
}

func showProject(w http.ResponseWriter, r *http.Request) {
	grant, _ := httpguard.Grant(r.Context())
	log.Println("for", grant.AccountID)
}

func deploy(http.ResponseWriter, *http.Request)      {}
func changeEmail(http.ResponseWriter, *http.Request) {}
