package floors_test

import (
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The most that the root package may have.
const (
	namesMost = 90
	filesMost = 30 // Go files of the root folder, tests included
)

func TestRootNames(t *testing.T) {
	all := typedOf(t, ".")
	at := slices.IndexFunc(all, func(p typed) bool { return p.dir == "." })
	require.GreaterOrEqual(t, at, 0)
	names := exported(all[at].pkg)
	t.Logf("the root package exports %d names", len(names))
	require.LessOrEqual(t, len(names), namesMost, "exported names: %v", names)
}

func TestRootFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "*.go"))
	require.NoError(t, err)
	t.Logf("the root folder has %d Go files", len(files))
	require.NotEmpty(t, files)
	require.LessOrEqual(t, len(files), filesMost, "Go files: %v", files)
}

// exported returns the exported names of a package: its types, functions, variables and constants, and the methods
// of its exported types, those of interfaces included. Fields do not count, nor do the names of an alias's type and
// what is promoted from an embedded type, as these count where they are declared.
func exported(pkg *types.Package) []string {
	var out []string
	for _, name := range pkg.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		out = append(out, name)
		named, ok := pkg.Scope().Lookup(name).Type().(*types.Named)
		if _, isType := pkg.Scope().Lookup(name).(*types.TypeName); !ok || !isType {
			continue
		}
		var methods []*types.Func
		methods = slices.AppendSeq(methods, named.Methods())
		if i, ok := named.Underlying().(*types.Interface); ok {
			methods = slices.AppendSeq(methods, i.ExplicitMethods())
		}
		for _, m := range methods {
			if m.Exported() {
				out = append(out, name+"."+m.Name())
			}
		}
	}
	return out
}

func TestExported(t *testing.T) {
	p := check(t, "p", token.NewFileSet(), nil, []string{"p.go"}, map[string][]byte{"p.go": []byte(`package p
const A, b = 1, 2
var V T
func F() {}
type inner struct{}
func (inner) Promoted() {}
type T struct { inner; Field int }
func (*T) M() {}
func (T) m() {}
type I interface { Do(); do(); other }
type other interface { Else() }
type G[X any] struct{}
func (G[X]) Of() {}
type Alias = inner
`)})
	require.Equal(t, []string{"A", "Alias", "F", "G", "G.Of", "I", "I.Do", "T", "T.M", "V"}, exported(p.pkg))
}
