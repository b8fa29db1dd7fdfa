package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// asProgram has the test binary be the program itself, so that servers and loads are processes of their own.
const asProgram = "GATEHOUSE_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(dbtest.Main(m))
}

// scale is how much is measured.
type scale struct {
	accounts, probes int
	warm, length     time.Duration
	clients, rates   string
}

// runs is how many there are of a scenario.
func (s scale) runs() int { return strings.Count(s.clients, ",") + strings.Count(s.rates, ",") + 2 }

var (
	short = scale{accounts: 600, probes: 3, warm: 100 * time.Millisecond, length: 300 * time.Millisecond, clients: "4", rates: "50"}
	full  = scale{accounts: 30_000, probes: 100, warm: 2 * time.Second, length: 4 * time.Second, clients: "1,16,64", rates: "100,-0.7"}
)

// TestLoad has every server sign in, and refuse what it must. With GATEHOUSE_FIGURES=DIR it measures them and writes the
// results there; better-auth, which needs Node and npm, is measured only then.
func TestLoad(t *testing.T) {
	out, size := os.Getenv("GATEHOUSE_FIGURES"), short
	var results bytes.Buffer
	if out != "" {
		size = full
		defer func() { require.NoError(t, keep(out, results.Bytes())) }()
	}
	for _, c := range []struct {
		server, database string
		scenarios        []string
		replays          bool          // a code signs in again, as is known of this server
		warm             time.Duration // 0: as the scale says
	}{
		{server: "gatehouse", database: "sqlite", scenarios: []string{"review page", "token check", "sign-in"}},
		{server: "gatehouse", database: "postgres", scenarios: []string{"review page", "token check", "sign-in"}},
		{server: "gatehouse", database: "mariadb", scenarios: []string{"review page", "token check", "sign-in"}},
		{server: "bare", database: "postgres", scenarios: []string{"sign-in"}},
		{server: "authboss", database: "postgres", scenarios: []string{"sign-in"}},
		{server: "better-auth", database: "postgres", scenarios: []string{"sign-in"}, replays: true, warm: 10 * time.Second},
	} {
		if c.server == "better-auth" && out == "" {
			continue
		}
		t.Run(c.server+" on "+c.database, func(t *testing.T) {
			size := size
			size.warm = max(size.warm, c.warm)
			s := newServer(t, c.server, c.database, size)
			first, lines, _ := bytes.Cut(s.drive(t, c.scenarios), []byte("\n"))
			var f found
			require.NoError(t, json.Unmarshal(first, &f))
			if !c.replays {
				require.Zero(t, f.Replays, "a code signed in twice")
			}
			if c.server == "gatehouse" {
				require.Zero(t, f.Twice, "a code signed in two browsers at once")
			}
			fmt.Fprintf(&results, "%s\n%s", first, lines)
			t.Logf("%s\n%s", first, lines)
			dec := json.NewDecoder(bytes.NewReader(lines))
			for range len(c.scenarios) * size.runs() {
				var r result
				require.NoError(t, dec.Decode(&r))
				if out == "" {
					require.Zero(t, r.Failed, r.Fault)
				}
				if r.Scenario == "sign-in" {
					require.Equal(t, min(r.Done, 200), r.Verified)
				}
			}
			require.False(t, dec.More())
		})
	}
}

// keep writes the raw results to a directory, and a table of all that is there.
func keep(dir string, lines []byte) error {
	return errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "http.jsonl"), lines, 0o644),
		makeTable(dir),
	)
}

// server is a server that runs in its own process.
type server struct {
	name, database string
	size           scale
	url, tokens    string
	pid            int
	databasePID    int // 0: the server's own process
}

func newServer(t *testing.T, name, database string, size scale) *server {
	t.Helper()
	driver, dsn, pid := "sqlite3", "", 0
	if database == "sqlite" {
		dsn = dbtest.SQLite(t)
	} else {
		start := map[string]func(testing.TB) *dbtest.Server{"postgres": dbtest.Postgres, "mariadb": dbtest.MySQL}[database]
		db := start(t)
		driver, dsn, pid = db.Driver(), db.Database(t), db.PID()
	}
	s := &server{name: name, database: database, size: size, tokens: filepath.Join(t.TempDir(), "tokens"), databasePID: pid}
	cmd := command(t, "-serve", name, "-driver", driver, "-dsn", dsn, "-accounts", strconv.Itoa(size.accounts), "-tokens", s.tokens)
	if name == "better-auth" {
		cmd = betterAuth(t, dsn, size.accounts)
	}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s.url, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the server did not start")
	s.url, s.pid = strings.TrimSpace(s.url), cmd.Process.Pid
	return s
}

// betterAuth returns the command of better-auth, whose packages it fetches.
func betterAuth(t *testing.T, dsn string, accounts int) *exec.Cmd {
	t.Helper()
	node := testneed.Program(t, "node", "nodejs")
	install := exec.Command(testneed.Program(t, "npm", "npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("betterauth")))
	install.Dir = dir
	text, err := install.CombinedOutput()
	require.NoError(t, err, "%s", text)
	cmd := exec.CommandContext(t.Context(), node, "server.mjs", dsn, strconv.Itoa(accounts))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	return cmd
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// drive runs the load program and returns what it prints.
func (s *server) drive(t *testing.T, scenarios []string) []byte {
	t.Helper()
	args := []string{
		"-drive", s.url, "-peer", s.name, "-database", s.database, "-accounts", strconv.Itoa(s.size.accounts),
		"-probe", strconv.Itoa(s.size.probes), "-clients", s.size.clients, "-rates", s.size.rates,
		"-warm", s.size.warm.String(), "-length", s.size.length.String(),
	}
	for _, scenario := range scenarios {
		args = append(args, "-scenario", scenario)
	}
	if runtime.GOOS == "linux" { // elsewhere there is no /proc
		args = append(args, "-cpu", fmt.Sprintf("server=%d", s.pid))
	}
	if runtime.GOOS == "linux" && s.databasePID != 0 {
		args = append(args, "-cpu", fmt.Sprintf("database=%d", s.databasePID))
	}
	if s.name == "gatehouse" {
		args = append(args, "-tokens", s.tokens)
	}
	cmd := command(t, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	return out
}
