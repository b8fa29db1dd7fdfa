package ceremony_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// seeds are the responses of the corpus, without those that are large for another reason than their form.
func seeds(f *testing.F, kind string, add func(response []byte)) {
	f.Helper()
	text, err := os.ReadFile(corpusFile)
	require.NoError(f, err)
	var file corpusJSON
	require.NoError(f, json.Unmarshal(text, &file))
	for _, e := range file.Cases {
		if e.Ceremony != kind || e.Party != "acme" || len(e.Response) > 8000 {
			continue
		}
		response := []byte(e.Response)
		if e.Bytes != "" {
			response = decode(f, e.Bytes)
		}
		add(response)
	}
}

// signedParts is what a signature covers.
func signedParts(t testing.TB, response []byte) (clientData, authData string) {
	o := inner(t, response)
	return string(o["clientDataJSON"]), string(o["authenticatorData"])
}

// inner is the member response, by exact names.
func inner(t testing.TB, response []byte) map[string]json.RawMessage {
	var outer, o map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(response, &outer))
	require.NoError(t, json.Unmarshal(outer["response"], &o))
	return o
}

// Nothing that is not what the key signed is accepted, under the keys of all three algorithms.
func FuzzAssertion(f *testing.F) {
	c := &corpus{t: f, c: party(f, acme)}
	type signed struct{ clientData, authData string }
	keys, signatures := [][]byte{}, map[signed]bool{}
	for _, algorithm := range []passkeytest.Algorithm{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
		a, key := c.phone(algorithm)
		response := assert(f, c.c, a)
		_, err := checkAssertion(c.c, challenge, key, response)
		require.NoError(f, err)
		clientData, authData := signedParts(f, response)
		signatures[signed{clientData, authData}] = true
		keys = append(keys, key)
		f.Add(response)
	}
	seeds(f, "assertion", func(response []byte) { f.Add(response) })
	f.Fuzz(func(t *testing.T, response []byte) {
		for _, key := range keys {
			found, err := checkAssertion(c.c, challenge, key, response)
			if err != nil {
				require.Empty(t, found)
				continue
			}
			clientData, authData := signedParts(t, response)
			require.True(t, signatures[signed{clientData, authData}], "%s", response)
		}
	})
}

// Whatever is registered has a credential and a key that can sign in, for this party, in answer to this challenge.
func FuzzRegistration(f *testing.F) {
	c := party(f, acme)
	for _, attestation := range []passkeytest.Attestation{passkeytest.None, passkeytest.Self, passkeytest.Certificate} {
		a := passkeytest.New("https://acme.test")
		a.Attestation = attestation
		f.Add(register(f, c, a))
	}
	seeds(f, "registration", func(response []byte) { f.Add(response) })
	f.Fuzz(func(t *testing.T, response []byte) {
		k, err := checkRegistration(c, challenge, response)
		if err != nil {
			require.Empty(t, k)
			return
		}
		r, err := c.ParseRegistration(response)
		require.NoError(t, err)
		require.Equal(t, challenge, r.Challenge)
		require.Equal(t, r.Credential, k.ID)
		require.True(t, len(k.ID) > 0 && len(k.ID) <= ceremony.MaxCredential)
		require.True(t, k.Eligible || !k.BackedUp)
		require.False(t, k.Attested)
		key, err := ceremony.CanonicalKey(k.PublicKey)
		require.NoError(t, err)
		require.Equal(t, k.PublicKey, key)
		var text string
		require.NoError(t, json.Unmarshal(inner(t, response)["clientDataJSON"], &text))
		var said map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(decode(t, text), &said))
		var kind, origin string
		require.NoError(t, json.Unmarshal(said["type"], &kind))
		require.NoError(t, json.Unmarshal(said["origin"], &origin))
		require.Equal(t, "webauthn.create", kind)
		require.Contains(t, append(acme.Origins[:3:3], acme.Related...), origin)
	})
}

// The same from inside: what is in base64 is changed as bytes, and whatever is read is what encoding/json reads.
func FuzzInside(f *testing.F) {
	c := &corpus{t: f, c: party(f, acme)}
	a, key := c.phone(passkeytest.ES256)
	good := assert(f, c.c, a)
	signedData, signedAuth := c.member(good, "clientDataJSON"), c.member(good, "authenticatorData")
	signature := decode(f, c.member(good, "signature"))
	id := encode(a.Passkeys()[0].ID)
	f.Add(decode(f, signedData), decode(f, signedAuth))
	add := func(member string) func(response []byte) {
		return func(response []byte) {
			var outer map[string]json.RawMessage
			if json.Unmarshal(response, &outer) != nil || json.Unmarshal(outer["response"], &outer) != nil {
				return
			}
			var clientData, data string
			if json.Unmarshal(outer["clientDataJSON"], &clientData) != nil || json.Unmarshal(outer[member], &data) != nil {
				return
			}
			b, err := base64.RawURLEncoding.DecodeString(clientData)
			d, err2 := base64.RawURLEncoding.DecodeString(data)
			if err == nil && err2 == nil {
				f.Add(b, d)
			}
		}
	}
	seeds(f, "registration", add("attestationObject"))
	seeds(f, "assertion", add("authenticatorData"))
	f.Fuzz(func(t *testing.T, clientData, data []byte) {
		body, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": map[string]string{
			"clientDataJSON": encode(clientData), "authenticatorData": encode(data), "attestationObject": encode(data), "signature": encode(signature),
		}})
		require.NoError(t, err)
		if _, err := checkAssertion(c.c, challenge, key, body); err == nil {
			require.Equal(t, signedData, encode(clientData))
			require.Equal(t, signedAuth, encode(data))
		}
		if k, err := checkRegistration(c.c, challenge, body); err == nil {
			require.Equal(t, id, encode(k.ID))
		}
		r, err := c.c.ParseAssertion(body)
		if err != nil {
			return
		}
		var said map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(clientData, &said))
		var text string
		require.NoError(t, json.Unmarshal(said["challenge"], &text))
		require.Equal(t, text, encode(r.Challenge))
	})
}
