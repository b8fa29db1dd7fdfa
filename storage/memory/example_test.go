package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

func ExampleNew() {
	ctx := context.Background()
	var store storage.Store = memory.New()

	err := store.SaveAccount(ctx, storage.Record{ID: "user-42", Version: 7001}, 0)
	fmt.Println(err)

	// Two callers have loaded version 7001: the first to save wins.
	fmt.Println(store.SaveAccount(ctx, storage.Record{ID: "user-42", Version: 7002}, 7001))
	err = store.SaveAccount(ctx, storage.Record{ID: "user-42", Version: 7003}, 7001)
	fmt.Println(errors.Is(err, storage.ErrConflict))

	_, err = store.LoadAccount(ctx, "User-42")
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// true
	// storage: not found
}
