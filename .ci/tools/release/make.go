package main

import (
	"fmt"
	"go/build"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// made is the release in a clone.
type made struct {
	repository
	commit string
	tags   []string
}

// make makes the commit in a clone, tags it there, and uses it as somebody would who has only the tags.
func (r release) make() (made, error) {
	c, err := r.clone("release", "HEAD")
	if err != nil {
		return made{}, err
	}
	modules, err := c.modules()
	if err != nil {
		return made{}, err
	}
	all := published(modules)
	m := made{repository: c}
	for _, one := range all {
		m.tags = append(m.tags, one.tag(r.version))
	}
	if err := r.write(c, all); err != nil {
		return made{}, err
	}
	if m.commit, err = c.git("rev-parse", "HEAD"); err != nil {
		return made{}, err
	}
	r.say("modules: %s", strings.Join(m.tags, " "))
	return m, r.use(c, modules, all)
}

// write commits the modules as they are released, and tags them.
func (r release) write(c repository, all []module) error {
	base, err := c.git("rev-parse", "HEAD")
	if err != nil {
		return err
	}
	env, err := r.fetching(c, all[0].path(), "first")
	if err != nil {
		return err
	}
	// In the order of what they require: the go.sum of a module has the hashes of the others as they are released.
	for _, m := range all {
		text, err := released(m, r.version, all)
		if err != nil {
			return err
		}
		dir := filepath.Join(c.dir, m.dir)
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644); err != nil {
			return err
		}
		if m.dir != "." {
			if _, err := command(dir, env, "go", "mod", "tidy"); err != nil {
				return err
			}
			if err := sameRequirements(filepath.Join(dir, "go.mod"), text); err != nil {
				return err
			}
		}
		if err := c.commit("Release " + r.version); err != nil {
			return err
		}
		if _, err := c.git("tag", m.tag(r.version)); err != nil {
			return err
		}
	}
	// One commit for all, if anything has changed at all.
	if _, err := c.git("reset", "--quiet", "--soft", base); err != nil {
		return err
	}
	if err := c.commit("Release " + r.version); err != nil {
		return err
	}
	for _, m := range all[1:] {
		if _, err := c.git("tag", "--force", m.tag(r.version)); err != nil {
			return err
		}
	}
	return nil
}

// commit commits all that has changed, if anything has, as whoever git says.
func (r repository) commit(message string) error {
	if _, err := r.git("add", "--all"); err != nil {
		return err
	}
	status, err := r.git("status", "--porcelain")
	if err != nil || status == "" {
		return err
	}
	_, err = r.git("commit", "--quiet", "--message", message)
	return err
}

// sameRequirements returns an error unless a go.mod still requires what it did before it was tidied.
func sameRequirements(name string, before []byte) error {
	after, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var lists [2][]string
	for i, text := range [][]byte{before, after} {
		file, err := modfile.Parse(name, text, nil)
		if err != nil {
			return err
		}
		for _, q := range file.Require {
			lists[i] = append(lists[i], q.Mod.String())
		}
		slices.Sort(lists[i])
	}
	if !slices.Equal(lists[0], lists[1]) {
		return fmt.Errorf("%s: go mod tidy has changed what it requires: %v, and before %v", name, lists[1], lists[0])
	}
	return nil
}

// fetching has the go command take our modules from a clone's tags, as it would from the repository itself, and all others
// from the module cache where they are there. What it takes goes to a cache of its own, as nobody has released it yet.
func (r release) fetching(c repository, root, cache string) ([]string, error) {
	out, err := command(r.dir, nil, "go", "env", "GOMODCACHE", "GOPROXY")
	if err != nil {
		return nil, err
	}
	known, proxy, _ := strings.Cut(out, "\n")
	return append(os.Environ(),
		"GOFLAGS=-mod=mod -modcacherw -trimpath -buildvcs=false", "GOMODCACHE="+filepath.Join(r.tmp, cache), "GOPROXY=file://"+filepath.ToSlash(known)+"/cache/download,"+proxy,
		"GOPRIVATE="+root, "GOSUMDB=off", "GOWORK=off", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url.file://"+filepath.ToSlash(c.dir)+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+root,
	), nil
}

// use installs each command and builds each module in a module that requires it, with the tags alone.
func (r release) use(c repository, modules, all []module) error {
	env, err := r.fetching(c, modules[0].path(), "second")
	if err != nil {
		return err
	}
	user := filepath.Join(r.tmp, "user")
	if err := os.Mkdir(user, 0o755); err != nil {
		return err
	}
	if _, err := command(user, env, "go", "mod", "init", "user.example"); err != nil {
		return err
	}
	for _, m := range all {
		if slices.Contains(strings.Split(m.dir, "/"), "internal") {
			continue
		}
		at := m.path() + "@" + r.version
		if p, err := build.ImportDir(filepath.Join(c.dir, m.dir), 0); err == nil && p.IsCommand() {
			if err := r.install(user, env, m, at); err != nil {
				return err
			}
			continue
		}
		if _, err := command(user, env, "go", "get", at); err != nil {
			return err
		}
		if _, err := command(user, env, "go", "build", m.path()+"/..."); err != nil {
			return err
		}
		r.say("go get %s: builds", at)
	}
	return nil
}

func (r release) install(dir string, env []string, m module, at string) error {
	bin := filepath.Join(r.tmp, "bin")
	if _, err := command(dir, slices.Concat(env, []string{"GOBIN=" + bin}), "go", "install", at); err != nil {
		return err
	}
	out, err := command(dir, env, "go", "version", "-m", filepath.Join(bin, path.Base(m.path())))
	if err != nil {
		return err
	}
	if !strings.Contains(out, "\tmod\t"+m.path()+"\t"+r.version) {
		return fmt.Errorf("go install %s made another version:\n%s", at, out)
	}
	r.say("go install %s: works", at)
	return nil
}

// keep brings the commit into the repository as a branch, and says what is left to do.
func (r release) keep(m made) error {
	branch := "release-" + r.version
	if _, err := r.git("fetch", "--quiet", "--no-tags", m.dir, m.commit+":refs/heads/"+branch); err != nil {
		return err
	}
	base, err := r.git("rev-parse", "HEAD")
	if err != nil {
		return err
	}
	r.say("branch %s: %s", branch, m.commit)
	r.say("Look at it (git show %s), then:", branch)
	for _, tag := range m.tags {
		on := branch
		if tag == r.version {
			on = base // so that it is among the ancestors of whatever comes after
		}
		r.say("git tag --annotate --message %s %s %s", r.version, tag, on)
	}
	r.say("git push --atomic origin HEAD %s", strings.Join(m.tags, " "))
	return nil
}
