package storagetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// lastID is the greatest ID there can be: nothing comes after it.
var lastID = strings.Repeat("\U0010ffff", 63) + "\uffff"

// testPages has IDs that collations, UTF-16 and padding with spaces would put into another order.
func testPages(k *kindEnv) {
	suffixes := []string{"A", "B", "Z", "_", "a", "a\t", "a ", "a!", "aa", "ab", "b", "z", "~", "\u00e9", "\ud7ff", "\ufffd", "\U0001f600"}
	sorted := make([]record, len(suffixes))
	for i, suffix := range suffixes {
		sorted[i] = k.fresh(k.id(suffix))
	}
	others := []string{strings.ToUpper(k.owner), k.owner + " ", k.owner + "%"} // none of which exists
	of := func(int) *kindEnv { return k }
	if k.name == allTokens.name {
		of = func(i int) *kindEnv { return &kindEnv{k.env, k.kind, append(others, k.owner)[i%4]} }
	}
	for _, i := range rand.Perm(len(sorted)) {
		of(i).write(sorted[i], 0)
	}
	switch k.name {
	case accounts.name:
		k.token(k.id("aaa"), k.id("a")) // a token is no account
	case unsent.name:
		k.account(k.id("aaa")) // for which nothing waits
	case tokens.name:
		for i, other := range others {
			k.token(k.id(fmt.Sprintf("aa-%d", i)), other)
		}
	case allTokens.name:
		k.account(k.id("aaa")) // an account is no token
	}

	for _, limit := range []int{1, 2, 3, len(sorted), len(sorted) + 1} {
		k.sameList(k.walk(k.prefix, limit), sorted, fmt.Sprintf("%s by pages of %d", k.list, limit))
	}
	// Of an ID that is not stored too.
	for i, r := range sorted {
		k.sameList(k.walk(r.id, 4), sorted[i+1:], k.list+" after "+quote(r.id))
		between := r.id + "\x01"
		k.sameList(k.walk(between, 4), sorted[i+1:], k.list+" after "+quote(between))
	}

	changed := of(3).write(k.fresh(sorted[3].id), sorted[3].version)
	sorted[3] = changed
	k.sameList(k.walk(k.prefix, 5), sorted, k.list+" after a save")
	k.remove(changed)
	k.sameList(k.walk(k.prefix, 5), slices.Delete(sorted, 3, 4), k.list+" after a delete")
}

func testAfterAndLimit(k *kindEnv) {
	k.write(k.fresh(k.id("a")), 0)
	k.write(k.fresh(k.id("b")), 0)
	for _, limit := range []int{0, -1, math.MinInt} {
		_, err := k.listFrom(k.ctx, k.store, k.owner, "", limit)
		k.want(err, storage.ErrInvalid, fmt.Sprintf("%s with limit %d", k.list, limit))
	}
	// There is a record, so there is a first one, and it does not come after this one.
	page := k.page("", 1)
	if len(page.Records) != 1 {
		k.Fatalf("%s after the empty ID, limit 1: got %d records, want 1", k.list, len(page.Records))
	}
	if first := page.Records[0].id; first > k.id("a") {
		k.Fatalf("%s after the empty ID begins with %s, though %s comes before", k.list, quote(first), quote(k.id("a")))
	}
	if n := len(k.page(lastID, math.MaxInt).Records); n != 0 {
		k.Fatalf("%s after the greatest ID: got %d records, want none", k.list, n)
	}
	if k.name == tokens.name {
		if n := len(k.page("", math.MaxInt).Records); n == 0 {
			k.Fatalf("Tokens with the greatest limit: got none, want some of 2")
		}
		none := &kindEnv{k.env, k.kind, k.id("nobody")}
		if n := len(none.page("", 10).Records); n != 0 {
			k.Fatalf("Tokens of an account that was never saved: got %d, want none", n)
		}
	}
}

// testMore asks the end of a listing whether more follows, with records of its own that are the last ones but for those
// of other runs of this test: they come and go meanwhile, so it asks again before it fails.
func testMore(k *kindEnv) {
	before := "\U0010ffff" + k.prefix
	last := before
	for _, suffix := range []string{"a", "b", "c"} {
		last = before + suffix
		r := k.write(k.fresh(last), 0)
		defer k.remove(r)
	}
	for limit := 1; limit <= 4; limit++ {
		for after := before; after < last; {
			page := k.page(after, limit)
			n := len(page.Records)
			if !page.More && (n == 0 || page.Records[n-1].id < last) {
				k.Fatalf("%s after %s, limit %d: says that nothing follows its %d records, though %s does", k.list, quote(after), limit, n, quote(last))
			}
			after = page.Records[n-1].id
		}
		if tries := 20; !again(tries, func() bool { return k.ends(before, limit) }) {
			k.Fatalf("%s by pages of %d: got %d times a page that says that more follow, though nothing did", k.list, limit, tries)
		}
	}
}

// ends goes through a listing after an ID, and reports whether it ends with a page that has records.
func (k *kindEnv) ends(after string, limit int) bool {
	k.Helper()
	for {
		page := k.page(after, limit)
		if len(page.Records) == 0 {
			return false
		}
		if !page.More {
			return true
		}
		after = page.Records[len(page.Records)-1].id
	}
}

func again(tries int, try func() bool) bool {
	for range tries {
		if try() {
			return true
		}
	}
	return false
}
