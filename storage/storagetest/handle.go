package storagetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

func newHandle() (h storage.Handle) {
	rand.Read(h[:])
	return h
}

// nearHandles returns handles that a column for text, a collation or a pad takes for the same.
func nearHandles() []storage.Handle {
	h := newHandle()
	copy(h[:], "Aa\xff\xfe\x00'\\\"%_")
	copy(h[29:], "z \x00")
	handles := []storage.Handle{h}
	for _, change := range []struct {
		at int
		to byte
	}{{0, 'a'}, {1, 'A'}, {2, 0xc3}, {4, ' '}, {6, '/'}, {29, 'Z'}, {31, ' '}, {30, 0}, {15, ^h[15]}, {28, h[28] ^ 1}} {
		near := h
		near[change.at] = change.to
		handles = append(handles, near)
	}
	var first, last storage.Handle
	rand.Read(first[:8])
	rand.Read(last[24:])
	return append(handles, first, last)
}

// handled asserts what AccountByHandle returns, through both handles of the store; no ID: there is no such account.
func (e *env) handled(h storage.Handle, want storage.Record, when string) {
	e.Helper()
	for _, s := range []storage.Store{e.store, e.other} {
		got, err := e.byHandle(s, h)
		if want.ID == "" {
			e.want(err, storage.ErrNotFound, "AccountByHandle "+when)
			continue
		}
		e.must(err, "AccountByHandle "+when)
		e.same(got, want, "AccountByHandle "+when)
	}
}

func testHandle(e *env) {
	var none storage.Record
	_, err := e.byHandle(e.store, storage.Handle{})
	e.want(err, storage.ErrInvalid, "AccountByHandle without a handle")
	// Two accounts without one.
	e.account(e.id("none"))
	e.account(e.id("none either"))
	_, err = e.byHandle(e.store, storage.Handle{})
	e.want(err, storage.ErrInvalid, "AccountByHandle without a handle, where accounts have none")

	handles := nearHandles()
	records := make([]storage.Record, len(handles))
	for i, h := range handles {
		e.handled(h, none, "of a handle that nobody has")
		records[i] = e.saveAccount(storage.Record{
			ID: e.id(fmt.Sprint(i)), Version: version(), Data: []byte("data of " + fmt.Sprint(i)),
			Index: storage.AccountIndex{Handle: h, CodesLeft: i, LockedUntil: second(i)},
		}, 0)
	}
	for i, h := range handles {
		e.handled(h, records[i], "beside handles that look like it")
	}

	got, err := e.byHandle(e.store, handles[0])
	e.must(err, "AccountByHandle")
	clear(got.Data)
	e.handled(handles[0], records[0], "after a caller changed what it got: a store returns a copy")

	save := func(r *storage.Record, h storage.Handle) {
		prev := r.Version
		r.Version, r.Index.Handle = version(), h
		e.saveAccount(*r, prev)
	}
	save(&records[0], handles[0])
	e.handled(handles[0], records[0], "after its account was saved with it again")
	next := newHandle()
	save(&records[0], next)
	e.handled(next, records[0], "after its account was saved with it")
	e.handled(handles[0], none, "after its account was saved with another one")
	save(&records[1], handles[0])
	e.handled(handles[0], records[1], "after another account took one that was given up")
	save(&records[1], storage.Handle{})
	e.handled(handles[0], none, "after its account was saved without it")
	e.handled(handles[1], none, "after its account was saved with another one, and then without")

	e.delete(records[2].ID)
	e.handled(handles[2], none, "after its account was deleted")
	again := e.saveAccount(storage.Record{ID: e.id("again"), Version: version(), Index: storage.AccountIndex{Handle: handles[2]}}, 0)
	e.handled(handles[2], again, "after its account was deleted and another one took it")
	e.handled(handles[3], records[3], "after changes of other accounts")
}

// testHandleTaken saves over and beside an account what has the handle of another one.
func testHandleTaken(e *env) {
	h := newHandle()
	has := e.saveAccount(storage.Record{ID: e.id("a"), Version: version(), Index: storage.AccountIndex{Handle: h}}, 0)
	own := e.saveAccount(storage.Record{ID: e.id("b"), Version: version(), Index: storage.AccountIndex{Handle: newHandle()}}, 0)
	bare := e.account(e.id("c"))
	for _, c := range []struct {
		id   string
		prev int64
		what string
	}{
		{own.ID, own.Version, "over an account that has another one"},
		{bare.ID, bare.Version, "over an account that has none"},
		{e.id("new"), 0, "of a new account"},
		{strings.ToUpper(has.ID), 0, "of a new account whose ID looks like that of the other"},
	} {
		r := storage.Record{ID: c.id, Version: version(), Data: []byte("taken"), Index: storage.AccountIndex{Handle: h}}
		err := e.try(func() error { return e.other.SaveAccount(e.ctx, r, c.prev) })
		e.want(err, storage.ErrInvalid, "SaveAccount "+c.what+", with a handle that another account has")
	}
	for _, r := range []storage.Record{has, own, bare} {
		got, err := e.loadAccount(e.store, r.ID)
		e.must(err, "LoadAccount")
		e.same(got, r, "LoadAccount after saves that were refused for a handle: nothing is written")
	}
	e.gone(e.id("new"), "whose handle another account has")
	e.handled(h, has, "after saves that were refused for it")
	e.handled(own.Index.Handle, own, "after a save that was refused for another one")

	// The version is what has moved on, whatever the handle.
	stale := storage.Record{ID: has.ID, Version: version(), Index: storage.AccountIndex{Handle: h}}
	e.want(e.store.SaveAccount(e.ctx, stale, 0), storage.ErrConflict, "SaveAccount of a new account, with the handle of the one that is stored")
	e.want(e.store.SaveAccount(e.ctx, stale, version()), storage.ErrConflict, "SaveAccount with a prev that was never stored, and the account's own handle")
}

// testRacingHandles has eight accounts take one handle at once, new ones and such as are stored. One gets it.
func testRacingHandles(e *env) {
	const savers = 8
	for round := range 10 {
		h := newHandle()
		var tried [savers]storage.Record
		var prev [savers]int64
		for i := range tried {
			tried[i] = storage.Record{ID: e.id(fmt.Sprint(round, " ", i)), Version: version(), Index: storage.AccountIndex{Handle: h}}
			if i%2 == 0 {
				prev[i] = e.account(tried[i].ID).Version
			}
		}
		var errs [savers]error
		atOnce(savers, func(i int) {
			errs[i] = e.try(func() error { return e.handle(i).SaveAccount(e.ctx, tried[i], prev[i]) })
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				e.Fatalf("SaveAccount: of %d accounts that took one handle at once, two got it", savers)
			case err == nil:
				winner = i
			case !errors.Is(err, storage.ErrInvalid):
				e.want(err, storage.ErrInvalid, "SaveAccount beside others with the same handle")
			}
		}
		if winner < 0 {
			e.Fatalf("SaveAccount: of %d accounts that took one handle at once, none got it", savers)
		}
		e.handled(h, tried[winner], "after accounts took it at once")
	}
}

// testUnsent has accounts for which something waits, and does no longer.
func testUnsent(e *env) {
	var r storage.Record
	save := func(index storage.AccountIndex) {
		prev := r.Version
		r = e.saveAccount(storage.Record{ID: e.id("b"), Version: version(), Data: fmt.Append(nil, prev), Index: index}, prev)
	}
	listed := func(s storage.Store) []storage.Record {
		e.Helper()
		var all []storage.Record
		for after, more := e.prefix, true; more; {
			var page storage.Page[storage.Record]
			e.must(e.try(func() (err error) { page, err = s.UnsentAccounts(e.ctx, after, 2); return }), "UnsentAccounts")
			more = page.More
			for _, r := range page.Records {
				if after = r.ID; !e.mine(r.ID) {
					return all
				}
				all = append(all, r)
			}
		}
		return all
	}
	is := func(when string) {
		e.Helper()
		var want []storage.Record
		if !r.Index.Unsent.IsZero() {
			want = []storage.Record{r}
		}
		for _, s := range []storage.Store{e.store, e.other} {
			got := listed(s)
			if len(got) != len(want) {
				e.Fatalf("UnsentAccounts %s: got %d accounts, want %d", when, len(got), len(want))
			}
			for i := range got {
				e.same(got[i], want[i], "UnsentAccounts "+when)
			}
		}
	}
	e.account(e.id("a"))
	e.account(e.id("c"))
	waiting := storage.AccountIndex{Authenticators: 1, Passkeys: 2, CodesLeft: 3, Handle: newHandle(), KeyName: "k", Unsent: second(5)}
	told := waiting
	told.Unsent = time.Time{}

	save(told)
	is("of an account that was saved with nothing to be told")
	save(waiting)
	is("of an account that was saved with something to be told")
	waiting.Unsent = time.Unix(0, 0).UTC()
	save(waiting)
	is("of an account for which something waits since 1970")
	waiting.Unsent = second(9)
	save(waiting)
	is("of an account that something else waits for")
	stale := r
	stale.Version, stale.Index = version(), told
	e.want(e.store.SaveAccount(e.ctx, stale, version()), storage.ErrConflict, "SaveAccount with a prev that was never stored")
	is("after a save that conflicted")
	save(told)
	is("of an account whose owner was told")
	save(waiting)
	is("of an account for which something waits again")
	e.delete(r.ID)
	r = storage.Record{}
	is("of an account that was deleted")
	save(told)
	is("of an account that was deleted and made again, with nothing to be told")
}
