package attack_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// putToken stores data as a token's, whatever was stored before.
func (h *house) putToken(id string, data []byte) {
	h.t.Helper()
	ctx := context.Background()
	rec, _, err := h.store.LoadToken(ctx, id)
	require.NoError(h.t, err)
	prev := rec.Version
	rec.Data, rec.Version = data, prev+1
	require.NoError(h.t, h.store.SaveToken(ctx, rec, prev))
}

// Row T3: a token whose record cannot be read is a fault to every method that reads it: it is neither denied nor absent,
// nothing is answered beside the fault, and nothing is saved. The same damage at every place, internal/core tests.
func TestTokenRecordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	o := h.enroll("user-42")
	text, info := o.mint("logs:read", func(r *tokens.Request) { r.RotatesItself = true })
	_, other := o.mint("logs:read")
	proof := o.fresh()
	rec, _, err := h.store.LoadToken(ctx, info.ID)
	require.NoError(t, err)
	whole := rec.Data

	data := map[string][]byte{
		"empty": {}, "text": []byte("null"), "an account's": h.record(o.id).Data, "cut": whole[:len(whole)-1], "twice": slices.Concat(whole, whole),
		"not UTF-8": {0xff, 0xfe}, "too long": append(slices.Clone(whole), make([]byte, 1<<20)...),
		"a newer format": slices.Concat([]byte("T\x02"), whole[2:]), "no format": whole[2:], "more behind it": append(slices.Clone(whole), 0),
	}
	for what, edit := range map[string]func(t tokenRecord){
		"no scopes":               func(t tokenRecord) { *field[tokens.Scopes](t, "Scopes") = nil },
		"a scope that is none":    func(t tokenRecord) { *field[tokens.Scopes](t, "Scopes") = tokens.Scopes{"`:read"} },
		"no lines":                func(t tokenRecord) { *field[[][]byte](t, "Lines") = nil },
		"no end":                  func(t tokenRecord) { *field[int64](t, "Expires") = 0 },
		"resources that are none": func(t tokenRecord) { *field[*[]string](t, "Resources") = &[]string{"*"} },
		"networks that are none":  func(t tokenRecord) { *field[*[]string](t, "Networks") = &[]string{"x"} },
		"no proof":                func(t tokenRecord) { *field[core.Kind](t, "How") = 0 },
		"a recovery code's":       func(t tokenRecord) { *field[core.Kind](t, "How") = core.RecoveryCode },
	} {
		token, err := decodeToken(storage.TokenRecord{ID: info.ID, AccountID: o.id, Data: whole})
		require.NoError(t, err)
		edit(token)
		data[what], err = token.encode()
		require.NoError(t, err)
	}
	face, op := h.Owner(proof), h.Operator("op")
	methods := map[string]func() (any, error){
		"AuthenticateToken": func() (any, error) { return ignoring(h.Check(ctx, text)) },
		"RotateToken":       func() (any, error) { return ignoring(h.RotateSelf(ctx, text, tokens.Rotation{})) },
		"RevokePresented":   func() (any, error) { return nil, h.RevokePresented(ctx, text) },
		"Token":             func() (any, error) { return ignoring(h.Token(ctx, o.id, info.ID)) },
		"Tokens":            func() (any, error) { return ignoring(h.Tokens(ctx, o.id)) },
		"Owner.RotateToken": func() (any, error) { return ignoring(face.Rotate(ctx, info.ID, tokens.Rotation{})) },
		"Owner.RenewToken":  func() (any, error) { return ignoring(face.Renew(ctx, info.ID, 0)) },
		"Owner.RevokeToken": func() (any, error) { return nil, face.Revoke(ctx, info.ID) },
		"Operator.RevokeToken": func() (any, error) {
			return nil, op.Revoke(ctx, info.ID)
		},
	}
	for what, d := range data {
		h.putToken(info.ID, d)
		h.unchanged(func() {
			for name, call := range methods {
				value, err := call()
				require.ErrorIs(t, err, core.ErrFormat, "%s: %s", what, name)
				require.False(t, isAnswer(err), "%s: %s: a fault", what, name)
				require.Less(t, len(err.Error()), 200, "%s: %s: what is stored does not go out", what, name)
				require.Zero(t, value, "%s: %s", what, name)
			}
		}, what)
	}
	h.putToken(info.ID, whole)
	h.good(text)
	list, err := h.Tokens(ctx, o.id)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{info.ID, other.ID}, []string{list[0].ID, list[1].ID})
}

// ignoring returns nil for the zero value of a list, which require.Zero takes for something.
func ignoring[T any](v T, err error) (any, error) {
	if fmt.Sprint(v) == "[]" {
		return nil, err
	}
	return v, err
}

// Row T3: a token begins before it ends, at its minting and at every rotation, to the second. What is refused saves nothing.
func TestTokenThatBeginsAfterItsEnd(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	proof := o.fresh()
	begins := o.h.clock().Add(20 * day)
	mint := func(lifetime time.Duration) (tokens.Minted, error) {
		return o.h.Owner(proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read"), NotBefore: begins, Lifetime: lifetime})
	}
	o.h.unchanged(func() {
		for _, lifetime := range []time.Duration{time.Second, 10 * day, 20*day - time.Second, 20 * day} {
			got, err := mint(lifetime)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, lifetime)
			require.Equal(t, tokens.Minted{}, got)
		}
	})
	shortest, err := mint(20*day + time.Second)
	require.NoError(t, err)
	long, err := mint(30 * day)
	require.NoError(t, err)

	for _, of := range []tokens.Minted{shortest, long} {
		o.h.unchanged(func() {
			for _, lifetime := range []time.Duration{time.Second, 10 * day, 20*day - time.Second, 20 * day} {
				got, err := o.h.Owner(proof).Rotate(ctx, of.Info.ID, tokens.Rotation{Lifetime: lifetime})
				require.ErrorIs(t, err, gatehouse.ErrInvalid, lifetime)
				require.Equal(t, tokens.Minted{}, got)
			}
		})
	}
	rotated, err := o.h.Owner(proof).Rotate(ctx, long.Info.ID, tokens.Rotation{Lifetime: 20*day + time.Second})
	require.NoError(t, err)
	require.Equal(t, begins, rotated.Info.NotBefore)
	require.Equal(t, begins.Add(time.Second), rotated.Info.Expires)
	for _, text := range []string{rotated.Token.Reveal(), shortest.Token.Reveal()} {
		o.h.set(begins.Add(-time.Second))
		o.h.bad(text, "before its time")
		o.h.set(begins)
		o.h.good(text)
		o.h.set(begins.Add(time.Second))
		o.h.bad(text, "at its end")
	}
}

// Row T3: how a first factor was checked is a word of a-z, 0-9 and '_', of 1 to 32 bytes, and nothing else: the symbols
// beside those are refused wherever they stand, and so no proof is made.
func TestMethodsOfAFirstFactor(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	attest := func(method string) error {
		p, err := h.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: method, At: h.clock()})
		require.Equal(t, err == nil, p.Reveal() != "")
		if err != nil {
			require.ErrorIs(t, err, gatehouse.ErrInvalid)
		}
		return err
	}
	for _, place := range []string{"%s", "%sbc", "a%sc", "ab%s"} {
		for c := range 256 {
			good := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
			method := fmt.Sprintf(place, string([]byte{byte(c)}))
			require.Equal(t, good, attest(method) == nil, "%q", method)
		}
	}
	for n := range 40 {
		require.Equal(t, n >= 1 && n <= 32, attest(string(bytes.Repeat([]byte("a"), n))) == nil, n)
	}
}
