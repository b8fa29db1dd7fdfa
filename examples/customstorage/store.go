// Package customstorage is a storage.Store of one's own: on bbolt, a file of sorted keys that one
// process at a time has open. docs/storage.md walks through it.
package customstorage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-go/gatehouse/storage"
)

var (
	accounts = []byte("gatehouse.accounts") // by ID: a storage.Record as JSON
	tokens   = []byte("gatehouse.tokens")   // by ID: a storage.TokenRecord as JSON
	owned    = []byte("gatehouse.owned")    // keys alone: account, NUL (which no ID has), token
	live     = []byte("gatehouse.live")     // the same of those that are not revoked: account, NUL, epoch, token
	handles  = []byte("gatehouse.handles")  // by handle: the account that has it
	unsent   = []byte("gatehouse.unsent")   // keys alone: accounts for which something waits
)

// Store is made by New.
type Store struct{ db *bbolt.DB }

// New returns a Store in buckets of db, which the caller closes after the last call.
func New(db *bbolt.DB) (*Store, error) {
	if db.NoSync {
		return nil, errors.New("customstorage: with NoSync a save is answered before it is on the disk")
	}
	return &Store{db}, db.Update(func(tx *bbolt.Tx) (err error) {
		for _, bucket := range [][]byte{accounts, tokens, owned, live, handles, unsent} {
			_, failed := tx.CreateBucketIfNotExists(bucket)
			err = errors.Join(err, failed)
		}
		return err
	})
}

func (s *Store) LoadAccount(ctx context.Context, id string) (r storage.Record, err error) {
	err = do(ctx, s.db.View, func(tx *bbolt.Tx) error { return load(tx, accounts, id, &r) }, id)
	return r, found(r.Version, err)
}

func (s *Store) AccountByHandle(ctx context.Context, h storage.Handle) (r storage.Record, err error) {
	if h == (storage.Handle{}) {
		return r, storage.ErrInvalid
	}
	err = do(ctx, s.db.View, func(tx *bbolt.Tx) error {
		return load(tx, accounts, string(tx.Bucket(handles).Get(h[:])), &r)
	})
	return r, found(r.Version, err)
}

func (s *Store) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return do(ctx, s.db.Update, func(tx *bbolt.Tx) error {
		var old storage.Record
		err := load(tx, accounts, r.ID, &old)
		r.Index.LockedUntil, r.Index.Unsent = cut(r.Index.LockedUntil), cut(r.Index.Unsent)
		if err = errors.Join(err, save(tx, accounts, r.ID, r, r.Version, old.Version == prev)); err != nil {
			return err
		}
		return index(tx, old, r)
	}, r.ID)
}

// index moves what is found of an account by other ways than its ID from the old record to the new one.
func index(tx *bbolt.Tx, old, r storage.Record) error {
	err := errors.Join(tx.Bucket(handles).Delete(old.Index.Handle[:]), tx.Bucket(unsent).Delete([]byte(old.ID)))
	if h := r.Index.Handle; h != (storage.Handle{}) {
		if tx.Bucket(handles).Get(h[:]) != nil {
			return storage.ErrInvalid // another account has it
		}
		err = errors.Join(err, tx.Bucket(handles).Put(h[:], []byte(r.ID)))
	}
	if !r.Index.Unsent.IsZero() {
		err = errors.Join(err, tx.Bucket(unsent).Put([]byte(r.ID), nil))
	}
	return err
}

func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	return do(ctx, s.db.Update, func(tx *bbolt.Tx) error {
		var old storage.Record
		err := errors.Join(load(tx, accounts, id, &old), index(tx, old, storage.Record{}), tx.Bucket(accounts).Delete([]byte(id)))
		c, prefix := tx.Bucket(owned).Cursor(), []byte(id+"\x00")
		for key, _ := c.Seek(prefix); err == nil && bytes.HasPrefix(key, prefix); key, _ = c.Seek(prefix) {
			err = errors.Join(tx.Bucket(tokens).Delete(key[len(prefix):]), tx.Bucket(owned).Delete(key))
		}
		c = tx.Bucket(live).Cursor()
		for key, _ := c.Seek(prefix); err == nil && bytes.HasPrefix(key, prefix); key, _ = c.Seek(prefix) {
			err = tx.Bucket(live).Delete(key)
		}
		return err
	}, id)
}

func (s *Store) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return list[storage.Record](ctx, s.db, accounts, "", after, limit, accounts, nil)
}

func (s *Store) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return list[storage.Record](ctx, s.db, unsent, "", after, limit, accounts, nil)
}

// LoadToken reads both records in one transaction, and so as of one moment.
func (s *Store) LoadToken(ctx context.Context, id string) (t storage.TokenRecord, _ storage.AccountIndex, err error) {
	var owner storage.Record
	err = do(ctx, s.db.View, func(tx *bbolt.Tx) error {
		err := load(tx, tokens, id, &t)
		return errors.Join(err, load(tx, accounts, t.AccountID, &owner))
	}, id)
	return t, owner.Index, found(owner.Version, err)
}

func (s *Store) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	return do(ctx, s.db.Update, func(tx *bbolt.Tx) error {
		old := storage.TokenRecord{AccountID: t.AccountID}
		err := load(tx, tokens, t.ID, &old)
		t.Index.Expires, t.Usage = cut(t.Index.Expires), old.Usage
		err = errors.Join(err, save(tx, tokens, t.ID, t, t.Version, old.Version == prev && old.AccountID == t.AccountID))
		if old.Version != 0 {
			err = errors.Join(err, tx.Bucket(live).Delete([]byte(epoch(old.AccountID, old.Index.Epoch)+t.ID)))
		}
		if !t.Index.Revoked {
			err = errors.Join(err, tx.Bucket(live).Put([]byte(epoch(t.AccountID, t.Index.Epoch)+t.ID), nil))
		}
		return errors.Join(err, tx.Bucket(owned).Put([]byte(t.AccountID+"\x00"+t.ID), nil))
	}, t.ID, t.AccountID)
}

// DeleteToken saves the token as it is, for the comparison, before it removes it.
func (s *Store) DeleteToken(ctx context.Context, id string, prev int64) error {
	return do(ctx, s.db.Update, func(tx *bbolt.Tx) error {
		var old storage.TokenRecord
		err := load(tx, tokens, id, &old)
		err = errors.Join(err, save(tx, tokens, id, old, prev, old.Version == prev), tx.Bucket(tokens).Delete([]byte(id)))
		err = errors.Join(err, tx.Bucket(live).Delete([]byte(epoch(old.AccountID, old.Index.Epoch)+id)))
		return errors.Join(err, tx.Bucket(owned).Delete([]byte(old.AccountID+"\x00"+id)))
	}, id)
}

// epoch begins the keys in live of an account's tokens.
func epoch(account string, epoch int64) string {
	return fmt.Sprintf("%s\x00%016x", account, uint64(epoch))
}

func (s *Store) Tokens(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return list[storage.TokenRecord](ctx, s.db, owned, accountID+"\x00", after, limit, tokens, nil, accountID)
}

func (s *Store) LiveTokens(ctx context.Context, accountID string, l storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if l.At.IsZero() {
		return storage.Page[storage.TokenRecord]{}, storage.ErrInvalid
	}
	l.At = cut(l.At)
	has := func(t storage.TokenRecord) bool { return l.Has(t.Index) }
	return list(ctx, s.db, live, epoch(accountID, l.Epoch), after, limit, tokens, has, accountID)
}

func (s *Store) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return list[storage.TokenRecord](ctx, s.db, tokens, "", after, limit, tokens, nil)
}

func (s *Store) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	return do(ctx, s.db.Update, func(tx *bbolt.Tx) (err error) {
		for _, use := range uses {
			var t storage.TokenRecord
			err = errors.Join(err, storage.CheckID(use.ID), load(tx, tokens, use.ID, &t))
			if at := cut(use.LastUsed); t.Version != 0 && !at.IsZero() {
				t.Usage.Scopes |= use.Scopes
				if !at.Before(t.Usage.LastUsed) {
					t.Usage.LastUsed, t.Usage.Addresses = at, use.Addresses
				}
				err = errors.Join(err, save(tx, tokens, t.ID, t, t.Version, true))
			}
		}
		return err
	})
}

// do runs a transaction, unless ctx has ended or an ID is none. When an update returns nil it is on the
// disk; where f returns an error, all that it wrote is taken back.
func do(ctx context.Context, run func(func(*bbolt.Tx) error) error, f func(*bbolt.Tx) error, ids ...string) error {
	err := ctx.Err()
	for _, id := range ids {
		err = errors.Join(err, storage.CheckID(id))
	}
	if err != nil {
		return err
	}
	return run(f)
}

// load leaves a record as it is where none is stored: of version 0, which is what prev 0 asks for.
func load(tx *bbolt.Tx, bucket []byte, id string, record any) error {
	data := tx.Bucket(bucket).Get([]byte(id))
	if data == nil {
		return nil
	}
	return json.Unmarshal(data, record)
}

func found(version int64, err error) error {
	if err == nil && version == 0 {
		return storage.ErrNotFound
	}
	return err
}

func save(tx *bbolt.Tx, bucket []byte, id string, record any, version int64, expected bool) error {
	if version == 0 {
		return storage.ErrInvalid
	}
	if !expected {
		return storage.ErrConflict
	}
	data, err := json.Marshal(record)
	return errors.Join(err, tx.Bucket(bucket).Put([]byte(id), data))
}

// list loads the records whose IDs stand behind prefix in the keys of a bucket, and which has wants; nil wants all.
func list[T any](ctx context.Context, db *bbolt.DB, bucket []byte, prefix, after string, limit int, records []byte,
	has func(T) bool, ids ...string) (page storage.Page[T], err error) {
	if limit < 1 || after != "" && storage.CheckID(after) != nil {
		return page, storage.ErrInvalid
	}
	err = do(ctx, db.View, func(tx *bbolt.Tx) (err error) {
		c := tx.Bucket(bucket).Cursor()
		key, _ := c.Seek([]byte(prefix + after + "\x00")) // the least that can follow after
		for ; err == nil && key != nil && bytes.HasPrefix(key, []byte(prefix)) && !page.More; key, _ = c.Next() {
			var r T
			if err = load(tx, records, string(key[len(prefix):]), &r); has != nil && !has(r) {
				continue
			}
			if page.More = len(page.Records) == limit; !page.More {
				page.Records = append(page.Records, r)
			}
		}
		return err
	}, ids...)
	return page, err
}

// cut makes a time what every store makes of it.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
