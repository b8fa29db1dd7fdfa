package sqlstore

import (
	"context"
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

// SaveAccount implements storage.Store.
func (s *Store) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if err := check(ctx, r.ID); err != nil {
		return err
	}
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	i := r.Index
	if len(i.KeyName) > maxKeyName {
		return fmt.Errorf("%w: a KeyName of over %d bytes", storage.ErrInvalid, maxKeyName)
	}
	args := []any{
		r.Version, notNil(r.Data), i.Authenticators, i.CodesLeft, micros(i.LockedUntil),
		i.Disabled, i.Suspended, i.KeyName, i.TokenEpoch, r.ID,
	}
	if prev == 0 {
		return s.save(ctx, &s.queries.insertAccount, args...)
	}
	return s.save(ctx, &s.queries.updateAccount, append(args, prev)...)
}

// DeleteAccount implements storage.Store. The use of a token that is being authenticated meanwhile
// can be left behind, a row that nothing reads.
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

func accountDest(r *storage.Record) []any {
	return append([]any{&r.ID, &r.Version, &r.Data}, indexDest(&r.Index)...)
}

func indexDest(i *storage.AccountIndex) []any {
	return []any{
		&i.Authenticators, &i.CodesLeft, (*moment)(&i.LockedUntil),
		&i.Disabled, &i.Suspended, &i.KeyName, &i.TokenEpoch,
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
