package benchmarks_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// storedToken is the record of a token, a struct of package tokens.
type storedToken interface{ Encode() ([]byte, error) }

func decodeToken(id, account string, data []byte) (storedToken, error) {
	record, err := engine.DecodeToken(id, account, data)
	if err != nil {
		return nil, err
	}
	return record.(storedToken), nil
}

// storedRecords are an account with one authenticator, ten codes and a full activity, and a token of it that was rotated
// four times, as they are stored.
func storedRecords(tb testing.TB) (account core.Account, token storedToken) {
	tb.Helper()
	ctx := context.Background()
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read", Description: "read"}, tokens.ScopeInfo{Scope: "logs:read", Description: "read"})
	require.NoError(tb, err)
	s := gatehousetest.New(tb, func(c *gatehouse.Config) {
		c.Recovery = recovery.Params{Memory: 19456, Time: 1, Threads: 1}
	})
	tok, err := tokens.New(s.Service, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(tb, err)
	o := s.Enroll(tb, "user-42")
	in := gatehouse.Session{Account: "user-42"}
	for i := range 24 {
		s.Wait(time.Duration(i+4) * totp.Period)
		code := o.Authenticator.Code(s.Now())
		_, err := s.StepUp(ctx, in, code)
		require.NoError(tb, err)
		_, err = s.StepUp(ctx, in, code)
		require.ErrorIs(tb, err, gatehouse.ErrDenied)
	}
	for range 10 {
		require.NoError(tb, s.Operator("support-4711").PasswordChanged(ctx, "user-42", gatehouse.KeepTokens))
	}
	s.Wait(4 * totp.Period)
	v, err := s.StepUp(ctx, in, o.Authenticator.Code(s.Now()))
	require.NoError(tb, err)
	in.Proof = v.Session.Proof
	minted, err := tok.Mint(ctx, in, tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"logs:read", "projects:read"}})
	require.NoError(tb, err)
	for range 4 {
		_, err = tok.Rotate(ctx, in, minted.Info.ID, tokens.Rotation{})
		require.NoError(tb, err)
	}
	rec, err := s.Store.LoadAccount(ctx, "user-42")
	require.NoError(tb, err)
	account, err = core.Decode(rec.ID, rec.Data)
	require.NoError(tb, err)
	require.Len(tb, account.Activity, 20)
	require.Len(tb, account.Ancestry, 128)
	stored, _, err := s.Store.LoadToken(ctx, minted.Info.ID)
	require.NoError(tb, err)
	token, err = decodeToken(stored.ID, stored.AccountID, stored.Data)
	require.NoError(tb, err)
	return account, token
}

// BenchmarkEncoding decodes a record and encodes it, as each change of it does, beside JSON with reflection.
func BenchmarkEncoding(b *testing.B) {
	account, token := storedRecords(b)
	inBytes, err := account.Encode()
	require.NoError(b, err)
	inText, err := json.Marshal(inJSON(account))
	require.NoError(b, err)
	tokenBytes, err := token.Encode()
	require.NoError(b, err)
	tokenText, err := json.Marshal(tokenInJSON(token))
	require.NoError(b, err)
	for _, c := range []struct {
		name   string
		data   []byte
		decode func(data []byte) (encode func() ([]byte, error), err error)
	}{
		{"account/gatehouse", inBytes, func(data []byte) (func() ([]byte, error), error) {
			a, err := core.Decode("user-42", data)
			return a.Encode, err
		}},
		{"account/json", inText, func(data []byte) (func() ([]byte, error), error) {
			var a jsonAccount
			err := fromJSON(data, &a)
			return func() ([]byte, error) { return json.Marshal(a) }, err
		}},
		{"token/gatehouse", tokenBytes, func(data []byte) (func() ([]byte, error), error) {
			t, err := decodeToken("t", "user-42", data)
			return t.Encode, err
		}},
		{"token/json", tokenText, func(data []byte) (func() ([]byte, error), error) {
			var t jsonToken
			err := fromJSON(data, &t)
			if err == nil { // the one check of a token that weighs anything
				_, err = tokens.NewScopes(t.Scopes...)
			}
			return func() ([]byte, error) { return json.Marshal(t) }, err
		}},
	} {
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.decode(c.data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("both/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode, err := c.decode(c.data)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := encode(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(c.data)), "bytes")
		})
	}
}

// TestEncoding: what a record takes of space.
func TestEncoding(t *testing.T) {
	account, token := storedRecords(t)
	data, err := account.Encode()
	require.NoError(t, err)
	inText, err := json.Marshal(inJSON(account))
	require.NoError(t, err)
	tokenData, err := token.Encode()
	require.NoError(t, err)
	t.Logf("an account has %d bytes, in JSON %d; a token %d", len(data), len(inText), len(tokenData))
	require.LessOrEqual(t, len(data), 1536)
	require.LessOrEqual(t, len(tokenData), 256)
}
