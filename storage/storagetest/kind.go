package storagetest

import (
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

// liveTokens are tokens that have not ended at the time and epoch that their listing is asked for. Those that the other
// kinds save have ended.
var liveTokens = kind{
	name: "live tokens", load: tokens.load, save: tokens.save, list: "LiveTokens",
	loadFrom: tokens.loadFrom,
	saveTo: func(ctx context.Context, s storage.Store, owner string, r record, prev int64) error {
		index := storage.TokenIndex{Expires: second(6), Epoch: 7}
		return s.SaveToken(ctx, storage.TokenRecord{ID: r.id, AccountID: owner, Version: r.version, Data: r.data, Index: index}, prev)
	},
	listFrom: func(ctx context.Context, s storage.Store, owner, after string, limit int) (storage.Page[record], error) {
		return page(s.LiveTokens(ctx, owner, storage.Live{Epoch: 7, At: second(5)}, after, limit))(tokenRecord)
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

// as returns the env of a test of another kind, with the same owner.
func (k *kindEnv) as(other kind) *kindEnv { return &kindEnv{k.env, other, k.owner} }

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
