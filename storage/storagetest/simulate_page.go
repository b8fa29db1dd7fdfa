package storagetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// compare says how a page is not what it must be, where all is what there is after the ID that was asked for. A page may be
// shorter than asked for, and others' rows may lie between.
func (l *listing) compare(got, all rows, mine func(id string) bool, follows func(l *listing, after string) bool) string {
	last, d := l.ordered(got)
	if d != "" {
		return d
	}
	if len(got.all) == 0 && len(all.all) > 0 {
		return "got an empty page, want one that begins no later than with " + quote(all.all[0].id)
	}
	own := slices.DeleteFunc(slices.Clone(got.all), func(r row) bool { return l.mixed && !mine(r.id) })
	for i, want := range all.all {
		if got.more && want.id > last {
			return compareRows(own, all.all[:i])
		}
	}
	if d := compareRows(own, all.all); d != "" || !got.more {
		return d
	}
	if !l.mixed || !again(20, func() bool { return follows(l, last) }) {
		return fmt.Sprintf("a page that ends with %s says that more follow, though nothing does", quote(last))
	}
	return ""
}

// ordered says what is wrong with a page by itself, and returns its last ID.
func (l *listing) ordered(got rows) (last, wrong string) {
	n := len(got.all)
	switch {
	case n > l.limit:
		return "", fmt.Sprintf("got %d records", n)
	case got.more && n == 0:
		return "", "got an empty page that says that more follow: nobody can go on from it"
	}
	last = l.after
	for _, r := range got.all {
		if r.id <= last {
			return "", fmt.Sprintf("got %s after %s, want greater and greater IDs in the order of their bytes", quote(r.id), quote(last))
		}
		last = r.id
	}
	return last, ""
}

func compareRows(got, want []row) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("got %s too, which is not there", quote(got[i].id))
		case i >= len(got), got[i].id > want[i].id:
			return quote(want[i].id) + " is missing"
		case got[i].id < want[i].id:
			return fmt.Sprintf("got %s too, which is not there", quote(got[i].id))
		}
		if d := different(reflect.ValueOf(got[i].record), reflect.ValueOf(want[i].record)); len(d) > 0 {
			return quote(got[i].id) + ": " + strings.Join(d, "; ")
		}
	}
	return ""
}
