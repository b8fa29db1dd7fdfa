package httpguard_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/httpguard"
)

// What a guarded handler changes comes from the client of its request.
func TestGuardGivesClient(t *testing.T) {
	svc := gatehousetest.New(t)
	guard, err := httpguard.New(httpguard.Config{
		Service: svc.Service,
		Session: func(*http.Request) (gatehouse.Session, error) { return gatehouse.Session{Account: "user-42"}, nil },
	})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "[2001:db8::7]:4711"
	r.Header.Set("User-Agent", "curl/8.5.0")
	r.Header.Set("X-Forwarded-For", "192.0.2.66")
	ran := false
	guard.RequireSignedIn()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ran = true
		c, ok := event.ClientOf(r.Context())
		require.True(t, ok)
		require.Equal(t, event.Client{Address: netip.MustParseAddr("2001:db8::7"), Agent: "program"}, c)
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.True(t, ran)
}
