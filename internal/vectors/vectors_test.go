package vectors_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// files has the sections of every file.
func files(t *testing.T) map[string][]section {
	return map[string][]section{
		"totp.json":     totpSections(t),
		"recovery.json": recoverySections(t),
		"tokens.json":   tokenSections(t),
		"posture.json":  postureSections(t),
	}
}

func TestVectors(t *testing.T) {
	all := files(t)
	there, err := filepath.Glob("../../vectors/*.json")
	require.NoError(t, err)
	require.Len(t, there, len(all), "a file that no test reads")
	readme, err := os.ReadFile("../../vectors/README.md")
	require.NoError(t, err)
	for file, sections := range all {
		require.Contains(t, string(readme), "`"+file+"`")
		for _, s := range sections {
			require.NotEmpty(t, s.cases, "%s: %s", file, s.name)
			require.Contains(t, string(readme), "`"+s.name+"`", file)
			names := map[string]bool{}
			for i, raw := range s.cases {
				require.NoError(t, s.check(raw), "%s: %s: %s", file, s.name, raw)
				var c struct{ Name, Source, Text, Why string }
				require.NoError(t, json.Unmarshal(raw, &c))
				require.NotEmpty(t, c.Why+c.Source, "%s: %s: %d: no reason", file, s.name, i)
				if name := c.Name + c.Text; c.Source == "" {
					require.False(t, names[name], "%s: %s: %q is there twice", file, s.name, name)
					names[name] = true
				}
			}
		}
	}
}

// Most of what is tried in a file is refused, since that is where implementations differ.
func TestVectorsRefuse(t *testing.T) {
	for file, sections := range files(t) {
		accepted, refused := 0, 0
		for _, s := range sections {
			for _, raw := range s.cases {
				for _, l := range leaves(tree(raw)) {
					switch {
					case l.last() != "answer":
					case l.value == "accepted":
						accepted++
					default:
						refused++
					}
				}
			}
		}
		t.Logf("%s: %d accepted, %d refused", file, accepted, refused)
		if file != "posture.json" {
			require.Positive(t, accepted)
			require.Greater(t, refused, accepted, file)
		}
	}
}

// leaf is a scalar in a tree of JSON, and where it is.
type leaf struct {
	path  []string
	value any
	set   func(any) // to another value
}

func (l leaf) last() string { return l.path[len(l.path)-1] }

func leaves(v any) (out []leaf) {
	below := func(name string, v any, set func(any)) {
		switch v.(type) {
		case map[string]any, []any:
			for _, l := range leaves(v) {
				l.path = append([]string{name}, l.path...)
				out = append(out, l)
			}
		default:
			out = append(out, leaf{[]string{name}, v, set})
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below(name, v[name], func(to any) { v[name] = to })
		}
	case []any:
		for i, one := range v {
			below("", one, func(to any) { v[i] = to })
		}
	}
	return out
}

func TestDecodeRefuses(t *testing.T) {
	type known struct {
		A int  `json:"a"`
		B *int `json:"b,omitempty"`
	}
	for text, good := range map[string]bool{
		`{"a": 0}`: true, `{"a": 1, "b": 2}`: true, `{"b": 2}`: false, `{}`: false, `{"a": 1, "c": 2}`: false,
		`{"A": 1}`: false, `{"a": 1} {"a": 1}`: false, `{"a": 1} x`: false, `{"a": "1"}`: false, `{"a": null}`: false, ``: false,
		`[]`: false, `null`: false,
	} {
		var c known
		require.Equal(t, good, decode([]byte(text), &c) == nil, text)
	}
}
