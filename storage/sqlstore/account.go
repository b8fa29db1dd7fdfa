package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/storage"
)

// maxKeyName is the size of MySQL's column, which without its strict mode would cut off the rest.
const maxKeyName = 1024

// LoadAccount implements storage.Store.
func (s *Store) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if err := check(ctx, id); err != nil {
		return storage.Record{}, err
	}
	return load(ctx, s, &s.queries.loadAccount, []any{id}, accountDest)
}

// AccountByHandle implements storage.Store.
func (s *Store) AccountByHandle(ctx context.Context, h storage.Handle) (storage.Record, error) {
	if err := ctx.Err(); err != nil {
		return storage.Record{}, err
	}
	if h == (storage.Handle{}) {
		return storage.Record{}, fmt.Errorf("%w: no handle", storage.ErrInvalid)
	}
	return load(ctx, s, &s.queries.accountByHandle, []any{h[:]}, accountDest)
}

// SaveAccount implements storage.Store.
func (s *Store) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q, args, err := s.saveOf(r, prev)
	if err != nil {
		return err
	}
	if prev != 0 && s.dialect.name == SQLite {
		// A sign-in changes nothing that is in an index. Where this finds no row, the whole UPDATE says why.
		if n, err := s.run(ctx, &s.queries.updateRecord, recordArgs(r, prev)...); n == 1 || err != nil {
			return s.saved(ctx, q, n, err)
		}
	}
	n, err := s.run(ctx, q, args...)
	if err != nil && r.Index.Handle != (storage.Handle{}) && s.dialect.taken(err) {
		return s.handleTaken(ctx, r)
	}
	return s.saved(ctx, q, n, err)
}

// saveOf returns the statement that saves r over a version, or ErrInvalid.
func (s *Store) saveOf(r storage.Record, prev int64) (*query, []any, error) {
	if err := errors.Join(storage.CheckID(r.ID), checkVersion(r.Version)); err != nil {
		return nil, nil, err
	}
	i := r.Index
	if len(i.KeyName) > maxKeyName {
		return nil, nil, fmt.Errorf("%w: a KeyName of over %d bytes", storage.ErrInvalid, maxKeyName)
	}
	args := []any{
		r.Version, notNil(r.Data), i.Authenticators, i.Passkeys, i.CodesLeft, micros(i.LockedUntil),
		i.Disabled, i.Suspended, i.KeyName, i.TokenEpoch, handleOf(i), micros(i.Unsent), unsentID(r), r.ID,
	}
	if prev == 0 {
		return &s.queries.insertAccount, args, nil
	}
	return &s.queries.updateAccount, append(args, prev), nil
}

// recordArgs are the parameters of updateRecord.
func recordArgs(r storage.Record, prev int64) []any {
	i := r.Index
	return []any{
		r.Version, notNil(r.Data), i.Passkeys, i.Suspended, i.TokenEpoch, micros(i.Unsent), r.ID, prev,
		i.Authenticators, i.CodesLeft, micros(i.LockedUntil), i.Disabled, i.KeyName, handleOf(i), unsentID(r),
	}
}

// handleOf is NULL for no handle, so that any number of accounts can have none.
func handleOf(i storage.AccountIndex) any {
	if i.Handle == (storage.Handle{}) {
		return nil
	}
	return i.Handle[:]
}

// unsentID is NULL where nothing waits to be told, so that its index has only what does.
func unsentID(r storage.Record) any {
	if r.Index.Unsent.IsZero() {
		return nil
	}
	return r.ID
}

// handleTaken looks whether another account has the handle of r, which failed to be saved as some key is taken, and
// returns what that means: a conflict where the handle was given up meanwhile. PostgreSQL knows without a look, which a
// transaction that has failed would refuse: it passes over an ID that is taken.
func (s *Store) handleTaken(ctx context.Context, r storage.Record) error {
	if s.dialect.name != PostgreSQL {
		other, err := s.AccountByHandle(ctx, r.Index.Handle)
		if errors.Is(err, storage.ErrNotFound) || err == nil && other.ID == r.ID {
			return storage.ErrConflict
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: another account has the handle", storage.ErrInvalid)
}

// DeleteAccount implements storage.Store. The use of a token that is being authenticated meanwhile can be left behind: see
// DeleteToken.
func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	if err := check(ctx, id); err != nil {
		return err
	}
	for i := range s.queries.deleteAccount {
		if _, err := s.exec(ctx, &s.queries.deleteAccount[i], id); err != nil {
			return err
		}
	}
	return nil
}

// Accounts implements storage.Store.
func (s *Store) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	if err := checkPage(ctx, after, limit); err != nil {
		return storage.Page[storage.Record]{}, err
	}
	return page(ctx, s, &s.queries.accounts, accountDest, limit, after)
}

// UnsentAccounts implements storage.Store.
func (s *Store) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	if err := checkPage(ctx, after, limit); err != nil {
		return storage.Page[storage.Record]{}, err
	}
	return page(ctx, s, &s.queries.unsentAccounts, accountDest, limit, after)
}

func accountDest(r *storage.Record) []any {
	return append([]any{&r.ID, &r.Version, &r.Data}, indexDest(&r.Index)...)
}

func indexDest(i *storage.AccountIndex) []any {
	return []any{
		&i.Authenticators, &i.Passkeys, &i.CodesLeft, (*moment)(&i.LockedUntil),
		&i.Disabled, &i.Suspended, &i.KeyName, &i.TokenEpoch, (*handle)(&i.Handle), (*moment)(&i.Unsent),
	}
}

func check(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return storage.CheckID(id)
}

func checkPage(ctx context.Context, after string, limit int, owner ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if limit < 1 {
		return fmt.Errorf("%w: a limit below 1", storage.ErrInvalid)
	}
	if after != "" {
		owner = append(owner, after)
	}
	for _, id := range owner {
		if err := storage.CheckID(id); err != nil {
			return err
		}
	}
	return nil
}

func checkVersion(v int64) error {
	if v == 0 {
		return fmt.Errorf("%w: version 0", storage.ErrInvalid)
	}
	return nil
}

// notNil keeps drivers from making NULL of no data.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
