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

var goBlock = regexp.MustCompile("(?s)\n```go\n(.*?)\n```\n")

// Each block of Go in the README is the body of an Example, so that it compiles and, where it can be
// run, does what it says.
func TestReadmeShowsExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := goBlock.FindAllSubmatch(readme, -1)
	examples := []string{
		example(t, "securitypage/example_test.go", "Example"),
		example(t, "example_test.go", "Example"),
	}
	require.Len(t, blocks, len(examples))
	for i, block := range blocks {
		require.Equal(t, examples[i], string(block[1]))
	}
}

// The first block of Go in each of these pages, and every other one that does not say "elsewhere", is code that compiles:
// that of files, or of the body of a function in them.
func TestDocsShowExamples(t *testing.T) {
	for page, sources := range map[string]string{
		"docs/keys.md":         "keyring/example_test.go",
		"docs/migrate.md":      "examples/migrate/loop.go examples/migrate/users.go examples/migrate/pquerna.go examples/migrate/authboss.go examples/migrate/django.go",
		"docs/notices.md":      "notify/example_test.go notify/email/email_test.go notify/webhook/webhook_test.go",
		"docs/operations.md":   "examples/databases/example_test.go examples/etcdstore/example_test.go internal/integration/cluster/galera_test.go",
		"docs/passkeys.md":     "passkey/example_test.go",
		"docs/posture.md":      "posture/example_service_test.go",
		"docs/securitypage.md": "securitypage/example_test.go",
		"docs/storage.md":      "examples/customstorage/store_test.go",
		"docs/telemetry.md":    "otelgatehouse/example_test.go",
		"docs/testing.md":      "gatehousetest/site_test.go gatehousetest/example_test.go",
	} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		both := "\n"
		for source := range strings.FieldsSeq(sources) {
			code, err := os.ReadFile(source)
			require.NoError(t, err)
			both += string(code) + strings.ReplaceAll(string(code), "\n\t", "\n")
		}
		blocks := goBlock.FindAllSubmatch(text, -1)
		require.NotEmpty(t, blocks, page)
		for i, block := range blocks {
			if i == 0 || !strings.HasPrefix(string(block[1]), "// elsewhere\n") {
				require.Contains(t, both, "\n"+string(block[1])+"\n", page)
			}
		}
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
