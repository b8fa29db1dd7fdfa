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
	// Code is the error of RFC 6750 and RFC 9470, or "not_signed_in", "gate_closed" or "cross_origin"; empty where no
	// token was sent, and for a fault.
	Code   string        `json:"code,omitempty"`
	Scope  tokens.Scope  `json:"scope,omitempty"` // that the token lacks
	MaxAge time.Duration `json:"-"`               // of the proof that is needed; 0: any that is good
	// PhishingResistant says that the proof must be by a phishing-resistant authenticator, such as a passkey.
	PhishingResistant bool              `json:"phishing_resistant,omitempty"`
	Action            string            `json:"-"`              // of the gate that needs it; empty: no gate does
	Gate              *posture.Decision `json:"gate,omitempty"` // what keeps it closed, and how to open it

	basic bool // Basic credentials would do
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

// challenges returns the values of WWW-Authenticate for a problem: none where other credentials would not do.
func (p Problem) challenges(realm string) []string {
	of := ""
	switch p.Code {
	case "gate_closed", "cross_origin":
		return nil
	case "", "not_signed_in": // nothing was sent, so nothing was wrong with it
		if p.Status != http.StatusUnauthorized {
			return nil
		}
	default:
		of = fmt.Sprintf(`, error="%s"`, p.Code)
	}
	if p.Scope != "" {
		of += fmt.Sprintf(`, scope="%s"`, p.Scope)
	}
	if p.MaxAge > 0 {
		of += fmt.Sprintf(`, max_age="%d"`, int(p.MaxAge/time.Second))
	}
	if p.PhishingResistant {
		of += `, acr_values="phr"` // as OpenID Connect EAP ACR Values 1.0 has it
	}
	out := []string{fmt.Sprintf(`Bearer realm="%s"%s`, realm, of)}
	if p.basic {
		out = append(out, fmt.Sprintf(`Basic realm="%s"`, realm))
	}
	return out
}
