package storagetest_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// In a test file of the adapter, as TestStore.
func ExampleRun() {
	_ = func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Store {
			return memory.New()
		})
	}
}

// Two handles on one database; here one store stands for both.
func ExampleRunShared() {
	_ = func(t *testing.T) {
		database := memory.New()
		storagetest.RunShared(t, func(t *testing.T) storage.Store {
			return database
		})
	}
}

// A handle for each of three nodes; a database that one process has to itself is opened once.
func ExampleSimulate() {
	_ = func(t *testing.T) {
		database := memory.New()
		storagetest.Simulate(t, func(t *testing.T) storage.Store {
			return database
		})
	}
}
