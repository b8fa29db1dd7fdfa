package passkey

import (
	"encoding/json"
	"net/http"
)

// RelatedOrigins returns the handler for /.well-known/webauthn on the domain of Config.RPID, where browsers learn that
// Config.RelatedOrigins may use its passkeys. It needs no session.
func (s *Service) RelatedOrigins() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.related)
	})
}

// relatedOrigins is the document that RelatedOrigins serves.
func relatedOrigins(origins []string) ([]byte, error) {
	return json.Marshal(struct {
		Origins []string `json:"origins"`
	}{append([]string{}, origins...)})
}
