package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gatehouse-go/gatehouse/storage"
)

// record is what accounts and tokens have in common.
type record struct {
	id      string
	version int64
	data    []byte
}

// kind is one of the kinds of record, or of their listings. The owner of tokens is an account of the
// subtest's own, which exists.
type kind struct {
	name             string
	isAccount        bool   // whether a record is an account, and otherwise a token
	load, save, list string // the names of the methods, for messages
	loadFrom         func(ctx context.Context, s storage.Store, id string) (record, error)
	saveTo           func(ctx context.Context, s storage.Store, owner string, r record, prev int64) error
	listFrom         func(ctx context.Context, s storage.Store, owner, after string, limit int) (storage.Page[record], error)
}

var accounts = kind{
	name: "account", isAccount: true, load: "LoadAccount", save: "SaveAccount", list: "Accounts",
	loadFrom: func(ctx context.Context, s storage.Store, id string) (record, error) {
		r, err := s.LoadAccount(ctx, id)
		return record{r.ID, r.Version, r.Data}, err
	},
	saveTo: func(ctx context.Context, s storage.Store, _ string, r record, prev int64) error {
		return s.SaveAccount(ctx, storage.Record{ID: r.id, Version: r.version, Data: r.data}, prev)
	},
	listFrom: func(ctx context.Context, s storage.Store, _, after string, limit int) (storage.Page[record], error) {
		return page(s.Accounts(ctx, after, limit))(func(r storage.Record) record { return record{r.ID, r.Version, r.Data} })
	},
}

// unsent are accounts that something waits for.
var unsent = kind{
	name: "unsent", isAccount: true, load: accounts.load, save: accounts.save, list: "UnsentAccounts",
	loadFrom: accounts.loadFrom,
	saveTo: func(ctx context.Context, s storage.Store, _ string, r record, prev int64) error {
		index := storage.AccountIndex{Unsent: second(int(uint64(r.version) % 60))} // one order by ID, another by time
		return s.SaveAccount(ctx, storage.Record{ID: r.id, Version: r.version, Data: r.data, Index: index}, prev)
	},
	listFrom: func(ctx context.Context, s storage.Store, _, after string, limit int) (storage.Page[record], error) {
		return page(s.UnsentAccounts(ctx, after, limit))(func(r storage.Record) record { return record{r.ID, r.Version, r.Data} })
	},
}

var tokens = kind{
	name: "token", load: "LoadToken", save: "SaveToken", list: "Tokens",
	loadFrom: func(ctx context.Context, s storage.Store, id string) (record, error) {
		t, _, err := s.LoadToken(ctx, id)
		return record{t.ID, t.Version, t.Data}, err
	},
	saveTo: func(ctx context.Context, s storage.Store, owner string, r record, prev int64) error {
		return s.SaveToken(ctx, storage.TokenRecord{ID: r.id, AccountID: owner, Version: r.version, Data: r.data}, prev)
	},
	listFrom: func(ctx context.Context, s storage.Store, owner, after string, limit int) (storage.Page[record], error) {
		return page(s.Tokens(ctx, owner, after, limit))(tokenRecord)
	},
}

// allTokens are tokens in the listing of all accounts' ones.
var allTokens = kind{
	name: "all tokens", load: tokens.load, save: tokens.save, list: "AllTokens",
	loadFrom: tokens.loadFrom, saveTo: tokens.saveTo,
	listFrom: func(ctx context.Context, s storage.Store, _, after string, limit int) (storage.Page[record], error) {
		return page(s.AllTokens(ctx, after, limit))(tokenRecord)
	},
}

func tokenRecord(t storage.TokenRecord) record { return record{t.ID, t.Version, t.Data} }

// page returns a function that makes of a page of a listing one of records.
func page[T any](p storage.Page[T], err error) func(func(T) record) (storage.Page[record], error) {
	return func(of func(T) record) (storage.Page[record], error) {
		all := storage.Page[record]{More: p.More}
		for _, r := range p.Records {
			all.Records = append(all.Records, of(r))
		}
		return all, err
	}
}

// kindEnv is the env of a test of one kind of record.
type kindEnv struct {
	*env
	kind
	owner string // of the tokens, where the kind is one of tokens
}

type kindTest struct {
	name string
	run  func(*kindEnv)
}

// both makes of each test one for accounts and one for tokens.
func both(of ...kindTest) []test { return slices.Concat(each(accounts, of...), each(tokens, of...)) }

// each makes of each test one for a kind.
func each(k kind, of ...kindTest) []test {
	var all []test
	for _, t := range of {
		all = append(all, test{k.name + "/" + t.name, func(e *env) { t.run(e.of(k)) }})
	}
	return all
}

func (e *env) of(k kind) *kindEnv {
	// Apart from the IDs of the tests, which begin with e.prefix.
	owner := "of-" + e.prefix
	if !k.isAccount {
		e.account(owner)
	}
	return &kindEnv{e, k, owner}
}

// fresh returns a record that has never been saved.
func (k *kindEnv) fresh(id string) record {
	v := version()
	return record{id, v, fmt.Appendf(nil, "data of version %d", v)}
}

// version returns a fresh version, as the callers of a store make them.
func version() int64 {
	for {
		if v := int64(rand.Uint64()); v != 0 {
			return v
		}
	}
}

// write saves r over the version prev, which must succeed.
func (k *kindEnv) write(r record, prev int64) record {
	k.Helper()
	err := k.try(func() error { return k.saveTo(k.ctx, k.store, k.owner, r, prev) })
	what := k.save + " where the stored version is prev"
	if prev == 0 {
		what = k.save + " with prev 0, where nothing is stored"
	}
	k.must(err, fmt.Sprintf("%s (ID %s)", what, quote(r.id)))
	return r
}

// refuse asserts that a save of r over prev is a conflict; why says what it conflicts with.
func (k *kindEnv) refuse(r record, prev int64, why string) {
	k.Helper()
	k.want(k.saveTo(k.ctx, k.store, k.owner, r, prev), storage.ErrConflict, k.save+" "+why)
}

// read loads an ID that must be there.
func (k *kindEnv) read(id, when string) record {
	k.Helper()
	var r record
	k.must(k.try(func() (err error) { r, err = k.loadFrom(k.ctx, k.store, id); return }),
		fmt.Sprintf("%s of %s, %s", k.load, quote(id), when))
	return r
}

// stored asserts that want is what is stored under its ID.
func (k *kindEnv) stored(want record, when string) {
	k.Helper()
	k.same(k.read(want.id, when), want, k.load+" "+when)
}

// absent asserts that nothing is stored under an ID.
func (k *kindEnv) absent(id, when string) {
	k.Helper()
	k.want(k.try(func() error { _, err := k.loadFrom(k.ctx, k.store, id); return err }),
		storage.ErrNotFound, fmt.Sprintf("%s of %s, %s", k.load, quote(id), when))
}

// same fails the test unless two records are the same.
func (k *kindEnv) same(got, want record, what string) {
	k.Helper()
	if got.id != want.id {
		k.Fatalf("%s: got the ID %s, want %s", what, quote(got.id), quote(want.id))
	}
	if got.version != want.version {
		k.Fatalf("%s: got Version %d, want %d", what, got.version, want.version)
	}
	if d := differentBytes(got.data, want.data); d != "" {
		k.Fatalf("%s: Data: %s", what, d)
	}
}

// contend saves r over prev as a service does: after a conflict it looks whether prev is still
// stored, in which case the database only asked to try again. It returns whether it won.
func (k *kindEnv) contend(s storage.Store, r record, prev int64) (bool, error) {
	for range maxTries {
		err := k.saveTo(k.ctx, s, k.owner, r, prev)
		if !errors.Is(err, storage.ErrConflict) {
			return err == nil, err
		}
		var now record
		err = k.try(func() (err error) { now, err = k.loadFrom(k.ctx, s, r.id); return })
		if errors.Is(err, storage.ErrNotFound) {
			now, err = record{}, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s after a conflict: %w", k.load, err)
		}
		if now.version != prev {
			return false, nil
		}
		k.again.Add(1)
	}
	return false, fmt.Errorf("%s: %d conflicts, though the stored version was still prev", k.save, maxTries)
}

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

// tokensOf returns all tokens of an account.
func (e *env) tokensOf(s storage.Store, accountID string) []storage.TokenRecord {
	e.Helper()
	return e.tokensFrom("", "Tokens of "+quote(accountID), func(after string) (storage.Page[storage.TokenRecord], error) {
		return s.Tokens(e.ctx, accountID, after, 200)
	})
}

// allTokens returns those of all tokens that are the subtest's.
func (e *env) allTokens(s storage.Store) []storage.TokenRecord {
	e.Helper()
	return e.tokensFrom(e.prefix, "AllTokens", func(after string) (storage.Page[storage.TokenRecord], error) {
		page, err := s.AllTokens(e.ctx, after, 200)
		for i, t := range page.Records {
			if !e.mine(t.ID) { // nothing of the subtest's follows
				return storage.Page[storage.TokenRecord]{Records: page.Records[:i]}, err
			}
		}
		return page, err
	})
}

// tokensFrom returns all tokens of a listing after one of them.
func (e *env) tokensFrom(after, what string, list func(after string) (storage.Page[storage.TokenRecord], error)) []storage.TokenRecord {
	e.Helper()
	var all []storage.TokenRecord
	for {
		var page storage.Page[storage.TokenRecord]
		e.must(e.try(func() (err error) { page, err = list(after); return }), what)
		all = append(all, page.Records...)
		if !page.More {
			return all
		}
		n := len(page.Records)
		if n == 0 || page.Records[n-1].ID <= after {
			e.Fatalf("%s after %s: the page says that more follow, and does not end with a greater ID", what, quote(after))
		}
		after = page.Records[n-1].ID
	}
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
