// Package memory is a storage.Store in the memory of one process: [New] makes one.
//
// It is for tests and for programs of a single process that can lose everything when they exit:
// nothing is written anywhere, so a restart forgets every authenticator and every lock.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Store is a storage.Store over maps, under one lock; make it with New.
//
// A load or a save of what is there costs the same however much is stored, and a page costs its
// own rows. A new account moves part of a sorted list of all account IDs, 16 bytes for each: next
// to nothing at a thousand accounts, up to a millisecond at a million. The same holds for a new
// token and a list of all tokens, and for what is deleted.
type Store struct {
	mu         sync.RWMutex
	accounts   map[string]storage.Record
	tokens     map[string]storage.TokenRecord
	handles    map[storage.Handle]string // to the ID of the account that has it
	accountIDs []string                  // sorted, as the IDs below
	unsent     []string                  // of accounts that something waits for
	tokenIDs   []string                  // of all accounts
	owned      map[string][]string       // token IDs by account, which need not exist
	live       map[epoch][]live          // of them, those that are not revoked
}

// epoch is that of some of an account's tokens.
type epoch struct {
	account string
	epoch   int64
}

// live is a token that is not revoked.
type live struct {
	id      string
	expires time.Time
}

func (l live) compare(id string) int { return strings.Compare(l.id, id) }

var _ storage.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		accounts: make(map[string]storage.Record),
		tokens:   make(map[string]storage.TokenRecord),
		handles:  make(map[storage.Handle]string),
		owned:    make(map[string][]string),
		live:     make(map[epoch][]live),
	}
}

// LoadAccount implements storage.Store.
func (s *Store) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if err := check(ctx, id); err != nil {
		return storage.Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.accounts[id]
	if !ok {
		return storage.Record{}, storage.ErrNotFound
	}
	return copyRecord(r), nil
}

// AccountByHandle implements storage.Store.
func (s *Store) AccountByHandle(ctx context.Context, h storage.Handle) (storage.Record, error) {
	if err := ctx.Err(); err != nil {
		return storage.Record{}, err
	}
	if h == (storage.Handle{}) {
		return storage.Record{}, fmt.Errorf("%w: no handle", storage.ErrInvalid)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, ok := s.handles[h]
	if !ok {
		return storage.Record{}, storage.ErrNotFound
	}
	return copyRecord(s.accounts[id]), nil
}

// SaveAccount implements storage.Store.
func (s *Store) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if err := check(ctx, r.ID); err != nil {
		return err
	}
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	r = copyRecord(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	// No stored version is 0, so the zero Record of a missing account has the one that prev 0 names.
	stored, ok := s.accounts[r.ID]
	if stored.Version != prev {
		return storage.ErrConflict
	}
	if id, taken := s.handles[r.Index.Handle]; taken && id != r.ID {
		return fmt.Errorf("%w: another account has the handle", storage.ErrInvalid)
	}
	if !ok {
		s.accountIDs = insert(s.accountIDs, r.ID)
	}
	s.unindex(stored)
	if r.Index.Handle != (storage.Handle{}) {
		s.handles[r.Index.Handle] = r.ID
	}
	if !r.Index.Unsent.IsZero() {
		s.unsent = insert(s.unsent, r.ID)
	}
	s.accounts[r.ID] = r
	return nil
}

// unindex takes a record that was stored, or the zero value, off the list of those that something waits for, and frees
// its handle.
func (s *Store) unindex(r storage.Record) {
	s.unsent = remove(s.unsent, r.ID)
	delete(s.handles, r.Index.Handle)
}

// DeleteAccount implements storage.Store.
func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	if err := check(ctx, id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accountIDs = remove(s.accountIDs, id)
	s.unindex(s.accounts[id])
	delete(s.accounts, id)
	for _, token := range s.owned[id] {
		s.unlive(s.tokens[token])
		s.tokenIDs = remove(s.tokenIDs, token)
		delete(s.tokens, token)
	}
	delete(s.owned, id)
	return nil
}

// Accounts implements storage.Store.
func (s *Store) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return s.listAccounts(ctx, &s.accountIDs, after, limit)
}

// UnsentAccounts implements storage.Store.
func (s *Store) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return s.listAccounts(ctx, &s.unsent, after, limit)
}

// listAccounts makes a page of one of the lists of accounts.
func (s *Store) listAccounts(ctx context.Context, ids *[]string, after string, limit int) (storage.Page[storage.Record], error) {
	if err := checkPage(ctx, after, limit); err != nil {
		return storage.Page[storage.Record]{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return pageOf(greater(*ids, after), limit, func(id string) storage.Record { return copyRecord(s.accounts[id]) }), nil
}

// LoadToken implements storage.Store.
func (s *Store) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	if err := check(ctx, id); err != nil {
		return storage.TokenRecord{}, storage.AccountIndex{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tokens[id]
	if !ok {
		return storage.TokenRecord{}, storage.AccountIndex{}, storage.ErrNotFound
	}
	owner, ok := s.accounts[t.AccountID]
	if !ok {
		return storage.TokenRecord{}, storage.AccountIndex{}, storage.ErrNotFound
	}
	return copyToken(t), owner.Index, nil
}

// SaveToken implements storage.Store.
func (s *Store) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	if err := check(ctx, t.ID); err != nil {
		return err
	}
	if err := storage.CheckID(t.AccountID); err != nil {
		return err
	}
	if err := checkVersion(t.Version); err != nil {
		return err
	}
	t = copyToken(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, ok := s.tokens[t.ID]
	if stored.Version != prev || ok && stored.AccountID != t.AccountID {
		return storage.ErrConflict
	}
	if !ok {
		s.tokenIDs = insert(s.tokenIDs, t.ID)
		s.owned[t.AccountID] = insert(s.owned[t.AccountID], t.ID)
	}
	s.unlive(stored)
	if !t.Index.Revoked {
		of := epoch{t.AccountID, t.Index.Epoch}
		i, _ := slices.BinarySearchFunc(s.live[of], t.ID, live.compare)
		s.live[of] = slices.Insert(s.live[of], i, live{t.ID, t.Index.Expires})
	}
	t.Usage = stored.Usage
	s.tokens[t.ID] = t
	return nil
}

// DeleteToken implements storage.Store.
func (s *Store) DeleteToken(ctx context.Context, id string, prev int64) error {
	if err := check(ctx, id); err != nil {
		return err
	}
	if err := checkVersion(prev); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.tokens[id] // of version 0, which prev is not, where there is none
	if stored.Version != prev {
		return storage.ErrConflict
	}
	s.unlive(stored)
	delete(s.tokens, id)
	s.tokenIDs = remove(s.tokenIDs, id)
	s.owned[stored.AccountID] = remove(s.owned[stored.AccountID], id)
	if len(s.owned[stored.AccountID]) == 0 {
		delete(s.owned, stored.AccountID)
	}
	return nil
}

// Tokens implements storage.Store.
func (s *Store) Tokens(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if err := checkPage(ctx, after, limit, accountID); err != nil {
		return storage.Page[storage.TokenRecord]{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return pageOf(greater(s.owned[accountID], after), limit, s.token), nil
}

// unlive takes a token off the list of those that are not revoked, if it is there.
func (s *Store) unlive(t storage.TokenRecord) {
	of := epoch{t.AccountID, t.Index.Epoch}
	i, there := slices.BinarySearchFunc(s.live[of], t.ID, live.compare)
	if !there {
		return
	}
	if s.live[of] = slices.Delete(s.live[of], i, i+1); len(s.live[of]) == 0 {
		delete(s.live, of)
	}
}

// LiveTokens implements storage.Store.
func (s *Store) LiveTokens(ctx context.Context, accountID string, which storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if err := checkPage(ctx, after, limit, accountID); err != nil {
		return storage.Page[storage.TokenRecord]{}, err
	}
	if which.At.IsZero() {
		return storage.Page[storage.TokenRecord]{}, fmt.Errorf("%w: Live without a time", storage.ErrInvalid)
	}
	at := cut(which.At)
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := s.live[epoch{accountID, which.Epoch}]
	i, found := slices.BinarySearchFunc(all, after, live.compare)
	if found {
		i++
	}
	var ids []string
	for _, l := range all[i:] {
		if len(ids) > limit {
			break // one more than asked for: more follow
		}
		if l.expires.After(at) {
			ids = append(ids, l.id)
		}
	}
	return pageOf(ids, limit, s.token), nil
}

// AllTokens implements storage.Store.
func (s *Store) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if err := checkPage(ctx, after, limit); err != nil {
		return storage.Page[storage.TokenRecord]{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return pageOf(greater(s.tokenIDs, after), limit, s.token), nil
}

func (s *Store) token(id string) storage.TokenRecord { return copyToken(s.tokens[id]) }

// pageOf makes a page of the first records of a listing.
func pageOf[T any](ids []string, limit int, record func(id string) T) storage.Page[T] {
	page := storage.Page[T]{More: len(ids) > limit}
	for _, id := range ids[:min(limit, len(ids))] {
		page.Records = append(page.Records, record(id))
	}
	return page
}

// TouchTokens implements storage.Store.
func (s *Store) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, use := range uses {
		if err := storage.CheckID(use.ID); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, use := range uses {
		t, ok := s.tokens[use.ID]
		at := cut(use.LastUsed)
		if !ok || at.IsZero() {
			continue
		}
		t.Usage.Scopes |= use.Scopes
		if !at.Before(t.Usage.LastUsed) {
			t.Usage.LastUsed, t.Usage.Addresses = at, use.Addresses
		}
		s.tokens[use.ID] = t
	}
	return nil
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

func copyRecord(r storage.Record) storage.Record {
	r.Data = bytes.Clone(r.Data)
	r.Index.LockedUntil, r.Index.Unsent = cut(r.Index.LockedUntil), cut(r.Index.Unsent)
	return r
}

func copyToken(t storage.TokenRecord) storage.TokenRecord {
	t.Data = bytes.Clone(t.Data)
	t.Index.Expires = cut(t.Index.Expires)
	return t
}

// cut makes a time what databases make of it, so that nothing comes to depend on finer ones.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// insert puts an ID that is not in a sorted list into its place.
func insert(ids []string, id string) []string {
	i, _ := slices.BinarySearch(ids, id)
	return slices.Insert(ids, i, id)
}

// remove takes an ID out of a sorted list, if it is there.
func remove(ids []string, id string) []string {
	i, ok := slices.BinarySearch(ids, id)
	if !ok {
		return ids
	}
	return slices.Delete(ids, i, i+1)
}

// greater returns the IDs of a sorted list that are greater than after.
func greater(ids []string, after string) []string {
	i, found := slices.BinarySearch(ids, after)
	if found {
		i++
	}
	return ids[i:]
}
