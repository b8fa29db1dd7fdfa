// Package storagetest is the suite that every storage.Store must pass. One call from a test of the
// adapter runs it: [RunShared], or [Run] where two handles on the same data make no sense. [Simulate] then runs services
// on the store, under schedules that are drawn from seeds.
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
	"slices"
	"testing"

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
), each(unsent,
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
	{"account/handle", testHandle},
	{"account/handle that is taken", testHandleTaken},
	{"account/racing handles", testRacingHandles},
	{"account/moving handle", testMovingHandle},
	{"account/unsent", testUnsent},
	{"account/racing changes", testRacingAccounts},
	{"account/many", testManyAccounts},
	{"account/delete", testDelete},
	{"account/delete cut short", testDeleteCutShort},
	{"token/IDs", testTokenIDs},
	{"token/index", testTokenIndex},
	{"token/owner", testOwner},
	{"token/another owner", testAnotherOwner},
	{"token/one moment", testOneMoment},
	{"token/usage", testUsage},
	{"token/live", testLive},
	{"token/racing changes", testRacingTokens},
	{"token/many", testManyTokens},
	{"token/insert racing delete of its owner", testInsertRacingDelete},
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
	{"touch/racing delete", testTouchRacingDelete},
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
