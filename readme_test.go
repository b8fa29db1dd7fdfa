package gatehouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's quickstart is the body of Example, so that it compiles and does what it says.
func TestReadmeQuickstartIsTheExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "\n```go\n")
	require.True(t, found)
	block, rest, found := strings.Cut(rest, "\n```\n")
	require.True(t, found)
	require.NotContains(t, rest, "```go", "each Go block needs an Example")

	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "example_test.go", source, 0)
	require.NoError(t, err)
	example, ok := file.Scope.Lookup("Example").Decl.(*ast.FuncDecl)
	require.True(t, ok)
	body := string(source[files.Position(example.Body.Lbrace).Offset+1 : files.Position(example.Body.Rbrace).Offset])
	body, _, found = strings.Cut(body, "\t// Output:")
	require.True(t, found)

	require.Equal(t, strings.TrimSpace(strings.ReplaceAll(body, "\n\t", "\n")), block)
}
