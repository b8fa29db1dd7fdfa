// Package tenminutes goes through docs/ten-minutes.md.
package tenminutes

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	// What the page's go get brings, so that it is in the module cache, where it is taken from here.
	_ "github.com/ncruces/go-sqlite3/driver"
	_ "golang.org/x/crypto/bcrypt"
)

const gatehouse = "github.com/gatehouse-go/gatehouse"

var (
	blocks   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	fileName = regexp.MustCompile(`^// (\S+\.go)\n\n`)
)

// reader does what the page says.
type reader struct {
	t       *testing.T
	dir     string
	address string // where the program listens
	ran     []string
}

// The files compile, the tests pass, and the program shows its page, at the moment at which the page says so.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/ten-minutes.md")
	require.NoError(t, err)
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	r := &reader{t: t, dir: t.TempDir(), address: l.Addr().String()}
	for _, block := range blocks.FindAllStringSubmatch(string(page), -1) {
		switch kind, text := block[1], block[2]; kind {
		case "go":
			r.write(text)
		case "sh":
			for command := range strings.Lines(text) {
				r.run(strings.TrimSpace(command))
			}
		default:
			require.Equal(t, "mermaid", kind)
		}
	}
	for _, want := range []string{"go vet ./...", "go test ./...", "go run ."} {
		require.Contains(t, r.ran, want)
	}
	_, err = os.Stat(filepath.Join(r.dir, "acme.db"))
	require.NoError(t, err, "it keeps nothing")
}

func (r *reader) write(text string) {
	r.t.Helper()
	name := fileName.FindStringSubmatch(text)
	require.NotNil(r.t, name, "the first line of a file is its name: %.60q", text)
	path := filepath.Join(r.dir, filepath.FromSlash(name[1]))
	require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o700))
	text = strings.ReplaceAll(text, "localhost:8080", r.address)
	require.NoError(r.t, os.WriteFile(path, []byte(text), 0o600))
	require.Empty(r.t, r.sh("gofmt -l ."), "not formatted")
}

func (r *reader) run(command string) {
	r.t.Helper()
	r.ran = append(r.ran, command)
	switch {
	case command == "go run .":
		r.open()
	case strings.HasPrefix(command, "go get "):
		r.get(strings.Fields(command)[2:])
	default:
		r.t.Logf("%s\n%s", command, r.sh(command))
	}
	if command == "mkdir acme && cd acme" {
		r.dir = filepath.Join(r.dir, "acme")
	}
}

// command returns one that takes all modules from the cache.
func (r *reader) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.t.Context(), name, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off", "GOSUMDB=off", "PWD="+r.dir)
	return cmd
}

func (r *reader) sh(command string) string {
	r.t.Helper()
	out, err := r.command("sh", "-c", command).CombinedOutput()
	require.NoError(r.t, err, "%s\n%s", command, out)
	return string(out)
}

// get requires modules as the examples do, and Gatehouse as it is here.
func (r *reader) get(modules []string) {
	r.t.Helper()
	examples, err := filepath.Abs("..")
	require.NoError(r.t, err)
	cmd := exec.CommandContext(r.t.Context(), "go", "mod", "edit", "-json", filepath.Join(examples, "go.mod"))
	out, err := cmd.Output()
	require.NoError(r.t, err)
	var mod struct {
		Require []struct{ Path, Version string }
	}
	require.NoError(r.t, json.Unmarshal(out, &mod))
	args, known := []string{"mod", "edit", "-replace", gatehouse + "=" + filepath.Dir(examples)}, []string{}
	for _, m := range mod.Require {
		if m.Path == gatehouse || !strings.HasPrefix(m.Path, gatehouse+"/") {
			args = append(args, "-require", m.Path+"@"+m.Version)
			known = append(known, m.Path)
		}
	}
	require.Subset(r.t, known, modules)
	out, err = r.command("go", args...).CombinedOutput()
	require.NoError(r.t, err, string(out))
	sums, err := os.ReadFile(filepath.Join(examples, "go.sum"))
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, "go.sum"), sums, 0o600))
}

// open starts the program, and opens its first page.
func (r *reader) open() {
	r.t.Helper()
	r.sh("go build -o ./running .")
	cmd := r.command("./running")
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(r.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	body := ""
	for deadline := time.Now().Add(time.Minute); body == "" && time.Now().Before(deadline); {
		select {
		case <-ended:
			require.Fail(r.t, "the program has ended", log.String())
		default:
		}
		if res, err := http.Get("http://" + r.address); err == nil {
			text, err := io.ReadAll(res.Body)
			require.NoError(r.t, err)
			require.NoError(r.t, res.Body.Close())
			body = string(text)
		}
	}
	require.NoError(r.t, cmd.Process.Kill())
	<-ended
	require.Contains(r.t, body, `<form method="post" action="/sign-in">`)
}
