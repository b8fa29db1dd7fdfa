package storagetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/storage"
)

// raceDelete calls remove once, and each of the other callers again and again until that has returned, at least once and
// at most ten times.
func (e *env) raceDelete(round int, remove func(s storage.Store) error, others int, call func(s storage.Store, i, n int) error) {
	e.Helper()
	const most = 10
	var removed atomic.Bool
	errs := make([]error, others+1)
	atOnce(others+1, func(i int) {
		s := e.handle(round/2 + i)
		if i == others {
			defer removed.Store(true)
			for range round % most {
				runtime.Gosched()
			}
			errs[i] = remove(s)
			return
		}
		for n := 0; n < most && errs[i] == nil && (n == 0 || !removed.Load()); n++ {
			errs[i] = call(s, i, n)
			runtime.Gosched() // a store in memory would be done before the delete begins
		}
	})
	e.must(errors.Join(errs...), "calls that race a delete")
}

func (e *env) deleteFrom(s storage.Store, id string) error {
	return e.try(func() error { return s.DeleteAccount(e.ctx, id) })
}

// testTouchRacingDelete has uses of a token while it is deleted, alone or with its account. It is made again then.
func testTouchRacingDelete(e *env) {
	owner := e.id("owner")
	e.account(owner)
	for round := range 30 {
		t := e.token(e.id(fmt.Sprint(round)), owner)
		alone := round%2 == 0
		e.raceDelete(round, func(s storage.Store) error {
			if alone {
				_, err := e.contendDelete(s, t.ID, t.Version)
				return err
			}
			return e.deleteFrom(s, owner)
		}, 3, func(s storage.Store, i, n int) error {
			use := storage.TokenUsage{LastUsed: second(n), Scopes: 1 << i, Addresses: "old"}
			return e.try(func() error { return s.TouchTokens(e.ctx, []storage.TokenUse{{ID: t.ID, TokenUsage: use}}) })
		})
		if !alone {
			e.account(owner)
		}
		t.Version = version()
		e.saveToken(t, 0)
		e.usage(t.ID, storage.TokenUsage{}, "of a token that was deleted while it was used, and made again: nothing of the old one comes back")
	}
}

// testInsertRacingDelete makes tokens of an account while it is deleted. Each is then gone, or is stored as any other
// one without an owner.
func testInsertRacingDelete(e *env) {
	for round := range 24 {
		begin := e.id(fmt.Sprintf("%02d ", round))
		owner := e.account(begin + "owner").ID
		k := &kindEnv{e, liveTokens, owner}
		before := k.write(k.fresh(begin+"before"), 0)
		var made [3][]record
		e.raceDelete(round, func(s storage.Store) error { return e.deleteFrom(s, owner) }, len(made),
			func(s storage.Store, i, n int) error {
				r := k.fresh(fmt.Sprintf("%s%d %d", begin, i, n))
				made[i] = append(made[i], r)
				return e.try(func() error { return k.saveTo(e.ctx, s, owner, r, 0) })
			})
		all := slices.SortedFunc(slices.Values(slices.Concat(made[:]...)), func(a, b record) int { return strings.Compare(a.id, b.id) })

		left := k.as(allTokens).walk(begin, 100)
		k.sameList(left, slices.DeleteFunc(slices.Clone(all), func(r record) bool {
			return !slices.ContainsFunc(left, func(l record) bool { return l.id == r.id })
		}), "AllTokens after tokens were made while their account was deleted")
		listed := func(when string) {
			e.Helper()
			for _, k := range []*kindEnv{k.as(tokens), k} {
				k.sameList(k.walk("", 100), left, fmt.Sprintf("%s, which must have of the account's what AllTokens has, %s", k.list, when))
			}
		}
		listed("after tokens were made while their account was deleted")
		e.account(owner)
		listed("once the account is made again")
		for _, r := range append(all, before) {
			if slices.ContainsFunc(left, func(l record) bool { return l.id == r.id }) {
				k.stored(r, "of a token that AllTokens has, once its account is made again")
			} else {
				k.absent(r.id, "which AllTokens does not have, once its account is made again")
			}
		}
		e.delete(owner)
		left = nil
		listed("after another DeleteAccount")
		k.sameList(k.as(allTokens).walk(begin, 100), nil, "AllTokens after another DeleteAccount")
	}
}
