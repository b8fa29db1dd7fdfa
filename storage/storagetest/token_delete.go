package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gatehouse-go/gatehouse/storage"
)

// refuseDelete asserts that DeleteToken over prev is an error that is target.
func (e *env) refuseDelete(id string, prev int64, target error, why string) {
	e.Helper()
	e.want(e.store.DeleteToken(e.ctx, id, prev), target, "DeleteToken "+why)
}

func testDeleteTokenConflict(e *env) {
	owner, id := e.id("owner"), e.id("token")
	e.account(owner)
	e.refuseDelete(id, version(), storage.ErrConflict, "of what was never saved")
	e.refuseDelete(id, 0, storage.ErrInvalid, "of what was never saved, with prev 0")

	first := e.token(id, owner)
	e.refuseDelete(id, 0, storage.ErrInvalid, "with prev 0")
	e.refuseDelete(id, version(), storage.ErrConflict, "with a prev that was never stored")
	e.sameToken(first, "after deletes that were refused")

	now := first
	now.Version, now.Data = version(), []byte("second")
	e.saveToken(now, first.Version)
	e.refuseDelete(id, first.Version, storage.ErrConflict, "with the version before the last as prev")
	e.sameToken(now, "after a delete of the version before")

	// What a narrower integer or a float would take for the same.
	for _, v := range []int64{math.MaxInt64, math.MinInt64 + 1, -2, 1<<53 + 1, 1 << 40} {
		prev := now.Version
		now.Version = v
		e.saveToken(now, prev)
		for _, near := range []int64{v - 1, v + 1, -v, v ^ 1<<32} {
			e.refuseDelete(id, near, storage.ErrConflict, fmt.Sprintf("with prev %d, where version %d is stored", near, v))
		}
		e.sameToken(now, "after deletes of near versions")
	}

	e.deleteToken(id, now.Version)
	e.refuseDelete(id, now.Version, storage.ErrConflict, "of what was deleted: the caller who made it again after a lost reply looks and finds nothing")
	again := e.token(id, owner)
	e.refuseDelete(id, now.Version, storage.ErrConflict, "with the version from before the token was deleted and made again")
	e.sameToken(again, "after a delete of the version before it was deleted")
}

func testDeleteTokenAll(e *env) {
	owner, other := e.id("owner"), e.id("other")
	account := e.account(owner)
	e.account(other)
	usage := storage.TokenUsage{LastUsed: second(1), Scopes: 5, Addresses: "a"}
	var kept []storage.TokenRecord
	// IDs and owners around those of the one that goes, of which some share its usage's key in part.
	for _, of := range []struct{ id, owner string }{
		{"a", owner}, {"a2", owner}, {"A", owner}, {"a ", owner}, {"b", other}, {"c", e.id("nobody")},
	} {
		t := e.token(e.id(of.id), of.owner)
		e.touch(storage.TokenUse{ID: t.ID, TokenUsage: usage})
		t.Usage = usage
		kept = append(kept, t)
	}
	gone := kept[0]
	kept = kept[1:]

	e.deleteToken(gone.ID, gone.Version)
	_, _, err := e.loadToken(e.store, gone.ID)
	e.want(err, storage.ErrNotFound, "LoadToken after DeleteToken")
	for _, t := range append(e.tokensOf(e.store, owner), e.allTokens(e.store)...) {
		if t.ID == gone.ID {
			e.Fatalf("Tokens or AllTokens after DeleteToken: the token is listed")
		}
	}
	left := make(map[string]storage.TokenRecord)
	for _, t := range e.allTokens(e.store) {
		left[t.ID] = t
	}
	for _, t := range kept {
		e.same(left[t.ID], t, "AllTokens after DeleteToken of another token than "+quote(t.ID))
	}
	now, err := e.loadAccount(e.store, owner)
	e.must(err, "LoadAccount after DeleteToken of a token of it")
	e.same(now, account, "LoadAccount after DeleteToken of a token of it")

	// A use that was under way comes too late.
	e.touch(storage.TokenUse{ID: gone.ID, TokenUsage: usage})
	gone.Version = version()
	e.saveToken(gone, 0)
	e.usage(gone.ID, storage.TokenUsage{}, "of a token that was deleted and made again: nothing of the old one comes back")

	orphan := kept[len(kept)-1]
	e.deleteToken(orphan.ID, orphan.Version) // the owner need not exist
	if got := e.tokensOf(e.store, orphan.AccountID); len(got) != 0 {
		e.Fatalf("Tokens after DeleteToken of a token whose owner does not exist: got %d, want none", len(got))
	}
}

// testDeleteTokenRacing has savers and deleters with the same prev, one of which must win.
func testDeleteTokenRacing(e *env) {
	const rounds, callers = 25, 8
	owner := e.id("owner")
	e.account(owner)
	k := e.of(tokens)
	k.owner = owner
	for round := range rounds {
		first := k.write(k.fresh(e.id(fmt.Sprint(round))), 0)
		var (
			tried [callers]record
			won   [callers]bool
			errs  [callers]error
		)
		for i := range tried {
			tried[i] = k.fresh(first.id)
		}
		deletes := func(i int) bool { return i%4 < 2 } // two on each handle, and as many save
		atOnce(callers, func(i int) {
			if deletes(i) {
				won[i], errs[i] = e.contendDelete(e.handle(i), first.id, first.version)
			} else {
				won[i], errs[i] = k.contend(e.handle(i), tried[i], first.version)
			}
		})
		e.must(errors.Join(errs[:]...), "savers and deleters of a token at once")
		var winners []int
		for i := range won {
			if won[i] {
				winners = append(winners, i)
			}
		}
		if len(winners) != 1 {
			e.Fatalf("of %d callers of SaveToken and DeleteToken at once with the same prev, %d succeeded, want exactly one: "+
				"comparing the version and deleting must be one atomic step", callers, len(winners))
		}
		if deletes(winners[0]) {
			k.absent(first.id, "after a race that a delete won")
		} else {
			k.stored(tried[winners[0]], "after a race that a save won")
		}
	}
}

// contendDelete deletes as contend saves.
func (e *env) contendDelete(s storage.Store, id string, prev int64) (bool, error) {
	for range maxTries {
		err := s.DeleteToken(e.ctx, id, prev)
		if !errors.Is(err, storage.ErrConflict) {
			return err == nil, err
		}
		now, _, err := e.loadToken(s, id)
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		if err != nil || now.Version != prev {
			return false, err
		}
		e.again.Add(1)
	}
	return false, fmt.Errorf("DeleteToken: %d conflicts, though the stored version was still prev", maxTries)
}

// testDeleteTokenMidway ends the context the first, second, … time that DeleteToken looks at it.
func testDeleteTokenMidway(e *env) {
	owner := e.id("owner")
	e.account(owner)
	for looks := range 20 {
		t := e.token(e.id(fmt.Sprint(looks)), owner)
		err := e.store.DeleteToken(endAfter(e.ctx, looks), t.ID, t.Version)
		now, _, loaded := e.loadToken(e.store, t.ID)
		if loaded != nil && !errors.Is(loaded, storage.ErrNotFound) {
			e.must(loaded, "LoadToken after a DeleteToken whose context ended midway")
		}
		switch what := fmt.Sprintf("DeleteToken whose context ended at its look number %d", looks+1); {
		case err == nil && loaded == nil:
			e.Fatalf("%s: got no error, though the token is there", what)
		case errors.Is(err, storage.ErrConflict) && loaded != nil:
			e.Fatalf("%s: got %v, though the token is gone", what, err)
		case err != nil && !errors.Is(err, storage.ErrConflict) && !errors.Is(err, context.Canceled):
			e.Fatalf("%s: got %v, want the context's error or none", what, err)
		}
		if loaded == nil {
			e.same(now, t, "LoadToken after a DeleteToken whose context ended midway")
			// It may still run, and be the one that deletes.
			_, err := e.contendDelete(e.store, t.ID, t.Version)
			e.must(err, "DeleteToken after one whose context ended midway")
		}
		_, _, err = e.loadToken(e.store, t.ID)
		e.want(err, storage.ErrNotFound, "LoadToken after DeleteToken")
	}
}
