package routers_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	goBlock = regexp.MustCompile("(?s)\n```go\n(.*?\n)```\n")
	row     = regexp.MustCompile(`(?m)^\| [^|]* \|([^|]*)\|([^|]*)\|$`)
	span    = regexp.MustCompile("`(r\\.[^`]*)`")
)

// docs/your-stack.md shows what is tried here, to the letter.
func TestDocsShowTheseLines(t *testing.T) {
	source, err := os.ReadFile("lines_test.go")
	require.NoError(t, err)
	doc, err := os.ReadFile("../../docs/your-stack.md")
	require.NoError(t, err)
	_, routers, found := strings.Cut(string(doc), "\n## Routers\n")
	require.True(t, found)
	routers, _, _ = strings.Cut(routers, "\n## ")
	blocks := goBlock.FindAllStringSubmatch(routers, -1)
	require.Len(t, blocks, 3)
	for _, block := range blocks {
		require.Contains(t, string(source), "\n"+block[1])
	}
	rows := row.FindAllStringSubmatch(routers, -1)
	require.Len(t, rows, 2+len(all), "a head, a line, and a row for each router")
	for _, cells := range rows[2:] {
		for _, cell := range cells[1:] {
			lines := span.FindAllStringSubmatch(cell, -1)
			require.NotEmpty(t, lines, cell)
			for _, line := range lines {
				require.Contains(t, string(source), "\t"+line[1]+"\n")
			}
		}
	}
}
