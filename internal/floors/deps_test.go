package floors_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write deps.txt anew")

const depsHeader = `# What each package of the root module links of other modules, tests aside.
# Written by: go test ./internal/floors -update
`

// requirements has the modules that the root go.mod may require. The answer to another is no, unless
// docs/design.md says why.
var requirements = map[string]struct{ indirect bool }{
	"github.com/boombuler/barcode": {},
	"github.com/google/uuid":       {},
	"github.com/pquerna/otp":       {},
	"github.com/stretchr/testify":  {},
	"golang.org/x/crypto":          {},
	"golang.org/x/text":            {},               // of internal/words: plurals, and which language a browser asks for
	"go.yaml.in/yaml/v3":           {indirect: true}, // of testify
	"golang.org/x/sys":             {indirect: true}, // of x/crypto
}

func TestDeps(t *testing.T) {
	got := foreign(list(t))
	require.Contains(t, got, "\ngithub.com/gatehouse-go/gatehouse/totp\n\tgithub.com/boombuler/barcode\n")
	if *update {
		require.NoError(t, os.WriteFile("deps.txt", []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile("deps.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if the change is meant: go test ./internal/floors -update")
}

// foreign writes, for each package of this module, the packages of other modules that it links.
func foreign(all []listed) string {
	standard := map[string]bool{}
	for _, p := range all {
		standard[p.ImportPath] = p.Standard
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	var out strings.Builder
	out.WriteString(depsHeader)
	for _, p := range all {
		if _, ok := ours(p.ImportPath); !ok {
			continue
		}
		fmt.Fprintf(&out, "\n%s\n", p.ImportPath)
		slices.Sort(p.Deps)
		for _, dep := range p.Deps {
			if _, ok := ours(dep); !ok && !standard[dep] {
				fmt.Fprintf(&out, "\t%s\n", dep)
			}
		}
	}
	return out.String()
}

func TestForeign(t *testing.T) {
	require.Equal(t, depsHeader+"\n"+module+"/a\n\n"+module+"/b\n\tx.test/m\n\tx.test/n\n", foreign([]listed{
		{ImportPath: "fmt", Standard: true},
		{ImportPath: "x.test/n"},
		{ImportPath: "x.test/m"},
		{ImportPath: module + "/b", Deps: []string{"x.test/n", "fmt", "x.test/m", module + "/a"}},
		{ImportPath: module + "/a", Deps: []string{"fmt"}},
	}))
}

func TestRequirements(t *testing.T) {
	_, err := os.ReadFile(filepath.Join(root, "go.mod")) // so that the test is not answered from the cache
	require.NoError(t, err)
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	require.NoError(t, err)
	var mod goMod
	require.NoError(t, json.Unmarshal(out, &mod))
	require.NotEmpty(t, mod.Require)
	require.Empty(t, unwanted(mod))
}

// goMod is what matters here of "go mod edit -json".
type goMod struct {
	Require []struct {
		Path     string
		Indirect bool
	}
	Replace, Exclude []struct{} // without effect in our users' builds, so we would test another program than theirs
}

func unwanted(mod goMod) []string {
	var out []string
	for _, r := range mod.Require {
		if may, ok := requirements[r.Path]; !ok {
			out = append(out, r.Path+": not among requirements in internal/floors/deps_test.go")
		} else if may.indirect && !r.Indirect {
			out = append(out, r.Path+": indirect at most")
		}
	}
	if len(mod.Replace)+len(mod.Exclude) > 0 {
		out = append(out, "replace and exclude have no effect for users")
	}
	return out
}

func TestUnwanted(t *testing.T) {
	for text, want := range map[string][]string{
		`{"Require":[{"Path":"golang.org/x/crypto"},{"Path":"golang.org/x/sys","Indirect":true}]}`: nil,
		`{"Require":[{"Path":"golang.org/x/sys"}]}`:                                                {"golang.org/x/sys: indirect at most"},
		`{"Require":[{"Path":"github.com/new/thing","Indirect":true}]}`:                            {"github.com/new/thing: not among requirements in internal/floors/deps_test.go"},
		`{"Replace":[{"Old":{"Path":"golang.org/x/crypto"}}]}`:                                     {"replace and exclude have no effect for users"},
	} {
		var mod goMod
		require.NoError(t, json.Unmarshal([]byte(text), &mod))
		require.Equal(t, want, unwanted(mod))
	}
}
