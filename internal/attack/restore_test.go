package attack_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// backup is all that a store holds.
type backup struct {
	accounts []storage.Record
	tokens   []storage.TokenRecord
}

func (h *house) backup() backup { return backup{h.records(), h.tokenRecords()} }

// restore puts the store back, under the versions that the backup has, as a database does.
func (h *house) restore(b backup) {
	h.t.Helper()
	ctx := context.Background()
	for _, r := range h.records() {
		require.NoError(h.t, h.store.DeleteAccount(ctx, r.ID))
	}
	for _, r := range b.accounts {
		require.NoError(h.t, h.store.SaveAccount(ctx, r, 0))
	}
	for _, r := range b.tokens {
		require.NoError(h.t, h.store.SaveToken(ctx, r, 0))
	}
}

func (h *house) afterRestore(what gatehouse.Restoration) {
	h.t.Helper()
	_, err := h.Operator("op-1").Because("disk").AfterRestore(context.Background(), what, "", nil)
	require.NoError(h.t, err)
}

// TestAfterRestore has what was used up after a backup come back with it, and be ended.
func TestAfterRestore(t *testing.T) {
	ctx := context.Background()
	var told recorder
	h, _ := judgedHouse(t, observed(&told))
	o := h.enroll("u")
	bare := h.vouch("bare")
	reset := h.enroll("reset")
	operatorCode, err := h.Operator("op-1").Reset(ctx, reset.id)
	require.NoError(t, err)
	pending, key := h.begin(o.proof, gatehouse.EnrollmentRequest{Name: "Second"})
	b := h.backup()

	// What is used up now is fresh again in the backup.
	code, recoveryCode, challenge := o.code(), o.codes[0].Reveal(), o.challenge()
	operatorChallenge := reset.challenge()
	use := func() []error {
		var errs []error
		for _, c := range []struct{ id, code string }{{o.id, code}, {o.id, o.code(1)}, {o.id, recoveryCode}} {
			_, err := h.StepUp(ctx, c.id, c.code)
			errs = append(errs, err)
		}
		_, err := h.RedeemOperatorCode(ctx, operatorChallenge, operatorCode.Reveal())
		errs = append(errs, err)
		_, err = h.Answer(ctx, challenge, o.codes[1].Reveal())
		errs = append(errs, err)
		_, err = h.Owner(o.proof).ConfirmEnrollment(ctx, pending.ID, h.codeOf(key, 0))
		return append(errs, err)
	}
	require.Equal(t, make([]error, 6), use())
	h.restore(b)
	require.Equal(t, make([]error, 6), use(), "a store that was put back cannot know better")
	h.restore(b)
	told.take()

	h.afterRestore(gatehouse.Restoration{})
	restored := "account.restored, op-1, disk"
	events := slices.DeleteFunc(told.take(), func(e string) bool { return e == "posture.changed" })
	require.Equal(t, []string{restored, restored, restored, "enrollment.abandoned, Second"}, events)
	for i, err := range use() {
		if i == 5 {
			require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
			continue
		}
		require.ErrorIs(t, err, gatehouse.ErrDenied, "%d", i)
	}
	require.ErrorIs(t, begun(h.Owner(bare), gatehouse.EnrollmentRequest{Label: "x"}), gatehouse.ErrStepUpRequired)

	st := must(h.Account(ctx, o.id))
	require.True(t, st.Protected)
	require.Equal(t, 10, st.RecoveryCodes.Total)
	require.Zero(t, st.RecoveryCodes.Left)
	require.Nil(t, st.Pending)
	st = must(h.Account(ctx, reset.id))
	require.True(t, st.Protected, "the password alone is not enough")
	require.True(t, st.Reset.CodeUsed)
	require.False(t, st.OperatorCode.Available)
	activity := must(h.Activity(ctx, o.id))
	i := 0
	for activity[i].Kind != event.AccountRestored {
		i++
	}
	require.Equal(t, [2]string{"op-1", "disk"}, [2]string{activity[i].OperatorID, activity[i].Reason})
	require.Equal(t, "account.restored", string(activity[i].Kind))

	// The posture says what the owner has to do, and asks about no use that there was not.
	r := h.review(o.id)
	require.Equal(t, posture.Fail, state(r, posture.RecoveryCodesExist))
	require.Equal(t, posture.Pass, state(r, posture.RecoveryUseSeen))

	// The authenticator works again after a minute and a half.
	h.wait(90 * time.Second)
	v, err := o.signIn(o.code())
	require.NoError(t, err)
	fresh, err := h.Owner(v.Session.Proof).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	_, err = o.signIn(fresh.Codes[0].Reveal())
	require.NoError(t, err)
	_, err = h.Operator("op-1").Reset(ctx, reset.id)
	require.NoError(t, err)
}

// No step that can have been accepted by now is accepted after it, whatever window, drift and offset there
// are, and the next one is.
func TestAfterRestoreUsesUpSteps(t *testing.T) {
	ctx := context.Background()
	for _, w := range []totp.Window{{}, {Past: 1, Ahead: 1}, {Past: 2, Ahead: 2}, {Ahead: 2}, {Past: 2}} {
		for _, base := range []int{0, -20, 20} {
			h := newHouse(t, func(c *settings) { c.Window = &w })
			o := h.enroll("u")
			h.tamper(o.id, func(a *accountData) { a.Authenticators[0].Base = base })
			before := h.account(o.id).Authenticators[0]
			h.afterRestore(gatehouse.Restoration{KeepRecoveryCodes: true})
			last := h.account(o.id).Authenticators[0].Last
			require.Equal(t, max(totp.Step(h.clock())+int64(max(base, 0)+w.Ahead), before.Last), last)

			_, err := h.StepUp(ctx, o.id, h.codeOf(o.key, last-totp.Step(h.clock())))
			require.ErrorIs(t, err, gatehouse.ErrDenied)
			h.wait(time.Duration(last+1-int64(base)-totp.Step(h.clock())) * totp.Period)
			_, err = h.StepUp(ctx, o.id, h.codeOf(o.key, last+1-totp.Step(h.clock())))
			require.NoError(t, err, "%+v, base %d", w, base)
		}
	}
}

func TestAfterRestoreKeeps(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	o := h.enroll("u")
	text, _ := o.mint("logs:read")
	// A step within the hour that the clock may run back stays. One farther ahead is of a clock that was wrong.
	ahead := totp.Step(h.clock()) + 121
	for _, before := range []int64{ahead, ahead + 1} {
		h.tamper(o.id, func(a *accountData) { a.Authenticators[0].Last = before })
		h.afterRestore(gatehouse.Restoration{KeepRecoveryCodes: true})
		want := before
		if before > ahead {
			want = totp.Step(h.clock()) + 1
		}
		require.Equal(t, want, h.account(o.id).Authenticators[0].Last)
	}
	h.good(text)
	_, err := o.signIn(o.codes[0].Reveal())
	require.NoError(t, err)

	h.afterRestore(gatehouse.Restoration{RevokeTokens: true})
	h.bad(text, "all tokens are revoked")
	require.Equal(t, event.TokensRevoked, must(h.Activity(ctx, o.id))[0].Kind)
	used := h.account(o.id).Recovery.Slots
	h.afterRestore(gatehouse.Restoration{})
	require.Equal(t, used, h.account(o.id).Recovery.Slots, "a second time voids nothing more")
}

// Interrupted at any call of the store, it goes on where it was, and no account is left out.
func TestAfterRestoreInterrupted(t *testing.T) {
	ctx := context.Background()
	for _, fault := range []gatehousetest.Fault{gatehousetest.Fail, gatehousetest.Conflict, gatehousetest.LoseReply, gatehousetest.Repeat} {
		for n := 1; ; n++ {
			store := gatehousetest.NewStore(memory.New())
			h := houseOn(t, store)
			var owners []*owner
			for i := range 3 {
				owners = append(owners, h.enroll(fmt.Sprint("u", i)))
			}
			calls := 0
			store.Inject(func(string) gatehousetest.Fault {
				if calls++; calls == n {
					return fault
				}
				return gatehousetest.None
			})
			last := gatehouse.Progress{}
			r, err := h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", func(r gatehouse.Progress) { last = r })
			store.Inject(nil)
			if calls < n {
				break // no call is left to fail
			}
			require.Equal(t, last, r, "what was told last is where to go on")
			for try := 0; err != nil; try++ {
				require.ErrorIs(t, err, gatehousetest.ErrFault)
				require.Less(t, try, 2)
				r, err = h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, r.Cursor, nil)
			}
			require.Equal(t, "u2", r.Cursor)
			for _, o := range owners {
				_, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
				require.ErrorIs(t, err, gatehouse.ErrDenied, "fault %d at call %d", fault, n)
			}
		}
	}
}

func TestAfterRestorePassesOverWhatCannotBeRead(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("u1")
	h.put("u0", []byte("{"))
	r, err := h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
	require.ErrorContains(t, err, "passed over")
	require.Equal(t, gatehouse.Progress{Seen: 2, Done: 1, Failed: 1, Cursor: "u1"}, r)
	require.Zero(t, must(h.Account(ctx, o.id)).RecoveryCodes.Left)

	cut, cancel := context.WithCancel(ctx)
	r, err = h.Operator("op").AfterRestore(cut, gatehouse.Restoration{}, "", func(gatehouse.Progress) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "u0", r.Cursor)
}

// Beside it, each owner gets in with a code at most once, and no recovery code works after it.
func TestAfterRestoreBesideSignIns(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	var owners []*owner
	for i := range 20 {
		owners = append(owners, h.enroll(fmt.Sprint("u", i)))
	}
	var wg sync.WaitGroup
	var walk error
	wg.Go(func() { _, walk = h.twin().Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil) })
	for _, o := range owners {
		wg.Go(func() {
			in := 0
			for _, err := range atOnce(3, func(int) error { _, err := h.StepUp(ctx, o.id, o.codes[0].Reveal()); return err }) {
				if err == nil {
					in++
				} else if !errors.Is(err, gatehouse.ErrDenied) {
					t.Error(err)
				}
			}
			if in > 1 {
				t.Errorf("%s: %d times", o.id, in)
			}
		})
	}
	wg.Wait()
	require.NoError(t, walk)
	for _, o := range owners {
		require.Zero(t, must(h.Account(ctx, o.id)).RecoveryCodes.Left)
		_, err := h.StepUp(ctx, o.id, o.codes[1].Reveal())
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
}

// Reviews shows what Review does, account by account, and goes on where it was ended.
func TestReviews(t *testing.T) {
	ctx := context.Background()
	h, _ := judgedHouse(t)
	for i := range 3 {
		h.enroll(fmt.Sprint("u", i))
	}
	h.put("u1", []byte("{"))
	var seen []string
	look := func(id string, r posture.Review, err error) bool {
		if err == nil {
			require.Equal(t, h.review(id), r)
			id += fmt.Sprint(" ", r.Level)
		}
		seen = append(seen, id)
		return len(seen) != 2
	}
	require.NoError(t, h.Operator("op").Reviews(ctx, "", look))
	require.Equal(t, []string{"u0 1", "u1"}, seen)
	require.NoError(t, h.Operator("op").Reviews(ctx, "u1", look))
	require.Equal(t, []string{"u0 1", "u1", "u2 1"}, seen)

	// An account that cannot be read may be shut out: it is named, with the error, and the next follows.
	var out []string
	for id, err := range h.Operator("op").pos.ShutOut(ctx, posture.MintToken, "") {
		require.Equal(t, id == "u1", err != nil, id)
		out = append(out, id)
	}
	require.Contains(t, out, "u1")
}
