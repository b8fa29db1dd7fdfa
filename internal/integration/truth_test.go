package integration_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
)

// history is what the invariants remember, apart from the model.
type history struct {
	epochs   epochs
	ended    epochs // token epochs
	steps    map[usedStep]bool
	redeemed map[string]bool // recovery and operator codes that were accepted

	decoded map[int64]core.Account // by version, as each is looked at many times
}

// epochs are all there were of a kind.
type epochs struct {
	known map[int64]epoch // by what is stored
	last  map[string]int  // by account, the number of the last one
}

// epoch is what a stored epoch is in the model.
type epoch struct {
	account string
	number  int
}

func newEpochs() epochs { return epochs{map[int64]epoch{}, map[string]int{}} }

func newHistory() history {
	return history{newEpochs(), newEpochs(), map[usedStep]bool{}, map[string]bool{}, map[int64]core.Account{}}
}

// usedStep is a step of which an authenticator's code was accepted.
type usedStep struct {
	auth string
	step int64
}

type snapshot map[string]storage.Record

func (m *machine) snapshot(t *rapid.T) snapshot {
	all := snapshot{}
	for _, id := range ids {
		if rec, err := m.truth.LoadAccount(context.Background(), id); err == nil {
			all[id] = rec
		} else {
			require.ErrorIs(t, err, storage.ErrNotFound)
		}
	}
	return all
}

// stored returns the account in a record. Nobody may change what it points to.
func (m *machine) stored(t *rapid.T, id string, r storage.Record) core.Account {
	if r.Version == 0 {
		return core.Account{ID: id}
	}
	a, known := m.decoded[r.Version]
	if !known {
		var err error
		a, err = core.Decode(id, r.Data)
		require.NoError(t, err)
		m.decoded[r.Version] = a
	}
	return a
}

// read returns what is stored of an account, in the terms of the model.
func (m *machine) read(t *rapid.T, id string) *account {
	return m.inModel(t, m.stored(t, id, m.snapshot(t)[id]))
}

func (m *machine) inModel(t *rapid.T, a core.Account) *account {
	r := &account{
		id: a.ID, stored: !a.Absent(), codes: codesOf(a.Recovery),
		strangers: streak{a.TOTPThrottle.Failures, a.TOTPThrottle.Until}, known: streak{a.TOTPThrottle.Known.Failures, a.TOTPThrottle.Known.Until},
		browsers: m.storedBrowsers(t, a), bucketFull: a.RecoveryThrottle.Full, missFull: a.Misses.Full,
		told:     [2]int64{a.TOTPThrottle.Alarm.At, a.TOTPThrottle.Alarm.Count},
		imported: a.Imported, signIns: a.SignIns, since: a.Since, epoch: m.epochs.number(a.ID, a.Epoch), tokenEpoch: m.ended.number(a.ID, a.TokenEpoch),
	}
	for _, auth := range a.Authenticators {
		r.apps = append(r.apps, m.appOf(t, a.ID, auth))
	}
	r.named = a.Handle != storage.Handle{}
	for _, k := range a.Passkeys {
		r.passkeys = append(r.passkeys, storedPasskey(k))
	}
	if p := a.Pending; p != nil {
		r.pending = &pending{passkey: p.Passkey, replace: p.Replace, codes: codesOf(p.Recovery), expires: p.Expires, tries: p.Tries}
		if p.Passkey {
			r.pending.app = app{id: p.Authenticator.ID, name: p.Authenticator.Name, created: p.Authenticator.Created}
		} else {
			r.pending.app = m.appOf(t, a.ID, p.Authenticator)
		}
	}
	if a.Reset != nil {
		r.reset = &reset{code: code{used: a.Reset.Code.Hash == ""}, at: a.Reset.At, expires: a.Reset.Expires, life: cmp.Or(a.Reset.Life, day)}
	}
	for _, d := range a.TOTPThrottle.Days {
		r.failed = append(r.failed, slices.Repeat([]int64{d[0]}, int(d[1]))...)
	}
	if a.Suspension != nil {
		r.suspended = a.Suspension.At
	}
	r.keepsNotices, r.noticesHeld = m.model[a.ID].keepsNotices, a.NoticesHeld
	for _, n := range a.Notices {
		r.outbox = append(r.outbox, storedNotice(n))
	}
	return r
}

// number returns the model's number of an epoch: that of one which was there before, the next one if
// it is new, and -1 for another account's.
func (n epochs) number(id string, stored int64) int {
	e, known := n.known[stored]
	switch {
	case stored == 0:
		return 0
	case !known:
		return n.last[id] + 1
	case e.account != id:
		return -1
	}
	return e.number
}

// note keeps the number of an epoch that is new.
func (n epochs) note(id string, stored int64) {
	if _, known := n.known[stored]; !known && stored != 0 {
		n.last[id]++
		n.known[stored] = epoch{id, n.last[id]}
	}
}

func codesOf(s *core.RecoverySet) *codes {
	if s == nil {
		return nil
	}
	c := &codes{id: s.ID, imported: s.Imported, created: s.Created, acknowledged: s.Acknowledged}
	for _, slot := range s.Slots {
		c.list = append(c.list, code{used: slot.Hash == "", eight: slot.Digits == 8})
	}
	return c
}

// appOf opens a secret in its place, and fails where it opens in another.
func (m *machine) appOf(t *rapid.T, id string, auth core.Authenticator) app {
	ctx, keys := context.Background(), m.procs[0].keys
	place := keyring.Binding{Purpose: "totp", Account: id, Item: auth.ID}
	plain, err := keys.Open(ctx, auth.Sealed, place)
	require.NoError(t, err)
	for _, other := range []keyring.Binding{
		{Purpose: "proof", Account: id, Item: auth.ID}, {Purpose: "totp", Account: id + "x", Item: auth.ID},
		{Purpose: "totp", Account: id, Item: auth.ID + "x"},
	} {
		_, err := keys.Open(ctx, auth.Sealed, other)
		require.ErrorIs(t, err, keyring.ErrOpen)
	}
	name, err := keys.KeyName(auth.Sealed)
	require.NoError(t, err)
	require.Equal(t, name, auth.Key)
	return app{
		id: auth.ID, name: auth.Name, key: key{string(plain), auth.Algorithm, auth.Digits, auth.Weak},
		sealedBy: auth.Key, last: auth.Last, steps: auth.Steps, base: auth.Base, created: auth.Created, used: auth.LastUsed,
	}
}

// adopt fills in what the model cannot know and nobody was told: the IDs of things, and the secret of
// an enrollment whose reply was lost.
func (a *account) adopt(stored *account) {
	for i := range min(len(a.apps), len(stored.apps)) {
		if a.apps[i].id == "" {
			a.apps[i].id = stored.apps[i].id
		}
	}
	if a.pending != nil && stored.pending != nil && a.pending.app.id == "" {
		a.pending.app.id, a.pending.app.key = stored.pending.app.id, stored.pending.app.key
	}
	for i := range min(len(a.outbox), len(stored.outbox)) {
		if a.outbox[i].id == (core.NoticeID{}) {
			a.outbox[i].id = stored.outbox[i].id
		}
	}
	a.codes.adopt(stored.codes)
	if a.pending != nil && stored.pending != nil {
		a.pending.codes.adopt(stored.pending.codes)
	}
}

// lookedAt has a wrong recovery code be one that Argon2id has looked at, which the bucket counts, where the model thinks
// that it missed: another call has come between, and the code was one of the account's before.
func (a *account) lookedAt(before, stored *account, now int64) (retryAt int64) {
	if a.missFull != before.missFull && stored.missFull == before.missFull && stored.bucketFull != before.bucketFull {
		a.missFull, a.bucketFull = stored.missFull, stored.bucketFull
		if free := a.bucketFull - 54; now < free {
			return free
		}
	}
	return 0
}

func (c *codes) adopt(stored *codes) {
	if c != nil && stored != nil && c.id == "" {
		c.id = stored.id
	}
}

func (a *account) clone() *account {
	c := *a
	c.apps, c.failed, c.tokenLog = slices.Clone(a.apps), slices.Clone(a.failed), slices.Clone(a.tokenLog)
	c.passkeys, c.outbox, c.browsers = slices.Clone(a.passkeys), slices.Clone(a.outbox), slices.Clone(a.browsers)
	c.codes = a.codes.clone()
	if a.pending != nil {
		p := *a.pending
		p.codes = p.codes.clone()
		c.pending = &p
	}
	if a.reset != nil {
		r := *a.reset
		c.reset = &r
	}
	return &c
}

func (c *codes) clone() *codes {
	if c == nil {
		return nil
	}
	d := *c
	d.list = slices.Clone(c.list)
	return &d
}

// shape is what of an account can be seen in the store: not the texts of codes. Its activity, of which
// only the last entries are kept, is looked at apart.
func (a *account) shape() *account {
	s := a.clone()
	if !s.stored {
		s.tokenEpoch = 0
		if !s.left() {
			s.epoch = 0
		}
	}
	s.tokenLog = nil
	if len(s.apps) == 0 {
		s.apps = nil
	}
	if len(s.passkeys) == 0 {
		s.passkeys = nil
	}
	if s.from = ""; len(s.browsers) == 0 {
		s.browsers = nil
	}
	if len(s.outbox) == 0 {
		s.outbox = nil
	}
	sets := []*codes{s.codes}
	if s.pending != nil {
		sets = append(sets, s.pending.codes)
	}
	for _, c := range sets {
		if c != nil {
			for i := range c.list {
				c.list[i].text, c.list[i].plain = "", false
			}
		}
	}
	if s.reset != nil {
		s.reset.code.text = ""
	}
	return s
}

func (a *account) equal(b *account) bool { return reflect.DeepEqual(a, b) }

// check holds everything that is stored after a call against the model and the invariants. before is
// what was stored just before the call.
func (m *machine) check(t *rapid.T, p *process, c call, before snapshot, ok bool, want answer) {
	after := m.snapshot(t)
	for _, id := range ids {
		if id != c.account {
			require.Equal(t, before[id], after[id], "the record of %q, whom the call was not about", id)
		}
	}
	old, now := m.stored(t, c.account, before[c.account]), m.stored(t, c.account, after[c.account])
	m.checkModel(t, now)

	// Invariant 1: no step is accepted twice, and they only increase unless the clock has run back by over an hour.
	if ok && want.app != "" {
		i := slices.IndexFunc(now.Authenticators, func(a core.Authenticator) bool { return a.ID == want.app })
		step := usedStep{want.app, now.Authenticators[i].Last}
		require.False(t, m.steps[step], "a step was accepted twice")
		m.steps[step] = true
		if before := old.Authenticators[i].Last; before-m.at(p)/30 <= hour/30 {
			require.Greater(t, step.step, before)
		}
	}
	// Invariant 3: while a method is locked nothing changes, however the code was.
	env, from := m.envOf(p), engine.BrowserDigests(c.account, c.browser)
	if c.guess == event.MethodTOTP && len(old.Authenticators) > 0 && !old.TOTPState(from, env).Available ||
		c.guess == event.MethodRecoveryCode && codesOf(old.Recovery).left() > codesOf(old.Recovery).eights() && !old.RecoveryState(from, env).Available {
		require.Equal(t, before[c.account], after[c.account], "locked")
	}
	// Invariant 5: what is pending changes nothing that is active.
	if c.staging && !(ok && now.Pending == nil && old.Epoch != now.Epoch) {
		a, b := old, now
		a.Pending, a.Activity, a.Noted, b.Pending, b.Activity, b.Noted = nil, nil, 0, nil, nil, 0
		a.Ancestry, b.Ancestry = nil, nil
		if c.names && a.Handle == (storage.Handle{}) {
			a.Handle = b.Handle
		}
		require.Equal(t, a, b)
	}
	// Invariant 6: without two-factor there are no codes, and what was pending or proven has ended.
	if now.Factors() == 0 {
		require.Nil(t, now.Recovery)
	}
	m.checkBrowsers(t, c, old, now, env)
	m.checkPasskeys(t, old, now, m.at(p))
	if old.Protected() && !now.Protected() {
		require.Nil(t, now.Pending)
		require.NotEqual(t, old.Epoch, now.Epoch)
	}
	// A change that changes nothing is not saved, and each save has a version of its own.
	if rec := after[c.account]; rec.Version != 0 {
		require.Equal(t, before[c.account].Version == rec.Version, bytes.Equal(before[c.account].Data, rec.Data))
		require.Equal(t, m.model[c.account].index(now), rec.Index)
		require.LessOrEqual(t, len(now.Activity), 24)
	}

	m.checkTokens(t, p, c.account)

	shown, err := p.Account(context.Background(), c.account)
	require.NoError(t, err)
	shown = exported(shown)
	shown.Activity, shown.CodeUseUnseen, shown.KeysCurrent = nil, time.Time{}, false // which the model has not
	require.Equal(t, m.model[c.account].shown(m.at(p)), shown)
}

// checkModel holds an account against the model, its epoch included.
func (m *machine) checkModel(t *rapid.T, a core.Account) {
	require.Equal(t, m.model[a.ID].shape(), m.inModel(t, a).shape())
	m.epochs.note(a.ID, a.Epoch)
	m.ended.note(a.ID, a.TokenEpoch)
	m.checkActivity(t, a)
	m.checkNotices(t, a)
}

// redeem notes that a recovery or operator code was accepted. Invariant 2.
func (m *machine) redeem(t *rapid.T, text string) {
	if c, ok := canonical(text); ok {
		text = c
	}
	require.False(t, m.redeemed[text], "a code was accepted twice")
	m.redeemed[text] = true
}

// exported returns a struct without the fields that are not exported.
func exported[T any](v T) (shown T) {
	from, to := reflect.ValueOf(v), reflect.ValueOf(&shown).Elem()
	for i := range to.NumField() {
		if to.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return shown
}

var errNotNothing = errors.New("an error came with something")

// nothing returns err, and another error where v came with it. Invariant 7.
func nothing(v any, err error) error {
	if err != nil && !reflect.ValueOf(v).IsZero() {
		return errNotNothing
	}
	return err
}
