package gatehousetest

import (
	"context"
	"errors"
	"sync"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Fault is what a call to a Store meets.
type Fault uint8

const (
	None      Fault = iota
	Fail            // nothing is done, ErrFault
	Stall           // nothing is done, the call returns when its context ends
	Conflict        // nothing is done, storage.ErrConflict; ErrFault where a method has no conflicts
	LoseReply       // all is done, ErrFault: a connection that broke before the reply
	Repeat          // all is done, then storage.ErrConflict: a driver that sent a write twice
)

// ErrFault is the error of an injected fault.
var ErrFault = errors.New("gatehousetest: injected fault")

// Store passes calls on to another Store, except where a fault is injected.
type Store struct {
	under storage.Store

	mu     sync.Mutex
	inject func(method string) Fault
}

// NewStore returns a Store without faults.
func NewStore(under storage.Store) *Store { return &Store{under: under} }

// Inject has f say what each call from now on meets, by its method's name. nil ends all faults. f is
// called by one call at a time.
func (s *Store) Inject(f func(method string) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inject = f
}

// Nth returns a function for Inject: the n-th call, counted from 1, meets a fault, and no other.
func Nth(n int, f Fault) func(method string) Fault {
	return func(string) Fault {
		if n--; n == 0 {
			return f
		}
		return None
	}
}

// On returns a function for Inject: every call of a method meets a fault.
func On(method string, f Fault) func(method string) Fault {
	return func(m string) Fault {
		if m == method {
			return f
		}
		return None
	}
}

// do runs a call under the fault that it meets.
func (s *Store) do(ctx context.Context, method string, conflicts bool, call func() error) error {
	fault := None
	s.mu.Lock()
	if s.inject != nil {
		fault = s.inject(method)
	}
	s.mu.Unlock()
	switch {
	case fault == None:
		return call()
	case fault == Stall:
		<-ctx.Done()
		return ctx.Err()
	case fault == Conflict && conflicts:
		return storage.ErrConflict
	case fault == LoseReply || fault == Repeat:
		if err := call(); err != nil {
			return err
		}
		if fault == Repeat && conflicts {
			return storage.ErrConflict
		}
	}
	return ErrFault
}

// LoadAccount implements storage.Store.
func (s *Store) LoadAccount(ctx context.Context, id string) (r storage.Record, err error) {
	err = s.do(ctx, "LoadAccount", false, func() (err error) { r, err = s.under.LoadAccount(ctx, id); return err })
	return orNothing(r, err), err
}

// AccountByHandle implements storage.Store.
func (s *Store) AccountByHandle(ctx context.Context, h storage.Handle) (r storage.Record, err error) {
	err = s.do(ctx, "AccountByHandle", false, func() (err error) { r, err = s.under.AccountByHandle(ctx, h); return err })
	return orNothing(r, err), err
}

// SaveAccount implements storage.Store.
func (s *Store) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return s.do(ctx, "SaveAccount", true, func() error { return s.under.SaveAccount(ctx, r, prev) })
}

// DeleteAccount implements storage.Store.
func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	return s.do(ctx, "DeleteAccount", false, func() error { return s.under.DeleteAccount(ctx, id) })
}

// Accounts implements storage.Store.
func (s *Store) Accounts(ctx context.Context, after string, limit int) (page storage.Page[storage.Record], err error) {
	err = s.do(ctx, "Accounts", false, func() (err error) { page, err = s.under.Accounts(ctx, after, limit); return err })
	return orNothing(page, err), err
}

// UnsentAccounts implements storage.Store.
func (s *Store) UnsentAccounts(ctx context.Context, after string, limit int) (page storage.Page[storage.Record], err error) {
	err = s.do(ctx, "UnsentAccounts", false, func() (err error) { page, err = s.under.UnsentAccounts(ctx, after, limit); return err })
	return orNothing(page, err), err
}

// LoadToken implements storage.Store.
func (s *Store) LoadToken(ctx context.Context, id string) (t storage.TokenRecord, owner storage.AccountIndex, err error) {
	err = s.do(ctx, "LoadToken", false, func() (err error) { t, owner, err = s.under.LoadToken(ctx, id); return err })
	return orNothing(t, err), orNothing(owner, err), err
}

// SaveToken implements storage.Store.
func (s *Store) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	return s.do(ctx, "SaveToken", true, func() error { return s.under.SaveToken(ctx, t, prev) })
}

// DeleteToken implements storage.Store.
func (s *Store) DeleteToken(ctx context.Context, id string, prev int64) error {
	return s.do(ctx, "DeleteToken", true, func() error { return s.under.DeleteToken(ctx, id, prev) })
}

// Tokens implements storage.Store.
func (s *Store) Tokens(ctx context.Context, accountID, after string, limit int) (page storage.Page[storage.TokenRecord], err error) {
	err = s.do(ctx, "Tokens", false, func() (err error) { page, err = s.under.Tokens(ctx, accountID, after, limit); return err })
	return orNothing(page, err), err
}

// LiveTokens implements storage.Store.
func (s *Store) LiveTokens(ctx context.Context, accountID string, live storage.Live, after string, limit int) (page storage.Page[storage.TokenRecord], err error) {
	err = s.do(ctx, "LiveTokens", false, func() (err error) {
		page, err = s.under.LiveTokens(ctx, accountID, live, after, limit)
		return err
	})
	return orNothing(page, err), err
}

// AllTokens implements storage.Store.
func (s *Store) AllTokens(ctx context.Context, after string, limit int) (page storage.Page[storage.TokenRecord], err error) {
	err = s.do(ctx, "AllTokens", false, func() (err error) { page, err = s.under.AllTokens(ctx, after, limit); return err })
	return orNothing(page, err), err
}

// TouchTokens implements storage.Store.
func (s *Store) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	return s.do(ctx, "TouchTokens", false, func() error { return s.under.TouchTokens(ctx, uses) })
}

func orNothing[T any](v T, err error) T {
	if err != nil {
		var zero T
		return zero
	}
	return v
}
