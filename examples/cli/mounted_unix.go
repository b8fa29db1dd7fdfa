//go:build unix

package main

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// mounted reports whether a file belongs to somebody else, and to a group that this process is in: so Kubernetes mounts
// a secret for a process that is not root, with mode 0440.
func mounted(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	groups, err := os.Getgroups()
	return ok && err == nil && int(s.Uid) != os.Geteuid() && slices.Contains(append(groups, os.Getegid()), int(s.Gid))
}
