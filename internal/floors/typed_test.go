package floors_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// typed is a package of ours with its types, without tests, as it is built here.
type typed struct {
	dir   string // below the root, with slashes; "." for the root package
	names []string
	fset  *token.FileSet
	pkg   *types.Package
	uses  map[*ast.Ident]types.Object
}

// typedOf returns the packages of a module, whose directory is given from the root. The types of what they import
// come from the build cache, where "go list -export" puts them.
func typedOf(t *testing.T, module string) []typed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Export,Dir,GoFiles,DepOnly", "./...")
	cmd.Dir = filepath.Join(root, module)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "go list: %s", &stderr)

	type source struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
		DepOnly                 bool
	}
	var sources []source
	exports := map[string]string{}
	for dec := json.NewDecoder(&stdout); dec.More(); {
		var s source
		require.NoError(t, dec.Decode(&s))
		exports[s.ImportPath] = s.Export
		if !s.DepOnly {
			sources = append(sources, s)
		}
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var all []typed
	for _, s := range sources {
		dir, ok := ours(s.ImportPath)
		require.True(t, ok, s.ImportPath)
		texts := map[string][]byte{}
		for _, name := range s.GoFiles {
			text, err := os.ReadFile(filepath.Join(s.Dir, name))
			require.NoError(t, err)
			texts[name] = text
		}
		all = append(all, check(t, dir, fset, imports, s.GoFiles, texts))
	}
	require.NotEmpty(t, all)
	return all
}

func check(t *testing.T, dir string, fset *token.FileSet, imports types.Importer, names []string, texts map[string][]byte) typed {
	t.Helper()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, texts[name], parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := (&types.Config{Importer: imports}).Check(dir, fset, files, &info)
	require.NoError(t, err)
	return typed{dir, names, fset, pkg, info.Uses}
}
