package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// readToken reads a token from a file that nobody but its owner can read or write, or which was mounted for this process.
func readToken(path string) (string, error) {
	info, err := os.Stat(path) // before it is opened, as opening a pipe waits for its writer
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // of what was opened
		return "", err
	}
	mode := info.Mode().Perm()
	if ours := mode&0o077 == 0 || mode&0o077 == 0o040 && mounted(info); !ours && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%s has mode %04o, so others may have the token: chmod 600 it, and rotate the token", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return "", err
	}
	token, err := checkToken(string(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return token, nil
}

// checkToken sees to it that nothing but a token, such as a key in a file that was named by mistake, is
// sent anywhere. Its error does not show the text.
func checkToken(text string) (string, error) {
	token := strings.TrimSpace(text)
	if _, err := tokens.Parse(brand, token); err != nil {
		return "", errors.New("that is no token of Acme's")
	}
	return token, nil
}

// replacement is a file that will take the place of another at once: whoever reads that, also after a
// crash, finds all of the old or all of the new.
type replacement struct {
	path string
	file *os.File
}

// newReplacement makes the file, so that a folder in which that is not possible is found before a token
// is rotated. A crash may leave it behind.
func newReplacement(path string) (*replacement, error) {
	if to, err := filepath.EvalSymlinks(path); err == nil { // else there is nothing to replace yet
		path = to
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".token-*") // with mode 0600
	return &replacement{path, file}, err
}

// discard removes what was not committed.
func (r *replacement) discard() {
	_ = r.file.Close()
	_ = os.Remove(r.file.Name())
}

func (r *replacement) commit(token string) error {
	_, err := r.file.WriteString(token + "\n")
	// On the disk before it has the name, and then the name.
	err = errors.Join(err, r.file.Sync(), r.file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(r.file.Name(), r.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(r.path))
}

func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // where folders cannot be synced
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
