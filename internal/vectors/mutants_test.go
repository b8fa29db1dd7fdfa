//go:build !race

// There is one goroutine, and with the detector it takes eight times as long.

package vectors_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A vector of which anything that must come out is another, is missing, or is said in a member that nobody knows, does not
// pass; and no code, secret or token that is accepted passes for another one.
func TestMutantsOfVectors(t *testing.T) {
	for file, sections := range files(t) {
		for _, s := range sections {
			count := 0
			for i, raw := range s.cases {
				for _, mutant := range mutants(t, raw, s.expected, i) {
					require.Error(t, s.check(mutant), "%s: %s: %s, made of %s", file, s.name, mutant, raw)
					count++
				}
			}
			t.Logf("%s: %s: %d cases, %d mutants", file, s.name, len(s.cases), count)
			require.Greater(t, count, len(s.cases))
		}
	}
}

// mutants changes one thing of a case each; of the many findings of a report a ninth, another one in each case.
func mutants(t *testing.T, raw json.RawMessage, expected []string, number int) (out []json.RawMessage) {
	t.Helper()
	c := tree(raw).(map[string]any)
	add := func() {
		text, err := json.Marshal(c)
		require.NoError(t, err)
		out = append(out, text)
	}
	is := func(l leaf) bool {
		return slices.ContainsFunc(l.path, func(name string) bool { return slices.Contains(expected, name) })
	}
	for _, l := range leaves(c) {
		if number++; number%9 != 0 && slices.Contains(l.path, "findings") {
			continue
		}
		others := otherThan(l.last(), l.value)
		if !is(l) {
			if others = typed(c, l); others == nil {
				continue
			}
		}
		for _, other := range others {
			l.set(other)
			add()
		}
		l.set(l.value)
	}
	for name, value := range c { // what is missing, what is known to nobody
		delete(c, name)
		if !slices.Contains([]string{"at", "passkeys", "hide", "lock"}, name) {
			add()
		}
		c[name+"x"] = value
		add()
		delete(c, name+"x")
		c[name] = value
	}
	return out
}

// otherThan returns other values: of an answer every other one, as one of them is what broken code would say.
func otherThan(name string, value any) (out []any) {
	switch v := value.(type) {
	case string:
		if name != "answer" {
			return []any{v + "x"}
		}
		for _, other := range []string{"accepted", "refused", "replayed", "no-match", "parameters", ""} {
			if other != v {
				out = append(out, other)
			}
		}
		return out
	case json.Number:
		return []any{json.Number("1" + strings.TrimPrefix(v.String(), "-"))}
	}
	return []any{"x"}
}

// typed returns other values for a text that is accepted: it without its last letter or digit, and with another one.
func typed(c map[string]any, l leaf) []any {
	v, ok := l.value.(string)
	if !ok || c["name"] == nil || c["answer"] != "accepted" || l.last() != "text" {
		return nil
	}
	at := strings.LastIndexFunc(v, func(r rune) bool { return r != ' ' && r != '-' && r != '=' })
	return []any{v[:at] + v[at+1:], v[:at] + "!" + v[at+1:], v[:at] + "2" + v[at+1:], v + v}
}
