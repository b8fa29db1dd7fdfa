package event_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
)

// Codes are in logs, in JSON and in keys of translations, so one that has been used stays what it was.
func TestKinds(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "kind.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var declared []event.Kind
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == "Kind" {
			code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			declared = append(declared, event.Kind(code))
		}
		return true
	})
	require.Greater(t, len(declared), 40)
	require.Equal(t, declared, event.Kinds())
	seen := map[event.Kind]bool{}
	for _, k := range event.Kinds() {
		require.Regexp(t, regexp.MustCompile(`^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$`), string(k))
		require.False(t, seen[k], k)
		seen[k] = true
	}
}
