package totp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

// A secret and its picture are printed nowhere, in whatever they stand and with whatever verb.
func TestRedaction(t *testing.T) {
	k := rfcKey(t)
	picture, err := k.QR("Acme", "ada@acme.test")
	require.NoError(t, err)
	raw := []byte(seed20)
	shown := []string{
		seed20[:12], k.Secret.Reveal()[:12], hex.EncodeToString(raw)[:12], base64.StdEncoding.EncodeToString(raw)[:8],
		strings.Trim(fmt.Sprint(raw[:4]), "[]"), "0x31, 0x32", // a slice of bytes by %v and %#v
		"true true", "true, true", "otpauth:", "/png",
	}
	clean := func(out, how string) {
		t.Helper()
		for _, s := range shown {
			require.NotContains(t, strings.ToLower(out), strings.ToLower(s), how)
		}
	}

	type inside struct { // unexported fields, on which fmt calls no methods
		secret  totp.Secret
		key     *totp.Key
		keys    []totp.Key
		named   map[string]totp.Secret
		picture totp.QR
		any     any
	}
	type outside struct {
		Secret  totp.Secret
		Key     *totp.Key
		Keys    []totp.Key
		Named   map[string]totp.Secret
		Picture totp.QR
		Any     any
		inside  inside
	}
	named := map[string]totp.Secret{"a": k.Secret}
	in := inside{k.Secret, &k, []totp.Key{k}, named, picture, k}
	out := outside{k.Secret, &k, []totp.Key{k}, named, picture, picture, in}
	values := []any{
		k.Secret, &k.Secret, k, &k, picture, &picture, []totp.Secret{k.Secret}, [1]totp.QR{picture}, named, in, &in, out, &out,
		fmt.Errorf("wrapped: %v", k), []any{k, picture},
	}
	for _, v := range values {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", " ", "-08.3"} {
				clean(fmt.Sprintf("%"+flags+string(verb), v), fmt.Sprintf("%%%s%c of %T", flags, verb, v))
			}
		}
		clean(fmt.Sprint(v)+fmt.Sprintln(v), "print")

		var buf bytes.Buffer
		for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&buf, nil)), slog.New(slog.NewJSONHandler(&buf, nil))} {
			log.Info("m", "v", v, slog.Group("g", slog.Any("v", v)))
		}
		clean(buf.String(), "slog")
	}
	require.Equal(t, "[redacted] {[redacted] SHA1 0 false} [redacted]", fmt.Sprint(k.Secret, k, picture))

	for _, v := range []any{k.Secret, &k.Secret, k, &k, picture, &picture, []totp.Key{k}, totp.Secret{}, totp.QR{}} {
		b, err := json.Marshal(v)
		require.Error(t, err, "%T: a blank would be found only when it is needed", v)
		require.Empty(t, b)
		clean(err.Error(), "json")
		b, err = xml.Marshal(v)
		require.Error(t, err, "%T", v)
		clean(string(b)+err.Error(), "xml")
		var buf bytes.Buffer
		err = gob.NewEncoder(&buf).Encode(v)
		require.Error(t, err, "%T", v)
		clean(buf.String()+err.Error(), "gob")
	}
	require.Error(t, json.Unmarshal([]byte(`"`+k.Secret.Reveal()+`"`), &totp.Secret{}), "nor is it read by accident")
}
