package main

import (
	"encoding/json"
	"net/http"

	"github.com/gatehouse-go/gatehouse/httpguard"
)

// api is what tokens are for.
func (a *app) api(guard *httpguard.Guard) http.Handler {
	ofPath := func(r *http.Request) string { return "project/" + r.PathValue("id") }
	ofForm := func(r *http.Request) string { return "project/" + r.PostFormValue("project") }
	mux := http.NewServeMux()
	mux.Handle("GET /api/projects/{id}", guard.Token("projects:read", ofPath)(http.HandlerFunc(showProject)))
	mux.Handle("POST /api/deploys", guard.Token("deploys:write", ofForm)(http.HandlerFunc(newDeploy)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		httpguard.Problem{Status: http.StatusNotFound, Title: "There is no such resource"}.Write(w)
	})
	return mux
}

// showProject answers only for projects that the owner of the token may see: a token says what its owner lets it do,
// and not what the owner may.
func showProject(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != project {
		httpguard.Problem{Status: http.StatusNotFound, Title: "There is no such project"}.Write(w)
		return
	}
	answer(w, http.StatusOK, map[string]string{"id": project, "name": "Anvil"})
}

func newDeploy(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("project") != project {
		httpguard.Problem{Status: http.StatusNotFound, Title: "There is no such project"}.Write(w)
		return
	}
	grant, _ := httpguard.Grant(r.Context())
	answer(w, http.StatusCreated, map[string]string{"project": project, "by": grant.Name})
}

func answer(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
