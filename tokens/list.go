package tokens

import (
	"context"
	"fmt"
	"iter"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// List returns an account's tokens in the order of their IDs, those that have expired or are revoked among them until
// they are purged. A fault ends it. Show it to the account's owner.
func (s *Service) List(ctx context.Context, account string) iter.Seq2[Info, error] {
	return engine.Each(ctx, s.e, "tokens.Service.List", func(ctx context.Context) iter.Seq2[Info, error] { return s.list(ctx, account) })
}

func (s *Service) list(ctx context.Context, account string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		a, err := s.e.Load(ctx, account)
		if err != nil {
			yield(Info{}, err)
			return
		}
		now := s.env()
		for h, err := range s.each(ctx, a, storage.Live{}) {
			if err != nil {
				yield(Info{}, err)
				return
			}
			if !yield(s.info(h, now), nil) {
				return
			}
		}
	}
}

// Live returns the tokens of an account that have not ended, as they are for the account as it was loaded, in the order
// of their IDs. At most MaxActive of them work. With no error it is not nil, also where there are none.
func (s *Service) Live(ctx context.Context, account gatehouse.Account) (_ []Info, err error) {
	defer s.e.Begin(&ctx, "tokens.Service.Live").End(&err)
	now := s.env()
	list, err := s.live(ctx, engine.AccountOf(account), now)
	if err != nil {
		return nil, err
	}
	return s.infos(list, now), nil
}

// Get returns one of an account's tokens, with one read. ErrNotFound says that the account has none of this ID.
func (s *Service) Get(ctx context.Context, account, id string) (_ Info, err error) {
	defer s.e.Begin(&ctx, "tokens.Service.Get").End(&err)
	if err := engine.CheckID(account); err != nil {
		return Info{}, err
	}
	h, err := s.loadOwned(ctx, account, id)
	if err != nil {
		return Info{}, err
	}
	return s.info(h, s.env()), nil
}

// live returns the tokens of an account that have not ended; with an error, those before it. An owner may have any
// number of tokens that have ended, so those are not even read.
func (s *Service) live(ctx context.Context, a core.Account, now env) (list []held, err error) {
	for h, err := range s.each(ctx, a, storage.Live{Epoch: a.TokenEpoch, At: now.Now}) {
		if err != nil {
			return list, err
		}
		list = append(list, h)
	}
	return list, nil
}

// each yields the tokens of an account in the order of their IDs, or only those of live, if it is not zero. It ends
// with the first error.
func (s *Service) each(ctx context.Context, a core.Account, live storage.Live) iter.Seq2[held, error] {
	return func(yield func(held, error) bool) {
		if a.Absent() {
			return // no account, no tokens
		}
		index := a.Index(s.e.Window)
		for rec, err := range records(ctx, "", func(after string) (storage.Page[storage.TokenRecord], error) {
			if live == (storage.Live{}) {
				return s.e.Store.Tokens(ctx, a.ID, after, pageSize)
			}
			return s.e.Store.LiveTokens(ctx, a.ID, live, after, pageSize)
		}) {
			h := held{use: rec.Usage, owner: index}
			if err == nil {
				h.record, err = decode(rec.ID, rec.AccountID, rec.Data)
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

const pageSize = 200 // tokens read at once

// records yields the tokens after a cursor, which read returns page by page. It ends with the first error.
func records(ctx context.Context, cursor string, read func(after string) (storage.Page[storage.TokenRecord], error)) iter.Seq2[storage.TokenRecord, error] {
	return func(yield func(storage.TokenRecord, error) bool) {
		for after := cursor; ; {
			page, err := engine.Retry(ctx, func() (storage.Page[storage.TokenRecord], error) { return read(after) })
			if err != nil {
				yield(storage.TokenRecord{}, fmt.Errorf("gatehouse: list tokens: %w", err))
				return
			}
			for _, rec := range page.Records {
				if !yield(rec, nil) {
					return
				}
				after = rec.ID
			}
			if !page.More {
				return
			}
		}
	}
}
