//go:build linux && !race

package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
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
	restarted fault = "rolling restart" // of all nodes, one after the other, in an orderly way
	upgraded  fault = "rolling upgrade" // of the workers
)

// faults are those of a node.
var faults = []fault{ahead, behind, full, killed, paused, cut, cutWorker}

// long is how often each fault is tried.
func long() int {
	if os.Getenv("GATEHOUSE_LONG") != "" {
		return 20
	}
	return 1
}

// testCluster starts an engine and has everything happen to it under load, after what is for it alone.
func testCluster(t *testing.T, name string, before ...func(*cluster)) {
	c := newCluster(t, name)
	for _, f := range before {
		f(c)
	}
	began := time.Now()
	t.Run("shared", c.testShared)
	t.Logf("the suite for stores took %s", time.Since(began).Round(time.Second))
	c.startWorkers()
	var table []figures
	for range long() {
		for _, f := range faults {
			if c.engine.feels(f) {
				table = append(table, c.suffer(f))
			}
		}
		table = append(table, c.restartAll())
		c.keep(table)
	}
	table = append(table, c.upgradeAll())
	c.finish()
	t.Logf("calls: %v", c.books.count)
	c.keep(table)
}

// keep writes the figures to a file that is committed, where each fault has happened many times.
func (c *cluster) keep(table []figures) {
	c.t.Helper()
	if long() == 1 || c.t.Failed() {
		return
	}
	text, err := json.MarshalIndent(table, "", "\t")
	require.NoError(c.t, err)
	require.NoError(c.t, os.MkdirAll("results", 0o755))
	require.NoError(c.t, os.WriteFile(filepath.Join("results", c.name+".json"), append(text, '\n'), 0o644))
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
	victim = max(victim, 0)
	began := time.Now()
	c.inflict(f, victim)
	ended := time.Now()
	c.waitHealthy()
	c.waitSuccess(ended, 0, 1, 2)
	return c.judge(f, began)
}

// judge gives the verdict on what has happened since a time.
func (c *cluster) judge(f fault, began time.Time) figures {
	c.t.Helper()
	now := time.Now()
	staleBefore := len(c.books.stale)
	c.books.verdict(c.t, c, c.engine.stale(f))
	if c.t.Failed() {
		c.t.FailNow()
	}
	row := c.books.figuresOf(began, now)
	row.Engine, row.Fault, row.Stale = c.name, string(f), len(c.books.stale)-staleBefore
	c.t.Logf("%s: %s in all, %s without a save, %d of %d calls met a fault, %d stale reads", f,
		row.Length.Round(time.Second), row.Silence.Round(10*time.Millisecond), row.Faults, row.Calls, row.Stale)
	return row
}

// crowd makes accounts, which need room, until one cannot be made.
func (c *cluster) crowd(atMost time.Duration) {
	began := time.Now()
	for i := 0; time.Since(began) < atMost; i++ {
		in := gatehouse.Session{Account: fmt.Sprint("crowd-", began.UnixNano(), "-", i)}
		try, err := c.svc.Before(c.t.Context(), in.Account)
		if err == nil {
			in.Proof, err = try.Vouch(c.t.Context(), in, gatehouse.FirstFactor{Method: "pwd"})
		}
		if err == nil {
			_, err = c.svc.Owner(in).BeginEnrollment(c.t.Context(), gatehouse.EnrollmentRequest{Label: "crowd"})
		}
		if err != nil {
			return
		}
	}
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
		both := []*machine{m, c.workers[victim].machine}
		partition(both...)
		c.waitSuccess(time.Now(), others...)
		heal(both...)
	case ahead, behind:
		off := time.Hour
		if f == behind {
			off = -off
		}
		m.clock(off)
		time.Sleep(5 * time.Second)
		c.waitSuccess(time.Now(), all...)
		m.clock(0)
	case full:
		m.fillDisk()
		c.crowd(20 * time.Second)
		time.Sleep(time.Until(began.Add(8 * time.Second)))
		if c.engine.survives(f) {
			c.waitSuccess(time.Now(), others...)
		}
		m.freeDisk()
	}
}
