//go:build linux && !race

package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"

	"github.com/stretchr/testify/require"
)

// restartAll restarts all nodes one after the other, as for an update of the database: no owner is denied.
func (c *cluster) restartAll() figures {
	c.t.Helper()
	began := time.Now()
	for i, m := range c.nodes {
		c.waitHealthy()
		c.wait("another leader", func(ctx context.Context) error { return c.engine.handOver(ctx, c, i) })
		m.kill()
		m.boot()
		c.engine.launch(c, i, false)
	}
	ended := time.Now()
	c.waitHealthy()
	c.waitSuccess(ended, 0, 1, 2)
	c.waitSignIns(ended)
	return c.judge(restarted, began)
}

// upgradeAll replaces all workers one by one with those of the next release, and these with those of the one after it.
func (c *cluster) upgradeAll() figures {
	c.t.Helper()
	began := time.Now()
	for _, next := range []release{first, second} {
		for i, w := range c.workers {
			w.stop(c.t, c.books)
			w.task.Release = next
			since := time.Now()
			w.start(c.t, c.books)
			c.waitSuccess(since, i)
		}
	}
	ended := time.Now()
	c.waitSuccess(ended, 0, 1, 2)
	c.waitSignIns(ended)
	for _, w := range c.workers {
		for _, o := range slices.Concat(w.task.Lanes...) {
			r, err := c.raw.LoadAccount(c.t.Context(), o.ID)
			require.NoError(c.t, err)
			require.EqualValues(c.t, 2, r.Data[formatAt], "%s is of an older format", o.ID)
		}
	}
	return c.judge(upgraded, began)
}

// testShared runs the suite for stores with handles next to two nodes, and services under drawn schedules next to three.
func (c *cluster) testShared(t *testing.T) {
	handles := make(chan int, 1)
	handles <- 0
	storagetest.RunShared(t, func(t *testing.T) storage.Store {
		n := <-handles
		handles <- n + 1
		store, closeStore, err := c.place(n % 2).open()
		require.NoError(t, err)
		t.Cleanup(closeStore)
		return store
	})
	var near int
	storagetest.Simulate(t, func(t *testing.T) storage.Store {
		store, closeStore, err := c.place(near).open()
		near++
		require.NoError(t, err)
		t.Cleanup(closeStore)
		return store
	})
	// What the suite leaves is no account of Gatehouse's.
	for more := true; more; {
		page, err := c.store.Accounts(t.Context(), "storagetest-", 100)
		require.NoError(t, err)
		more = false
		for _, r := range page.Records {
			if strings.HasPrefix(r.ID, "storagetest-") {
				more = true
				require.NoError(t, c.store.DeleteAccount(t.Context(), r.ID))
			}
		}
	}
}
