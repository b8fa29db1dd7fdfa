package lite_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var goBlock = regexp.MustCompile("(?s)```go\n(?:// elsewhere\n)?(.*?)\n```")

// TestPage: the code of docs/your-stack.md, but for what it has of routers, is that of examples and tests, and the
// parameters in its tables are those that the tests run with.
func TestPage(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile("../../../" + path)
		require.NoError(t, err)
		return string(text)
	}
	page := read("docs/your-stack.md")
	page, _, found := strings.Cut(page, "\n## Routers\n")
	require.True(t, found)
	var code string
	for _, path := range []string{"hosttx/example_test.go", "storage/sqlstore/example_test.go",
		"internal/stack/lite/handles_test.go", "internal/stack/pooler/pooler_test.go"} {
		for line := range strings.Lines(read(path)) {
			code += strings.TrimLeft(line, "\t")
		}
	}
	blocks := goBlock.FindAllStringSubmatch(page, -1)
	require.Len(t, blocks, 5)
	for _, block := range blocks {
		var want string
		for line := range strings.Lines(block[1]) {
			want += strings.TrimLeft(line, "\t")
		}
		require.Contains(t, code, "\n"+want+"\n")
	}
	for name, params := range drivers {
		require.Contains(t, page, "`"+name+"`, `"+params+"`")
	}
	for _, param := range regexp.MustCompile(`param: +"([^"]+)"`).FindAllStringSubmatch(code, -1) {
		require.Contains(t, page, "`"+param[1]+"`")
	}
}
