//go:build unix

package secretfile

import (
	"io/fs"
	"syscall"
)

func fileOf(info fs.FileInfo) File {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return File{info.Mode(), int(s.Uid), int(s.Gid)}
	}
	return File{info.Mode(), -1, -1}
}
