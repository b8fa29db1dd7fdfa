package floors_test

import (
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxCycle is how many files may refer to each other without an explanation in docs/design.md.
const maxCycle = 6

// TestFileCycles prints the largest cycle of files of every package, and fails where one is over maxCycle and larger
// than docs/design.md explains.
func TestFileCycles(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	require.NoError(t, err)
	explained := explainedCycles(string(doc))
	sizes := map[string]int{}
	for _, p := range append(typedOf(t, "."), typedOf(t, "cmd/gatehouse")...) {
		cycle := largestCycle(references(p))
		sizes[p.dir] = len(cycle)
		t.Logf("%s: %d of %d files: %s", p.dir, len(cycle), len(p.names), strings.Join(cycle, " "))
	}
	for _, complaint := range unexplained(sizes, explained) {
		t.Error(complaint)
	}
}

// references returns, for each file of a package, the other files that declare what it refers to: a type, function,
// variable or constant of the package, or a method. Fields do not count: they come with their type.
func references(p typed) map[string][]string {
	file := func(at token.Pos) string { return p.fset.Position(at).Filename }
	refs := map[string][]string{}
	for name, object := range p.uses {
		from, to := file(name.Pos()), file(object.Pos())
		if object.Pkg() == p.pkg && from != to && (object.Parent() == p.pkg.Scope() || isMethod(object)) && !slices.Contains(refs[from], to) {
			refs[from] = append(refs[from], to)
		}
	}
	return refs
}

func isMethod(object types.Object) bool {
	f, ok := object.(*types.Func)
	return ok && f.Signature().Recv() != nil
}

// largestCycle returns the most files that all lead to each other, in order; none where no two do.
func largestCycle(refs map[string][]string) []string {
	reached := map[string]map[string]bool{}
	for from := range refs {
		seen := map[string]bool{}
		for next := slices.Clone(refs[from]); len(next) > 0; {
			file := next[0]
			next = next[1:]
			if !seen[file] {
				seen[file] = true
				next = append(next, refs[file]...)
			}
		}
		reached[from] = seen
	}
	var largest []string
	for _, file := range slices.Sorted(maps.Keys(reached)) {
		var cycle []string
		for other := range reached[file] {
			if reached[other][file] {
				cycle = append(cycle, other)
			}
		}
		if len(cycle) > len(largest) {
			largest = cycle
		}
	}
	slices.Sort(largest)
	return largest
}

// cycleRow is a row of the table in docs/design.md: the package, the number of files, the explanation.
var cycleRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\d+) files \\| \\S.*\\|$")

func explainedCycles(doc string) map[string]int {
	explained := map[string]int{}
	for _, row := range cycleRow.FindAllStringSubmatch(doc, -1) {
		explained[row[1]], _ = strconv.Atoi(row[2])
	}
	return explained
}

// unexplained compares the largest cycles with the explained ones, by directory.
func unexplained(sizes, explained map[string]int) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for dir, size := range sizes {
		if size > maxCycle && size > explained[dir] {
			say("%s has a cycle of %d files; docs/design.md explains %d", dir, size, explained[dir])
		}
	}
	for dir, size := range explained {
		if sizes[dir] <= maxCycle {
			say("%s has no cycle over %d files; docs/design.md need not explain one of %d", dir, maxCycle, size)
		}
	}
	slices.Sort(out)
	return out
}

func TestReferences(t *testing.T) {
	p := check(t, "p", token.NewFileSet(), nil, []string{"a.go", "b.go", "c.go", "d.go"}, map[string][]byte{
		"a.go": []byte("package p\ntype T struct{ n N }\nfunc f() int { return 1 }\n"),
		"b.go": []byte("package p\ntype N int\nfunc (t T) m() {}\nvar f2 = func() int { f := 2; return f }\n"),
		"c.go": []byte("package p\nfunc g() { T{}.m() }\n"),
		"d.go": []byte("package p\nfunc h(t T) { _ = t.n }\n"),
	})
	got := references(p)
	for _, to := range got {
		slices.Sort(to)
	}
	require.Equal(t, map[string][]string{"a.go": {"b.go"}, "b.go": {"a.go"}, "c.go": {"a.go", "b.go"}, "d.go": {"a.go"}}, got)
}

func TestLargestCycle(t *testing.T) {
	for _, c := range []struct {
		refs map[string][]string
		want []string
	}{
		{nil, nil},
		{map[string][]string{"a": {"b"}, "b": {"c"}}, nil},
		{map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}}, []string{"a", "b", "c"}},
		{map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"c"}}, []string{"c", "d", "e"}},
	} {
		require.Equal(t, c.want, largestCycle(c.refs))
	}
}

func TestUnexplained(t *testing.T) {
	doc := "| package | cycle | why |\n| `a` | 7 files | because |\n| `b` | 9 files |  |\n| `c` | 12 files | see above |\n"
	require.Equal(t, map[string]int{"a": 7, "c": 12}, explainedCycles(doc), "an explanation has words")
	for _, c := range []struct {
		sizes map[string]int
		want  []string
	}{
		{map[string]int{"a": 7, "b": 6, "c": 11}, nil},
		{map[string]int{"a": 8, "b": 7, "c": 12}, []string{
			"a has a cycle of 8 files; docs/design.md explains 7", "b has a cycle of 7 files; docs/design.md explains 0"}},
		{map[string]int{"a": 6}, []string{
			"a has no cycle over 6 files; docs/design.md need not explain one of 7",
			"c has no cycle over 6 files; docs/design.md need not explain one of 12"}},
	} {
		require.Equal(t, c.want, unexplained(c.sizes, map[string]int{"a": 7, "c": 12}))
	}
}
