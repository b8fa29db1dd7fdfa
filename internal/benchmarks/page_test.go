package benchmarks_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/websession"
)

// BenchmarkOverview is the first page of securitypage, on SQLite, for accounts with an authenticator, recovery
// codes and three tokens, over HTTP on loopback, with the session's sealed cookie; beside one read of the account, which it
// cannot do without.
func BenchmarkOverview(b *testing.B) {
	i := slices.IndexFunc(databases, func(d database) bool { return d.dialect == sqlstore.SQLite })
	_, store := databases[i].new(b)
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(b, err)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(b, err)
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
	require.NoError(b, err)
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(),
	})
	require.NoError(b, err)
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(b, err)
	pos, err := posture.New(svc, posture.Config{Policy: gates, Tokens: tok})
	require.NoError(b, err)
	// The host's session is a header that says who is signed in.
	web, err := websession.New(websession.Config{
		Service: svc, PlainHTTP: true,
		User:    func(r *http.Request) string { return r.Header.Get("Account") },
		SignIn:  func(http.ResponseWriter, *http.Request, string) error { return nil },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	})
	require.NoError(b, err)
	cookies := map[string]string{}
	var accounts []string
	for i := range 100 {
		id := fmt.Sprintf("user-%d", i)
		request := func() *http.Request {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://localhost/", nil)
			r.Header.Set("Account", id)
			if cookies[id] != "" {
				r.Header.Set("Cookie", cookies[id])
			}
			return r
		}
		keep := func(w *httptest.ResponseRecorder) {
			set := w.Result().Cookies()
			require.Len(b, set, 1)
			cookies[id] = set[0].Name + "=" + set[0].Value
		}
		try, err := web.Before(request(), id)
		require.NoError(b, err)
		w := httptest.NewRecorder()
		require.NoError(b, try.Begin(w, request(), gatehouse.FirstFactor{Method: "pwd"}))
		keep(w)
		in, err := web.Current(request())
		require.NoError(b, err)
		owner := svc.Owner(in)
		enr, err := owner.BeginEnrollment(b.Context(), gatehouse.EnrollmentRequest{Label: id})
		require.NoError(b, err)
		app, err := gatehousetest.Scan(enr.URI())
		require.NoError(b, err)
		in.Proof, err = owner.ConfirmEnrollment(b.Context(), enr.ID, app.Code(time.Now()))
		require.NoError(b, err)
		w = httptest.NewRecorder()
		require.NoError(b, web.Keep(w, request(), in.Proof))
		keep(w)
		for range 3 {
			_, err = tok.Mint(b.Context(), in, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
			require.NoError(b, err)
		}
		accounts = append(accounts, id)
	}
	page, err := securitypage.New(securitypage.Config{Web: web, Tokens: tok, Posture: pos, Name: "Acme"})
	require.NoError(b, err)

	server := httptest.NewServer(page)
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: slices.Max(goroutines)}}
	b.Cleanup(client.CloseIdleConnections)

	for _, id := range accounts { // the first review of an account keeps its level
		_, err := pos.Review(b.Context(), id)
		require.NoError(b, err)
	}
	for _, n := range goroutines {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			var bare, ours side
			var size atomic.Int64
			for left := b.N; left > 0; left -= block {
				bare.run(b, min(block, left), n, func(i int) error {
					_, err := store.LoadAccount(b.Context(), accounts[i%len(accounts)])
					return err
				})
				ours.run(b, min(block, left), n, func(i int) error {
					r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+"/settings/security/", nil)
					if err != nil {
						return err
					}
					r.Header.Set("Account", accounts[i%len(accounts)])
					r.Header.Set("Cookie", cookies[accounts[i%len(accounts)]])
					res, err := client.Do(r)
					if err != nil {
						return err
					}
					defer res.Body.Close()
					n, err := io.Copy(io.Discard, res.Body)
					if err != nil || res.StatusCode != http.StatusOK {
						return fmt.Errorf("status %d, %w", res.StatusCode, err)
					}
					size.Store(n)
					return nil
				})
			}
			report(b, &bare, &ours)
			b.ReportMetric(float64(size.Load()), "bytes")
		})
	}
}
