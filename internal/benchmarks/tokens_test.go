package benchmarks_test

import (
	"context"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// BenchmarkTokenCheck is what a check costs beside its read of the store, and what others do in its
// place. PASETO's v4.public has no less to do than the Ed25519 of the row before the last.
func BenchmarkTokenCheck(b *testing.B) {
	b.Run("gatehouse", func(b *testing.B) {
		text := tokens.Generate("acme", tokens.Personal).Reveal()
		p, err := tokens.Parse("acme", text)
		require.NoError(b, err)
		stored := p.Digest[:]
		b.ReportAllocs()
		for b.Loop() {
			p, err := tokens.Parse("acme", text)
			if err != nil || !p.Digest.Equal(stored) {
				b.Fatal("a good token was refused")
			}
		}
	})
	claims := jwt.MapClaims{"sub": "user-42", "scope": "projects:write logs:read", "exp": time.Now().Add(time.Hour).Unix()}
	check := func(b *testing.B, method jwt.SigningMethod, sign, verify any) {
		b.Helper()
		text, err := jwt.NewWithClaims(method, claims).SignedString(sign)
		require.NoError(b, err)
		parser := jwt.NewParser(jwt.WithValidMethods([]string{method.Alg()}))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parser.Parse(text, func(*jwt.Token) (any, error) { return verify, nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("jwt-HS256", func(b *testing.B) {
		key := []byte(rand.Text())
		check(b, jwt.SigningMethodHS256, key, key)
	})
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(b, err)
	b.Run("jwt-EdDSA", func(b *testing.B) { check(b, jwt.SigningMethodEdDSA, private, public) })
	b.Run("bare-Ed25519", func(b *testing.B) {
		message := make([]byte, 150)
		signature := ed25519.Sign(private, message)
		for b.Loop() {
			if !ed25519.Verify(public, message, signature) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("pbkdf2-10000", func(b *testing.B) {
		salt := []byte(rand.Text())
		stored, err := pbkdf2.Key(sha256.New, "a token of forty hexadecimal digits", salt, 10_000, 50)
		require.NoError(b, err)
		for b.Loop() {
			got, err := pbkdf2.Key(sha256.New, "a token of forty hexadecimal digits", salt, 10_000, 50)
			if err != nil || subtle.ConstantTimeCompare(got, stored) != 1 {
				b.Fatal("refused")
			}
		}
	})
}

// BenchmarkCheck is a check of one token of an account that has few or many, beside the bare
// statement that reads as much.
func BenchmarkCheck(b *testing.B) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			ctx := b.Context()
			db, store := d.new(b)
			tok, text, token := minted(b, store)
			statement := "SELECT t.id, t.account_id, t.version, t.data, t.expires, t.revoked, t.scopes, u.last_used, u.scopes, u.addresses," +
				" a.authenticators, a.codes_left, a.locked_until, a.disabled, a.suspended, a.key_name, a.token_epoch" +
				" FROM gatehouse_tokens t JOIN gatehouse_accounts a ON a.id = t.account_id" +
				" LEFT JOIN gatehouse_token_uses u ON u.account_id = t.account_id AND u.token_id = t.id WHERE t.id = ?"
			if d.dialect == sqlstore.PostgreSQL {
				statement = numbered(statement)
			}
			bare, err := db.PrepareContext(ctx, statement)
			require.NoError(b, err)
			b.Cleanup(func() { bare.Close() })
			read := func(int) error {
				var (
					id, account, scopes                  string
					expires, used, addresses, until      sql.NullString
					key                                  string
					data                                 []byte
					uses                                 sql.NullInt64
					version, epoch, authenticators, left int64
					revoked, disabled, suspended         bool
				)
				return bare.QueryRowContext(ctx, token).Scan(&id, &account, &version, &data, &expires, &revoked, &scopes, &used, &uses, &addresses,
					&authenticators, &left, &until, &disabled, &suspended, &key, &epoch)
			}
			for _, n := range []int{1, 10_000} {
				more(b, store, token, n)
				for _, goroutines := range goroutines {
					b.Run(fmt.Sprintf("tokens=%d/goroutines=%d", n, goroutines), func(b *testing.B) {
						var plain, ours side
						round := func(n int) {
							plain.run(b, n, goroutines, read)
							ours.run(b, n, goroutines, func(int) error { _, err := tok.Check(ctx, text, netip.Addr{}); return err })
						}
						round(block)
						plain, ours = side{}, side{}
						for left := b.N; left > 0; left -= block {
							round(min(block, left))
						}
						report(b, &plain, &ours)
					})
				}
			}
		})
	}
}

// minted is a service on a store, in which one token is.
func minted(tb testing.TB, store storage.Store) (tok *tokens.Service, text, id string) {
	tb.Helper()
	ctx := context.Background()
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:write"}, tokens.ScopeInfo{Scope: "logs:read"})
	require.NoError(tb, err)
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(),
	})
	require.NoError(tb, err)
	tok, err = tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = svc.Close(ctx) })
	in := gatehouse.Session{Account: "user-42"}
	try, err := svc.Before(ctx, "user-42")
	require.NoError(tb, err)
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	require.NoError(tb, err)
	m, err := tok.Mint(ctx, in, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read", "projects:write"}})
	require.NoError(tb, err)
	return tok, m.Token.Reveal(), m.Info.ID
}

// more gives the owner of a token so many of them.
func more(tb testing.TB, store storage.Store, id string, n int) {
	tb.Helper()
	ctx := context.Background()
	rec, _, err := store.LoadToken(ctx, id)
	require.NoError(tb, err)
	for i := range n - 1 {
		rec.ID, rec.Version = fmt.Sprintf("%014d", i), 1
		require.NoError(tb, store.SaveToken(ctx, rec, 0))
	}
}
