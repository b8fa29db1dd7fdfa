// Command release checks that the modules of a clone can be released under a version, and makes the commit that is
// tagged, in which they need no replace directives. It pushes and tags nothing. scripts/release runs it, and
// docs/release.md says how a release goes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	rehearse := flag.Bool("n", false, "rehearse: go on after what is wrong, and keep nothing")
	root := flag.String("root", ".", "the clone")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: release [-n] VERSION")
		os.Exit(2)
	}
	dir, err := filepath.Abs(*root)
	if err == nil {
		err = run(dir, flag.Arg(0), *rehearse, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// errNotReady says that something was printed that keeps the version from being released.
var errNotReady = errors.New("it cannot be released like this")

func run(root, version string, rehearse bool, out io.Writer) error {
	tmp, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	r := release{repository{root}, version, tmp, out}
	wrong, err := r.check()
	if err != nil {
		return err
	}
	for _, what := range wrong {
		fmt.Fprintln(out, "WRONG:", what)
	}
	if len(wrong) > 0 && !rehearse {
		return errNotReady
	}
	made, err := r.make()
	if err != nil {
		return err
	}
	switch {
	case len(wrong) > 0:
		return errNotReady
	case rehearse:
		fmt.Fprintln(out, "rehearsed: nothing was kept")
		return nil
	}
	return r.keep(made)
}

type release struct {
	repository
	version string
	tmp     string // for clones and a module cache
	out     io.Writer
}

func (r release) say(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// check returns what keeps the version from being released. The error is a fault.
func (r release) check() (wrong []string, err error) {
	tags, err := r.versions()
	if err != nil {
		return nil, err
	}
	if wrong = checkVersion(r.version, tags); len(wrong) > 0 {
		return wrong, nil
	}
	add := func(more []string, e error) {
		wrong, err = append(wrong, more...), errors.Join(err, e)
	}
	add(r.checkState())
	modules, e := r.modules()
	add(lockstep(modules), e)
	text, e := os.ReadFile(filepath.Join(r.dir, "CHANGELOG.md"))
	section, complaints := changes(string(text), r.version)
	add(complaints, e)
	if err != nil {
		return wrong, err
	}
	add(r.checkAPI(last(tags), section))
	return wrong, err
}
