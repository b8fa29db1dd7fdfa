package storagetest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// second returns the i-th of many times, all with microseconds.
func second(i int) time.Time {
	return time.Date(2026, 3, 29, 0, 59, i, 123456000, time.UTC)
}

// cut makes a time what must come back of it.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// same fails the test unless two records or indexes are the same.
func (e *env) same(got, want any, what string) {
	e.Helper()
	if d := different(reflect.ValueOf(got), reflect.ValueOf(want)); len(d) > 0 {
		e.Fatalf("%s: %s", what, strings.Join(d, "; "))
	}
}

// different says in which fields got is not want.
func different(got, want reflect.Value) []string {
	var all []string
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		g, w := got.Field(i), want.Field(i)
		switch a := g.Interface().(type) {
		case []byte:
			if d := differentBytes(a, w.Bytes()); d != "" {
				all = append(all, name+": "+d)
			}
		case time.Time:
			b := w.Interface().(time.Time)
			switch {
			case !a.Equal(b):
				all = append(all, fmt.Sprintf("%s: got %s, want %s", name, instant(a), instant(b)))
			case a.Location() != time.UTC:
				all = append(all, fmt.Sprintf("%s: got the location %s, want time.UTC (call its method UTC)", name, a.Location()))
			}
		default:
			if g.Kind() == reflect.Struct {
				for _, d := range different(g, w) {
					all = append(all, name+"."+d)
				}
			} else if !g.Equal(w) {
				all = append(all, fmt.Sprintf("%s: got %#v, want %#v", name, a, w.Interface()))
			}
		}
	}
	return all
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "the zero time"
	}
	return t.Format(time.RFC3339Nano)
}

// quote writes an ID so that characters which look the same can be told apart.
func quote(id string) string {
	if n := len(id); n > 100 {
		return fmt.Sprintf("%+q…%+q (%d bytes)", id[:40], id[n-20:], n)
	}
	return fmt.Sprintf("%+q", id)
}

// differentBytes says where got is not want; nil and empty are the same.
func differentBytes(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	part := func(b []byte) []byte { return b[i:min(i+16, len(b))] }
	return fmt.Sprintf("got %d bytes, want %d; from byte %d on got %q, want %q", len(got), len(want), i, part(got), part(want))
}
