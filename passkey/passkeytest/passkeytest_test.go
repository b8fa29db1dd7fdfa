package passkeytest_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

const creation = `{"publicKey":{"rp":{"id":"acme.test","name":"Acme"},"user":{"id":"aGFuZGxl","name":"ada","displayName":"Ada"},
	"challenge":"Y2hhbGxlbmdl","pubKeyCredParams":[{"type":"public-key","alg":-7}],"excludeCredentials":[%s],
	"authenticatorSelection":{"userVerification":%q,"residentKey":%q}}}`

const request = `{"publicKey":{"challenge":"Y2hhbGxlbmdl","rpId":"acme.test","allowCredentials":[%s],"userVerification":%q}}`

func create(exclude, verification, resident string) []byte {
	return fmt.Appendf(nil, creation, exclude, verification, resident)
}

func get(allow, verification string) []byte { return fmt.Appendf(nil, request, allow, verification) }

func descriptor(p passkeytest.Passkey) string {
	return fmt.Sprintf(`{"type":"public-key","id":%q}`, base64.RawURLEncoding.EncodeToString(p.ID))
}

// The authenticator and its browser refuse what real ones refuse. What they answer is held to the standard by the tests
// of the ceremony.
func TestRefusals(t *testing.T) {
	a := passkeytest.New("https://login.acme.test")
	_, err := a.Get(get("", "required"))
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed, "no passkey yet")
	_, err = a.Create(create("", "required", "required"))
	require.NoError(t, err)
	first := a.Passkeys()[0]
	require.Equal(t, "handle", string(first.Handle))

	_, err = a.Create(create(descriptor(first), "", ""))
	require.ErrorIs(t, err, passkeytest.ErrInvalidState, "it has one already")
	a.Algorithm = passkeytest.EdDSA
	_, err = a.Create(create("", "", ""))
	require.ErrorIs(t, err, passkeytest.ErrNotSupported)
	a.Algorithm = passkeytest.ES256

	a.Discoverable = false
	_, err = a.Create(create("", "", "required"))
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed)
	_, err = a.Create(create("", "", "preferred"))
	require.NoError(t, err)
	second := a.Passkeys()[1]

	a.Choose = second.ID
	_, err = a.Get(get("", ""))
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed, "not discoverable, and so it must be named")
	response, err := a.Get(get(descriptor(second), ""))
	require.NoError(t, err)
	require.NotContains(t, string(response), "userHandle")
	a.Choose = nil
	response, err = a.Get(get("", ""))
	require.NoError(t, err)
	require.Contains(t, string(response), `"userHandle":"aGFuZGxl"`)
	require.Contains(t, string(response), base64.RawURLEncoding.EncodeToString(first.ID))

	a.UserVerified = false
	_, err = a.Get(get("", "required"))
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed)
	_, err = a.Get(get("", "preferred"))
	require.NoError(t, err)
	a.Refuses = true
	_, err = a.Get(get("", ""))
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed)
	a.Refuses = false

	a.Forget(first.ID)
	_, err = a.Get(get(descriptor(first), ""))
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed)

	a.Origin = "https://notacme.test"
	_, err = a.Get(get(descriptor(second), ""))
	require.ErrorIs(t, err, passkeytest.ErrSecurity)
	a.Related = []string{"acme.test"}
	_, err = a.Get(get(descriptor(second), ""))
	require.NoError(t, err)

	_, err = a.Get([]byte(`{"publicKey":{"rpId":"acme.test"}}`))
	require.ErrorContains(t, err, "without a challenge")
}
