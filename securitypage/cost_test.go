package securitypage_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// calls counts the calls of the store, by method, while something is done.
func (h *host) calls(do func()) map[string]int {
	n := map[string]int{}
	h.svc.Store.Inject(func(method string) gatehousetest.Fault {
		n[method]++
		return gatehousetest.None
	})
	do()
	h.svc.Store.Inject(nil)
	return n
}

// What a page costs is calls of the store: the sessions load the account of a request once, and a page that is shown once
// more. The owner of these has a token,
// so that a listing has something to say.
func TestStoreCalls(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	_, err := h.tok.Mint(t.Context(), b.in(), tokens.Request{Name: "another", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	form, ok := b.get("/tokens/new").form("/tokens/new")
	require.True(t, ok)
	form.Set("name", "ci")
	form.Set("scope", "projects:read")
	var a answer
	n := h.calls(func() { a = b.post("/tokens/new", form) })
	require.Equal(t, http.StatusOK, a.status, a.text())
	require.Equal(t, map[string]int{
		"LoadAccount": 3, "Tokens": 1, "LiveTokens": 1, "SaveAccount": 1, "SaveToken": 1,
	}, n, "a new token")

	n = h.calls(func() { a = b.get("/") })
	require.Equal(t, http.StatusOK, a.status, a.text())
	require.Equal(t, map[string]int{"LoadAccount": 2, "LiveTokens": 1}, n, "the overview")

	// The lists of tokens and of known browsers load the account by themselves, and so do a pairing that is shown again
	// and the history of a level.
	again := map[string]bool{
		"/tokens/new": true, "/tokens/service-accounts": true, "/pair/scan": true, "/pair/codes": true, "/pair/confirm": true, "/review": true, "/browsers": true,
	}
	for _, s := range stops(t) {
		if s.post {
			continue
		}
		v, send := s.come(t)
		n := v.h.calls(func() { a = send() })
		require.Equal(t, s.status, a.status, s.name())
		most := 2
		if again[s.path] || s.passkeys {
			most = 3
		}
		require.LessOrEqual(t, n["LoadAccount"], most, "%s: %v", s.name(), n)
		require.LessOrEqual(t, n["LiveTokens"], 1, "%s: %v", s.name(), n)
		for method := range n {
			require.False(t, strings.HasPrefix(method, "Save"), "%s is only a page: %v", s.name(), n)
		}
	}
}
