//go:build linux && !race

package cluster_test

import (
	"bytes"
	"context"

	"github.com/gatehouse-go/gatehouse/storage"
)

// release is one of three releases that follow each other. The second one writes records of format 2, all of them, as
// if each had something new. The first one reads those and writes format 1, as docs/operations.md ("Upgrade") says, and
// the old one knows format 1 alone.
type release int

const (
	old release = iota
	first
	second
)

// on returns the store as a process of the release uses it.
func (r release) on(s storage.Store) storage.Store {
	if r == old {
		return s
	}
	return nextFormat{s, r == second}
}

// nextFormat reads both formats as this program reads format 1. The methods that are not here are not used by workers.
type nextFormat struct {
	storage.Store
	writes bool // format 2
}

const formatAt = 1 // the byte of a record's data

func (nextFormat) read(data []byte) []byte {
	if len(data) <= formatAt || data[formatAt] != 2 {
		return data
	}
	data = bytes.Clone(data)
	data[formatAt] = 1
	return data
}

func (s nextFormat) write(data []byte) []byte {
	if !s.writes {
		return data
	}
	data = bytes.Clone(data)
	data[formatAt] = 2
	return data
}

func (s nextFormat) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	r, err := s.Store.LoadAccount(ctx, id)
	r.Data = s.read(r.Data)
	return r, err
}

func (s nextFormat) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	r.Data = s.write(r.Data)
	return s.Store.SaveAccount(ctx, r, prev)
}

func (s nextFormat) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	p, err := s.Store.UnsentAccounts(ctx, after, limit)
	for i := range p.Records {
		p.Records[i].Data = s.read(p.Records[i].Data)
	}
	return p, err
}

func (s nextFormat) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	r, owner, err := s.Store.LoadToken(ctx, id)
	r.Data = s.read(r.Data)
	return r, owner, err
}

func (s nextFormat) SaveToken(ctx context.Context, r storage.TokenRecord, prev int64) error {
	r.Data = s.write(r.Data)
	return s.Store.SaveToken(ctx, r, prev)
}

func (s nextFormat) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	p, err := s.Store.LiveTokens(ctx, account, live, after, limit)
	for i := range p.Records {
		p.Records[i].Data = s.read(p.Records[i].Data)
	}
	return p, err
}
