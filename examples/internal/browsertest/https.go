package browsertest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two domains of one service, which the browser finds on this machine over https at the usual port. It takes the
// certificate of httptest there, and no other that is not valid.
const (
	Home    = "https://home.test"
	Another = "https://another.example"
)

// https serves both of them.
type https struct {
	server *httptest.Server

	mu      sync.Mutex
	handler http.Handler // nil: nobody is there
}

func startHTTPS() *https {
	h := &https{}
	h.server = httptest.NewTLSServer(h)
	return h
}

func (h *https) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	handler := h.handler
	h.mu.Unlock()
	if handler == nil {
		http.NotFound(w, r)
		return
	}
	handler.ServeHTTP(w, r)
}

// rules says where the browser finds the domains.
func (h *https) rules() string {
	at := h.server.Listener.Addr().String()
	return "MAP home.test:443 " + at + ",MAP another.example:443 " + at
}

// pin returns the hash of the server's key, as the browser's switch for certificates has it.
func (h *https) pin() string {
	sum := sha256.Sum256(h.server.Certificate().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// OpenDomain is Open for one of the two domains, which handler answers for until the test ends.
func OpenDomain(t testing.TB, domain string, handler http.Handler) *Tab {
	t.Helper()
	startChromium(program(t))
	require.NoError(t, chromium.err)
	h := chromium.https
	h.mu.Lock()
	h.handler = handler
	h.mu.Unlock()
	t.Cleanup(func() {
		h.mu.Lock()
		h.handler = nil
		h.mu.Unlock()
	})
	return Open(t, domain)
}
