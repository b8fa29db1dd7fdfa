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
