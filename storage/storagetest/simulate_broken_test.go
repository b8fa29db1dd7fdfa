//go:build !race

package storagetest_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// TestSimulateFindsBrokenStores runs the default seeds on each of the broken stores of the suite. Not with the race detector: it
// takes a minute, and a broken store must be found without it.
func TestSimulateFindsBrokenStores(t *testing.T) {
	for _, b := range allBroken() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			seed, wrong := storagetest.FirstWrong(t, sharing(b.wreck))
			if wrong == "" {
				t.Fatalf("%d seeds do not find a store that %s", seed, b.name)
			}
			t.Logf("seed %d: %s", seed, wrong)
		})
	}
}
