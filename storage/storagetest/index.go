package storagetest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// times has what a database or a driver may round, shift or overflow.
func times() []time.Time {
	return []time.Time{
		second(0),
		time.Date(2024, 2, 29, 23, 59, 59, 999999000, time.UTC),
		time.Date(2024, 2, 29, 23, 59, 59, 1000, time.UTC),
		// One local time twice in central Europe, and one that is not there in New York.
		time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC),
		time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC),
		time.Date(2026, 3, 8, 2, 30, 0, 0, time.UTC),
		time.Unix(0, 0).UTC(),
		time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),                          // over 32 bits of seconds
		time.Date(2262, 4, 11, 23, 47, 16, 854776000, time.UTC),                // over 64 bits of nanoseconds
		time.Date(2300, 12, 31, 23, 59, 59, 999999000, time.UTC),               // the last year
		time.Date(2026, 7, 1, 12, 0, 0, 5000, time.FixedZone("", 3600*5+1800)), // comes back in UTC
		time.Date(2026, 7, 1, 12, 0, 0, 1999, time.UTC),                        // comes back with 1 µs
		time.Date(2026, 7, 1, 12, 0, 0, 999999999, time.UTC),                   // is not rounded into the next second
	}
}

func testAccountIndex(e *env) {
	full := storage.AccountIndex{
		Authenticators: 5, Passkeys: 3, CodesLeft: 10, LockedUntil: second(0), Disabled: true, Suspended: true,
		KeyName: "2026-01,2025-12", TokenEpoch: 1<<62 + 1, Handle: newHandle(), Unsent: second(7),
	}
	indexes := append(oneByOne(e, full), full, storage.AccountIndex{})
	for _, t := range times() {
		indexes = append(indexes, storage.AccountIndex{LockedUntil: t}, storage.AccountIndex{Unsent: t})
	}
	for _, n := range []int64{math.MaxInt64, math.MinInt64, -1, 1 << 53, 1<<53 + 1} {
		indexes = append(indexes, storage.AccountIndex{TokenEpoch: n})
	}
	for _, s := range []string{" A ", "\u00e9\U0001f363'\"\\%", strings.Repeat("k", 1024)} {
		indexes = append(indexes, storage.AccountIndex{KeyName: s})
	}

	id := e.id("a")
	token := e.token(id, id)
	var prev int64
	for _, index := range append(indexes, full) {
		r := e.saveAccount(storage.Record{ID: id, Version: version(), Index: index}, prev)
		prev = r.Version
		r.Index.LockedUntil, r.Index.Unsent = cut(r.Index.LockedUntil), cut(r.Index.Unsent)

		got, err := e.loadAccount(e.store, id)
		e.must(err, "LoadAccount")
		e.same(got, r, "LoadAccount")
		var page storage.Page[storage.Record]
		e.must(e.try(func() (err error) { page, err = e.store.Accounts(e.ctx, e.prefix, 1); return }), "Accounts")
		if len(page.Records) != 1 {
			e.Fatalf("Accounts, limit 1, after an ID that one follows: got %d records", len(page.Records))
		}
		e.same(page.Records[0], r, "Accounts")
		_, owner, err := e.loadToken(e.store, token.ID)
		e.must(err, "LoadToken")
		e.same(owner, r.Index, "LoadToken: index of the owner, as it is now")
	}
}

func testTokenIndex(e *env) {
	full := storage.TokenIndex{Expires: second(1), Revoked: true, Scopes: "projects:read projects:write", Epoch: 1<<62 + 1}
	indexes := append(oneByOne(e, full), full, storage.TokenIndex{})
	for _, t := range times() {
		indexes = append(indexes, storage.TokenIndex{Expires: t})
	}
	for _, s := range []string{" A  a ", "\u00e9\U0001f363'\"\\%\r\n", strings.Repeat("s", 4096), strings.Repeat("\u00e9", 2048)} {
		indexes = append(indexes, storage.TokenIndex{Scopes: s})
	}
	for _, n := range []int64{math.MaxInt64, math.MinInt64, -1, 1 << 53, 1<<53 + 1} {
		indexes = append(indexes, storage.TokenIndex{Epoch: n})
	}

	id := e.id("a")
	e.account(id)
	var prev int64
	for i, index := range append(indexes, full) {
		t := e.saveToken(storage.TokenRecord{ID: id, AccountID: id, Version: version(), Data: fmt.Append(nil, i), Index: index}, prev)
		prev = t.Version
		t.Index.Expires = cut(t.Index.Expires)

		e.sameToken(t, "after a save")
	}
}

// oneByOne returns an index for each field of full, with that field alone: a field that is
// forgotten or takes another's place shows.
func oneByOne[T any](e *env, full T) []T {
	e.Helper()
	from := reflect.ValueOf(full)
	all := make([]T, from.NumField())
	for i := range all {
		if from.Field(i).IsZero() {
			e.Fatalf("storagetest itself has no value for the field %s", from.Type().Field(i).Name)
		}
		reflect.ValueOf(&all[i]).Elem().Field(i).Set(from.Field(i))
	}
	return all
}
