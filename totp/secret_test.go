package totp_test

import (
	"encoding/base32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

func encode(n int) string { return base32.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n))) }

func TestParseSecret(t *testing.T) {
	bare20 := "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	padded16 := encode(16)
	bare16 := strings.TrimRight(padded16, "=")
	accepted := map[string]struct{ in, out string }{
		"20 bytes":           {bare20, bare20},
		"lower case":         {strings.ToLower(bare20), bare20},
		"mixed case":         {strings.ToLower(bare20[:7]) + bare20[7:], bare20},
		"groups":             {"gezd gnbv gy3t qojq gezd gnbv gy3t qojq", bare20},
		"spaces around":      {"  " + bare20 + " ", bare20},
		"16 bytes, padded":   {padded16, bare16},
		"16 bytes, unpadded": {bare16, bare16},
		"space in padding":   {bare16 + " = ==  ===", bare16},
		"128 bytes":          {encode(128), strings.TrimRight(encode(128), "=")},
		"every symbol":       {"abcdefghijklmnopqrstuvwxyz234567", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},
		"128 bytes, spaced":  {strings.Join(strings.Split(encode(128), ""), " "), strings.TrimRight(encode(128), "=")},
	}
	for name, c := range accepted {
		s, err := totp.ParseSecret(c.in)
		require.NoError(t, err, name)
		require.Equal(t, c.out, s.Reveal(), name)
	}

	refused := map[string]string{
		"empty":                         "",
		"spaces alone":                  "        ",
		"padding alone":                 "========",
		"0 bytes, NUL":                  "\x00",
		"10 bytes":                      encode(10),
		"15 bytes, 120 bits":            encode(15),
		"129 bytes":                     encode(129),
		"1 MiB":                         strings.Repeat("A", 1<<20),
		"1 MiB of spaces":               strings.Repeat(" ", 1<<20),
		"spaces beyond the limit":       bare20 + strings.Repeat(" ", 512),
		"too little padding":            bare16 + "=====",
		"too much padding":              bare16 + "=======",
		"a group of padding":            bare20 + "========",
		"padding to a wrong place":      bare16 + "==============",
		"padding in the middle":         bare16[:8] + "=" + bare16[8:],
		"symbols after padding":         padded16 + bare20,
		"bits left over":                bare16[:25] + "B",
		"one symbol too many":           bare20 + "A",
		"three symbols too many":        bare20 + "AAA",
		"six symbols too many":          bare20 + "AAAAAA",
		"0, 1, 8, 9 are no symbols":     bare20[:28] + "0189",
		"dashes":                        "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ",
		"line feed":                     bare20 + "\n",
		"line feed inside":              bare20[:16] + "\r\n" + bare20[16:],
		"tab":                           "\t" + bare20,
		"no-break space":                bare20 + "\u00a0",
		"NUL inside":                    bare20[:16] + "\x00" + bare20[16:],
		"dotless i is not I":            strings.Repeat("\u0131", 32),
		"long s is not S":               strings.Repeat("\u017f", 32),
		"full width":                    strings.Repeat("\uff21", 32),
		"invalid UTF-8":                 bare20 + "\xff",
		"hexadecimal":                   "3132333435363738393031323334353637383930",
		"base64":                        "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=",
		"a whole URI":                   "otpauth://totp/A:b?secret=" + bare20,
		"its parameter":                 "secret=" + bare20,
		"plus":                          "+" + bare20,
		"quotation marks":               `"` + bare20 + `"`,
		"percent-encoded spaces inside": "GEZD%20GNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
	}
	for name, in := range refused {
		s, err := totp.ParseSecret(in)
		require.ErrorIs(t, err, totp.ErrSecret, name)
		require.Zero(t, s, name)
		if len(in) > 8 && len(in) < 100 {
			require.NotContains(t, err.Error(), in[:8], "%s: the error shows the input", name)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	for _, s := range []string{
		"", "=", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", encode(16), encode(17), encode(18), encode(19), encode(128),
		"gezd gnbv gy3t qojq gezd gnbv gy3t qojq", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR", "\xff", "AAAAAAAAAAAAAAAAAAAAAAAAAB",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := totp.ParseSecret(in)
		if err != nil {
			require.ErrorIs(t, err, totp.ErrSecret)
			require.Zero(t, s)
			return
		}
		// What is accepted is what encoding/base32 writes for it, up to case, spaces and padding.
		shown := s.Reveal()
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(shown)
		require.NoError(t, err)
		require.True(t, len(raw) >= 16 && len(raw) <= 128)
		typed := strings.ToUpper(strings.ReplaceAll(in, " ", ""))
		require.Contains(t, []string{shown, base32.StdEncoding.EncodeToString(raw)}, typed)
		again, err := totp.ParseSecret(shown)
		require.NoError(t, err)
		require.Equal(t, shown, again.Reveal())
	})
}

func TestGenerateSecret(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := totp.GenerateSecret()
		text := s.Reveal()
		raw, err := base32.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		require.Len(t, raw, 20, "160 bits, counted in bytes and not in symbols")
		require.False(t, seen[text])
		seen[text] = true
		again, err := totp.ParseSecret(text)
		require.NoError(t, err)
		require.Equal(t, text, again.Reveal())
	}
	require.Empty(t, totp.Secret{}.Reveal())
}

func TestParseAlgorithm(t *testing.T) {
	for in, want := range map[string]totp.Algorithm{
		"SHA1": totp.SHA1, "sha1": totp.SHA1, "Sha256": totp.SHA256, "SHA256": totp.SHA256, "sHA512": totp.SHA512,
	} {
		got, err := totp.ParseAlgorithm(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
		require.Equal(t, strings.ToUpper(in), got.String())
	}
	for _, in := range []string{
		"", " ", "SHA", "SHA-1", "SHA-256", "HmacSHA1", "SHA1 ", "\tSHA1", "SHA1\x00", "SHA224", "SHA384", "MD5", "0",
		"\u017fHA1", "\u017fHA256", "SHA\uff11", "SHA\xff", strings.Repeat("SHA1", 1<<18),
	} {
		_, err := totp.ParseAlgorithm(in)
		require.ErrorIs(t, err, totp.ErrParams, "%.20q", in)
	}
	require.Equal(t, "Algorithm(3)", totp.Algorithm(3).String())
	require.Equal(t, "Algorithm(255)", totp.Algorithm(255).String())
}

// notCodes are near misses of a six-digit and an eight-digit code.
func notCodes(code string) []string {
	odd := []string{
		"", " ", code[:len(code)-1], code + "0", "0" + code, code[:1], code[:5],
		" " + code[1:], code[:len(code)-1] + " ", " " + code, code + " ", code + "\n", code + "\r\n", "\t" + code,
		"\u00a0" + code, code + "\u3000", code[:3] + " " + code[3:], code[:3] + "-" + code[3:],
		"+" + code[1:], "-" + code[1:], "+" + code, "-" + code,
		code[:len(code)-1] + "\x00", code + "\x00", code[:len(code)-1] + "\xff", code + "\xff",
		"0x" + code[2:], code[:len(code)-2] + "e1", code[:len(code)-2] + ".5", code[:3] + "_" + code[4:],
		code + code, "null", "[]", strings.Repeat("\x00", len(code)), strings.Repeat(" ", len(code)),
		strings.Repeat("0", 1<<20), code + strings.Repeat(" ", 1<<20),
	}
	for _, zero := range []rune{'\u0966', '\uff10', '\u0660', '\u06f0', '\U0001d7ce'} { // other scripts' digits
		odd = append(odd,
			strings.Map(func(r rune) rune { return zero + r - '0' }, code),
			code[:len(code)-1]+string(zero+rune(code[len(code)-1]-'0')),
			strings.Repeat(string(zero), 2)) // two of three bytes are six bytes
	}
	return odd
}

func TestIsCode(t *testing.T) {
	for _, s := range []string{"000000", "012345", "999999", "00000000", "98765432"} {
		require.True(t, totp.IsCode(s), s)
	}
	for _, s := range append(notCodes("123456"), "1234567", "123456789", "12345/", "12345:") {
		if len(s) == 8 && s == strings.Trim(s, " \n\r\t+-") && strings.Trim(s, "0123456789") == "" {
			continue // "12345600" and the like are codes of the other length
		}
		require.False(t, totp.IsCode(s), "%.20q", s)
	}
}

// Row T3: each byte at each place of a code; '/' and ':' stand beside the digits.
func TestIsCodeByteByByte(t *testing.T) {
	for _, code := range []string{"012345", "01234567"} {
		for i := range len(code) {
			for c := range 256 {
				require.Equal(t, c >= '0' && c <= '9', totp.IsCode(code[:i]+string([]byte{byte(c)})+code[i+1:]))
			}
		}
	}
}
