package storagetest

import (
	"bytes"
	"math/rand/v2"
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
