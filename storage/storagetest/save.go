package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/storage"
)

func testAbsent(k *kindEnv) {
	id := k.id("a")
	k.absent(id, "which was never saved")
	k.refuse(k.fresh(id), version(), "with a prev other than 0, where nothing is stored")
	k.absent(id, "after a refused save")
}

func testConflict(k *kindEnv) {
	first := k.write(k.fresh(k.id("a")), 0)
	k.stored(first, "after the first save")
	k.refuse(k.fresh(first.id), 0, "with prev 0, where a record is stored")
	k.stored(first, "after a refused insert")
	k.refuse(k.fresh(first.id), version(), "with a prev that was never stored")
	k.stored(first, "after a refused save")

	second := k.write(k.fresh(first.id), first.version)
	k.stored(second, "after the second save")
	k.refuse(k.fresh(first.id), first.version, "with the version before the last as prev")
	k.refuse(k.fresh(first.id), 0, "with prev 0, where a record is stored")
	k.stored(second, "after refused saves")
}

func testVersionZero(k *kindEnv) {
	first := k.write(k.fresh(k.id("a")), 0)
	zero := record{first.id, 0, nil}
	k.want(k.saveTo(k.ctx, k.store, k.owner, zero, first.version), storage.ErrInvalid, k.save+" with Version 0")
	k.stored(first, "after a save with Version 0")

	zero.id = k.id("b")
	k.want(k.saveTo(k.ctx, k.store, k.owner, zero, 0), storage.ErrInvalid, k.save+" with Version 0 and prev 0")
	k.absent(zero.id, "after a save with Version 0")
}

// testNearVersions has what a narrower integer or a float would take for the same.
func testNearVersions(k *kindEnv) {
	now := k.write(record{k.id("a"), 1, nil}, 0)
	for _, v := range []int64{math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, -1, 1<<53 + 1, 1 << 32, 1 << 8} {
		for _, near := range []int64{now.version - 1, now.version + 1, -now.version, now.version ^ 1<<32, now.version ^ math.MinInt64} {
			if near != now.version {
				k.refuse(k.fresh(now.id), near, fmt.Sprintf("with prev %d, where version %d is stored", near, now.version))
			}
		}
		next := k.fresh(now.id)
		next.version = v
		now = k.write(next, now.version)
		k.stored(now, fmt.Sprintf("after a save of version %d", v))
	}
}

func testRecreated(k *kindEnv) {
	old := k.write(k.fresh(k.id("a")), 0)
	// Tokens go with their account.
	account := old.id
	if k.name == tokens.name {
		account = k.owner
	}
	k.delete(account)
	k.refuse(k.fresh(old.id), old.version, "with the version of a deleted record as prev")
	if k.name == tokens.name {
		k.account(k.owner)
	}
	k.absent(old.id, "after it was deleted")

	again := k.write(k.fresh(old.id), 0)
	k.refuse(k.fresh(old.id), old.version, "with the version from before the record was deleted and made again")
	k.stored(again, "after it was deleted and made again")
}

// testLostReply has a save that happened, though its caller does not know and makes it again.
func testLostReply(k *kindEnv) {
	first := k.write(k.fresh(k.id("a")), 0)
	k.refuse(first, 0, "of the very insert that is stored")
	k.stored(first, "after the same insert twice: the version stored tells the caller that it won")

	second := k.write(k.fresh(first.id), first.version)
	k.refuse(second, first.version, "of the very save that is stored")
	k.stored(second, "after the same save twice: the version stored tells the caller that it won")
}

// testContextEndsMidway ends the context the first, second, … time that the save looks at it.
func testContextEndsMidway(k *kindEnv) {
	stored := record{id: k.id("a")}
	for looks := range 20 {
		prev, tried := stored, k.fresh(stored.id)
		err := k.saveTo(endAfter(k.ctx, looks), k.store, k.owner, tried, prev.version)
		now := k.storedOf(prev, tried)
		switch what := fmt.Sprintf("%s whose context ended at its look number %d", k.save, looks+1); {
		case err == nil && now.version != tried.version:
			k.Fatalf("%s: got no error, though nothing was written", what)
		case errors.Is(err, storage.ErrConflict) && now.version != prev.version:
			k.Fatalf("%s: got %v, though it was written", what, err)
		case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrInvalid):
			k.Fatalf("%s: got %v, want the context's error or none", what, err)
		}

		// A statement whose caller has gone may still run, until a later save makes its prev stale.
		for try := 0; ; try++ {
			next := k.fresh(stored.id)
			won, err := k.contend(k.store, next, now.version)
			k.must(err, k.save+" after one whose context ended midway")
			if won {
				stored = next
				break
			}
			if try == maxTries {
				k.Fatalf("%s after one whose context ended midway: %d conflicts", k.save, try)
			}
			now = k.storedOf(prev, tried)
		}
		k.refuse(tried, prev.version, "made again, after a later one succeeded")
		k.stored(stored, "after a save whose context ended midway, and another save")
	}
}

// storedOf returns what is stored, which must be the one or the other and nothing between.
func (k *kindEnv) storedOf(prev, tried record) record {
	k.Helper()
	var now record
	err := k.try(func() (err error) { now, err = k.loadFrom(k.ctx, k.store, tried.id); return })
	if prev.version == 0 && errors.Is(err, storage.ErrNotFound) {
		return prev
	}
	what := k.load + " after a save whose context ended midway"
	k.must(err, what)
	if now.version != tried.version {
		k.same(now, prev, what)
	} else {
		k.same(now, tried, what)
	}
	return now
}

// endingContext ends when it is looked at for the last time that it allows.
type endingContext struct {
	context.Context
	cancel context.CancelFunc
	looks  atomic.Int64
}

// endAfter returns a context that ends at the look after the given number of them.
func endAfter(parent context.Context, looks int) context.Context {
	ctx, cancel := context.WithCancel(parent)
	e := &endingContext{Context: ctx, cancel: cancel}
	e.looks.Store(int64(looks))
	return e
}

func (c *endingContext) look() {
	if c.looks.Add(-1) < 0 {
		c.cancel()
	}
}

func (c *endingContext) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

func (c *endingContext) Err() error {
	c.look()
	return c.Context.Err()
}

func testRacingInserts(k *kindEnv) {
	for round := range 25 {
		k.race(k.id(fmt.Sprint(round)), 0)
	}
}

func testRacingSaves(k *kindEnv) {
	now := k.write(k.fresh(k.id("a")), 0)
	for range 25 {
		now = k.race(now.id, now.version)
	}
}

// race has eight savers with the same prev, one of which must win, and returns what is stored.
func (k *kindEnv) race(id string, prev int64) record {
	k.Helper()
	const savers = 8
	var (
		tried [savers]record
		won   [savers]bool
		errs  [savers]error
	)
	for i := range tried {
		tried[i] = k.fresh(id)
	}
	atOnce(savers, func(i int) { won[i], errs[i] = k.contend(k.handle(i), tried[i], prev) })

	k.must(errors.Join(errs[:]...), fmt.Sprintf("%d savers at once with the same prev", savers))
	var winners []record
	for i := range tried {
		if won[i] {
			winners = append(winners, tried[i])
		}
	}
	if len(winners) != 1 {
		k.Fatalf("%s: of %d savers at once with the same prev (%d), %d succeeded, want exactly one: "+
			"comparing the version and writing must be one atomic step", k.save, savers, prev, len(winners))
	}
	k.stored(winners[0], "after a race: what the winner saved")
	return winners[0]
}

// testSaveRacingDelete: whichever comes first, a save over a version makes no new record.
func testSaveRacingDelete(k *kindEnv) {
	for round := range 25 {
		r, account := k.fresh(k.id(fmt.Sprint(round))), k.id(fmt.Sprint(round))
		if k.name == tokens.name {
			account = k.id("owner" + fmt.Sprint(round))
			k.account(account)
		}
		own := &kindEnv{k.env, k.kind, account}
		own.write(r, 0)

		var errs [2]error
		atOnce(2, func(i int) {
			// Now the one is a little ahead, now the other.
			if i == round%2 {
				for range round {
					runtime.Gosched()
				}
			}
			if i == 0 {
				_, errs[i] = own.contend(k.store, own.fresh(r.id), r.version)
			} else {
				errs[i] = k.try(func() error { return k.other.DeleteAccount(k.ctx, account) })
			}
		})
		k.must(errors.Join(errs[:]...), k.save+" racing DeleteAccount")
		if k.name == tokens.name {
			k.account(account)
		}
		k.absent(r.id, "after a save over its version raced DeleteAccount: a save with prev other than 0 must not make a record")
	}
}
