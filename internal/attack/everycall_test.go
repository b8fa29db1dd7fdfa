package attack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// bestEffort has the functions in which a fault is told to nobody, and why that is right.
var bestEffort = map[string]string{
	"posture.(*Service).trail":    "gathers the evidence of a level that a change has moved: what goes wrong waits for the next review",
	"posture.(*Service).reviewed": "keeps the level that a review has found: what goes wrong waits for the next review",
	"engine.(*Engine).Follow":     "keeps the level that a change of a token has moved: the same",
	"tokens.(*Service).changed":   "events of tokens that wait for the second factor: an event is told at most once",
}

// partial has the methods that return how far they came beside an error.
var partial = []string{"Operator.Reseal", "Operator.AfterRestore", "Operator.Fleet", "Operator.Purge", "Operator.WarnExpiring"}

// twoSaves has the methods that change several records, and are found half way by a fault. Made again, they finish.
var twoSaves = append([]string{"Owner.Mint", "Owner.Rotate", "Owner.Renew", "Owner.Revoke", deletion,
	"Operator.CreateServiceAccount", "Operator.Mint", "Operator.Rotate", "Operator.Renew",
	"Operator.Suspend/an owner of a service account"}, partial...)

const deletion = "Operator.DeleteAccount"

// neverBusy has the calls that no store asks to make again, and the one of which a conflict is an answer: the token is
// another now.
var neverBusy = []string{"HostFacts", "Open", "Seal", "KeyName", "DeleteToken"}

// mishap is how a call goes wrong.
type mishap string

const (
	fails     mishap = "fails"                                   // instead of being made
	losesIt   mishap = "loses the reply"                         // after it was made
	conflicts mishap = "asks to try again"                       // instead of being made
	hangs     mishap = "hangs"                                   // until its context ends
	hangsBusy mishap = "hangs and asks to try again"             // when its context has ended
	hangUp    mishap = "is made, and the caller hangs up"        // at its end
	keysGo    mishap = "is made, and the keys of the service go" // at its end
	losesBusy mishap = "loses the reply and asks to try again"   // after it was made
)

// madeCall is a call to something that a Service depends on.
type madeCall struct {
	name   string
	write  bool
	effort bool // a fault of it is not told
	stored bool // a record was changed before it
}

// deps has the calls to all that a Service depends on counted, and one of them go wrong.
type deps struct {
	mu     sync.Mutex
	calls  []madeCall
	at     int // the number of the call that goes wrong, from 1; 0: none does
	how    mishap
	hangUp context.CancelFunc // of the method's caller
	keys   *keyring.Ring
	stored bool
}

func (d *deps) call(ctx context.Context, name string, write bool, do func() error) error {
	d.mu.Lock()
	d.calls = append(d.calls, madeCall{name, write, inBestEffort(), d.stored})
	wrong := d.how
	if len(d.calls) != d.at {
		wrong = ""
	}
	d.mu.Unlock()
	switch wrong {
	case fails:
		return errStore
	case conflicts:
		return storage.ErrConflict
	case hangs, hangsBusy:
		<-ctx.Done()
		if wrong == hangsBusy {
			return storage.ErrConflict
		}
		return ctx.Err()
	}
	err := do()
	if write && err == nil {
		d.mu.Lock()
		d.stored = true
		d.mu.Unlock()
	}
	switch wrong {
	case losesIt:
		return errStore
	case losesBusy:
		return storage.ErrConflict
	case hangUp:
		d.hangUp()
	case keysGo:
		*d.keys = keyring.Ring{}
	}
	return err
}

// inBestEffort reports whether a function is at work in which no fault is told.
func inBestEffort() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		for name := range bestEffort {
			if strings.HasSuffix(frame.Function, "/"+name) {
				return true
			}
		}
		if !more {
			return false
		}
	}
}

// watchedStore has every call to a store go through deps.
type watchedStore struct {
	under storage.Store
	d     *deps
}

func (s watchedStore) LoadAccount(ctx context.Context, id string) (r storage.Record, err error) {
	err = s.d.call(ctx, "LoadAccount", false, func() error { r, err = s.under.LoadAccount(ctx, id); return err })
	return r, err
}

func (s watchedStore) AccountByHandle(ctx context.Context, h storage.Handle) (r storage.Record, err error) {
	err = s.d.call(ctx, "AccountByHandle", false, func() error { r, err = s.under.AccountByHandle(ctx, h); return err })
	return r, err
}

func (s watchedStore) UnsentAccounts(ctx context.Context, after string, limit int) (page storage.Page[storage.Record], err error) {
	err = s.d.call(ctx, "UnsentAccounts", false, func() error { page, err = s.under.UnsentAccounts(ctx, after, limit); return err })
	return page, err
}

func (s watchedStore) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	return s.d.call(ctx, "SaveAccount", true, func() error { return s.under.SaveAccount(ctx, r, prev) })
}

func (s watchedStore) DeleteAccount(ctx context.Context, id string) error {
	return s.d.call(ctx, "DeleteAccount", true, func() error { return s.under.DeleteAccount(ctx, id) })
}

func (s watchedStore) Accounts(ctx context.Context, after string, limit int) (page storage.Page[storage.Record], err error) {
	err = s.d.call(ctx, "Accounts", false, func() error { page, err = s.under.Accounts(ctx, after, limit); return err })
	return page, err
}

func (s watchedStore) LoadToken(ctx context.Context, id string) (t storage.TokenRecord, o storage.AccountIndex, err error) {
	err = s.d.call(ctx, "LoadToken", false, func() error { t, o, err = s.under.LoadToken(ctx, id); return err })
	return t, o, err
}

func (s watchedStore) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	return s.d.call(ctx, "SaveToken", true, func() error { return s.under.SaveToken(ctx, t, prev) })
}

func (s watchedStore) DeleteToken(ctx context.Context, id string, prev int64) error {
	return s.d.call(ctx, "DeleteToken", true, func() error { return s.under.DeleteToken(ctx, id, prev) })
}

func (s watchedStore) Tokens(ctx context.Context, account, after string, limit int) (page storage.Page[storage.TokenRecord], err error) {
	err = s.d.call(ctx, "Tokens", false, func() error { page, err = s.under.Tokens(ctx, account, after, limit); return err })
	return page, err
}

func (s watchedStore) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (page storage.Page[storage.TokenRecord], err error) {
	err = s.d.call(ctx, "LiveTokens", false, func() error { page, err = s.under.LiveTokens(ctx, account, live, after, limit); return err })
	return page, err
}

func (s watchedStore) AllTokens(ctx context.Context, after string, limit int) (page storage.Page[storage.TokenRecord], err error) {
	err = s.d.call(ctx, "AllTokens", false, func() error { page, err = s.under.AllTokens(ctx, after, limit); return err })
	return page, err
}

func (s watchedStore) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	return s.d.call(ctx, "TouchTokens", true, func() error { return s.under.TouchTokens(ctx, uses) })
}

// watchedSealer has every call to what seals secrets go through deps.
type watchedSealer struct {
	*keyring.Ring
	d *deps
}

func (s watchedSealer) Open(ctx context.Context, sealed []byte, b keyring.Binding) (plain []byte, err error) {
	err = s.d.call(ctx, "Open", false, func() error { plain, err = s.Ring.Open(ctx, sealed, b); return err })
	return plain, err
}

func (s watchedSealer) Seal(ctx context.Context, plain []byte, b keyring.Binding) (sealed []byte, err error) {
	err = s.d.call(ctx, "Seal", false, func() error { sealed, err = s.Ring.Seal(ctx, plain, b); return err })
	return sealed, err
}

func (s watchedSealer) KeyName(sealed []byte) (name string, err error) {
	err = s.d.call(context.Background(), "KeyName", false, func() error { name, err = s.Ring.KeyName(sealed); return err })
	return name, err
}

// world is a service on a copy of what was prepared for the plays, at their moment.
type world struct {
	*house
	*prepared
	d           *deps
	events      recorder
	replacement gatehouse.Enrollment // that a play has begun
	bot         tokens.Minted        // of a service account of ada's
	before      map[string]gatehouse.SignIn
	keyID       string                // of ada's passkey
	keyProof    gatehouse.Proof       // of ada, who has one
	asked       string                // her challenge then
	unproven    bool                  // owners have no proof, and operators no name
	with        func(func(*settings)) // takes another service on the same store
}

// enter makes a world in which the at-th call to what the service depends on goes wrong, from now on.
func (p *prepared) enter(t testing.TB, play play, at int, how mishap) *world {
	t.Helper()
	under := memory.New()
	for _, r := range p.h.records() {
		require.NoError(t, under.SaveAccount(context.Background(), r, 0))
	}
	for _, r := range p.h.tokenRecords() {
		require.NoError(t, under.SaveToken(context.Background(), r, 0))
	}
	keys, err := keyring.Parse(p.h.keys.Reveal())
	require.NoError(t, err)
	sealing, err := keyring.Parse(p.h.keys.Reveal())
	require.NoError(t, err)
	w := &world{prepared: p, d: &deps{keys: keys}}
	edits := append(slices.Clone(p.h.edits), func(c *settings) {
		c.Keys, c.Observer = keys, &w.events
		c.Sealer = watchedSealer{sealing, w.d}
		c.HostFacts = func(ctx context.Context, _ string) (host posture.Host, err error) {
			err = w.d.call(ctx, "HostFacts", false, func() error { host = posture.Host{At: p.h.clock(), EmailVerified: posture.Yes}; return nil })
			return host, err
		}
		if play.edit != nil {
			play.edit(c)
		}
	})
	w.house = houseOn(t, watchedStore{under, w.d}, edits...)
	w.with = func(edit func(*settings)) {
		w.Service = houseOn(t, watchedStore{under, w.d}, append(edits, edit)...).Service
	}
	w.house.store, w.house.now = under, p.h.clock() // what the test itself looks at does not go wrong
	if play.first != nil {
		require.NoError(t, play.first(context.Background(), w))
		synctest.Wait()
		w.events.whole()
	}
	w.d.calls, w.d.stored, w.d.at, w.d.how = nil, false, at, how
	return w
}

// alike is a text that two values have in common if they differ in nothing but what is random.
func alike(v any) string {
	switch v := v.(type) {
	case map[string]any:
		keys, b := make([]string, 0, len(v)), strings.Builder{}
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if k == "Tag" || k == "Check" || k == "Handle" { // of recovery codes, and of passkeys
				v[k] = "S"
			}
			fmt.Fprintf(&b, "%s:%s ", k, alike(v[k]))
		}
		return "{" + b.String() + "}"
	case []any:
		b := strings.Builder{}
		for _, x := range v {
			b.WriteString(alike(x) + " ")
		}
		return "[" + b.String() + "]"
	case string:
		if len(v) >= 14 || len(v) == 1 { // IDs, hashes, what is sealed; selectors
			return "S"
		}
	case json.Number:
		if len(v) > 12 { // epochs
			return "N"
		}
	}
	return fmt.Sprintf("%v", v)
}

// state is all that is stored but for what is random, with or without the history of levels.
func (w *world) state(history bool) string {
	w.t.Helper()
	read := func(record any, err error) string {
		require.NoError(w.t, err)
		data, err := json.Marshal(record)
		require.NoError(w.t, err)
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber()
		var v map[string]any
		require.NoError(w.t, d.Decode(&v))
		delete(v, "Ancestry") // versions, as many as there were saves
		if !history {
			delete(v, "History")
		}
		return alike(v)
	}
	var lines []string
	for _, r := range w.records() {
		lines = append(lines, fmt.Sprint(r.ID, " ", read(core.Decode(r.ID, r.Data)), " ", r.Index.Authenticators, r.Index.CodesLeft, r.Index.Disabled, r.Index.Suspended))
	}
	for _, r := range w.tokenRecords() {
		lines = append(lines, fmt.Sprint(r.AccountID, " ", read(engine.DecodeToken(r.ID, r.AccountID, r.Data)), " ", r.Index.Expires, r.Index.Revoked, r.Usage.LastUsed))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// shape says of every part of a value whether there is something in it.
func shape(v reflect.Value) string {
	if !v.IsValid() {
		return "nil"
	}
	if v.Type() == reflect.TypeFor[*gatehouse.Service]() {
		return "service"
	}
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case interface{ Reveal() string }:
			return fmt.Sprint("text:", x.Reveal() != "")
		case time.Time:
			return fmt.Sprint("time:", !x.IsZero())
		}
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return "*" + shape(v.Elem())
	case reflect.Struct:
		parts := make([]string, v.NumField())
		for i := range parts {
			parts[i] = v.Type().Field(i).Name + "=" + shape(v.Field(i))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.Slice, reflect.Array:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = shape(v.Index(i))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Map:
		return fmt.Sprint("map:", v.Len())
	}
	return fmt.Sprint(!v.IsZero())
}

// play is a call of a method that succeeds.
type play struct {
	method string // the face and the method, and after a slash what is special
	edit   func(*settings)
	first  func(ctx context.Context, w *world) error // what is done before, in which nothing goes wrong
	run    func(ctx context.Context, w *world) (any, error)
	want   error // what a play is answered that does not succeed
}

// done turns what a method returns that has no value into one.
func done(err error) (any, error) { return err == nil, err }

// ends reports whether a call has ended as it does where nothing goes wrong.
func (p play) ends(err error) bool {
	if p.want == nil {
		return err == nil
	}
	return errors.Is(err, p.want) || reflect.DeepEqual(err, p.want)
}

func (p play) name() string {
	name, _, _ := strings.Cut(p.method, "/")
	return name
}

// savesTwice reports whether a play changes several records.
func (p play) savesTwice() bool {
	return slices.Contains(twoSaves, p.name()) || slices.Contains(twoSaves, p.method)
}

// outcome is what a call of a method has come to.
type outcome struct {
	value  any
	err    error
	state  string
	bare   string // state without the history
	shape  string
	told   []event.Event
	events []string // those of them that are not of the posture, without what is random
	calls  []madeCall
}

// perform runs a play, and returns when all that it has begun has ended.
func (p play) perform(t *testing.T, w *world, ctx context.Context) (o outcome) {
	t.Helper()
	if ctx == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), 45*time.Second) // by a clock that takes no time
		defer cancel()
	}
	ctx, w.d.hangUp = context.WithCancel(ctx)
	defer w.d.hangUp()
	o.value, o.err = p.run(ctx, w)
	synctest.Wait()
	w.d.mu.Lock()
	o.calls = slices.Clone(w.d.calls)
	w.d.mu.Unlock()
	o.state, o.bare, o.shape = w.state(true), w.state(false), shape(reflect.ValueOf(o.value))
	o.told = w.events.whole()
	for _, e := range o.told {
		if e.Kind != event.PostureChanged && e.Kind != event.PostureRules {
			o.events = append(o.events, w.named(o.value, wholeEvent(e)))
		}
	}
	return o
}

func isZero(v any) bool { return v == nil || reflect.ValueOf(v).IsZero() }

// TestEveryCallOfEveryMethod has every call that a method makes to its store, its keys, its sealer and its host go
// wrong in every way. A fault is then told as itself, with the zero value, and never as success, as a denial or as
// absence; and nothing is half done. (Row T3.)
func TestEveryCallOfEveryMethod(t *testing.T) {
	t.Parallel()
	prepared := prepare(t)
	played, methods := map[string]bool{}, map[string]bool{}
	for _, p := range plays {
		require.False(t, played[p.method], p.method)
		played[p.method], methods[p.name()] = true, true
	}
	for _, face := range []any{
		(*gatehouse.Service)(nil), gatehouse.SignIn{}, face{}, operators{}, (*tokens.Service)(nil), (*posture.Service)(nil),
	} {
		of := reflect.TypeOf(face)
		name := strings.TrimPrefix(strings.TrimPrefix(of.String(), "*"), "gatehouse.")
		name = map[string]string{"attack_test.face": "Owner", "attack_test.operators": "Operator"}[name] + name
		name, _, _ = strings.Cut(name, "attack_test.")
		ofOwner := name == "tokens.Service"
		for i := range of.NumMethod() {
			m := name + "." + of.Method(i).Name
			if ofOwner && methods["Owner."+of.Method(i).Name] {
				continue // it is the owner's, in a session
			}
			if _, calls := callsNothing[m]; !calls {
				require.True(t, methods[m], "%s has no play", m)
			}
		}
	}

	for _, p := range plays {
		t.Run(p.method, func(t *testing.T) {
			t.Parallel()
			var base outcome
			var before string
			synctest.Test(t, func(t *testing.T) {
				w := prepared.enter(t, p, 0, "")
				before = w.state(true)
				base = p.perform(t, w, nil)
				require.True(t, p.ends(base.err), "%v", base.err)
				require.NotEqual(t, []any{true, before, nil}, []any{isZero(base.value), base.state, p.want}, "the play does and says nothing")

				w = prepared.enter(t, p, 0, "")
				ended, end := context.WithCancel(context.Background())
				end()
				o := p.perform(t, w, ended)
				require.ErrorIs(t, o.err, context.Canceled, "whoever has hung up gets nothing")
				require.False(t, isAnswer(o.err), "%v", o.err)
				require.True(t, isZero(o.value) || slices.Contains(partial, p.name()))
				require.Equal(t, before, o.state)
			})
			for _, how := range []mishap{fails, losesIt, losesBusy, conflicts, hangs, hangsBusy, hangUp, keysGo} {
				for n := 1; n <= len(base.calls); n++ {
					c := base.calls[n-1]
					busy := how == conflicts || how == hangsBusy || how == losesBusy
					if !c.write && (how == losesIt || how == losesBusy) || busy && slices.Contains(neverBusy, c.name) || how == hangs && c.name == "KeyName" {
						continue
					}
					what := fmt.Sprintf("call %d of %d, %s, %s", n, len(base.calls), c.name, how)
					synctest.Test(t, func(t *testing.T) {
						w := prepared.enter(t, p, n, how)
						p.judge(t, what, c, how, base, before, p.perform(t, w, nil), w)
					})
				}
			}
		})
	}
}

// judge asserts what a play may come to of which a call has gone wrong.
func (p play) judge(t *testing.T, what string, c madeCall, how mishap, base outcome, before string, o outcome, w *world) {
	t.Helper()
	var closed *posture.GateError
	if c.name == "HostFacts" && errors.As(o.err, &closed) {
		require.Equal(t, before, o.state, what)
		return // a host that says nothing opens no gate
	}
	if p.ends(o.err) {
		unheard := c.effort || c.name == "HostFacts" || how == conflicts || how == losesBusy || how == hangUp || how == keysGo
		require.True(t, unheard, "%s: a fault is taken for success: %+v", what, o.value)
		require.Equal(t, base.bare, o.bare, what)
		if !c.effort && c.name != "HostFacts" {
			if how != hangUp { // after which a review keeps nothing
				require.Equal(t, base.state, o.state, what)
			}
			require.Equal(t, base.events, o.events, what)
		}
		if c.name != "HostFacts" {
			require.Equal(t, base.shape, o.shape, what)
		}
		return
	}
	require.False(t, c.effort && how != keysGo && how != hangUp, "%s: %v", what, o.err)
	require.False(t, isAnswer(o.err) || errors.As(o.err, &closed), "%s: a fault is told as an answer: %v", what, o.err)
	switch how {
	case fails, losesIt:
		require.ErrorIs(t, o.err, errStore, what)
	case hangs, hangsBusy:
		require.ErrorIs(t, o.err, context.DeadlineExceeded, what)
	case hangUp:
		require.ErrorIs(t, o.err, context.Canceled, what)
	case keysGo:
		require.ErrorIs(t, o.err, keyring.ErrKeys, what)
	default:
		require.NoError(t, o.err, what)
	}
	require.True(t, isZero(o.value) || slices.Contains(partial, p.name()), "%s: beside an error: %+v", what, o.value)
	if how == losesIt || how == keysGo {
		return // what was saved is saved
	}
	if !p.savesTwice() {
		require.Equal(t, before, o.state, what)
		require.Empty(t, o.events, "%s: told of what was not", what)
	} else if !c.stored && !slices.Contains(partial, p.name()) {
		require.Equal(t, before, o.state, what)
	} else if p.method == deletion {
		require.NotContains(t, "\n"+o.state, "\nada ", "%s: all is deleted, or nothing", what)
		require.Empty(t, o.events, "%s: it is told once it is done", what)
	}
	again := p.perform(t, w, nil)
	require.True(t, p.ends(again.err), "%s: again: %v", what, again.err)
	if p.savesTwice() && p.name() != deletion {
		return
	}
	require.Equal(t, base.state, again.state, "%s: again", what)
	require.Equal(t, base.shape, again.shape, "%s: again", what)
}

// TestEveryMethodRefuses calls every method without what it needs: a proof, an operator's name, a policy of tokens or of
// the posture. Each says which, with the zero value, and does and tells nothing. (Row T3.)
func TestEveryMethodRefuses(t *testing.T) {
	t.Parallel()
	prepared := prepare(t)
	type lacks struct {
		what string
		in   func(w *world)
		want func(method string) error // nil: it is not needed
	}
	face := func(face string, err error) func(string) error {
		return func(method string) error {
			if strings.HasPrefix(method, face+".") {
				return err
			}
			return nil
		}
	}
	unproven := func(w *world) { w.unproven = true }
	refused := 0
	for _, l := range []lacks{
		{"a proof", unproven, face("Owner", gatehouse.ErrStepUpRequired)},
		{"a name", unproven, face("Operator", gatehouse.ErrInvalid)},
	} {
		for _, p := range plays {
			want := l.want(p.name())
			if want == nil {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				w := prepared.enter(t, p, 0, "")
				before := w.state(true)
				l.in(w)
				o := p.perform(t, w, nil)
				if p.name() == "Owner.Permissions" { // which says of a proof what it is enough for
					require.NoError(t, o.err)
				} else {
					require.ErrorIs(t, o.err, want, "%s without %s", p.method, l.what)
				}
				require.True(t, isZero(o.value), "%s without %s: %+v", p.method, l.what, o.value)
				require.Equal(t, before, o.state, "%s without %s", p.method, l.what)
				require.Empty(t, o.told, "%s without %s", p.method, l.what)
				refused++
			})
		}
	}
	require.Greater(t, refused, 40)
}

// TestPreviewRefuses: what the Service would refuse is refused as well where it is only tried out, whatever comes after it.
func TestPreviewRefuses(t *testing.T) {
	ctx := context.Background()
	p := prepare(t)
	add := (*posture.Trial).AddAuthenticator
	for what, c := range map[string]struct {
		account string
		changes []func(*posture.Trial) error
		want    error
	}{
		"a sixth authenticator":          {"plain", []func(*posture.Trial) error{add, add, add, add, add, add}, gatehouse.ErrPrecondition},
		"nobody's authenticator":         {"ada", []func(*posture.Trial) error{removing("nobody's")}, gatehouse.ErrNotFound},
		"codes without an authenticator": {"plain", []func(*posture.Trial) error{(*posture.Trial).RegenerateRecoveryCodes}, gatehouse.ErrPrecondition},
		"a reset of nothing":             {"plain", []func(*posture.Trial) error{(*posture.Trial).Reset}, gatehouse.ErrPrecondition},
		"a control that is not there":    {"ada", []func(*posture.Trial) error{accepting("no such control", time.Time{})}, gatehouse.ErrInvalid},
	} {
		got, err := p.h.Preview(ctx, c.account, append(c.changes, planning("other"))...)
		require.ErrorIs(t, err, c.want, what)
		require.True(t, isZero(got), what)
	}
}

// TestRotationOutOfBounds: neither who owns a token nor who holds it rotates it out of bounds.
func TestRotationOutOfBounds(t *testing.T) {
	ctx := context.Background()
	p := prepare(t)
	p.h.unchanged(func() {
		for _, r := range []tokens.Rotation{{Grace: -1}, {Grace: 31 * day}, {Lifetime: -1}} {
			m, err := p.h.RotateSelf(ctx, p.robot, r)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, "%+v", r)
			require.True(t, isZero(m))
			m, err = p.h.Owner(p.adas).Rotate(ctx, p.ids["robot"], r)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, "%+v", r)
			require.True(t, isZero(m))
		}
	})
}

// TestTooBusyToHash has every place for Argon2id taken. Whoever needs one is told that, has nothing and has done nothing;
// the others do not notice. It does not run beside other tests, as the places are the process's. (Row T3.)
func TestTooBusyToHash(t *testing.T) {
	prepared := prepare(t)
	base := map[string]outcome{}
	perform := func(p play) (before string, o outcome) {
		synctest.Test(t, func(t *testing.T) {
			w := prepared.enter(t, p, 0, "")
			before, o = w.state(true), p.perform(t, w, nil)
		})
		return before, o
	}
	for _, p := range plays {
		_, base[p.method] = perform(p)
	}

	leave := make(chan struct{})
	var inside sync.WaitGroup
	defer inside.Wait()
	defer close(leave)
	for _, kind := range []queue.Kind{queue.Try, queue.Make} {
		for full := false; !full; {
			ended, end := context.WithCancel(context.Background())
			end()
			if full = errors.Is(queue.Argon2.Run(ended, kind, 1, func() {}), queue.ErrFull); !full {
				inside.Go(func() { _ = queue.Argon2.Run(context.Background(), kind, 1, func() { <-leave }) })
			}
		}
	}
	refused := map[string]bool{}
	for _, p := range plays {
		if p.first != nil {
			continue // it may need a place itself
		}
		before, o := perform(p)
		if !errors.Is(o.err, gatehouse.ErrBusy) {
			require.True(t, p.ends(o.err), "%s: %v", p.method, o.err)
			require.Equal(t, base[p.method].state, o.state, p.method)
			require.Equal(t, base[p.method].shape, o.shape, p.method)
			continue
		}
		refused[p.method] = true
		require.False(t, isAnswer(o.err), p.method)
		require.True(t, isZero(o.value), p.method)
		require.Equal(t, before, o.state, p.method)
		require.Empty(t, o.told, p.method)
	}
	for _, method := range []string{"Owner.BeginEnrollment", "Owner.RegenerateRecoveryCodes", "Operator.Reset", "Service.RedeemOperatorCode",
		"Service.Answer/a recovery code", "Service.Answer/a wrong recovery code", "Service.StepUp/a recovery code"} {
		require.True(t, refused[method], method)
	}
}
