package securitypage_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Row K15: a token that the password alone has made is marked, and a button of the overview leads to it: there it is
// rotated, or revoked. Rows K2 and K14: the page offers no grace that the policy has not, and rotates through the gate.
func TestTokensOfThePassword(t *testing.T) {
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model, posture.Gate{Action: posture.MintToken, Controls: []string{posture.RecoveryCodesSaved}})
	require.NoError(t, err)
	policy := tokens.Policy{Brand: "acme", Scopes: registry, SecondFactorOnly: true, MaxGrace: time.Hour}
	open := newHostWith(t, func(of *parts) { of.gates, of.tokens = nil, &policy })
	minted, err := open.tok.Mint(t.Context(), open.svc.Vouch(t, "ada"), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}, RotatesItself: true})
	require.NoError(t, err)

	h := newHostWith(t, func(of *parts) { of.gates, of.tokens = gates, &policy })
	account, err := open.svc.Store.LoadAccount(t.Context(), "ada")
	require.NoError(t, err)
	token, _, err := open.svc.Store.LoadToken(t.Context(), minted.Info.ID)
	require.NoError(t, err)
	require.NoError(t, h.svc.Store.SaveAccount(t.Context(), account, 0))
	require.NoError(t, h.svc.Store.SaveToken(t.Context(), token, 0))
	h.svc.Wait(30 * time.Second)
	owner := h.svc.Enroll(t, "ada")
	b := h.signIn("ada")
	require.Equal(t, http.StatusSeeOther, b.submit("/sign-in", "/sign-in", "code", owner.Code()).status)

	review := b.get("/review").body
	require.Contains(t, review, "1 token was created with the password alone.")
	require.Contains(t, review, `href="`+prefix+`/tokens"`)
	for _, page := range []string{"/tokens", "/tokens/" + minted.Info.ID} {
		require.Contains(t, b.get(page).text(), "Created with the password alone", page)
		require.Contains(t, b.get(page).text(), "Rotate it to use it", page)
	}
	of := "/tokens/" + minted.Info.ID
	require.Contains(t, b.get(of).text(), "It may replace itself with a new token, until")
	require.NotContains(t, b.get(of).text(), "One day", "the policy has an hour")
	require.Contains(t, b.get(of).text(), "One hour")
	require.Equal(t, http.StatusBadRequest, b.submit(of, of+"/rotate", "grace", "24").status)
	require.Equal(t, http.StatusForbidden, b.submit(of, of+"/rotate", "grace", "0").status, "the gate for minting is closed")
	require.NoError(t, h.svc.Owner(owner.Session()).AcknowledgeRecoveryCodes(t.Context(), h.set("ada")))
	require.Equal(t, http.StatusOK, b.submit(of, of+"/rotate", "grace", "0").status)
	for _, page := range []string{"/tokens", of} {
		require.NotContains(t, b.get(page).text(), "Created with the password alone", page)
	}
}
