package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	// What the service says of the token in an answer: when it ends, if that is soon; or until when this
	// copy works, if it has a successor. Both are HTTP dates.
	expiresHeader = "Acme-Token-Expires"
	rotatedHeader = "Acme-Token-Rotated"

	soon = 3 * 24 * time.Hour

	// grace is how long a rotated copy works. It has to last until somebody has read of a command that
	// ended between the rotation and the new file.
	grace = 24 * time.Hour
)

// server is the API. What it has of projects it keeps in memory.
type server struct {
	tokens *tokens.Service
	log    *log.Logger
	now    func() time.Time

	mu       sync.Mutex
	projects []string
}

func newServer(tok *tokens.Service, l *log.Logger, now func() time.Time) *server {
	return &server{tokens: tok, log: l, now: now, projects: []string{"anvil"}}
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /projects", s.scoped("projects:read", s.list))
	mux.HandleFunc("POST /projects", s.scoped("projects:write", s.add))
	mux.HandleFunc("POST /token/rotate", s.rotate)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Neither the query nor a header is logged: either may have a token.
		s.log.Printf("%s %q from %s", r.Method, r.URL.Path, r.RemoteAddr)
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		mux.ServeHTTP(w, r)
	})
}

// scoped is a handler for tokens that have a scope.
func (s *server) scoped(scope tokens.Scope, next func(http.ResponseWriter, *http.Request, tokens.Grant)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		presented, ok := bearer(w, r)
		if !ok {
			return
		}
		grant, err := s.tokens.Check(r.Context(), presented, from(r))
		if err != nil {
			s.refuse(w, err)
			return
		}
		switch {
		case !grant.Rotated.IsZero():
			w.Header().Set(rotatedHeader, grant.Rotated.UTC().Format(http.TimeFormat))
		case grant.Expires.Sub(s.now()) <= soon:
			w.Header().Set(expiresHeader, grant.Expires.UTC().Format(http.TimeFormat))
		}
		if !grant.Scopes.Has(scope) {
			challenge(w, http.StatusForbidden, fmt.Sprintf(`error="insufficient_scope", scope="%s"`, scope))
			return
		}
		next(w, r, grant)
	}
}

// bearer returns the token in the Authorization header, the one place where it is looked for, or answers
// that there is none (RFC 6750 §2.1 and §3). What it returns may be anything.
func bearer(w http.ResponseWriter, r *http.Request) (presented string, ok bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		challenge(w, http.StatusBadRequest, `error="invalid_request"`)
		return "", false
	}
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		challenge(w, http.StatusUnauthorized, "") // nothing was tried, so nothing was wrong
		return "", false
	}
	return strings.TrimLeft(rest, " "), true
}

// from is the address of the connection. A service behind a proxy takes what that proxy says, and only
// from it.
func from(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero Addr is an unknown one
	return peer.Addr()
}

func (s *server) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, gatehouse.ErrDenied) {
		challenge(w, http.StatusUnauthorized, `error="invalid_token"`)
		return
	}
	s.log.Print(err)
	http.Error(w, "Something went wrong.", http.StatusInternalServerError)
}

func challenge(w http.ResponseWriter, status int, params string) {
	value := `Bearer realm="acme"`
	if params != "" {
		value += ", " + params
	}
	w.Header().Set("WWW-Authenticate", value)
	http.Error(w, http.StatusText(status), status)
}

// rotate gives the bearer of a token its successor.
func (s *server) rotate(w http.ResponseWriter, r *http.Request) {
	presented, ok := bearer(w, r)
	if !ok {
		return
	}
	minted, err := s.tokens.RotateSelf(r.Context(), presented, from(r), tokens.Rotation{Grace: grace})
	if !errors.Is(err, gatehouse.ErrDenied) {
		if err != nil {
			s.refuse(w, err)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"token": minted.Token.Reveal()})
		return
	}
	// The one denial has three reasons, of which whoever has a good token may know.
	switch grant, err := s.tokens.Check(r.Context(), presented, from(r)); {
	case err != nil:
		s.refuse(w, err)
	case !grant.Rotated.IsZero():
		http.Error(w, "The token has been rotated.", http.StatusConflict)
	default:
		http.Error(w, "The token does not rotate itself.", http.StatusForbidden)
	}
}

func (s *server) list(w http.ResponseWriter, _ *http.Request, grant tokens.Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, project := range s.projects {
		if grant.Allows("projects:read", "project/"+project) {
			fmt.Fprintln(w, project)
		}
	}
}

func (s *server) add(w http.ResponseWriter, r *http.Request, grant tokens.Grant) {
	name := r.FormValue("name")
	if !isName(name) {
		http.Error(w, "A project is 1 to 30 of a-z.", http.StatusBadRequest)
		return
	}
	if !grant.Allows("projects:write", "project/"+name) {
		http.Error(w, "The token is not for this project.", http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.projects, name) {
		http.Error(w, "There is one of this name.", http.StatusConflict)
		return
	}
	s.projects = append(s.projects, name)
	fmt.Fprintln(w, name)
}

func isName(s string) bool {
	return len(s) >= 1 && len(s) <= 30 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}
