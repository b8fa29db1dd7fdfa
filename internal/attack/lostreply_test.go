package attack_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// lossy is a store that makes a save, has others save after it, and says that the save met a conflict.
type lossy struct {
	storage.Store
	lose   string // "account" or "token": the next save of one; "": none
	others int    // how many saves come after it
}

func (s *lossy) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	err := s.Store.SaveAccount(ctx, r, prev)
	if err != nil || s.lose != "account" {
		return err
	}
	s.lose = ""
	for range s.others {
		a, err := core.Decode(r.ID, r.Data)
		if err != nil {
			return err
		}
		a.Ancestry = a.Ancestry.Then(r.Version)
		prev = r.Version
		if r.Data, err = a.Encode(); err != nil {
			return err
		}
		r.Version++
		if err := s.Store.SaveAccount(ctx, r, prev); err != nil {
			return err
		}
	}
	return storage.ErrConflict
}

func (s *lossy) SaveToken(ctx context.Context, r storage.TokenRecord, prev int64) error {
	err := s.Store.SaveToken(ctx, r, prev)
	if err != nil || s.lose != "token" {
		return err
	}
	s.lose = ""
	for range s.others {
		t, err := decodeToken(r)
		if err != nil {
			return err
		}
		ancestry := field[core.Ancestry](t, "Ancestry")
		*ancestry = ancestry.Then(r.Version)
		prev = r.Version
		if r.Data, err = t.encode(); err != nil {
			return err
		}
		r.Version++
		if err := s.Store.SaveToken(ctx, r, prev); err != nil {
			return err
		}
	}
	return storage.ErrConflict
}

func (s *lossy) DeleteAccount(ctx context.Context, id string) error {
	err := s.Store.DeleteAccount(ctx, id)
	if err != nil || s.lose != "deletion" {
		return err
	}
	s.lose = ""
	return storage.ErrConflict
}

// Row K10: a save whose reply is lost, with saves of others before the record is read again. As long as the record
// tells that it was made, its answer stands. Where it does not, a success is never told as a denial.
func TestLostReplyAndAnotherSave(t *testing.T) {
	ctx := context.Background()
	mint := func(o *owner) func() error {
		face := o.h.Owner(o.fresh())
		return func() error {
			m, err := face.Mint(ctx, tokens.Request{Kind: tokens.Personal, Name: "laptop", Scopes: tokens.Scopes{"logs:read"}})
			if err == nil {
				o.h.good(m.Token.Reveal())
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		lose string
		run  func(o *owner) (do func() error)
		twin bool // what is not known to be done can be done a second time, and is
	}{
		"TOTP": {"account", func(o *owner) func() error {
			challenge, code := o.challenge(), o.code()
			return func() error { _, err := o.h.Answer(ctx, challenge, code); return err }
		}, false},
		"recovery code": {"account", func(o *owner) func() error {
			return func() error { _, err := o.h.StepUp(ctx, o.id, o.codes[3].Reveal()); return err }
		}, false},
		"confirm": {"account", func(o *owner) func() error {
			enr, key := o.h.begin(o.stepUp(o.code()), gatehouse.EnrollmentRequest{Name: "Second"})
			face, code := o.h.Owner(o.proof), o.h.codeOf(key, 0)
			return func() error { _, err := face.ConfirmEnrollment(ctx, enr.ID, code); return err }
		}, false},
		"regenerate": {"account", func(o *owner) func() error {
			face := o.h.Owner(o.stepUp(o.code()))
			return func() error {
				made, err := face.RegenerateRecoveryCodes(ctx)
				if err == nil {
					_, err = o.h.StepUp(ctx, o.id, made.Codes[0].Reveal())
				}
				return err
			}
		}, false},
		"mint, the account": {"account", mint, true},
		"mint, the token":   {"token", mint, true},
		"rotate": {"token", func(o *owner) func() error {
			_, info := o.mint("logs:read")
			face := o.h.Owner(o.fresh())
			return func() error {
				m, err := face.Rotate(ctx, info.ID, tokens.Rotation{Seen: info})
				if err == nil {
					o.h.good(m.Token.Reveal())
				}
				return err
			}
		}, false},
		"revoke": {"token", func(o *owner) func() error {
			_, info := o.mint("logs:read")
			face := o.h.Owner(o.fresh())
			return func() error { return face.Revoke(ctx, info.ID) }
		}, true},
		"delete": {"deletion", func(o *owner) func() error {
			return func() error { return deleted(o.h.Operator("op").DeleteAccount(ctx, o.id)) }
		}, true},
	} {
		for _, others := range []int{0, 1, 16, 17, 40} {
			t.Run(fmt.Sprintf("%s, %d others", name, others), func(t *testing.T) {
				store := &lossy{Store: memory.New()}
				h := houseOn(t, store, withTokens(t))
				do := c.run(h.enroll("user-42"))
				store.lose, store.others = c.lose, others
				err := do()
				require.Empty(t, store.lose, "a reply was lost")
				if others <= 16 || c.twin {
					require.NoError(t, err)
				} else {
					require.Error(t, err)
					require.False(t, isAnswer(err), "a fault, and no denial: %v", err)
					require.ErrorContains(t, err, "try the next one")
				}
				if !c.twin {
					require.True(t, isAnswer(do()), "it was made, once")
				}
			})
		}
	}
}

// Row K10: a save that has met a real conflict is decided anew, on a record that is as old as can be and on one that
// is new, and wrong codes count once.
func TestConflictThatIsOne(t *testing.T) {
	ctx := context.Background()
	for _, others := range []int{1, 16} {
		o, store := onFaulty(t)
		store.hook = func(_ int64, call string) (f fault) {
			if call == "save" {
				store.hook = nil
				f.meanwhile = func() {
					for range others {
						o.touch(t)
					}
				}
			}
			return f
		}
		_, err := o.h.StepUp(ctx, o.id, o.wrong())
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.Equal(t, 1, o.h.account(o.id).TOTPThrottle.Failures)
		_, err = o.h.StepUp(ctx, o.id, o.code())
		require.NoError(t, err)
	}
}

// touch is another process that saves the account.
func (o *owner) touch(t *testing.T) {
	rec := o.h.record(o.id)
	a := o.h.account(o.id)
	a.Ancestry = a.Ancestry.Then(rec.Version)
	data, err := a.Encode()
	require.NoError(t, err)
	prev := rec.Version
	rec.Version, rec.Data = rec.Version+1, data
	require.NoError(t, o.h.store.SaveAccount(context.Background(), rec, prev))
}
