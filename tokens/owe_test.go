package tokens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Where there is no place to remember what the owner must be told, the answer says so.
func TestOwedTooMuch(t *testing.T) {
	svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices = true })
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry(t)})
	require.NoError(t, err)
	user := svc.Enroll(t, "ada")
	revoke := func() error {
		m, err := tok.Mint(t.Context(), user.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
		require.NoError(t, err)
		svc.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Fail))
		defer svc.Store.Inject(nil)
		err = tok.RevokePresented(t.Context(), m.Token.Reveal())
		require.ErrorIs(t, err, gatehousetest.ErrFault)
		return err
	}
	require.NotContains(t, revoke().Error(), "will not be told")
	tok.FillUnpaid()
	require.ErrorContains(t, revoke(), "the owner will not be told")
}
