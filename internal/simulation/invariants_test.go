package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// invariants holds what is stored against what must never happen, after each call.
type invariants struct {
	t *testing.T
	w *world

	records   map[string]storage.Record
	tokens    map[string]stored
	steps     map[string]int64  // the greatest step that was accepted, by authenticator
	counts    map[string]uint32 // of signatures, by passkey
	issues    map[string]int64  // of the last challenge that was accepted, by passkey
	handles   map[string]storage.Handle
	burned    map[core.Hash]bool // hashes of recovery codes that were used or taken away
	ended     map[int64]bool     // epochs that are over
	gone      map[string]bool    // authenticators and tokens of accounts that were deleted
	deletions map[string]int     // of accounts, which were looked at
	by        int                // the client whose call to the store was the last
	wrong     string
}

func newInvariants(t *testing.T, w *world) *invariants {
	return &invariants{
		t: t, w: w, records: map[string]storage.Record{}, tokens: map[string]stored{}, steps: map[string]int64{},
		burned: map[core.Hash]bool{}, ended: map[int64]bool{}, counts: map[string]uint32{}, issues: map[string]int64{}, handles: map[string]storage.Handle{}, gone: map[string]bool{}, deletions: map[string]int{},
	}
}

func (v *invariants) fail(format string, args ...any) {
	if v.wrong == "" {
		v.wrong = fmt.Sprintf(format, args...)
	}
}

// check returns what is wrong with what is stored now, "" for nothing.
func (v *invariants) check(by int) string {
	v.by = by
	ctx := context.Background()
	for _, id := range []string{"ada", "bob"} {
		rec, err := v.w.truth.LoadAccount(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			if _, known := v.records[id]; known {
				v.removed(id)
			}
			continue
		}
		require.NoError(v.t, err)
		before, known := v.records[id]
		if known && before.Version == rec.Version {
			if !bytes.Equal(before.Data, rec.Data) {
				v.fail("%s was changed under its version", id)
			}
			continue
		}
		v.records[id] = rec
		now, err := core.Decode(id, rec.Data)
		if err != nil {
			v.fail("%s cannot be read: %v", id, err)
			continue
		}
		if !known {
			before.ID = id
		}
		v.account(before, now, rec)
	}
	for _, id := range []string{"ada", "bob"} {
		v.deleted(id)
		v.held(ctx, id)
	}
	return v.wrong
}

// account compares an account with the one before it.
func (v *invariants) account(rec storage.Record, now core.Account, stored storage.Record) {
	if want := now.Index(totp.DefaultWindow()); want != stored.Index {
		v.fail("%s: index %+v, and its data say %+v", now.ID, stored.Index, want)
	}
	if v.ended[now.Epoch] {
		v.fail("%s: an epoch that was over is there again", now.ID)
	}
	standing := map[core.Hash]bool{}
	for _, s := range slots(now) {
		if standing[s.Hash] = true; v.burned[s.Hash] {
			v.fail("%s: a recovery code that was used or taken away is there again", now.ID)
		}
	}
	for _, auth := range now.Authenticators {
		if v.gone[auth.ID] {
			v.fail("%s: %s is there again, after the account was deleted", now.ID, auth.ID)
		}
		if auth.Last < v.steps[auth.ID] {
			v.fail("%s: the accepted step of %s falls", now.ID, auth.ID)
		}
		v.steps[auth.ID] = auth.Last
	}
	v.passkeys(now)
	was := core.Account{ID: now.ID}
	if rec.Data != nil {
		var err error
		was, err = core.Decode(now.ID, rec.Data)
		require.NoError(v.t, err)
	}
	if wrong := v.w.outbox.check(was, now); wrong != "" {
		v.fail("%s", wrong)
	}
	v.browsers(was, now)
	v.risks(was, now)
	v.posture(was, now)
	v.epochs(was, now)
	if now.Factors() == 0 && now.Recovery != nil {
		v.fail("%s: recovery codes without a second factor", now.ID)
	}
	if rec.Data == nil {
		return
	}
	if was.Epoch != now.Epoch {
		v.ended[was.Epoch] = true
		if now.Pending != nil {
			v.fail("%s: an enrollment outlives its epoch", now.ID)
		}
	} else if !slices.Equal(factors(was), factors(now)) || setOf(was) != setOf(now) || (was.Suspension == nil) != (now.Suspension == nil) {
		v.fail("%s: other factors under the same epoch", now.ID)
	}
	for _, e := range now.Activity {
		if e.Number > was.Noted && slices.Contains([]event.Kind{event.TokenMinted, event.TokenRotated}, e.Kind) &&
			(was.CodeUseUnseen() != 0 || e.Name == production && was.Factors() == 0) {
			v.fail("%s: a secret of a token came through a closed gate", now.ID)
		}
	}
	for _, s := range slots(was) {
		if !standing[s.Hash] {
			v.burned[s.Hash] = true
		}
	}
	if now.Noted < was.Noted || now.SignIns < was.SignIns {
		v.fail("%s: a count falls", now.ID)
	}
}

// browsers compares which browsers are known with which were: one that has become known is told, but for that of the first
// enrollment, and none goes from one state of the account to the next that ends them.
func (v *invariants) browsers(was, now core.Account) {
	told := 0
	for _, e := range now.Activity {
		if e.Number > was.Noted && e.Kind == event.NewBrowser {
			told++
		}
	}
	fresh := 0
	for _, b := range now.Browsers {
		if !slices.ContainsFunc(was.Browsers, func(old core.Browser) bool { return old.Digest == b.Digest }) {
			fresh++
		}
	}
	if fresh != told && was.Factors() > 0 {
		v.fail("%s: %d browsers are new, and %d are told", now.ID, fresh, told)
	}
	if len(was.Browsers) > 0 && len(now.Browsers) > 0 && (now.Since != was.Since || now.Factors() == 0) {
		v.fail("%s: a browser is known that was before all ended", now.ID)
	}
	if t := now.TOTPThrottle; t.Failures+t.Known.Failures > 50 {
		v.fail("%s: more wrong codes in a row than there may be", now.ID)
	}
}

// risks compares which risks are accepted with which were: none goes without a word.
func (v *invariants) risks(was, now core.Account) {
	withdrawn := slices.ContainsFunc(now.Activity, func(e core.Event) bool { return e.Number > was.Noted && e.Kind == event.RiskWithdrawn })
	for _, r := range was.Accepted {
		if !withdrawn && !slices.ContainsFunc(now.Accepted, func(a core.Acceptance) bool { return a.Control == r.Control }) {
			v.fail("%s: the risk of %s is no longer accepted", now.ID, r.Control)
		}
	}
}

// passkeys compares what an account's passkeys have accepted with what they had.
func (v *invariants) passkeys(now core.Account) {
	for _, k := range now.Passkeys {
		if v.gone[k.ID] {
			v.fail("%s: %s is there again, after the account was deleted", now.ID, k.ID)
		}
		if k.Count < v.counts[k.ID] {
			v.fail("%s: the count of %s falls", now.ID, k.ID)
		}
		if k.Accepted < v.issues[k.ID] {
			v.fail("%s: %s forgets what it has accepted", now.ID, k.ID)
		}
		v.counts[k.ID], v.issues[k.ID] = k.Count, k.Accepted
	}
	if h, had := v.handles[now.ID]; had && h != now.Handle {
		v.fail("%s: another handle", now.ID)
	}
	if now.Handle != (storage.Handle{}) {
		v.handles[now.ID] = now.Handle
	}
}

func slots(a core.Account) (all []core.Slot) {
	if a.Recovery != nil {
		all = slices.Clone(a.Recovery.Slots)
	}
	if a.Reset != nil {
		all = append(all, a.Reset.Code)
	}
	return slices.DeleteFunc(all, func(s core.Slot) bool { return s.Hash == "" })
}

func factors(a core.Account) (ids []string) {
	for _, auth := range a.Authenticators {
		ids = append(ids, auth.ID)
	}
	for _, k := range a.Passkeys {
		ids = append(ids, k.ID)
	}
	return ids
}

func setOf(a core.Account) string {
	if a.Recovery == nil {
		return ""
	}
	return a.Recovery.ID
}

// stored is what is kept of a token, as far as it is compared.
type stored struct {
	Account        string
	Revoked, Epoch int64
	Generation     int
	Digest         []byte
	Scopes         tokens.Scopes
	NeedsFactor    bool
	RotatesItself  bool
}

func storedToken(rec storage.TokenRecord) (s stored, err error) {
	record, err := engine.DecodeToken(rec.ID, rec.AccountID, rec.Data)
	if err != nil {
		return s, err
	}
	to, from := reflect.ValueOf(&s).Elem(), reflect.ValueOf(record).Elem()
	for i := range to.NumField() {
		to.Field(i).Set(from.FieldByName(to.Type().Field(i).Name))
	}
	return s, nil
}

// held compares an account's tokens with what they were.
func (v *invariants) held(ctx context.Context, id string) {
	page, err := v.w.truth.Tokens(ctx, id, "", 1000)
	require.NoError(v.t, err)
	there := map[string]bool{}
	for _, rec := range page.Records {
		there[rec.ID] = true
		if v.gone[rec.ID] {
			v.fail("a token is there, after the account of %s was deleted", id)
		}
		now, err := storedToken(rec)
		if err != nil {
			v.fail("token %s cannot be read: %v", rec.ID, err)
			continue
		}
		if was, known := v.tokens[rec.ID]; known {
			if was.Revoked == 0 && now.Revoked != 0 {
				v.w.outbox.ends(v.by, id, rec.ID)
			}
			switch {
			case was.Revoked != 0 && now.Revoked != was.Revoked:
				v.fail("a token that was revoked is not")
			case now.Generation < was.Generation:
				v.fail("a token's generation falls")
			case now.Generation == was.Generation && !bytes.Equal(now.Digest, was.Digest):
				v.fail("two secrets of one generation")
			case !slices.Equal(now.Scopes, was.Scopes) || was.NeedsFactor && !now.NeedsFactor || now.Epoch != was.Epoch || now.RotatesItself != was.RotatesItself:
				v.fail("a token is another than it was minted as")
			}
		}
		v.tokens[rec.ID] = now
	}
	for token, t := range v.tokens {
		if t.Account == id && !there[token] && t.Revoked == 0 {
			v.fail("a token is gone that was not revoked")
		}
	}
}
