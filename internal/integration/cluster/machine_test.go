//go:build linux && !race

package cluster_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests run in a network and a mount namespace of their own: see TestMain. So whatever is made below ends with the
// last process in them, however that ends, and meets nothing of another test.

const (
	subnet = "10.99." // of the bridges; .0.1 is the test itself
	disks  = "/mnt"   // where the disks of machines are mounted, in the tests' own mount namespace

	// The user that servers run as, as most refuse to be root.
	nobody = 65534
)

// machine is a computer with an address on the bridge, processes that end together, a clock and a disk. They are
// namespaces of this one.
type machine struct {
	t    *testing.T
	name string
	ip   string
	port string // on the bridge
	disk string // a directory on a file system of its own; "" for none
	real bool   // the clock is this computer's, and cannot be moved

	init *exec.Cmd       // process 1 of its process namespace: with it all others end
	down <-chan struct{} // closed when init has ended
	into []*exec.Cmd     // what waits for processes that were started in it
}

var machines atomic.Int32 // of this process so far

// newMachine makes a machine that is off. Its disk holds so many MiB; 0 is none.
func newMachine(t *testing.T, name string, mib int) *machine {
	t.Helper()
	n := 10 + int(machines.Add(1))
	m := &machine{t: t, name: strings.ReplaceAll(name, "/", "-"), ip: fmt.Sprint(subnet, n/256, ".", n%256), port: fmt.Sprint("v", n)}
	if mib > 0 {
		m.disk = filepath.Join(disks, m.name)
		require.NoError(t, os.Mkdir(m.disk, 0o700))
		require.NoError(t, syscall.Mount("tmpfs", m.disk, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700,uid=%d", mib, nobody)))
		require.NoError(t, os.WriteFile(m.clockFile(), []byte("+0\n"), 0o644))
		t.Cleanup(func() {
			require.NoError(t, syscall.Unmount(m.disk, 0))
			require.NoError(t, os.Remove(m.disk))
		})
	}
	t.Cleanup(m.kill)
	return m
}

// boot turns a machine on. Nothing runs on it then, and its disk is as it was.
func (m *machine) boot() {
	m.t.Helper()
	exe, err := os.Executable()
	require.NoError(m.t, err)
	cmd := exec.Command(exe)
	cmd.Env = []string{roleVariable + "=init"}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(m.t, err)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:  syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}
	m.init = cmd
	m.down, err = launch(cmd)
	require.NoError(m.t, err)
	_, err = io.ReadFull(out, make([]byte, 1)) // once /proc is there
	require.NoError(m.t, err)
	pid := strconv.Itoa(cmd.Process.Pid)
	m.ipCommand("link", "add", m.port, "type", "veth", "peer", "name", "eth0", "netns", pid)
	m.ipCommand("link", "set", m.port, "master", "br0", "up")
	for _, args := range []string{"link set lo up", "addr add " + m.ip + "/16 dev eth0", "link set eth0 up"} {
		run(m.t, "nsenter", append([]string{"-t", pid, "-n", "ip"}, strings.Fields(args)...)...)
	}
}

func (m *machine) ipCommand(args ...string) { m.t.Helper(); run(m.t, "ip", args...) }

// initMain is process 1 of a machine: it waits for processes whose parents have ended.
func initMain() error {
	// Mounts stay in here. Programs share memory under /dev/shm by names that have the number of a process.
	if err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("proc", "/proc", "proc", 0, ""),
		syscall.Mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777"),
	); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	fmt.Print("1")
	for range ended {
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
	return nil
}

// launch starts a process that ends with this one, and tells when it has ended. What reads its output returns first.
func launch(cmd *exec.Cmd, readers ...func()) (<-chan struct{}, error) {
	done, started := make(chan struct{}), make(chan error)
	go func() {
		// The process is killed when the thread that started it ends, so that must last.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			for _, read := range readers {
				read()
			}
			_ = cmd.Wait()
			close(done)
		}
	}()
	return done, <-started
}

// run runs a program to its end.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
}

// command makes a command of a program on the machine, as user nobody unless asRoot. env is added to PATH and the like.
func (m *machine) command(asRoot bool, env []string, name string, args ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(m.init.Process.Pid), "-n", "-m", "-p", "-i"}
	if !asRoot {
		enter = append(enter, "-S", strconv.Itoa(nobody), "-G", strconv.Itoa(nobody))
	}
	cmd := exec.Command("nsenter", append(append(enter, "--", name), args...)...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + m.disk}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.into = append(m.into, cmd)
	return cmd
}

// start starts a program of a server, under the machine's clock, which libfaketime gives to programs that ask the C
// library. Its output goes to a log. It is started again when it ends, a second later, until the machine ends.
func (m *machine) start(log string, env []string, name string, args ...string) {
	m.t.Helper()
	again := []string{"-c", `while :; do "$@"; sleep 1; done`, "sh", name}
	cmd := m.command(false, append(m.clockEnv(), env...), "sh", append(again, args...)...)
	file, err := os.OpenFile(m.log(log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(m.t, err)
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	_, err = launch(cmd)
	require.NoError(m.t, err)
}

// do runs a program on the machine to its end, as a server is.
func (m *machine) do(env []string, name string, args ...string) ([]byte, error) {
	limit := strconv.Itoa(int(patience.Seconds()))
	return m.command(false, env, "timeout", append([]string{"--signal=KILL", limit, name}, args...)...).CombinedOutput()
}

// Logs are not on the machine's disk, which fills up.
func (m *machine) log(name string) string { return filepath.Join(disks, m.name+"-"+name+".log") }

// tail is the end of a log.
func (m *machine) tail(log string) string {
	text, _ := os.ReadFile(m.log(log))
	return string(text[max(0, len(text)-3000):])
}

// up reports whether the machine is on.
func (m *machine) up() bool {
	if m.init == nil {
		return false
	}
	select {
	case <-m.down:
		return false
	default:
		return true
	}
}

// kill turns the machine off: all of its processes end at once, by SIGKILL.
func (m *machine) kill() {
	if !m.up() {
		return
	}
	_ = m.init.Process.Kill()
	// Its end waits for that of the others, which somebody has to take note of. nsenter stands still when its child does.
	m.signal(syscall.SIGCONT)
	select {
	case <-m.down:
	case <-time.After(patience):
		m.t.Errorf("%s does not end", m.name)
	}
	m.into = nil
	// The network namespace ends later than the processes in it, and with it the port.
	_ = exec.Command("ip", "link", "del", m.port).Run()
	require.Eventually(m.t, func() bool {
		return exec.Command("ip", "link", "show", m.port).Run() != nil
	}, time.Minute, 10*time.Millisecond)
}

// pause has all of the machine's processes stand still, by SIGSTOP, and resume has them go on.
func (m *machine) pause() {
	m.t.Helper()
	// A process that runs may make another one while the others are stopped.
	require.Eventually(m.t, func() bool {
		running := 0
		for _, p := range m.processes() {
			if p.state != "T" && p.state != "Z" && p.state != "X" {
				running++
				_ = syscall.Kill(p.pid, syscall.SIGSTOP)
			}
		}
		return running == 0
	}, time.Minute, 5*time.Millisecond)
}

func (m *machine) resume() {
	for _, p := range m.processes() {
		_ = syscall.Kill(p.pid, syscall.SIGCONT)
	}
	m.signal(syscall.SIGCONT)
}

// signal signals what has started processes in the machine, which is not in it.
func (m *machine) signal(s syscall.Signal) {
	for _, cmd := range m.into {
		if cmd.Process != nil {
			_ = cmd.Process.Signal(s)
		}
	}
}

// signalOnly signals the machine's processes of a name.
func (m *machine) signalOnly(name string, s syscall.Signal) {
	for _, p := range m.processes() {
		if p.name == name {
			_ = syscall.Kill(p.pid, s)
		}
	}
}

type process struct {
	pid   int
	state string
	name  string
}

// processes lists the machine's.
func (m *machine) processes() (list []process) {
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", m.init.Process.Pid))
	if err != nil {
		return nil
	}
	paths, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, path := range paths {
		if ns, err := os.Readlink(path); err != nil || ns != own {
			continue
		}
		dir := strings.TrimSuffix(path, "/ns/pid")
		text, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		// The name of the program comes in parentheses, and may have some of its own.
		open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		list = append(list, process{pid, strings.Fields(string(text[end+1:]))[0], string(text[open+1 : end])})
	}
	return list
}

// clockFile has the offset of the machine's clock.
func (m *machine) clockFile() string { return filepath.Join(m.disk, "clock") }

func (m *machine) clockEnv() []string {
	if m.real {
		return []string{"LD_PRELOAD="}
	}
	return []string{
		"LD_PRELOAD=" + faketime(), "FAKETIME_TIMESTAMP_FILE=" + m.clockFile(), "FAKETIME_NO_CACHE=1",
		"FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
	}
}

// faketime is libfaketime for programs with threads, or "".
func faketime() string {
	paths, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1") // whatever the processor is
	return strings.Join(paths, ":")
}

// clock moves the clock of the machine's servers: it is off by so much from now on.
func (m *machine) clock(off time.Duration) {
	m.t.Helper()
	// In the place of the file, so that nobody reads half of it.
	next := m.clockFile() + ".next"
	require.NoError(m.t, os.WriteFile(next, fmt.Appendf(nil, "%+d\n", int(off.Seconds())), 0o644))
	require.NoError(m.t, os.Rename(next, m.clockFile()))
}

// fillDisk leaves no byte on the machine's disk, and freeDisk takes away what filled it.
func (m *machine) fillDisk() {
	m.t.Helper()
	f, err := os.Create(m.ballast())
	require.NoError(m.t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; { // smaller and smaller pieces
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	require.ErrorIs(m.t, err, syscall.ENOSPC)
}

func (m *machine) freeDisk() { m.t.Helper(); require.NoError(m.t, os.Remove(m.ballast())) }

func (m *machine) ballast() string { return filepath.Join(m.disk, "ballast") }

// partition cuts machines off from all others, and from the test; they reach each other. heal ends it.
func partition(cut ...*machine) {
	for _, m := range cut {
		m.ipCommand("link", "set", m.port, "master", "br1")
	}
}

func heal(cut ...*machine) {
	for _, m := range cut {
		m.ipCommand("link", "set", m.port, "master", "br0")
	}
}
