//go:build linux && !race

package cluster_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
)

// fault is what happens to one node, which is the leader where there is one.
type fault string

const (
	killed    fault = "killed"                      // by SIGKILL, all of its processes; then turned on again
	paused    fault = "paused"                      // by SIGSTOP, until others have taken over and 15 s at least
	cut       fault = "partitioned"                 // from the other nodes and from all workers
	cutWorker fault = "partitioned with its worker" // which goes on asking it
	ahead     fault = "clock an hour ahead"
	behind    fault = "clock an hour behind"
	full      fault = "disk full"
	crashed   fault = "worker killed"   // by SIGKILL, the one next to the node; then another one has its accounts
	restarted fault = "rolling restart" // of all nodes, one after the other, in an orderly way
	upgraded  fault = "rolling upgrade" // of the workers
)

// faults are those of a node.
var faults = []fault{ahead, behind, full, killed, paused, cut, cutWorker, crashed}

// long is how often each fault is tried.
func long() int {
	if os.Getenv("GATEHOUSE_LONG") != "" {
		return 20
	}
	return 1
}

// testCluster starts an engine and has everything happen to it under load, after what is for it alone. Each round has nodes
// of its own: what one leaves on their disks would make the next one's full too early.
func testCluster(t *testing.T, name string, before ...func(*cluster)) {
	t.Parallel()
	var table []figures
	for round := range long() {
		t.Run(fmt.Sprint("round", round+1), func(t *testing.T) {
			c := newCluster(t, name)
			if round == 0 {
				for _, f := range before {
					f(c)
				}
				began := time.Now()
				t.Run("shared", c.testShared)
				t.Logf("the suite for stores took %s", time.Since(began).Round(time.Second))
			}
			c.startWorkers()
			for _, f := range faults {
				if _, ok := c.engine.(clocked); ok || f != ahead && f != behind {
					table = append(table, c.suffer(f))
				}
			}
			table = append(table, c.restartAll(), c.upgradeAll())
			c.finish()
			t.Logf("calls: %v", c.books.count)
		})
		if long() > 1 {
			keep(t, name, table)
		}
	}
}

// keep writes the figures to a file that is committed, where each fault has happened many times.
func keep(t *testing.T, name string, table []figures) {
	t.Helper()
	text, err := json.MarshalIndent(table, "", "\t")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("results", 0o755))
	require.NoError(t, os.WriteFile(filepath.Join("results", name+".json"), append(text, '\n'), 0o644))
}

// suffer has a fault happen to the leader, or to a node, and ends it when the others have taken over.
func (c *cluster) suffer(f fault) figures {
	c.t.Helper()
	c.waitHealthy()
	victim := 0
	c.wait("a leader", func(ctx context.Context) (err error) {
		victim, err = c.engine.leader(ctx, c)
		return err
	})
	c.suffered++
	if victim < 0 {
		victim = c.suffered % nodeCount
	}
	began := time.Now()
	c.inflict(f, victim)
	ended := time.Now()
	c.waitHealthy()
	if c.engine.stale(f) {
		c.books.allowed = append(c.books.allowed, span{began, time.Now()})
	}
	c.waitSuccess(ended, 0, 1, 2)
	return c.judge(f, began)
}

// judge gives the verdict on what has happened since a time.
func (c *cluster) judge(f fault, began time.Time) figures {
	c.t.Helper()
	now := time.Now()
	staleBefore := len(c.books.stale)
	c.books.verdict(c.t, c)
	if c.t.Failed() {
		c.t.FailNow()
	}
	row := c.books.figuresOf(began, now)
	row.Engine, row.Fault, row.Stale = c.name, string(f), len(c.books.stale)-staleBefore
	c.t.Logf("%s: %s in all, %s without a save, %d of %d calls met a fault, %d stale reads", f,
		row.Length.Round(time.Second), row.Silence.Round(10*time.Millisecond), row.Faults, row.Calls, row.Stale)
	if f == ahead || f == behind || f == upgraded {
		require.LessOrEqual(c.t, row.Faults, row.Calls/50, "nothing fails but what a busy machine makes late:\n%s", c.books.usual())
	}
	return row
}

// crowd saves what needs room until a machine has said that it has none, and for so long at least. Then it gives the room
// back, and deletes what it has saved.
func (c *cluster) crowd(victim int, atLeast time.Duration, meanwhile func()) {
	c.t.Helper()
	m, began := c.nodes[victim], time.Now()
	said := func() (n int) {
		for _, log := range c.engine.logs() {
			text, _ := os.ReadFile(m.log(log))
			n += strings.Count(strings.ToLower(string(text)), "no space left")
		}
		return n
	}
	before := said()
	m.fillDisk()
	var saved []string
	c.wait("a server that has no room", func(ctx context.Context) error {
		var err error
		for ctx.Err() == nil {
			if said() > before && time.Since(began) >= atLeast {
				return nil
			}
			data := make([]byte, 64<<10) // that cannot be compressed
			_, _ = rand.Read(data)
			saved = append(saved, fmt.Sprint("crowd-", time.Now().UnixNano()))
			if err = c.raw.SaveAccount(ctx, storage.Record{ID: saved[len(saved)-1], Version: 1, Data: data}, 0); err != nil {
				sleep(ctx, 100*time.Millisecond)
			}
		}
		return fmt.Errorf("none has said so; the last save: %w", err)
	})
	meanwhile()
	m.freeDisk()
	c.wait("room", func(ctx context.Context) error {
		for len(saved) > 0 {
			if err := c.raw.DeleteAccount(ctx, saved[0]); err != nil {
				return err
			}
			saved = saved[1:]
		}
		return nil
	})
}

// turnClock moves the clock of a node, and waits until its server has that time.
func (c *cluster) turnClock(victim int, off time.Duration) {
	c.t.Helper()
	c.nodes[victim].clock(off)
	c.wait("another clock", func(ctx context.Context) error {
		now, err := c.engine.(clocked).now(ctx, c, victim)
		if is := time.Until(now); err == nil && (is-off).Abs() > 10*time.Minute {
			err = fmt.Errorf("it is off by %s, not %s", is, off)
		}
		return err
	})
}

// isolate cuts a node and its worker off from all others. No save of the worker is acknowledged until they are back, and
// it is told so.
func (c *cluster) isolate(victim int, others []int) {
	c.t.Helper()
	both := []*machine{c.nodes[victim], c.workers[victim].machine}
	partition(both...)
	since := time.Now()
	own := func(is func(record) bool) bool {
		return slices.ContainsFunc(c.books.so(), func(r record) bool { return r.Worker == victim && r.Begin.After(since) && is(r) })
	}
	c.waitSuccess(since, others...)
	c.wait("a fault", func(context.Context) error {
		if !own(func(r record) bool { return r.Outcome == faulty }) {
			return errors.New("the worker that is cut off has met none")
		}
		return nil
	})
	until := time.Now()
	heal(both...)
	require.False(c.t, own(func(r record) bool {
		return r.Do.saves() && r.Outcome == done && r.End.Before(until)
	}), "a node that is cut off has acknowledged a save")
}

// inflict has a fault happen and end.
func (c *cluster) inflict(f fault, victim int) {
	c.t.Helper()
	m, others := c.nodes[victim], []int{(victim + 1) % nodeCount, (victim + 2) % nodeCount}
	all := append(others, victim)
	began := time.Now()
	switch f {
	case killed:
		m.kill()
		c.waitSuccess(began, all...)
		m.boot()
		c.engine.launch(c, victim, false)
	case paused:
		m.pause()
		c.waitSuccess(time.Now(), all...)
		time.Sleep(time.Until(began.Add(15 * time.Second)))
		m.resume()
	case cut:
		partition(m)
		c.waitSuccess(time.Now(), all...)
		heal(m)
	case cutWorker:
		c.isolate(victim, others)
	case ahead, behind:
		off := time.Hour
		if f == behind {
			off = -off
		}
		c.turnClock(victim, off)
		time.Sleep(5 * time.Second)
		c.waitSuccess(time.Now(), all...)
		c.turnClock(victim, 0)
	case full:
		c.crowd(victim, 8*time.Second, func() {
			if c.engine.survives(f) {
				c.waitSuccess(time.Now(), others...)
			}
		})
	case crashed:
		c.crash(c.workers[victim])
		c.waitSuccess(time.Now(), others...)
		c.workers[victim].machine.boot()
		c.workers[victim].start(c.t, c.books)
	}
}
