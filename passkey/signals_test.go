package passkey_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// A password manager hears of the passkeys that there are, by the handle under which it has them.
func TestSignals(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	none, err := h.pk.Signals(ctx, "ada", "ada@acme.test")
	require.NoError(t, err)
	require.Nil(t, none)
	o := h.enroll("ada")
	laptop := passkeytest.New(origin)
	second := o.add(laptop)
	b64 := base64.RawURLEncoding.EncodeToString
	kept := o.phone.Passkeys()[0]
	signals := func(label string) map[string]any {
		t.Helper()
		text, err := h.pk.Signals(ctx, "ada", label)
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.Unmarshal(text, &m))
		return m
	}
	require.Equal(t, map[string]any{
		"rpId": "acme.test", "userId": b64(kept.Handle), "name": "ada@acme.test", "displayName": "ada@acme.test",
		"allAcceptedCredentialIds": []any{b64(kept.ID), b64(laptop.Passkeys()[0].ID)},
	}, signals("ada@acme.test"))
	o.in.Proof, err = h.Owner(o.in).RemoveAuthenticator(ctx, second.ID)
	require.NoError(t, err)
	require.NotContains(t, signals(""), "name")
	require.Equal(t, []any{b64(kept.ID)}, signals("")["allAcceptedCredentialIds"])
	options, take := o.ask("sign-in", "browser")
	response := h.get(o.phone, options, nil)
	_, err = take(response)
	require.NoError(t, err)
	o.denied(take, response, true, "used")
	unknown, err := h.pk.UnknownSignal(ctx, response)
	require.NoError(t, err)
	require.Nil(t, unknown, "it was denied, and its owner's manager must keep it")

	o.in.Proof, err = h.Owner(o.in).DisableTwoFactor(ctx)
	require.NoError(t, err)
	require.Equal(t, []any{}, signals("")["allAcceptedCredentialIds"], "a list, and empty")

	options, take = o.ask("sign-in", "browser")
	response = h.get(o.phone, options, nil)
	_, err = take(response)
	require.Error(t, err)
	unknown, err = h.pk.UnknownSignal(ctx, response)
	require.NoError(t, err)
	require.JSONEq(t, `{"rpId":"acme.test","credentialId":"`+b64(kept.ID)+`"}`, string(unknown))
	for name, bad := range map[string]string{"nothing": "", "no response": "{}", "too much": string(make([]byte, 1<<20))} {
		unknown, err = h.pk.UnknownSignal(ctx, []byte(bad))
		require.NoError(t, err, name)
		require.Nil(t, unknown, name)
	}
	o.phone.Discoverable = false
	o.phone.Tamper = func(d *passkeytest.Draft) { d.UserHandle = nil }
	unknown, err = h.pk.UnknownSignal(ctx, h.get(o.phone, options, nil))
	require.NoError(t, err)
	require.Nil(t, unknown, "whose it would be is not known")
}
