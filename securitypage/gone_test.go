package securitypage_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// Row K17: a browser that hangs up is no error of the service's; a fault is, and a deadline of the service's.
func TestBrowserHasGone(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for _, path := range []string{"/", "/activity", "/tokens", "/authenticators"} {
		for _, c := range []struct {
			ctx   context.Context
			fault gatehousetest.Fault
			level string
		}{
			{gone, gatehousetest.None, "INFO"}, {gone, gatehousetest.Fail, "INFO"}, // whatever a driver makes of it
			{late, gatehousetest.None, "ERROR"}, {t.Context(), gatehousetest.Fail, "ERROR"},
		} {
			h.logs.Reset()
			h.svc.Store.Inject(func(string) gatehousetest.Fault { return c.fault })
			r := httptest.NewRequestWithContext(c.ctx, http.MethodGet, prefix+path, nil)
			r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
			w := httptest.NewRecorder()
			h.page.ServeHTTP(w, r)
			require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s: what cannot be answered is no success", path)
			require.Contains(t, h.logs.String(), "level="+c.level, path)
		}
	}
}
