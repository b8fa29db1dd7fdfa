package storagetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

type test struct {
	name string
	run  func(*env)
}

// maxTries bounds how often a call is made again because the database asked for it. Even the most
// crowded race of the suite is over sooner where each round lets one caller through.
const maxTries = 200

// env is what one subtest works with.
type env struct {
	*testing.T
	ctx          context.Context // ends long after a test that works is done, to cut off one that hangs
	store, other storage.Store   // two handles on the same data, or twice the same one
	prefix       string          // of this subtest's IDs
	again        atomic.Int64    // how often the database asked to try again
}

func newEnv(t *testing.T, s storage.Store) *env {
	if s == nil {
		t.Fatal("open returned no store")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	e := &env{T: t, ctx: ctx, store: s, prefix: "storagetest-" + strings.ToLower(rand.Text()[:16]) + "-"}
	t.Cleanup(func() {
		if n := e.again.Load(); n > 0 && !t.Failed() {
			t.Logf("ErrConflict asked %d times to try again", n)
		}
	})
	return e
}

// id returns an ID of this subtest's own.
func (e *env) id(s string) string { return e.prefix + s }

// handle spreads callers over the two handles.
func (e *env) handle(i int) storage.Store {
	if i%2 == 0 {
		return e.store
	}
	return e.other
}

// try calls f until it answers anything but ErrConflict, at most maxTries times.
func (e *env) try(f func() error) error {
	var err error
	for range maxTries {
		if err = f(); !errors.Is(err, storage.ErrConflict) {
			return err
		}
		e.again.Add(1)
		runtime.Gosched()
	}
	return fmt.Errorf("%w, %d times in a row", err, maxTries)
}

// must fails the test unless err is nil.
func (e *env) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: got the error %q, want none", what, err)
	}
}

// want fails the test unless err is target.
func (e *env) want(err, target error, what string) {
	e.Helper()
	if !errors.Is(err, target) {
		e.Fatalf("%s: got %v, want an error that is %q (errors.Is)", what, err, target)
	}
}

// atOnce calls f n times at once, with 0 to n-1, and returns when all calls have.
func atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	// In any order: a scheduler has habits, and a fault could depend on who is the last.
	for _, i := range mathrand.Perm(n) {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}
