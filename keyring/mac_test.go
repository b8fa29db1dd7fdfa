package keyring_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/keyring"
)

// Row K4: a MAC is what the package comment says, made again here by hand.
func TestMACAsDescribed(t *testing.T) {
	r := keyring.Generate()
	name, text, _ := strings.Cut(r.Reveal(), ":")
	key, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	part := func(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }

	derived, err := hkdf.Key(sha256.New, key, nil, "gatehouse/keyring/1/HMAC-SHA-256"+part("p")+part("ada"), 32)
	require.NoError(t, err)
	h := hmac.New(sha256.New, derived)
	h.Write([]byte(part("p") + part("ada") + part("item") + "message"))
	got, err := r.MAC(name, []byte("message"), keyring.Binding{Purpose: "p", Account: "ada", Item: "item"})
	require.NoError(t, err)
	require.Equal(t, h.Sum(nil), got)
}

// Row K4: it differs with the key, with each part of the Binding and with where one part ends, and an older key
// of the ring goes on making it.
func TestMACDiffers(t *testing.T) {
	old, fresh := keyring.Generate(), keyring.Generate()
	both, err := keyring.Parse(fresh.Reveal() + "\n" + old.Reveal())
	require.NoError(t, err)
	b := keyring.Binding{Purpose: "p", Account: "a", Item: "i"}
	seen := map[string]bool{}
	for _, c := range []struct {
		name, message string
		b             keyring.Binding
	}{
		{old.Primary(), "m", b}, {fresh.Primary(), "m", b}, {old.Primary(), "", b}, {old.Primary(), "n", b},
		{old.Primary(), "m", keyring.Binding{Purpose: "q", Account: "a", Item: "i"}},
		{old.Primary(), "m", keyring.Binding{Purpose: "p", Account: "b", Item: "i"}},
		{old.Primary(), "m", keyring.Binding{Purpose: "p", Account: "a", Item: "j"}},
		{old.Primary(), "m", keyring.Binding{Purpose: "pa", Item: "i"}},
		{old.Primary(), "", keyring.Binding{Purpose: "p", Account: "a", Item: "im"}},
	} {
		mac, err := both.MAC(c.name, []byte(c.message), c.b)
		require.NoError(t, err)
		require.Len(t, mac, 32)
		require.False(t, seen[string(mac)])
		seen[string(mac)] = true
	}
	mac, err := old.MAC(old.Primary(), []byte("m"), b)
	require.NoError(t, err)
	require.True(t, seen[string(mac)])
}

func TestMACRefusals(t *testing.T) {
	r := keyring.Generate()
	b := keyring.Binding{Purpose: "p"}
	mac, err := r.MAC("another", nil, b)
	require.ErrorIs(t, err, keyring.ErrUnknownKey)
	require.Nil(t, mac)
	for _, none := range []*keyring.Ring{nil, {}} {
		mac, err = none.MAC("", nil, b)
		require.ErrorIs(t, err, keyring.ErrKeys)
		require.Nil(t, mac)
	}
	mac, err = r.MAC(r.Primary(), nil, keyring.Binding{Purpose: strings.Repeat("p", 1025)})
	require.ErrorIs(t, err, keyring.ErrSeal)
	require.Nil(t, mac)
}
