package simulation

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

func TestMain(m *testing.M) {
	endWithParent()
	debug.SetGCPercent(800) // little is kept, and much is thrown away
	m.Run()
}

func newMemory() storage.Store { return memory.New() }

// shape is what of a run was taken out, to make it smaller.
type shape struct {
	calm func(drawn int) bool
	skip func(call int) bool
}

var whole = shape{func(int) bool { return false }, func(int) bool { return false }}

// run is what became of a seed.
type run struct {
	*world
	wrong     string // "" for nothing
	undecided int    // searches for an order that took too long
	answered  bool   // what is stored is right, and only what was told is not
}

// simulate runs a seed on a store.
func simulate(t *testing.T, seed uint64, under func(storage.Store) storage.Store, of shape) (r run) {
	cryptotest.SetGlobalRandom(t, seed)
	synctest.Test(t, func(t *testing.T) {
		s := &scheduler{rng: rand.New(rand.NewPCG(seed, 1)), calm: of.calm, running: clients, fault: map[int]bool{}}
		w := newWorld(t, seed, under, s)
		r.world = w
		for number := range clients {
			c := &client{world: w, number: number, rng: rand.New(rand.NewPCG(seed, uint64(100+number)))}
			go func() {
				defer func() {
					s.mu.Lock()
					s.running--
					s.mu.Unlock()
				}()
				c.run(of.skip)
			}()
		}
		seen := newInvariants(t, w)
		s.run(func(client int, what string) {
			if wrong := seen.check(client); wrong != "" && r.wrong == "" {
				r.wrong = wrong + ", after " + what
			}
		})
		untold := w.outbox.finish()
		if r.wrong == "" {
			r.wrong = cmp.Or(w.mistold, untold)
		}
	})
	if r.wrong == "" {
		r.aged()
		r.wrong, r.undecided = explained(r.history, r.accounts, r.holders)
		r.answered = r.wrong != ""
	}
	return r
}

func same(s storage.Store) storage.Store { return s }

// seeds is how many seeds are run, and the first of them.
func seeds(t *testing.T) (n, first uint64) {
	n = 300
	if testing.Short() {
		n = 50
	}
	for name, v := range map[string]*uint64{"GATEHOUSE_SEEDS": &n, "GATEHOUSE_SEED": &first} {
		if text := os.Getenv(name); text != "" {
			parsed, err := strconv.ParseUint(text, 10, 64)
			require.NoError(t, err, name)
			*v = parsed
		}
	}
	return n, first
}

// Whatever becomes of the calls to the store, the invariants hold and every answer is one that some order of the
// calls explains. GATEHOUSE_SEEDS says how many seeds are tried, GATEHOUSE_SEED which is the first.
func TestSimulation(t *testing.T) {
	n, first := seeds(t)
	if os.Getenv(tallyFile) != "" {
		runSeeds(t, n, first)
		return
	}
	run := runSeeds
	if n > seedsOfProcess {
		run = runMany
	}
	all := run(t, n, first)
	require.EqualValues(t, n, all.Seeds)
	for _, does := range slices.Sorted(maps.Keys(all.Told)) {
		t.Logf("%-22s %v", does, all.Told[does])
	}
	t.Logf("%d seeds, %d calls to the store, %d of them with faults, %d searches not ended", n, all.Calls, all.Faults, all.Undecided)
	require.LessOrEqual(t, all.Undecided, 1+int(n)/1000, "too few orders were found or ruled out")
	t.Logf("%d notices were told, %d once more, %d with another", all.Notices.First, all.Notices.Again, all.Notices.Folded)
	t.Logf("%v nodes were replaced by one of the release %v, and %d calls met what their node cannot read", all.Rolled.Deploys, []release{old, reads, makes}, all.Rolled.Unread)
	t.Logf("%d calls to the store have stalled, of which %d were given up, and %d writes of those were carried out later", all.Hung.Calls, all.Hung.GivenUp, all.Hung.Late)
	if n >= 1000 {
		all.wide(t)
	}
}

// wide checks that the runs had something of everything.
func (c tally) wide(t *testing.T) {
	require.NotZero(t, c.Hung.Late)
	require.True(t, c.Notices.First > 0 && c.Notices.Again > 0)
	require.NotContains(t, c.Rolled.Deploys, 0)
	require.NotZero(t, c.Rolled.Unread)
	for does := range often {
		require.NotZero(t, c.Told[does][ok], "%s never succeeded: the simulation is too narrow", does)
		require.True(t, does == reseal || c.Told[does][fault] > 0, "%s never met a fault", does)
	}
}

// A seed gives the same run each time, so what it finds can be found again.
func TestOneSeedOneRun(t *testing.T) {
	for seed := range uint64(20) {
		once := simulate(t, seed, same, whole)
		again := simulate(t, seed, same, whole)
		require.Equal(t, once.s.log, again.s.log, "seed %d", seed)
		require.Equal(t, once.world.String(), again.world.String(), "seed %d", seed)
	}
}

// shrink takes faults and calls out of a failing run for as long as it fails.
func shrink(t *testing.T, seed uint64, under func(storage.Store) storage.Store) run {
	calm, skip := map[int]bool{}, map[int]bool{}
	try := func() run {
		return simulate(t, seed, under, shape{func(n int) bool { return calm[n] || calm[0] }, func(n int) bool { return skip[n] }})
	}
	best := try()
	keep := func(undo func()) {
		if r := try(); r.wrong != "" {
			best = r
		} else {
			undo()
		}
	}
	calm[0] = true // no fault at all
	keep(func() { delete(calm, 0) })
	for call := range clients * callsOfClient {
		skip[call] = true
		keep(func() { delete(skip, call) })
	}
	for n := 1; n <= best.s.drawn && !calm[0]; n++ {
		calm[n] = true
		keep(func() { delete(calm, n) })
	}
	return best
}
