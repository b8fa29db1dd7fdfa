package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// mint gives the owner a token that rotates itself, and no longer than asked for.
func (o *owner) mint(lifetime time.Duration) (text, id string) {
	o.h.t.Helper()
	m, err := o.h.procs[0].tok.Mint(context.Background(), o.in(), tokens.Request{
		Name: "ci", Scopes: tokens.Scopes{"projects:read"}, Lifetime: lifetime, RotatesItself: true,
	})
	require.NoError(o.h.t, err)
	return m.Token.Reveal(), m.Info.ID
}

// works reports whether a token is accepted by a process.
func works(t *testing.T, s *node, text string) bool {
	_, err := s.tok.Check(context.Background(), text, netip.Addr{})
	return accepted(t, err)
}

// rotated reports whether a rotation was made, and fails if it was refused for anything but that the
// token had ended or was rotated by another.
func rotated(t *testing.T, err error) bool {
	return !errors.Is(err, gatehouse.ErrDenied) && changed(t, err)
}

// ends are the ways in which a token ends.
var ends = map[string]func(s *node, o *owner, text, id string) error{
	"revoke": func(s *node, o *owner, _, id string) error {
		return s.tok.Revoke(context.Background(), o.in(), id)
	},
	"revoke all": func(s *node, o *owner, _, _ string) error {
		return s.tok.RevokeAll(context.Background(), o.in())
	},
	"revoke presented": func(s *node, _ *owner, text, _ string) error {
		return s.tok.RevokePresented(context.Background(), text)
	},
	"operator revokes": func(s *node, _ *owner, _, id string) error {
		return s.tok.Operator(s.Operator("op-7")).Revoke(context.Background(), id)
	},
	"operator revokes all": func(s *node, o *owner, _, _ string) error {
		return s.tok.Operator(s.Operator("op-7")).RevokeAll(context.Background(), o.id)
	},
	"password changed": func(s *node, o *owner, _, _ string) error {
		return s.Operator("host").PasswordChanged(context.Background(), o.id, gatehouse.RevokeTokens)
	},
	"suspend": func(s *node, o *owner, _, _ string) error {
		return s.Operator("op-7").Suspend(context.Background(), o.id)
	},
	"two-factor off": func(s *node, o *owner, _, _ string) error {
		_, err := s.Owner(o.in()).DisableTwoFactor(context.Background())
		return err
	},
	"reset": func(s *node, o *owner, _, _ string) error {
		_, err := s.Operator("op-7").Reset(context.Background(), o.id)
		return err
	},
	"delete": func(s *node, o *owner, _, _ string) error {
		return deleted(s.Operator("op-7").DeleteAccount(context.Background(), o.id))
	},
}

// No check that began after the end of a token had returned succeeds, in whatever process.
func TestChecksAgainstTheEnd(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 4)
			o := h.enroll("ada")
			text, id := o.mint(0)
			var ended atomic.Bool
			var before, after atomic.Int32
			calls := []func(){func() {
				for before.Load() < 64 { // those who check are at it
					time.Sleep(time.Millisecond)
				}
				if err := end(h.process(1), o, text, id); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				ended.Store(true)
			}}
			for i := range 64 {
				calls = append(calls, func() {
					for mine := 0; mine < 3; {
						late := ended.Load()
						ok := works(t, h.process(i), text)
						switch {
						case late && ok:
							t.Error("a token was accepted after its end")
							return
						case late:
							mine++
							after.Add(1)
						case ok:
							before.Add(1)
						}
					}
				})
			}
			atOnce(calls...)
			require.EqualValues(t, 3*64, after.Load())
		})
	}
}

// Of rotations at the same time, by the owner or by the token itself, each that was answered has
// happened, and one successor is the present one. Without a grace it alone works. The owner can
// rotate what another call has just rotated; the token itself, of which the old copy is presented,
// cannot.
func TestRotateAgainstRotate(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{2, 16} {
		for _, who := range []string{"owner", "itself", "both"} {
			t.Run(fmt.Sprint(who, " ", n), func(t *testing.T) {
				for range raceRounds {
					h := newHouse(t, 4)
					o := h.enroll("ada")
					text, id := o.mint(0)
					how := tokens.Rotation{Grace: time.Hour}
					if who == "owner" {
						how.Grace = 0
					}
					made := make([]tokens.Minted, n)
					var wins atomic.Int32
					var calls []func()
					for i := range made {
						s := h.process(i)
						byOwner := who == "owner" || who == "both" && i%2 == 0
						calls = append(calls, func() {
							var err error
							if byOwner {
								made[i], err = s.tok.Rotate(ctx, o.in(), id, how)
							} else {
								made[i], err = s.tok.RotateSelf(ctx, text, netip.Addr{}, how)
							}
							if rotated(t, err) {
								wins.Add(1)
							}
						})
					}
					atOnce(calls...)
					require.Positive(t, wins.Load())
					if who == "itself" {
						require.EqualValues(t, 1, wins.Load())
					}
					list := listed(t, h.process(0).tok, o.id)
					require.Len(t, list, 1)
					require.EqualValues(t, wins.Load(), list[0].Rotations, "a rotation that was answered was undone")
					present := 0
					for _, m := range made {
						if m.Info.Rotations == list[0].Rotations {
							present++
							require.True(t, works(t, h.process(1), m.Token.Reveal()))
						}
					}
					require.Equal(t, 1, present)
					if who == "owner" {
						require.False(t, works(t, h.process(2), text), "no grace")
						continue
					}
					require.True(t, works(t, h.process(2), text), "in its grace")
					h.now.Add(3600)
					require.False(t, works(t, h.process(3), text), "after it")
				}
			})
		}
	}
}

// Whatever rotations have made of a token at the time of its end has ended with it.
func TestRotateAgainstTheEnd(t *testing.T) {
	ctx := context.Background()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			before := 0
			for round := range raceRounds {
				h := newHouse(t, 4)
				o := h.enroll("ada")
				text, id := o.mint(0)
				made := make([]tokens.Minted, 4)
				calls := []func(){func() {
					if err := end(h.process(1+round), o, text, id); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}}
				for i := range made {
					calls = append(calls, func() {
						var err error
						how := tokens.Rotation{Grace: time.Hour}
						if i%2 == 0 {
							made[i], err = h.process(i).tok.Rotate(ctx, o.in(), id, how)
						} else {
							made[i], err = h.process(i).tok.RotateSelf(ctx, text, netip.Addr{}, how)
						}
						rotated(t, err)
					})
				}
				atOnce(calls...)
				require.False(t, works(t, h.process(0), text))
				for _, m := range made {
					if successor := m.Token.Reveal(); successor != "" {
						before++
						require.False(t, works(t, h.process(0), successor), "a successor has outlived its token")
					}
				}
			}
			t.Logf("%d rotations were made before the end", before)
		})
	}
}

// What was minted with a proof of before the end of all of an account's tokens does not outlive it, also
// where the account is made again in that moment.
func TestMintAgainstTheEnd(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"delete", "password changed", "suspend", "two-factor off", "reset"} {
		t.Run(name, func(t *testing.T) {
			before := 0
			for round := range raceRounds {
				h := newHouse(t, 4)
				o := h.enroll("ada")
				var again gatehouse.Session
				calls := []func(){func() {
					if err := ends[name](h.process(round), o, "", ""); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if name == "delete" {
						var err error
						if again, err = h.process(round).vouch(o.id, h.time()); err != nil {
							t.Errorf("vouch: %v", err)
						}
					}
				}}
				made := make([]tokens.Minted, 8)
				for i := range made {
					calls = append(calls, func() {
						var err error
						made[i], err = h.process(i).tok.Mint(ctx, o.in(), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}})
						changed(t, err)
					})
				}
				atOnce(calls...)
				for _, m := range made {
					if text := m.Token.Reveal(); text != "" {
						before++
						require.False(t, works(t, h.process(0), text), "a token of before the end")
					}
				}
				if name == "delete" {
					m, err := h.process(0).tok.Mint(ctx, again, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}})
					require.NoError(t, err)
					require.True(t, works(t, h.process(1), m.Token.Reveal()), "the account that was made again has tokens of its own")
				}
			}
			t.Logf("%d were minted before the end", before)
		})
	}
}

// slow is a store that saves tokens late.
type slow struct {
	storage.Store
	wait func()
}

func (s slow) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	s.wait()
	return s.Store.SaveToken(ctx, t, prev)
}

// An account is deleted and made again between the two saves of a minting. Its owner has no second factor,
// without which the token would be denied for another reason.
func TestMintAcrossDeletion(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, 0)
	under, keys := memory.New(), keyring.Generate()
	var again gatehouse.Session
	for _, store := range []storage.Store{under, slow{under, func() {
		require.NoError(t, deleted(h.process(0).Operator("op-7").DeleteAccount(ctx, "ada")))
		again = h.vouch("ada")
	}}} {
		svc, err := gatehouse.New(store, gatehouse.Config{
			Issuer: "A", Keys: keys, Now: h.time,
		})
		require.NoError(t, err)
		h.add(svc)
	}
	ask := tokens.Request{Name: "ci", Scopes: tokens.Scopes{"logs:read"}}
	m, err := h.process(1).tok.Mint(ctx, h.vouch("ada"), ask)
	require.NoError(t, err)
	require.False(t, works(t, h.process(0), m.Token.Reveal()))
	m, err = h.process(0).tok.Mint(ctx, again, ask)
	require.NoError(t, err)
	require.True(t, works(t, h.process(0), m.Token.Reveal()))
}

// An expired token is renewed and works, or is purged and is gone: nobody is told that a token was
// renewed that is not there.
func TestPurgeAgainstRenew(t *testing.T) {
	ctx := context.Background()
	renewed := 0
	for range 4 * raceRounds {
		h := newHouse(t, 4)
		o := h.enroll("ada")
		text, id := o.mint(time.Minute)
		h.now.Add(61)
		in, before := o.in(), h.time()
		wait := rand.N(100 * time.Microsecond) // the purge has less to do first
		var ok bool
		var w gatehouse.Progress
		atOnce(
			func() {
				_, err := h.process(0).tok.Renew(ctx, in, id, 0)
				ok = changed(t, err)
			},
			func() {
				time.Sleep(wait)
				var err error
				if w, err = h.process(1).tok.Operator(h.process(1).Operator("cron")).Purge(ctx, before, "", nil); err != nil {
					t.Errorf("purge: %v", err)
				}
			},
		)
		require.Equal(t, ok, works(t, h.process(2), text))
		list := listed(t, h.process(3).tok, o.id)
		require.Equal(t, ok, len(list) == 1)
		require.Equal(t, !ok, w.Done == 1)
		if ok {
			renewed++
		}
	}
	t.Logf("%d of %d were renewed", renewed, 4*raceRounds)
}

// A token is purged between the two sides of a change: it is gone as if it had never been, and no fault.
func TestPurgeAcrossChange(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		call func(h *house, s *node, o *owner, text, old, id string) error
		want error
	}{
		"revoke presented": {func(_ *house, s *node, _ *owner, text, _, _ string) error { return s.tok.RevokePresented(ctx, text) }, nil},
		"operator revokes": {func(_ *house, s *node, _ *owner, _, _, id string) error {
			return s.tok.Operator(s.Operator("op-7")).Revoke(ctx, id)
		}, nil},
		"owner revokes": {func(_ *house, s *node, o *owner, _, _, id string) error { return s.tok.Revoke(ctx, o.in(), id) }, gatehouse.ErrNotFound},
		"an old copy": {func(_ *house, s *node, _ *owner, _, old, _ string) error {
			_, err := s.tok.Check(ctx, old, netip.Addr{})
			return err
		}, gatehouse.ErrDenied},
		"an old copy rotates itself": {func(_ *house, s *node, _ *owner, _, old, _ string) error {
			_, err := s.tok.RotateSelf(ctx, old, netip.Addr{}, tokens.Rotation{})
			return err
		}, gatehouse.ErrDenied},
		"warn": {func(h *house, s *node, _ *owner, _, _, _ string) error {
			h.now.Add(24 * 3600)
			w, err := s.tok.Operator(s.Operator("cron")).WarnExpiring(ctx, "", nil)
			require.Zero(t, w.Done)
			return err
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 0)
			under, keys := memory.New(), keyring.Generate()
			id := ""
			purges := slow{under, func() {
				rec, _, err := under.LoadToken(ctx, id)
				require.NoError(t, err)
				require.NoError(t, under.DeleteToken(ctx, id, rec.Version))
			}}
			for _, store := range []storage.Store{under, purges} {
				svc, err := gatehouse.New(store, gatehouse.Config{Issuer: "A", Keys: keys, Recovery: gatehousetest.CheapRecovery(), Now: h.time})
				require.NoError(t, err)
				h.add(svc)
			}
			o := h.enroll("ada")
			var old string
			old, id = o.mint(8 * 24 * time.Hour)
			made, err := h.process(0).tok.Rotate(ctx, o.in(), id, tokens.Rotation{})
			require.NoError(t, err)
			err = c.call(h, h.process(1), o, made.Token.Reveal(), old, id)
			if c.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.want)
			}
			_, _, err = under.LoadToken(ctx, id)
			require.ErrorIs(t, err, storage.ErrNotFound)
		})
	}
}
