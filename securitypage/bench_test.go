package securitypage_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// BenchmarkOverview is the overview of an account with an authenticator, recovery codes and three tokens, beside what it
// cannot do without: its two calls of the store, which is in memory, and the execution of its template with data that is
// ready. The two take turns.
func BenchmarkOverview(b *testing.B) {
	h := newHost(b)
	browser, _ := h.enrolled("ada")
	for range 3 {
		_, err := h.tok.Mint(b.Context(), browser.in(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
		require.NoError(b, err)
	}
	require.Equal(b, http.StatusOK, browser.get("/").status) // the first review keeps the level
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, prefix+"/", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: browser.id})
	execute, err := h.page.ReadyOverview(r)
	require.NoError(b, err)

	var bare, page []time.Duration
	var size int
	for b.Loop() {
		begin := time.Now()
		rec, err := h.svc.Store.LoadAccount(b.Context(), "ada")
		if err != nil {
			b.Fatal(err)
		}
		live, err := h.svc.Store.LiveTokens(b.Context(), "ada", storage.Live{Epoch: rec.Index.TokenEpoch, At: h.svc.Now()}, "", 200)
		if err != nil || len(live.Records) != 3 || execute() != nil {
			b.Fatal(len(live.Records), err)
		}
		middle := time.Now()
		w := httptest.NewRecorder()
		h.page.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
		bare, page, size = append(bare, middle.Sub(begin)), append(page, time.Since(middle)), w.Body.Len()
	}
	median := func(took []time.Duration) float64 {
		slices.Sort(took)
		return float64(took[len(took)/2])
	}
	b.ReportMetric(0, "ns/op") // of both
	b.ReportMetric(median(bare), "bare-median-ns")
	b.ReportMetric(median(page), "median-ns")
	b.ReportMetric(median(page)/median(bare), "x-median")
	b.ReportMetric(float64(size), "bytes")
}
