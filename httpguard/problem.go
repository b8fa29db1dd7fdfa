package httpguard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Problem is why a request is refused. Its JSON is a problem document (RFC 9457) of the type about:blank.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Code is the error of RFC 6750 and RFC 9470, or "gate_closed"; empty where no token was sent, and for
	// a fault.
	Code   string            `json:"code,omitempty"`
	Scope  tokens.Scope      `json:"scope,omitempty"` // that the token lacks
	MaxAge time.Duration     `json:"-"`               // of the proof that is needed; 0: any that is good
	Gate   *posture.Decision `json:"gate,omitempty"`  // what keeps it closed, and how to open it
}

// Write answers with the problem document.
func (p Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	type document Problem
	_ = json.NewEncoder(w).Encode(struct {
		Type string `json:"type"`
		document
		MaxAge int `json:"max_age,omitempty"` // seconds
	}{"about:blank", document(p), int(p.MaxAge / time.Second)})
}

// challenge returns the WWW-Authenticate of a problem, "" for none.
func (p Problem) challenge(realm string) string {
	if p.Code == "gate_closed" || p.Code == "" && p.Status != http.StatusUnauthorized {
		return ""
	}
	text := fmt.Sprintf(`Bearer realm="%s"`, realm)
	if p.Code != "" {
		text += fmt.Sprintf(`, error="%s"`, p.Code)
	}
	if p.Scope != "" {
		text += fmt.Sprintf(`, scope="%s"`, p.Scope)
	}
	if p.MaxAge > 0 {
		text += fmt.Sprintf(`, max_age="%d"`, int(p.MaxAge/time.Second))
	}
	return text
}
