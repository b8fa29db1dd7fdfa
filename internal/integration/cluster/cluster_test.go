//go:build linux && !race

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// engine is a database on three nodes.
type engine interface {
	// programs are what it runs: pairs of a program and the Debian package that has it.
	programs() []string
	// disk is how many MiB the disk of a node has.
	disk() int
	// launch starts what runs on a node, which has just booted: on all of them for the first time, or on one that was
	// turned off in the middle of its work. It does not wait. fresh says that the disk is empty.
	launch(c *cluster, node int, fresh bool)
	// healthy returns nil if all nodes are there, take part and have everything.
	healthy(ctx context.Context, c *cluster) error
	// create makes the tables, once.
	create(ctx context.Context, s storage.Store) error
	// leader is the node that takes the writes; -1 if all do.
	leader(ctx context.Context, c *cluster) (int, error)
	// handOver has another node lead, in an orderly way, before the node is turned off. It does nothing where none leads.
	handOver(ctx context.Context, c *cluster, node int) error
	// open opens the store in the process of a worker, or of the test.
	open(p place) (storage.Store, func(), error)
	// source is the driver and the connection string of the same store, for the server of the load program.
	source(p place) (driver, dsn string)
	// survives says whether workers next to other nodes go on with their work during a fault.
	survives(f fault) bool
	// stale says whether a read may answer with what was true a moment ago, under a kind of fault.
	stale(f fault) bool
	// logs are the names of the logs of a node, to be shown if it fails.
	logs() []string
}

// mender is an engine whose nodes do not always come back by themselves.
type mender interface {
	// mend does what an operator does then.
	mend(ctx context.Context, c *cluster) error
}

// clocked is an engine whose programs can be given another clock.
type clocked interface {
	// now is the time of a node's server.
	now(ctx context.Context, c *cluster, node int) (time.Time, error)
}

// engines has each by its name, for workers.
var engines = map[string]engine{"patroni": patroni{}, "galera": galera{}, "etcd": etcd{}}

// cluster is an engine on three nodes, with a worker next to each.
type cluster struct {
	t       *testing.T
	name    string
	engine  engine
	nodes   []*machine
	workers []*worker
	setup   setup
	owners  []*owner
	books   *books

	suffered int // faults so far: where no node leads, each has the next one

	raw   storage.Store // as a process of the old release uses it
	store storage.Store // as one of the first next release does
	svc   *gatehouse.Service
	tok   *tokens.Service
}

const (
	nodeCount    = 3
	lanes        = 3 // of a worker
	laneOwners   = 4
	sharedOwners = 4
)

// newCluster starts an engine and makes accounts.
func newCluster(t *testing.T, name string) *cluster {
	t.Helper()
	c := prepare(t, name, engines[name].disk())
	c.start()
	c.books, c.setup = newBooks(), setup{Keys: keyring.Generate().Reveal(), Epoch: time.Now()}
	store, closeStore, err := c.place(0).open()
	require.NoError(t, err)
	t.Cleanup(closeStore)
	require.NoError(t, c.engine.create(t.Context(), store))
	c.raw, c.store = store, first.on(store)
	c.svc, c.tok, err = c.setup.service(c.store)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.svc.Close(context.Background()) })
	c.makeOwners()
	return c
}

// prepare makes the nodes, which are off. Their disks hold so many MiB.
func prepare(t *testing.T, name string, mib int) *cluster {
	t.Helper()
	c := &cluster{t: t, name: name, engine: engines[name]}
	need(t, c.engine.programs()...)
	for i := range nodeCount {
		c.nodes = append(c.nodes, newMachine(t, fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), i), mib))
	}
	return c
}

// start turns the nodes on, and waits until the engine runs.
func (c *cluster) start() {
	c.t.Helper()
	c.t.Cleanup(c.showLogs)
	for i, m := range c.nodes {
		m.boot()
		c.engine.launch(c, i, true)
	}
	began := time.Now()
	c.waitHealthy()
	c.t.Logf("started in %s", time.Since(began).Round(time.Second))
}

// place is what a process next to a node needs.
func (c *cluster) place(near int) place {
	p := place{Engine: c.name, Near: near}
	for _, m := range c.nodes {
		p.Nodes = append(p.Nodes, m.ip)
	}
	return p
}

// makeOwners makes all accounts, and workers that are not running yet.
func (c *cluster) makeOwners() {
	c.t.Helper()
	make1 := func(id string) *owner {
		o := c.enroll(id)
		c.owners = append(c.owners, o)
		return o
	}
	var shared []*owner
	for i := range sharedOwners {
		shared = append(shared, make1(fmt.Sprint("shared-", i)))
	}
	for n := range c.nodes {
		w := &worker{machine: newMachine(c.t, fmt.Sprintf("%s-worker%d", c.t.Name(), n), 0)}
		w.machine.boot()
		w.task = task{Number: n, Place: c.place(n), Setup: c.setup, Shared: shared}
		for l := range lanes {
			var own []*owner
			for i := range laneOwners {
				own = append(own, make1(fmt.Sprintf("own-%d-%d-%d", n, l, i)))
			}
			w.task.Lanes = append(w.task.Lanes, own)
		}
		c.workers = append(c.workers, w)
	}
}

// enroll makes an account with an app and recovery codes.
func (c *cluster) enroll(id string) *owner {
	c.t.Helper()
	ctx := c.t.Context()
	in := gatehouse.Session{Account: id}
	try, err := c.svc.Before(ctx, id)
	require.NoError(c.t, err)
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd"})
	require.NoError(c.t, err)
	enr, err := c.svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: id})
	require.NoError(c.t, err)
	o := &owner{ID: id, Auth: enr.ID, Secret: enr.Secret.Reveal(), Set: enr.RecoverySetID}
	for _, code := range enr.RecoveryCodes {
		o.Codes = append(o.Codes, code.Reveal())
	}
	o.Step = totp.Step(c.setup.now())
	_, err = c.svc.Owner(in).ConfirmEnrollment(ctx, enr.ID, code(o.Secret, o.Step))
	require.NoError(c.t, err)
	return o
}

// patience is how long something may take that has to happen.
const patience = 3 * time.Minute

// wait waits until there is no error.
func (c *cluster) wait(what string, f func(ctx context.Context) error) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %v", what, err)
		}
	}
}

func (c *cluster) waitHealthy() {
	c.t.Helper()
	began, called := time.Now(), false
	c.wait("the cluster", func(ctx context.Context) error {
		err := c.engine.healthy(ctx, c)
		if e, ok := c.engine.(mender); ok && err != nil && !called && time.Since(began) > patience/3 {
			called = true
			c.t.Logf("its operator is called: %v", err)
			err = errors.Join(err, e.mend(ctx, c))
		}
		return err
	})
}

// waitSuccess waits until each of the workers has saved something that it began after a time.
func (c *cluster) waitSuccess(since time.Time, workers ...int) {
	c.t.Helper()
	c.wait("saves", func(context.Context) error {
		for _, w := range workers {
			if !c.books.hasSaved(w, since) {
				return fmt.Errorf("worker %d saves nothing; faults so far:\n%s", w, c.books.usual())
			}
		}
		return nil
	})
}

// waitSignIns waits until somebody has signed in to each account that is not for races, after a time.
func (c *cluster) waitSignIns(since time.Time) {
	c.t.Helper()
	c.wait("sign-ins", func(context.Context) error {
		for _, w := range c.workers {
			for _, o := range slices.Concat(w.task.Lanes...) {
				if !c.books.hasSignedIn(o.ID, since) {
					return fmt.Errorf("nobody can sign in to %s; faults so far:\n%s", o.ID, c.books.usual())
				}
			}
		}
		return nil
	})
}

// startWorkers starts all of them, and waits until each does something.
func (c *cluster) startWorkers() {
	c.t.Helper()
	now := time.Now()
	for _, w := range c.workers {
		w.start(c.t, c.books)
	}
	c.waitSuccess(now, 0, 1, 2)
}

// finish stops the workers once they have done everything, delivers what owners have not been told, and judges once more.
func (c *cluster) finish() {
	c.t.Helper()
	c.wait("all that workers do", c.books.exercised)
	for _, w := range c.workers {
		w.stop(c.t, c.books)
	}
	told, err := notify.New(c.svc, notify.Config{Every: 100 * time.Millisecond})
	require.NoError(c.t, err)
	ctx, stop := context.WithCancel(c.t.Context())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_ = told.Drain(ctx, notify.SinkFunc(func(_ context.Context, n event.Notice) error {
			c.books.note(record{Do: notice, Account: n.AccountID, ID: n.ID, Kind: string(n.Kind), Count: n.Count, Outcome: done})
			return nil
		}))
	}()
	c.wait("notices", func(ctx context.Context) error {
		lag, err := told.Lag(ctx)
		if err == nil && lag.Accounts > 0 {
			err = fmt.Errorf("%+v", lag)
		}
		return err
	})
	stop()
	<-drained
	c.books.told(c.t)
	c.books.verdict(c.t, c)
}

// showLogs shows what the servers have said, where a test has failed.
func (c *cluster) showLogs() {
	if !c.t.Failed() {
		return
	}
	for _, m := range c.nodes {
		if m.up() {
			room, _ := m.do(nil, "df", "-h", m.disk)
			c.t.Logf("%s: %s", m.name, room)
		}
		for _, log := range c.engine.logs() {
			c.t.Logf("%s, %s:\n%s", m.name, log, m.tail(log))
		}
	}
	if dir := os.Getenv("GATEHOUSE_CLUSTER_LOGS"); dir != "" {
		run(c.t, "cp", "-r", disks, dir)
	}
}
