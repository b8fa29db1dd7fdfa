package dbtest

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unprivileged returns the user that servers run as where the tests run as root, which servers
// refuse to run as.
func unprivileged() (uid, gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return 0, 0, false
	}
	uid, err1 := strconv.Atoi(nobody.Uid)
	gid, err2 := strconv.Atoi(nobody.Gid)
	return uid, gid, err1 == nil && err2 == nil
}

// attributes has a process end with this one, however that ends.
func attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if uid, gid, ok := unprivileged(); ok {
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attr
}

// give makes a directory that of the user servers run as.
func give(dir string) error {
	if uid, gid, ok := unprivileged(); ok {
		return os.Chown(dir, uid, gid)
	}
	return nil
}

// roomy reports whether there are 4 GiB in a directory that can be written.
func roomy(dir string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && s.Bavail*uint64(s.Bsize) >= 4<<30 && syscall.Access(dir, 2) == nil
}

// children returns the children of a process: PostgreSQL has one for each connection.
func children(parent int) []int {
	var all []int
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		if pid, ppid, _ := stat(path); ppid == parent {
			all = append(all, pid)
		}
	}
	return all
}

// freeze has a process stand still, and returns when it does or has ended.
func freeze(p *os.Process) {
	p.Signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, _, state := stat("/proc/" + strconv.Itoa(p.Pid) + "/stat"); state == "T" || state == "Z" || state == "" {
			return
		}
	}
}

// alive reports whether a process has not ended; one that nobody has waited for has.
func alive(pid int) bool {
	_, _, state := stat("/proc/" + strconv.Itoa(pid) + "/stat")
	return state != "" && state != "Z" && state != "X"
}

func stat(path string) (pid, parent int, state string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, ""
	}
	number, rest, _ := strings.Cut(string(text), " ")
	// The name of the program comes in parentheses, and may have some of its own.
	fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, ""
	}
	pid, _ = strconv.Atoi(number)
	parent, _ = strconv.Atoi(fields[1])
	return pid, parent, fields[0]
}
