package floors_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/gatehouse-go/gatehouse"
	root   = "../.."
)

// clock has the calls of package time that read the clock or wait for it.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

// house returns the packages of the root module in the order of their directories. What each
// imports is read from its files, whatever their build constraints say; what it links, from go list.
// go test runs these tests again, and not from its cache, only because they open the files.
func house(t *testing.T) []pkg {
	t.Helper()
	links := linked(t)
	var pkgs []pkg
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != root && skipped(path) {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(rel)
		p := pkg{dir: dir, links: links[dir], files: map[string]pkg{}}
		files, err := filepath.Glob(filepath.Join(path, "*.go"))
		if err != nil || files == nil {
			return err
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			var alone pkg
			if err := errors.Join(p.read(file, src), alone.read(file, src)); err != nil {
				return err
			}
			p.files[strings.TrimSuffix(filepath.Base(file), ".go")] = alone
		}
		pkgs = append(pkgs, p)
		return nil
	}))
	return pkgs
}

// skipped reports whether the go command passes over a directory in "./...": by its name, or because
// it is a module of its own.
func skipped(path string) bool {
	base := filepath.Base(path)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// read adds what one file imports and where it uses the clock.
func (p *pkg) read(name string, src []byte) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	timeName := ""
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if dir, ok := ours(path); ok {
			p.ours = append(p.ours, dir)
			continue
		}
		p.imports = append(p.imports, path)
		if path == "time" {
			timeName = "time"
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
		}
	}
	if timeName == "." {
		p.clock = append(p.clock, files.Position(file.Pos()).String()+": time under the name of .")
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == timeName && slices.Contains(clock, sel.Sel.Name) {
			p.clock = append(p.clock, files.Position(sel.Pos()).String()+": time."+sel.Sel.Name)
		}
		return true
	})
	return nil
}

// ours returns the directory of an import path of this module.
func ours(path string) (dir string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// linked returns, for every package of the root module by its directory, the packages of the
// standard library and of other modules that it imports, itself or through others.
func linked(t *testing.T) map[string][]string {
	t.Helper()
	links := map[string][]string{}
	for _, p := range list(t) {
		dir, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		links[dir] = nil
		for _, dep := range p.Deps {
			if _, ok := ours(dep); !ok {
				links[dir] = append(links[dir], dep)
			}
		}
	}
	return links
}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Deps       []string
}

// list returns the packages of the root module with all that they import, on one platform, as
// elsewhere x/crypto and x/sys have other packages.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Deps", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "go list: %s", &stderr)
	var all []listed
	for dec := json.NewDecoder(&stdout); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}
