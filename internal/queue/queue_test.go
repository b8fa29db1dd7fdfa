package queue_test

import (
	"context"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/queue"
)

// Row K6: a turn is one key's alone, whoever else waits for whatever; who waits comes in order; and nothing is left
// of keys that nobody holds.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var turns queue.Turns
		first, alone, err := turns.Take(ctx, "a")
		require.NoError(t, err)
		require.True(t, alone)
		require.False(t, turns.Free("a"))

		var order []int
		var wg sync.WaitGroup
		for i := range 1023 {
			wg.Go(func() {
				done, alone, err := turns.Take(ctx, "a")
				if err != nil || alone {
					panic("no turn")
				}
				order = append(order, i) // one at a time, or the race detector says so
				done()
			})
			synctest.Wait() // until it stands in line
		}
		_, _, err = turns.Take(ctx, "a")
		require.ErrorIs(t, err, queue.ErrFull)

		for i := range 2000 { // other keys have nothing to do with it
			key := string(rune('\u4e00' + i))
			require.True(t, turns.Free(key))
			done, alone, err := turns.Take(ctx, key)
			require.NoError(t, err)
			require.True(t, alone)
			done()
		}
		require.Equal(t, 1, turns.Len())
		first()
		wg.Wait()
		require.Len(t, order, 1023)
		require.IsIncreasing(t, order)
		require.Zero(t, turns.Len())
	})
}

// Who goes away leaves the line as it was without them, and nothing behind.
func TestTurnsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns queue.Turns
		done, _, err := turns.Take(t.Context(), "a")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		for range 5 {
			go func() {
				if _, _, err := turns.Take(ctx, "a"); err != context.Canceled {
					panic(err)
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		_, _, err = turns.Take(ctx, "b")
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, turns.Len())
		done()
		require.True(t, turns.Free("a"))
		require.Zero(t, turns.Len())
	})
}

const mib = 1 << 20

// stage is a gate whose runs end when they are told to.
type stage struct {
	t    *testing.T
	gate *queue.Gate
	runs map[string]chan struct{} // of those that have begun
	errs map[string]error         // of those that have ended
	mu   sync.Mutex
}

func newStage(t *testing.T, processors, bound int) *stage {
	old := runtime.GOMAXPROCS(processors)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
	return &stage{
		t: t, gate: queue.NewGate(func() int { return bound }), runs: map[string]chan struct{}{}, errs: map[string]error{},
	}
}

func (s *stage) come(ctx context.Context, name string, kind queue.Kind, bytes int) {
	end := make(chan struct{})
	go func() {
		err := s.gate.Run(ctx, kind, bytes, func() {
			s.mu.Lock()
			s.runs[name] = end
			s.mu.Unlock()
			<-end
		})
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.runs, name)
		s.errs[name] = err
	}()
	synctest.Wait()
}

func (s *stage) end(name string) {
	close(s.runs[name])
	synctest.Wait()
	require.NoError(s.t, s.errs[name])
}

func (s *stage) running(names ...string) {
	s.t.Helper()
	var got []string
	for name := range s.runs {
		got = append(got, name)
	}
	require.ElementsMatch(s.t, names, got)
}

// Row F7: runs are counted by their memory, and the large ones have their turn.
func TestGateCountsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := newStage(t, 64, 133*mib) // 99.75 MiB are for those that run
		for _, name := range []string{"a", "b", "c"} {
			s.come(ctx, name, queue.Try, 30*mib)
		}
		s.come(ctx, "large", queue.Try, 64*mib)
		s.come(ctx, "small", queue.Try, 1*mib)
		s.running("a", "b", "c")
		s.end("a")
		s.running("b", "c")
		s.end("b")
		s.running("c", "large", "small") // 30 and 64 and 1
		s.come(ctx, "over", queue.Try, 500*mib)
		s.come(ctx, "last", queue.Try, 1)
		s.running("c", "large", "small")
		s.end("large")
		s.end("small")
		s.running("c")
		s.end("c")
		s.running("over") // alone: it is more than the bound
		s.end("over")
		s.running("last")
		s.end("last")

		// The setting raises and lowers; of several the greatest counts, and 0 is none.
		for _, asked := range []int{14 * mib, 0, 27 * mib, 5 * mib} {
			s.gate.Ask(asked)
		}
		s.come(ctx, "10", queue.Try, 10*mib)
		s.come(ctx, "9", queue.Try, 9*mib)
		s.come(ctx, "2", queue.Try, 2*mib)
		s.running("10", "9")
		s.end("10")
		s.running("9", "2")
		s.end("9")
		s.end("2")
	})
}

// No more runs than processors, however little they take.
func TestGateCountsProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2, 100*mib)
		for _, name := range []string{"a", "b", "c"} {
			s.come(t.Context(), name, queue.Try, 0)
		}
		s.running("a", "b")
		s.end("b")
		s.running("a", "c")
		s.end("a")
		s.end("c")
	})
}

// Row K4: codes that are made, which anybody can have done to an account of their own, do not fill the places of
// codes that are tried, and wait no longer for it than in turn.
func TestGateKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newStage(t, 1, 100*mib)
		s.come(ctx, "running", queue.Make, mib)
		for i := range 256 {
			s.come(ctx, "make"+string(rune('A'+i)), queue.Make, mib)
		}
		require.ErrorIs(t, s.gate.Run(ctx, queue.Make, mib, nil), queue.ErrFull)
		s.come(ctx, "try 1", queue.Try, mib)
		s.come(ctx, "try 2", queue.Try, mib)
		s.end("running")
		s.running("try 1")
		s.end("try 1")
		s.running("makeA")
		s.end("makeA")
		s.running("try 2")
		s.end("try 2")
		s.running("makeB")

		// Who goes away makes room, and is no run.
		cancel()
		synctest.Wait()
		running, waiting := s.gate.Waiting()
		require.Equal(t, 1, running)
		require.Zero(t, waiting)
		s.end("makeB")
		s.running()
		require.ErrorIs(t, s.errs["makeC"], context.Canceled)
		require.ErrorIs(t, s.gate.Run(ctx, queue.Try, mib, nil), context.Canceled)
		running, _ = s.gate.Waiting()
		require.Zero(t, running)
	})
}

// A large one that goes away does not hold those up that came after it.
func TestGateGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 8, 134*mib)
		s.come(t.Context(), "a", queue.Try, 60*mib)
		ctx, cancel := context.WithCancel(t.Context())
		s.come(ctx, "large", queue.Try, 60*mib)
		s.come(t.Context(), "b", queue.Try, 40*mib)
		s.running("a")
		cancel()
		synctest.Wait()
		s.running("a", "b")
		s.end("a")
		s.end("b")
	})
}

// A run that panics gives its place back.
func TestGatePanics(t *testing.T) {
	gate := queue.NewGate(func() int { return mib })
	require.Panics(t, func() { _ = gate.Run(t.Context(), queue.Try, mib, func() { panic("no") }) })
	running, waiting := gate.Waiting()
	require.Zero(t, running+waiting)
}

// Row F7: limits of containers are read where they are there.
func TestCgroupMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want int64
	}{
		"no Linux":       {fstest.MapFS{}, math.MaxInt64},
		"version 1":      {fstest.MapFS{"proc/self/cgroup": file("5:memory:/x\n"), "sys/fs/cgroup/memory.max": file("1\n")}, math.MaxInt64},
		"no limit":       {fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("max\n")}, math.MaxInt64},
		"garbage":        {fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("-5\n")}, math.MaxInt64},
		"of a container": {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("67108864\n")}, 64 * mib},
		"of one above": {fstest.MapFS{
			"proc/self/cgroup": file("1:name=systemd:/\n0::/pods/one/app\n"), "sys/fs/cgroup/pods/memory.max": file("1048576\n"),
			"sys/fs/cgroup/pods/one/memory.max": file("max\n"), "sys/fs/cgroup/pods/one/app/memory.max": file("2097152\n"),
		}, 1 * mib},
		"outside of what is mounted": {fstest.MapFS{"proc/self/cgroup": file("0::/../../x\n"), "sys/fs/cgroup/memory.max": file("4096\n")}, 4096},
	} {
		require.Equal(t, c.want, queue.CgroupMemory(c.fs), name)
	}
	require.Equal(t, 80*mib, queue.DefaultFor(math.MaxInt64))
	require.Equal(t, 80*mib, queue.DefaultFor(320*mib))
	require.Equal(t, 32*mib, queue.DefaultFor(128*mib))
}
