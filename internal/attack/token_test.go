package attack_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// TestRelabeled: a token has one spelling.
func TestRelabeled(t *testing.T) {
	p, err := tokens.Parse("acme", relabeled(tokens.Generate("acme", tokens.Personal).Reveal()))
	require.NoError(t, err, "its checksum is right")
	require.Equal(t, tokens.CommandLine, p.Kind)
}

func TestMintAndCheck(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	text, info := o.mint("projects:write logs:read")
	require.Regexp(t, "^"+tokens.Pattern("acme")+"$", text)
	require.Equal(t, tokens.Info{
		ID: text[9:23], AccountID: "user-42", Kind: tokens.Personal, Name: "ci", Scopes: scopesOf(t, "logs:read projects:write"),
		State: tokens.StateActive, Created: o.h.clock(), Expires: o.h.clock().Add(30 * day),
		Unused: scopesOf(t, "logs:read projects:write"), Addresses: []string{}, SecondFactor: true, NeedsSecondFactor: true,
	}, shown(info))
	require.Equal(t, info, o.h.tokenInfo(o.id, info.ID))

	g := o.h.good(text)
	require.Equal(t, []any{info.ID, "user-42", tokens.Personal, "ci", info.Scopes, info.Expires, time.Time{}},
		[]any{g.TokenID, g.AccountID, g.Kind, g.Name, g.Scopes, g.Expires, g.Rotated})
	require.Equal(t, []any{"otp", true}, []any{g.AuthMethod, g.SecondFactor})
	for scope, want := range map[tokens.Scope]bool{
		"projects:write": true, "projects:read": true, "logs:read": true, "logs:write": false, "projects:delete": false,
		"projects:*": false, "deploys:production": false, "": false, "projects": false,
	} {
		require.Equal(t, want, g.Allows(scope, "project/7"), scope)
	}
	activity := must(o.h.Activity(ctx, o.id))
	require.Equal(t, event.TokenMinted, activity[0].Kind)
	require.Equal(t, []string{info.ID, "ci", ""}, []string{activity[0].TokenID, activity[0].TokenName, activity[0].AuthenticatorName})
}

// TestServicesAreMadeFirst: tokens and posture are made once, on their own Service, with what they need, and before the
// Service is used: what had gone by before that would have had no gate and left no trail.
func TestServicesAreMadeFirst(t *testing.T) {
	ctx := context.Background()
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model)
	require.NoError(t, err)
	policy := tokenPolicy(t)
	svc := func() *gatehouse.Service {
		s, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
		require.NoError(t, err)
		return s
	}
	refused := func(_ any, err error) {
		t.Helper()
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}

	s := svc()
	tok, err := tokens.New(s, policy)
	require.NoError(t, err)
	refused(tokens.New(s, policy))
	_, err = posture.New(s, posture.Config{Policy: gates, Tokens: tok})
	require.NoError(t, err)
	refused(posture.New(s, posture.Config{Policy: gates, Tokens: tok}))

	refused(tokens.New(nil, policy))
	refused(posture.New(nil, posture.Config{Policy: gates}))
	refused(posture.New(svc(), posture.Config{}))
	refused(posture.New(svc(), posture.Config{Policy: gates, Tokens: tok}))
	_, err = tokens.New(svc(), tokens.Policy{Brand: "acme"})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	require.ErrorIs(t, err, tokens.ErrInvalid)

	// A posture that did not know of the tokens would take an account for one without any, and open the gates that ask.
	apart := svc()
	_, err = tokens.New(apart, policy)
	require.NoError(t, err)
	refused(posture.New(apart, posture.Config{Policy: gates}))
	judged := svc()
	_, err = posture.New(judged, posture.Config{Policy: gates})
	require.NoError(t, err)
	refused(tokens.New(judged, policy))

	used := svc()
	_, err = used.Account(ctx, "user-42")
	require.NoError(t, err)
	refused(tokens.New(used, policy))
	refused(posture.New(used, posture.Config{Policy: gates}))
}

// TestMintProof says which proof mints what.
func TestMintProof(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	low := tokens.Request{Name: "low", Scopes: scopesOf(t, "projects:write")}
	high := tokens.Request{Name: "high", Scopes: scopesOf(t, "deploys:production")}
	mint := func(p gatehouse.Proof, r tokens.Request, secret ...string) error {
		_, err := h.Owner(p, secret...).Mint(ctx, r)
		return err
	}
	plain := h.vouch("plain")
	require.NoError(t, mint(plain, low))
	require.ErrorIs(t, mint(plain, high), gatehouse.ErrStepUpRequired, "a scope asks for more")
	h.wait(15*time.Minute + time.Second)
	require.ErrorIs(t, mint(plain, low), gatehouse.ErrStepUpRequired, "15 minutes")

	early := h.vouch("user-42")
	o := h.enroll("user-42")
	require.ErrorIs(t, mint(early, low), gatehouse.ErrStepUpRequired, "ended by the enrollment")
	require.ErrorIs(t, mint(h.vouch("user-42"), low), gatehouse.ErrStepUpRequired, "the first factor alone")
	require.NoError(t, mint(o.fresh(), high))
	v, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err)
	require.ErrorIs(t, mint(v.Session.Proof, low), gatehouse.ErrStepUpRequired, "a recovery code")
	require.ErrorIs(t, mint(gatehouse.Proof{}, low), gatehouse.ErrStepUpRequired)
	h.wait(time.Minute)
	tied, err := h.StepUp(ctx, o.id, o.code(), "one")
	require.NoError(t, err)
	require.ErrorIs(t, mint(tied.Session.Proof, low), gatehouse.ErrStepUpRequired)
	require.ErrorIs(t, mint(tied.Session.Proof, low, "two"), gatehouse.ErrStepUpRequired)
	require.NoError(t, mint(tied.Session.Proof, low, "one"))

	proof := o.fresh()
	require.NoError(t, h.Operator("op").Suspend(ctx, o.id))
	require.Error(t, mint(proof, low))
}

func TestMintRefusals(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.MaxActive = 3 })).enroll("user-42")
	face := o.h.Owner(o.fresh())
	good := tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")}
	for what, edit := range map[string]func(*tokens.Request){
		"no name":          func(r *tokens.Request) { r.Name = "" },
		"control":          func(r *tokens.Request) { r.Name = "a\x1b[31m" },
		"no scopes":        func(r *tokens.Request) { r.Scopes = nil },
		"10 000 scopes":    func(r *tokens.Request) { r.Scopes = make(tokens.Scopes, 10_000) },
		"unknown scope":    func(r *tokens.Request) { r.Scopes = tokens.Scopes{"logs:write"} },
		"kind":             func(r *tokens.Request) { r.Kind = "zzz" },
		"negative":         func(r *tokens.Request) { r.Lifetime = -time.Hour },
		"too long":         func(r *tokens.Request) { r.Lifetime = 366 * day },
		"begins too late":  func(r *tokens.Request) { r.NotBefore = o.h.clock().Add(30 * day) },
		"begins long past": func(r *tokens.Request) { r.NotBefore = time.Unix(-5, 0) },
	} {
		r := good
		edit(&r)
		o.h.unchanged(func() {
			_, err := face.Mint(ctx, r)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, what)
		}, what)
	}
	for range 3 {
		_, err := face.Mint(ctx, good)
		require.NoError(t, err)
	}
	o.h.unchanged(func() {
		_, err := face.Mint(ctx, good)
		require.ErrorIs(t, err, gatehouse.ErrPrecondition, "as many as there may be")
	})
	list := must(o.h.Tokens(ctx, o.id))
	require.NoError(t, face.Revoke(ctx, list[0].ID))
	_, err := face.Mint(ctx, good)
	require.NoError(t, err, "a revoked one makes room")
	_, err = face.Mint(ctx, good)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	require.NoError(t, face.RevokeAll(ctx))
	_, err = face.Mint(ctx, good)
	require.NoError(t, err)
}

// TestStandings has everything that keeps a token from working, and what the owner is told of it; the
// bearer is told nothing.
func TestStandings(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	o := h.enroll("user-42")
	text, info := o.mint("logs:read", func(r *tokens.Request) {
		r.NotBefore, r.Lifetime = h.clock().Add(time.Hour), 10*day
	})
	stands := func(want tokens.State) {
		t.Helper()
		require.Equal(t, want, h.tokenInfo(o.id, info.ID).State, h.tokenInfo(o.id, info.ID).State)
		if want == tokens.StateActive {
			h.good(text)
		} else {
			h.bad(text, string(want))
		}
	}
	stands(tokens.StateNotYetValid)
	h.wait(time.Hour)
	stands(tokens.StateActive)
	for _, other := range []string{
		tokens.Generate("acme", tokens.Personal).Reveal(),           // unknown
		must(tokens.Parse("acme", text)).Successor("acme").Reveal(), // another secret
		relabeled(text), strings.Replace(text, "acme_pat", "acme_cli", 1), text[:len(text)-1], text + "x", "", "x", // malformed
	} {
		h.bad(other, "not it")
	}

	require.NoError(t, h.Operator("op").Suspend(ctx, o.id))
	stands(tokens.StateAccountSuspended)
	require.NoError(t, h.Operator("op").Resume(ctx, o.id))
	stands(tokens.StateActive)

	_, err := h.Owner(o.fresh()).DisableTwoFactor(ctx)
	require.NoError(t, err)
	stands(tokens.StateNeedsSecondFactor)
	plain, _ := o.mint("logs:read")
	h.good(plain)
	*o = *h.enroll(o.id)
	stands(tokens.StateActive)
	h.good(plain)

	h.set(info.Expires.Add(-time.Second))
	stands(tokens.StateActive)
	h.wait(time.Second)
	stands(tokens.StateExpired)
	renewed, err := h.Owner(o.fresh()).Renew(ctx, info.ID, 0)
	require.NoError(t, err)
	require.Equal(t, h.clock().Add(10*day), renewed.Expires)
	stands(tokens.StateActive)
	_, err = h.Owner(o.fresh()).Renew(ctx, info.ID, 0)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "it has not expired")

	require.NoError(t, h.Operator("op").PasswordChanged(ctx, o.id, gatehouse.KeepTokens))
	stands(tokens.StateActive)
	require.NoError(t, h.Owner(o.fresh()).Revoke(ctx, info.ID))
	stands(tokens.StateRevoked)
	require.NoError(t, h.Owner(o.fresh()).Revoke(ctx, info.ID), "again")
	h.wait(20 * day)
	_, err = h.Owner(o.fresh()).Renew(ctx, info.ID, 0)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	_, err = h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	h.bad(text, "for good")
}

// relabeled is a token with another kind in its text, and a checksum that is right.
func relabeled(text string) string {
	return summed(strings.Replace(text[:len(text)-6], "_pat_", "_cli_", 1))
}

// summed ends a text in the checksum of tokens.
func summed(body string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, check := crc32.ChecksumIEEE([]byte(body)), make([]byte, 6)
	for i := range check {
		check[5-i] = alphabet[sum%62]
		sum /= 62
	}
	return body + string(check)
}

// TestAllTokensEnd has each way in which all tokens of an account end at once.
func TestAllTokensEnd(t *testing.T) {
	ctx := context.Background()
	for what, end := range map[string]func(o *owner) error{
		"by the owner":      func(o *owner) error { return o.h.Owner(o.fresh()).RevokeAll(ctx) },
		"by an operator":    func(o *owner) error { return o.h.Operator("op").RevokeAll(ctx, o.id) },
		"with the password": func(o *owner) error { return o.h.Operator("op").PasswordChanged(ctx, o.id, gatehouse.RevokeTokens) },
		"by a reset":        func(o *owner) error { _, err := o.h.Operator("op").Reset(ctx, o.id); return err },
		"with the account":  func(o *owner) error { return deleted(o.h.Operator("op").DeleteAccount(ctx, o.id)) },
		"and it is made again": func(o *owner) error {
			if err := deleted(o.h.Operator("op").DeleteAccount(ctx, o.id)); err != nil {
				return err
			}
			o.h.enroll(o.id)
			return nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t, withTokens(t))
			o, other := h.enroll("user-42"), h.enroll("user-43")
			one, _ := o.mint("logs:read")
			two, _ := o.mint("projects:*")
			theirs, _ := other.mint("logs:read")
			h.good(one)
			h.good(two)
			require.NoError(t, end(o))
			h.bad(one, what)
			h.bad(two, what)
			h.good(theirs)
		})
	}
}

func TestRestrictions(t *testing.T) {
	o := newHouse(t, withTokens(t)).enroll("user-42")
	resources, err := tokens.OnlyResources("project/7", "team/a/*")
	require.NoError(t, err)
	networks, err := tokens.OnlyNetworks("203.0.113.0/24")
	require.NoError(t, err)
	nothing, err := tokens.OnlyResources()
	require.NoError(t, err)
	nowhere, err := tokens.OnlyNetworks()
	require.NoError(t, err)

	text, info := o.mint("projects:read", func(r *tokens.Request) { r.Resources = resources })
	require.Equal(t, resources, info.Resources)
	require.Equal(t, resources, o.h.tokenInfo(o.id, info.ID).Resources)
	g := o.h.good(text)
	for resource, want := range map[string]bool{"project/7": true, "project/70": false, "": false, "team/a/x": true, "team/ab": false} {
		require.Equal(t, want, g.Allows("projects:read", resource), resource)
		require.False(t, g.Allows("projects:write", resource))
	}
	text, _ = o.mint("projects:read", func(r *tokens.Request) { r.Resources = nothing })
	require.False(t, o.h.good(text).Allows("projects:read", "project/7"))
	require.False(t, o.h.good(text).Allows("projects:read", ""))

	from := netip.MustParseAddr
	text, info = o.mint("projects:read", func(r *tokens.Request) { r.Networks = networks })
	require.Equal(t, networks, o.h.tokenInfo(o.id, info.ID).Networks)
	o.h.good(text, from("203.0.113.9"))
	o.h.good(text, from("::ffff:203.0.113.9"))
	o.h.bad(text, "another network", from("198.51.100.9"))
	o.h.bad(text, "no address")
	o.h.bad(text, "no address")
	text, _ = o.mint("projects:read", func(r *tokens.Request) { r.Networks = nowhere })
	o.h.bad(text, "nowhere", from("203.0.113.9"))
}

// TestNoStoreForMalformedTokens: what is no token costs nobody a read.
func TestNoStoreForMalformedTokens(t *testing.T) {
	ctx := context.Background()
	store := newCounted()
	o := houseOn(t, store, withTokens(t)).enroll("user-42")
	text, _ := o.mint("logs:read")
	store.loads.Store(0)
	for _, bad := range []string{
		"", text[1:], text[:len(text)-1], text + "0", " " + text, strings.ToUpper(text), strings.Replace(text, "acme", "acne", 1),
		text[:len(text)-1] + "!", strings.Repeat("a", 1<<20), strings.Repeat("é", 36), "acme_pat_" + strings.Repeat("0", 63),
		tokens.Generate("other", tokens.Personal).Reveal(), "Bearer " + text,
	} {
		o.h.bad(bad, bad[:min(len(bad), 80)])
		_, err := o.h.RotateSelf(ctx, bad, tokens.Rotation{})
		require.Equal(t, &gatehouse.DeniedError{}, err)
		require.NoError(t, o.h.RevokePresented(ctx, bad))
	}
	require.Zero(t, store.loads.Load())
	o.h.good(text)
	require.EqualValues(t, 1, store.loads.Load(), "one read")
	o.h.bad(tokens.Generate("acme", tokens.Personal).Reveal(), "unknown")
	require.EqualValues(t, 2, store.loads.Load())
}

// TestNotTheOwnersToken: an ID of somebody else's token is none.
func TestNotTheOwnersToken(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	o, other := h.enroll("user-42"), h.enroll("user-43")
	text, info := other.mint("logs:read")
	face := h.Owner(o.fresh())
	for _, id := range []string{info.ID, strings.ToLower(info.ID), "nothing", "", strings.Repeat("a", 1<<20), "\x00"} {
		h.unchanged(func() {
			_, err := face.Rotate(ctx, id, tokens.Rotation{})
			require.ErrorIs(t, err, gatehouse.ErrNotFound)
			_, err = face.Renew(ctx, id, 0)
			require.ErrorIs(t, err, gatehouse.ErrNotFound)
			require.ErrorIs(t, face.Revoke(ctx, id), gatehouse.ErrNotFound)
		})
	}
	require.NotContains(t, must(h.Tokens(ctx, o.id)), info)
	h.good(text)
}

func TestTokenPages(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.MaxActive = 1000 })).enroll("user-42")
	face := o.h.Owner(o.fresh())
	for range 225 {
		_, err := face.Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")})
		require.NoError(t, err)
	}
	var ids []string
	for info, err := range o.h.tok.List(ctx, o.id) {
		require.NoError(t, err)
		ids = append(ids, info.ID)
	}
	require.Len(t, ids, 225)
	require.True(t, slices.IsSorted(ids))
	for info, err := range o.h.tok.List(ctx, o.id) {
		require.NoError(t, err)
		require.Equal(t, ids[0], info.ID)
		break
	}
	require.Empty(t, must(o.h.Tokens(ctx, "nobody")))
}

// TestDumpCannotAuthenticate has the whole store in the hands of a thief.
func TestDumpCannotAuthenticate(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	text, info := o.mint("logs:read")
	_, err := o.h.Owner(o.fresh()).Rotate(ctx, info.ID, tokens.Rotation{Grace: time.Hour})
	require.NoError(t, err)
	all, err := o.h.store.AllTokens(ctx, "", 10)
	require.NoError(t, err)
	require.Len(t, all.Records, 1)
	stored, err := decodeToken(all.Records[0])
	require.NoError(t, err)
	require.NotContains(t, string(all.Records[0].Data), text[23:66])
	old := stored.FieldByName("Old")
	require.Equal(t, 1, old.Len())
	found := []string{string(all.Records[0].Data), *field[string](stored, "Name"), info.ID}
	for _, digest := range append(slices.Clone(*field[[][]byte](stored, "Lines")), *field[[]byte](stored, "Digest"), old.Index(0).FieldByName("Digest").Bytes()) {
		found = append(found, string(digest), hex.EncodeToString(digest), base64.StdEncoding.EncodeToString(digest), base64.RawURLEncoding.EncodeToString(digest))
	}
	for _, s := range found { // a digest in the place of a secret is none
		o.h.bad(s, "what is stored")
		if len(s) >= 43 {
			o.h.bad("acme_pat_"+info.ID+s[:43]+"000000", "what is stored")
		}
	}
}

// A caller who hangs up between the two saves has revoked the token all the same.
func TestRevokeOutlivesItsCaller(t *testing.T) {
	store := gatehousetest.NewStore(memory.New())
	h := houseOn(t, store, withTokens(t))
	o := h.enroll("user-42")
	for name, call := range map[string]func(ctx context.Context, id string) error{
		"revoke": func(ctx context.Context, id string) error { return h.Owner(o.proof).Revoke(ctx, id) },
		"rotate": func(ctx context.Context, id string) error {
			_, err := h.Owner(o.proof).Rotate(ctx, id, tokens.Rotation{})
			return err
		},
	} {
		minted, err := h.Owner(o.proof).Mint(context.Background(), tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		store.Inject(func(method string) gatehousetest.Fault {
			if method == "SaveAccount" {
				cancel() // while the account is being saved
			}
			return gatehousetest.None
		})
		require.NoError(t, call(ctx, minted.Info.ID), name)
		store.Inject(nil)
		_, err = h.Check(context.Background(), minted.Token.Reveal())
		require.ErrorIs(t, err, gatehouse.ErrDenied, name)
	}
}

// TestTokenDataTampered: what cannot be read is a fault, and lets nobody in.
func TestTokenDataTampered(t *testing.T) {
	ctx := context.Background()
	o := newHouse(t, withTokens(t)).enroll("user-42")
	text, info := o.mint("logs:read")
	rec, _, err := o.h.store.LoadToken(ctx, info.ID)
	require.NoError(t, err)
	token, err := decodeToken(rec)
	require.NoError(t, err)
	put := func(data []byte) {
		r, _, err := o.h.store.LoadToken(ctx, info.ID)
		require.NoError(t, err)
		require.NoError(t, o.h.store.SaveToken(ctx, storage.TokenRecord{ID: r.ID, AccountID: r.AccountID, Version: r.Version + 1, Data: data, Index: r.Index}, r.Version))
	}
	edits := map[string]func(tokenRecord){
		"no digest":       func(t tokenRecord) { *field[[]byte](t, "Digest") = nil },
		"short digest":    func(t tokenRecord) { *field[[]byte](t, "Digest") = make([]byte, 31) },
		"no scopes":       func(t tokenRecord) { *field[tokens.Scopes](t, "Scopes") = nil },
		"scopes unsorted": func(t tokenRecord) { *field[tokens.Scopes](t, "Scopes") = tokens.Scopes{"b:c", "a:b"} },
		"no end":          func(t tokenRecord) { *field[int64](t, "Expires") = 0 },
		"life":            func(t tokenRecord) { *field[int64](t, "Lifetime") = 1 << 40 },
		"no epoch":        func(t tokenRecord) { *field[int64](t, "Epoch") = 0 },
		"bad network":     func(t tokenRecord) { *field[*[]string](t, "Networks") = &[]string{"x"} },
		"bad resource":    func(t tokenRecord) { *field[*[]string](t, "Resources") = &[]string{"*"} },
		"short old digest": func(t tokenRecord) {
			old := reflect.New(t.FieldByName("Old").Type().Elem()).Elem()
			old.FieldByName("Digest").SetBytes([]byte("x"))
			old.FieldByName("Until").SetInt(1 << 40)
			t.FieldByName("Old").Set(reflect.Append(t.FieldByName("Old"), old))
		},
	}
	for what, edit := range edits {
		broken := token.clone()
		edit(broken)
		data, err := broken.encode()
		if strings.Contains(what, "digest") { // which has no other length
			require.Error(t, err, what)
			continue
		}
		require.NoError(t, err)
		put(data)
		_, err = o.h.check(text)
		require.ErrorIs(t, err, core.ErrFormat, what)
		require.NotErrorIs(t, err, gatehouse.ErrDenied)
	}
	for _, data := range []string{"", "{}", "null", "T", "T\x02", "T\x02" + string(rec.Data[2:]), string(rec.Data) + "x", string(rec.Data) + "\x00", strings.Repeat("T", 1<<21)} {
		put([]byte(data))
		_, err := o.h.check(text)
		require.ErrorIs(t, err, core.ErrFormat, "%.30q", data)
	}
	put(rec.Data)
	o.h.good(text)
}
