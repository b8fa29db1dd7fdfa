package storagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/gatehouse-go/gatehouse/storage"
)

// testData has what a column for text, a short one or a driver's idea of NULL would change.
func testData(k *kindEnv) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	now := record{id: k.id("a")}
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"nil", nil},
		{"every byte value", every},
		{"empty", []byte{}},
		{"a zero byte", []byte{0}},
		{"zero bytes at both ends", []byte("\x00a\x00")},
		{"spaces at both ends", []byte(" a \t\r\n")},
		{"invalid UTF-8", []byte("\xff\xfe\xc3\x28\xed\xa0\x80")},
		{"escapes and quotes", []byte(`\x41 \\ \' ' '' " $1 ?1 %s {"a":1}`)},
		{"one byte over 64 KiB", large[:1<<16+1]},
		{"1 MiB", large},
		{"nil after 1 MiB", nil},
	} {
		next := record{now.id, version(), c.data}
		k.write(next, now.version)
		now = next
		k.stored(now, "after a save of "+c.name)
	}
}

func testAliasing(k *kindEnv) {
	first := k.fresh(k.id("a"))
	given := bytes.Clone(first.data)
	k.write(record{first.id, first.version, given}, 0)
	clear(given)
	k.stored(first, "after the caller changed the slice it had saved: a store keeps a copy")

	one, two := k.read(first.id, "the first time"), k.read(first.id, "the second time")
	clear(one.data)
	k.same(two, first, "a second "+k.load+", after the caller of the first changed what it got")
	k.stored(first, "after callers changed what they got: a store returns a copy")

	second := k.write(k.fresh(k.id("b")), 0)
	page, again := k.own(""), k.own("")
	if len(page) != 2 || len(again) != 2 {
		k.Fatalf("%s: got %d and %d records, want 2", k.list, len(page), len(again))
	}
	_ = append(page[0].data, "more than there is room for between two records"...)
	k.same(page[1], second, "a row of "+k.list+", after the caller appended to the row before: rows share no buffer")
	clear(page[0].data)
	k.same(again[0], first, "a second "+k.list+", after the caller of the first changed what it got")
	k.stored(first, "after a caller changed what "+k.list+" gave it")
}

// own returns the subtest's records with an ID greater than prefix+after. Others' are there too.
func (k *kindEnv) own(after string) []record {
	k.Helper()
	return k.walk(k.id(after), 100)
}

// walk lists the subtest's records by pages.
func (k *kindEnv) walk(after string, limit int) []record {
	k.Helper()
	var all []record
	for {
		page := k.page(after, limit)
		for _, r := range page.Records {
			if !k.mine(r.id) {
				return all
			}
			all = append(all, r)
		}
		if !page.More {
			return all
		}
		after = page.Records[len(page.Records)-1].id
	}
}

// page lists one page, and asserts what holds for any page.
func (k *kindEnv) page(after string, limit int) storage.Page[record] {
	k.Helper()
	var page storage.Page[record]
	what := fmt.Sprintf("%s after %s, limit %d", k.list, quote(after), limit)
	k.must(k.try(func() (err error) { page, err = k.listFrom(k.ctx, k.store, k.owner, after, limit); return }), what)
	if len(page.Records) > limit {
		k.Fatalf("%s: got %d records", what, len(page.Records))
	}
	if page.More && len(page.Records) == 0 {
		k.Fatalf("%s: got an empty page that says that more follow: nobody can go on from it", what)
	}
	for _, r := range page.Records {
		if r.id <= after {
			k.Fatalf("%s: got %s after %s, want greater and greater IDs in the order of their bytes", what, quote(r.id), quote(after))
		}
		after = r.id
	}
	return page
}
