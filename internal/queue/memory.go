package queue

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// share is the part of the process's memory that runs may take.
const share = 4

// machineMemory returns the default bound of this process.
func machineMemory() int {
	return DefaultFor(min(CgroupMemory(os.DirFS("/")), debug.SetMemoryLimit(-1)))
}

// DefaultFor returns the default bound where a process has so many bytes of memory.
func DefaultFor(limit int64) int { return int(min(limit/share, DefaultMemory)) }

// CgroupMemory returns how much memory the control groups (version 2) of this process leave it, in bytes;
// math.MaxInt64 is as much as there is. root is the machine's root directory. What cannot be read is no limit.
func CgroupMemory(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(own)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		// A group has what each of those above it has as well. In a container its own may be the root.
		for dir := path.Join("/", group); ; dir = path.Dir(dir) {
			text, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", dir, "memory.max"))
			if err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 { // else "max"
					limit = min(limit, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit
}
