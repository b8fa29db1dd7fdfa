package storagetest

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/storage"
)

// changed is what a listing and a narrower one must have after changes of different records.
type changed struct {
	narrow *kindEnv // its records are in both
	ended  *kindEnv // its records are in the wider one alone
	has    []record // in the narrower one
	all    []record
}

// add notes a record whose ID is greater than those of the records before.
func (c *changed) add(r record, in *kindEnv) {
	c.all = append(c.all, r)
	if in == c.narrow {
		c.has = append(c.has, r)
	}
}

// listed asserts what the listings have, by pages of each length. Wider ones are of the kinds given.
func (c *changed) listed(when string, wider []kind, limits ...int) {
	c.narrow.Helper()
	for _, limit := range limits {
		what := fmt.Sprintf(" by pages of %d, %s", limit, when)
		c.narrow.sameList(c.narrow.walk(c.narrow.prefix, limit), c.has, c.narrow.list+what)
		for _, kind := range wider {
			k := c.narrow.as(kind)
			k.sameList(k.walk(k.prefix, limit), c.all, k.list+what)
		}
	}
}

func testRacingAccounts(e *env) {
	k := e.of(unsent)
	raceChanges(&changed{narrow: k, ended: k.as(accounts)}, accounts)
}

func testRacingTokens(e *env) {
	owner := e.account("of-" + e.prefix).ID
	k := &kindEnv{e, liveTokens, owner}
	raceChanges(&changed{narrow: k, ended: k.as(tokens)}, tokens, allTokens)
}

// raceChanges makes, changes and deletes different records at once, which do not stand in one another's way, and then
// looks for them in the listings.
func raceChanges(c *changed, wider ...kind) {
	const rounds, callers = 15, 8
	k := c.narrow
	for round := range rounds {
		var was, next [callers]record
		for i := range callers {
			next[i] = k.fresh(k.id(fmt.Sprintf("%02d %d", round, i)))
			if i%4 >= 2 {
				was[i] = k.write(k.fresh(next[i].id), 0)
			}
		}
		var errs [callers]error
		atOnce(callers, func(i int) {
			s := k.handle(i / 2)
			errs[i] = k.try(func() error {
				switch i % 4 {
				case 2:
					return k.removeFrom(s, was[i])
				case 3:
					return c.ended.saveTo(k.ctx, s, k.owner, next[i], was[i].version)
				}
				return k.saveTo(k.ctx, s, k.owner, next[i], 0)
			})
		})
		k.must(errors.Join(errs[:]...), fmt.Sprintf("%d changes of different records at once", callers))
		for i, r := range next {
			switch i % 4 {
			case 2:
			case 3:
				c.add(r, c.ended)
			default:
				c.add(r, k)
			}
		}
		c.listed("after changes of different records at once", wider, 40)
	}
}

// removeFrom deletes a record that is stored, through a handle.
func (k *kindEnv) removeFrom(s storage.Store, r record) error {
	if k.isAccount {
		return s.DeleteAccount(k.ctx, r.id)
	}
	return s.DeleteToken(k.ctx, r.id, r.version)
}

// many is more than a store may take in one step: etcd's limit is 128 keys.
const many = 150

// makeMany saves that many records, of which each tenth has ended.
func makeMany(c *changed) {
	const savers = 10
	k := c.narrow
	in := func(i int) *kindEnv {
		if i%10 == 9 {
			return c.ended
		}
		return k
	}
	all := make([]record, many)
	for i := range all {
		all[i] = k.fresh(k.id(fmt.Sprintf("%03d", i)))
		c.add(all[i], in(i))
	}
	var errs [many]error
	atOnce(savers, func(saver int) {
		for i := saver; i < many; i += savers {
			errs[i] = k.try(func() error { return in(i).saveTo(k.ctx, k.handle(i), k.owner, all[i], 0) })
		}
	})
	k.must(errors.Join(errs[:]...), fmt.Sprintf("%s of %d records", k.save, many))
}

func testManyAccounts(e *env) {
	k := e.of(unsent)
	c := &changed{narrow: k, ended: k.as(accounts)}
	makeMany(c)
	c.listed("where there are many", []kind{accounts}, 7, 32, 100, many, 1000)
}

func testManyTokens(e *env) {
	owner := e.account("of-" + e.prefix).ID
	k := &kindEnv{e, liveTokens, owner}
	c := &changed{narrow: k, ended: k.as(tokens)}
	makeMany(c)
	c.listed("where there are many", []kind{tokens, allTokens}, 7, 32, 100, many, 1000)

	var uses []storage.TokenUse
	for i, r := range c.all {
		uses = append(uses, usedAt(r.id, second(i)))
	}
	e.touch(uses...)
	e.delete(owner)
	c.all, c.has = nil, nil
	c.listed("after DeleteAccount", []kind{tokens, allTokens}, 100)
	e.account(owner)
	for i := 0; i < many; i += 10 {
		e.token(uses[i].ID, owner)
		e.usage(uses[i].ID, storage.TokenUsage{}, "of a token that was deleted with its account, as one of many, and made again")
	}
}
