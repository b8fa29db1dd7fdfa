package recovery_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-go/gatehouse/recovery"
)

// cheap is for tests of everything but the cost.
var cheap = recovery.Params{Memory: 8, Time: 1, Threads: 1}

// written is every string that Hash can write, bounds of the numbers aside.
var written = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,4}),t=([1-5]),p=([1-4])\$[A-Za-z0-9+/]{21}[AQgw]\$[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$`)

func hash(t testing.TB, p recovery.Params, c recovery.Code) string {
	t.Helper()
	h, err := p.Hash(c)
	require.NoError(t, err)
	return h
}

func verify(t testing.TB, h string, c recovery.Code) bool {
	t.Helper()
	ok, err := recovery.Verify(h, c)
	require.NoError(t, err)
	return ok
}

func TestParamsBounds(t *testing.T) {
	require.Equal(t, recovery.Params{Memory: 19456, Time: 2, Threads: 1}, recovery.DefaultParams())
	c := parse(t, "K7XQ2M9D4TWB01Z5")
	for _, p := range []recovery.Params{
		recovery.DefaultParams(), cheap, {Memory: 16, Time: 1, Threads: 2}, {Memory: 32, Time: 5, Threads: 4}, {Memory: 9, Time: 1, Threads: 1},
		{Memory: 65536, Time: 1, Threads: 4}, {Memory: 47104, Time: 1, Threads: 1}, {Memory: 7168, Time: 5, Threads: 1},
	} {
		require.NoError(t, p.Check(), "%+v", p)
		h := hash(t, p, c)
		require.Regexp(t, written, h)
		require.NoError(t, recovery.CheckHash(h))
		require.True(t, strings.HasPrefix(h, fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$", p.Memory, p.Time, p.Threads)), h)
		require.True(t, verify(t, h, c))
	}
	for _, p := range []recovery.Params{
		{}, {Time: 1, Threads: 1}, {Memory: 8, Threads: 1}, {Memory: 8, Time: 1},
		{Memory: 7, Time: 1, Threads: 1}, {Memory: 15, Time: 1, Threads: 2}, {Memory: 31, Time: 1, Threads: 4},
		{Memory: 65537, Time: 1, Threads: 1}, {Memory: math.MaxUint32, Time: 1, Threads: 1},
		{Memory: 64, Time: 6, Threads: 1}, {Memory: 64, Time: math.MaxUint32, Threads: 1},
		{Memory: 64, Time: 1, Threads: 5}, {Memory: 65536, Time: 1, Threads: 255},
	} {
		require.ErrorIs(t, p.Check(), recovery.ErrParams, "%+v", p)
		h, err := p.Hash(c)
		require.ErrorIs(t, err, recovery.ErrParams, "%+v", p)
		require.Empty(t, h)
	}
}

func TestHashVerify(t *testing.T) {
	codes := recovery.Generate()
	hashes := map[string]int{}
	for i, c := range codes {
		for range 2 {
			hashes[hash(t, cheap, c)] = i
		}
	}
	require.Len(t, hashes, 2*recovery.Count, "each hash has its own salt")
	for h, i := range hashes {
		plain := strings.ReplaceAll(codes[i].Reveal(), "-", "")
		require.NotContains(t, h, plain)
		require.NotContains(t, h, base64.RawStdEncoding.EncodeToString([]byte(plain)))
		for j, c := range codes {
			require.Equal(t, i == j, verify(t, h, c))
		}
		require.True(t, verify(t, h, parse(t, strings.ToLower(plain))), "the hash is of the canonical form")
	}
}

// All 16 symbols count, the public selector included, and all of their bits.
func TestVerifyEverySymbol(t *testing.T) {
	const plain = "0123456789ABCDEF"
	h := hash(t, cheap, parse(t, plain))
	tried := 0
	for i := range plain {
		for _, symbol := range crockford {
			changed := plain[:i] + string(symbol) + plain[i+1:]
			require.Equal(t, changed == plain, verify(t, h, parse(t, changed)), changed)
			tried++
		}
	}
	require.Equal(t, 16*32, tried)
	for i := range len(plain) - 1 {
		require.False(t, verify(t, h, parse(t, plain[:i]+plain[i+1:i+2]+plain[i:i+1]+plain[i+2:])), "symbols %d and %d swapped", i, i+1)
	}
}

// Every bit of salt and tag counts: a stored hash with any symbol changed verifies nothing.
func TestVerifyEveryBit(t *testing.T) {
	c := parse(t, "K7XQ2M9D4TWB01Z5")
	h := hash(t, cheap, c)
	start := strings.LastIndex(h[:len(h)-44], "$") + 1
	verified := 0
	for i := start; i < len(h); i++ {
		for b := range 256 {
			changed := h[:i] + string([]byte{byte(b)}) + h[i+1:]
			ok, err := recovery.Verify(changed, c)
			if changed == h {
				require.True(t, ok)
				verified++
				continue
			}
			require.False(t, ok, changed)
			if !written.MatchString(changed) {
				require.ErrorIs(t, err, recovery.ErrHash)
			} else {
				require.NoError(t, err)
			}
		}
	}
	require.Equal(t, 22+1+43, verified)
}

func TestZeroCodeIsNeverHashedNorVerified(t *testing.T) {
	h, err := cheap.Hash(recovery.Code{})
	require.ErrorIs(t, err, recovery.ErrCode)
	require.Empty(t, h)

	// The hash of nothing, as another program might have stored it.
	empty := head + salt + "$" + base64.RawStdEncoding.EncodeToString(argon2.IDKey(nil, []byte("somesaltsomesalt"), 1, 8, 1, 32))
	require.NoError(t, recovery.CheckHash(empty))
	require.False(t, verify(t, empty, recovery.Code{}))
	_, err = recovery.Verify("", recovery.Code{})
	require.ErrorIs(t, err, recovery.ErrHash)
}

// head, salt and tag make a hash that is accepted, when put together; the corpus is made of their near
// misses.
const (
	head = "$argon2id$v=19$m=8,t=1,p=1$"
	salt = "c29tZXNhbHRzb21lc2FsdA"
	tag  = "puz1jt+HFQjdTU9yGNiaY5gEF3Qx6gTZVB9CykqzDqA"
)

// hostile is stored text that is refused, each with the reason.
var hostile = map[string]string{
	"empty":                      "",
	"dollar signs alone":         "$$$$$",
	"NUL":                        "\x00",
	"invalid UTF-8":              "\xff\xfe",
	"the code itself":            "K7XQ2M9D4TWB01Z5",
	"head alone":                 head,
	"1 MiB of dollar signs":      strings.Repeat("$", 1<<20),
	"1 MiB of digits":            "$argon2id$v=19$m=" + strings.Repeat("1", 1<<20) + ",t=1,p=1$" + salt + "$" + tag,
	"1 MiB of zeros before m":    "$argon2id$v=19$m=" + strings.Repeat("0", 1<<20) + "8,t=1,p=1$" + salt + "$" + tag,
	"1 MiB of salt":              head + strings.Repeat("A", 1<<20) + "$" + tag,
	"1 MiB of tag":               head + salt + "$" + strings.Repeat("A", 1<<20),
	"1 MiB of line feeds in tag": head + salt + "$" + tag + strings.Repeat("\n", 1<<20),

	"bcrypt":                         "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
	"argon2i":                        "$argon2i$v=19$m=8,t=1,p=1$" + salt + "$" + tag,
	"argon2d":                        "$argon2d$v=19$m=8,t=1,p=1$" + salt + "$" + tag,
	"upper-case name":                "$ARGON2ID$v=19$m=8,t=1,p=1$" + salt + "$" + tag,
	"numbers, salt and tag alone":    "8,t=1,p=1$" + salt + "$" + tag,
	"no first dollar sign":           head[1:] + salt + "$" + tag,
	"version 16, older and weaker":   "$argon2id$v=16$m=8,t=1,p=1$" + salt + "$" + tag,
	"version 0x13":                   "$argon2id$v=0x13$m=8,t=1,p=1$" + salt + "$" + tag,
	"version 019":                    "$argon2id$v=019$m=8,t=1,p=1$" + salt + "$" + tag,
	"version 190":                    "$argon2id$v=190$m=8,t=1,p=1$" + salt + "$" + tag,
	"no version, which means 16":     "$argon2id$m=8,t=1,p=1$" + salt + "$" + tag,
	"version twice":                  "$argon2id$v=19$v=19$m=8,t=1,p=1$" + salt + "$" + tag,
	"version after the parameters":   "$argon2id$m=8,t=1,p=1$v=19$" + salt + "$" + tag,
	"no parameters":                  "$argon2id$v=19$" + salt + "$" + tag,
	"no m":                           "$argon2id$v=19$t=1,p=1$" + salt + "$" + tag,
	"no t":                           "$argon2id$v=19$m=8,p=1$" + salt + "$" + tag,
	"no p":                           "$argon2id$v=19$m=8,t=1$" + salt + "$" + tag,
	"m empty":                        "$argon2id$v=19$m=,t=1,p=1$" + salt + "$" + tag,
	"t empty":                        "$argon2id$v=19$m=8,t=,p=1$" + salt + "$" + tag,
	"p empty":                        "$argon2id$v=19$m=8,t=1,p=$" + salt + "$" + tag,
	"another order":                  "$argon2id$v=19$t=1,m=8,p=1$" + salt + "$" + tag,
	"m twice":                        "$argon2id$v=19$m=8,m=8,t=1,p=1$" + salt + "$" + tag,
	"t twice":                        "$argon2id$v=19$m=8,t=1,t=1,p=1$" + salt + "$" + tag,
	"p twice":                        "$argon2id$v=19$m=8,t=1,p=1,p=1$" + salt + "$" + tag,
	"key ID":                         "$argon2id$v=19$m=8,t=1,p=1,keyid=YQ$" + salt + "$" + tag,
	"associated data":                "$argon2id$v=19$m=8,t=1,p=1,data=YQ$" + salt + "$" + tag,
	"upper-case M":                   "$argon2id$v=19$M=8,t=1,p=1$" + salt + "$" + tag,
	"semicolons":                     "$argon2id$v=19$m=8;t=1;p=1$" + salt + "$" + tag,
	"spaces after commas":            "$argon2id$v=19$m=8, t=1, p=1$" + salt + "$" + tag,
	"space before a number":          "$argon2id$v=19$m= 8,t=1,p=1$" + salt + "$" + tag,
	"line feed after a number":       "$argon2id$v=19$m=8,t=1,p=1\n$" + salt + "$" + tag,
	"plus":                           "$argon2id$v=19$m=+8,t=1,p=1$" + salt + "$" + tag,
	"minus":                          "$argon2id$v=19$m=8,t=-1,p=1$" + salt + "$" + tag,
	"leading zero of m":              "$argon2id$v=19$m=08,t=1,p=1$" + salt + "$" + tag,
	"leading zero of t":              "$argon2id$v=19$m=8,t=01,p=1$" + salt + "$" + tag,
	"leading zero of p":              "$argon2id$v=19$m=8,t=1,p=01$" + salt + "$" + tag,
	"hexadecimal":                    "$argon2id$v=19$m=0x8,t=1,p=1$" + salt + "$" + tag,
	"underscore":                     "$argon2id$v=19$m=1_0,t=1,p=1$" + salt + "$" + tag,
	"exponent":                       "$argon2id$v=19$m=1e3,t=1,p=1$" + salt + "$" + tag,
	"fraction":                       "$argon2id$v=19$m=8.0,t=1,p=1$" + salt + "$" + tag,
	"Arabic-Indic digits":            "$argon2id$v=19$m=\u0668,t=1,p=1$" + salt + "$" + tag,
	"m 0":                            "$argon2id$v=19$m=0,t=1,p=1$" + salt + "$" + tag,
	"t 0, where x/crypto panics":     "$argon2id$v=19$m=8,t=0,p=1$" + salt + "$" + tag,
	"p 0, where x/crypto panics":     "$argon2id$v=19$m=8,t=1,p=0$" + salt + "$" + tag,
	"m under 8 a lane":               "$argon2id$v=19$m=7,t=1,p=1$" + salt + "$" + tag,
	"m under 8 for each of 4 lanes":  "$argon2id$v=19$m=31,t=1,p=4$" + salt + "$" + tag,
	"m over 64 MiB":                  "$argon2id$v=19$m=65537,t=1,p=1$" + salt + "$" + tag,
	"m 2 GiB, RFC 9106's first":      "$argon2id$v=19$m=2097152,t=1,p=4$" + salt + "$" + tag,
	"m 4 TiB":                        "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt + "$" + tag,
	"m wraps around 32 bits to 8":    "$argon2id$v=19$m=4294967304,t=1,p=1$" + salt + "$" + tag,
	"m wraps around 64 bits to 8":    "$argon2id$v=19$m=18446744073709551624,t=1,p=1$" + salt + "$" + tag,
	"t 6":                            "$argon2id$v=19$m=8,t=6,p=1$" + salt + "$" + tag,
	"t four thousand million":        "$argon2id$v=19$m=8,t=4294967295,p=1$" + salt + "$" + tag,
	"t wraps around 32 bits to 1":    "$argon2id$v=19$m=8,t=4294967297,p=1$" + salt + "$" + tag,
	"p 5":                            "$argon2id$v=19$m=64,t=1,p=5$" + salt + "$" + tag,
	"p 255":                          "$argon2id$v=19$m=65536,t=1,p=255$" + salt + "$" + tag,
	"p wraps around 8 bits to 1":     "$argon2id$v=19$m=8,t=1,p=257$" + salt + "$" + tag,
	"no salt":                        head + tag,
	"salt empty":                     head + "$" + tag,
	"salt of 8 bytes":                head + "c29tZXNhbHQ$" + tag,
	"salt of 15 bytes":               head + salt[:20] + "$" + tag,
	"salt of 17 bytes":               head + salt[:21] + "QQ$" + tag,
	"salt of 48 bytes":               head + salt[:20] + salt[:20] + salt[:20] + salt[:4] + "$" + tag,
	"salt padded":                    head + salt + "==$" + tag,
	"salt with bits left over":       head + salt[:21] + "B$" + tag,
	"salt with a line feed":          head + salt[:11] + "\n" + salt[11:] + "$" + tag,
	"salt, line feed for a symbol":   head + salt[:11] + "\n" + salt[12:] + "$" + tag,
	"salt, two line feeds for two":   head + salt[:10] + "\r\n" + salt[12:] + "$" + tag,
	"salt in base64url":              head + "_" + salt[1:] + "$" + tag,
	"salt in bcrypt's base64":        head + "." + salt[1:] + "$" + tag,
	"salt with NUL":                  head + "\x00" + salt[1:] + "$" + tag,
	"no tag":                         head + salt,
	"tag empty, which all would fit": head + salt + "$",
	"tag of 1 byte":                  head + salt + "$pg",
	"tag of 24 bytes":                head + salt + "$" + tag[:32],
	"tag of 31 bytes":                head + salt + "$" + tag[:42],
	"tag of 33 bytes":                head + salt + "$" + tag[:42] + "AA",
	"tag padded":                     head + salt + "$" + tag + "=",
	"tag with bits left over":        head + salt + "$" + tag[:42] + "B",
	"tag, line feed for a symbol":    head + salt + "$" + tag[:20] + "\n" + tag[21:],
	"tag, line feed for the last":    head + salt + "$" + tag[:42] + "\n",
	"tag with a minus":               head + salt + "$" + strings.Replace(tag, "+", "-", 1),
	"line feed after":                head + salt + "$" + tag + "\n",
	"space before":                   " " + head + salt + "$" + tag,
	"NUL after":                      head + salt + "$" + tag + "\x00",
	"another field":                  head + salt + "$" + tag + "$",
	"another hash":                   head + salt + "$" + tag + head + salt + "$" + tag,
}

func TestHostileHashes(t *testing.T) {
	require.NoError(t, recovery.CheckHash(head+salt+"$"+tag), "the corpus is of near misses")
	require.Greater(t, len(hostile), 90)
	c := parse(t, "K7XQ2M9D4TWB01Z5")
	for name, h := range hostile {
		err := recovery.CheckHash(h)
		require.ErrorIs(t, err, recovery.ErrHash, name)
		require.Less(t, len(err.Error()), 120, name)
		for _, part := range []string{salt[:8], tag[:8], "m=8", "K7XQ"} {
			require.NotContains(t, err.Error(), part, "%s: the error shows the hash", name)
		}
		for _, c := range []recovery.Code{c, {}} {
			var ok bool
			spent := allocated(func() { ok, err = recovery.Verify(h, c) })
			require.ErrorIs(t, err, recovery.ErrHash, name)
			require.False(t, ok, name)
			require.Less(t, spent, uint64(8<<10), "%s: less than the least run of Argon2id takes", name)
		}
	}
}

// allocated returns how many bytes f allocates, whether freed again or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A run of Argon2id allocates its memory anew, so what a call allocates says how many runs it made.
func TestOneRun(t *testing.T) {
	const run = 4 << 20
	p := recovery.Params{Memory: run >> 10, Time: 1, Threads: 1}
	right, wrong := parse(t, "K7XQ2M9D4TWB01Z5"), parse(t, "K7XQ2M9D4TWB01Z6")
	var h string
	runs := func(f func()) float64 { return float64(allocated(f)) / run }
	huge := strings.Repeat("0", 1<<20)
	const slack = 0.05
	require.InDelta(t, 1, runs(func() { h = hash(t, p, right) }), slack)
	require.InDelta(t, 1, runs(func() { require.True(t, verify(t, h, right)) }), slack)
	require.InDelta(t, 1, runs(func() { require.False(t, verify(t, h, wrong)) }), slack)
	require.InDelta(t, 0, runs(func() { require.False(t, verify(t, h, recovery.Code{})) }), slack)
	require.InDelta(t, 0, runs(func() { require.NoError(t, recovery.CheckHash(h)) }), slack)
	require.InDelta(t, 0, runs(func() { _, _ = p.Hash(recovery.Code{}) }), slack)
	require.InDelta(t, 0, runs(func() { _, _ = recovery.Parse(huge) }), slack)
	require.InDelta(t, 0, runs(func() { recovery.Generate() }), slack)
}

func FuzzVerify(f *testing.F) {
	for _, h := range hostile {
		if len(h) < 200 {
			f.Add(h)
		}
	}
	f.Add(head + salt + "$" + tag)
	f.Add("$argon2id$v=19$m=64,t=3,p=2$c2l4dGVlbiBieXRlc2FsdA$2Kx9gwtuER36NNqO1WteNNUBn3hvBNDaEBJo8l4x3sg")
	f.Add("$argon2id$v=19$m=65536,t=5,p=4$c2l4dGVlbiBieXRlc2FsdA$2Kx9gwtuER36NNqO1WteNNUBn3hvBNDaEBJo8l4x3sg")
	other := recovery.Generate()[0]
	f.Fuzz(func(t *testing.T, h string) {
		var m, lanes int
		groups := written.FindStringSubmatch(h)
		if groups != nil {
			_, _ = fmt.Sscan(groups[1], &m)
			_, _ = fmt.Sscan(groups[3], &lanes)
		}
		want := groups != nil && m >= 8*lanes && m <= 65536
		err := recovery.CheckHash(h)
		require.Equal(t, want, err == nil)
		if want && m > 64 {
			return // a run would be as right, and slow
		}
		ok, verr := recovery.Verify(h, other)
		require.False(t, ok)
		require.Equal(t, err, verr)
		if err != nil {
			require.ErrorIs(t, err, recovery.ErrHash)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	c := recovery.Generate()[0]
	h := hash(b, recovery.DefaultParams(), c)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := recovery.Verify(h, c); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkCheckHash(b *testing.B) {
	h := hash(b, cheap, recovery.Generate()[0])
	b.ReportAllocs()
	for b.Loop() {
		if err := recovery.CheckHash(h); err != nil {
			b.Fatal(err)
		}
	}
}

// Row F7: what a hash takes is known before it is run.
func TestMemory(t *testing.T) {
	const tail = ",t=2,p=1$c29tZSBzYWx0IG9mIDE2Yg$"
	for hash, want := range map[string]int{
		"$argon2id$v=19$m=19456" + tail: 19 << 20,
		"$argon2id$v=19$m=65536" + tail: 64 << 20,
		"$argon2id$v=19$m=65537" + tail: 0, // is not run
		"$argon2id$v=19$m=-1" + tail:    0,
		"$2b$12$":                       0,
		"":                              0,
	} {
		require.Equal(t, want, recovery.Memory(hash), hash)
	}
}
