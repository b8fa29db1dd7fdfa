package storagetest

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/storage"
)

// RunOne is RunShared with one subtest alone; it does nothing where there is none of that name.
func RunOne(t *testing.T, name string, open func(t *testing.T) storage.Store) {
	var one []test
	for _, test := range sharedTests {
		if test.name == name {
			one = append(one, test)
		}
	}
	run(t, open, one, func(t *testing.T, _ storage.Store) storage.Store { return open(t) })
}

// Names returns the names of all subtests.
func Names() []string {
	var names []string
	for _, test := range sharedTests {
		names = append(names, test.name)
	}
	return names
}

// FirstWrong returns the first seed that finds a store broken, and what it finds; "" where none does. It tries twice as many as
// Simulate does by itself, as what is found by a race may take another run.
func FirstWrong(t *testing.T, open func(t *testing.T) storage.Store) (seed uint64, wrong string) {
	return firstWrong(t, open, func(uint64) shape { return whole })
}

// FirstWrongOfServices does so with the calls of services alone.
func FirstWrongOfServices(t *testing.T, open func(t *testing.T) storage.Store) (seed uint64, wrong string) {
	return firstWrong(t, open, func(seed uint64) shape {
		of := shape{skipped: map[int]bool{}, steps: stepsOfSeed}
		for i := range of.steps {
			of.skipped[i] = (&sim{seed: seed}).stream(uint64(i)).IntN(100) >= turns
		}
		return of
	})
}

func firstWrong(t *testing.T, open func(t *testing.T) storage.Store, of func(seed uint64) shape) (seed uint64, wrong string) {
	var stores [nodes]storage.Store
	for i := range stores {
		stores[i] = open(t)
	}
	for seed := range uint64(2 * defaultSeeds) {
		if s := simulate(t, stores, seed, of(seed)); s.wrong != "" {
			return seed, s.wrong
		}
	}
	return 2 * defaultSeeds, ""
}
