package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Randomness is drawn from one seed for a whole process, so many seeds are run by many processes of this test, each of which
// runs some of them and ends: what it takes does not grow with their number.
const (
	seedsOfProcess = 500
	tallyFile      = "GATEHOUSE_TALLY" // where a process writes what it has counted
)

// endWithParent ends a process of runMany when the one that has started it is gone.
func endWithParent() {
	if os.Getenv(tallyFile) != "" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
	}
}

// tally counts what has happened in runs. Its fields are exported for JSON.
type tally struct {
	Seeds, Calls, Faults, Undecided int
	Told                            map[op]map[outcome]int
	Notices                         deliveries
	Rolled                          rolled
	Hung                            stalled
}

func (c *tally) add(more tally) {
	c.Seeds, c.Calls, c.Faults, c.Undecided = c.Seeds+more.Seeds, c.Calls+more.Calls, c.Faults+more.Faults, c.Undecided+more.Undecided
	c.Notices.add(more.Notices)
	c.Rolled.add(more.Rolled)
	c.Hung.add(more.Hung)
	for does, outcomes := range more.Told {
		if c.Told[does] == nil {
			c.Told[does] = map[outcome]int{}
		}
		for o, k := range outcomes {
			c.Told[does][o] += k
		}
	}
}

// runSeeds runs seeds one after the other, up to the first that finds something.
func runSeeds(t *testing.T, n, first uint64) tally {
	all := tally{Told: map[op]map[outcome]int{}}
	for seed := first; seed < first+n; seed++ {
		r := simulate(t, seed, same, whole)
		all.add(tally{1, r.s.drawn, r.s.faults, r.undecided, r.told, r.outbox.deliveries, r.rolled, r.s.stalled})
		if r.wrong != "" {
			shrunk := shrink(t, seed, same)
			t.Fatalf("seed %d: %s\nits schedule, as small as it could be made: %s\n%s", seed, r.wrong, shrunk.wrong, shrunk.s)
		}
	}
	if file := os.Getenv(tallyFile); file != "" {
		data, err := json.Marshal(all)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, data, 0o600))
	}
	return all
}

// runMany is runSeeds by one process for each processor.
func runMany(t *testing.T, n, first uint64) tally {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ranges := make(chan uint64)
	go func() {
		defer close(ranges)
		for at := uint64(0); at < n; at += seedsOfProcess {
			select {
			case ranges <- at:
			case <-ctx.Done():
				return
			}
		}
	}()
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed error
		all    = tally{Told: map[op]map[outcome]int{}}
		dir    = t.TempDir()
		told   = time.Now()
	)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for at := range ranges {
				part, err := runProcess(ctx, min(seedsOfProcess, n-at), first+at, dir)
				mu.Lock()
				if err != nil && failed == nil {
					failed = err
					cancel()
				}
				all.add(part)
				if time.Since(told) > time.Minute {
					told = time.Now()
					t.Logf("%d of %d seeds", all.Seeds, n)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	require.NoError(t, failed)
	return all
}

// runProcess runs seeds in a process of their own.
func runProcess(ctx context.Context, n, first uint64, dir string) (part tally, err error) {
	file := filepath.Join(dir, strconv.FormatUint(first, 10))
	child := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestSimulation$", "-test.timeout", "0")
	child.Env = append(os.Environ(), fmt.Sprint("GATEHOUSE_SEEDS=", n), fmt.Sprint("GATEHOUSE_SEED=", first), tallyFile+"="+file, "GOMAXPROCS=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		return part, err
	}
	defer stdin.Close()
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	if err := child.Run(); err != nil {
		return part, errors.Join(err, errors.New(out.String()))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return part, err
	}
	return part, json.Unmarshal(data, &part)
}
