package keyring_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/keyring"
)

func TestParse(t *testing.T) {
	both := "k1:" + key1 + "\nk2:" + key2
	long := strings.Repeat("z", 32)
	for name, c := range map[string]struct{ in, out string }{
		"one":                   {"k1:" + key1, "k1:" + key1},
		"lines":                 {both, both},
		"last line ended":       {both + "\n", both},
		"CRLF":                  {"k1:" + key1 + "\r\nk2:" + key2 + "\r\n", both},
		"CR":                    {"# old\rk1:" + key1 + "\rk2:" + key2, both},
		"comma":                 {"k1:" + key1 + ",k2:" + key2, both},
		"space":                 {"k1:" + key1 + " k2:" + key2, both},
		"all at once":           {"\n,, \t k1:" + key1 + " , \r\n\t,k2:" + key2 + ",,\n ", both},
		"comments":              {"# keys\n#\nk1:" + key1 + " # new\n#k9:" + key1 + "\nk2:" + key2 + "#old, k3:x\n# end", both},
		"anything in a comment": {"# \x00 \xff ü : , #\nk1:" + key1, "k1:" + key1},
		"the order counts":      {"k2:" + key2 + " k1:" + key1, "k2:" + key2 + "\nk1:" + key1},
		"names":                 {"0:" + key1 + " a.b_c-9:" + key2, "0:" + key1 + "\na.b_c-9:" + key2},
		"longest name":          {long + ":" + key1, long + ":" + key1},
		"64 KiB":                {"k1:" + key1 + strings.Repeat(" ", 64<<10-3-len(key1)), "k1:" + key1},
	} {
		r, err := keyring.Parse(c.in)
		require.NoError(t, err, name)
		require.Equal(t, c.out, r.Reveal(), name)
		require.Equal(t, c.out[:strings.Index(c.out, ":")], r.Primary(), name)
	}
}

func TestParseRefuses(t *testing.T) {
	n := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", n))) }
	const (
		noKeys   = "no keys"
		noColon  = "is not name:key"
		badName  = "its name is not"
		badKey   = "not standard base64 with padding"
		tooLong  = "more than 65536 bytes"
		sameName = "key 2 has the name of key 1"
		sameKey  = "key 2 is key 1 under another name"
	)
	good := "k1:" + key1
	for name, c := range map[string]struct{ in, reason string }{
		"empty":                      {"", noKeys},
		"separators alone":           {" \t\r\n,,", noKeys},
		"a comment alone":            {"# " + good, noKeys},
		"all commented out":          {"#" + good + "\r\n#k2:" + key2, noKeys},
		"a key alone":                {key1, noColon},
		"a name alone":               {"k1", noColon},
		"a key after the space":      {"k1: " + key1, "key 1 has 0 bytes, not 32"},
		"a name before the space":    {"k1 :" + key1, noColon},
		"equals for colon":           {"k1=" + key1, noColon},
		"semicolon for comma":        {good + ";k2:" + key2, badKey},
		"NUL":                        {"\x00", noColon},
		"NUL before":                 {"\x00" + good, badName},
		"NUL after":                  {good + "\x00", badKey},
		"NUL for comma":              {good + "\x00k2:" + key2, badKey},
		"invalid UTF-8":              {"\xff\xfe:" + key1, badName},
		"invalid UTF-8 in the key":   {"k1:\xff" + key1[1:], badKey},
		"byte order mark":            {"\ufeff" + good, "byte order mark"},
		"byte order mark inside":     {good + "\n\ufeffk2:" + key2, badName},
		"UTF-16":                     {"k\x001\x00:\x00" + key1, badKey},
		"no-break space":             {good + "\u00a0k2:" + key2, badKey},
		"line separator":             {good + "\u2028k2:" + key2, badKey},
		"vertical tab":               {good + "\vk2:" + key2, badKey},
		"no name":                    {":" + key1, badName},
		"capital":                    {"K1:" + key1, badName},
		"name begins with a dot":     {".k:" + key1, badName},
		"name begins with a dash":    {"-k:" + key1, badName},
		"name of 33":                 {strings.Repeat("k", 33) + ":" + key1, badName},
		"other letters":              {"ключ:" + key1, badName},
		"other digits":               {"k\u0661:" + key1, badName},
		"slash":                      {"a/b:" + key1, badName},
		"sign":                       {"+k:" + key1, badName},
		"key and name turned about":  {key1 + ":k1", badKey},
		"key for name":               {key1 + ":" + key2, badName},
		"quotation marks":            {`"` + good + `"`, badKey},
		"name in quotation marks":    {`"k1":` + key1, badName},
		"a shell's assignment":       {"KEYS=" + good, badName},
		"JSON":                       {`{"k1":"` + key1 + `"}`, badKey},
		"no key":                     {"k1:", "key 1 has 0 bytes, not 32"},
		"16 bytes":                   {"k1:" + n(16), "key 1 has 16 bytes, not 32"},
		"31 bytes":                   {"k1:" + n(31), "key 1 has 31 bytes, not 32"},
		"33 bytes":                   {"k1:" + n(33), "key 1 has 33 bytes, not 32"},
		"64 bytes":                   {"k1:" + n(64), "key 1 has 64 bytes, not 32"},
		"the second has 31":          {good + "\nk2:" + n(31), "key 2 has 31 bytes, not 32"},
		"no padding":                 {strings.TrimRight(good, "="), badKey},
		"too much padding":           {good + "=", badKey},
		"padding alone":              {"k1:====", badKey},
		"bits left over":             {"k1:" + key1[:42] + "9=", badKey},
		"URL alphabet":               {"k1:" + strings.Repeat("-_", 21) + "8=", badKey},
		"hexadecimal":                {"k1:" + strings.Repeat("0a", 32), "key 1 has 48 bytes, not 32"},
		"a second colon":             {"k1::" + key1, badKey},
		"something after the key":    {good + ":k2", badKey},
		"two keys run together":      {good + key2, badKey},
		"the same name":              {good + " k1:" + key2, sameName},
		"the same entry":             {good + "\n" + good, "key 2 is key 1"},
		"the same key":               {good + ",k2:" + key1, sameKey},
		"a good key before a bad":    {good + " k2", "key 2 is not name:key"},
		"64 KiB and one":             {good + strings.Repeat(" ", 64<<10-len(good)+1), tooLong},
		"1 MiB of spaces":            {strings.Repeat(" ", 1<<20), tooLong},
		"1 MiB of one key":           {"k1:" + strings.Repeat("A", 1<<20), tooLong},
		"1 MiB of keys":              {strings.Repeat(good+"\n", 1<<20/48), tooLong},
		"64 KiB of colons":           {strings.Repeat(":", 64<<10), badKey},
		"64 KiB of one key":          {"k1:" + strings.Repeat("A", 64<<10-4), "key 1 has 49149 bytes, not 32"},
		"64 KiB of names":            {strings.Repeat("k ", 32<<10), noColon},
		"full-width colon":           {"k1：" + key1, noColon},
		"percent-encoded line feed":  {good + "%0Ak2:" + key2, badKey},
		"comment sign in the middle": {"k1:" + key1[:20] + "#" + key1[20:], "key 1 has 15 bytes, not 32"},
	} {
		require.NotEmpty(t, c.reason, name)
		r, err := keyring.Parse(c.in)
		require.ErrorIs(t, err, keyring.ErrKeys, name)
		require.ErrorContains(t, err, c.reason, name)
		require.Nil(t, r, name)
		requireHidden(t, err.Error())
		require.Less(t, len(err.Error()), 150, name)
		for _, word := range strings.FieldsFunc(c.in, func(r rune) bool { return strings.ContainsRune(" ,\r\n:#", r) }) {
			if len(word) > 3 && word != "other" {
				require.NotContains(t, err.Error(), word, "%s: the error shows the input", name)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "#", ",", "k1:" + key1, "k1:" + key1 + "\nk2:" + key2, "k1:" + key1 + ",k1:" + key2, "# c\r\na.b:" + key2 + " #\n",
		"k1:" + key1[:42] + "9=", "\ufeffk1:" + key1, "k1:\xff", key1, "K:" + key1, "k1:" + key1 + "\x00",
	} {
		f.Add(s)
	}
	line := regexp.MustCompile(`\A[a-z0-9][a-z0-9._-]{0,31}:([A-Za-z0-9+/]{43}=)\z`)
	f.Fuzz(func(t *testing.T, in string) {
		r, err := keyring.Parse(in)
		if err != nil {
			require.ErrorIs(t, err, keyring.ErrKeys)
			require.Nil(t, r)
			require.Less(t, len(err.Error()), 150)
			return
		}
		// What is read is what is written: without comments and separators nothing is left over.
		shown := r.Reveal()
		var words []string
		for _, l := range regexp.MustCompile(`[\r\n]`).Split(in, -1) {
			l, _, _ = strings.Cut(l, "#")
			for _, w := range regexp.MustCompile(`[ \t,]+`).Split(l, -1) {
				if w != "" {
					words = append(words, w)
				}
			}
		}
		require.Equal(t, strings.Join(words, "\n"), shown)
		names, keys := map[string]bool{}, map[string]bool{}
		for _, w := range words {
			m := line.FindStringSubmatch(w)
			require.NotNil(t, m)
			name, _, _ := strings.Cut(w, ":")
			require.False(t, names[name] || keys[m[1]])
			names[name], keys[m[1]] = true, true
		}
		require.Equal(t, shown, parse(t, shown).Reveal())
	})
}

func TestGenerate(t *testing.T) {
	names, keys := map[string]bool{}, map[string]bool{}
	for range 1000 {
		r := keyring.Generate()
		again := parse(t, r.Reveal())
		require.Equal(t, r.Reveal(), again.Reveal())
		name, key, _ := strings.Cut(r.Reveal(), ":")
		require.Equal(t, name, r.Primary())
		require.False(t, names[name] || keys[key])
		names[name], keys[key] = true, true
	}
	for key := range keys {
		raw, err := base64.StdEncoding.DecodeString(key)
		require.NoError(t, err)
		require.Len(t, raw, 32)
		require.NotContains(t, string(raw), strings.Repeat("\x00", 8))
	}
}

// Row F8: a file that was mounted for the process may be read by its group: it belongs to somebody else. Whom it may belong
// to else, and as whom, internal/secretfile tests.
func TestReadFileThatWasMounted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte("k1:"+key1), 0o440))
	require.NoError(t, os.Chmod(path, 0o440)) // past the umask
	r, err := keyring.ReadFile(path)
	require.ErrorIs(t, err, keyring.ErrKeys)
	require.Nil(t, r, "its own file")
	require.NoError(t, os.Chown(path, 12345, os.Getegid()))
	r, err = keyring.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "k1:"+key1, r.Reveal())
	require.NoError(t, os.Chmod(path, 0o444))
	r, err = keyring.ReadFile(path)
	require.ErrorIs(t, err, keyring.ErrKeys)
	require.ErrorContains(t, err, "everybody")
	require.Nil(t, r)
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode)) // past the umask
		return path
	}
	const text = "# keys\nk1:" + key1 + "\n"
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o700, 0o500, 0o711} {
		r, err := keyring.ReadFile(write(fmt.Sprintf("good-%o", mode), text, mode))
		require.NoError(t, err, "%o", mode)
		require.Equal(t, "k1:"+key1, r.Reveal())
	}
	if runtime.GOOS != "windows" {
		for _, mode := range []fs.FileMode{0o640, 0o620, 0o604, 0o602, 0o660, 0o644, 0o666, 0o440, 0o777} {
			path := write(fmt.Sprintf("bad-%o", mode), text, mode)
			for _, p := range []string{path, path + "-link"} {
				if p != path {
					require.NoError(t, os.Symlink(path, p))
				}
				r, err := keyring.ReadFile(p)
				require.ErrorIs(t, err, keyring.ErrKeys, "%o", mode)
				require.ErrorContains(t, err, fmt.Sprintf("mode %04o", mode))
				require.Nil(t, r)
			}
		}
	}

	for name, c := range map[string]struct{ path, reason string }{
		"empty":     {write("empty", "", 0o600), "no keys"},
		"no key":    {write("nokey", "k1\n", 0o600), "key 1 is not name:key"},
		"too long":  {write("long", text+strings.Repeat("#", 64<<10), 0o600), "more than 65536 bytes"},
		"1 MiB":     {write("1MiB", strings.Repeat("#", 1<<20), 0o600), "more than 65536 bytes"},
		"directory": {dir, "not a regular file"},
		"device":    {os.DevNull, "not a regular file"},
	} {
		r, err := keyring.ReadFile(c.path)
		require.ErrorIs(t, err, keyring.ErrKeys, name)
		require.ErrorContains(t, err, c.reason, name)
		require.Nil(t, r, name)
	}

	for _, path := range []string{filepath.Join(dir, "none"), ""} {
		r, err := keyring.ReadFile(path)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NotErrorIs(t, err, keyring.ErrKeys)
		require.Nil(t, r)
	}
	// Row T3: a file that cannot be read is a fault, and no ring without keys. The last is a regular file of which Linux
	// lets nobody read the first byte.
	unreadable := []string{"a\x00b", strings.Repeat("x", 1<<20)}
	if runtime.GOOS == "linux" {
		unreadable = append(unreadable, "/proc/self/mem")
	}
	if os.Geteuid() != 0 {
		unreadable = append(unreadable, write("closed", text, 0))
	}
	for _, path := range unreadable {
		r, err := keyring.ReadFile(path)
		require.Error(t, err, "%.20q", path)
		require.NotErrorIs(t, err, keyring.ErrKeys, "%.20q", path)
		require.Nil(t, r)
	}
}
