package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const house = "github.com/example/house"

// files is a small house: a root, two modules on it that use a door inside of it, a command with a test that needs a
// third one, and an example.
var files = map[string]string{
	"go.work":      "go 1.26.0\n\nuse (\n\t.\n\t./cmd/house\n\t./examples\n\t./internal/kit\n\t./internal/lonely\n\t./passkey\n)\n",
	"LICENSE":      "Free.\n",
	"CHANGELOG.md": "# Changelog\n\n## [0.1.0] - 2030-01-02\n\nThe first one.\n",

	"go.mod":                "module " + house + "\n\ngo 1.26.0\n",
	"house.go":              "package house\n\nimport \"" + house + "/internal/door\"\n\n// Open is here to go.\nfunc Open() {}\n\nfunc Shut() int { return door.Door }\n",
	"internal/door/door.go": "package door\n\nvar Door, Door2 = 1, 2\n",

	"passkey/go.mod":     mod("passkey", "..", "."),
	"passkey/passkey.go": "package passkey\n\nimport \"" + house + "/internal/door\"\n\nfunc Key() int { return door.Door }\n",

	"internal/kit/go.mod": mod("internal/kit", "../..", "."),
	"internal/kit/kit.go": "package kit\n\nimport \"" + house + "\"\n\nvar Kit = house.Shut()\n",

	"internal/lonely/go.mod": mod("internal/lonely", "../..", "."),
	"internal/lonely/l.go":   "package lonely\n\nimport _ \"" + house + "\"\n",

	"cmd/house/go.mod":       mod("cmd/house", "../..", ".", "internal/kit"),
	"cmd/house/main.go":      "package main\n\nimport \"" + house + "\"\n\nfunc main() { println(house.Shut()) }\n",
	"cmd/house/main_test.go": "package main\n\nimport _ \"" + house + "/internal/kit\"\n",

	"examples/go.mod":     mod("examples", "..", ".", "passkey"),
	"examples/example.go": "package examples\n\nimport (\n\t_ \"" + house + "\"\n\t_ \"" + house + "/passkey\"\n)\n\nfunc Example() {}\n",

	".ci/tools/go.mod": "module " + house + "/.ci/tools\n\ngo 1.25.0\n",
}

// mod is the go.mod of a module that requires others of the house.
func mod(dir, root string, needs ...string) string {
	text := "module " + house + "/" + dir + "\n\ngo 1.26.0\n\nrequire (\n"
	replace := ""
	for _, need := range needs {
		path := strings.TrimSuffix(house+"/"+need, "/.")
		text += "\t" + path + " v0.0.0\n"
		replace += "\nreplace " + path + " => " + strings.TrimSuffix(root+"/"+need, "/.") + "\n"
	}
	return text + ")\n" + replace
}

// built makes a repository of the house, on which CI has passed.
func built(t *testing.T) repository {
	t.Helper()
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull, "GIT_AUTHOR_NAME": "ci", "GIT_AUTHOR_EMAIL": "ci@localhost",
		"GIT_COMMITTER_NAME": "ci", "GIT_COMMITTER_EMAIL": "ci@localhost", "GOPROXY": "off", "GOWORK": "", "GOFLAGS": "",
	} {
		t.Setenv(name, value)
	}
	r := repository{t.TempDir()}
	for name, text := range files {
		r.put(t, name, text)
	}
	r.run(t, "init", "--quiet", "--initial-branch=main")
	r.pass(t, "All.")
	return r
}

func (r repository) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.git(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r repository) put(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// edit replaces what is in a file of the house, and must be there.
func (r repository) edit(t *testing.T, name, old, new string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q: %v", name, old, err)
	}
	r.put(t, name, strings.ReplaceAll(string(text), old, new))
}

// pass commits everything, and notes what CI notes.
func (r repository) pass(t *testing.T, message string) {
	t.Helper()
	r.run(t, "add", "--all")
	r.run(t, "commit", "--quiet", "--message", message)
	r.put(t, ".git/"+passed, r.run(t, "rev-parse", "HEAD^{tree}")+"\n")
}

// TestRelease makes a release, does what it prints, and then one after that.
func TestRelease(t *testing.T) {
	r := built(t)
	var printed strings.Builder
	if err := run(r.dir, "v0.1.0", false, &printed); err != nil {
		t.Fatalf("%v\n%s", err, printed.String())
	}
	out := printed.String()
	for _, line := range []string{
		"compared with nothing",
		"modules: v0.1.0 internal/kit/v0.1.0 passkey/v0.1.0 cmd/house/v0.1.0\n",
		"go get " + house + "@v0.1.0: builds\n", "go get " + house + "/passkey@v0.1.0: builds\n", "go install " + house + "/cmd/house@v0.1.0: works\n",
		"\ngit push --atomic origin HEAD v0.1.0 internal/kit/v0.1.0 passkey/v0.1.0 cmd/house/v0.1.0\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	if got := r.run(t, "tag"); got != "" {
		t.Errorf("tags: %s", got)
	}
	if got := r.run(t, "status", "--porcelain"); got != "" {
		t.Errorf("changed: %s", got)
	}
	changed := strings.Fields(r.run(t, "diff", "--name-only", "main", "release-v0.1.0"))
	if want := []string{"cmd/house/go.mod", "cmd/house/go.sum", "internal/kit/go.mod", "internal/kit/go.sum", "passkey/go.mod", "passkey/go.sum"}; !slices.Equal(changed, want) {
		t.Errorf("the commit changes %v", changed)
	}
	if got := r.run(t, "show", "release-v0.1.0:cmd/house/go.mod"); strings.Contains(got, "replace") || strings.Count(got, " v0.1.0") != 2 {
		t.Errorf("go.mod of the command:\n%s", got)
	}

	for line := range strings.Lines(out) {
		if args := strings.Fields(line); len(args) > 1 && args[0] == "git" && args[1] == "tag" {
			r.run(t, args[1:]...)
		}
	}
	if got := strings.Fields(r.run(t, "tag")); len(got) != 4 {
		t.Errorf("tags: %v", got)
	}
	if r.run(t, "rev-parse", "v0.1.0^{}") != r.run(t, "rev-parse", "main") || r.run(t, "rev-parse", "passkey/v0.1.0^{}") != r.run(t, "rev-parse", "release-v0.1.0") {
		t.Error("tags are elsewhere")
	}

	r.edit(t, "CHANGELOG.md", "## [0.1.0]", "## [1.0.0] - 2030-02-04\n\n### Changed\n\n- Something.\n\n## [0.2.0] - 2030-02-03\n\n### Added\n\n- Something.\n\n## [0.1.1] - 2030-02-02\n\n### Removed\n\n- Something.\n\n## [0.1.0]")
	r.edit(t, "house.go", "func Open()", "func Opened()")
	r.edit(t, "examples/example.go", "func Example()", "func Other()") // of a module that nobody can require
	r.edit(t, "internal/door/door.go", "Door2", "Door3")
	r.pass(t, "Another name.")
	removed := "the API has changed since v0.1.0: it takes a minor version before v1.0.0, with a section ### Changed or ### Removed in CHANGELOG.md: Open: removed"
	complains(t, r, "v0.1.1", removed)
	complains(t, r, "v0.2.0", removed)
	complains(t, r, "v1.0.0", removed)
	complains(t, r, "v0.1.0", "v0.1.0 is not after v0.1.0")
	complains(t, r, "v0.0.9", "v0.0.9 is not after v0.1.0")
	r.edit(t, "CHANGELOG.md", "### Added", "### Changed")
	r.pass(t, "It is told.")
	complains(t, r, "v0.2.0", "")
	r.edit(t, "house.go", "func Opened()", "func Open() {}\n\nfunc Opened()")
	r.pass(t, "The name is back.")
	complains(t, r, "v0.1.1", "")
	r.edit(t, "passkey/passkey.go", "Key() int", "Key() int32")
	r.edit(t, "passkey/passkey.go", "return door.Door", "return int32(door.Door)")
	r.pass(t, "Another type, in another module.")
	complains(t, r, "v0.1.1", "Key: changed from func() int to func() int32")
}

// complains checks a version without making it. An empty text is none.
func complains(t *testing.T, r repository, version, want string) {
	t.Helper()
	var out strings.Builder
	wrong, err := release{r, version, t.TempDir(), &out}.check()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(wrong, func(what string) bool { return strings.Contains(what, want) })
	if want == "" && len(wrong) > 0 || want != "" && at < 0 {
		t.Errorf("%s: got %q, want %q", version, wrong, want)
	}
}

func TestRefusals(t *testing.T) {
	r := built(t)
	complains(t, r, "v0.1.0", "")
	for _, c := range []struct{ file, old, new, want string }{
		{"house.go", "Open is here", "Open is", "the tree is not clean"},
		{".git/" + passed, "", "x", ".ci/run has not passed on this commit"},
		{"CHANGELOG.md", "[0.1.0]", "[0.1.1]", "no section ## [0.1.0]"},
		{"CHANGELOG.md", " - 2030-01-02", "", "no day"},
		{"CHANGELOG.md", "2030-01-02", "2030-13-02", "no day"},
		{"CHANGELOG.md", "The first one.", "", "is empty"},
		{"CHANGELOG.md", "## [0.1.0]", "## [Unreleased]\n\n- Something.\n\n## [0.1.0]", "still under Unreleased"},
		{"passkey/go.mod", "go 1.26.0", "go 1.27.0", "passkey/go.mod: its lines go and toolchain are not those of the root"},
		{"passkey/go.mod", "go 1.26.0", "go 1.26.0\n\ntoolchain go1.27.0", "its lines go and toolchain"},
		{"passkey/go.mod", "v0.0.0", "v0.1.0", "is required as v0.1.0"},
		{"passkey/go.mod", "=> ..", "=> ../elsewhere", "is not replaced by ."},
		{"passkey/go.mod", "replace", "// replace", "is not replaced by ."},
		{"passkey/go.mod", "module " + house + "/passkey", "module " + house + "/passkeys", "the module is " + house + "/passkeys"},
		{"passkey/go.mod", "go 1.26.0", "go 1.26.0\n\nreplace a.test/a => b.test/b v1.0.0", "it replaces a.test/a"},
		{"internal/kit/go.mod", "go 1.26.0", "go 1.26.0\n\nexclude a.test/a v1.0.0", "it excludes a version"},
	} {
		before, err := os.ReadFile(filepath.Join(r.dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		if c.old == "" {
			r.put(t, c.file, c.new)
		} else {
			r.edit(t, c.file, c.old, c.new)
		}
		complains(t, r, "v0.1.0", c.want)
		r.put(t, c.file, string(before))
	}
	complains(t, r, "v0.1.0", "")
	for _, version := range []string{"", "0.1.0", "v0.1", "v0.1.0+x", "latest", "v0.01.0"} {
		complains(t, r, version, "is no version")
	}
	complains(t, r, "v2.0.0", "other module paths")

	if got := last([]string{"v0.1.0", "v0.2.0-rc.1"}); got != "v0.1.0" {
		t.Errorf("compared with %s", got)
	}

	r.edit(t, "house.go", "Open is here", "Open is")
	for _, rehearse := range []bool{false, true} {
		var out strings.Builder
		err := run(r.dir, "v0.1.0", rehearse, &out)
		if err != errNotReady || !strings.Contains(out.String(), "WRONG: the tree is not clean") || strings.Contains(out.String(), "go install") != rehearse {
			t.Errorf("rehearsed %v: %v: %s", rehearse, err, out.String())
		}
	}
	r.run(t, "checkout", "--quiet", "house.go")
	var out strings.Builder
	if err := run(r.dir, "v0.1.0", true, &out); err != nil || r.run(t, "branch", "--list", "release-*") != "" {
		t.Errorf("rehearsed: %v: %s", err, out.String())
	}

	r.edit(t, "passkey/go.mod", "require (\n", "require (\n\t"+house+"/internal/lonely v0.0.0\n")
	r.edit(t, "passkey/go.mod", "=> ..", "=> ..\n\nreplace "+house+"/internal/lonely => ../internal/lonely")
	r.pass(t, "Not tidy.")
	if err := run(r.dir, "v0.1.0", false, &out); err == nil || !strings.Contains(err.Error(), "go mod tidy has changed what it requires") {
		t.Error(err)
	}

	r.put(t, "new/go.mod", "module "+house+"/new\n")
	r.run(t, "add", "new")
	if err := run(r.dir, "v0.1.0", false, &out); err == nil || !strings.Contains(err.Error(), "new/go.mod is not in go.work") {
		t.Error(err)
	}
}

// The modules of this repository can be released as they are: what keeps them from it is found out before that day.
func TestThisRepository(t *testing.T) {
	t.Setenv("GIT_CONFIG_COUNT", "1") // the clone may be another user's
	t.Setenv("GIT_CONFIG_KEY_0", "safe.directory")
	t.Setenv("GIT_CONFIG_VALUE_0", "*")
	modules, err := repository{"../../.."}.modules()
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range lockstep(modules) {
		t.Error(what)
	}
	page, err := os.ReadFile("../../../docs/release.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	tags := strings.Count(table, "v0.1.0`")
	for _, m := range published(modules) {
		if !strings.Contains(table, "`"+m.tag("v0.1.0")+"`") {
			t.Errorf("docs/release.md has no tag of %s", m.path())
		}
		tags--
	}
	if tags != 0 {
		t.Error("docs/release.md has a tag that is none")
	}
}
