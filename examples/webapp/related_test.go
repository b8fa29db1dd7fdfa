package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/passkey"
)

// TestRelatedOrigins has a passkey of one domain made and used on another one of the service: browsers let it, if the first
// domain says so.
func TestRelatedOrigins(t *testing.T) {
	ctx := t.Context()
	svc := gatehousetest.New(t)
	pk, err := passkey.New(svc.Service, passkey.Config{
		RPID: "home.test", Origins: []string{browsertest.Home}, RelatedOrigins: []string{browsertest.Another},
	})
	require.NoError(t, err)
	stranger, err := passkey.New(svc.Service, passkey.Config{RPID: "home.test", Origins: []string{browsertest.Home}})
	require.NoError(t, err)

	says := pk
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/webauthn", func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "home.test" {
			says.RelatedOrigins().ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Acme</title><link rel=icon href=data:,>"))
	})
	b := browsertest.OpenDomain(t, browsertest.Another, mux)
	require.Equal(t, 200, b.Visit("/"))
	b.Passkeys()
	ceremony := func(call, parse string, options []byte) string {
		return browsertest.Eval[string](b, fmt.Sprintf(`navigator.credentials.%s({publicKey: PublicKeyCredential.%s(%s.publicKey)})
			.then((c) => JSON.stringify(c.toJSON()), (e) => e.name)`, call, parse, options))
	}
	create := func(options []byte) string { return ceremony("create", "parseCreationOptionsFromJSON", options) }

	in := gatehouse.Session{Account: "ada", Secret: rand.Text()}
	try, err := svc.Before(ctx, in.Account)
	require.NoError(t, err)
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd"})
	require.NoError(t, err)
	enr, options, err := pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	says = stranger
	require.Equal(t, "SecurityError", create(options), "the domain does not know the other one")
	says = pk
	made := create(options)
	_, err = stranger.FinishRegistration(ctx, in, enr.ID, []byte(made))
	require.ErrorIs(t, err, gatehouse.ErrDenied, "nor does the service, whatever browsers let in")
	_, err = pk.FinishRegistration(ctx, in, enr.ID, []byte(made))
	require.NoError(t, err)

	options, err = pk.SignInOptions(ctx, "browser")
	require.NoError(t, err)
	v, err := pk.SignIn(ctx, gatehouse.Session{Secret: "browser"}, []byte(ceremony("get", "parseRequestOptionsFromJSON", options)))
	require.NoError(t, err)
	require.Equal(t, "ada", v.Session.Account)
}
