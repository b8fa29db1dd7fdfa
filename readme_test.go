package gatehouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each block of Go in the README is the body of an Example, so that it compiles and, where it can be
// run, does what it says.
func TestReadmeShowsExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)\n```go\n(.*?)\n```\n").FindAllSubmatch(readme, -1)
	examples := []string{
		example(t, "example_test.go", "Example"),
		example(t, "securitypage/example_test.go", "Example"),
	}
	require.Len(t, blocks, len(examples))
	for i, block := range blocks {
		require.Equal(t, examples[i], string(block[1]))
	}
}

// The page on operations begins with a store in each database.
func TestOperationsShowExamples(t *testing.T) {
	page, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	for _, name := range []string{"Example_postgres", "Example_mysql", "Example_sqlite"} {
		require.Contains(t, string(page), "\n```go\n"+example(t, "examples/databases/example_test.go", name)+"\n```\n")
	}
}

// example returns the body of a function, without what it has to print.
func example(t *testing.T, path, name string) string {
	t.Helper()
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, 0)
	require.NoError(t, err)
	function, ok := file.Scope.Lookup(name).Decl.(*ast.FuncDecl)
	require.True(t, ok)
	body := string(source[files.Position(function.Body.Lbrace).Offset+1 : files.Position(function.Body.Rbrace).Offset])
	body, _, _ = strings.Cut(body, "\t// Output:")
	return strings.TrimSpace(strings.ReplaceAll(body, "\n\t", "\n"))
}
