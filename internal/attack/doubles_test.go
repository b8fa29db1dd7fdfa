package attack_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// spy counts what a keyring is asked, and lets a test answer in its place. A TOTP guess is evaluated
// only after a secret was opened, so opens bound how many were.
type spy struct {
	*keyring.Ring
	opens   atomic.Int64
	open    func(ctx context.Context, sealed []byte, b keyring.Binding) ([]byte, error)
	seal    func(ctx context.Context, plain []byte, b keyring.Binding) ([]byte, error)
	keyName func(sealed []byte) (string, error)
}

func (s *spy) Open(ctx context.Context, sealed []byte, b keyring.Binding) ([]byte, error) {
	s.opens.Add(1)
	if s.open != nil {
		return s.open(ctx, sealed, b)
	}
	return s.Ring.Open(ctx, sealed, b)
}

func (s *spy) Seal(ctx context.Context, plain []byte, b keyring.Binding) ([]byte, error) {
	if s.seal != nil {
		return s.seal(ctx, plain, b)
	}
	return s.Ring.Seal(ctx, plain, b)
}

func (s *spy) KeyName(sealed []byte) (string, error) {
	if s.keyName != nil {
		return s.keyName(sealed)
	}
	return s.Ring.KeyName(sealed)
}

// spied sets a spy in the place of the keys that seal secrets.
func spied(s *spy) func(*settings) {
	return func(c *settings) { s.Ring, c.Sealer = c.Keys, s }
}

// twin is another process: a Service of its own on the same store, with the same keys and clock.
func (h *house) twin() *house {
	h.t.Helper()
	same := func(c *settings) { c.Keys, c.Now = h.keys, h.clock }
	two := houseOn(h.t, h.store, append([]func(*settings){same}, h.edits...)...)
	two.keys = h.keys
	return two
}

// copy is the owner on a store of their own, as everything is now, which costs less than to enroll.
func (o *owner) copy(t testing.TB) *owner {
	t.Helper()
	store := memory.New()
	for _, r := range o.h.records() {
		require.NoError(t, store.SaveAccount(context.Background(), r, 0))
	}
	for _, token := range o.h.tokenRecords() {
		require.NoError(t, store.SaveToken(context.Background(), token, 0))
	}
	c := *o
	c.h = houseOn(t, store, append([]func(*settings){func(c *settings) { c.Keys = o.h.keys }}, o.h.edits...)...)
	c.h.keys, c.h.now = o.h.keys, o.h.clock()
	return &c
}

// set moves the clock to a time, back too.
func (h *house) set(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = t
}

func (h *house) record(id string) storage.Record {
	h.t.Helper()
	r, err := h.store.LoadAccount(context.Background(), id)
	require.NoError(h.t, err)
	return r
}

// accountData is an account as it is stored.
type accountData = core.Account

// account is what is stored of one.
func (h *house) account(id string) core.Account {
	h.t.Helper()
	a, err := core.Decode(id, h.record(id).Data)
	require.NoError(h.t, err)
	return a
}

// put stores data as an account's, whatever was stored before.
func (h *house) put(id string, data []byte) {
	h.t.Helper()
	ctx := context.Background()
	r, err := h.store.LoadAccount(ctx, id)
	if !errors.Is(err, storage.ErrNotFound) {
		require.NoError(h.t, err)
	}
	prev := r.Version
	r.ID, r.Data, r.Version = id, data, prev+1
	require.NoError(h.t, h.store.SaveAccount(ctx, r, prev))
}

// tamper changes what is stored of an account behind the Service's back.
func (h *house) tamper(id string, edit func(*accountData)) {
	h.t.Helper()
	a := h.account(id)
	edit(&a)
	data, err := a.Encode()
	require.NoError(h.t, err)
	h.put(id, data)
}

// records are all accounts that are stored.
func (h *house) records() []storage.Record {
	h.t.Helper()
	all, err := h.store.Accounts(context.Background(), "", 1<<20)
	require.NoError(h.t, err)
	return all.Records
}

// tokenRecords are all tokens that are stored.
func (h *house) tokenRecords() []storage.TokenRecord {
	h.t.Helper()
	all, err := h.store.AllTokens(context.Background(), "", 1<<20)
	require.NoError(h.t, err)
	return all.Records
}

// dump is all that is stored, as text, with the versions, but for the usage of tokens.
func (h *house) dump() string {
	h.t.Helper()
	var b strings.Builder
	for _, r := range h.records() {
		fmt.Fprintf(&b, "%q %d %s %+v\n", r.ID, r.Version, r.Data, r.Index)
	}
	for _, t := range h.tokenRecords() {
		fmt.Fprintf(&b, "%q of %q %d %s %+v\n", t.ID, t.AccountID, t.Version, t.Data, t.Index)
	}
	return b.String()
}

// unchanged fails the test if f changes anything that is stored.
func (h *house) unchanged(f func(), what ...any) {
	h.t.Helper()
	before := h.dump()
	f()
	require.Equal(h.t, before, h.dump(), what...)
}

// atOnce calls f n times at once, and returns what each call returned.
func atOnce(n int, f func(i int) error) []error {
	errs, start := make([]error, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// faulty is a store in which a call can go wrong. Calls that change nothing but tokens are not asked.
type faulty struct {
	storage.Store
	calls atomic.Int64
	// hook is asked at every load and save of an account, counted from 1. nil: none goes wrong.
	hook func(n int64, call string) fault
}

// fault is how a call goes wrong.
type fault struct {
	before    error // instead of the call
	after     error // after it was made
	panics    bool
	meanwhile func() // before it is made
}

var errStore = errors.New("the store is on fire")

func (f *faulty) call(name string, do func() error) error {
	n := f.calls.Add(1)
	var wrong fault
	if f.hook != nil {
		wrong = f.hook(n, name)
	}
	if wrong.meanwhile != nil {
		wrong.meanwhile()
	}
	if wrong.panics {
		panic("the store has lost its mind")
	}
	if wrong.before != nil {
		return wrong.before
	}
	if err := do(); wrong.after == nil {
		return err
	}
	return wrong.after
}

func (f *faulty) LoadAccount(ctx context.Context, id string) (r storage.Record, err error) {
	err = f.call("load", func() error { r, err = f.Store.LoadAccount(ctx, id); return err })
	return r, err
}

func (f *faulty) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return f.call("save", func() error { return f.Store.SaveAccount(ctx, r, prev) })
}

// fails gives wrong codes until n were counted, each as soon as it is looked at.
func (o *owner) fails(n int) {
	o.h.t.Helper()
	for i := range n {
		_, err := o.h.StepUp(context.Background(), o.id, o.wrong())
		d := deniedOf(o.h.t, err)
		if i < n-1 && !d.RetryAt.IsZero() {
			o.h.set(d.RetryAt)
		}
	}
}

// deniedOf returns the DeniedError that an error has to be.
func deniedOf(t testing.TB, err error) gatehouse.DeniedError {
	t.Helper()
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	var d *gatehouse.DeniedError
	require.ErrorAs(t, err, &d)
	return *d
}

// untag takes the tags of the owner's recovery codes away, as where the key that they are under has left the ring. Wrong
// codes then cost Argon2id and are counted.
func (o *owner) untag() {
	o.h.t.Helper()
	o.h.tamper(o.id, func(a *accountData) {
		a.Recovery.Tags = nil
		for i := range a.Recovery.Slots {
			a.Recovery.Slots[i].Tag = ""
		}
	})
}

// wrongRecovery returns a well-formed recovery code that the owner does not have: under the selector
// of one that the owner does have, or under none.
func (o *owner) wrongRecovery(slot bool) string {
	right := o.codes[0].Reveal()
	for _, first := range "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
		taken := false
		if slot && o.codes[0].Selector() == byte(first) {
			continue // which tests use
		}
		for _, c := range o.codes {
			taken = taken || c.Selector() == byte(first)
		}
		if taken != slot {
			continue
		}
		for _, last := range "01" {
			if code := fmt.Sprintf("%c%s%c", first, right[1:len(right)-1], last); code != right {
				return code
			}
		}
	}
	panic("no such code")
}
