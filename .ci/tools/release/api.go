package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"
)

// checkAPI compares what the published modules export with the last release, and returns the incompatible changes that
// the version must not have: in a patch none, and before v1 in a minor version only where the changelog says that something
// was changed or removed.
func (r release) checkAPI(before, section string) (wrong []string, err error) {
	if before == "" {
		r.say("API: there is no release yet, so it is compared with nothing")
		return nil, nil
	}
	old, err := r.clone("before", before)
	if err != nil {
		return nil, err
	}
	incompatible, compatible, err := compare(old, r.repository)
	if err != nil {
		return nil, err
	}
	r.say("API since %s: %d compatible changes, %d incompatible ones", before, len(compatible), len(incompatible))
	for _, change := range slices.Concat(compatible, incompatible) {
		r.say("  %s", change)
	}
	told := strings.Contains(section, "\n### Changed\n") || strings.Contains(section, "\n### Removed\n")
	patch := semver.MajorMinor(before) == semver.MajorMinor(r.version)
	if len(incompatible) > 0 && (patch || semver.Major(r.version) != "v0" || !told) {
		wrong = append(wrong, fmt.Sprintf("the API has changed since %s: it takes a minor version before v1.0.0, "+
			"with a section ### Changed or ### Removed in CHANGELOG.md: %s", before, strings.Join(incompatible, "; ")))
	}
	return wrong, nil
}

// clone makes a clone of a revision, by a name below the temporary directory.
func (r release) clone(name, revision string) (repository, error) {
	dir := filepath.Join(r.tmp, name)
	if _, err := r.git("clone", "--quiet", "--no-checkout", r.dir, dir); err != nil {
		return repository{}, err
	}
	c := repository{dir}
	_, err := c.git("-c", "advice.detachedHead=false", "checkout", "--quiet", revision)
	return c, err
}

// compare returns the changes of all that is exported by the published modules of two clones.
func compare(old, now repository) (incompatible, compatible []string, err error) {
	before, err := exported(old)
	if err != nil {
		return nil, nil, err
	}
	after, err := exported(now)
	if err != nil {
		return nil, nil, err
	}
	for _, change := range apidiff.ModuleChanges(before, after).Changes {
		if change.Compatible {
			compatible = append(compatible, change.Message)
		} else {
			incompatible = append(incompatible, change.Message)
		}
	}
	slices.Sort(incompatible)
	slices.Sort(compatible)
	return incompatible, compatible, nil
}

// exported loads the packages that somebody can import, of all the published modules, as if they were one.
func exported(r repository) (*apidiff.Module, error) {
	modules, err := r.modules()
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, m := range published(modules) {
		ours[m.path()] = true
	}
	root := modules[0].path()
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedModule, Dir: r.dir, Env: append(os.Environ(), "GOWORK="+filepath.Join(r.dir, "go.work")),
	}, root+"/...") // and so of the modules below it
	if err != nil {
		return nil, err
	}
	out := &apidiff.Module{Path: root}
	for _, p := range loaded {
		for _, e := range p.Errors {
			err = errors.Join(err, e)
		}
		if p.Name != "main" && ours[p.Module.Path] && !slices.Contains(strings.Split(p.PkgPath, "/"), "internal") {
			out.Packages = append(out.Packages, p.Types)
		}
	}
	if err == nil && len(out.Packages) == 0 {
		err = fmt.Errorf("%s: nothing is exported", r.dir)
	}
	return out, err
}
