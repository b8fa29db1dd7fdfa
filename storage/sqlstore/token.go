package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// The sizes of MySQL's columns, as maxKeyName.
const (
	maxScopes    = 4096
	maxAddresses = 1024
)

// LoadToken implements storage.Store.
func (s *Store) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	if err := check(ctx, id); err != nil {
		return storage.TokenRecord{}, storage.AccountIndex{}, err
	}
	type owned struct {
		token storage.TokenRecord
		owner storage.AccountIndex
	}
	o, err := load(ctx, s, &s.queries.loadToken, []any{id}, func(o *owned) []any {
		return append(tokenDest(&o.token), indexDest(&o.owner)...)
	})
	return o.token, o.owner, err
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
	if len(t.Index.Scopes) > maxScopes {
		return fmt.Errorf("%w: Scopes of over %d bytes", storage.ErrInvalid, maxScopes)
	}
	args := []any{
		t.Version, notNil(t.Data), micros(t.Index.Expires), t.Index.Revoked, t.Index.Scopes, t.Index.Epoch,
		t.ID, t.AccountID,
	}
	if prev == 0 {
		// A token of this ID may have been deleted while it was used: see DeleteToken.
		if _, err := s.exec(ctx, &s.queries.leftTokenUse, t.AccountID, t.ID, t.ID); err != nil {
			return err
		}
		return s.save(ctx, &s.queries.insertToken, args...)
	}
	return s.save(ctx, &s.queries.updateToken, append(args, prev)...)
}

// DeleteToken implements storage.Store. The owner, by which the token's usage is found, is asked for
// first: a token of that version has no other. A use at the same moment can leave a row of usage behind, as in DeleteAccount:
// nothing reads it, and SaveToken removes it before it makes a token of the same ID and owner.
func (s *Store) DeleteToken(ctx context.Context, id string, prev int64) error {
	if err := check(ctx, id); err != nil {
		return err
	}
	if err := checkVersion(prev); err != nil {
		return err
	}
	owner, err := load(ctx, s, &s.queries.tokenOwner, []any{id, prev}, func(owner *string) []any { return []any{owner} })
	if errors.Is(err, storage.ErrNotFound) {
		return storage.ErrConflict
	}
	if err != nil {
		return err
	}
	if err := s.save(ctx, &s.queries.deleteToken, id, prev); err != nil {
		return err
	}
	// Uses that were under way can be in the way of this. As the token is gone, that is no conflict to the caller.
	for range 3 {
		if _, err = s.exec(ctx, &s.queries.deleteTokenUse, owner, id); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return errors.New("sqlstore: delete token use: the database asks to try again")
}

// Tokens implements storage.Store.
func (s *Store) Tokens(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if err := checkPage(ctx, after, limit, accountID); err != nil {
		return storage.Page[storage.TokenRecord]{}, err
	}
	return page(ctx, s, &s.queries.tokens, tokenDest, limit, accountID, after)
}

// LiveTokens implements storage.Store.
func (s *Store) LiveTokens(ctx context.Context, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if err := checkPage(ctx, after, limit, accountID); err != nil {
		return storage.Page[storage.TokenRecord]{}, err
	}
	if live.At.IsZero() {
		return storage.Page[storage.TokenRecord]{}, fmt.Errorf("%w: Live without a time", storage.ErrInvalid)
	}
	return page(ctx, s, &s.queries.liveTokens, tokenDest, limit, accountID, live.Epoch, micros(live.At), after)
}

// AllTokens implements storage.Store.
func (s *Store) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if err := checkPage(ctx, after, limit); err != nil {
		return storage.Page[storage.TokenRecord]{}, err
	}
	return page(ctx, s, &s.queries.allTokens, tokenDest, limit, after)
}

// TouchTokens implements storage.Store.
func (s *Store) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	usage := make(map[string]storage.TokenUsage, len(uses))
	for _, use := range uses {
		if err := checkUse(use); err != nil {
			return err
		}
		if use.LastUsed.IsZero() {
			continue
		}
		u := usage[use.ID]
		u.Scopes |= use.Scopes
		if !use.LastUsed.Before(u.LastUsed) {
			u.LastUsed, u.Addresses = use.LastUsed, use.Addresses
		}
		usage[use.ID] = u
	}
	if len(usage) == 0 {
		return nil
	}
	_, err := s.exec(ctx, &s.queries.touchTokens, encodeUsage(usage))
	return err
}

func checkUse(use storage.TokenUse) error {
	if use.Scopes < 0 {
		return fmt.Errorf("%w: negative Scopes", storage.ErrInvalid)
	}
	if len(use.Addresses) > maxAddresses {
		return fmt.Errorf("%w: Addresses of over %d bytes", storage.ErrInvalid, maxAddresses)
	}
	return storage.CheckID(use.ID)
}

// encodeUsage makes JSON of the usage of tokens, [["hex of the ID",micros,scopes,"hex of the
// addresses"],…]: one statement takes any number of them, and its text is always the same. Hex comes
// through any character set of a connection. In the order of the IDs, so that all batches take their
// locks in one order.
func encodeUsage(usage map[string]storage.TokenUsage) string {
	var b strings.Builder
	for i, id := range slices.Sorted(maps.Keys(usage)) {
		if i > 0 {
			b.WriteByte(',')
		}
		u := usage[id]
		fmt.Fprintf(&b, `["%x",%d,%d,"%x"]`, id, u.LastUsed.UnixMicro(), u.Scopes, u.Addresses)
	}
	return "[" + b.String() + "]"
}

func tokenDest(t *storage.TokenRecord) []any {
	return []any{
		&t.ID, &t.AccountID, &t.Version, &t.Data,
		(*moment)(&t.Index.Expires), &t.Index.Revoked, &t.Index.Scopes, &t.Index.Epoch,
		(*moment)(&t.Usage.LastUsed), &t.Usage.Scopes, &t.Usage.Addresses,
	}
}
