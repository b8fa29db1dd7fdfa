package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// find returns all tokens in what is read, as text.
func find(t testing.TB, brand string, from io.Reader) (all []string) {
	t.Helper()
	for token, err := range tokens.Find(brand, from) {
		require.NoError(t, err)
		all = append(all, token.Reveal())
	}
	return all
}

// every replaces each symbol of a token, or each '_' alone.
func every(s string, f func(c byte) string) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteString(f(s[i]))
	}
	return out.String()
}

func underscores(s, by string) string { return strings.ReplaceAll(s, "_", by) }

// between has something at some places within a token: after the brand's first symbol, around '_', in the body.
func between(s, what string) string {
	return s[:1] + what + s[1:4] + what + s[4:9] + what + s[9:40] + what + s[40:]
}

func lines(s string, width int, end string) string {
	var out []string
	for len(s) > width {
		out, s = append(out, s[:width]), s[width:]
	}
	return strings.Join(append(out, s), end)
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func utf16Text(s string, mark, big bool) string {
	units := utf16.Encode([]rune(s))
	if mark {
		units = slices.Insert(units, 0, 0xfeff)
	}
	var out []byte
	for _, u := range units {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// forms are those in which tokens are met. Each has the token once.
var forms = map[string]func(s string) string{
	// What stands before and after does not matter.
	"alone":                  func(s string) string { return s },
	"a header":               func(s string) string { return "Authorization: Bearer " + s + "\r\n" },
	"an assignment":          func(s string) string { return "ACME_TOKEN=" + s },
	"a variable":             func(s string) string { return "TOKEN_" + s + "_X" },
	"within a word":          func(s string) string { return "x9" + s + "9x" },
	"a URL's password":       func(s string) string { return "https://git:" + s + "@host/x.git" },
	"JSON, after a newline":  func(s string) string { return quoted("token:\n" + s) },
	"a query":                func(s string) string { return "/?next=token%3D" + s + "%26x" },
	"a query, a space":       func(s string) string { return "Bearer%20" + s },
	"a query, twice":         func(s string) string { return url.QueryEscape(url.QueryEscape("/?a=" + s + "&b")) },
	"behind its own prefix":  func(s string) string { return s[:20] + s },
	"behind a cut one":       func(s string) string { return s[:40] + "\n" + s },
	"behind letters alike":   func(s string) string { return "acacmacme" + s },
	"in ANSI colors":         func(s string) string { return "\x1b[01;31m\x1b[K" + s + "\x1b[m\x1b[K" },
	"in HTML":                func(s string) string { return "<code>" + s + "</code>" },
	"in a shell's trace":     func(s string) string { return "+ curl -H $'token: " + s + "\\n'" },
	"in a binary":            func(s string) string { return "\x00\x01\xff" + s + "\x00\xff" },
	"in UTF-16LE":            func(s string) string { return utf16Text("a token: "+s+".\r\n", false, false) },
	"in UTF-16BE":            func(s string) string { return utf16Text("a token: "+s+".\r\n", false, true) },
	"in UTF-16LE with a BOM": func(s string) string { return utf16Text(s, true, false) },
	"in UTF-16BE with a BOM": func(s string) string { return utf16Text(s, true, true) },
	"in UTF-32":              func(s string) string { return every(s, func(c byte) string { return "\x00\x00\x00" + string(c) }) },

	// Escapes within it.
	"JSON, each '_'":           func(s string) string { return `{"a":"` + underscores(s, `\u005f`) + `"}` },
	"JSON, every symbol":       func(s string) string { return every(s, func(c byte) string { return fmt.Sprintf(`\u%04X`, c) }) },
	"JSON in JSON":             func(s string) string { return quoted(quoted("a\n" + underscores(s, `\u005f`) + "\n")) },
	"a string's \\x":           func(s string) string { return underscores(s, `\x5f`) },
	"Markdown":                 func(s string) string { return "**" + underscores(s, `\_`) + "**" },
	"Markdown in JSON":         func(s string) string { return quoted(underscores(s, `\_`)) },
	"percent, each '_'":        func(s string) string { return "token%3D" + underscores(s, "%5F") },
	"percent, each '_', twice": func(s string) string { return "token%253D" + underscores(s, "%255f") },
	"percent, thrice":          func(s string) string { return underscores(s, "%25255F") },
	"percent, every symbol":    func(s string) string { return every(s, func(c byte) string { return fmt.Sprintf("%%%02x", c) }) },
	"percent, the middle":      func(s string) string { return s[:30] + fmt.Sprintf("%%%02X", s[30]) + s[31:] },
	"HTML, decimal":            func(s string) string { return underscores(s, "&#95;") },
	"HTML, hexadecimal":        func(s string) string { return every(s, func(c byte) string { return fmt.Sprintf("&#x%x;", c) }) },
	"HTML, by name":            func(s string) string { return underscores(s, "&lowbar;") },
	"HTML, twice":              func(s string) string { return html.EscapeString(underscores(s, "&#95;")) },
	"HTML in JSON":             func(s string) string { return quoted(html.EscapeString(underscores(s, "&#95;"))) },
	"quoted-printable":         quotedPrintable,
	"quoted-printable, '_'":    func(s string) string { return "a token=" + underscores(s, "=5F") },
	"percent in quoted-printable": func(s string) string {
		return "next=3D" + underscores(s, "=255F")
	},
	"quoted-printable, a break everywhere": func(s string) string {
		return every(s, func(c byte) string { return string(c) + "=\r\n" })
	},

	// What programs put between its symbols.
	"colors":              func(s string) string { return between(s, "\x1b[1;38;5;196m\x1b[K") },
	"colors in JSON":      func(s string) string { return quoted(between(s, "\x1b[31m")) },
	"highlights":          func(s string) string { return between(s, `</em><em class="hit">`) },
	"word breaks":         func(s string) string { return between(s, "<wbr>") },
	"zero-width spaces":   func(s string) string { return between(s, "\u200b") },
	"... in JSON":         func(s string) string { return between(s, `\u200b`) },
	"... in HTML":         func(s string) string { return between(s, "&#8203;&shy;") },
	"wrapped lines":       func(s string) string { return lines(s, 40, "\n") },
	"wrapped, indented":   func(s string) string { return lines(s, 24, "\r\n      ") },
	"wrapped, with tabs":  func(s string) string { return lines(s, 24, "\n\t\t") },
	"... and in JSON":     func(s string) string { return quoted(lines(s, 24, "\n\t\t")) },
	"wrapped, by CR":      func(s string) string { return lines(s, 24, "\r") },
	"wrapped, in a reply": func(s string) string { return "> > " + lines(s, 24, "\n> > ") },
	"wrapped, in a shell": func(s string) string { return lines(s, 24, "\\\n") },
	"wrapped, in JSON":    func(s string) string { return quoted(lines(s, 24, "\r\n")) },

	// Encodings.
	"Basic":          func(s string) string { return "Authorization: Basic " + b64("user:"+s) },
	"Basic, no user": func(s string) string { return "Basic " + b64(s+":") },
	"Basic, URL":     func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("ü?>:" + s + "ü?>")) },
	"Basic, percent": func(s string) string { return url.QueryEscape(b64("ü?>~" + s + "ü?>~")) },
	"base64, in a word": func(s string) string {
		return "/blob/xy" + b64("ab"+s) + "/z"
	},
	"base64 of JSON":           func(s string) string { return b64(`{"a":"` + underscores(s, `\u005f`) + `"}`) },
	"base64 of UTF-16":         func(s string) string { return "powershell -enc " + b64(utf16Text("$t='"+s+"'", false, false)) },
	"base64 in JSON, in lines": func(s string) string { return quoted(lines(b64(strings.Repeat("x", 50)+s), 60, "\n")) },
	"base64 with \\/": func(s string) string {
		return strings.NewReplacer("/", `\/`, "+", `\u002b`).Replace(b64("??>>~~" + s + "??>>~~"))
	},
	"base64 in MIME":     func(s string) string { return lines(b64(strings.Repeat("a mail\r\n", 20)+s+"\r\n"), 76, "\r\n") },
	"base64 in YAML":     func(s string) string { return "  a: |\n    " + lines(b64("x: "+s), 64, "\n    ") },
	"base64 twice":       func(s string) string { return b64(`{"auth":"` + b64("user:"+s) + `"}`) },
	"hexadecimal":        func(s string) string { return `\x` + hex.EncodeToString([]byte("a "+s)) },
	"hexadecimal, upper": func(s string) string { return "0x" + strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"hexadecimal of it":  func(s string) string { return hex.EncodeToString([]byte(b64("ab" + s))) },
	"base64 of an escape": func(s string) string {
		return b64("next=" + every(s, func(c byte) string { return fmt.Sprintf("%%%x", c) }))
	},
}

func quotedPrintable(s string) string {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	fmt.Fprintf(w, "Hello, this is the token that you have asked for = %s. Keep it.\r\n", s)
	_ = w.Close()
	return out.String()
}

// Row F2: a token is found in whatever form it is met, once, wherever a buffer ends, at any offset. With a wrong checksum
// it is not, in any of them.
func TestFind(t *testing.T) {
	require.GreaterOrEqual(t, len(forms), 60)
	for _, brand := range []string{"acme", "acmecorporation1"} {
		text := tokens.Generate(brand, tokens.Personal).Reveal()
		wrong := []byte(text)
		wrong[50] = "01"[(wrong[50]&1)^1]
		if string(wrong) == text {
			wrong[50] = '2'
		}
		for name, form := range forms {
			whole := form(text)
			require.NotEmpty(t, whole)
			for _, in := range []string{whole, "x" + whole, "ab" + whole + "b", "\xff\xfe " + whole + " "} {
				require.Equal(t, []string{text}, find(t, brand, strings.NewReader(in)), name)
			}
			require.Equal(t, []string{text}, find(t, brand, iotest.OneByteReader(strings.NewReader(whole))), name)
			require.Equal(t, []string{text}, find(t, brand, iotest.DataErrReader(iotest.HalfReader(strings.NewReader(whole)))), name)
			require.Empty(t, find(t, brand, strings.NewReader(form(string(wrong)))), name)
			require.Empty(t, find(t, "acm", strings.NewReader(whole)), name)
			// One behind the other, in different forms.
			require.Equal(t, []string{text, text, text}, find(t, brand, strings.NewReader(whole+"\n"+text+" "+whole)), name)
		}
	}
}

// The ends of buffers are at every place of a token, in every form.
func TestFindAcrossBuffers(t *testing.T) {
	text := tokens.Generate("acme", tokens.Machine).Reveal()
	for name, form := range forms {
		whole := form(text)
		for _, size := range []int{1 << 12, 1 << 16} {
			for at := 0; at <= len(whole); at += 31 {
				in := strings.Repeat(" ", size-at) + whole + " and more"
				require.Equal(t, []string{text}, find(t, "acme", strings.NewReader(in)), "%s at %d of %d", name, at, size)
			}
		}
	}
}

// Several tokens are yielded in their order, those that occur twice twice, also with nothing between them and
// where the groups of base64 overlap.
func TestFindAll(t *testing.T) {
	var all []string
	for range 50 {
		all = append(all, tokens.Generate("ac", "b0t").Reveal())
	}
	all = append(all, all[:10]...)
	for name, f := range map[string]func(string) string{
		"plain": strings.Clone, "base64": b64, "hexadecimal": func(s string) string { return hex.EncodeToString([]byte(s)) },
		"base64 of base64": func(s string) string { return b64(b64(s)) }, "lines of base64": func(s string) string { return lines(b64(s), 76, "\r\n") },
	} {
		for _, between := range []string{"", "\n", "; ", "acac"} {
			require.Equal(t, all, find(t, "ac", strings.NewReader(f("acx"+strings.Join(all, between)+"ac_"))), "%s, %q", name, between)
		}
	}
}

// What looks like a token at first, and what is said not to be found.
func TestFindNothing(t *testing.T) {
	text := tokens.Generate("acme", tokens.Personal).Reveal()
	for name, in := range map[string]string{
		"nothing": "", "a brand": "acme", "a prefix": "acme_pat_", "cut": text[:71], "without its beginning": text[1:],
		"in capitals": strings.ToUpper(text), "another brand": tokens.Generate("acne", tokens.Personal).Reveal(),
		"other text within": text[:40] + "..." + text[40:], "a space within": text[:40] + " " + text[40:],
		"a word within": text[:40] + "\nand\n" + text[40:], "percent that is none": strings.ReplaceAll(text, "_", "%5G"),
		"four layers": strings.ReplaceAll(text, "_", "%2525255F"), "base64 thrice": b64(b64(b64(text))),
		"spread too far":   every(text, func(c byte) string { return string(c) + strings.Repeat("<"+strings.Repeat("b", 60)+">", 1) }),
		"too much between": text[:40] + strings.Repeat("\n", 100) + text[40:], "reversed": func() string {
			b := []byte(text)
			slices.Reverse(b)
			return string(b)
		}(),
	} {
		require.Empty(t, find(t, "acme", strings.NewReader(in)), name)
		require.Empty(t, find(t, "acme", strings.NewReader(in+strings.Repeat(" ", 1<<17))), name)
	}
}

// A token is yielded when its last byte is there, though the text goes on: a log is watched like that.
func TestFindAtOnce(t *testing.T) {
	r, w := io.Pipe()
	one, two := tokens.Generate("acme", tokens.Personal).Reveal(), tokens.Generate("acme", tokens.Personal).Reveal()
	go func() { _, _ = io.WriteString(w, "a line with "+one) }()
	var got []string
	for token, err := range tokens.Find("acme", r) {
		require.NoError(t, err)
		if got = append(got, token.Reveal()); len(got) == 2 {
			break // the rest is not read
		}
		go func() { _, _ = io.WriteString(w, "\nand "+b64("x"+two+"  ")) }()
	}
	require.Equal(t, []string{one, two}, got)
}

// What could go on when the text ends does not hide a token within it: here an HTML tag that never ends, in base64 behind
// which the token stands.
func TestFindAtTheEnd(t *testing.T) {
	for range 20 {
		text := tokens.Generate("zzzz", tokens.Personal).Reveal()
		require.Equal(t, []string{text}, find(t, "zzzz", strings.NewReader(b64("zzzz_pat_ABC")+text)))
	}
}

func TestFindFaults(t *testing.T) {
	text := tokens.Generate("acme", tokens.Personal).Reveal()
	trouble := errors.New("trouble")
	var got []string
	var fault error
	for token, err := range tokens.Find("acme", io.MultiReader(strings.NewReader(text+" acm"), iotest.ErrReader(trouble))) {
		require.NoError(t, fault, "an error is the last")
		if fault = err; err == nil {
			got = append(got, token.Reveal())
		} else {
			require.Equal(t, tokens.Token{}, token)
		}
	}
	require.Equal(t, trouble, fault)
	require.Equal(t, []string{text}, got, "what was read before counts")

	halting := &reads{}
	for range 200 {
		*halting = append(*halting, reads{{"x", nil}, {"", nil}}...)
	}
	*halting = append(*halting, reads{{text, nil}}...)
	require.Equal(t, []string{text}, find(t, "acme", halting), "nothing now and then")

	// An error that comes with the last bytes, and is not told again; a reader that now and then reads nothing, and one that
	// never reads anything.
	for want, r := range map[error]io.Reader{
		trouble: &reads{{text, trouble}}, io.ErrUnexpectedEOF: &reads{{text[:9], nil}, {text[9:], io.ErrUnexpectedEOF}},
		nil: &reads{{text[:40], nil}, {"", nil}, {"", nil}, {text[40:], nil}, {"", nil}}, io.ErrNoProgress: io.MultiReader(strings.NewReader(text), idle{}),
	} {
		var got []string
		var fault error
		for token, err := range tokens.Find("acme", r) {
			if fault = err; err == nil {
				got = append(got, token.Reveal())
			}
		}
		require.Equal(t, want, fault)
		require.Equal(t, []string{text}, got, "%v", want)
	}

	for _, brand := range []string{"", "a", "Acme", "ac_me", "acme_", "{cme", "`cme", "1acme", strings.Repeat("a", 17)} {
		n := 0
		for token, err := range tokens.Find(brand, iotest.ErrReader(trouble)) {
			require.Equal(t, tokens.Token{}, token)
			require.ErrorIs(t, err, tokens.ErrInvalid, "%q, before anything is read", brand)
			n++
		}
		require.Equal(t, 1, n)
	}
	for token := range tokens.Find("acme", strings.NewReader(text)) {
		require.Equal(t, "[redacted]", fmt.Sprint(token))
	}
}

// reads is what a reader answers, one after the other, and then io.EOF.
type reads []struct {
	text string
	err  error
}

func (r *reads) Read(b []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	now := (*r)[0]
	*r = (*r)[1:]
	return copy(b, now.text), now.err
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func FuzzFind(f *testing.F) {
	text := tokens.Generate("acme", tokens.Personal).Reveal()
	for _, form := range forms {
		f.Add([]byte(form(text)), uint16(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint16) {
		var got []string
		for token, err := range tokens.Find("acme", bytes.NewReader(in)) {
			require.NoError(t, err)
			_, err := tokens.Parse("acme", token.Reveal())
			require.NoError(t, err)
			got = append(got, token.Reveal())
		}
		require.LessOrEqual(t, len(got), len(in)/70)
		require.Equal(t, got, find(t, "acme", &stepped{in, int(step)%len64(in) + 1}), "wherever it is cut")
		require.Less(t, tokens.Work("acme", in), 20_000*(len(in)+1))
		for _, plain := range regexp.MustCompile(tokens.Pattern("acme")).FindAllString(string(in), -1) {
			if _, err := tokens.Parse("acme", plain); err == nil {
				require.Contains(t, got, plain, "what a scanner finds")
			}
		}
	})
}

func len64(b []byte) int { return min(len(b), 64) + 1 }

// stepped reads some bytes at a time.
type stepped struct {
	rest []byte
	step int
}

func (s *stepped) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), s.step)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Row F2: the expression for scanners finds a token whatever stands before and after it, with the engine of Go and
// of gitleaks and trufflehog (RE2), and with PCRE where grep has it.
func TestPatternForScanners(t *testing.T) {
	text := tokens.Generate("acme", tokens.Personal).Reveal()
	pattern := tokens.Pattern("acme")
	re2 := regexp.MustCompile(pattern)
	_, err := exec.Command("grep", "-P", "x", "/dev/null").CombinedOutput()
	var exit *exec.ExitError
	pcre := err == nil || errors.As(err, &exit) && exit.ExitCode() == 1
	for _, around := range []string{"*", "x*x", "_*_", `{"a":"x\n*"}`, "token%3D*%26", "9*9", "Bearer *\r", "acme_pat_*", "acme_*"} {
		in := strings.Replace(around, "*", text, 1)
		require.Equal(t, []string{text}, re2.FindAllString(in, -1), around)
		if pcre {
			grep := exec.Command("grep", "-oP", "-e", pattern)
			grep.Stdin = strings.NewReader(in)
			out, err := grep.Output()
			require.NoError(t, err, around)
			require.Equal(t, text+"\n", string(out), around)
		}
	}
	for _, other := range []string{text[:len(text)-1], tokens.Generate("acne", tokens.Personal).Reveal(), strings.ToUpper(text), text[:20] + "-" + text[21:]} {
		require.Empty(t, re2.FindString(other))
	}
}
