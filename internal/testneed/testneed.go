// Package testneed finds the programs some tests run. Where one is missing the test is skipped,
// and fails instead where GATEHOUSE_REQUIRE is set, so that nothing is skipped unseen in CI.
package testneed

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program that the test needs; pkg is the Debian package that has it.
func Program(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("GATEHOUSE_REQUIRE") != "" {
		t.Fatalf("GATEHOUSE_REQUIRE is set and %s (Debian: %s) is missing", name, pkg)
	}
	t.Skipf("needs %s (Debian: %s)", name, pkg)
	return ""
}
