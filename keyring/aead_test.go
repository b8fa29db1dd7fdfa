package keyring_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/keyring"
)

// service stands for a key service's client. Its key lies in a plain field, as it may in others'.
type service struct {
	key   []byte
	calls int
	ad    []byte // as last seen

	fail    error
	instead *[]byte // answered to everything
}

func newService(key string) *service { return &service{key: []byte(strings.Repeat(key, 32)[:32])} }

func (s *service) Encrypt(plaintext, ad []byte) ([]byte, error) {
	return s.do(ad, func(a cipher.AEAD) ([]byte, error) { return a.Seal(nil, nil, plaintext, ad), nil })
}

func (s *service) Decrypt(ciphertext, ad []byte) ([]byte, error) {
	return s.do(ad, func(a cipher.AEAD) ([]byte, error) { return a.Open(nil, nil, ciphertext, ad) })
}

func (s *service) do(ad []byte, f func(cipher.AEAD) ([]byte, error)) ([]byte, error) {
	s.calls++
	s.ad = bytes.Clone(ad)
	if s.instead != nil {
		return *s.instead, s.fail
	}
	if s.fail != nil {
		return []byte("something, all the same"), s.fail
	}
	block, err := aes.NewCipher(s.key)
	if err != nil {
		return nil, err
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return f(a)
}

func fromAEAD(t testing.TB, primary keyring.NamedAEAD, older ...keyring.NamedAEAD) keyring.Sealer {
	t.Helper()
	s, err := keyring.FromAEAD(primary, older...)
	require.NoError(t, err)
	return s
}

func TestFromAEAD(t *testing.T) {
	s1, s2 := newService("1"), newService("2")
	first := fromAEAD(t, keyring.NamedAEAD{Name: "kms-1", AEAD: s1})
	rotated := fromAEAD(t, keyring.NamedAEAD{Name: "kms-2", AEAD: s2}, keyring.NamedAEAD{Name: "kms-1", AEAD: s1})
	require.Equal(t, "kms-1", first.Primary())
	require.Equal(t, "kms-2", rotated.Primary())

	for i, b := range bindings {
		old := seal(t, first, goldenPlain, b)
		require.Equal(t, "\x01\x05kms-1", string(old[:7]))
		require.Equal(t, string(describedAD(old[:7], b)), string(s1.ad), "as for a Ring")
		requireOpens(t, rotated, goldenPlain, old, b)
		require.Equal(t, string(describedAD(old[:7], b)), string(s1.ad))
		requireRefused(t, rotated, old, bindings[(i+1)%len(bindings)], keyring.ErrOpen)

		fresh := seal(t, rotated, "", b)
		name, err := rotated.KeyName(fresh)
		require.NoError(t, err)
		require.Equal(t, "kms-2", name)
		requireOpens(t, rotated, "", fresh, b)
		requireRefused(t, first, fresh, b, keyring.ErrUnknownKey)
	}

	sealed := seal(t, first, goldenPlain, goldenBinding)
	for bit := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[bit/8] ^= 1 << (bit % 8)
		got, err := rotated.Open(context.Background(), bad, goldenBinding)
		require.Error(t, err)
		require.Nil(t, got)
	}
	for n := range len(sealed) {
		requireRefused(t, rotated, sealed[:n], goldenBinding, keyring.ErrOpen)
	}
}

// Even where two names stand for one key, a value opens only under the name that sealed it.
func TestHeaderIsAuthenticated(t *testing.T) {
	same := newService("1")
	s := fromAEAD(t, keyring.NamedAEAD{Name: "k1", AEAD: same}, keyring.NamedAEAD{Name: "k2", AEAD: same})
	sealed := seal(t, s, goldenPlain, goldenBinding)
	requireOpens(t, s, goldenPlain, sealed, goldenBinding)
	copy(sealed, "\x01\x02k2")
	name, err := s.KeyName(sealed)
	require.NoError(t, err)
	require.Equal(t, "k2", name)
	requireRefused(t, s, sealed, goldenBinding, keyring.ErrOpen)
}

func TestAEADThatFails(t *testing.T) {
	down := errors.New("the service is down")
	for name, instead := range map[string]*[]byte{"with its usual answer": nil, "with nothing": new([]byte), "with a plaintext": {goldenPlain[0]}} {
		kms := newService("1")
		s := fromAEAD(t, keyring.NamedAEAD{Name: "kms-1", AEAD: kms})
		sealed := seal(t, s, goldenPlain, goldenBinding)
		kms.fail, kms.instead = down, instead

		got, err := s.Seal(context.Background(), []byte(goldenPlain), goldenBinding)
		require.ErrorIs(t, err, keyring.ErrSeal, name)
		require.ErrorIs(t, err, down, name)
		require.Nil(t, got, name)
		requireRefused(t, s, sealed, goldenBinding, keyring.ErrOpen, name)
		requireRefused(t, s, sealed, goldenBinding, down, name)

		kms.fail, kms.instead = nil, nil
		requireOpens(t, s, goldenPlain, sealed, goldenBinding)
	}
}

func TestAEADThatReturnsGarbage(t *testing.T) {
	kms := newService("1")
	s := fromAEAD(t, keyring.NamedAEAD{Name: "kms-1", AEAD: kms})
	sealed := seal(t, s, goldenPlain, goldenBinding)
	for name, garbage := range map[string][]byte{
		"nil": nil, "empty": {}, "the plaintext": []byte(goldenPlain), "less than the plaintext": []byte(goldenPlain[1:]),
		"64 KiB": make([]byte, 64<<10), "1 MiB": make([]byte, 1<<20),
	} {
		kms.instead = &garbage
		got, err := s.Seal(context.Background(), []byte(goldenPlain), goldenBinding)
		require.ErrorIs(t, err, keyring.ErrSeal, name)
		require.Nil(t, got, name)
		if len(garbage) > 32<<10 {
			requireRefused(t, s, sealed, goldenBinding, keyring.ErrOpen, name)
		}
	}
	// The most that a header leaves room for.
	most := bytes.Repeat([]byte{7}, 64<<10-7)
	kms.instead = &most
	got, err := s.Seal(context.Background(), make([]byte, 32<<10), goldenBinding)
	require.NoError(t, err)
	require.Len(t, got, 64<<10)
}

func TestFromAEADRefuses(t *testing.T) {
	kms := newService("1")
	good := keyring.NamedAEAD{Name: "k1", AEAD: kms}
	for name, c := range map[string]struct {
		keys   []keyring.NamedAEAD
		reason string
	}{
		"zero":           {[]keyring.NamedAEAD{{}}, "key 1 is nil"},
		"nil":            {[]keyring.NamedAEAD{{Name: "k1"}}, "key 1 is nil"},
		"older nil":      {[]keyring.NamedAEAD{good, {Name: "k2"}}, "key 2 is nil"},
		"no name":        {[]keyring.NamedAEAD{{AEAD: kms}}, "key 1: its name is not"},
		"bad name":       {[]keyring.NamedAEAD{good, {Name: "projects/p/keys/k", AEAD: kms}}, "key 2: its name is not"},
		"1 MiB":          {[]keyring.NamedAEAD{{Name: strings.Repeat("k", 1<<20), AEAD: kms}}, "key 1: its name is not"},
		"duplicate name": {[]keyring.NamedAEAD{good, {Name: "k2", AEAD: kms}, good}, "key 3 has the name of key 1"},
	} {
		s, err := keyring.FromAEAD(c.keys[0], c.keys[1:]...)
		require.ErrorIs(t, err, keyring.ErrKeys, name)
		require.ErrorContains(t, err, c.reason, name)
		require.Nil(t, s, name)
	}
}

// A key service costs time and money: what cannot succeed does not reach it.
func TestAEADIsNotAskedInVain(t *testing.T) {
	kms := newService("1")
	s := fromAEAD(t, keyring.NamedAEAD{Name: "k1", AEAD: kms})
	ctx, cancel := context.WithCancel(context.Background())
	sealed := seal(t, s, goldenPlain, goldenBinding)
	long := keyring.Binding{Item: strings.Repeat("x", 1025)}
	calls := kms.calls

	_, err := s.Seal(ctx, make([]byte, 32<<10+1), goldenBinding)
	require.ErrorIs(t, err, keyring.ErrSeal)
	_, err = s.Seal(ctx, nil, long)
	require.ErrorIs(t, err, keyring.ErrSeal)
	requireRefused(t, s, sealed, long, keyring.ErrOpen)
	requireRefused(t, s, append(sealed, make([]byte, 64<<10)...), goldenBinding, keyring.ErrOpen)
	cancel()
	_, err = s.Seal(ctx, []byte(goldenPlain), goldenBinding)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Open(ctx, sealed, goldenBinding)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, calls, kms.calls)
}

// plainKey is an AEAD that fmt would print wherever it is told to print its holder.
type plainKey struct {
	key [32]byte
	keyring.AEAD
}

func TestAEADIsRedacted(t *testing.T) {
	k := plainKey{AEAD: newService("1")}
	for i := range k.key {
		k.key[i] = byte(i) // the bytes of key1, which requireHidden looks for
	}
	s := fromAEAD(t, keyring.NamedAEAD{Name: "k1", AEAD: k})
	for _, v := range []any{s, &s, struct{ s keyring.Sealer }{s}, []keyring.Sealer{s}} {
		requireHidden(t, shown(v))
	}
}
