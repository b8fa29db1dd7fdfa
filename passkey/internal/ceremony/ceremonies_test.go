package ceremony_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

var (
	challenge = []byte("a challenge that the service has sealed: \xff\xfe")
	handle    = []byte("0123456789abcdef0123456789abcdef")
	now       = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	acme      = ceremony.Party{
		ID: "acme.test", Name: "Acme", Origins: []string{"https://acme.test", "https://login.acme.test:8443", app},
		Related: []string{"https://acme.example"}, TopOrigins: []string{"https://partner.example"},
	}
)

func party(t testing.TB, p ceremony.Party) *ceremony.Ceremony {
	t.Helper()
	c, err := ceremony.New(p)
	require.NoError(t, err)
	return c
}

// register has an authenticator make a credential, without a check of the response.
func register(t testing.TB, c *ceremony.Ceremony, a *passkeytest.Authenticator) []byte {
	t.Helper()
	options, err := c.Creation(ceremony.Creation{Challenge: challenge, Handle: handle, Name: "ada", DisplayName: "Ada"})
	require.NoError(t, err)
	response, err := a.Create(options)
	require.NoError(t, err)
	return response
}

// assert has it sign, likewise.
func assert(t testing.TB, c *ceremony.Ceremony, a *passkeytest.Authenticator, allow ...ceremony.Descriptor) []byte {
	t.Helper()
	options, err := c.Request(ceremony.Request{Challenge: challenge, Allow: allow})
	require.NoError(t, err)
	response, err := a.Get(options)
	require.NoError(t, err)
	return response
}

// checkRegistration and checkAssertion do what a service does with a response.
func checkRegistration(c *ceremony.Ceremony, challenge, response []byte) (ceremony.Credential, error) {
	r, err := c.ParseRegistration(response)
	if err != nil {
		return ceremony.Credential{}, err
	}
	return r.Verify(challenge, now)
}

func checkAssertion(c *ceremony.Ceremony, challenge, key, response []byte) (ceremony.Finding, error) {
	a, err := c.ParseAssertion(response)
	if err != nil {
		return ceremony.Finding{}, err
	}
	return a.Verify(challenge, key)
}

// What the authenticator says of itself arrives, for each algorithm and kind of attestation.
func TestCeremonies(t *testing.T) {
	c := party(t, acme)
	for _, algorithm := range []passkeytest.Algorithm{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
		for _, attestation := range []passkeytest.Attestation{passkeytest.None, passkeytest.Self, passkeytest.Certificate} {
			a := passkeytest.New("https://login.acme.test:8443")
			a.Algorithm, a.Attestation, a.AAGUID = algorithm, attestation, [16]byte{1, 2, 3}
			a.Eligible, a.Count, a.Transports = true, 7, []string{"usb", "nfc", "telepathy"}
			response := register(t, c, a)
			parsed, err := c.ParseRegistration(response)
			require.NoError(t, err)
			require.Equal(t, challenge, parsed.Challenge)
			k, err := parsed.Verify(challenge, now)
			require.NoError(t, err)
			require.Equal(t, a.Passkeys()[0].ID, k.ID)
			require.Equal(t, k.ID, parsed.Credential)
			require.Equal(t, [16]byte{1, 2, 3}, k.AAGUID)
			require.EqualValues(t, 0b11, k.Transports)
			require.False(t, k.Attested, "nothing was demanded, so nothing is known")
			require.Equal(t, ceremony.Finding{UserVerified: true, Eligible: true, Count: 7}, k.Finding)

			a.UserVerified, a.BackedUp = false, true
			response = assert(t, c, a, ceremony.Descriptor{ID: k.ID, Transports: k.Transports})
			answer, err := c.ParseAssertion(response)
			require.NoError(t, err)
			require.Equal(t, k.ID, answer.Credential)
			require.Equal(t, handle, answer.UserHandle)
			require.Equal(t, challenge, answer.Challenge)
			found, err := answer.Verify(challenge, k.PublicKey)
			require.NoError(t, err)
			require.Equal(t, ceremony.Finding{Eligible: true, BackedUp: true, Count: 8}, found)
		}
	}
}

// The options are those that browsers take, with nothing that nobody asked for.
func TestOptions(t *testing.T) {
	c := party(t, acme)
	creation, err := c.Creation(ceremony.Creation{
		Challenge: []byte{0xfb, 0xff}, Handle: []byte{1}, Name: "ada", Exclude: []ceremony.Descriptor{{ID: []byte{2}, Transports: 0b1000}},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"publicKey":{
		"rp":{"id":"acme.test","name":"Acme"}, "user":{"id":"AQ","name":"ada","displayName":""}, "challenge":"-_8",
		"pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-8},{"type":"public-key","alg":-257}],
		"timeout":300000, "excludeCredentials":[{"type":"public-key","id":"Ag","transports":["internal"]}],
		"authenticatorSelection":{"residentKey":"preferred","requireResidentKey":false,"userVerification":"preferred"},
		"attestation":"none"}}`, string(creation))

	demanding := acme
	demanding.Trusted = []ceremony.Trusted{{Roots: x509.NewCertPool()}}
	creation, err = party(t, demanding).Creation(ceremony.Creation{ResidentKey: "required", UserVerification: "required"})
	require.NoError(t, err)
	require.Contains(t, string(creation), `{"residentKey":"required","requireResidentKey":true,"userVerification":"required"},"attestation":"direct"`)
	require.Contains(t, string(creation), `"excludeCredentials":[]`)

	request, err := c.Request(ceremony.Request{Challenge: []byte{0xfb, 0xff}})
	require.NoError(t, err)
	require.JSONEq(t, `{"publicKey":{"challenge":"-_8","timeout":300000,"rpId":"acme.test","allowCredentials":[],"userVerification":"preferred"}}`, string(request))
}

// Where attestation is demanded, only the models in the list get in, by their own roots.
func TestTrusted(t *testing.T) {
	a := passkeytest.New("https://acme.test")
	a.AAGUID, a.Attestation = [16]byte{1}, passkeytest.Certificate
	roots := func(a *passkeytest.Authenticator) *x509.CertPool {
		root, err := a.Root()
		require.NoError(t, err)
		pool := x509.NewCertPool()
		pool.AddCert(root)
		return pool
	}
	other := passkeytest.New("https://acme.test")
	demand := func(models ...ceremony.Trusted) *ceremony.Ceremony {
		p := acme
		p.Trusted = models
		return party(t, p)
	}
	mine := ceremony.Trusted{AAGUID: [16]byte{1}, Roots: roots(a)}
	refused := func(c *ceremony.Ceremony, response []byte, now time.Time, why string) {
		t.Helper()
		r, err := c.ParseRegistration(response)
		require.NoError(t, err)
		_, err = r.Verify(challenge, now)
		var no *ceremony.Refused
		require.ErrorAs(t, err, &no, why)
		require.Equal(t, ceremony.Attestation, no.Reason, why)
	}

	c := demand(ceremony.Trusted{AAGUID: [16]byte{2}, Roots: roots(other)}, mine)
	response := register(t, c, a)
	k, err := checkRegistration(c, challenge, response)
	require.NoError(t, err)
	require.True(t, k.Attested)

	refused(c, response, time.Date(2121, 1, 1, 0, 0, 0, 0, time.UTC), "the certificate is over by the caller's clock")
	refused(demand(ceremony.Trusted{AAGUID: [16]byte{2}, Roots: mine.Roots}), response, now, "another model of the same maker")
	refused(demand(ceremony.Trusted{AAGUID: [16]byte{1}, Roots: roots(other)}), response, now, "another maker's root")
	a.Attestation = passkeytest.Self
	refused(c, register(t, c, a), now, "signed by the credential alone")
	a.Attestation = passkeytest.None
	refused(c, register(t, c, a), now, "none")
}
