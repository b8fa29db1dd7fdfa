package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A server that takes 10 ms for each request, one after the other, is asked 200 times a second for ten seconds. Clients
// that wait for it never see more than their own 10 ms; arrivals that wait for nobody see the queue.
func TestArrivals(t *testing.T) {
	const each, length = 10 * time.Millisecond, 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		one := func() error {
			turn <- struct{}{}
			defer func() { <-turn }()
			time.Sleep(each)
			return nil
		}
		var waits, queues times
		closed(1, length, one, &waits)
		require.Len(t, waits.took, int(length/each))
		for _, took := range waits.took {
			require.Equal(t, each, took)
		}
		open(200, length, one, &queues)
		require.InDelta(t, 2000, len(queues.took), 400, "arrivals are at random")
		require.Greater(t, queues.took[len(queues.took)-1], 5*time.Second, "the last waits for all that came before")
	})
}

// A code is taken once: of some accounts there are two codes each until the next step.
func TestCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &apps{last: make([]int64, 3)}
		seen := map[string]bool{}
		for range 6 {
			account, code, ok := a.code()
			require.True(t, ok)
			require.False(t, seen[account+code])
			seen[account+code] = true
		}
		_, _, ok := a.code()
		require.False(t, ok)
		time.Sleep(30 * time.Second)
		_, _, ok = a.code()
		require.True(t, ok)
	})
}
