package integration_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

func TestMain(m *testing.M) {
	// What some seconds are enough for, and the same draws each time, so that no run is red by chance: RAPID_SEED=0 draws
	// others. The command line and the environment have the last word.
	for name, env := range map[string][2]string{
		"rapid.checks": {"RAPID_CHECKS", "70"}, "rapid.steps": {"RAPID_STEPS", "50"}, "rapid.seed": {"RAPID_SEED", "20261129"},
	} {
		if os.Getenv(env[0]) == "" {
			if err := flag.Set(name, env[1]); err != nil {
				panic(err)
			}
		}
	}
	goleak.VerifyTestMain(m)
}

// ids look alike to a store that folds case or trims spaces.
var ids = []string{"ada", "Ada", "ada "}

// machine is the service under test beside the model of it.
type machine struct {
	truth  *memory.Store // what is stored
	procs  []*process
	now    int64               // Unix seconds
	jumped int64               // by how many seconds it is ahead, until it is put right
	model  map[string]*account // by ID
	known
	history
	table
	postbox

	busy *process // whose call is under way while another process makes one

	commands  map[string]func(*rapid.T)
	meanwhile []string // the names of those that another process can make while one is in a call
}

// process is a Service in a process of its own: its turns, clock and calls to the store.
type process struct {
	*node
	name  string
	store *gatehousetest.Store
	skew  int64 // seconds that its clock is ahead
	keys  *keyring.Ring
}

// known is what clients have been told.
type known struct {
	proofs     []held[proof]
	challenges []held[challenge]
	apps       []held[app]    // every authenticator there ever was; text is its account
	codes      []held[string] // recovery and operator codes; text is their account
	asked      []question     // what passkeys were asked
}

type held[T any] struct {
	text string
	what T
}

func newMachine(t *rapid.T, rules table, notices bool) *machine {
	m := &machine{
		truth: memory.New(), now: gatehousetest.Start.Unix(), model: map[string]*account{}, history: newHistory(), table: rules,
		postbox: postbox{notices: map[core.NoticeID]notice{}, of: map[core.NoticeID]string{}},
	}
	m.look(t)
	// Before a key becomes the primary one, every process knows it.
	one, two := keyring.Generate().Reveal(), keyring.Generate().Reveal()
	for _, p := range []process{
		{name: "first", keys: ring(t, one, two)},
		{name: "second", keys: ring(t, one, two), skew: 12},
		{name: "rotated", keys: ring(t, two, one), skew: -9},
	} {
		p.store = gatehousetest.NewStore(m.truth)
		svc, err := gatehouse.New(p.store, gatehouse.Config{
			Issuer: "A", Keys: p.keys, Recovery: gatehousetest.CheapRecovery(), Notices: notices,
			Now: func() time.Time { return time.Unix(m.at(&p), 999_999_999) },
		})
		require.NoError(t, err)
		tok, err := tokens.New(svc, m.policy)
		require.NoError(t, err)
		p.node = &node{svc, tok}
		m.procs = append(m.procs, &p)
	}
	for _, id := range ids {
		m.model[id] = &account{id: id, keepsNotices: notices}
	}
	return m
}

func ring(t *rapid.T, keys ...string) *keyring.Ring {
	r, err := keyring.Parse(strings.Join(keys, "\n"))
	require.NoError(t, err)
	return r
}

// at is the time by a process's clock.
func (m *machine) at(p *process) int64 { return m.now + p.skew }

// The machine makes calls at random. After each, what is stored is what the model says, and nobody
// else's record has moved.
func TestMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t, newTable(false, false), !oneIn(t, 4, "without notices"))
		m.commands, m.meanwhile = m.accountCommands(), accountsMeanwhile
		m.setUp(t)
		t.Repeat(m.commands)
	})
}

// TestMachineTokens is the same machine with access tokens, and with less of what never touches them.
func TestMachineTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t, newTable(oneIn(t, 4, "reused tokens are kept"), oneIn(t, 4, "lifetimes are cut")), false)
		m.commands, m.meanwhile = m.tokenCommands(), tokensMeanwhile
		m.setUp(t)
		t.Repeat(m.commands)
		m.close(t)
	})
}

// setUp gives the accounts up to two authenticators.
func (m *machine) setUp(t *rapid.T) {
	for _, id := range ids {
		n := rapid.IntRange(0, 2).Draw(t, "authenticators to begin with")
		if n > 0 {
			m.importTo(t, m.procs[0], id)
		}
		if n > 1 {
			m.pair(t, m.procs[0], id)
		}
	}
}

// call is one call of a service.
type call struct {
	name     string
	account  string // the one that it is about
	rule     func(a *account, now int64) answer
	run      func(context.Context, *process) error
	happened func(ok answer)             // it has succeeded, whether or not the client knows
	told     func(a *account, ok answer) // the client knows: a has what it was told
	staging  bool                        // it is about a pending enrollment alone, unless it confirms it
	names    bool                        // it gives the account its handle
	guess    event.Method                // of the code that it presents
	browser  string                      // that it comes from
	half     func(a *account)            // what a fault midway may leave of it; nil: nothing
}

// do makes a call, with what may happen to it on the way, and holds all that is seen of it against
// the model. It reports whether the answer was a success.
func (m *machine) do(t *rapid.T, p *process, c call) bool {
	way := m.way(t, p)
	before := m.snapshot(t)
	if c.half != nil {
		way.meanwhile = nil // the rule is of the whole call, and what comes between would see half of it
	}
	if way.meanwhile != nil {
		meanwhile := way.meanwhile
		way.meanwhile = func() { meanwhile(); before = m.snapshot(t) }
	}
	err := way.run(p, func(ctx context.Context) error { return c.run(ctx, p) })

	now := m.at(p)
	t.Logf("%s: %s(%q) at %d: %v", p.name, c.name, c.account, now, err)
	after := m.model[c.account].clone()
	after.from = c.browser
	want := c.rule(after, now)
	if m.snapshot(t)[c.account].Version != before[c.account].Version {
		after.saved(now)
	}
	if way.meanwhile != nil && c.guess != "" && want.err != nil {
		want.retryAt = max(want.retryAt, after.lookedAt(m.model[c.account], m.read(t, c.account), now))
	}
	happened := !isFault(err)
	if happened {
		m.judge(t, want, err)
		if want.err == nil && c.told != nil {
			c.told(after, want)
		}
	} else {
		require.True(t, way.explains(err), "a fault out of nowhere: %v", err)
		adopted := after.clone()
		adopted.adopt(m.read(t, c.account))
		happened = adopted.shape().equal(m.read(t, c.account).shape())
		if half := m.model[c.account].clone(); !happened && c.half != nil {
			c.half(half)
			half.saved(now)
			if half.shape().equal(m.read(t, c.account).shape()) {
				after, happened = half, true
			}
		}
		if way.canceled && errors.Is(want.err, gatehouse.ErrDenied) {
			require.Fail(t, "who hangs up has not been told of a wrong code", "%v", err)
		}
	}
	if happened {
		after.adopt(m.read(t, c.account))
		after.from = ""
		m.model[c.account] = after
		if want.err == nil && c.happened != nil {
			c.happened(want)
		}
	}
	m.check(t, p, c, before, happened && want.err == nil, want)
	return err == nil
}

// judge holds an answer against the rule's.
func (m *machine) judge(t *rapid.T, want answer, err error) {
	if want.err == nil {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, want.err)
	if want.err == gatehouse.ErrDenied {
		var got *gatehouse.DeniedError
		require.ErrorAs(t, err, &got)
		require.Equal(t, gatehouse.DeniedError{RetryAt: moment(want.retryAt), Disabled: want.disabled}, *got)
	}
}

func isFault(err error) bool {
	for _, answer := range []error{nil, gatehouse.ErrDenied, gatehouse.ErrStepUpRequired, gatehouse.ErrPrecondition, gatehouse.ErrNotFound, gatehouse.ErrInvalid} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return true
}

// way is what happens between a call and its answer.
type way struct {
	faults    []gatehousetest.Fault // that the calls of the store meet, the first one first
	hangUp    bool                  // the caller's context ends just before a save
	meanwhile func()                // another process's call, just before a save
	second    bool                  // that save is the second one, not the first

	met      int // faults
	canceled bool
}

// way draws what happens: nothing, as a rule. While one process's call is under way nothing happens
// to the other's.
func (m *machine) way(t *rapid.T, p *process) *way {
	w := &way{}
	if m.busy != nil {
		return w
	}
	switch rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 7, 7, 8, 9}).Draw(t, "way") {
	case 7: // the second call is, as a rule, the save
		w.faults = make([]gatehousetest.Fault, rapid.SampledFrom([]int{1, 1, 1, 0, 2, 3}).Draw(t, "good calls"))
		w.faults = append(w.faults, rapid.SliceOfN(rapid.SampledFrom([]gatehousetest.Fault{
			gatehousetest.Fail, gatehousetest.Conflict, gatehousetest.LoseReply, gatehousetest.Repeat, gatehousetest.None,
		}), 1, 3).Draw(t, "faults")...)
	case 8:
		w.hangUp = true
	case 9:
		w.meanwhile = func() {
			m.busy = p
			defer func() { m.busy = nil }()
			t.Logf("meanwhile:")
			m.commands[rapid.SampledFrom(m.meanwhile).Draw(t, "meanwhile")](t)
		}
	}
	return w
}

func (w *way) run(p *process, call func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.met, w.canceled = 0, false
	saves, calls := 0, 0
	at := 1
	if w.second {
		at = 2
	}
	p.store.Inject(func(method string) gatehousetest.Fault {
		if method == "SaveAccount" || method == "SaveToken" || method == "DeleteToken" {
			if saves++; saves == at && w.hangUp {
				w.canceled = true
				cancel()
			}
			if saves == at && w.meanwhile != nil {
				w.meanwhile()
			}
		}
		if calls++; calls <= len(w.faults) && w.faults[calls-1] != gatehousetest.None {
			w.met++
			return w.faults[calls-1]
		}
		return gatehousetest.None
	})
	err := call(ctx)
	p.store.Inject(nil) // not deferred: a failure meanwhile leaves the store in the midst of a call
	return err
}

// explains reports whether a fault is one that was made.
func (w *way) explains(err error) bool {
	return w.met > 0 && errors.Is(err, gatehousetest.ErrFault) || w.canceled && errors.Is(err, context.Canceled)
}
