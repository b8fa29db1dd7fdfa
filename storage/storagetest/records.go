package storagetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// account saves a new account without data.
func (e *env) account(id string) storage.Record {
	e.Helper()
	return e.saveAccount(storage.Record{ID: id, Version: version()}, 0)
}

func (e *env) saveAccount(r storage.Record, prev int64) storage.Record {
	e.Helper()
	e.must(e.try(func() error { return e.store.SaveAccount(e.ctx, r, prev) }),
		fmt.Sprintf("SaveAccount of %s over prev %d, which is what is stored (0: nothing)", quote(r.ID), prev))
	return r
}

// token saves a new token without data.
func (e *env) token(id, owner string) storage.TokenRecord {
	e.Helper()
	return e.saveToken(storage.TokenRecord{ID: id, AccountID: owner, Version: version()}, 0)
}

func (e *env) saveToken(t storage.TokenRecord, prev int64) storage.TokenRecord {
	e.Helper()
	e.must(e.try(func() error { return e.store.SaveToken(e.ctx, t, prev) }),
		fmt.Sprintf("SaveToken of %s over prev %d, which is what is stored (0: nothing)", quote(t.ID), prev))
	return t
}

func (e *env) delete(id string) {
	e.Helper()
	e.must(e.try(func() error { return e.store.DeleteAccount(e.ctx, id) }), "DeleteAccount of "+quote(id))
}

// deleteToken deletes a token of that version, which must succeed.
func (e *env) deleteToken(id string, version int64) {
	e.Helper()
	e.must(e.try(func() error { return e.store.DeleteToken(e.ctx, id, version) }),
		"DeleteToken of "+quote(id)+", whose version is prev")
}

func (e *env) loadAccount(s storage.Store, id string) (r storage.Record, err error) {
	err = e.try(func() (err error) { r, err = s.LoadAccount(e.ctx, id); return })
	return r, err
}

func (e *env) byHandle(s storage.Store, h storage.Handle) (r storage.Record, err error) {
	err = e.try(func() (err error) { r, err = s.AccountByHandle(e.ctx, h); return })
	return r, err
}

func (e *env) loadToken(s storage.Store, id string) (t storage.TokenRecord, owner storage.AccountIndex, err error) {
	err = e.try(func() (err error) { t, owner, err = s.LoadToken(e.ctx, id); return })
	return t, owner, err
}

// gone asserts that an account is not stored.
func (e *env) gone(id, when string) {
	e.Helper()
	_, err := e.loadAccount(e.store, id)
	e.want(err, storage.ErrNotFound, fmt.Sprintf("LoadAccount of %s, %s", quote(id), when))
}

func (e *env) touch(uses ...storage.TokenUse) {
	e.Helper()
	given := slices.Clone(uses)
	e.must(e.try(func() error { return e.store.TouchTokens(e.ctx, uses) }), fmt.Sprintf("TouchTokens with %d uses", len(uses)))
	if !slices.Equal(uses, given) {
		e.Fatalf("TouchTokens changed the slice it was given; sort a copy")
	}
}

// usedAt returns a use at a time, of no scope and from no address.
func usedAt(id string, at time.Time) storage.TokenUse {
	return storage.TokenUse{ID: id, TokenUsage: storage.TokenUsage{LastUsed: at}}
}

// usage asserts the Usage of a token whose owner is there.
func (e *env) usage(id string, want storage.TokenUsage, when string) {
	e.Helper()
	t, _, err := e.loadToken(e.store, id)
	e.must(err, "LoadToken of "+quote(id))
	e.same(t.Usage, want, "LoadToken: Usage "+when)
}

// lastUsed asserts that of a token without scopes and addresses.
func (e *env) lastUsed(id string, want time.Time, when string) {
	e.Helper()
	e.usage(id, storage.TokenUsage{LastUsed: want}, when)
}

// sameToken asserts what LoadToken and the listings give of a token that is its owner's only one.
func (e *env) sameToken(want storage.TokenRecord, when string) {
	e.Helper()
	got, _, err := e.loadToken(e.store, want.ID)
	e.must(err, "LoadToken")
	e.same(got, want, "LoadToken "+when)
	page := e.tokensOf(e.store, want.AccountID)
	if len(page) != 1 {
		e.Fatalf("Tokens of an account that has one: got %d", len(page))
	}
	e.same(page[0], want, "Tokens "+when)
	for _, t := range e.allTokens(e.store) {
		if t.ID == want.ID {
			e.same(t, want, "AllTokens "+when)
			return
		}
	}
	e.Fatalf("AllTokens %s: %s is missing", when, quote(want.ID))
}
