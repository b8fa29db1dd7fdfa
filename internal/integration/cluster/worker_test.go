//go:build linux && !race

package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// place is all that a process needs to use the store of a cluster.
type place struct {
	Engine string
	Nodes  []string // their addresses
	Near   int      // the node that this process is next to
}

// nearFirst are the addresses of the nodes, the near one first.
func (p place) nearFirst() []string {
	return slices.Concat(p.Nodes[p.Near:], p.Nodes[:p.Near])
}

// open returns the store, and a function that closes it.
func (p place) open() (storage.Store, func(), error) {
	e, ok := engines[p.Engine]
	if !ok {
		return nil, nil, fmt.Errorf("no engine %q", p.Engine)
	}
	return e.open(p)
}

// speed is how fast the clock of the services goes, so that there are codes enough: a step every three seconds.
const speed = 10

// setup is the same for all workers.
type setup struct {
	Keys  string
	Epoch time.Time // when the services' clock was right
}

func (s setup) now() time.Time { return s.Epoch.Add(time.Since(s.Epoch) * speed) }

func scopes() tokens.Scopes {
	list, err := tokens.ParseScopes("logs:read")
	if err != nil {
		panic(err)
	}
	return list
}

// service makes a Service and its tokens on a store.
func (s setup) service(store storage.Store) (*gatehouse.Service, *tokens.Service, error) {
	keys, err := keyring.Parse(s.Keys)
	if err != nil {
		return nil, nil, err
	}
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keys, Recovery: gatehousetest.CheapRecovery(), Now: s.now, Notices: true,
	})
	if err != nil {
		return nil, nil, err
	}
	known, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read", Description: "Read logs"})
	if err != nil {
		return nil, nil, err
	}
	// A worker presents rotated tokens, and loses what it has when it is killed.
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: known, KeepReused: true, MaxActive: 10_000})
	return svc, tok, err
}

// task is what a worker is to do, until its standard input ends.
type task struct {
	Number  int
	Place   place
	Setup   setup
	Release release
	Lanes   [][]*owner // each does one thing at a time, for owners of its own
	Shared  []*owner   // of all workers, which race for them
}

// record is one line of a worker's: what a call has come to. An acknowledged call is written before the next one of its
// lane begins.
type record struct {
	Worker  int       `json:"worker"`
	Do      what      `json:"do"`
	Account string    `json:"account,omitempty"`
	Begin   time.Time `json:"begin"`
	End     time.Time `json:"end"`
	Outcome outcome   `json:"outcome"`
	Error   string    `json:"error,omitempty"`
	Slow    bool      `json:"slow,omitempty"` // a code or a proof may have been too old when it was looked at

	Step   int64  `json:"step,omitempty"`   // of the code that was given, or of what was read
	Code   string `json:"code,omitempty"`   // a recovery code
	Set    string `json:"set,omitempty"`    // of recovery codes
	ID     string `json:"id,omitempty"`     // of a token, an authenticator or a notice
	Count  int    `json:"count,omitempty"`  // of a token's rotations, or of what a notice stands for
	SignIn int64  `json:"signIn,omitempty"` // of what was read
	Kind   string `json:"kind,omitempty"`   // of a notice

	Lanes [][]*owner `json:"lanes,omitempty"` // when a worker ends: what its owners have
}

type what string

const (
	signIn     what = "sign in" // by a code of the app
	recovered  what = "sign in by a recovery code"
	again      what = "give a challenge again" // that has been answered
	race       what = "race"                   // all workers with one code
	raceCode   what = "race for a recovery code"
	mint       what = "mint"
	rotate     what = "rotate"
	revoke     what = "revoke"
	checkLive  what = "check a live token"
	checkEnded what = "check a revoked token"
	begin      what = "begin an enrollment"
	confirm    what = "confirm an enrollment"
	remove     what = "remove an authenticator"
	regenerate what = "regenerate recovery codes"
	read       what = "read"
	challenge  what = "challenge"
	notice     what = "notice"
	handOver   what = "hand over" // what owners have, to the next worker
	lost       what = "lost"      // the worker of an account was killed: nobody knows what came of its last call
)

// everything is what workers do, and do again until it has succeeded or was denied as it has to be.
var everything = []what{
	signIn, recovered, again, race, raceCode, mint, rotate, revoke, checkLive, checkEnded, begin, confirm, remove, regenerate, read, challenge,
}

type outcome string

const (
	done    outcome = "ok"
	denied  outcome = "denied"  // ErrDenied: the answer to a wrong code or token
	refused outcome = "refused" // a proof or a state that is not enough, or nothing there
	faulty  outcome = "fault"
	broken  outcome = "broken" // a record that cannot be read, which no fault of a cluster makes
)

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return done
	case errors.Is(err, gatehouse.ErrDenied):
		return denied
	case errors.Is(err, core.ErrFormat):
		return broken
	}
	for _, e := range []error{gatehouse.ErrStepUpRequired, gatehouse.ErrInvalid, gatehouse.ErrNotFound, gatehouse.ErrPrecondition} {
		if errors.Is(err, e) {
			return refused
		}
	}
	return faulty
}

// reporter writes records to the parent.
type reporter struct {
	worker int
	mu     sync.Mutex
	to     *json.Encoder
}

func (r *reporter) write(rec record) {
	rec.Worker = r.worker
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.to.Encode(rec); err != nil {
		os.Exit(1) // the parent is gone
	}
}

const taskVariable = "GATEHOUSE_CLUSTER_TASK"

// workerMain is a program that uses Gatehouse.
func workerMain() error {
	text, err := os.ReadFile(os.Getenv(taskVariable))
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		return err
	}
	store, closeStore, err := t.Place.open()
	if err != nil {
		return err
	}
	defer closeStore()
	store = t.Release.on(store)
	svc, tok, err := t.Setup.service(store)
	if err != nil {
		return err
	}
	far, farTok, closeFar, err := t.far()
	if err != nil {
		return err
	}
	defer closeFar()
	out := &reporter{worker: t.Number, to: json.NewEncoder(os.Stdout)}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()

	told, err := notify.New(svc, notify.Config{Every: time.Second, Faults: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() {
		_ = told.Drain(ctx, notify.SinkFunc(func(_ context.Context, n event.Notice) error {
			out.write(record{Do: notice, Account: n.AccountID, ID: n.ID, Kind: string(n.Kind), Count: n.Count, Outcome: done})
			return nil
		}))
	})
	for i, owners := range t.Lanes {
		l := &lane{task: t, svc: svc, tok: tok, far: far, farTok: farTok, out: out, owners: owners, turn: i}
		all.Go(func() { l.run(ctx) })
	}
	l := &lane{task: t, svc: svc, out: out}
	all.Go(func() { l.races(ctx) })
	all.Wait()
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = svc.Close(last) // uses of tokens, which may be lost
	out.write(record{Do: handOver, Lanes: t.Lanes, Outcome: done})
	return nil
}

// far opens the store next to the node after the worker's own, for reads: what a process has saved through one node must be
// seen through another one at once.
func (t task) far() (storage.Store, *tokens.Service, func(), error) {
	at := t.Place
	at.Near = (at.Near + 1) % len(at.Nodes)
	store, closeStore, err := at.open()
	if err != nil {
		return nil, nil, nil, err
	}
	store = t.Release.on(store)
	_, tok, err := t.Setup.service(store)
	return store, tok, closeStore, err
}

// worker is such a process, as its parent has it.
type worker struct {
	machine *machine
	task    task
	cmd     *exec.Cmd
	in      io.Closer
	ended   <-chan struct{}
}

// start starts the process. What it writes goes to the books.
func (w *worker) start(t *testing.T, b *books) {
	t.Helper()
	text, err := json.Marshal(w.task)
	require.NoError(t, err)
	name := fmt.Sprintf("%s/%s-%d.json", disks, w.machine.name, time.Now().UnixNano())
	require.NoError(t, os.WriteFile(name, text, 0o600)) // longer than an environment may be
	exe, err := os.Executable()
	require.NoError(t, err)
	// Its root is that of the machine, which was there before: the path of the file leads into it all the same.
	w.cmd = w.machine.command(true, []string{roleVariable + "=worker", taskVariable + "=" + name}, exe)
	w.cmd.Stderr = os.Stderr
	w.in, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	w.ended, err = launch(w.cmd, func() { b.listen(t, out) })
	require.NoError(t, err)
}

// stop has the process end when what is under way has.
func (w *worker) stop(t *testing.T, b *books) {
	t.Helper()
	require.NoError(t, w.in.Close())
	select {
	case <-w.ended:
		require.True(t, w.cmd.ProcessState.Success(), "a worker has failed: %s", w.cmd.ProcessState)
		w.task.Lanes = b.lanes(w.task.Number)
	case <-time.After(5 * time.Minute):
		t.Fatal("a worker does not end")
	}
}

// crash turns a worker off in the middle of what it does. The next one knows of its owners what never changes.
func (c *cluster) crash(w *worker) {
	c.t.Helper()
	w.machine.kill()
	select {
	case <-w.ended:
	case <-time.After(patience):
		c.t.Fatal("a worker that was killed does not end")
	}
	now := time.Now()
	for _, owners := range w.task.Lanes {
		for i, o := range owners {
			c.books.note(record{Worker: w.task.Number, Do: lost, Account: o.ID, Begin: now, End: now, Outcome: faulty})
			// The code of this step may be used.
			owners[i] = &owner{ID: o.ID, Auth: o.Auth, Secret: o.Secret, Step: totp.Step(c.setup.now())}
		}
	}
}
