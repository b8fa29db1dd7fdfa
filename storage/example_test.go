package storage_test

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/storage"
)

func ExampleCheckID() {
	fmt.Println(storage.CheckID("user-42"))
	fmt.Println(storage.CheckID("user\x0042"))
	// Output:
	// <nil>
	// storage: invalid argument
}
