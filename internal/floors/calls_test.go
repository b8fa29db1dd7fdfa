package floors_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// watched has the packages whose calls a Watcher sees, by their directories.
var watched = map[string]string{".": "gatehouse", "tokens": "tokens", "posture": "posture", "passkey": "passkey", "notify": "notify"}

// unwatched has the methods that are no call.
var unwatched = []string{
	"gatehouse.Service.Close", // the last
	"notify.SinkFunc.Deliver", // is the host's
	"notify.Service.Drain",    // lasts as long as the process; each delivery is one
	"gatehouse.SignIn.Vouch",  // is vouch, which websession calls too
}

// Every method that does something begins a call under its own name: a trace with a gap says that nothing happened there.
func TestCalls(t *testing.T) {
	var names []string
	for dir, name := range watched {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			found, complaints := calls(t, name, src)
			names = append(names, found...)
			require.Empty(t, complaints)
		}
	}
	require.Greater(t, len(names), 50)
	require.Contains(t, names, "gatehouse.Service.Answer")
	slices.Sort(names)
	require.Equal(t, slices.Compact(slices.Clone(names)), names, "two calls have the same name")
}

// calls returns the names of the calls that a file has, and what is wrong with them, one sentence each.
func calls(t *testing.T, pkg string, src []byte) (names, complaints []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil {
			continue
		}
		method := pkg + "." + receiver(f) + "." + f.Name.Name
		begun := begins(f)
		switch {
		case takesContext(f) && len(begun) == 0 && !slices.Contains(unwatched, method):
			complaints = append(complaints, method+" begins no call")
		case len(begun) > 1 || len(begun) == 1 && !strings.EqualFold(begun[0], method):
			complaints = append(complaints, fmt.Sprintf("%s begins the call of %v", method, begun))
		}
		names = append(names, begun...)
	}
	return names, complaints
}

func receiver(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, _ := typ.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

// takesContext reports whether an exported method of an exported type takes a context.
func takesContext(f *ast.FuncDecl) bool {
	if !f.Name.IsExported() || !ast.IsExported(receiver(f)) || len(f.Type.Params.List) == 0 {
		return false
	}
	sel, ok := f.Type.Params.List[0].Type.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Context"
}

// begins returns the names under which a method begins calls: those in Engine.Begin and engine.Each.
func begins(f *ast.FuncDecl) (names []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Begin" && sel.Sel.Name != "Each" {
			return true
		}
		for _, arg := range call.Args {
			if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				name, _ := strconv.Unquote(lit.Value)
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

func TestCallsFinds(t *testing.T) {
	for body, want := range map[string]string{
		`func (s *S) Do(ctx context.Context) (err error) { defer s.e.Begin(&ctx, "p.S.Do").End(&err); return nil }`:    "",
		`func (s *S) Do(ctx context.Context) iter.Seq2[int, error] { return engine.Each(ctx, s.e, "p.S.Do", s.each) }`: "",
		`func (s S) do(ctx context.Context) (err error) { defer s.e.Begin(&ctx, "p.S.Do").End(&err); return nil }`:     "",
		`func (s s) Do(ctx context.Context) {}`: "",
		`func (s S) Do() {}`:                    "",
		`func (s S) Do(ctx context.Context) {}`: "p.S.Do begins no call",
		`func (s S) Do(ctx context.Context) (err error) { defer s.e.Begin(&ctx, "p.S.Other").End(&err); return nil }`: "p.S.Do begins the call of [p.S.Other]",
		`func (s S) Do(ctx context.Context) { s.e.Begin(&ctx, "p.S.Do"); s.e.Begin(&ctx, "p.S.Do") }`:                 "p.S.Do begins the call of [p.S.Do p.S.Do]",
	} {
		_, complaints := calls(t, "p", []byte("package p\n"+body))
		require.Equal(t, want, strings.Join(complaints, "\n"), body)
	}
}
