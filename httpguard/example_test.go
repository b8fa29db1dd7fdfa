package httpguard_test

import (
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// An API that is called with tokens, and pages of the same service whose risky actions go through gates.
func Example() {
	var svc *gatehouse.Service // see gatehouse.New
	var tok *tokens.Service    // see tokens.New
	var pos *posture.Service   // see posture.New
	sessionOf := func(*http.Request) (gatehouse.Session, error) {
		return gatehouse.Session{}, nil // what the host's session keeps; an error where that cannot be read
	}
	mount := func() (http.Handler, error) {
		guard, err := httpguard.New(httpguard.Config{
			Service: svc, Tokens: tok, Posture: pos, Session: sessionOf, // and Client, behind a proxy
		})
		if err != nil {
			return nil, err
		}
		project := httpguard.PathResource("project/{id}")
		mux := http.NewServeMux()
		mux.Handle("GET /api/projects/{id}", guard.RequireScope("projects:read", project)(http.HandlerFunc(showProject)))
		mux.Handle("GET /projects", guard.RequireSignedIn()(http.HandlerFunc(projects)))
		mux.Handle("POST /projects/{id}/deploys", // in the browser through the gate, or by a token with the scope
			guard.SessionOrToken("deploys:write", project, guard.RequireGate("deploy.public"))(http.HandlerFunc(deploy)))
		fresh := httpguard.ProofOptions{MaxAge: 5 * time.Minute, SecondFactor: true}
		mux.Handle("POST /email", guard.RequireProof(fresh)(http.HandlerFunc(changeEmail)))
		return httpguard.Log(slog.Default())(mux), nil
	}
	_ = mount
}

func showProject(w http.ResponseWriter, r *http.Request) {
	grant, _ := httpguard.Grant(r.Context())
	log.Println("for", grant.AccountID)
}

func deploy(_ http.ResponseWriter, r *http.Request) {
	log.Println("by", httpguard.Account(r.Context()))
}

func projects(http.ResponseWriter, *http.Request)    {}
func changeEmail(http.ResponseWriter, *http.Request) {}
