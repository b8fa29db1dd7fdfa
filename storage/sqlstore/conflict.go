package sqlstore

import (
	"errors"
	"reflect"
	"slices"
	"strings"
)

// stateConflict reads SQLSTATEs, which the errors of PostgreSQL's drivers have a method for:
// serialization failure, deadlock, lock not available (lock_timeout), key taken. Not 40003, which
// says that it is not known whether the statement was carried out.
func stateConflict(err error) bool {
	state, ok := sqlState(err)
	return ok && slices.Contains([]string{"40001", "40P01", "55P03", "23505"}, state)
}

// stateTaken reads the SQLSTATE for a key that is taken.
func stateTaken(err error) bool {
	state, _ := sqlState(err)
	return state == "23505"
}

// mysqlTaken knows the number for a key that is taken.
func mysqlTaken(err error) bool {
	n, ok := number(err)
	return ok && n == 1062
}

// sqliteTaken knows SQLITE_CONSTRAINT; not every driver says by its number which one it is.
func sqliteTaken(err error) bool {
	n, ok := number(err)
	return ok && n&0xff == 19 && strings.Contains(err.Error(), "UNIQUE constraint failed")
}

func sqlState(err error) (string, bool) {
	var e interface{ SQLState() string }
	if !errors.As(err, &e) {
		return "", false
	}
	return e.SQLState(), true
}

// mysqlConflict knows the numbers for a row that changed since it was read, a key that is taken,
// a lock waited for too long, and a deadlock. Each undoes the statement it meets.
func mysqlConflict(err error) bool {
	n, ok := number(err)
	return ok && slices.Contains([]int64{1020, 1062, 1205, 1213}, n)
}

// sqliteConflict knows SQLITE_BUSY and SQLITE_LOCKED, whatever the bits above say in detail.
func sqliteConflict(err error) bool {
	n, ok := number(err)
	return ok && (n&0xff == 5 || n&0xff == 6)
}

// number returns the number of a database's error, somewhere in err. The drivers have no interface
// for it in common, and none that could be named without importing them, so it is looked for by
// name: a method Code (ncruces' and modernc's SQLite), a field Code (mattn's), or a field Number (MySQL's).
func number(err error) (int64, bool) {
	if n, ok := ownNumber(reflect.ValueOf(err)); ok {
		return n, true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return number(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if n, ok := number(err); ok {
				return n, true
			}
		}
	}
	return 0, false
}

func ownNumber(v reflect.Value) (int64, bool) {
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return 0, false
	}
	if m := v.MethodByName("Code"); m.IsValid() && m.Type().NumIn() == 0 && m.Type().NumOut() == 1 {
		return integer(m.Call(nil)[0])
	}
	v = reflect.Indirect(v)
	if v.Kind() != reflect.Struct {
		return 0, false
	}
	for _, name := range []string{"Number", "Code"} {
		// Of the error itself: one that it embeds, and may have left out, is looked at when it is unwrapped.
		if f, ok := v.Type().FieldByName(name); ok && len(f.Index) == 1 {
			return integer(v.FieldByIndex(f.Index))
		}
	}
	return 0, false
}

func integer(v reflect.Value) (int64, bool) {
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), true
	}
	return 0, false
}
