package dbtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// need skips or fails the test unless all programs are there.
func need(t testing.TB, pkg string, names ...string) {
	t.Helper()
	for _, name := range names {
		if program(name) == "" {
			testneed.Program(t, name, pkg)
		}
	}
}

// process is a server's process with its directory, which outlives it.
type process struct {
	dir  string
	args []string // the program and its arguments
	log  string

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// newProcess makes the directory and finds a free port.
func newProcess(name string) (*process, int, error) {
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	dir, err := os.MkdirTemp(parent(), "gatehouse-"+name+"-")
	if err != nil {
		return nil, 0, err
	}
	if err := give(dir); err != nil {
		return nil, 0, err
	}
	return &process{dir: dir, log: filepath.Join(dir, "log")}, port, nil
}

// freePort finds a port that nobody listens on, below those that systems hand out by themselves: from there another
// program could be given it before the server starts, or while it is restarted.
func freePort() (port int, err error) {
	for range 100 {
		port = 10_000 + rand.IntN(20_000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// parent returns where to make directories, in memory where there is room.
func parent() string {
	if roomy("/dev/shm") {
		return "/dev/shm"
	}
	return os.TempDir()
}

// setUp runs a program to its end.
func (p *process) setUp(args ...string) error {
	cmd := p.command(args)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, out)
	}
	return nil
}

func (p *process) command(args []string) *exec.Cmd {
	cmd := exec.Command(program(args[0]), args[1:]...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=Asia/Kolkata")
	cmd.SysProcAttr = attributes()
	return cmd
}

// start starts the process.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd, p.done = p.command(p.args), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		// The process is killed when the thread that started it ends, so that must last.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait()
			close(p.done)
		}
	}()
	return <-started
}

// ready waits until ask returns no error.
func (p *process) ready(ask func() error) error {
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			err = errors.New("the server ended")
		default:
			if time.Now().Before(deadline) {
				continue
			}
		}
		log, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s: %w\n%s", p.args[0], err, log[max(0, len(log)-4000):])
	}
}

// stop has the process end by itself, as a killed one leaves shared memory behind, or kills it.
func (p *process) stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.kill()
	}
}

// kill ends the process and its children, and returns when they have ended.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	// It stands still while its children are counted: one that it made between the count and its own end would hold on
	// to what the next server needs.
	freeze(p.cmd.Process)
	children := children(p.cmd.Process.Pid)
	p.cmd.Process.Kill()
	for _, pid := range children {
		if child, err := os.FindProcess(pid); err == nil {
			child.Kill()
		}
	}
	<-p.done
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if !slices.ContainsFunc(children, alive) {
			return
		}
	}
}
