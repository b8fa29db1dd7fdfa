//go:build linux && !race

package cluster_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// roleVariable says what a process of this binary is: "" what go test starts, "tests" the same in namespaces of its own,
// "init" process 1 of a machine, and "worker" a program that uses Gatehouse.
const roleVariable = "GATEHOUSE_CLUSTER_ROLE"

// seedsVariable says how many seeds storagetest.Simulate runs.
const seedsVariable = "GATEHOUSE_STORE_SEEDS"

func TestMain(m *testing.M) {
	// Debian keeps some programs where PATH may not lead.
	err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	switch os.Getenv(roleVariable) {
	case "init":
		err = initMain()
	case "worker":
		err = workerMain()
	case "tests":
		if os.Getenv(seedsVariable) == "" {
			err = os.Setenv(seedsVariable, "2") // half a minute of a busy cluster
		}
		if err = errors.Join(err, ownNamespaces()); err == nil {
			os.Exit(m.Run())
		}
	default:
		if os.Geteuid() != 0 || !namespaces() {
			os.Exit(m.Run()) // to say what is missing
		}
		os.Exit(inNamespaces())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// isolated has processes in a network and a mount namespace of their own.
func isolated(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	return cmd
}

// namespaces reports whether they can be had here.
func namespaces() bool {
	return isolated(exec.Command("ip", "link", "add", "br0", "type", "bridge")).Run() == nil
}

// inNamespaces runs the tests in namespaces of their own.
func inNamespaces() int {
	// The process is killed when the thread that started it ends, so that must last.
	runtime.LockOSThread()
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := isolated(exec.Command(exe, os.Args[1:]...))
	cmd.Env = append(os.Environ(), roleVariable+"=tests")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && ended.ExitCode() > 0 {
			return ended.ExitCode()
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ownNamespaces makes of the namespaces what the tests need: mounts that stay in them, room for disks and two bridges
// that nothing connects.
func ownNamespaces() error {
	err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("tmpfs", disks, "tmpfs", 0, "mode=0755"),
	)
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "br0", "type", "bridge"}, {"link", "set", "br0", "up"}, {"addr", "add", subnet + "0.1/16", "dev", "br0"},
		{"link", "add", "br1", "type", "bridge"}, {"link", "set", "br1", "up"},
	} {
		out, fault := exec.Command("ip", args...).CombinedOutput()
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("ip %q: %w: %s", args, fault, out))
		}
	}
	return err
}

// need skips the test, or fails it where GATEHOUSE_REQUIRE is set, unless there are namespaces and programs: pairs of a
// program and the Debian package that has it.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for i := 0; i < len(programs); i += 2 {
		testneed.Program(t, programs[i], programs[i+1])
	}
	testneed.Program(t, "ip", "iproute2")
	testneed.Program(t, "nsenter", "util-linux")
	testneed.Program(t, "faketime", "faketime")
	if os.Getenv(roleVariable) != "" {
		if faketime() == "" {
			t.Fatal("faketime is there, and its library is not where Debian has it") // the clock of a server would stay as it is
		}
		return
	}
	if os.Getenv("GATEHOUSE_REQUIRE") != "" {
		t.Fatal("GATEHOUSE_REQUIRE is set, and there are no network namespaces, or no root to make them")
	}
	t.Skip("needs root and network namespaces")
}
