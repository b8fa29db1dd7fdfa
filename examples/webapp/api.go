package main

import (
	"encoding/json"
	"mime"
	"net/http"

	"github.com/gatehouse-go/gatehouse/httpguard"
)

// api is what tokens are for.
func (a *app) api(guard *httpguard.Guard) http.Handler {
	ofPath := httpguard.PathResource("project/{id}")
	mux := http.NewServeMux()
	mux.Handle("GET /api/projects/{id}", guard.RequireScope("projects:read", ofPath)(http.HandlerFunc(a.showProject)))
	mux.Handle("POST /api/deploys", forms(guard.RequireScope("deploys:write", ofForm)(http.HandlerFunc(a.newDeploy))))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		httpguard.Problem{Status: http.StatusNotFound, Title: "There is no such resource"}.Write(w)
	})
	return mux
}

// ofForm is the project that a form names.
func ofForm(r *http.Request) (string, error) {
	id := r.PostFormValue("project")
	if id == "" {
		return "", httpguard.ErrResource
	}
	return "project/" + id, nil
}

// forms refuses every other body, JSON for one. In that PostFormValue would find nothing, and the answer would be about
// a project that nobody has named.
func forms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
		case "application/x-www-form-urlencoded", "multipart/form-data":
			next.ServeHTTP(w, r)
		default:
			httpguard.Problem{Status: http.StatusUnsupportedMediaType, Title: "Send a form, and not another type of body"}.Write(w)
		}
	})
}

func (a *app) showProject(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("id"); a.mayUse(w, r, id) {
		answer(w, http.StatusOK, map[string]string{"id": id, "name": "Anvil"})
	}
}

func (a *app) newDeploy(w http.ResponseWriter, r *http.Request) {
	if id := r.PostFormValue("project"); a.mayUse(w, r, id) {
		grant, _ := httpguard.Grant(r.Context())
		answer(w, http.StatusCreated, map[string]string{"project": id, "by": grant.Name})
	}
}

// mayUse reports whether the owner of the request's token may use a project, and answers where not. Every handler has
// to ask: a token says what its owner lets it do, and not what the owner may.
func (a *app) mayUse(w http.ResponseWriter, r *http.Request, project string) bool {
	grant, _ := httpguard.Grant(r.Context())
	owner, err := a.users.byID(r.Context(), grant.AccountID)
	switch {
	case err != nil:
		a.failed(r, err)
		httpguard.Problem{Status: http.StatusInternalServerError, Title: "Something went wrong"}.Write(w)
		return false
	case owner.id == "" || owner.project != project:
		httpguard.Problem{Status: http.StatusNotFound, Title: "There is no such project"}.Write(w)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
