// Package etcdstore is an example of a storage.Store for many processes: it keeps accounts and tokens in etcd.
// docs/storage.md compares it with the example on bbolt, and docs/operations.md says how to run etcd for it.
package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/gatehouse-go/gatehouse/storage"
)

const (
	accounts = "gatehouse/accounts/" // by ID: a storage.Record as JSON
	tokens   = "gatehouse/tokens/"   // by ID: a storage.TokenRecord as JSON, without its Usage
	usages   = "gatehouse/usages/"   // by token: its Usage, apart so that a use never conflicts with a save
	owned    = "gatehouse/owned/"    // by account, NUL (which no ID has) and token: empty
	live     = "gatehouse/live/"     // by account, NUL, epoch and token, of those that are not revoked: empty
	handles  = "gatehouse/handles/"  // by handle in hexadecimal: the account that has it
	unsent   = "gatehouse/unsent/"   // by account, if something waits for it: empty

	batch   = 30   // records in a transaction: etcd takes 128 keys (--max-txn-ops), and a token has four
	maxPage = 1000 // records in a page, whatever its limit

	// timeout is for a read or a change. Nothing else ends one that waits for a node which stands still, before the
	// client's keepalive does.
	timeout = 5 * time.Second
)

// Store is made by New.
type Store struct{ client *clientv3.Client }

// New returns a Store in the keys that begin with "gatehouse/". The client must have MaxUnaryRetries 1, so that it sends
// each request once: otherwise a save that was made can be sent again and be answered with ErrConflict. New cannot see
// that. The caller closes the client after the last call.
func New(client *clientv3.Client) *Store { return &Store{client} }

func (s *Store) LoadAccount(ctx context.Context, id string) (r storage.Record, err error) {
	_, err = s.load(ctx, 0, &r, id, accounts)
	return r, found(r.Version, err)
}

func (s *Store) AccountByHandle(ctx context.Context, h storage.Handle) (r storage.Record, err error) {
	if h == (storage.Handle{}) {
		return r, storage.ErrInvalid
	}
	var id string
	rev, err := s.load(ctx, 0, &id, hex(h), handles)
	if err == nil && id != "" {
		_, err = s.load(ctx, rev, &r, id, accounts)
	}
	return r, found(r.Version, err)
}

func (s *Store) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	read := []string{accounts + r.ID, handles + hex(r.Index.Handle)}
	return s.update(ctx, read, func(tx tx) error {
		var old storage.Record
		err := tx.load(&old, r.ID, accounts)
		r.Index.LockedUntil, r.Index.Unsent = cut(r.Index.LockedUntil), cut(r.Index.Unsent)
		if err = errors.Join(err, tx.save(accounts+r.ID, r, r.Version, old.Version == prev)); err != nil {
			return err
		}
		return tx.index(old, r)
	}, r.ID)
}

// index moves what is found of an account by other ways than its ID from the old record to the new one.
func (tx tx) index(old, r storage.Record) error {
	tx.Del(handles + hex(old.Index.Handle))
	tx.Del(unsent + old.ID)
	if !r.Index.Unsent.IsZero() {
		tx.Put(unsent+r.ID, "")
	}
	if r.Index.Handle == (storage.Handle{}) {
		return nil
	}
	if tx.Get(handles+hex(r.Index.Handle)) != "" {
		return storage.ErrInvalid // another account has it
	}
	return tx.save(handles+hex(r.Index.Handle), r.ID, r.Version, true)
}

// DeleteAccount removes the account in one transaction, and then its tokens in as many as they need.
func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	err := s.update(ctx, []string{accounts + id}, func(tx tx) error {
		var old storage.Record
		err := tx.load(&old, id, accounts)
		tx.Del(accounts + id)
		return errors.Join(err, tx.index(old, storage.Record{}))
	}, id)
	for more := true; more && err == nil; {
		var ids []string
		if ids, more, _, err = s.ids(ctx, owned+id+"\x00", "", batch); err == nil {
			err = s.update(ctx, keys(ids, tokens), func(tx tx) (err error) {
				for _, id := range ids {
					err = errors.Join(err, tx.deleteToken(id))
				}
				return err
			})
		}
	}
	return err
}

func (s *Store) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return list[storage.Record](ctx, s, accounts, after, limit, nil, []string{accounts})
}

func (s *Store) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return list[storage.Record](ctx, s, unsent, after, limit, nil, []string{accounts})
}

// LoadToken reads the owner as of the moment at which the token was read.
func (s *Store) LoadToken(ctx context.Context, id string) (t storage.TokenRecord, _ storage.AccountIndex, err error) {
	var owner storage.Record
	rev, err := s.load(ctx, 0, &t, id, tokens, usages)
	if err == nil && t.Version != 0 {
		_, err = s.load(ctx, rev, &owner, t.AccountID, accounts)
	}
	return t, owner.Index, found(owner.Version, err)
}

func (s *Store) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	return s.update(ctx, []string{tokens + t.ID}, func(tx tx) error {
		old := storage.TokenRecord{AccountID: t.AccountID}
		err := tx.load(&old, t.ID, tokens)
		tx.Del(epoch(old.AccountID, old.Index.Epoch) + t.ID)
		tx.Put(owned+t.AccountID+"\x00"+t.ID, "")
		if !t.Index.Revoked {
			tx.Put(epoch(t.AccountID, t.Index.Epoch)+t.ID, "")
		}
		t.Index.Expires, t.Usage = cut(t.Index.Expires), storage.TokenUsage{}
		expected := old.Version == prev && old.AccountID == t.AccountID
		return errors.Join(err, tx.save(tokens+t.ID, t, t.Version, expected))
	}, t.ID, t.AccountID)
}

// DeleteToken saves the token as it is, for the comparison, before it removes it.
func (s *Store) DeleteToken(ctx context.Context, id string, prev int64) error {
	return s.update(ctx, []string{tokens + id}, func(tx tx) error {
		var old storage.TokenRecord
		err := tx.load(&old, id, tokens)
		err = errors.Join(err, tx.save(tokens+id, old, prev, old.Version == prev))
		return errors.Join(err, tx.deleteToken(id))
	}, id)
}

func (tx tx) deleteToken(id string) error {
	var old storage.TokenRecord
	err := tx.load(&old, id, tokens)
	tx.Del(tokens + id)
	tx.Del(usages + id)
	tx.Del(owned + old.AccountID + "\x00" + id)
	tx.Del(epoch(old.AccountID, old.Index.Epoch) + id)
	return err
}

// epoch begins the keys in live of an account's tokens.
func epoch(account string, epoch int64) string {
	return fmt.Sprintf("%s%s\x00%016x", live, account, uint64(epoch))
}

func hex(h storage.Handle) string { return fmt.Sprintf("%x", h) }

func (s *Store) Tokens(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return list[storage.TokenRecord](ctx, s, owned+accountID+"\x00", after, limit, nil, []string{tokens, usages}, accountID)
}

func (s *Store) LiveTokens(ctx context.Context, accountID string, l storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if l.At.IsZero() {
		return storage.Page[storage.TokenRecord]{}, storage.ErrInvalid
	}
	l.At = cut(l.At)
	ended := func(t storage.TokenRecord) bool { return !l.Has(t.Index) }
	return list(ctx, s, epoch(accountID, l.Epoch), after, limit, ended, []string{tokens, usages}, accountID)
}

func (s *Store) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return list[storage.TokenRecord](ctx, s, tokens, after, limit, nil, []string{tokens, usages})
}

func (s *Store) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	var ids []string
	for _, use := range uses {
		ids = append(ids, use.ID)
	}
	err := check(ctx, ids...)
	for at := 0; at < len(uses) && err == nil; at += batch {
		end := min(at+batch, len(uses))
		err = s.update(ctx, keys(ids[at:end], tokens, usages), func(tx tx) (err error) {
			for _, use := range uses[at:end] {
				err = errors.Join(err, tx.touch(use))
			}
			return err
		})
	}
	return err
}

func (tx tx) touch(use storage.TokenUse) error {
	var t storage.TokenRecord
	err := tx.load(&t, use.ID, tokens, usages)
	if use.LastUsed = cut(use.LastUsed); t.Version == 0 || use.LastUsed.IsZero() {
		return err
	}
	use.Scopes |= t.Usage.Scopes
	if use.LastUsed.Before(t.Usage.LastUsed) {
		use.LastUsed, use.Addresses = t.Usage.LastUsed, t.Usage.Addresses
	}
	return errors.Join(err, tx.save(usages+use.ID, map[string]any{"Usage": use.TokenUsage}, t.Version, true))
}

func found(version int64, err error) error {
	if err == nil && version == 0 {
		return storage.ErrNotFound
	}
	return err
}

// check refuses a call whose context has ended or that has an ID which is none.
func check(ctx context.Context, ids ...string) error {
	err := ctx.Err()
	for _, id := range ids {
		err = errors.Join(err, storage.CheckID(id))
	}
	return err
}

// cut makes a time what every store makes of it.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
