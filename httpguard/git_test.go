package httpguard_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// Row A13: git clones from behind a guard. It asks for credentials only because the answer of 401 offers Basic, beside
// Bearer, which it does not know.
func TestGit(t *testing.T) {
	git, dir := testneed.Program(t, "git", "git"), t.TempDir()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), git, append([]string{
			"-c", "user.name=x", "-c", "user.email=x@acme.test", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false",
			"-c", `credential.helper=!f() { echo username=anybody; echo "password=$TOKEN"; }; f`,
		}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "NO_PROXY=*")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "work"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "work", "README"), []byte("an anvil"), 0o600))
	for _, args := range [][]string{
		{"-C", "work", "init"}, {"-C", "work", "add", "README"}, {"-C", "work", "commit", "-m", "one"},
		{"clone", "--bare", "work", "served/anvil.git"}, {"-C", "served/anvil.git", "update-server-info"},
	} {
		out, err := run(args...)
		require.NoError(t, err, out)
	}

	for _, basic := range []bool{true, false} {
		s := newShop(t, func(c *httpguard.Config) { c.BasicPassword = basic })
		files := http.StripPrefix("/git/", http.FileServer(http.Dir(filepath.Join(dir, "served"))))
		token := s.token("projects:read")
		for what, shown := range map[string]string{"good": token, "false": token + "x"} {
			var mu sync.Mutex
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				user, _, _ := r.BasicAuth()
				mu.Lock()
				asked = append(asked, user)
				mu.Unlock()
				s.guard.RequireScope("projects:read", nil)(files).ServeHTTP(w, r)
			}))
			t.Setenv("TOKEN", shown)
			out, err := run("clone", server.URL+"/git/anvil.git", filepath.Join(t.TempDir(), "copy"))
			server.Close()
			require.Equal(t, basic && shown == token, err == nil, "%s: %s", what, out)
			require.Empty(t, asked[0], "nothing is sent before it is asked for")
			require.Equal(t, basic, slices.Contains(asked, "anybody"), asked)
			require.NotContains(t, s.faults.String(), token)
		}
	}
}
