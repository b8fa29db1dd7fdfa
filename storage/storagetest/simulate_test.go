package storagetest_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// TestSimulatePassesGoodStores has stores that do all that a store may do.
func TestSimulatePassesGoodStores(t *testing.T) {
	for name, wreck := range map[string]func(*hooks){
		"through the hooks": func(*hooks) {}, "that asks to try again": asksToTryAgain, "with short pages": shortPages,
	} {
		t.Run(name, func(t *testing.T) { storagetest.Simulate(t, sharing(wreck)) })
	}
}

// TestSimulateFails runs itself in a process of its own, and reads what Simulate says of a broken store: the seed, what differs, and
// few calls.
func TestSimulateFails(t *testing.T) {
	if os.Getenv(runBroken) != "" {
		storagetest.Simulate(t, sharing(brokenSaves()[0].wreck)) // does not compare versions
		return
	}
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSimulateFails$")
	cmd.Env = append(os.Environ(), runBroken+"=1", "GATEHOUSE_STORE_SEED=7", "GATEHOUSE_STORE_SEEDS=3")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "Simulate passed a broken store")
	require.Regexp(t, `seed (7|8|9), after \d+ calls: .*answers no error, want "storage: conflict"`, string(out))
	require.Contains(t, string(out), "The fewest calls that were found to lead to it")
	steps := regexp.MustCompile(`(?m)^\s*step \d+, handle \d: .+`).FindAllString(string(out), -1)
	require.NotEmpty(t, steps)
	require.Less(t, len(steps), 20, "%s", out)
}
