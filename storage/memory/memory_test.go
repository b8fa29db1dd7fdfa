package memory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

func TestStore(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return memory.New() })
}

// TestSimulate has rows of others beside it.
func TestSimulate(t *testing.T) {
	s := memory.New()
	for _, id := range []string{"storagetest-", "storagetest-zzzz", strings.Repeat("\U0010ffff", 63)} {
		require.NoError(t, s.SaveAccount(t.Context(), storage.Record{ID: id, Version: 1}, 0))
		require.NoError(t, s.SaveToken(t.Context(), storage.TokenRecord{ID: id, AccountID: id, Version: 1}, 0))
	}
	storagetest.Simulate(t, func(*testing.T) storage.Store { return s })
}

// TestStoreShared runs the suite three times at once on one store, among other rows.
func TestStoreShared(t *testing.T) {
	s := memory.New()
	for i := range 500 {
		id := fmt.Sprintf("%x", i*7919)
		require.NoError(t, s.SaveAccount(t.Context(), storage.Record{ID: id, Version: 1}, 0))
		require.NoError(t, s.SaveToken(t.Context(), storage.TokenRecord{ID: id, AccountID: id, Version: 1}, 0))
	}
	for _, id := range []string{"storagetest-", "storagetest-zzzz", strings.Repeat("\U0010ffff", 63)} {
		require.NoError(t, s.SaveAccount(t.Context(), storage.Record{ID: id, Version: 1}, 0))
	}
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			storagetest.RunShared(t, func(*testing.T) storage.Store { return s })
		})
	}
}

// TestOrder holds the sorted lists against maps, through many inserts and deletes.
func TestOrder(t *testing.T) {
	s := memory.New()
	ctx := context.Background()
	accounts := make(map[string]int64)
	tokens := make(map[string]string)  // owners
	versions := make(map[string]int64) // of tokens
	for step := range 3000 {
		id, version := fmt.Sprint(rand.IntN(60)), int64(step+1)
		switch rand.IntN(5) {
		case 0:
			require.NoError(t, s.DeleteAccount(ctx, id))
			delete(accounts, id)
			for token, owner := range tokens {
				if owner == id {
					delete(tokens, token)
				}
			}
		case 1:
			token := fmt.Sprint(rand.IntN(200))
			if _, taken := tokens[token]; !taken {
				require.NoError(t, s.SaveToken(ctx, storage.TokenRecord{ID: token, AccountID: id, Version: version}, 0))
				tokens[token], versions[token] = id, version
			}
		case 2:
			token := fmt.Sprint(rand.IntN(200))
			if _, there := tokens[token]; there {
				require.NoError(t, s.DeleteToken(ctx, token, versions[token]))
				delete(tokens, token)
			}
		default:
			require.NoError(t, s.SaveAccount(ctx, storage.Record{ID: id, Version: version}, accounts[id]))
			accounts[id] = version
		}
		if step%100 != 0 {
			continue
		}
		page, err := s.Accounts(ctx, "", 1000)
		require.NoError(t, err)
		require.Len(t, page.Records, len(accounts))
		seen := 0
		for i, r := range page.Records {
			require.Equal(t, accounts[r.ID], r.Version)
			if i > 0 {
				require.Greater(t, r.ID, page.Records[i-1].ID)
			}
		}
		for i := range 60 {
			owned, err := s.Tokens(ctx, fmt.Sprint(i), "", 1000)
			require.NoError(t, err)
			for j, token := range owned.Records {
				require.Equal(t, fmt.Sprint(i), tokens[token.ID])
				if j > 0 {
					require.Greater(t, token.ID, owned.Records[j-1].ID)
				}
				seen++
			}
		}
		require.Equal(t, len(tokens), seen)
		all, err := s.AllTokens(ctx, "", 1000)
		require.NoError(t, err)
		require.Len(t, all.Records, len(tokens))
		for i, token := range all.Records {
			require.Equal(t, tokens[token.ID], token.AccountID)
			if i > 0 {
				require.Greater(t, token.ID, all.Records[i-1].ID)
			}
		}
	}
}
