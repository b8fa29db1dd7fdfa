// Package storagetest is the suite that every storage.Store must pass. One call from a test of the
// adapter runs it: [RunShared], or [Run] where two handles on the same data make no sense.
//
// The suite may run against a database that holds other rows, and many times at once, in one
// process or several: all it writes has IDs of its own, and it passes over other rows, which may
// come and go meanwhile. It leaves most of its rows behind; their IDs contain "storagetest-".
//
// Any answer may be storage.ErrConflict because the database asked to try again. The suite then
// tries again, a bounded number of times, and logs how often. It fails a save that conflicts for
// another reason, and one that conflicts though it was written.
package storagetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Run tests the stores that open returns, each in a subtest of its own; it returns when all are
// done.
//
// Each subtest calls open once with its own t, from many subtests at once. open returns a store
// whose schema is in place, empty or not, on data of its own or on the same as before; what must be
// closed is for open to close, with t.Cleanup. Where it cannot make a store it calls t.Fatal.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	t.Helper()
	run(t, open, tests, func(_ *testing.T, s storage.Store) storage.Store { return s })
}

// RunShared does what Run does, through two handles on the same data: each subtest calls open
// twice. What races, races through both, and what one saves, the other must see at once. This is
// the one for adapters of databases: each process that uses the database is such a handle.
func RunShared(t *testing.T, open func(t *testing.T) storage.Store) {
	t.Helper()
	run(t, open, sharedTests, func(t *testing.T, _ storage.Store) storage.Store { return open(t) })
}

type test struct {
	name string
	run  func(*env)
}

// tests is the suite. What holds for both kinds of record is tested for both.
var tests = slices.Concat(both(
	kindTest{"absent", testAbsent},
	kindTest{"conflict", testConflict},
	kindTest{"version 0", testVersionZero},
	kindTest{"near versions", testNearVersions},
	kindTest{"recreated", testRecreated},
	kindTest{"lost reply", testLostReply},
	kindTest{"context ends midway", testContextEndsMidway},
	kindTest{"racing inserts", testRacingInserts},
	kindTest{"racing saves", testRacingSaves},
	kindTest{"save racing delete", testSaveRacingDelete},
	kindTest{"data", testData},
	kindTest{"aliasing", testAliasing},
	kindTest{"pages", testPages},
	kindTest{"after and limit", testAfterAndLimit},
	kindTest{"more", testMore},
), each(allTokens,
	kindTest{"aliasing", testAliasing},
	kindTest{"pages", testPages},
	kindTest{"after and limit", testAfterAndLimit},
	kindTest{"more", testMore},
), []test{
	{"invalid IDs", testInvalidIDs},
	{"ended context", testEndedContext},
	{"account/IDs", testAccountIDs},
	{"account/index", testAccountIndex},
	{"account/delete", testDelete},
	{"account/delete cut short", testDeleteCutShort},
	{"token/IDs", testTokenIDs},
	{"token/index", testTokenIndex},
	{"token/owner", testOwner},
	{"token/another owner", testAnotherOwner},
	{"token/one moment", testOneMoment},
	{"token/usage", testUsage},
	{"token/live", testLive},
}, []test{
	{"delete token/conflict", testDeleteTokenConflict},
	{"delete token/all of it", testDeleteTokenAll},
	{"delete token/racing saves", testDeleteTokenRacing},
	{"delete token/context ends midway", testDeleteTokenMidway},
}, []test{
	{"touch/forward only", testTouchForward},
	{"touch/scopes", testTouchScopes},
	{"touch/addresses", testTouchAddresses},
	{"touch/times", testTouchTimes},
	{"touch/unknown tokens", testTouchUnknown},
	{"touch/batch", testTouchBatch},
	{"touch/invalid batch", testTouchInvalid},
	{"touch/at once", testTouchAtOnce},
	{"touch/racing save", testTouchRacingSave},
})

// sharedTests is the suite for two handles.
var sharedTests = append([]test{{"two handles", testTwoHandles}}, tests...)

func run(t *testing.T, open func(*testing.T) storage.Store, tests []test, second func(*testing.T, storage.Store) storage.Store) {
	// The group returns only when its parallel subtests have, so a deferred Close of the caller's
	// does not come too early.
	t.Run("storagetest", func(t *testing.T) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				e := newEnv(t, open(t))
				if e.other = second(t, e.store); e.other == nil {
					t.Fatal("open returned no store")
				}
				test.run(e)
			})
		}
	})
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
