//go:build unix

package secretfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/secretfile"
)

// Row F8: every mode, whoever owns the file and whichever groups the process is in. The group may read a file of somebody
// else's where the process is in it; nobody but the owner may write, and everybody may do nothing.
func TestExposed(t *testing.T) {
	const (
		root, app, other     = 0, 1000, 1001
		fsGroup, own, anyone = 2000, 1000, 65534
	)
	for mode := range fs.FileMode(0o1000) {
		for _, owner := range []int{root, app, other, -1} {
			for _, group := range []int{fsGroup, own, anyone, -1} {
				for _, me := range []secretfile.Process{
					{app, []int{own, fsGroup}}, {app, []int{fsGroup}}, {app, []int{own}}, {root, []int{0}}, {root, []int{0, fsGroup}},
				} {
					f := secretfile.File{Mode: mode | fs.ModeSetuid, Owner: owner, Group: group}
					in := false
					for _, g := range me.Groups {
						in = in || g == group
					}
					want := "" // nothing
					switch {
					case mode&0o006 != 0:
						want = "everybody"
					case mode&0o020 != 0:
						want = "lets its group write it"
					case mode&0o040 != 0 && owner == me.User:
						want = "belongs to this process"
					case mode&0o040 != 0 && (!in || owner == -1):
						want = "not in that group"
					}
					got := f.Exposed(me)
					if want == "" {
						require.Empty(t, got, "%+v %+v", f, me)
						continue
					}
					require.Contains(t, got, want, "%+v %+v", f, me)
					require.Contains(t, got, fmt.Sprintf("mode %04o ", mode))
					require.Contains(t, got, "0600")
				}
			}
		}
	}
	// The one of the row.
	require.Empty(t, secretfile.File{Mode: 0o440, Owner: 0, Group: 2000}.Exposed(secretfile.Process{User: 1000, Groups: []int{1000, 2000}}))
}

func write(t *testing.T, path, text string, mode fs.FileMode) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chmod(path, mode)) // past the umask
	return path
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777), "of directories nothing is asked")
	text, err := secretfile.Read(write(t, filepath.Join(dir, "good"), "secret\n", 0o600), 7)
	require.NoError(t, err)
	require.Equal(t, "secret\n", text)
	for name, c := range map[string]struct{ path, want string }{
		"too long":                {write(t, filepath.Join(dir, "long"), "secret\n.", 0o600), "more than 7 bytes"},
		"for everybody":           {write(t, filepath.Join(dir, "0444"), "secret", 0o444), "mode 0444 lets everybody"},
		"for the group":           {write(t, filepath.Join(dir, "0440"), "secret", 0o440), "mode 0440 lets its group read it; give it 0600"},
		"a directory":             {dir, "not a regular file"},
		"a device":                {os.DevNull, "not a regular file"},
		"a pipe nobody writes to": {pipe(t, filepath.Join(dir, "pipe")), "not a regular file"},
	} {
		text, err := secretfile.Read(c.path, 7)
		var refused secretfile.Refused
		require.ErrorAs(t, err, &refused, name)
		require.Contains(t, err.Error(), c.want, name)
		require.Empty(t, text)
	}
	_, err = secretfile.Read(filepath.Join(dir, "none"), 7)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func pipe(t *testing.T, path string) string {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

// A fault of the file is a fault, and not an empty text: an open that fails, and a read that fails.
func TestReadFaults(t *testing.T) {
	dir := t.TempDir()
	if _, err := os.Stat("/proc/self/mem"); err == nil { // a regular file whose first byte cannot be read
		text, err := secretfile.Read("/proc/self/mem", 1<<20)
		require.Error(t, err)
		require.Empty(t, text)
		require.NotErrorIs(t, err, fs.ErrNotExist)
	}
	path := write(t, filepath.Join(dir, "closed"), "secret", 0o600)
	if os.Geteuid() != 0 {
		require.NoError(t, os.Chmod(path, 0))
		text, err := secretfile.Read(path, 100)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.Empty(t, text)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("root reads everything, and the child is found in /proc")
	}
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.Equal(t, "permission denied", readAs(t, path, 1000, 1000))
}

// Row F8: Kubernetes mounts a secret as root:fsGroup with mode 0440, through links of its own. A process of another user
// reads it if it is in that group, also a supplementary one.
func TestReadAsKubernetesMountsIt(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root can be somebody else, and the child is found in /proc")
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	version := filepath.Join(dir, "..2026_01_01")
	require.NoError(t, os.Mkdir(version, 0o755))
	require.NoError(t, os.Chmod(version, fs.ModeSetgid|0o777))
	file := write(t, filepath.Join(version, "keys"), "secret", 0o440)
	require.NoError(t, os.Chown(version, 0, 2000))
	require.NoError(t, os.Chown(file, 0, 2000))
	require.NoError(t, os.Symlink("..2026_01_01", filepath.Join(dir, "..data")))
	path := filepath.Join(dir, "keys")
	require.NoError(t, os.Symlink("..data/keys", path))

	const member, group, user = "read secret", 2000, 1000
	require.Equal(t, member, readAs(t, path, user, 1000, group), "a supplementary group")
	require.Equal(t, member, readAs(t, path, user, group), "the process's own group")
	require.Equal(t, "permission denied", readAs(t, path, user, 1000), "not in the group")
	require.Contains(t, readAs(t, path, 0, 0, group), "run as another user than root")
	for mode, want := range map[fs.FileMode]string{
		0o444: "mode 0444 lets everybody", 0o644: "mode 0644 lets everybody", 0o460: "mode 0460 lets its group write it", 0o640: member,
	} {
		require.NoError(t, os.Chmod(file, mode))
		require.Contains(t, readAs(t, path, user, 1000, group), want)
	}
	require.NoError(t, os.Chmod(file, 0o440))
	require.NoError(t, os.Chown(file, user, group))
	require.Contains(t, readAs(t, path, user, group), "as it belongs to this process")
}

const asWhom = "SECRETFILE_READ"

// readAs has a child process of a user and its groups read a file, and returns what it says.
func readAs(t *testing.T, path string, user, group uint32, more ...uint32) string {
	t.Helper()
	self := exec.Command("/proc/self/exe", "-test.run=^TestChild$")
	self.Dir = "/"
	self.Env = []string{asWhom + "=" + path}
	self.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: group, Groups: more}}
	out, err := self.Output()
	require.NoError(t, err, string(out))
	said, _, _ := strings.Cut(string(out), "\n")
	return said
}

// TestChild is what readAs runs.
func TestChild(t *testing.T) {
	path := os.Getenv(asWhom)
	if path == "" {
		return
	}
	text, err := secretfile.Read(path, 100)
	switch {
	case errors.Is(err, fs.ErrPermission):
		fmt.Println("permission denied")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("read " + text)
	}
}
