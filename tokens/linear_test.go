//go:build !race

package tokens_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// hostile are texts that have much of what could begin a token, and nothing that is one.
func hostile() map[string]string {
	text := tokens.Generate("aa", tokens.Personal).Reveal()
	all := map[string]string{
		"0": "\x00", "brand": "a", "prefix": "aa_", "kind": "aa_pat_", "all but the end": text[:len(text)-1] + "~", "in base64": b64(text[:len(text)-1]),
		"in lines": strings.Join(strings.Split(text[:len(text)-1], ""), "\n") + "~", "a line each": "a\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
		"backslash": `\`, "percent": "%", "percent of percent": "%25", "equals": "=", "a break": "=\n", "ampersand": "&", "an entity": "&aaaaaaaaaaa",
		"entity of entities": "&#x26;#x23;", "ampersands in it": "&#x26;", "u": `\u`, "u of u": `\u005cu005c`, "tag": "<", "tags": "a<b>", "long tag": "a<" + strings.Repeat("b", 63),
		"color": "a\x1b[", "colors": "a\x1b[1;1;1;1;1;1;1;1;1;1m", "high": "a\xff", "blanks": "a\n    >>>>    >>>>    ", "hex of a": "61", "hex of hex": "3631", "hex of base64": "5957",
	}
	for name, s := range maps.Clone(all) {
		all[name+", in base64"] = b64(strings.Repeat(s, 3))
		all[name+", in base64 twice"] = b64(b64(strings.Repeat(s, 9)))
		all[name+", in hexadecimal"] = hex.EncodeToString([]byte(s))
		all[name+", escaped"] = every(s, func(c byte) string { return fmt.Sprintf("%%%02x", c) })
		all[name+", as entities"] = every(s, func(c byte) string { return fmt.Sprintf("&#x%x;", c) })
	}
	return all
}

// Row F2: the work is that of the text's length, counted in the bytes that are looked at, whatever the text. One goroutine
// does it, in which the race detector has nothing to find.
func TestFindIsLinear(t *testing.T) {
	const n = 1 << 13
	for name, s := range hostile() {
		text := []byte(strings.Repeat(s, 2*n/len(s)+1))
		one, two := tokens.Work("aa", text[:n]), tokens.Work("aa", text[:2*n])
		require.Positive(t, one)
		require.Less(t, one, 1000*n, name)
		require.InDelta(t, 2*one, two, 0.1*float64(one)+1e6, name)
	}
	random := rand.New(rand.NewPCG(3, 7))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	require.Less(t, tokens.Work("aa", text), 20*n)
}
