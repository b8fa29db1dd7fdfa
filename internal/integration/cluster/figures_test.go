//go:build linux && !race

package cluster_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// figuresScale is how much TestFigures measures.
type figuresScale struct {
	engines       []string
	accounts      string
	clients, rate string
	probes        string
	warm, length  string
}

var (
	shortFigures = figuresScale{
		engines:  []string{"etcd"}, // which starts soonest
		accounts: "400", clients: "4", rate: "20", probes: "3", warm: "100ms", length: "300ms",
	}
	fullFigures = figuresScale{
		engines:  []string{"patroni", "galera", "etcd"},
		accounts: "6000", clients: "1,16", rate: "-0.7", probes: "50", warm: "1s", length: "4s",
	}
)

// TestFigures has people sign in over HTTP to a server whose store is a cluster that nothing happens to. With
// GATEHOUSE_FIGURES=DIR it measures all engines, and writes the results there.
func TestFigures(t *testing.T) {
	need(t)
	dir, size := os.Getenv("GATEHOUSE_FIGURES"), fullFigures
	if dir == "" {
		dir, size = t.TempDir(), shortFigures
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	program := buildLoad(t)
	for _, name := range size.engines {
		t.Run(name, func(t *testing.T) {
			c := prepare(t, name, 2048)
			for _, m := range c.nodes {
				m.real = true // libfaketime makes each look at the clock slow
			}
			c.start()
			lines := c.drive(program, size)
			t.Logf("%s", lines)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "http-"+name+".jsonl"), lines, 0o644))
			output(t, program, "-table", dir)
			table, err := os.ReadFile(filepath.Join(dir, "http.md"))
			require.NoError(t, err)
			require.Contains(t, string(table), "| gatehouse | "+name+" | ")
			requireFigures(t, lines, size)
		})
	}
}

// buildLoad builds the load program, and returns its path. Its modules may have to be fetched, so that is done in the
// network of the process that started this one.
func buildLoad(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "load")
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(os.Getppid()), "-n", "--",
		testneed.Program(t, "go", "golang"), "build", "-buildvcs=false", "-o", path, ".")
	cmd.Dir = "../../benchmarks/load"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "the load program does not build: %s", out)
	return path
}

// drive puts a load on a server next to the first node, and returns what the load program prints. Both run next to the
// test, whose address is on the same bridge and which sees the processes of the nodes.
func (c *cluster) drive(program string, size figuresScale) []byte {
	c.t.Helper()
	driver, dsn := c.engine.source(c.place(0))
	tokens := filepath.Join(c.t.TempDir(), "tokens")
	server := exec.Command(program, "-serve", "gatehouse", "-driver", driver, "-dsn", dsn, "-accounts", size.accounts, "-tokens", tokens)
	server.Stderr = os.Stderr
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := server.StdoutPipe()
	require.NoError(c.t, err)
	ended, err := launch(server)
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(c.t, err, "the server did not start")
	args := []string{
		"-drive", strings.TrimSpace(url), "-database", c.name, "-accounts", size.accounts, "-tokens", tokens,
		"-scenario", "review page", "-scenario", "token check", "-scenario", "sign-in",
		"-clients", size.clients, "-rates", size.rate, "-probe", size.probes, "-warm", size.warm, "-length", size.length,
		"-cpu", "server=" + strconv.Itoa(server.Process.Pid),
	}
	for _, m := range c.nodes {
		args = append(args, "-cpu-namespace", "database="+strconv.Itoa(m.init.Process.Pid))
	}
	return output(c.t, program, args...)
}

// output runs a program that ends with this one, and returns what it prints.
func output(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended, err := launch(cmd)
	require.NoError(t, err)
	<-ended
	require.True(t, cmd.ProcessState.Success(), "%s %q: %s", program, args, cmd.ProcessState)
	return out.Bytes()
}

// requireFigures looks at the lines of the load program: no code signed in twice, and all was measured.
func requireFigures(t *testing.T, lines []byte, size figuresScale) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(lines))
	var probe struct {
		Of      int
		Replays int `json:"replays_accepted"`
		Twice   int `json:"races_accepted_twice"`
	}
	require.NoError(t, dec.Decode(&probe))
	require.Equal(t, size.probes, strconv.Itoa(probe.Of))
	require.Zero(t, probe.Replays, "a code signed in twice")
	require.Zero(t, probe.Twice, "a code signed in two browsers at once")
	runs, databases := map[string]int{}, 0.0
	for dec.More() {
		var run struct {
			Scenario string
			Done     int
			Failed   int
			Fault    string
			Verified int
			CPU      map[string]float64 `json:"cpu_us"`
		}
		require.NoError(t, dec.Decode(&run))
		runs[run.Scenario]++
		databases += run.CPU["database"]
		if run.Scenario == "sign-in" {
			require.Equal(t, min(run.Done, 200), run.Verified)
		}
		if os.Getenv("GATEHOUSE_FIGURES") == "" {
			require.Zero(t, run.Failed, run.Fault)
		}
	}
	n := strings.Count(size.clients, ",") + 2
	require.Equal(t, map[string]int{"review page": n, "token check": n, "sign-in": n}, runs)
	require.Positive(t, databases, "the nodes have worked")
}
