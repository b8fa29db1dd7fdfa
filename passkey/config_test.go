package passkey_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

func TestConfig(t *testing.T) {
	svc := gatehousetest.New(t).Service
	const app = "android:apk-key-hash:7d1043473d55bfa90e8530d35801d4e381bc69f0000"
	for name, c := range map[string]passkey.Config{
		"a subdomain":   {RPID: "acme.test", Origins: []string{"https://acme.test", "https://a.b.acme.test:8443"}},
		"localhost":     {RPID: "localhost", Origins: []string{"http://localhost:8080", "http://app.localhost"}},
		"an app":        {RPID: "acme.test", Origins: []string{app}},
		"related":       {RPID: "acme.test", Origins: []string{"https://acme.test"}, RelatedOrigins: []string{"https://acme.example"}},
		"another label": {RPID: "xn--bcher-kva.example", RPName: "Bücher", Origins: []string{"https://xn--bcher-kva.example"}},
	} {
		_, err := passkey.New(svc, c)
		require.NoError(t, err, name)
	}
	at := func(id string, origins ...string) passkey.Config { return passkey.Config{RPID: id, Origins: origins} }
	for name, c := range map[string]passkey.Config{
		"nothing": {}, "no RP ID": at("", "https://acme.test"), "no origin": at("acme.test"),
		"a URL": at("https://acme.test", "https://acme.test"), "a port": at("acme.test:443", "https://acme.test"), "upper case": at("Acme.test", "https://Acme.test"),
		"an address": at("192.0.2.1", "https://192.0.2.1"), "a dot": at("acme.test.", "https://acme.test."), "an umlaut": at("bücher.example", "https://bücher.example"),
		"http": at("acme.test", "http://acme.test"), "a path": at("acme.test", "https://acme.test/"), "the own port": at("acme.test", "https://acme.test:443"),
		"another domain": at("acme.test", "https://acme.example"), "a suffix": at("acme.test", "https://notacme.test"), "a parent": at("login.acme.test", "https://acme.test"),
		"a wildcard": at("acme.test", "https://*.acme.test"), "null": at("acme.test", "null"), "a user": at("acme.test", "https://acme.test@evil.test"),
		"a short hash": at("acme.test", app[:40]), "a padded hash": at("acme.test", app+"="), "a hash of iOS": at("acme.test", "ios:bundle-id:test.acme"),
		"a related path":   {RPID: "acme.test", Origins: []string{"https://acme.test"}, RelatedOrigins: []string{"https://acme.example/x"}},
		"a related app":    {RPID: "acme.test", Origins: []string{"https://acme.test"}, RelatedOrigins: []string{app}},
		"a long name":      {RPID: "acme.test", Origins: []string{"https://acme.test"}, RPName: string(make([]byte, 101))},
		"no roots":         {RPID: "acme.test", Origins: []string{"https://acme.test"}, Trusted: []passkey.Trusted{{}}},
		"no AAGUID at all": {RPID: "acme.test", Origins: []string{"https://acme.test"}, Trusted: []passkey.Trusted{{AAGUID: "x", Roots: x509.NewCertPool()}}},
	} {
		_, err := passkey.New(svc, c)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
	_, err := passkey.New(nil, config())
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	pk, err := passkey.New(svc, config())
	require.NoError(t, err)
	require.True(t, pk.Of(svc))
	require.False(t, pk.Of(gatehousetest.New(t).Service))
}

// A passkey works on the origins that were named and on no other, related domains included.
func TestOrigins(t *testing.T) {
	h := newHouse(t)
	var err error
	h.pk, err = passkey.New(h.Service.Service, passkey.Config{
		RPID: "acme.test", Origins: []string{origin, "https://shop.acme.test"}, RelatedOrigins: []string{"https://acme.example"},
	})
	require.NoError(t, err)
	o := h.enroll("ada")
	o.phone.Related = []string{"acme.test"}
	for from, right := range map[string]bool{
		origin: true, "https://shop.acme.test": true, "https://acme.example": true,
		"https://acme.test": false, "https://login.acme.test:8443": false, "https://shop.acme.example": false,
	} {
		o.phone.Origin = from
		options, take := o.ask("sign-in", "browser")
		response := h.get(o.phone, options, nil)
		if right {
			_, err := take(response)
			require.NoError(t, err, from)
			continue
		}
		o.denied(take, response, true, from)
		_, err := take(response)
		require.ErrorContains(t, err, "origin", "whoever sets it up sees why")
		require.NotContains(t, err.Error(), from)
	}

	w := httptest.NewRecorder()
	h.pk.RelatedOrigins().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/webauthn", nil))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.JSONEq(t, `{"origins":["https://acme.example"]}`, w.Body.String())
	w = httptest.NewRecorder()
	h.pk.RelatedOrigins().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/.well-known/webauthn", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}

// A host that trusts some models takes no others, and says of those that it has looked.
func TestTrusted(t *testing.T) {
	h := newHouse(t)
	trusted, other := passkeytest.New(origin), passkeytest.New(origin)
	trusted.AAGUID, other.AAGUID = [16]byte{1}, [16]byte{2}
	trusted.Attestation, other.Attestation = passkeytest.Certificate, passkeytest.Certificate
	root, err := trusted.Root()
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	c := config()
	c.Trusted = []passkey.Trusted{{AAGUID: "01000000-0000-0000-0000-000000000000", Roots: roots}}
	h.pk, err = passkey.New(h.Service.Service, c)
	require.NoError(t, err)
	o := h.enroll("ada", func(a *passkeytest.Authenticator) { *a = *trusted })
	require.True(t, o.view().Authenticators[0].Attested)
	enr, options, err := h.pk.BeginRegistration(t.Context(), o.in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	require.Contains(t, string(options), `"attestation":"direct"`)
	for name, a := range map[string]*passkeytest.Authenticator{"another model": other, "none": passkeytest.New(origin)} {
		response, err := a.Create(options)
		require.NoError(t, err)
		_, err = h.pk.FinishRegistration(t.Context(), o.in, enr.ID, response)
		require.ErrorIs(t, err, gatehouse.ErrDenied, name)
		require.ErrorContains(t, err, "attestation")
	}
}
