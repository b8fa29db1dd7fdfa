package posture_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// The facts are the account's view and its tokens: a review of what was loaded is the review of what is stored, and a
// control of the host's is shown them.
func TestFactsAreTheView(t *testing.T) {
	svc := gatehousetest.New(t)
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(t, err)
	var seen posture.Facts
	control := ownControl(func(f posture.Facts, _ time.Time) posture.Result {
		if !slices.ContainsFunc(f.Account.Authenticators, func(a gatehouse.Authenticator) bool { return a.ID == "" }) {
			seen = f // and not one that a step is tried on
		}
		return posture.Result{State: posture.Pass, Reason: "So it is."}
	})
	host := posture.Host{At: svc.Now(), EmailVerified: posture.Yes}
	pos, err := posture.New(svc.Service, posture.Config{
		Policy: policyOf(t, posture.ModelConfig{Passkeys: true, Controls: []posture.Control{control}}, tableGates...), Tokens: tok,
		Host: func(context.Context, string) (posture.Host, error) { return host, nil },
	})
	require.NoError(t, err)
	ctx := t.Context()
	user := svc.Enroll(t, "user-42")
	mint := func() tokens.Info {
		minted, err := tok.Mint(ctx, user.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
		require.NoError(t, err)
		return minted.Info
	}
	kept, ended := mint(), mint()
	enrolled, err := svc.Account(ctx, user.AccountID)
	require.NoError(t, err)
	require.NoError(t, svc.Owner(user.Session()).AcknowledgeRecoveryCodes(ctx, enrolled.RecoveryCodes.ID))
	require.NoError(t, tok.Revoke(ctx, user.Session(), ended.ID))

	stored, err := pos.Review(ctx, user.AccountID)
	require.NoError(t, err)
	account, err := svc.Account(ctx, user.AccountID)
	require.NoError(t, err)
	live, err := tok.Live(ctx, account)
	require.NoError(t, err)
	require.Equal(t, must2any(t, posture.Facts{Account: account, Tokens: live, TokensKnown: true, Host: host}), must2any(t, seen))
	require.Len(t, live, 1)
	require.Equal(t, kept.ID, live[0].ID)
	for _, given := range [][]tokens.Info{live, nil} {
		loaded, err := pos.ReviewOf(ctx, account, given)
		require.NoError(t, err)
		require.Equal(t, stored, loaded)
	}
	require.Equal(t, 1, stored.Level)

	// Turned off, the token stops; on again, it works.
	turnedOff := func(t *posture.Trial) error { return t.DisableTwoFactor() }
	off, err := pos.Preview(ctx, user.AccountID, turnedOff)
	require.NoError(t, err)
	for _, given := range [][]tokens.Info{live, nil} {
		loaded, err := pos.PreviewOf(ctx, account, given, turnedOff)
		require.NoError(t, err)
		require.Equal(t, off, loaded)
	}
	require.Equal(t, []string{kept.ID}, names(off.Suspends))
	require.Equal(t, tokens.StateActive, off.Suspends[0].State, "as it is before")
	require.Empty(t, off.Resumes)
	require.Equal(t, gatehouse.MethodState{}, seen.Account.TOTP, "a method that the account does not have")
	finding, _ := off.After.Find(posture.MethodsOpen)
	require.Equal(t, posture.Pass, finding.State)
	back, err := pos.Preview(ctx, user.AccountID, func(t *posture.Trial) error {
		if err := t.DisableTwoFactor(); err != nil {
			return err
		}
		return t.AddAuthenticator()
	})
	require.NoError(t, err)
	require.Empty(t, back.Suspends)
	revoked, err := pos.Preview(ctx, user.AccountID, func(t *posture.Trial) error { return t.RevokeTokens() })
	require.NoError(t, err)
	require.Equal(t, []string{kept.ID}, names(revoked.Suspends))
	require.Empty(t, seen.Tokens, "those that have ended are no facts")

	// The report has a risk under the names that its JSON has always had.
	require.NoError(t, pos.Operator(svc.Operator("op-1").Because("a test")).AcceptRisk(ctx, user.AccountID, posture.SecondAuthenticator, time.Time{}))
	r, err := pos.Review(ctx, user.AccountID)
	require.NoError(t, err)
	finding, _ = r.Find(posture.SecondAuthenticator)
	require.Equal(t, &posture.Acceptance{Control: posture.SecondAuthenticator, By: "op-1", Why: "a test"}, finding.Accepted)

	// Wrong codes lock a method, and then disable it.
	for range 200 {
		_, err = svc.StepUp(ctx, user.Session(), "000000")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		svc.Wait(7 * time.Hour)
		host.At = svc.Now()
	}
	r, err = pos.Review(ctx, user.AccountID)
	require.NoError(t, err)
	finding, _ = r.Find(posture.MethodsOpen)
	require.Equal(t, posture.Fail, finding.State, finding.Reason)
	history, err := pos.History(ctx, user.AccountID)
	require.NoError(t, err)
	require.Equal(t, event.AuthenticatorAdded, history[0].Cause)
}

func withTokens(t *testing.T) (*gatehousetest.Service, *tokens.Service, *posture.Service) {
	t.Helper()
	return withTokensUnder(t, posture.ModelConfig{Passkeys: true})
}

func withTokensUnder(t *testing.T, c posture.ModelConfig) (*gatehousetest.Service, *tokens.Service, *posture.Service) {
	t.Helper()
	svc := gatehousetest.New(t)
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(t, err)
	pos, err := posture.New(svc.Service, posture.Config{Policy: policyOf(t, c, tableGates...), Tokens: tok})
	require.NoError(t, err)
	return svc, tok, pos
}

// What a page has loaded is not loaded again, and what belongs to nobody or to another account is refused: a score is kept
// in the account's history, so a wrong one would stay.
func TestLoadedAccounts(t *testing.T) {
	svc, tok, pos := withTokens(t)
	ctx := t.Context()
	ada, bob := svc.Enroll(t, "ada"), svc.Enroll(t, "bob")
	for _, user := range []*gatehousetest.User{ada, bob} {
		_, err := tok.Mint(ctx, user.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
		require.NoError(t, err)
	}
	account, err := svc.Account(ctx, "ada")
	require.NoError(t, err)
	own, err := tok.Live(ctx, account)
	require.NoError(t, err)
	other, err := svc.Account(ctx, "bob")
	require.NoError(t, err)
	others, err := tok.Live(ctx, other)
	require.NoError(t, err)
	none, err := svc.Account(ctx, "carol")
	require.NoError(t, err)
	empty, err := tok.Live(ctx, none)
	require.NoError(t, err)
	require.NotNil(t, empty)

	calls := map[string]func(gatehouse.Account, []tokens.Info) error{
		"ReviewOf": func(a gatehouse.Account, live []tokens.Info) error { _, err := pos.ReviewOf(ctx, a, live); return err },
		"PreviewOf": func(a gatehouse.Account, live []tokens.Info) error {
			_, err := pos.PreviewOf(ctx, a, live, (*posture.Trial).AddAuthenticator)
			return err
		},
	}
	for name, call := range calls {
		require.ErrorIs(t, call(gatehouse.Account{}, nil), gatehouse.ErrInvalid, name)
		require.ErrorIs(t, call(gatehouse.Account{}, own), gatehouse.ErrInvalid, name)
		require.ErrorIs(t, call(account, others), gatehouse.ErrInvalid, name)
		require.NoError(t, call(account, nil), name) // keeps the score, if it is new
		var made []string
		svc.Store.Inject(func(method string) gatehousetest.Fault { made = append(made, method); return gatehousetest.None })
		require.NoError(t, call(account, own), name)
		require.NoError(t, call(none, empty), name)
		require.Empty(t, made, name)
		require.NoError(t, call(account, nil), name)
		require.Equal(t, []string{"LiveTokens"}, made, name)
		svc.Store.Inject(gatehousetest.On("LiveTokens", gatehousetest.Fail))
		require.ErrorIs(t, call(account, nil), gatehousetest.ErrFault, name)
		svc.Store.Inject(nil)
	}
}

// A token that cannot be read is no evidence: what hangs on tokens is unknown, which is neither a pass nor an account
// without tokens. The review itself goes on. A store that fails is a fault, and neither a review nor a preview.
func TestTokenThatCannotBeRead(t *testing.T) {
	svc, tok, pos := withTokens(t)
	ctx := t.Context()
	user := svc.Enroll(t, "user-42")
	minted, err := tok.Mint(ctx, user.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	state := func() posture.State {
		r, err := pos.Review(ctx, user.AccountID)
		require.NoError(t, err)
		finding, shown := r.Find(posture.TokensExpire)
		require.True(t, shown)
		return finding.State
	}
	require.Equal(t, posture.Pass, state())

	rec, _, err := svc.Store.LoadToken(ctx, minted.Info.ID)
	require.NoError(t, err)
	rec.Data, rec.Version = []byte("not a token"), rec.Version+1
	require.NoError(t, svc.Store.SaveToken(ctx, rec, rec.Version-1))
	require.Equal(t, posture.StateUnknown, state())

	svc.Store.Inject(gatehousetest.On("LiveTokens", gatehousetest.Fail))
	_, err = pos.Review(ctx, user.AccountID)
	require.ErrorIs(t, err, gatehousetest.ErrFault)
	_, err = pos.Preview(ctx, user.AccountID, func(*posture.Trial) error { return nil })
	require.ErrorIs(t, err, gatehousetest.ErrFault)
}

// Tokens that cannot be read open no gate: a rotation for which a gate asks about them is a fault, and nothing is changed.
func TestGateOnTokensThatCannotBeRead(t *testing.T) {
	svc := gatehousetest.New(t)
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(t, err)
	gate := posture.Gate{Action: posture.MintToken, Controls: []string{posture.TokensExpire}}
	_, err = posture.New(svc.Service, posture.Config{Policy: policyOf(t, posture.ModelConfig{Passkeys: true}, gate), Tokens: tok})
	require.NoError(t, err)
	ctx := t.Context()
	user := svc.Enroll(t, "user-42")
	minted, err := tok.Mint(ctx, user.Session(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	svc.Store.Inject(gatehousetest.On("LiveTokens", gatehousetest.Fail))
	_, err = tok.Rotate(ctx, user.Session(), minted.Info.ID, tokens.Rotation{})
	require.ErrorIs(t, err, gatehousetest.ErrFault)
	svc.Store.Inject(nil)
	_, err = tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	require.NoError(t, err, "the old secret")
	_, err = tok.Rotate(ctx, user.Session(), minted.Info.ID, tokens.Rotation{})
	require.NoError(t, err)
}

// Services are made before the first use of the Service under them: a node on which the gates, or a reset's end of all
// tokens, came only after some calls would have let those through.
func TestNewComesFirst(t *testing.T) {
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	for name, use := range map[string]func(*gatehousetest.Service) error{
		"a look": func(svc *gatehousetest.Service) error { _, err := svc.Account(t.Context(), "user-42"); return err },
		"a change": func(svc *gatehousetest.Service) error {
			return svc.Operator("op").Because("x").Suspend(t.Context(), "user-42")
		},
	} {
		svc := gatehousetest.New(t)
		require.NoError(t, use(svc), name)
		_, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
		_, err = posture.New(svc.Service, posture.Config{Policy: policyOf(t, posture.ModelConfig{Passkeys: true})})
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
	svc, _, _ := withTokens(t)
	_, err = tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry})
	require.ErrorIs(t, err, gatehouse.ErrInvalid, "twice")
}
