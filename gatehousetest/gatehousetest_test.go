package gatehousetest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

func TestStoreWithoutFaultsIsAStore(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store { return gatehousetest.NewStore(memory.New()) })
}

func TestScan(t *testing.T) {
	for _, digits := range []int{6, 8} {
		for _, algorithm := range []totp.Algorithm{totp.SHA1, totp.SHA256, totp.SHA512} {
			key := totp.Key{Secret: totp.GenerateSecret(), Algorithm: algorithm, Digits: digits}
			uri, err := key.URI("Ac & me", "añ+b@c")
			require.NoError(t, err)
			app, err := gatehousetest.Scan(uri)
			require.NoError(t, err)
			require.Equal(t, "Ac & me", app.Issuer)
			require.Equal(t, "añ+b@c", app.Label)
			want, err := key.Code(1000)
			require.NoError(t, err)
			require.Equal(t, want, app.Code(time.Unix(30*1000+29, 0)))
		}
	}
	good := "otpauth://totp/A:b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A&algorithm=SHA1&digits=6&period=30"
	_, err := gatehousetest.Scan(good)
	require.NoError(t, err)
	for _, bad := range []string{
		"", "x", "\x00", "\xff", strings.Repeat("x", 1<<20), good[1:], strings.Replace(good, "totp/", "hotp/", 1),
		strings.Replace(good, "A:b", "b", 1), strings.Replace(good, "A:b", "B:b", 1), strings.Replace(good, "30", "60", 1),
		strings.Replace(good, "SHA1", "MD5", 1), strings.Replace(good, "GEZDGNBV", "", 1), strings.Replace(good, "secret", "s", 1),
		strings.Replace(good, "digits=6", "digits=7", 1),
	} {
		_, err := gatehousetest.Scan(bad)
		require.ErrorIs(t, err, gatehousetest.ErrURI, "%.80q", bad)
	}
}

func TestFaults(t *testing.T) {
	ctx := context.Background()
	store := gatehousetest.NewStore(memory.New())
	save := func(version, prev int64) error {
		return store.SaveAccount(ctx, storage.Record{ID: "a", Version: version, Data: []byte{1}}, prev)
	}
	stored := func() int64 {
		store.Inject(nil)
		rec, err := store.LoadAccount(ctx, "a")
		if err != nil {
			return 0
		}
		return rec.Version
	}
	calls := map[string]func() error{
		"LoadAccount":   func() error { _, err := store.LoadAccount(ctx, "a"); return err },
		"SaveAccount":   func() error { return save(1, 0) },
		"DeleteAccount": func() error { return store.DeleteAccount(ctx, "a") },
		"Accounts":      func() error { _, err := store.Accounts(ctx, "", 1); return err },
		"AccountByHandle": func() error {
			_, err := store.AccountByHandle(ctx, storage.Handle{1})
			if errors.Is(err, storage.ErrNotFound) {
				return nil
			}
			return err
		},
		"UnsentAccounts": func() error { _, err := store.UnsentAccounts(ctx, "", 1); return err },
		"LoadToken":      func() error { _, _, err := store.LoadToken(ctx, "a"); return err },
		"SaveToken": func() error {
			return store.SaveToken(ctx, storage.TokenRecord{ID: "t", AccountID: "a", Version: 1}, 0)
		},
		"DeleteToken": func() error { return store.DeleteToken(ctx, "t", 1) },
		"Tokens":      func() error { _, err := store.Tokens(ctx, "a", "", 1); return err },
		"LiveTokens": func() error {
			_, err := store.LiveTokens(ctx, "a", storage.Live{At: time.Unix(1, 0)}, "", 1)
			return err
		},
		"AllTokens":   func() error { _, err := store.AllTokens(ctx, "", 1); return err },
		"TouchTokens": func() error { return store.TouchTokens(ctx, nil) },
	}
	for method, call := range calls {
		store.Inject(gatehousetest.On(method, gatehousetest.Fail))
		require.ErrorIs(t, call(), gatehousetest.ErrFault, method)
		store.Inject(gatehousetest.On(method, gatehousetest.Conflict))
		want := gatehousetest.ErrFault
		if strings.HasPrefix(method, "Save") || method == "DeleteToken" {
			want = storage.ErrConflict
		}
		require.ErrorIs(t, call(), want, method)
		store.Inject(gatehousetest.On(method, gatehousetest.Stall))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		old := ctx
		ctx = ended
		require.ErrorIs(t, call(), context.Canceled, method)
		ctx = old
	}
	require.Zero(t, stored(), "none of these did anything")

	store.Inject(gatehousetest.Nth(1, gatehousetest.LoseReply))
	require.ErrorIs(t, save(1, 0), gatehousetest.ErrFault)
	require.EqualValues(t, 1, stored(), "it was done")
	store.Inject(gatehousetest.Nth(1, gatehousetest.Repeat))
	require.ErrorIs(t, save(2, 1), storage.ErrConflict)
	require.EqualValues(t, 2, stored(), "it was done")
	store.Inject(gatehousetest.Nth(1, gatehousetest.LoseReply))
	require.ErrorIs(t, save(3, 1), storage.ErrConflict, "what fails by itself says so")
	require.EqualValues(t, 2, stored())
}

func TestServiceWithItsOwnClock(t *testing.T) {
	ctx := context.Background()
	s := gatehousetest.New(t)
	o := s.Enroll(t, "u")
	require.Len(t, s.Events.Take(), 3)
	v, err := s.StepUp(ctx, o.Session(), o.Code())
	require.NoError(t, err)
	require.Equal(t, o.AuthenticatorID, v.AuthenticatorID)
	info, err := s.CheckProof(ctx, o.StepUp(t), time.Second)
	require.NoError(t, err, "of this moment")
	require.True(t, info.SecondFactor)
	info, err = s.CheckProof(ctx, s.Vouch(t, "bare"), time.Second)
	require.NoError(t, err)
	require.False(t, info.SecondFactor)
	s.Wait(-time.Hour)
	_, err = s.StepUp(ctx, o.Session(), o.Code())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.Equal(t, gatehousetest.Start.Add(-time.Hour+4*totp.Period), s.Now())
	events := s.Events.Take()
	require.Len(t, events, 3)
	require.Empty(t, s.Events.Take())
}

func TestChallenge(t *testing.T) {
	s := gatehousetest.New(t)
	o := s.Enroll(t, "u")
	require.Equal(t, gatehouse.StepNotNeeded, s.Challenge(t, "bare").Step)
	ch := s.Challenge(t, "u")
	require.Equal(t, gatehouse.StepNeeded, ch.Step)
	v, err := s.Answer(context.Background(), gatehouse.Session{}, ch.Token.Reveal(), o.Code())
	require.NoError(t, err)
	require.Equal(t, "u", v.Session.Account)
}

func TestServiceInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		keys := keyring.Generate()
		s := gatehousetest.New(t, func(c *gatehouse.Config) { c.Now, c.Keys = time.Now, keys })
		o := s.Enroll(t, "u")
		ch := s.Challenge(t, "u")
		time.Sleep(5*time.Minute + time.Second)
		_, err := s.Answer(ctx, gatehouse.Session{}, ch.Token.Reveal(), o.Code())
		require.ErrorIs(t, err, gatehouse.ErrDenied, "the challenge has expired")

		// A store that stalls at the save is given five seconds, by a clock that takes none.
		s.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Stall))
		before := time.Now()
		code := o.Authenticator.Code(s.Now())
		_, err = s.StepUp(ctx, o.Session(), code)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(before))
		s.Store.Inject(nil)
		_, err = s.StepUp(ctx, o.Session(), code)
		require.NoError(t, err, "nothing was saved")
	})
}

// A passkey is one of the account as package passkey would make it, and its proof is phishing-resistant.
func TestPasskey(t *testing.T) {
	svc := gatehousetest.New(t)
	ada := svc.Enroll(t, "ada")
	key, other := ada.AddPasskey(t), ada.AddPasskey(t)
	a, err := svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, a.Authenticators, 3)
	require.Equal(t, []string{key.ID, other.ID}, []string{a.Authenticators[1].ID, a.Authenticators[2].ID})
	require.True(t, a.Authenticators[1].PhishingResistant)
	for range 2 {
		for _, k := range []*gatehousetest.Passkey{key, other} {
			proof, err := svc.CheckProof(t.Context(), k.StepUp(t), time.Minute)
			require.NoError(t, err)
			require.Equal(t, []any{"hwk", true, true}, []any{proof.Method, proof.PhishingResistant, proof.UserVerified})
		}
	}
	_, err = svc.Owner(ada.Session()).RemoveAuthenticator(t.Context(), key.ID)
	require.NoError(t, err, "the proof of an enrollment is as good as that of an app")
}
