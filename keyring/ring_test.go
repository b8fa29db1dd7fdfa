package keyring_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/keyring"
)

const (
	key1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" // bytes 0 to 31
	key2 = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=" // bytes 32 to 63

	// Made from key1, named "k-2026", and goldenBinding by another implementation (Python's
	// cryptography 48, HKDF and AESGCM) from the description in the package comment.
	golden      = "01066b2d32303236cafebabefacedbaddecaf888768bb89a7a2c6c2a42ddbd729ef0e84e04425c727efa9063d556abad8eee4ffb86547167"
	goldenPlain = "12345678901234567890"
	goldenEmpty = "01066b2d32303236cafebabefacedbaddecaf888ce3adb73db0aa36eb9e9d01eea5acd57"
)

var goldenBinding = keyring.Binding{Purpose: "totp secret", Account: "usér-42", Item: "phone"}

func parse(t testing.TB, text string) *keyring.Ring {
	t.Helper()
	r, err := keyring.Parse(text)
	require.NoError(t, err)
	return r
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func seal(t testing.TB, s keyring.Sealer, plaintext string, b keyring.Binding) []byte {
	t.Helper()
	sealed, err := s.Seal(context.Background(), []byte(plaintext), b)
	require.NoError(t, err)
	return sealed
}

func requireOpens(t testing.TB, s keyring.Sealer, want string, sealed []byte, b keyring.Binding) {
	t.Helper()
	got, err := s.Open(context.Background(), sealed, b)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func requireRefused(t testing.TB, s keyring.Sealer, sealed []byte, b keyring.Binding, want error, about ...any) {
	t.Helper()
	got, err := s.Open(context.Background(), sealed, b)
	require.ErrorIs(t, err, want, about...)
	require.Nil(t, got, about...)
}

// What a store holds today must open with every later version of this package.
func TestGolden(t *testing.T) {
	r := parse(t, "new:"+key2+" k-2026:"+key1)
	requireOpens(t, r, goldenPlain, unhex(t, golden), goldenBinding)
	requireOpens(t, r, "", unhex(t, goldenEmpty), goldenBinding)
}

// describedAD is the associated data as the package comment describes it.
func describedAD(header []byte, b keyring.Binding) []byte {
	return append(bytes.Clone(header), lengths(b.Purpose, b.Account, b.Item)...)
}

func lengths(parts ...string) []byte {
	var out bytes.Buffer
	for _, p := range parts {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(p)))
		out.WriteString(p)
	}
	return out.Bytes()
}

// describedGCM is the cipher of a value as the package comment describes it.
func describedGCM(t testing.TB, key string, b keyring.Binding) cipher.AEAD {
	raw, err := base64.StdEncoding.DecodeString(key)
	require.NoError(t, err)
	info := "gatehouse/keyring/1/AES-256-GCM" + string(lengths(b.Purpose, b.Account))
	derived, err := hkdf.Key(sha256.New, raw, nil, info, 32)
	require.NoError(t, err)
	block, err := aes.NewCipher(derived)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	return gcm
}

var bindings = []keyring.Binding{
	{},
	{Purpose: "p"},
	{Account: "p"},
	{Item: "p"},
	{Purpose: "ab", Account: "c"},
	{Purpose: "a", Account: "bc"},
	{Purpose: "abc"},
	{Account: "ab", Item: "c"},
	{Account: "a", Item: "bc"},
	{Account: "abc"},
	{Item: "abc"},
	{Purpose: "c", Account: "ab"},
	{Purpose: "a", Account: "b", Item: "c"},
	{Purpose: "a", Account: "c", Item: "b"},
	{Purpose: "A", Account: "b", Item: "c"},
	{Purpose: "a", Account: "b", Item: "c "},
	{Purpose: "a", Account: "b", Item: "c\x00"},
	{Purpose: "a", Account: "u", Item: "\xff"},
	{Purpose: "a", Account: "ü", Item: "\xff"},
	{Purpose: "a", Account: "u\u0308", Item: "\xff"},
	{Purpose: "a", Account: "\x00\x00\x00\x00"},
	{Purpose: "a\x00\x00\x00\x00"},
	{Purpose: strings.Repeat("p", 1024), Account: strings.Repeat("a", 1024), Item: strings.Repeat("i", 1024)},
}

func TestSealedAsDescribed(t *testing.T) {
	r := parse(t, "k-2026:"+key1+" old:"+key2)
	for _, b := range bindings {
		for _, plain := range []string{"", "x", goldenPlain, strings.Repeat("\x00", 32<<10)} {
			sealed := seal(t, r, plain, b)
			require.Len(t, sealed, 1+1+6+12+len(plain)+16)
			header, nonce, body := sealed[:8], sealed[8:20], sealed[20:]
			require.Equal(t, "\x01\x06k-2026", string(header))
			got, err := describedGCM(t, key1, b).Open(nil, nonce, body, describedAD(header, b))
			require.NoError(t, err)
			require.Equal(t, plain, string(got))
			requireOpens(t, r, plain, sealed, b)
		}
	}
}

// The purpose and the account choose the key as well, not only the associated data.
func TestOneKeyPerPurposeAndAccount(t *testing.T) {
	r := parse(t, "k-2026:"+key1)
	base := keyring.Binding{Purpose: "p", Account: "a", Item: "i"}
	sealed := seal(t, r, goldenPlain, base)
	ad := describedAD(sealed[:8], base)
	for b, opens := range map[keyring.Binding]bool{
		base:                         true,
		{Purpose: "p", Account: "a"}: true,
		{Purpose: "q", Account: "a"}: false,
		{Purpose: "p", Account: "b"}: false,
		{Purpose: "p"}:               false,
		{Purpose: "pa"}:              false,
	} {
		_, err := describedGCM(t, key1, b).Open(nil, sealed[8:20], sealed[20:], ad)
		require.Equal(t, opens, err == nil, "%+v", b)
	}
}

func TestBinding(t *testing.T) {
	r := parse(t, "k1:"+key1)
	for i, b := range bindings {
		sealed := seal(t, r, goldenPlain, b)
		for j, other := range bindings {
			if i == j {
				requireOpens(t, r, goldenPlain, sealed, other)
			} else {
				requireRefused(t, r, sealed, other, keyring.ErrOpen, "%.40q opened as %.40q", b, other)
			}
		}
	}
}

func TestEveryChangeIsRefused(t *testing.T) {
	// A bit of one name makes the other.
	r := parse(t, "k-2026:"+key1+" k-2024:"+key2)
	good := unhex(t, golden)
	requireOpens(t, r, goldenPlain, good, goldenBinding)
	unknown := 0
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		got, err := r.Open(context.Background(), bad, goldenBinding)
		require.Nil(t, got)
		if name, e := r.KeyName(bad); e == nil && name != "k-2026" && name != "k-2024" {
			require.ErrorIs(t, err, keyring.ErrUnknownKey, "bit %d", bit)
			unknown++
			continue
		}
		require.ErrorIs(t, err, keyring.ErrOpen, "bit %d", bit)
		require.NotErrorIs(t, err, keyring.ErrUnknownKey)
	}
	require.NotZero(t, unknown)
	for n := range len(good) {
		requireRefused(t, r, good[:n], goldenBinding, keyring.ErrOpen, "cut to %d", n)
		requireRefused(t, r, good[n+1:], goldenBinding, keyring.ErrOpen, "without the first %d", n+1)
	}
	for _, extra := range []string{"\x00", "=", string(good)} {
		requireRefused(t, r, append(bytes.Clone(good), extra...), goldenBinding, keyring.ErrOpen)
		requireRefused(t, r, append([]byte(extra), good...), goldenBinding, keyring.ErrOpen)
	}
}

func TestNotSealed(t *testing.T) {
	r := parse(t, "k-2026:"+key1)
	good := unhex(t, golden)
	tail := string(good[8:])
	for name, in := range map[string]string{
		"nothing":             "",
		"format alone":        "\x01",
		"format 0":            "\x00" + string(good[1:]),
		"format 2":            "\x02" + string(good[1:]),
		"no name":             "\x01\x00" + tail,
		"name beyond the end": "\x01\xff" + string(good[2:]),
		"name too long":       "\x01\x21" + strings.Repeat("k", 33) + tail,
		"capital":             "\x01\x06K-2026" + tail,
		"line feed in name":   "\x01\x06k-20\n6" + tail,
		"comma in name":       "\x01\x06k-20,6" + tail,
		"NUL in name":         "\x01\x06k-20\x006" + tail,
		"invalid UTF-8":       "\x01\x06k-20\xff6" + tail,
		"name begins with -":  "\x01\x06-k2026" + tail,
		"text":                "12345678901234567890",
		"hexadecimal":         golden,
		"64 KiB and one":      string(good) + strings.Repeat("\x00", 64<<10-len(good)+1),
		"1 MiB":               string(good) + strings.Repeat("\x00", 1<<20),
		"1 MiB of 0x01":       strings.Repeat("\x01", 1<<20),
	} {
		requireRefused(t, r, []byte(in), goldenBinding, keyring.ErrOpen, name)
		got, err := r.KeyName([]byte(in))
		require.ErrorIs(t, err, keyring.ErrOpen, name)
		require.Empty(t, got, name)
	}
}

func TestRotation(t *testing.T) {
	ctx := context.Background()
	first := parse(t, "k1:"+key1)
	rotated := parse(t, "k2:"+key2+"\n"+first.Reveal())
	replaced := parse(t, "k2:"+key2)
	sameName := parse(t, "k1:"+key2)
	b := goldenBinding

	old := seal(t, first, goldenPlain, b)
	requireOpens(t, rotated, goldenPlain, old, b)
	name, err := rotated.KeyName(old)
	require.NoError(t, err)
	require.Equal(t, "k1", name)
	require.Equal(t, "k2", rotated.Primary())

	fresh := seal(t, rotated, goldenPlain, b)
	name, err = rotated.KeyName(fresh)
	require.NoError(t, err)
	require.Equal(t, "k2", name, "only the primary seals")
	requireOpens(t, replaced, goldenPlain, fresh, b)

	for _, c := range []struct {
		ring   *keyring.Ring
		sealed []byte
	}{{first, fresh}, {replaced, old}} {
		_, err = c.ring.Open(ctx, c.sealed, b)
		require.ErrorIs(t, err, keyring.ErrUnknownKey)
		require.NotErrorIs(t, err, keyring.ErrOpen)
	}
	requireRefused(t, sameName, old, b, keyring.ErrOpen)

	moved := bytes.Clone(old)
	copy(moved, fresh[:4])
	requireRefused(t, rotated, moved, b, keyring.ErrOpen, "the header of another key that is there")
}

func TestNoncesDiffer(t *testing.T) {
	r := keyring.Generate()
	seen := map[string]bool{}
	header := 2 + len(r.Primary())
	const seals = 20_000
	for range seals {
		sealed := seal(t, r, goldenPlain, goldenBinding)
		seen[string(sealed[header:header+12])] = true
	}
	require.Len(t, seen, seals)
}

func TestBounds(t *testing.T) {
	r := parse(t, "k1:"+key1)
	ctx := context.Background()
	for _, n := range []int{32<<10 + 1, 1 << 20} {
		sealed, err := r.Seal(ctx, make([]byte, n), goldenBinding)
		require.ErrorIs(t, err, keyring.ErrSeal)
		require.Nil(t, sealed)
	}
	for _, long := range []string{strings.Repeat("x", 1025), strings.Repeat("x", 1<<20)} {
		for _, b := range []keyring.Binding{{Purpose: long}, {Account: long}, {Item: long}} {
			sealed, err := r.Seal(ctx, []byte(goldenPlain), b)
			require.ErrorIs(t, err, keyring.ErrSeal)
			require.Nil(t, sealed)
			_, err = r.Open(ctx, seal(t, r, goldenPlain, keyring.Binding{}), b)
			require.ErrorIs(t, err, keyring.ErrOpen)
			require.ErrorContains(t, err, "1024", "refused before any work")
		}
	}
}

func TestNoKeys(t *testing.T) {
	for name, r := range map[string]*keyring.Ring{"nil": nil, "zero": {}} {
		sealed, err := r.Seal(context.Background(), []byte(goldenPlain), goldenBinding)
		require.ErrorIs(t, err, keyring.ErrKeys, name)
		require.Nil(t, sealed)
		requireRefused(t, r, unhex(t, golden), goldenBinding, keyring.ErrKeys, name)
		require.Empty(t, r.Primary())
		require.Empty(t, r.Reveal())
		got, err := r.KeyName(unhex(t, golden))
		require.NoError(t, err)
		require.Equal(t, "k-2026", got)
		require.NotPanics(t, func() { shown(r) }, name)
	}
}

func TestEndedContext(t *testing.T) {
	r := parse(t, "k-2026:"+key1)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for want, ctx := range map[error]context.Context{context.Canceled: ended, context.DeadlineExceeded: late} {
		sealed, err := r.Seal(ctx, []byte(goldenPlain), goldenBinding)
		require.ErrorIs(t, err, want)
		require.Nil(t, sealed)
		got, err := r.Open(ctx, unhex(t, golden), goldenBinding)
		require.ErrorIs(t, err, want)
		require.Nil(t, got)
	}
}

// What is returned is the caller's, and what was given stays as it was.
func TestNothingIsShared(t *testing.T) {
	r := parse(t, "k-2026:"+key1)
	plain, sealed := []byte(goldenPlain), unhex(t, golden)
	one, err := r.Seal(context.Background(), plain, goldenBinding)
	require.NoError(t, err)
	clear(one)
	got, err := r.Open(context.Background(), sealed, goldenBinding)
	require.NoError(t, err)
	clear(got)
	require.Equal(t, goldenPlain, string(plain))
	require.Equal(t, golden, hex.EncodeToString(sealed))
	requireOpens(t, r, goldenPlain, sealed, goldenBinding)
	requireOpens(t, r, goldenPlain, seal(t, r, goldenPlain, goldenBinding), goldenBinding)
}

func TestConcurrentUse(t *testing.T) {
	r := parse(t, "k2:"+key2+" k-2026:"+key1)
	text := r.Reveal()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			b := keyring.Binding{Purpose: "p", Account: fmt.Sprint(i)}
			for range 50 {
				sealed, err := r.Seal(context.Background(), []byte(b.Account), b)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := r.Open(context.Background(), sealed, b)
				if err != nil || string(got) != b.Account || r.Reveal() != text || r.Primary() != "k2" {
					t.Errorf("%d: %q, %v", i, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// shown is v in every form in which a value gets into a log, an error or a document by accident.
func shown(v any) string {
	type nested struct {
		Public  any
		private any
	}
	var out bytes.Buffer
	for _, x := range []any{v, &v, []any{v}, map[string]any{"k": v}, nested{v, v}, &nested{v, v}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%o", "%b", "%p", "%e", "%t", "%U"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		fmt.Fprintln(&out, x, fmt.Errorf("wrapped: %v", x))
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", x, slog.Group("g", "v", x))
	}
	return out.String()
}

// requireHidden refuses every spelling of the keys and their bytes.
func requireHidden(t testing.TB, out string) {
	t.Helper()
	require.NotEmpty(t, out)
	for _, encoded := range []string{key1, key2} {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		require.NoError(t, err)
		for _, part := range [][]byte{raw[:6], raw[12:18], raw[26:]} {
			for _, form := range []string{
				string(part), fmt.Sprint(part), fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), fmt.Sprintf("%q", part), fmt.Sprintf("%#v", part),
				strings.Trim(fmt.Sprint(part), "[]"), strings.Trim(fmt.Sprintf("%o", part), "[]"), strings.Trim(fmt.Sprintf("%b", part), "[]"),
				strings.Trim(fmt.Sprintf("%q", part), `"`), base64.RawStdEncoding.EncodeToString(part), base64.RawURLEncoding.EncodeToString(part),
			} {
				require.NotContains(t, out, form)
			}
		}
	}
}

func TestRingIsRedacted(t *testing.T) {
	r := parse(t, "k1:"+key1+" k2:"+key2)
	for _, v := range []any{
		r, *r, &r, struct{ Ring keyring.Ring }{*r}, struct{ ring keyring.Ring }{*r}, struct{ ring *keyring.Ring }{r},
		struct{ s keyring.Sealer }{r}, []keyring.Ring{*r}, map[string]keyring.Ring{"": *r},
	} {
		requireHidden(t, shown(v))
	}
	require.Equal(t, "[redacted] [redacted]", fmt.Sprint(r, *r))

	type pointer struct{ R *keyring.Ring }
	type value struct{ R keyring.Ring }
	for _, v := range []any{r, *r, pointer{r}, value{*r}} {
		_, err := json.Marshal(v)
		require.ErrorContains(t, err, "Reveal")
		_, err = xml.Marshal(v)
		require.ErrorContains(t, err, "Reveal")
		require.ErrorContains(t, gob.NewEncoder(&bytes.Buffer{}).Encode(v), "Reveal")
	}
	_, err := r.MarshalText()
	require.Error(t, err)
}

// Only the values made above open, and only under the binding they were made for.
func FuzzOpen(f *testing.F) {
	r := parse(f, "new:"+key2+" k-2026:"+key1)
	known := map[string]string{}
	for sealed, plain := range map[string]string{golden: goldenPlain, goldenEmpty: ""} {
		known[string(unhex(f, sealed))] = plain
		f.Add(unhex(f, sealed), goldenBinding.Purpose, goldenBinding.Account, goldenBinding.Item)
	}
	f.Add(unhex(f, golden), goldenBinding.Purpose+goldenBinding.Account, "", goldenBinding.Item)
	f.Add([]byte("\x01\x03new"), "", "", "")
	f.Add([]byte("\x01\x03old"), "", strings.Repeat("x", 1025), "")
	f.Add([]byte("\x01\x03new"+strings.Repeat("\x00", 28)), "", "", "")
	f.Add([]byte{}, "", "", "")
	f.Fuzz(func(t *testing.T, sealed []byte, purpose, account, item string) {
		b := keyring.Binding{Purpose: purpose, Account: account, Item: item}
		before := string(sealed)
		got, err := r.Open(context.Background(), sealed, b)
		require.Equal(t, before, string(sealed))
		plain, genuine := known[before]
		if genuine && b == goldenBinding {
			require.NoError(t, err)
			require.Equal(t, plain, string(got))
			return
		}
		require.Nil(t, got)
		name, nameErr := r.KeyName(sealed)
		if nameErr == nil && name != "new" && name != "k-2026" {
			require.ErrorIs(t, err, keyring.ErrUnknownKey)
			return
		}
		require.ErrorIs(t, err, keyring.ErrOpen)
	})
}
