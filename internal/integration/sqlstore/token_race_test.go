package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// tokenHouse is two services on one database, each with connections of its own.
type tokenHouse struct {
	t     *testing.T
	procs [2]*node
	wait  func()       // before the first of them saves a token; nil: it does not wait
	now   atomic.Int64 // Unix seconds
	made  int          // accounts
}

func newTokenHouse(t *testing.T, d database) *tokenHouse {
	d.store(t, d.open(t), sqlstore.Options{})
	h := &tokenHouse{t: t}
	h.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Unix())
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read"})
	require.NoError(t, err)
	keys := keyring.Generate()
	for i := range h.procs {
		db := d.open(t)
		db.SetMaxIdleConns(16)
		db.SetMaxOpenConns(16)
		store, err := sqlstore.New(db, d.dialect, patient)
		require.NoError(t, err)
		var under storage.Store = store
		if i == 0 {
			under = slow{store, h}
		}
		svc, err := gatehouse.New(under, gatehouse.Config{
			Issuer: "Acme", Keys: keys, Recovery: recovery.Params{Memory: 8, Time: 1, Threads: 1},
			Now: func() time.Time { return time.Unix(h.now.Load(), 0) },
		})
		require.NoError(t, err)
		tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
		require.NoError(t, err)
		h.procs[i] = &node{svc, tok}
		t.Cleanup(func() { h.procs[i].Close(context.Background()) })
	}
	return h
}

// node is a process with access tokens.
type node struct {
	*gatehouse.Service
	tok *tokens.Service
}

// slow is a store that saves tokens late.
type slow struct {
	storage.Store
	h *tokenHouse
}

func (s slow) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	if s.h.wait != nil {
		s.h.wait()
	}
	return s.Store.SaveToken(ctx, t, prev)
}

func (h *tokenHouse) process(i int) *node { return h.procs[i%len(h.procs)] }

// tokenOwner is an account with an authenticator, a proof of this moment and a token.
type tokenOwner struct {
	account  string
	proof    gatehouse.Proof
	text, id string
}

func (h *tokenHouse) owner(lifetime time.Duration) tokenOwner {
	h.t.Helper()
	ctx, s := h.t.Context(), h.procs[0]
	h.made++
	o := tokenOwner{account: fmt.Sprint("user-", h.made)}
	key := totp.Key{Secret: totp.GenerateSecret(), Digits: 6}
	step := h.now.Load() / 30
	_, err := s.Operator("system").Import(ctx, o.account, gatehouse.Import{
		Authenticators: []gatehouse.ImportAuthenticator{{Secret: key.Secret, Digits: 6, LastStep: step - 1}},
	})
	require.NoError(h.t, err)
	code, err := key.Code(step)
	require.NoError(h.t, err)
	v, err := s.StepUp(ctx, o.in(), code)
	require.NoError(h.t, err)
	o.proof = v.Session.Proof
	m, err := s.tok.Mint(ctx, o.in(), tokens.Request{
		Name: "ci", Scopes: tokens.Scopes{"logs:read"}, Lifetime: lifetime, RotatesItself: true,
	})
	require.NoError(h.t, err)
	o.text, o.id = m.Token.Reveal(), m.Info.ID
	return o
}

// in is the owner's session.
func (o tokenOwner) in() gatehouse.Session {
	return gatehouse.Session{Account: o.account, Proof: o.proof}
}

// list returns the tokens of an account.
func (n *node) list(t *testing.T, account string) (list []tokens.Info) {
	t.Helper()
	for info, err := range n.tok.List(t.Context(), account) {
		require.NoError(t, err)
		list = append(list, info)
	}
	return list
}

// works reports whether a token is accepted. A fault is not.
func (h *tokenHouse) works(i int, text string) bool {
	_, err := h.process(i).tok.Check(h.t.Context(), text, netip.Addr{})
	if err != nil && !errors.Is(err, gatehouse.ErrDenied) {
		h.t.Errorf("a fault: %v", err)
	}
	return err == nil
}

// changed reports whether a change has been made, and fails if it was refused for anything but that the
// proof or the token had ended.
func (h *tokenHouse) changed(err error) bool {
	if err != nil && !errors.Is(err, gatehouse.ErrDenied) && !errors.Is(err, gatehouse.ErrPrecondition) && !errors.Is(err, gatehouse.ErrNotFound) && !errors.Is(err, gatehouse.ErrStepUpRequired) {
		h.t.Errorf("a fault: %v", err)
	}
	return err == nil
}

func together(n int, call func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	wg.Wait()
}

// tokenEnds are the ways in which a token ends.
var tokenEnds = map[string]func(context.Context, *node, tokenOwner) error{
	"revoke": func(ctx context.Context, s *node, o tokenOwner) error {
		return s.tok.Revoke(ctx, o.in(), o.id)
	},
	"revoke all": func(ctx context.Context, s *node, o tokenOwner) error {
		return s.tok.RevokeAll(ctx, o.in())
	},
	"revoke presented": func(ctx context.Context, s *node, o tokenOwner) error {
		return s.tok.RevokePresented(ctx, o.text)
	},
	"suspend": func(ctx context.Context, s *node, o tokenOwner) error {
		return s.Operator("op-7").Suspend(ctx, o.account)
	},
	"two-factor off": func(ctx context.Context, s *node, o tokenOwner) error {
		_, err := s.Owner(o.in()).DisableTwoFactor(ctx)
		return err
	},
	"delete": func(ctx context.Context, s *node, o tokenOwner) error {
		return deleted(s.Operator("op-7").DeleteAccount(ctx, o.account))
	},
}

// TestTokenChecksAgainstTheEnd: no check that began after the end of a token had returned succeeds.
func TestTokenChecksAgainstTheEnd(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newTokenHouse(t, d)
		for name, end := range tokenEnds {
			o := h.owner(0)
			var before, after atomic.Int32
			var ended atomic.Bool
			together(65, func(i int) {
				if i == 0 {
					for before.Load() < 64 {
						time.Sleep(time.Millisecond)
					}
					if err := end(t.Context(), h.process(1), o); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					ended.Store(true)
					return
				}
				for {
					late := ended.Load()
					ok := h.works(i, o.text)
					if late {
						if ok {
							t.Errorf("%s: a token was accepted after its end", name)
						}
						after.Add(1)
						return
					}
					if ok {
						before.Add(1)
					}
				}
			})
			require.EqualValues(t, 64, after.Load(), name)
		}
	})
}

// TestTokenRotations: each rotation that was answered has happened, one secret is the present one, and
// none but it works.
func TestTokenRotations(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newTokenHouse(t, d)
		for _, n := range []int{2, 2, 2, 16} {
			for _, itself := range []bool{false, true} {
				o := h.owner(0)
				how := tokens.Rotation{Grace: time.Minute} // in which a copy that comes late is no reuse
				made := make([]tokens.Minted, n)
				var wins atomic.Int32
				together(n, func(i int) {
					var err error
					if itself {
						made[i], err = h.process(i).tok.RotateSelf(t.Context(), o.text, netip.Addr{}, how)
					} else {
						made[i], err = h.process(i).tok.Rotate(t.Context(), o.in(), o.id, how)
					}
					if h.changed(err) {
						wins.Add(1)
					}
				})
				if itself {
					require.EqualValues(t, 1, wins.Load())
				}
				list := h.process(0).list(t, o.account)
				require.Len(t, list, 1)
				require.EqualValues(t, wins.Load(), list[0].Rotations, "a rotation that was answered was undone")
				h.now.Add(60)
				live := 0
				for _, m := range made {
					if m.Info.Rotations == list[0].Rotations {
						live++
						require.True(t, h.works(1, m.Token.Reveal()))
					}
				}
				require.Equal(t, 1, live)
				require.False(t, h.works(0, o.text))
			}
		}
	})
}

// TestTokenRotationAgainstTheEnd: what rotations made of a token at the time of its end has ended with it.
func TestTokenRotationAgainstTheEnd(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newTokenHouse(t, d)
		for name, end := range tokenEnds {
			for range 2 {
				o := h.owner(0)
				how := tokens.Rotation{Grace: time.Hour}
				made := make([]tokens.Minted, 5)
				together(len(made), func(i int) {
					var err error
					switch i {
					case 0:
						err = end(t.Context(), h.process(1), o)
					case 1, 2:
						made[i], err = h.process(i).tok.Rotate(t.Context(), o.in(), o.id, how)
					default:
						made[i], err = h.process(i).tok.RotateSelf(t.Context(), o.text, netip.Addr{}, how)
					}
					if !h.changed(err) && i == 0 {
						t.Errorf("%s: %v", name, err)
					}
				})
				for _, m := range append(made, tokens.Minted{}) {
					text := m.Token.Reveal()
					if text == "" {
						text = o.text
					}
					require.False(t, h.works(0, text), "%s: a successor has outlived its token", name)
				}
			}
		}
	})
}

// TestTokenMintsAgainstDeletion: no token of an account that was deleted works, whatever has become of
// the account in the same moment.
func TestTokenMintsAgainstDeletion(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newTokenHouse(t, d)
		ask := tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}}
		// The owner has no second factor, without which a token would be denied for another reason.
		vouch := func(account string) gatehouse.Session {
			in := gatehouse.Session{Account: account}
			try, err := h.process(1).Before(t.Context(), account)
			if err == nil {
				in.Proof, err = try.Vouch(t.Context(), in, gatehouse.FirstFactor{Method: "pwd", At: time.Unix(h.now.Load(), 0)})
			}
			if err != nil {
				t.Errorf("vouch: %v", err)
			}
			return in
		}
		for i := range 4 {
			account := fmt.Sprint("account-", i)
			in := vouch(account)
			var again gatehouse.Session
			deleteAndMake := func() {
				if err := deleted(h.process(1).Operator("op-7").DeleteAccount(t.Context(), account)); err != nil {
					t.Errorf("delete: %v", err)
				}
				again = vouch(account)
			}
			made := make([]tokens.Minted, 8)
			if i == 0 { // between the two saves of one minting
				h.wait = deleteAndMake
				var err error
				made[0], err = h.process(0).tok.Mint(t.Context(), in, ask)
				require.NoError(t, err)
				h.wait = nil
			} else {
				together(1+len(made), func(i int) {
					if i == len(made) {
						deleteAndMake()
						return
					}
					var err error
					made[i], err = h.process(i).tok.Mint(t.Context(), in, ask)
					h.changed(err)
				})
			}
			for _, m := range made {
				if text := m.Token.Reveal(); text != "" {
					require.False(t, h.works(0, text))
				}
			}
			m, err := h.process(0).tok.Mint(t.Context(), again, ask)
			require.NoError(t, err)
			require.True(t, h.works(1, m.Token.Reveal()))
		}
	})
}

// TestTokenPurgeAgainstRenewal: a token that was renewed is there and works, else it is gone.
func TestTokenPurgeAgainstRenewal(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newTokenHouse(t, d)
		renewed := 0
		for range 12 {
			o := h.owner(time.Minute)
			h.now.Add(61)
			wait := rand.N(3 * time.Millisecond) // the purge has less to do first
			var ok bool
			together(2, func(i int) {
				if i == 0 {
					_, err := h.process(0).tok.Renew(t.Context(), o.in(), o.id, 0)
					ok = h.changed(err)
					return
				}
				time.Sleep(wait)
				if _, err := h.process(1).tok.Operator(h.process(1).Operator("cron")).Purge(t.Context(), time.Unix(h.now.Load(), 0), "", nil); err != nil {
					t.Errorf("purge: %v", err)
				}
			})
			require.Equal(t, ok, h.works(0, o.text))
			list := h.process(1).list(t, o.account)
			require.Equal(t, ok, len(list) == 1)
			if ok {
				renewed++
			}
		}
		t.Logf("%d of 12 were renewed", renewed)
	})
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
