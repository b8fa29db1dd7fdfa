package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

func TestFilePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes there")
	}
	a := newAcme(t)
	text, _ := a.token("projects:read")
	path := fileWith(t, text)
	for mode := range os.FileMode(0o100) {
		require.NoError(t, os.Chmod(path, 0o600|mode))
		got := a.run(text, "projects", "list", "-token", path) // with another one in the environment
		if mode == 0 {
			require.Equal(t, result{0, "anvil\n", ""}, got)
			continue
		}
		require.Equal(t, result{1, "", fmt.Sprintf("acme: %s has mode %04o, so others may have the token: chmod 600 it, "+
			"and rotate the token\n", path, 0o600|mode)}, got)
	}
	require.NoError(t, os.Chmod(path, 0o400))
	require.Zero(t, a.run("", "projects", "list", "-token", path).status)
	require.Equal(t, 2, a.called("/projects"), "what is refused is not sent")
}

// Row F8: a token that was mounted for the process is read by its group: the file belongs to somebody else. Everybody
// may not read it, and its group may not write it.
func TestMountedToken(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	a := newAcme(t)
	text, _ := a.token("projects:read")
	path := fileWith(t, text)
	for mode := range os.FileMode(0o100) {
		for _, owner := range []struct{ user, group int }{{12345, os.Getegid()}, {12345, 54321}} {
			require.NoError(t, os.Chmod(path, 0o400|mode))
			require.NoError(t, os.Chown(path, owner.user, owner.group))
			got, err := readToken(path)
			if mode == 0 || mode == 0o040 && owner.group == os.Getegid() {
				require.NoError(t, err, "%04o", mode)
				require.Equal(t, text, got)
				continue
			}
			require.ErrorContains(t, err, fmt.Sprintf("has mode %04o", 0o400|mode))
			require.Empty(t, got)
		}
	}
}

// What is no token is neither sent nor shown.
func TestNoToken(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read")
	const secret = "-----BEGIN PRIVATE KEY----- MC4CAQAwBQYDK2Vw"
	for _, bad := range []string{"", secret, text[1:], text + "\n" + text, text + "x", tokens.Generate("other", tokens.Personal).Reveal(), strings.Repeat("a", 1<<20)} {
		for _, got := range []result{
			a.run("", "projects", "list", "-token", fileWith(t, bad)),
			a.run(bad+" ", "projects", "list"),
		} {
			require.Equal(t, 1, got.status)
			require.Contains(t, got.errs, "that is no token of Acme's\n")
			require.NotContains(t, got.errs, "KEY")
			require.NotContains(t, got.errs, text[23:])
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		got := a.run(text, "projects", "list", "-token", path)
		require.Equal(t, 1, got.status)
		require.Contains(t, got.errs, path)
	}
	require.Zero(t, a.called("/projects"))
}

// A link to the file stays one.
func TestLink(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read", itself)
	path := fileWith(t, text)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	a.Wait(29 * day)
	require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", link))
	a.mint = append(a.mint, read(t, path))
	require.NotEqual(t, text, read(t, path))
	stat, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, stat.Mode()&os.ModeSymlink)
}

// Until the replacement is complete the file is the old one; one that was given up leaves nothing.
func TestReplacement(t *testing.T) {
	path := fileWith(t, "old")
	next, err := newReplacement(path)
	require.NoError(t, err)
	stat, err := next.file.Stat()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), stat.Mode().Perm())
	require.Equal(t, filepath.Dir(path), filepath.Dir(next.file.Name()), "a rename is atomic within a file system")
	require.Equal(t, "old", read(t, path))
	next.discard()
	require.Error(t, next.commit("new"), "it is closed")
	require.Equal(t, "old", read(t, path))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)

	next, err = newReplacement(path)
	require.NoError(t, err)
	defer next.discard()
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, next.commit("new"))
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.False(t, os.SameFile(before, after), "the old one is not written over")
	require.Equal(t, "new", read(t, path))
}
