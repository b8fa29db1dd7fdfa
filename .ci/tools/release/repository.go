package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// repository is a clone.
type repository struct{ dir string }

func (r repository) git(args ...string) (string, error) { return command(r.dir, nil, "git", args...) }

// command returns what a program prints, without the line break at its end.
func command(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.Bytes())
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// versions returns the versions of the root module that have a tag, the greatest last.
func (r repository) versions() ([]string, error) {
	out, err := r.git("tag", "--list", "v*")
	if err != nil {
		return nil, err
	}
	var versions []string
	for tag := range strings.FieldsSeq(out) {
		if semver.IsValid(tag) && semver.Canonical(tag) == tag {
			versions = append(versions, tag)
		}
	}
	semver.Sort(versions)
	return versions, nil
}

// last returns the greatest version that is no release candidate; "" if there is none.
func last(versions []string) (version string) {
	for _, v := range versions {
		if semver.Prerelease(v) == "" {
			version = v
		}
	}
	return version
}

func checkVersion(version string, before []string) []string {
	switch {
	case !semver.IsValid(version) || semver.Canonical(version) != version:
		return []string{version + " is no version: v0.1.0, or v0.1.0-rc.1"}
	case semver.Major(version) != "v0" && semver.Major(version) != "v1":
		return []string{version + " needs other module paths: they would end in /" + semver.Major(version)}
	case len(before) > 0 && semver.Compare(version, before[len(before)-1]) <= 0:
		return []string{version + " is not after " + before[len(before)-1]}
	}
	return nil
}

// passed is where .ci/run notes the tree that it has passed on, in the directory of git.
const passed = "ci-passed"

// checkState returns what is wrong with the clone itself.
func (r repository) checkState() (wrong []string, err error) {
	status, err := r.git("status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if status != "" {
		wrong = append(wrong, "the tree is not clean")
	}
	tree, err := r.git("rev-parse", "HEAD^{tree}")
	if err != nil {
		return nil, err
	}
	path, err := r.git("rev-parse", "--git-path", passed)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	note, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if strings.TrimSpace(string(note)) != tree {
		wrong = append(wrong, "bash .ci/run has not passed on this commit")
	}
	return wrong, nil
}

// changes returns the changelog's section of a version, and what is wrong with it.
func changes(changelog, version string) (section string, wrong []string) {
	name := strings.TrimPrefix(version, "v")
	head := regexp.MustCompile(`(?m)^## \[` + regexp.QuoteMeta(name) + `\](.*)\n`)
	at := head.FindStringSubmatchIndex(changelog)
	if at == nil {
		return "", []string{"CHANGELOG.md has no section ## [" + name + "]"}
	}
	section, _, _ = strings.Cut(changelog[at[1]:], "\n## ")
	if _, err := time.Parse(" - 2006-01-02", changelog[at[2]:at[3]]); err != nil {
		wrong = append(wrong, "CHANGELOG.md: the section of "+name+" has no day: ## ["+name+"] - 2006-01-02")
	}
	if strings.TrimSpace(section) == "" {
		wrong = append(wrong, "CHANGELOG.md: the section of "+name+" is empty")
	}
	if _, rest, ok := strings.Cut(changelog, "## [Unreleased]\n"); ok {
		if waiting, _, _ := strings.Cut(rest, "\n## "); strings.TrimSpace(waiting) != "" {
			wrong = append(wrong, "CHANGELOG.md: something is still under Unreleased")
		}
	}
	return section, wrong
}
