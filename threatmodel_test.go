package gatehouse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var testName = regexp.MustCompile("`(?:([a-z/]+)\\.)?((?:Test|Fuzz|Example)\\w*)`")

// docs/threat-model.md names a test of internal/attack, an example of the root package, or "directory.Test" of another, in every row
// of its tables, or says in the last column why there is none.
func TestThreatModelNamesTestsThatExist(t *testing.T) {
	doc, err := os.ReadFile("docs/threat-model.md")
	require.NoError(t, err)
	named, rows := 0, 0
	for line := range strings.Lines(string(doc)) {
		tests := testName.FindAllStringSubmatch(line, -1)
		named += len(tests)
		for _, test := range tests {
			require.True(t, hasTest(t, test[1], test[2]), "there is no %s", test[0])
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if proof := strings.TrimSpace(cells[len(cells)-1]); strings.HasPrefix(line, "| ") && proof != "test" && proof != "---" {
			rows++
			require.True(t, len(tests) > 0 || strings.HasPrefix(proof, "none: "), "neither a test nor a reason: %s", line)
		}
	}
	require.Greater(t, named, 100, "the document is there")
	require.Greater(t, rows, 70)
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	if dir == "" && !strings.HasPrefix(name, "Example") {
		dir = "internal/attack"
	}
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains("\n"+string(source), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
