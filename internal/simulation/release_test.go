package simulation

import (
	"bytes"
	"context"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// release is what a node runs. A new format comes in two releases: see "Rolling upgrades" in docs/design.md.
type release int

const (
	old   release = iota // reads and writes format 1
	reads                // reads format 2, and makes nothing that needs it
	makes                // and makes it
)

func (r release) String() string { return [...]string{"old", "reads", "makes"}[r] }

// on returns a store as a node of the release has it.
func (r release) on(s storage.Store) storage.Store {
	if r == old {
		return s
	}
	return nextFormat{s}
}

// nextFormat is a store of which the program also reads format 2, and writes it where a record has something that is new in
// it: an accepted risk, a notice of a revocation by an operator, a token that rotates itself.
type nextFormat struct{ storage.Store }

const formatAt = 1 // the byte of a record's data that has its format

func isNext(data []byte) bool { return data[formatAt] == 2 }

func asRead(data []byte) []byte {
	if isNext(data) {
		data = bytes.Clone(data)
		data[formatAt] = 1
	}
	return data
}

func asWritten(data []byte, needsNext bool) []byte {
	if needsNext {
		data = bytes.Clone(data)
		data[formatAt] = 2
	}
	return data
}

func (s nextFormat) account(r storage.Record, err error) (storage.Record, error) {
	if err == nil {
		r.Data = asRead(r.Data)
	}
	return r, err
}

func (s nextFormat) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	return s.account(s.Store.LoadAccount(ctx, id))
}

func (s nextFormat) AccountByHandle(ctx context.Context, h storage.Handle) (storage.Record, error) {
	return s.account(s.Store.AccountByHandle(ctx, h))
}

func (s nextFormat) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	a, err := core.Decode(r.ID, r.Data)
	if err != nil {
		return err
	}
	r.Data = asWritten(r.Data, len(a.Accepted) > 0 || slices.ContainsFunc(a.Notices, func(n core.Notice) bool {
		return n.Kind == event.TokenRevoked && n.Operator != ""
	}))
	return s.Store.SaveAccount(ctx, r, prev)
}

func (s nextFormat) accounts(p storage.Page[storage.Record], err error) (storage.Page[storage.Record], error) {
	for i := range p.Records {
		p.Records[i].Data = asRead(p.Records[i].Data)
	}
	return p, err
}

func (s nextFormat) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return s.accounts(s.Store.Accounts(ctx, after, limit))
}

func (s nextFormat) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return s.accounts(s.Store.UnsentAccounts(ctx, after, limit))
}

func (s nextFormat) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	t, owner, err := s.Store.LoadToken(ctx, id)
	if err == nil {
		t.Data = asRead(t.Data)
	}
	return t, owner, err
}

func (s nextFormat) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	described, err := engine.DescribeToken(t.ID, t.AccountID, t.Data)
	if err != nil {
		return err
	}
	t.Data = asWritten(t.Data, described.RotatesItself)
	return s.Store.SaveToken(ctx, t, prev)
}

func (s nextFormat) tokens(p storage.Page[storage.TokenRecord], err error) (storage.Page[storage.TokenRecord], error) {
	for i := range p.Records {
		p.Records[i].Data = asRead(p.Records[i].Data)
	}
	return p, err
}

func (s nextFormat) Tokens(ctx context.Context, account, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return s.tokens(s.Store.Tokens(ctx, account, after, limit))
}

func (s nextFormat) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return s.tokens(s.Store.LiveTokens(ctx, account, live, after, limit))
}

func (s nextFormat) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return s.tokens(s.Store.AllTokens(ctx, after, limit))
}
