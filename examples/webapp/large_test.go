package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// TestLargeAccount has an owner of a long address with all that an account can have, each with a name of 64 letters without a
// space. No page is wider than its window, and none is heavy.
func TestLargeAccount(t *testing.T) {
	long := strings.Repeat("W", 64)
	email := strings.Repeat("w", 60) + "@acme.test"
	w := newWorld(t)
	b := w.open(t)
	b.signUp(email)
	b.Visit(securityPath + "/pair")
	phone, _ := b.pairFirst(long)
	in := w.vouch(email)
	stepUp, err := w.app.svc.StepUp(t.Context(), in, w.code(phone))
	require.NoError(t, err)
	in.Proof = stepUp.Session.Proof
	for n := range 4 {
		owner := w.app.svc.Owner(in)
		enr, err := owner.BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: email, Name: fmt.Sprint(n) + long[1:]})
		require.NoError(t, err)
		app, err := gatehousetest.Scan(enr.URI())
		require.NoError(t, err)
		in.Proof, err = owner.ConfirmEnrollment(t.Context(), enr.ID, w.code(app))
		require.NoError(t, err)
	}
	account, err := w.app.svc.Account(t.Context(), in.Account)
	require.NoError(t, err)
	require.Len(t, account.Authenticators, 5)
	resources, err := tokens.OnlyResources("project/" + strings.Repeat("x", 100))
	require.NoError(t, err)
	var token tokens.Minted
	for n := range 50 {
		token, err = w.app.tokens.Mint(t.Context(), in, tokens.Request{
			Name: fmt.Sprintf("%02d", n) + long[2:], Lifetime: 24 * time.Hour, Resources: resources, Scopes: tokens.Scopes{"projects:read", "deploys:write", "members:read"},
		})
		require.NoError(t, err)
	}
	of := "/tokens/" + token.Info.ID
	b.signOut()
	b.signInWith(email, phone)
	for _, path := range []string{
		"/", "/review", "/pair", "/authenticators", "/authenticators/remove?id=" + account.Authenticators[4].ID, "/recovery-codes", "/disable",
		"/tokens", "/tokens?sort=name&q=W", of, of + "/revoke", "/tokens/new", "/tokens/revoke-all", "/activity", "/activity/plan?entry=1",
	} {
		require.Equal(t, 200, b.Visit(securityPath+path), path)
		for _, dir := range []string{"ltr", "rtl"} {
			b.Direction(dir)
			for _, width := range widths {
				b.Size(width)
				b.fits(path+" "+dir, width)
			}
		}
		if weight := browsertest.Eval[int](b.Tab, weigh); weight > maxWeight {
			t.Errorf("%s weighs %d bytes", path, weight)
		}
	}

	// The picture of a pairing has the longest label that there is: the app's entry of the second of two long names.
	_, err = w.app.users.db.Exec(`UPDATE users SET email = ? WHERE id = ?`, strings.Repeat("é", 60)+"@acme.test", in.Account)
	require.NoError(t, err)
	b.Visit(securityPath + "/pair")
	b.Fill("Name", strings.Repeat("ö", 32))
	require.Equal(t, 200, b.Press("Show the QR code"))
	for _, width := range widths {
		b.Size(width)
		b.fits("pairing", width)
		px := browsertest.Eval[float64](b.Tab, `(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)(document.querySelector(".qr svg"))`)
		require.GreaterOrEqual(t, px, 3.0, "%d px", width)
	}
	b.scan()
}
