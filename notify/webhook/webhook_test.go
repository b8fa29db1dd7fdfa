package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/notify/webhook"
)

const text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // of the vector

func secret(t *testing.T, text string) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret(text)
	require.NoError(t, err)
	return s
}

// The vector of Standard Webhooks' own libraries, with the secret in both forms; two secrets give two signatures.
func TestVector(t *testing.T) {
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	sign := func(secrets ...webhook.Secret) string {
		return webhook.Signatures(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	}
	require.Equal(t, want, sign(secret(t, text)))
	require.Equal(t, want, sign(secret(t, strings.TrimPrefix(text, "whsec_"))))
	two := sign(secret(t, text), secret(t, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"))
	require.Regexp(t, "^"+strings.ReplaceAll(want, "+", `\+`)+" v1,[0-9A-Za-z+/]{43}=$", two)
}

// What is sent is one JSON document that is signed as it is, and only 2xx takes it.
func TestDeliver(t *testing.T) {
	status, elsewhere := http.StatusNoContent, 0
	var got *http.Request
	var body []byte
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<16))
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere++ })
	server := httptest.NewServer(mux)
	defer server.Close()
	now := time.Unix(1772323200, 0)
	sink, err := webhook.New(webhook.Config{URL: server.URL + "/hook", Secrets: []webhook.Secret{secret(t, text)}, Now: func() time.Time { return now }})
	require.NoError(t, err)
	n := event.Notice{ID: "0b4cb7c6-8e06-4f0e-9c37-0d1a4a5b3f66", Event: event.Event{
		Kind: event.RecoveryCodeUsed, AccountID: "user-42\r\nX: y", At: now, Address: "203.0.113.24", Agent: "firefox/linux", Count: 1, Number: 7,
	}}
	require.NoError(t, sink.Deliver(t.Context(), n))
	require.Equal(t, n.ID, got.Header.Get("webhook-id"))
	require.Equal(t, "1772323200", got.Header.Get("webhook-timestamp"))
	require.Equal(t, webhook.Signatures([]webhook.Secret{secret(t, text)}, n.ID, now, body), got.Header.Get("webhook-signature"))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.JSONEq(t, `{"type": "recovery_code.used", "timestamp": "2026-03-01T00:00:00Z", "data": {"account": "user-42\r\nX: y",
		"address": "203.0.113.24", "agent": "firefox/linux", "codes_left": 0, "count": 1, "entry": 7}}`, string(body))

	for _, status = range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest, http.StatusGone, http.StatusServiceUnavailable} {
		require.ErrorContains(t, sink.Deliver(t.Context(), n), fmt.Sprint("answered ", status))
	}
	require.Zero(t, elsewhere, "no redirect is followed")
	server.Close()
	require.Error(t, sink.Deliver(t.Context(), n))
}

func TestNew(t *testing.T) {
	good := webhook.Config{URL: "https://acme.test/hook", Secrets: []webhook.Secret{secret(t, text)}}
	for name, c := range map[string]webhook.Config{
		"no URL": {Secrets: good.Secrets}, "http": {URL: "http://acme.test/hook", Secrets: good.Secrets}, "a file": {URL: "file:///hook", Secrets: good.Secrets},
		"no secret": {URL: good.URL}, "the zero secret": {URL: good.URL, Secrets: []webhook.Secret{{}}}, "loopback alone": {URL: "http://127.0.0.1.acme.test/", Secrets: good.Secrets},
	} {
		_, err := webhook.New(c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "not base64!", "whsec_" + strings.Repeat("A", 88)} {
		_, err := webhook.ParseSecret(bad)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, bad)
	}
	shown := fmt.Sprintf("%v %+v %#v", good, good, good.Secrets)
	require.NotContains(t, shown, "MfKQ")
	require.Contains(t, shown, "[redacted]")
	_, err := json.Marshal(good.Secrets)
	require.Error(t, err)
}

func Example() {
	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") // of your configuration
	fmt.Println(err)
	sink, err := webhook.New(webhook.Config{URL: "https://mailer.acme.test/notices", Secrets: []webhook.Secret{secret}})
	fmt.Println(sink != nil, err)
	// Output:
	// <nil>
	// true <nil>
}
