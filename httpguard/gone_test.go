package httpguard_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
)

// Row K17: a client that hangs up is no error, and is let in nowhere; a fault and a deadline of the service's are.
func TestClientHasGone(t *testing.T) {
	s := newShop(t)
	token := s.token("projects:read")
	s.session = s.fresh()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for what, guard := range map[string]func(http.Handler) http.Handler{
		"token": s.guard.RequireScope("projects:read", nil), "step-up": s.guard.RequireProof(httpguard.ProofOptions{MaxAge: time.Minute}), "gate": s.guard.RequireGate("deploy.public"),
		"either, by token": s.guard.SessionOrToken("projects:read", nil, s.guard.RequireGate("deploy.public")), "either, by session": s.guard.SessionOrToken("projects:read", nil, s.guard.RequireGate("deploy.public")),
	} {
		for _, c := range []struct {
			ctx   context.Context
			fault gatehousetest.Fault
			level string
		}{
			{gone, gatehousetest.None, "INFO"}, {gone, gatehousetest.Fail, "INFO"}, // whatever a driver makes of it
			{late, gatehousetest.None, "ERROR"}, {t.Context(), gatehousetest.Fail, "ERROR"},
		} {
			s.faults.Reset()
			s.Store.Inject(func(string) gatehousetest.Fault { return c.fault })
			resp, body := ask(t, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { guard(h).ServeHTTP(w, r.WithContext(c.ctx)) })
			}, credentials(what, token))
			require.Equal(t, 500, resp.StatusCode, what)
			problem(t, resp, body)
			require.Contains(t, s.faults.String(), "level="+c.level, what)
		}
	}
}
