package attack_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/keyring"
)

// Row K4: an hour in which somebody with the password sends ten wrong recovery codes a second. None of them gets to
// Argon2id, whose gate is held all the time. The owner comes ten times with a right code, and gets in each time at
// once; and so does one whom an operator has given a code.
func TestRecoveryCodesUnderFire(t *testing.T) {
	ctx := context.Background()
	o, store := onFaulty(t)
	h := o.h
	saves := 0
	store.hook = func(_ int64, call string) (none fault) {
		if call == "save" {
			saves++
		}
		return none
	}
	release := holdArgon2(t)
	challenge := o.challenge()
	second := func(fire func() error) {
		for range 10 {
			require.Equal(t, &gatehouse.DeniedError{}, fire(), "wrong, and nothing is locked")
		}
		h.wait(time.Second)
	}
	wrong := []string{o.wrongRecovery(true), o.wrongRecovery(false)}
	shots := 0
	fire := func() error {
		shots++
		if shots%2 == 0 {
			_, err := h.StepUp(ctx, o.id, wrong[shots/2%2])
			return err
		}
		_, err := h.Answer(ctx, challenge, wrong[shots/2%2])
		return err
	}
	for at := range 3600 {
		if at%240 == 0 { // challenges live for five minutes, and end with each sign-in of the owner
			challenge = o.challenge()
		}
		second(fire)
		if at%360 == 200 {
			release()
			v, err := o.signIn(o.codes[at/360].Reveal())
			require.NoError(t, err)
			require.Equal(t, 9-at/360, v.CodesLeft)
			release = holdArgon2(t)
			challenge = o.challenge()
		}
	}
	a := h.account(o.id)
	require.Zero(t, a.RecoveryThrottle, "nothing was taken from the throttle")
	require.LessOrEqual(t, saves, 10+600+10+10, "ten at once and one in six seconds are kept, and what the owner does")
	require.GreaterOrEqual(t, saves, 600)
	activity, err := h.Activity(ctx, o.id)
	require.NoError(t, err)
	denials := 0
	for _, e := range activity {
		if e.Kind == event.CodeDenied && e.Method == event.MethodRecoveryCode {
			denials += e.Count
		}
	}
	require.Positive(t, denials, "the owner sees it")

	release()
	code, err := h.Operator("op").Reset(ctx, o.id)
	require.NoError(t, err)
	release = holdArgon2(t)
	challenge = o.challenge()
	mistyped := strings.NewReplacer("0", "1", "1", "0", "2", "3", "3", "2", "4", "5", "5", "4", "A", "B", "B", "A", "C", "D", "D", "C").Replace(code.Reveal()[1:])
	require.NotEqual(t, code.Reveal()[1:], mistyped)
	for range 120 {
		second(func() error {
			_, err := h.Answer(ctx, challenge, wrong[0])
			return err
		})
		second(func() error {
			_, err := h.RedeemOperatorCode(ctx, challenge, code.Reveal()[:1]+mistyped)
			return err
		})
	}
	release()
	_, err = h.RedeemOperatorCode(ctx, challenge, code.Reveal())
	require.NoError(t, err)
}

// Row K4: where the key of the tags has left the ring, or another has taken its name, or they are another account's,
// codes work without tags as they ever did: one run each, counted by the throttle.
func TestTagsWithoutTheirKey(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	base, other := h.enroll("user-42"), h.enroll("user-43")
	name := h.keys.Primary()
	fresh := keyring.Generate().Reveal()
	ring := func(lines ...string) *keyring.Ring {
		r, err := keyring.Parse(strings.Join(lines, "\n"))
		require.NoError(t, err)
		return r
	}
	_, secret, _ := strings.Cut(keyring.Generate().Reveal(), ":")
	for what, c := range map[string]struct {
		keys   *keyring.Ring
		edit   func(*accountData)
		tagged bool
	}{
		"as they are":              {h.keys, func(*accountData) {}, true},
		"an older key":             {ring(fresh, h.keys.Reveal()), func(*accountData) {}, true},
		"the key is gone":          {ring(fresh), func(*accountData) {}, false},
		"another key of that name": {ring(name + ":" + secret), func(*accountData) {}, false},
		"of another account": {h.keys, func(a *accountData) {
			theirs := h.account(other.id).Recovery
			a.Recovery.Tags = theirs.Tags
			for i := range a.Recovery.Slots {
				a.Recovery.Slots[i].Tag = theirs.Slots[i].Tag
			}
		}, false},
		"of another set": {h.keys, func(a *accountData) { a.Recovery.ID = "ANOTHER" }, false},
	} {
		o := base.copy(t)
		o.h.tamper(o.id, c.edit)
		o.h.Service = houseOn(t, o.h.store, func(cfg *settings) { cfg.Keys, cfg.Sealer, cfg.Now = c.keys, h.keys, o.h.clock }).Service
		for range 9 {
			_, err := o.h.StepUp(ctx, o.id, o.wrongRecovery(true))
			require.Equal(t, &gatehouse.DeniedError{}, err, what)
		}
		full := o.h.account(o.id).RecoveryThrottle.Full
		require.Equal(t, c.tagged, full == 0, what)
		_, err := o.h.StepUp(ctx, o.id, o.codes[1].Reveal())
		require.NoError(t, err, what)
	}
}

// Row K4: new codes are tagged under the primary key, each set and each account with others; used and voided codes
// leave nothing behind.
func TestTagsOfNewCodes(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	first := h.account(o.id).Recovery
	made, err := h.Owner(o.stepUp(o.code())).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	a := h.account(o.id)
	require.Equal(t, h.keys.Primary(), a.Recovery.Tags.Key)
	require.NotEqual(t, first.Tags.Check, a.Recovery.Tags.Check)
	seen := map[string]bool{}
	for _, slot := range a.Recovery.Slots {
		require.Len(t, slot.Tag, 3)
		require.Zero(t, slot.Tag[2]&0x0f, "20 bits")
		seen[slot.Tag] = true
	}
	require.Greater(t, len(seen), 7)

	_, err = h.StepUp(ctx, o.id, made.Codes[0].Reveal())
	require.NoError(t, err)
	require.Empty(t, h.account(o.id).Recovery.Slots[0].Tag)
	_, err = h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
	require.NoError(t, err)
	for _, slot := range h.account(o.id).Recovery.Slots {
		require.Empty(t, slot.Tag)
	}
	_, err = h.Operator("op").Reset(ctx, o.id)
	require.NoError(t, err)
	code := h.account(o.id).Reset.Code
	require.NotEmpty(t, code.Tag)
	require.Equal(t, h.keys.Primary(), code.Tags.Key)
}

// Row K4: what looks right by its tag costs one run, and is counted.
func TestTagThatIsRightByChance(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("user-42")
	a := h.account(o.id)
	wrong := o.wrongRecovery(true)
	mac, err := h.keys.MAC(a.Recovery.Tags.Key, []byte(wrong), keyring.Binding{Purpose: "recovery tag", Account: o.id, Item: a.Recovery.ID})
	require.NoError(t, err)
	h.tamper(o.id, func(a *accountData) {
		for i := range a.Recovery.Slots {
			if a.Recovery.Slots[i].Selector == wrong[:1] {
				a.Recovery.Slots[i].Tag = core.Tag(mac)
			}
		}
	})
	for i := range 10 {
		_, err = h.StepUp(context.Background(), o.id, wrong)
		require.Equal(t, i == 9, !deniedOf(t, err).RetryAt.IsZero())
	}
	running, waiting := queue.Argon2.Waiting()
	require.Zero(t, running+waiting)
	require.Equal(t, h.clock().Unix()+60, h.account(o.id).RecoveryThrottle.Full)
}
