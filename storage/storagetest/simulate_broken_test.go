//go:build !race

package storagetest_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// TestSimulateFindsBrokenStores runs seeds on each of the broken stores of the suite but those of forTheSuite. Not with the race detector: it
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

// TestSimulateFindsByServices: of these stores, the calls of services alone find each, with the faults that they meet and the calls
// that go on together.
func TestSimulateFindsByServices(t *testing.T) {
	found := map[string]bool{
		"does not compare versions (accounts)": false, "compares and saves in two steps (accounts)": false, "has its own error for conflicts (tokens)": false,
		"calls each save a conflict (accounts)": false, "numbers versions itself (tokens)": false, "reads from a cache of the handle": false,
		"deletes nothing": false, "leaves the tokens of a deleted account": false, "has no index of the owner": false, "lists no unsent accounts": false,
		"does not update TokenEpoch": false, "does not update Expires of tokens": false, "keeps the slice it is given (accounts)": false, "folds case (accounts)": false,
		"ignores the context in LoadAccount": false, "touches nothing": false,
	}
	for _, b := range allBroken() {
		if _, ok := found[b.name]; !ok {
			continue
		}
		found[b.name] = true
		t.Run(b.name, func(t *testing.T) {
			seed, wrong := storagetest.FirstWrongOfServices(t, sharing(b.wreck))
			if wrong == "" {
				t.Fatalf("%d seeds do not find a store that %s", seed, b.name)
			}
			t.Logf("seed %d: %s", seed, wrong)
		})
	}
	for name, ok := range found {
		if !ok {
			t.Errorf("there is no broken store of the name %q", name)
		}
	}
}
