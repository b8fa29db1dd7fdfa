package sqlstore_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// operatorQueries returns the SQL of docs/operations.md for a dialect, by its heading, and whether the text
// says that no index serves it.
func operatorQueries(t testing.TB, d database) (queries map[string]string, unserved map[string]bool) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operations.md")
	require.NoError(t, err)
	queries, unserved = map[string]string{}, map[string]bool{}
	heading := ""
	for block := range strings.SplitSeq(string(text), "\n\n") {
		if title, ok := strings.CutPrefix(block, "### "); ok {
			heading = title
		}
		if strings.Contains(strings.Join(strings.Fields(block), " "), "No index serves this query") {
			unserved[heading] = true
		}
		sql, ok := strings.CutPrefix(block, "```sql\n-- ")
		if !ok {
			continue
		}
		names, query, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(sql), "\n```"), "\n")
		if strings.Contains(names, d.pick("PostgreSQL", "MySQL", "SQLite")) {
			require.NotContains(t, queries, heading)
			queries[heading] = query
		}
	}
	return queries, unserved
}

// TestOperatorQueries runs the queries of docs/operations.md among accounts and tokens of each kind.
func TestOperatorQueries(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		many(t, d, db)
		hour := time.Hour
		for id, index := range map[string]storage.AccountIndex{
			"none":         {CodesLeft: 0},
			"none, locked": {LockedUntil: time.Now().Add(hour)},
			"passkeys":     {Passkeys: 1, CodesLeft: 10},
			"passkeys low": {Passkeys: 1, CodesLeft: 1},
			"one passkey":  {Passkeys: 1},
			"two passkeys": {Passkeys: 2},
			"app, passkey": {Authenticators: 1, Passkeys: 1, KeyName: "2026-10"},
			"low":          {Authenticators: 1, CodesLeft: 2, KeyName: "2026-10"},
			"no codes":     {Authenticators: 2, CodesLeft: 0, KeyName: "2026-10"},
			"enough":       {Authenticators: 1, CodesLeft: 3, KeyName: "2026-10"},
			"locked":       {Authenticators: 1, CodesLeft: 10, KeyName: "2026-10", LockedUntil: time.Now().Add(hour)},
			"was locked":   {Authenticators: 1, CodesLeft: 10, KeyName: "2026-10", LockedUntil: time.Now().Add(-hour)},
			"disabled":     {Authenticators: 1, CodesLeft: 10, KeyName: "2026-10", Disabled: true},
			"both":         {Authenticators: 1, CodesLeft: 10, KeyName: "2026-10", Disabled: true, LockedUntil: time.Now().Add(hour)},
			"old key":      {Authenticators: 1, CodesLeft: 10, KeyName: "2025-10"},
			"two keys":     {Authenticators: 2, CodesLeft: 10, KeyName: "2025-10,2026-10"},
			"two keys too": {Authenticators: 2, CodesLeft: 10, KeyName: "2026-10,2025-10"},
			"newer key":    {Authenticators: 1, CodesLeft: 10, KeyName: "z"},
		} {
			save(t, s, storage.Record{ID: id, Version: 1, Index: index}, 0)
		}
		day := 24 * hour
		for id, token := range map[string]struct {
			in              time.Duration
			scopes          string
			revoked, unused bool
		}{
			"soon":    {in: 10 * day, scopes: "projects:read projects:write"},
			"sooner":  {in: 5 * day, scopes: "projects:write", unused: true},
			"later":   {in: 31 * day, scopes: "a:b projects:write z:y"},
			"revoked": {in: 10 * day, scopes: "projects:write", revoked: true, unused: true},
			"expired": {in: -hour, scopes: "projects:writ", unused: true},
			"alike":   {in: 40 * day, scopes: "Projects:write projects:write.x projects_write xprojects:write", unused: true},
		} {
			index := storage.TokenIndex{Expires: time.Now().Add(token.in), Revoked: token.revoked, Scopes: token.scopes}
			require.NoError(t, s.SaveToken(t.Context(), storage.TokenRecord{ID: id, AccountID: "low", Version: 1, Index: index}, 0))
			if !token.unused {
				require.NoError(t, s.TouchTokens(t.Context(), []storage.TokenUse{usedAt(id, time.Now())}))
			}
		}
		for _, table := range []string{"gatehouse_accounts", "gatehouse_tokens", "gatehouse_token_uses"} {
			_, err := db.Exec(d.pick("VACUUM ANALYZE ", "ANALYZE TABLE ", "ANALYZE ") + table)
			require.NoError(t, err)
		}

		queries, unserved := operatorQueries(t, d)
		want := map[string][]string{
			"Accounts without a second factor":       {"none", "none, locked"},
			"Recovery codes running low":             {"app, passkey", "no codes", "one passkey", "two passkeys", "passkeys low", "low"},
			"One lost passkey from support":          {"one passkey"},
			"Factors that only a passkey can change": {"app, passkey"},
			"Accounts with passkeys alone":           {"one passkey", "passkeys", "passkeys low", "two passkeys"},
			"Locked now":                             {"both", "disabled", "locked", "none, locked"},
			"Still under an old key":                 {"newer key", "old key", "two keys", "two keys too"},
			"Tokens that end within 30 days":         {"sooner", "soon"},
			"Tokens that hold a scope":               {"later", "soon", "sooner"},
			"Tokens that were never used":            {"alike", "expired", "sooner"},
		}
		require.Len(t, queries, len(want))
		for heading, ids := range want {
			query := queries[heading]
			rows, err := db.Query(query)
			require.NoError(t, err, heading)
			columns, err := rows.Columns()
			require.NoError(t, err)
			var got []string
			for rows.Next() {
				dest := make([]any, len(columns))
				for i := range dest {
					dest[i] = new(any)
				}
				var id string
				dest[0] = &id
				require.NoError(t, rows.Scan(dest...))
				got = append(got, id)
			}
			require.NoError(t, rows.Err())
			require.Equal(t, ids, got, heading)
			plan, whole := explain(t, d, db, query)
			require.Equal(t, unserved[heading], whole, "%s: what the text says of the index\n%s", query, plan)
		}
	})
}
