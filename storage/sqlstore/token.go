package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// LoadToken implements storage.Store.
func (s *Store) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	if err := check(ctx, id); err != nil {
		return storage.TokenRecord{}, storage.AccountIndex{}, err
	}
	var t storage.TokenRecord
	var owner storage.AccountIndex
	err := s.row(ctx, &s.queries.loadToken, []any{id}, append(tokenDest(&t), indexDest(&owner)...))
	if err != nil {
		return storage.TokenRecord{}, storage.AccountIndex{}, err
	}
	return t, owner, nil
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
	args := []any{t.Version, notNil(t.Data), s.dialect.moment(t.Index.Expires), t.Index.Revoked, t.ID, t.AccountID}
	if prev == 0 {
		return s.save(ctx, &s.queries.insertToken, args...)
	}
	return s.save(ctx, &s.queries.updateToken, append(args, prev)...)
}

// Tokens implements storage.Store.
func (s *Store) Tokens(ctx context.Context, accountID, after string, limit int) ([]storage.TokenRecord, error) {
	if err := checkPage(ctx, after, limit); err != nil {
		return nil, err
	}
	if err := storage.CheckID(accountID); err != nil {
		return nil, err
	}
	var page []storage.TokenRecord
	err := s.rows(ctx, &s.queries.tokens, []any{accountID, after, limit}, func(rows *sql.Rows) error {
		var t storage.TokenRecord
		page = append(page, t)
		return rows.Scan(tokenDest(&page[len(page)-1])...)
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// TouchTokens implements storage.Store.
func (s *Store) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	last := make(map[string]time.Time, len(uses))
	for _, use := range uses {
		if err := storage.CheckID(use.ID); err != nil {
			return err
		}
		if use.At.After(last[use.ID]) {
			last[use.ID] = use.At
		}
	}
	if len(last) == 0 {
		return nil
	}
	_, err := s.exec(ctx, &s.queries.touchTokens, encodeUses(last))
	return err
}

// encodeUses makes JSON of the uses of tokens, [["hex of the ID","time"],…]: one statement takes
// any number of them, and its text is always the same. Hex comes through any character set of a
// connection. In the order of the IDs, so that all batches take their locks in one order.
func encodeUses(last map[string]time.Time) string {
	var b strings.Builder
	for i, id := range slices.Sorted(maps.Keys(last)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `["%x","%s"]`, id, formatMoment(last[id]))
	}
	return "[" + b.String() + "]"
}

func tokenDest(t *storage.TokenRecord) []any {
	return []any{
		&t.ID, &t.AccountID, &t.Version, &t.Data,
		(*moment)(&t.Index.Expires), &t.Index.Revoked, (*moment)(&t.LastUsed),
	}
}
