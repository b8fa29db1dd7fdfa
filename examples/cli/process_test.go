package main

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// TestProcesses has the service and the commands as processes of their own: tokens are kept in SQLite,
// commands that rotate are killed, and the service ends by a signal.
func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "cli")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	db, file := filepath.Join(dir, "acme.db"), filepath.Join(dir, "token")

	start := func(args ...string) (url string, stop func() (log string)) {
		t.Helper()
		server := exec.Command(program, append([]string{"serve", "-addr", "127.0.0.1:0", "-db", db}, args...)...)
		var log strings.Builder
		server.Stderr = &log
		pipe, err := server.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, server.Start())
		t.Cleanup(func() { _ = server.Process.Kill() })
		lines := bufio.NewReader(pipe)
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), func() string {
			require.NoError(t, server.Process.Signal(syscall.SIGTERM))
			rest, err := io.ReadAll(lines)
			require.NoError(t, err)
			require.Empty(t, rest, "nothing but the address is printed")
			require.NoError(t, server.Wait())
			return log.String()
		}
	}
	command := func(url string, args ...string) *exec.Cmd {
		c := exec.Command(program, append(args, "-url", url, "-token", file)...)
		c.Env = []string{}
		return c
	}
	works := func(url string) {
		t.Helper()
		out, err := command(url, "projects", "list").Output()
		require.NoError(t, err)
		require.Equal(t, "anvil\n", string(out))
	}

	url, stop := start("-mint", file, "-lifetime", "1h", "-scopes", "projects:read")
	stat, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), stat.Mode().Perm())
	seen := []string{read(t, file)}
	works(url)
	seen = append(seen, read(t, file))
	require.NotEqual(t, seen[0], seen[1], "an hour is soon")

	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			c := command(url, "projects", "list")
			var errs strings.Builder
			c.Stderr = &errs
			out, err := c.Output()
			// One of them rotates. Where it takes longer to write the successor than the others wait, they say so.
			if err != nil || string(out) != "anvil\n" || errs.Len() > 0 && !strings.Contains(errs.String(), "has been rotated") {
				t.Errorf("%v: %s%s", err, out, errs.String())
			}
		})
	}
	all.Wait()
	seen = append(seen, read(t, file))
	require.NotEqual(t, seen[1], seen[2])
	add := command(url, "projects", "add")
	add.Args = append(add.Args, "rocket")
	refused, err := add.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, "acme: the token lacks the scope \"projects:write\": make one that has it on the settings page\n", string(refused))

	// The end of a command at any moment leaves a token that works: its own, or the successor. Where it
	// has lost the successor there is nothing to rotate any more.
	for range 12 {
		c := command(url, "projects", "list")
		require.NoError(t, c.Start())
		time.Sleep(time.Duration(rand.IntN(25)) * time.Millisecond)
		_ = c.Process.Kill()
		_ = c.Wait()
		p, err := tokens.Parse(brand, read(t, file))
		require.NoError(t, err, "all of one token")
		require.Equal(t, seen[0][9:23], p.ID)
		next := command(url, "projects", "list")
		var errs strings.Builder
		next.Stderr = &errs
		out, err := next.Output()
		require.NoError(t, err, errs.String())
		require.Equal(t, "anvil\n", string(out))
		if strings.Contains(errs.String(), "has been rotated") {
			break
		}
	}
	log := stop()

	// What was used is stored, and the tokens are there for the next process.
	store, keys, closeDB, err := open(t.Context(), db)
	require.NoError(t, err)
	rules, err := policy()
	require.NoError(t, err)
	svc, err := gatehouse.New(store, gatehouse.Config{Issuer: "Acme", Keys: keys})
	require.NoError(t, err)
	tok, err := tokens.New(svc, rules)
	require.NoError(t, err)
	var list []tokens.Info
	for info, err := range tok.List(context.Background(), "ada") {
		require.NoError(t, err)
		list = append(list, info)
	}
	require.Len(t, list, 1)
	require.False(t, list[0].LastUsed.IsZero(), "Close has stored it")
	require.Empty(t, list[0].Unused)
	require.Equal(t, tokens.StateActive, list[0].State)
	_, err = tok.Check(t.Context(), read(t, file), netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	require.NoError(t, closeDB())
	url, stop = start()
	works(url)
	log += stop()

	require.Contains(t, log, `GET "/projects"`)
	for _, text := range append(seen, read(t, file)) {
		require.NotContains(t, log, text[23:])
	}
}
