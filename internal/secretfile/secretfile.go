// Package secretfile reads files whose text only the process may know.
package secretfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
)

// Refused is the error of a file that is there, but is not to be trusted. It says why, and what helps.
type Refused string

func (r Refused) Error() string { return string(r) }

// Read returns the text of a file that Open opens. What is longer than most bytes is Refused.
func Read(path string, most int) (string, error) {
	f, err := Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return "", err
	}
	if len(text) > most {
		return "", Refused(fmt.Sprintf("more than %d bytes", most))
	}
	return string(text), nil
}

// Open opens a regular file that nobody but the process, or whoever mounted the file for it, may read or
// write: see [File.Exposed]. Anything else is Refused; a file that cannot be read gives the error of package os. Of
// directories nothing is asked, and links are followed, as mounted secrets are links in folders of other people's making.
func Open(path string) (*os.File, error) {
	// Asked before the file is opened, as opening a pipe waits for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, Refused("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := Check(f); err != nil { // of the open file: what the path names may have changed
		f.Close()
		return nil, err
	}
	return f, nil
}

// Check returns Refused for an open file that others may read or write.
func Check(f *os.File) error {
	info, err := f.Stat()
	if err != nil || runtime.GOOS == "windows" { // where modes say nothing
		return err
	}
	me, err := Self()
	if err != nil {
		return err
	}
	if why := fileOf(info).Exposed(me); why != "" {
		return Refused(why)
	}
	return nil
}

// Process is who reads a file.
type Process struct {
	User   int
	Groups []int // the effective one and the supplementary ones
}

// Self returns the process as it is.
func Self() (Process, error) {
	groups, err := os.Getgroups()
	return Process{os.Geteuid(), append(groups, os.Getegid())}, err
}

// File is who may do what with a file. Owner and Group are -1 where the system does not tell.
type File struct {
	Mode         fs.FileMode // its permission bits
	Owner, Group int
}

// Exposed says why others may know or choose what is in the file, and what helps; "" is for a file that is good.
//
// The group may read a file that belongs to another user, if the process is in that group: so Kubernetes mounts a
// secret for a process that is not root (root:fsGroup, mode 0440), and the process cannot change it. Who owns
// the file has no use for a group, so there it is refused. Nobody but the owner may write, and others may
// do nothing.
func (f File) Exposed(by Process) string {
	mode := f.Mode.Perm()
	switch {
	case mode&0o006 != 0:
		return fmt.Sprintf("mode %04o lets everybody read or write it; give it 0600, or mount it with 0400 or 0440", mode)
	case mode&0o020 != 0:
		return fmt.Sprintf("mode %04o lets its group write it; give it 0600, or mount it with 0400 or 0440", mode)
	case mode&0o040 == 0:
		return ""
	case f.Owner == by.User:
		return fmt.Sprintf("mode %04o lets its group read it; give it 0600, as it belongs to this process (in Kubernetes: "+
			"run as another user than root, or mount it with 0400 and without fsGroup)", mode)
	case f.Owner < 0 || !slices.Contains(by.Groups, f.Group):
		return fmt.Sprintf("mode %04o lets its group read it, and this process is not in that group; give it 0600, or run "+
			"the process in that group (in Kubernetes: fsGroup)", mode)
	}
	return ""
}
