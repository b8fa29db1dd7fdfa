package gatehouse_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/totp"
)

func bcryptOf(t testing.TB, code string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(code), bcrypt.MinCost)
	require.NoError(t, err)
	return string(hash)
}

func argon2Of(code string) string {
	b64 := base64.RawStdEncoding
	salt := []byte("another salt")
	return "$argon2id$v=19$m=64,t=1,p=2$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(argon2.IDKey([]byte(code), salt, 1, 64, 2, 24))
}

func TestImport(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	key := totp.Key{Secret: totp.GenerateSecret(), Algorithm: totp.SHA256, Digits: 8}
	// authboss has codes of this form; the last one could be read as one of ours.
	codes := []string{"f7a2k-9xq0m", "b1c2d-e3f4g", "7k9x2-m4q8w", "ABCDEFGHJKMNPQRS"}
	in := gatehouse.Import{
		Secret: key.Secret, Algorithm: key.Algorithm, Digits: 8, LastStep: totp.Step(h.clock()), Name: "Old phone",
		RecoveryHashes: []string{bcryptOf(t, codes[0]), argon2Of(codes[1]), bcryptOf(t, codes[2]), argon2Of(codes[3])},
	}
	op := h.Operator("migration")
	require.NoError(t, op.Import(ctx, "u", in))
	require.ErrorIs(t, op.Import(ctx, "u", in), gatehouse.ErrState, "nothing is replaced")
	o := &owner{h: h, id: "u", key: key}
	st, err := h.Status(ctx, "u")
	require.NoError(t, err)
	require.True(t, st.Protected)
	require.True(t, st.RecoveryCodes.Imported)
	require.Equal(t, 4, st.RecoveryCodes.Left)

	_, err = o.signIn(o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "used up in the old system")
	h.wait(totp.Period)
	_, err = o.signIn(o.code())
	require.NoError(t, err)

	for i, code := range codes {
		for _, wrong := range []string{strings.ToUpper(code) + "x", code[1:], " " + code, strings.Repeat("a", 73), strings.Repeat("a", 1<<20)} {
			_, err = o.signIn(wrong)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		h.wait(totp.Period)
		v, err := o.signIn(code)
		require.NoError(t, err, code)
		require.Equal(t, 3-i, v.CodesLeft)
		_, err = o.signIn(code)
		require.ErrorIs(t, err, gatehouse.ErrDenied, "burned")
	}

	// New codes take the place of the imported ones, and are ours.
	fresh, err := h.Owner(o.stepUp(o.code())).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	v, err := o.signIn(fresh.Codes[0].Reveal())
	require.NoError(t, err)
	require.Equal(t, 9, v.CodesLeft)
}

func TestImportRace(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	key := totp.Key{Secret: totp.GenerateSecret()}
	require.NoError(t, h.Operator("op").Import(ctx, "u", gatehouse.Import{
		Secret: key.Secret, RecoveryHashes: []string{bcryptOf(t, "one"), bcryptOf(t, "two"), argon2Of("three")},
	}))
	other, err := gatehouse.New(h.store, gatehouse.Config{Issuer: "Acme", Keys: h.keys, Recovery: cheap, Now: h.clock})
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 40 {
		svc := []*gatehouse.Service{h.Service, other}[i%2]
		wg.Go(func() {
			if _, err := svc.StepUp(ctx, "u", "three"); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, won)
}

func TestImportDefaults(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := &owner{h: h, id: "u", key: totp.Key{Secret: totp.GenerateSecret()}}
	require.NoError(t, h.Operator("op").Import(ctx, "u", gatehouse.Import{Secret: o.key.Secret}))
	for _, step := range []int64{-1, 0, 1} {
		_, err := o.signIn(o.code(step))
		require.ErrorIs(t, err, gatehouse.ErrDenied, "whatever may have been used is used up")
	}
	h.wait(2 * totp.Period)
	v, err := o.signIn(o.code())
	require.NoError(t, err)
	require.Zero(t, v.CodesLeft)
}

func TestImportBadInput(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	good, hash := totp.GenerateSecret(), bcryptOf(t, "x")
	cases := map[string]gatehouse.Import{
		"no secret":         {},
		"algorithm":         {Secret: good, Algorithm: 9},
		"digits":            {Secret: good, Digits: 7},
		"name":              {Secret: good, Name: "a\nb"},
		"last step":         {Secret: good, LastStep: -1},
		"too many codes":    {Secret: good, RecoveryHashes: make([]string, 17)},
		"an empty hash":     {Secret: good, RecoveryHashes: []string{""}},
		"plain text":        {Secret: good, RecoveryHashes: []string{"f7a2k-9xq0m"}},
		"MD5 crypt":         {Secret: good, RecoveryHashes: []string{"$1$abc$abcdefghijklmnopqrstu/"}},
		"twice":             {Secret: good, RecoveryHashes: []string{hash, hash}},
		"bcrypt of cost 31": {Secret: good, RecoveryHashes: []string{"$2a$31" + hash[6:]}},
		"bcrypt of cost 14": {Secret: good, RecoveryHashes: []string{"$2a$14" + hash[6:]}},
		"bcrypt cut":        {Secret: good, RecoveryHashes: []string{hash[:59]}},
		"bcrypt with NUL":   {Secret: good, RecoveryHashes: []string{hash[:59] + "\x00"}},
		"bcrypt version":    {Secret: good, RecoveryHashes: []string{"$2x" + hash[3:]}},
		"Argon2i":           {Secret: good, RecoveryHashes: []string{strings.Replace(argon2Of("x"), "argon2id", "argon2i", 1)}},
		"4 GiB":             {Secret: good, RecoveryHashes: []string{strings.Replace(argon2Of("x"), "m=64", "m=4194304", 1)}},
		"1 MiB":             {Secret: good, RecoveryHashes: []string{strings.Repeat("$", 1<<20)}},
		"no tag":            {Secret: good, RecoveryHashes: []string{"$argon2id$v=19$m=64,t=1,p=2$" + strings.Repeat("A", 22) + "$"}},
		"line break":        {Secret: good, RecoveryHashes: []string{argon2Of("x") + "\n"}},
	}
	for name, in := range cases {
		require.ErrorIs(t, h.Operator("op").Import(ctx, "u", in), gatehouse.ErrInvalid, name)
	}
	page, err := h.store.Accounts(ctx, "", 1)
	require.NoError(t, err)
	require.Empty(t, page)
}
