package main

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// module is one of the clone's.
type module struct {
	dir  string // below the root, with slashes
	file *modfile.File
}

func (m module) path() string { return m.file.Module.Mod.Path }

// tag returns the tag of a version, as the go command looks for it.
func (m module) tag(version string) string {
	if m.dir == "." {
		return version
	}
	return m.dir + "/" + version
}

// tools is a module that no other one has to do with, and no workspace.
const tools = ".ci/tools"

// modules returns the modules of the workspace, the root first and each before those that require it. A module that is in no
// workspace, or a circle, is an error.
func (r repository) modules() ([]module, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "go.work"))
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork("go.work", text, nil)
	if err != nil {
		return nil, err
	}
	left := map[string]module{}
	for _, use := range work.Use {
		dir := path.Clean(use.Path)
		text, err := os.ReadFile(filepath.Join(r.dir, dir, "go.mod"))
		if err != nil {
			return nil, err
		}
		file, err := modfile.Parse(path.Join(dir, "go.mod"), text, nil)
		if err != nil {
			return nil, err
		}
		left[file.Module.Mod.Path] = module{dir, file}
	}
	tracked, err := r.git("ls-files", "go.mod", "*/go.mod")
	if err != nil {
		return nil, err
	}
	for file := range strings.FieldsSeq(tracked) {
		dir := path.Dir(file)
		if dir != tools && !slices.ContainsFunc(slices.Collect(maps.Values(left)), func(m module) bool { return m.dir == dir }) {
			return nil, fmt.Errorf("%s is not in go.work", file)
		}
	}
	var sorted []module
	for len(left) > 0 {
		n := len(sorted)
		for _, name := range slices.Sorted(maps.Keys(left)) {
			m := left[name]
			if !slices.ContainsFunc(m.file.Require, func(q *modfile.Require) bool { _, waits := left[q.Mod.Path]; return waits }) {
				sorted = append(sorted, m)
			}
		}
		if len(sorted) == n {
			return nil, fmt.Errorf("modules that require each other: %v", slices.Sorted(maps.Keys(left)))
		}
		for _, m := range sorted[n:] {
			delete(left, m.path())
		}
	}
	if sorted[0].dir != "." {
		return nil, fmt.Errorf("go.work has no module that requires none of the others, at the root")
	}
	return sorted, nil
}

// published returns the modules that get a tag: those that somebody can import or install, and whatever they require, for
// their tests too.
func published(modules []module) (out []module) {
	needed := map[string]bool{}
	for _, m := range slices.Backward(modules) { // each after those that require it
		top, _, _ := strings.Cut(m.dir, "/")
		if !needed[m.path()] && (top == "internal" || top == "examples") {
			continue
		}
		for _, q := range m.file.Require {
			needed[q.Mod.Path] = true
		}
		out = append(out, m)
	}
	slices.Reverse(out)
	return out
}

// lockstep returns what keeps the modules from being released as one.
func lockstep(modules []module) (wrong []string) {
	if len(modules) == 0 {
		return nil
	}
	say := func(m module, format string, args ...any) {
		wrong = append(wrong, m.file.Syntax.Name+": "+fmt.Sprintf(format, args...))
	}
	dirs := map[string]string{}
	for _, m := range modules {
		dirs[m.path()] = m.dir
	}
	root := modules[0]
	for _, m := range modules {
		if want := path.Join(root.path(), m.dir); m.path() != want {
			say(m, "the module is %s, and should be %s", m.path(), want)
		}
		if m.file.Go == nil || m.file.Go.Version != root.file.Go.Version || m.file.Toolchain != nil {
			say(m, "its lines go and toolchain are not those of the root")
		}
		for _, q := range m.file.Require {
			dir, ours := dirs[q.Mod.Path]
			if !ours {
				continue
			}
			at := slices.IndexFunc(m.file.Replace, func(p *modfile.Replace) bool { return p.Old.Path == q.Mod.Path })
			if at < 0 || path.Join(m.dir, m.file.Replace[at].New.Path) != dir {
				say(m, "%s is not replaced by %s", q.Mod.Path, dir)
			}
			if !strings.HasPrefix(q.Mod.Version, "v0.0.0") {
				say(m, "%s is required as %s, and not as v0.0.0", q.Mod.Path, q.Mod.Version)
			}
		}
	}
	for _, m := range published(modules) {
		for _, p := range m.file.Replace {
			if _, ours := dirs[p.Old.Path]; !ours {
				say(m, "it replaces %s, so that nobody could install from it", p.Old.Path)
			}
		}
		if len(m.file.Exclude) > 0 {
			say(m, "it excludes a version, so that nobody could install from it")
		}
	}
	return wrong
}

// released returns the go.mod of a module as it is tagged: it requires exactly this version of the others, and
// replaces nothing.
func released(m module, version string, all []module) ([]byte, error) {
	file, err := modfile.Parse(m.file.Syntax.Name, modfile.Format(m.file.Syntax), nil)
	if err != nil {
		return nil, err
	}
	for _, other := range all {
		if err := file.DropReplace(other.path(), ""); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(file.Require, func(q *modfile.Require) bool { return q.Mod.Path == other.path() }) {
			if err := file.AddRequire(other.path(), version); err != nil {
				return nil, err
			}
		}
	}
	file.Cleanup()
	return file.Format()
}
