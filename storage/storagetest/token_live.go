package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// testLive has tokens of every kind in one account, lets them end and come back, and asserts that the listing has
// those that have not ended, in pages of every length, as they are now.
func testLive(e *env) {
	const epoch = 1<<62 + 1
	live := storage.Live{Epoch: epoch, At: second(5)}
	owner, other := e.id("owner"), e.id("other")
	e.account(owner)

	var all []storage.TokenRecord
	save := func(suffix, of string, index storage.TokenIndex) *storage.TokenRecord {
		e.Helper()
		id := e.id(suffix)
		i := slices.IndexFunc(all, func(t storage.TokenRecord) bool { return t.ID == id })
		var prev int64
		if i < 0 {
			i, all = len(all), append(all, storage.TokenRecord{ID: id, AccountID: of})
		} else {
			prev = all[i].Version
		}
		all[i].Version, all[i].Index = version(), index
		all[i].Data = fmt.Appendf(nil, "data of version %d", all[i].Version)
		e.saveToken(all[i], prev)
		all[i].Index.Expires = cut(index.Expires)
		return &all[i]
	}
	check := func(when string) {
		e.Helper()
		var want []storage.TokenRecord
		for _, t := range all {
			if t.AccountID == owner && live.Has(t.Index) {
				want = append(want, t)
			}
		}
		slices.SortFunc(want, func(a, b storage.TokenRecord) int { return strings.Compare(a.ID, b.ID) })
		for limit := 1; limit <= len(want)+1; limit++ {
			e.liveAre(want, fmt.Sprintf("LiveTokens %s, limit %d", when, limit), limit, func(after string) (storage.Page[storage.TokenRecord], error) {
				return e.store.LiveTokens(e.ctx, owner, live, after, limit)
			})
		}
	}

	good := storage.TokenIndex{Expires: second(6), Epoch: epoch, Scopes: "a:b"}
	with := func(edit func(*storage.TokenIndex)) storage.TokenIndex {
		index := good
		edit(&index)
		return index
	}
	revoked := with(func(i *storage.TokenIndex) { i.Revoked = true })
	for _, suffix := range []string{"b", "B", "a", "\u00e9", "~"} {
		save(suffix, owner, good)
	}
	save("of another", other, good)
	save("of one like it", owner+" ", good)
	save("revoked", owner, revoked)
	for name, n := range map[string]int64{"zero": 0, "less": epoch - 1, "more": epoch + 1, "negative": -epoch, "low bits": epoch & (1<<32 - 1)} {
		save("epoch "+name, owner, with(func(i *storage.TokenIndex) { i.Epoch = n }))
	}
	for name, at := range map[string]time.Time{
		"never": {}, "now": live.At, "just before": live.At.Add(-time.Microsecond), "just after": live.At.Add(time.Microsecond),
		"a year later": live.At.AddDate(1, 0, 0),
	} {
		save("expires "+name, owner, with(func(i *storage.TokenIndex) { i.Expires = at }))
	}
	check("of tokens that were saved once")

	save("b", owner, revoked)
	save("B", owner, with(func(i *storage.TokenIndex) { i.Expires = live.At }))
	save("a", owner, with(func(i *storage.TokenIndex) { i.Epoch++ }))
	save("epoch zero", owner, good)
	save("expires now", owner, good)
	save("revoked", owner, good)
	check("after saves by which tokens end, and others come back")

	live.Epoch++
	check("of the next epoch")
	live.Epoch, live.At = epoch, second(59)
	check("of later, cut to the microsecond")
	live.At = second(5).In(time.FixedZone("", 3600*5+1800)).Add(999)
	check("at a time in another place, finer than a microsecond")
	live.At = second(5)

	used := save("used", owner, good)
	used.Usage = storage.TokenUsage{LastUsed: second(1), Scopes: 5, Addresses: "192.0.2.1"}
	e.touch(storage.TokenUse{ID: used.ID, TokenUsage: used.Usage})
	check("of a token that was used")

	e.deleteToken(used.ID, used.Version)
	all = slices.DeleteFunc(all, func(t storage.TokenRecord) bool { return t.ID == e.id("used") })
	check("after a token was deleted")
	e.want(e.try(func() error {
		_, err := e.store.LiveTokens(e.ctx, owner, storage.Live{Epoch: epoch}, "", 1)
		return err
	}), storage.ErrInvalid, "LiveTokens at the zero time")
	e.want(e.try(func() error {
		_, err := e.store.LiveTokens(e.ctx, owner, live, "", 0)
		return err
	}), storage.ErrInvalid, "LiveTokens with limit 0")
	e.delete(owner)
	all = slices.DeleteFunc(all, func(t storage.TokenRecord) bool { return t.AccountID == owner })
	check("after the account was deleted")
}

// liveAre asserts what a listing has, which nobody else changes, and that each page says whether more follow.
func (e *env) liveAre(want []storage.TokenRecord, what string, limit int, list func(after string) (storage.Page[storage.TokenRecord], error)) {
	e.Helper()
	for after, more := "", true; more; {
		var page storage.Page[storage.TokenRecord]
		e.must(e.try(func() (err error) { page, err = list(after); return err }), what)
		n := len(page.Records)
		switch {
		case n > limit:
			e.Fatalf("%s: got a page of %d", what, n)
		case n > len(want):
			e.Fatalf("%s: got %s too, which has ended or is another account's", what, quote(page.Records[len(want)].ID))
		}
		for i, got := range page.Records {
			e.same(got, want[i], what)
			after = got.ID
		}
		want, more = want[n:], page.More
		switch {
		case more && (n == 0 || len(want) == 0):
			e.Fatalf("%s: a page of %d says that more follow, of which there are %d", what, n, len(want))
		case !more && len(want) > 0:
			e.Fatalf("%s: ends before %s", what, quote(want[0].ID))
		}
	}
}
